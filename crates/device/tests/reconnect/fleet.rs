//! Ten thousand devices that lose their server in the same instant.

use crate::{Parameters, Random};
use thingwire_device::Millis;

pub(crate) const DEVICES: u32 = 10_000;

/// CONNECTs that AWS takes in a second for a whole account (`B-17`).
const SERVER_TAKES: u32 = 3_000;

/// The server is away for `outage` milliseconds; connections are refused at once meanwhile. Answers for each second after
/// it is back how many devices connect. What comes faster than the server takes is refused and comes again.
pub(crate) fn reconnects(parameters: Parameters, outage: u64) -> Vec<u32> {
    let mut random = Random::new(2);
    let mut due: Vec<(Millis, u32)> = (0..DEVICES)
        .map(|_| {
            let first = parameters
                .backoff
                .next_at(Millis(0), 0, random.next(), None);
            (first, 1)
        })
        .collect();
    let mut connected = Vec::new();
    let mut second = 0;
    while !due.is_empty() {
        let end = Millis((second + 1) * 1_000);
        let mut taken = 0;
        due.sort_unstable();
        let mut later = Vec::new();
        for (at, failures) in due {
            let (mut at, mut failures) = (at, failures);
            while at < end {
                if at >= Millis(outage) && taken < SERVER_TAKES {
                    taken += 1;
                    break;
                }
                at = parameters
                    .backoff
                    .next_at(at, failures, random.next(), Some(at));
                failures += 1;
            }
            if at >= end {
                later.push((at, failures));
            }
        }
        due = later;
        if end.0 > outage {
            connected.push(taken);
        }
        second += 1;
    }
    connected
}
