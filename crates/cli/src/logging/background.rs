//! The log of a server, written by a thread of its own: a terminal that is slow, or a pipe that nobody empties, holds up the log and not
//! the broker, which tells of its events under its lock. Many lines share one system call.
//!
//! Lines are bounded: what finds no room is dropped and counted, and the number is told when there is room again. A process that is killed
//! loses the lines of its last milliseconds; one that ends waits for them, for a second at most.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of lines that wait, at most.
const ROOM: usize = 1024 * 1024;
/// Between two writes, so that a flood of lines becomes few of them. While the thread rests, nobody has to wake it.
const REST: Duration = Duration::from_millis(5);
/// How long the end of the process waits for the lines that are left.
const LAST: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    /// The thread waits to be woken.
    asleep: bool,
    closing: bool,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes lines and never waits for who reads them. Each write is a line.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.bytes.len().saturating_add(line.len()) > ROOM {
            waiting.dropped = waiting.dropped.saturating_add(1);
        } else {
            waiting.bytes.extend_from_slice(line);
        }
        if std::mem::take(&mut waiting.asleep) {
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what is left when it is dropped.
#[must_use]
pub(crate) struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closing = true;
        self.0.changed.notify_all();
        let closed = self
            .0
            .changed
            .wait_timeout_while(waiting, LAST, |waiting| !waiting.closed);
        drop(closed);
    }
}

/// Starts the thread, which writes to `out`.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<(Lines, Last)> {
    let shared = Arc::new(Shared::default());
    let of_thread = Arc::clone(&shared);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&of_thread, out))?;
    Ok((Lines(Arc::clone(&shared)), Last(shared)))
}

fn write_lines(shared: &Shared, mut out: impl Write) {
    loop {
        let mut waiting = shared.lock();
        while waiting.bytes.is_empty() && !waiting.closing {
            waiting.asleep = true;
            waiting = shared
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = std::mem::take(&mut waiting.bytes);
        let dropped = std::mem::take(&mut waiting.dropped);
        let closing = waiting.closing;
        drop(waiting);
        if dropped > 0 {
            let told = format!("{dropped} lines of the log were dropped: nobody read it in time\n");
            bytes.extend_from_slice(told.as_bytes());
        }
        // A log that cannot be written has nowhere to say so.
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
        if closing && shared.lock().bytes.is_empty() {
            shared.lock().closed = true;
            shared.changed.notify_all();
            return;
        }
        if !closing {
            std::thread::sleep(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A terminal that shows a write only when it is let.
    struct Slow(mpsc::Sender<Vec<u8>>, mpsc::Receiver<()>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.recv().unwrap();
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_for_who_reads_and_hears_what_was_dropped() {
        let (shown, shows) = mpsc::channel();
        let (let_it, is_let) = mpsc::channel();
        let (mut lines, last) = start(Slow(shown, is_let)).unwrap();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        // Three times what there is room for; the terminal shows nothing yet.
        for _ in 0..3 * ROOM / line.len() {
            lines.write_all(&line).unwrap();
        }
        for _ in 0..3 {
            let_it.send(()).unwrap();
        }
        drop(last);
        let all: Vec<u8> = shows.try_iter().flatten().collect();
        let text = String::from_utf8(all).unwrap();
        let kept = text.lines().filter(|line| line.starts_with('x')).count();
        let told: Vec<_> = text.lines().filter(|line| !line.starts_with('x')).collect();
        let dropped: usize = told
            .iter()
            .map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(kept + dropped, 3 * ROOM / line.len(), "{told:?}");
        assert!(told[0].ends_with("lines of the log were dropped: nobody read it in time"));
    }

    #[test]
    fn what_was_said_last_is_written_before_the_end() {
        let (shown, shows) = mpsc::channel();
        let (let_it, is_let) = mpsc::channel();
        let (mut lines, last) = start(Slow(shown, is_let)).unwrap();
        let_it.send(()).unwrap();
        let_it.send(()).unwrap();
        lines.write_all(b"goodbye\n").unwrap();
        drop(last);
        assert_eq!(
            shows.try_iter().flatten().collect::<Vec<u8>>(),
            b"goodbye\n"
        );
    }
}
