//! `thingwire policy` against a running local cloud: its policies, its opinion, and what it recorded.

mod common;

use common::{Cloud, POLICY, read};
use serde_json::json;

#[test]
fn a_policy_lives_in_the_cloud() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    std::fs::write(
        cloud.path("wide.json"),
        POLICY.replace("topic/esp32/pub", "topic/esp32/*"),
    )
    .unwrap();
    let created = cloud
        .run(&["policy", "create", "wide", "wide.json", "--json"])
        .expect(0, &["policy `wide`"]);
    assert_eq!(
        created.json()["policyArn"],
        "arn:aws:iot:us-east-1:123456789012:policy/wide"
    );
    cloud
        .run(&["policy", "create", "wide", "wide.json"])
        .expect(7, &["ResourceAlreadyExistsException"]);
    let listed = cloud.run(&["policy", "list"]).expect(0, &[]).stdout;
    assert!(listed.lines().any(|name| name == "wide"), "{listed}");
    let shown = cloud.run(&["policy", "show", "wide"]).expect(0, &[]).stdout;
    let expected =
        read(cloud.path("wide.json")).replace("REGION:ACCOUNT_ID", "us-east-1:123456789012");
    assert_eq!(shown.trim_end(), expected.trim_end());

    cloud
        .run(&["policy", "attach", "wide", "--thing", "lamp"])
        .expect(0, &["policy `wide` attached to arn:"]);
    let shown = cloud
        .run(&["policy", "show", "wide", "--json"])
        .expect(0, &[])
        .json();
    assert_eq!(shown["targets"].as_array().map(Vec::len), Some(1));
    let ask = [
        "policy",
        "explain",
        "--kit",
        "lamp",
        "--action",
        "publish",
        "--topic",
        "esp32/other",
    ];
    let allowed = cloud.run(&ask).expect(0, &[]);
    assert!(allowed.stdout.contains("policy wide"), "{}", allowed.stdout);
    cloud
        .run(&["policy", "detach", "wide", "--thing", "lamp"])
        .expect(0, &["detached from"]);
    let denied = cloud.run(&ask).expect(3, &[]);
    assert!(
        denied.stdout.contains("DENIED") && !denied.stdout.contains("policy wide"),
        "{}",
        denied.stdout
    );

    // Without the kit the thing named like the client says which certificate it is.
    let by_client = [
        "policy", "explain", "--client", "lamp", "--action", "connect",
    ];
    cloud.run(&by_client).expect(0, &[]);
    cloud
        .run(&[
            "policy", "explain", "--client", "nobody", "--action", "connect",
        ])
        .expect(7, &["ResourceNotFoundException", "--policy FILE"]);
    cloud
        .run(&["policy", "show", "nothing"])
        .expect(7, &["`thingwire policy list`"]);
}

#[test]
fn the_clouds_opinion_of_expectations() {
    // C-55, C-58
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    let file = "device lamp may connect\ndevice lamp may publish esp32/pub\ndevice lamp may not publish esp32/sub\n\
                device lamp may subscribe esp32/sub\ndevice lamp may receive esp32/sub\ndevice lamp may not retain esp32/pub\n";
    std::fs::write(cloud.path("a.expect"), file).unwrap();
    let finished = cloud
        .run(&["policy", "test", "a.expect", "--cloud", "local"])
        .expect(0, &["6 as expected"]);
    assert_eq!(
        finished.stdout.lines().next(),
        Some("ok      cloud: device lamp may connect"),
        "{}",
        finished.stdout
    );
    assert!(
        finished
            .stdout
            .contains("TestAuthorization has no question for iot:RetainPublish")
    );

    // The file's own policy says otherwise than the cloud's: a disagreement.
    std::fs::write(
        cloud.path("wide.json"),
        POLICY.replace("topic/esp32/pub", "topic/esp32/*"),
    )
    .unwrap();
    std::fs::write(
        cloud.path("b.expect"),
        "policy wide.json\ndevice lamp may publish esp32/sub\n",
    )
    .unwrap();
    cloud
        .run(&["policy", "test", "b.expect"])
        .expect(0, &["1 as expected"]);
    let finished = cloud
        .run(&["policy", "test", "b.expect", "--cloud", "local"])
        .expect(1, &["1 of 2 are not as expected"]);
    assert!(
        finished
            .stdout
            .contains("DIFFERS cloud: device lamp may publish esp32/sub (b.expect:2)")
            && finished
                .stdout
                .contains("here it is ALLOWED, the cloud says IMPLICIT_DENY"),
        "{}",
        finished.stdout
    );
    // With that policy added for the test, both agree.
    cloud
        .run(&["policy", "create", "wide", "wide.json"])
        .expect(0, &[]);
    cloud
        .run(&[
            "policy",
            "test",
            "b.expect",
            "--cloud",
            "local",
            "--add-policy",
            "wide",
        ])
        .expect(0, &["2 as expected"]);
}

#[test]
fn a_policy_from_what_a_device_did() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("run.jsonl");
    let cloud = Cloud::start_in(folder, &["--record", record.to_str().unwrap()], &[]);
    cloud.create_device("lamp");
    for (topic, code) in [("esp32/pub", 0), ("secret", 3)] {
        let finished = cloud.run(&["pub", "--kit", "lamp", "-t", topic, "-m", "x", "-q", "1"]);
        assert_eq!(finished.code, Some(code), "{finished:#?}");
    }
    let made = cloud
        .run(&["policy", "generate", "run.jsonl", "--client", "lamp"])
        .expect(0, &["left out: iot:Publish on `topic/secret` by `lamp`"]);
    let made_policy: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(
        made_policy["Statement"],
        json!([
            {"Effect": "Allow", "Action": "iot:Connect",
             "Resource": "arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
            {"Effect": "Allow", "Action": "iot:Publish",
             "Resource": "arn:aws:iot:us-east-1:123456789012:topic/esp32/pub"}
        ]),
        "{}",
        read(record)
    );
    // Under the new policy the device does the same again, and the record gives the same policy.
    std::fs::write(cloud.path("least.json"), &made.stdout).unwrap();
    cloud
        .run(&["policy", "create", "least", "least.json"])
        .expect(0, &[]);
    cloud
        .run(&["policy", "attach", "least", "--thing", "lamp"])
        .expect(0, &[]);
    cloud
        .run(&["policy", "detach", "policy", "--thing", "lamp"])
        .expect(0, &[]);
    let again = cloud.run(&[
        "pub",
        "--kit",
        "lamp",
        "-t",
        "esp32/pub",
        "-m",
        "x",
        "-q",
        "1",
    ]);
    assert_eq!(again.code, Some(0), "{again:#?}");
    let once_more = cloud
        .run(&["policy", "generate", "run.jsonl", "--client", "lamp"])
        .expect(0, &[]);
    assert_eq!(once_more.stdout, made.stdout);
}
