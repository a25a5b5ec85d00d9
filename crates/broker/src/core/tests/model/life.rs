//! One life: each step is done to the broker and to the model. What every client got is compared in `heard`.

mod heard;

use std::collections::BTreeSet;

use thingwire_mqtt::{
    Disconnect, Packet, PacketId, Property, Publish, ReasonCode, RetainHandling, Subscribe,
    SubscribeFilter, SubscribeFilters, Will,
};

use super::super::*;
use super::reference::{Model, What};
use super::{Behaviour, CLIENTS, FILTERS, How, NAMES, PLAIN, Step, TOPICS, WILL, Wish};

/// What is done behind the model's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    None,
    LosesAMessageInACrash,
    LosesASubscriptionInACrash,
    ForgetsARetainedMessageInACrash,
    LosesAGroupsMessageInACrash,
    LosesAWillInACrash,
    LosesABodyInACrash,
    SwapsTwoMessages,
    DeliversTwice,
    SwallowsAMessage,
    IgnoresNoLocal,
    IgnoresRetainAsPublished,
    IgnoresRetainHandling,
    LosesIdentifiers,
    IgnoresTheExpiryOfAGoodbye,
    ConfusesAliases,
    IgnoresReceiveMaximum,
}

pub(super) struct Life {
    world: World,
    model: Model,
    devices: [Option<Device>; CLIENTS],
    publisher: Option<Device>,
    /// Topic aliases that the publisher has set on its connection.
    aliases: BTreeSet<usize>,
    /// Who waits for a PUBACK.
    puback: Option<usize>,
    to_acknowledge: [Vec<u16>; CLIENTS],
    next: u32,
    sabotage: Sabotage,
}

impl Life {
    pub(super) fn new(behaviour: Behaviour, sabotage: Sabotage) -> Self {
        let world = World::with(|config| config.behaviour = behaviour);
        let model = Model::new(behaviour, world.now.unix.0);
        Self {
            world,
            model,
            devices: [const { None }; CLIENTS],
            publisher: None,
            aliases: BTreeSet::new(),
            puback: None,
            to_acknowledge: [const { Vec::new() }; CLIENTS],
            next: 1,
            sabotage,
        }
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next += 1;
        number
    }

