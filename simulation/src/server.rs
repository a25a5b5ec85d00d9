//! What stands at the other end: a [`Server`], behind a [`Gate`] that turns bytes into packets and back and has the
//! [`Referee`] look at both.

mod genuine;
mod model;

use std::collections::BTreeMap;

use thingwire_device::Version;
use thingwire_mqtt::{DecodeError, Packet, PacketId, split};

use crate::ledger::Number;
use crate::network::{Arrival, LinkId, Network};
use crate::referee::number_of;
use crate::{Clock, Diary, Ledger, Referee};

pub use genuine::Genuine;
pub use model::{FORBIDDEN, Model, Mood, Refusal};

/// What a server wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes.
    Write(Vec<u8>),
    /// Close.
    Close,
}

/// An MQTT server that is called with packets and answers with bytes, in simulated time.
pub trait Server {
    /// A connection is there.
    fn opened(&mut self, link: LinkId);

    /// Whether it wants to read from this connection at the moment.
    fn may_read(&self, _link: LinkId) -> bool {
        true
    }

    /// Packets, in order.
    fn packets(&mut self, link: LinkId, packets: &[Packet<'_>]);

    /// The bytes were not MQTT.
    fn not_mqtt(&mut self, link: LinkId, error: &DecodeError);

    /// A connection is gone.
    fn ended(&mut self, link: LinkId);

    /// When it wants to be called next.
    fn next(&self) -> Option<u64>;

    /// Time has passed.
    fn tick(&mut self);

    /// What it wants done by now, in order.
    fn outputs(&mut self) -> Vec<(LinkId, Output)>;

    /// Publishes a message with QoS 1.
    fn send(&mut self, topic: &str, payload: &[u8]);

    /// Whether the device's session has a subscription of exactly this topic, if it can tell.
    fn is_subscribed(&self, _topic: &str) -> Option<bool> {
        None
    }

    /// It goes down, and up again without connections.
    fn restart(&mut self, forgets: bool);

    /// Has it behave like this from now on, if it can.
    fn set_mood(&mut self, mood: Mood);
}

/// One connection as the gate sees it.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    written: u64,
    version: Option<Version>,
    broken: bool,
}

/// The server's end of the network.
pub struct Gate {
    clock: Clock,
    network: Network,
    ledger: Ledger,
    referee: Referee,
    /// The server itself.
    pub server: Box<dyn Server>,
    diary: Diary,
    lines: BTreeMap<LinkId, Line>,
}

impl Gate {
    /// A server with its referee.
    #[must_use]
    pub fn new(
        clock: &Clock,
        network: &Network,
        ledger: &Ledger,
        server: Box<dyn Server>,
        diary: &Diary,
    ) -> Self {
        Self {
            clock: clock.clone(),
            network: network.clone(),
            ledger: ledger.clone(),
            referee: Referee::new(ledger),
            server,
            diary: diary.clone(),
            lines: BTreeMap::new(),
        }
    }

    /// When something is to be done here next.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.server.next()
    }

    /// Does what is due.
    pub fn step(&mut self) {
        while let Some(link) = self.network.accept() {
            self.lines.insert(link, Line::default());
            self.server.opened(link);
            self.flush();
        }
        for arrival in self.network.arrivals() {
            match arrival {
                Arrival::Bytes(link, written, bytes) => {
                    if let Some(line) = self.lines.get_mut(&link) {
                        line.bytes.extend(bytes);
                        line.written = written;
                        self.read(link);
                    }
                }
                Arrival::Ended(link) => {
                    if self.lines.remove(&link).is_some() {
                        self.referee.ended(link);
                        self.server.ended(link);
                        self.flush();
                    }
                }
            }
        }
        if self
            .server
            .next()
            .is_some_and(|at| at <= self.clock.millis())
        {
            self.server.tick();
            self.flush();
            // It may read again what it left lying.
            let waiting: Vec<_> = self
                .lines
                .iter()
                .filter(|(_, line)| !line.bytes.is_empty())
                .map(|(link, _)| *link)
                .collect();
            waiting.into_iter().for_each(|link| self.read(link));
        }
    }

