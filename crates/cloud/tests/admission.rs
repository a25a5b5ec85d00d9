//! Who may come in: certificates, TLS versions, chains, ALPN and server names, over real sockets.

mod common;

use common::{
    CONNACK, Client, Identity, NOTHING, PATIENCE, TestCloud, VERSIONS, connect_packet, until_closed,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SignatureScheme};
use serde_json::json;
use thingwire_cloud::CertRefusal;
use thingwire_cloud::config::TlsPolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn every_key_of_a_22_connects_with_both_tls_versions_on_both_ports() {
    let cloud = TestCloud::start().await;
    let ready = cloud.running.ready();
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let device = cloud
            .device(&KeyPair::generate_for(algorithm).unwrap())
            .await;
        for version in VERSIONS {
            let mut client = Client::new(&cloud, Some(&device)).version(version);
            assert_eq!(
                client.connect("a").await.0,
                CONNACK,
                "{algorithm:?} {version:?}"
            );
            client.port = ready.alpn_port;
            client.alpn = &[b"x-amzn-mqtt-ca"];
            assert_eq!(
                client.connect("a").await.0,
                CONNACK,
                "{algorithm:?} {version:?} with ALPN (A-6)"
            );
        }
    }
}

/// A certificate that AWS made the key for works as well.
#[tokio::test]
async fn keys_made_by_the_cloud_connect() {
    let cloud = TestCloud::start().await;
    cloud.open_policy().await;
    let answer = cloud
        .call(
            "POST",
            "/keys-and-certificate?setAsActive=true",
            &json!(null),
        )
        .await;
    cloud
        .call(
            "PUT",
            "/target-policies/open",
            &json!({ "target": answer["certificateArn"] }),
        )
        .await;
    let key = KeyPair::from_pem(answer["keyPair"]["PrivateKey"].as_str().unwrap()).unwrap();
    let pem = answer["certificatePem"].as_str().unwrap();
    let device = Identity {
        id: answer["certificateId"].as_str().unwrap().to_owned(),
        chain: vec![rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap()],
        key: key.serialize_der().try_into().unwrap(),
    };
    assert_eq!(
        Client::new(&cloud, Some(&device)).connect("a").await.0,
        CONNACK
    );
}

/// Whoever may not connect sees the connection end and never a CONNACK (`A-21`, `A-28` to `A-30`), whichever way of refusing is set.
#[tokio::test]
async fn who_may_not_connect_never_gets_a_connack() {
    for refusal in [CertRefusal::Alert, CertRefusal::AfterHandshake] {
        let cloud = TestCloud::start_with(|config| config.cert_refusal = refusal).await;

        let unregistered = Identity::self_signed(&CertificateParams::default());
        let inactive = cloud.device(&KeyPair::generate().unwrap()).await;
        cloud.set_status(&inactive.id, "INACTIVE").await;
        let revoked = cloud.device(&KeyPair::generate().unwrap()).await;
        cloud.set_status(&revoked.id, "REVOKED").await;
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let expired = Identity::self_signed(&params);
        let pem = pem_of(&expired);
        let body = json!({ "certificatePem": pem, "status": "ACTIVE" });
        cloud
            .call("POST", "/certificate/register-no-ca", &body)
            .await;

        for version in VERSIONS {
            for (identity, reason) in [
                (&unregistered, "DEVICE_CERTIFICATE_NOT_REGISTERED"),
                (&inactive, "DEVICE_CERTIFICATE_INACTIVE"),
                (&revoked, "DEVICE_CERTIFICATE_REVOKED"),
                (&expired, "DEVICE_CERTIFICATE_NOT_VALID_NOW"),
            ] {
                let client = Client::new(&cloud, Some(identity)).version(version);
                assert_eq!(
                    client.connect("a").await.0,
                    NOTHING,
                    "{reason} {version:?} {refusal:?}"
                );
                assert_eq!(cloud.reason(Some(&identity.id)).await, reason);
            }
            let (answer, _) = Client::new(&cloud, None)
                .version(version)
                .connect("a")
                .await;
            assert_eq!(answer, NOTHING, "no certificate, {version:?} {refusal:?}");
            assert_eq!(cloud.reason(None).await, "NOT_AUTHENTICATED");
        }
    }
}

fn pem_of(identity: &Identity) -> String {
    let pem = pem::Pem::new("CERTIFICATE", identity.chain[0].to_vec());
    pem::encode(&pem)
}

