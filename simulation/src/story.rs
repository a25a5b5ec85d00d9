//! A short scripted session that uses every packet once, to be cut or damaged at each of its bytes.
//!
//! Connect, subscribe, publish with QoS 1 and QoS 0, receive with QoS 1, be silent until PINGREQ, publish twice at once, be
//! silent again, lose the connection. After that all is calm for long enough that every promise can be kept, a last message each way proves that the device lives
//! on, and it is stopped.

use std::cell::{Cell, RefCell};
use std::pin::pin;

use thingwire_device::future::{Either, select};
use thingwire_device::{Buffers, Client, Config, Event, Outgoing, QoS, SubscribeFilter, Version};

use crate::ledger::{Asked, Told};
use crate::network::{Break, LinkPlan, Weather};
use crate::plan::Part;
use crate::referee::number_of;
use crate::world::{Script, World};
use crate::{Diary, Ledger};

/// What the device subscribes to.
const DOWN: &str = "down/all";

/// Where the device publishes.
const UP: &str = "up/0";

/// When the server's message comes, in milliseconds.
const SEND_AT: u64 = 5_000;

/// When the last words are exchanged: after keep-alives, acknowledgement limits, backoff, and a subscription that was
/// set aside.
const LAST_WORDS_AT: u64 = 1_500_000;

/// Everything takes as long every time.
const WEATHER: Weather = Weather {
    latency: (20, 20),
    opening: (100, 100),
    ..Weather::CALM
};

/// What became of a told story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes from and to the device on the first connection.
    pub bytes: (u64, u64),
    /// CONNACKs with success.
    pub connects: u32,
    /// Messages that were published, in the order of asking: what was told, and how often it was passed on.
    pub published: Vec<(Told, u32)>,
    /// Topic and payload of everything that the server passed on, sorted.
    pub passed_on: Vec<(String, Vec<u8>)>,
    /// Topic and payload of everything that the application got, sorted.
    pub received: Vec<(String, Vec<u8>)>,
    /// The first thing that the ledger or the referee did not like.
    pub violation: Option<String>,
    /// The bytes of the first connection, from and to the device.
    pub spoken: (Vec<u8>, Vec<u8>),
}

/// When the connection is reset, so that the last words are not on the one that was cut or damaged.
const BREAK_AT: u64 = 120_000;

struct Sends {
    at: Vec<u64>,
    breaks: Option<u64>,
    heard: Ledger,
    strict: bool,
}

impl Script for Sends {
    fn next(&self) -> Option<u64> {
        [self.at.first().copied(), self.breaks]
            .into_iter()
            .flatten()
            .min()
    }

