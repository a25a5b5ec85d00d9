//! The wire of the simulated world: pipes instead of a network, and a server whose part the test plays packet
//! by packet.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use thingwire_device::{Connector, Failure, FailureKind, Platform};
use thingwire_mqtt::{
    Ack, ConnAck, Packet, PacketId, Properties, Publish, QoS, ReasonCode, SubAck, Version, split,
};

use crate::world::World;

/// Bytes on their way in one direction.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
    broken: bool,
    /// How many bytes may still be written; `None` is no limit.
    room: Option<usize>,
    /// What reading fails with says that the device's certificate was refused.
    refused: bool,
    waker: Option<Waker>,
}

type Shared = Rc<RefCell<Pipe>>;

fn wake(pipe: &mut Pipe) {
    if let Some(waker) = pipe.waker.take() {
        waker.wake();
    }
}

/// The device's end of a connection.
pub(crate) struct DeviceEnd {
    incoming: Shared,
    outgoing: Shared,
}

/// What a broken pipe says.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Nothing but that.
    Reset,
    /// With a TLS alert: the device's certificate is not welcome.
    Refused,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

impl embedded_io_async::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

impl ErrorType for DeviceEnd {
    type Error = Broken;
}

impl Read for DeviceEnd {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Broken> {
        assert!(
            !buf.is_empty(),
            "reading into nothing would look like the end"
        );
        poll_fn(|cx| {
            let mut pipe = self.incoming.borrow_mut();
            if pipe.refused {
                return Poll::Ready(Err(Broken::Refused));
            }
            if pipe.broken {
                return Poll::Ready(Err(Broken::Reset));
            }
            if pipe.bytes.is_empty() && !pipe.closed {
                pipe.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let count = buf.len().min(pipe.bytes.len());
            buf.iter_mut()
                .zip(pipe.bytes.drain(..count))
                .for_each(|(to, from)| *to = from);
            Poll::Ready(Ok(count))
        })
        .await
    }
}

impl Write for DeviceEnd {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Broken> {
        poll_fn(|cx| {
            let mut pipe = self.outgoing.borrow_mut();
            if pipe.broken || pipe.closed {
                return Poll::Ready(Err(Broken::Reset));
            }
            let count = buf.len().min(pipe.room.unwrap_or(usize::MAX));
            if count == 0 {
                pipe.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if let Some(room) = &mut pipe.room {
                *room -= count;
            }
            pipe.bytes.extend(&buf[..count]);
            wake(&mut pipe);
            Poll::Ready(Ok(count))
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

impl Drop for DeviceEnd {
    fn drop(&mut self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.borrow_mut();
            pipe.closed = true;
            wake(&mut pipe);
        }
    }
}

/// Where connections are made: what the device's attempts meet, one after the other.
#[derive(Clone, Default)]
pub(crate) struct Network(Rc<RefCell<Wires>>);

#[derive(Default)]
struct Wires {
    refusals: VecDeque<FailureKind>,
    waiting: VecDeque<ServerEnd>,
    attempts: Vec<u64>,
    waker: Option<Waker>,
}

impl Network {
    /// The next attempts fail like this.
    pub(crate) fn refuse(&self, kinds: &[FailureKind]) {
        self.0.borrow_mut().refusals.extend(kinds);
    }

    pub(crate) fn connector(&self, world: &World, version: Version) -> SimConnector {
        SimConnector {
            network: self.clone(),
            world: world.clone(),
            version,
        }
    }

    /// When the device tried, in milliseconds.
    pub(crate) fn attempts(&self) -> Vec<u64> {
        self.0.borrow().attempts.clone()
    }

    /// The server's end of the next connection.
    pub(crate) async fn accept(&self) -> ServerEnd {
        poll_fn(|cx| {
            let mut wires = self.0.borrow_mut();
            match wires.waiting.pop_front() {
                Some(end) => Poll::Ready(end),
                None => {
                    wires.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// As [`accept`](Self::accept), and CONNECT answered with success.
    pub(crate) async fn accept_mqtt(&self, session_present: bool) -> ServerEnd {
        let mut server = self.accept().await;
        let connect = server.next().await;
        assert!(connect.starts_with("CONNECT "), "{connect}");
        server.connack(session_present);
        server
    }
}

pub(crate) struct SimConnector {
    network: Network,
    world: World,
    version: Version,
}

impl Connector for SimConnector {
    type Error = Broken;
    type Transport<'a> = DeviceEnd;

    async fn connect(&mut self) -> Result<DeviceEnd, Failure> {
        let mut wires = self.network.0.borrow_mut();
        wires.attempts.push(self.world.now().0);
        if let Some(kind) = wires.refusals.pop_front() {
            return Err(Failure::new(kind, "scripted"));
        }
        let (up, down) = (Shared::default(), Shared::default());
        wires.waiting.push_back(ServerEnd {
            incoming: up.clone(),
            outgoing: down.clone(),
            version: self.version,
        });
        if let Some(waker) = wires.waker.take() {
            waker.wake();
        }
        Ok(DeviceEnd {
            incoming: down,
            outgoing: up,
        })
    }

    fn explain(error: &Broken) -> Failure {
        match error {
            Broken::Reset => Failure::new(FailureKind::Connection, "reset"),
            Broken::Refused => Failure::new(FailureKind::ClientCertificate, "alert"),
        }
    }
}

/// The server's end: the test speaks for it.
pub(crate) struct ServerEnd {
    incoming: Shared,
    outgoing: Shared,
    version: Version,
}

impl ServerEnd {
    /// The next packet of the device as text; `closed` when there is none.
    pub(crate) async fn next(&mut self) -> String {
        poll_fn(|cx| {
            let mut pipe = self.incoming.borrow_mut();
            let bytes: Vec<u8> = pipe.bytes.iter().copied().collect();
            if let Some((frame, len)) = split(&bytes, usize::MAX).expect("the device sends MQTT") {
                let packet = Packet::decode(self.version, &frame).expect("the device sends MQTT");
                let text = describe(&packet);
                pipe.bytes.drain(..len);
                return Poll::Ready(text);
            }
            if pipe.closed {
                assert!(bytes.is_empty(), "half a packet: {bytes:?}");
                return Poll::Ready("closed".into());
            }
            pipe.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The next packet of the device as bytes.
    pub(crate) async fn next_bytes(&mut self) -> Vec<u8> {
        poll_fn(|cx| {
            let mut pipe = self.incoming.borrow_mut();
            let bytes: Vec<u8> = pipe.bytes.iter().copied().collect();
            if let Some((_, len)) = split(&bytes, usize::MAX).expect("the device sends MQTT") {
                return Poll::Ready(pipe.bytes.drain(..len).collect());
            }
            pipe.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    pub(crate) async fn expect(&mut self, packet: &str) {
        assert_eq!(self.next().await, packet);
    }

    /// Nothing comes from the device for so long.
    pub(crate) async fn expect_silence(&mut self, world: &World, milliseconds: u64) {
        use thingwire_device::future::{Either, select};
        match select(self.next(), world.sleep(milliseconds)).await {
            Either::First(packet) => panic!("at {} s: unexpected {packet}", world.seconds()),
            Either::Second(()) => {}
        }
    }

    pub(crate) fn send(&self, packet: &Packet<'_>) {
        self.send_bytes(&encode(self.version, packet));
    }

    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.bytes.extend(bytes);
        wake(&mut pipe);
    }

    pub(crate) fn connack(&self, session_present: bool) {
        let properties = Properties::EMPTY;
        self.send(&Packet::ConnAck(ConnAck {
            session_present,
            reason_code: ReasonCode::SUCCESS,
            properties,
        }));
    }

    pub(crate) fn puback(&self, id: u16) {
        self.puback_with(id, ReasonCode::SUCCESS);
    }

    pub(crate) fn puback_with(&self, id: u16, reason_code: ReasonCode) {
        let packet_id = PacketId::new(id).unwrap();
        self.send(&Packet::PubAck(Ack {
            packet_id,
            reason_code,
            properties: Properties::EMPTY,
        }));
    }

    pub(crate) fn suback(&self, id: u16, reason_codes: &[u8]) {
        let packet_id = PacketId::new(id).unwrap();
        self.send(&Packet::SubAck(SubAck {
            packet_id,
            reason_codes,
            properties: Properties::EMPTY,
        }));
    }

    pub(crate) fn message(&self, id: Option<u16>, topic: &str, payload: &[u8]) {
        self.send(&message(id, topic, payload));
    }

    /// Lets the device write only so many bytes more.
    pub(crate) fn limit_writes(&self, bytes: usize) {
        self.incoming.borrow_mut().room = Some(bytes);
    }

    pub(crate) fn unlimit_writes(&self) {
        let mut pipe = self.incoming.borrow_mut();
        pipe.room = None;
        wake(&mut pipe);
    }

    /// TLS ends with an alert about the device's certificate, which the device reads.
    pub(crate) fn refuse_certificate(self) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.refused = true;
        wake(&mut pipe);
    }

    /// The connection breaks: reads and writes of the device fail.
    pub(crate) fn break_off(self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.borrow_mut();
            pipe.broken = true;
            wake(&mut pipe);
        }
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.borrow_mut();
            pipe.closed = true;
            wake(&mut pipe);
        }
    }
}

pub(crate) fn message<'a>(id: Option<u16>, topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(Publish {
        dup: false,
        qos: if id.is_some() {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        },
        retain: false,
        topic,
        packet_id: id.and_then(PacketId::new),
        properties: Properties::EMPTY,
        payload,
    })
}

pub(crate) fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(version).unwrap()];
    packet.encode(version, &mut bytes).unwrap();
    bytes
}

fn describe(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect(connect) => {
            format!(
                "CONNECT {} clean={}",
                connect.client_id, connect.clean_start
            )
        }
        Packet::Publish(publish) => format!(
            "PUBLISH{} {} {} {}",
            if publish.dup { " DUP" } else { "" },
            publish.packet_id.map_or(0, PacketId::get),
            publish.topic,
            String::from_utf8_lossy(publish.payload),
        ),
        Packet::Subscribe(subscribe) => {
            let mut text = format!("SUBSCRIBE {}", subscribe.packet_id.get());
            subscribe
                .filters
                .iter()
                .for_each(|one| write!(text, " {}", one.filter).unwrap());
            text
        }
        Packet::Unsubscribe(unsubscribe) => {
            let mut text = format!("UNSUBSCRIBE {}", unsubscribe.packet_id.get());
            unsubscribe
                .filters
                .iter()
                .for_each(|one| write!(text, " {one}").unwrap());
            text
        }
        Packet::PubAck(ack) => format!("PUBACK {}", ack.packet_id.get()),
        Packet::PingReq => "PINGREQ".into(),
        Packet::Disconnect(disconnect) => format!("DISCONNECT {:#x}", disconnect.reason_code.0),
        other => format!("{:?}", other.packet_type()),
    }
}
