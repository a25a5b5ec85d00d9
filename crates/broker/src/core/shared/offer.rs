//! Who gets a message of a group: one random member that can take it now, or it waits.

use std::sync::Arc;

use thingwire_mqtt::QoS;

use super::{Group, Held, Member, forget};
use crate::Now;
use crate::core::Core;
use crate::core::durable::Change;
use crate::core::message::{Message, Publication};
use crate::core::session::Share;
use crate::core::slab::Key;
use crate::core::topics::TopicRef;

/// What became of an attempt to give a message to a member.
enum Taken {
    /// It has it; whether the store must know.
    Yes(bool),
    /// It has no room now.
    Busy,
    /// It never will: not allowed, or too large.
    Never,
}

/// What became of an attempt to give a message that waits to a member.
enum Pumped {
    Sent,
    /// It has no room now.
    Idle,
    /// It may not receive this one, or takes no packets of its size.
    Denied,
    /// It does not wait any more: it has expired.
    Gone,
}

/// Messages that only a member without room may take, and that one look goes past to find something for the
/// others. Few, because every PUBACK of a member is a look.
const PAST: usize = 8;

impl Core {
    /// Gives a publication to one member of each group that wants it. Answers whether it must be on disk before the
    /// publisher hears of success.
    pub(in crate::core) fn dispatch_shared(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        kept: &mut Option<Arc<Message>>,
    ) -> bool {
        let groups = self.topics.take_groups(topic, &mut self.shared);
        let mut durable = false;
        for group in &groups {
            durable |= self.offer_group(now, publication, topic, *group, kept);
        }
        self.topics.give_back_groups(topic, groups);
        durable
    }

    fn offer_group(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        key: Key,
        kept: &mut Option<Arc<Message>>,
    ) -> bool {
        let Some(group) = self.shared.groups.get(key) else {
            return false;
        };
        let (active, members) = (group.active, group.members.len());
        let queues = publication.qos != QoS::AtMostOnce;
        // Those that wait already go first.
        let mut waits = queues && (active == 0 || !group.waiting.is_empty());
        let durable = queues && self.journal.enabled && group.persistent > 0;
        if !waits {
            let start = self.shared.below(active);
            let mut somebody = active < members;
            for step in 0..active {
                let at = start.saturating_add(step).checked_rem(active).unwrap_or(0);
                match self.offer_member(now, publication, topic, key, at, kept, durable) {
                    Taken::Yes(stored) => return stored,
                    Taken::Busy => somebody = true,
                    Taken::Never => continue,
                }
                if !queues {
                    // `B-69`: QoS 0 is lost with the member that was chosen.
                    break;
                }
            }
            if !queues || !somebody {
                self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                return false;
            }
            waits = true;
        }
        let message = Self::shared_message(kept, publication, self.topics.name(topic));
        let held = Held {
            message,
            stored: durable,
            retain: publication.retain,
        };
        waits && self.hold(now, key, held)
    }

