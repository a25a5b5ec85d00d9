//! A client with nothing in between: TLS, and packets as bytes.
//!
//! Packets to send are written by the codec; what comes back is judged as bytes, so that our own decoder is
//! not the judge.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use thingwire_conformance::{Identity, Ready};
use thingwire_kit::Kit;
use thingwire_mqtt::{
    Connect, Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilter,
    SubscribeFilters, Version,
};

/// An answer that has not come by then does not come.
const ANSWER: Duration = Duration::from_secs(20);

/// The two versions of TLS.
pub(crate) const TLS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

/// Who we are, and whom we believe.
pub(crate) struct Credentials {
    roots: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    alpn: bool,
}

impl Credentials {
    /// Those of a kit.
    pub(crate) fn of_kit(kit: &Path) -> Self {
        let kit = Kit::load(kit).expect("a kit");
        Self {
            roots: roots(kit.roots),
            identity: Some((kit.certificate, kit.private_key.to_der())),
            alpn: false,
        }
    }

    /// A certificate that is not from the cloud, or none at all.
    pub(crate) fn other(ready: &Ready, identity: Option<&Identity>) -> Self {
        let trusted = CertificateDer::pem_file_iter(&ready.ca_file)
            .expect("the roots")
            .map(|root| root.expect("a root"));
        let identity = identity.map(|identity| {
            let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())
                .expect("a certificate");
            (
                vec![certificate],
                PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key"),
            )
        });
        Self {
            roots: roots(trusted),
            identity,
            alpn: false,
        }
    }

    /// Offers `x-amzn-mqtt-ca`.
    pub(crate) fn with_alpn(self) -> Self {
        Self { alpn: true, ..self }
    }

    fn config(&self, tls: &'static SupportedProtocolVersion) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[tls])
            .expect("a version")
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .expect("an identity"),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        if self.alpn {
            config.alpn_protocols = vec![b"x-amzn-mqtt-ca".to_vec()];
        }
        config
    }
}

fn roots(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate).expect("a root");
    }
    store
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// One whole packet.
    Packet(Vec<u8>),
    /// The end of the connection, with or without a TLS alert.
    End,
}

/// An open connection.
pub(crate) struct Wire {
    stream: StreamOwned<ClientConnection, TcpStream>,
    version: Version,
}

impl Wire {
    /// TCP and TLS, and nothing yet of MQTT.
    ///
    /// # Errors
    /// When the server refuses during the handshake, which TLS 1.3 cannot show here.
    pub(crate) fn tls(
        port: u16,
        credentials: &Credentials,
        tls: &'static SupportedProtocolVersion,
        version: Version,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(ANSWER))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let client =
            ClientConnection::new(Arc::new(credentials.config(tls)), name).expect("a client");
        let mut stream = StreamOwned::new(client, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream, version })
    }

    /// TLS 1.3, CONNECT with a clean session, and an accepting CONNACK.
    pub(crate) fn connect(ready: &Ready, kit: &Path, client_id: &str, version: Version) -> Self {
        Self::session(ready, kit, client_id, version, true).0
    }

    /// The same with a session that may persist; also answers whether the broker had one.
    pub(crate) fn session(
        ready: &Ready,
        kit: &Path,
        client_id: &str,
        version: Version,
        clean: bool,
    ) -> (Self, bool) {
        let credentials = Credentials::of_kit(kit);
        let mut wire =
            Self::tls(ready.mqtt_port, &credentials, TLS[1], version).expect("a TLS connection");
        wire.send(&connect(client_id, clean, version));
        let answer = wire.packet();
        assert_eq!(
            (answer[0], body(&answer)[1]),
            (0x20, 0),
            "no accepting CONNACK but {answer:02x?}"
        );
        let present = body(&answer)[0] == 1;
        (wire, present)
    }

    /// Sends bytes. A connection that the broker has closed is seen by what comes, not here.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        drop(
            self.stream
                .write_all(bytes)
                .and_then(|()| self.stream.flush()),
        );
    }

    /// Sends bytes; `false` when the connection is gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .is_ok()
    }

    /// Waits for a packet or the end.
    ///
    /// # Panics
    /// When neither comes in time.
    pub(crate) fn next(&mut self) -> Came {
        let mut packet = Vec::new();
        if !self.read(&mut packet, 2) {
            return Came::End;
        }
        // Remaining length: up to four bytes, seven bits each.
        let (mut length, mut shift) = (usize::from(packet[1] & 0x7F), 7);
        while packet.last().is_some_and(|byte| byte & 0x80 != 0) {
            if !self.read(&mut packet, 1) {
                return Came::End;
            }
            length += usize::from(packet[packet.len() - 1] & 0x7F) << shift;
            shift += 7;
        }
        if length > 0 && !self.read(&mut packet, length) {
            return Came::End;
        }
        Came::Packet(packet)
    }

    /// Waits for a packet.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        match self.next() {
            Came::Packet(packet) => packet,
            Came::End => panic!("the connection ended"),
        }
    }

    /// Waits for a packet whose first byte is this, and nothing before it.
    pub(crate) fn expect(&mut self, first: u8) -> Vec<u8> {
        let packet = self.packet();
        assert_eq!(packet[0], first, "{packet:02x?}");
        packet
    }

    /// Nothing but the end may come.
    pub(crate) fn expect_end(&mut self) {
        let came = self.next();
        assert_eq!(came, Came::End);
    }

    /// The connection stands: PINGREQ is answered, and nothing else comes before.
    pub(crate) fn expect_alive(&mut self) {
        self.send(&[0xC0, 0]);
        let came = self.packet();
        assert_eq!(came, [0xD0, 0]);
    }

    /// SUBSCRIBE to one filter with QoS 1; the SUBACK's code.
    pub(crate) fn subscribe(&mut self, filter: &str) -> u8 {
        self.send(&subscribe(&[filter], self.version));
        *self.expect(0x90).last().expect("a code")
    }

    /// PUBLISH with QoS 1 and wait for its PUBACK.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.send(&publish(
            topic,
            payload,
            QoS::AtLeastOnce,
            false,
            self.version,
        ));
        self.expect(0x40);
    }

    /// Reads exactly so many more bytes; `false` at the end of the connection.
    fn read(&mut self, packet: &mut Vec<u8>, count: usize) -> bool {
        let from = packet.len();
        packet.resize(from + count, 0);
        let started = Instant::now();
        match self.stream.read_exact(&mut packet[from..]) {
            Ok(()) => true,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                panic!(
                    "neither a packet nor the end came in {} s",
                    started.elapsed().as_secs()
                )
            }
            Err(_) => false,
        }
    }
}

