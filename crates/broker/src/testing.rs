//! For tests of the edge and the handle: a client of real bytes over an in-memory stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thingwire_mqtt::{
    Ack, ConnAck, Connect, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode,
    Subscribe, SubscribeFilter, SubscribeFilters, Version, split,
};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex,
};
use tokio::time::timeout;

use crate::edge::serve;
use crate::{AllowAll, Broker, Config, Peer, Silent};

pub(crate) fn broker(config: Config) -> Broker {
    Broker::start(config, None, Arc::new(AllowAll), Arc::new(Silent)).expect("no store, no error")
}

pub(crate) fn peer(principal: &str) -> Peer {
    Peer {
        principal: principal.into(),
        address: SocketAddr::from(([127, 0, 0, 1], 50_000)),
        server_name: None,
    }
}

/// The far end of a served stream.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    version: Version,
    received: Vec<u8>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Client {
    pub(crate) fn open(broker: &Broker, version: Version, pipe: usize) -> Self {
        Self::open_through(broker, version, pipe, |stream| stream)
    }

    /// The broker's end of the pipe, wrapped.
    pub(crate) fn open_through<S>(
        broker: &Broker,
        version: Version,
        pipe: usize,
        wrap: impl FnOnce(DuplexStream) -> S,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (near, far) = duplex(pipe);
        let (broker, far) = (broker.clone(), wrap(far));
        let task = tokio::spawn(async move { serve(&broker, far, peer("principal")).await });
        Self {
            stream: near,
            version,
            received: Vec::new(),
            task,
        }
    }

    pub(crate) async fn connect(broker: &Broker, version: Version, client_id: &str) -> Self {
        let mut client = Self::open(broker, version, 1 << 20);
        client.send(&[connect(version, client_id)]).await;
        client
            .expect(|packet| {
                assert!(
                    matches!(
                        packet,
                        Packet::ConnAck(ConnAck {
                            reason_code: ReasonCode::SUCCESS,
                            ..
                        })
                    ),
                    "{packet:?}"
                );
            })
            .await;
        client
    }

    pub(crate) async fn send(&mut self, packets: &[Packet<'_>]) {
        let bytes = encode(self.version, packets);
        self.stream
            .write_all(&bytes)
            .await
            .expect("the broker reads");
    }

    /// The next packet, within a (simulated) while.
    pub(crate) async fn expect(&mut self, check: impl FnOnce(&Packet<'_>)) {
        loop {
            if let Some((frame, len)) = split(&self.received, usize::MAX).expect("a frame") {
                check(&Packet::decode(self.version, &frame).expect("a packet"));
                self.received.drain(..len);
                return;
            }
            let mut chunk = vec![0; 4096];
            let count = timeout(Duration::from_secs(5), self.stream.read(&mut chunk))
                .await
                .expect("a packet in time")
                .expect("readable");
            assert_ne!(count, 0, "the broker closed the connection");
            self.received.extend_from_slice(&chunk[..count]);
        }
    }

    /// What comes within a (simulated) second.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        let mut some = Vec::new();
        let _ = timeout(Duration::from_secs(1), self.stream.read_to_end(&mut some)).await;
        some
    }

    /// So many bytes.
    pub(crate) async fn until(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream
            .read_exact(&mut bytes)
            .await
            .expect("the broker answers");
        bytes
    }

    /// Everything until the broker closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.received);
        timeout(Duration::from_secs(60), self.stream.read_to_end(&mut rest))
            .await
            .expect("closed in time")
            .expect("readable");
        rest
    }
}

pub(crate) fn connect(version: Version, client_id: &str) -> Packet<'_> {
    Packet::Connect(Connect {
        version,
        clean_start: true,
        keep_alive: 60,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    })
}

/// A CONNECT that keeps its session for an hour, in each version's way.
pub(crate) fn keeping(version: Version, client_id: &str) -> Packet<'_> {
    let Packet::Connect(plain) = connect(version, client_id) else {
        unreachable!()
    };
    let properties = match version {
        Version::V311 => Properties::EMPTY,
        Version::V5 => Properties::List(&[Property::SessionExpiryInterval(3600)]),
    };
    Packet::Connect(Connect {
        clean_start: false,
        properties,
        ..plain
    })
}

pub(crate) fn publish<'a>(topic: &'a str, payload: &'a [u8], id: Option<u16>) -> Packet<'a> {
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

pub(crate) const fn puback(packet_id: PacketId) -> Packet<'static> {
    let (reason_code, properties) = (ReasonCode::SUCCESS, Properties::EMPTY);
    Packet::PubAck(Ack {
        packet_id,
        reason_code,
        properties,
    })
}

pub(crate) fn encode(version: Version, packets: &[Packet<'_>]) -> Vec<u8> {
    packets
        .iter()
        .flat_map(|packet| {
            let mut bytes = vec![0; packet.encoded_len(version).expect("encodable")];
            packet.encode(version, &mut bytes).expect("encodable");
            bytes
        })
        .collect()
}

pub(crate) async fn subscribe(client: &mut Client, filter: &str, qos: QoS) {
    let filters = [SubscribeFilter::new(filter, qos)];
    client
        .send(&[Packet::Subscribe(Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::EMPTY,
            filters: SubscribeFilters::List(&filters),
        })])
        .await;
    client
        .expect(|packet| assert!(matches!(packet, Packet::SubAck(_)), "{packet:?}"))
        .await;
}
