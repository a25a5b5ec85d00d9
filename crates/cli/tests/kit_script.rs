//! The kit's own `test.sh`: it needs nothing of ours, and it tells right from wrong.

#![cfg(unix)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Cloud, Finished, installed};

fn test_sh(kit: &Path, path: &str, args: &[&str]) -> Finished {
    Command::new("sh")
        .arg(kit.join("test.sh"))
        .args(args)
        .env("PATH", path)
        .output()
        .unwrap()
        .into()
}

/// A folder with the programs that `test.sh` needs, and no mosquitto.
fn without_mosquitto(cloud: &Cloud) -> String {
    let dir = cloud.path("bin");
    std::fs::create_dir(&dir).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for program in [
        "sh", "openssl", "mktemp", "sleep", "cat", "rm", "dirname", "od", "tr", "head", "tail",
        "sed",
    ] {
        let found = std::env::split_paths(&path)
            .map(|dir| dir.join(program))
            .find(|file| file.is_file());
        if let Some(found) = found {
            std::os::unix::fs::symlink(found, dir.join(program)).unwrap();
        }
    }
    dir.to_str().unwrap().to_owned()
}

#[test]
fn with_mosquitto_it_publishes_and_subscribes() {
    if !installed("mosquitto_pub") {
        assert!(
            std::env::var_os("THINGWIRE_CI").is_none(),
            "mosquitto-clients must be installed in CI"
        );
        eprintln!("skipped: mosquitto_pub is not installed (Debian: mosquitto-clients)");
        return;
    }
    let cloud = Cloud::start();
    let kit = cloud.create_device("lamp");
    let path = std::env::var("PATH").unwrap();
    let finished = test_sh(&kit, &path, &[]).expect(0, &[]);
    for words in [
        "acknowledged a message on esp32/pub",
        "granted a subscription to esp32/sub",
        "This kit works.",
    ] {
        assert!(finished.stdout.contains(words), "{finished:#?}");
    }
    let finished = test_sh(&kit, &path, &["a/b", "c/d"]).expect(1, &[]);
    for words in [
        "publishing to a/b is not allowed",
        "subscribing to c/d is not allowed",
        "list-attached-policies",
    ] {
        assert!(finished.stdout.contains(words), "{finished:#?}");
    }
}

#[test]
fn with_openssl_alone_it_waits_for_connack() {
    if !installed("openssl") {
        assert!(
            std::env::var_os("THINGWIRE_CI").is_none(),
            "openssl must be installed in CI"
        );
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let cloud = Cloud::start();
    let kit = cloud.create_device("lamp");
    let path = without_mosquitto(&cloud);
    let finished = test_sh(&kit, &path, &[]).expect(0, &[]);
    for words in ["the server proved itself", "CONNACK", "This kit works."] {
        assert!(finished.stdout.contains(words), "{finished:#?}");
    }
    // A certificate the cloud does not know any more never gets a CONNACK.
    cloud
        .run(&["thing", "delete", "lamp", "--force"])
        .expect(0, &[]);
    let finished = test_sh(&kit, &path, &[]).expect(1, &[]);
    assert!(
        finished.stdout.contains("describe-certificate"),
        "{finished:#?}"
    );
}
