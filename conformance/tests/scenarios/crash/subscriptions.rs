//! A session whose subscriptions change until the cloud is gone, and a model of them: the last acknowledged state, and the one
//! change that may have happened since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;

use serde_json::Value;
use thingwire_conformance::{Cloud, Ready, finish};
use thingwire_mqtt::Version::V311;
use thingwire_mqtt::{Packet, PacketId, Unsubscribe, UnsubscribeFilters};

use crate::STEP;
use crate::wire::{Came, Wire, bytes, subscribe};

const CLIENT: &str = "operator-changing";
/// So many filters come and go.
const FILTERS: u64 = 7;

/// What is known of the session.
#[derive(Default)]
pub(super) struct Known {
    filters: BTreeSet<String>,
    /// Sent and not acknowledged: the filter, and whether it was a SUBSCRIBE.
    asked: Option<(String, bool)>,
    /// How many changes were acknowledged.
    pub(super) acknowledged: u64,
}

impl Known {
    /// Says that it is connected, and changes one filter after the other until the cloud is gone.
    pub(super) fn change(&mut self, ready: &Ready, kill: u64, connected: Sender<()>) {
        let (mut wire, present) = Wire::session(ready, &ready.operator_kit, CLIENT, V311, false);
        assert_eq!(
            present,
            kill > 0,
            "the session is there unless this is its beginning"
        );
        connected.send(()).expect("the test listens");
        drop(connected);
        for number in kill.. {
            let filter = format!("crash/changing/{}", number % FILTERS);
            let add = !self.filters.contains(&filter);
            self.asked = Some((filter.clone(), add));
            let packet = if add {
                subscribe(&[&filter], V311)
            } else {
                let filters = [filter.as_str()];
                let packet = Packet::Unsubscribe(Unsubscribe {
                    packet_id: PacketId::FIRST,
                    filters: UnsubscribeFilters::List(&filters),
                    properties: thingwire_mqtt::Properties::EMPTY,
                });
                bytes(&packet, V311)
            };
            if !wire.try_send(&packet) {
                return;
            }
            let Came::Packet(answer) = wire.next() else {
                return;
            };
            assert_eq!(answer[0], if add { 0x90 } else { 0xB0 }, "{answer:02x?}");
            self.settle(true);
            self.acknowledged += 1;
        }
    }

    /// The change that was asked for happened, or it did not.
    fn settle(&mut self, happened: bool) {
        let Some((filter, add)) = self.asked.take().filter(|_| happened) else {
            return;
        };
        if add {
            self.filters.insert(filter);
        } else {
            self.filters.remove(&filter);
        }
    }

    /// What lies on the disk beside what is known; what may have happened is known afterwards.
    pub(super) fn compare(&mut self, cloud: &Cloud) {
        let mut export = cloud.command();
        export
            .args(["store", "export", "--data-dir"])
            .arg(cloud.data_dir());
        let text = finish(&mut export, STEP).success();
        let mut sessions = BTreeMap::new();
        let mut found = BTreeSet::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            match line["table"].as_str() {
                Some("broker.sessions") => {
                    sessions.insert(line["clientId"].to_string(), line["session"].as_u64());
                }
                Some("broker.subscriptions")
                    if sessions.get(&format!("{CLIENT:?}")) == Some(&line["session"].as_u64()) =>
                {
                    found.insert(line["filter"].as_str().expect("a filter").to_owned());
                }
                _ => {}
            }
        }
        let happened = self
            .asked
            .as_ref()
            .is_some_and(|(filter, add)| found.contains(filter) == *add);
        self.settle(happened);
        assert_eq!(found, self.filters, "the session's subscriptions");
    }
}
