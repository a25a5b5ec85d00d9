//! A message on its way to its subscribers.
//!
//! [`Core::dispatch`] finds them, asks whether each may receive (`B-55`, `C-12`), and gives QoS 0 to the connection
//! and QoS 1 to the session: in flight when there is room (`B-47`), queued when not. The queue moves when a
//! PUBACK or an emptied outbox makes room.

use std::sync::Arc;

use thingwire_mqtt::{PacketId, QoS, ReasonCode};

use super::Core;
use super::connection::{Connected, Connection, denial};
use super::durable::Change;
use super::frame::Shape;
use super::message::{Message, Publication};
use super::qos2::release;
use super::session::{Queued, Sending, Session};
use super::slab::Key;
use super::topics::{Extra, Match, Matches, TopicRef};
use crate::{Action, Event, Now};

impl Core {
    /// Gives a publication to everybody who asked for it. Answers whether it reached something that must be on disk
    /// before the publisher hears of success.
    pub(super) fn dispatch(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        retain: bool,
    ) -> bool {
        let mut durable = retain && self.retain(now, publication, topic);
        let mut matches = self.topics.take_matches(topic, &self.routes);
        let has_groups = !self.shared.is_empty();
        if !matches.list.is_empty() || has_groups {
            self.forms.clear();
            let mut kept = None;
            if has_groups {
                durable |= self.dispatch_shared(now, publication, topic, &mut kept);
            }
            let Matches { list, extras } = &mut matches;
            for found in list {
                let extra = found.extra.checked_sub(1);
                let extra = extra.and_then(|at| extras.get(at as usize));
                durable |= self.offer(now, publication, topic, found, extra, &mut kept);
            }
            self.topics.give_back(topic, matches);
        }
        durable
    }

    fn offer(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        found: &mut Match,
        extra: Option<&Extra>,
        kept: &mut Option<Arc<Message>>,
    ) -> bool {
        let mut extra = extra;
        if let Some(all) = extra
            && publication.from == found.session
        {
            if all.no_local {
                return false;
            }
            extra = all.own.as_deref().or(extra);
        }
        let qos = publication
            .qos
            .min(extra.map_or(found.qos, |extra| extra.qos));
        let wait = Wait {
            session: found.session,
            qos,
            retained: publication.retain && extra.is_some_and(|extra| extra.retain_as_published),
            ids: extra.map(|extra| &extra.ids).filter(|ids| !ids.is_empty()),
        };
        let Some(session) = self.sessions.get_mut(found.session) else {
            return false;
        };
        let Some(key) = session.connection else {
            // QoS 0 is not stored (`B-27`).
            return qos != QoS::AtMostOnce && self.queue(now, publication, topic, wait, kept);
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return false;
        };
        let Some(connected) = connection.connected.as_deref_mut() else {
            return false;
        };
        connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
        if found.stamp != connected.stamp {
            decide_receive(found, connected, publication.topic, &*self.observer);
        }
        if !found.allowed {
            self.statistics.denied_deliveries = self.statistics.denied_deliveries.saturating_add(1);
            return false;
        }
        let version = connected.version;
        let maximum = connected.maximum_packet_size;
        let receive_maximum = connected.receive_maximum;
        if qos != QoS::AtMostOnce
            && (!session.queue.is_empty() || session.in_flight.len() >= receive_maximum)
        {
            return self.queue(now, publication, topic, wait, kept);
        }
        if !connection.has_room(self.config.memory.outbox_bytes) {
            if qos != QoS::AtMostOnce {
                self.wakers.extend(connection.outbox.ask_to_tell_drained());
                return self.queue(now, publication, topic, wait, kept);
            }
            if note_slow(connection) {
                self.wakers.extend(connection.outbox.ask_to_tell_drained());
            }
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            return false;
        }
        if let Some(meter) = &mut self.meter
            && let Err(at) = meter.may_deliver(now.monotonic, key)
        {
            if qos != QoS::AtMostOnce {
                self.pump_later(key, at);
                return self.queue(now, publication, topic, wait, kept);
            }
            // `B-45`: the excess is discarded.
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            return false;
        }
        let form = if extra.is_none() {
            self.forms.form(publication, version, qos, now.unix)
        } else {
            let shape = Shape {
                version,
                qos,
                retain: wait.retained,
                dup: false,
                ids: wait.ids.map_or(&[], |ids| ids),
            };
            self.single
                .encode(publication, shape, now.unix)
                .map(|()| &self.single)
        };
        let Some(form) = form else {
            return false;
        };
        if form.len() > maximum {
            // [MQTT-3.1.2-25]: as if it had been sent.
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            return false;
        }
        if let Some(meter) = &mut self.meter {
            meter.delivered(key);
        }
        self.statistics.count_delivery(qos);
        let mut durable = false;
        let packet_id = (qos != QoS::AtMostOnce).then(|| {
            let sequence = session.new_sequence();
            let message = session
                .is_persistent()
                .then(|| Self::shared_message(kept, publication, self.topics.name(topic)));
            if message.is_some() && self.journal.enabled {
                durable = true;
                let number = session.number;
                self.journal.push(Change::Queued {
                    session: found.session,
                    number,
                    sequence,
                    new: true,
                });
            }
            session.send(Sending {
                sequence,
                message,
                qos,
                retained: wait.retained,
                ids: wait.ids.cloned(),
            })
        });
        form.append_to(&mut connection.staged, packet_id);
        if !connection.touched {
            connection.touched = true;
            self.touched.push(key);
        }
        if self.meter.is_some() && packet_id.is_some() {
            self.note_sent(now, version, found.session);
        }
        durable
    }

