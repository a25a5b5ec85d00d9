//! The reference device: the sketch's behaviour, on the device library.
//!
//! [`application`] is what a person would write for the chip; it knows neither TLS nor tokio. The rest turns the
//! library's events into values that can wait in a channel until somebody prints them.

use thingwire_device::{
    Buffers, Client, Config, Event, FailureKind, Platform, QoS, ReasonCode, SubscribeFilter,
    Version, Why,
};
use thingwire_mqtt::client::SessionError;

/// The largest message AWS delivers (`B-42`), with room for its topic.
const RECEIVE: usize = 160 * 1024;
/// Subscriptions, and messages that wait for their PUBACK while there is no connection.
const SESSION: usize = 32 * 1024;
/// One TLS record.
const WRITE: usize = 16 * 1024;

/// The memory that the device library borrows. A computer has plenty; the sizes for a chip are in the README.
pub(crate) struct DeviceMemory {
    receive: Vec<u8>,
    session: Vec<u8>,
    write: Vec<u8>,
}

impl DeviceMemory {
    pub(crate) fn new() -> Self {
        Self {
            receive: vec![0; RECEIVE],
            session: vec![0; SESSION],
            write: vec![0; WRITE],
        }
    }

    /// Without an inbox: messages go to the callback, as in the sketch.
    pub(crate) fn lend(&mut self) -> Buffers<'_> {
        Buffers {
            receive: &mut self.receive,
            session: &mut self.session,
            write: &mut self.write,
            inbox: &mut [],
        }
    }
}

/// What the reference device does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour<'a> {
    /// What it listens to.
    pub(crate) subscriptions: &'a [SubscribeFilter<'a>],
    /// Where it publishes.
    pub(crate) topic: &'a str,
    /// How often, in milliseconds.
    pub(crate) every: u64,
    /// How many messages, if not for ever.
    pub(crate) count: Option<u64>,
}

impl<'a> Behaviour<'a> {
    /// The library's configuration for it.
    pub(crate) const fn config(&self, version: Version, client_id: &'a str) -> Config<'a> {
        Config::new(version, client_id).subscriptions(self.subscriptions)
    }
}

/// The application: publishes for as long as it is asked to, and tells of each message the cloud has taken.
///
/// Waits for the connection, for acknowledgements and for time; may be dropped at any of them.
pub(crate) async fn application<P: Platform>(
    client: &Client<'_>,
    platform: &P,
    behaviour: &Behaviour<'_>,
    mut taken: impl FnMut(&str),
) -> Result<(), thingwire_device::PublishError> {
    let begun = platform.now();
    let mut count = 0_u64;
    loop {
        client.connected().await;
        count = count.saturating_add(1);
        let uptime = platform.now().since(begun);
        let message = format!("{{\"count\":{count},\"uptime_ms\":{uptime}}}");
        match client
            .publish(behaviour.topic, &message, QoS::AtLeastOnce)
            .await
        {
            Ok(()) => taken(&message),
            // Another message may fare better, say once the policy is mended.
            Err(thingwire_device::PublishError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        if behaviour.count.is_some_and(|wanted| count >= wanted) {
            return Ok(());
        }
        platform
            .sleep_until(platform.now().after(behaviour.every))
            .await;
    }
}

/// An event of the library that owns what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// CONNACK has come.
    Connected {
        /// Whether the server kept the session.
        session_present: bool,
    },
    /// No connection came about, or it ended.
    Ended {
        /// Why.
        why: String,
        /// Whether the cloud did it, and so may know the reason.
        refused: bool,
        /// Milliseconds until the next attempt.
        retry_in: u64,
    },
    /// SUBACK: one code for each subscription.
    Subscribed(Vec<u8>),
    /// The server did not take a message.
    PublishRefused(ReasonCode),
    /// A message arrived.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// A message was left out because it is too long.
    TooLong(usize),
}

impl Told {
    /// What of an event is worth telling.
    pub(crate) fn from_event(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Connected { negotiated, .. } => Self::Connected {
                session_present: negotiated.session_present,
            },
            Event::Failed { why, retry_in } | Event::Disconnected { why, retry_in } => {
                Self::Ended {
                    why: why.to_string(),
                    refused: is_refusal(why),
                    retry_in: *retry_in,
                }
            }
            Event::Subscribed { reason_codes } => Self::Subscribed(reason_codes.to_vec()),
            Event::PublishRefused { reason } => Self::PublishRefused(*reason),
            Event::Message(message) => Self::Message {
                topic: message.topic.to_owned(),
                payload: message.payload.to_vec(),
            },
            Event::Skipped { packet_len, .. } => Self::TooLong(*packet_len),
            _ => return None,
        })
    }
}

/// Whether it was the cloud's decision; everything else is the network's, or ours.
fn is_refusal(why: &Why) -> bool {
    match why {
        Why::Failure(failure) => failure.kind == FailureKind::ClientCertificate,
        Why::Closed { .. } => true,
        Why::Session(error) => {
            matches!(
                error,
                SessionError::Refused(_) | SessionError::Disconnected(_)
            )
        }
        _ => false,
    }
}
