//! How long to wait before the next attempt: full jitter, for ever.

use crate::Millis;

/// When to try again.
///
/// Attempt *n* after a failure waits a time uniform in \[0, min(cap, base·2ⁿ)\], but at least until
/// [`MIN_BETWEEN_CONNECTS`](Self::MIN_BETWEEN_CONNECTS) after the last CONNECT (`B-17`). It never gives
/// up. A CONNACK does not reset *n*: only a connection that lasted [`stable_after`](Self::stable_after)
/// does, because a server that accepts and drops at once must see the waits grow as well.
///
/// The defaults let a device make twelve unanswered CONNECTs, and again ten after a drop, within the
/// time AWS's qualification gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest first wait, in milliseconds.
    pub base: u32,
    /// Longest wait of all, in milliseconds.
    pub cap: u32,
    /// How long a connection must have lasted to start again with `base`, in milliseconds.
    pub stable_after: u32,
}

impl Backoff {
    /// One CONNECT a second for each client id is what AWS takes (`B-17`), in milliseconds.
    pub const MIN_BETWEEN_CONNECTS: u64 = 1_000;

    /// Base 1 s, cap 32 s, stable after 30 s.
    pub const DEFAULT: Self = Self {
        base: 1_000,
        cap: 32_000,
        stable_after: 30_000,
    };

    /// The longest wait before attempt `attempt`, the first failure being 0.
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> u32 {
        // From 2³² on the cap has long been reached.
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// When the next attempt may begin, `random` being uniform over all 32 bits.
    #[must_use]
    pub fn next_at(
        &self,
        now: Millis,
        attempt: u32,
        random: u32,
        last_connect: Option<Millis>,
    ) -> Millis {
        let span = u64::from(self.ceiling(attempt)).saturating_add(1);
        let jitter = u64::from(random).saturating_mul(span) >> 32;
        let wished = now.after(jitter);
        match last_connect {
            Some(last) => wished.max(last.after(Self::MIN_BETWEEN_CONNECTS)),
            None => wished,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_stays() {
        let ceilings = [0, 1, 2, 3, 4, 5, 6, 31, 32, u32::MAX].map(|n| Backoff::DEFAULT.ceiling(n));
        assert_eq!(
            ceilings,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000, 32_000, 32_000, 32_000
            ]
        );
    }

    #[test]
    fn the_jitter_covers_the_whole_range_evenly() {
        let backoff = Backoff::DEFAULT;
        assert_eq!(backoff.next_at(Millis(0), 3, 0, None), Millis(0));
        assert_eq!(backoff.next_at(Millis(0), 3, u32::MAX, None), Millis(8_000));
        // 8 buckets of a second; every 2^12th random number.
        let mut buckets = [0_u32; 9];
        for random in (0..=u32::MAX).step_by(1 << 12) {
            buckets[(backoff.next_at(Millis(0), 3, random, None).0 / 1_000) as usize] += 1;
        }
        let whole = buckets[..8].iter().sum::<u32>() / 8;
        assert!(
            buckets[..8]
                .iter()
                .all(|count| count.abs_diff(whole) < whole / 100),
            "{buckets:?}"
        );
    }

    #[test]
    fn a_second_lies_between_two_connects_b17() {
        let backoff = Backoff::DEFAULT;
        assert_eq!(
            backoff.next_at(Millis(10_100), 0, 0, Some(Millis(10_000))),
            Millis(11_000)
        );
        assert_eq!(
            backoff.next_at(Millis(20_000), 0, 0, Some(Millis(10_000))),
            Millis(20_000)
        );
    }

    /// AWS's jitter case: six CONNECTs, of which only the sixth is answered, and all of it again, in 240 s,
    /// whether the CONNACK in the middle is followed by a drop at once or not.
    #[test]
    fn twelve_unanswered_connects_fit_into_240_seconds_in_999_of_1000_runs() {
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 32) as u32
        };
        let runs = 20_000;
        let mut late = 0;
        for _ in 0..runs {
            let mut now = Millis(0);
            for attempt in 0..11 {
                let connect = now;
                now = now.after(thingwire_mqtt::client::Session::CONNACK_LIMIT);
                now = Backoff::DEFAULT.next_at(now, attempt, random(), Some(connect));
            }
            late += u32::from(now > Millis(240_000));
        }
        assert!(late * 1_000 <= runs, "{late} of {runs} runs were late");
    }
}
