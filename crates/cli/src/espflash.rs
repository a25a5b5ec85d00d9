//! The program `espflash`, which speaks to the loader in a chip's ROM, carries the bootloaders, and turns an ELF file into
//! what a chip boots.
//!
//! It is called, not linked: as a library with its serial port it would bring forty crates into every build, for a
//! command that is used where a board is; ARCHITECTURE.md has the reasons. Its talk and its progress bar go to our stderr.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::exit::{Exit, Failure};
use crate::flash::Chip;
use crate::output;
use crate::partitions::{FLASH_SIZE, TABLE_AT};

const PROGRAM: &str = "espflash";

/// What a board says once it is connected.
const CONNECTED: &str = "connected, session kept";

/// The program, there and ready.
pub(crate) struct Espflash {
    chip: Chip,
}

/// What the serial log told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Monitored {
    Connected,
    /// The time was up first.
    Silent,
}

impl Espflash {
    /// Looks whether it is installed.
    ///
    /// # Errors
    /// [`Exit::Board`]: it is not.
    pub(crate) fn find(chip: Chip) -> Result<Self, Failure> {
        let asked = Command::new(PROGRAM)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match asked {
            Ok(_) => Ok(Self { chip }),
            Err(error) => Err(Failure::new(
                Exit::Board,
                "the program `espflash` cannot be started, and it is what writes boards",
            )
            .because(error.to_string())
            .advise("install it: cargo install espflash --locked")),
        }
    }

    /// Bootloader, partition table and firmware as they lie in flash, in one file.
    ///
    /// # Errors
    /// [`Exit::Board`].
    pub(crate) fn merge(&self, firmware: &Path, csv: &Path, out: &Path) -> Result<(), Failure> {
        let mut command = self.command("save-image");
        command.args(["--merge", "--skip-padding"]);
        layout(&mut command, csv);
        command.arg(firmware).arg(out);
        finish(command, "espflash could not make an image of the firmware")
    }

    /// Writes bootloader, partition table and firmware; what is there already is left.
    ///
    /// # Errors
    /// [`Exit::Board`].
    pub(crate) fn flash(&self, firmware: &Path, csv: &Path, port: &str) -> Result<(), Failure> {
        let mut command = self.at("flash", port);
        layout(&mut command, csv);
        command.arg(firmware);
        finish(command, "the board could not be written")
    }

    /// Writes a file to an address of the flash.
    ///
    /// # Errors
    /// [`Exit::Board`].
    pub(crate) fn write(&self, address: usize, file: &Path, port: &str) -> Result<(), Failure> {
        let mut command = self.at("write-bin", port);
        command.arg(format!("{address:#x}")).arg(file);
        finish(command, "the kit could not be written to the board")
    }

    /// Restarts the board and shows its serial log on stderr until it is connected or the time is up.
    ///
    /// # Errors
    /// [`Exit::Board`]: the log ended, such as when somebody pulls the cable.
    pub(crate) fn monitor(&self, port: &str, limit: Duration) -> Result<Monitored, Failure> {
        let mut command = self.at("monitor", port);
        command.arg("--non-interactive");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| ended(&error.to_string()))?;
        let (sender, lines) = mpsc::channel();
        let Some(log) = child.stdout.take() else {
            return Err(ended("espflash has no output"));
        };
        std::thread::spawn(move || {
            let mut log = BufReader::new(log);
            let mut line = Vec::new();
            // Boot messages at another speed are no UTF-8.
            while log.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                if sender.send(printable(&line)).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let until = Instant::now() + limit;
        let outcome = loop {
            let left = until.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    output::talk(format_args!("{0}│{0:#} {line}", output::FAINT));
                    if line.contains(CONNECTED) {
                        break Ok(Monitored::Connected);
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break Ok(Monitored::Silent),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    break Err(ended("espflash gave up reading it"));
                }
            }
        };
        let _ = child.kill();
        let _ = child.wait();
        outcome
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        // Its notices about new versions are no part of our talk.
        command.env("ESPFLASH_SKIP_UPDATE_CHECK", "true");
        command.args([verb, "--chip", self.chip.name()]);
        command
    }

    fn at(&self, verb: &str, port: &str) -> Command {
        let mut command = self.command(verb);
        command.args(["--port", port]);
        command
    }
}

/// Where things lie. Left to itself, espflash puts the table in front of the first partition, wherever that is, and a
/// bootloader that finds none at its place boots nothing.
fn layout(command: &mut Command, csv: &Path) {
    command.args(["--flash-size", FLASH_SIZE]);
    command
        .arg("--partition-table-offset")
        .arg(format!("{TABLE_AT:#x}"));
    command.arg("--partition-table").arg(csv);
}

/// Runs it with its output on our stderr; stdout is for data.
fn finish(mut command: Command, failed: &str) -> Result<(), Failure> {
    command.stdin(Stdio::null());
    command.stdout(std::io::stderr());
    let failure = |why: String| {
        Failure::new(Exit::Board, failed)
            .because(why)
            .advise("what espflash says stands above; is it the right port and chip, and does nobody else read the port?")
    };
    let status: ExitStatus = command
        .status()
        .map_err(|error| failure(error.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failure(format!("espflash ended with {status}")))
    }
}

fn ended(why: &str) -> Failure {
    Failure::new(Exit::Board, "the board's serial log ended")
        .because(why)
        .advise("is it still plugged in, and does nobody else read the port?")
}

/// A line without what could confuse a terminal.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boards_line_is_shown_without_control_characters() {
        assert_eq!(printable(b"ok\r\n"), "ok");
        assert_eq!(printable(b"\x1b[2Jab\xFF"), "[2Jab\u{FFFD}");
    }
}
