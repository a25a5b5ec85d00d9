//! Routing beside a naive twin: random subscriptions come and go, random topics are published, and who gets what
//! is compared with asking every subscription in turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use thingwire_mqtt::QoS;
use thingwire_mqtt::topic::{ParentMatch, matches};

use crate::core::routes::{Options, Routes, Subscriber};
use crate::core::slab::{Key, Slab};
use crate::core::topics::Topics;

#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, String, QoS),
    Unsubscribe(usize, String),
    Publish(String),
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just(String::new()),
        Just("$x".to_owned())
    ]
}

fn topic() -> impl Strategy<Value = String> {
    prop::collection::vec(level(), 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a topic is not empty", |topic| !topic.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => level(), 1 => Just("+".to_owned())];
    (prop::collection::vec(level, 0..4), any::<bool>())
        .prop_map(|(mut levels, hash)| {
            if hash || levels.is_empty() {
                levels.push("#".into());
            }
            levels.join("/")
        })
        .prop_filter("a filter is not empty", |filter| !filter.is_empty())
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce)];
    prop_oneof![
        3 => (0..6_usize, prop_oneof![filter(), topic()], qos)
            .prop_map(|(who, filter, qos)| Step::Subscribe(who, filter, qos)),
        2 => (0..6_usize, prop_oneof![filter(), topic()])
            .prop_map(|(who, filter)| Step::Unsubscribe(who, filter)),
        4 => topic().prop_map(Step::Publish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn b_10_b_33_b_34_b_50_the_routes_agree_with_asking_everybody(
        steps in prop::collection::vec(step(), 1..80),
        parent in any::<bool>(),
        remembered in 1..8_usize,
    ) {
        let mut slab = Slab::new();
        let sessions: Vec<Key> = (0..6).map(|_| slab.insert(())).collect();
        let mut routes = Routes::new(parent);
        let mut topics = Topics::new(remembered);
        let mut twin: BTreeMap<(String, Key), QoS> = BTreeMap::new();
        let rule = if parent { ParentMatch::Included } else { ParentMatch::Excluded };
        for step in steps {
            match step {
                Step::Subscribe(who, filter, qos) => {
                    let name: Arc<str> = filter.as_str().into();
                    // One client's subscriptions have options, which takes the longer way.
                    let id = u32::from(who == 0);
                    let options = Options { id, ..Options::default() };
                    routes.insert(&name, sessions[who], qos, options);
                    topics.forget(&filter);
                    twin.insert((filter, sessions[who]), qos);
                }
                Step::Unsubscribe(who, filter) => {
                    routes.remove(&filter, sessions[who]);
                    topics.forget(&filter);
                    twin.remove(&(filter, sessions[who]));
                }
                Step::Publish(topic) => {
                    let mut expected: BTreeMap<Key, QoS> = BTreeMap::new();
                    for ((filter, session), qos) in &twin {
                        if matches(filter, &topic, rule) {
                            let best = expected.entry(*session).or_insert(*qos);
                            *best = (*best).max(*qos);
                        }
                    }
                    let expected: Vec<_> = expected
                        .into_iter()
                        .map(|(session, qos)| Subscriber { session, qos, options: Options::default() })
                        .collect();
                    let place = topics.intern(&topic);
                    prop_assert_eq!(topics.name(place).map(|name| name.to_string()), Some(topic.clone()));
                    let found = topics.take_matches(place, &routes);
                    let plain: Vec<_> = found
                        .list
                        .iter()
                        .map(|one| Subscriber { session: one.session, qos: one.qos, options: Options::default() })
                        .collect();
                    topics.give_back(place, found);
                    prop_assert_eq!(plain, expected, "topic {}", topic);
                }
            }
            prop_assert_eq!(routes.len(), twin.len());
        }
        for (filter, session) in twin.keys() {
            routes.remove(filter, *session);
        }
        prop_assert_eq!(routes.len(), 0);
        prop_assert!(routes.is_bare(), "no node is left behind");
    }
}
