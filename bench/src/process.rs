//! What a process has used, from `/proc`.

use std::fs;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Outcome;

/// Linux counts processor time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// The core of a broker that is pinned, and that of who makes its load.
pub(crate) const BROKER: usize = 0;
pub(crate) const GENERATORS: usize = 1;

/// Processor time of all threads, user and system.
pub(crate) fn cpu(id: u32) -> Outcome<Duration> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in parentheses, may hold anything; fields 14 and 15 are counted from the start of the line.
    let (_, fields) = text.rsplit_once(')').ok_or("no name in /proc/…/stat")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<u32>()?;
    }
    Ok(TICK * ticks)
}

/// Resident memory in KiB.
pub(crate) fn resident_kib(id: u32) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .ok_or("no VmRSS in /proc/…/status")?;
    Ok(line
        .split_whitespace()
        .nth(1)
        .ok_or("no figure after VmRSS")?
        .parse()?)
}

/// Keeps this thread, and what it starts from now on, on one core.
pub(crate) fn pin(core: usize) -> Outcome<()> {
    let cores = std::thread::available_parallelism()?;
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| {
        format!("core {core} cannot be had ({error}; {cores} are there); two cores are needed")
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_used_something() {
        let id = std::process::id();
        let before = cpu(id).unwrap();
        let mut sum = 0_u64;
        while cpu(id).unwrap() == before {
            sum = (0..1_000_000_u64).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        assert!(resident_kib(id).unwrap() > 100);
    }
}
