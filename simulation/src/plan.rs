//! A life from a seed: what kind of device and server, and what happens to them when.

use thingwire_device::{FailureKind, QoS, Version};
use thingwire_mqtt::client::Fault;

use crate::Random;
use crate::network::{Break, Weather};
use crate::server::{Mood, Refusal};

/// One minute.
const MINUTE: u64 = 60_000;

/// Who plays the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Our own broker's core.
    Genuine,
    /// The model, which can be bad on purpose.
    Model,
    /// Our own broker's core, as MQTT says and not as AWS does: with quality of service 2.
    ExactlyOnce,
}

impl Part {
    /// The quality of service of what must arrive.
    #[must_use]
    pub fn qos(self) -> QoS {
        match self {
            Self::Genuine | Self::Model => QoS::AtLeastOnce,
            Self::ExactlyOnce => QoS::ExactlyOnce,
        }
    }
}

/// What is done to the world at a moment.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// The weather changes.
    Weather(Weather),
    /// All connections end.
    Break(Break),
    /// The server's mood changes.
    Mood(Mood),
    /// The server restarts; it may forget everything.
    Restart {
        /// It forgets.
        forgets: bool,
    },
    /// The server has a message of so many bytes more than its number.
    Send(usize),
    /// The server has a message, and all has been calm for so long that the device must get it.
    Probe,
    /// It has been calm since then.
    CalmEnds {
        /// When the calm began.
        since: u64,
    },
}

/// A life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What everything else comes from.
    pub seed: u64,
    /// Protocol version.
    pub version: Version,
    /// Who plays the server.
    pub part: Part,
    /// Keep-alive in seconds.
    pub keep_alive: u16,
    /// Whether each connection begins a session of its own.
    pub clean_start: bool,
    /// Bytes of the session buffer.
    pub session: usize,
    /// Bytes of the inbox; 0: messages go to the callback.
    pub inbox: usize,
    /// Milliseconds that the application takes for a message at most.
    pub handling: u64,
    /// Bytes of the write buffer.
    pub write: usize,
    /// Tasks that publish.
    pub publishers: u64,
    /// Milliseconds between two publishes of a task, from and to.
    pub pace: (u64, u64),
    /// Milliseconds after which the driver is dropped and run again, at most; 0 is never.
    pub drops_driver: u64,
    /// What the engine is broken by.
    pub fault: Option<Fault>,
    /// When nothing new is asked any more.
    pub length: u64,
    /// What happens, in order of time.
    pub acts: Vec<(u64, Act)>,
}

impl Plan {
    /// The life of this seed, `hours` long.
    #[must_use]
    pub fn new(seed: u64, hours: u64) -> Self {
        Self::of(seed, hours, None)
    }

    /// A life with quality of service 2 (feature `qos2`). The session lives as long as the device does: without it nobody can
    /// promise that a message arrives once, so no broker restarts.
    #[must_use]
    pub fn exactly_once(seed: u64, hours: u64) -> Self {
        Self::of(seed, hours, Some(Part::ExactlyOnce))
    }

    fn of(seed: u64, hours: u64, wanted: Option<Part>) -> Self {
        let mut random = Random::seeded(seed);
        let part = if random.chance(400) {
            Part::Genuine
        } else {
            Part::Model
        };
        let part = wanted.unwrap_or(part);
        let mut plan = Self {
            seed,
            version: random.pick(&[Version::V311, Version::V5]),
            part,
            keep_alive: random.pick(&[30, 60, 60, 60, 120, 300]),
            clean_start: random.chance(100) && part != Part::ExactlyOnce,
            session: random.pick(&[300, 1_024, 2_048, 8_192]),
            inbox: random.pick(&[0, 300, 2_048]),
            handling: random.pick(&[0, 0, 2_000, 30_000]),
            write: random.pick(&[64, 128, 512, 1_400]),
            publishers: random.between(1, 3),
            pace: random.pick(&[(0, 600_000), (60_000, 240_000), (1_000, 120_000)]),
            drops_driver: random.pick(&[0, 0, 0, 40 * MINUTE]),
            fault: None,
            length: hours * 60 * MINUTE,
            acts: Vec::new(),
        };
        plan.schedule(&mut random);
        plan
    }

    /// How long a device may take from the end of the trouble to its connection, in milliseconds: it notices that
    /// the old one is dead (keep-alive and half of it), a write that hangs (20 s), closing (1 s), the longest wait
    /// (32 s), an attempt that hangs (15 s) or gets no CONNACK (5 s), the wait after that, and some grace.
    #[must_use]
    pub fn patience(&self) -> u64 {
        u64::from(self.keep_alive) * 1_500 + 20_000 + 1_000 + 32_000 + 15_000 + 32_000 + 15_000
    }

    /// Time for everything to be in order when all is calm again, in milliseconds: a subscription that was set aside is
    /// tried again after ten minutes and may be set aside once more; in MQTT 5 a PUBACK that never came is noticed
    /// after a minute, and a session buffer may hold many messages, five at a time.
    #[must_use]
    pub fn settling(&self) -> u64 {
        self.patience() + 2 * 600_000 + 300_000
    }

