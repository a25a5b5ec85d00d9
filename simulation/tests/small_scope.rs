//! Every sequence of six things that can happen to a session, beside a naive twin: which packet identifiers are taken,
//! what is sent again and how, and that every byte of the arena comes back.
//!
//! Small scopes find what random walks miss: all orders of few things, rather than some orders of many.

use std::collections::BTreeMap;

use thingwire_device::{QoS, SubscribeFilter, Version};
use thingwire_mqtt::client::{ConnectOptions, Millis, Outgoing, Session, Ticket};
use thingwire_mqtt::{Ack, ConnAck, Packet, PacketId, Properties, ReasonCode, SubAck, split};

/// How many things happen in a row.
const DEPTH: usize = 6;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    PublishShort,
    PublishLong,
    Subscribe,
    Transmit,
    AcknowledgeOldest,
    AcknowledgeNewest,
    LoseSessionStays,
    LoseSessionGone,
}

const STEPS: [Step; 8] = [
    Step::PublishShort,
    Step::PublishLong,
    Step::Subscribe,
    Step::Transmit,
    Step::AcknowledgeOldest,
    Step::AcknowledgeNewest,
    Step::LoseSessionStays,
    Step::LoseSessionGone,
];

/// What the server knows of a packet that the device sent and nobody acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pending {
    Publish(Vec<u8>),
    Subscribe,
}

/// A session, and what a naive twin thinks of it.
struct Twin<'b> {
    session: Session<'b>,
    /// Accepted and not acknowledged, oldest first: payload, and whether it was sent on any connection.
    publishes: Vec<(Vec<u8>, bool)>,
    subscribed: bool,
    /// Identifiers on the wire of the server's session.
    pending: BTreeMap<u16, Pending>,
    order: Vec<u16>,
    tickets: Vec<Ticket>,
    count: u8,
    version: Version,
}

impl<'b> Twin<'b> {
    fn new(version: Version, arena: &'b mut [u8]) -> Self {
        let options = ConnectOptions::new(version, "c");
        let mut twin = Self {
            session: Session::new(options, arena, 256),
            publishes: Vec::new(),
            subscribed: false,
            pending: BTreeMap::new(),
            order: Vec::new(),
            tickets: Vec::new(),
            count: 0,
            version,
        };
        twin.connect(false);
        twin
    }

    fn connect(&mut self, session_present: bool) {
        self.session.start(Millis(0)).expect("a CONNECT");
        let mut out = [0; 128];
        assert!(self.session.poll_transmit(Millis(0), &mut out) > 0);
        self.receive(&Packet::ConnAck(ConnAck {
            session_present,
            reason_code: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        }));
    }

