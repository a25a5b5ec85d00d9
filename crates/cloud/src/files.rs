//! How many files this process may have open. Each connection is one; a server that runs out of them can accept nobody.

/// Files that are open when nobody is connected, with room to spare: the store, listeners, the runtime, standard streams.
const OWN_FILES: u64 = 64;

/// The limit, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// What it was at the start.
    pub before: u64,
    /// What it is.
    pub now: u64,
    /// What only the administrator can go beyond.
    pub hard: u64,
}

impl FileLimit {
    /// How many connections there is room for.
    #[must_use]
    pub const fn connections(&self) -> u64 {
        self.now.saturating_sub(OWN_FILES)
    }
}

impl std::fmt::Display for FileLimit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "up to {} connections: ", self.connections())?;
        if self.before == self.now {
            write!(
                formatter,
                "{} files may be open, which is the system's limit",
                self.now
            )
        } else {
            write!(
                formatter,
                "{} files may be open (raised from {}), which is the system's limit",
                self.now, self.before
            )
        }
    }
}

/// Raises this process's limit of open files as far as it may do so itself. None where there is no such limit.
#[cfg(unix)]
#[must_use]
pub fn raise() -> Option<FileLimit> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // None is "without limit".
    let before = limit.current.unwrap_or(u64::MAX);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let mut now = before;
    if before < hard {
        let wanted = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => now = hard,
            Err(error) => tracing::warn!(%error, before, hard, "the limit of open files stays"),
        }
    }
    (now != u64::MAX).then_some(FileLimit { before, now, hard })
}

/// Raises this process's limit of open files as far as it may do so itself. None where there is no such limit.
#[cfg(not(unix))]
#[must_use]
pub fn raise() -> Option<FileLimit> {
    None
}

/// The limit in force, if there is one.
#[cfg(unix)]
pub(crate) fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// The limit in force, if there is one.
#[cfg(not(unix))]
pub(crate) fn limit() -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn it_is_raised_to_the_hard_limit_once() {
        let first = raise().expect("a test machine has a limit");
        assert_eq!(first.now, first.hard);
        assert_eq!(limit(), Some(first.hard));
        let second = raise().unwrap();
        assert_eq!(second.before, second.now);
        assert!(
            second
                .to_string()
                .starts_with(&format!("up to {} connections: ", first.hard - 64))
        );
    }
}
