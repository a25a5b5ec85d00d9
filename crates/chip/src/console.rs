//! What a person types on the serial line: an editor for one line, and the commands.
//!
//! [`Console`] takes bytes one at a time, says what to echo, and hands out commands. `wifi set NAME` asks for the password on
//! the next line, which is not echoed and is overwritten when it was used. Nothing here waits or can panic.

use core::fmt;

/// The longest line: a command with the longest name of a network, or the longest password.
pub const LINE: usize = 96;

/// What a byte led to.
#[derive(PartialEq, Eq)]
pub enum Typed<'a> {
    /// Nothing to show, such as a letter of a password.
    Nothing,
    /// Show this.
    Echo(&'a [u8]),
    /// A line is complete; show the end of a line, then do it.
    Command(Command<'a>),
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// An empty line.
    Nothing,
    /// Show the commands.
    Help,
    /// Show how things stand.
    Status,
    /// Show the networks that are in reach.
    WifiScan,
    /// Show the networks that are configured.
    WifiList,
    /// Ask for the password of this network; the next line is it.
    WifiPassword {
        /// Name of the network.
        ssid: &'a str,
    },
    /// Store this network.
    WifiSet {
        /// Name of the network.
        ssid: &'a str,
        /// Its password; empty for an open one.
        password: &'a str,
    },
    /// Remove this network from the stored ones.
    WifiForget {
        /// Name of the network.
        ssid: &'a str,
    },
    /// Forget the last time that the board remembers: it was a wrong one.
    TimeForget,
    /// Start again.
    Restart,
    /// The line was longer than [`LINE`] or is not UTF-8.
    Unreadable,
    /// No such command.
    Unknown(&'a str),
}

/// The commands, for people.
pub const HELP: &str =
    "wifi set NAME     store a network; its password is asked for, nothing for an open one
wifi forget NAME  remove a stored network
wifi list         the networks that are tried, in their order
wifi scan         the networks in reach
time forget       accept times again that lie before the last one that is remembered
status            how things stand
restart           start again
";

/// An editor for one line.
pub struct Console {
    line: [u8; LINE],
    len: usize,
    /// More came than fits.
    overlong: bool,
    /// After a carriage return a line feed is not another line.
    after_return: bool,
    /// The name of the network whose password the line is.
    ssid: [u8; LINE],
    ssid_len: Option<usize>,
}

impl Console {
    /// An empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            line: [0; LINE],
            len: 0,
            overlong: false,
            after_return: false,
            ssid: [0; LINE],
            ssid_len: None,
        }
    }

    /// Takes a byte.
    pub fn push(&mut self, byte: u8) -> Typed<'_> {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' if after_return => Typed::Nothing,
            b'\r' | b'\n' => Typed::Command(self.enter()),
            // Backspace, and what terminals send for it.
            8 | 127 => self.rub_out(),
            // Ctrl-C and Ctrl-U: begin again.
            3 | 21 => {
                self.clear();
                self.ssid_len = None;
                Typed::Echo(b"\r\n")
            }
            0..32 => Typed::Nothing,
            _ => self.append(byte),
        }
    }

    fn append(&mut self, byte: u8) -> Typed<'_> {
        let at = self.len;
        let Some(place) = self.line.get_mut(at) else {
            self.overlong = true;
            return Typed::Nothing;
        };
        *place = byte;
        self.len = at.saturating_add(1);
        if self.ssid_len.is_some() {
            return Typed::Nothing;
        }
        Typed::Echo(self.line.get(at..self.len).unwrap_or_default())
    }

    /// Takes the last letter back, which may be of several bytes.
    fn rub_out(&mut self) -> Typed<'_> {
        let before = self.len;
        while self.len > 0 {
            self.len = self.len.saturating_sub(1);
            let first = self.line.get(self.len).copied().unwrap_or_default();
            if first & 0xC0 != 0x80 {
                break;
            }
        }
        match before == self.len || self.ssid_len.is_some() {
            true => Typed::Nothing,
            false => Typed::Echo(b"\x08 \x08"),
        }
    }

    fn enter(&mut self) -> Command<'_> {
        let len = core::mem::take(&mut self.len);
        let ssid_len = self.ssid_len.take();
        if core::mem::take(&mut self.overlong) {
            return Command::Unreadable;
        }
        if let Some(ssid_len) = ssid_len {
            let ssid = self.ssid.get(..ssid_len).unwrap_or_default();
            let password = self.line.get(..len).unwrap_or_default();
            return match (core::str::from_utf8(ssid), core::str::from_utf8(password)) {
                (Ok(ssid), Ok(password)) => Command::WifiSet { ssid, password },
                _ => Command::Unreadable,
            };
        }
        let Ok(line) = core::str::from_utf8(self.line.get(..len).unwrap_or_default()) else {
            return Command::Unreadable;
        };
        let command = parse(line.trim_matches(' '));
        if let Command::WifiPassword { ssid } = command {
            // Kept beside the line, because the password comes into the line.
            if let Some(place) = self.ssid.get_mut(..ssid.len()) {
                place.copy_from_slice(ssid.as_bytes());
                self.ssid_len = Some(ssid.len());
            }
        }
        command
    }

    /// Overwrites the line: call it when a password was used.
    pub const fn clear(&mut self) {
        self.line = [0; LINE];
        self.len = 0;
        self.overlong = false;
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

/// Leaves the line out: it may be a password.
impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

fn parse(line: &str) -> Command<'_> {
    let argument = |name: &str| {
        let rest = line.strip_prefix(name)?;
        let argument = rest.strip_prefix(' ')?.trim_matches(' ');
        (!argument.is_empty()).then_some(argument)
    };
    if let Some(ssid) = argument("wifi set") {
        return Command::WifiPassword { ssid };
    }
    if let Some(ssid) = argument("wifi forget") {
        return Command::WifiForget { ssid };
    }
    match line {
        "" => Command::Nothing,
        "help" | "?" => Command::Help,
        "status" => Command::Status,
        "wifi" | "wifi list" => Command::WifiList,
        "wifi scan" => Command::WifiScan,
        "time forget" => Command::TimeForget,
        "restart" => Command::Restart,
        _ => Command::Unknown(line),
    }
}

#[cfg(test)]
mod tests;
