//! Quotas at work: token buckets that are asked at the few places where AWS counts (`B-17`, `B-28`, `B-40`, `B-45`, `B-46`,
//! `B-49`, `B-65`, `B-69`, `B-71`).
//!
//! There is a [`Meter`] only when quotas are on; without one nothing here is touched. A bucket holds a second's worth,
//! so as much may come at once. What is over is refused, dropped or delayed as its rule says, by the caller; a refusal
//! names its quota. How a bucket works is in [`bucket`], what is not acknowledged in time in [`retry`].

mod bucket;
mod retry;

use std::collections::HashMap;
use std::sync::Arc;

use super::Core;
use super::slab::Key;
use super::timers::Timer;
use crate::{Event, Millis, Now, Quotas};
use bucket::{Bucket, Buckets};
use retry::Retries;

/// Entries of one kind that are kept before those that say nothing are thrown away.
const SWEEP_FROM: usize = 1024;

/// What one connection may do.
struct OfConnection {
    publishes: Bucket,
    bytes: Bucket,
    stored: Bucket,
    shared: Bucket,
    /// Messages of the resumed session that are not sent yet (`B-28`).
    backlog: usize,
    /// When its last excess was logged.
    told: Option<Millis>,
    /// A timer will look at its queue again.
    pumps_at: Option<Millis>,
}

/// All buckets.
pub(crate) struct Meter {
    quotas: Quotas,
    connects: Bucket,
    inbound: Bucket,
    outbound: Bucket,
    queued: Bucket,
    subscribes: Bucket,
    retained: Bucket,
    clients: Buckets<Arc<str>>,
    topics: Buckets<Arc<str>>,
    groups: Buckets<Arc<str>>,
    connections: HashMap<Key, OfConnection>,
    retries: Retries,
}

/// The text of a refusal: rule, quota, value.
fn over(rule: &str, name: &str, value: u32) -> String {
    format!("{rule}: over the quota `{name}` ({value})")
}

impl Meter {
    pub(crate) fn new(quotas: Quotas, now: Millis) -> Self {
        let full = |rate| Bucket::full(rate, now);
        Self {
            quotas,
            connects: full(quotas.connects),
            inbound: full(quotas.inbound_publishes),
            outbound: full(quotas.outbound_publishes),
            queued: full(quotas.queued_messages),
            subscribes: full(quotas.subscribes),
            retained: full(quotas.retained_publishes),
            clients: Buckets::new(),
            topics: Buckets::new(),
            groups: Buckets::new(),
            connections: HashMap::new(),
            retries: Retries::new(),
        }
    }

    /// `B-17`: whether a client may connect now, while there are so many connections.
    pub(crate) fn connect(
        &mut self,
        now: Millis,
        client_id: &Arc<str>,
        connections: usize,
    ) -> Result<(), String> {
        let quotas = self.quotas;
        if connections > quotas.connections as usize {
            return Err(over("B-17", "connections", quotas.connections));
        }
        if self.connects.check(quotas.connects, now).is_err() {
            return Err(over("B-17", "connects", quotas.connects));
        }
        let rate = quotas.connects_per_client;
        if self.clients.take(Arc::clone(client_id), rate, now).is_err() {
            return Err(over("B-17", "connects-per-client", rate));
        }
        self.connects.take_one();
        Ok(())
    }

    /// A CONNECT was accepted; so many messages wait for it.
    pub(crate) fn open(&mut self, now: Millis, key: Key, backlog: usize) {
        let quotas = self.quotas;
        let connection = OfConnection {
            publishes: Bucket::full(quotas.publishes_per_connection, now),
            bytes: Bucket::full(quotas.bytes_per_connection, now),
            stored: Bucket::full(quotas.stored_deliveries, now),
            shared: Bucket::full(quotas.shared_deliveries, now),
            backlog,
            told: None,
            pumps_at: None,
        };
        self.connections.insert(key, connection);
    }

    pub(crate) fn close(&mut self, key: Key) {
        self.connections.remove(&key);
    }

