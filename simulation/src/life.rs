//! One life: the device library with an application, beside a network and a server, from a [`Plan`].
//!
//! Three kinds of tasks make the application: publishers, a reader, and the end, which waits until everything has had its
//! time and then asks whether the promises were kept.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::Poll;

use thingwire_device::future::{Either, join, select};
use thingwire_device::{
    Buffers, Client, Config, Event, Limits, Outgoing, PublishError, QoS, SubscribeFilter, Version,
};

use crate::ledger::{Asked, Told, Totals};
use crate::network::Network;
use crate::plan::{Act, Part, Plan};
use crate::referee::number_of;
use crate::server::FORBIDDEN;
use crate::world::{Script, World};
use crate::{Clock, Diary, Ledger, Random};

/// What the server publishes to and the device subscribes to.
const DOWN: &str = "down/all";

/// An attempt may take this long, in milliseconds: opening (15 s), a write that hangs (20 s), CONNACK (5 s), closing (1 s).
const LONGEST_ATTEMPT: u64 = 41_000;

/// The longest wait between two attempts, in milliseconds: the cap of the backoff.
const LONGEST_WAIT: u64 = 32_000;

/// Stopping a client that is connected and idle may take this long, in milliseconds: the last write and closing.
const LONGEST_GOODBYE: u64 = 21_000;

/// How a life went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Messages.
    pub totals: Totals,
    /// Connections that were opened.
    pub attempts: u64,
    /// CONNACKs with success.
    pub connects: u64,
    /// Milliseconds.
    pub lived: u64,
}

/// Lives the plan.
///
/// # Errors
/// The property that did not hold.
pub fn live(plan: &Plan, diary: &Diary) -> Result<Report, String> {
    let mut world = World::new(plan.seed, plan.part, diary);
    let mut memory = [
        vec![0; 512],
        vec![0; plan.session],
        vec![0; plan.write],
        vec![0; plan.inbox],
    ];
    let [receive, session, write, inbox] = &mut memory;
    let buffers = Buffers {
        receive,
        session,
        write,
        inbox,
    };
    let subscriptions = [SubscribeFilter::new(DOWN, plan.part.qos())];
    let config = Config::new(plan.version, "device")
        .keep_alive(plan.keep_alive)
        .clean_start(plan.clean_start)
        .topic_alias_memory(32)
        .limits(match plan.part {
            Part::Genuine | Part::Model => Limits::AWS,
            Part::ExactlyOnce => Limits::MQTT,
        })
        .subscriptions(&subscriptions);
    let client = Client::new(config, buffers).map_err(|error| error.to_string())?;
    if let Some(fault) = plan.fault {
        client.inject(fault);
    }
    let life = Life {
        plan,
        clock: world.clock.clone(),
        network: world.network.clone(),
        ledger: world.ledger.clone(),
        client: &client,
        diary: diary.clone(),
        phase: Cell::new(Phase::Asleep),
        last_connected: Cell::new(0),
        connects: Cell::new(0),
        refusals: Cell::new(0),
    };
    let mut fate = Fate {
        life: &life,
        acts: plan.acts.iter(),
    };
    world.run(&mut fate, life.everything())??;
    let statistics = client.statistics();
    let counted = statistics.session.set_aside + statistics.session.undeliverable;
    let totals = world
        .ledger
        .close(life.refusals.get() + u64::from(counted))?;
    let blamed = blamed_on_the_network(plan, &totals);
    if totals.lost > blamed {
        return Err(format!(
            "{} messages were reported lost to a server that refuses nothing",
            totals.lost
        ));
    }
    Ok(Report {
        totals,
        attempts: world.network.attempts(),
        connects: life.connects.get(),
        lived: world.clock.millis(),
    })
}

/// How many messages may be reported lost. Our broker refuses nothing here, so in MQTT 5 none; in 3.1.1 a connection that
/// breaks three times in a row right after the same PUBLISH looks like a refusal (`B-53`).
fn blamed_on_the_network(plan: &Plan, totals: &Totals) -> u64 {
    match (plan.part, plan.version) {
        (Part::Model, _) => u64::MAX,
        (Part::Genuine | Part::ExactlyOnce, Version::V5) => 0,
        (Part::Genuine | Part::ExactlyOnce, Version::V311) => 2 + totals.accepted / 2_000,
    }
}

/// What the driver is doing, by its events, and until when it must have told something else.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// It is not run.
    Asleep,
    Waiting {
        until: u64,
    },
    Attempting {
        until: u64,
    },
    Connected,
}

struct Life<'c, 'b> {
    plan: &'c Plan,
    clock: Clock,
    network: Network,
    ledger: Ledger,
    client: &'c Client<'b>,
    diary: Diary,
    phase: Cell<Phase>,
    last_connected: Cell<u64>,
    connects: Cell<u64>,
    /// Messages whose refusal came as an event.
    refusals: Cell<u64>,
}

impl Life<'_, '_> {
    fn note(&self, line: impl FnOnce() -> String) {
        self.diary.note(self.clock.millis(), line);
    }

