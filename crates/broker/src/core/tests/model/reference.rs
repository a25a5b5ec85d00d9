//! The reference model, as the rules tell it: clients that come and go, their sessions, and what waits for them.
//!
//! Who gets what is in [`routing`], what happens by itself in [`fate`].

mod fate;
mod routing;

use std::collections::{BTreeMap, BTreeSet};

use thingwire_mqtt::topic::ParentMatch;

use super::{Behaviour, CLIENTS, How, QoS, Wish};

/// Milliseconds.
pub(super) type Time = u64;

/// A message on its way to one client or group.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) topic: String,
    /// What its payload says; 0 for none.
    pub(super) number: u32,
    pub(super) qos: QoS,
    /// B-63.
    pub(super) retained: bool,
    /// Subscription identifiers, sorted.
    pub(super) identifiers: Vec<u32>,
    expires: Option<Time>,
    /// The group it belongs to.
    group: Option<String>,
    /// It was on the wire before.
    sent: bool,
    /// It is on the wire of this connection.
    flying: bool,
    /// Its place in the session.
    order: u64,
    /// A crash may have brought it back, or lost it.
    pub(super) optional: bool,
    /// A crash may have moved it behind others.
    pub(super) loose: bool,
}

/// A message as it is published.
#[derive(Clone, Debug)]
pub(super) struct What {
    /// Of [`TOPICS`].
    pub(super) topic: usize,
    /// What its payload says; 0 for none.
    pub(super) number: u32,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Seconds.
    pub(super) expires: Option<u32>,
}

/// A subscription.
#[derive(Clone, Copy, Debug)]
struct Subscribed {
    qos: QoS,
    wish: Wish,
}

/// A pending or future Will.
#[derive(Clone, Copy, Debug)]
struct Will {
    number: u32,
    qos: QoS,
    delay: Time,
}

#[derive(Debug)]
struct Session {
    five: bool,
    /// 0: it ends with its connection. None: never.
    expiry: Option<Time>,
    disconnected: Time,
    filters: BTreeMap<String, Subscribed>,
    /// How many may be on the wire (B-47).
    receive: usize,
    /// Not acknowledged: in flight or waiting, in order.
    entries: Vec<Entry>,
    /// Of the connection.
    will: Option<Will>,
    /// Waits until then.
    pending: Option<(Will, Time)>,
}

impl Session {
    fn is_persistent(&self) -> bool {
        self.expiry != Some(0)
    }

    /// Whether one more may be sent at once.
    fn has_room(&self) -> bool {
        let flying = self.entries.iter().filter(|entry| entry.flying).count();
        flying == self.entries.len() && flying < self.receive
    }

    fn ends(&self) -> Option<Time> {
        self.expiry.map(|expiry| self.disconnected + expiry)
    }
}

#[derive(Default, Debug)]
struct Group {
    waiting: Vec<Entry>,
}

/// What must come now, and what may.
#[derive(Default, Debug)]
pub(super) struct Due {
    /// By client: in this order.
    pub(super) own: [Vec<Entry>; CLIENTS],
    /// QoS 0 of groups: each to one of these.
    pub(super) once: Vec<(u32, BTreeSet<usize>)>,
    /// Several came at one moment of time; their order is open.
    pub(super) unordered: bool,
}

/// Everything.
pub(super) struct Model {
    aws: bool,
    pub(super) now: Time,
    sessions: [Option<Session>; CLIENTS],
    pub(super) connected: [bool; CLIENTS],
    groups: BTreeMap<String, Group>,
    retained: BTreeMap<String, Entry>,
    pub(super) due: Due,
    next_order: u64,
    /// Since the last moment at which everything was on disk: whose it was and what was acknowledged.
    acknowledged: Vec<(usize, Entry)>,
    /// The same for the numbers of Wills: nobody was promised them so soon.
    wills: BTreeSet<u32>,
}

impl Model {
    pub(super) fn new(behaviour: Behaviour, now: Time) -> Self {
        Self {
            aws: behaviour == Behaviour::Aws,
            now,
            sessions: [const { None }; CLIENTS],
            connected: [false; CLIENTS],
            groups: BTreeMap::new(),
            retained: BTreeMap::new(),
            due: Due::default(),
            next_order: 0,
            acknowledged: Vec::new(),
            wills: BTreeSet::new(),
        }
    }