    pub(super) fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Connect { who, how } => return self.connect(who, how),
            Step::Lose { who } => {
                let Some(device) = self.devices[who].take() else {
                    return Ok(());
                };
                self.world.lose(&device);
                self.to_acknowledge[who].clear();
                self.model.disconnect(who, true);
            }
            Step::Goodbye { who, expiry } => {
                if self.goodbye(who, expiry) {
                    self.compare()?;
                    // DISCONNECT has no answer, so its expiry is on disk a second later.
                    return self.step(Step::Pass { seconds: 2 });
                }
            }
            Step::Subscribe {
                who,
                filter,
                qos,
                wish,
            } => {
                let Some(device) = self.devices[who].clone() else {
                    return Ok(());
                };
                // A member of a group takes QoS 1: what it is granted decides for the group's message otherwise.
                let qos = if FILTERS[filter].starts_with('$') {
                    Q1
                } else {
                    qos
                };
                let wish = self.possible(&device, FILTERS[filter], wish);
                self.subscribe(&device, FILTERS[filter], qos, wish);
                self.model.subscribe(who, FILTERS[filter], qos, wish);
            }
            Step::Unsubscribe { who, filter } => {
                let Some(device) = self.devices[who].clone() else {
                    return Ok(());
                };
                self.world.send(&device, &[unsubscribe(&[FILTERS[filter]])]);
                self.model.unsubscribe(who, FILTERS[filter]);
            }
            Step::Publish {
                from,
                topic,
                qos,
                expires,
                alias,
            } => {
                let number = self.number();
                let what = What {
                    topic,
                    number,
                    qos,
                    retain: false,
                    expires,
                };
                self.publish(from, what, alias)?;
            }
            Step::Retain {
                from,
                topic,
                expires,
            } => {
                let number = self.number();
                let what = What {
                    topic,
                    number,
                    qos: Q1,
                    retain: true,
                    expires,
                };
                self.publish(from, what, false)?;
            }
            Step::Clear { topic } => {
                let what = What {
                    topic,
                    number: 0,
                    qos: Q1,
                    retain: true,
                    expires: None,
                };
                self.publish(CLIENTS, what, false)?;
            }
            Step::Acknowledge { who } => {
                if let Some(device) = self.devices[who].clone() {
                    for id in std::mem::take(&mut self.to_acknowledge[who]) {
                        self.world.ack(&device, id);
                    }
                    self.model.acknowledge(who);
                }
            }
            Step::Pass { seconds } => {
                // Nobody falls silent.
                for device in self
                    .devices
                    .iter()
                    .flatten()
                    .chain(&self.publisher)
                    .cloned()
                    .collect::<Vec<_>>()
                {
                    self.world.send(&device, &[Packet::PingReq]);
                }
                self.world.pass(seconds);
                self.model.pass(seconds);
            }
            Step::Crash => self.crash(),
        }
        if self.sabotage == Sabotage::None {
            self.world.assert_bodies();
        }
        self.compare()
    }

    fn connect(&mut self, who: usize, how: How) -> Result<(), String> {
        let will_number = self.number();
        // What a crash left open, and so how much of it is on the wire, the model knows only when it has come.
        let receive = how
            .receive
            .filter(|_| how.five && self.model.is_certain(who));
        let how = How { receive, ..how };
        let mut properties = vec![Property::SessionExpiryInterval(how.expiry)];
        if self.sabotage != Sabotage::IgnoresReceiveMaximum {
            properties.extend(receive.map(Property::ReceiveMaximum));
        }
        let delay = how.will.map_or(0, |will| will.delay);
        let delay = [Property::WillDelayInterval(delay)];
        let payload = will_number.to_string();
        let mut connect = Connect {
            clean_start: how.clean,
            ..clean(if how.five { V5 } else { V3 }, NAMES[who])
        };
        if how.five {
            connect.properties = Properties::List(&properties);
        }
        connect.will = how.will.map(|will| Will {
            topic: WILL,
            payload: payload.as_bytes(),
            qos: will.qos,
            retain: false,
            properties: if how.five {
                Properties::List(&delay)
            } else {
                Properties::EMPTY
            },
        });
        self.to_acknowledge[who].clear();
        let device = self.world.connecting(connect);
        self.devices[who] = Some(device);
        let present = self.model.connect(who, how, will_number);
        self.compare_with(Some((who, present)))
    }

    /// Answers whether the session got another expiry.
    fn goodbye(&mut self, who: usize, expiry: Option<u32>) -> bool {
        let Some(device) = self.devices[who].take() else {
            return false;
        };
        // [MQTT-3.14.2-2]: a session that was to end with its connection does.
        let expiry = expiry.filter(|_| device.version == V5 && self.model.is_persistent(who));
        let list = expiry.map(Property::SessionExpiryInterval);
        let properties = match self.sabotage {
            Sabotage::IgnoresTheExpiryOfAGoodbye => Properties::EMPTY,
            _ => Properties::List(list.as_slice()),
        };
        let reason_code = ReasonCode::SUCCESS;
        let goodbye = Packet::Disconnect(Disconnect {
            reason_code,
            properties,
        });
        self.world.send(&device, &[goodbye]);
        self.to_acknowledge[who].clear();
        self.model.goodbye(who, expiry);
        expiry.is_some()
    }

    /// What a client of this version may ask for.
    fn possible(&self, device: &Device, filter: &str, wish: Wish) -> Wish {
        // Of a group, the options of the member that was chosen decide, which the model does not know before.
        if device.version == V3 || filter.starts_with('$') {
            return PLAIN;
        }
        Wish {
            // B-36: it would end the connection.
            identifier: wish.identifier.filter(|_| !self.model.is_aws()),
            ..wish
        }
    }

    fn subscribe(&mut self, device: &Device, filter: &str, qos: QoS, wish: Wish) {
        let mut filter = SubscribeFilter {
            no_local: wish.no_local,
            retain_as_published: wish.retain_as_published,
            retain_handling: wish.handling,
            ..SubscribeFilter::new(filter, qos)
        };
        let mut list = wish.identifier.map(Property::SubscriptionIdentifier);
        match self.sabotage {
            Sabotage::IgnoresNoLocal => filter.no_local = false,
            Sabotage::IgnoresRetainAsPublished => filter.retain_as_published = false,
            Sabotage::IgnoresRetainHandling => {
                filter.retain_handling = RetainHandling::SendAtSubscribe;
            }
            Sabotage::LosesIdentifiers => list = None,
            _ => {}
        }
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::List(list.as_slice()),
            filters: SubscribeFilters::List(&[filter]),
        });
        self.world.send(device, &[subscribe]);
    }

    fn publish(&mut self, from: usize, what: What, alias: bool) -> Result<(), String> {
        let client = self.devices.get(from).cloned().flatten();
        let publisher = match (&client, &self.publisher) {
            (Some(client), _) => client.clone(),
            (None, Some(publisher)) => publisher.clone(),
            (None, None) => {
                let publisher = self.world.client(V5, "publisher");
                self.publisher = Some(publisher.clone());
                publisher
            }
        };
        let expires = what.expires.filter(|_| publisher.version == V5);
        let what = What { expires, ..what };
        let mut properties: Vec<_> = expires
            .map(Property::MessageExpiryInterval)
            .into_iter()
            .collect();
        let mut topic = TOPICS[what.topic];
        if alias && client.is_none() {
            let place = match self.sabotage {
                Sabotage::ConfusesAliases => what.topic % 2,
                _ => what.topic,
            };
            properties.push(Property::TopicAlias(
                u16::try_from(place + 1).expect("a few"),
            ));
            // B-73.
            if !self.aliases.insert(place) {
                topic = "";
            }
        }
        let payload = match what.number {
            0 => String::new(),
            // Long enough to be stored once for all who wait for it, or not.
            number if number.is_multiple_of(3) => number.to_string(),
            number => format!("{number:070}"),
        };
        let publish = Publish {
            qos: what.qos,
            packet_id: (what.qos == Q1).then_some(PacketId::FIRST),
            retain: what.retain,
            properties: Properties::List(&properties),
            ..message(topic, &payload)
        };
        self.world.send(&publisher, &[Packet::Publish(publish)]);
        let from = client.is_some().then_some(from);
        self.model.publish(from, &what);
        if from.is_some() {
            self.puback = from.filter(|_| what.qos == Q1);
            return Ok(());
        }
        let mut answer = codes(&self.world.got(&publisher));
        answer.retain(|line| line != "PINGRESP");
        let expected: &[&str] = if what.qos == Q1 {
            &["PUBACK #1 00"]
        } else {
            &[]
        };
        if answer == expected {
            Ok(())
        } else {
            Err(format!("the publisher got {answer:?}"))
        }
    }

    fn crash(&mut self) {
        let table = match self.sabotage {
            Sabotage::LosesAMessageInACrash => Some(super::super::super::QUEUED),
            Sabotage::LosesASubscriptionInACrash => Some(super::super::super::SUBSCRIPTIONS),
            Sabotage::ForgetsARetainedMessageInACrash => Some(super::super::super::RETAINED),
            Sabotage::LosesAGroupsMessageInACrash => Some(super::super::super::SHARED),
            Sabotage::LosesAWillInACrash => Some(super::super::super::WILLS),
            Sabotage::LosesABodyInACrash => Some(super::super::super::BODIES),
            _ => None,
        };
        let lost = self
            .world
            .tables
            .keys()
            .find(|(of, _)| Some(*of) == table)
            .cloned();
        if let Some(lost) = lost {
            self.world.tables.remove(&lost);
        }
        self.world.crash();
        self.model.crash();
        self.devices = [const { None }; CLIENTS];
        self.publisher = None;
        self.aliases.clear();
        self.to_acknowledge = [const { Vec::new() }; CLIENTS];
    }

    /// Everybody comes back and takes what is left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        for step in [Step::Pass { seconds: 2 }, Step::Crash] {
            self.step(step)?;
        }
        for round in 0..2 {
            for who in 0..CLIENTS {
                for five in [false, true] {
                    let (clean, expiry, receive, will) = (false, 3600, None, None);
                    let how = How {
                        five,
                        clean,
                        expiry,
                        receive,
                        will,
                    };
                    if round == usize::from(five) {
                        self.connect(who, how)
                            .map_err(|what| format!("at the end: {what}"))?;
                        self.step(Step::Acknowledge { who })?;
                    }
                }
            }
        }
        for (filter, _) in FILTERS
            .iter()
            .enumerate()
            .filter(|(_, filter)| !filter.starts_with('$'))
        {
            self.step(Step::Subscribe {
                who: 0,
                filter,
                qos: Q1,
                wish: PLAIN,
            })
            .map_err(|what| format!("at the end: {what}"))?;
        }
        Ok(())
    }
}
