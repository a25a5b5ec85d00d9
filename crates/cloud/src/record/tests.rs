//! What stands in the record after a client was here.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use thingwire_broker::{Action, Authorize, Client, Decision};
use thingwire_store::RedbStore;
use thingwire_store::faults::Disk;

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
