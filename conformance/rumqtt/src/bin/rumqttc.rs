//! rumqttc, led by a test: orders as JSON lines on standard input, events as JSON lines on standard output.
//!
//! `Driver` of `thingwire-conformance` says which there are. The two versions are two clients in rumqttc, of the same shape.

use std::fs;
use std::io::{BufRead as _, stdin};
use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Order {
    Connect(Box<Connect>),
    Subscribe {
        filter: String,
        qos: u8,
    },
    Publish {
        topic: String,
        payload: String,
        qos: u8,
        retain: bool,
    },
    Disconnect,
}

#[derive(Deserialize)]
struct Connect {
    route: String,
    host: String,
    port: u16,
    root: String,
    certificate: String,
    key: String,
    url: Option<String>,
    client_id: String,
    version: String,
    clean: bool,
    expiry: u32,
    will: Option<Will>,
}

#[derive(Deserialize)]
struct Will {
    topic: String,
    payload: String,
}

impl Connect {
    /// Where to, for rumqttc: a host, or a URL when it is a WebSocket.
    fn address(&self) -> String {
        match (&self.url, self.route.as_str()) {
            (Some(url), _) => url.clone(),
            (None, "certificate") => format!("wss://{}:{}/mqtt", self.host, self.port),
            _ => self.host.clone(),
        }
    }

    fn transport(&self) -> Transport {
        let read = |file: &str| fs::read(file).expect("a file of the kit");
        let signed = self.route == "signed";
        let tls = TlsConfiguration::Simple {
            ca: read(&self.root),
            alpn: (self.route == "alpn").then(|| vec![b"x-amzn-mqtt-ca".to_vec()]),
            client_auth: (!signed).then(|| (read(&self.certificate), read(&self.key))),
        };
        if signed || self.route == "certificate" {
            Transport::wss_with_config(tls)
        } else {
            Transport::tls_with_config(tls)
        }
    }
}

fn say(event: &Value) {
    println!("{event}");
}

/// How the connection ended, told by who ended it and whether it had begun.
fn ended(connected: bool, leaving: bool, why: &impl ToString) -> Value {
    match (connected, leaving) {
        (_, true) => json!({"event": "disconnected"}),
        (true, false) => json!({"event": "closed", "reason": why.to_string()}),
        (false, false) => json!({"event": "refused", "reason": why.to_string()}),
    }
}

fn connected(session: bool) -> Value {
    json!({"event": "connected", "session": session})
}

const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// rumqttc's own channel for requests.
const REQUESTS: usize = 10;

async fn three(connect: Connect, orders: &mut UnboundedReceiver<Order>) {
    use rumqttc::{
        AsyncClient, Event, LastWill, MqttOptions, Outgoing, Packet, QoS, SubscribeReasonCode,
    };
    let qos = |qos| rumqttc::qos(qos).unwrap_or(QoS::AtMostOnce);
    let mut options = MqttOptions::new(&connect.client_id, connect.address(), connect.port);
    options
        .set_transport(connect.transport())
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(connect.clean);
    if let Some(Will { topic, payload }) = connect.will {
        options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, false));
    }
    let (client, mut network) = AsyncClient::new(options, REQUESTS);
    let (mut begun, mut leaving) = (false, false);
    loop {
        tokio::select! {
            Some(order) = orders.recv() => match order {
                Order::Connect(_) => {}
                Order::Subscribe { filter, qos: q } => drop(client.subscribe(filter, qos(q)).await),
                Order::Publish { topic, payload, qos: q, retain } => {
                    drop(client.publish(topic, qos(q), retain, payload).await);
                }
                Order::Disconnect => {
                    leaving = true;
                    drop(client.disconnect().await);
                }
            },
            polled = network.poll() => match polled {
                Ok(Event::Incoming(Packet::ConnAck(connack))) => {
                    begun = true;
                    say(&connected(connack.session_present));
                }
                Ok(Event::Incoming(Packet::SubAck(suback))) => {
                    let code = match suback.return_codes.first() {
                        Some(SubscribeReasonCode::Success(qos)) => *qos as u8,
                        _ => 0x80,
                    };
                    say(&json!({"event": "subscribed", "code": code}));
                }
                // QoS 1: PUBACK; QoS 0, whose number is 0: written.
                Ok(Event::Incoming(Packet::PubAck(_)) | Event::Outgoing(Outgoing::Publish(0))) => {
                    say(&json!({"event": "published", "code": null}));
                }
                Ok(Event::Incoming(Packet::Publish(message))) => say(&json!({
                    "event": "message",
                    "topic": message.topic,
                    "payload": String::from_utf8_lossy(&message.payload),
                    "qos": message.qos as u8,
                    "retain": message.retain,
                })),
                Ok(_) => {}
                Err(error) => return say(&ended(begun, leaving, &error)),
            },
        }
    }
}

