//! Who opens connections and does not finish the TLS handshake: half-open connections, and handshakes that stop.
//!
//! Such a connection is closed after its time and would be worth no line of its own; thousands from one address are an attack. So each
//! address is told of at its first one, and then once a minute with their number. The log does not grow with the
//! attack, nor does the memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often one address is told of.
const PAUSE: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond that, new ones are only counted with the metrics.
const ADDRESSES: usize = 1024;

/// Unfinished handshakes by address.
#[derive(Debug, Default)]
pub(crate) struct Laggards(Mutex<HashMap<IpAddr, Laggard>>);

#[derive(Debug)]
struct Laggard {
    told: Instant,
    since: u64,
}

impl Laggards {
    /// Counts one more. Answers how many there were since the last answer, when it is time to tell.
    pub(crate) fn note(&self, now: Instant, address: IpAddr) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get_mut(&address) {
            one.since = one.since.saturating_add(1);
            if now.saturating_duration_since(one.told) < PAUSE {
                return None;
            }
            one.told = now;
            return Some(std::mem::take(&mut one.since));
        }
        if all.len() >= ADDRESSES {
            all.retain(|_, one| now.saturating_duration_since(one.told) < PAUSE);
        }
        if all.len() >= ADDRESSES {
            return None;
        }
        all.insert(
            address,
            Laggard {
                told: now,
                since: 0,
            },
        );
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_of_at_once_and_then_once_a_minute() {
        let laggards = Laggards::default();
        let (now, address) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        assert_eq!(laggards.note(now, address), Some(1));
        for second in 1..60 {
            let later = now + Duration::from_secs(second);
            assert_eq!(laggards.note(later, address), None);
        }
        assert_eq!(laggards.note(now, IpAddr::from([192, 0, 2, 2])), Some(1));
        assert_eq!(laggards.note(now + PAUSE, address), Some(60));
        assert_eq!(laggards.note(now + PAUSE, address), None);
    }

    #[test]
    fn any_number_of_addresses_takes_bounded_memory() {
        let laggards = Laggards::default();
        let now = Instant::now();
        let address = |number: usize| {
            let [.., a, b, c] = number.to_be_bytes();
            IpAddr::from([10, a, b, c])
        };
        let told = |now, from: usize| {
            (from..from + 2 * ADDRESSES)
                .filter(|number| laggards.note(now, address(*number)).is_some())
                .count()
        };
        assert_eq!(told(now, 0), ADDRESSES);
        // Those of a minute ago make room.
        assert_eq!(told(now + PAUSE, 10 * ADDRESSES), ADDRESSES);
        assert_eq!(laggards.0.lock().unwrap().len(), ADDRESSES);
    }
}