    /// Driver and application.
    async fn everything(&self) -> Result<(), String> {
        let publishers = (0..self.plan.publishers).map(|number| {
            let task: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(self.publisher(number));
            task
        });
        let application = async {
            let tasks = all(publishers.collect());
            match select(
                tasks,
                self.clock.sleep(self.plan.length + self.plan.settling()),
            )
            .await
            {
                Either::First(()) => {}
                Either::Second(()) => return Err("a publish never came back".to_owned()),
            }
            let rest =
                (self.plan.length + self.plan.settling()).saturating_sub(self.clock.millis());
            match select(self.client.idle(), self.clock.sleep(rest)).await {
                Either::First(()) => {}
                Either::Second(()) => return Err("the client never became idle".to_owned()),
            }
            // What the server still has for us.
            let rest =
                (self.plan.length + self.plan.settling()).saturating_sub(self.clock.millis());
            self.clock.sleep(rest + 60_000).await;
            if !self.client.is_connected() {
                return Err("the client is not connected after a long calm".to_owned());
            }
            Ok(())
        };
        let mut driven = pin!(self.drive());
        let told = {
            let others = pin!(join(driven.as_mut(), self.reader()));
            match select(pin!(application), others).await {
                Either::First(told) => told,
                Either::Second(_) => Err("the driver ended before it was stopped".into()),
            }
        };
        told?;
        self.client.stop();
        match select(driven, pin!(self.clock.sleep(LONGEST_GOODBYE))).await {
            Either::First(()) => Ok(()),
            Either::Second(()) => Err("the client did not stop".into()),
        }
    }

    async fn drive(&self) {
        let mut random = Random::seeded(self.plan.seed ^ 0xD21);
        let mut connector = self.network.connector();
        loop {
            let run = self
                .client
                .run(&mut connector, &self.clock, |event| self.event(&event));
            let last = self.plan.drops_driver == 0 || self.clock.millis() >= self.plan.length;
            let until = if last {
                u64::MAX / 2
            } else {
                // Not in the calm at the end.
                let left = self.plan.length.saturating_sub(self.clock.millis());
                random.between(0, self.plan.drops_driver).min(left)
            };
            match select(run, self.clock.sleep(until)).await {
                Either::First(ended) => {
                    if let Err(error) = ended {
                        self.ledger.violate(error.to_string());
                    }
                    return;
                }
                Either::Second(()) => self.note(|| "the driver is dropped".into()),
            }
            if matches!(self.phase.get(), Phase::Connected) {
                self.last_connected.set(self.clock.millis());
            }
            self.phase.set(Phase::Asleep);
            self.clock.sleep(random.between(0, 5_000)).await;
        }
    }

    fn event(&self, event: &Event<'_>) {
        let now = self.clock.millis();
        match event {
            Event::Attempting { .. } => {
                let until = now + LONGEST_ATTEMPT;
                self.phase.set(Phase::Attempting { until });
            }
            Event::Connected { negotiated, .. } => {
                self.note(|| format!("connected, session present: {}", negotiated.session_present));
                self.phase.set(Phase::Connected);
                self.last_connected.set(now);
                self.connects.set(self.connects.get() + 1);
            }
            Event::Failed { why, retry_in } | Event::Disconnected { why, retry_in } => {
                self.note(|| format!("{why}; again in {retry_in} ms"));
                if matches!(event, Event::Disconnected { .. }) {
                    self.last_connected.set(now);
                }
                if *retry_in > LONGEST_WAIT {
                    self.ledger.violate(format!(
                        "a wait of {retry_in} ms, the cap is {LONGEST_WAIT}"
                    ));
                }
                self.phase.set(Phase::Waiting {
                    until: now + retry_in,
                });
            }
            Event::Message(message) if self.plan.inbox == 0 => self.got(message.payload),
            Event::PublishRefused { reason } => {
                self.note(|| format!("a publish was refused with 0x{:02x}", reason.0));
                self.refusals.set(self.refusals.get() + 1);
            }
            Event::InboxFull { lost, .. } => {
                self.note(|| format!("the inbox is full; lost: {lost}"));
                if *lost && !self.plan.clean_start {
                    self.ledger
                        .violate("a message was given up that the server would have kept".into());
                }
                if *lost {
                    self.ledger.turned_away();
                }
            }
            _ => {}
        }
    }

    fn got(&self, payload: &[u8]) {
        match number_of(payload) {
            Some(number) => {
                self.note(|| format!("got message {number}"));
                self.ledger.got(number);
            }
            None => self.ledger.violate("a message without a number".into()),
        }
    }

    async fn reader(&self) {
        if self.plan.inbox == 0 {
            return std::future::pending().await;
        }
        let mut random = Random::seeded(self.plan.seed ^ 0x4EAD);
        let mut buffer = [0; 1_024];
        while let Ok(message) = self.client.next(&mut buffer).await {
            self.got(message.payload);
            self.clock
                .sleep(random.between(0, self.plan.handling))
                .await;
        }
        std::future::pending().await
    }