/// `A-30`: in TLS 1.2 the two ways differ on the wire.
#[tokio::test]
async fn the_alert_is_certificate_unknown_or_the_handshake_succeeds() {
    let unregistered = Identity::self_signed(&CertificateParams::default());

    let cloud = TestCloud::start_with(|config| config.cert_refusal = CertRefusal::Alert).await;
    let error = Client::new(&cloud, Some(&unregistered))
        .version(&TLS12)
        .handshake()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("CertificateUnknown"), "{error}");

    // In TLS 1.3 the client has sent its CONNECT by then; the alert must reach it all the same.
    let mut stream = Client::new(&cloud, Some(&unregistered))
        .handshake()
        .await
        .unwrap();
    let _ = stream.write_all(&connect_packet("a")).await;
    let error = stream.read_u8().await.unwrap_err();
    assert!(error.to_string().contains("CertificateUnknown"), "{error}");

    let cloud =
        TestCloud::start_with(|config| config.cert_refusal = CertRefusal::AfterHandshake).await;
    let mut stream = Client::new(&cloud, Some(&unregistered))
        .version(&TLS12)
        .handshake()
        .await
        .unwrap();
    assert_eq!(until_closed(&mut stream).await, NOTHING);
}

/// The certificate of somebody else is public; without its key it is worth nothing.
#[tokio::test]
async fn a_stolen_certificate_without_its_key_does_not_connect() {
    let cloud = TestCloud::start().await;
    let mut thief = cloud.device(&KeyPair::generate().unwrap()).await;
    thief.key = KeyPair::generate()
        .unwrap()
        .serialize_der()
        .try_into()
        .unwrap();
    for version in VERSIONS {
        // rustls's own client refuses the pair, so it is put together by hand.
        let client = Client::new(&cloud, None).version(version);
        let mut config = client.config();
        let key = aws_lc_rs::sign::any_supported_type(&thief.key).unwrap();
        let pair = std::sync::Arc::new(rustls::sign::CertifiedKey::new(thief.chain.clone(), key));
        config.client_auth_cert_resolver =
            std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(pair));
        let attempt = async {
            let mut stream = client.handshake_with(config).await.ok()?;
            stream.write_all(&connect_packet("a")).await.ok()?;
            stream.read_u8().await.ok()
        };
        let answer = tokio::time::timeout(PATIENCE, attempt)
            .await
            .expect("the end");
        assert_eq!(answer, None, "{version:?}");
    }
    assert_eq!(cloud.reason(None).await, "NOT_AUTHENTICATED");
}

/// `A-27`.
#[tokio::test]
async fn a_certificate_that_stops_being_active_loses_its_connection_at_once() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let (answer, stream) = Client::new(&cloud, Some(&device)).connect("a").await;
    assert_eq!(answer, CONNACK);
    cloud.set_status(&device.id, "INACTIVE").await;
    until_closed(&mut stream.unwrap()).await;
    assert_eq!(
        Client::new(&cloud, Some(&device)).connect("a").await.0,
        NOTHING,
        "and may not come back"
    );
    cloud.set_status(&device.id, "ACTIVE").await;
    assert_eq!(
        Client::new(&cloud, Some(&device)).connect("a").await.0,
        CONNACK,
        "until it is ACTIVE again"
    );
}

/// The client's signature algorithms, cut down to some.
fn only(wanted: impl Fn(SignatureScheme) -> bool) -> WebPkiSupportedAlgorithms {
    let mut algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let mapping = algorithms
        .mapping
        .iter()
        .copied()
        .filter(|(scheme, _)| wanted(*scheme))
        .collect::<Vec<_>>();
    algorithms.mapping = mapping.leak();
    algorithms
}

#[tokio::test]
async fn the_server_s_chain_is_one_that_the_client_takes() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let rsa = |scheme: SignatureScheme| format!("{scheme:?}").starts_with("RSA");
    for version in VERSIONS {
        for (schemes, expected) in [(only(rsa), "RSA"), (only(|scheme| !rsa(scheme)), "ECDSA")] {
            let mut client = Client::new(&cloud, Some(&device)).version(version);
            client.provider.signature_verification_algorithms = schemes;
            let stream = client
                .handshake()
                .await
                .unwrap_or_else(|error| panic!("{expected} {version:?}: {error}"));
            let chain = stream.get_ref().1.peer_certificates().unwrap();
            let (_, server) = x509_parser::parse_x509_certificate(&chain[0]).unwrap();
            let rsa_key =
                server.public_key().algorithm.algorithm.to_id_string() == "1.2.840.113549.1.1.1";
            assert_eq!(
                if rsa_key { "RSA" } else { "ECDSA" },
                expected,
                "{version:?}"
            );
        }
    }
    // A TLS 1.2 client that knows ECDSA signatures but offers RSA suites only.
    let mut client = Client::new(&cloud, Some(&device)).version(&TLS12);
    client
        .provider
        .cipher_suites
        .retain(|suite| format!("{:?}", suite.suite()).contains("ECDHE_RSA"));
    assert_eq!(client.connect("a").await.0, CONNACK);
}

