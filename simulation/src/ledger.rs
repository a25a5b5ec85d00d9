//! What was promised, and what became of it: every message of a life, both ways, and the properties that must hold.
//!
//! Each message carries its number, so that nothing has to be guessed. The three properties of a QoS 1 message that
//! the device accepted: it is delivered at least once or reported lost for a named reason; it is not sent any more
//! after it was reported lost; what was reported as delivered was delivered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::referee::number_of;

/// Names a message for the whole life.
pub type Number = u64;

/// The numbers of the server's messages begin behind this.
const FIRST_DOWN: Number = 1 << 32;

/// How the device was asked to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// QoS 0.
    Once,
    /// QoS 1; the application waits for the outcome.
    Awaited,
    /// QoS 1; the application does not wait.
    Unawaited,
    /// QoS 1; the application went away while it waited.
    Abandoned,
}

/// What the device told of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing yet.
    Nothing,
    /// It was not accepted: nothing is promised.
    NotAccepted,
    /// The server has it.
    Delivered,
    /// It is lost, for this reason.
    Lost(String),
}

#[derive(Debug)]
struct Upward {
    asked: Asked,
    told: Told,
    told_at: u64,
    /// When it was written last, and how often the server read it.
    written: u64,
    received: u32,
    routed: u32,
}

#[derive(Debug)]
struct Downward {
    /// The server must get it through: QoS 1, to a session that stayed.
    promised: bool,
    acknowledged: bool,
    received: u32,
}

/// The promises of one life. Clones are the same ledger.
#[derive(Clone, Default)]
pub struct Ledger(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    up: BTreeMap<Number, Upward>,
    down: BTreeMap<Number, Downward>,
    next: Number,
    /// The server's messages have numbers of their own, so that one side's do not depend on the other's.
    next_down: Number,
    /// Topic and payload of what the server passed on, when it is to be remembered.
    passed_on: Option<Vec<(String, Vec<u8>)>>,
    /// No message with more than QoS 0 may arrive twice.
    once: bool,
    /// Messages for which the device told that it has no room.
    turned_away: u64,
    violation: Option<String>,
}

/// What a life came to, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// QoS 1 messages the device accepted.
    pub accepted: u64,
    /// Of these, delivered.
    pub delivered: u64,
    /// Deliveries beyond the first.
    pub repeated: u64,
    /// Of the accepted, reported lost.
    pub lost: u64,
    /// QoS 0 messages sent and not delivered.
    pub qos0_lost: u64,
    /// Messages the device received.
    pub received: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.qos0_lost += other.qos0_lost;
        self.received += other.received;
    }
}

impl Ledger {
    /// A message that the device is about to be asked to publish.
    pub fn ask(&self, asked: Asked) -> Number {
        let mut inner = self.0.borrow_mut();
        inner.next += 1;
        let number = inner.next;
        inner.up.insert(
            number,
            Upward {
                asked,
                told: Told::Nothing,
                told_at: 0,
                written: 0,
                received: 0,
                routed: 0,
            },
        );
        number
    }

    /// The application lost interest.
    pub fn abandon(&self, number: Number) {
        if let Some(message) = self.0.borrow_mut().up.get_mut(&number) {
            message.asked = Asked::Abandoned;
        }
    }

    /// The device told what became of a message.
    pub fn told(&self, now: u64, number: Number, told: Told) {
        if let Some(message) = self.0.borrow_mut().up.get_mut(&number) {
            message.told = told;
            message.told_at = now;
        }
    }

    /// The server read a message whose last byte was written at `written`.
    pub fn received(&self, number: Number, written: u64) {
        let mut inner = self.0.borrow_mut();
        let Some(message) = inner.up.get_mut(&number) else {
            inner.violate(format!(
                "the server got message {number}, which nobody sent"
            ));
            return;
        };
        message.received += 1;
        message.written = message.written.max(written);
        let lost_before = matches!(message.told, Told::Lost(_)) && written > message.told_at;
        let unaccepted = message.told == Told::NotAccepted;
        let told = message.told.clone();
        if lost_before {
            inner.violate(format!(
                "message {number} was sent at {written} ms after {told:?} had been told"
            ));
        }
        if unaccepted {
            inner.violate(format!("message {number} was sent and not accepted"));
        }
    }

    /// The server passed a message on.
    pub fn routed(&self, topic: &str, payload: &[u8]) {
        let mut inner = self.0.borrow_mut();
        if let Some(passed_on) = &mut inner.passed_on {
            passed_on.push((topic.to_owned(), payload.to_vec()));
        }
        if let Some(message) = number_of(payload).and_then(|number| inner.up.get_mut(&number)) {
            message.routed += 1;
            let twice = message.routed > 1;
            if twice && inner.once {
                inner.violate("the server passed a message on twice (MQTT-4.3.3)".into());
            }
        }
    }

    /// Nothing may arrive twice.
    pub fn expect_once(&self) {
        self.0.borrow_mut().once = true;
    }

    /// Has [`passed_on`](Self::passed_on) filled.
    pub fn remember(&self) {
        self.0.borrow_mut().passed_on = Some(Vec::new());
    }

