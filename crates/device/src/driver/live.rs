//! A live connection: bytes in, bytes out, until it ends.

use core::pin::pin;

use embedded_io_async::Read;
use thingwire_contract::limit;
use thingwire_mqtt::Version;
use thingwire_mqtt::client::{Event as SessionEvent, Incoming, Session, SessionError, Unheard};

use super::connection::{Connection, Ended};
use super::end::{End, Question, keep};
use super::{CLOSE_LIMIT, Retry};
use crate::client::State;
use crate::future::{Either, race};
use crate::inbox::Offer;
use crate::supervise::Input;
use crate::{
    Client, Connector, Event, FailureKind, Message, Millis, PacketType, Platform, ReasonCode,
};

/// How long the other end may leave a write unread, in milliseconds; coreMQTT's default.
const WRITE_LIMIT: u64 = 20_000;

/// Writes in a row before reading gets its turn again, so that an application that publishes without
/// pause cannot keep the driver from seeing acknowledgements.
const WRITES_IN_A_ROW: usize = 8;

impl Client<'_> {
    /// Moves bytes until the connection ends, and leaves in [`Retry`] why it did.
    pub(super) async fn live<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, '_, C, P>,
        on: &mut impl FnMut(Event<'_>),
    ) {
        loop {
            let now = connection.platform.now();
            if let Err(error) = self.look(now) {
                return self.abort(connection, error).await;
            }
            if self.transmit(connection).await.is_err() {
                return self.likely(connection);
            }
            if self.state().session.is_closed() {
                connection.retry.end = (!self.is_stopping()).then_some(End::Refetch);
                return;
            }
            match self.receive(connection, on) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => return self.abort(connection, error).await,
            }
            if !self.state().session.is_ready() {
                // Acknowledgements have to leave before more is read.
                continue;
            }
            if self.wait_for_more(connection).await.is_err() {
                return self.likely(connection);
            }
        }
    }

    /// What time and the application ask of the session.
    fn look(&self, now: Millis) -> Result<(), SessionError> {
        let mut state = self.state();
        state.now = now;
        state.session.handle_timeout(now)?;
        if state.stopping {
            state.step(Input::Stop);
        }
        if state.stopping || state.should_refetch() {
            state.session.disconnect();
        }
        Ok(())
    }

    /// Writes what is due.
    async fn transmit<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, '_, C, P>,
    ) -> Result<(), Ended> {
        let (mut wrote, mut more) = (false, true);
        for _ in 0..WRITES_IN_A_ROW {
            let now = connection.platform.now();
            let count = self.state().session.poll_transmit(now, connection.write);
            if count == 0 {
                more = false;
                break;
            }
            connection.write(count, WRITE_LIMIT).await?;
            wrote = true;
        }
        if wrote {
            connection.flush(WRITE_LIMIT).await?;
            let now = connection.platform.now();
            let mut state = self.state();
            state.refusals.written(now);
            if more {
                // Look again before the next wait.
                state.kick();
            }
            state.notify();
        }
        Ok(())
    }

    /// Gives the session the frames that have arrived; answers whether there were any.
    fn receive<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, '_, C, P>,
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<bool, SessionError> {
        let now = connection.platform.now();
        let mut any = false;
        while self.state().session.is_ready() {
            let Some(incoming) = connection.reader.next()? else {
                break;
            };
            any = true;
            match incoming {
                Incoming::Skipped(skipped) => {
                    self.state().session.skipped(now, &skipped)?;
                    #[cfg(feature = "v5")]
                    connection.aliases.clear();
                    let (topic, packet_len) = (skipped.topic, skipped.packet_len);
                    on(Event::Skipped {
                        topic,
                        packet_len,
                        capacity: skipped.capacity,
                    });
                }
                Incoming::Frame(frame) => {
                    let packet_type = frame.header.packet_type;
                    if cfg!(feature = "v5") && packet_type != PacketType::Publish {
                        let version = self.state().session.version();
                        let properties = frame.properties(version);
                        if !properties.is_empty() {
                            on(Event::Told {
                                packet_type,
                                properties,
                            });
                        }
                    }
                    let event = {
                        let mut state = self.state();
                        #[cfg(feature = "v5")]
                        let event = state
                            .session
                            .receive_with(now, &frame, connection.aliases)?;
                        #[cfg(not(feature = "v5"))]
                        let event = state.session.receive(now, &frame)?;
                        event
                    };
                    self.handle(now, event, connection.retry, on);
                }
            }
        }
        if any {
            self.state().notify();
        }
        Ok(any)
    }

    fn handle(
        &self,
        now: Millis,
        event: SessionEvent<'_>,
        retry: &mut Retry,
        on: &mut impl FnMut(Event<'_>),
    ) {
        match event {
            SessionEvent::Connected {
                negotiated,
                assigned_client_id,
            } => {
                retry.connected_at = Some(now);
                {
                    let mut state = self.state();
                    state.step(Input::ConnAck);
                    if !negotiated.session_present {
                        state.inbox.session_lost();
                    }
                    state.statistics.connects = state.statistics.connects.saturating_add(1);
                }
                on(Event::Connected {
                    negotiated,
                    assigned_client_id,
                });
            }
            SessionEvent::Message(message) => self.message(message, on),
            SessionEvent::Published { reason, .. } if reason.is_failure() => {
                on(Event::PublishRefused { reason });
            }
            SessionEvent::Subscribed { reason_codes, .. } => on(Event::Subscribed { reason_codes }),
            SessionEvent::Published { .. }
            | SessionEvent::Unsubscribed { .. }
            | SessionEvent::Nothing => {}
        }
    }

    /// Hands a message over. It is acknowledged once the application is done with it; without an inbox
    /// that is when the callback has seen it.
    fn message(&self, message: Message<'_>, on: &mut impl FnMut(Event<'_>)) {
        let mut state = self.state();
        state.statistics.messages = state.statistics.messages.saturating_add(1);
        if !state.inbox.exists() {
            if let Some(packet_id) = message.packet_id {
                state.session.acknowledge(packet_id, ReasonCode::SUCCESS);
            }
            drop(state);
            on(Event::Message(message));
            return;
        }
        // Those that did not fit come again, and what was sent after them must come after them [MQTT-4.6.0-6].
        let behind = state.unfetched > 0;
        let offer = state.inbox.offer(&message, behind);
        let capacity = state.inbox.capacity();
        let lost = match (offer, message.packet_id) {
            (Offer::Taken | Offer::Known, _) => false,
            (_, None) => true,
            // No later moment would find room for it, or no later connection would bring it.
            (_, Some(packet_id)) if offer == Offer::TooLong || !keeps_session(&state.session) => {
                let reason = ReasonCode::QUOTA_EXCEEDED;
                state.session.acknowledge(packet_id, reason);
                true
            }
            (_, Some(packet_id)) => {
                #[cfg(feature = "qos2")]
                state.session.not_taken(packet_id);
                #[cfg(not(feature = "qos2"))]
                let _ = packet_id;
                state.unfetched = state.unfetched.saturating_add(1);
                false
            }
        };
        if offer == Offer::Full {
            state.statistics.inbox_full = state.statistics.inbox_full.saturating_add(1);
        }
        drop(state);
        let topic = message.topic;
        match offer {
            Offer::Taken => on(Event::Message(message)),
            Offer::Known => {}
            Offer::Full => on(Event::InboxFull { topic, lost }),
            Offer::TooLong => on(Event::Skipped {
                topic: Some(topic),
                packet_len: crate::inbox::needed(&message),
                capacity,
            }),
        }
    }

    /// Waits for bytes, for the application, or for the session's next moment.
    async fn wait_for_more<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, '_, C, P>,
    ) -> Result<(), Ended> {
        let timeout = self.state().session.poll_timeout();
        let platform = connection.platform;
        let timer = async {
            match timeout {
                Some(at) => platform.sleep_until(at).await,
                None => core::future::pending().await,
            }
        };
        let first = {
            let read = pin!(connection.transport.read(connection.reader.space()));
            race(read, race(pin!(self.work()), pin!(timer))).await
        };
        connection.retry.end = match first {
            Either::First(Ok(0)) => None,
            Either::First(Ok(count)) => {
                connection.reader.filled(count);
                return Ok(());
            }
            Either::First(Err(error)) => Some(End::failure(&C::explain(&error), connection.write)),
            Either::Second(_) => return Ok(()),
        };
        Err(Ended)
    }

    /// The other side ended it. If the transport only knows that it is gone, the likely reason is
    /// what the server was asked last.
    fn likely<C: Connector, P: Platform>(&self, connection: &mut Connection<'_, '_, '_, C, P>) {
        match &connection.retry.end {
            Some(End::Failure { kind, .. }) if *kind == FailureKind::Connection => {}
            None => {}
            Some(_) => return,
        }
        let now = connection.platform.now();
        let mut state = self.state();
        let unheard = state.session.unheard(now);
        let (asked, topic) = Question::new(unheard, state.refusals.topic());
        let topic_len = keep(topic, limit::TOPIC_BYTES, connection.write);
        let set_aside = match asked {
            Question::Nothing | Question::PublishQos0 => state.qos0_denied(now),
            _ => state.session.closed_silently(now),
        };
        connection.retry.end = Some(End::Closed {
            asked,
            topic_len,
            set_aside,
        });
    }

    /// Ends the connection because of `error`, and in MQTT 5 tells the server, if it still listens.
    async fn abort<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, '_, C, P>,
        error: SessionError,
    ) {
        let now = connection.platform.now();
        let count = {
            let mut state = self.state();
            if error == SessionError::Disconnected(ReasonCode::NOT_AUTHORIZED)
                && state.session.unheard(now) == Some(Unheard::PublishQos0)
            {
                state.qos0_denied(now);
            }
            state.session.abort(&error);
            state.session.poll_transmit(now, connection.write)
        };
        if count > 0 && connection.write(count, CLOSE_LIMIT).await.is_ok() {
            // It makes no difference any more whether this arrives.
            let _ = connection.flush(CLOSE_LIMIT).await;
        }
        connection.retry.end = Some(End::Session(error));
    }
}

impl State<'_> {
    /// The server ended the connection with nothing but QoS 0 unanswered: answers whether that sets
    /// a topic aside.
    fn qos0_denied(&mut self, now: Millis) -> bool {
        // A connection that was never up says nothing about topics.
        let set_aside = self.session.is_connected() && self.refusals.closed_silently(now);
        if set_aside {
            let count = &mut self.statistics.topics_set_aside;
            *count = count.saturating_add(1);
        }
        set_aside
    }
}

/// Whether the server keeps the session, and with it unacknowledged messages, when the connection ends.
fn keeps_session(session: &Session<'_>) -> bool {
    let options = session.options();
    let expiry = session.negotiated().session_expiry;
    let kept = match options.version {
        Version::V311 => true,
        Version::V5 => expiry.unwrap_or(options.session_expiry) > 0,
    };
    kept && !options.clean_start
}
