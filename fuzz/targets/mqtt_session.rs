//! Any order of things that an application, a server, a network and time can do to a client's session.
//!
//! Nothing may panic or loop. What the session sends is always MQTT of its version, beginning with CONNECT and not going on
//! before CONNACK; no packet identifier is zero; the arena never has more bytes than it was lent; and at the end, with a
//! server that answers everything, the session becomes idle.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thingwire_mqtt::client::{
    ConnectOptions, Event, FrameReader, Incoming, Millis, Outgoing, Session, Ticket,
};
use thingwire_mqtt::{
    Ack, ConnAck, Packet, Properties, QoS, ReasonCode, SubAck, SubscribeFilter, Version, split,
};

const FILTERS: [&str; 4] = ["a", "a/+", "b/#", "$share/g/c"];

/// The server's and the network's side of one connection.
struct Line {
    up: bool,
    connect_seen: bool,
    /// Bytes of the device that are not a whole packet yet.
    bytes: Vec<u8>,
}

struct World<'b> {
    session: Session<'b>,
    version: Version,
    now: Millis,
    line: Option<Line>,
    tickets: Vec<Ticket>,
    /// Answers to everything the device sent, not given yet.
    answers: Vec<Vec<u8>>,
}

impl World<'_> {
    fn connect(&mut self) {
        self.session.connection_lost();
        self.line = None;
        self.answers.clear();
        if self.session.start(self.now).is_ok() {
            self.line = Some(Line {
                up: false,
                connect_seen: false,
                bytes: Vec::new(),
            });
        }
    }

    fn lose(&mut self) {
        self.session.connection_lost();
        self.line = None;
        self.answers.clear();
    }

    /// One write of the device, at most `room` bytes.
    fn transmit(&mut self, room: usize) -> bool {
        let Some(line) = &mut self.line else {
            return false;
        };
        let least = self.session.connect_len().expect("it was started").max(16);
        let mut out = vec![0; room.max(least)];
        let len = self.session.poll_transmit(self.now, &mut out);
        line.bytes.extend(&out[..len]);
        let version = self.version;
        while let Some((frame, used)) = split(&line.bytes, usize::MAX).expect("MQTT") {
            let packet = Packet::decode(version, &frame).expect("MQTT of its version");
            let connect = matches!(packet, Packet::Connect(_));
            assert_eq!(connect, !line.connect_seen, "CONNECT first and once");
            assert!(connect || line.up, "nothing before CONNACK");
            line.connect_seen = true;
            self.answers.extend(answer(version, &packet));
            line.bytes.drain(..used);
        }
        len > 0
    }

    /// Bytes of the server, as the driver would give them.
    fn receive(&mut self, bytes: &[u8]) {
        if self.line.is_none() {
            return;
        }
        let mut buf = [0; 128];
        let mut reader = FrameReader::new(&mut buf);
        let mut rest = bytes;
        loop {
            let incoming = match reader.next() {
                Ok(Some(incoming)) => incoming,
                Ok(None) if rest.is_empty() => return,
                Ok(None) => {
                    let space = reader.space();
                    let count = space.len().min(rest.len());
                    space[..count].copy_from_slice(&rest[..count]);
                    rest = &rest[count..];
                    reader.filled(count);
                    continue;
                }
                Err(error) => {
                    self.session.abort(&error.into());
                    return self.lose();
                }
            };
            let taken = match incoming {
                Incoming::Skipped(skipped) => self.session.skipped(self.now, &skipped),
                Incoming::Frame(frame) => match self.session.receive(self.now, &frame) {
                    Ok(Event::Connected { .. }) => {
                        if let Some(line) = &mut self.line {
                            line.up = true;
                        }
                        Ok(())
                    }
                    Ok(Event::Message(message)) => {
                        if let Some(id) = message.packet_id {
                            self.session.acknowledge(id, ReasonCode::SUCCESS);
                        }
                        Ok(())
                    }
                    Ok(_) => Ok(()),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = taken {
                self.session.abort(&error);
                return self.lose();
            }
            if !self.session.is_ready() {
                self.transmit(64);
            }
        }
    }

    fn time(&mut self) {
        if self.session.handle_timeout(self.now).is_err() {
            self.lose();
        }
    }
}

/// What a good server says to a packet.
fn answer(version: Version, packet: &Packet<'_>) -> Option<Vec<u8>> {
    let properties = Properties::EMPTY;
    let codes = [1; 8];
    let reply = match packet {
        Packet::Connect(_) => Packet::ConnAck(ConnAck {
            session_present: false,
            reason_code: ReasonCode::SUCCESS,
            properties,
        }),
        Packet::Publish(publish) => Packet::PubAck(Ack {
            packet_id: publish.packet_id?,
            reason_code: ReasonCode::SUCCESS,
            properties,
        }),
        Packet::Subscribe(subscribe) => Packet::SubAck(SubAck {
            packet_id: subscribe.packet_id,
            properties,
            reason_codes: &codes[..subscribe.filters.len()],
        }),
        Packet::Unsubscribe(unsubscribe) => Packet::UnsubAck(SubAck {
            packet_id: unsubscribe.packet_id,
            properties,
            reason_codes: match version {
                Version::V311 => &[],
                Version::V5 => &codes[..unsubscribe.filters.iter().count()],
            },
        }),
        Packet::PingReq => Packet::PingResp,
        _ => return None,
    };
    let mut bytes = vec![0; reply.encoded_len(version).expect("a lawful answer")];
    reply.encode(version, &mut bytes).expect("enough room");
    Some(bytes)
}

fuzz_target!(|input: (bool, u8, Vec<(u8, u8, Vec<u8>)>)| {
    let (v5, size, steps) = input;
    let version = if v5 { Version::V5 } else { Version::V311 };
    let mut arena = vec![0; 64 + usize::from(size) * 4];
    let capacity = arena.len();
    let options = ConnectOptions {
        // So that the end is reached with a session that was lost and found.
        clean_start: size % 2 == 0,
        ..ConnectOptions::new(version, "fuzz")
    };
    let mut world = World {
        session: Session::new(options, &mut arena, 128),
        version,
        now: Millis(0),
        line: None,
        tickets: Vec::new(),
        answers: Vec::new(),
    };
    for (what, how, bytes) in steps.iter().take(64) {
        let chosen = FILTERS[usize::from(*how) % FILTERS.len()];
        match what % 12 {
            0 => world.connect(),
            1 => world.lose(),
            2 => drop(world.transmit(usize::from(*how))),
            3 => world.receive(bytes),
            4 if !world.answers.is_empty() => {
                let at = usize::from(*how) % world.answers.len();
                let answer = world.answers.swap_remove(at);
                world.receive(&answer);
            }
            5 => {
                world.now = world.now.after(u64::from(*how) * 500);
                world.time();
            }
            6 => {
                let qos = if how % 3 == 0 {
                    QoS::AtMostOnce
                } else {
                    QoS::AtLeastOnce
                };
                world
                    .tickets
                    .extend(world.session.publish(Outgoing::new("t", bytes, qos)));
            }
            7 => {
                let filters = [
                    SubscribeFilter::new(chosen, QoS::AtLeastOnce),
                    SubscribeFilter::new("d", QoS::AtMostOnce),
                ];
                let count = 1 + usize::from(*how) % 2;
                world
                    .tickets
                    .extend(world.session.subscribe(&filters[..count]));
            }
            8 => world.tickets.extend(world.session.unsubscribe(&[chosen])),
            9 if !world.tickets.is_empty() => {
                let at = usize::from(*how) % world.tickets.len();
                let ticket = world.tickets.swap_remove(at);
                let _ = world.session.outcome(ticket);
                world.session.forget(ticket);
            }
            10 => {
                world.session.closed_silently(world.now);
                world.lose();
            }
            11 if *how > 200 => world.session.disconnect(),
            _ => {}
        }
        assert!(world.session.free() <= capacity);
    }
    // A good end: everything that was accepted comes to its end.
    world.now = world.now.after(1_000_000);
    world.connect();
    for _ in 0..10_000 {
        let wrote = world.transmit(64);
        if world.answers.is_empty() {
            if !wrote {
                break;
            }
            continue;
        }
        let answer = world.answers.remove(0);
        world.receive(&answer);
        world.time();
    }
    assert!(world.session.is_connected());
    assert!(world.session.is_idle(), "something never comes to its end");
});
