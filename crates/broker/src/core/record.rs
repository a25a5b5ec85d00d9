//! The rows of the broker's tables: how they are written and read.
//!
//! | table | key | value |
//! |---|---|---|
//! | [`SESSIONS`] | session number | client id, version, expiry, end of its last connection |
//! | [`SUBSCRIPTIONS`] | session number, filter | granted QoS; flags and identifier, if it has any |
//! | [`QUEUED`] | session number, sequence number | QoS, retained, subscription identifiers; message, or id of its body |
//! | [`BODIES`] | id | message that waits in several sessions |
//! | [`RETAINED`] | topic | message |
//! | [`WILLS`] | client id | retain, delay, when that is over, message |
//! | [`SHARED`] | filter with `$share/`, a zero byte, number | message |
//!
//! Numbers are big-endian, so that keys sort as numbers do. Each value begins with the version of its format; a file with an
//! older one is migrated before it comes here ([`super::migrate`]). Reading is checked in every byte and cannot
//! panic; a row that cannot be read is [`Damaged`].

use std::sync::Arc;

use bytes::Bytes;
use thingwire_mqtt::{QoS, Version};
use thingwire_store::Table;

use super::message::Message;
use super::routes::Options;
use super::session::{Kept, Session};
use super::wills::Will;
use crate::Millis;

/// Persistent sessions.
pub const SESSIONS: Table = "broker.sessions";
/// Their subscriptions.
pub const SUBSCRIPTIONS: Table = "broker.subscriptions";
/// Their QoS 1 messages that are not acknowledged.
pub const QUEUED: Table = "broker.queued";
/// QoS 1 messages of shared subscriptions that are not acknowledged.
pub const SHARED: Table = "broker.shared";
/// Retained messages.
pub const RETAINED: Table = "broker.retained";

/// Wills that may still be published.
pub const WILLS: Table = "broker.wills";

/// Messages that wait in several sessions.
pub const BODIES: Table = "broker.bodies";

/// Version of every value but those of [`QUEUED`]; see the table in the module documentation.
const FORMAT: u8 = 1;
/// Version of the values of [`QUEUED`]. In 1 there were no subscription identifiers.
pub(super) const QUEUED_FORMAT: u8 = 2;
/// The same for a value that has the id of a body instead of a message.
const REFERENCE_FORMAT: u8 = 3;