/// `A-19`.
#[tokio::test]
async fn nothing_is_resumed() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    for version in VERSIONS {
        let client = Client::new(&cloud, Some(&device)).version(version);
        // One configuration keeps what it learnt for the next connection.
        let config = client.config();
        for _ in 0..2 {
            let mut stream = client.handshake_with(config.clone()).await.unwrap();
            stream.write_all(&connect_packet("a")).await.unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.unwrap();
            let session = stream.get_ref().1;
            assert_eq!(
                session.handshake_kind(),
                Some(HandshakeKind::Full),
                "{version:?}"
            );
            assert_eq!(session.tls13_tickets_received(), 0, "{version:?}");
        }
    }
}

/// `A-6`, `A-7`: there are no custom authorizers, so their protocol is refused and no other port takes them.
#[tokio::test]
async fn the_alpn_port_is_for_its_protocol_and_the_mqtt_port_does_not_care() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    for version in VERSIONS {
        let mut client = Client::new(&cloud, Some(&device)).version(version);
        client.alpn = &[b"x-amzn-mqtt-ca"];
        assert_eq!(
            client.connect("a").await.0,
            CONNACK,
            "8883 with ALPN, {version:?}"
        );
        client.port = cloud.running.ready().alpn_port;
        client.alpn = &[];
        assert_eq!(client.connect("a").await.0, NOTHING, "no ALPN, {version:?}");
        assert_eq!(cloud.reason(None).await, "ALPN_MISSING");
        client.alpn = &[b"mqtt"];
        assert_eq!(
            client.connect("a").await.0,
            NOTHING,
            "the ALPN of custom authorizers, {version:?}"
        );
    }
}

