//! What an application asks of its client: publish, subscribe, unsubscribe, the next message.

use core::fmt;

use thingwire_mqtt::client::{
    PublishError as SessionPublishError, SubscribeError as SessionSubscribeError, Ticket,
};

use crate::client::State;
use crate::limits::{check_filters, check_publish};
use crate::{Client, InboxError, LimitError, Outgoing, QoS, ReasonCode, Received, SubscribeFilter};

/// A message was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// Configuration: a limit of AWS IoT Core. Nothing was sent.
    Limit(LimitError),
    /// What the session says; nothing was sent.
    Session(SessionPublishError),
    /// Peer: the server did not take it (MQTT 5, `B-51`).
    Refused(ReasonCode),
    /// The client was stopped before the message was accepted or acknowledged.
    Stopped,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
            Self::Refused(reason) => {
                write!(
                    f,
                    "the server did not take the message (reason 0x{:02x})",
                    reason.0
                )
            }
            Self::Stopped => f.write_str("the client was stopped"),
        }
    }
}

impl core::error::Error for PublishError {}

/// A subscription was not made or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// Configuration: a limit of AWS IoT Core. Nothing was sent.
    Limit(LimitError),
    /// What the session says; nothing was sent.
    Session(SessionSubscribeError),
    /// Peer: the server refused the filter (`B-39`, `B-54`).
    Refused(ReasonCode),
    /// The client was stopped first.
    Stopped,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
            Self::Refused(reason) => {
                write!(
                    f,
                    "the server refused the topic filter (reason 0x{:02x})",
                    reason.0
                )
            }
            Self::Stopped => f.write_str("the client was stopped"),
        }
    }
}

impl core::error::Error for SubscribeError {}

impl<'b> Client<'b> {
    /// Publishes anything that can be seen as bytes.
    ///
    /// QoS 0: waits for room in the session buffer, not for the network; without a connection it fails
    /// at once, because QoS 0 is not kept. QoS 1: waits until the server has acknowledged it,
    /// through as many reconnects as that takes.
    ///
    /// Dropping it before the message was accepted: nothing is sent. Dropping it later: the message is still
    /// delivered, only nobody hears how it went. A packet is never cut in half either way.
    ///
    /// # Errors
    /// [`PublishError`]; a wait for room is no error.
    pub async fn publish(
        &self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: QoS,
    ) -> Result<(), PublishError> {
        self.publish_message(Outgoing::new(topic, payload.as_ref(), qos))
            .await
    }

    /// As [`publish`](Self::publish), with retain flag and MQTT 5 properties.
    ///
    /// Waits and may be dropped as `publish`.
    ///
    /// # Errors
    /// [`PublishError`]; a wait for room is no error.
    pub async fn publish_message(&self, message: Outgoing<'_>) -> Result<(), PublishError> {
        check_publish(message.topic, message.payload).map_err(PublishError::Limit)?;
        let ticket = self
            .wait(|state| {
                if state.stopping {
                    return Some(Err(PublishError::Stopped));
                }
                match state.session.publish(message) {
                    Err(SessionPublishError::NoRoom { .. }) => None,
                    Err(error) => Some(Err(PublishError::Session(error))),
                    Ok(ticket) => {
                        state.kick();
                        Some(Ok(ticket))
                    }
                }
            })
            .await?;
        let held = Held {
            client: self,
            ticket,
        };
        if message.qos == QoS::AtMostOnce {
            return Ok(());
        }
        match held.first_failure().await {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(PublishError::Refused(reason)),
            Err(Stopped) => Err(PublishError::Stopped),
        }
    }

    /// Accepts a message without waiting. With QoS 1 it is delivered at least once from now on.
    ///
    /// # Errors
    /// [`PublishError`]; also when there is no room at the moment.
    pub fn try_publish(&self, message: Outgoing<'_>) -> Result<(), PublishError> {
        check_publish(message.topic, message.payload).map_err(PublishError::Limit)?;
        let mut state = self.state.borrow_mut();
        if state.stopping {
            return Err(PublishError::Stopped);
        }
        let ticket = state
            .session
            .publish(message)
            .map_err(PublishError::Session)?;
        state.session.forget(ticket);
        state.kick();
        Ok(())
    }

