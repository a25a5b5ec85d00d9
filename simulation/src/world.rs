//! One world: a clock, a network, a server with its referee, and the loop that moves them beside a device.
//!
//! The device, driver and application together, is one future. It is polled until it waits; then time jumps to the next
//! thing that happens. Nothing sleeps, nothing runs at the same time, and a seed decides everything.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::network::Network;
use crate::plan::Part;
use crate::server::{Gate, Genuine, Model, Server};
use crate::{Clock, Diary, Ledger};

/// Polls without time passing that are too many.
const BUSY: u32 = 100_000;

/// Steps of the loop within a simulated minute that are too many.
const HECTIC: u32 = 10_000;

/// A clock, a network and a server.
pub struct World {
    /// Its time.
    pub clock: Clock,
    /// Its connections.
    pub network: Network,
    /// Its promises.
    pub ledger: Ledger,
    /// Its server.
    pub gate: Gate,
}

/// What happens to a world besides itself.
pub trait Script {
    /// When something is to be done.
    fn next(&self) -> Option<u64> {
        None
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Something does not hold.
    fn due(&mut self, _world: &mut World) -> Result<(), String> {
        Ok(())
    }

    /// Looks whether all is well; called whenever the device waits.
    ///
    /// # Errors
    /// Something does not hold.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl World {
    /// A world in calm weather at time 0.
    #[must_use]
    pub fn new(seed: u64, part: Part, diary: &Diary) -> Self {
        let clock = Clock::new(seed ^ 0xC10C);
        let network = Network::new(&clock, seed ^ 0x0E7);
        let ledger = Ledger::default();
        if part == Part::ExactlyOnce {
            ledger.expect_once();
        }
        let server: Box<dyn Server> = match part {
            Part::Genuine | Part::ExactlyOnce => {
                Box::new(Genuine::new(&clock, &ledger, seed, part.qos()))
            }
            Part::Model => Box::new(Model::new(&clock, &ledger, seed)),
        };
        Self {
            gate: Gate::new(&clock, &network, &ledger, server, diary),
            clock,
            network,
            ledger,
        }
    }

    /// Runs the device to its end.
    ///
    /// # Errors
    /// What the script says, or that nothing would ever happen again, or that everything happens without end.
    pub fn run<T>(
        &mut self,
        script: &mut impl Script,
        device: impl Future<Output = T>,
    ) -> Result<T, String> {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        let mut device = pin!(device);
        let mut idle_polls = 0;
        let (mut steps, mut minute) = (0, 0);
        loop {
            while flag.0.swap(false, Ordering::Relaxed) {
                if let Poll::Ready(done) = device.as_mut().poll(&mut context) {
                    return Ok(done);
                }
                idle_polls += 1;
                if idle_polls > BUSY {
                    return Err("busy without end".into());
                }
            }
            script.check()?;
            let next = [
                self.clock.next(),
                self.network.next(),
                self.gate.next(),
                script.next(),
            ];
            let Some(next) = next.into_iter().flatten().min() else {
                return Err("everybody waits for ever".into());
            };
            if next > self.clock.millis() {
                idle_polls = 0;
            }
            idle_polls += 1;
            self.clock.advance(next);
            script.due(self)?;
            self.gate.step();
            steps += 1;
            if self.clock.millis() / 60_000 != minute {
                (steps, minute) = (0, self.clock.millis() / 60_000);
            }
            if idle_polls > BUSY || steps > HECTIC {
                let links = self.network.links();
                return Err(format!("busy without end, {links} connections"));
            }
        }
    }
}
