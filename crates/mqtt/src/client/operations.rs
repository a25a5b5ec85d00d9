//! What the application asks for: publish, subscribe, unsubscribe, and how each of them went.

use super::arena::{Arena, At, PushError};
use super::record::{Entry, Kind, State};
use super::session::{Link, Session};
use super::{PublishError, SubscribeError, stored};
use crate::fault::Fault;
use crate::{
    PacketId, Properties, Publish, QoS, ReasonCode, SubscribeFilter, Version, encode, topic,
};

/// First bytes of the packets that are kept (2.1.2).
const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xA2;

/// See [`Session::longest_packet`].
pub(super) const TOO_LONG: Fault = Fault::rule("a packet longer than the server takes");

/// Writes a packet with this identifier.
type WithId<'f> = dyn Fn(PacketId, Version, &mut [u8]) -> Result<usize, Fault> + 'f;

/// A message to publish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outgoing<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Application message.
    pub payload: &'a [u8],
    /// 0: sent now or never. 1: kept until acknowledged. 2 only with the feature `qos2`.
    pub qos: QoS,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
    /// MQTT 5 properties; must be empty in 3.1.1.
    pub properties: Properties<'a>,
}

impl<'a> Outgoing<'a> {
    /// A message that is not retained and has no properties.
    #[must_use]
    pub const fn new(topic: &'a str, payload: &'a [u8], qos: QoS) -> Self {
        Self {
            topic,
            payload,
            qos,
            retain: false,
            properties: Properties::EMPTY,
        }
    }

    /// Whether there are properties that [`Session::publish`] refuses: aliases are the session's, and only servers send
    /// subscription identifiers `[MQTT-3.3.4-6]`.
    #[must_use]
    pub fn has_foreign_properties(&self) -> bool {
        self.properties
            .raw()
            .any(|one| matches!(one.identifier, 0x0B | 0x23))
    }
}

/// Stands for one accepted operation until its result was read.
///
/// Whoever holds one must end with [`Session::forget`], or a few bytes of the arena stay taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub(super) u32);

impl<'b> Session<'b> {
    /// Accepts a PUBLISH. With QoS 1 it is from now on delivered at least once, or its refusal reported; with QoS 2 once,
    /// as long as the server keeps the session.
    ///
    /// # Errors
    /// [`PublishError`]; nothing is kept then.
    pub fn publish(&mut self, message: Outgoing<'_>) -> Result<Ticket, PublishError> {
        if !topic::is_valid_name(message.topic) {
            return Err(PublishError::InvalidTopic);
        }
        let connected = self.is_connected();
        match message.qos {
            QoS::AtMostOnce if !connected => return Err(PublishError::NotConnected),
            QoS::ExactlyOnce if !cfg!(feature = "qos2") => {
                return Err(PublishError::QosNotSupported);
            }
            _ => {}
        }
        if !message.properties.is_empty() && message.has_foreign_properties() {
            return Err(PublishError::Encode(rule!(
                "a property that clients do not send"
            )));
        }
        // Only MQTT 5 has limits.
        let limited = connected && self.options.version.is_v5();
        if limited && message.qos > self.negotiated.maximum_qos {
            return Err(PublishError::QosNotSupported);
        }
        if limited && message.retain && !self.negotiated.retain_available {
            return Err(PublishError::RetainNotSupported);
        }
        let acknowledged = message.qos != QoS::AtMostOnce;
        let packet_id = acknowledged.then(|| self.free_packet_id());
        let publish = Publish {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: message.topic,
            packet_id,
            properties: message.properties,
            payload: message.payload,
        };
        let version = self.options.version;
        let entry = Entry {
            kind: match message.qos {
                QoS::AtMostOnce => Kind::PublishQos0,
                #[cfg(feature = "qos2")]
                QoS::ExactlyOnce => Kind::PublishQos2,
                _ => Kind::PublishQos1,
            },
            state: State::Queued,
            awaited: acknowledged,
            codes: u8::from(acknowledged),
            packet_id: packet_id.map_or(0, PacketId::get),
            ticket: self.free_ticket(),
            sent_at: 0,
            len: 0,
        };
        let (_, room) = self.arena.room(entry.codes);
        let len = encode::publish(version, &publish, message.payload, room)
            .map_err(PublishError::Encode)?;
        // Learned while it was written, so that it is not measured twice.
        let max = self.negotiated.maximum_packet_size as usize;
        if limited && len > max {
            return Err(PublishError::PacketTooLarge { len, max });
        }
        if let Err(PushError::NoRoom { needed, free }) = self.arena.commit(entry, len) {
            let capacity = self.arena.capacity();
            return Err(match needed > capacity {
                true => PublishError::ArenaTooSmall { needed, capacity },
                false => PublishError::NoRoom { needed, free },
            });
        }
        if let Some(id) = packet_id {
            self.took_packet_id(id);
        }
        Ok(Ticket(entry.ticket))
    }

