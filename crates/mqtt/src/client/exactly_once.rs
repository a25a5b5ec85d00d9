//! Quality of service 2 (4.3.3): each message once, in both directions. AWS does not have it (`B-2`); other brokers do.
//!
//! *Outbound*: a PUBLISH stays in the arena until its PUBREC, its place is then taken by the PUBREL, which stays until PUBCOMP. What
//! a connection's end interrupts goes on with the next one: the PUBLISH again with DUP, or the PUBREL. When the server
//! lost the session, a PUBLISH without PUBREC is sent as a new one, because nobody knows whether it arrived; after
//! PUBREC the server has it, and it is done.
//!
//! *Inbound*: the identifier of a PUBLISH is remembered in the arena from its arrival until PUBREL, so that a repetition is
//! answered and not handed over again (method B of 4.3.3). PUBREC leaves when the application has taken the message.

use super::acks::Owed;
use super::arena::{At, PushError};
use super::outbound::put;
use super::record::{Entry, HEADER, Kind, State};
use super::session::Session;
use super::{Event, SessionError, Ticket};
use crate::fault::Fault;
use crate::{Ack, PacketId, Properties, ReasonCode, encode};

/// First bytes of the packets (2.1.2).
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;

/// Set in `sent_at` of a [`Kind::Received`] when the application has answered; the reason code is below it.
const ANSWERED: u32 = 0x100;

/// Whose memory it is that ran out: the caller's.
const NO_ROOM: Fault = Fault::rule("no room to remember a message with QoS 2");

