//! The emulated chip: our firmware on `qemu-system-riscv32 -M virt`, with a kit in its memory.
//!
//! The machine's network is qemu's own ("user"): the chip asks for an address by DHCP and reaches this computer's
//! loopback interface at 10.0.2.2.

use std::ffi::CString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;
use thingwire_chip::{Few, KitImage, MqttVersion, TlsVersions};

use crate::{Program, foreign};

/// Where the firmware looks for its kit (`firmware/qemu/src/machine.rs`).
const KIT_ADDRESS: &str = "0x80800000";

/// This computer, as the chip sees it.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

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
    /// Whether its network leads nowhere: not even DHCP answers.
    pub no_network: bool,
    /// What the chip's wall clock shows at its start, as `2040-01-01T00:00:00`; this computer's time if not given.
    pub date: Option<&'static str>,
}

/// The parts of `kit.json` that go into an image.
#[derive(Deserialize)]
struct Manifest {
    endpoint: String,
    mqtt_port: u16,
    alpn_port: Option<u16>,
    client_id: String,
    root_ca: String,
    certificate: String,
    private_key: String,
}

/// A running chip. Dropping it switches it off.
#[derive(Debug)]
pub struct Chip {
    program: Program,
    _folder: TempDir,
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
            .args(["-device", "virtio-net-device,netdev=net", "-device"])
            .arg(format!(
                "loader,file={},addr={KIT_ADDRESS},force-raw=on",
                file.display()
            ));
        if let Some(date) = settings.date {
            command.arg("-rtc").arg(format!("base={date}"));
        }
        Some(Self {
            program: Program::start("the chip", &mut command),
            _folder: folder,
        })
    }

    /// The running machine; what it prints is its serial line.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
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

/// The kit image that a folder's kit makes.
///
/// # Panics
/// When the folder holds no kit.
#[must_use]
pub fn kit_image(kit: &Path, settings: ChipSettings) -> Vec<u8> {
    let text = |name: &str| fs::read_to_string(kit.join(name)).expect("a file of the kit");
    let c_text = |text: String| CString::new(text).expect("no zero byte in a text");
    let manifest: Manifest = serde_json::from_str(&text("kit.json")).expect("a manifest");
    let endpoint = c_text(manifest.endpoint);
    let roots = c_text(text(&manifest.root_ca));
    let certificate = c_text(text(&manifest.certificate));
    let private_key = c_text(text(&manifest.private_key));
    let port = settings.port.unwrap_or_else(|| {
        if settings.alpn {
            manifest.alpn_port.expect("a port with ALPN")
        } else {
            manifest.mqtt_port
        }
    });
    let kit = KitImage {
        endpoint: &endpoint,
        port,
        client_id: &manifest.client_id,
        roots: &roots,
        certificate: &certificate,
        private_key: &private_key,
        address: Some(HOST),
        alpn: settings.alpn,
        tls: settings.tls,
        mqtt: settings.mqtt,
        wifi: Few::new(),
        time_servers: Few::new(),
    };
    let mut image = vec![0; KitImage::MAX_LEN];
    let len = kit.write(&mut image).expect("a kit that fits");
    image.truncate(len);
    image
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
