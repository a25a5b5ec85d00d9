//! How the numbers of the backoff were chosen: AWS's reconnect cases and a fleet that lost its server, simulated
//! with the library's own [`Backoff`] for many parameters. The result is `docs/reconnect.md`, which this test keeps true;
//! `THINGWIRE_WRITE=1 cargo test -p thingwire-device --test reconnect` writes it anew.

mod cases;
mod fleet;
mod report;

use thingwire_device::{Backoff, Millis};

/// A seeded generator: every run of this test sees the same numbers.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }
}

/// What is varied.
#[derive(Clone, Copy)]
struct Parameters {
    backoff: Backoff,
    /// How long CONNACK may take, in milliseconds.
    connack_limit: u64,
}

impl Parameters {
    const fn new(base: u32, cap: u32, connack_limit: u64) -> Self {
        Self {
            backoff: Backoff {
                base,
                cap,
                stable_after: 30_000,
            },
            connack_limit,
        }
    }

    /// What the library does.
    const CHOSEN: Self = Self::new(
        Backoff::DEFAULT.base,
        Backoff::DEFAULT.cap,
        thingwire_mqtt::client::Session::CONNACK_LIMIT,
    );
}

#[test]
fn the_defaults_pass_aws_s_cases_in_999_of_1000_runs_and_the_page_is_true() {
    let page = report::page();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reconnect.md");
    if std::env::var_os("THINGWIRE_WRITE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/reconnect.md is not what the simulation says; THINGWIRE_WRITE=1 writes it"
    );
    for case in cases::REQUIRED {
        let late = cases::late(case, Parameters::CHOSEN);
        assert!(late * 1_000 <= cases::RUNS, "{}: {late} late", case.name);
    }
}

#[test]
fn a_case_can_fail() {
    // The numbers that devices usually come with.
    let usual = Parameters::new(1_000, 128_000, 10_000);
    assert!(cases::late(&cases::REQUIRED[1], usual) * 2 > cases::RUNS);
}

#[test]
fn a_fleet_spreads() {
    let waves = fleet::reconnects(Parameters::CHOSEN, 60_000);
    let most = waves.iter().max().unwrap();
    assert!(*most <= 1_000, "{most} CONNECTs in one second");
    assert_eq!(waves.iter().sum::<u32>(), fleet::DEVICES);
}

fn milliseconds(seconds: u64) -> Millis {
    Millis(seconds * 1_000)
}
