//! What every foreign client goes through, in both versions of the protocol: one story, so that a row of the table means
//! the same for all.
//!
//! The other side is the operator with mosquitto's tools. Nothing waits for a time: what must have happened before a step
//! was seen by one side or the other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use thingwire_conformance::{Cloud, Driver, Program, finish, script};

use super::{Client, Denials, Route};
use crate::STEP;
use crate::operator::tool;

const POLICY: &str = include_str!("policy.json");

/// Longer than the story.
pub(super) const EXPIRY: u32 = 3600;

/// A name of AWS's form. It stands in the server's certificate, and clients that only know AWS's names sign for it.
const AWS_NAME: &str = "a1b2c3d4e5f6g7-ats.iot.us-east-1.amazonaws.com";

/// The cloud, the device's kit and who watches.
pub(super) struct Scene {
    pub(super) cloud: Cloud,
    pub(super) kit: PathBuf,
    /// The operator's mosquitto_sub, which prints topic, QoS and payload of everything below `matrix/out/`.
    pub(super) watcher: Program,
    key: (String, String),
}

/// How a connection is made.
struct Connect<'a> {
    id: &'a str,
    route: Route,
    clean: bool,
    will: bool,
}

impl Connect<'_> {
    fn clean(id: &str) -> Connect<'_> {
        Connect {
            id,
            route: Route::MutualTls,
            clean: true,
            will: false,
        }
    }
}

impl Scene {
    pub(super) fn new() -> Option<Self> {
        let cloud = Cloud::start_with(&["--host", AWS_NAME]);
        let kit = cloud.thing("matrix", POLICY);
        let mut watch = tool("mosquitto_sub", &cloud.ready, "operator-watch")?;
        watch.args(["-d", "-V", "mqttv5", "-F", "%t %q %p", "-t", "matrix/out/#"]);
        let mut watcher = Program::start("mosquitto_sub", &mut watch);
        watcher.wait_for_line("Subscribed", STEP);
        let key = access_key(&cloud.ready.credentials_file);
        Some(Self {
            cloud,
            kit,
            watcher,
            key,
        })
    }

    /// The operator publishes.
    pub(super) fn send(&self, topic: &str, message: &str, more: &[&str]) {
        let mut publish = tool("mosquitto_pub", &self.cloud.ready, "operator-pub").expect("there");
        publish.args(["-V", "mqttv5", "-t", topic, "-m", message]);
        let _ = finish(publish.args(more), STEP).success();
    }

    pub(super) fn port(&self, route: Route) -> u16 {
        let ready = &self.cloud.ready;
        match route {
            Route::MutualTls => ready.mqtt_port,
            Route::Alpn | Route::Signed => ready.alpn_port,
            Route::Certificate => ready.https_port.expect("a port for HTTPS"),
        }
    }

    fn order(&self, client: &Client, version: &str, connect: &Connect<'_>) -> Value {
        let ready = &self.cloud.ready;
        let kit = |name: &str| self.kit.join(name);
        let host = match connect.route {
            Route::Signed if client.aws_names_only => AWS_NAME,
            _ => &ready.endpoint,
        };
        let mut order = json!({
            "do": "connect", "version": version, "route": connect.route.name(),
            "host": host, "port": self.port(connect.route), "root": kit("root-CA.pem"),
            "certificate": kit("certificate.pem"), "key": kit("private.key"),
            "client_id": connect.id, "clean": connect.clean,
            "expiry": if connect.clean { 0 } else { EXPIRY },
            "will": connect.will.then(|| json!({"topic": "matrix/out/will", "payload": "gone"})),
        });
        if connect.route == Route::Signed {
            order["key_id"] = json!(self.key.0);
            order["secret"] = json!(self.key.1);
            order["region"] = json!(ready.region);
            if !client.signs {
                let mut signer = Driver::start("sign.py", &mut script("sign.py").expect("there"));
                signer.tell(&order);
                order["url"] = signer.expect("signed", STEP)["url"].clone();
            }
        }
        order
    }

