//! Random lives of a broker beside a reference model that is written from the rules and knows nothing of the code: what each
//! client must get after every step, in which order and with which flags.
//!
//! Clients of both versions share their client ids, sessions end and are taken over, groups hand messages on, Wills wait, messages
//! and sessions expire, and the process dies. The disk is quick here, so that the model can be exact; `random.rs` is about a disk
//! that waits and fails. `THINGWIRE_SEED` and `THINGWIRE_CASES` choose other lives; a failure prints its seed and the
//! shortest life that shows it.

mod life;
mod reference;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngSeed, TestCaseError, TestError, TestRunner};
use thingwire_mqtt::RetainHandling;

use super::*;
use crate::Behaviour;
use life::{Life, Sabotage};

/// Client ids that take part.
const CLIENTS: usize = 4;
/// What they are called.
const NAMES: [&str; CLIENTS] = ["zero", "one", "two", "three"];
const TOPICS: [&str; 6] = ["a", "a/b", "c", "s/1", "s/2", "t"];
/// Published to by Wills alone.
const WILL: &str = "w";
/// Filters; what those of groups match, no other one does.
const FILTERS: [&str; 8] = [
    "a",
    "a/b",
    "c",
    "a/+",
    "a/#",
    WILL,
    "$share/g/s/+",
    "$share/h/t",
];

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Connect {
        who: usize,
        how: How,
    },
    Lose {
        who: usize,
    },
    Goodbye {
        who: usize,
        /// Seconds of another Session Expiry Interval, in MQTT 5.
        expiry: Option<u32>,
    },
    Subscribe {
        who: usize,
        filter: usize,
        qos: QoS,
        wish: Wish,
    },
    Unsubscribe {
        who: usize,
        filter: usize,
    },
    Publish {
        /// One of the clients, if it is connected, or a publisher of its own.
        from: usize,
        topic: usize,
        qos: QoS,
        expires: Option<u32>,
        /// As a topic alias, if the publisher sends it.
        alias: bool,
    },
    Retain {
        from: usize,
        topic: usize,
        expires: Option<u32>,
    },
    Clear {
        topic: usize,
    },
    Acknowledge {
        who: usize,
    },
    Pass {
        seconds: u64,
    },
    /// What nobody waits for may be lost.
    Crash,
}

/// The options of a subscription, in MQTT 5.
#[derive(Clone, Copy, Debug)]
struct Wish {
    no_local: bool,
    retain_as_published: bool,
    handling: RetainHandling,
    /// In behaviour `mqtt`.
    identifier: Option<u32>,
}

/// None of them.
const PLAIN: Wish = Wish {
    no_local: false,
    retain_as_published: false,
    handling: RetainHandling::SendAtSubscribe,
    identifier: None,
};

/// A CONNECT.
#[derive(Clone, Copy, Debug)]
struct How {
    five: bool,
    clean: bool,
    /// Seconds of Session Expiry Interval, in MQTT 5.
    expiry: u32,
    /// Receive Maximum, in MQTT 5.
    receive: Option<u16>,
    will: Option<LastWill>,
}

