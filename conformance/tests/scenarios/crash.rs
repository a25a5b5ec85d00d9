//! `kill -9` in a loop under load: what was answered with success is there afterwards, and nothing else is.
//!
//! While one thread publishes QoS 1 to a persistent session that is offline, another publishes retained
//! messages, and a third makes things, certificates and policies. At a seeded moment the cloud is killed.
//! After the restart everything that was acknowledged must be there; what was sent and not acknowledged may be.
//! A killed process cannot show a missing fsync: the store's own tests do that.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use thingwire_conformance::{Cloud, Ready, http};
use thingwire_mqtt::QoS::AtLeastOnce;
use thingwire_mqtt::Version::{V5, V311};

use crate::bad_bytes::Seeded;
use crate::wire::{Came, Wire, body, publish_as, subscribe};

/// How often the cloud is killed.
const KILLS: u64 = 30;
/// PUBLISH packets under way without their PUBACK.
const IN_FLIGHT: usize = 16;
/// Topics with a retained message.
const RETAINED: u32 = 8;

/// What was sent and what was acknowledged, over all crashes.
#[derive(Default)]
struct Ledger {
    sent: BTreeSet<u32>,
    acknowledged: BTreeSet<u32>,
    received: BTreeSet<u32>,
    /// By topic number.
    retained: BTreeMap<u32, Retained>,
    things: BTreeSet<String>,
    certificates: BTreeSet<String>,
    policies: BTreeSet<String>,
}

/// What a topic may hold.
#[derive(Default)]
struct Retained {
    /// The last value that was acknowledged.
    acknowledged: Option<u32>,
    /// Values sent after it.
    later: Vec<u32>,
}

/// What one round of load did before the cloud went away.
#[derive(Default)]
struct Round {
    sent: Vec<u32>,
    acknowledged: Vec<u32>,
}

#[test]
fn what_was_acknowledged_survives_thirty_kills_under_load() {
    let mut cloud = Cloud::start();
    let mut ledger = Ledger::default();
    let mut seeded = Seeded(0x6b69_6c6c);

    let (mut away, _) = subscriber(&cloud.ready, true);
    assert_eq!(away.subscribe("crash/queue"), 1);
    drop(away);

    for kill in 0..KILLS {
        let moment = Duration::from_millis(30 + seeded.next() % 300);
        load_and_kill(&mut cloud, &mut ledger, kill, moment);
        cloud.start_again();
        check_registry(&cloud.ready, &ledger);
        check_retained(&cloud.ready, &ledger);
        check_queue(&cloud.ready, &mut ledger, kill);
    }

    // A test that had no load would prove nothing.
    assert!(
        ledger.acknowledged.len() > 1000,
        "only {} publishes were acknowledged",
        ledger.acknowledged.len()
    );
    assert!(
        ledger.things.len() > 30,
        "only {} things were made",
        ledger.things.len()
    );
    assert!(
        ledger.certificates.len() >= 10,
        "only {} certificates were made",
        ledger.certificates.len()
    );
    let retained = ledger
        .retained
        .values()
        .filter(|topic| topic.acknowledged.is_some())
        .count();
    assert_eq!(retained, RETAINED as usize);
    println!(
        "{KILLS} kills: {} published, {} acknowledged, {} received; {} things, {} certificates, {} policies",
        ledger.sent.len(),
        ledger.acknowledged.len(),
        ledger.received.len(),
        ledger.things.len(),
        ledger.certificates.len(),
        ledger.policies.len()
    );
}

/// The persistent session: 3.1.1, clean session 0 (B-23).
fn subscriber(ready: &Ready, first: bool) -> (Wire, bool) {
    let (wire, present) = Wire::session(ready, &ready.operator_kit, "operator-away", V311, false);
    assert_eq!(present, !first, "the session is not what it was");
    (wire, present)
}