    /// Lets a QoS 1 message wait in a session.
    fn queue(
        &mut self,
        now: Now,
        publication: &Publication<'_>,
        topic: TopicRef,
        wait: Wait<'_>,
        kept: &mut Option<Arc<Message>>,
    ) -> bool {
        let message = Self::shared_message(kept, publication, self.topics.name(topic));
        self.enqueue(now, message, wait)
    }

    /// Adds a message to a session's queue; drops it when the queue is full. Answers whether the store must know.
    pub(super) fn enqueue(&mut self, now: Now, message: Arc<Message>, wait: Wait<'_>) -> bool {
        let key = wait.session;
        let Some(session) = self.sessions.get_mut(key) else {
            return false;
        };
        let away = session.connection.is_none();
        if away
            && let Some(meter) = &mut self.meter
            && !meter.may_queue(now.monotonic)
        {
            // `B-28`: messages beyond the account's rate are dropped.
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            return false;
        }
        let sequence = session.new_sequence();
        let number = session.number;
        let queued = Queued {
            sequence,
            message,
            qos: wait.qos,
            retained: wait.retained,
            ids: wait.ids.cloned(),
            resume: None,
            tried: false,
        };
        let mut outcome = session.enqueue(queued.clone(), &self.config.memory);
        if outcome.is_err() {
            for expired in session.purge(now) {
                self.journal.push(Change::Queued {
                    session: key,
                    number,
                    sequence: expired,
                    new: false,
                });
            }
            outcome = session.enqueue(queued, &self.config.memory);
        }
        if outcome.is_err() {
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
            if !std::mem::replace(&mut session.overflowed, true) {
                tracing::warn!(
                    client_id = &*session.client_id,
                    waiting = session.queue.len(),
                    "the session's queue is full: the newest messages are dropped"
                );
            }
            return false;
        }
        self.statistics.queued = self.statistics.queued.saturating_add(1);
        if let (true, Some(meter)) = (away, &mut self.meter) {
            meter.queued();
        }
        if session.is_persistent() && self.journal.enabled {
            self.journal.push(Change::Queued {
                session: key,
                number,
                sequence,
                new: true,
            });
            return true;
        }
        false
    }

    /// Sends what waits in a session as far as there is room, and has its groups looked at afterwards.
    pub(super) fn pump(&mut self, now: Now, session_key: Key) {
        if !self.shared.is_empty() {
            self.ready_groups(session_key);
        }
        loop {
            let Some(session) = self.sessions.get_mut(session_key) else {
                return;
            };
            let Some(key) = session.connection else {
                return;
            };
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            let room = connection.has_room(self.config.memory.outbox_bytes);
            let Some(connected) = connection.connected.as_deref_mut() else {
                return;
            };
            if session.queue.is_empty() || session.in_flight.len() >= connected.receive_maximum {
                return;
            }
            if !room {
                self.wakers.extend(connection.outbox.ask_to_tell_drained());
                return;
            }
            if let Some(meter) = &mut self.meter
                && let Err(at) = meter.may_deliver_stored(now.monotonic, key)
            {
                self.pump_later(key, at);
                return;
            }
            let Some(queued) = session.dequeue() else {
                return;
            };
            connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
            let may_receive = connected.may_receive(&queued.message.topic, &*self.observer);
            let shape = Shape {
                version: connected.version,
                qos: queued.qos,
                retain: queued.retained,
                dup: queued.resume.is_some(),
                ids: queued.ids.as_deref().unwrap_or_default(),
            };
            let publication = queued.message.publication();
            let fits = may_receive
                && (queued.resume.is_some() || !queued.message.is_expired(now.unix))
                && self.single.encode(&publication, shape, now.unix).is_some()
                && self.single.len() <= connected.maximum_packet_size;
            if let Some(meter) = &mut self.meter {
                meter.done_stored(key, fits);
            }
            if !fits {
                self.statistics.dropped = self.statistics.dropped.saturating_add(1);
                forget(&mut self.journal, session, session_key, queued.sequence);
                continue;
            }
            let (version, qos) = (shape.version, shape.qos);
            let sending = Sending {
                sequence: queued.sequence,
                message: session.is_persistent().then_some(queued.message),
                qos: queued.qos,
                retained: queued.retained,
                ids: queued.ids,
            };
            let released = queued.resume.as_ref().is_some_and(|resume| resume.released);
            let packet_id = match queued.resume {
                Some(resume) => session.send_again(sending, *resume),
                None => session.send(sending),
            };
            if released {
                // The client has it; only PUBREL is missing.
                connection.stage(version, &release(packet_id, ReasonCode::SUCCESS));
            } else {
                self.single
                    .append_to(&mut connection.staged, Some(packet_id));
            }
            self.statistics.count_delivery(qos);
            if !connection.touched {
                connection.touched = true;
                self.touched.push(key);
            }
            if self.meter.is_some() && !queued.tried {
                self.note_sent(now, version, session_key);
            }
        }
    }

