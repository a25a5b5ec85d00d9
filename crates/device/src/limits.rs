//! What the broker will not take, known before the wire, with the limit's name: AWS's limits, another broker's, or MQTT's own.

use core::fmt;

use thingwire_contract::{limit, reserved};
#[cfg(feature = "v5")]
use thingwire_mqtt::Property;

use crate::{Outgoing, QoS, SubscribeFilter};

/// What the broker takes: [`Limits::AWS`] unless [`Config::limits`](crate::Config::limits) says otherwise, for other brokers
/// [`Limits::MQTT`] or values of your own.
///
/// ```
/// use thingwire_device::{Config, Limits, Version};
///
/// let config = Config::new(Version::V5, "lamp").limits(Limits {
///     payload_bytes: 10_000,
///     ..Limits::MQTT
/// });
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Topic name or filter in bytes of UTF-8; more than MQTT's 65,535 are never possible.
    pub topic_bytes: usize,
    /// Slashes in a topic name or filter.
    pub topic_slashes: usize,
    /// Payload in bytes.
    pub payload_bytes: usize,
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Client identifier in bytes of UTF-8; more than MQTT's 65,535 are never possible.
    pub client_id_bytes: usize,
    /// User properties of a PUBLISH in bytes, together; and its correlation data.
    pub property_bytes: usize,
    /// Content type of a PUBLISH in bytes of UTF-8.
    pub content_type_bytes: usize,
    /// PUBLISH packets a second, which bounds the [`queue`](crate::queue).
    pub publishes_per_second: u32,
    /// Highest quality of service (`B-2`); 2 needs the feature `qos2` besides.
    pub maximum_qos: QoS,
    /// Topics that begin with `$` are AWS's: only those it has can be published and subscribed to (`B-35`, `B-44`, `B-64`).
    pub reserved_topics: bool,
}

impl Limits {
    /// Those of AWS IoT Core: `B-11`, `B-31`, `B-32`, `B-41`, `B-42`, `B-45`, `B-72`, `B-82`.
    pub const AWS: Self = Self {
        topic_bytes: limit::TOPIC_BYTES,
        topic_slashes: limit::TOPIC_SLASHES,
        payload_bytes: limit::PAYLOAD_BYTES,
        subscriptions: limit::SUBSCRIPTIONS_PER_CONNECTION,
        client_id_bytes: limit::CLIENT_ID_BYTES,
        property_bytes: limit::USER_PROPERTIES_BYTES,
        content_type_bytes: limit::CONTENT_TYPE_BYTES,
        publishes_per_second: limit::PUBLISHES_PER_SECOND,
        maximum_qos: QoS::AtLeastOnce,
        reserved_topics: true,
    };

    /// MQTT's own. What a server says in its CONNACK holds besides (maximum packet size, quality of service, retain).
    pub const MQTT: Self = Self {
        topic_bytes: TEXT_BYTES,
        topic_slashes: usize::MAX,
        payload_bytes: PACKET_BYTES,
        subscriptions: usize::MAX,
        client_id_bytes: TEXT_BYTES,
        property_bytes: PACKET_BYTES,
        content_type_bytes: TEXT_BYTES,
        publishes_per_second: u32::MAX,
        maximum_qos: QoS::ExactlyOnce,
        reserved_topics: false,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::AWS
    }
}

/// The longest text of MQTT, in bytes (1.5.4).
const TEXT_BYTES: usize = 65_535;

/// The longest packet of MQTT without its fixed header, in bytes (1.5.5).
const PACKET_BYTES: usize = 268_435_455;