    /// Connects, and answers whether a session was there, if the client shows it.
    fn connect(
        &self,
        client: &Client,
        version: &str,
        connect: &Connect<'_>,
    ) -> (Driver, Option<bool>) {
        let mut driver = Driver::start(client.name, &mut client.command().expect("there"));
        driver.tell(&self.order(client, version, connect));
        let session = driver.expect("connected", STEP)["session"].as_bool();
        (driver, session)
    }
}

/// Runs the whole story.
pub(super) fn run(client: &Client, version: &str) {
    if client.command().is_none() || script("sign.py").is_none() {
        return;
    }
    let Some(mut scene) = Scene::new() else {
        return;
    };
    for route in Route::ALL {
        if client.route(*route).is_ok() {
            both_ways(&mut scene, client, version, *route);
        }
    }
    will_and_resume(&mut scene, client, version);
    retained(&scene, client, version);
    shared(&scene, client, version);
    denials(&scene, client, version);
}

/// Subscribes and checks the code, if the client shows one.
fn subscribe(driver: &mut Driver, filter: &str) {
    driver.tell(&json!({"do": "subscribe", "filter": filter, "qos": 1}));
    let said = driver.expect("subscribed", STEP);
    assert!(said["code"] == 1 || said["code"].is_null(), "{said}");
}

fn publish(driver: &mut Driver, topic: &str, payload: &str, qos: u8, retain: bool) -> Value {
    driver.tell(&json!({
        "do": "publish", "topic": topic, "payload": payload, "qos": qos, "retain": retain,
    }));
    driver.expect("published", STEP)
}

fn published(driver: &mut Driver, topic: &str, payload: &str, qos: u8, retain: bool) {
    let said = publish(driver, topic, payload, qos, retain);
    assert!(said["code"] == 0 || said["code"].is_null(), "{said}");
}

fn receive(driver: &mut Driver, topic: &str, payload: &str, retain: bool) {
    let said = driver.expect("message", STEP);
    let expected =
        json!({"event": "message", "topic": topic, "payload": payload, "qos": 1, "retain": retain});
    assert_eq!(said, expected);
}

fn leave(driver: &mut Driver) {
    driver.tell(&json!({"do": "disconnect"}));
    driver.expect("disconnected", STEP);
}

fn both_ways(scene: &mut Scene, client: &Client, version: &str, route: Route) {
    let connect = Connect {
        route,
        ..Connect::clean("matrix-exchange")
    };
    let (mut driver, session) = scene.connect(client, version, &connect);
    assert_ne!(session, Some(true));
    subscribe(&mut driver, "matrix/in/+");
    scene.send("matrix/in/a", "to the device", &[]);
    receive(&mut driver, "matrix/in/a", "to the device", false);
    let route = route.name();
    published(&mut driver, "matrix/out/0", route, 0, false);
    let line = format!("matrix/out/0 0 {route}");
    scene.watcher.wait_for_line(&line, STEP);
    published(&mut driver, "matrix/out/1", route, 1, false);
    let line = format!("matrix/out/1 1 {route}");
    scene.watcher.wait_for_line(&line, STEP);
    leave(&mut driver);
}

/// A device with a persistent session loses its power: its Will is sent (`B-59`), and what is published meanwhile waits
/// (`B-26`).
fn will_and_resume(scene: &mut Scene, client: &Client, version: &str) {
    let connect = Connect {
        clean: false,
        will: true,
        ..Connect::clean("matrix-sleeper")
    };
    let (mut driver, session) = scene.connect(client, version, &connect);
    assert_ne!(session, Some(true));
    subscribe(&mut driver, "matrix/in/stored");
    driver.kill();
    scene.watcher.wait_for_line("matrix/out/will 1 gone", STEP);

    scene.send("matrix/in/stored", "while you were away", &[]);
    let (mut driver, session) = scene.connect(client, version, &connect);
    assert_ne!(session, Some(false));
    receive(
        &mut driver,
        "matrix/in/stored",
        "while you were away",
        false,
    );
    leave(&mut driver);
}

