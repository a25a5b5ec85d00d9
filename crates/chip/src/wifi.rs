//! Wi-Fi that stays: which network to join next, when, and what to say about it.
//!
//! [`Supervisor`] decides; a board carries out. Call [`step`](Supervisor::step), do what it says, and tell how it ended with
//! [`joined`](Supervisor::joined), [`addressed`](Supervisor::addressed) or [`failed`](Supervisor::failed); then call `step`
//! again. It never gives up: networks are tried in their order, and after a round in which none was joined it waits,
//! longer each time, up to [`LONGEST_WAIT`]. Time comes in as milliseconds of a clock that never runs backwards, and
//! chance as a number.

mod stored;
mod trouble;

pub use stored::{STORED_BYTES, STORED_MAX, StoredNetworks};
pub use trouble::{Trouble, WifiFailure};

/// How long joining may take, in milliseconds: Espressif's library tries several times by itself.
pub const JOIN_LIMIT: u64 = 20_000;

/// How long DHCP may take, in milliseconds.
pub const ADDRESS_LIMIT: u64 = 15_000;

/// The wait after the first round without success, in milliseconds; it doubles each time.
pub const FIRST_WAIT: u64 = 1_000;

/// The longest wait between two rounds, in milliseconds: an access point that comes back is found within half a minute.
pub const LONGEST_WAIT: u64 = 30_000;

/// A network that was used for so long, in milliseconds, is a good one: the waits begin anew after it is lost.
pub const STABLE_AFTER: u64 = 10_000;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no network to join: wait for some with [`Supervisor::changed`].
    Rest,
    /// Leave whatever is joined and join this network, in [`JOIN_LIMIT`] at most.
    Join {
        /// Its place in the list.
        network: usize,
    },
    /// Wait for an address by DHCP.
    Address {
        /// Until when.
        until: u64,
    },
    /// The network is there. Wait until it is lost.
    Watch,
    /// Wait.
    Wait {
        /// Until when.
        until: u64,
    },
}

/// How things stand, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WifiState {
    /// There is no network to join.
    NoNetwork,
    /// Joining a network.
    Joining,
    /// Waiting for an address.
    Addressing,
    /// Joined, with an address.
    Online,
    /// Waiting before the next attempt.
    Waiting,
}

/// Decides about Wi-Fi.
#[derive(Clone, Copy, Debug)]
pub struct Supervisor {
    networks: usize,
    state: State,
    /// Rounds without success, one after the other.
    rounds: u32,
    /// Networks that failed in this round.
    failed: usize,
    trouble: Option<(usize, Trouble)>,
    since: u64,
    joins: u32,
    losses: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NoNetwork,
    Joining { network: usize },
    Addressing { network: usize, until: u64 },
    Online { network: usize, since: u64 },
    Waiting { network: usize, until: u64 },
}

impl Supervisor {
    /// Begins with the first of so many networks.
    #[must_use]
    pub const fn new(networks: usize, now: u64) -> Self {
        let state = match networks {
            0 => State::NoNetwork,
            _ => State::Joining { network: 0 },
        };
        Self {
            networks,
            state,
            rounds: 0,
            failed: 0,
            trouble: None,
            since: now,
            joins: 0,
            losses: 0,
        }
    }

    /// The list of networks is another one now: leaves the present network and begins with the first.
    pub const fn changed(&mut self, networks: usize, now: u64) {
        let (joins, losses) = (self.joins, self.losses);
        *self = Self::new(networks, now);
        self.joins = joins;
        self.losses = losses;
    }

    /// What is to be done now.
    pub const fn step(&mut self, now: u64) -> Step {
        match self.state {
            State::NoNetwork => Step::Rest,
            State::Joining { network } => Step::Join { network },
            State::Addressing { until, .. } => Step::Address { until },
            State::Online { .. } => Step::Watch,
            State::Waiting { network, until } if until <= now => {
                self.enter(State::Joining { network }, now);
                Step::Join { network }
            }
            State::Waiting { until, .. } => Step::Wait { until },
        }
    }

