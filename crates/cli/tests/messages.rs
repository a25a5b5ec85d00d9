//! `pub`, `sub` and `device run` against a local cloud: messages arrive, and denials say why.

mod common;

use common::{Cloud, Listener};

#[test]
fn the_operator_talks_to_itself() {
    let cloud = Cloud::start();
    let listener = cloud.subscribe(&["-t", "a/+", "-t", "b/#", "-v"]);
    cloud
        .run(&["pub", "-t", "a/1", "-m", "hello"])
        .expect(0, &[]);
    assert_eq!(listener.line(), "a/1 hello");
    cloud
        .run(&["pub", "-t", "a/1", "-m", "-1", "-q", "0"])
        .expect(0, &[]);
    assert_eq!(listener.line(), "a/1 -1");
    cloud.run(&["pub", "-t", "b/1", "-n"]).expect(0, &[]);
    assert_eq!(listener.line(), "b/1");

    std::fs::write(cloud.path("message.txt"), "from a file").unwrap();
    cloud
        .run(&["pub", "-t", "a/2", "-f", "message.txt"])
        .expect(0, &[]);
    assert_eq!(listener.line(), "a/2 from a file");
    cloud
        .run(&["pub", "-t", "a/2", "-f", "missing.txt"])
        .expect(2, &["missing.txt"]);

    cloud
        .run_with_stdin(&["pub", "-t", "b/c/d", "-l"], b"one\ntwo\nlast without end")
        .expect(0, &[]);
    assert_eq!(
        [listener.line(), listener.line(), listener.line()],
        ["b/c/d one", "b/c/d two", "b/c/d last without end"]
    );
    cloud
        .run_with_stdin(&["pub", "-t", "a/3", "-s"], b"all of it")
        .expect(0, &[]);
    assert_eq!(listener.line(), "a/3 all of it");

    let answer = cloud
        .run_with_stdin(&["pub", "-t", "a/4", "-l", "--json"], b"one\ntwo\n")
        .expect(0, &[]);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        answer,
        serde_json::json!({"topic": "a/4", "qos": 1, "retain": false, "messages": 2, "bytes": 6})
    );
}

#[cfg(unix)]
#[test]
fn a_listener_comes_back_with_the_cloud() {
    let cloud = Cloud::start();
    let ports = ["mqtt_port", "alpn_port"].map(|port| cloud.ready[port].to_string());
    let listener = cloud.subscribe(&["-t", "a"]);
    let (code, log, folder) = cloud.stop();
    assert_eq!(code, Some(0), "{log}");
    listener.says("connecting again");
    let flags = [
        "--mqtt-port",
        &ports[0],
        "--alpn-port",
        &ports[1],
        "--https-port",
        "0",
        "--api-port",
        "0",
        "--sntp-port",
        "0",
    ];
    let cloud = Cloud::start_in(folder, &flags, &[]);
    listener.says("subscribed");
    cloud
        .run(&["pub", "-t", "a", "-m", "still there"])
        .expect(0, &[]);
    assert_eq!(listener.line(), "still there");
}

#[test]
fn many_lines_arrive_in_order() {
    let cloud = Cloud::start();
    let listener = cloud.subscribe(&["-t", "many", "-q", "1", "-C", "500"]);
    let text: String = (0..500).map(|number| format!("{number}\n")).collect();
    cloud
        .run_with_stdin(&["pub", "-t", "many", "-l"], text.as_bytes())
        .expect(0, &[]);
    for number in 0..500 {
        assert_eq!(listener.line(), number.to_string());
    }
    assert_eq!(listener.end().0, Some(0), "-C ends it");
}

#[test]
fn retained_messages_wait_for_a_subscriber() {
    let cloud = Cloud::start();
    cloud
        .run(&["pub", "-t", "kept", "-m", "for later", "-r"])
        .expect(0, &[]);
    let got = cloud
        .run(&["sub", "-t", "kept", "-C", "1", "-W", "30", "--json"])
        .expect(0, &[])
        .json();
    assert_eq!(got["payload"], "for later");
    assert_eq!(got["retain"], true);
    cloud.run(&["pub", "-t", "kept", "-r", "-n"]).expect(0, &[]);
    cloud
        .run(&["sub", "-t", "kept", "-C", "1", "-W", "1"])
        .expect(27, &["within 1 s"]);
}

#[test]
fn bytes_that_are_not_text_arrive_as_they_are() {
    let cloud = Cloud::start();
    std::fs::write(cloud.path("bytes"), [0_u8, 255, 10, 128]).unwrap();
    let listener = cloud.subscribe(&["-t", "bytes", "-C", "1", "--json"]);
    cloud
        .run(&["pub", "-t", "bytes", "-f", "bytes"])
        .expect(0, &[]);
    let line: serde_json::Value = serde_json::from_str(&listener.line()).unwrap();
    assert_eq!(line["payload_hex"], "00ff0a80");
}

#[test]
fn a_denied_publish_says_action_resource_and_policy() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    // MQTT 5 with an answer, MQTT 5 without one, and 3.1.1 where the connection closes (B-53).
    for version_and_qos in [
        ["-V", "5", "-q", "1"],
        ["-V", "5", "-q", "0"],
        ["-V", "311", "-q", "1"],
        ["-V", "311", "-q", "0"],
    ] {
        let mut args = vec!["pub", "-t", "esp32/other", "-m", "x", "--kit", "lamp"];
        args.extend(version_and_qos);
        cloud.run(&args).expect(
            3,
            &[
                "iot:Publish",
                "esp32/other",
                "`policy`",
                "AUTHORIZATION_FAILURE",
            ],
        );
        args[2] = "esp32/pub";
        cloud.run(&args).expect(0, &[]);
    }
}

