//! The edge over an in-memory stream: real bytes in, real bytes out, tokio's clock paused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thingwire_mqtt::{
    Ack, ConnAck, Connect, Packet, PacketId, Properties, Publish, QoS, ReasonCode, Subscribe,
    SubscribeFilter, SubscribeFilters, Version, split,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;

use super::serve;
use crate::{AllowAll, Broker, Config, Peer, Silent};

fn broker(config: Config) -> Broker {
    Broker::start(config, None, Arc::new(AllowAll), Arc::new(Silent)).expect("no store, no error")
}

fn peer(principal: &str) -> Peer {
    Peer {
        principal: principal.into(),
        address: SocketAddr::from(([127, 0, 0, 1], 50_000)),
        server_name: None,
    }
}

/// The far end of a served stream.
struct Client {
    stream: DuplexStream,
    version: Version,
    received: Vec<u8>,
}

impl Client {
    fn open(broker: &Broker, version: Version, pipe: usize) -> Self {
        let (near, far) = duplex(pipe);
        let broker = broker.clone();
        tokio::spawn(async move { serve(&broker, far, peer("principal")).await });
        Self {
            stream: near,
            version,
            received: Vec::new(),
        }
    }

    async fn connect(broker: &Broker, version: Version, client_id: &str) -> Self {
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

    async fn send(&mut self, packets: &[Packet<'_>]) {
        let bytes = encode(self.version, packets);
        self.stream
            .write_all(&bytes)
            .await
            .expect("the broker reads");
    }

    /// The next packet, within a (simulated) while.
    async fn expect(&mut self, check: impl FnOnce(&Packet<'_>)) {
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

    /// Everything until the broker closes.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.received);
        timeout(Duration::from_secs(60), self.stream.read_to_end(&mut rest))
            .await
            .expect("closed in time")
            .expect("readable");
        rest
    }
}

fn connect(version: Version, client_id: &str) -> Packet<'_> {
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

fn publish<'a>(topic: &'a str, payload: &'a [u8], id: Option<u16>) -> Packet<'a> {
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

const fn puback(packet_id: PacketId) -> Packet<'static> {
    let (reason_code, properties) = (ReasonCode::SUCCESS, Properties::EMPTY);
    Packet::PubAck(Ack {
        packet_id,
        reason_code,
        properties,
    })
}

fn encode(version: Version, packets: &[Packet<'_>]) -> Vec<u8> {
    packets
        .iter()
        .flat_map(|packet| {
            let mut bytes = vec![0; packet.encoded_len(version).expect("encodable")];
            packet.encode(version, &mut bytes).expect("encodable");
            bytes
        })
        .collect()
}

async fn subscribe(client: &mut Client, filter: &str, qos: QoS) {
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

#[tokio::test(start_paused = true)]
async fn two_clients_of_different_versions_exchange_messages_of_any_size() {
    let broker = broker(Config::default());
    let mut subscriber = Client::connect(&broker, Version::V311, "subscriber").await;
    subscribe(&mut subscriber, "a/+", QoS::AtLeastOnce).await;
    let mut publisher = Client::connect(&broker, Version::V5, "publisher").await;
    for len in [0, 1, 4000, 5000, 131_072] {
        let payload = vec![b'x'; len];
        publisher
            .send(&[
                publish("a/b", &payload, None),
                publish("a/b", &payload, Some(7)),
            ])
            .await;
        for expected in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let mut id = None;
            subscriber
                .expect(|packet| {
                    let Packet::Publish(publish) = packet else {
                        panic!("{packet:?}")
                    };
                    assert_eq!((publish.topic, publish.qos), ("a/b", expected));
                    assert_eq!(publish.payload, payload);
                    id = publish.packet_id;
                })
                .await;
            if let Some(packet_id) = id {
                subscriber.send(&[puback(packet_id)]).await;
            }
        }
        publisher
            .expect(|packet| assert!(matches!(packet, Packet::PubAck(_)), "{packet:?}"))
            .await;
    }
}
