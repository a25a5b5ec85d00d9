//! A disk that is full, as the whole program meets it: what needs the disk is refused by name, everything else goes on, and
//! when there is room again it works without a restart.
//!
//! No privileges are needed: the process gets a limit on the size of files (RLIMIT_FSIZE), which is below that of its data file, so
//! that writing fails with EFBIG. The signal that comes with it is ignored, as a full disk sends none.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use thingwire_conformance::{Cloud, Ready, finish, http, on_path, wait_until};
use thingwire_mqtt::QoS::{AtLeastOnce, AtMostOnce};
use thingwire_mqtt::Version::{V5, V311};

use crate::STEP;
use crate::wire::{Credentials, TLS, Wire, body, connect, publish, publish_as};

/// The topic of a session that is away.
const QUEUE: &str = "full/queue";
/// A topic that nobody keeps anything of.
const LIVE: &str = "full/live";

#[test]
fn on_a_full_disk_new_work_is_refused_reading_goes_on_and_room_is_noticed() {
    if on_path("prlimit", "util-linux").is_none() {
        return;
    }
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
    let mut cloud = Cloud::start_under(&ignoring, &[]);
    let ready = cloud.ready.clone();
    let kit = ready.operator_kit.clone();
    let (mut away, _) = Wire::session(&ready, &kit, "operator-away", V311, false);
    assert_eq!(away.subscribe(QUEUE), 1);
    drop(away);
    let mut five = Wire::connect(&ready, &kit, "operator-five", V5);
    let mut three = Wire::connect(&ready, &kit, "operator-three", V311);
    let mut live = Wire::connect(&ready, &kit, "operator-live", V311);
    let (mut keeping, _) = Wire::session(&ready, &kit, "operator-keeping", V311, false);
    assert_eq!(live.subscribe(LIVE), 1);
    five.publish(QUEUE, b"before");
    assert_eq!(status(&ready, "POST", "/things/before"), 200);
    assert_eq!(status(&ready, "GET", "/readyz"), 200);

    limit(&cloud, "4096:unlimited");

    // QoS 1 that a session needs: a code in MQTT 5, the end in 3.1.1, which has none.
    five.send(&publish_as(2, QUEUE, b"refused", AtLeastOnce, false, V5));
    let refused = five.expect(0x40);
    assert_eq!(body(&refused)[2], 0x80, "{refused:02x?}");
    assert!(
        String::from_utf8_lossy(&refused).contains("could not be made durable"),
        "{refused:02x?}"
    );
    three.send(&publish_as(2, QUEUE, b"refused", AtLeastOnce, false, V311));
    three.expect_end();
    // A subscription of a persistent session, and a session itself.
    assert_eq!(keeping.subscribe("full/other"), 0x80);
    let credentials = Credentials::of_kit(&kit);
    let mut new = Wire::tls(ready.mqtt_port, &credentials, TLS[1], V311).expect("TLS");
    new.send(&connect("operator-new", false, V311));
    // Server unavailable.
    assert_eq!(new.packet(), [0x20, 2, 0, 3]);
    new.expect_end();
    // The control plane says why, and still answers questions.
    let (code, why) = http(&ready, "POST", "/things/during", &[], "{}").expect("an answer");
    assert_eq!(code, 503, "{why}");
    assert!(why.contains("the disk refused"), "{why}");
    assert_eq!(status(&ready, "GET", "/things/before"), 200);
    assert_eq!(status(&ready, "GET", "/things/during"), 404);
    let (code, why) = http(&ready, "GET", "/readyz", &[], "").expect("an answer");
    assert_eq!(code, 503, "{why}");
    assert_eq!(status(&ready, "GET", "/healthz"), 200);
    // What needs no disk goes on, in the connections that are there and in new ones.
    five.send(&publish(LIVE, b"0", AtMostOnce, false, V5));
    live.expect(0x30);
    five.publish(LIVE, b"1");
    live.expect(0x32);
    Wire::connect(&ready, &kit, "operator-clean", V5).expect_alive();

    limit(&cloud, "unlimited:unlimited");

    assert!(
        wait_until(STEP, || status(&ready, "GET", "/readyz") == 200),
        "room is not noticed"
    );
    five.send(&publish_as(3, QUEUE, b"after", AtLeastOnce, false, V5));
    let taken = five.expect(0x40);
    assert!(
        body(&taken).get(2).is_none_or(|code| *code == 0),
        "{taken:02x?}"
    );
    assert_eq!(status(&ready, "POST", "/things/during"), 200);
    assert_eq!(keeping.subscribe("full/other"), 1);

    // Nothing of what was refused is there, after a crash either; all of the rest is.
    cloud.kill();
    let mut check = cloud.command();
    check
        .args(["store", "check", "--data-dir"])
        .arg(cloud.data_dir());
    let _ = finish(&mut check, STEP).success();
    cloud.start_again();
    let (mut away, present) = Wire::session(&cloud.ready, &kit, "operator-away", V311, false);
    assert!(present);
    let came: BTreeSet<Vec<u8>> = [away.packet(), away.packet()]
        .iter()
        .map(|packet| body(packet)[4 + QUEUE.len()..].to_vec())
        .collect();
    assert_eq!(came, [b"after".to_vec(), b"before".to_vec()].into());
    away.expect_alive();
}

fn status(ready: &Ready, method: &str, path: &str) -> u16 {
    http(ready, method, path, &[], "{}").expect("an answer").0
}

/// Sets how large files of the running program may become.
fn limit(cloud: &Cloud, size: &str) {
    let mut limit = Command::new("prlimit");
    limit
        .arg(format!("--fsize={size}"))
        .args(["--pid", &cloud.id().to_string()]);
    let _ = finish(&mut limit, Duration::from_secs(30)).success();
}
