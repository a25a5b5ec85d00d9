//! What waits for one connection's socket: filled by the core, emptied by the connection's task.
//!
//! The task takes everything there is and writes it at once, so that many packets share one TLS record and one
//! system call. Small packets are copied one behind the other; large payloads are shared between receivers.
//! An outbox that is empty owns no memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// Bytes to be written, in order.
#[derive(Debug, Default)]
pub struct Pending {
    /// Small packets, and the heads of large ones.
    bytes: Vec<u8>,
    /// Large pieces, each with the place in `bytes` before which it belongs.
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
}

impl Pending {
    /// How many bytes these are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len().saturating_add(self.shared_len)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order; none is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        let ends = self.shared.iter().map(|(at, piece)| (*at, Some(piece)));
        ends.chain([(self.bytes.len(), None)])
            .flat_map(move |(at, piece)| {
                let small = self.bytes.get(from..at).unwrap_or_default();
                from = at;
                [small, piece.map_or(&[][..], |piece| &piece[..])]
            })
            .filter(|piece| !piece.is_empty())
    }

    pub(crate) const fn small(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn push_shared(&mut self, piece: Bytes) {
        self.shared_len = self.shared_len.saturating_add(piece.len());
        self.shared.push((self.bytes.len(), piece));
    }

    fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        let base = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.shared.extend(
            other
                .shared
                .drain(..)
                .map(|(at, piece)| (base.saturating_add(at), piece)),
        );
        self.shared_len = self.shared_len.saturating_add(other.shared_len);
        other.shared_len = 0;
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What the task of a connection is to do next.
#[derive(Debug)]
pub enum Task {
    /// Write these bytes.
    Write(Pending),
    /// Everything is written and the core waits for that: call [`crate::core::Core::drained`].
    TellDrained,
    /// Nothing will follow: close the stream.
    Close,
}

#[derive(Default)]
struct Inner {
    pending: Pending,
    waker: Option<Waker>,
    /// The task is busy writing: new bytes need not wake it.
    writing: bool,
    /// CONNACK is in here and not yet durable: nothing may leave.
    gated: bool,
    /// The connection rests (`B-46`): nothing may leave for a while.
    held: bool,
    closing: bool,
    tell_drained: bool,
}

impl Inner {
    fn wait(&mut self, context: &Context<'_>) {
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            self.waker = Some(context.waker().clone());
        }
    }
}

/// Shared between the core and one connection's task.
#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    paused: AtomicBool,
    /// As `Inner::held`: nothing is read either.
    resting: AtomicBool,
}

