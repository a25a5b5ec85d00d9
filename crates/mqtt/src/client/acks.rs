//! The acknowledgements that wait for the next write, in the order they were given `[MQTT-4.6.0-2]`.
//!
//! A ring of fixed length: the driver stops feeding frames while it is full, so its length bounds memory, not throughput.

use crate::{PacketId, ReasonCode};

/// How many may wait.
const ACKS: u8 = 16;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// The packet's first byte (2.1.2).
    pub(super) first: u8,
    pub(super) reason_code: ReasonCode,
    pub(super) packet_id: PacketId,
}

pub(super) struct Acks {
    ring: [Owed; ACKS as usize],
    next: u8,
    len: u8,
}

impl Acks {
    pub(super) const fn new() -> Self {
        let empty = Owed {
            first: 0,
            reason_code: ReasonCode::SUCCESS,
            packet_id: PacketId::FIRST,
        };
        Self {
            ring: [empty; ACKS as usize],
            next: 0,
            len: 0,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len >= ACKS
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds one behind the others; leaves it out when there is no room.
    pub(super) fn push(&mut self, owed: Owed) {
        let at = usize::from(self.next.wrapping_add(self.len) % ACKS);
        if !self.is_full()
            && let Some(place) = self.ring.get_mut(at)
        {
            *place = owed;
            self.len = self.len.wrapping_add(1);
        }
    }

    pub(super) fn first(&self) -> Option<Owed> {
        match self.len {
            0 => None,
            _ => self.ring.get(usize::from(self.next)).copied(),
        }
    }

    /// Takes the first one out. There must be one.
    pub(super) const fn pop(&mut self) {
        self.next = self.next.wrapping_add(1) % ACKS;
        self.len = self.len.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_leave_in_the_order_they_came_and_the_seventeenth_is_left_out() {
        let mut acks = Acks::new();
        let owed = |id| Owed {
            first: 0x40,
            reason_code: ReasonCode::SUCCESS,
            packet_id: PacketId::new(id).unwrap(),
        };
        let mut given = 1_u16;
        let mut taken = 1_u16;
        for round in 1..=40_u16 {
            while !acks.is_full() {
                acks.push(owed(given));
                given += 1;
            }
            acks.push(owed(60_000));
            for _ in 0..round.min(16) {
                assert_eq!(acks.first(), Some(owed(taken)));
                acks.pop();
                taken += 1;
            }
        }
        acks.clear();
        assert_eq!(acks.first(), None);
        assert!(acks.is_empty());
    }
}
