//! Who opens connections and does not finish the TLS handshake: half-open connections, and handshakes that stop.
//!
//! Such a connection is closed after its time and would be worth no line of its own; thousands from one address are an attack. So each
//! address is told of at its first one, and while there are more once a minute with their number, the last of which comes a minute after
//! the attack. The log does not grow with the attack, nor does the memory.

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
    /// Not told yet; as long as there are any, somebody will ask for the [`rest`](Laggards::rest).
    since: u64,
}

/// What is to be said of an unfinished handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// That there was one.
    Now,
    /// Nothing yet: [`Laggards::rest`] is to be asked after this time.
    Later(Duration),
    /// Nothing: it is in the rest that was announced, or there are too many addresses.
    Nothing,
}

impl Laggards {
    /// Counts one more.
    pub(crate) fn note(&self, now: Instant, address: IpAddr) -> Note {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get_mut(&address) {
            let passed = now.saturating_duration_since(one.told);
            if one.since == 0 && passed >= PAUSE {
                one.told = now;
                return Note::Now;
            }
            one.since = one.since.saturating_add(1);
            if one.since == 1 {
                return Note::Later(PAUSE.saturating_sub(passed));
            }
            return Note::Nothing;
        }
        if all.len() >= ADDRESSES {
            all.retain(|_, one| one.since > 0 || now.saturating_duration_since(one.told) < PAUSE);
        }
        if all.len() >= ADDRESSES {
            return Note::Nothing;
        }
        let told = now;
        all.insert(address, Laggard { told, since: 0 });
        Note::Now
    }

    /// How many of an address were not told of yet. They are now.
    pub(crate) fn rest(&self, now: Instant, address: IpAddr) -> u64 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(one) = all.get_mut(&address) else {
            return 0;
        };
        one.told = now;
        std::mem::take(&mut one.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_of_at_once_and_then_once_a_minute_until_all_are() {
        let laggards = Laggards::default();
        let (now, address) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(laggards.note(now, address), Note::Now);
        let rest = Note::Later(Duration::from_secs(59));
        assert_eq!(laggards.note(after(1), address), rest);
        for second in 2..60 {
            assert_eq!(laggards.note(after(second), address), Note::Nothing);
        }
        let other = IpAddr::from([192, 0, 2, 2]);
        assert_eq!(laggards.note(now, other), Note::Now);
        // The attack is over, and its number is told.
        assert_eq!(laggards.rest(after(60), address), 59);
        assert_eq!(laggards.rest(after(60), other), 0);
        let rest = Note::Later(Duration::from_secs(50));
        assert_eq!(laggards.note(after(70), address), rest);
        assert_eq!(laggards.rest(after(120), address), 1);
        assert_eq!(laggards.note(after(180), address), Note::Now);
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
                .filter(|number| laggards.note(now, address(*number)) == Note::Now)
                .count()
        };
        assert_eq!(told(now, 0), ADDRESSES);
        // One with something untold stays; those of a minute ago make room.
        assert_ne!(laggards.note(now, address(0)), Note::Nothing);
        assert_eq!(told(now + PAUSE, 10 * ADDRESSES), ADDRESSES - 1);
        assert_eq!(laggards.rest(now + PAUSE, address(0)), 1);
        assert_eq!(laggards.0.lock().unwrap().len(), ADDRESSES);
    }
}
