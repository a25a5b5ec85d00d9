//! What happens by itself: time that passes, and the death of the process.

use super::super::{CLIENTS, NAMES};
use super::{Due, Entry, Model, Time};

impl Model {
    /// Time passes.
    pub(in super::super) fn pass(&mut self, seconds: u64) {
        // Whatever waited for nobody is on disk a second later.
        self.acknowledged.clear();
        self.wills.clear();
        let end = self.now + seconds * 1000;
        loop {
            let mut next: Option<(Time, usize, bool)> = None;
            for who in (0..CLIENTS).filter(|who| !self.connected[*who]) {
                let Some(session) = &self.sessions[who] else {
                    continue;
                };
                let will = session.pending.map(|(_, at)| (at, who, true));
                let ends = session.ends().map(|at| (at, who, false));
                next = [next, will, ends]
                    .into_iter()
                    .flatten()
                    .min_by_key(|(at, ..)| *at);
            }
            let Some((at, who, will)) = next.filter(|(at, ..)| *at <= end) else {
                break;
            };
            self.due.unordered |= self.now == at;
            self.now = self.now.max(at);
            if !will {
                self.end(who);
            } else if let Some((will, _)) = self.sessions[who]
                .as_mut()
                .and_then(|session| session.pending.take())
            {
                self.publish_will(who, will);
            }
        }
        self.now = end;
        self.due.unordered = true;
    }

    /// The process dies and starts again.
    pub(in super::super) fn crash(&mut self) {
        self.due = Due::default();
        let mut orphans = Vec::new();
        for (who, name) in NAMES.into_iter().enumerate() {
            self.hand_back(who);
            let now = self.now;
            let connected = std::mem::take(&mut self.connected[who]);
            let Some(session) = self.sessions[who].as_mut() else {
                continue;
            };
            if connected {
                session.disconnected = now;
            }
            // B-59: every connection is lost. A Will that waits already goes on waiting.
            if let Some(will) = session.will.take() {
                if will.delay == 0 || !session.is_persistent() {
                    orphans.push((name, who, will));
                } else {
                    let at = now + will.delay;
                    let at = session.ends().map_or(at, |ends| ends.min(at));
                    session.pending = Some((will, at));
                }
            }
            if !session.is_persistent() {
                self.sessions[who] = None;
                continue;
            }
            for entry in &mut session.entries {
                (entry.sent, entry.flying) = (false, false);
                // A Will of the last second is there, or is published again.
                entry.loose |= self.wills.contains(&entry.number);
            }
        }
        self.forget_empty_groups();
        for group in self.groups.values_mut() {
            for entry in &mut group.waiting {
                entry.optional |= std::mem::take(&mut entry.sent);
            }
        }
        for (who, entry) in std::mem::take(&mut self.acknowledged) {
            let entry = Entry {
                optional: true,
                sent: false,
                flying: false,
                ..entry
            };
            match &entry.group {
                Some(group) => {
                    if let Some(group) = self.groups.get_mut(group) {
                        group.waiting.push(entry);
                    }
                }
                None => {
                    if let Some(session) = self.sessions[who].as_mut() {
                        session.entries.push(entry);
                        session.entries.sort_by_key(|entry| entry.order);
                    }
                }
            }
        }
        self.wills.clear();
        orphans.sort_unstable_by_key(|(name, ..)| *name);
        for (_, who, will) in orphans {
            self.publish_will(who, will);
        }
    }
}
