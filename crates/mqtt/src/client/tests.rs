//! The session as a trace: what the application asks, what goes out, what comes in, what time does.
//!
//! [`Story`] is a session with a scripted server and a clock that the test moves.

#[cfg(feature = "v5")]
mod aliases;
mod connection;
mod delivery;
#[cfg(feature = "qos2")]
mod exactly_once;
mod gauges;
#[cfg(feature = "v5")]
mod properties;
mod refusal;

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::{
    Ack, ConnAck, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode, SubAck,
    SubscribeFilter, Version, split,
};

/// The versions that this build has.
#[cfg(feature = "v5")]
const BOTH: [Version; 2] = [Version::V311, Version::V5];
#[cfg(not(feature = "v5"))]
const BOTH: [Version; 1] = [Version::V311];

/// A session with a scripted server and a clock that the test moves.
struct Story {
    session: Session<'static>,
    now: Millis,
}

impl Story {
    fn new(version: Version) -> Self {
        Self::with(ConnectOptions::new(version, "esp32-demo"), 2048)
    }

    fn with(options: ConnectOptions<'static>, arena: usize) -> Self {
        let arena = vec![0; arena].leak();
        Self {
            session: Session::new(options, arena, 1024),
            now: Millis(0),
        }
    }

    /// A session that is already up.
    fn up(version: Version) -> Self {
        let mut story = Self::new(version);
        story.connect(false, &[]);
        story
    }

    fn connect(&mut self, session_present: bool, properties: &[Property<'_>]) {
        self.session.start(self.now).unwrap();
        assert!(self.sent()[0].starts_with("CONNECT"));
        let reply = self.recv(&connack(session_present, properties)).unwrap();
        assert!(reply.starts_with("Connected"), "{reply}");
    }

    /// The next connection of the same session.
    fn reconnect(&mut self, session_present: bool) {
        self.session.connection_lost();
        self.connect(session_present, &[]);
    }

    fn wait(&mut self, milliseconds: u64) -> Result<(), SessionError> {
        self.now = self.now.after(milliseconds);
        self.session.handle_timeout(self.now)
    }

    fn bytes(&mut self, chunk: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let mut out = vec![0; chunk];
            let count = self.session.poll_transmit(self.now, &mut out);
            if count == 0 {
                return all;
            }
            all.extend_from_slice(&out[..count]);
        }
    }

    fn sent(&mut self) -> Vec<String> {
        let bytes = self.bytes(512);
        packets(self.session.version(), &bytes)
    }

    fn recv(&mut self, packet: &Packet<'_>) -> Result<String, SessionError> {
        let mut bytes = vec![0; 1024];
        let len = packet.encode(self.session.version(), &mut bytes).unwrap();
        let (frame, _) = split(&bytes[..len], 1024).unwrap().unwrap();
        self.session
            .receive(self.now, &frame)
            .map(|event| match event {
                Event::Connected { negotiated, .. } => {
                    format!("Connected present={}", negotiated.session_present)
                }
                Event::Message(message) => {
                    format!(
                        "Message {} {}",
                        message.topic,
                        String::from_utf8_lossy(message.payload)
                    )
                }
                Event::Published { reason, .. } => format!("Published {:#x}", reason.0),
                Event::Subscribed { reason_codes, .. } => format!("Subscribed {reason_codes:?}"),
                Event::Unsubscribed { .. } => "Unsubscribed".into(),
                Event::Nothing => "Nothing".into(),
            })
    }

    fn publish(&mut self, payload: &str) -> Ticket {
        let message = Outgoing::new("esp32/pub", payload.as_bytes(), QoS::AtLeastOnce);
        self.session.publish(message).unwrap()
    }

    fn subscribe(&mut self, filters: &[&'static str]) -> Ticket {
        let filters: Vec<_> = filters
            .iter()
            .map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce))
            .collect();
        self.session.subscribe(&filters).unwrap()
    }
}

fn packets(version: Version, mut bytes: &[u8]) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some((frame, len)) = split(bytes, usize::MAX).unwrap() {
        seen.push(match Packet::decode(version, &frame).unwrap() {
            Packet::Connect(connect) => format!(
                "CONNECT {} clean={}",
                connect.client_id, connect.clean_start
            ),
            Packet::Publish(publish) => format!(
                "PUBLISH{}{} {} {} {}",
                if publish.dup { " DUP" } else { "" },
                match publish.properties.number(0x23) {
                    Some(alias) => format!(" alias {alias}"),
                    None => String::new(),
                },
                publish.packet_id.map_or(0, PacketId::get),
                publish.topic,
                String::from_utf8_lossy(publish.payload),
            ),
            Packet::Subscribe(subscribe) => format!(
                "SUBSCRIBE {} {}",
                subscribe.packet_id.get(),
                subscribe
                    .filters
                    .iter()
                    .map(|one| one.filter)
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
            Packet::Unsubscribe(unsubscribe) => format!(
                "UNSUBSCRIBE {} {}",
                unsubscribe.packet_id.get(),
                unsubscribe.filters.iter().collect::<Vec<_>>().join(" ")
            ),
            Packet::PubAck(ack) => format!("PUBACK {}", ack.packet_id.get()),
            Packet::PubRec(ack) => acknowledged("PUBREC", &ack),
            Packet::PubRel(ack) => acknowledged("PUBREL", &ack),
            Packet::PubComp(ack) => acknowledged("PUBCOMP", &ack),
            Packet::Disconnect(disconnect) => format!("DISCONNECT {:#x}", disconnect.reason_code.0),
            other => format!("{:?}", other.packet_type()),
        });
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "half a packet was left: {bytes:?}");
    seen
}

/// Identifier, and the reason when it is none of success.
fn acknowledged(name: &str, ack: &Ack<'_>) -> String {
    match ack.reason_code {
        ReasonCode::SUCCESS => format!("{name} {}", ack.packet_id.get()),
        reason => format!("{name} {} {:#x}", ack.packet_id.get(), reason.0),
    }
}

fn connack<'a>(session_present: bool, properties: &'a [Property<'a>]) -> Packet<'a> {
    Packet::ConnAck(ConnAck {
        session_present,
        reason_code: ReasonCode::SUCCESS,
        properties: Properties::List(properties),
    })
}

fn puback(id: u16, reason_code: ReasonCode) -> Packet<'static> {
    let packet_id = PacketId::new(id).unwrap();
    Packet::PubAck(Ack {
        packet_id,
        reason_code,
        properties: Properties::EMPTY,
    })
}

fn suback(id: u16, reason_codes: &[u8]) -> Packet<'_> {
    let packet_id = PacketId::new(id).unwrap();
    Packet::SubAck(SubAck {
        packet_id,
        reason_codes,
        properties: Properties::EMPTY,
    })
}

fn unsuback(version: Version, id: u16) -> Packet<'static> {
    let packet_id = PacketId::new(id).unwrap();
    let reason_codes: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    Packet::UnsubAck(SubAck {
        packet_id,
        reason_codes,
        properties: Properties::EMPTY,
    })
}

fn message(id: Option<u16>, payload: &[u8]) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        qos: if id.is_some() {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        },
        retain: false,
        topic: "esp32/sub",
        packet_id: id.and_then(PacketId::new),
        properties: Properties::EMPTY,
        payload,
    })
}