/// A row before it becomes a write; without value it is deleted.
pub(super) struct Row {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// A row that is not what this program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged(pub(super) &'static str);

pub(super) fn session_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(super) fn subscription_key(number: u64, filter: &str) -> Vec<u8> {
    [&number.to_be_bytes(), filter.as_bytes()].concat()
}

pub(super) fn queued_key(number: u64, sequence: u64) -> Vec<u8> {
    [number.to_be_bytes(), sequence.to_be_bytes()].concat()
}

/// No filter has a zero byte in it.
pub(super) fn shared_key(filter: &str, number: u64) -> Vec<u8> {
    [filter.as_bytes(), &[0], &number.to_be_bytes()].concat()
}

pub(super) fn encode_session(session: &Session) -> Vec<u8> {
    put_session(
        session.version,
        session.expiry,
        session.connection.is_none().then_some(session.disconnected),
        &session.client_id,
    )
}

/// `disconnected`: none when it was connected; then its expiry counts from the restart.
pub(super) fn put_session(
    version: Version,
    expiry: u32,
    disconnected: Option<Millis>,
    client_id: &str,
) -> Vec<u8> {
    let mut out = vec![FORMAT, version.level()];
    out.extend_from_slice(&expiry.to_be_bytes());
    out.extend_from_slice(&disconnected.map_or(0, |at| at.0).to_be_bytes());
    out.extend_from_slice(client_id.as_bytes());
    out
}

pub(super) fn encode_subscription(qos: QoS, options: Options) -> Vec<u8> {
    let mut out = vec![FORMAT, qos.bits()];
    if options != Options::default() {
        let flags = u8::from(options.no_local) | (u8::from(options.retain_as_published) << 1);
        out.push(flags);
        out.extend_from_slice(&options.id.to_be_bytes());
    }
    out
}

/// `body`: where the message stands, if not here.
pub(super) fn encode_queued(kept: Kept<'_>, body: Option<u64>) -> Vec<u8> {
    let Kept {
        message,
        qos,
        retained,
        ids,
    } = kept;
    let format = match body {
        Some(_) => REFERENCE_FORMAT,
        None => QUEUED_FORMAT,
    };
    let mut out = vec![format, qos.bits(), u8::from(retained)];
    // A session has at most some thousand subscriptions, and so a message.
    let count = u16::try_from(ids.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    for id in ids.iter().take(count.into()) {
        out.extend_from_slice(&id.to_be_bytes());
    }
    match body {
        Some(body) => out.extend_from_slice(&body.to_be_bytes()),
        None => put_message(&mut out, message),
    }
    out
}

pub(super) fn encode_message(message: &Message) -> Vec<u8> {
    let mut out = vec![FORMAT];
    put_message(&mut out, message);
    out
}

pub(super) fn encode_will(will: &Will) -> Vec<u8> {
    let mut out = vec![FORMAT, u8::from(will.retain)];
    out.extend_from_slice(&will.delay.to_be_bytes());
    out.extend_from_slice(&will.due.map_or(0, |due| due.0).to_be_bytes());
    put_message(&mut out, &will.message);
    out
}

fn put_message(out: &mut Vec<u8>, message: &Message) {
    out.push(message.qos.bits());
    out.extend_from_slice(&message.expires.map_or(0, |expires| expires.0).to_be_bytes());
    for part in [message.topic.as_bytes(), &message.properties] {
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&message.payload);
}

/// A stored session without what hangs on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredSession {
    pub(super) number: u64,
    pub(super) client_id: Arc<str>,
    pub(super) version: Version,
    pub(super) expiry: u32,
    /// `None`: it was connected.
    pub(super) disconnected: Option<Millis>,
}

pub(super) fn decode_session(key: &[u8], value: &[u8]) -> Result<StoredSession, Damaged> {
    let mut key = Reader(key);
    let number = key.u64()?;
    key.end()?;
    let mut value = Reader(value);
    value.format()?;
    let version = match value.u8()? {
        4 => Version::V311,
        5 => Version::V5,
        _ => return Err(Damaged("session version")),
    };
    let expiry = value.u32()?;
    let ended = value.u64()?;
    Ok(StoredSession {
        number,
        client_id: value.text_to_end()?.into(),
        version,
        expiry,
        disconnected: (ended != 0).then_some(Millis(ended)),
    })
}

pub(super) fn decode_subscription(
    key: &[u8],
    value: &[u8],
) -> Result<(u64, Arc<str>, QoS, Options), Damaged> {
    let mut key = Reader(key);
    let number = key.u64()?;
    let filter = key.text_to_end()?;
    let mut value = Reader(value);
    value.format()?;
    let qos = value.qos()?;
    let mut options = Options::default();
    if value.end().is_err() {
        let flags = value.u8()?;
        if flags > 3 {
            return Err(Damaged("subscription flags"));
        }
        options.no_local = flags & 1 != 0;
        options.retain_as_published = flags & 2 != 0;
        options.id = value.u32()?;
    }
    value.end()?;
    Ok((number, filter.into(), qos, options))
}

/// A stored message of a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredMessage {
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) qos: QoS,
    pub(super) retained: bool,
    pub(super) ids: Vec<u32>,
    pub(super) content: Content,
}

/// What a stored message of a session says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Message(Message),
    /// Its body has this id.
    Body(u64),
}

