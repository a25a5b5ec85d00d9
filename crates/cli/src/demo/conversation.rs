//! The demo's chapters 3 and 4: what TLS proved, and messages in both directions.
//!
//! The device is the device library with the reference application; what it received is taken from its own
//! callback. The operator is another client with a certificate of its own.

use std::path::Path;

use thingwire_device::future::{Either, join, select};
use thingwire_device::{Client, QoS, SubscribeFilter, Version};
use thingwire_host::{HostPlatform, KitConnector, TlsSummary, TlsWatch};
use thingwire_kit::Kit;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::THING;
use super::story::Story;
use crate::exit::{Exit, Failure};
use crate::messages::{Heard, Received};
use crate::reference::{Behaviour, DeviceMemory, Told, application};
use crate::speaker::{Connection, Speaker};
use crate::target::Local;

const TO_DEVICE: &str = "esp32/sub";
const FROM_DEVICE: &str = "esp32/pub";
const GREETING: &str = "hello from the operator";

/// Who takes part.
pub(super) struct Stage<'a> {
    /// The device's kit.
    pub(super) kit_dir: &'a Path,
    /// The operator's kit.
    pub(super) operator_kit: &'a Path,
    /// The cloud between them.
    pub(super) local: &'a Local,
}

pub(super) async fn hold(story: &mut Story, stage: &Stage<'_>) -> Result<(), Failure> {
    let operator_kit = Kit::load(stage.operator_kit)?;
    let operator_id = format!("{}-demo", operator_kit.client_id);
    let operator = Speaker::new(
        operator_kit,
        operator_id,
        Version::V5,
        Some(stage.local.clone()),
    );
    let mut means = operator.means()?;
    let mut line = story
        .wait("the operator connects", operator.connect(&mut means))
        .await??;

    story
        .wait("the operator subscribes", listen(&operator, &mut line))
        .await??;

    let kit = Kit::load(stage.kit_dir)?;
    let mut connector =
        KitConnector::new(&kit).map_err(|error| Failure::new(Exit::Kit, error.to_string()))?;
    let tls = connector.tls_summary();
    let platform = HostPlatform::new();
    let subscriptions = [SubscribeFilter::new(TO_DEVICE, QoS::AtLeastOnce)];
    let behaviour = Behaviour {
        subscriptions: &subscriptions,
        topic: FROM_DEVICE,
        every: 1000,
        count: None,
    };
    let mut memory = DeviceMemory::new();
    // As the sketch's library does.
    let client = Client::new(
        behaviour.config(Version::V311, &kit.client_id),
        memory.lend(),
    )
    .map_err(|error| Failure::new(Exit::Kit, error.to_string()))?;

    let (tell, mut told) = unbounded_channel();
    let device = client.run(&mut connector, &platform, |event| {
        if let Some(event) = Told::from_event(&event) {
            // The story that listens ends before the channel does.
            let _ = tell.send(event);
        }
    });
    let play = async {
        let script = async {
            device_connects(story, &mut told).await?;
            show_tls(story, &tls)?;
            exchange(story, &operator, &mut line, &mut told).await
        };
        let publishes = application(&client, &platform, &behaviour, |_| {});
        let outcome = match select(script, publishes).await {
            Either::First(outcome) => outcome,
            Either::Second(ended) => Err(Failure::new(
                Exit::Failed,
                format!(
                    "the device stopped publishing: {}",
                    ended
                        .err()
                        .map_or_else(String::new, |error| error.to_string())
                ),
            )),
        };
        client.stop();
        outcome
    };
    let (ran, outcome) = join(device, play).await;
    line.close().await;
    ran.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    outcome
}

async fn device_connects(
    story: &mut Story,
    told: &mut UnboundedReceiver<Told>,
) -> Result<(), Failure> {
    story.chapter(
        "3  The device connects",
        "mutual TLS, then MQTT 3.1.1; the sketch's initAWS(endpoint, topic)",
    )?;
    story
        .wait("the device connects", async {
            match told.recv().await {
                Some(Told::Connected { .. }) => Ok(()),
                Some(Told::Ended { why, .. }) => Err(Failure::new(
                    Exit::Failed,
                    format!("the device cannot connect: {why}"),
                )),
                other => Err(unexpected("CONNACK", other)),
            }
        })
        .await??;
    story.ticked(format_args!("connected as `{THING}`: CONNACK received"))
}