    /// Accepts a SUBSCRIBE. The subscription is kept and made again whenever the server lost the
    /// session, until [`unsubscribe`](Self::unsubscribe). Filters that were subscribed before are replaced.
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing is kept then.
    pub fn subscribe(&mut self, filters: &[SubscribeFilter<'_>]) -> Result<Ticket, SubscribeError> {
        self.subscribe_with(filters, Properties::EMPTY)
    }

    /// The same with MQTT 5 properties: an identifier, user properties.
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing is kept then.
    pub fn subscribe_with(
        &mut self,
        filters: &[SubscribeFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<Ticket, SubscribeError> {
        check_count(filters.len())?;
        for filter in filters {
            check_filter(filter.filter)?;
            if filter.qos == QoS::ExactlyOnce && !cfg!(feature = "qos2") {
                return Err(SubscribeError::QosNotSupported);
            }
            self.check_available(filter.filter)?;
        }
        if self.has_no_identifiers() && properties.number(0x0B).is_some() {
            // [MQTT-3.2.2-18]: AWS ends the connection (B-36).
            return Err(SubscribeError::Encode(rule!(
                "the server has no subscription identifiers"
            )));
        }
        let ticket = self.push_filters(Kind::Subscribe, filters.len(), &|id, version, out| {
            encode::assemble(SUBSCRIBE, out, &|writer| {
                let filters = filters.iter().copied();
                encode::subscribe(version, id, &properties, filters, writer)
            })
        })?;
        self.retire_subscriptions(ticket, &|held| {
            filters
                .iter()
                .any(|filter| filter.filter.as_bytes() == held)
        });
        Ok(ticket)
    }

    /// Bytes that this server takes in one packet, as far as is known `[MQTT-3.2.2-15]`.
    #[inline(always)]
    pub(super) fn longest_packet(&self) -> usize {
        if self.options.version.is_v5() && self.is_connected() {
            self.negotiated.maximum_packet_size as usize
        } else {
            usize::MAX
        }
    }

    /// Whether this server refuses subscription identifiers, as far as is known.
    pub(super) fn has_no_identifiers(&self) -> bool {
        self.options.version.is_v5()
            && self.is_connected()
            && !self.negotiated.subscription_identifiers
    }

    /// What this server's CONNACK said of filters (3.2.2.3.11, 3.2.2.3.13).
    fn check_available(&self, filter: &str) -> Result<(), SubscribeError> {
        if !self.options.version.is_v5() || !self.is_connected() {
            return Ok(());
        }
        let filter = filter.as_bytes();
        let has_wildcard = filter.iter().any(|byte| matches!(byte, b'+' | b'#'));
        Err(SubscribeError::Encode(
            if has_wildcard && !self.negotiated.wildcard_subscriptions {
                rule!("the server has no wildcard subscriptions")
            } else if topic::is_shared(filter) && !self.negotiated.shared_subscriptions {
                rule!("the server has no shared subscriptions")
            } else {
                return Ok(());
            },
        ))
    }

    /// Accepts an UNSUBSCRIBE. From now on the filters are not subscribed again.
    ///
    /// # Errors
    /// [`SubscribeError`]; no UNSUBSCRIBE is kept then. Filters that were subscribed together with others may already be out of what is
    /// subscribed again; the server has them until an UNSUBSCRIBE is accepted.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<Ticket, SubscribeError> {
        self.unsubscribe_with(filters, Properties::EMPTY)
    }

    /// The same with MQTT 5 user properties.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub fn unsubscribe_with(
        &mut self,
        filters: &[&str],
        properties: Properties<'_>,
    ) -> Result<Ticket, SubscribeError> {
        check_count(filters.len())?;
        for filter in filters {
            check_filter(filter)?;
        }
        self.split_subscriptions(filters)?;
        let ticket = self.push_filters(Kind::Unsubscribe, filters.len(), &|id, version, out| {
            encode::assemble(UNSUBSCRIBE, out, &|writer| {
                let filters = filters.iter().copied();
                encode::unsubscribe(version, id, &properties, filters, writer)
            })
        })?;
        self.retire_subscriptions(ticket, &|held| contains(filters, held));
        Ok(ticket)
    }

    /// The reason codes of a finished operation, one for each filter or one for a PUBLISH; `None` while
    /// it is under way. Empty for a ticket that was forgotten, and for a PUBLISH with QoS 0.
    #[must_use]
    pub fn outcome(&self, ticket: Ticket) -> Option<&[u8]> {
        match self.arena.by_ticket(ticket.0) {
            None => Some(&[]),
            Some((at, entry)) => match entry.state {
                State::Granted | State::Done | State::Withdrawn | State::Aside => {
                    Some(self.arena.codes(at, &entry))
                }
                State::Queued | State::Resend | State::Sent => None,
            },
        }
    }

    /// Nobody will ask for this result any more. The operation itself goes on.
    pub fn forget(&mut self, ticket: Ticket) {
        let Some((at, mut entry)) = self.arena.by_ticket(ticket.0) else {
            return;
        };
        if entry.state == State::Done {
            self.arena.remove(at, &entry);
        } else {
            entry.awaited = false;
            self.arena.set(at, &entry);
        }
    }

    fn push_filters(
        &mut self,
        kind: Kind,
        count: usize,
        encode: &WithId<'_>,
    ) -> Result<Ticket, SubscribeError> {
        let packet_id = self.free_packet_id();
        let entry = Entry {
            kind,
            state: State::Queued,
            awaited: true,
            codes: u8::try_from(count).unwrap_or(u8::MAX),
            packet_id: packet_id.get(),
            ticket: self.free_ticket(),
            sent_at: 0,
            len: 0,
        };
        let version = self.options.version;
        let max = self.longest_packet();
        self.arena
            .push(entry, &|_, out| {
                let len = encode(packet_id, version, out)?;
                if len > max {
                    return Err(TOO_LONG);
                }
                Ok(len)
            })
            .map_err(|error| self.subscribe_error(error))?;
        self.took_packet_id(packet_id);
        Ok(Ticket(entry.ticket))
    }

    fn subscribe_error(&self, error: PushError) -> SubscribeError {
        match error {
            PushError::NoRoom { needed, .. } if needed > self.arena.capacity() => {
                SubscribeError::ArenaTooSmall {
                    needed,
                    capacity: self.arena.capacity(),
                }
            }
            PushError::NoRoom { needed, free } => SubscribeError::NoRoom { needed, free },
            PushError::Encode(fault) => SubscribeError::Encode(fault),
        }
    }

    /// Removes the subscriptions, other than `keep`, all of whose filters are no longer wanted.
    fn retire_subscriptions(&mut self, keep: Ticket, unwanted: &dyn Fn(&[u8]) -> bool) {
        let mut at = self.arena.first();
        while let Some(entry) = self.arena.entry(at) {
            let all_unwanted = entry.kind == Kind::Subscribe
                && entry.state != State::Done
                && entry.ticket != keep.0
                && stored::filters(self.options.version, self.arena.packet(at, &entry))
                    .all(|held| unwanted(held.name));
            if all_unwanted {
                if entry.state != State::Granted {
                    // Its SUBACK will find nobody; whoever waits for it is told that it was withdrawn.
                    self.arena
                        .codes_mut(at, &entry)
                        .fill(ReasonCode::UNSPECIFIED_ERROR.0);
                }
                if self.complete(at, entry) {
                    continue;
                }
            }
            let entry = self.arena.entry(at).unwrap_or(entry);
            at = self.arena.after(at, &entry);
        }
    }

    /// Rewrites every subscription that holds some of the `unwanted` filters and others: the others
    /// move into a record of their own.
    fn split_subscriptions(&mut self, unwanted: &[&str]) -> Result<(), SubscribeError> {
        let version = self.options.version;
        let wanted = |filter: &[u8]| !contains(unwanted, filter);
        while let Some((at, entry, kept)) = self.partly(&wanted) {
            let granted = entry.state == State::Granted;
            let rest = Entry {
                ticket: self.free_ticket(),
                state: if granted {
                    State::Granted
                } else {
                    State::Queued
                },
                awaited: false,
                packet_id: 0,
                codes: u8::try_from(kept).unwrap_or(u8::MAX),
                ..entry
            };
            self.arena
                .push(rest, &|front, out| {
                    only(version, Arena::packet_in(front, at, &entry), &wanted, out)
                })
                .map_err(|error| self.subscribe_error(error))?;
            if !granted {
                self.arena
                    .codes_mut(at, &entry)
                    .fill(ReasonCode::UNSPECIFIED_ERROR.0);
            }
            self.complete(at, entry);
        }
        Ok(())
    }

    /// A subscription that holds both wanted and unwanted filters, and how many wanted ones.
    fn partly(&self, wanted: &dyn Fn(&[u8]) -> bool) -> Option<(At, Entry, usize)> {
        let mut at = self.arena.first();
        while let Some(entry) = self.arena.entry(at) {
            if entry.kind == Kind::Subscribe
                && !matches!(entry.state, State::Done | State::Withdrawn)
            {
                let packet = self.arena.packet(at, &entry);
                let filters = stored::filters(self.options.version, packet);
                let kept = filters.filter(|held| wanted(held.name)).count();
                if kept > 0 && kept < filters.count() {
                    return Some((at, entry, kept));
                }
            }
            at = self.arena.after(at, &entry);
        }
        None
    }

    pub(super) fn is_up_or_draining(&self) -> bool {
        matches!(self.link, Link::Up | Link::Closing { drain: true, .. })
    }
}

fn contains(filters: &[&str], wanted: &[u8]) -> bool {
    filters.iter().any(|filter| filter.as_bytes() == wanted)
}

/// Writes the SUBSCRIBE in `packet` again with the wanted filters only.
fn only(
    version: Version,
    packet: &[u8],
    wanted: &dyn Fn(&[u8]) -> bool,
    out: &mut [u8],
) -> Result<usize, Fault> {
    let (properties, filters) = stored::subscribe(version, packet);
    encode::assemble(SUBSCRIBE, out, &|writer| {
        // Given its identifier when it is sent.
        writer.u16(0);
        writer.bytes(properties);
        for filter in filters.filter(|held| wanted(held.name)) {
            writer.bytes(filter.entry);
        }
        Ok(())
    })
}

fn check_count(count: usize) -> Result<(), SubscribeError> {
    if count == 0 || count > Session::FILTERS_PER_PACKET {
        return Err(SubscribeError::FilterCount);
    }
    Ok(())
}

fn check_filter(filter: &str) -> Result<(), SubscribeError> {
    if topic::is_valid_filter(filter) {
        Ok(())
    } else {
        Err(SubscribeError::InvalidFilter)
    }
}