    fn receive(&mut self, packet: &Packet<'_>) {
        let mut bytes = [0; 64];
        let len = packet.encode(self.version, &mut bytes).expect("short");
        let (frame, _) = split(&bytes[..len], 64).expect("valid").expect("whole");
        self.session
            .receive(Millis(0), &frame)
            .expect("a lawful server");
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::PublishShort => self.publish(1),
            Step::PublishLong => self.publish(9),
            Step::Subscribe => {
                let filters = [SubscribeFilter::new("f", QoS::AtLeastOnce)];
                if let Ok(ticket) = self.session.subscribe(&filters) {
                    self.subscribed = true;
                    self.tickets.push(ticket);
                }
            }
            Step::Transmit => self.transmit(),
            Step::AcknowledgeOldest => self.acknowledge(self.order.first().copied()),
            Step::AcknowledgeNewest => self.acknowledge(self.order.last().copied()),
            Step::LoseSessionStays => {
                self.session.connection_lost();
                self.connect(true);
            }
            Step::LoseSessionGone => {
                self.session.connection_lost();
                self.pending.clear();
                self.order.clear();
                // To the next session it is new.
                self.publishes
                    .iter_mut()
                    .for_each(|(_, sent)| *sent = false);
                self.connect(false);
            }
        }
    }

    fn publish(&mut self, len: usize) {
        self.count += 1;
        let payload = vec![self.count; len];
        let message = Outgoing::new("t", &payload, QoS::AtLeastOnce);
        if let Ok(ticket) = self.session.publish(message) {
            self.publishes.push((payload, false));
            self.tickets.push(ticket);
        }
    }

    /// Everything that is due, in one go.
    fn transmit(&mut self) {
        let mut out = [0; 512];
        let len = self.session.poll_transmit(Millis(0), &mut out);
        let mut rest = &out[..len];
        while let Some((frame, len)) = split(rest, 512).expect("valid") {
            match Packet::decode(self.version, &frame).expect("valid") {
                Packet::Publish(publish) => {
                    let id = publish.packet_id.expect("QoS 1").get();
                    let payload = publish.payload.to_vec();
                    let mine = self.publishes.iter_mut().find(|(held, _)| *held == payload);
                    let (_, sent) = mine.expect("only what was accepted and not acknowledged");
                    // DUP exactly when this server's session may have it.
                    let known = self.pending.contains_key(&id);
                    assert!(!known || publish.dup, "{id} again without DUP");
                    assert!(*sent || !publish.dup, "{id} for the first time with DUP");
                    *sent = true;
                    self.hold(id, Pending::Publish(payload));
                }
                Packet::Subscribe(subscribe) => {
                    self.hold(subscribe.packet_id.get(), Pending::Subscribe);
                }
                other => panic!("{other:?}"),
            }
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
        // Oldest first.
        let payloads: Vec<_> = self
            .order
            .iter()
            .filter_map(|id| match &self.pending[id] {
                Pending::Publish(payload) => Some(payload[0]),
                Pending::Subscribe => None,
            })
            .collect();
        assert!(payloads.is_sorted(), "{payloads:?}");
    }

    fn hold(&mut self, id: u16, what: Pending) {
        match self.pending.insert(id, what.clone()) {
            Some(before) => assert_eq!(before, what, "identifier {id} has two meanings"),
            None => self.order.push(id),
        }
    }

    fn acknowledge(&mut self, id: Option<u16>) {
        let Some(id) = id else { return };
        self.order.retain(|other| *other != id);
        let packet_id = PacketId::new(id).expect("not zero");
        let properties = Properties::EMPTY;
        match self.pending.remove(&id) {
            Some(Pending::Publish(payload)) => {
                self.publishes.retain(|(held, _)| *held != payload);
                self.receive(&Packet::PubAck(Ack {
                    packet_id,
                    reason_code: ReasonCode::SUCCESS,
                    properties,
                }));
            }
            Some(Pending::Subscribe) => self.receive(&Packet::SubAck(SubAck {
                packet_id,
                properties,
                reason_codes: &[1],
            })),
            None => {}
        }
    }

    /// Whatever happened, everything that was accepted can be brought to its end, and then the arena is empty
    /// but for the one subscription.
    fn end(mut self, empty: usize, with_subscription: usize) {
        for _ in 0..20 {
            self.transmit();
            self.acknowledge(self.order.first().copied());
        }
        assert!(self.publishes.is_empty(), "{:?}", self.publishes);
        assert!(self.session.is_idle());
        for ticket in std::mem::take(&mut self.tickets) {
            assert!(self.session.outcome(ticket).is_some());
            self.session.forget(ticket);
        }
        let free = if self.subscribed {
            with_subscription
        } else {
            empty
        };
        assert_eq!(self.session.free(), free);
    }
}

/// Runs all sequences with an arena of this size; answers how many there were.
fn exhaust(version: Version, size: usize) -> usize {
    let with_subscription = {
        let mut arena = vec![0; size];
        let mut twin = Twin::new(version, &mut arena);
        twin.step(Step::Subscribe);
        twin.transmit();
        twin.acknowledge(Some(1));
        let ticket = twin.tickets[0];
        twin.session.forget(ticket);
        twin.session.free()
    };
    let mut count = 0;
    let mut path = [0; DEPTH];
    loop {
        let mut arena = vec![0; size];
        let mut twin = Twin::new(version, &mut arena);
        path.iter().for_each(|step| twin.step(STEPS[*step]));
        twin.end(size, with_subscription);
        count += 1;
        let Some(place) = path.iter().rposition(|step| step + 1 < STEPS.len()) else {
            return count;
        };
        path[place] += 1;
        path[place + 1..].fill(0);
    }
}

#[test]
fn all_short_lives_with_room_for_everything() {
    for version in [Version::V311, Version::V5] {
        assert_eq!(exhaust(version, 512), STEPS.len().pow(DEPTH as u32));
    }
}

#[test]
fn all_short_lives_with_room_for_three() {
    // A subscription and a long message, or three short messages.
    for version in [Version::V311, Version::V5] {
        assert_eq!(exhaust(version, 90), STEPS.len().pow(DEPTH as u32));
    }
}

#[test]
fn an_identifier_in_use_is_stepped_over_when_all_others_have_been_used() {
    for version in [Version::V311, Version::V5] {
        let mut arena = vec![0; 128];
        let mut twin = Twin::new(version, &mut arena);
        twin.publish(1);
        twin.transmit();
        let mut last = 1;
        for _ in 0..70_000_u32 {
            twin.count = 1;
            twin.publish(2);
            twin.transmit();
            let id = *twin.order.last().expect("just sent");
            let next = if last == u16::MAX { 2 } else { last + 1 };
            assert_eq!(id, next);
            last = id;
            twin.acknowledge(Some(id));
            let ticket = twin.tickets.pop().expect("just given");
            twin.session.forget(ticket);
        }
    }
}
