//! Many lives in a row, and what to do with the one that fails: print its seed and the end of its diary.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Diary;
use crate::life::{Report, live};
use crate::plan::Plan;

/// The environment variable that replays one seed: `THINGWIRE_SEED=7 cargo test -p thingwire-simulation replay -- --nocapture`.
pub const SEED: &str = "THINGWIRE_SEED";

/// Lives the plan; a panic of the library is a failure like any other.
///
/// # Errors
/// What did not hold, and the last lines of the life's diary.
pub fn judge(plan: &Plan) -> Result<Report, String> {
    let quiet = catch_unwind(AssertUnwindSafe(|| live(plan, &Diary::default())));
    if let Ok(Ok(report)) = quiet {
        return Ok(report);
    }
    // The same again, written down.
    let diary = Diary::open();
    let told = catch_unwind(AssertUnwindSafe(|| live(plan, &diary)));
    let what = match told {
        Ok(Ok(_)) => {
            "it failed once and not again: something is not decided by the seed".to_owned()
        }
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("panic: {}", text.unwrap_or_default())
        }
    };
    Err(format!(
        "seed {}, {:?}, {:?}: {what}\n{}",
        plan.seed,
        plan.version,
        plan.part,
        diary.last_lines()
    ))
}

/// Lives of `hours` hours from these seeds.
///
/// # Panics
/// At the first that fails, naming its seed.
#[must_use]
pub fn lives(seeds: Range<u64>, hours: u64) -> Report {
    let mut sum = Report::default();
    for seed in seeds {
        match judge(&Plan::new(seed, hours)) {
            Ok(report) => {
                sum.totals += report.totals;
                sum.attempts += report.attempts;
                sum.connects += report.connects;
                sum.lived += report.lived;
            }
            Err(what) => panic!("{what}\nreplay: {SEED}={seed}"),
        }
    }
    sum
}
