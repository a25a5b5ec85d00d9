//! The page: tables and histograms as text.

use std::fmt::Write as _;

use crate::cases::{BEYOND, REQUIRED, RUNS, late};
use crate::{Parameters, fleet};

/// Base, cap and CONNACK limit in milliseconds; the chosen ones first.
const VARIED: [Parameters; 8] = [
    Parameters::CHOSEN,
    Parameters::new(1_000, 128_000, 10_000),
    Parameters::new(1_000, 64_000, 5_000),
    Parameters::new(1_000, 32_000, 10_000),
    Parameters::new(1_000, 16_000, 10_000),
    Parameters::new(1_000, 8_000, 5_000),
    Parameters::new(500, 5_000, 5_000),
    Parameters::new(4_000, 20_000, 5_000),
];

pub(crate) fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    table(&mut page);
    page.push_str(FLEET);
    for (outage, told) in [(0, "is back at once"), (60, "is away for a minute")] {
        let chosen = fleet::reconnects(Parameters::CHOSEN, outage * 1_000);
        write!(
            page,
            "\n### The server {told}\n\nAll are connected after {} s; at most {} in one second.\n\n```text\n",
            chosen.len(),
            chosen.iter().max().unwrap()
        )
        .unwrap();
        histogram(&mut page, &chosen);
        page.push_str("```\n");
    }
    page.push_str(COMPARED);
    for parameters in VARIED {
        let (at_once, minute) = (
            fleet::reconnects(parameters, 0),
            fleet::reconnects(parameters, 60_000),
        );
        let name = name(parameters);
        writeln!(
            page,
            "| {name} | {} | {} s | {} | {} s |",
            at_once.iter().max().unwrap(),
            at_once.len(),
            minute.iter().max().unwrap(),
            minute.len()
        )
        .unwrap();
    }
    page.push_str(CONCLUSION);
    page
}

fn table(page: &mut String) {
    for (number, case) in REQUIRED.iter().chain([&BEYOND]).enumerate() {
        writeln!(page, "{}. {}", number + 1, case.name).unwrap();
    }
    writeln!(
        page,
        "\nRuns of {RUNS} that took longer than 240 s until the last CONNECT:\n\n\
         | base, cap, CONNACK limit | 1 | 2 | 3 | 4 | 5 | 6 |\n|---|---|---|---|---|---|---|"
    )
    .unwrap();
    for parameters in VARIED {
        write!(page, "| {} |", name(parameters)).unwrap();
        for case in REQUIRED.iter().chain([&BEYOND]) {
            let share = f64::from(late(case, parameters)) * 100.0 / f64::from(RUNS);
            write!(page, " {share:.2} % |").unwrap();
        }
        page.push('\n');
    }
}

fn name(parameters: Parameters) -> String {
    let seconds = |milliseconds: u64| format!("{} s", milliseconds as f64 / 1_000.0);
    let text = format!(
        "{}, {}, {}",
        seconds(parameters.backoff.base.into()),
        seconds(parameters.backoff.cap.into()),
        seconds(parameters.connack_limit)
    );
    let chosen = Parameters::CHOSEN;
    if parameters.backoff == chosen.backoff && parameters.connack_limit == chosen.connack_limit {
        format!("**{text}**")
    } else {
        text
    }
}

fn histogram(page: &mut String, waves: &[u32]) {
    let most = *waves.iter().max().unwrap();
    for (second, count) in waves.iter().enumerate() {
        let width = (count * 60).div_ceil(most.max(1)) as usize;
        let line = format!("{second:>3} s {count:>5} {}", "#".repeat(width));
        writeln!(page, "{}", line.trim_end()).unwrap();
    }
}

const INTRODUCTION: &str = "\
# How the reconnect numbers were chosen

This page is written and checked by `crates/device/tests/reconnect`; it is simulated, not measured at AWS.

After a failure a device waits a time uniform in [0, min(cap, base·2ⁿ)] (full jitter), but at least until a second after its
last CONNECT (`B-17`). *n* counts failures since the last connection that lasted 30 s: a CONNACK alone does not start it
again, because a server that accepts and drops at once must see the waits grow as well. It never gives up.

AWS's Device Advisor leaves CONNECTs unanswered, or drops connections, and recommends four minutes for it. Its texts can be
read in several ways; a device should pass each of them in 99.9 % of runs:

";

const FLEET: &str = "
The sixth is stricter than any reading of AWS's texts: 23 CONNECTs in one case. Only a cap of some seconds passes it,
and that is what a fleet pays for below.

## A fleet of 10,000

All lose the server in the same instant. The server takes 3,000 CONNECTs a second, which is AWS's limit for an account
(`B-17`); what comes faster is refused and comes again. How many connect in each second after it is back:
";

const COMPARED: &str = "
### Other numbers

| base, cap, CONNACK limit | most in a second, back at once | all connected | most in a second, after a minute | all connected |
|---|---|---|---|---|
";

const CONCLUSION: &str = "
A server that is back at once is met by everybody within the first second, whatever the cap: the first wait is short so that a single
device that lost its connection is back soon. What exceeds the account's limit spreads over the next seconds. After an outage of a minute the
waits have grown to the cap, and the fleet comes back spread over it.
";