fn load_and_kill(cloud: &mut Cloud, ledger: &mut Ledger, kill: u64, moment: Duration) {
    let from = u32::try_from(kill).expect("small") * 1_000_000;
    let ready = cloud.ready.clone();
    let (queue, retained, made) = thread::scope(|scope| {
        let queue = scope.spawn(|| {
            load(
                &ready,
                "operator-queue",
                from,
                |_| "crash/queue".to_owned(),
                false,
            )
        });
        let retained = scope.spawn(|| {
            load(
                &ready,
                "operator-retain",
                from,
                |number| format!("crash/retained/{}", number % RETAINED),
                true,
            )
        });
        let made = scope.spawn(|| make(&ready, kill));
        thread::sleep(moment);
        cloud.kill();
        (
            queue.join().expect("no panic"),
            retained.join().expect("no panic"),
            made.join().expect("no panic"),
        )
    });

    ledger.sent.extend(queue.sent);
    ledger.acknowledged.extend(queue.acknowledged);
    let acknowledged: BTreeSet<u32> = retained.acknowledged.into_iter().collect();
    for number in retained.sent {
        let topic = ledger.retained.entry(number % RETAINED).or_default();
        if acknowledged.contains(&number) {
            *topic = Retained {
                acknowledged: Some(number),
                later: Vec::new(),
            };
        } else {
            topic.later.push(number);
        }
    }
    ledger.things.extend(made.0);
    ledger.certificates.extend(made.1);
    ledger.policies.extend(made.2);
}

/// Publishes numbered messages until the cloud is gone. A connection that fails to open is no load, and fine.
fn load(
    ready: &Ready,
    client_id: &str,
    from: u32,
    topic: impl Fn(u32) -> String,
    retain: bool,
) -> Round {
    let mut round = Round::default();
    let (mut wire, _) = Wire::session(ready, &ready.operator_kit, client_id, V5, true);
    let mut number = from;
    loop {
        while round.sent.len() - round.acknowledged.len() < IN_FLIGHT {
            number += 1;
            let id = packet_id(number);
            round.sent.push(number);
            let packet = publish_as(
                id,
                &topic(number),
                &number.to_be_bytes(),
                AtLeastOnce,
                retain,
                V5,
            );
            if !wire.try_send(&packet) {
                return round;
            }
        }
        let Came::Packet(packet) = wire.next() else {
            return round;
        };
        assert_eq!(packet[0], 0x40, "{packet:02x?}");
        assert!(
            body(&packet).get(2).is_none_or(|code| *code == 0),
            "{packet:02x?}"
        );
        let id = u16::from_be_bytes([body(&packet)[0], body(&packet)[1]]);
        let sent = round
            .sent
            .iter()
            .rev()
            .take(2 * IN_FLIGHT)
            .find(|number| packet_id(**number) == id);
        round
            .acknowledged
            .push(*sent.expect("a PUBACK for something that was sent"));
    }
}

fn packet_id(number: u32) -> u16 {
    u16::try_from(number % 60_000 + 1).expect("below 60,001")
}

type Made = (Vec<String>, Vec<String>, Vec<String>);

/// Makes things, certificates and policies until the cloud is gone; answers those whose creation was answered.
fn make(ready: &Ready, kill: u64) -> Made {
    let mut made = Made::default();
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .and_then(|request| request.pem());
    let request =
        serde_json::json!({ "certificateSigningRequest": request.expect("a request") }).to_string();
    let policy =
        serde_json::json!({ "policyDocument": r#"{"Version":"2012-10-17","Statement":[]}"#.replace(
        "[]",
        r#"[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]"#,
    ) })
        .to_string();
    for number in 0.. {
        let name = format!("crash-{kill}-{number}");
        match http(ready, "POST", &format!("/things/{name}"), &[], "{}") {
            Ok((200, _)) => made.0.push(name.clone()),
            Ok((status, body)) => panic!("{status} {body}"),
            Err(_) => break,
        }
        match http(
            ready,
            "POST",
            "/certificates?setAsActive=true",
            &[],
            &request,
        ) {
            Ok((200, body)) => {
                let certificate: Value = serde_json::from_str(&body).expect("JSON");
                made.1.push(
                    certificate["certificateId"]
                        .as_str()
                        .expect("an id")
                        .to_owned(),
                );
            }
            Ok((status, body)) => panic!("{status} {body}"),
            Err(_) => break,
        }
        match http(ready, "POST", &format!("/policies/{name}"), &[], &policy) {
            Ok((200, _)) => made.2.push(name),
            Ok((status, body)) => panic!("{status} {body}"),
            Err(_) => break,
        }
    }
    made
}