/// A call goes beyond a limit of the broker. Nothing was sent. Your turn: make it smaller.
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
    /// Content type, correlation data, or user properties together, in bytes (`B-72`).
    PropertyBytes {
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
        let (what, len, unit, max) = match self {
            Self::TopicBytes { len, max } => ("the topic", len, "bytes", max),
            Self::TopicSlashes { count, max } => ("the topic", count, "slashes", max),
            Self::PayloadBytes { len, max } => ("the payload", len, "bytes", max),
            Self::PropertyBytes { len, max } => ("a property", len, "bytes", max),
            Self::ClientIdBytes { len, max } => ("the client id", len, "bytes", max),
            Self::Subscriptions { count, max } => {
                return write!(
                    f,
                    "{count} subscriptions on one connection, at most {max} are allowed"
                );
            }
            Self::TopicGrammar => {
                return f
                    .write_str("a topic name is one or more characters without `+`, `#` and NUL");
            }
            Self::ReservedTopic => {
                return f.write_str(
                    "a topic that begins with `$` belongs to AWS, and this is none to publish to",
                );
            }
            Self::ReservedFilter => {
                return f.write_str(
                    "a topic that begins with `$` belongs to AWS, and this is none to subscribe to",
                );
            }
            Self::RetainOnReserved => {
                return f.write_str("a message to a topic that begins with `$` cannot be retained");
            }
        };
        write!(f, "{what} has {len} {unit}, at most {max} are allowed")
    }
}

impl core::error::Error for LimitError {}

impl Limits {
    pub(crate) fn check_publish(&self, message: &Outgoing<'_>) -> Result<(), LimitError> {
        let topic = message.topic;
        self.check_length(if self.reserved_topics {
            reserved::counted(topic)
        } else {
            topic
        })?;
        if self.reserved_topics && !reserved::may_publish(topic) {
            return Err(LimitError::ReservedTopic);
        }
        if self.reserved_topics && message.retain && reserved::is_reserved(topic) {
            return Err(LimitError::RetainOnReserved);
        }
        let (len, max) = (message.payload.len(), self.payload_bytes);
        if len > max {
            return Err(LimitError::PayloadBytes { len, max });
        }
        #[cfg(feature = "v5")]
        self.check_properties(message)?;
        Ok(())
    }

    /// `B-72`
    #[cfg(feature = "v5")]
    fn check_properties(&self, message: &Outgoing<'_>) -> Result<(), LimitError> {
        let mut user = 0_usize;
        for property in &message.properties {
            let (len, max) = match property {
                Property::UserProperty(name, value) => {
                    user = user.saturating_add(name.len()).saturating_add(value.len());
                    (user, self.property_bytes)
                }
                Property::CorrelationData(data) => (data.len(), self.property_bytes),
                Property::ContentType(text) => (text.len(), self.content_type_bytes),
                Property::ResponseTopic(topic) => {
                    if !thingwire_mqtt::topic::is_valid_name(topic) {
                        return Err(LimitError::TopicGrammar);
                    }
                    continue;
                }
                _ => continue,
            };
            if len > max {
                return Err(LimitError::PropertyBytes { len, max });
            }
        }
        Ok(())
    }

    /// Checks each filter by itself.
    pub(crate) fn check_filters<'a>(
        &self,
        filters: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), LimitError> {
        filters.into_iter().try_for_each(|filter| {
            let filter = unshared(filter);
            self.check_length(filter)?;
            if self.reserved_topics && !reserved::may_subscribe(filter) {
                Err(LimitError::ReservedFilter)
            } else {
                Ok(())
            }
        })
    }

    /// The place of the first filter that asks for more than [`maximum_qos`](Self::maximum_qos).
    pub(crate) fn first_above(&self, filters: &[SubscribeFilter<'_>]) -> Option<usize> {
        filters.iter().position(|one| one.qos > self.maximum_qos)
    }

    /// Checks how many subscriptions there would be.
    pub(crate) const fn check_subscriptions(&self, count: usize) -> Result<(), LimitError> {
        let max = self.subscriptions;
        if count > max {
            Err(LimitError::Subscriptions { count, max })
        } else {
            Ok(())
        }
    }

    pub(crate) fn check_client_id(&self, client_id: &str) -> Result<(), LimitError> {
        let (len, max) = (client_id.len(), self.client_id_bytes.min(TEXT_BYTES));
        if len > max {
            Err(LimitError::ClientIdBytes { len, max })
        } else {
            Ok(())
        }
    }

    fn check_length(&self, topic: &str) -> Result<(), LimitError> {
        let (len, max) = (topic.len(), self.topic_bytes.min(TEXT_BYTES));
        if len > max {
            return Err(LimitError::TopicBytes { len, max });
        }
        let count = topic.bytes().filter(|byte| *byte == b'/').count();
        let max = self.topic_slashes;
        if count > max {
            Err(LimitError::TopicSlashes { count, max })
        } else {
            Ok(())
        }
    }
}

