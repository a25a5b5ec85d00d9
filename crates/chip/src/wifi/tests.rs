//! The supervisor in simulated time: traces, and a house whose access points come and go.

extern crate std;

use std::format;
use std::vec::Vec;

use super::*;

const MIDDLE: u32 = u32::MAX / 2;

#[test]
fn a_network_is_joined_and_kept() {
    let mut wifi = Supervisor::new(1, 0);
    assert_eq!(wifi.step(0), Step::Join { network: 0 });
    wifi.joined(900);
    assert_eq!(
        wifi.step(900),
        Step::Address {
            until: 900 + ADDRESS_LIMIT
        }
    );
    wifi.addressed(1_500);
    assert_eq!(wifi.step(1_500), Step::Watch);
    assert_eq!(wifi.state(), WifiState::Online);
    assert_eq!(wifi.network(), Some(0));
    assert_eq!((wifi.since(), wifi.joins(), wifi.losses()), (1_500, 1, 0));
}

#[test]
fn without_networks_it_rests_until_there_are_some() {
    let mut wifi = Supervisor::new(0, 0);
    assert_eq!(wifi.step(0), Step::Rest);
    wifi.failed(Trouble::Radio, 10, 0);
    assert_eq!(wifi.step(1_000_000), Step::Rest);
    wifi.changed(2, 1_000_000);
    assert_eq!(wifi.step(1_000_000), Step::Join { network: 0 });
}

#[test]
fn the_others_are_tried_at_once_and_a_round_ends_in_a_wait() {
    let mut wifi = Supervisor::new(3, 0);
    for network in 0..3 {
        assert_eq!(wifi.step(5), Step::Join { network });
        wifi.failed(Trouble::NoSuchNetwork, 5, MIDDLE);
    }
    let Step::Wait { until } = wifi.step(5) else {
        panic!("{wifi:?}");
    };
    assert!((5 + FIRST_WAIT / 2..=5 + FIRST_WAIT).contains(&until));
    assert_eq!(wifi.step(until), Step::Join { network: 0 });
    assert_eq!(wifi.trouble(), Some((2, Trouble::NoSuchNetwork)));
}

#[test]
fn no_address_counts_as_a_failure_of_that_network() {
    let mut wifi = Supervisor::new(2, 0);
    wifi.joined(10);
    wifi.failed(Trouble::NoAddress, 10 + ADDRESS_LIMIT, 0);
    assert_eq!(wifi.step(20_000), Step::Join { network: 1 });
}

#[test]
fn a_good_network_that_is_lost_is_joined_again_at_once() {
    let mut wifi = Supervisor::new(2, 0);
    wifi.failed(Trouble::NoSuchNetwork, 0, 0);
    wifi.joined(1);
    wifi.addressed(2);
    wifi.failed(Trouble::SignalLost, 2 + STABLE_AFTER, 0);
    assert_eq!(wifi.step(2 + STABLE_AFTER), Step::Join { network: 1 });
    assert_eq!(wifi.losses(), 1);
}

#[test]
fn a_network_that_is_lost_again_and_again_makes_it_wait_longer_and_longer() {
    let mut wifi = Supervisor::new(1, 0);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..10 {
        assert_eq!(wifi.step(now), Step::Join { network: 0 });
        wifi.joined(now);
        wifi.addressed(now);
        wifi.failed(Trouble::SentAway, now, u32::MAX);
        if let Step::Wait { until } = wifi.step(now) {
            waits.push(until - now);
            now = until;
        }
    }
    assert_eq!(
        waits,
        [
            1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000
        ]
    );
}

#[test]
fn the_wait_is_at_least_half_of_what_it_may_be() {
    assert_eq!(wait(0, 0), FIRST_WAIT / 2);
    assert_eq!(wait(200, 0), LONGEST_WAIT / 2);
    assert_eq!(wait(200, u32::MAX), LONGEST_WAIT);
}

#[test]
fn a_new_list_is_begun_from_its_first_network_whatever_was_before() {
    let mut wifi = Supervisor::new(1, 0);
    wifi.joined(1);
    wifi.addressed(2);
    wifi.changed(2, 3);
    assert_eq!(wifi.step(3), Step::Join { network: 0 });
    assert_eq!((wifi.joins(), wifi.trouble()), (1, None));
}

