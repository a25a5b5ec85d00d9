//! What a client tells about its life, and why a connection ended.

use core::fmt;

use thingwire_mqtt::client::{SessionError, Unheard};

use crate::{Failure, Message, Negotiated, ReasonCode};

/// What happened. [`Client::run`](crate::Client::run) gives each event to its callback, in order.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A connection is being opened.
    Attempting {
        /// Failures in a row before this attempt.
        attempt: u32,
    },
    /// CONNACK has come.
    Connected {
        /// What holds on this connection; `session_present` tells whether the server kept the session.
        negotiated: Negotiated,
        /// MQTT 5: the client identifier the server chose for an empty one (`B-12`).
        assigned_client_id: Option<&'a str>,
    },
    /// No connection came about.
    Failed {
        /// Why.
        why: &'a Why,
        /// Milliseconds until the next attempt.
        retry_in: u64,
    },
    /// The connection ended.
    Disconnected {
        /// Why.
        why: &'a Why,
        /// Milliseconds until the next attempt.
        retry_in: u64,
    },
    /// The client was stopped and says nothing more.
    Stopped,
    /// A message arrived. If the client has an inbox, it is in there as well.
    Message(Message<'a>),
    /// A message was longer than the receive buffer and was left out.
    Skipped {
        /// Its topic, if that fitted.
        topic: Option<&'a str>,
        /// Length of its packet in bytes.
        packet_len: usize,
        /// Size of the receive buffer in bytes.
        capacity: usize,
    },
    /// A message did not fit into the inbox. One with QoS 0 is lost; one with QoS 1 is not
    /// acknowledged, so the server sends it again.
    InboxFull {
        /// Its topic.
        topic: &'a str,
    },
    /// SUBACK: one byte for each filter of a SUBSCRIBE, 0x80 and above being refusals.
    Subscribed {
        /// The bytes.
        reason_codes: &'a [u8],
    },
    /// The server did not take a PUBLISH (MQTT 5, `B-53`).
    PublishRefused {
        /// Why.
        reason: ReasonCode,
    },
}

/// Why a connection did not come about or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Opening it failed, or it broke.
    Failure(Failure),
    /// Opening it took longer than [`Config::connect_limit`](crate::Config).
    ConnectTimeout,
    /// Writing took too long: nobody reads at the other end.
    WriteTimeout,
    /// The server closed it without a word.
    Closed {
        /// What it had been asked and had not answered, which is probably what it did not like (`B-52` to `B-54`).
        asked: Asked,
        /// It did so three times in a row right after the same request: the request is given up and
        /// reported as refused, so that the rest can go on.
        set_aside: bool,
    },
    /// MQTT ended it.
    Session(SessionError),
}

/// The last question to the server that had no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// None: everything had been answered.
    Nothing,
    /// CONNECT.
    Connect,
    /// To subscribe to this filter.
    Subscribe(Topic),
    /// To take a message with QoS 1 on this topic.
    Publish(Topic),
    /// To take a message with QoS 0, which is never answered.
    PublishQos0,
}

/// Room for the longest topic AWS takes (`B-41`).
type Topic = heapless::String<{ thingwire_contract::limit::TOPIC_BYTES }>;

impl From<Option<Unheard<'_>>> for Asked {
    fn from(unheard: Option<Unheard<'_>>) -> Self {
        // A longer topic than AWS takes cannot have been accepted by `Client`; it would read as empty.
        let copy = |topic| Topic::try_from(topic).unwrap_or_default();
        match unheard {
            None => Self::Nothing,
            Some(Unheard::Connect) => Self::Connect,
            Some(Unheard::Subscribe(filter)) => Self::Subscribe(copy(filter)),
            Some(Unheard::Publish(topic)) => Self::Publish(copy(topic)),
            Some(Unheard::PublishQos0) => Self::PublishQos0,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure(failure) => failure.fmt(f),
            Self::ConnectTimeout => f.write_str("opening the connection took too long"),
            Self::WriteTimeout => f.write_str("the server does not read"),
            Self::Session(error) => error.fmt(f),
            Self::Closed { asked, set_aside } => {
                f.write_str("the server closed the connection")?;
                let told = match asked {
                    Asked::Nothing => Ok(()),
                    Asked::Connect => f.write_str(
                        " before CONNACK: is the certificate registered and ACTIVE, and does its policy \
                         allow iot:Connect for this client id?",
                    ),
                    Asked::Subscribe(filter) => write!(
                        f,
                        " after SUBSCRIBE `{filter}`: probably the policy does not allow iot:Subscribe there"
                    ),
                    Asked::Publish(topic) => write!(
                        f,
                        " after PUBLISH `{topic}`: probably the policy does not allow iot:Publish there"
                    ),
                    Asked::PublishQos0 => {
                        f.write_str(" after PUBLISH: probably the policy does not allow iot:Publish there")
                    }
                };
                told?;
                if *set_aside {
                    f.write_str("; after three times it is set aside")?;
                }
                Ok(())
            }
        }
    }
}