async fn five(connect: Connect, orders: &mut UnboundedReceiver<Order>) {
    use rumqttc::Outgoing;
    use rumqttc::v5::mqttbytes::{
        self, QoS,
        v5::{LastWill, Packet, PubAckReason, SubscribeReasonCode},
    };
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let qos = |qos| mqttbytes::qos(qos).unwrap_or(QoS::AtMostOnce);
    let mut options = MqttOptions::new(&connect.client_id, connect.address(), connect.port);
    options
        .set_transport(connect.transport())
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(connect.clean)
        .set_session_expiry_interval(Some(connect.expiry));
    if let Some(Will { topic, payload }) = connect.will {
        options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, false, None));
    }
    let (client, mut network) = AsyncClient::new(options, REQUESTS);
    let (mut begun, mut leaving) = (false, false);
    loop {
        tokio::select! {
            Some(order) = orders.recv() => match order {
                Order::Connect(_) => {}
                Order::Subscribe { filter, qos: q } => drop(client.subscribe(filter, qos(q)).await),
                Order::Publish { topic, payload, qos: q, retain } => {
                    drop(client.publish(topic, qos(q), retain, payload).await);
                }
                Order::Disconnect => {
                    leaving = true;
                    drop(client.disconnect().await);
                }
            },
            polled = network.poll() => match polled {
                Ok(Event::Incoming(Packet::ConnAck(connack))) => {
                    begun = true;
                    say(&connected(connack.session_present));
                }
                Ok(Event::Incoming(Packet::SubAck(suback))) => {
                    let code = match suback.return_codes.first() {
                        Some(SubscribeReasonCode::Success(qos)) => *qos as u8,
                        Some(SubscribeReasonCode::NotAuthorized) => 0x87,
                        _ => 0x80,
                    };
                    say(&json!({"event": "subscribed", "code": code}));
                }
                Ok(Event::Incoming(Packet::PubAck(puback))) => {
                    let code = match puback.reason {
                        PubAckReason::Success => 0,
                        PubAckReason::NotAuthorized => 0x87,
                        _ => 0x80,
                    };
                    say(&json!({"event": "published", "code": code}));
                }
                Ok(Event::Outgoing(Outgoing::Publish(0))) => {
                    say(&json!({"event": "published", "code": null}));
                }
                Ok(Event::Incoming(Packet::Publish(message))) => say(&json!({
                    "event": "message",
                    "topic": String::from_utf8_lossy(&message.topic),
                    "payload": String::from_utf8_lossy(&message.payload),
                    "qos": message.qos as u8,
                    "retain": message.retain,
                })),
                Ok(_) => {}
                Err(error) => return say(&ended(begun, leaving, &error)),
            },
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (sender, mut orders) = unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            let order: Order = serde_json::from_str(&line).expect("an order");
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    while let Some(order) = orders.recv().await {
        if let Order::Connect(connect) = order {
            if connect.version == "5" {
                five(*connect, &mut orders).await;
            } else {
                three(*connect, &mut orders).await;
            }
        }
    }
}
