//! The handle to a running broker: one core behind a lock, its store, its clock.
//!
//! The lock is held for the routing of one read at a time, never while bytes move, and never while the disk works:
//! batches are handed over under it (so that their order is the core's), and what became of them is put
//! into an inbox that whoever holds the lock next empties.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use thingwire_mqtt::{DecodeError, Packet, Properties, Property, QoS, Version};
use thingwire_store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::{ConnectionKey, Core, Effects, Outbox, Rows, Statistics};
use crate::{Authorize, Config, ConnectionInfo, DisconnectReason, Millis, Now, Observer, Peer};

struct Shared {
    core: Mutex<Core>,
    store: Option<Arc<dyn Store>>,
    /// Batches that are done, and whether they are on disk.
    done: Mutex<Vec<(u64, bool)>>,
    /// The last batch was refused, and the log says so.
    refused: AtomicBool,
    started: Instant,
    /// When the timer task will next wake by itself; `u64::MAX` is never.
    armed: AtomicU64,
    rearm: Arc<Notify>,
    settled: Notify,
    config: Config,
    traffic: Traffic,
}

/// What the edge counts outside the lock.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    read: AtomicU64,
    written: AtomicU64,
}

impl Traffic {
    pub(crate) fn read(&self, bytes: usize) {
        add(&self.read, bytes);
    }

    pub(crate) fn written(&self, bytes: usize) {
        add(&self.written, bytes);
    }
}

fn add(count: &AtomicU64, bytes: usize) {
    // Nobody draws conclusions from the order of two counts.
    count.fetch_add(u64::try_from(bytes).unwrap_or_default(), Ordering::Relaxed);
}

/// A running broker. Clones are the same broker; it ends when the last one is dropped.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

impl Broker {
    /// Starts a broker and brings back what the store kept. Without a store nothing survives and nothing waits
    /// for a disk. Must be called inside a tokio runtime, on which it runs its timers; reading the store blocks.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn start(
        config: Config,
        store: Option<Arc<dyn Store>>,
        authorize: Arc<dyn Authorize>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, StoreError> {
        let random = Box::new(|| uuid::Uuid::new_v4().into_bytes());
        let mut core = Core::new(config, store.is_some(), authorize, observer, random);
        let started = Instant::now();
        if let Some(store) = &store {
            core.restore(now(started), &Rows::scan(&**store)?)?;
        }
        let rearm = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            store,
            done: Mutex::new(Vec::new()),
            refused: AtomicBool::new(false),
            started,
            armed: AtomicU64::new(u64::MAX),
            rearm: Arc::clone(&rearm),
            settled: Notify::new(),
            config,
            traffic: Traffic::default(),
        });
        tokio::spawn(run_timers(Arc::downgrade(&shared), rearm));
        let broker = Self { shared };
        broker.with(|_, _| ());
        Ok(broker)
    }

    /// Publishes a message of a service of ours: policies are not asked, and `$` topics are open.
    pub fn publish(&self, topic: &str, payload: &[u8], qos: QoS, retain: bool) {
        let none = Properties::EMPTY;
        self.with(|core, now| core.publish_internal(now, topic, payload, qos, retain, none));
    }

    /// Publishes a message of a client that sent it another way, over HTTPS (`F-24`). That it may, and that its properties are in
    /// form, the caller has found out; the account's quotas count it (`B-65`, H.2).
    ///
    /// # Errors
    /// The quota that it is over, in words; nothing was published.
    pub fn publish_for_client(
        &self,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        properties: &[Property<'_>],
    ) -> Result<(), String> {
        let list = Properties::List(properties);
        self.with(|core, now| core.publish_for_client(now, topic, payload, qos, retain, list))
    }

    /// Closes every connection of a principal (`A-27`) and answers how many there were. MQTT 5 clients get 0x87 for
    /// [`DisconnectReason::AuthError`] and [`DisconnectReason::ForbiddenAccess`], 0x98 for
    /// [`DisconnectReason::ServerInitiatedDisconnect`].
    pub fn disconnect_principal(
        &self,
        principal: &str,
        reason: DisconnectReason,
        detail: &str,
    ) -> usize {
        self.with(|core, now| core.disconnect_principal(now, principal, reason, detail))
    }

    /// Closes every connection with DISCONNECT 0x8B, keeps the sessions, and waits until all of it is on disk.
    /// Close the listeners first, and wait for the tasks that [`serve`](crate::edge::serve) afterwards: they write the
    /// last bytes. If this future is dropped, the connections are closed all the same.
    pub async fn shutdown(&self) {
        self.with(|core, now| core.shut_down(now));
        loop {
            let settled = self.shared.settled.notified();
            if self.with(|core, now| {
                core.flush(now);
                core.is_settled()
            }) {
                return;
            }
            // A store that fails tries again within a second; it is not waited for without end.
            if tokio::time::timeout(Duration::from_secs(5), settled)
                .await
                .is_err()
            {
                tracing::warn!("the store did not finish; what was not acknowledged may be lost");
                return;
            }
        }
    }

    /// Counts and sizes.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let traffic = self.traffic();
        Statistics {
            bytes_read: traffic.read.load(Ordering::Relaxed),
            bytes_written: traffic.written.load(Ordering::Relaxed),
            ..self.with(|core, _| core.statistics())
        }
    }

    /// The connections whose CONNECT was accepted, by client id.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.with(|core, _| core.connections())
    }

    /// The settings it was started with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.shared.traffic
    }

    pub(crate) fn open(&self, peer: Peer) -> (ConnectionKey, Arc<Outbox>) {
        self.with(|core, now| core.open(now, peer))
    }

    /// Packets, and after them the error that ended their read, if one did.
    pub(crate) fn receive(
        &self,
        key: ConnectionKey,
        packets: &[Packet<'_>],
        error: Option<(&DecodeError, Option<Version>)>,
    ) {
        self.with(|core, now| {
            if !packets.is_empty() {
                core.receive(now, key, packets);
            }
            if let Some((error, version)) = error {
                core.reject(now, key, error, version);
            }
        });
    }

    pub(crate) fn drained(&self, key: ConnectionKey) {
        self.with(|core, now| core.drained(now, key));
    }

    pub(crate) fn disconnect(&self, key: ConnectionKey, reason: DisconnectReason, detail: &str) {
        self.with(|core, now| core.disconnect(now, key, reason, detail));
    }

    pub(crate) fn lost(&self, key: ConnectionKey, detail: &str) {
        self.with(|core, now| core.lost(now, key, detail));
    }

    fn with<T>(&self, call: impl FnOnce(&mut Core, Now) -> T) -> T {
        self.shared.with(call)
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The timer task sees that nobody is left, and ends.
        self.rearm.notify_one();
    }
}

