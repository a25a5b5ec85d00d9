//! What AWS will not take, known before the wire, with the limit's name.

use core::fmt;
use thingwire_contract::limit;

/// A call goes beyond a limit of AWS IoT Core. Nothing was sent. Your turn: make it smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// Topic name or filter in bytes of UTF-8 (`B-41`, `B-32`).
    TopicBytes {
        /// What it has.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// Slashes in a topic name or filter (`B-41`, `B-32`).
    TopicSlashes {
        /// What it has.
        count: usize,
        /// What is allowed.
        max: usize,
    },
    /// Payload in bytes (`B-42`).
    PayloadBytes {
        /// What it has.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// Topic filters in one SUBSCRIBE (`B-30`).
    Filters {
        /// How many there are.
        count: usize,
        /// What is allowed.
        max: usize,
    },
    /// Client identifier in bytes of UTF-8 (`B-11`).
    ClientIdBytes {
        /// What it has.
        len: usize,
        /// What is allowed.
        max: usize,
    },
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TopicBytes { len, max } => {
                write!(f, "the topic has {len} bytes, at most {max} are allowed")
            }
            Self::TopicSlashes { count, max } => {
                write!(
                    f,
                    "the topic has {count} slashes, at most {max} are allowed"
                )
            }
            Self::PayloadBytes { len, max } => {
                write!(f, "the payload has {len} bytes, at most {max} are allowed")
            }
            Self::Filters { count, max } => {
                write!(
                    f,
                    "{count} topic filters in one subscribe, 1 to {max} are allowed"
                )
            }
            Self::ClientIdBytes { len, max } => {
                write!(
                    f,
                    "the client id has {len} bytes, at most {max} are allowed"
                )
            }
        }
    }
}

impl core::error::Error for LimitError {}

pub(crate) fn check_publish(topic: &str, payload: &[u8]) -> Result<(), LimitError> {
    check_length(after_prefix(topic, "$aws/rules/"))?;
    let max = limit::PAYLOAD_BYTES;
    let len = payload.len();
    if len > max {
        Err(LimitError::PayloadBytes { len, max })
    } else {
        Ok(())
    }
}

pub(crate) fn check_filters<'a>(
    count: usize,
    filters: impl IntoIterator<Item = &'a str>,
) -> Result<(), LimitError> {
    let max = limit::FILTERS_PER_SUBSCRIBE;
    if count == 0 || count > max {
        return Err(LimitError::Filters { count, max });
    }
    filters
        .into_iter()
        .try_for_each(|filter| check_length(after_prefix(filter, "$share/")))
}

pub(crate) fn check_client_id(client_id: &str) -> Result<(), LimitError> {
    let (len, max) = (client_id.len(), limit::CLIENT_ID_BYTES);
    if len > max {
        Err(LimitError::ClientIdBytes { len, max })
    } else {
        Ok(())
    }
}

fn check_length(topic: &str) -> Result<(), LimitError> {
    let (len, max) = (topic.len(), limit::TOPIC_BYTES);
    if len > max {
        return Err(LimitError::TopicBytes { len, max });
    }
    let count = topic.bytes().filter(|byte| *byte == b'/').count();
    let max = limit::TOPIC_SLASHES;
    if count > max {
        Err(LimitError::TopicSlashes { count, max })
    } else {
        Ok(())
    }
}

/// `<prefix><name>/` does not count: Basic Ingest in a topic name (`B-41`), a shared subscription in a
/// filter (`B-32`).
fn after_prefix<'a>(topic: &'a str, prefix: &str) -> &'a str {
    topic
        .strip_prefix(prefix)
        .and_then(|rest| rest.split_once('/'))
        .map_or(topic, |(_, counted)| counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: [u8; 257] = [b't'; 257];

    fn text(len: usize) -> &'static str {
        core::str::from_utf8(&LONG[..len]).unwrap()
    }

    #[test]
    fn topics_have_256_bytes_and_7_slashes_b41() {
        assert_eq!(check_publish(text(256), b""), Ok(()));
        assert_eq!(
            check_publish(text(257), b""),
            Err(LimitError::TopicBytes { len: 257, max: 256 })
        );
        assert_eq!(check_publish("1/2/3/4/5/6/7/8", b""), Ok(()));
        assert_eq!(
            check_publish("1/2/3/4/5/6/7/8/9", b""),
            Err(LimitError::TopicSlashes { count: 8, max: 7 })
        );
        assert_eq!(
            check_publish("$aws/rules/rule/1/2/3/4/5/6/7/8", b""),
            Ok(()),
            "Basic Ingest"
        );
    }

    #[test]
    fn payloads_have_128_kilobytes_b42() {
        static PAYLOAD: [u8; 131_073] = [0; 131_073];
        assert_eq!(check_publish("t", &PAYLOAD[..131_072]), Ok(()));
        assert_eq!(
            check_publish("t", &PAYLOAD),
            Err(LimitError::PayloadBytes {
                len: 131_073,
                max: 131_072
            })
        );
    }

    #[test]
    fn one_subscribe_has_one_to_eight_filters_b30() {
        assert_eq!(check_filters(8, ["a"; 8]), Ok(()));
        assert_eq!(
            check_filters(9, ["a"; 9]),
            Err(LimitError::Filters { count: 9, max: 8 })
        );
        assert_eq!(
            check_filters(0, []),
            Err(LimitError::Filters { count: 0, max: 8 })
        );
        assert_eq!(
            check_filters(1, ["$share/group/1/2/3/4/5/6/7/8"]),
            Ok(()),
            "B-32"
        );
        assert!(check_filters(1, ["1/2/3/4/5/6/7/8/#"]).is_err());
    }
}
