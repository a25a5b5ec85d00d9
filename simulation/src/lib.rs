//! A device, its network and its servers in one process, in simulated time, with bad luck from a seed.
//!
//! It decides nothing about MQTT: it runs the device library as it is, beside a network that loses, delays and damages
//! ([`network`]), a server that is our own broker's core or a model that can be bad on purpose ([`server`]),
//! a referee that knows what a client must never do ([`referee`]) and a ledger of everything that was promised
//! ([`ledger`]). A [`Plan`] made from a seed says what happens; [`live`] lets it happen, thousands of times faster
//! than life. The tests in `tests/` are its purpose.

mod clock;
mod diary;
pub mod ledger;
pub mod life;
mod lives;
pub mod network;
pub mod plan;
mod random;
pub mod referee;
pub mod server;
pub mod story;
pub mod world;

pub use clock::{Clock, Sleep};
pub use diary::Diary;
pub use ledger::Ledger;
pub use life::{Report, live};
pub use lives::{SEED, judge, lives};
pub use plan::Plan;
pub use random::Random;
pub use referee::Referee;
pub use world::World;
