//! What exactly is wrong with a packet, as a number.
//!
//! Every function of the codec can fail, and each failure deserves words. Carried as text they would cost
//! a pointer, a length and the words themselves at every step, in a device that may never print one. A
//! [`Fault`] is two bytes that fit into a register; its words are in one table, which the linker
//! leaves out when nobody asks for them.

use core::fmt;

use crate::property::{name, value_rule};
use crate::{DecodeError, EncodeError, ReasonCode, words};

/// One way in which a packet can be wrong.
///
/// Its words: [`text`](Self::text), or `Display` where it is part of an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault(u16);

/// Well-formed, but against a rule of the standard.
const RULE: u16 = 0x200;
/// The field is the property with the identifier in the low byte.
const PROPERTY: u16 = 0x100;

/// It is answered with the reason code Topic Alias Invalid.
const TOPIC_ALIAS: u16 = 0x400;

/// The words, sorted so that a person finds them.
const TEXTS: &[&str] = &[
    "AUTH exists only in MQTT 5",
    "AUTH, which this client does not support",
    "AuthenticationData without AuthenticationMethod",
    "CONNACK must come first",
    "DUP with QoS 0",
    "MQTT 3.1.1 has no password without a user name",
    "MQTT 3.1.1 has no reason code here",
    "MQTT 5 is not in this build, see the feature `v5`",
    "QoS",
    "SUBSCRIBE without a topic filter",
    "UNSUBSCRIBE without a topic filter",
    "a MQTT 3.1.1 UNSUBACK has no reason codes",
    "a PUBLISH needs a topic name or, in MQTT 5, a topic alias",
    "a PUBLISH with QoS 2, which was never granted",
    "a QoS 0 message has no DUP flag",
    "a QoS 0 message has no packet identifier",
    "a QoS 1 or 2 message needs a packet identifier",
    "a packet longer than the receive buffer",
    "a packet longer than the server takes",
    "a packet that servers do not send",
    "a packet without a connection",
    "a property that clients do not send",
    "a property that does not belong into this packet",
    "a property that may only be there once",
    "a reason code for each topic filter is needed",
    "a reason that clients do not give",
    "a refusal has no session present",
    "a second CONNACK",
    "a session that ends with the connection cannot be kept longer",
    "a shared subscription has no `no local`",
    "a topic alias above the maximum",
    "a topic alias for a topic longer than the memory lent for it",
    "a topic alias that was given no topic",
    "a topic name with a wildcard",
    "a will needs a topic name",
    "at least one topic filter is needed",
    "bytes after the last field",
    "client identifier",
    "connect acknowledge flags",
    "connect flags",
    "damaged properties",
    "keep alive",
    "neither topic name nor topic alias",
    "no local on a shared subscription",
    "no reason code",
    "no room to remember a message with QoS 2",
    "not one reason code for each topic filter",
    "packet",
    "packet identifier",
    "packet identifier is zero",
    "packet type",
    "password",
    "password without a user name",
    "payload",
    "properties",
    "properties exist only in MQTT 5",
    "property identifier",
    "property length",
    "protocol level",
    "protocol name",
    "reason code",
    "remaining length",
    "requested QoS",
    "requested QoS 3",
    "reserved connect flag",
    "reserved flags of the fixed header",
    "reserved subscription options",
    "retain handling 3",
    "return code",
    "session present although a clean start was asked for",
    "session present in a refusal",
    "subscription options",
    "subscription options exist only in MQTT 5",
    "text with a null character cannot be sent",
    "the return codes of a MQTT 3.1.1 CONNACK end at 5",
    "the return codes of a MQTT 3.1.1 SUBACK are 0, 1, 2 and 128",
    "the server has no shared subscriptions",
    "the server has no subscription identifiers",
    "the server has no wildcard subscriptions",
    "topic filter",
    "topic name",
    "user name",
    "will QoS",
    "will flags without a will",
    "will payload",
    "will topic",
];

/// The same, as they lie in a program.
static PACKED: [u8; words::packed_len(TEXTS)] = words::pack(TEXTS);

