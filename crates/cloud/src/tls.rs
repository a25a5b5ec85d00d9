//! TLS of the local cloud: what is offered (`A-17` to `A-19`) and which chain proves the server. Who may come in decides
//! `client`. No tickets, no resumption: each connection is judged anew.
//!
//! Departure from `A-18`: rustls has neither CBC suites nor RSA key exchange.

mod client;

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, ServerConfig, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};

use crate::account::{Account, ServerIdentity};
use crate::config::{CertRefusal, TlsPolicy};
use client::Verifier;
pub(crate) use client::denied;
pub use client::{Certificates, Denied, judge};

/// The protocol name of MQTT with a client certificate on a shared port (`A-6`).
pub const ALPN_MQTT: &[u8] = b"x-amzn-mqtt-ca";

/// The protocol name of HTTPS with a client certificate on a shared port (`A-6`).
pub const ALPN_HTTP: &[u8] = b"x-amzn-http-ca";
/// The protocol name of MQTT with a custom authorizer (`A-6`), of which there is none here.
pub const ALPN_CUSTOM: &[u8] = b"mqtt";
/// What HTTP clients name, whether they are asked or not.
const ALPN_HTTP_1: &[u8] = b"http/1.1";

/// Chooses the P-256 chain for clients that take it, else the RSA chain, as ATS endpoints do.
#[derive(Debug)]
struct TwoChains(RwLock<Pair>);

#[derive(Debug)]
struct Pair {
    rsa: Arc<CertifiedKey>,
    ecdsa: Arc<CertifiedKey>,
}

impl Pair {
    fn of(account: &Account, provider: &CryptoProvider) -> Result<Self, rustls::Error> {
        Ok(Self {
            rsa: certified(&account.rsa, provider)?,
            ecdsa: certified(&account.ecdsa, provider)?,
        })
    }
}

impl ResolvesServerCert for TwoChains {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let scheme = hello
            .signature_schemes()
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
        // A TLS 1.2 client may name the scheme and offer suites for RSA only.
        let suite = hello.cipher_suites().iter().any(|suite| {
            matches!(
                suite,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                    | CipherSuite::TLS13_AES_128_GCM_SHA256
                    | CipherSuite::TLS13_AES_256_GCM_SHA384
                    | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            )
        });
        let pair = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(if scheme && suite {
            &pair.ecdsa
        } else {
            &pair.rsa
        }))
    }
}

/// What a port for devices is for (`A-6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// 8883: MQTT with a certificate.
    Mqtt,
    /// 443: what it is, the client says with ALPN.
    Shared,
    /// 8443: HTTPS with a certificate.
    Https,
}

/// What a client wants of a port, known before keys are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// MQTT with a certificate.
    Mqtt,
    /// HTTP, or MQTT over WebSocket, with a certificate.
    Http,
    /// The same without: requests are signed.
    Signed,
    /// MQTT with a custom authorizer.
    Custom,
}

/// The configurations of one port; which one serves is decided by the ClientHello.
#[derive(Clone, Debug)]
pub struct DeviceTls {
    entry: Entry,
    /// For clients that name a protocol of AWS's.
    named: Arc<ServerConfig>,
    /// For those that name none, or none that we know.
    nameless: Arc<ServerConfig>,
    /// For those that name HTTP.
    http: Arc<ServerConfig>,
}

impl DeviceTls {
    /// What this client wants, and the configuration for it.
    #[must_use]
    pub fn choose(&self, hello: &ClientHello<'_>) -> (Wish, Arc<ServerConfig>) {
        let offers = |name: &[u8]| {
            hello
                .alpn()
                .is_some_and(|mut offered| offered.any(|offer| offer == name))
        };
        let plain = || {
            let config = if offers(ALPN_HTTP_1) {
                &self.http
            } else {
                &self.nameless
            };
            Arc::clone(config)
        };
        match self.entry {
            Entry::Mqtt => (Wish::Mqtt, Arc::clone(&self.nameless)),
            Entry::Https if offers(ALPN_HTTP) => (Wish::Http, Arc::clone(&self.named)),
            Entry::Https => (Wish::Http, plain()),
            Entry::Shared if offers(ALPN_MQTT) => (Wish::Mqtt, Arc::clone(&self.named)),
            Entry::Shared if offers(ALPN_HTTP) => (Wish::Http, Arc::clone(&self.named)),
            // TLS refuses it: no protocol in common.
            Entry::Shared if offers(ALPN_CUSTOM) => (Wish::Custom, Arc::clone(&self.named)),
            Entry::Shared => (Wish::Signed, plain()),
        }
    }
}

