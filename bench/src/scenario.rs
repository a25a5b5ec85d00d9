//! What is measured: connecting, idling, throughput of several shapes, latency, and keeping for who is offline.

use std::time::Duration;

use thingwire_mqtt::QoS;

use crate::Outcome;
use crate::broker::{Broker, Peer};
use crate::connecting;
use crate::flow::{Flow, Shape};
use crate::keeping;
use crate::probe::Probe;
use crate::process;
use crate::report::{Better, Figures};

/// Messages a second of the latency scenario, and publishers that take turns.
const RATE: u32 = 2000;
const PUBLISHERS: usize = 10;

/// One row of the table, or two of one run.
pub(crate) struct Scenario {
    /// The rows' names, with the unit of their figures.
    pub(crate) names: &'static [&'static str],
    /// Whether a higher figure is better.
    pub(crate) better: Better,
    kind: Kind,
}

enum Kind {
    Connect,
    Idle,
    Flow(Flow),
    Latency,
    Offline,
    Retained,
}

/// All scenarios, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    let more = |names, kind| Scenario {
        names,
        better: Better::More,
        kind,
    };
    let less = |names, kind| Scenario {
        names,
        better: Better::Less,
        kind,
    };
    let flow = |shape, qos, per_write, persistent| {
        Kind::Flow(Flow {
            shape,
            qos,
            per_write,
            persistent,
        })
    };
    let (zero, one) = (QoS::AtMostOnce, QoS::AtLeastOnce);
    vec![
        more(&["connects/s"], Kind::Connect),
        less(&["KiB per idle connection"], Kind::Idle),
        less(
            &[
                "p50 at 2,000 messages/s, QoS 0: ms",
                "p99 at 2,000 messages/s, QoS 0: ms",
            ],
            Kind::Latency,
        ),
        more(
            &["fan-in 50:1, QoS 0: deliveries/s"],
            flow(Shape::FanIn(50), zero, 1, false),
        ),
        more(
            &["fan-in 50:1, QoS 0, 16 PUBLISH a record: deliveries/s"],
            flow(Shape::FanIn(50), zero, 16, false),
        ),
        more(
            &["fan-in 50:1, QoS 1: deliveries/s"],
            flow(Shape::FanIn(50), one, 1, false),
        ),
        more(
            &["fan-in 50:1, QoS 1, 16 PUBLISH a record: deliveries/s"],
            flow(Shape::FanIn(50), one, 16, false),
        ),
        more(
            &["fan-out 1:100, QoS 0: deliveries/s"],
            flow(Shape::FanOut(100), zero, 16, false),
        ),
        more(
            &["fan-out 1:100, QoS 1: deliveries/s"],
            flow(Shape::FanOut(100), one, 16, false),
        ),
        more(
            &["50 pairs, QoS 1: deliveries/s"],
            flow(Shape::Pairs(50), one, 1, false),
        ),
        more(
            &["50 pairs, QoS 1, persistent sessions online: deliveries/s"],
            flow(Shape::Pairs(50), one, 1, true),
        ),
        more(
            &["10 publishers, QoS 1, persistent sessions offline: acknowledged/s"],
            Kind::Offline,
        ),
        more(
            &["10 publishers, QoS 1, retained topics: acknowledged/s"],
            Kind::Retained,
        ),
    ]
}

impl Scenario {
    /// Whether the broker has to keep something on disk for it.
    pub(crate) fn durable(&self) -> bool {
        match &self.kind {
            Kind::Flow(flow) => flow.persistent,
            Kind::Offline | Kind::Retained => true,
            Kind::Connect | Kind::Idle | Kind::Latency => false,
        }
    }

    /// Whether it says something about this peer.
    pub(crate) fn suits(&self, peer: Peer) -> bool {
        match peer {
            Peer::Null => !self.durable() && !matches!(self.kind, Kind::Idle),
            Peer::MosquittoSaving => self.durable(),
            Peer::Rumqttd | Peer::Rmqtt | Peer::Ministack => !self.durable(),
            Peer::Mosquitto | Peer::Thingwire => true,
        }
    }

    /// Runs it once against this broker; one answer for each name.
    pub(crate) async fn run(&self, broker: &Broker, length: Duration) -> Outcome<Vec<Figures>> {
        Ok(vec![match &self.kind {
            Kind::Latency => return latency(broker, length),
            Kind::Connect => connecting::rate(broker).await?,
            Kind::Idle => connecting::idle(broker).await?,
            Kind::Flow(flow) => flow.run(broker, length).await?,
            Kind::Offline => keeping::offline(broker, length).await?,
            Kind::Retained => keeping::retained(broker, length).await?,
        }])
    }
}

/// p50 and p99, each with the processor time of a delivery.
pub(crate) fn latency(broker: &Broker, length: Duration) -> Outcome<Vec<Figures>> {
    let probe = Probe::open(&broker.access, PUBLISHERS)?;
    let before = (process::cpu(broker.id)?, process::cpu(std::process::id())?);
    let seen = probe.run(RATE, length)?;
    let used = (
        process::cpu(broker.id)? - before.0,
        process::cpu(std::process::id())? - before.1,
    );
    [0.5, 0.99]
        .map(|part| {
            let ms = seen
                .quantile(part)
                .ok_or("no message of the probe arrived")?;
            let figures = Figures::plain(ms).losing(seen.lost);
            Ok(figures.with_use(seen.count(), length.as_secs_f64(), used.0, used.1))
        })
        .into_iter()
        .collect()
}
