//! A session: what a client id owns beyond its connection (3.1.2.4, `B-23` to `B-29`).
//!
//! Every connection has one. It is persistent when it outlives the connection (`expiry` is not 0); only then
//! does any of it go to the store. QoS 1 messages are *in flight* from their PUBLISH to their PUBACK and *queued*
//! before; both lists are in the order of their sequence numbers, which name them in the store.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use thingwire_mqtt::{PacketId, QoS, Version};

use super::frame::Shape;
use super::message::Message;
use super::routes::Options;
use super::search::Search;
use super::slab::Key;
use super::wills::Will;
use crate::{Memory, Millis, Now};

/// Room for messages in flight that a session keeps while there are none.
const KEPT_CAPACITY: usize = 16;

/// A QoS 1 message that was sent and is not yet acknowledged.
pub(crate) struct InFlight {
    /// Counts packet identifiers without wrapping.
    counter: u64,
    packet_id: PacketId,
    pub(crate) sequence: u64,
    /// Kept when the session is persistent: it may have to be sent again on another connection.
    pub(crate) message: Option<Arc<Message>>,
    retained: bool,
    pub(crate) qos: QoS,
    /// PUBREC came for it; what is missing is PUBCOMP.
    pub(crate) released: bool,
    /// Subscription identifiers it was sent with.
    ids: Option<Arc<[u32]>>,
    /// It belongs to a group, which has the message.
    pub(crate) share: Option<Box<Share>>,
}

/// How a message was in flight on an earlier connection (`B-6` in behaviour `mqtt`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resume {
    counter: u64,
    packet_id: PacketId,
    pub(crate) released: bool,
}

/// A message of a shared subscription: its group, and its number there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) group: Key,
    pub(crate) number: u64,
}

/// A QoS 1 message that waits to be sent.
#[derive(Clone)]
pub(crate) struct Queued {
    pub(crate) sequence: u64,
    pub(crate) message: Arc<Message>,
    /// The smaller of the message's and the subscription's (`B-48`).
    pub(crate) qos: QoS,
    /// Sent because of a new subscription (`B-63`).
    pub(crate) retained: bool,
    /// Subscription identifiers (`B-36`).
    pub(crate) ids: Option<Arc<[u32]>>,
    /// It was in flight before and goes on as it was.
    pub(crate) resume: Option<Box<Resume>>,
    /// It was in flight before in this process, so that its time is running already (`B-49`).
    pub(crate) tried: bool,
}

/// A message that is put in flight.
pub(crate) struct Sending {
    pub(crate) sequence: u64,
    /// Kept when it may have to be sent again.
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) qos: QoS,
    pub(crate) retained: bool,
    pub(crate) ids: Option<Arc<[u32]>>,
}

/// One subscription of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) qos: QoS,
    pub(crate) options: Options,
    /// The batch that brings it to the disk, until it is there. While it is not, no SUBACK may promise it.
    pub(crate) pending: Option<u64>,
}

/// A message as its row holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'a> {
    pub(crate) message: &'a Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retained: bool,
    pub(crate) ids: &'a [u32],
}

/// Why a message does not join a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

pub(crate) struct Session {
    pub(crate) client_id: Arc<str>,
    pub(crate) version: Version,
    /// Its name in the store; never used twice.
    pub(crate) number: u64,
    /// Seconds it outlives its connection; 0 when it is not persistent.
    pub(crate) expiry: u32,
    pub(crate) connection: Option<Key>,
    /// When the connection ended (wall clock); meaningless while there is one.
    pub(crate) disconnected: Millis,
    pub(crate) subscriptions: HashMap<Arc<str>, Subscription>,
    /// The groups of its shared subscriptions.
    pub(crate) shares: Vec<Key>,
    pub(crate) in_flight: VecDeque<InFlight>,
    pub(crate) queue: VecDeque<Queued>,
    queued_bytes: usize,
    next_sequence: u64,
    next_counter: u64,
    /// QoS 2 messages of the client that it has not released yet.
    pub(crate) received: BTreeSet<u16>,
    /// When the timer comes due that looks whether it has expired (monotonic clock); older ones may be there besides.
    pub(crate) expires_at: Option<Millis>,
    /// A Will that waits, and until when (monotonic clock, `B-60`).
    pub(crate) will: Option<(Box<Will>, Millis)>,
    /// Its row is on disk.
    pub(crate) stored: bool,
    /// A drop was logged since the queue was last empty.
    pub(crate) overflowed: bool,
    /// Of the full queue, for expired messages.
    search: Search,
}

