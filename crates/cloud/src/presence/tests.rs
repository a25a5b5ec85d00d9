//! Lifecycle events, D.1: the exact documents, and how version numbers go.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::*;

const START: u64 = 1_700_000_000_000;

fn presence() -> Presence {
    let count = AtomicU64::new(0);
    Presence::new(
        Box::new(|client| (&*client.principal == "exclusive").then(|| "kitchen".to_owned())),
        Box::new(move || format!("{:032x}", count.fetch_add(1, Ordering::Relaxed))),
        7200,
    )
}

fn client(client_id: &str) -> Client {
    Client {
        principal: "c0ffee".into(),
        client_id: client_id.into(),
        address: "192.0.2.7:1234".parse().unwrap(),
        server_name: None,
        persistent: false,
        will_topic: None,
    }
}

fn connected(client: &Client) -> Event<'_> {
    Event::Connected {
        client,
        session_present: false,
    }
}

fn gone(client: &Client, reason: DisconnectReason) -> Event<'_> {
    Event::Disconnected {
        client,
        reason,
        detail: "for the log",
    }
}

/// Topic and document of an event that must have one.
fn told(presence: &Presence, unix: u64, event: &Event<'_>) -> (String, Value) {
    let message = presence.note(unix, event).expect("an event");
    (
        message.topic,
        serde_json::from_slice(&message.payload).unwrap(),
    )
}

fn version(presence: &Presence, unix: u64, event: &Event<'_>) -> u64 {
    told(presence, unix, event).1["versionNumber"]
        .as_u64()
        .unwrap()
}

#[test]
fn d_1_d_2_d_3_d_7_the_documents_of_a_connection() {
    let presence = presence();
    let device = client("esp32");
    let first = presence.note(START, &connected(&device)).unwrap();
    assert_eq!(first.topic, "$aws/events/presence/connected/esp32");
    assert_eq!(
        String::from_utf8(first.payload).unwrap(),
        "{\"clientId\":\"esp32\",\"timestamp\":1700000000000,\"eventType\":\"connected\",\
         \"sessionIdentifier\":\"00000000000000000000000000000000\",\"principalIdentifier\":\"c0ffee\",\
         \"ipAddress\":\"192.0.2.7\",\"versionNumber\":0}"
    );
    let reason = DisconnectReason::ClientInitiatedDisconnect;
    let last = presence.note(START + 5, &gone(&device, reason)).unwrap();
    assert_eq!(last.topic, "$aws/events/presence/disconnected/esp32");
    assert_eq!(
        String::from_utf8(last.payload).unwrap(),
        "{\"clientId\":\"esp32\",\"timestamp\":1700000000005,\"eventType\":\"disconnected\",\
         \"sessionIdentifier\":\"00000000000000000000000000000000\",\"principalIdentifier\":\"c0ffee\",\
         \"clientInitiatedDisconnect\":true,\"disconnectReason\":\"CLIENT_INITIATED_DISCONNECT\",\"versionNumber\":0}"
    );
}

#[test]
fn d_2_the_thing_is_named_when_it_is_exclusive() {
    let presence = presence();
    let device = Client {
        principal: "exclusive".into(),
        ..client("esp32")
    };
    let filters = ["a/#"];
    for event in [
        connected(&device),
        Event::Subscribed {
            client: &device,
            filters: &filters,
        },
        gone(&device, DisconnectReason::ConnectionLost),
        Event::ConnectFailed { client: &device },
    ] {
        assert_eq!(told(&presence, START, &event).1["thingName"], "kitchen");
    }
}

#[test]
fn d_9_every_reason_has_its_name_and_only_the_clients_own_is_client_initiated() {
    use DisconnectReason::{
        ApiInitiatedDisconnect, AuthError, ClientError, ClientInitiatedDisconnect, ConnectionLost,
        CustomAuthTtlExpiration, DuplicateClientId, ForbiddenAccess, MqttKeepAliveTimeout,
        ServerError, ServerInitiatedDisconnect, Throttled, WebSocketTtlExpiration,
    };
    let device = client("esp32");
    for (reason, name) in [
        (AuthError, "AUTH_ERROR"),
        (ClientInitiatedDisconnect, "CLIENT_INITIATED_DISCONNECT"),
        (ClientError, "CLIENT_ERROR"),
        (ConnectionLost, "CONNECTION_LOST"),
        (DuplicateClientId, "DUPLICATE_CLIENTID"),
        (ForbiddenAccess, "FORBIDDEN_ACCESS"),
        (MqttKeepAliveTimeout, "MQTT_KEEP_ALIVE_TIMEOUT"),
        (ServerError, "SERVER_ERROR"),
        (ServerInitiatedDisconnect, "SERVER_INITIATED_DISCONNECT"),
        (ApiInitiatedDisconnect, "API_INITIATED_DISCONNECT"),
        (Throttled, "THROTTLED"),
        (WebSocketTtlExpiration, "WEBSOCKET_TTL_EXPIRATION"),
        (CustomAuthTtlExpiration, "CUSTOMAUTH_TTL_EXPIRATION"),
    ] {
        let presence = presence();
        presence.note(START, &connected(&device));
        let (_, document) = told(&presence, START, &gone(&device, reason));
        assert_eq!(document["disconnectReason"], name);
        assert_eq!(
            document["clientInitiatedDisconnect"],
            reason == ClientInitiatedDisconnect
        );
    }
}

