//! The table of phases: a committed picture, and what must hold of it.

use std::fmt::Write as _;

use thingwire_device::supervise::{Input, Phase};

#[test]
fn every_phase_and_input_is_decided() {
    let mut table = format!("{:<12}", "");
    for input in Input::ALL {
        write!(table, "{:<12}", format!("{input:?}")).unwrap();
    }
    for phase in Phase::ALL {
        write!(table, "\n{:<12}", format!("{phase:?}")).unwrap();
        for input in Input::ALL {
            let next = phase.after(input);
            let told = if next == phase {
                "-".into()
            } else {
                format!("{next:?}")
            };
            write!(table, "{told:<12}").unwrap();
        }
    }
    let table: Vec<_> = table.lines().map(str::trim_end).collect();
    let committed: Vec<_> = include_str!("phases.txt").lines().collect();
    assert_eq!(committed, table, "the table is now:\n{}", table.join("\n"));
}

#[test]
fn every_phase_but_the_last_leads_to_connected_and_stop_leads_to_the_end() {
    for start in Phase::ALL {
        let mut reached = vec![start];
        let mut at = 0;
        while let Some(phase) = reached.get(at).copied() {
            for input in Input::ALL {
                let next = phase.after(input);
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
            at += 1;
        }
        assert_eq!(
            reached.contains(&Phase::Connected),
            start != Phase::Stopped,
            "{start:?}"
        );
        // An open transport is left in two steps, everything else in one.
        let stopped = start.after(Input::Stop);
        assert!(
            stopped == Phase::Stopped || stopped.after(Input::Ended) == Phase::Stopped,
            "{start:?}"
        );
    }
}
