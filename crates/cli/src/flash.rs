//! `thingwire flash`: bootloader, partition table, firmware and kit onto a board, or into one file for factory tools.
//!
//! What speaks to the chip's loader is the program `espflash` ([`crate::espflash`]); where things lie says the firmware's
//! partition table ([`crate::partitions`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::espflash::{Espflash, Monitored};
use crate::exit::{Exit, Failure};
use crate::kit_image::{Content, write_secret};
use crate::partitions::Table;
use crate::{Context, output};

/// Arguments of `thingwire flash`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire flash --kit kitchen --wifi Home --chip esp32c3 --port /dev/ttyACM0
  thingwire flash --kit kitchen --wifi Home --chip esp32c3 --image factory.bin

It needs the program espflash (cargo install espflash --locked) and a firmware that was built:
cargo xtask firmware. Exit code 9: no board, no espflash, or the board could not be written.")]
pub(crate) struct Flash {
    #[command(flatten)]
    content: Content,
    /// The board's chip
    #[arg(long, value_enum)]
    chip: Chip,
    /// The board's serial port [default: the only one there is]
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Write one file for factory tools instead of a board; it holds the device's key
    #[arg(long, value_name = "FILE", conflicts_with = "port")]
    image: Option<PathBuf>,
    /// The program for the chip, ELF [default: what `cargo xtask firmware` left in target/]
    #[arg(long, value_name = "ELF")]
    firmware: Option<PathBuf>,
    /// The firmware's partition table, CSV [default: that of Thingwire's firmware]
    #[arg(long, value_name = "CSV")]
    partitions: Option<PathBuf>,
    /// How long to show the serial log while waiting for the connection, in seconds; 0 for not at all
    #[arg(long, value_name = "SECONDS", default_value = "120")]
    wait: u64,
}

/// Chips there is firmware for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Chip {
    Esp32,
    Esp32c3,
    Esp32c6,
    Esp32s3,
}

/// `e_machine` of an ELF file.
const RISCV: u16 = 243;
const XTENSA: u16 = 94;

impl Chip {
    /// As espflash calls it, and everybody else.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Esp32 => "esp32",
            Self::Esp32c3 => "esp32c3",
            Self::Esp32c6 => "esp32c6",
            Self::Esp32s3 => "esp32s3",
        }
    }

    /// Where the mask ROM looks for the bootloader.
    pub(crate) const fn bootloader(self) -> usize {
        match self {
            Self::Esp32 => 0x1000,
            Self::Esp32c3 | Self::Esp32c6 | Self::Esp32s3 => 0,
        }
    }

    const fn machine(self) -> u16 {
        match self {
            Self::Esp32 | Self::Esp32s3 => XTENSA,
            Self::Esp32c3 | Self::Esp32c6 => RISCV,
        }
    }

    /// The target it is compiled for, which names its folder.
    const fn target(self) -> &'static str {
        match self {
            Self::Esp32 => "xtensa-esp32-none-elf",
            Self::Esp32c3 => "riscv32imc-unknown-none-elf",
            Self::Esp32c6 => "riscv32imac-unknown-none-elf",
            Self::Esp32s3 => "xtensa-esp32s3-none-elf",
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    chip: &'a str,
    bytes: usize,
    image: Option<&'a Path>,
    port: Option<&'a str>,
    connected: bool,
}

