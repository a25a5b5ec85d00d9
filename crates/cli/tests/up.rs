//! `thingwire up`: it says where it listens, it stops cleanly, and it says why it cannot start.

mod common;

use std::net::TcpListener;
use std::process::Stdio;

use common::{Cloud, Finished, read, thingwire};

#[test]
fn the_ready_file_says_where_everything_is() {
    let cloud = Cloud::start();
    let ready = &cloud.ready;
    assert_eq!(ready["endpoint"], "localhost");
    assert_eq!(ready["region"], "us-east-1");
    assert_eq!(ready["account_id"], "123456789012");
    assert_eq!(ready["console_url"], serde_json::Value::Null);
    for port in ["mqtt_port", "alpn_port", "https_port"] {
        assert!(
            ready[port].as_u64().is_some_and(|port| port > 0),
            "{port}: {ready}"
        );
    }
    let roots = read(ready["ca_file"].as_str().unwrap());
    assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2, "both roots");
    let operator = ready["operator_kit"].as_str().unwrap();
    cloud.run(&["kit", "check", operator]).expect(0, &[]);
}

#[cfg(unix)]
#[test]
fn it_stops_cleanly_and_comes_back_as_the_same_cloud() {
    let cloud = Cloud::start();
    cloud.run(&["thing", "create", "kept"]).expect(0, &[]);
    let roots = read(cloud.ready["ca_file"].as_str().unwrap());
    let (code, log, folder) = cloud.stop();
    assert_eq!(code, Some(0), "{log}");

    let cloud = Cloud::start_in(folder, &[], &[]);
    assert_eq!(read(cloud.ready["ca_file"].as_str().unwrap()), roots);
    assert_eq!(
        cloud.run(&["thing", "list"]).expect(0, &[]).stdout,
        "kept\n"
    );
}

/// Whoever reads the ready file would look for a cloud that is gone.
#[test]
fn it_leaves_no_ready_file_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut up = thingwire()
        .args(["up", "--free-ports", "--data-dir"])
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(up.stdout.take());
    let finished: Finished = up.wait_with_output().unwrap().into();
    finished.expect(1, &[]);
    assert!(
        data.join("thingwire.redb").exists() || data.read_dir().unwrap().count() > 1,
        "it was up"
    );
    assert!(!data.join("ready.json").exists());
}

#[test]
fn a_second_one_on_the_same_folder_says_so() {
    let cloud = Cloud::start();
    let second: Finished = thingwire()
        .args(["up", "--free-ports", "--data-dir"])
        .arg(cloud.data_dir())
        .output()
        .unwrap()
        .into();
    second.expect(5, &["in use"]);
    cloud.run(&["thing", "list"]).expect(0, &[]);
}

#[test]
fn a_port_in_use_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let flags = ["--mqtt-port", "--alpn-port", "--https-port", "--api-port"];
    for flag in flags {
        let folder = tempfile::tempdir().unwrap();
        let mut command = thingwire();
        command.args(["up", "--sntp-port", "0", "--data-dir"]);
        command.arg(folder.path());
        for other in flags {
            command.args([other, if other == flag { &port } else { "0" }]);
        }
        let finished: Finished = command.output().unwrap().into();
        finished.expect(8, &[&port, flag]);
    }
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let finished: Finished = thingwire()
        .args(["up", "--free-ports", "--data-dir"])
        .arg(file.join("data"))
        .output()
        .unwrap()
        .into();
    finished.expect(8, &["file/data"]);
}

#[test]
fn a_damaged_data_folder_is_named_and_left_alone() {
    let folder = {
        let mut cloud = Cloud::start();
        std::mem::replace(&mut cloud.folder, tempfile::tempdir().unwrap())
    };
    let data = folder.path().join("data");
    let file = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "redb")
        })
        .expect("the data file");
    let mut content = std::fs::read(&file).unwrap();
    content[16..64].fill(0x55);
    std::fs::write(&file, &content).unwrap();
    let finished: Finished = thingwire()
        .args(["up", "--free-ports", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap()
        .into();
    finished.expect(8, &["damaged", data.to_str().unwrap()]);
    assert_eq!(std::fs::read(&file).unwrap(), content, "not touched");
}

#[test]
fn another_account_for_the_same_folder_is_refused() {
    let folder = {
        let mut cloud = Cloud::start();
        std::mem::replace(&mut cloud.folder, tempfile::tempdir().unwrap())
    };
    for (flag, value) in [("--account", "999999999999"), ("--region", "eu-west-1")] {
        let finished: Finished = thingwire()
            .args(["up", "--free-ports", flag, value, "--data-dir"])
            .arg(folder.path().join("data"))
            .output()
            .unwrap()
            .into();
        finished.expect(8, &[value]);
    }
}

#[test]
fn flags_that_cannot_be_right_are_usage_errors() {
    for (flag, value) in [
        ("--account", "123"),
        ("--region", "US East"),
        ("--mqtt-port", "65536"),
        ("--bind", "everywhere"),
    ] {
        let finished: Finished = thingwire()
            .args(["up", flag, value])
            .output()
            .unwrap()
            .into();
        finished.expect(2, &[value]);
    }
}

/// `A-29`, `D-9`: each refusal in the log carries AWS's name of the reason, and why in our words.
#[cfg(unix)]
#[test]
fn the_log_is_json_when_asked_and_names_the_reason_of_refusals() {
    let cloud = Cloud::start_with(&["--log-format", "json"], &[]);
    cloud.create_device("lamp");
    cloud
        .run(&["pub", "-t", "esp32/other", "-m", "x", "--kit", "lamp"])
        .expect(3, &[]);
    let (_, log, _folder) = cloud.stop();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let refused = lines
        .iter()
        .find(|line| line["status"] == "Failure")
        .unwrap_or_else(|| panic!("no refusal in {log}"));
    assert_eq!(refused["reason"], "AUTHORIZATION_FAILURE");
    assert_eq!(refused["action"], "iot:Publish");
    assert_eq!(refused["resource"], "esp32/other");
    assert!(
        refused["message"]
            .as_str()
            .is_some_and(|text| text.contains("esp32/other")),
        "{refused}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line["files"].as_u64() > Some(0) && line["connections"].is_u64()),
        "how many files may be open: {log}"
    );
}
