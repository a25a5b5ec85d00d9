//! The client: what the driver and the application share.
//!
//! Both borrow it, on one executor. No borrow of the shared state lives across an await or a callback,
//! so neither can find it taken.

use core::cell::{RefCell, RefMut};
use core::task::{Poll, Waker};

#[cfg(feature = "v5")]
use thingwire_mqtt::client::{ConnectOptions, TopicAliases};
use thingwire_mqtt::client::{Session, SubscribeError as SessionSubscribeError};

#[cfg(feature = "v5")]
use crate::inbox::HEADER;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::refusal::Refusals;
use crate::statistics::Tally;
use crate::supervise::{Input, Phase};
use crate::wakers::Wakers;
use crate::{Backoff, Buffers, Config, ConfigError, Millis, Statistics, Version};
#[cfg(feature = "v5")]
use crate::{EncodeError, Properties, ReasonCode};

/// The shortest receive buffer: a SUBACK of MQTT 5 for eight filters, with room for a reason string.
const SMALLEST_RECEIVE_BUFFER: usize = 64;

/// The shortest write buffer: any acknowledgement fits.
const SMALLEST_WRITE_BUFFER: usize = 16;

/// A device's connection to its broker, over all its reconnects.
///
/// Share it by reference. [`run`](Self::run) must be polled for anything to happen.
pub struct Client<'b> {
    state: RefCell<State<'b>>,
    /// Borrowed by [`run`](Self::run) as long as it lives.
    pub(crate) wire: RefCell<Wire<'b>>,
    pub(crate) backoff: Backoff,
    pub(crate) connect_limit: u64,
    pub(crate) limits: Limits,
}

/// A device may spend two kilobytes besides what it lends (`cargo xtask chip`); the rest of them are the driver's future and the stack.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Client<'_>>() <= 712, "the client has grown");

/// What the application changes and the driver acts upon.
pub(crate) struct State<'b> {
    pub(crate) session: Session<'b>,
    pub(crate) inbox: Inbox<'b>,
    pub(crate) statistics: Tally,
    pub(crate) refusals: Refusals,
    pub(crate) phase: Phase,
    /// When the driver last looked at the clock.
    pub(crate) now: Millis,
    /// QoS 1 messages of this connection that did not fit into the inbox and are still the server's.
    pub(crate) unfetched: u32,
    /// When the last CONNECT was sent, whichever `run` sent it.
    pub(crate) last_connect: Option<Millis>,
    /// The application wants to go.
    pub(crate) stopping: bool,
    /// There may be something to send.
    kicked: bool,
    driver: Option<Waker>,
    application: Wakers,
}

/// The table of MQTT 5's aliases.
#[cfg(feature = "v5")]
pub(crate) type Aliases<'b> = TopicAliases<'b>;
/// Nothing, in its place.
#[cfg(not(feature = "v5"))]
pub(crate) type Aliases<'b> = core::marker::PhantomData<&'b ()>;

/// The driver's own buffers.
pub(crate) struct Wire<'b> {
    pub(crate) receive: &'b mut [u8],
    pub(crate) write: &'b mut [u8],
    /// Topics that the server gave an alias on this connection.
    pub(crate) aliases: Aliases<'b>,
}

impl<'b> Client<'b> {
    /// A client that has not been connected. Its subscriptions are already taken in.
    ///
    /// # Errors
    /// [`ConfigError`] says what does not fit.
    pub fn new(config: Config<'b>, buffers: Buffers<'b>) -> Result<Self, ConfigError> {
        #[cfg_attr(not(feature = "v5"), expect(unused_mut))]
        let mut options = config.connect;
        config
            .limits
            .check_client_id(options.client_id)
            .map_err(ConfigError::Limit)?;
        if options.client_id.is_empty() && !options.clean_start && options.version == Version::V311
        {
            return Err(ConfigError::EmptyClientId);
        }
        let len = buffers.receive.len();
        if len < SMALLEST_RECEIVE_BUFFER {
            return Err(ConfigError::ReceiveBuffer {
                needed: SMALLEST_RECEIVE_BUFFER,
                len,
            });
        }
        #[cfg(not(feature = "v5"))]
        let (session, aliases) = (buffers.session, Aliases::default());
        #[cfg(feature = "v5")]
        let (session, aliases) = lend_aliases(&config, buffers.session);
        #[cfg(feature = "v5")]
        {
            // The server is told of as many as there are.
            options.topic_alias_maximum = aliases.maximum();
            if !buffers.inbox.is_empty() && options.receive_maximum == u16::MAX {
                options.receive_maximum = surely_fit(&config, &options, len, buffers.inbox.len());
            }
        }
        let mut session = Session::new(options, session, len);
        #[cfg(feature = "v5")]
        session.remember_topics(config.topic_alias_memory.min(session.free() / 2));
        let needed = session
            .connect_len()
            .map_err(ConfigError::Connect)?
            .max(SMALLEST_WRITE_BUFFER);
        let len = buffers.write.len();
        if len < needed {
            return Err(ConfigError::WriteBuffer { needed, len });
        }
        subscribe_all(&mut session, &config)?;
        Ok(Self {
            state: RefCell::new(State {
                session,
                inbox: Inbox::new(buffers.inbox, config.overflow),
                statistics: Tally::default(),
                refusals: Refusals::default(),
                phase: Phase::Idle,
                now: Millis(0),
                unfetched: 0,
                last_connect: None,
                stopping: false,
                kicked: false,
                driver: None,
                application: Wakers::default(),
            }),
            wire: RefCell::new(Wire {
                receive: buffers.receive,
                write: buffers.write,
                aliases,
            }),
            backoff: config.backoff,
            connect_limit: u64::from(config.connect_limit),
            limits: config.limits,
        })
    }

