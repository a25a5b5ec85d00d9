//! The last lines about a world, written only when somebody wants to read them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Lines that are kept.
const PAGES: usize = 120;

/// The diary of one world. Clones are the same diary.
#[derive(Clone, Debug, Default)]
pub struct Diary(Option<Rc<RefCell<VecDeque<String>>>>);

impl Diary {
    /// A diary that is written.
    #[must_use]
    pub fn open() -> Self {
        Self(Some(Rc::default()))
    }

    /// Writes a line, if there is a reader.
    pub fn note(&self, now: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let mut lines = lines.borrow_mut();
            if lines.len() >= PAGES {
                lines.pop_front();
            }
            lines.push_back(format!("{now:>10} ms  {}", line()));
        }
    }

    /// The last lines.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let lines = self
            .0
            .as_ref()
            .map(|lines| lines.borrow().iter().cloned().collect::<Vec<_>>());
        lines.unwrap_or_default().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_only_for_a_reader() {
        let diary = Diary::open();
        (0..=PAGES as u64).for_each(|now| diary.note(now, || "tick".into()));
        assert_eq!(diary.last_lines().lines().count(), PAGES);
        assert!(diary.last_lines().starts_with("         1 ms"));
        let closed = Diary::default();
        closed.note(1, || unreachable!("nobody reads it"));
        assert_eq!(closed.last_lines(), "");
    }
}