    async fn publisher(&self, task: u64) {
        let mut random = Random::seeded(self.plan.seed ^ (0x9B1 + task));
        loop {
            let (from, to) = self.plan.pace;
            self.clock.sleep(random.between(from, to)).await;
            if self.clock.millis() >= self.plan.length {
                return;
            }
            let burst = random.pick(&[1, 1, 1, 1, 6]);
            for _ in 0..burst {
                self.publish(&mut random, task).await;
            }
        }
    }

    async fn publish(&self, random: &mut Random, task: u64) {
        let fill = random.between(0, 100) as usize;
        let payload = |number: u64| {
            let mut payload = number.to_le_bytes().to_vec();
            payload.resize(payload.len() + fill, b'.');
            payload
        };
        let forbidden = self.plan.part == Part::Model && random.chance(10);
        let topic = if forbidden {
            format!("{FORBIDDEN}{task}")
        } else {
            format!("up/{task}")
        };
        let topic = topic.as_str();
        let ask = |asked| {
            let number = self.ledger.ask(asked);
            self.note(|| format!("message {number} to {topic}: {asked:?}"));
            number
        };
        match random.between(0, 9) {
            0 | 1 => {
                let number = ask(Asked::Once);
                let sent = self
                    .client
                    .publish(topic, payload(number), QoS::AtMostOnce)
                    .await;
                if sent.is_err() {
                    self.tell(number, Told::NotAccepted);
                }
            }
            2..=4 => {
                let number = ask(Asked::Unawaited);
                let payload = payload(number);
                let message = Outgoing::new(topic, &payload, self.plan.part.qos());
                if self.client.try_publish(message).is_err() {
                    self.tell(number, Told::NotAccepted);
                }
            }
            5 => {
                let number = ask(Asked::Abandoned);
                let publish = self
                    .client
                    .publish(topic, payload(number), self.plan.part.qos());
                let patience = random.between(0, 3_000);
                match select(publish, self.clock.sleep(patience)).await {
                    Either::First(outcome) => self.outcome(number, outcome),
                    Either::Second(()) => self.note(|| format!("message {number} is abandoned")),
                }
            }
            _ => {
                let number = ask(Asked::Awaited);
                let outcome = self
                    .client
                    .publish(topic, payload(number), self.plan.part.qos())
                    .await;
                self.outcome(number, outcome);
            }
        }
    }

    fn outcome(&self, number: u64, outcome: Result<(), PublishError>) {
        self.tell(
            number,
            match outcome {
                Ok(()) => Told::Delivered,
                Err(error @ PublishError::Refused(_)) => Told::Lost(error.to_string()),
                Err(_) => Told::NotAccepted,
            },
        );
    }

    fn tell(&self, number: u64, told: Told) {
        self.note(|| format!("message {number}: {told:?}"));
        self.ledger.told(self.clock.millis(), number, told);
    }

    fn act(&self, act: &Act, world: &mut World) -> Result<(), String> {
        if !matches!(act, Act::Send(_)) {
            self.note(|| format!("-- {act:?}"));
        }
        match act {
            Act::Weather(weather) => world.network.set_weather(*weather),
            Act::Break(how) => world.network.break_all(*how),
            Act::Mood(mood) => world.gate.server.set_mood(*mood),
            Act::Restart { forgets } => {
                world.gate.restart(*forgets);
            }
            Act::Send(fill) => {
                world.gate.send(DOWN, *fill);
            }
            Act::Probe => {
                let number = world.gate.send(DOWN, 0);
                self.ledger.promise(number);
            }
            Act::CalmEnds { since } => {
                let now = self.clock.millis();
                let calm = now - since;
                let patience = self.plan.patience();
                let driven = matches!(
                    self.phase.get(),
                    Phase::Waiting { .. } | Phase::Attempting { .. }
                );
                let connected = now - self.last_connected.get();
                if calm > patience && driven && connected > LONGEST_ATTEMPT + LONGEST_WAIT {
                    return Err(format!(
                        "calm for {calm} ms and not connected for {connected} ms"
                    ));
                }
            }
        }
        Ok(())
    }

    /// What must hold at every moment.
    fn check(&self) -> Result<(), String> {
        if let Some(violation) = self.ledger.violation() {
            return Err(violation);
        }
        match self.phase.get() {
            Phase::Waiting { until } | Phase::Attempting { until }
                if self.clock.millis() > until =>
            {
                Err(format!("stuck: {:?}", self.phase.get()))
            }
            Phase::Connected if self.client.is_connected() => {
                self.last_connected.set(self.clock.millis());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What happens to a life besides itself: its acts, and a look after each step.
struct Fate<'l, 'c, 'b> {
    life: &'l Life<'c, 'b>,
    acts: std::slice::Iter<'l, (u64, Act)>,
}

impl Script for Fate<'_, '_, '_> {
    fn next(&self) -> Option<u64> {
        self.acts.as_slice().first().map(|(at, _)| *at)
    }

    fn due(&mut self, world: &mut World) -> Result<(), String> {
        let now = world.clock.millis();
        while let Some((_, act)) = self.acts.as_slice().first().filter(|(at, _)| *at <= now) {
            self.acts.next();
            self.life.act(act, world)?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.life.check()
    }
}

/// Waits for all of them.
async fn all(mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    std::future::poll_fn(|context| {
        tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
        if tasks.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