    #[expect(clippy::too_many_arguments, reason = "one message and one member")]
    fn offer_member(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        group_key: Key,
        at: usize,
        kept: &mut Option<Arc<Message>>,
        durable: bool,
    ) -> Taken {
        let Some(group) = self.shared.groups.get_mut(group_key) else {
            return Taken::Never;
        };
        let Some(member) = group.members.get(at).copied() else {
            return Taken::Never;
        };
        let Some(session) = self.sessions.get_mut(member.session) else {
            return Taken::Never;
        };
        let Some(key) = session.connection else {
            return Taken::Busy;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return Taken::Busy;
        };
        let room = connection.has_room(self.config.memory.outbox_bytes);
        let Some(connected) = connection.connected.as_deref_mut() else {
            return Taken::Busy;
        };
        connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
        let Some(name) = self.topics.name(topic) else {
            return Taken::Never;
        };
        if !connected.may_receive(name, &*self.observer) {
            self.statistics.denied_deliveries = self.statistics.denied_deliveries.saturating_add(1);
            return Taken::Never;
        }
        let qos = publication.qos.min(member.qos);
        if qos != QoS::AtMostOnce && !session.queue.is_empty() {
            // In flight stays in the order of sequence numbers; what waits in the session has older ones.
            return Taken::Busy;
        }
        if !room || (qos != QoS::AtMostOnce && session.in_flight.len() >= connected.receive_maximum)
        {
            self.wakers.extend(connection.outbox.ask_to_tell_drained());
            return Taken::Busy;
        }
        let version = connected.version;
        let shape = member.shape(version, qos, publication.retain);
        let form = if shape.retain || !shape.ids.is_empty() {
            self.single
                .encode(publication, shape, now.unix)
                .map(|()| &self.single)
        } else {
            self.forms.form(publication, version, qos, now.unix)
        };
        let Some(form) = form else {
            return Taken::Never;
        };
        if form.len() > connected.maximum_packet_size {
            return Taken::Never;
        }
        if let Some(meter) = &mut self.meter
            && let Err(at) = meter.deliver(now.monotonic, key)
        {
            self.pump_later(key, at);
            return Taken::Busy;
        }
        let packet_id = (qos != QoS::AtMostOnce).then(|| {
            let message = Self::shared_message(kept, publication, Some(name));
            let number = group.next;
            let held = Held {
                message,
                stored: durable,
                retain: publication.retain,
            };
            group.hold(number, held);
            if durable {
                self.journal.push(Change::Shared {
                    group: group_key,
                    filter: Arc::clone(&group.filter),
                    number,
                });
            }
            let share = Share {
                group: group_key,
                number,
            };
            session.send_share(share, shape)
        });
        form.append_to(&mut connection.staged, packet_id);
        self.statistics.count_delivery(qos);
        self.touch(key);
        if self.meter.is_some() && packet_id.is_some() {
            self.note_sent(now, version, member.session);
        }
        Taken::Yes(durable && packet_id.is_some())
    }

    /// Lets a message wait in a group. Answers whether the store must know.
    fn hold(&mut self, now: Now, key: Key, held: Held) -> bool {
        let memory = &self.config.memory;
        let Some(group) = self.shared.groups.get_mut(key) else {
            return false;
        };
        let is_full = |group: &Group| {
            group.waiters() >= memory.shared_messages
                || group
                    .waiting_bytes
                    .saturating_add(held.message.payload.len())
                    > memory.shared_bytes
        };
        if is_full(group) && group.search.is_due(now.monotonic) {
            let expired: Vec<_> = group
                .waiting
                .iter()
                .chain(&group.apart)
                .copied()
                .filter(|number| {
                    group
                        .messages
                        .get(number)
                        .is_some_and(|held| held.message.is_expired(now.unix))
                })
                .collect();
            for number in expired {
                forget(&mut self.journal, key, group, number);
            }
        }
        if is_full(group) {
            // `B-69`: over the limit the newest is dropped.
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            if !std::mem::replace(&mut group.overflowed, true) {
                tracing::warn!(
                    group = &*group.filter,
                    waiting = group.waiters(),
                    "the shared subscription's queue is full: the newest messages are dropped"
                );
            }
            return false;
        }
        let (number, durable) = (group.next, held.stored);
        group.hold(number, held);
        group.wait(number);
        self.statistics.queued = self.statistics.queued.saturating_add(1);
        if durable {
            self.journal.push(Change::Shared {
                group: key,
                filter: Arc::clone(&group.filter),
                number,
            });
        }
        if group.active > 0 {
            self.shared.set_ready(key);
        }
        durable
    }

    /// Gives what waits in groups to members that have room. Called when a call ends.
    pub(in crate::core) fn pump_ready_groups(&mut self, now: Now) {
        while let Some(key) = self.shared.ready.pop() {
            let Some(group) = self.shared.groups.get_mut(key) else {
                continue;
            };
            group.ready = false;
            if group.apart_since != self.generation {
                group.reunite();
            }
            if group.waiting.is_empty() || group.active == 0 {
                continue;
            }
            let active = group.active;
            self.pump_group(now, key, active);
        }
    }