    /// `B-45`, `B-65`: whether a PUBLISH of a client is taken.
    pub(crate) fn publish(
        &mut self,
        now: Millis,
        key: Key,
        topic: &str,
        retain: bool,
    ) -> Result<(), String> {
        let quotas = self.quotas;
        if let Some(connection) = self.connections.get_mut(&key) {
            let rate = quotas.publishes_per_connection;
            if connection.publishes.check(rate, now).is_err() {
                return Err(over("B-45", "publishes-per-connection", rate));
            }
        }
        if self.inbound.check(quotas.inbound_publishes, now).is_err() {
            return Err(over("H.2", "inbound-publishes", quotas.inbound_publishes));
        }
        if retain {
            let rate = quotas.retained_publishes;
            if self.retained.check(rate, now).is_err() {
                return Err(over("B-65", "retained-publishes", rate));
            }
            let rate = quotas.retained_per_topic;
            if self.topics.take(topic.into(), rate, now).is_err() {
                return Err(over("B-65", "retained-per-topic", rate));
            }
            self.retained.take_one();
        }
        self.inbound.take_one();
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.publishes.take_one();
        }
        Ok(())
    }

    /// `B-45`: whether a PUBLISH may go to a connection now. When it does go, [`delivered`](Self::delivered) is told.
    pub(crate) fn may_deliver(&mut self, now: Millis, key: Key) -> Result<(), Millis> {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection
                .publishes
                .check(self.quotas.publishes_per_connection, now)?;
        }
        self.outbound.check(self.quotas.outbound_publishes, now)
    }

    /// A PUBLISH goes to a connection.
    pub(crate) fn delivered(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.publishes.take_one();
        }
        self.outbound.take_one();
    }

    /// Both at once.
    pub(crate) fn deliver(&mut self, now: Millis, key: Key) -> Result<(), Millis> {
        self.may_deliver(now, key)?;
        self.delivered(key);
        Ok(())
    }

    /// `B-28`: whether the first that waits in the session may go now. What becomes of it, [`done_stored`](Self::done_stored) is told.
    pub(crate) fn may_deliver_stored(&mut self, now: Millis, key: Key) -> Result<(), Millis> {
        if let Some(connection) = self.connections.get_mut(&key)
            && connection.backlog > 0
        {
            connection
                .stored
                .check(self.quotas.stored_deliveries, now)?;
        }
        self.may_deliver(now, key)
    }

    /// The first that waited in the session was sent, or was dropped and counts for nothing.
    pub(crate) fn done_stored(&mut self, key: Key, sent: bool) {
        if let Some(connection) = self.connections.get_mut(&key)
            && connection.backlog > 0
        {
            connection.backlog = connection.backlog.saturating_sub(1);
            if sent {
                connection.stored.take_one();
            }
        }
        if sent {
            self.delivered(key);
        }
    }

    /// `B-69`: the same for a message that waited in a group.
    pub(crate) fn deliver_shared(&mut self, now: Millis, key: Key) -> Result<(), Millis> {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection
                .shared
                .check(self.quotas.shared_deliveries, now)?;
        }
        self.deliver(now, key)?;
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.shared.take_one();
        }
        Ok(())
    }

    /// Whether a timer has to be set for this connection's queue at `at`.
    pub(crate) fn wants_pump(&mut self, key: Key, at: Millis) -> bool {
        self.connections.get_mut(&key).is_some_and(|connection| {
            let earlier = connection.pumps_at.is_none_or(|set| at < set);
            if earlier {
                connection.pumps_at = Some(at);
            }
            earlier
        })
    }

    /// A timer came due. Answers whether its queue is to be looked at: not when a sooner timer has seen to it.
    pub(crate) fn pumped(&mut self, key: Key, now: Millis) -> bool {
        let connection = self.connections.get_mut(&key);
        connection.is_some_and(|one| one.pumps_at.take_if(|at| *at <= now).is_some())
    }

    /// `B-46`: bytes went through a connection; answers until when it has to rest.
    pub(crate) fn bytes(&mut self, now: Millis, key: Key, count: usize) -> Option<Millis> {
        let rate = self.quotas.bytes_per_connection;
        let connection = self.connections.get_mut(&key)?;
        connection.bytes.spend(rate, now, count)
    }

    /// `B-28`: whether one more message may begin to wait for somebody who is away. When it does, [`queued`](Self::queued) is told.
    pub(crate) fn may_queue(&mut self, now: Millis) -> bool {
        self.queued.check(self.quotas.queued_messages, now).is_ok()
    }

    /// A message waits for somebody who is away.
    pub(crate) const fn queued(&mut self) {
        self.queued.take_one();
    }

    /// `B-40`, `B-71`: whether a filter may be subscribed or unsubscribed now. `members` are those of its group without
    /// the client, if it is shared.
    pub(crate) fn subscribe(
        &mut self,
        now: Millis,
        filter: &str,
        facts: SubscribeFacts,
    ) -> Result<(), String> {
        let quotas = self.quotas;
        if self.subscribes.check(quotas.subscribes, now).is_err() {
            return Err(over("B-40", "subscribes", quotas.subscribes));
        }
        if facts.is_new && facts.subscriptions >= quotas.subscriptions as usize {
            return Err(over("H.2", "subscriptions", quotas.subscriptions));
        }
        if let Some(members) = facts.members {
            if facts.is_new && members >= quotas.shared_members as usize {
                return Err(over("B-71", "shared-members", quotas.shared_members));
            }
            if facts.is_new && members == 0 && facts.groups >= quotas.shared_groups as usize {
                return Err(over("B-71", "shared-groups", quotas.shared_groups));
            }
            let rate = quotas.shared_subscribes;
            if self.groups.take(filter.into(), rate, now).is_err() {
                return Err(over("B-71", "shared-subscribes", rate));
            }
        }
        self.subscribes.take_one();
        Ok(())
    }

    /// Messages that are watched until they are acknowledged.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> usize {
        self.retries.watched()
    }

    /// `B-65`: whether one more message may be retained when there are `len`.
    pub(crate) fn retained_messages(&self, len: usize) -> Result<(), String> {
        let quota = self.quotas.retained_messages;
        if len >= quota as usize {
            return Err(over("B-65", "retained-messages", quota));
        }
        Ok(())
    }

    /// Whether the excess of a connection is to be logged: once a second.
    pub(crate) fn tells(&mut self, now: Millis, key: Key) -> bool {
        self.connections.get_mut(&key).is_some_and(|connection| {
            let tells = connection.told.is_none_or(|told| now.since(told) >= 1000);
            if tells {
                connection.told = Some(now);
            }
            tells
        })
    }
}