/// What follows a packet's fixed header.
pub(crate) fn body(packet: &[u8]) -> &[u8] {
    let lengths = packet[1..]
        .iter()
        .take_while(|byte| *byte & 0x80 != 0)
        .count();
    &packet[lengths + 2..]
}

/// Bytes of a packet.
pub(crate) fn bytes(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(version).expect("a packet")];
    packet.encode(version, &mut bytes).expect("a packet");
    bytes
}

/// CONNECT. In MQTT 5 a session that is not clean outlives the connection by an hour.
pub(crate) fn connect(client_id: &str, clean: bool, version: Version) -> Vec<u8> {
    let hour = [thingwire_mqtt::Property::SessionExpiryInterval(3600)];
    let persistent = version == Version::V5 && !clean;
    let connect = Connect {
        version,
        clean_start: clean,
        keep_alive: 60,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: if persistent {
            Properties::List(&hour)
        } else {
            Properties::EMPTY
        },
    };
    bytes(&Packet::Connect(connect), version)
}

/// SUBSCRIBE with QoS 1 and packet identifier 1.
pub(crate) fn subscribe(filters: &[&str], version: Version) -> Vec<u8> {
    let filters: Vec<_> = filters
        .iter()
        .map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce))
        .collect();
    let subscribe = Subscribe {
        packet_id: PacketId::FIRST,
        properties: Properties::EMPTY,
        filters: SubscribeFilters::List(&filters),
    };
    bytes(&Packet::Subscribe(subscribe), version)
}

/// PUBLISH with packet identifier 1.
pub(crate) fn publish(
    topic: &str,
    payload: &[u8],
    qos: QoS,
    retain: bool,
    version: Version,
) -> Vec<u8> {
    publish_as(1, topic, payload, qos, retain, version)
}

/// PUBLISH with a packet identifier, which QoS 0 does not have.
pub(crate) fn publish_as(
    id: u16,
    topic: &str,
    payload: &[u8],
    qos: QoS,
    retain: bool,
    version: Version,
) -> Vec<u8> {
    let packet_id = if qos == QoS::AtMostOnce {
        None
    } else {
        PacketId::new(id)
    };
    let publish = Publish {
        dup: false,
        qos,
        retain,
        topic,
        packet_id,
        properties: Properties::EMPTY,
        payload,
    };
    bytes(&Packet::Publish(publish), version)
}
