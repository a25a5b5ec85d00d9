//! One MQTT connection for a command that publishes or listens: a driver of the sans-I/O session over any transport
//! that the device library knows how to open.
//!
//! The device library never gives up, which is right for a device and wrong for a command: this one connects
//! once, and every end of the connection is an answer ([`LineError`]). The bytes of MQTT are `thingwire-mqtt`'s.

use std::time::{Duration, Instant};

use embedded_io_async::{Error as _, ErrorKind, Read, Write};
use thingwire_device::{Connector, Failure, FailureKind};
use thingwire_mqtt::client::{
    ConnectOptions, Event, FrameReader, Incoming, Millis, Outgoing, PublishError, Session,
    SessionError, SubscribeError, Unheard,
};
use thingwire_mqtt::{QoS, ReasonCode, SubscribeFilter, Version};

/// Room for what waits to be acknowledged: a few messages of the largest size AWS takes (`B-42`).
const ARENA: usize = 1 << 20;
/// The largest packet AWS sends (`B-42`), with room to spare.
const RECEIVE: usize = 160 * 1024;
/// How long name, TCP and TLS may take together.
const OPENING: Duration = Duration::from_secs(15);
/// One TLS record.
const WRITE: usize = 16 * 1024;

/// What a connection is made of, lent to it by its owner.
pub(crate) struct Means<C> {
    connector: C,
    arena: Vec<u8>,
    receive: Vec<u8>,
}

impl<C> Means<C> {
    /// Memory for one connection at a time, opened by `connector`.
    pub(crate) fn new(connector: C) -> Self {
        Self {
            connector,
            arena: vec![0; ARENA],
            receive: vec![0; RECEIVE],
        }
    }
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Topic name.
    pub(crate) topic: String,
    /// Application message.
    pub(crate) payload: Vec<u8>,
    /// Quality of service, 0 or 1.
    pub(crate) qos: u8,
    /// Whether it was kept for us by the server.
    pub(crate) retain: bool,
}

/// What waiting brought.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message; it has been acknowledged.
    Message(Received),
    /// A PUBLISH with QoS 1 is done, or was refused.
    Published(ReasonCode),
    /// One code for each filter of a SUBSCRIBE.
    Subscribed(Vec<ReasonCode>),
    /// The server has handled everything sent before the UNSUBSCRIBE.
    Unsubscribed,
    /// Nothing to tell; flush, and wait again.
    Nothing,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum LineError {
    /// The server closed it without a word, having been asked this.
    Closed(Option<Asked>),
    /// The server said why, or broke the protocol, or did not answer.
    Session(SessionError),
    /// It could not be opened, or broke: the step and what is known.
    Transport(Box<Failure>),
}

/// The last question that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// CONNECT.
    Connect,
    /// SUBSCRIBE to this filter.
    Subscribe(String),
    /// PUBLISH.
    Publish,
}

/// A live connection.
pub(crate) struct Line<'b, C: Connector + 'b> {
    transport: C::Transport<'b>,
    session: Session<'b>,
    reader: FrameReader<'b>,
    out: Vec<u8>,
    epoch: Instant,
}

