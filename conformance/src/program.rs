//! Programs that run beside a test: started, listened to, and gone when the test ends.

use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a condition is looked at while waiting for it.
const LOOK: Duration = Duration::from_millis(10);

/// How long the output of a program that has ended may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    collectors: Vec<JoinHandle<()>>,
}

impl Program {
    /// Starts a program and collects, line by line, what it prints on both outputs.
    ///
    /// # Panics
    /// When it cannot be started: a test cannot go on without it.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{name}` could not be started: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = child
            .stdout
            .take()
            .map(|output| collect(output, Arc::clone(&lines)));
        let stderr = child
            .stderr
            .take()
            .map(|output| collect(output, Arc::clone(&lines)));
        Self {
            name: name.to_owned(),
            child,
            lines,
            collectors: stdout.into_iter().chain(stderr).collect(),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until a line it printed holds `text`.
    ///
    /// # Panics
    /// When it ends first, or `limit` passes; the message holds what it printed.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) {
        wait_until(limit, || {
            self.log().contains(text) || self.ended().is_some()
        });
        if self.ended().is_some() {
            // Its last lines may still be on their way to us.
            wait_until(LAST_LINES, || {
                self.collectors.iter().all(JoinHandle::is_finished)
            });
        }
        assert!(
            self.log().contains(text),
            "`{}` did not print `{text}`; it printed:\n{}",
            self.name,
            self.log()
        );
    }

    /// Ends it the way `kill -9` does: no handler runs, nothing is flushed.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to end (SIGTERM, or SIGINT with `"INT"`) and waits for it.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn stop(&mut self, signal: &str, limit: Duration) -> ExitStatus {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.id().to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "no signal could be sent to `{}`",
            self.name
        );
        assert!(
            wait_until(limit, || self.ended().is_some()),
            "`{}` did not end on SIG{signal}; it printed:\n{}",
            self.name,
            self.log()
        );
        self.child
            .wait()
            .unwrap_or_else(|error| panic!("`{}` has no exit status: {error}", self.name))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("---- `{}` printed:\n{}\n----", self.name, self.log());
        }
    }
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` when a signal or our time limit ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output of a program that must have succeeded.
    ///
    /// # Panics
    /// When it did not exit with 0.
    #[must_use]
    pub fn success(self) -> String {
        assert_eq!(
            self.code,
            Some(0),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self.stdout
    }
}

/// Runs a program to its end, which must come within `limit`; then it is killed.
///
/// # Panics
/// When it cannot be started.
pub fn finish(command: &mut Command, limit: Duration) -> Finished {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{:?} could not be started: {error}", command.get_program())
        });
    let stdout = child
        .stdout
        .take()
        .map(|output| thread::spawn(move || read_all(output)));
    let stderr = child
        .stderr
        .take()
        .map(|output| thread::spawn(move || read_all(output)));
    let ended = wait_until(limit, || !matches!(child.try_wait(), Ok(None)));
    if !ended {
        drop(child.kill());
    }
    let code = child
        .wait()
        .ok()
        .filter(|_| ended)
        .and_then(|status| status.code());
    let text = |reader: Option<JoinHandle<String>>| {
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    };
    Finished {
        code,
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// Looks at a condition until it holds; answers whether it did within `limit`.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
}

/// A port that was free a moment ago, for programs that cannot choose one themselves.
///
/// # Panics
/// When the loopback interface has no free port.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no free port: {error}"))
        .port()
}

fn collect(output: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(text);
            line.clear();
        }
    })
}

fn read_all(mut output: impl Read) -> String {
    let mut bytes = Vec::new();
    drop(output.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_exit_code_arrive() {
        let finished = finish(
            Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]),
            Duration::from_secs(5),
        );
        assert_eq!(
            (
                finished.code,
                finished.stdout.as_str(),
                finished.stderr.as_str()
            ),
            (Some(3), "out\n", "err\n")
        );
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let finished = finish(Command::new("sleep").arg("60"), Duration::from_millis(50));
        assert_eq!(finished.code, None);
    }

    #[test]
    fn lines_are_seen_while_it_runs_and_signals_end_it() {
        let mut program = Program::start(
            "sh",
            Command::new("sh").args(["-c", "echo ready; exec sleep 60"]),
        );
        program.wait_for_line("ready", Duration::from_secs(5));
        assert!(program.ended().is_none());
        assert!(!program.stop("TERM", Duration::from_secs(5)).success());
    }
}