impl Outbox {
    /// The next thing to do, or a wake-up when there is one. Never blocks on the core.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Task> {
        let mut inner = self.lock();
        if !inner.gated && !inner.held && !inner.pending.is_empty() {
            return Poll::Ready(Task::Write(std::mem::take(&mut inner.pending)));
        }
        if inner.closing {
            return Poll::Ready(Task::Close);
        }
        if inner.tell_drained && inner.pending.is_empty() {
            inner.tell_drained = false;
            return Poll::Ready(Task::TellDrained);
        }
        inner.writing = false;
        inner.wait(context);
        Poll::Pending
    }

    /// Ready when nothing will follow. For a task whose stream takes no bytes at the moment: it needs to hear of the
    /// end, and not of more bytes.
    pub fn poll_closing(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.closing {
            return Poll::Ready(());
        }
        inner.writing = true;
        inner.wait(context);
        Poll::Pending
    }

    /// Whether reading must wait, because too much that was read is not yet acknowledged (`B-47`) or the connection rests
    /// (`B-46`).
    pub fn paused(&self) -> bool {
        self.paused.load(Ordering::Acquire) || self.resting.load(Ordering::Acquire)
    }

    /// Has the connection neither read nor write until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.lock().held = true;
        self.resting.store(true, Ordering::Release);
    }

    /// Ends [`hold`](Self::hold).
    pub(crate) fn release(&self) -> Option<Waker> {
        self.resting.store(false, Ordering::Release);
        let mut inner = self.lock();
        inner.held = false;
        inner.waker.take()
    }

    /// Moves `staged` to the end; answers how many bytes wait now and whom to wake.
    pub(crate) fn append(&self, staged: &mut Pending) -> (usize, Option<Waker>) {
        let mut inner = self.lock();
        inner.pending.append(staged);
        let waker = if inner.gated || inner.held || inner.writing {
            None
        } else {
            inner.waker.take()
        };
        (inner.pending.len(), waker)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.lock().pending.len()
    }

    pub(crate) fn gate(&self) {
        self.lock().gated = true;
    }

    pub(crate) fn open_gate(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.gated = false;
        inner.waker.take()
    }

    /// Forgets what waits. For a CONNACK that must not leave.
    pub(crate) fn clear(&self) {
        self.lock().pending.clear();
    }

    pub(crate) fn close(&self) -> Option<Waker> {
        let mut inner = self.lock();
        if inner.gated {
            inner.pending.clear();
            inner.gated = false;
        }
        inner.held = false;
        inner.closing = true;
        inner.waker.take()
    }

    /// Has the task call when everything is written. Wake the answer: it may have finished in the meantime.
    pub(crate) fn ask_to_tell_drained(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.tell_drained = true;
        if inner.pending.is_empty() {
            inner.waker.take()
        } else {
            None
        }
    }

    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    pub(crate) fn resume(&self) -> Option<Waker> {
        if self.paused.swap(false, Ordering::AcqRel) {
            self.lock().waker.take()
        } else {
            None
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while holding it; a poisoned lock would still hold a consistent value.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(outbox: &Outbox) -> Poll<Task> {
        outbox.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn staged(parts: &[&[u8]]) -> Pending {
        let mut pending = Pending::default();
        for part in parts {
            if part.len() > 3 {
                pending.push_shared(Bytes::copy_from_slice(part));
            } else {
                pending.small().extend_from_slice(part);
            }
        }
        pending
    }

    #[test]
    fn small_and_shared_pieces_keep_their_order_across_appends() {
        let outbox = Outbox::default();
        outbox.append(&mut staged(&[b"a", b"LARGE1", b"b"]));
        let (waiting, _) = outbox.append(&mut staged(&[b"LARGE2", b"c", b"d"]));
        assert_eq!(waiting, 16);
        let Poll::Ready(Task::Write(pending)) = next(&outbox) else {
            panic!("bytes were staged")
        };
        assert_eq!(
            pending.pieces().collect::<Vec<_>>().concat(),
            b"aLARGE1bLARGE2cd"
        );
        assert!(next(&outbox).is_pending());
    }

    #[test]
    fn nothing_leaves_a_gated_outbox_and_closing_it_forgets_what_waited() {
        let outbox = Outbox::default();
        outbox.gate();
        outbox.append(&mut staged(&[b"a"]));
        assert!(next(&outbox).is_pending());
        outbox.close();
        assert!(matches!(next(&outbox), Poll::Ready(Task::Close)));
    }

    #[test]
    fn what_waits_is_written_before_the_close_and_drained_is_told_once() {
        let outbox = Outbox::default();
        outbox.append(&mut staged(&[b"a"]));
        assert!(outbox.ask_to_tell_drained().is_none());
        assert!(matches!(next(&outbox), Poll::Ready(Task::Write(_))));
        assert!(matches!(next(&outbox), Poll::Ready(Task::TellDrained)));
        assert!(next(&outbox).is_pending());
        outbox.append(&mut staged(&[b"b"]));
        outbox.close();
        assert!(matches!(next(&outbox), Poll::Ready(Task::Write(_))));
        assert!(matches!(next(&outbox), Poll::Ready(Task::Close)));
    }

    #[test]
    fn who_asks_to_be_told_after_the_task_went_to_sleep_wakes_it() {
        let outbox = Outbox::default();
        assert!(next(&outbox).is_pending());
        assert!(outbox.ask_to_tell_drained().is_some());
        assert!(matches!(next(&outbox), Poll::Ready(Task::TellDrained)));
    }

    #[test]
    fn a_task_that_is_busy_writing_is_woken_by_the_end_and_not_by_more_bytes() {
        let outbox = Outbox::default();
        let mut context = Context::from_waker(Waker::noop());
        assert!(outbox.poll_closing(&mut context).is_pending());
        assert!(outbox.append(&mut staged(&[b"a"])).1.is_none());
        assert!(outbox.close().is_some());
        assert!(outbox.poll_closing(&mut context).is_ready());
    }
}
