//! A client with a Will that is connected when the cloud is killed: its Will is published at the next start (B-59).

use thingwire_conformance::Ready;
use thingwire_mqtt::Version::V311;
use thingwire_mqtt::{Connect, Packet, Properties, QoS, Will};

use super::check::numbered;
use crate::wire::{Credentials, TLS, Wire, bytes, subscribe};

const TOPIC: &str = "crash/will";

/// A connection whose Will says which kill it is, acknowledged by CONNACK. It is retained, so that whoever comes after the
/// restart sees it.
pub(super) fn mortal(ready: &Ready, kill: u32) -> Wire {
    let credentials = Credentials::of_kit(&ready.operator_kit);
    let mut wire =
        Wire::tls(ready.mqtt_port, &credentials, TLS[1], V311).expect("a TLS connection");
    let connect = Connect {
        version: V311,
        clean_start: true,
        keep_alive: 60,
        client_id: "operator-mortal",
        will: Some(Will {
            topic: TOPIC,
            payload: &kill.to_be_bytes(),
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties::EMPTY,
        }),
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    };
    wire.send(&bytes(&Packet::Connect(connect), V311));
    assert_eq!(wire.packet(), [0x20, 2, 0, 0], "CONNACK");
    wire
}

/// The Will of the last kill was published.
pub(super) fn was_published(ready: &Ready, kill: u32) {
    let mut wire = Wire::connect(ready, &ready.operator_kit, "operator-look", V311);
    wire.send(&subscribe(&[TOPIC], V311));
    // SUBACK and the retained message may come in either order.
    let (first, second) = (wire.packet(), wire.packet());
    let message = if first[0] == 0x90 { second } else { first };
    assert_eq!(numbered(&message).1, kill, "the Will of this kill");
}
