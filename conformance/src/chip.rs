//! The emulated chip: our firmware on `qemu-system-riscv32 -M virt`, with a kit in its memory.
//!
//! The machine's network is qemu's own ("user"): the chip asks for an address by DHCP and reaches this computer's
//! loopback interface at 10.0.2.2.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use thingwire_chip::{MqttVersion, TlsVersions};

use crate::{Program, finish, foreign, thingwire};

/// Where the firmware looks for its kit (`firmware/qemu/src/machine.rs`).
const KIT_ADDRESS: &str = "0x80800000";

/// This computer, as the chip sees it.
const HOST: &str = "10.0.2.2";

/// Where the firmware looks for what it is to run, and the word for the burst.
const WORK: (&str, u32) = ("0x80810000", 0x5457_4231);

/// Name of the socket by which qemu takes orders (QMP), in the chip's folder.
const MONITOR: &str = "monitor";

/// What differs from one use to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChipSettings {
    /// The TLS versions it offers.
    pub tls: TlsVersions,
    /// The MQTT version it speaks.
    pub mqtt: MqttVersion,
    /// Whether it connects to the kit's second port, with ALPN.
    pub alpn: bool,
    /// Another port than the kit's.
    pub port: Option<u16>,
    /// Whether the kit is taken as it is: its endpoint is dialled, its port, its time servers asked. The other settings
    /// about the connection do not count then.
    pub as_it_is: bool,
    /// Whether its network leads nowhere: not even DHCP answers.
    pub no_network: bool,
    /// Ports on this computer where it asks for the time, in order; without them it has its machine's clock.
    pub time_servers: [Option<u16>; 2],
    /// Whether it runs the thousand publishes of `firmware/qemu/src/burst.rs` instead of the sketch.
    pub burst: bool,
    /// What the chip's wall clock shows at its start, as `2040-01-01T00:00:00`; this computer's time if not given.
    pub date: Option<&'static str>,
}

/// A running chip. Dropping it switches it off.
#[derive(Debug)]
pub struct Chip {
    program: Program,
    folder: TempDir,
}

impl Chip {
    /// Boots one with the kit of this folder, or answers `None` after saying what is missing.
    ///
    /// # Panics
    /// When there is everything and it does not start.
    #[must_use]
    pub fn boot(kit: &Path, settings: ChipSettings) -> Option<Self> {
        Self::boot_image(&kit_image(kit, settings), settings)
    }

    /// Boots one with these bytes where its kit should be.
    ///
    /// # Panics
    /// As [`boot`](Self::boot).
    #[must_use]
    pub fn boot_image(image: &[u8], settings: ChipSettings) -> Option<Self> {
        let qemu = foreign::on_path("qemu-system-riscv32", "qemu-system-misc")?;
        let firmware = firmware()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("kit.bin");
        fs::write(&file, image).expect("a kit image");
        let mut command = Command::new(qemu);
        command
            .args(["-M", "virt", "-m", "16M", "-bios", "none"])
            .args(["-nographic", "-monitor", "none", "-no-reboot", "-kernel"])
            .arg(firmware)
            .args(["-device", "virtio-rng-device", "-netdev"])
            .arg(if settings.no_network {
                "hubport,id=net,hubid=0"
            } else {
                "user,id=net"
            })
            .arg("-qmp")
            .arg(format!(
                "unix:{},server=on,wait=off",
                folder.path().join(MONITOR).display()
            ))
            .args(["-device", "virtio-net-device,netdev=net", "-device"])
            .arg(format!(
                "loader,file={},addr={KIT_ADDRESS},force-raw=on",
                file.display()
            ));
        if settings.burst {
            let (address, word) = WORK;
            command
                .arg("-device")
                .arg(format!("loader,addr={address},data={word:#x},data-len=4"));
        }
        if let Some(date) = settings.date {
            command.arg("-rtc").arg(format!("base={date}"));
        }
        Some(Self {
            program: Program::start("the chip", &mut command),
            folder,
        })
    }