pub(super) fn decode_queued(key: &[u8], value: &[u8]) -> Result<StoredMessage, Damaged> {
    let mut key = Reader(key);
    let number = key.u64()?;
    let sequence = key.u64()?;
    key.end()?;
    let mut value = Reader(value);
    let refers = value.0.first() == Some(&REFERENCE_FORMAT);
    value.format_of(if refers {
        REFERENCE_FORMAT
    } else {
        QUEUED_FORMAT
    })?;
    let qos = value.qos()?;
    let retained = value.bool()?;
    let mut ids = Vec::new();
    for _ in 0..value.array().map(u16::from_be_bytes)? {
        ids.push(value.u32()?);
    }
    let content = if refers {
        let id = value.u64()?;
        value.end()?;
        Content::Body(id)
    } else {
        Content::Message(value.message()?)
    };
    Ok(StoredMessage {
        number,
        sequence,
        qos,
        retained,
        ids,
        content,
    })
}

pub(super) fn decode_shared(key: &[u8], value: &[u8]) -> Result<(Arc<str>, u64, Message), Damaged> {
    let short = Damaged("row cut short");
    let (filter, number) = key
        .len()
        .checked_sub(9)
        .and_then(|at| key.split_at_checked(at))
        .ok_or(short)?;
    let mut number = Reader(number);
    if number.u8()? != 0 {
        return Err(Damaged("key of a shared message"));
    }
    Ok((text(filter)?.into(), number.u64()?, decode_retained(value)?))
}

pub(super) fn decode_retained(value: &[u8]) -> Result<Message, Damaged> {
    let mut value = Reader(value);
    value.format()?;
    value.message()
}

pub(super) fn decode_will(key: &[u8], value: &[u8]) -> Result<(Arc<str>, Will), Damaged> {
    let mut value = Reader(value);
    value.format()?;
    let retain = value.bool()?;
    let delay = value.u32()?;
    let due = value.u64()?;
    let message = value.message()?;
    let due = (due != 0).then_some(Millis(due));
    let will = Will {
        message,
        retain,
        delay,
        due,
    };
    Ok((text(key)?.into(), will))
}

pub(super) fn decode_body(key: &[u8], value: &[u8]) -> Result<(u64, Message), Damaged> {
    let mut key = Reader(key);
    let id = key.u64()?;
    key.end()?;
    Ok((id, decode_retained(value)?))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Damaged> {
        let (head, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(Damaged("row cut short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N)?
            .try_into()
            .map_err(|_| Damaged("row cut short"))
    }

    fn u8(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_be_bytes)
    }

    fn bool(&mut self) -> Result<bool, Damaged> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("flag")),
        }
    }

    fn format(&mut self) -> Result<(), Damaged> {
        self.format_of(FORMAT)
    }

    fn format_of(&mut self, format: u8) -> Result<(), Damaged> {
        if self.u8()? == format {
            Ok(())
        } else {
            Err(Damaged("unknown row format"))
        }
    }

    fn qos(&mut self) -> Result<QoS, Damaged> {
        QoS::from_bits(self.u8()?).ok_or(Damaged("QoS"))
    }

    fn sized(&mut self) -> Result<&'a [u8], Damaged> {
        let len = usize::try_from(self.u32()?).map_err(|_| Damaged("length"))?;
        self.take(len)
    }

    fn text_to_end(&mut self) -> Result<&'a str, Damaged> {
        text(std::mem::take(&mut self.0))
    }

    fn end(&self) -> Result<(), Damaged> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Damaged("row too long"))
        }
    }

    fn message(&mut self) -> Result<Message, Damaged> {
        let qos = self.qos()?;
        let expires = self.u64()?;
        let topic = text(self.sized()?)?;
        let properties = self.sized()?;
        let payload = std::mem::take(&mut self.0);
        Ok(Message {
            topic: topic.into(),
            payload: Bytes::copy_from_slice(payload),
            qos,
            properties: properties.into(),
            expires: (expires != 0).then_some(Millis(expires)),
        })
    }
}

fn text(bytes: &[u8]) -> Result<&str, Damaged> {
    std::str::from_utf8(bytes).map_err(|_| Damaged("text is not UTF-8"))
}
