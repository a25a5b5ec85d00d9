//! The driver: opens connections, moves bytes, waits, and begins again.
//!
//! It alone touches the transport, and does one thing at a time with it, because a TLS session is one
//! object. A write that was begun is finished, or the connection is given up; only reading and
//! waiting are dropped when something else is ready first.

use core::fmt;

use embedded_io_async::{Read, Write};
use thingwire_mqtt::client::{Event as SessionEvent, FrameReader, Incoming, SessionError};

use crate::client::Wire;
use crate::future::{Either, select};
use crate::{Client, Connector, Event, Message, Millis, Platform, ReasonCode, Why};

/// How long the other end may leave a write unread, in milliseconds; coreMQTT's default.
const WRITE_LIMIT: u64 = 20_000;

/// How long saying goodbye may take, in milliseconds.
const CLOSE_LIMIT: u64 = 1_000;

/// Writes in a row before reading gets its turn again, so that an application that publishes without
/// pause cannot keep the driver from seeing acknowledgements.
const WRITES_IN_A_ROW: usize = 8;

/// [`Client::run`] is already under way elsewhere. Your turn: run each client once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyRunning;

impl fmt::Display for AlreadyRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this client is already being run")
    }
}

impl core::error::Error for AlreadyRunning {}

/// What the backoff remembers between attempts.
struct Retry {
    /// Attempts in a row without a stable connection.
    failures: u32,
    /// When the last CONNECT was sent.
    last_connect: Option<Millis>,
}

/// What one attempt came to.
struct Attempt {
    /// Why it ended; `None` when the application asked for it.
    ended: Option<Why>,
    /// When CONNECT was sent.
    connect_at: Option<Millis>,
    /// When CONNACK came.
    connected_at: Option<Millis>,
}

