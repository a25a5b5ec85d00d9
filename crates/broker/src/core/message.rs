//! An application message: borrowed while it passes through, owned while it waits.

use std::sync::Arc;

use bytes::Bytes;
use thingwire_mqtt::{EncodeError, Properties, Property, QoS, Version};

use super::slab::Key;
use crate::Millis;

/// A message that passes through, borrowed from the read buffer or from a [`Message`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    /// As published; [`forwarded`] says what goes on.
    pub(crate) properties: Properties<'a>,
    /// When it must no longer be delivered (wall clock).
    pub(crate) expires: Option<Millis>,
    /// Its RETAIN flag; [`Key::NOWHERE`] as publisher is nobody's session.
    pub(crate) retain: bool,
    pub(crate) from: Key,
}

/// A message that waits: in a session, as retained message, or as Will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    /// The property bytes of its PUBLISH or Will.
    pub(crate) properties: Box<[u8]>,
    /// When it must no longer be delivered (wall clock, because it outlives a restart).
    pub(crate) expires: Option<Millis>,
}

impl Message {
    pub(crate) fn publication(&self) -> Publication<'_> {
        Publication {
            topic: &self.topic,
            payload: &self.payload,
            qos: self.qos,
            properties: Properties::Wire(&self.properties),
            expires: self.expires,
            retain: false,
            from: Key::NOWHERE,
        }
    }

    /// One that says nothing, in the place of one that stands elsewhere.
    pub(crate) fn nothing() -> Self {
        Self {
            topic: "".into(),
            payload: Bytes::new(),
            qos: QoS::AtMostOnce,
            properties: [].into(),
            expires: None,
        }
    }

    /// `B-74`: whether no whole part of its life is left.
    pub(crate) fn is_expired(&self, unix: Millis) -> bool {
        self.expires.is_some_and(|expires| expires <= unix)
    }
}

impl Publication<'_> {
    /// Makes it last. `topic` is its topic, when somebody has it in shared form already.
    pub(crate) fn to_message(self, topic: Option<&Arc<str>>) -> Message {
        Message {
            topic: topic.map_or_else(|| self.topic.into(), Arc::clone),
            payload: Bytes::copy_from_slice(self.payload),
            qos: self.qos,
            properties: wire_bytes(self.properties).into(),
            expires: self.expires,
        }
    }
}

/// The bytes of properties that came another way than in a packet, as a message that waits keeps them (`B-72`).
///
/// # Errors
/// [`EncodeError`] when MQTT 5 cannot say them.
pub(crate) fn encoded(properties: Properties<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![0; properties.encode(Version::V5, &mut [])?];
    properties.encode(Version::V5, &mut bytes)?;
    Ok(bytes)
}

/// The property bytes of a decoded packet, or of [`encoded`] ones. Lists exist only in packets that we make, and those have none to keep.
pub(crate) const fn wire_bytes(properties: Properties<'_>) -> &[u8] {
    match properties {
        Properties::Wire(bytes) => bytes,
        Properties::List(_) => &[],
    }
}

/// The properties that go on to a subscriber (`B-72`), with what is left of the message's life (`B-74`).
pub(crate) fn forwarded<'a>(publication: &Publication<'a>, unix: Millis) -> Vec<Property<'a>> {
    if publication.properties.is_empty() {
        return Vec::new();
    }
    let mut list: Vec<_> = publication
        .properties
        .iter()
        .filter(|property| {
            matches!(
                property,
                Property::PayloadFormatIndicator(_)
                    | Property::ContentType(_)
                    | Property::ResponseTopic(_)
                    | Property::CorrelationData(_)
                    | Property::UserProperty(..)
            )
        })
        .collect();
    if let Some(expires) = publication.expires {
        let left = u32::try_from(expires.since(unix) / 1000).unwrap_or(u32::MAX);
        list.push(Property::MessageExpiryInterval(left));
    }
    list
}

/// `B-74`: when a message with these properties expires; `max` as in [`crate::Rules::message_expiry_max`].
pub(crate) fn expiry(properties: Properties<'_>, unix: Millis, max: Option<u32>) -> Option<Millis> {
    let seconds = properties.find(|property| match property {
        Property::MessageExpiryInterval(seconds) => Some(seconds),
        _ => None,
    })?;
    let seconds = max.map_or(seconds, |max| seconds.clamp(1, max));
    Some(unix.plus_seconds(seconds.into()))
}