/// What [`Meter::subscribe`] needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubscribeFacts {
    pub(crate) is_new: bool,
    /// Of the account.
    pub(crate) subscriptions: usize,
    /// Of the account.
    pub(crate) groups: usize,
    /// Of the group, if the subscription is shared.
    pub(crate) members: Option<usize>,
}

impl Core {
    /// `B-46`: counts bytes; a connection that had too many reads and writes nothing for a while.
    pub(super) fn count_bytes(&mut self, now: Now, key: Key, count: usize) {
        let Some(meter) = &mut self.meter else { return };
        let Some(until) = meter.bytes(now.monotonic, key, count) else {
            return;
        };
        if let Some(connection) = self.connections.get(key) {
            connection.outbox.hold();
            self.timers.set(until, Timer::Throttle(key));
            let tells = meter.tells(now.monotonic, key);
            if let (true, Some(connected)) = (tells, connection.connected.as_deref()) {
                let value = meter.quotas.bytes_per_connection;
                self.observer.event(Event::Violated {
                    client: &connected.client,
                    detail: &over("B-46", "bytes-per-connection", value),
                });
            }
        }
    }

    /// A connection has rested long enough, or not yet.
    pub(super) fn end_throttle(&mut self, now: Now, key: Key) {
        let Some(meter) = &mut self.meter else { return };
        if let Some(until) = meter.bytes(now.monotonic, key, 0) {
            self.timers.set(until, Timer::Throttle(key));
        } else if let Some(connection) = self.connections.get(key) {
            self.wakers.extend(connection.outbox.release());
        }
    }

    /// Has a session's queue looked at when there will be tokens.
    pub(super) fn pump_later(&mut self, key: Key, at: Millis) {
        if let Some(meter) = &mut self.meter
            && meter.wants_pump(key, at)
        {
            self.timers.set(at, Timer::Pump(key));
        }
    }

    pub(super) fn handle_pump_timer(&mut self, now: Now, key: Key) {
        let Some(meter) = &mut self.meter else { return };
        if !meter.pumped(key, now.monotonic) {
            return;
        }
        let session = self
            .connections
            .get(key)
            .and_then(|connection| connection.connected.as_deref())
            .map(|connected| connected.session);
        if let Some(session) = session {
            self.pump(now, session);
        }
    }
}
