//! A kit's own test, run as a person would who has nothing of ours installed: `sh test.sh`.

use std::path::Path;
use std::process::Command;

use thingwire_conformance::{Cloud, Finished, finish, on_path};

use crate::denials::set_status;
use crate::{SEED_POLICY, STEP};

/// What `test.sh` needs besides `openssl`, on a machine without mosquitto.
const TOOLS: [&str; 12] = [
    "sh", "openssl", "od", "tr", "sleep", "cat", "mktemp", "head", "tail", "sed", "rm", "dirname",
];

fn test(kit: &Path, path: Option<&Path>) -> Finished {
    let mut command = Command::new("sh");
    command.arg(kit.join("test.sh"));
    if let Some(path) = path {
        command.env("PATH", path);
    }
    finish(&mut command, STEP)
}

fn cloud() -> (Cloud, std::path::PathBuf) {
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    (cloud, kit)
}

#[test]
fn with_mosquittos_clients() {
    if on_path("mosquitto_pub", "mosquitto-clients").is_none() {
        return;
    }
    let (_cloud, kit) = cloud();
    let printed = test(&kit, None).success();
    assert!(
        printed.contains("acknowledged a message on esp32/pub"),
        "{printed}"
    );
    assert!(
        printed.contains("granted a subscription to esp32/sub"),
        "{printed}"
    );
}

#[cfg(unix)]
#[test]
fn with_openssl_only_and_with_a_certificate_that_is_inactive() {
    let (cloud, kit) = cloud();
    let tools = cloud.scratch().join("tools");
    std::fs::create_dir(&tools).expect("a folder");
    for tool in TOOLS {
        let Some(file) = on_path(tool, tool) else {
            return;
        };
        std::os::unix::fs::symlink(file, tools.join(tool)).expect("a link");
    }
    let printed = test(&kit, Some(&tools)).success();
    assert!(
        printed.contains("accepted the connection (CONNACK)"),
        "{printed}"
    );

    set_status(&cloud, "esp32-demo", "INACTIVE");
    let finished = test(&kit, Some(&tools));
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    assert!(
        finished.stdout.contains("registered and ACTIVE"),
        "{}",
        finished.stdout
    );
}
