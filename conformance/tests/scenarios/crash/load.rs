//! The load: whatever is answered with success before the cloud goes away is written down.

use std::sync::mpsc::Sender;

use serde_json::{Value, json};
use thingwire_conformance::{Ready, http};
use thingwire_mqtt::QoS::AtLeastOnce;
use thingwire_mqtt::Version::V5;

use super::{Made, QUEUE, RETAINED};
use crate::wire::{Came, Wire, body, publish_as};

/// PUBLISH packets under way without their PUBACK.
const IN_FLIGHT: usize = 16;
/// Any valid document.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#;

/// What one connection did before the cloud went away.
#[derive(Default)]
pub(super) struct Published {
    pub(super) sent: Vec<u32>,
    pub(super) acknowledged: Vec<u32>,
}

/// Says that it is connected and publishes numbered messages until the cloud is gone: to the queue, or retained
/// ones to several topics.
pub(super) fn publish(
    ready: &Ready,
    client_id: &str,
    from: u32,
    retain: bool,
    connected: Sender<()>,
) -> Published {
    let mut published = Published::default();
    let mut wire = Wire::connect(ready, &ready.operator_kit, client_id, V5);
    connected.send(()).expect("the test listens");
    drop(connected);
    for number in from.. {
        let topic = if retain {
            format!("crash/retained/{}", number % RETAINED)
        } else {
            QUEUE.to_owned()
        };
        published.sent.push(number);
        let packet = publish_as(
            packet_id(number),
            &topic,
            &number.to_be_bytes(),
            AtLeastOnce,
            retain,
            V5,
        );
        if !wire.try_send(&packet) {
            break;
        }
        if published.sent.len() - published.acknowledged.len() < IN_FLIGHT {
            continue;
        }
        let Came::Packet(packet) = wire.next() else {
            break;
        };
        let acknowledgement = body(&packet);
        let success = packet[0] == 0x40 && acknowledgement.get(2).is_none_or(|code| *code == 0);
        assert!(success, "{packet:02x?}");
        let id = u16::from_be_bytes([acknowledgement[0], acknowledgement[1]]);
        let sent = published
            .sent
            .iter()
            .rev()
            .take(2 * IN_FLIGHT)
            .find(|number| packet_id(**number) == id);
        published
            .acknowledged
            .push(*sent.expect("a PUBACK for something that was sent"));
    }
    published
}

fn packet_id(number: u32) -> u16 {
    u16::try_from(number % 60_000 + 1).expect("at most 60,000")
}

/// Makes things, certificates and policies until the cloud is gone.
pub(super) fn make(ready: &Ready, kill: u64) -> Made {
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .expect("a request");
    let request = json!({ "certificateSigningRequest": request.pem().expect("PEM") }).to_string();
    let policy = json!({ "policyDocument": POLICY }).to_string();
    let mut made = Made::default();
    for number in 0.. {
        let name = format!("crash-{kill}-{number}");
        if create(ready, &format!("/things/{name}"), "{}").is_none() {
            break;
        }
        made.things.insert(name.clone());
        let Some(certificate) = create(ready, "/certificates?setAsActive=true", &request) else {
            break;
        };
        made.certificates.insert(
            certificate["certificateId"]
                .as_str()
                .expect("an id")
                .to_owned(),
        );
        if create(ready, &format!("/policies/{name}"), &policy).is_none() {
            break;
        }
        made.policies.insert(name);
    }
    made
}

/// What the control plane answered; `None` when it is gone.
fn create(ready: &Ready, path: &str, body: &str) -> Option<Value> {
    let (status, body) = http(ready, "POST", path, &[], body).ok()?;
    assert_eq!(status, 200, "{body}");
    Some(serde_json::from_str(&body).expect("JSON"))
}
