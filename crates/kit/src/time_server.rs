//! Whom a device asks for the time before it can check certificates.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The port of NTP and SNTP.
const NTP: u16 = 123;

/// The longest name that DNS has.
const NAME_BYTES: usize = 253;

/// An SNTP server, in text `host` or `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeServer {
    /// Host name or IPv4 address.
    pub host: String,
    /// UDP port, 123 unless the text says otherwise.
    pub port: u16,
}

impl TimeServer {
    /// Servers that everybody may ask, and whose operators say so.
    #[must_use]
    pub fn public() -> Vec<Self> {
        ["time.aws.com", "time.cloudflare.com", "pool.ntp.org"]
            .map(|host| Self {
                host: host.to_owned(),
                port: NTP,
            })
            .into()
    }
}

/// The text is no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotATimeServer(String);

impl fmt::Display for NotATimeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no time server: expected a host name or IPv4 address of at most {NAME_BYTES} bytes, and a port if \
             it is not {NTP}, as `pool.ntp.org` or `192.168.1.20:4123`",
            self.0
        )
    }
}

impl std::error::Error for NotATimeServer {}

impl FromStr for TimeServer {
    type Err = NotATimeServer;

    fn from_str(text: &str) -> Result<Self, NotATimeServer> {
        let wrong = || NotATimeServer(text.to_owned());
        let (host, port) = match text.split_once(':') {
            None => (text, NTP),
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let is_host = (1..=NAME_BYTES).contains(&host.len()) && host.bytes().all(allowed);
        if !is_host || port == 0 {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl TryFrom<String> for TimeServer {
    type Error = NotATimeServer;

    fn try_from(text: String) -> Result<Self, NotATimeServer> {
        text.parse()
    }
}

impl From<TimeServer> for String {
    fn from(server: TimeServer) -> Self {
        server.to_string()
    }
}

impl fmt::Display for TimeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.port == NTP {
            f.write_str(&self.host)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("pool.ntp.org", "pool.ntp.org", 123),
            ("192.168.1.20:4123", "192.168.1.20", 4123),
        ] {
            let server: TimeServer = text.parse().unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port));
            assert_eq!(server.to_string(), text);
        }
        assert_eq!("a:123".parse::<TimeServer>().unwrap().to_string(), "a");
        assert!(TimeServer::public().len() >= 2);
    }

    #[test]
    fn what_is_no_server_is_told_how_one_looks() {
        let long = "a".repeat(254);
        for text in [
            "", ":123", "a:", "a:0", "a:65536", "ntp://a", "a b", "::1", &long,
        ] {
            let error = text.parse::<TimeServer>().unwrap_err().to_string();
            assert!(error.contains("pool.ntp.org"), "{error}");
        }
    }
}