    /// The running machine; what it prints is its serial line.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Pulls the network cable out, or plugs it in again: nothing is told to either side, frames are lost.
    ///
    /// # Panics
    /// When qemu does not do it.
    #[cfg(unix)]
    pub fn cable(&self, plugged: bool) {
        use std::io::{BufRead as _, BufReader, Write as _};
        use std::os::unix::net::UnixStream;

        let mut monitor = UnixStream::connect(self.folder.path().join(MONITOR)).expect("a monitor");
        let mut answers = BufReader::new(monitor.try_clone().expect("a second handle")).lines();
        let _greeting = answers.next().expect("a greeting").expect("read");
        let set_link =
            format!(r#"{{"execute":"set_link","arguments":{{"name":"net","up":{plugged}}}}}"#);
        for command in [r#"{"execute":"qmp_capabilities"}"#, &set_link] {
            writeln!(monitor, "{command}").expect("written");
            // Events may come in between.
            let answer = answers
                .by_ref()
                .map(|line| line.expect("read"))
                .find(|line| line.contains("\"return\"") || line.contains("\"error\""));
            let answer = answer.expect("an answer");
            assert!(answer.contains("\"return\""), "{answer}");
        }
    }

    /// The numbers of each line that has this form, with `#` for a number.
    #[must_use]
    pub fn numbers(&self, form: &str) -> Vec<Vec<usize>> {
        let words: Vec<&str> = form.split_whitespace().collect();
        let of_line = |line: &str| {
            let found: Vec<&str> = line.split_whitespace().collect();
            if found.len() != words.len() {
                return None;
            }
            let mut numbers = Vec::new();
            for (word, found) in words.iter().zip(found) {
                if *word == "#" {
                    numbers.push(found.parse().ok()?);
                } else if *word != found {
                    return None;
                }
            }
            Some(numbers)
        };
        self.program.log().lines().filter_map(of_line).collect()
    }
}

/// The kit image that a folder's kit makes: what `thingwire kit image` writes.
///
/// # Panics
/// When the command does not take the kit.
#[must_use]
pub fn kit_image(kit: &Path, settings: ChipSettings) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("kit.bin");
    let mut command = Command::new(thingwire());
    command
        .args(["kit", "image", "--kit"])
        .arg(kit)
        .arg("--output")
        .arg(&file);
    if !settings.as_it_is {
        command.args(["--address", HOST]);
        connection(&mut command, settings);
    }
    let _ = finish(&mut command, Duration::from_secs(60)).success();
    fs::read(&file).expect("a kit image")
}

/// The flags for what differs from the kit.
fn connection(command: &mut Command, settings: ChipSettings) {
    match settings.tls {
        TlsVersions::Both => {}
        TlsVersions::Only12 => drop(command.args(["--tls", "1.2"])),
        TlsVersions::Only13 => drop(command.args(["--tls", "1.3"])),
    }
    if settings.mqtt == MqttVersion::V5 {
        command.args(["--mqtt", "5"]);
    }
    if settings.alpn {
        command.arg("--alpn");
    }
    if let Some(port) = settings.port {
        command.args(["--mqtt-port", &port.to_string()]);
    }
    if settings.time_servers == [None, None] {
        command.arg("--no-time-servers");
    }
    for port in settings.time_servers.into_iter().flatten() {
        command.args(["--time-server", &format!("{HOST}:{port}")]);
    }
}

/// The program for the chip: `THINGWIRE_FIRMWARE`, or what `cargo xtask firmware` left in the target folder.
fn firmware() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("THINGWIRE_FIRMWARE") {
        return Some(PathBuf::from(path));
    }
    let test = std::env::current_exe().expect("a path of its own");
    // target/debug/deps/test-… → target/no-std/…
    let built = test
        .ancestors()
        .nth(3)
        .map(|target| target.join("no-std/riscv32imc-unknown-none-elf/release/thingwire-qemu"));
    let file = built.filter(|file| file.is_file());
    if file.is_none() {
        foreign::missing("the firmware is not built (`cargo xtask firmware`)");
    }
    file
}