    /// PUBACK of a subscriber. MQTT 5's failure codes end the delivery as success does (4.3.2).
    pub(super) fn puback(&mut self, now: Now, key: Key, packet_id: PacketId) {
        let Some(connected) = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
        else {
            return;
        };
        let (session_key, version) = (connected.session, connected.version);
        let Some(session) = self.sessions.get_mut(session_key) else {
            return;
        };
        let Some(sent) = session.acknowledged(packet_id) else {
            // A PUBACK for nothing is harmless; MQTT 5 has no packet to answer it with.
            tracing::debug!(
                client_id = &*session.client_id,
                packet_id = packet_id.get(),
                version = version.level(),
                code = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND.0,
                "PUBACK for a packet that is not in flight"
            );
            return;
        };
        if sent.share.is_none() && session.is_persistent() {
            forget(&mut self.journal, session, session_key, sent.sequence);
        }
        let (waits, shares) = (!session.queue.is_empty(), !session.shares.is_empty());
        if let Some(share) = sent.share {
            self.share_acknowledged(*share);
        }
        if waits || shares {
            self.pump(now, session_key);
        }
    }

    /// Sends one retained message because of a new subscription (`B-37`, `B-63`).
    pub(super) fn deliver_retained(
        &mut self,
        now: Now,
        session_key: Key,
        message: &Arc<Message>,
        granted: QoS,
        ids: Option<&Arc<[u32]>>,
    ) {
        let qos = message.qos.min(granted);
        if qos != QoS::AtMostOnce {
            let wait = Wait {
                session: session_key,
                qos,
                retained: true,
                ids,
            };
            self.enqueue(now, Arc::clone(message), wait);
            self.pump(now, session_key);
            return;
        }
        let Some(key) = self
            .sessions
            .get(session_key)
            .and_then(|session| session.connection)
        else {
            return;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(connected) = connection.connected.as_deref_mut() else {
            return;
        };
        connected.refresh(&*self.authorize, self.generation, &mut self.stamps);
        if !connected.may_receive(&message.topic, &*self.observer) {
            return;
        }
        let shape = Shape {
            version: connected.version,
            qos,
            retain: true,
            dup: false,
            ids: ids.map_or(&[], |ids| ids),
        };
        let fits = self
            .single
            .encode(&message.publication(), shape, now.unix)
            .is_some()
            && self.single.len() <= connected.maximum_packet_size
            && connection.has_room(self.config.memory.outbox_bytes);
        if fits {
            self.single.append_to(&mut connection.staged, None);
            self.statistics.count_delivery(qos);
            self.touch(key);
        } else {
            self.statistics.dropped = self.statistics.dropped.saturating_add(1);
        }
    }
}

/// A message that waits in a session, and how it will be presented.
#[derive(Clone, Copy)]
pub(super) struct Wait<'a> {
    pub(super) session: Key,
    pub(super) qos: QoS,
    pub(super) retained: bool,
    pub(super) ids: Option<&'a Arc<[u32]>>,
}

/// Asks whether one subscriber may receive from a topic, and keeps the answer in the match until its policy changes.
fn decide_receive(
    found: &mut Match,
    connected: &Connected,
    topic: &str,
    observer: &dyn crate::Observer,
) {
    let denied = denial(connected.permissions.decide(Action::Receive, topic));
    found.stamp = connected.stamp;
    found.allowed = denied.is_none();
    if let Some(explanation) = denied {
        // Told once for each topic and policy; every delivery would be a flood.
        observer.event(Event::Refused {
            client: &connected.client,
            action: Action::Receive,
            resource: topic,
            explanation: &explanation,
        });
    }
}

/// Notes that a connection reads too slowly. Answers whether that is new.
fn note_slow(connection: &mut Connection) -> bool {
    let Some(connected) = connection.connected.as_deref_mut() else {
        return false;
    };
    if std::mem::replace(&mut connected.slow, true) {
        return false;
    }
    tracing::warn!(
        client_id = &*connected.client.client_id,
        "reads too slowly: QoS 0 messages are dropped"
    );
    true
}

/// A message of a session needs no row any more; nobody waits for that.
fn forget(journal: &mut super::durable::Journal, session: &Session, key: Key, sequence: u64) {
    if session.is_persistent() {
        journal.push(Change::Queued {
            session: key,
            number: session.number,
            sequence,
            new: false,
        });
    }
}