/// The versions of a policy, as far as rustls has them (`A-17`).
fn versions(policy: TlsPolicy) -> Vec<&'static SupportedProtocolVersion> {
    match policy {
        TlsPolicy::Tls13_1_2_2022_10 | TlsPolicy::Tls13_1_2_2022_01 => vec![&TLS13, &TLS12],
        TlsPolicy::Tls13_1_3_2022_10 => vec![&TLS13],
        TlsPolicy::Tls12_1_2_2022_10
        | TlsPolicy::Tls12_1_0_2016_01
        | TlsPolicy::Tls12_1_0_2015_01 => vec![&TLS12],
    }
}

/// Makes the server configurations of one account.
#[derive(Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    chains: Arc<TwoChains>,
}

impl Tls {
    /// Reads the account's chains and keys.
    ///
    /// # Errors
    /// When a stored certificate or key cannot be used.
    pub fn new(account: &Account) -> Result<Self, rustls::Error> {
        let provider = Arc::new(provider());
        let chains = TwoChains(RwLock::new(Pair::of(account, &provider)?));
        Ok(Self {
            provider,
            chains: Arc::new(chains),
        })
    }

    /// Takes the account's certificates as they are now, for all configurations that were made before; who is connected stays so.
    ///
    /// # Errors
    /// When a stored certificate or key cannot be used; then nothing changes.
    pub fn renew(&self, account: &Account) -> Result<(), rustls::Error> {
        let pair = Pair::of(account, &self.provider)?;
        *self
            .chains
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }

    /// For one port for devices, with these TLS versions.
    ///
    /// # Errors
    /// When rustls does not take the settings.
    pub fn for_devices(
        &self,
        certificates: Arc<dyn Certificates>,
        refusal: CertRefusal,
        policy: TlsPolicy,
        entry: Entry,
    ) -> Result<DeviceTls, rustls::Error> {
        let verifier: Arc<dyn ClientCertVerifier> = Arc::new(Verifier {
            provider: Arc::clone(&self.provider),
            certificates: (refusal == CertRefusal::Alert).then_some(certificates),
        });
        let config = |mutual: bool, alpn: &[&[u8]]| {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
                .with_protocol_versions(&versions(policy))?;
            let builder = if mutual {
                builder.with_client_cert_verifier(Arc::clone(&verifier))
            } else {
                builder.with_no_client_auth()
            };
            let mut config =
                as_aws(builder.with_cert_resolver(Arc::<TwoChains>::clone(&self.chains)));
            config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
            Ok::<_, rustls::Error>(Arc::new(config))
        };
        // A client that names only protocols which we do not name would be refused by TLS itself. That is right where the name
        // decides, and wrong where it does not.
        let named: &[&[u8]] = match entry {
            Entry::Mqtt => &[],
            Entry::Shared => &[ALPN_MQTT, ALPN_HTTP],
            Entry::Https => &[ALPN_HTTP, ALPN_HTTP_1],
        };
        Ok(DeviceTls {
            entry,
            named: config(true, named)?,
            nameless: config(entry != Entry::Shared, &[])?,
            http: config(entry != Entry::Shared, &[ALPN_HTTP_1])?,
        })
    }

    /// For the control plane: nobody is asked for a certificate.
    ///
    /// # Errors
    /// When rustls does not take the settings.
    pub fn for_api(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth();
        let mut config = as_aws(builder.with_cert_resolver(Arc::<TwoChains>::clone(&self.chains)));
        config.alpn_protocols = vec![ALPN_HTTP_1.to_vec()];
        Ok(Arc::new(config))
    }
}

/// `A-19`, and suites in our order.
fn as_aws(mut config: ServerConfig) -> ServerConfig {
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// aws-lc-rs with the suites of `A-18` that it has, no ChaCha20 in TLS 1.2, and with the groups that a device's TLS library has. A
/// group with ML-KEM in it, which programs on hosts offer first, would only make their handshakes dearer.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    // AES-128 first, as the list of `A-18` has it; a stable sort, so ECDSA stays before RSA.
    provider
        .cipher_suites
        .sort_by_key(|suite| (suite.version().version != TLS13.version, strength(*suite)));
    provider.cipher_suites.retain(|suite| match suite {
        SupportedCipherSuite::Tls13(_) => true,
        SupportedCipherSuite::Tls12(_) => !matches!(
            suite.suite(),
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        ),
    });
    provider
}

