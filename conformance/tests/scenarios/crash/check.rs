//! After a restart: all that was acknowledged is there, and nothing that was never sent.

use std::collections::BTreeSet;

use serde_json::Value;
use thingwire_conformance::{Cloud, Ready, finish, http};
use thingwire_mqtt::Version::V311;

use super::{Ledger, Made, subscriber};
use crate::STEP;
use crate::wire::{Wire, body, subscribe};

/// The data of the killed cloud, as it lies there: every record can be read and agrees with the others.
pub(super) fn whole(cloud: &Cloud) {
    let mut check = cloud.command();
    check
        .args(["store", "check", "--data-dir"])
        .arg(cloud.data_dir());
    let _ = finish(&mut check, STEP).success();
}

/// Everything the control plane said it has made is listed.
pub(super) fn registry(ready: &Ready, made: &Made) {
    let lists = [
        (
            &made.things,
            names(ready, "/things?maxResults=250", "things", "thingName"),
        ),
        (
            &made.certificates,
            names(
                ready,
                "/certificates?pageSize=250",
                "certificates",
                "certificateId",
            ),
        ),
        (
            &made.policies,
            names(ready, "/policies?pageSize=250", "policies", "policyName"),
        ),
    ];
    for (made, there) in lists {
        let gone: Vec<_> = made.difference(&there).collect();
        assert!(gone.is_empty(), "acknowledged and gone: {gone:?}");
    }
}

/// All pages of a list (G-22).
fn names(ready: &Ready, path: &str, list: &str, name: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut next = String::new();
    loop {
        let (status, body) =
            http(ready, "GET", &format!("{path}{next}"), &[], "").expect("an answer");
        assert_eq!(status, 200, "{body}");
        let page: Value = serde_json::from_str(&body).expect("JSON");
        for entry in page[list].as_array().expect("a list") {
            names.insert(entry[name].as_str().expect("a name").to_owned());
        }
        if let Some(token) = page["nextToken"].as_str() {
            next = format!("&nextToken={token}");
        } else if let Some(marker) = page["nextMarker"].as_str() {
            next = format!("&marker={marker}");
        } else {
            return names;
        }
    }
}

/// Each topic holds its last acknowledged value or one sent after it (B-62).
pub(super) fn retained(ready: &Ready, ledger: &Ledger) {
    let mut wire = Wire::connect(ready, &ready.operator_kit, "operator-look", V311);
    for (topic, values) in &ledger.retained {
        let Some(acknowledged) = values.acknowledged else {
            continue;
        };
        wire.send(&subscribe(&[&format!("crash/retained/{topic}")], V311));
        // SUBACK and the retained message may come in either order.
        let (first, second) = (wire.packet(), wire.packet());
        let message = if first[0] == 0x90 { second } else { first };
        let (id, value) = numbered(&message);
        assert!(
            value == acknowledged || values.later.contains(&value),
            "topic {topic} holds {value}; {acknowledged} was acknowledged, later came {:?}",
            values.later
        );
        wire.send(&[0x40, 2, id[0], id[1]]);
    }
}

/// The session's messages: all that was acknowledged, nothing that was not sent.
pub(super) fn queue(ready: &Ready, ledger: &mut Ledger) {
    let mut wire = subscriber(ready, true);
    let mut missing: BTreeSet<u32> = ledger
        .acknowledged
        .difference(&ledger.received)
        .copied()
        .collect();
    while !missing.is_empty() {
        let message = wire.packet();
        let (id, value) = numbered(&message);
        assert!(
            ledger.sent.contains(&value),
            "{value} was delivered and never published"
        );
        ledger.received.insert(value);
        missing.remove(&value);
        wire.send(&[0x40, 2, id[0], id[1]]);
    }
    wire.send(&[0xE0, 0]);
}

/// Packet identifier and number of a QoS 1 PUBLISH in MQTT 3.1.1.
pub(super) fn numbered(packet: &[u8]) -> ([u8; 2], u32) {
    assert_eq!(packet[0] & 0xF6, 0x32, "not a QoS 1 PUBLISH: {packet:02x?}");
    let body = body(packet);
    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let (id, payload) = body[2 + topic..]
        .split_first_chunk()
        .expect("a packet identifier");
    (
        *id,
        u32::from_be_bytes(payload.try_into().expect("four bytes")),
    )
}