    fn due(&mut self, world: &mut World) -> Result<(), String> {
        let now = world.clock.millis();
        if self.breaks.take_if(|at| *at <= now).is_some() {
            world.network.break_all(Break::Reset);
        }
        while self.at.first().is_some_and(|at| *at <= now) {
            self.at.remove(0);
            let number = world.gate.send(DOWN, 0);
            // The last one must come, whatever happened before.
            if self.at.is_empty() {
                world.ledger.promise(number);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        match self.heard.violation() {
            Some(violation) if self.strict => Err(violation),
            _ => Ok(()),
        }
    }
}

/// Tells the story once; `plan` is what happens to the first connection.
///
/// # Errors
/// The device did not live on, or, when nothing was damaged, a promise was not kept.
pub fn tell(
    version: Version,
    part: Part,
    plan: LinkPlan,
    diary: &Diary,
) -> Result<Outcome, String> {
    let damaged = plan.flip_up.is_some() || plan.flip_down.is_some();
    let mut world = World::new(1, part, diary);
    world.network.set_weather(WEATHER);
    world.network.record_first();
    world.network.plan_next(plan);
    world.ledger.remember();
    let (clock, ledger) = (world.clock.clone(), world.ledger.clone());
    let mut memory = [vec![0; 256], vec![0; 1_024], vec![0; 128]];
    let [receive, session, write] = &mut memory;
    let buffers = Buffers {
        receive,
        session,
        write,
        inbox: &mut [],
    };
    let subscriptions = [SubscribeFilter::new(DOWN, QoS::AtLeastOnce)];
    let config = Config::new(version, "device")
        .keep_alive(30)
        .topic_alias_memory(64)
        .subscriptions(&subscriptions);
    let client = Client::new(config, buffers).map_err(|error| error.to_string())?;
    let received = RefCell::new(Vec::new());
    let connects = Cell::new(0);
    let lost = Cell::new(0);
    let numbers = RefCell::new(Vec::new());
    let on = |event: Event<'_>| match event {
        Event::Connected { .. } => connects.set(connects.get() + 1),
        Event::Message(message) => {
            if let Some(number) = number_of(message.payload) {
                ledger.got(number);
            }
            received
                .borrow_mut()
                .push((message.topic.to_owned(), message.payload.to_vec()));
        }
        Event::PublishRefused { .. } => lost.set(lost.get() + 1),
        _ => {}
    };
    let ask = |asked| {
        let number = ledger.ask(asked);
        numbers.borrow_mut().push(number);
        number
    };
    let publish = async || {
        let number = ask(Asked::Awaited);
        let outcome = client
            .publish(UP, number.to_le_bytes(), QoS::AtLeastOnce)
            .await;
        let told = match outcome {
            Ok(()) => Told::Delivered,
            Err(error) => Told::Lost(error.to_string()),
        };
        ledger.told(clock.millis(), number, told);
    };
    let attempt = |number: u64, qos| {
        let payload = number.to_le_bytes();
        if client
            .try_publish(Outgoing::new(UP, &payload, qos))
            .is_err()
        {
            ledger.told(clock.millis(), number, Told::NotAccepted);
        }
    };
    let application = async {
        publish().await;
        attempt(ask(Asked::Once), QoS::AtMostOnce);
        clock.sleep(40_000u64.saturating_sub(clock.millis())).await;
        attempt(ask(Asked::Unawaited), QoS::AtLeastOnce);
        attempt(ask(Asked::Unawaited), QoS::AtLeastOnce);
        client.idle().await;
        clock
            .sleep(LAST_WORDS_AT.saturating_sub(clock.millis()))
            .await;
        publish().await;
        clock.sleep(10_000).await;
    };
    let mut connector = world.network.connector();
    let device = async {
        let mut run = pin!(client.run(&mut connector, &clock, on));
        let limit = pin!(select(application, clock.sleep(2 * LAST_WORDS_AT)));
        match select(run.as_mut(), limit).await {
            Either::First(_) => return Err("the driver ended"),
            Either::Second(Either::Second(())) => return Err("a publish never came back"),
            Either::Second(Either::First(())) => {}
        }
        client.stop();
        match select(run, pin!(clock.sleep(21_000))).await {
            Either::First(_) => Ok(()),
            Either::Second(()) => Err("the client did not stop"),
        }
    };
    let mut script = Sends {
        at: vec![SEND_AT, LAST_WORDS_AT],
        breaks: Some(BREAK_AT),
        heard: ledger.clone(),
        strict: !damaged,
    };
    world.run(&mut script, device)??;
    let statistics = client.statistics();
    let counted = statistics.session.set_aside + statistics.session.undeliverable;
    let closed = ledger.close(lost.get() + u64::from(counted));
    if !damaged {
        closed.clone()?;
    }
    let mut passed_on = ledger.passed_on();
    passed_on.sort();
    let mut received = received.into_inner();
    received.sort();
    let (up, down) = world.network.recorded();
    Ok(Outcome {
        bytes: (up.len() as u64, down.len() as u64),
        connects: connects.get(),
        published: numbers
            .into_inner()
            .into_iter()
            .map(|number| ledger.became(number))
            .collect(),
        passed_on,
        received,
        violation: closed.err(),
        spoken: (up, down),
    })
}
