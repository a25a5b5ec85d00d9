//! What a connection that the server closed without a word says about the operations that were under way (`B-52` to `B-54`).
//!
//! Decides which operation is the likely reason, and when it is set aside. What a closed connection otherwise means for the
//! session is decided in [`session`](super::session).

use super::arena::At;
use super::record::{Entry, Kind, State};
use super::session::{Link, Session, Suspect};
use super::{Millis, stored};
use crate::ReasonCode;

/// How long after a PUBLISH with QoS 0 a silent close is taken for an answer to it, in milliseconds.
const SUSPICION: u64 = 5_000;

/// Silent closes in a row after which an operation is set aside.
const STRIKES: u8 = 3;

/// What the server was asked and did not answer: when it closes the connection without
/// a word, as AWS does for what a policy denies in MQTT 3.1.1 (`B-52` to `B-54`), this is the likely reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard<'a> {
    /// CONNECT.
    Connect,
    /// A SUBSCRIBE; its first filter.
    Subscribe(&'a str),
    /// A PUBLISH with QoS 1; its topic.
    Publish(&'a str),
    /// A PUBLISH with QoS 0, which is never answered.
    PublishQos0,
}

impl Session<'_> {
    /// The oldest question that the server has not answered, if there is one: servers read in order, so
    /// it is this one that a silent close follows. A PUBLISH with QoS 0 is never answered; it is under
    /// suspicion for five seconds.
    #[must_use]
    pub fn unheard(&self, now: Millis) -> Option<Unheard<'_>> {
        if matches!(self.link, Link::Opening { .. }) {
            return Some(Unheard::Connect);
        }
        let Some((at, entry)) = self.oldest_unheard() else {
            let recent = self
                .qos0_sent
                .is_some_and(|sent| u64::from(now.since_low(sent)) < SUSPICION);
            return recent.then_some(Unheard::PublishQos0);
        };
        let packet = self.arena.packet(at, &entry);
        match entry.kind {
            kind if kind.is_kept_publish() => stored::topic(packet).map(Unheard::Publish),
            Kind::Subscribe => {
                let first = stored::filters(self.options.version, packet).next()?;
                core::str::from_utf8(first.name)
                    .ok()
                    .map(Unheard::Subscribe)
            }
            _ => None,
        }
    }

    /// The server closed the live connection without a word. If that was the third time in a row right after
    /// the same PUBLISH or SUBSCRIBE was sent, the operation is set aside: it ends with
    /// [`ReasonCode::NOT_AUTHORIZED`], because that is what a silent close means at AWS (`B-53`,
    /// `B-54`), and is not sent again. Without this one forbidden message would keep the device from ever
    /// staying connected. Answers whether that happened.
    ///
    /// A subscription that nobody waits for is tried again after [`Self::SET_ASIDE`], because a network that breaks
    /// three times at the wrong moment looks the same, and a device must not stay deaf because of it.
    ///
    /// Only in 3.1.1: MQTT 5 servers answer what they deny, and a close without a word is then
    /// the network's, which must cost no message.
    ///
    /// Call it before [`connection_lost`](Self::connection_lost).
    pub fn closed_silently(&mut self, now: Millis) -> bool {
        if !self.is_connected() || self.options.version.is_v5() {
            return false;
        }
        let found = self.oldest_unheard();
        let Some((at, mut entry)) =
            found.filter(|(_, entry)| u64::from(now.since_low(entry.sent_at)) < SUSPICION)
        else {
            self.suspect = None;
            return false;
        };
        let strikes = match self.suspect {
            Some(suspect) if suspect.ticket == entry.ticket => suspect.strikes.saturating_add(1),
            _ => 1,
        };
        self.suspect = Some(Suspect {
            ticket: entry.ticket,
            strikes,
        });
        if strikes < STRIKES {
            return false;
        }
        self.suspect = None;
        self.writing = None;
        self.counters.set_aside = self.counters.set_aside.saturating_add(1);
        if entry.kind == Kind::Subscribe && !entry.awaited {
            entry.state = State::Aside;
            entry.packet_id = 0;
            entry.sent_at = now.low();
            self.arena.set(at, &entry);
            return true;
        }
        self.arena
            .codes_mut(at, &entry)
            .fill(ReasonCode::NOT_AUTHORIZED.0);
        self.complete(at, entry);
        true
    }

    /// It was set aside and is asked for again: one more silent close is enough.
    pub(super) fn suspect_again(&mut self, entry: &Entry) {
        self.suspect = Some(Suspect {
            ticket: entry.ticket,
            strikes: STRIKES.saturating_sub(1),
        });
    }

    /// The record that has waited longest for its acknowledgement on this connection.
    fn oldest_unheard(&self) -> Option<(At, Entry)> {
        let mut oldest: Option<(At, Entry)> = None;
        let mut at = self.arena.first();
        while let Some(entry) = self.arena.entry(at) {
            // None was sent after `last_sent`.
            let age = |entry: &Entry| self.last_sent.since_low(entry.sent_at);
            let waits = entry.state == State::Sent && !entry.kind.is_release();
            if waits && oldest.is_none_or(|(_, other)| age(&entry) > age(&other)) {
                oldest = Some((at, entry));
            }
            at = self.arena.after(at, &entry);
        }
        oldest
    }
}
