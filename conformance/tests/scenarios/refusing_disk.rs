//! A disk that is full, read-only or broken, as the whole program meets it: what needs the disk is refused by name, everything
//! else goes on, and when the disk is well again it works without a restart.
//!
//! No privileges are needed. For a full disk the process gets a limit on the size of files (RLIMIT_FSIZE), which is below that of its data
//! file, so that writing fails with EFBIG; the signal that comes with it is ignored, as a full disk sends none. A file system
//! cannot be made read-only by hand while a file on it is open for writing: only the kernel does that, after an error of the disk. So
//! for this and for I/O errors a small library stands between the program and the C library (`disk/refusing.c`, by LD_PRELOAD)
//! and answers in the disk's place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use thingwire_conformance::{Cloud, Ready, finish, http, on_path, thingwire, wait_until};
use thingwire_mqtt::QoS::{AtLeastOnce, AtMostOnce};
use thingwire_mqtt::Version::{V5, V311};

use crate::STEP;
use crate::wire::{Credentials, TLS, Wire, body, connect, publish, publish_as};

/// The topic of a session that is away.
const QUEUE: &str = "disk/queue";
/// A topic that nobody keeps anything of.
const LIVE: &str = "disk/live";

/// EIO and EROFS, and what the system says of them.
const BROKEN: (i32, &str) = (5, "Input/output error");
const READ_ONLY: (i32, &str) = (30, "Read-only file system");

#[test]
fn on_a_full_disk_new_work_is_refused_reading_goes_on_and_room_is_noticed() {
    if on_path("prlimit", "util-linux").is_none() {
        return;
    }
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
    let cloud = Cloud::start_under(&ignoring, &[]);
    let full = |cloud: &Cloud| limit(cloud, "4096:unlimited");
    let well = |cloud: &Cloud| limit(cloud, "unlimited:unlimited");
    story(cloud, "File too large", full, well);
}

#[test]
fn on_a_disk_that_became_read_only_the_same() {
    refusing(READ_ONLY);
}

#[test]
fn on_a_disk_with_input_and_output_errors_the_same() {
    refusing(BROKEN);
}

fn refusing((number, says): (i32, &str)) {
    let Some(disk) = Refusing::new() else {
        return;
    };
    let under = disk.under();
    let under: Vec<&str> = under.iter().map(String::as_str).collect();
    let cloud = Cloud::start_under(&under, &[]);
    let refuse = |cloud: &Cloud| disk.refuse(number, &cloud.data_dir());
    story(cloud, says, refuse, |_| disk.recover());
}

#[test]
fn on_a_read_only_disk_it_does_not_start_and_says_what_to_do() {
    let Some(disk) = Refusing::new() else {
        return;
    };
    let there = disk.folder.path().join("there");
    let start = |folder: &Path| {
        let under = disk.under();
        let mut up = Command::new(&under[0]);
        up.args(&under[1..])
            .arg(thingwire())
            .args(["up", "--free-ports", "--data-dir"])
            .arg(folder);
        finish(&mut up, STEP)
    };
    // A folder with data in it, and one that is not there yet.
    let mut cloud = Cloud::start();
    cloud.kill();
    copy(&cloud.data_dir(), &there);
    let before = contents(&there);
    for folder in [there.clone(), disk.folder.path().join("new")] {
        for (number, says) in [READ_ONLY, BROKEN] {
            disk.refuse(number, disk.folder.path());
            let ended = start(&folder);
            // As every start that failed.
            assert_eq!(ended.code, Some(8), "{ended:?}");
            let name = folder.display();
            let said = format!("cannot write `{name}`: {says} (os error {number})");
            assert!(ended.stderr.contains(&said), "{ended:?}");
            assert!(ended.stderr.contains("--data-dir"), "{ended:?}");
            assert!(!ended.stderr.contains("panicked"), "{ended:?}");
            assert_eq!(ended.stdout, "");
        }
        assert_eq!(folder.exists(), folder == there);
    }
    assert_eq!(contents(&there), before, "nothing was changed");
}

/// A program's disk that refuses when it is told to.
struct Refusing {
    folder: TempDir,
    library: PathBuf,
}

impl Refusing {
    /// `None` after saying that there is no C compiler.
    fn new() -> Option<Self> {
        let compiler = on_path("cc", "gcc")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let library = folder.path().join("refusing.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("disk/refusing.c");
        let mut compile = Command::new(compiler);
        compile
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source]);
        let _ = finish(&mut compile, STEP).success();
        Some(Self { folder, library })
    }

    fn orders(&self) -> PathBuf {
        self.folder.path().join("orders")
    }

    /// What starts a program with this disk.
    fn under(&self) -> [String; 3] {
        [
            "env".to_owned(),
            format!("LD_PRELOAD={}", self.library.display()),
            format!("REFUSING_DISK={}", self.orders().display()),
        ]
    }

    /// Every change fails with this error number; in folders, below this one.
    fn refuse(&self, number: i32, folder: &Path) {
        let order = format!("{number} {}", folder.display());
        std::fs::write(self.orders(), order).expect("an order");
    }

    fn recover(&self) {
        std::fs::write(self.orders(), "").expect("an order");
    }
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("-a").args([from, to]);
    let _ = finish(&mut copy, STEP).success();
}

/// The data file and the names beside it.
fn contents(folder: &Path) -> (Vec<u8>, BTreeSet<PathBuf>) {
    let names = std::fs::read_dir(folder).expect("a folder");
    let names = names.map(|entry| entry.expect("an entry").path()).collect();
    let data = std::fs::read(folder.join("thingwire.redb")).expect("a data file");
    (data, names)
}

/// `refuse` makes the disk refuse with what the system `says`, `recover` makes it well again.
fn story(mut cloud: Cloud, says: &str, refuse: impl FnOnce(&Cloud), recover: impl FnOnce(&Cloud)) {
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

    refuse(&cloud);

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
    assert_eq!(keeping.subscribe("disk/other"), 0x80);
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
    assert!(why.contains(says), "{why}");
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

    recover(&cloud);

    assert!(
        wait_until(STEP, || status(&ready, "GET", "/readyz") == 200),
        "it is not noticed that the disk is well"
    );
    five.send(&publish_as(3, QUEUE, b"after", AtLeastOnce, false, V5));
    let taken = five.expect(0x40);
    assert!(
        body(&taken).get(2).is_none_or(|code| *code == 0),
        "{taken:02x?}"
    );
    assert_eq!(status(&ready, "POST", "/things/during"), 200);
    assert_eq!(keeping.subscribe("disk/other"), 1);

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
