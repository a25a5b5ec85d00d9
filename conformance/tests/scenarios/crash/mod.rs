//! `kill -9` in a loop under load: what was answered with success is there afterwards, and nothing else is.
//!
//! While one thread publishes QoS 1 to a persistent session that is offline, another publishes retained
//! messages, a third makes things, certificates and policies, and a fourth changes the subscriptions of a session; a client with a
//! Will is connected. At a seeded
//! moment the cloud is killed. Its data must be whole as it lies there (`thingwire store check`), and the session's
//! subscriptions those that were acknowledged. After the restart everything that was acknowledged must be there, and the Will published; what was sent and
//! not acknowledged may be. A killed process cannot show a missing fsync: the store's own tests do that.
//!
//! `cargo xtask soak` runs the same with more kills: THINGWIRE_KILLS and THINGWIRE_SEED.

mod check;
mod load;
mod subscriptions;
mod will;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use thingwire_conformance::{Cloud, Ready};
use thingwire_mqtt::Version::V311;

use crate::bad_bytes::Seeded;
use crate::wire::Wire;

/// How often the cloud is killed, unless THINGWIRE_KILLS says something else.
const KILLS: u64 = 30;
/// What the moments are drawn from, unless THINGWIRE_SEED says something else.
const SEED: u64 = 0x6b69_6c6c;
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
    subscriptions: subscriptions::Known,
}

/// What a topic may hold.
#[derive(Default)]
struct Retained {
    /// The last value that was acknowledged.
    acknowledged: Option<u32>,
    /// Values sent after it.
    later: Vec<u32>,
    /// How many were acknowledged.
    count: u32,
}

/// What the control plane said it has made.
#[derive(Default)]
struct Made {
    things: BTreeSet<String>,
    certificates: BTreeSet<String>,
    policies: BTreeSet<String>,
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number"))
    })
}

#[test]
fn what_was_acknowledged_survives_kills_under_load() {
    let kills = number("THINGWIRE_KILLS", KILLS);
    let seed = number("THINGWIRE_SEED", SEED).max(1);
    let begun = Instant::now();
    let mut cloud = Cloud::start();
    let mut ledger = Ledger::default();
    let mut seeded = Seeded(seed);

    let mut away = subscriber(&cloud.ready, false);
    assert_eq!(away.subscribe(QUEUE), 1);
    drop(away);

    for kill in 0..kills {
        let moment = Duration::from_millis(30 + seeded.next() % 300);
        load_and_kill(&mut cloud, &mut ledger, kill, moment);
        check::whole(&cloud);
        ledger.subscriptions.compare(&cloud);
        cloud.start_again();
        check::registry(&cloud.ready, &ledger.made);
        check::retained(&cloud.ready, &ledger);
        check::queue(&cloud.ready, &mut ledger);
        will::was_published(
            &cloud.ready,
            u32::try_from(kill).expect("at most 4,294 kills"),
        );
        progress(kill + 1, kills, begun);
    }

    let Ledger {
        sent,
        acknowledged,
        received,
        retained,
        made,
        subscriptions,
    } = ledger;
    let Made {
        things,
        certificates,
        policies,
    } = made;
    println!(
        "{kills} kills (seed {seed}) in {} s: {} published, {} acknowledged, {} received; {} retained messages acknowledged; {} changes of \
         subscriptions; {} things, {} certificates, {} policies; nothing acknowledged was lost, nothing came that was not published",
        begun.elapsed().as_secs(),
        sent.len(),
        acknowledged.len(),
        received.len(),
        retained.values().map(|topic| topic.count).sum::<u32>(),
        subscriptions.acknowledged,
        things.len(),
        certificates.len(),
        policies.len()
    );
    // A test that had no load would prove nothing; slow machines have some, too.
    let least = usize::try_from(kills).expect("a few");
    assert!(
        acknowledged.len() > least
            && subscriptions.acknowledged > kills
            && things.len() > least / 2
            && certificates.len() > least / 2
            && policies.len() > least / 2
    );
    assert!(retained.values().all(|topic| topic.acknowledged.is_some()));
    assert_eq!(retained.len(), RETAINED as usize);
}

/// A bar on a terminal.
fn progress(done: u64, all: u64, begun: Instant) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let filled = usize::try_from(done * 40 / all.max(1)).unwrap_or(40);
        let bar = "=".repeat(filled);
        let seconds = begun.elapsed().as_secs();
        let end = if done == all { "\n" } else { "" };
        drop(write!(
            stderr,
            "\r[{bar:<40}] {done} of {all} kills, {seconds} s{end}"
        ));
    }
}

/// The persistent session: MQTT 3.1.1, clean session 0 (B-23). It must be there unless this is its beginning.
fn subscriber(ready: &Ready, there: bool) -> Wire {
    let (wire, present) = Wire::session(ready, &ready.operator_kit, "operator-away", V311, false);
    assert_eq!(present, there, "session present");
    wire
}

fn load_and_kill(cloud: &mut Cloud, ledger: &mut Ledger, kill: u64, moment: Duration) {
    let from = u32::try_from(kill * 1_000_000).expect("at most 4,294 kills");
    let ready = cloud.ready.clone();
    let known = &mut ledger.subscriptions;
    let mortal = will::mortal(&ready, u32::try_from(kill).expect("at most 4,294 kills"));
    let (queue, retained, made) = thread::scope(|scope| {
        // The clock starts when all are connected.
        let (connected, all) = mpsc::channel();
        let (also, third) = (connected.clone(), connected.clone());
        let queue = scope.spawn(|| load::publish(&ready, "operator-queue", from, false, connected));
        let retained = scope.spawn(|| load::publish(&ready, "operator-retain", from, true, also));
        let made = scope.spawn(|| load::make(&ready, kill));
        let changing = scope.spawn(|| known.change(&ready, kill, third));
        assert_eq!(all.iter().take(3).count(), 3, "all connect");
        thread::sleep(moment);
        cloud.kill();
        let none = "no panic under load";
        changing.join().expect(none);
        (
            queue.join().expect(none),
            retained.join().expect(none),
            made.join().expect(none),
        )
    });

    drop(mortal);
    ledger.sent.extend(queue.sent);
    ledger.acknowledged.extend(queue.acknowledged);
    let acknowledged: BTreeSet<u32> = retained.acknowledged.into_iter().collect();
    for number in retained.sent {
        let topic = ledger.retained.entry(number % RETAINED).or_default();
        if acknowledged.contains(&number) {
            *topic = Retained {
                acknowledged: Some(number),
                later: Vec::new(),
                count: topic.count + 1,
            };
        } else {
            topic.later.push(number);
        }
    }
    ledger.made.things.extend(made.things);
    ledger.made.certificates.extend(made.certificates);
    ledger.made.policies.extend(made.policies);
}