impl Shared {
    /// One call of the core, and everything that follows from it.
    fn with<T>(self: &Arc<Self>, call: impl FnOnce(&mut Core, Now) -> T) -> T {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let wakers = self.absorb(&mut core);
        wake(wakers);
        let now = now(self.started);
        let result = call(&mut core, now);
        let effects = core.finish(now);
        let wakers = self.apply(effects, &core);
        drop(core);
        wake(wakers);
        self.settle();
        result
    }

    /// Tells the core which batches are done. A callback of the store that finds the lock taken leaves it to us: we
    /// look once more after letting go, so nothing is left lying.
    fn settle(self: &Arc<Self>) {
        while !self.done().is_empty() {
            let Ok(mut core) = self.core.try_lock() else {
                return;
            };
            let wakers = self.absorb(&mut core);
            drop(core);
            wake(wakers);
        }
    }

    fn absorb(self: &Arc<Self>, core: &mut Core) -> Vec<std::task::Waker> {
        let mut wakers = Vec::new();
        loop {
            let done = std::mem::take(&mut *self.done());
            if done.is_empty() {
                return wakers;
            }
            let now = now(self.started);
            for (number, stored) in done {
                core.stored(now, number, stored);
            }
            let effects = core.finish(now);
            wakers.extend(self.apply(effects, core));
            if core.is_settled() {
                self.settled.notify_waiters();
            }
        }
    }

    /// Hands over the batch, sees to the timer, and answers whom to wake once the lock is free.
    fn apply(self: &Arc<Self>, effects: Effects, core: &Core) -> Vec<std::task::Waker> {
        if let (Some(batch), Some(store)) = (effects.batch, &self.store) {
            let shared = Arc::downgrade(self);
            let number = batch.number;
            let done = move |result: Result<(), StoreError>| {
                if let Some(shared) = shared.upgrade() {
                    shared.log_refusal(&result);
                    shared.done().push((number, result.is_ok()));
                    shared.settle();
                }
            };
            store.submit(batch.writes, Box::new(done));
        }
        // Relaxed is enough: `armed` is written under the core's lock, which we hold.
        let next = core.poll_timeout().map_or(u64::MAX, |next| next.0);
        if next < self.armed.load(Ordering::Relaxed) {
            self.rearm.notify_one();
        }
        effects.wakers
    }

    /// Once an outage: a full disk is often the disk that the log is on.
    fn log_refusal(&self, result: &Result<(), StoreError>) {
        let before = self.refused.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !before => {
                tracing::error!(%error, "what the broker must remember was not stored");
            }
            Ok(()) if before => tracing::info!("what the broker must remember is stored again"),
            _ => {}
        }
    }

    fn done(&self) -> std::sync::MutexGuard<'_, Vec<(u64, bool)>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(wakers: Vec<std::task::Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

fn now(started: Instant) -> Now {
    let unix = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        monotonic: millis(started.elapsed()),
        unix: millis(unix),
    }
}

fn millis(duration: Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Calls the core when something is due; ends with the broker.
async fn run_timers(shared: Weak<Shared>, rearm: Arc<Notify>) {
    loop {
        let wait = {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let (next, now) = shared.with(|core, now| {
                core.handle_timeout(now);
                let next = core.poll_timeout();
                // Under the lock, so that an earlier time-out set by a later call is seen as earlier.
                shared
                    .armed
                    .store(next.map_or(u64::MAX, |next| next.0), Ordering::Relaxed);
                (next, now)
            });
            next.map(|next| Duration::from_millis(next.since(now.monotonic)))
        };
        let notified = rearm.notified();
        match wait {
            Some(wait) => drop(tokio::time::timeout(wait, notified).await),
            None => notified.await,
        }
    }
}
