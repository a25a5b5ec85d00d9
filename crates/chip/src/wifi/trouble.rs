//! Why Wi-Fi does not work, in one sentence each.

use core::fmt;

/// Why a network was not joined, gave no address, or was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers to this name.
    NoSuchNetwork,
    /// The access point broke the handshake off that proves the password.
    WrongPassword,
    /// The network is there, but wants other security than its entry says.
    OtherSecurity,
    /// The access point does not take us, for another reason.
    Refused,
    /// Joining took too long.
    NoAnswer,
    /// Joined, but DHCP gave no address, or took it back.
    NoAddress,
    /// The access point is not heard any more.
    SignalLost,
    /// The access point sent us away.
    SentAway,
    /// The radio's library reports an error of its own.
    Radio,
}

/// A trouble with the name of its network. `Display` is one line for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WifiFailure<'a> {
    /// The network's name.
    pub ssid: &'a str,
    /// What happened.
    pub trouble: Trouble,
    /// The number that IEEE 802.11 or Espressif's library gives for it, if any.
    pub code: Option<u16>,
}

impl Trouble {
    /// What the number means that an access point or Espressif's library gives as its reason (IEEE 802.11, table 9-49; from
    /// 200 on, `wifi_err_reason_t`). `joined` tells whether the network had been joined.
    #[must_use]
    pub const fn from_reason(reason: u16, joined: bool) -> Self {
        match reason {
            201 | 212 => Self::NoSuchNetwork,
            // Open networks with a password in the entry, or the other way round.
            210 | 211 | 13 | 17..=22 | 24 | 29 => Self::OtherSecurity,
            200 => Self::SignalLost,
            _ if joined => match reason {
                4 | 34 | 39 | 206 => Self::SignalLost,
                _ => Self::SentAway,
            },
            14 | 15 | 202 | 204 | 23 => Self::WrongPassword,
            2 | 39 | 205 | 208 => Self::NoAnswer,
            _ => Self::Refused,
        }
    }
}

impl fmt::Display for WifiFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wi-Fi `{}`: ", self.ssid)?;
        f.write_str(match self.trouble {
            Trouble::NoSuchNetwork => {
                "no network of this name is in reach; is the name right, and does it send on 2.4 GHz?"
            }
            Trouble::WrongPassword => "the password is wrong, most likely",
            Trouble::OtherSecurity => {
                "the network wants other security; is it open where a password is set, or the other way round?"
            }
            Trouble::Refused => "the access point refuses this device",
            Trouble::NoAnswer => "the access point does not answer; is it too far away?",
            Trouble::NoAddress => "joined, but DHCP gives no address",
            Trouble::SignalLost => "lost: the access point is not heard any more",
            Trouble::SentAway => "lost: the access point sent this device away",
            Trouble::Radio => "the radio failed",
        })?;
        match self.code {
            Some(code) => write!(f, " (reason {code})"),
            None => Ok(()),
        }
    }
}