fn retained(scene: &Scene, client: &Client, version: &str) {
    let (mut driver, _) = scene.connect(client, version, &Connect::clean("matrix-keeper"));
    if client.retains {
        published(&mut driver, "matrix/kept", "kept", 1, true);
    } else {
        scene.send("matrix/kept", "kept", &["-r"]);
    }
    subscribe(&mut driver, "matrix/kept");
    receive(&mut driver, "matrix/kept", "kept", true);
    leave(&mut driver);
}

/// Two members of a group get every message once between them (`B-68`, `C-24`).
fn shared(scene: &Scene, client: &Client, version: &str) {
    let mut members = ["matrix-left", "matrix-right"].map(|id| {
        let (mut driver, _) = scene.connect(client, version, &Connect::clean(id));
        subscribe(&mut driver, "$share/group/matrix/jobs/+");
        subscribe(&mut driver, "matrix/in/end");
        driver
    });
    let work: BTreeSet<String> = (0..4).map(|number| format!("work {number}")).collect();
    for (number, payload) in work.iter().enumerate() {
        scene.send(&format!("matrix/jobs/{number}"), payload, &[]);
    }
    // Both see this after everything that was routed before it.
    scene.send("matrix/in/end", "end", &[]);
    let mut done = Vec::new();
    for driver in &mut members {
        loop {
            let said = driver.expect("message", STEP);
            if said["topic"] == "matrix/in/end" {
                break;
            }
            done.push(said["payload"].as_str().unwrap_or_default().to_owned());
        }
        leave(driver);
    }
    done.sort();
    assert_eq!(done, work.into_iter().collect::<Vec<_>>());
}

/// What a client tells its program of a denial. In 3.1.1 the connection ends; in 5 it stays (`B-52` to `B-54`).
fn denials(scene: &Scene, client: &Client, version: &str) {
    let five = version == "5";
    let mut driver = Driver::start(client.name, &mut client.command().expect("there"));
    driver.tell(&scene.order(client, version, &Connect::clean("stranger")));
    let connect = told(&driver.expect("refused", STEP));
    drop(driver);

    let denied = |what: Value, answer: &str| {
        let (mut driver, _) = scene.connect(client, version, &Connect::clean("matrix-denied"));
        driver.tell(&what);
        if !five {
            return told(&driver.expect("closed", STEP));
        }
        let said = told(&driver.expect(answer, STEP));
        // It is still connected.
        published(&mut driver, "matrix/out/denied", "still here", 1, false);
        leave(&mut driver);
        said
    };
    let subscribe = denied(
        json!({"do": "subscribe", "filter": "forbidden", "qos": 1}),
        "subscribed",
    );
    let publish = denied(
        json!({"do": "publish", "topic": "forbidden", "payload": "x", "qos": 1, "retain": false}),
        "published",
    );
    let seen = Denials {
        connect: &connect,
        subscribe: &subscribe,
        publish: &publish,
    };
    assert_eq!(seen, *client.denials(version), "{} {version}", client.name);
}

/// The reason as a text, or the code as a number, or that nothing was told.
fn told(said: &Value) -> String {
    match (&said["text"], &said["reason"], &said["code"]) {
        (Value::String(text), _, _) | (_, Value::String(text), _) => text.clone(),
        (_, _, Value::Number(code)) => format!("{:#04x}", code.as_u64().unwrap_or_default()),
        _ => "nothing".to_owned(),
    }
}

/// Id and secret of a shared credentials file.
fn access_key(file: &Path) -> (String, String) {
    let text = std::fs::read_to_string(file).expect("the credentials file");
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
        line.expect("a key in the credentials file")
            .trim()
            .to_owned()
    };
    (value("aws_access_key_id"), value("aws_secret_access_key"))
}