/// `$share/<name>/` does not count (`B-32`).
fn unshared(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|rest| {
            let slash = rest.bytes().position(|byte| byte == b'/')?;
            rest.get(slash.saturating_add(1)..)
        })
        .unwrap_or(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: [u8; 257] = [b't'; 257];

    fn text(len: usize) -> &'static str {
        core::str::from_utf8(&LONG[..len]).unwrap()
    }

    fn publish(topic: &str, payload: &[u8]) -> Result<(), LimitError> {
        Limits::AWS.check_publish(&Outgoing::new(topic, payload, QoS::AtLeastOnce))
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
        assert_eq!(Limits::AWS.check_subscriptions(50), Ok(()));
        assert_eq!(
            Limits::AWS.check_subscriptions(51),
            Err(LimitError::Subscriptions { count: 51, max: 50 })
        );
        assert_eq!(
            Limits::AWS.check_filters(["$share/group/1/2/3/4/5/6/7/8"]),
            Ok(())
        );
        assert!(Limits::AWS.check_filters(["1/2/3/4/5/6/7/8/#"]).is_err());
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
        assert_eq!(
            Limits::AWS.check_publish(&retained),
            Err(LimitError::RetainOnReserved)
        );
        assert_eq!(
            Limits::AWS.check_filters(["$aws/things/t/shadow/#", "#"]),
            Ok(())
        );
        for filter in ["$SYS/#", "$share/g/$SYS/#"] {
            assert_eq!(
                Limits::AWS.check_filters([filter]),
                Err(LimitError::ReservedFilter),
                "{filter}"
            );
        }
    }

    #[cfg(feature = "v5")]
    #[test]
    fn properties_have_their_limits_b72() {
        static LONG: [u8; 8_193] = [b'x'; 8_193];
        let long = core::str::from_utf8(&LONG).unwrap();
        let with = |properties: &[Property<'_>]| {
            Limits::AWS.check_publish(&Outgoing {
                properties: crate::Properties::List(properties),
                ..Outgoing::new("t", b"", QoS::AtLeastOnce)
            })
        };
        let too_long = |len, max| Err(LimitError::PropertyBytes { len, max });
        assert_eq!(with(&[Property::ContentType(text(256))]), Ok(()));
        assert_eq!(
            with(&[Property::ContentType(text(257))]),
            too_long(257, 256)
        );
        assert_eq!(
            with(&[Property::CorrelationData(&LONG)]),
            too_long(8_193, 8_192)
        );
        let user = Property::UserProperty("n", &long[..4_095]);
        assert_eq!(with(&[user, user]), Ok(()));
        assert_eq!(
            with(&[user, user, Property::UserProperty("n", "")]),
            too_long(8_193, 8_192)
        );
        assert_eq!(
            with(&[Property::ResponseTopic("a/+")]),
            Err(LimitError::TopicGrammar)
        );
    }

    #[test]
    fn other_brokers_have_the_limits_of_mqtt() {
        static LONG: [u8; 65_536] = [b't'; 65_536];
        let long = core::str::from_utf8(&LONG).unwrap();
        let limits = Limits::MQTT;
        let publish = |topic| limits.check_publish(&Outgoing::new(topic, &LONG, QoS::AtLeastOnce));
        assert_eq!(publish(&long[..65_535]), Ok(()));
        let too_long = Err(LimitError::TopicBytes {
            len: 65_536,
            max: 65_535,
        });
        assert_eq!(publish(long), too_long);
        assert_eq!(limits.check_filters([long]), too_long);
        assert_eq!(publish("$SYS/1/2/3/4/5/6/7/8/9"), Ok(()));
        assert_eq!(limits.check_filters(["$SYS/#"]), Ok(()));
        assert_eq!(limits.check_subscriptions(1_000), Ok(()));
        assert!(limits.check_client_id(long).is_err());
        let unlimited = Limits {
            topic_bytes: usize::MAX,
            ..limits
        };
        assert_eq!(
            unlimited.check_filters([long]),
            too_long,
            "MQTT bounds it all the same"
        );
    }
}