#[test]
fn d_4_a_refused_connect_is_told_and_changes_nothing() {
    let presence = presence();
    let device = client("esp32");
    presence.note(START, &connected(&device));
    let (topic, document) = told(&presence, START, &Event::ConnectFailed { client: &device });
    assert_eq!(topic, "$aws/events/presence/connect_failed/esp32");
    assert_eq!(
        document,
        json!({
            "clientId": "esp32", "timestamp": START, "eventType": "connect_failed",
            "connectFailureReason": "AUTHORIZATION_FAILED", "principalIdentifier": "c0ffee",
            "sessionIdentifier": format!("{:032x}", 1), "ipAddress": "192.0.2.7",
        })
    );
    let (_, document) = told(
        &presence,
        START,
        &gone(&device, DisconnectReason::ConnectionLost),
    );
    assert_eq!(document["sessionIdentifier"], format!("{:032x}", 0));
}

#[test]
fn d_5_subscriptions_list_their_filters_with_the_connections_identifier() {
    let presence = presence();
    let device = client("esp32");
    presence.note(START, &connected(&device));
    let filters = ["a/#", "$share/g/b"];
    for (event, kind) in [
        (
            Event::Subscribed {
                client: &device,
                filters: &filters,
            },
            "subscribed",
        ),
        (
            Event::Unsubscribed {
                client: &device,
                filters: &filters,
            },
            "unsubscribed",
        ),
    ] {
        let (topic, document) = told(&presence, START, &event);
        assert_eq!(topic, format!("$aws/events/subscriptions/{kind}/esp32"));
        assert_eq!(
            document,
            json!({
                "clientId": "esp32", "timestamp": START, "eventType": kind,
                "sessionIdentifier": format!("{:032x}", 0), "principalIdentifier": "c0ffee",
                "topics": ["a/#", "$share/g/b"],
            })
        );
    }
}

#[test]
fn d_1_b_11_no_events_for_client_ids_with_wildcards() {
    let presence = presence();
    let filters = ["a"];
    for id in ["a#", "+", "a/+/b"] {
        let device = client(id);
        assert_eq!(presence.note(START, &connected(&device)), None);
        let subscribed = Event::Subscribed {
            client: &device,
            filters: &filters,
        };
        assert_eq!(presence.note(START, &subscribed), None);
        let gone = gone(&device, DisconnectReason::ConnectionLost);
        assert_eq!(presence.note(START, &gone), None);
        assert_eq!(
            presence.note(START, &Event::ConnectFailed { client: &device }),
            None
        );
    }
}

#[test]
fn d_6_the_version_counts_connections_and_begins_again_after_an_hour_away() {
    let lost = DisconnectReason::ConnectionLost;
    for (persistent, hours) in [(false, 1), (true, 2)] {
        let presence = presence();
        let device = Client {
            persistent,
            ..client("esp32")
        };
        let other = client("other");
        for expected in 0..3 {
            assert_eq!(version(&presence, START, &connected(&device)), expected);
            assert_eq!(version(&presence, START, &gone(&device, lost)), expected);
        }
        assert_eq!(version(&presence, START, &connected(&other)), 0);
        let life = hours * 3_600_000;
        let just = START + life - 1;
        assert_eq!(version(&presence, just, &connected(&device)), 3);
        // Connected for long is not away.
        let later = just + 10 * life;
        assert_eq!(version(&presence, later, &gone(&device, lost)), 3);
        let away = later + life;
        assert_eq!(version(&presence, away, &connected(&device)), 0);
    }
}

#[test]
fn d_10_a_consumer_that_looks_again_sees_by_the_version_that_the_client_is_back() {
    let presence = presence();
    let device = client("esp32");
    presence.note(START, &connected(&device));
    let duplicate = gone(&device, DisconnectReason::DuplicateClientId);
    let ended = version(&presence, START + 1, &duplicate);
    let begun = version(&presence, START + 2, &connected(&device));
    assert!(begun > ended, "in whatever order they arrive");
}

#[test]
fn clients_that_are_long_gone_are_forgotten_and_those_that_are_there_are_not() {
    let presence = presence();
    let stays = client("stays");
    presence.note(START, &connected(&stays));
    for number in 0..2 * SWEEP_FROM as u64 {
        let device = client(&format!("client{number}"));
        let unix = START + number * FORGET_AFTER;
        presence.note(unix, &connected(&device));
        presence.note(unix, &gone(&device, DisconnectReason::ConnectionLost));
    }
    assert!(presence.known.lock().unwrap().clients.len() <= SWEEP_FROM);
    let unix = START + 5000 * FORGET_AFTER;
    let lost = gone(&stays, DisconnectReason::ConnectionLost);
    assert_eq!(version(&presence, unix, &lost), 0);
}
