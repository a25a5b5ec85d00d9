//! Mutual TLS with a kit image.

use core::ffi::CStr;
use core::fmt;

use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use embassy_net::{IpAddress, Stack};
use embassy_time::Duration;
use mbedtls_rs::{
    AuthMode, Certificate, ClientSessionConfig, Credentials, PrivateKey, Session, SessionConfig,
    Tls, TlsVersion, X509,
};
use thingwire_chip::{KitImage, TlsVersions};
use thingwire_device::{Connector, Failure, FailureKind};

use crate::transport::{Transport, TransportError, hang_up};
use crate::watched::Watched;
use crate::{explain, wall_clock};

/// ALPN that tells MQTT with a client certificate apart on a shared port (`A-6`).
const ALPN_MQTT: &[&CStr] = &[c"x-amzn-mqtt-ca"];

/// How long a connection waits for the first time; a server that answers does so in less.
const FIRST_TIME: Duration = Duration::from_secs(8);

/// Memory lent to the TCP socket. TLS has its own, on the heap.
#[derive(Debug)]
pub struct SocketBuffers<'a> {
    /// The receive window. A TLS record may be larger; two segments (2,920 bytes) keep a server busy.
    pub receive: &'a mut [u8],
    /// Bytes under way. A segment (1,460 bytes) is enough for MQTT.
    pub send: &'a mut [u8],
}

/// Opens the connections that a kit image describes: TLS 1.3 or 1.2, the kit's roots, its certificate and key, and
/// the endpoint as server name (`A-12`), whatever address was dialled.
pub struct TlsConnector<'k> {
    stack: Stack<'k>,
    tls: &'k Tls<'static>,
    kit: KitImage<'k>,
    roots: Certificate<'static>,
    credentials: Credentials<'static>,
    buffers: SocketBuffers<'k>,
    on_open: fn(TlsVersion),
}

impl<'k> TlsConnector<'k> {
    /// Parses the kit's certificates and key. `on_open` is called after each handshake that succeeded.
    ///
    /// # Errors
    /// [`FailureKind::Configuration`]: TLS cannot use the kit.
    pub fn new(
        stack: Stack<'k>,
        tls: &'k Tls<'static>,
        kit: KitImage<'k>,
        buffers: SocketBuffers<'k>,
        on_open: fn(TlsVersion),
    ) -> Result<Self, Failure> {
        let roots = Certificate::new(X509::PEM(kit.roots))
            .map_err(|error| explain::kit("root certificates", error.into()))?;
        let certificate = Certificate::new(X509::PEM(kit.certificate))
            .map_err(|error| explain::kit("certificate", error.into()))?;
        let private_key = PrivateKey::new(X509::PEM(kit.private_key), None)
            .map_err(|error| explain::kit("private key", error))?;
        Ok(Self {
            stack,
            tls,
            kit,
            roots,
            credentials: Credentials {
                certificate,
                private_key,
            },
            buffers,
            on_open,
        })
    }

    fn config(&self) -> SessionConfig<'k> {
        let (min_version, max_version) = match self.kit.tls {
            TlsVersions::Both => (TlsVersion::Tls1_2, None),
            TlsVersions::Only12 => (TlsVersion::Tls1_2, Some(TlsVersion::Tls1_2)),
            TlsVersions::Only13 => (TlsVersion::Tls1_3, None),
        };
        SessionConfig::Client(ClientSessionConfig {
            ca_chain: Some(self.roots.clone()),
            creds: Some(self.credentials.clone()),
            server_name: Some(self.kit.endpoint),
            auth_mode: AuthMode::Required,
            min_version,
            max_version,
            alpn_protocols: self.kit.alpn.then_some(ALPN_MQTT),
            ..ClientSessionConfig::new()
        })
    }

    /// Where to connect to: the kit's address, or what DNS says about its endpoint.
    async fn address(&self) -> Result<IpAddress, Failure> {
        if let Some(address) = self.kit.address {
            return Ok(IpAddress::Ipv4(address));
        }
        let name = self.kit.endpoint.to_str().unwrap_or_default();
        let answers = self.stack.dns_query(name, DnsQueryType::A).await;
        let answers = answers.map_err(|error| {
            Failure::with(FailureKind::Dns, format_args!("`{name}`: {error:?}"))
        })?;
        let none = || Failure::with(FailureKind::Dns, format_args!("`{name}` has no address"));
        answers.first().copied().ok_or_else(none)
    }
}

impl fmt::Debug for TlsConnector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector")
            .field("kit", &self.kit)
            .finish_non_exhaustive()
    }
}

impl Connector for TlsConnector<'_> {
    type Error = TransportError;
    type Transport<'a>
        = Transport<'a>
    where
        Self: 'a;

    /// Waits for DNS, the server, and the TLS handshake. Dropping it drops session and socket; nothing of a handshake
    /// that was begun is used again.
    async fn connect(&mut self) -> Result<Transport<'_>, Failure> {
        if !self.stack.is_config_up() {
            return Err(Failure::new(
                FailureKind::Network,
                "the network has given no address",
            ));
        }
        // Without a date every certificate would be refused, and the words for that would mislead.
        if !wall_clock::wait(FIRST_TIME).await {
            return Err(Failure::new(
                FailureKind::Tls,
                "nobody has told the time, so certificates cannot be checked",
            ));
        }
        let address = self.address().await?;
        let config = self.config();
        let port = self.kit.port;
        let mut socket = TcpSocket::new(
            self.stack,
            &mut *self.buffers.receive,
            &mut *self.buffers.send,
        );
        // Small packets must not wait for each other.
        socket.set_nagle_enabled(false);
        socket.connect((address, port)).await.map_err(|error| {
            Failure::with(
                FailureKind::Tcp,
                format_args!("{address}:{port}: {error:?}"),
            )
        })?;
        let mut session = Session::new(self.tls.reference(), Watched::new(socket), &config)
            .map_err(explain::no_session)?;
        if let Err(error) = session.connect().await {
            let flags = session.tls_verification_details();
            let alert = session.stream().alert();
            // Mbed TLS has put its alert into the socket; the server shall read it.
            hang_up(&mut session).await;
            return Err(explain::handshake(error, flags, alert));
        }
        if let Some(version) = session.tls_version() {
            (self.on_open)(version);
        }
        Ok(Transport::new(session))
    }

    fn explain(error: &TransportError) -> Failure {
        explain::open(error)
    }

    // The bound stands in the trait's associated type; written out, because rustc 1.96 crashes on the short form here.
    async fn close<'a>(transport: Transport<'a>)
    where
        Self: 'a,
    {
        transport.shutdown().await;
    }
}
