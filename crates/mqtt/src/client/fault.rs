//! Deliberate faults, so that the simulation can show that it would notice them.
//!
//! Only with the feature `fault-injection`, which nothing but tests switches on.

use super::Session;

/// One way to be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was unacknowledged when a connection ended is not sent again on the next
    /// (against `[MQTT-4.4.0-1]`).
    NoResendOnResume,
    /// A PUBLISH that is sent again does not say so (against `[MQTT-3.3.1-1]`).
    DupLost,
    /// Every PUBLISH takes the same packet identifier, in use or not (against `[MQTT-2.2.1-3]`).
    PacketIdReused,
    /// The identifier of a received PUBLISH with QoS 2 is not remembered (against `[MQTT-4.3.3-10]`).
    #[cfg(feature = "qos2")]
    ReceivedForgotten,
}

impl Session<'_> {
    /// Breaks this session from now on.
    pub fn inject(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}
