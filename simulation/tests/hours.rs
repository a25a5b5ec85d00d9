//! Ten thousand hours of devices' lives: whatever happens, what was promised is kept.
//!
//! Two hundred lives of fifty hours in eight parts, so that a test runner can spread them. A failure names its seed;
//! `THINGWIRE_SEED=<seed> cargo test -p thingwire-simulation --test hours replay -- --nocapture` tells that life again.

use thingwire_simulation::{Plan, SEED, judge, lives};

/// Hours of each life.
const HOURS: u64 = 50;

/// Lives in each part.
const LIVES: u64 = 25;

fn part(number: u64) {
    let began = std::time::Instant::now();
    let report = lives(number * LIVES..(number + 1) * LIVES, HOURS);
    eprintln!(
        "{} hours in {:?}: {} attempts, {} connections; {}",
        report.lived / 3_600_000,
        began.elapsed(),
        report.attempts,
        report.connects,
        report.totals
    );
    assert!(report.lived >= HOURS * LIVES * 3_600_000);
    // The lives were lives: much was sent, and connections were lost all the time.
    assert!(report.totals.delivered > HOURS * LIVES);
    assert!(report.connects > HOURS * LIVES);
}

#[test]
fn lives_1() {
    part(0);
}

#[test]
fn lives_2() {
    part(1);
}

#[test]
fn lives_3() {
    part(2);
}

#[test]
fn lives_4() {
    part(3);
}

#[test]
fn lives_5() {
    part(4);
}

#[test]
fn lives_6() {
    part(5);
}

#[test]
fn lives_7() {
    part(6);
}

#[test]
fn lives_8() {
    part(7);
}

/// One seed again, by hand.
#[test]
fn replay() {
    let Some(seed) = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()) else {
        return;
    };
    let plan = Plan::new(seed, HOURS);
    match judge(&plan) {
        Ok(report) => eprintln!(
            "seed {seed}, {:?}, {:?}: {}",
            plan.version, plan.part, report.totals
        ),
        Err(what) => panic!("{what}"),
    }
}