impl Flash {
    /// Waits for espflash, which has no time limit of its own, and for the serial log. Ctrl-C ends both.
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {
            content,
            chip,
            port,
            image,
            firmware,
            partitions,
            wait,
        } = self;
        let firmware = find_firmware(firmware, chip)?;
        let table = Table::read(partitions.as_deref())?;
        let espflash = Espflash::find(chip)?;
        // Before a password is asked for: is there a board at all?
        let port = match &image {
            Some(_) => None,
            None => Some(find_port(port)?),
        };
        let kit = content.image()?;
        let folder = tempfile::tempdir().map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot make a temporary folder: {error}"),
            )
        })?;
        let csv = folder.path().join("partitions.csv");
        write_secret(&csv, table.csv().as_bytes())?;
        table.fits(&kit)?;

        let mut written = Written {
            chip: chip.name(),
            bytes: kit.len(),
            image: image.as_deref(),
            port: port.as_deref(),
            connected: false,
        };
        if let Some(file) = &image {
            let merged = folder.path().join("merged.bin");
            espflash.merge(&firmware, &csv, &merged)?;
            let merged = std::fs::read(&merged).map_err(|error| {
                Failure::new(Exit::Board, format!("espflash left no image: {error}"))
            })?;
            let whole = table.with_kit(chip, merged, &kit)?;
            written.bytes = whole.len();
            write_secret(file, &whole)?;
            output::done(format_args!(
                "`{}`: {} bytes, to be written at address 0 of the flash; it holds the device's key",
                file.display(),
                whole.len(),
            ));
        } else if let Some(port) = &port {
            let kit_file = folder.path().join("kit.bin");
            write_secret(&kit_file, &kit)?;
            espflash.flash(&firmware, &csv, port)?;
            espflash.write(table.kit_offset(), &kit_file, port)?;
            output::done(format_args!(
                "bootloader, partition table, firmware and kit are on the board"
            ));
            if wait > 0 {
                output::talk(
                    "waiting for the board to connect; Ctrl-C ends this and changes nothing",
                );
                match espflash.monitor(port, Duration::from_secs(wait))? {
                    Monitored::Connected => output::done("the board is connected"),
                    Monitored::Silent => {
                        let text = format!("the board has not connected within {wait} s");
                        return Err(Failure::new(Exit::TimedOut, text)
                            .advise(
                                "its last line says why; docs/first-board.md has a cure for each",
                            )
                            .advise("it goes on trying"));
                    }
                }
                written.connected = true;
            }
        }
        if context.json {
            output::json(&written)?;
        }
        Ok(())
    }
}

/// The file, if it is a program for this chip.
fn find_firmware(given: Option<PathBuf>, chip: Chip) -> Result<PathBuf, Failure> {
    let usual = || {
        ["target/no-std", chip.target(), "release", "sketch"]
            .iter()
            .collect()
    };
    let path: PathBuf = given.unwrap_or_else(usual);
    let wrong = |why: String| {
        let text = format!("the firmware `{}` cannot be used: {why}", path.display());
        Failure::new(Exit::Usage, text)
            .advise("build it: cargo xtask firmware; or name another: --firmware ELF")
    };
    let mut header = [0; 20];
    std::fs::File::open(&path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut header))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => wrong("it is not an ELF file".to_owned()),
            _ => wrong(error.to_string()),
        })?;
    // Magic, 32 bits, little-endian; the machine stands at 18.
    let [0x7F, b'E', b'L', b'F', 1, 1, .., low, high] = header else {
        return Err(wrong("it is not an ELF file of 32 bits".to_owned()));
    };
    if u16::from_le_bytes([low, high]) != chip.machine() {
        return Err(wrong(format!(
            "it is not for the processor of {}",
            chip.name()
        )));
    }
    Ok(path)
}

/// The port given, or the only one that a board may be at.
fn find_port(given: Option<String>) -> Result<String, Failure> {
    let there = candidates();
    let list = if there.is_empty() {
        "no serial port of a board is there: is it plugged in, with a cable that carries data?"
            .to_owned()
    } else {
        format!("there is: {}", there.join(", "))
    };
    match (given, there.as_slice()) {
        // Windows' COM3 is no file.
        (Some(port), _) if cfg!(windows) || Path::new(&port).exists() => Ok(port),
        (Some(port), _) => {
            let text = format!("there is no serial port `{port}`");
            Err(Failure::new(Exit::Board, text).advise(list))
        }
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Failure::new(Exit::Board, "no board is connected").advise(list)),
        (None, _) => {
            let text = "several boards may be connected: say which with --port PORT";
            Err(Failure::new(Exit::Board, text).advise(list))
        }
    }
}

/// Serial ports of USB adapters and of chips with USB of their own.
fn candidates() -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            ["ttyUSB", "ttyACM", "cu.usb", "cu.wchusb", "cu.SLAB"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        })
        .map(|name| format!("/dev/{name}"))
        .collect();
    found.sort();
    found
}