#[test]
fn what_comes_too_late_changes_nothing() {
    let mut wifi = Supervisor::new(1, 0);
    wifi.addressed(1);
    assert_eq!(wifi.step(1), Step::Join { network: 0 });
    wifi.failed(Trouble::Refused, 1, 0);
    let waiting = wifi.step(1);
    wifi.joined(2);
    wifi.addressed(2);
    wifi.failed(Trouble::Radio, 2, 0);
    assert_eq!(wifi.step(1), waiting);
}

/// Seeded chance.
struct Chance(u32);

impl Chance {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (u64::from(self.next()) * limit) >> 32
    }
}

/// An access point that comes and goes.
#[derive(Clone, Copy)]
struct AccessPoint {
    up_since: Option<u64>,
    until: u64,
}

/// A month in a house with three access points that come and go: whenever one of them has been there for three rounds
/// and the longest waits between them, the device is on a network, or was a moment ago. DHCP fails now and then.
#[test]
fn a_month_of_coming_and_going() {
    const MONTH: u64 = 30 * 24 * 3_600_000;
    const PATIENCE: u64 = 3 * 3 * (JOIN_LIMIT + ADDRESS_LIMIT) + 2 * LONGEST_WAIT;
    for seed in 1..=8 {
        let mut chance = Chance(seed);
        let mut house = [AccessPoint {
            up_since: None,
            until: 0,
        }; 3];
        let mut wifi = Supervisor::new(3, 0);
        let (mut now, mut online, mut used, mut joins) = (0, 0, 0, 0);
        let mut unlucky = false;
        while now < MONTH {
            for point in &mut house {
                if point.until <= now {
                    point.up_since = (chance.below(3) == 0).then_some(now);
                    point.until = now + 1 + chance.below(7_200_000);
                }
            }
            match wifi.step(now) {
                Step::Rest => panic!("it rests with networks in its list"),
                Step::Join { network } => {
                    used = network;
                    now += 200 + chance.below(JOIN_LIMIT - 200);
                    if house[network].up_since.is_some() {
                        wifi.joined(now);
                    } else {
                        wifi.failed(Trouble::NoSuchNetwork, now, chance.next());
                    }
                }
                Step::Address { until } => {
                    if !unlucky && chance.below(10) == 0 {
                        unlucky = true;
                        now = until;
                        wifi.failed(Trouble::NoAddress, now, chance.next());
                    } else {
                        now += chance.below(until - now);
                        wifi.addressed(now);
                        unlucky = false;
                        joins += 1;
                    }
                }
                Step::Watch if house[used].up_since.is_none() => {
                    wifi.failed(Trouble::SignalLost, now, chance.next());
                }
                Step::Watch => {
                    now = house.iter().map(|point| point.until).min().unwrap_or(now);
                    online = now;
                }
                Step::Wait { until } => {
                    assert!(until > now && until - now <= LONGEST_WAIT);
                    now = until;
                }
            }
            let there = |point: &AccessPoint| {
                point.up_since.is_some_and(|since| since + PATIENCE < now) && point.until > now
            };
            assert!(
                !house.iter().any(there) || online + PATIENCE > now,
                "seed {seed}, at {now}: {wifi:?}"
            );
        }
        assert!(joins > 100, "seed {seed}: {joins}");
        assert_eq!(wifi.joins(), joins);
    }
}

#[test]
fn every_reason_is_one_readable_line() {
    let say = |reason, joined| {
        let failure = WifiFailure {
            ssid: "home",
            trouble: Trouble::from_reason(reason, joined),
            code: Some(reason),
        };
        format!("{failure}")
    };
    assert_eq!(
        say(201, false),
        "Wi-Fi `home`: no network of this name is in reach; is the name right, and does it send on 2.4 GHz? (reason 201)"
    );
    for reason in [15, 202, 204] {
        assert!(say(reason, false).contains("the password is wrong, most likely"));
    }
    assert!(say(211, false).contains("wants other security"));
    assert!(say(200, true).contains("not heard any more"));
    assert!(say(3, true).contains("sent this device away"));
    for reason in 0..=u16::MAX {
        let line = say(reason, reason % 2 == 0);
        assert!(!line.contains('\n') && line.ends_with(&format!("(reason {reason})")));
    }
}