impl Client<'_> {
    /// Connects, keeps connected, and connects again, until [`stop`](Self::stop). It waits for the network,
    /// for time and for what the application asks, and returns for no other reason.
    ///
    /// `on` is called with each [`Event`] while nothing of the client is borrowed: it may call
    /// [`try_publish`](Self::try_publish) and [`stop`](Self::stop). It must not block.
    ///
    /// Dropping it ends the connection at once, without DISCONNECT, and keeps the session: the
    /// next `run` goes on with the same subscriptions and unacknowledged messages.
    ///
    /// # Errors
    /// [`AlreadyRunning`] at once.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "only `run` borrows it; a second `run` is told so"
    )]
    pub async fn run<C: Connector, P: Platform>(
        &self,
        connector: &mut C,
        platform: &P,
        mut on: impl FnMut(Event<'_>),
    ) -> Result<(), AlreadyRunning> {
        let mut wire = self.wire.try_borrow_mut().map_err(|_| AlreadyRunning)?;
        self.state.borrow_mut().stopped = false;
        let mut retry = Retry {
            failures: 0,
            last_connect: None,
        };
        while !self.state.borrow().stopping {
            on(Event::Attempting {
                attempt: retry.failures,
            });
            let done = self.attempt(connector, platform, &mut wire, &mut on).await;
            let Some(next) = self.ended(done, &mut retry, platform, &mut on) else {
                break;
            };
            select(
                platform.sleep_until(next),
                self.wait(|state| state.stopping.then_some(())),
            )
            .await;
        }
        let mut state = self.state.borrow_mut();
        state.stopped = true;
        state.notify();
        drop(state);
        on(Event::Stopped);
        Ok(())
    }

    /// Tells why an attempt ended and decides when the next one begins; `None` when the client was stopped.
    fn ended<P: Platform>(
        &self,
        done: Attempt,
        retry: &mut Retry,
        platform: &P,
        on: &mut impl FnMut(Event<'_>),
    ) -> Option<Millis> {
        let why = &done.ended?;
        let now = platform.now();
        retry.last_connect = done.connect_at.or(retry.last_connect);
        let stable = done
            .connected_at
            .is_some_and(|connected| now.since(connected) >= u64::from(self.backoff.stable_after));
        if stable {
            retry.failures = 0;
        }
        let random = platform.random_u32();
        let next = self
            .backoff
            .next_at(now, retry.failures, random, retry.last_connect);
        retry.failures = retry.failures.saturating_add(1);
        let retry_in = next.since(now);
        on(match done.connected_at {
            Some(_) => Event::Disconnected { why, retry_in },
            None => Event::Failed { why, retry_in },
        });
        Some(next)
    }

    /// One connection, from opening it to its end.
    async fn attempt<C: Connector, P: Platform>(
        &self,
        connector: &mut C,
        platform: &P,
        wire: &mut Wire<'_>,
        on: &mut impl FnMut(Event<'_>),
    ) -> Attempt {
        let mut attempt = Attempt {
            ended: None,
            connect_at: None,
            connected_at: None,
        };
        {
            let mut state = self.state.borrow_mut();
            state.statistics.attempts = state.statistics.attempts.saturating_add(1);
        }
        let deadline = platform.now().after(self.connect_limit);
        let give_up = select(
            platform.sleep_until(deadline),
            self.wait(|state| state.stopping.then_some(())),
        );
        let mut transport = match select(connector.connect(), give_up).await {
            Either::First(Ok(transport)) => transport,
            Either::First(Err(failure)) => {
                attempt.ended = Some(Why::Failure(failure));
                return attempt;
            }
            Either::Second(Either::First(())) => {
                attempt.ended = Some(Why::ConnectTimeout);
                return attempt;
            }
            Either::Second(Either::Second(())) => return attempt,
        };
        let _open = Open(self);
        let started = self.state.borrow_mut().session.start(platform.now());
        if let Err(error) = started {
            attempt.ended = Some(Why::Session(error));
            return attempt;
        }
        let mut connection = Connection::<C, P> {
            transport: &mut transport,
            reader: FrameReader::new(wire.receive),
            write: wire.write,
            platform,
        };
        attempt.ended = self
            .drive(
                &mut connection,
                &mut attempt.connect_at,
                &mut attempt.connected_at,
                on,
            )
            .await;
        let goodbye = platform.now().after(CLOSE_LIMIT);
        select(C::close(transport), platform.sleep_until(goodbye)).await;
        attempt
    }

    /// Moves bytes until the connection ends.
    async fn drive<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, C, P>,
        connect_at: &mut Option<Millis>,
        connected_at: &mut Option<Millis>,
        on: &mut impl FnMut(Event<'_>),
    ) -> Option<Why> {
        loop {
            let now = connection.platform.now();
            let timeout = self.state.borrow_mut().session.handle_timeout(now);
            if let Err(error) = timeout {
                return self.abort(connection, error).await;
            }
            self.disconnect_if_stopping();
            match self.transmit(connection).await {
                Ok(true) => *connect_at = connect_at.or(Some(now)),
                Ok(false) => {}
                Err(why) => return Some(why),
            }
            if self.state.borrow().session.is_closed() {
                return None;
            }
            match self.receive(connection, connected_at, on) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => return self.abort(connection, error).await,
            }
            if !self.state.borrow().session.is_ready() {
                // Acknowledgements have to leave before more is read.
                continue;
            }
            if let Err(why) = self.wait_for_more(connection).await {
                return Some(why);
            }
        }
    }

    fn disconnect_if_stopping(&self) {
        let mut state = self.state.borrow_mut();
        if state.stopping {
            state.session.disconnect();
        }
    }

    /// Writes what is due; answers whether there was anything.
    async fn transmit<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, C, P>,
    ) -> Result<bool, Why> {
        let mut wrote = false;
        for _ in 0..WRITES_IN_A_ROW {
            let now = connection.platform.now();
            let count = self
                .state
                .borrow_mut()
                .session
                .poll_transmit(now, connection.write);
            if count == 0 {
                break;
            }
            connection
                .write(count, WRITE_LIMIT)
                .await
                .map_err(|why| self.likely(connection.platform.now(), why))?;
            wrote = true;
        }
        if wrote {
            connection
                .flush(WRITE_LIMIT)
                .await
                .map_err(|why| self.likely(connection.platform.now(), why))?;
            let mut state = self.state.borrow_mut();
            // There may be more: look again before the next wait.
            state.kick();
            state.notify();
        }
        Ok(wrote)
    }

    /// Gives the session the frames that have arrived; answers whether there were any.
    fn receive<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, C, P>,
        connected_at: &mut Option<Millis>,
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<bool, SessionError> {
        let now = connection.platform.now();
        let mut any = false;
        while self.state.borrow().session.is_ready() {
            let Some(incoming) = connection.reader.next()? else {
                break;
            };
            any = true;
            match incoming {
                Incoming::Skipped(skipped) => {
                    self.state.borrow_mut().session.skipped(now, &skipped)?;
                    let (topic, packet_len) = (skipped.topic, skipped.packet_len);
                    on(Event::Skipped {
                        topic,
                        packet_len,
                        capacity: skipped.capacity,
                    });
                }
                Incoming::Frame(frame) => {
                    let event = self.state.borrow_mut().session.receive(now, &frame)?;
                    self.handle(now, event, connected_at, on);
                }
            }
        }
        if any {
            self.state.borrow_mut().notify();
        }
        Ok(any)
    }

    fn handle(
        &self,
        now: Millis,
        event: SessionEvent<'_>,
        connected_at: &mut Option<Millis>,
        on: &mut impl FnMut(Event<'_>),
    ) {
        match event {
            SessionEvent::Connected {
                negotiated,
                assigned_client_id,
            } => {
                *connected_at = Some(now);
                {
                    let mut state = self.state.borrow_mut();
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

    /// Hands a message over; only what was handed over is acknowledged.
    fn message(&self, message: Message<'_>, on: &mut impl FnMut(Event<'_>)) {
        let taken = {
            let mut state = self.state.borrow_mut();
            state.statistics.messages = state.statistics.messages.saturating_add(1);
            let taken = !state.inbox.exists() || state.inbox.push(&message);
            if let (true, Some(packet_id)) = (taken, message.packet_id) {
                state.session.acknowledge(packet_id, ReasonCode::SUCCESS);
            }
            if !taken {
                state.statistics.inbox_full = state.statistics.inbox_full.saturating_add(1);
            }
            taken
        };
        on(if taken {
            Event::Message(message)
        } else {
            Event::InboxFull {
                topic: message.topic,
            }
        });
    }

    /// Waits for bytes, for the application, or for the session's next moment.
    async fn wait_for_more<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, C, P>,
    ) -> Result<(), Why> {
        let timeout = self.state.borrow().session.poll_timeout();
        let platform = connection.platform;
        let timer = async {
            match timeout {
                Some(at) => platform.sleep_until(at).await,
                None => core::future::pending().await,
            }
        };
        let read = connection.transport.read(connection.reader.space());
        match select(read, select(self.work(), timer)).await {
            Either::First(Ok(0)) => Err(self.likely(platform.now(), None)),
            Either::First(Ok(count)) => {
                connection.reader.filled(count);
                Ok(())
            }
            Either::First(Err(error)) => {
                let why = Why::Failure(C::explain(&error));
                Err(self.likely(platform.now(), Some(why)))
            }
            Either::Second(_) => Ok(()),
        }
    }

    /// Why the other side ended it: what the transport says, or, if it was only closed, what the
    /// server was asked last.
    fn likely(&self, now: Millis, why: Option<Why>) -> Why {
        match why {
            Some(Why::Failure(failure)) if failure.kind != crate::FailureKind::Connection => {
                Why::Failure(failure)
            }
            Some(why @ (Why::WriteTimeout | Why::ConnectTimeout | Why::Session(_))) => why,
            _ => {
                let mut state = self.state.borrow_mut();
                let asked = state.session.unheard(now).into();
                let set_aside = state.session.closed_silently(now);
                Why::Closed { asked, set_aside }
            }
        }
    }

    /// Ends the connection because of `error`, and in MQTT 5 tells the server, if it still listens.
    async fn abort<C: Connector, P: Platform>(
        &self,
        connection: &mut Connection<'_, '_, C, P>,
        error: SessionError,
    ) -> Option<Why> {
        let now = connection.platform.now();
        let count = {
            let mut state = self.state.borrow_mut();
            state.session.abort(&error);
            state.session.poll_transmit(now, connection.write)
        };
        if count > 0 && connection.write(count, CLOSE_LIMIT).await.is_ok() {
            // It makes no difference any more whether this arrives.
            let _ = connection.flush(CLOSE_LIMIT).await;
        }
        Some(Why::Session(error))
    }
}

/// One open connection.
struct Connection<'c, 't, C: Connector + 't, P: Platform> {
    transport: &'c mut C::Transport<'t>,
    reader: FrameReader<'c>,
    write: &'c mut [u8],
    platform: &'c P,
}

impl<C: Connector, P: Platform> Connection<'_, '_, C, P> {
    /// Writes the first `count` bytes of the write buffer, all of them or never another one.
    async fn write(&mut self, count: usize, limit: u64) -> Result<(), Option<Why>> {
        let deadline = self.platform.now().after(limit);
        let mut rest = self.write.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            let write = self.transport.write(rest);
            match select(write, self.platform.sleep_until(deadline)).await {
                Either::First(Ok(0)) => return Err(None),
                Either::First(Ok(written)) => rest = rest.get(written..).unwrap_or_default(),
                Either::First(Err(error)) => return Err(Some(Why::Failure(C::explain(&error)))),
                Either::Second(()) => return Err(Some(Why::WriteTimeout)),
            }
        }
        Ok(())
    }

    async fn flush(&mut self, limit: u64) -> Result<(), Option<Why>> {
        let deadline = self.platform.now().after(limit);
        match select(self.transport.flush(), self.platform.sleep_until(deadline)).await {
            Either::First(Ok(())) => Ok(()),
            Either::First(Err(error)) => Err(Some(Why::Failure(C::explain(&error)))),
            Either::Second(()) => Err(Some(Why::WriteTimeout)),
        }
    }
}

/// A transport is open; when it goes, however it goes, the session hears of it.
struct Open<'c, 'b>(&'c Client<'b>);

impl Drop for Open<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.session.connection_lost();
        state.notify();
    }
}