/// `A-13`, `A-15`, `A-16`: AWS's pages differ about a missing name, so it is a setting; a wrong one is refused in strict mode.
#[tokio::test]
async fn unknown_server_names_are_refused_in_strict_mode_only() {
    for strict in [false, true] {
        let cloud = TestCloud::start_with(|config| {
            config.strict_sni = strict;
            config.hosts = vec!["cloud.example".to_owned()];
        })
        .await;
        let device = cloud.device(&KeyPair::generate().unwrap()).await;
        let mut client = Client::new(&cloud, Some(&device));
        for name in ["localhost", "cloud.example"] {
            client.server_name = name;
            assert_eq!(
                client.connect("a").await.0,
                CONNACK,
                "{name}, strict {strict}"
            );
        }
        // An address is not sent as a server name.
        client.server_name = "127.0.0.1";
        let (answer, _) = client.connect("a").await;
        if strict {
            assert_eq!(answer, NOTHING);
            assert_eq!(cloud.reason(Some(&device.id)).await, "SNI_MISUSED");
        } else {
            assert_eq!(answer, CONNACK);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_tls_are_dropped_and_nobody_else_notices() {
    let cloud = TestCloud::start().await;
    let ready = cloud.running.ready();
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let (_, bystander) = Client::new(&cloud, Some(&device))
        .connect("bystander")
        .await;
    let mut hello = vec![0x16, 3, 1, 0xff, 0xff];
    hello.extend([0; 64]);
    for port in [ready.mqtt_port, ready.alpn_port] {
        for bytes in [
            &connect_packet("a"),
            &b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            &vec![0xff; 5000],
            &hello,
        ] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let answer = until_closed(&mut stream).await;
            assert_ne!(answer.first(), Some(&0x20), "a CONNACK without TLS");
        }
        drop(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let mut bystander = bystander.unwrap();
    bystander.write_all(&[0xc0, 0]).await.unwrap();
    let mut answer = [0; 2];
    bystander.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0xd0, 0], "PINGRESP");
}

/// More connections that say nothing than there are turns for handshakes.
#[tokio::test]
async fn who_says_nothing_takes_nobody_s_turn() {
    let _ = thingwire_cloud::files::raise();
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let port = cloud.running.ready().mqtt_port;
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let (answer, _stream) = Client::new(&cloud, Some(&device)).connect("a").await;
    assert_eq!(answer, CONNACK);
    // Not because they were given up before.
    let mut first = silent.swap_remove(0).into_std().unwrap();
    let read = std::io::Read::read(&mut first, &mut [0]);
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn both_versions_are_really_what_they_say() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    for (version, expected) in [(&TLS12, "TLSv1_2"), (&TLS13, "TLSv1_3")] {
        let stream = Client::new(&cloud, Some(&device))
            .version(version)
            .handshake()
            .await
            .unwrap();
        assert_eq!(
            format!("{:?}", stream.get_ref().1.protocol_version().unwrap()),
            expected,
            "A-17"
        );
    }
}

/// `A-17`, `A-20`: a policy's versions, on every port for devices.
#[tokio::test]
async fn a_tls_policy_chooses_the_versions() {
    const NONE: &[&[u8]] = &[];
    const MQTT: &[&[u8]] = &[b"x-amzn-mqtt-ca"];
    for policy in TlsPolicy::ALL {
        let cloud = TestCloud::start_with(|config| config.tls_policy = policy).await;
        let device = cloud.device(&KeyPair::generate().unwrap()).await;
        let ready = cloud.running.ready();
        for (port, alpn) in [
            (ready.mqtt_port, NONE),
            (ready.alpn_port, MQTT),
            (ready.alpn_port, NONE),
            (ready.https_port.unwrap(), NONE),
        ] {
            for (version, spelled) in [(&TLS12, "TLS12"), (&TLS13, "TLS13")] {
                let mut client = Client::new(&cloud, Some(&device)).version(version);
                (client.port, client.alpn) = (port, alpn);
                let name = policy.name();
                // `IoTSecurityPolicy_TLS13_1_2_…`: up to TLS 1.3, and from 1.2 on.
                let newest = name.contains("TLS13_");
                let oldest_is_12 = !name.contains("TLS13_1_3_");
                let expected = if spelled == "TLS13" {
                    newest
                } else {
                    oldest_is_12
                };
                assert_eq!(
                    client.handshake().await.is_ok(),
                    expected,
                    "{name} {spelled} {alpn:?}"
                );
            }
        }
    }
}

/// `A-31`, `A-7`: with a certificate, user name and password mean nothing, whatever they say; without one they prove nothing.
#[tokio::test]
async fn user_name_and_password_are_ignored() {
    let cloud = TestCloud::start().await;
    let device = cloud.device(&KeyPair::generate().unwrap()).await;
    let name = b"?SDK=Python&x-amz-customauthorizer-name=mine";
    let mut packet = vec![0x10, 0];
    // Clean Session, user name and password.
    packet.extend(b"\0\x04MQTT\x04\xc2\0\x3c\0\x01a");
    packet.extend([0, u8::try_from(name.len()).unwrap()]);
    packet.extend(name);
    packet.extend(b"\0\x05wrong");
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    let ready = cloud.running.ready();
    for (identity, port, expected) in [
        (Some(&device), ready.mqtt_port, &CONNACK[..]),
        (None, ready.mqtt_port, &[]),
        (None, ready.https_port.unwrap(), &[]),
    ] {
        let mut client = Client::new(&cloud, identity);
        client.port = port;
        let attempt = async {
            let mut answer = Vec::new();
            let Ok(mut stream) = client.handshake().await else {
                return answer;
            };
            let _ = stream.write_all(&packet).await;
            let mut bytes = [0; 4];
            if stream.read_exact(&mut bytes).await.is_ok() {
                answer.extend(bytes);
            }
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, attempt).await.unwrap();
        assert_eq!(answer, expected, "{port}");
    }
}

/// `A-15`: a name that is none of ours, in strict mode; the client looks at no name, so that the refusal is the server's.
#[tokio::test]
async fn a_wrong_server_name_is_refused_in_strict_mode_only() {
    for strict in [false, true] {
        let cloud = TestCloud::start_with(|config| config.strict_sni = strict).await;
        let device = cloud.device(&KeyPair::generate().unwrap()).await;
        for version in VERSIONS {
            let mut client = Client::new(&cloud, Some(&device)).version(version);
            client.server_name = "somewhere.example";
            client.looks_at_names = false;
            let (answer, _) = client.connect("a").await;
            if strict {
                assert_eq!(answer, NOTHING);
                let wanted = async {
                    while cloud.reason(Some(&device.id)).await != "SNI_MISUSED" {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(PATIENCE, wanted)
                    .await
                    .expect("SNI_MISUSED");
            } else {
                assert_eq!(answer, CONNACK);
            }
        }
    }
}

/// `A-28`: certificate and server name first, then whether the certificate is registered and ACTIVE.
#[tokio::test]
async fn a_wrong_server_name_comes_before_an_unregistered_certificate() {
    for refusal in [CertRefusal::Alert, CertRefusal::AfterHandshake] {
        let cloud = TestCloud::start_with(|config| {
            config.strict_sni = true;
            config.cert_refusal = refusal;
        })
        .await;
        let stranger = Identity::self_signed(&CertificateParams::default());
        for version in VERSIONS {
            let mut client = Client::new(&cloud, Some(&stranger)).version(version);
            for (name, reason) in [
                ("localhost", "DEVICE_CERTIFICATE_NOT_REGISTERED"),
                // An address is not sent as a server name.
                ("127.0.0.1", "SNI_MISUSED"),
            ] {
                client.server_name = name;
                assert_eq!(client.connect("a").await.0, NOTHING);
                let wanted = async {
                    while cloud.reason(Some(&stranger.id)).await != reason {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(PATIENCE, wanted).await.expect(reason);
            }
        }
    }
}
