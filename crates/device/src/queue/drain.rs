//! How waiting messages leave: one at a time, in order, at a steady rate, each until its PUBACK.

use core::future::poll_fn;
use core::task::Poll;

use thingwire_mqtt::client::{PublishError as SessionPublishError, Ticket};

use super::record::Record;
use super::{Flight, OfflineQueue, QueueStorage, Visit, is_only_too_fast, outgoing};
use crate::{Millis, Platform, PublishError, ReasonCode};

/// A message that left the queue without being delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost<'m> {
    /// Its topic.
    pub topic: &'m str,
    /// Why.
    pub why: LostWhy,
}

/// Why a message of a queue was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostWhy {
    /// It waited longer than the age limit.
    Expired,
    /// The server did not take it.
    Refused(ReasonCode),
    /// It can never be sent: it does not fit into the session buffer, or breaks a limit of the server.
    Impossible(PublishError),
}

/// What the oldest record led to.
enum Next {
    /// There is none.
    Nothing,
    /// The session has it.
    Sent,
    /// It is not to be sent.
    Given(u32, LostWhy),
    /// The session needs room for so many bytes first.
    NoRoom(usize),
    /// The client was stopped.
    Stopped,
}

impl<S: QueueStorage> OfflineQueue<'_, '_, S> {
    /// Sends what waits and what will be put, until the client is stopped. `clock` is the clock of
    /// [`put`](Self::put); `lost` hears of each message that will not be delivered, with its reason.
    ///
    /// Waits for messages, the connection, acknowledgements, storage and time. Dropping it at any moment loses and
    /// doubles nothing: the next call goes on with the message that is under way. One at a time should run.
    ///
    /// # Errors
    /// The storage's own.
    pub async fn drain<P: Platform>(
        &self,
        platform: &P,
        clock: impl Fn() -> Millis,
        mut lost: impl FnMut(Lost<'_>),
    ) -> Result<(), S::Error> {
        loop {
            match self.flight.get() {
                Flight::Sent(sequence, ticket) => {
                    let Some(reason) = self.outcome(ticket).await else {
                        return Ok(());
                    };
                    self.client.state().session.forget(ticket);
                    self.flight.set(if is_only_too_fast(reason) {
                        self.next_at.set(platform.now().after(1_000));
                        Flight::None
                    } else if reason.is_failure() {
                        Flight::Ended(sequence, Some(LostWhy::Refused(reason)))
                    } else {
                        Flight::Ended(sequence, None)
                    });
                }
                Flight::Ended(sequence, why) => {
                    self.finish(sequence, why, &mut lost).await?;
                    self.flight.set(Flight::None);
                }
                Flight::None => {
                    platform.sleep_until(self.next_at.get()).await;
                    if !self.ready().await {
                        return Ok(());
                    }
                    match self.send(&clock).await? {
                        Next::Nothing => {}
                        Next::Sent => {
                            let pause = 1_000_u64
                                .checked_div(u64::from(self.per_second()))
                                .unwrap_or_default();
                            self.next_at.set(platform.now().after(pause));
                        }
                        Next::Given(sequence, why) => {
                            self.flight.set(Flight::Ended(sequence, Some(why)));
                        }
                        Next::NoRoom(needed) => self.room(needed).await,
                        Next::Stopped => return Ok(()),
                    }
                }
            }
        }
    }

    fn per_second(&self) -> u32 {
        self.options
            .per_second
            .clamp(1, self.client.limits.publishes_per_second.max(1))
    }

    /// Waits for PUBACK; `None` when the client was stopped before.
    async fn outcome(&self, ticket: Ticket) -> Option<ReasonCode> {
        self.client
            .wait(|state| match state.session.outcome(ticket) {
                Some(codes) => Some(Some(ReasonCode(codes.first().copied().unwrap_or_default()))),
                None => state.is_stopped().then_some(None),
            })
            .await
    }

    /// Waits for a message and a connection; false when the client was stopped.
    async fn ready(&self) -> bool {
        poll_fn(|cx| {
            if self.statistics().depth > 0 || self.client.state().stopping {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().register(cx.waker());
            // `stop` wakes those who wait for the client.
            self.client.state().register(cx.waker());
            Poll::Pending
        })
        .await;
        self.client
            .wait(|state| {
                if state.stopping {
                    return Some(false);
                }
                state.session.is_connected().then_some(true)
            })
            .await
    }

    /// Waits until the session has so many bytes free.
    async fn room(&self, needed: usize) {
        self.client
            .wait(|state| (state.stopping || state.session.free() >= needed).then_some(()))
            .await;
    }

    /// Gives the oldest message to the session.
    async fn send(&self, clock: &impl Fn() -> Millis) -> Result<Next, S::Error> {
        let mut lock = self.lock().await;
        let inner = lock.get();
        let mut next = Next::Nothing;
        let (mut any, mut foreign) = (false, false);
        let look = &mut |bytes: &[u8]| {
            any = true;
            let Some(record) = Record::read(bytes) else {
                // Not ours: flash that was used for something else.
                foreign = true;
                return Visit::Remove;
            };
            next = self.give(&record, clock());
            Visit::Stop
        };
        inner.storage.visit(inner.buffer, look).await?;
        if foreign {
            self.removed();
        } else if !any {
            // Whoever removed the last was dropped before it was counted.
            self.emptied();
        }
        drop(lock);
        Ok(next)
    }

    fn give(&self, record: &Record<'_>, now: Millis) -> Next {
        let age = now.since(record.at);
        if self.options.max_age.is_some_and(|limit| age > limit) {
            return Next::Given(record.sequence, LostWhy::Expired);
        }
        let accepted = self.client.state().publish(outgoing(record));
        match accepted {
            Ok(ticket) => {
                self.flight.set(Flight::Sent(record.sequence, ticket));
                Next::Sent
            }
            Err(PublishError::Session(SessionPublishError::NoRoom { needed, .. })) => {
                Next::NoRoom(needed)
            }
            Err(PublishError::Stopped) => Next::Stopped,
            Err(error) => Next::Given(record.sequence, LostWhy::Impossible(error)),
        }
    }

    /// Takes the message out of the storage and says how it went.
    async fn finish(
        &self,
        sequence: u32,
        why: Option<LostWhy>,
        lost: &mut impl FnMut(Lost<'_>),
    ) -> Result<(), S::Error> {
        let mut lock = self.lock().await;
        let removed = lock
            .remove_first(|held| {
                let found = held.sequence == sequence;
                if let (true, Some(why)) = (found, why) {
                    lost(Lost {
                        topic: held.topic,
                        why,
                    });
                }
                found
            })
            .await?;
        if removed {
            self.removed();
            self.count(|statistics| match why {
                None => &mut statistics.delivered,
                Some(LostWhy::Expired) => &mut statistics.expired,
                Some(_) => &mut statistics.refused,
            });
        }
        Ok(())
    }
}