    /// Gives what waits in a group to its connected members, one at a time to each in turn, so that a backlog is
    /// shared too.
    fn pump_group(&mut self, now: Now, key: Key, active: usize) {
        let start = self.shared.below(active);
        let mut step: usize = 0;
        let mut asked_for = None;
        // Members in turn that did not take it, and those of them that may not receive it.
        let (mut refused, mut denied): (usize, usize) = (0, 0);
        let (mut from, mut past): (u64, usize) = (0, 0);
        loop {
            let Some(group) = self.shared.groups.get_mut(key) else {
                return;
            };
            let Some(number) = group.waiting.range(from..).next().copied() else {
                group.overflowed &= group.waiters() > 0;
                return;
            };
            if asked_for != Some(number) {
                asked_for = Some(number);
                (refused, denied) = (0, 0);
            }
            if refused >= active {
                if denied == 0 {
                    return;
                }
                // Nothing holds up those behind it (`B-7`).
                if denied < refused {
                    // One with no room may take it.
                    past = past.saturating_add(1);
                    if past > PAST {
                        return;
                    }
                    from = number.saturating_add(1);
                } else if active < group.members.len() {
                    // `B-69`: one that is away may take it.
                    group.set_apart(number, self.generation);
                } else {
                    // `B-55`: no member may receive it or takes packets of its size.
                    self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                    forget(&mut self.journal, key, group, number);
                }
                continue;
            }
            let at = start.saturating_add(step).checked_rem(active).unwrap_or(0);
            let Some(member) = group.members.get(at).copied() else {
                return;
            };
            match self.pump_member(now, key, member, number) {
                Pumped::Sent => {}
                Pumped::Gone => continue,
                Pumped::Idle => refused = refused.saturating_add(1),
                Pumped::Denied => {
                    refused = refused.saturating_add(1);
                    denied = denied.saturating_add(1);
                }
            }
            step = step.saturating_add(1);
        }
    }

    /// Has the groups of a session looked at when the call ends: it has room.
    pub(in crate::core) fn ready_groups(&mut self, session: Key) {
        if let Some(session) = self.sessions.get(session) {
            for key in &session.shares {
                self.shared.set_ready(*key);
            }
        }
    }

    /// Sends one that waits to a member.
    fn pump_member(&mut self, now: Now, group_key: Key, member: Member, number: u64) -> Pumped {
        let Some(group) = self.shared.groups.get_mut(group_key) else {
            return Pumped::Idle;
        };
        let Some(session) = self.sessions.get_mut(member.session) else {
            return Pumped::Idle;
        };
        let Some(key) = session.connection else {
            return Pumped::Idle;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return Pumped::Idle;
        };
        let room = connection.has_room(self.config.memory.outbox_bytes);
        let Some(connected) = connection.connected.as_deref_mut() else {
            return Pumped::Idle;
        };
        if !session.queue.is_empty() || session.in_flight.len() >= connected.receive_maximum {
            // `Core::pump` has the groups looked at when it makes room.
            return Pumped::Idle;
        }
        if !room {
            self.wakers.extend(connection.outbox.ask_to_tell_drained());
            return Pumped::Idle;
        }
        let message = group.messages.get(&number);
        let message = message.map(|held| (Arc::clone(&held.message), held.retain));
        let Some((message, retain)) = message else {
            group.unwait(number);
            return Pumped::Gone;
        };
        if message.is_expired(now.unix) {
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            forget(&mut self.journal, group_key, group, number);
            return Pumped::Gone;
        }
        let maximum = connected.maximum_packet_size;
        if message.topic.len().saturating_add(message.payload.len()) > maximum {
            // Before it is copied: this is asked again at every look.
            return Pumped::Denied;
        }
        connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
        if !connected.may_receive(&message.topic, &*self.observer) {
            // Another member may be allowed.
            return Pumped::Denied;
        }
        let version = connected.version;
        let qos = message.qos.min(member.qos);
        let shape = member.shape(version, qos, retain);
        if self
            .single
            .encode(&message.publication(), shape, now.unix)
            .is_none()
            || self.single.len() > maximum
        {
            // Another member may take packets of this size.
            return Pumped::Denied;
        }
        if let Some(meter) = &mut self.meter
            && let Err(at) = meter.deliver_shared(now.monotonic, key)
        {
            self.pump_later(key, at);
            return Pumped::Idle;
        }
        let packet_id = if qos == QoS::AtMostOnce {
            forget(&mut self.journal, group_key, group, number);
            None
        } else {
            group.unwait(number);
            let share = Share {
                group: group_key,
                number,
            };
            Some(session.send_share(share, shape))
        };
        self.single.append_to(&mut connection.staged, packet_id);
        self.statistics.count_delivery(qos);
        self.touch(key);
        if self.meter.is_some() && packet_id.is_some() {
            self.note_sent(now, version, member.session);
        }
        Pumped::Sent
    }
}
