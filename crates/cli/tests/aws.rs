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
    finished.expect(2, &["no operator", "--kit"]);
}