async fn exchange(
    story: &mut Story,
    operator: &Speaker,
    line: &mut Connection<'_>,
    told: &mut UnboundedReceiver<Told>,
) -> Result<(), Failure> {
    story.chapter(
        "4  Messages",
        "the sketch's callback, and pubToAWS(message, topic)",
    )?;
    story
        .wait("the device subscribes", async {
            match told.recv().await {
                Some(Told::Subscribed(codes)) if codes.iter().all(|code| *code < 0x80) => Ok(()),
                other => Err(unexpected("a granted subscription", other)),
            }
        })
        .await??;
    story.ticked_as(
        format_args!("the device subscribed to `{TO_DEVICE}`: SUBACK received"),
        format_args!("thingwire device run --kit DIR"),
    )?;

    let early = story
        .wait("the operator publishes", greet(operator, line))
        .await??;
    story.ticked_as(
        format_args!("the operator sent \"{GREETING}\" on `{TO_DEVICE}`: PUBACK received"),
        format_args!("thingwire pub -t {TO_DEVICE} -m '{GREETING}'"),
    )?;

    let arrived = async {
        loop {
            match told.recv().await {
                Some(Told::Message { topic, payload })
                    if topic == TO_DEVICE && payload == GREETING.as_bytes() =>
                {
                    return Ok(());
                }
                Some(Told::Message { .. }) => {}
                other => return Err(unexpected("the message", other)),
            }
        }
    };
    story
        .wait("the device receives the message", arrived)
        .await??;
    story.ticked(format_args!(
        "the device's callback received it: \"{GREETING}\""
    ))?;

    let message = match early {
        Some(message) => message,
        None => {
            story
                .wait(
                    "the operator receives what the device publishes",
                    from_device(operator, line),
                )
                .await??
        }
    };
    story.ticked_as(
        format_args!(
            "the device published on `{FROM_DEVICE}`, the operator received {}",
            String::from_utf8_lossy(&message.payload)
        ),
        format_args!("thingwire sub -t {FROM_DEVICE} -v"),
    )
}

/// The operator asks for what the device will publish, before the device is there.
async fn listen(operator: &Speaker, line: &mut Connection<'_>) -> Result<(), Failure> {
    line.subscribe(&[SubscribeFilter::new(FROM_DEVICE, QoS::AtMostOnce)])
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    loop {
        if let Heard::Subscribed(codes) = hear(operator, line).await? {
            return match codes.iter().find(|code| code.0 >= 0x80) {
                Some(code) => Err(operator.refused_subscribe(FROM_DEVICE, *code).await),
                None => Ok(()),
            };
        }
    }
}

/// The operator publishes to the device and waits for the cloud's PUBACK; what the device sends meanwhile is kept for
/// [`from_device`].
async fn greet(operator: &Speaker, line: &mut Connection<'_>) -> Result<Option<Received>, Failure> {
    line.publish(TO_DEVICE, GREETING.as_bytes(), QoS::AtLeastOnce, false)
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let mut received = None;
    loop {
        match hear(operator, line).await? {
            Heard::Published(reason) if reason.0 >= 0x80 => {
                return Err(operator.refused_publish(TO_DEVICE, reason).await);
            }
            Heard::Published(_) => return Ok(received),
            Heard::Message(message) => received = Some(message),
            Heard::Subscribed(_) | Heard::Unsubscribed | Heard::Nothing => {}
        }
    }
}

async fn from_device(operator: &Speaker, line: &mut Connection<'_>) -> Result<Received, Failure> {
    loop {
        if let Heard::Message(message) = hear(operator, line).await?
            && message.topic == FROM_DEVICE
        {
            return Ok(message);
        }
    }
}

async fn hear(operator: &Speaker, line: &mut Connection<'_>) -> Result<Heard, Failure> {
    let heard = match line.flush().await {
        Ok(()) => line.wait().await,
        Err(error) => Err(error),
    };
    match heard {
        Ok(heard) => Ok(heard),
        Err(error) => Err(operator.explain(error, Some(TO_DEVICE)).await),
    }
}

fn unexpected(wanted: &str, got: Option<Told>) -> Failure {
    let got = match got {
        None => "the device ended".to_owned(),
        Some(Told::Ended { why, .. }) => format!("the connection ended: {why}"),
        Some(other) => format!("{other:?}"),
    };
    Failure::new(
        Exit::Failed,
        format!("the device waited for {wanted}, but {got}"),
    )
}

/// The sketch's TLS chapter, live: who proved what to whom, with which certificate.
fn show_tls(story: &mut Story, watch: &TlsWatch) -> Result<(), Failure> {
    let Some(tls) = watch.latest() else {
        return Err(Failure::new(
            Exit::Failed,
            "the device is connected, but TLS tells nothing",
        ));
    };
    let TlsSummary {
        version,
        cipher_suite,
        key_exchange,
        server_name,
        server,
        root,
        device,
        ..
    } = tls;
    story.ticked(format_args!(
        "TLS Handshake: {version}, keys agreed with {key_exchange}"
    ))?;
    let names = server.names.join(", ");
    story.ticked(format_args!(
        "the server proved to the device that it is `{server_name}`, with a certificate of {} ({})",
        server.issuer, server.key_type
    ))?;
    story.note(format_args!("its names: {names}"))?;
    story.note(format_args!(
        "the root in the kit that vouches for it: {root}"
    ))?;
    story.ticked(format_args!(
        "the device proved to the server that it holds the key of its certificate: {} ({})",
        device.subject, device.key_type
    ))?;
    story.ticked(format_args!(
        "TLS Record: from here on everything is encrypted with {cipher_suite}"
    ))
}
