//! What is sent again: on a new connection, after the CONNACK said whether the server kept the session, and inside a connection.

use super::arena::At;
use super::record::{Entry, Kind, State};
use super::session::Session;
use super::stored;
use crate::ReasonCode;

impl Session<'_> {
    /// CONNACK said whether the server kept the session: decides what is sent again.
    ///
    /// A CONNACK that never arrived may have said that the session was lost, and the session that is present
    /// now may be the one that it began: without subscriptions. After an unanswered CONNECT they are
    /// therefore made again, which changes nothing for a server that still has them.
    pub(super) fn resume(&mut self, session_present: bool) {
        let subscribed = session_present && self.connects < 2;
        self.connects = 0;
        #[cfg(feature = "fault-injection")]
        if session_present && self.has(super::Fault::NoResendOnResume) {
            return;
        }
        let mut at = self.arena.first();
        while let Some(mut entry) = self.arena.entry(at) {
            if self.refuse_by_limits(at, entry, subscribed) {
                // Read the place again: the next record, or this one with its result.
                continue;
            }
            match (entry.kind.alike(), entry.state, session_present) {
                (Kind::PublishQos1, State::Sent | State::Resend, true) => {
                    entry.state = State::Resend;
                    self.set_dup(at, &entry, true);
                    self.counters.resumed = self.counters.resumed.saturating_add(1);
                }
                (Kind::PublishQos1, State::Sent | State::Resend, false) => {
                    // To this server it is a new message: no DUP.
                    entry.state = State::Queued;
                    self.set_dup(at, &entry, false);
                }
                (Kind::Subscribe, State::Sent | State::Resend, _) => entry.state = State::Resend,
                (Kind::Subscribe, State::Granted, _) if !subscribed => {
                    entry.state = State::Queued;
                    entry.packet_id = 0;
                }
                (Kind::Unsubscribe, State::Sent | State::Resend, true) => {
                    entry.state = State::Resend
                }
                (Kind::Unsubscribe, State::Queued | State::Sent | State::Resend, false) => {
                    // The subscription went with the session: there is nothing left to do. No answer has written the codes.
                    self.arena.codes_mut(at, &entry).fill(0);
                    self.complete(at, entry);
                    continue;
                }
                #[cfg(feature = "qos2")]
                (Kind::Release, State::Sent, true) => entry.state = State::Resend,
                #[cfg(feature = "qos2")]
                (Kind::Release, State::Queued | State::Sent | State::Resend, false) => {
                    // The server had the message.
                    self.arena.codes_mut(at, &entry).fill(0);
                    self.complete(at, entry);
                    continue;
                }
                #[cfg(feature = "qos2")]
                (Kind::Received, _, false) => {
                    self.arena.remove(at, &entry);
                    continue;
                }
                _ => {}
            }
            self.arena.set(at, &entry);
            at = self.arena.after(at, &entry);
        }
    }

    /// What is due and this server would not take is reported instead of sent `[MQTT-3.2.2-15]`. Only MQTT 5 has such limits.
    /// Nor a subscription with an identifier where there are none (`B-36`). What is `subscribed` is not sent again.
    /// Answers whether that happened: the record is then done or gone.
    fn refuse_by_limits(&mut self, at: At, entry: Entry, subscribed: bool) -> bool {
        if self.has_no_identifiers()
            && entry.kind == Kind::Subscribe
            && !matches!(entry.state, State::Done)
            && stored::has_identifier(self.options.version, self.arena.packet(at, &entry))
        {
            let reason = ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED;
            self.arena.codes_mut(at, &entry).fill(reason.0);
            self.complete(at, entry);
            return true;
        }
        let is_publish = entry.kind.is_kept_publish();
        let is_due = match entry.kind {
            Kind::Subscribe => !(subscribed && matches!(entry.state, State::Granted)),
            Kind::Unsubscribe => true,
            _ => is_publish,
        };
        if !self.options.version.is_v5() || !is_due || matches!(entry.state, State::Done) {
            return false;
        }
        let reason = if entry.packet_len() > self.negotiated.maximum_packet_size as usize {
            ReasonCode::PACKET_TOO_LARGE
        } else if is_publish && self.negotiated.maximum_qos < entry.kind.qos() {
            ReasonCode::QOS_NOT_SUPPORTED
        } else {
            return false;
        };
        if is_publish {
            self.counters.undeliverable = self.counters.undeliverable.saturating_add(1);
        }
        self.arena.codes_mut(at, &entry).fill(reason.0);
        self.complete(at, entry);
        true
    }

    /// Marks a PUBLISH for repetition inside the connection.
    pub(super) fn repeat(&mut self, at: At, mut entry: Entry) {
        if entry.kind.is_kept_publish() {
            self.set_dup(at, &entry, true);
        }
        entry.state = State::Resend;
        self.arena.set(at, &entry);
        self.counters.retransmitted = self.counters.retransmitted.saturating_add(1);
    }

    fn set_dup(&mut self, at: At, entry: &Entry, dup: bool) {
        #[cfg(feature = "fault-injection")]
        let dup = dup && !self.has(super::Fault::DupLost);
        if let Some(first) = self.arena.packet_mut(at, entry).first_mut() {
            *first = if dup {
                *first | 0b1000
            } else {
                *first & !0b1000
            };
        }
    }
}