    fn parent(&self) -> ParentMatch {
        // B-10.
        if self.aws {
            ParentMatch::Excluded
        } else {
            ParentMatch::Included
        }
    }

    fn members(&self, filter: &str) -> Vec<usize> {
        let has = |session: &Session| session.filters.contains_key(filter);
        (0..CLIENTS)
            .filter(|who| self.sessions[*who].as_ref().is_some_and(has))
            .collect()
    }

    fn active(&self, filter: &str) -> BTreeSet<usize> {
        let members = self.members(filter).into_iter();
        members.filter(|who| self.connected[*who]).collect()
    }

    /// Answers whether the session was there.
    pub(super) fn connect(&mut self, who: usize, how: How, will_number: u32) -> bool {
        let resumes = self.sessions[who].as_ref().is_some_and(|session| {
            // B-26, B-29.
            session.is_persistent() && session.five == how.five && !how.clean
        });
        let mut handed_over = None;
        if self.connected[who] {
            // B-59: being taken over is no end of its own. The rules do not say whether the new connection stands before the
            // Will goes out; here it does.
            let old = self.sessions[who].as_mut();
            handed_over = old.and_then(|session| session.will.take());
            self.disconnect(who, false);
        }
        if !resumes {
            self.end(who);
        }
        let expiry = match (how.five, how.clean) {
            // B-24.
            (true, _) => Some(Time::from(how.expiry) * 1000),
            (false, true) => Some(0),
            (false, false) => self.aws.then_some(3_600_000),
        };
        let will = how.will.map(|will| Will {
            number: will_number,
            qos: will.qos,
            // B-60; MQTT 3.1.1 has none.
            delay: if how.five && !self.aws {
                Time::from(will.delay) * 1000
            } else {
                0
            },
        });
        let session = self.sessions[who].get_or_insert_with(|| Session {
            five: how.five,
            expiry,
            disconnected: 0,
            filters: BTreeMap::new(),
            receive: 100,
            entries: Vec::new(),
            will: None,
            pending: None,
        });
        session.expiry = expiry;
        session.will = will;
        session.pending = None;
        session.receive = how.receive.unwrap_or(100).into();
        self.connected[who] = true;
        self.fill(who);
        if let Some(will) = handed_over.filter(|will| will.delay == 0 || !resumes) {
            self.publish_will(who, will);
        }
        resumes
    }

    /// B-6, B-27: what waits comes, in order, as far as there is room. What was on the wire is sent again as it was in behaviour
    /// `mqtt`.
    fn fill(&mut self, who: usize) {
        let (aws, now) = (self.aws, self.now);
        let Some(session) = self.sessions[who].as_mut() else {
            return;
        };
        let mut room = session.receive;
        session.entries.retain_mut(|entry| {
            if !entry.flying && room > 0 {
                if (!entry.sent || aws) && entry.expires.is_some_and(|expires| expires <= now) {
                    return false;
                }
                self.due.own[who].push(entry.clone());
                (entry.sent, entry.flying) = (true, true);
            }
            room = room.saturating_sub(1);
            true
        });
    }

    /// Whether a crash left nothing open in its session.
    pub(super) fn is_certain(&self, who: usize) -> bool {
        self.sessions[who]
            .iter()
            .flat_map(|session| &session.entries)
            .all(|entry| !entry.optional && !entry.loose)
    }

    /// The connection ends; `abnormal`: not by DISCONNECT.
    pub(super) fn disconnect(&mut self, who: usize, abnormal: bool) {
        self.connected[who] = false;
        // What it still had to read is lost.
        self.due.own[who].clear();
        let Some(session) = self.sessions[who].as_mut() else {
            return;
        };
        session.disconnected = self.now;
        for entry in &mut session.entries {
            entry.flying = false;
        }
        let will = session.will.take().filter(|_| abnormal);
        self.hand_back(who);
        if let Some(will) = will {
            let session = self.sessions[who].as_mut().expect("it was there");
            if will.delay == 0 || !session.is_persistent() {
                self.publish_will(who, will);
            } else {
                let at = self.now + will.delay;
                let at = session.ends().map_or(at, |ends| ends.min(at));
                session.pending = Some((will, at));
            }
        }
        if !self.sessions[who]
            .as_ref()
            .is_some_and(Session::is_persistent)
        {
            self.end(who);
        }
    }