    /// Topic and payload of what the server passed on.
    #[must_use]
    pub fn passed_on(&self) -> Vec<(String, Vec<u8>)> {
        self.0.borrow().passed_on.clone().unwrap_or_default()
    }

    /// What was told of a message, and how often the server passed it on.
    #[must_use]
    pub fn became(&self, number: Number) -> (Told, u32) {
        let inner = self.0.borrow();
        let message = inner.up.get(&number);
        message.map_or((Told::Nothing, 0), |message| {
            (message.told.clone(), message.routed)
        })
    }

    /// A message that the server has for the device.
    pub fn send(&self, promised: bool) -> Number {
        let mut inner = self.0.borrow_mut();
        inner.next_down += 1;
        let number = FIRST_DOWN + inner.next_down;
        inner.down.insert(
            number,
            Downward {
                promised,
                acknowledged: false,
                received: 0,
            },
        );
        number
    }

    /// This one must come to the application, whatever the server thinks.
    pub fn promise(&self, number: Number) {
        if let Some(message) = self.0.borrow_mut().down.get_mut(&number) {
            message.promised = true;
        }
    }

    /// The server's promise to get these messages through is void: it forgot the session, or crashed.
    pub fn release_promises(&self) {
        for message in self.0.borrow_mut().down.values_mut() {
            message.promised = false;
        }
    }

    /// The device acknowledged a message.
    pub fn acknowledged(&self, number: Number) {
        if let Some(message) = self.0.borrow_mut().down.get_mut(&number) {
            message.acknowledged = true;
        }
    }

    /// The device told that it has no room for a message, and that it is gone.
    pub fn turned_away(&self) {
        self.0.borrow_mut().turned_away += 1;
    }

    /// The application got a message.
    pub fn got(&self, number: Number) {
        let mut inner = self.0.borrow_mut();
        match inner.down.get_mut(&number) {
            Some(message) => {
                message.received += 1;
                if message.received > 1 && inner.once {
                    inner.violate(format!(
                        "the application got message {number} twice (MQTT-4.3.3-10)"
                    ));
                }
            }
            None => inner.violate(format!("the application got message {number} from nowhere")),
        }
    }

    /// Something that must not happen has happened.
    pub fn violate(&self, what: String) {
        self.0.borrow_mut().violate(what);
    }

    /// The first thing that must not have happened.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        self.0.borrow().violation.clone()
    }

    /// At the end of a life, when everything has had its time: are all promises kept? `reports` are the losses that
    /// the device told of in its events and counters, whether somebody waited for the message or not.
    ///
    /// # Errors
    /// The first that is not.
    pub fn close(&self, reports: u64) -> Result<Totals, String> {
        let inner = self.0.borrow();
        if let Some(violation) = &inner.violation {
            return Err(violation.clone());
        }
        let mut totals = Totals::default();
        let mut missing = Vec::new();
        for (number, message) in &inner.up {
            message.check(*number)?;
            message.count(&mut totals);
            if message.asked == Asked::Unawaited
                && message.routed == 0
                && message.told != Told::NotAccepted
            {
                missing.push(*number);
            }
        }
        // The reports for those who waited have been told to them.
        let reports = reports.saturating_sub(totals.lost);
        if missing.len() as u64 > reports {
            return Err(format!(
                "accepted and neither delivered nor reported lost: messages {missing:?}, {reports} reports"
            ));
        }
        totals.lost += missing.len() as u64;
        let mut missing = Vec::new();
        for (number, message) in &inner.down {
            totals.received += u64::from(message.received > 0);
            if message.received == 0 && (message.acknowledged || message.promised) {
                missing.push(*number);
            }
        }
        if missing.len() as u64 > inner.turned_away {
            return Err(format!(
                "never came to the application: messages {missing:?}; {} were reported",
                inner.turned_away
            ));
        }
        Ok(totals)
    }
}

impl Inner {
    fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }
}

impl Upward {
    fn check(&self, number: Number) -> Result<(), String> {
        match (self.asked, &self.told) {
            (Asked::Awaited, Told::Nothing) => Err(format!("nothing was told of message {number}")),
            (Asked::Awaited | Asked::Abandoned, Told::Delivered) if self.routed == 0 => Err(
                format!("message {number} was reported as delivered and was not"),
            ),
            (Asked::Once, _) if self.routed > 1 => {
                Err(format!("message {number} was sent twice with QoS 0"))
            }
            _ => Ok(()),
        }
    }

    fn count(&self, totals: &mut Totals) {
        if self.told == Told::NotAccepted {
            return;
        }
        let routed = u64::from(self.routed);
        if self.asked == Asked::Once {
            totals.qos0_lost += u64::from(routed == 0);
            return;
        }
        totals.accepted += 1;
        totals.delivered += routed.min(1);
        totals.repeated += routed.saturating_sub(1);
        totals.lost += u64::from(matches!(self.told, Told::Lost(_)));
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accepted with QoS 1: {} delivered ({} more than once), {} reported lost; {} lost with QoS 0; {} received",
            self.accepted, self.delivered, self.repeated, self.lost, self.qos0_lost, self.received
        )
    }
}
