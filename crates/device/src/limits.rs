//! What AWS will not take, known before the wire, with the limit's name.

use core::fmt;

use thingwire_contract::{limit, reserved};

use crate::Outgoing;

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
    /// Not a topic name: empty, or with a wildcard (`B-43`) or NUL.
    TopicGrammar,
    /// Payload in bytes (`B-42`).
    PayloadBytes {
        /// What it has.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// Subscriptions of one connection (`B-31`).
    Subscriptions {
        /// How many there would be.
        count: usize,
        /// What is allowed.
        max: usize,
    },
    /// A topic name that begins with `$` and is none that AWS lets devices publish to (`B-44`).
    ReservedTopic,
    /// A topic filter that begins with `$` and is none that AWS lets devices subscribe to (`B-35`).
    ReservedFilter,
    /// RETAIN on a topic that begins with `$` (`B-64`).
    RetainOnReserved,
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
            Self::TopicGrammar => {
                f.write_str("a topic name is one or more characters without `+`, `#` and NUL")
            }
            Self::PayloadBytes { len, max } => {
                write!(f, "the payload has {len} bytes, at most {max} are allowed")
            }
            Self::Subscriptions { count, max } => {
                write!(
                    f,
                    "{count} subscriptions on one connection, at most {max} are allowed"
                )
            }
            Self::ReservedTopic => f.write_str(
                "a topic that begins with `$` belongs to AWS, and this is none to publish to",
            ),
            Self::ReservedFilter => f.write_str(
                "a topic that begins with `$` belongs to AWS, and this is none to subscribe to",
            ),
            Self::RetainOnReserved => {
                f.write_str("a message to a topic that begins with `$` cannot be retained")
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

pub(crate) fn check_publish(message: &Outgoing<'_>) -> Result<(), LimitError> {
    check_length(reserved::counted(message.topic))?;
    if !reserved::may_publish(message.topic) {
        return Err(LimitError::ReservedTopic);
    }
    if message.retain && reserved::is_reserved(message.topic) {
        return Err(LimitError::RetainOnReserved);
    }
    let max = limit::PAYLOAD_BYTES;
    let len = message.payload.len();
    if len > max {
        Err(LimitError::PayloadBytes { len, max })
    } else {
        Ok(())
    }
}

/// Checks each filter by itself.
pub(crate) fn check_filters<'a>(
    filters: impl IntoIterator<Item = &'a str>,
) -> Result<(), LimitError> {
    filters.into_iter().try_for_each(|filter| {
        let filter = unshared(filter);
        check_length(filter)?;
        if reserved::may_subscribe(filter) {
            Ok(())
        } else {
            Err(LimitError::ReservedFilter)
        }
    })
}

/// Checks how many subscriptions there would be.
pub(crate) fn check_subscriptions(count: usize) -> Result<(), LimitError> {
    let max = limit::SUBSCRIPTIONS_PER_CONNECTION;
    if count > max {
        Err(LimitError::Subscriptions { count, max })
    } else {
        Ok(())
    }
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

/// `$share/<name>/` does not count (`B-32`).
fn unshared(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, counted)| counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

    const LONG: [u8; 257] = [b't'; 257];

    fn text(len: usize) -> &'static str {
        core::str::from_utf8(&LONG[..len]).unwrap()
    }

    fn publish(topic: &str, payload: &[u8]) -> Result<(), LimitError> {
        check_publish(&Outgoing::new(topic, payload, QoS::AtLeastOnce))
    }

    #[test]
    fn topics_have_256_bytes_and_7_slashes_b41() {
        assert_eq!(publish(text(256), b""), Ok(()));
        assert_eq!(
            publish(text(257), b""),
            Err(LimitError::TopicBytes { len: 257, max: 256 })
        );
        assert_eq!(publish("1/2/3/4/5/6/7/8", b""), Ok(()));
        assert_eq!(
            publish("1/2/3/4/5/6/7/8/9", b""),
            Err(LimitError::TopicSlashes { count: 8, max: 7 })
        );
        assert_eq!(
            publish("$aws/rules/rule/1/2/3/4/5/6/7/8", b""),
            Ok(()),
            "Basic Ingest"
        );
    }

    #[test]
    fn payloads_have_128_kilobytes_b42() {
        static PAYLOAD: [u8; 131_073] = [0; 131_073];
        assert_eq!(publish("t", &PAYLOAD[..131_072]), Ok(()));
        assert_eq!(
            publish("t", &PAYLOAD),
            Err(LimitError::PayloadBytes {
                len: 131_073,
                max: 131_072
            })
        );
    }

    #[test]
    fn fifty_subscriptions_and_filters_like_topics_b31_b32() {
        assert_eq!(check_subscriptions(50), Ok(()));
        assert_eq!(
            check_subscriptions(51),
            Err(LimitError::Subscriptions { count: 51, max: 50 })
        );
        assert_eq!(check_filters(["$share/group/1/2/3/4/5/6/7/8"]), Ok(()));
        assert!(check_filters(["1/2/3/4/5/6/7/8/#"]).is_err());
    }

    #[test]
    fn reserved_topics_are_aws_s_own_b35_b44_b64() {
        assert_eq!(publish("$aws/things/t/shadow/update", b""), Ok(()));
        for topic in ["$aws/things/t/shadow/update/delta", "$SYS/x", "$share/g/t"] {
            assert_eq!(
                publish(topic, b""),
                Err(LimitError::ReservedTopic),
                "{topic}"
            );
        }
        let retained = Outgoing {
            retain: true,
            ..Outgoing::new("$aws/things/t/shadow/update", b"", QoS::AtLeastOnce)
        };
        assert_eq!(check_publish(&retained), Err(LimitError::RetainOnReserved));
        assert_eq!(check_filters(["$aws/things/t/shadow/#", "#"]), Ok(()));
        for filter in ["$SYS/#", "$share/g/$SYS/#"] {
            assert_eq!(
                check_filters([filter]),
                Err(LimitError::ReservedFilter),
                "{filter}"
            );
        }
    }
}