/// A Will.
#[derive(Clone, Copy, Debug)]
struct LastWill {
    qos: QoS,
    /// Seconds, in MQTT 5.
    delay: u32,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..CLIENTS;
    let qos = || prop_oneof![1 => Just(Q0), 3 => Just(Q1)];
    let expires = || prop_oneof![3 => Just(None), 1 => (1..90u32).prop_map(Some)];
    let will = (qos(), prop_oneof![1 => Just(0), 2 => 1..90u32]);
    let will = prop::option::weighted(0.3, will.prop_map(|(qos, delay)| LastWill { qos, delay }));
    let expiry = prop_oneof![1 => Just(0), 2 => Just(60), 2 => Just(3600)];
    let receive = prop::option::weighted(0.4, 1..4u16);
    let how = (
        any::<bool>(),
        prop::bool::weighted(0.2),
        expiry,
        receive,
        will,
    );
    let how = how.prop_map(|(five, clean, expiry, receive, will)| How {
        five,
        clean,
        expiry,
        receive,
        will,
    });
    let handling = prop_oneof![
        2 => Just(RetainHandling::SendAtSubscribe),
        1 => Just(RetainHandling::SendIfNew),
        1 => Just(RetainHandling::DoNotSend),
    ];
    let often = || prop::bool::weighted(0.3);
    let wish = (often(), often(), handling, prop::option::of(1..4u32));
    let wish = wish.prop_map(
        |(no_local, retain_as_published, handling, identifier)| Wish {
            no_local,
            retain_as_published,
            handling,
            identifier,
        },
    );
    let from = || prop_oneof![1 => 0..CLIENTS, 2 => Just(CLIENTS)];
    let another = prop::option::weighted(0.3, prop_oneof![Just(0), Just(60), Just(3600)]);
    prop_oneof![
        6 => (who.clone(), how).prop_map(|(who, how)| Step::Connect { who, how }),
        2 => who.clone().prop_map(|who| Step::Lose { who }),
        1 => (who.clone(), another).prop_map(|(who, expiry)| Step::Goodbye { who, expiry }),
        6 => (who.clone(), 0..FILTERS.len(), qos(), wish)
            .prop_map(|(who, filter, qos, wish)| Step::Subscribe { who, filter, qos, wish }),
        1 => (who.clone(), 0..FILTERS.len()).prop_map(|(who, filter)| Step::Unsubscribe { who, filter }),
        12 => (from(), 0..TOPICS.len(), qos(), expires(), any::<bool>())
            .prop_map(|(from, topic, qos, expires, alias)| Step::Publish { from, topic, qos, expires, alias }),
        3 => (from(), 0..3usize, expires()).prop_map(|(from, topic, expires)| Step::Retain { from, topic, expires }),
        1 => (0..3usize).prop_map(|topic| Step::Clear { topic }),
        4 => who.prop_map(|who| Step::Acknowledge { who }),
        2 => prop_oneof![1..100u64, 1000..1500u64].prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Crash),
    ]
}

/// One life to its end; what was wrong with it.
fn live(steps: &[Step], behaviour: Behaviour, sabotage: Sabotage) -> Result<(), String> {
    let mut life = Life::new(behaviour, sabotage);
    for (at, step) in steps.iter().enumerate() {
        life.step(*step)
            .map_err(|what| format!("step {at}, {step:?}: {what}"))?;
    }
    life.end()
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number"))
    })
}

/// Many lives; the shortest that goes wrong.
fn lives(sabotage: Sabotage) -> Result<(), String> {
    let seed = number("THINGWIRE_SEED", 7);
    let mut runner = TestRunner::new(Cases {
        cases: u32::try_from(number("THINGWIRE_CASES", 400)).unwrap_or(u32::MAX),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Cases::default()
    });
    let life = (prop::collection::vec(step(), 1..90), any::<bool>());
    let behaviour = |aws| if aws { Behaviour::Aws } else { Behaviour::Mqtt };
    runner
        .run(&life, |(steps, aws)| {
            live(&steps, behaviour(aws), sabotage).map_err(TestCaseError::fail)
        })
        .map_err(|error| match error {
            TestError::Fail(what, (steps, aws)) => format!(
                "{what}\nseed {seed} (THINGWIRE_SEED), {:?}:\n{steps:#?}",
                behaviour(aws)
            ),
            TestError::Abort(why) => why.to_string(),
        })
}

/// B-6, B-23 to B-29, B-33, B-36 to B-38, B-47, B-48, B-58 to B-60, B-62, B-63, B-65, B-68 to B-70, B-73, B-74.
#[test]
fn b_68_everybody_gets_what_the_rules_say_and_nothing_else() {
    if let Err(what) = lives(Sabotage::None) {
        panic!("{what}");
    }
}

/// The test above would be worth nothing if it could not fail: each of these is what a defect looks like from outside.
#[test]
fn the_model_notices_what_is_lost_doubled_misplaced_or_forgotten() {
    for sabotage in [
        Sabotage::LosesAMessageInACrash,
        Sabotage::LosesASubscriptionInACrash,
        Sabotage::ForgetsARetainedMessageInACrash,
        Sabotage::LosesAGroupsMessageInACrash,
        Sabotage::LosesAWillInACrash,
        Sabotage::LosesABodyInACrash,
        Sabotage::SwapsTwoMessages,
        Sabotage::DeliversTwice,
        Sabotage::SwallowsAMessage,
        Sabotage::IgnoresNoLocal,
        Sabotage::IgnoresRetainAsPublished,
        Sabotage::IgnoresRetainHandling,
        Sabotage::LosesIdentifiers,
        Sabotage::IgnoresTheExpiryOfAGoodbye,
        Sabotage::ConfusesAliases,
        Sabotage::IgnoresReceiveMaximum,
    ] {
        assert!(lives(sabotage).is_err(), "{sabotage:?} was not noticed");
    }
}
