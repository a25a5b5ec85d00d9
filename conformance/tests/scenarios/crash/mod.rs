//! `kill -9` in a loop under load: what was answered with success is there afterwards, and nothing else is.
//!
//! While one thread publishes QoS 1 to a persistent session that is offline, another publishes retained
//! messages, and a third makes things, certificates and policies. At a seeded moment the cloud is killed.
//! After the restart everything that was acknowledged must be there; what was sent and not acknowledged may be.
//! A killed process cannot show a missing fsync: the store's own tests do that.

mod check;
mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use thingwire_conformance::{Cloud, Ready};
use thingwire_mqtt::Version::V311;

use crate::bad_bytes::Seeded;
use crate::wire::Wire;

/// How often the cloud is killed.
const KILLS: u32 = 30;
/// Topics with a retained message.
const RETAINED: u32 = 8;
/// The topic of the offline session.
const QUEUE: &str = "crash/queue";

/// What was sent and what was acknowledged, over all crashes.
#[derive(Default)]
struct Ledger {
    sent: BTreeSet<u32>,
    acknowledged: BTreeSet<u32>,
    received: BTreeSet<u32>,
    /// By topic number.
    retained: BTreeMap<u32, Retained>,
    made: Made,
}

/// What a topic may hold.
#[derive(Default)]
struct Retained {
    /// The last value that was acknowledged.
    acknowledged: Option<u32>,
    /// Values sent after it.
    later: Vec<u32>,
}

/// What the control plane said it has made.
#[derive(Default)]
struct Made {
    things: BTreeSet<String>,
    certificates: BTreeSet<String>,
    policies: BTreeSet<String>,
}

#[test]
fn what_was_acknowledged_survives_thirty_kills_under_load() {
    let mut cloud = Cloud::start();
    let mut ledger = Ledger::default();
    let mut seeded = Seeded(0x6b69_6c6c);

    let mut away = subscriber(&cloud.ready, false);
    assert_eq!(away.subscribe(QUEUE), 1);
    drop(away);

    for kill in 0..KILLS {
        let moment = Duration::from_millis(30 + seeded.next() % 300);
        load_and_kill(&mut cloud, &mut ledger, kill, moment);
        cloud.start_again();
        check::registry(&cloud.ready, &ledger.made);
        check::retained(&cloud.ready, &ledger);
        check::queue(&cloud.ready, &mut ledger);
    }

    let Ledger {
        sent,
        acknowledged,
        received,
        retained,
        made,
    } = ledger;
    let Made {
        things,
        certificates,
        policies,
    } = made;
    println!(
        "{KILLS} kills: {} published, {} acknowledged, {} received; {} things, {} certificates, {} policies",
        sent.len(),
        acknowledged.len(),
        received.len(),
        things.len(),
        certificates.len(),
        policies.len()
    );
    // A test that had no load would prove nothing.
    assert!(
        acknowledged.len() > 1000
            && things.len() > 30
            && certificates.len() > 30
            && policies.len() > 30
    );
    assert!(retained.values().all(|topic| topic.acknowledged.is_some()));
    assert_eq!(retained.len(), RETAINED as usize);
}

/// The persistent session: MQTT 3.1.1, clean session 0 (B-23). It must be there unless this is its beginning.
fn subscriber(ready: &Ready, there: bool) -> Wire {
    let (wire, present) = Wire::session(ready, &ready.operator_kit, "operator-away", V311, false);
    assert_eq!(present, there, "session present");
    wire
}

fn load_and_kill(cloud: &mut Cloud, ledger: &mut Ledger, kill: u32, moment: Duration) {
    let from = kill * 1_000_000;
    let ready = cloud.ready.clone();
    let (queue, retained, made) = thread::scope(|scope| {
        // The clock starts when both are connected.
        let (connected, both) = mpsc::channel();
        let also = connected.clone();
        let queue = scope.spawn(|| load::publish(&ready, "operator-queue", from, false, connected));
        let retained = scope.spawn(|| load::publish(&ready, "operator-retain", from, true, also));
        let made = scope.spawn(|| load::make(&ready, kill));
        assert_eq!(both.iter().take(2).count(), 2, "both connect");
        thread::sleep(moment);
        cloud.kill();
        let none = "no panic under load";
        (
            queue.join().expect(none),
            retained.join().expect(none),
            made.join().expect(none),
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
    ledger.made.things.extend(made.things);
    ledger.made.certificates.extend(made.certificates);
    ledger.made.policies.extend(made.policies);
}
