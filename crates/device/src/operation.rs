//! What an application asks of its client: publish, subscribe, unsubscribe.

use core::fmt;

use thingwire_mqtt::client::{
    PublishError as SessionPublishError, Session, SubscribeError as SessionSubscribeError, Ticket,
};

use crate::client::State;
use crate::limits::Limits;
use crate::{Client, LimitError, Outgoing, Properties, QoS, ReasonCode, SubscribeFilter};

/// A message was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// Configuration: a limit of the broker. Nothing was sent.
    Limit(LimitError),
    /// What the session says; nothing was sent.
    Session(SessionPublishError),
    /// Peer: the server did not take it (MQTT 5, `B-51`), or closed the connection on it three times
    /// in a row (3.1.1, `B-53`).
    Refused(ReasonCode),
    /// Peer: the server closed the connection three times in a row on QoS 0 messages to this topic. Correct the policy;
    /// the topic is tried again after an hour.
    SetAside,
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
            Self::SetAside => f.write_str(
                "the server closes the connection on messages to this topic; it is set aside for an hour",
            ),
            Self::Stopped => f.write_str("the client was stopped"),
        }
    }
}

impl core::error::Error for PublishError {}

/// A subscription was not made or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// Configuration: a limit of the broker. Nothing was sent.
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
    /// at once, because QoS 0 is not kept. QoS 1 (and 2, with the feature `qos2`): waits until the server has acknowledged it,
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

    /// As [`publish`](Self::publish), with retain flag and MQTT 5 properties: content type, response topic, correlation
    /// data, message expiry and user properties (`B-72`).
    ///
    /// Waits and may be dropped as `publish`.
    ///
    /// # Errors
    /// [`PublishError`]; a wait for room is no error.
    pub async fn publish_message(&self, message: Outgoing<'_>) -> Result<(), PublishError> {
        self.check(&message)?;
        let ticket = self
            .wait(|state| match state.publish(message) {
                Err(PublishError::Session(SessionPublishError::NoRoom { .. })) => None,
                accepted => Some(accepted),
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

    /// What can be known of a message without the session.
    fn check(&self, message: &Outgoing<'_>) -> Result<(), PublishError> {
        self.limits
            .check_publish(message)
            .map_err(PublishError::Limit)?;
        if message.qos > self.limits.maximum_qos {
            return Err(PublishError::Session(SessionPublishError::QosNotSupported));
        }
        Ok(())
    }

    /// Accepts a message without waiting. With QoS 1 it is delivered at least once from now on.
    ///
    /// # Errors
    /// [`PublishError`]; also when there is no room at the moment.
    pub fn try_publish(&self, message: Outgoing<'_>) -> Result<(), PublishError> {
        self.check(&message)?;
        let mut state = self.state();
        let ticket = state.publish(message)?;
        state.session.forget(ticket);
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
        let mut answer = Err(ReasonCode::UNSPECIFIED_ERROR);
        let filters = [SubscribeFilter::new(filter, qos)];
        self.ask_all(&filters, &Properties::EMPTY, |_, granted| answer = granted)
            .await?;
        answer.map_err(SubscribeError::Refused)
    }

    /// Subscribes to any number of filters, as many at a time as AWS takes (`B-30`), for good as
    /// [`subscribe`](Self::subscribe) does. `answer` hears for each filter what the server granted, or
    /// why it refused. A filter carries MQTT 5's options: No Local, Retain As Published, Retain Handling.
    ///
    /// Waits for the server's answers. Dropping it: the filters that were accepted, eight by eight in their order, are
    /// still subscribed, the rest is not asked for.
    ///
    /// # Errors
    /// [`SubscribeError`], but never [`Refused`](SubscribeError::Refused).
    pub async fn subscribe_all(
        &self,
        filters: &[SubscribeFilter<'_>],
        answer: impl FnMut(&SubscribeFilter<'_>, Result<QoS, ReasonCode>),
    ) -> Result<(), SubscribeError> {
        self.ask_all(filters, &Properties::EMPTY, answer).await
    }

    /// As [`subscribe_all`](Self::subscribe_all), with MQTT 5 properties that go with each SUBSCRIBE: a subscription identifier, which
    /// comes back with every message that matches (AWS has none, `B-36`), and user properties.
    ///
    /// ```
    /// # use thingwire_device::*;
    /// # async fn example(client: &Client<'_>) -> Result<(), SubscribeError> {
    /// // Only what others publish, and no retained messages now.
    /// let filter = SubscribeFilter {
    ///     no_local: true,
    ///     retain_handling: RetainHandling::DoNotSend,
    ///     ..SubscribeFilter::new("rooms/+/light", QoS::AtLeastOnce)
    /// };
    /// let properties = Properties::List(&[Property::SubscriptionIdentifier(7)]);
    /// client.subscribe_with(&[filter], properties, |_, granted| println!("{granted:?}")).await
    /// # }
    /// ```
    ///
    /// Waits, and may be dropped, as `subscribe_all`. Needs the feature `v5`.
    ///
    /// # Errors
    /// [`SubscribeError`], but never [`Refused`](SubscribeError::Refused). What the version does not have is an error at the
    /// call; so is what the server does not have, while connected. Asked for between connections, that comes as the answer.
    #[cfg(feature = "v5")]
    pub async fn subscribe_with(
        &self,
        filters: &[SubscribeFilter<'_>],
        properties: Properties<'_>,
        answer: impl FnMut(&SubscribeFilter<'_>, Result<QoS, ReasonCode>),
    ) -> Result<(), SubscribeError> {
        self.ask_all(filters, &properties, answer).await
    }

    /// `properties` by reference, because the future of whoever has none holds them too.
    async fn ask_all(
        &self,
        filters: &[SubscribeFilter<'_>],
        properties: &Properties<'_>,
        mut answer: impl FnMut(&SubscribeFilter<'_>, Result<QoS, ReasonCode>),
    ) -> Result<(), SubscribeError> {
        self.limits
            .check_filters(filters.iter().map(|one| one.filter))
            .map_err(SubscribeError::Limit)?;
        if self.limits.first_above(filters).is_some() {
            return Err(SubscribeError::Session(
                SessionSubscribeError::QosNotSupported,
            ));
        }
        for filters in filters.chunks(Session::FILTERS_PER_PACKET) {
            let ticket = self
                .accept(|state| state.subscribe(filters, properties, &self.limits))
                .await?;
            let held = Held {
                client: self,
                ticket,
            };
            let codes = self
                .wait(|state| match state.session.outcome(ticket) {
                    // As many as there were filters, at most eight.
                    Some(codes) => Some(Ok(Codes::from_slice(codes).unwrap_or_default())),
                    None => state.is_stopped().then_some(Err(SubscribeError::Stopped)),
                })
                .await?;
            drop(held);
            // Nothing is borrowed now: it may use the client.
            for (filter, code) in filters.iter().zip(&codes) {
                let granted = QoS::from_bits(*code).filter(|_| *code < 0x80);
                answer(filter, granted.ok_or(ReasonCode(*code)));
            }
        }
        Ok(())
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
        self.limits
            .check_filters([filter])
            .map_err(SubscribeError::Limit)?;
        let ticket = self
            .accept(|state| {
                let asked = state.session.unsubscribe(&[filter]);
                let ticket = asked.map_err(SubscribeError::Session)?;
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

    /// Waits until the session takes a SUBSCRIBE or UNSUBSCRIBE.
    async fn accept(
        &self,
        mut ask: impl FnMut(&mut State<'b>) -> Result<Ticket, SubscribeError>,
    ) -> Result<Ticket, SubscribeError> {
        self.wait(|state| {
            if state.stopping {
                return Some(Err(SubscribeError::Stopped));
            }
            match ask(state) {
                Err(SubscribeError::Session(SessionSubscribeError::NoRoom { .. })) => None,
                asked => Some(asked),
            }
        })
        .await
    }
}

impl State<'_> {
    /// Accepts a message whose limits were checked.
    pub(crate) fn publish(&mut self, message: Outgoing<'_>) -> Result<Ticket, PublishError> {
        if self.stopping {
            return Err(PublishError::Stopped);
        }
        let unanswered = message.qos == QoS::AtMostOnce;
        if unanswered && self.refusals.is_set_aside(message.topic, self.now) {
            return Err(PublishError::SetAside);
        }
        let ticket = self
            .session
            .publish(message)
            .map_err(PublishError::Session)?;
        if unanswered {
            self.refusals.published(message.topic);
        }
        self.kick();
        Ok(ticket)
    }

    /// Accepts up to eight filters whose grammar and lengths were checked.
    fn subscribe(
        &mut self,
        filters: &[SubscribeFilter<'_>],
        properties: &Properties<'_>,
        limits: &Limits,
    ) -> Result<Ticket, SubscribeError> {
        let new = filters
            .iter()
            .filter(|one| !self.session.is_subscribed(one.filter))
            .count();
        let held = self.session.subscription_count();
        if new > 0 {
            limits
                .check_subscriptions(held.saturating_add(new))
                .map_err(SubscribeError::Limit)?;
        }
        let ticket = self
            .session
            .subscribe_with(filters, *properties)
            .map_err(SubscribeError::Session)?;
        self.kick();
        Ok(ticket)
    }
}

/// The reason codes of one SUBACK.
type Codes = heapless::Vec<u8, { Session::FILTERS_PER_PACKET }>;

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
                None => state.is_stopped().then_some(Err(Stopped)),
            })
            .await
    }
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.client.state();
        state.session.forget(self.ticket);
        // The bytes it gave back may be what somebody waits for.
        state.notify();
    }
}