    /// Subscribes, for good: the subscription is made again whenever the server lost the session.
    /// Waits for the server's answer and tells the quality of service it granted.
    ///
    /// Dropping it before the request was accepted: nothing is sent. Dropping it later: the subscription
    /// is still made; [`unsubscribe`](Self::unsubscribe) ends it.
    ///
    /// # Errors
    /// [`SubscribeError`]; a filter that the server refused is not asked for again.
    pub async fn subscribe(&self, filter: &str, qos: QoS) -> Result<QoS, SubscribeError> {
        let filters = [SubscribeFilter::new(filter, qos)];
        check_filters(1, [filter]).map_err(SubscribeError::Limit)?;
        let ticket = self
            .accept(|state| {
                let ticket = state.session.subscribe(&filters)?;
                state.kick();
                Ok(ticket)
            })
            .await?;
        let held = Held {
            client: self,
            ticket,
        };
        let code = self
            .wait(|state| match state.session.outcome(ticket) {
                Some(codes) => Some(Ok(codes.first().copied().unwrap_or_default())),
                None => state.stopped.then_some(Err(SubscribeError::Stopped)),
            })
            .await?;
        drop(held);
        match QoS::from_bits(code) {
            Some(granted) if code < 0x80 => Ok(granted),
            _ => Err(SubscribeError::Refused(ReasonCode(code))),
        }
    }

    /// Ends a subscription. From the moment it is accepted the filter is not subscribed again; waits for the
    /// server's answer.
    ///
    /// Dropping it before the request was accepted: nothing is sent. Dropping it later: the
    /// subscription still ends.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub async fn unsubscribe(&self, filter: &str) -> Result<(), SubscribeError> {
        check_filters(1, [filter]).map_err(SubscribeError::Limit)?;
        let ticket = self
            .accept(|state| {
                let ticket = state.session.unsubscribe(&[filter])?;
                state.kick();
                Ok(ticket)
            })
            .await?;
        let held = Held {
            client: self,
            ticket,
        };
        match held.first_failure().await {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(SubscribeError::Refused(reason)),
            Err(Stopped) => Err(SubscribeError::Stopped),
        }
    }

    /// Waits for the next message in the inbox and copies it into `buffer`.
    ///
    /// Dropping it loses nothing: a message leaves the inbox at the moment it is handed over.
    ///
    /// # Errors
    /// [`InboxError`]; no message is lost.
    pub async fn next<'m>(&self, buffer: &'m mut [u8]) -> Result<Received<'m>, InboxError> {
        self.wait(|state| {
            if !state.inbox.exists() {
                return Some(Err(InboxError::NoInbox));
            }
            match state.inbox.next_len() {
                Some(needed) if needed > buffer.len() => {
                    Some(Err(InboxError::BufferTooSmall { needed }))
                }
                Some(_) => Some(Ok(())),
                None => state.stopped.then_some(Err(InboxError::Stopped)),
            }
        })
        .await?;
        // Nothing ran in between, so the message is still there and still fits.
        self.state
            .borrow_mut()
            .inbox
            .pop(buffer)
            .ok_or(InboxError::Stopped)
    }

    /// Waits until the session takes a SUBSCRIBE or UNSUBSCRIBE.
    async fn accept(
        &self,
        mut ask: impl FnMut(&mut State<'b>) -> Result<Ticket, SessionSubscribeError>,
    ) -> Result<Ticket, SubscribeError> {
        self.wait(|state| {
            if state.stopping {
                return Some(Err(SubscribeError::Stopped));
            }
            match ask(state) {
                Err(SessionSubscribeError::NoRoom { .. }) => None,
                Err(error) => Some(Err(SubscribeError::Session(error))),
                Ok(ticket) => Some(Ok(ticket)),
            }
        })
        .await
    }
}

/// A ticket that is given back when its holder loses interest.
struct Held<'c, 'b> {
    client: &'c Client<'b>,
    ticket: Ticket,
}

/// The client was stopped before the outcome was known.
struct Stopped;

impl Held<'_, '_> {
    /// Waits for the outcome: the first reason code that is a failure, if there is one.
    async fn first_failure(&self) -> Result<Option<ReasonCode>, Stopped> {
        self.client
            .wait(|state| match state.session.outcome(self.ticket) {
                Some(codes) => Some(Ok(codes
                    .iter()
                    .map(|code| ReasonCode(*code))
                    .find(|code| code.is_failure()))),
                None => state.stopped.then_some(Err(Stopped)),
            })
            .await
    }
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.client.state.borrow_mut();
        state.session.forget(self.ticket);
        // The bytes it gave back may be what somebody waits for.
        state.notify();
    }
}