impl Session {
    pub(crate) fn new(client_id: Arc<str>, version: Version, number: u64) -> Self {
        Self {
            client_id,
            version,
            number,
            expiry: 0,
            connection: None,
            disconnected: Millis(0),
            subscriptions: HashMap::new(),
            shares: Vec::new(),
            in_flight: VecDeque::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            next_sequence: 0,
            next_counter: 0,
            received: BTreeSet::new(),
            will: None,
            expires_at: None,
            stored: false,
            overflowed: false,
            search: Search::default(),
        }
    }

    pub(crate) const fn is_persistent(&self) -> bool {
        self.expiry > 0
    }

    /// When a session without connection ends (wall clock, `B-24`).
    pub(crate) const fn ends(&self) -> Millis {
        self.disconnected.plus_seconds(self.expiry as u64)
    }

    /// Whether a timer has to be set for `at`: only when it is sooner than the one there is.
    pub(crate) fn arm_expiry(&mut self, at: Millis) -> bool {
        let sooner = self.expires_at.is_none_or(|set| at < set);
        if sooner {
            self.expires_at = Some(at);
        }
        sooner
    }

    pub(crate) const fn new_sequence(&mut self) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.saturating_add(1);
        sequence
    }

    /// Puts a message in flight and answers its packet identifier, which no other message in flight has.
    pub(crate) fn send(&mut self, sending: Sending) -> PacketId {
        let (counter, packet_id) = self.take_packet_id();
        let resume = Resume {
            counter,
            packet_id,
            released: false,
        };
        self.send_again(sending, resume)
    }

    /// The same with the packet identifier it had.
    pub(crate) fn send_again(&mut self, sending: Sending, resume: Resume) -> PacketId {
        self.in_flight.push_back(InFlight {
            counter: resume.counter,
            packet_id: resume.packet_id,
            sequence: sending.sequence,
            message: sending.message,
            retained: sending.retained,
            qos: sending.qos,
            released: resume.released,
            ids: sending.ids,
            share: None,
        });
        resume.packet_id
    }

    /// The client has a QoS 2 message (PUBREC). Answers whether it was in flight.
    pub(crate) fn release(&mut self, packet_id: PacketId) -> bool {
        let mut in_flight = self.in_flight.iter_mut();
        let sent = in_flight.find(|sent| sent.packet_id == packet_id);
        sent.map(|sent| sent.released = true).is_some()
    }

    /// Begins packet identifiers at another place, because a client may still know those of before a crash.
    pub(crate) const fn skip_packet_ids(&mut self, count: u64) {
        self.next_counter = count % 65_535;
    }

    /// The same for a message of a group, presented as its member asked.
    pub(crate) fn send_share(&mut self, share: Share, shape: Shape<'_>) -> PacketId {
        let packet_id = Sending {
            sequence: self.new_sequence(),
            message: None,
            qos: shape.qos,
            retained: shape.retain,
            ids: (!shape.ids.is_empty()).then(|| shape.ids.into()),
        };
        let packet_id = self.send(packet_id);
        if let Some(sent) = self.in_flight.back_mut() {
            sent.share = Some(Box::new(share));
        }
        packet_id
    }

    fn take_packet_id(&mut self) -> (u64, PacketId) {
        let mut counter = self.next_counter;
        let mut packet_id = packet_id(counter);
        // Identifiers wrap after 65,535. Only then can one still be taken, by a message that was never acknowledged.
        let oldest = self
            .in_flight
            .front()
            .map_or(counter, |first| first.counter);
        if counter.saturating_sub(oldest) >= 65_535 {
            while self
                .in_flight
                .iter()
                .any(|sent| sent.packet_id == packet_id)
            {
                counter = counter.saturating_add(1);
                packet_id = self::packet_id(counter);
            }
        }
        self.next_counter = counter.saturating_add(1);
        (counter, packet_id)
    }

    /// The client acknowledged this packet; answers what was in flight.
    pub(crate) fn acknowledged(&mut self, packet_id: PacketId) -> Option<InFlight> {
        let at = self
            .in_flight
            .iter()
            .position(|sent| sent.packet_id == packet_id)?;
        let sent = self.in_flight.remove(at);
        if self.in_flight.is_empty() && self.in_flight.capacity() > KEPT_CAPACITY {
            // An idle session owns little memory.
            self.in_flight = VecDeque::new();
        }
        sent
    }

    /// Whether a message is in flight, or was and waits to be sent again.
    pub(crate) fn owes(&self, sequence: u64) -> bool {
        self.in_flight
            .binary_search_by_key(&sequence, |sent| sent.sequence)
            .is_ok()
            || self
                .queue
                .binary_search_by_key(&sequence, |queued| queued.sequence)
                .is_ok()
    }

    /// Takes back a message that was not acknowledged for too long (`B-49`), in flight or, while the client is away, in the queue.
    /// Answers of which group it was, if there was one.
    pub(crate) fn give_up(&mut self, sequence: u64) -> Option<Option<Box<Share>>> {
        if let Ok(at) = self
            .in_flight
            .binary_search_by_key(&sequence, |sent| sent.sequence)
        {
            return self.in_flight.remove(at).map(|sent| sent.share);
        }
        self.owes(sequence).then(|| {
            self.discard(sequence);
            None
        })
    }

    /// Makes the messages of a group that are in flight with at least this QoS its own; answers their sequence numbers
    /// here and their numbers there.
    pub(crate) fn adopt(
        &mut self,
        group: Key,
        qos: QoS,
        message: impl Fn(u64) -> Option<Arc<Message>>,
    ) -> Vec<(u64, u64)> {
        let mut adopted = Vec::new();
        for sent in &mut self.in_flight {
            if sent.qos >= qos
                && sent
                    .share
                    .as_ref()
                    .is_some_and(|share| share.group == group)
                && let Some(share) = sent.share.take()
            {
                sent.message = message(share.number);
                adopted.push((sent.sequence, share.number));
            }
        }
        adopted
    }

    /// The messages of groups that are in flight, and with which QoS; they are not any more.
    pub(crate) fn take_shares_in_flight(&mut self) -> Vec<(Share, QoS)> {
        if self.shares.is_empty() {
            return Vec::new();
        }
        let mut taken = Vec::new();
        self.in_flight.retain(|sent| {
            if let Some(share) = &sent.share {
                taken.push((**share, sent.qos));
            }
            sent.share.is_none()
        });
        taken
    }

    /// Adds a message at the end of the queue.
    pub(crate) fn enqueue(&mut self, queued: Queued, memory: &Memory) -> Result<(), QueueFull> {
        let bytes = self
            .queued_bytes
            .saturating_add(queued.message.payload.len());
        if self.queue.len() >= memory.queued_messages || bytes > memory.queued_bytes {
            return Err(QueueFull);
        }
        self.queued_bytes = bytes;
        self.queue.push_back(queued);
        Ok(())
    }

    /// Puts a stored message back, whatever the bounds are today.
    pub(crate) fn restore(&mut self, queued: Queued) {
        self.next_sequence = self.next_sequence.max(queued.sequence.saturating_add(1));
        self.queued_bytes = self
            .queued_bytes
            .saturating_add(queued.message.payload.len());
        self.queue.push_back(queued);
    }

    pub(crate) fn dequeue(&mut self) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.queued_bytes = self
            .queued_bytes
            .saturating_sub(queued.message.payload.len());
        if self.queue.is_empty() {
            self.overflowed = false;
            // A queue that was long must not keep its memory.
            self.queue = VecDeque::new();
        }
        Some(queued)
    }

    /// Removes what is expired, if it is time for a [`Search`]; answers the sequence numbers.
    pub(crate) fn purge(&mut self, now: Now) -> Vec<u64> {
        let mut gone = Vec::new();
        if !self.search.is_due(now.monotonic) {
            return gone;
        }
        let mut freed: usize = 0;
        self.queue.retain(|queued| {
            let expired = queued.message.is_expired(now.unix);
            if expired {
                gone.push(queued.sequence);
                freed = freed.saturating_add(queued.message.payload.len());
            }
            !expired
        });
        self.queued_bytes = self.queued_bytes.saturating_sub(freed);
        gone
    }

    /// Takes one message out of the queue; not one in flight.
    pub(crate) fn discard(&mut self, sequence: u64) {
        if let Ok(at) = self
            .queue
            .binary_search_by_key(&sequence, |queued| queued.sequence)
            && let Some(queued) = self.queue.remove(at)
        {
            self.queued_bytes = self
                .queued_bytes
                .saturating_sub(queued.message.payload.len());
        }
    }

    /// The stored message with this sequence number, queued or in flight.
    pub(crate) fn message(&self, sequence: u64) -> Option<Kept<'_>> {
        if let Ok(at) = self
            .in_flight
            .binary_search_by_key(&sequence, |sent| sent.sequence)
        {
            let sent = self.in_flight.get(at)?;
            return Some(Kept {
                message: sent.message.as_ref()?,
                qos: sent.qos,
                retained: sent.retained,
                ids: sent.ids.as_deref().unwrap_or_default(),
            });
        }
        let at = self
            .queue
            .binary_search_by_key(&sequence, |queued| queued.sequence)
            .ok()?;
        self.queue.get(at).map(|queued| Kept {
            message: &queued.message,
            qos: queued.qos,
            retained: queued.retained,
            ids: queued.ids.as_deref().unwrap_or_default(),
        })
    }

    /// The connection is gone: what was in flight waits again, before everything that waited already. It will be
    /// sent with another packet identifier (`B-6`). What belongs to groups was taken out before.
    /// `again`: it goes on with the packet identifier it has.
    pub(crate) fn detach(&mut self, unix: Millis, again: bool) {
        self.connection = None;
        self.disconnected = unix;
        while let Some(sent) = self.in_flight.pop_back() {
            if let Some(message) = sent.message {
                self.queued_bytes = self.queued_bytes.saturating_add(message.payload.len());
                self.queue.push_front(Queued {
                    sequence: sent.sequence,
                    message,
                    qos: sent.qos,
                    retained: sent.retained,
                    ids: sent.ids,
                    tried: true,
                    resume: again.then(|| {
                        Box::new(Resume {
                            counter: sent.counter,
                            packet_id: sent.packet_id,
                            released: sent.released,
                        })
                    }),
                });
            }
        }
        self.in_flight = VecDeque::new();
    }

    /// The sequence numbers of everything it holds.
    pub(crate) fn sequences(&self) -> impl Iterator<Item = u64> {
        let sent = self.in_flight.iter().map(|sent| sent.sequence);
        sent.chain(self.queue.iter().map(|queued| queued.sequence))
    }
}

fn packet_id(counter: u64) -> PacketId {
    let value = u16::try_from(counter % 65_535)
        .unwrap_or(0)
        .saturating_add(1);
    PacketId::new(value).unwrap_or(PacketId::FIRST)
}