    /// Publishes a message of `8 + fill` bytes for the device. It is a promise when the device has the subscription.
    pub fn send(&mut self, topic: &str, fill: usize) -> Number {
        let told = self.server.is_subscribed(topic);
        let promised = self.referee.is_subscribed(topic) && told.unwrap_or(true);
        let number = self.ledger.send(promised);
        let mut payload = number.to_le_bytes().to_vec();
        payload.resize(payload.len() + fill, b'.');
        self.server.send(topic, &payload);
        self.flush();
        number
    }

    /// See [`Server::restart`].
    pub fn restart(&mut self, forgets: bool) {
        self.ledger.release_promises();
        self.server.restart(forgets);
        if forgets {
            self.referee.forget();
        }
        for link in std::mem::take(&mut self.lines).into_keys() {
            self.referee.ended(link);
            self.network.forsake(link);
        }
        self.flush();
    }

    /// The packets that have arrived as a whole, one after the other: an answer to one may end the connection.
    fn read(&mut self, link: LinkId) {
        loop {
            let Some(line) = self.lines.get_mut(&link) else {
                return;
            };
            if line.broken || !self.server.may_read(link) {
                return;
            }
            let bytes = std::mem::take(&mut line.bytes);
            let version = line.version;
            let found = split(&bytes, usize::MAX).and_then(|found| {
                found
                    .map(|(frame, len)| {
                        Ok((
                            Packet::decode(version.unwrap_or(Version::V311), &frame)?,
                            len,
                        ))
                    })
                    .transpose()
            });
            match found {
                Ok(Some((packet, len))) => {
                    if let (None, Packet::Connect(connect)) = (version, &packet) {
                        line.version = Some(connect.version);
                    }
                    line.bytes = bytes[len..].to_vec();
                    let written = line.written;
                    self.diary.note(self.clock.millis(), || {
                        format!("link {link} > {}", brief(&packet))
                    });
                    self.referee.up(link, &packet, len, written);
                    self.server.packets(link, &[packet]);
                }
                Ok(None) => {
                    line.bytes = bytes;
                    return;
                }
                Err(error) => {
                    line.broken = true;
                    self.referee.nonsense(link, &error);
                    self.server.not_mqtt(link, &error);
                }
            }
            self.flush();
        }
    }

    fn flush(&mut self) {
        for (link, output) in self.server.outputs() {
            match output {
                Output::Write(bytes) => {
                    if let Some(line) = self.lines.get(&link) {
                        if let Some(version) = line.version {
                            self.diary.note(self.clock.millis(), || {
                                format!("link {link} < {}", brief_all(version, &bytes))
                            });
                            self.referee.down(link, version, &bytes);
                        }
                        self.network.write(link, &bytes);
                    }
                }
                Output::Close => {
                    self.diary
                        .note(self.clock.millis(), || format!("link {link} is closed"));
                    self.lines.remove(&link);
                    self.referee.ended(link);
                    self.network.close(link);
                }
            }
        }
    }
}

/// A packet in a few words.
fn brief(packet: &Packet<'_>) -> String {
    let kind = packet.packet_type();
    match packet {
        Packet::ConnAck(connack) => format!(
            "{kind:?} {:#x} present={}",
            connack.reason_code.0, connack.session_present
        ),
        Packet::Publish(publish) => format!(
            "{kind:?} {} message {}{}",
            publish.packet_id.map_or(0, PacketId::get),
            number_of(publish.payload).unwrap_or_default(),
            if publish.dup { " DUP" } else { "" }
        ),
        Packet::PubAck(ack) => format!("{kind:?} {} {:#x}", ack.packet_id.get(), ack.reason_code.0),
        Packet::Subscribe(subscribe) => format!("{kind:?} {}", subscribe.packet_id.get()),
        Packet::SubAck(ack) => format!("{kind:?} {} {:x?}", ack.packet_id.get(), ack.reason_codes),
        _ => format!("{kind:?}"),
    }
}

fn brief_all(version: Version, mut bytes: &[u8]) -> String {
    let mut lines = Vec::new();
    while let Ok(Some((frame, len))) = split(bytes, usize::MAX) {
        lines.push(
            Packet::decode(version, &frame).map_or("nonsense".into(), |packet| brief(&packet)),
        );
        bytes = &bytes[len..];
    }
    if !bytes.is_empty() {
        lines.push(format!("{} bytes", bytes.len()));
    }
    lines.join(", ")
}