#[test]
fn a_denied_connection_says_why() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    for version in ["5", "311"] {
        let refused = cloud.run(&[
            "pub",
            "-t",
            "esp32/pub",
            "-m",
            "x",
            "--kit",
            "lamp",
            "-i",
            "desk",
            "-V",
            version,
        ]);
        refused.expect(
            3,
            &["iot:Connect", "desk", "iot:Connection.Thing.ThingName"],
        );
    }
}

#[test]
fn a_denied_subscription_says_why() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    for version in ["5", "311"] {
        let refused = cloud.run(&[
            "sub", "-t", "esp32/#", "--kit", "lamp", "-V", version, "-W", "30",
        ]);
        refused.expect(3, &["iot:Subscribe", "esp32/#", "`policy`"]);
    }
}

#[test]
fn a_certificate_that_is_gone_is_named() {
    for refusal in ["alert", "after-handshake"] {
        let cloud = Cloud::start_with(&["--cert-refusal", refusal], &[]);
        cloud.create_device("lamp");
        cloud
            .run(&["thing", "delete", "lamp", "--force"])
            .expect(0, &[]);
        let refused = cloud.run(&["pub", "-t", "esp32/pub", "-m", "x", "--kit", "lamp"]);
        refused.expect(3, &["DEVICE_CERTIFICATE_NOT_REGISTERED"]);
    }
}

#[test]
fn when_the_cloud_cannot_tell_there_is_a_list_of_what_to_check() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    // As for AWS: nobody to ask.
    let refused = cloud.run(&[
        "pub",
        "-t",
        "esp32/other",
        "-m",
        "x",
        "--kit",
        "lamp",
        "--cloud",
        "aws",
    ]);
    refused.expect(
        3,
        &[
            "describe-certificate",
            "list-attached-policies",
            "client id `lamp`",
        ],
    );
}

#[test]
fn the_wrong_cloud_and_no_cloud_are_told_apart() {
    let cloud = Cloud::start();
    let other = Cloud::start();
    let kit = cloud.create_device("lamp");
    let change = |member: &str, value: serde_json::Value| {
        let path = kit.join("kit.json");
        let mut manifest: serde_json::Value = serde_json::from_str(&common::read(&path)).unwrap();
        manifest[member] = value;
        std::fs::write(path, manifest.to_string()).unwrap();
    };
    let publish = || cloud.run(&["pub", "-t", "esp32/pub", "-m", "x", "--kit", "lamp"]);

    change("mqtt_port", other.ready["mqtt_port"].clone());
    publish().expect(3, &["server's certificate is not trusted"]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    change("mqtt_port", nobody.into());
    publish().expect(4, &[&format!("`localhost` port {nobody}")]);
    change("endpoint", "no-such-host.invalid".into());
    publish().expect(4, &["no-such-host.invalid", "does not resolve"]);
}

#[test]
fn the_reference_device_and_the_operator_meet() {
    let cloud = Cloud::start();
    cloud.create_device("esp32-demo");
    let listener = cloud.subscribe(&["-t", "esp32/pub"]);
    let device = Listener::start(
        cloud.command(&["device", "run", "--kit", "esp32-demo"]),
        "listening on esp32/sub",
    );
    cloud
        .run(&["pub", "-t", "esp32/sub", "-m", "hello"])
        .expect(0, &[]);
    assert_eq!(device.line(), "esp32/sub hello");
    let first: serde_json::Value = serde_json::from_str(&listener.line()).unwrap();
    let second: serde_json::Value = serde_json::from_str(&listener.line()).unwrap();
    assert_eq!(
        second["count"].as_u64(),
        first["count"].as_u64().map(|count| count + 1)
    );
}

#[test]
fn the_device_says_why_it_is_not_let_in() {
    let cloud = Cloud::start();
    let kit = cloud.create_device("lamp");
    let path = kit.join("kit.json");
    std::fs::write(
        &path,
        common::read(&path).replace("\"client_id\": \"lamp\"", "\"client_id\": \"desk\""),
    )
    .unwrap();
    // It goes on trying, as a device does; the test ends it.
    Listener::start(
        cloud.command(&["device", "run", "--kit", "lamp"]),
        "is not the name of a thing",
    );
}

#[test]
fn a_device_counts_to_three_and_ends() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    let finished = cloud
        .run(&["device", "run", "--kit", "lamp", "--count", "3"])
        .expect(0, &["connected"]);
    assert_eq!(finished.stderr.matches("sent esp32/pub").count(), 3);
}

#[test]
fn usage_mistakes_are_usage_errors() {
    let cloud = Cloud::start();
    for (args, words) in [
        (
            &["pub", "-t", "a/#", "-m", "x"][..],
            "a topic to publish to",
        ),
        (
            &["pub", "-t", "a", "-m", "x", "-q", "2"],
            "does not support QoS 2",
        ),
        (&["pub", "-t", "a"], "--message"),
        (&["pub", "-t", "a", "-m", "x", "-n"], "cannot be used with"),
        (&["sub", "-t", "a/#/b"], "topic filter"),
        (&["sub", "-t", "a", "-C", "0"], "0"),
    ] {
        cloud.run(args).expect(2, &[words]);
    }
    let long = "x".repeat(128 * 1024 + 1);
    std::fs::write(cloud.path("long"), long).unwrap();
    cloud
        .run(&["pub", "-t", "a", "-f", "long"])
        .expect(2, &["131072 bytes"]);
}
