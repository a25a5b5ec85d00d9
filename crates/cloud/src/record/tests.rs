//! What stands in the record after a client was here.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use thingwire_broker::{Action, Authorize, Broker, Client, Config, Decision, Peer, Silent, edge};
use thingwire_store::RedbStore;
use thingwire_store::faults::Disk;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::Recording;
use crate::authorize::{Authorizer, PLAINTEXT_PRINCIPAL};
use crate::registry::{Place, Registry};

fn authorizer() -> Arc<Authorizer> {
    let store = Arc::new(RedbStore::with_backend(Disk::new()).expect("a store"));
    let place = Place {
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
    };
    let registry = Arc::new(Registry::open(store, place).expect("a registry"));
    registry
        .create_thing("lamp", BTreeMap::new())
        .expect("a thing");
    Arc::new(Authorizer::new(registry))
}

fn client(principal: &str, client_id: &str) -> Client {
    Client {
        principal: principal.into(),
        client_id: client_id.into(),
        address: "127.0.0.1:1".parse().expect("an address"),
        server_name: None,
        persistent: false,
        will_topic: None,
    }
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the record");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// Each distinct event once, in the order in which it happened first, across connections.
#[test]
fn an_event_is_written_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("record.jsonl");
    let recording = Recording::open(&path, authorizer()).expect("a record");
    for _ in 0..2 {
        let permissions = recording.permissions(&client(PLAINTEXT_PRINCIPAL, "tool"));
        for topic in ["a", "b\"\n", "a"] {
            assert_eq!(permissions.decide(Action::Publish, topic), Decision::Allow);
        }
        permissions.decide(Action::Subscribe, "a/+");
    }
    let stranger = recording.permissions(&client("c0ffee", "lamp"));
    assert!(matches!(
        stranger.decide(Action::Connect, "lamp"),
        Decision::Deny(_)
    ));
    let event = |action: &str, resource: &str| {
        json!({
            "clientId": "tool", "certificateId": "plaintext", "thingName": null,
            "action": action, "resource": resource, "decision": "allow",
        })
    };
    assert_eq!(
        lines(&path),
        [
            event("iot:Publish", "topic/a"),
            event("iot:Publish", "topic/b\"\n"),
            event("iot:Subscribe", "topicfilter/a/+"),
            json!({
                "clientId": "lamp", "certificateId": "c0ffee", "thingName": null,
                "action": "iot:Connect", "resource": "client/lamp", "decision": "deny",
            }),
        ]
    );
}

/// A second run adds to the record of the first.
#[test]
fn a_record_grows() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("record.jsonl");
    for _ in 0..2 {
        let recording = Recording::open(&path, authorizer()).expect("a record");
        let permissions = recording.permissions(&client(PLAINTEXT_PRINCIPAL, "tool"));
        permissions.decide(Action::Receive, "a");
    }
    assert_eq!(lines(&path).len(), 2);
    assert!(Recording::open(folder.path(), authorizer()).is_err());
}

/// Everything that came until `end` bytes are there.
async fn read(stream: &mut DuplexStream, end: usize) -> Vec<u8> {
    let mut bytes = vec![0; end];
    stream.read_exact(&mut bytes).await.expect("an answer");
    bytes
}

/// `C-12`, `C-13`: a whole visit. What is asked is on record; UNSUBSCRIBE, PINGREQ and DISCONNECT ask nothing.
#[tokio::test]
async fn a_visit_asks_policies_for_these_packets_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("record.jsonl");
    let recording = Recording::open(&path, authorizer()).expect("a record");
    let broker = Broker::start(
        Config::default(),
        None,
        Arc::new(recording),
        Arc::new(Silent),
    )
    .expect("a broker");
    let (mut near, far) = tokio::io::duplex(4096);
    let peer = Peer {
        principal: PLAINTEXT_PRINCIPAL.into(),
        address: "127.0.0.1:1".parse().expect("an address"),
        server_name: None,
    };
    let served = tokio::spawn(async move { edge::serve(&broker, far, peer).await });
    for (packet, answer) in [
        // CONNECT, client id `c`, clean session
        (
            &b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c"[..],
            &b"\x20\x02\x00\x00"[..],
        ),
        // SUBSCRIBE `a`, QoS 0
        (b"\x82\x06\x00\x01\x00\x01a\x00", b"\x90\x03\x00\x01\x00"),
        // PUBLISH `a`, QoS 0: comes back
        (b"\x30\x03\x00\x01a", b"\x30\x03\x00\x01a"),
        // PINGREQ
        (b"\xc0\x00", b"\xd0\x00"),
        // UNSUBSCRIBE `a`
        (b"\xa2\x05\x00\x02\x00\x01a", b"\xb0\x02\x00\x02"),
    ] {
        near.write_all(packet).await.expect("sent");
        assert_eq!(read(&mut near, answer.len()).await, answer);
    }
    near.write_all(b"\xe0\x00").await.expect("sent");
    served.await.expect("served");
    let asked: Vec<(Value, Value)> = lines(&path)
        .into_iter()
        .map(|line| (line["action"].clone(), line["resource"].clone()))
        .collect();
    assert_eq!(
        asked,
        [
            (json!("iot:Connect"), json!("client/c")),
            (json!("iot:Subscribe"), json!("topicfilter/a")),
            (json!("iot:Publish"), json!("topic/a")),
            (json!("iot:Receive"), json!("topic/a")),
        ]
    );
}
