//! AWS's reconnect cases: how many CONNECTs a device must have made within four minutes.

use thingwire_device::Millis;

use crate::{Parameters, Random, milliseconds};

/// Runs for each case and set of parameters.
pub(crate) const RUNS: u32 = 20_000;

/// What AWS recommends as the time of a case, in seconds.
const LIMIT: u64 = 240;

/// One reading of one case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// CONNECTs from the start, as `answered(n)` has it, and after which of them the backoff starts again.
    connects: u32,
    answered: fn(u32) -> bool,
    /// Whether the connection before the case was stable, so that it starts with the first wait.
    resets_on_answer: bool,
}

/// The cases a correct client passes, in both readings: whether the CONNACK that AWS gives in the middle is followed by
/// a connection that counts as stable, or by a drop at once.
pub(crate) const REQUIRED: &[Case] = &[
    Case {
        name: "12 CONNECTs, the 6th and 12th answered; the connection in between is stable",
        connects: 12,
        answered: |n| n == 6,
        resets_on_answer: true,
    },
    Case {
        name: "the same, the connection in between is dropped at once",
        connects: 12,
        answered: |n| n == 6,
        resets_on_answer: false,
    },
    Case {
        name: "12 CONNECTs, none answered",
        connects: 12,
        answered: |_| false,
        resets_on_answer: false,
    },
    Case {
        name: "a stable connection is dropped, then 10 CONNECTs, none answered",
        connects: 10,
        answered: |_| false,
        resets_on_answer: false,
    },
    Case {
        name: "10 CONNECTs, each answered and dropped at once",
        connects: 10,
        answered: |_| true,
        resets_on_answer: false,
    },
];

/// Harder than any text of AWS: shown, not required.
pub(crate) const BEYOND: Case = Case {
    name: "12 CONNECTs unanswered, a 13th answered and dropped at once, 10 more unanswered",
    connects: 23,
    answered: |n| n == 13,
    resets_on_answer: false,
};

/// How many runs took longer than four minutes until the last CONNECT.
pub(crate) fn late(case: &Case, parameters: Parameters) -> u32 {
    let mut random = Random::new(1);
    let mut late = 0;
    for _ in 0..RUNS {
        late += u32::from(last_connect(case, parameters, &mut random) > milliseconds(LIMIT));
    }
    late
}

fn last_connect(case: &Case, parameters: Parameters, random: &mut Random) -> Millis {
    let mut now = Millis(0);
    let mut failures = 0;
    for number in 1..case.connects {
        let connect = now;
        if !(case.answered)(number) {
            now = now.after(parameters.connack_limit);
        } else if case.resets_on_answer {
            // It lasts just long enough to count.
            now = now.after(u64::from(parameters.backoff.stable_after));
            failures = 0;
        }
        now = parameters
            .backoff
            .next_at(now, failures, random.next(), Some(connect));
        failures += 1;
    }
    now
}