    /// DISCONNECT, with another expiry of the session or without.
    pub(super) fn goodbye(&mut self, who: usize, expiry: Option<u32>) {
        if let (Some(session), Some(seconds)) = (&mut self.sessions[who], expiry) {
            session.expiry = Some(Time::from(seconds) * 1000);
        }
        self.disconnect(who, false);
    }

    /// B-69: what the member did not acknowledge goes to another one.
    fn hand_back(&mut self, who: usize) {
        let Some(session) = self.sessions[who].as_mut() else {
            return;
        };
        for entry in std::mem::take(&mut session.entries) {
            match &entry.group {
                None => session.entries.push(entry),
                Some(group) => {
                    self.groups
                        .entry(group.clone())
                        .or_default()
                        .waiting
                        .push(entry);
                }
            }
        }
    }

    /// The session ends, and what waits in it (B-29).
    fn end(&mut self, who: usize) {
        self.hand_back(who);
        let Some(session) = self.sessions[who].take() else {
            return;
        };
        if let Some((will, _)) = session.pending {
            self.publish_will(who, will);
        }
        self.forget_empty_groups();
        self.acknowledged
            .retain(|(whose, entry)| *whose != who || entry.group.is_some());
    }

    /// B-70: a group lives from its first member to its last.
    fn forget_empty_groups(&mut self) {
        let empty: Vec<_> = self.groups.keys().cloned().collect();
        for filter in empty {
            if self.members(&filter).is_empty() {
                self.groups.remove(&filter);
                self.acknowledged
                    .retain(|(_, entry)| entry.group.as_deref() != Some(&*filter));
            }
        }
    }

    pub(super) fn is_aws(&self) -> bool {
        self.aws
    }

    /// Whether its session outlives its connection.
    pub(super) fn is_persistent(&self, who: usize) -> bool {
        self.sessions[who]
            .as_ref()
            .is_some_and(Session::is_persistent)
    }

    /// What groups have for members now. Answers their messages, each for one of the active members.
    pub(super) fn offered(&mut self) -> Vec<(Entry, BTreeSet<usize>)> {
        let filters: Vec<_> = self.groups.keys().cloned().collect();
        let mut offered = Vec::new();
        for filter in filters {
            let active = self.active(&filter);
            if active.is_empty() {
                continue;
            }
            let now = self.now;
            let group = self.groups.get_mut(&filter).expect("its filter");
            for entry in std::mem::take(&mut group.waiting) {
                // B-69: Message Expiry takes precedence.
                if entry.expires.is_none_or(|expires| expires > now) {
                    offered.push((entry, active.clone()));
                }
            }
        }
        offered
    }

    /// A member got a message of its group.
    pub(super) fn taken(&mut self, who: usize, entry: Entry) {
        self.next_order += 1;
        let order = self.next_order;
        if let Some(session) = self.sessions[who].as_mut() {
            session.entries.push(Entry {
                order,
                flying: true,
                optional: false,
                ..entry
            });
        }
    }

    /// Lets a message wait on that no member took, if none of them has room. Answers whether it does.
    pub(super) fn waits(&mut self, entry: &Entry) -> bool {
        let Some(filter) = &entry.group else {
            return false;
        };
        let mut members = self.active(filter).into_iter();
        if members.any(|who| self.sessions[who].as_ref().is_some_and(Session::has_room)) {
            return false;
        }
        let group = self.groups.get_mut(filter);
        group
            .map(|group| group.waiting.push(entry.clone()))
            .is_some()
    }

    /// What a crash may have brought back came, or did not.
    pub(super) fn resolve(&mut self, who: usize, order: u64, came: bool) {
        if let Some(session) = self.sessions[who].as_mut() {
            session.entries.retain(|entry| entry.order != order || came);
            for entry in &mut session.entries {
                entry.optional &= entry.order != order;
            }
        }
    }

    /// Everything it has on the wire.
    pub(super) fn acknowledge(&mut self, who: usize) {
        if let Some(session) = self.sessions[who].as_mut() {
            let (gone, rest) = std::mem::take(&mut session.entries)
                .into_iter()
                .partition::<Vec<_>, _>(|entry| entry.flying);
            session.entries = rest;
            self.acknowledged
                .extend(gone.into_iter().map(|entry| (who, entry)));
        }
        self.fill(who);
    }

    pub(super) fn order(entry: &Entry) -> u64 {
        entry.order
    }
}