    fn schedule(&mut self, random: &mut Random) {
        let mut now = 0;
        while now < self.length {
            let calm = random.between(MINUTE, 4 * MINUTE) + self.patience() * random.between(0, 2);
            if now + calm >= self.length {
                break;
            }
            now += calm;
            self.acts.push((now, Act::CalmEnds { since: now - calm }));
            let end = now + random.between(2_000, 6 * MINUTE);
            for _ in 0..random.between(1, 2) {
                self.trouble(random, now, end);
            }
            self.acts.push((end, Act::Weather(Weather::CALM)));
            self.acts.push((end, Act::Mood(Mood::calm())));
            now = end;
        }
        let mut at = 0;
        while at < self.length {
            at += random.between(0, 6 * MINUTE);
            for _ in 0..random.pick(&[1, 1, 1, 4]) {
                let fill = random.between(0, 120) as usize;
                self.acts.push((at, Act::Send(fill)));
            }
        }
        self.acts.push((self.length + self.settling(), Act::Probe));
        self.acts.sort_by_key(|(at, _)| *at);
    }

    /// One trouble from `now` to `end`.
    fn trouble(&mut self, random: &mut Random, now: u64, end: u64) {
        let kinds = match self.part {
            // The restarts are the last of the broker's.
            Part::ExactlyOnce => 8,
            Part::Genuine => 9,
            Part::Model => 19,
        };
        let calm = Weather::CALM;
        match random.between(0, kinds - 1) {
            0 => {
                self.weather(
                    now,
                    Weather {
                        refusal: Some(FailureKind::Network),
                        ..calm
                    },
                );
                self.acts
                    .push((now, Act::Break(random.pick(&[Break::Reset, Break::Silent]))));
            }
            1 => self.repeat(random, now, end, 20_000, Act::Break(Break::Silent)),
            2 => self.repeat(random, now, end, 5_000, Act::Break(Break::Reset)),
            3 | 4 => {
                self.weather(
                    now,
                    Weather {
                        cuts: 800,
                        cut_within: 400,
                        ..calm
                    },
                );
                self.repeat(random, now, end, 10_000, Act::Break(Break::Reset));
            }
            5 => self.weather(
                now,
                Weather {
                    latency: (500, 20_000),
                    ..calm
                },
            ),
            6 => {
                let refusal = random.pick(&[FailureKind::Tcp, FailureKind::Dns, FailureKind::Tls]);
                self.weather(
                    now,
                    Weather {
                        refusal: Some(refusal),
                        ..calm
                    },
                );
                self.acts.push((now, Act::Break(Break::Reset)));
            }
            7 => {
                self.weather(
                    now,
                    Weather {
                        hangs: true,
                        ..calm
                    },
                );
                self.acts.push((now, Act::Break(Break::Silent)));
            }
            8 => {
                let forgets = random.chance(400);
                self.repeat(random, now, end, 60_000, Act::Restart { forgets });
                self.acts
                    .push((now, Act::Break(random.pick(&[Break::Reset, Break::Silent]))));
                self.mood(
                    now,
                    Mood {
                        delay: (0, 3_000),
                        ..Mood::calm()
                    },
                );
            }
            kind => self.bad_mood(random, kind, now, end),
        }
    }

    fn bad_mood(&mut self, random: &mut Random, kind: u64, now: u64, end: u64) {
        let calm = Mood::calm();
        let mood = match kind {
            9 => Mood { mute: true, ..calm },
            10 => Mood {
                delay: (0, 15_000),
                ..calm
            },
            11 | 12 => {
                self.repeat(random, now, end, 30_000, Act::Break(Break::Reset));
                let refuses = random.pick(&[
                    Refusal::Close,
                    Refusal::Code,
                    Refusal::Silence,
                    Refusal::ConnAckThenClose,
                ]);
                Mood {
                    refuses: Some(refuses),
                    ..calm
                }
            }
            13 => {
                self.repeat(random, now, end, 20_000, Act::Break(Break::Reset));
                Mood {
                    forgets: 500,
                    ..calm
                }
            }
            14 => Mood { drops: 300, ..calm },
            15 => Mood { omits: 300, ..calm },
            16 => Mood {
                doubles: 300,
                denies: 300,
                ..calm
            },
            17 => Mood {
                closes: 200,
                ..calm
            },
            _ => Mood {
                nonsense: 200,
                ..calm
            },
        };
        self.mood(now, mood);
    }

    fn weather(&mut self, at: u64, weather: Weather) {
        self.acts.push((at, Act::Weather(weather)));
    }

    fn mood(&mut self, at: u64, mood: Mood) {
        self.acts.push((at, Act::Mood(mood)));
    }

    fn repeat(&mut self, random: &mut Random, from: u64, to: u64, pause: u64, act: Act) {
        let mut at = from;
        while at < to {
            self.acts.push((at, act));
            at += random.between(pause / 4, 2 * pause);
        }
    }
}