    /// The network was joined; an address comes next.
    pub const fn joined(&mut self, now: u64) {
        if let State::Joining { network } = self.state {
            let until = now.saturating_add(ADDRESS_LIMIT);
            self.enter(State::Addressing { network, until }, now);
        }
    }

    /// There is an address.
    pub const fn addressed(&mut self, now: u64) {
        if let State::Addressing { network, .. } = self.state {
            self.joins = self.joins.saturating_add(1);
            self.failed = 0;
            self.enter(
                State::Online {
                    network,
                    since: now,
                },
                now,
            );
        }
    }

    /// Joining failed, no address came, or the network was lost. `random` is uniform over all 32 bits.
    pub fn failed(&mut self, trouble: Trouble, now: u64, random: u32) {
        let network = match self.state {
            State::Joining { network } | State::Addressing { network, .. } => {
                self.failed = self.failed.saturating_add(1);
                network
            }
            State::Online { network, since } => {
                self.losses = self.losses.saturating_add(1);
                // Whoever loses a good network wants it back at once; one that is lost again and again is like one that
                // cannot be joined.
                if now.saturating_sub(since) >= STABLE_AFTER {
                    self.rounds = 0;
                    self.failed = 0;
                    self.trouble = Some((network, trouble));
                    self.enter(State::Joining { network }, now);
                    return;
                }
                self.failed = self.failed.saturating_add(1);
                network
            }
            State::NoNetwork | State::Waiting { .. } => return,
        };
        self.trouble = Some((network, trouble));
        let next = network
            .saturating_add(1)
            .checked_rem(self.networks)
            .unwrap_or_default();
        if self.failed < self.networks {
            self.enter(State::Joining { network: next }, now);
            return;
        }
        self.failed = 0;
        let until = now.saturating_add(wait(self.rounds, random));
        self.rounds = self.rounds.saturating_add(1);
        // A round begins with the network that is liked best.
        self.enter(State::Waiting { network: 0, until }, now);
    }

    /// How things stand.
    #[must_use]
    pub const fn state(&self) -> WifiState {
        match self.state {
            State::NoNetwork => WifiState::NoNetwork,
            State::Joining { .. } => WifiState::Joining,
            State::Addressing { .. } => WifiState::Addressing,
            State::Online { .. } => WifiState::Online,
            State::Waiting { .. } => WifiState::Waiting,
        }
    }

    /// The network that is being joined or used, by its place in the list.
    #[must_use]
    pub const fn network(&self) -> Option<usize> {
        match self.state {
            State::Joining { network }
            | State::Addressing { network, .. }
            | State::Online { network, .. } => Some(network),
            State::NoNetwork | State::Waiting { .. } => None,
        }
    }

    /// Since when it is so.
    #[must_use]
    pub const fn since(&self) -> u64 {
        self.since
    }

    /// The last trouble, with the network's place in the list. It stays after the network was joined.
    #[must_use]
    pub const fn trouble(&self) -> Option<(usize, Trouble)> {
        self.trouble
    }

    /// How often a network was joined and gave an address.
    #[must_use]
    pub const fn joins(&self) -> u32 {
        self.joins
    }

    /// How often a network with an address was lost.
    #[must_use]
    pub const fn losses(&self) -> u32 {
        self.losses
    }

    const fn enter(&mut self, state: State, now: u64) {
        self.state = state;
        self.since = now;
    }
}

/// Half of the wait is certain, so that a radio rests; the other half is chance, so that the devices of a house do not all
/// come at once when its access point is back.
fn wait(rounds: u32, random: u32) -> u64 {
    let factor = 1_u64.checked_shl(rounds).unwrap_or(u64::MAX);
    let ceiling = FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT);
    let half = ceiling / 2;
    half.saturating_add(u64::from(random).saturating_mul(half.saturating_add(1)) >> 32)
}

#[cfg(test)]
mod tests;
