//! Foreign clients and brokers judge Thingwire.
//!
//! The tests in `tests/` start the built `thingwire` program, or a foreign broker, as a person would, and talk
//! to it with programs that are not ours. This library is what they share (the benchmark uses it too): it
//! starts and stops programs, collects what they print, finds the foreign ones and makes certificates.
//! It decides nothing about MQTT or AWS. Everything listens on free ports of the loopback interface.

mod authority;
mod chip;
mod cloud;
mod driver;
mod foreign;
mod http;
mod mosquitto;
mod program;
mod relay;
mod rumqttd;

pub use authority::{Authority, Identity};
pub use chip::{Chip, ChipSettings, kit_image};
pub use cloud::{Cloud, Ready, thingwire};
pub use driver::Driver;
pub use foreign::{aws, missing, node, on_path, python, rumqtt, script};
pub use http::http;
pub use mosquitto::{Autosave, Mosquitto, MosquittoSettings, publish_plain, subscribe_plain};
pub use program::{Finished, Program, finish, free_port, wait_until};
pub use relay::Relay;
pub use rumqttd::Rumqttd;