    /// Whether CONNACK has come and the connection lives.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state().session.is_connected()
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Waits until the client is connected; ready at once if it is.
    ///
    /// Dropping it has no effect.
    pub async fn connected(&self) {
        self.wait(|state| state.session.is_connected().then_some(()))
            .await;
    }

    /// Waits until everything accepted so far was sent and, with QoS 1, acknowledged.
    ///
    /// Dropping it has no effect.
    pub async fn idle(&self) {
        self.wait(|state| state.session.is_idle().then_some(()))
            .await;
    }

    /// Asks [`run`](Self::run) to send what was accepted, disconnect and return. Nothing is connected after that.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopping = true;
        state.kick();
        state.notify();
    }

    /// As [`stop`](Self::stop), with words for the server of MQTT 5: a reason (0x04 makes it publish the Will), a Session Expiry
    /// Interval that replaces the one of CONNECT (`B-25`), user properties. The session buffer keeps them until they are sent.
    ///
    /// ```
    /// # use thingwire_device::*;
    /// # fn example(client: &Client<'_>) -> Result<(), EncodeError> {
    /// // Gone for good: nothing needs to be kept for this device.
    /// let properties = Properties::List(&[Property::SessionExpiryInterval(0)]);
    /// client.disconnect_with(ReasonCode::SUCCESS, properties)
    /// # }
    /// ```
    ///
    /// Without a connection nobody can be told; then it is `stop`. Needs the feature `v5`.
    ///
    /// # Errors
    /// [`EncodeError`] says what cannot be said, or how much room of the session buffer it needs. Nothing is stopped then.
    #[cfg(feature = "v5")]
    pub fn disconnect_with(
        &self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), EncodeError> {
        {
            let mut state = self.state();
            if state.session.is_connected() {
                state.session.disconnect_with(reason, properties)?;
            }
        }
        self.stop();
        Ok(())
    }

    /// Breaks the engine from now on, so that a test can show that it would notice.
    #[cfg(feature = "fault-injection")]
    pub fn inject(&self, fault: thingwire_mqtt::client::Fault) {
        self.state().session.inject(fault);
    }

    /// What happened so far, and how things stand.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let state = self.state();
        let (inbox_messages, inbox_bytes) = state.inbox.fill();
        let counted = &state.statistics;
        Statistics {
            attempts: counted.attempts,
            connects: counted.connects,
            ended: counted.ended,
            messages: counted.messages,
            inbox_full: counted.inbox_full,
            inbox_dropped: state.inbox.dropped,
            unrouted: counted.unrouted,
            topics_set_aside: counted.topics_set_aside,
            session: state.session.counters(),
            inbox_messages,
            inbox_bytes,
            session_free: state.session.free(),
            round_trip: state.session.round_trip(),
        }
    }

    /// The shared state, in which nothing stays borrowed across an await or a callback. Never inlined: the check that it is
    /// free, and the panic that cannot happen, would else be in forty places.
    #[inline(never)]
    pub(crate) fn state(&self) -> RefMut<'_, State<'b>> {
        self.state.borrow_mut()
    }

    /// Waits until `look` finds what it looks for. It is asked again after every change.
    pub(crate) async fn wait<R>(&self, mut look: impl FnMut(&mut State<'b>) -> Option<R>) -> R {
        core::future::poll_fn(|cx| {
            let mut state = self.state();
            match look(&mut state) {
                Some(found) => Poll::Ready(found),
                None => {
                    state.application.register(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits until the application may have given the driver something to do.
    pub(crate) async fn work(&self) {
        core::future::poll_fn(|cx| {
            let mut state = self.state();
            if core::mem::take(&mut state.kicked) {
                return Poll::Ready(());
            }
            state.driver = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl State<'_> {
    /// Moves to the next phase, which it answers.
    pub(crate) fn step(&mut self, input: Input) -> Phase {
        self.phase = self.phase.after(input);
        self.phase
    }

    /// The application will hear nothing more of this connection or any other.
    pub(crate) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// The inbox has been worked off while the server still holds messages that did not fit.
    pub(crate) fn should_refetch(&self) -> bool {
        self.unfetched > 0 && self.inbox.is_empty()
    }

    /// Tells the driver that there may be something to send.
    pub(crate) fn kick(&mut self) {
        self.kicked = true;
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// This task wants to be told when something changes.
    pub(crate) fn register(&mut self, waker: &Waker) {
        self.application.register(waker);
    }

    /// Tells the application that something changed.
    pub(crate) fn notify(&mut self) {
        self.application.wake_all();
    }
}

/// Takes from the end of the session buffer, at most half of it, what remembers the server's aliases.
#[cfg(feature = "v5")]
fn lend_aliases<'b>(
    config: &Config<'_>,
    session: &'b mut [u8],
) -> (&'b mut [u8], TopicAliases<'b>) {
    let topic = usize::from(config.server_alias_topic);
    let wanted = match config.connect.version {
        Version::V311 => 0,
        Version::V5 => TopicAliases::bytes(config.server_aliases, topic),
    };
    let half = session.len() / 2;
    let left = session.len().saturating_sub(wanted.min(half));
    let (session, memory) = session.split_at_mut_checked(left).unwrap_or_default();
    (session, TopicAliases::new(memory, topic))
}

/// How many messages of the greatest length an inbox surely holds. In it each has its topic, also one that came as a number.
#[cfg(feature = "v5")]
fn surely_fit(
    config: &Config<'_>,
    options: &ConnectOptions<'_>,
    longest: usize,
    inbox: usize,
) -> u16 {
    let topic = match options.topic_alias_maximum {
        0 => 0,
        _ => usize::from(config.server_alias_topic),
    };
    let each = longest.saturating_add(HEADER).saturating_add(topic);
    let fit = inbox.checked_div(each).unwrap_or_default();
    u16::try_from(fit).unwrap_or(u16::MAX).max(1)
}

/// Takes in the configured subscriptions, as many to a SUBSCRIBE as AWS takes (`B-30`).
fn subscribe_all(session: &mut Session<'_>, config: &Config<'_>) -> Result<(), ConfigError> {
    let limits = &config.limits;
    limits
        .check_subscriptions(config.subscriptions.len())
        .map_err(ConfigError::Limit)?;
    if let Some(index) = limits.first_above(config.subscriptions) {
        return Err(ConfigError::Subscription { index });
    }
    let mut first = 0_usize;
    for filters in config.subscriptions.chunks(Session::FILTERS_PER_PACKET) {
        limits
            .check_filters(filters.iter().map(|one| one.filter))
            .map_err(ConfigError::Limit)?;
        let ticket = session.subscribe(filters).map_err(|error| match error {
            SessionSubscribeError::NoRoom { needed, free } => ConfigError::SessionBuffer {
                needed: needed.saturating_sub(free),
            },
            SessionSubscribeError::ArenaTooSmall { needed, capacity } => {
                ConfigError::SessionBuffer {
                    needed: needed.saturating_sub(capacity),
                }
            }
            SessionSubscribeError::Encode(fault) => ConfigError::Connect(fault.into()),
            SessionSubscribeError::FilterCount
            | SessionSubscribeError::InvalidFilter
            | SessionSubscribeError::QosNotSupported => ConfigError::Subscription {
                index: first.saturating_add(first_bad(filters)),
            },
        })?;
        session.forget(ticket);
        first = first.saturating_add(filters.len());
    }
    Ok(())
}

fn first_bad(filters: &[crate::SubscribeFilter<'_>]) -> usize {
    filters
        .iter()
        .position(|one| {
            (one.qos == crate::QoS::ExactlyOnce && !cfg!(feature = "qos2"))
                || !thingwire_mqtt::topic::is_valid_filter(one.filter)
        })
        .unwrap_or_default()
}