impl Session<'_> {
    fn received(&self, packet_id: PacketId) -> Option<(At, Entry)> {
        self.arena
            .find(|entry| entry.kind == Kind::Received && entry.packet_id == packet_id.get())
    }

    /// A PUBLISH has come: answers whether it is the first with this identifier `[MQTT-4.3.3-10]`, and can be taken.
    ///
    /// Without room for the identifier it is refused where no later connection would bring it. Otherwise the connection must end: nothing else makes a server send the message again. But not before
    /// what is under way has had its time, or else a server with more messages than there is room for would end every connection
    /// before anything could make room. Until then nothing more is taken, so that the order stays.
    pub(super) fn is_first(&mut self, packet_id: PacketId) -> Result<bool, SessionError> {
        #[cfg(feature = "fault-injection")]
        if self.has(super::Fault::ReceivedForgotten)
            && let Some((at, entry)) = self.received(packet_id)
        {
            self.arena.remove(at, &entry);
        }
        if let Some((at, mut entry)) = self.received(packet_id) {
            entry.awaited = true;
            self.arena.set(at, &entry);
            return Ok(false);
        }
        if self.left_out {
            return Ok(false);
        }
        let entry = Entry {
            kind: Kind::Received,
            // A state in which nothing is due.
            state: State::Granted,
            // The server waits for a PUBREC on this connection.
            awaited: true,
            codes: 0,
            packet_id: packet_id.get(),
            ticket: self.free_ticket(),
            sent_at: 0,
            len: 0,
        };
        match self.arena.push(entry, &|_, _| Ok(0)) {
            Ok(_) => Ok(true),
            Err(_) if !self.outlives_the_connection() => {
                self.counters.skipped = self.counters.skipped.saturating_add(1);
                self.refuse(packet_id);
                Ok(false)
            }
            Err(PushError::NoRoom { .. } | PushError::Encode(_)) => {
                self.left_out = true;
                self.fetch()?;
                Ok(false)
            }
        }
    }

    /// Whether the server keeps this session when the connection ends, and the next one takes it up (3.1.2.4, 3.1.2.11.2).
    fn outlives_the_connection(&self) -> bool {
        let asked = self.options.session_expiry;
        let kept =
            !self.options.version.is_v5() || self.negotiated.session_expiry.unwrap_or(asked) > 0;
        kept && !self.options.clean_start
    }

    /// Ends the connection when a message was left out and there is room for it now, or nothing under way that would make room.
    /// One that is being closed ends anyway, and has to write what it still owes first.
    pub(super) fn fetch(&self) -> Result<(), SessionError> {
        let has_room = self.free() >= HEADER.max(self.arena.capacity() / 4);
        let may_get_room = || {
            let received = self.arena.find(|entry| entry.kind == Kind::Received);
            received.is_some() || !self.is_idle()
        };
        if self.left_out && self.is_connected() && (has_room || !may_get_room()) {
            return Err(SessionError::Resource(NO_ROOM));
        }
        Ok(())
    }

    /// The application has taken the message with this identifier, or will not. Answers whether it was one with QoS 2.
    pub(super) fn answer(&mut self, packet_id: PacketId, reason: ReasonCode) -> bool {
        let Some((at, mut entry)) = self.received(packet_id) else {
            return false;
        };
        entry.sent_at = ANSWERED | u32::from(reason.0);
        self.arena.set(at, &entry);
        true
    }

    /// The application has no room for the message with this identifier: it is forgotten, and the server, which has no PUBREC,
    /// sends it again on the next connection of this session.
    pub fn not_taken(&mut self, packet_id: PacketId) {
        if let Some((at, entry)) = self.received(packet_id)
            && entry.sent_at == 0
        {
            self.arena.remove(at, &entry);
        }
    }

    /// The next PUBREC that is due: in the order in which the messages came `[MQTT-4.6.0-3]`.
    pub(super) fn next_receipt(&self) -> Option<(At, Entry)> {
        self.arena
            .find(|entry| entry.kind == Kind::Received && entry.awaited && entry.sent_at != 0)
    }

    pub(super) fn transmit_receipt(&mut self, at: At, mut entry: Entry, room: &mut [u8]) -> usize {
        let reason_code = ReasonCode(entry.sent_at as u8);
        let Some(packet_id) = PacketId::new(entry.packet_id) else {
            return 0;
        };
        let ack = Ack {
            packet_id,
            reason_code,
            properties: Properties::EMPTY,
        };
        let version = self.options.version;
        let written = put(room, PUBREC, &|writer| encode::ack(version, &ack, writer));
        if written > 0 && reason_code.is_failure() {
            // The server forgets it now, and there will be no PUBREL.
            self.arena.remove(at, &entry);
        } else if written > 0 {
            entry.awaited = false;
            self.arena.set(at, &entry);
        }
        written
    }

    /// A message that did not fit into the receive buffer or the arena: refused in MQTT 5, in 3.1.1 taken and thrown away.
    pub(super) fn refuse(&mut self, packet_id: PacketId) {
        let reason_code = match self.options.version.is_v5() {
            true => ReasonCode::QUOTA_EXCEEDED,
            false => ReasonCode::SUCCESS,
        };
        self.acks.push(Owed {
            first: PUBREC,
            reason_code,
            packet_id,
        });
    }

    /// PUBREC: the server has our PUBLISH, or will not take it.
    pub(super) fn recorded(&mut self, packet_id: PacketId, reason: ReasonCode) -> Event<'static> {
        let Some((at, mut entry)) = self.awaiting(Kind::PublishQos2, packet_id) else {
            self.release_again(packet_id);
            return Event::Nothing;
        };
        self.arena.codes_mut(at, &entry).fill(reason.0);
        if reason.is_failure() {
            self.complete(at, entry);
            let ticket = Ticket(entry.ticket);
            return Event::Published { ticket, reason };
        }
        self.arena.remove(at, &entry);
        entry.kind = Kind::Release;
        entry.state = State::Queued;
        let [high, low] = packet_id.get().to_be_bytes();
        // Behind the others, because PUBRELs leave in the order of the PUBRECs [MQTT-4.6.0-4]. It is shorter than what was
        // there, so that there is room.
        let _ = self.arena.push(entry, &|_, out| {
            if let Some(place) = out.first_chunk_mut() {
                *place = [PUBREL, 2, high, low];
            }
            Ok(4)
        });
        if let Some((at, entry)) = self.arena.by_ticket(entry.ticket) {
            self.arena.codes_mut(at, &entry).fill(reason.0);
        }
        Event::Nothing
    }

    /// A PUBREC that came again, or for nothing that we know.
    fn release_again(&mut self, packet_id: PacketId) {
        let found = self.arena.find(|entry| {
            let is_ours = matches!(entry.kind, Kind::Release | Kind::PublishQos2);
            is_ours && entry.packet_id == packet_id.get()
        });
        match found {
            Some((at, mut entry)) if entry.kind == Kind::Release && entry.state == State::Sent => {
                entry.state = State::Resend;
                self.arena.set(at, &entry);
            }
            // It will be sent anyway; or the PUBLISH is being written again, and will be answered again.
            Some(_) => {}
            None => self.acks.push(Owed {
                first: PUBREL,
                reason_code: self.not_found(),
                packet_id,
            }),
        }
    }

    /// PUBREL: the server will not send this PUBLISH again.
    pub(super) fn released(&mut self, packet_id: PacketId) {
        let reason_code = match self.received(packet_id) {
            Some((at, entry)) => {
                self.arena.remove(at, &entry);
                ReasonCode::SUCCESS
            }
            None => self.not_found(),
        };
        self.acks.push(Owed {
            first: PUBCOMP,
            reason_code,
            packet_id,
        });
    }

    /// PUBCOMP: our PUBLISH is done, with the reason that its PUBREC gave.
    pub(super) fn finished(&mut self, packet_id: PacketId) -> Event<'static> {
        let Some((at, entry)) = self.awaiting(Kind::Release, packet_id) else {
            return Event::Nothing;
        };
        let code = self.arena.codes(at, &entry).first().copied();
        self.complete(at, entry);
        Event::Published {
            ticket: Ticket(entry.ticket),
            reason: code.map_or(ReasonCode::SUCCESS, ReasonCode),
        }
    }

    /// 3.1.1 has no words for it.
    fn not_found(&self) -> ReasonCode {
        match self.options.version.is_v5() {
            true => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            false => ReasonCode::SUCCESS,
        }
    }
}
