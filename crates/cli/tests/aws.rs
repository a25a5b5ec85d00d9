//! `--cloud aws`: the person's own AWS configuration decides. No test here reaches AWS: a local cloud stands in for the
//! control plane, through the variable that every AWS SDK reads.

mod common;

use std::process::Command;

use common::{Cloud, Finished, POLICY, read, thingwire};

/// The program with a home without AWS configuration, and no metadata service to ask.
fn without_configuration(folder: &Cloud) -> Command {
    let mut command = thingwire();
    command.current_dir(folder.folder.path());
    command
        .env("HOME", folder.folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("THINGWIRE_CLOUD", "aws");
    command
}

#[test]
fn the_same_commands_provision_for_aws() {
    let cloud = Cloud::start();
    std::fs::write(cloud.path("policy.json"), POLICY).unwrap();
    let aws = |args: &[&str]| -> Finished {
        without_configuration(&cloud)
            .args(args)
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .env("AWS_REGION", "us-east-1")
            .env(
                "AWS_ENDPOINT_URL_IOT",
                cloud.ready["api_url"].as_str().unwrap(),
            )
            .output()
            .unwrap()
            .into()
    };
    aws(&[
        "thing",
        "create",
        "lamp",
        "--policy",
        "policy.json",
        "--kit",
        "kit",
    ])
    .expect(0, &["replaced REGION and ACCOUNT_ID", "123456789012"]);
    assert_eq!(aws(&["thing", "list"]).expect(0, &[]).stdout, "lamp\n");

    let manifest: serde_json::Value =
        serde_json::from_str(&read(cloud.path("kit/kit.json"))).unwrap();
    assert_eq!(
        (
            manifest["mqtt_port"].as_u64(),
            manifest["alpn_port"].as_u64()
        ),
        (Some(8883), Some(443))
    );
    // Amazon Root CA 1 and 3, RSA and P-256.
    let roots = read(cloud.path("kit/root-CA.pem"));
    assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 2);
    assert_ne!(roots, read(cloud.ready["ca_file"].as_str().unwrap()));
    aws(&["kit", "check", "kit"]).expect(0, &[]);
    aws(&["thing", "delete", "lamp", "--force"]).expect(0, &["deleted"]);
}

#[test]
fn missing_configuration_is_named() {
    let cloud = Cloud::start();
    let finished: Finished = without_configuration(&cloud)
        .args(["thing", "list"])
        .output()
        .unwrap()
        .into();
    finished.expect(2, &["no AWS region", "AWS_REGION"]);
    let finished: Finished = without_configuration(&cloud)
        .args(["thing", "list"])
        .env("AWS_REGION", "us-east-1")
        .output()
        .unwrap()
        .into();
    finished.expect(1, &["no credentials", "aws configure"]);
    let finished: Finished = without_configuration(&cloud)
        .args(["pub", "-t", "a", "-m", "x"])
        .output()
        .unwrap()
        .into();
    finished.expect(2, &["no AWS region", "AWS_REGION"]);
}

/// `A-6`, `A-9`: with no kit the person speaks through a signed WebSocket. The local cloud stands in for both planes, and its
/// operator's key for the person's.
#[test]
fn pub_and_sub_speak_with_the_persons_own_credentials() {
    let cloud = Cloud::start();
    let text = |member: &str| cloud.ready[member].as_str().unwrap().to_owned();
    let port = cloud.ready["alpn_port"].to_string();
    let as_the_person = |args: &[&str]| {
        let mut command = without_configuration(&cloud);
        command
            .args(args)
            .args(["--port", &port, "--cafile", &text("ca_file")])
            .env("AWS_SHARED_CREDENTIALS_FILE", text("credentials_file"))
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL_IOT", text("api_url"));
        command
    };
    let mut command = as_the_person(&["sub", "-t", "a/#", "-v", "-C", "2"]);
    command.env("RUST_LOG", "thingwire=info");
    let listener = common::Listener::start(command, "subscribed");
    for version in ["mqttv5", "mqttv311"] {
        let args = ["pub", "-t", "a/b", "-m", version, "-V", version];
        let published: Finished = as_the_person(&args).output().unwrap().into();
        published.expect(0, &[]);
        assert_eq!(listener.line(), format!("a/b {version}"));
    }
    assert_eq!(listener.end().0, Some(0));

    // Another secret, then another region: the cloud says no more than AWS does, and we say what to look at.
    let mut wrong = as_the_person(&["pub", "-t", "a", "-m", "x"]);
    wrong
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI");
    let refused: Finished = wrong.output().unwrap().into();
    let refused = refused.expect(3, &["signature", "403", "get-caller-identity"]);
    assert!(!refused.stderr.contains("wJalrXUtnFEMI"));
    let mut elsewhere = as_the_person(&["pub", "-t", "a", "-m", "x"]);
    elsewhere.env("AWS_REGION", "eu-west-1");
    let refused: Finished = elsewhere.output().unwrap().into();
    refused.expect(3, &["403"]);

    // Amazon's roots do not vouch for a cloud of ours.
    let mut command = without_configuration(&cloud);
    command
        .args(["pub", "-t", "a", "-m", "x", "--port", &port])
        .env("AWS_SHARED_CREDENTIALS_FILE", text("credentials_file"))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_IOT", text("api_url"));
    let distrusted: Finished = command.output().unwrap().into();
    distrusted.expect(3, &["--cafile"]);
}