fn check_registry(ready: &Ready, ledger: &Ledger) {
    let all = |path: &str, list: &str, name: &str, page: &str, token: &str| {
        let mut names = BTreeSet::new();
        let mut next = String::new();
        loop {
            let (status, body) = http(ready, "GET", &format!("{path}?{page}=250{next}"), &[], "")
                .expect("an answer");
            assert_eq!(status, 200, "{body}");
            let body: Value = serde_json::from_str(&body).expect("JSON");
            let entries = body[list].as_array().expect("a list").iter();
            names.extend(entries.map(|entry| entry[name].as_str().expect("a name").to_owned()));
            match body[if token == "marker" {
                "nextMarker"
            } else {
                token
            }]
            .as_str()
            {
                Some(more) => next = format!("&{token}={more}"),
                None => return names,
            }
        }
    };
    let things = all("/things", "things", "thingName", "maxResults", "nextToken");
    let certificates = all(
        "/certificates",
        "certificates",
        "certificateId",
        "pageSize",
        "marker",
    );
    let policies = all("/policies", "policies", "policyName", "pageSize", "marker");
    for (kind, made, there) in [
        ("thing", &ledger.things, things),
        ("certificate", &ledger.certificates, certificates),
        ("policy", &ledger.policies, policies),
    ] {
        let gone: Vec<_> = made.difference(&there).collect();
        assert!(gone.is_empty(), "{kind} acknowledged and gone: {gone:?}");
    }
}

/// Each topic holds its last acknowledged value or one sent after it (B-62).
fn check_retained(ready: &Ready, ledger: &Ledger) {
    let mut wire = Wire::connect(ready, &ready.operator_kit, "operator-look", V311);
    for (topic, values) in &ledger.retained {
        let Some(acknowledged) = values.acknowledged else {
            continue;
        };
        wire.send(&subscribe(&[&format!("crash/retained/{topic}")], V311));
        // SUBACK and the retained message may come in either order.
        let (first, second) = (wire.packet(), wire.packet());
        let message = if first[0] == 0x90 { second } else { first };
        let value = number(&message).expect("a retained message");
        assert!(
            value == acknowledged || values.later.contains(&value),
            "topic {topic} holds {value}; {acknowledged} was acknowledged, later came {:?}",
            values.later
        );
        wire.send(&[
            0x40,
            2,
            message[message.len() - 6],
            message[message.len() - 5],
        ]);
    }
}

/// The session's messages: all that was acknowledged, nothing that was not sent.
fn check_queue(ready: &Ready, ledger: &mut Ledger, kill: u64) {
    let (mut wire, _) = subscriber(ready, false);
    let missing = |ledger: &Ledger| {
        ledger
            .acknowledged
            .difference(&ledger.received)
            .next()
            .copied()
    };
    while let Some(next) = missing(ledger) {
        let Came::Packet(message) = wire.next() else {
            panic!("after kill {kill} the connection ended")
        };
        let value = number(&message)
            .unwrap_or_else(|| panic!("not a message: {message:02x?}, {next} is missing"));
        assert!(
            ledger.sent.contains(&value),
            "{value} was delivered and never published"
        );
        ledger.received.insert(value);
        wire.send(&[
            0x40,
            2,
            message[message.len() - 6],
            message[message.len() - 5],
        ]);
    }
    wire.send(&[0xE0, 0]);
}

/// The number in a QoS 1 PUBLISH; it is the last four bytes, after the packet identifier.
fn number(packet: &[u8]) -> Option<u32> {
    (packet[0] & 0xF6 == 0x32).then(|| {
        packet
            .last_chunk()
            .map(|number| u32::from_be_bytes(*number))
    })?
}