impl<'b, C: Connector + 'b> Line<'b, C> {
    /// Connects, sends CONNECT (a clean session, gone when we go) and waits for CONNACK.
    ///
    /// Dropping it closes the connection.
    pub(crate) async fn open(
        means: &'b mut Means<C>,
        client_id: &'b str,
        version: Version,
    ) -> Result<Self, LineError> {
        let Means {
            connector,
            arena,
            receive,
        } = means;
        let options = ConnectOptions {
            clean_start: true,
            session_expiry: 0,
            ..ConnectOptions::new(version, client_id)
        };
        let transport = match tokio::time::timeout(OPENING, connector.connect()).await {
            Ok(opened) => opened.map_err(|failure| LineError::Transport(Box::new(failure)))?,
            Err(_) => {
                let failure = Failure::new(FailureKind::Tcp, "no connection within 15 s");
                return Err(LineError::Transport(Box::new(failure)));
            }
        };
        let mut line = Self {
            transport,
            session: Session::new(options, arena, RECEIVE),
            reader: FrameReader::new(receive),
            out: vec![0; WRITE],
            epoch: Instant::now(),
        };
        let now = line.now();
        line.session.start(now).map_err(LineError::Session)?;
        while !line.session.is_connected() {
            line.flush().await?;
            line.wait().await?;
        }
        Ok(line)
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Accepts a message; [`flush`](Self::flush) sends it.
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
    ) -> Result<(), PublishError> {
        self.session
            .publish(Outgoing {
                retain,
                ..Outgoing::new(topic, payload, qos)
            })
            .map(|_| ())
    }

    /// Asks for filters; [`flush`](Self::flush) sends it.
    pub(crate) fn subscribe(
        &mut self,
        filters: &[SubscribeFilter<'_>],
    ) -> Result<(), SubscribeError> {
        self.session.subscribe(filters).map(|_| ())
    }

    /// Asks something harmless whose answer comes after everything sent before was judged.
    pub(crate) fn ask_whether_heard(&mut self) -> Result<(), SubscribeError> {
        self.session.unsubscribe(&["thingwire/heard"]).map(|_| ())
    }

    /// Whether everything accepted has been sent and acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.session.is_idle()
    }

    /// Writes what is due. Not to be dropped half-way: the connection would be of no use.
    pub(crate) async fn flush(&mut self) -> Result<(), LineError> {
        loop {
            let now = self.now();
            let count = self.session.poll_transmit(now, &mut self.out);
            let Some(bytes) = self.out.get(..count).filter(|bytes| !bytes.is_empty()) else {
                let flushed = self.transport.flush().await;
                return flushed.map_err(|error| self.lost(&error));
            };
            if let Err(error) = self.transport.write_all(bytes).await {
                return Err(self.lost(&error));
            }
        }
    }

    /// Waits for one packet, or until something is due to be sent. May be dropped at any time.
    pub(crate) async fn wait(&mut self) -> Result<Heard, LineError> {
        if let Some(heard) = self.next_frame()? {
            return Ok(heard);
        }
        let now = self.now();
        let due = self
            .session
            .poll_timeout()
            .map_or(60_000, |at| at.0.saturating_sub(now.0));
        let read = self.transport.read(self.reader.space());
        match tokio::time::timeout(Duration::from_millis(due), read).await {
            Ok(Ok(0)) => Err(LineError::Closed(self.asked())),
            Ok(Ok(count)) => {
                self.reader.filled(count);
                Ok(self.next_frame()?.unwrap_or(Heard::Nothing))
            }
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) => {
                let now = self.now();
                self.session
                    .handle_timeout(now)
                    .map_err(LineError::Session)?;
                Ok(Heard::Nothing)
            }
        }
    }

    fn next_frame(&mut self) -> Result<Option<Heard>, LineError> {
        let now = self.now();
        // Acknowledgements that wait go first.
        if !self.session.is_ready() {
            return Ok(Some(Heard::Nothing));
        }
        let Some(incoming) = self
            .reader
            .next()
            .map_err(|error| LineError::Session(error.into()))?
        else {
            return Ok(None);
        };
        let event = match incoming {
            Incoming::Frame(frame) => self
                .session
                .receive(now, &frame)
                .map_err(LineError::Session)?,
            Incoming::Skipped(skipped) => {
                tracing::warn!(
                    bytes = skipped.packet_len,
                    "a message larger than AWS allows was left out"
                );
                self.session
                    .skipped(now, &skipped)
                    .map_err(LineError::Session)?;
                return Ok(Some(Heard::Nothing));
            }
        };
        Ok(Some(match event {
            Event::Message(message) => {
                let received = Received {
                    topic: message.topic.to_owned(),
                    payload: message.payload.to_vec(),
                    qos: u8::from(message.qos == QoS::AtLeastOnce),
                    retain: message.retain,
                };
                if let Some(packet_id) = message.packet_id {
                    self.session.acknowledge(packet_id, ReasonCode::SUCCESS);
                }
                Heard::Message(received)
            }
            Event::Published { ticket, reason } => {
                self.session.forget(ticket);
                Heard::Published(reason)
            }
            Event::Subscribed { reason_codes, .. } => {
                Heard::Subscribed(reason_codes.iter().copied().map(ReasonCode).collect())
            }
            Event::Unsubscribed { ticket, .. } => {
                self.session.forget(ticket);
                Heard::Unsubscribed
            }
            Event::Connected { .. } | Event::Nothing => Heard::Nothing,
        }))
    }

    fn asked(&self) -> Option<Asked> {
        self.session
            .unheard(self.now())
            .map(|unheard| match unheard {
                Unheard::Connect => Asked::Connect,
                Unheard::Subscribe(filter) => Asked::Subscribe(filter.to_owned()),
                Unheard::Publish(_) | Unheard::PublishQos0 => Asked::Publish,
            })
    }

    /// A reset is a close that was in a hurry; so is TLS that ends without a farewell.
    fn lost(&self, error: &C::Error) -> LineError {
        let failure = C::explain(error);
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
                if failure.kind == FailureKind::Connection =>
            {
                LineError::Closed(self.asked())
            }
            _ => LineError::Transport(Box::new(failure)),
        }
    }

    /// Sends DISCONNECT and closes. The server may be gone already; that is what we wanted.
    pub(crate) async fn close(mut self) {
        self.session.disconnect();
        if self.flush().await.is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(1), C::close(self.transport)).await;
        }
    }
}
