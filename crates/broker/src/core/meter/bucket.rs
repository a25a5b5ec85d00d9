//! Token buckets: how many of something may happen in a second. They read no clock.

use std::collections::HashMap;

use super::SWEEP_FROM;
use crate::Millis;

/// Tokens that come back with time. Counted in thousandths, so that milliseconds count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    milli: i64,
    at: Millis,
}

impl Bucket {
    pub(super) const fn full(rate: u32, now: Millis) -> Self {
        Self {
            milli: (rate as i64).saturating_mul(1000),
            at: now,
        }
    }

    fn refill(&mut self, rate: u32, now: Millis) {
        let passed = i64::try_from(now.since(self.at)).unwrap_or(i64::MAX);
        let come = passed.saturating_mul(rate.into());
        self.milli = self
            .milli
            .saturating_add(come)
            .min(i64::from(rate).saturating_mul(1000));
        self.at = now;
    }

    /// Whether there is a token, or when there will be one. Takes none: where several buckets are asked, what one of them refuses
    /// costs nothing in the others.
    pub(super) fn check(&mut self, rate: u32, now: Millis) -> Result<(), Millis> {
        self.refill(rate, now);
        if self.milli >= 1000 {
            return Ok(());
        }
        Err(self.ready(rate, 1000, now))
    }

    /// Takes the token that [`check`](Self::check) has found.
    pub(super) const fn take_one(&mut self) {
        self.milli = self.milli.saturating_sub(1000);
    }

    /// Takes one token, or answers when there will be one.
    pub(super) fn take(&mut self, rate: u32, now: Millis) -> Result<(), Millis> {
        self.check(rate, now)?;
        self.take_one();
        Ok(())
    }

    /// Takes many, into debt if need be; answers when the debt is paid.
    pub(super) fn spend(&mut self, rate: u32, now: Millis, tokens: usize) -> Option<Millis> {
        self.refill(rate, now);
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        self.milli = self.milli.saturating_sub(tokens.saturating_mul(1000));
        (self.milli < 0).then(|| self.ready(rate, 0, now))
    }

    fn ready(self, rate: u32, wanted: i64, now: Millis) -> Millis {
        let missing = wanted.saturating_sub(self.milli).max(0);
        let rate = i64::from(rate);
        let wait = missing
            .saturating_add(rate.saturating_sub(1))
            .checked_div(rate)
            .unwrap_or(i64::MAX);
        // A rate of zero never comes back; it is looked at again now and then.
        now.plus(u64::try_from(wait).unwrap_or(u64::MAX).clamp(1, 60_000))
    }

    fn is_full(mut self, rate: u32, now: Millis) -> bool {
        self.refill(rate, now);
        self.milli >= i64::from(rate).saturating_mul(1000)
    }
}

/// One bucket for each key; full ones are forgotten.
pub(super) struct Buckets<K> {
    buckets: HashMap<K, Bucket>,
    sweep_at: usize,
}

impl<K: std::hash::Hash + Eq> Buckets<K> {
    pub(super) fn new() -> Self {
        Self {
            buckets: HashMap::new(),
            sweep_at: SWEEP_FROM,
        }
    }

    pub(super) fn take(&mut self, key: K, rate: u32, now: Millis) -> Result<(), Millis> {
        if self.buckets.len() >= self.sweep_at {
            // A full bucket says nothing.
            self.buckets.retain(|_, bucket| !bucket.is_full(rate, now));
            self.sweep_at = self.buckets.len().saturating_mul(2).max(SWEEP_FROM);
        }
        let bucket = self.buckets.entry(key);
        bucket
            .or_insert_with(|| Bucket::full(rate, now))
            .take(rate, now)
    }
}
