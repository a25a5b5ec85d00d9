//! A foreign client that a test leads by the hand.
//!
//! Each client has a small program around it (`python/drive_*.py`, `node/*.mjs`, `rumqtt/src/bin/rumqttc.rs`) that reads
//! one JSON object a line and does what it says, and says one JSON object a line of what its client told it. So the
//! story is written once, in Rust, and every client is judged by the same one.
//!
//! Told: `connect`, `subscribe`, `publish`, `disconnect`. Said: `connected`, `refused`, `subscribed`, `published`,
//! `disconnected`, `message`, and `closed` when the other side ended the connection. What a client does not show is
//! null. Secrets are told on standard input, and only what is said is ever printed.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running client. Dropping it kills it.
#[derive(Debug)]
pub struct Driver {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<Value>,
    /// Said, and not yet expected.
    waiting: VecDeque<Value>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Driver {
    /// Starts the program around a client.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{name}` could not be started: {error}"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, said) = channel();
        if let Some(output) = child.stdout.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // A client may print something of its own.
                    let parsed = serde_json::from_str(&line).ok();
                    note(&log, line);
                    if let Some(event) = parsed {
                        drop(sender.send(event));
                    }
                }
            });
        }
        if let Some(errors) = child.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(errors).lines().map_while(Result::ok) {
                    note(&log, line);
                }
            });
        }
        let input = child.stdin.take();
        Self {
            name: name.to_owned(),
            child,
            input,
            said,
            waiting: VecDeque::new(),
            log,
        }
    }

    /// Tells it to do something.
    ///
    /// # Panics
    /// When it has ended.
    pub fn tell(&mut self, what: &Value) {
        let told = self.input.as_mut().is_some_and(|input| {
            writeln!(input, "{what}")
                .and_then(|()| input.flush())
                .is_ok()
        });
        assert!(told, "`{}` ended; {}", self.name, self.log());
    }

    /// Waits until it says this event, and answers it; other events that came before it stay for later.
    ///
    /// # Panics
    /// When it ends, `limit` passes, or the connection ended while something else was expected.
    pub fn expect(&mut self, event: &str, limit: Duration) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            let place = self.waiting.iter().position(|said| said["event"] == event);
            if let Some(found) = place.and_then(|place| self.waiting.remove(place)) {
                return found;
            }
            let ended = |said: &Value| said["event"] == "closed" || said["event"] == "refused";
            assert!(
                !self.waiting.iter().any(ended),
                "`{}` should have said `{event}`; {}",
                self.name,
                self.log()
            );
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(said) => self.waiting.push_back(said),
                Err(RecvTimeoutError::Timeout) => panic!(
                    "`{}` did not say `{event}` in time; {}",
                    self.name,
                    self.log()
                ),
                Err(RecvTimeoutError::Disconnected) => panic!(
                    "`{}` ended before it said `{event}`; {}",
                    self.name,
                    self.log()
                ),
            }
        }
    }

    /// Ends it the way a device loses its power: no DISCONNECT.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        format!("it said:\n{}", lines.join("\n"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.kill();
    }
}

fn note(log: &Mutex<Vec<String>>, line: String) {
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(5);

    #[test]
    fn events_are_found_in_any_order_and_other_lines_are_passed_over() {
        let script = r#"read a; echo 'talk'; echo '{"event":"message","n":1}'; echo "{\"event\":\"echo\",\"told\":$a}""#;
        let mut driver = Driver::start("sh", Command::new("sh").args(["-c", script]));
        driver.tell(&serde_json::json!({"do": "x"}));
        assert_eq!(driver.expect("echo", STEP)["told"]["do"], "x");
        assert_eq!(driver.expect("message", STEP)["n"], 1);
    }

    #[test]
    #[should_panic(expected = "should have said `message`")]
    fn a_connection_that_ends_is_not_waited_for() {
        let script = r#"echo '{"event":"closed"}'; exec sleep 60"#;
        let mut driver = Driver::start("sh", Command::new("sh").args(["-c", script]));
        let _ = driver.expect("message", STEP);
    }
}