/// The place of a suite among those of its version, as in `A-18`.
fn strength(suite: SupportedCipherSuite) -> u8 {
    match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 1,
        _ => 2,
    }
}

fn certified(
    identity: &ServerIdentity,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let unreadable =
        |error: rustls::pki_types::pem::Error| rustls::Error::General(error.to_string());
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(identity.private_key.as_bytes()).map_err(unreadable)?;
    CertifiedKey::from_der(chain, key, provider).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suites_are_aws_s_as_far_as_rustls_has_them() {
        let offered: Vec<_> = provider()
            .cipher_suites
            .iter()
            .map(|suite| format!("{:?}", suite.suite()))
            .collect();
        assert_eq!(
            offered,
            [
                "TLS13_AES_128_GCM_SHA256",
                "TLS13_AES_256_GCM_SHA384",
                "TLS13_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            ],
            "A-18"
        );
    }

    /// The server's certificate, as a client sees it that connects with this configuration.
    fn shown(config: &Arc<ServerConfig>, account: &Account) -> CertificateDer<'static> {
        let client = shaken(config, account, aws_lc_rs::default_provider());
        client.peer_certificates().unwrap()[0].clone()
    }

    /// A client's side of a finished handshake.
    fn shaken(
        config: &Arc<ServerConfig>,
        account: &Account,
        provider: CryptoProvider,
    ) -> rustls::ClientConnection {
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(account.roots.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
        while client.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        client
    }

    fn store() -> impl thingwire_store::Store {
        let disk = thingwire_store::faults::Disk::new();
        thingwire_store::RedbStore::with_backend(disk).unwrap()
    }

    fn account(store: &impl thingwire_store::Store, names: &[&str]) -> Account {
        let wanted = crate::account::Wanted {
            region: None,
            account_id: None,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        Account::open(store, &wanted).unwrap()
    }

    #[test]
    fn a_client_that_offers_more_than_a_device_gets_a_device_s_handshake() {
        let account = account(&store(), &["localhost"]);
        let config = Tls::new(&account).unwrap().for_api().unwrap();
        let mut dear = aws_lc_rs::default_provider();
        dear.kx_groups = aws_lc_rs::ALL_KX_GROUPS.to_vec();
        dear.cipher_suites.reverse();
        let preferred = |wanted: CipherSuite| {
            let mut provider = dear.clone();
            provider
                .cipher_suites
                .sort_by_key(|suite| suite.suite() != wanted);
            provider
        };
        // the order is ours.
        for wanted in [
            CipherSuite::TLS13_AES_256_GCM_SHA384,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS13_AES_128_GCM_SHA256,
        ] {
            let client = shaken(&config, &account, preferred(wanted));
            let suite = client.negotiated_cipher_suite().unwrap().suite();
            assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256, "A-18");
            let group = client.negotiated_key_exchange_group().unwrap().name();
            assert!(
                provider().kx_groups.iter().any(|ours| ours.name() == group),
                "{group:?}"
            );
        }
        // Who has one suite and one group gets these.
        let mut only = preferred(CipherSuite::TLS13_AES_256_GCM_SHA384);
        only.cipher_suites.truncate(1);
        only.kx_groups = vec![aws_lc_rs::kx_group::SECP256R1];
        let client = shaken(&config, &account, only);
        let suite = client.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite, CipherSuite::TLS13_AES_256_GCM_SHA384);
    }

    #[test]
    fn configurations_show_the_certificates_of_the_latest_renewal() {
        let store = store();
        let open = |names: &[&str]| account(&store, names);
        let first = open(&["localhost"]);
        let tls = Tls::new(&first).unwrap();
        let config = tls.for_api().unwrap();
        let of = |account: &Account| {
            CertificateDer::from_pem_slice(account.ecdsa.certificate.as_bytes()).unwrap()
        };
        assert_eq!(shown(&config, &first), of(&first));
        // Other names are a reason to issue anew, like age.
        let second = open(&["localhost", "another.example"]);
        assert_ne!(of(&second), of(&first));
        assert_eq!(shown(&config, &first), of(&first), "not yet");
        tls.renew(&second).unwrap();
        assert_eq!(shown(&config, &first), of(&second));
    }
}
