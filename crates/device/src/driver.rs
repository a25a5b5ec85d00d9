//! The driver: opens connections, waits, and begins again.
//!
//! It alone touches the transport, and does one thing at a time with it, because a TLS session is one
//! object. A write that was begun is finished, or the connection is given up; only reading and
//! waiting are dropped when something else is ready first. What it does next is what the
//! [`Phase`](crate::supervise::Phase) says.

mod connection;
mod end;
mod live;

use core::fmt;
use core::pin::pin;

use thingwire_mqtt::client::FrameReader;

use crate::client::Wire;
use crate::future::{Either, race};
use crate::supervise::{Input, Phase};
use crate::{Client, Connector, Event, Millis, Platform, Reason};
use connection::Connection;
use end::End;

/// How long saying goodbye may take, in milliseconds.
const CLOSE_LIMIT: u64 = 1_000;

/// [`Client::run`] is already under way elsewhere. Your turn: run each client once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyRunning;

impl fmt::Display for AlreadyRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this client is already being run")
    }
}

impl core::error::Error for AlreadyRunning {}

/// What the backoff remembers between attempts, and what it learns from one.
struct Retry {
    /// Attempts in a row without a stable connection.
    failures: u32,
    /// When CONNACK came on the current connection.
    connected_at: Option<Millis>,
    /// Why the last attempt or connection ended; nothing when the application asked for it.
    end: Option<End>,
    /// When the next one begins.
    next_at: Millis,
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
        let _running = Running(self);
        let mut retry = Retry {
            failures: 0,
            connected_at: None,
            end: None,
            next_at: Millis(0),
        };
        self.step(if self.is_stopping() {
            Input::Stop
        } else {
            Input::Run
        });
        self.let_a_second_pass(platform).await;
        loop {
            match self.phase() {
                Phase::Opening => {
                    on(Event::Attempting {
                        attempt: retry.failures,
                    });
                    retry.connected_at = None;
                    self.attempt(connector, platform, &mut wire, &mut retry, &mut on)
                        .await;
                    if self.is_stopping() {
                        self.step(Input::Stop);
                    }
                    let retry_in = self.ended(&mut retry, platform);
                    if self.step(Input::Ended) == Phase::Waiting
                        && let Some(end) = &retry.end
                    {
                        let connected = retry.connected_at.is_some();
                        tell(end, wire.write, connected, retry_in, &mut on);
                    }
                }
                Phase::Waiting => {
                    let time = platform.sleep_until(retry.next_at);
                    self.step(match race(pin!(time), pin!(self.stopping())).await {
                        Either::First(()) => Input::TimeUp,
                        Either::Second(()) => Input::Stop,
                    });
                }
                // An attempt leaves nothing else behind.
                Phase::Idle
                | Phase::Connecting
                | Phase::Connected
                | Phase::Leaving
                | Phase::Stopped => break,
            }
        }
        self.state().notify();
        on(Event::Stopped);
        Ok(())
    }

    /// A `run` that was dropped may have sent CONNECT just now (`B-17`).
    async fn let_a_second_pass<P: Platform>(&self, platform: &P) {
        let last_connect = self.state().last_connect;
        if let Some(last) = last_connect {
            let next = last.after(crate::Backoff::MIN_BETWEEN_CONNECTS);
            race(pin!(platform.sleep_until(next)), pin!(self.stopping())).await;
        }
    }

    /// Counts why an attempt ended, decides when the next one begins, and tells in how many milliseconds that is.
    fn ended<P: Platform>(&self, retry: &mut Retry, platform: &P) -> u64 {
        let Some(end) = &retry.end else {
            return 0;
        };
        let reason = reason(end);
        self.state().statistics.note(reason);
        let now = platform.now();
        let stable = retry
            .connected_at
            .is_some_and(|connected| now.since(connected) >= u64::from(self.backoff.stable_after));
        if stable {
            retry.failures = 0;
        }
        let random = platform.random_u32();
        let last_connect = self.state().last_connect;
        let next = self
            .backoff
            .next_at(now, retry.failures, random, last_connect);
        retry.failures = retry.failures.saturating_add(1);
        retry.next_at = next;
        next.since(now)
    }

    /// One connection, from opening it to its end.
    async fn attempt<C: Connector, P: Platform>(
        &self,
        connector: &mut C,
        platform: &P,
        wire: &mut Wire<'_>,
        retry: &mut Retry,
        on: &mut impl FnMut(Event<'_>),
    ) {
        {
            let mut state = self.state();
            state.statistics.attempts = state.statistics.attempts.saturating_add(1);
        }
        let deadline = platform.now().after(self.connect_limit);
        let opened = {
            let time = pin!(platform.sleep_until(deadline));
            let stopping = pin!(self.stopping());
            race(pin!(connector.connect()), race(time, stopping)).await
        };
        let mut transport = match opened {
            Either::First(Ok(transport)) => transport,
            Either::First(Err(failure)) => {
                retry.end = Some(End::failure(&failure, wire.write));
                return;
            }
            Either::Second(Either::First(())) => {
                retry.end = Some(End::ConnectTimeout);
                return;
            }
            Either::Second(Either::Second(())) => {
                retry.end = None;
                return;
            }
        };
        self.step(Input::Opened);
        let _open = Open(self);
        let started = {
            let mut state = self.state();
            let now = platform.now();
            state.last_connect = Some(now);
            state.session.start(now)
        };
        if let Err(error) = started {
            retry.end = Some(End::Session(error));
            return;
        }
        let mut connection = Connection::<C, P> {
            transport: &mut transport,
            reader: FrameReader::new(wire.receive),
            write: wire.write,
            aliases: &mut wire.aliases,
            platform,
            retry,
        };
        self.live(&mut connection, on).await;
        let goodbye = platform.now().after(CLOSE_LIMIT);
        race(
            pin!(C::close(transport)),
            pin!(platform.sleep_until(goodbye)),
        )
        .await;
    }

    fn step(&self, input: Input) -> Phase {
        self.state().step(input)
    }

    fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    async fn stopping(&self) {
        self.wait(|state| state.stopping.then_some(())).await;
    }
}

/// Says how an attempt or a connection ended. The reason is long: never inlined, so that it does not lie on the stack of every poll.
#[inline(never)]
fn tell(end: &End, write: &[u8], connected: bool, retry_in: u64, on: &mut impl FnMut(Event<'_>)) {
    let why = &end.told(write);
    on(match connected {
        true => Event::Disconnected { why, retry_in },
        false => Event::Failed { why, retry_in },
    });
}

/// Never inlined, as [`tell`].
#[inline(never)]
fn reason(end: &End) -> Reason {
    end.told(&[]).reason()
}

/// [`Client::run`] is under way; when its future goes before its end, the client is idle again.
struct Running<'c, 'b>(&'c Client<'b>);

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        self.0.step(Input::Dropped);
    }
}

/// A transport is open; when it goes, however it goes, session and inbox hear of it.
struct Open<'c, 'b>(&'c Client<'b>);

impl Drop for Open<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.session.connection_lost();
        state.inbox.connection_lost();
        state.refusals.connection_lost();
        state.unfetched = 0;
        state.notify();
    }
}