impl Fault {
    /// The field that cannot be read, or is too long to be written.
    pub(crate) const fn field(text: &str) -> Self {
        Self(index_of(text))
    }

    /// The rule that is broken.
    pub(crate) const fn rule(text: &str) -> Self {
        Self(index_of(text) | RULE)
    }

    /// The property that cannot be read, or is too long to be written.
    pub(crate) const fn property(identifier: u8) -> Self {
        Self(PROPERTY | identifier as u16)
    }

    /// The same place, but what stands there is well-formed and against a rule.
    pub(crate) const fn as_rule(self) -> Self {
        Self(self.0 | RULE)
    }

    /// The same rule, which is one about topic aliases.
    pub(crate) const fn of_topic_alias(self) -> Self {
        Self(self.0 | TOPIC_ALIAS)
    }

    const fn is_rule(self) -> bool {
        self.0 & RULE != 0
    }

    /// What is wrong, or which field it is.
    #[must_use]
    pub fn text(self) -> &'static str {
        let [_, index] = self.0.to_be_bytes();
        if self.0 & PROPERTY != 0 {
            return if self.is_rule() {
                value_rule(index)
            } else {
                name(index)
            };
        }
        words::nth(&PACKED, usize::from(index))
    }

    /// The MQTT 5 reason code to send before closing, for a fault in what a peer sent.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        if self.0 & TOPIC_ALIAS != 0 {
            ReasonCode::TOPIC_ALIAS_INVALID
        } else if self.is_rule() {
            ReasonCode::PROTOCOL_ERROR
        } else {
            ReasonCode::MALFORMED_PACKET
        }
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        if fault.is_rule() {
            Self::Protocol(fault.text())
        } else {
            Self::Malformed(fault.text())
        }
    }
}

impl From<Fault> for EncodeError {
    fn from(fault: Fault) -> Self {
        if fault.is_rule() {
            Self::NotAllowed(fault.text())
        } else {
            Self::FieldTooLong(fault.text())
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text(), f)
    }
}

/// Where `text` stands in the table. Only ever asked by the compiler, which stops when it is missing.
#[expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time, see `field!` and `rule!`"
)]
const fn index_of(text: &str) -> u16 {
    let mut index = 0;
    while index < TEXTS.len() {
        if is_same(TEXTS[index].as_bytes(), text.as_bytes()) {
            return index as u16;
        }
        index += 1;
    }
    panic!("these words are missing in the table of `fault.rs`");
}

const fn is_same(mut left: &[u8], mut right: &[u8]) -> bool {
    loop {
        match (left, right) {
            ([], []) => return true,
            ([a, left_rest @ ..], [b, right_rest @ ..]) if *a == *b => {
                left = left_rest;
                right = right_rest;
            }
            _ => return false,
        }
    }
}

/// The [`Fault`] of a field with this name.
macro_rules! field {
    ($text:literal) => {
        const { $crate::fault::Fault::field($text) }
    };
}

/// The [`Fault`] of a broken rule, in these words.
macro_rules! rule {
    ($text:literal) => {
        const { $crate::fault::Fault::rule($text) }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stands_once_and_comes_back() {
        assert!(TEXTS.len() < 0x100, "an index is one byte");
        assert!(TEXTS.is_sorted(), "people look for them");
        for text in TEXTS {
            assert_eq!(TEXTS.iter().filter(|other| *other == text).count(), 1);
            assert_eq!(Fault::field(text).text(), *text);
            assert_eq!(Fault::rule(text).text(), *text);
        }
    }

    #[test]
    fn a_property_is_told_by_its_name() {
        let fault = Fault::property(0x22);
        assert_eq!(
            DecodeError::from(fault),
            DecodeError::Malformed("TopicAliasMaximum")
        );
        assert_eq!(
            DecodeError::from(fault.as_rule()),
            DecodeError::Protocol("TopicAliasMaximum")
        );
        assert_eq!(
            DecodeError::from(Fault::property(0x23).as_rule()),
            DecodeError::Protocol("TopicAlias is 0")
        );
        assert_eq!(
            EncodeError::from(fault),
            EncodeError::FieldTooLong("TopicAliasMaximum")
        );
    }
}
