//! Connections: a client, its certificate and its thing; and the settings it is judged with.

use std::net::IpAddr;

use thingwire_contract::Partition;
use thingwire_policy::{CERTIFICATE_ATTRIBUTES, Settings, SharedSubscription, UnresolvedDeny};

use super::{ACCOUNT, ODD_VALUES, REGION, word};
use crate::random::Random;
use crate::situation::{Names, Registered, Situation};

const ATTRIBUTES: [&str; 4] = ["location", "version", "env", "a.b/c"];

/// A connection. What belongs to whom is consistent, as a registry keeps it (`C-54`).
pub(crate) fn situation(random: &mut Random) -> Situation {
    let mqtt = random.percent(85);
    let client_id = (mqtt || random.percent(30)).then(|| word(random));
    let mut things: Vec<Registered> = Vec::new();
    let mut thing = |random: &mut Random, name: String, attached: bool, exclusive: bool| {
        if things.iter().all(|thing| thing.name != name) {
            things.push(Registered {
                name,
                type_name: random.percent(40).then(|| word(random)),
                attributes: attributes(random),
                attached,
                exclusive,
            });
        }
    };
    match random.below(10) {
        0 => {}
        1 | 2 => {
            let name = if random.percent(50) {
                client_id.clone().unwrap_or_default()
            } else {
                word(random)
            };
            thing(random, name, true, true);
            if let Some(name) = client_id.clone().filter(|_| random.percent(50)) {
                thing(random, name, false, false);
            }
        }
        3 => {
            if let Some(name) = client_id.clone() {
                thing(random, name, false, false);
            }
            if random.percent(50) {
                let name = word(random);
                thing(random, name, true, false);
            }
        }
        _ => {
            if random.percent(30) {
                let name = word(random);
                thing(random, name, true, false);
            }
            if let Some(name) = client_id.clone() {
                thing(random, name, true, false);
            }
        }
    }
    Situation {
        partition: match random.below(25) {
            0 => Partition::China,
            1 => Partition::GovCloud,
            _ => Partition::Aws,
        },
        region: REGION.into(),
        account: ACCOUNT.into(),
        mqtt,
        client_id,
        certificate_id: random
            .percent(80)
            .then(|| random.pick(&["ab12", "b", "lamp"]).into()),
        serial_number: random.percent(50).then(|| random.pick(&["01", "a"]).into()),
        subject: names(random),
        issuer: names(random),
        source_ip: random.percent(85).then(|| address(random)),
        domain_name: random.percent(60).then(|| word(random)),
        things,
        persistent: random.percent(40),
        last_will_topic: random.percent(40).then(|| {
            random
                .pick(&["a", "b", "lamp", "a/b", "ä", "a:b", "*", ""])
                .into()
        }),
    }
}

fn address(random: &mut Random) -> IpAddr {
    let text = random.pick(&[
        "192.0.2.7",
        "192.0.2.8",
        "198.51.103.255",
        "2001:db8::1",
        "2001:db9::1",
    ]);
    text.parse().expect("an address")
}

fn attributes(random: &mut Random) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    for name in ATTRIBUTES {
        if random.percent(55) {
            attributes.push((name.to_string(), value(random)));
        }
    }
    attributes
}

fn value(random: &mut Random) -> String {
    match random.below(40) {
        0 => "v".repeat(1024),
        1 => "v".repeat(1025),
        2 => "v".repeat(1023) + ",",
        3..22 => random.pick(&ODD_VALUES).to_string(),
        _ => word(random),
    }
}

fn names(random: &mut Random) -> Names {
    let mut names: Names = Vec::new();
    for name in [
        "CommonName",
        "Organization",
        "Country",
        "AlternativeName.DNSName",
    ] {
        if random.percent(60) {
            let count = [1, 1, 2, 3, 5, 6][random.below(6)];
            let values = (0..count).map(|_| value(random)).collect();
            names.push((name, values));
        }
    }
    if random.percent(10) {
        names.push((
            random.pick(&CERTIFICATE_ATTRIBUTES[6..]),
            vec![word(random)],
        ));
        names.dedup_by_key(|(name, _)| *name);
    }
    names
}

pub(crate) fn settings(random: &mut Random) -> Settings {
    // The generator writes actions and keys that nobody knows on purpose.
    let mut settings = Settings {
        accept_unknown_actions: true,
        accept_unknown_condition_keys: true,
        ..Settings::default()
    };
    if random.percent(25) {
        settings.case_sensitive_actions = random.percent(40);
        settings.substituted_wildcards = random.percent(40);
        settings.no_index_zero = random.percent(40);
        settings.thing_variables_outside_mqtt = random.percent(40);
        if random.percent(40) {
            settings.shared_subscription = SharedSubscription::Inner;
        }
        if random.percent(40) {
            settings.unresolved_deny = UnresolvedDeny::Denies;
        }
    }
    settings
}
