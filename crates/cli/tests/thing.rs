//! `thingwire thing` and `thingwire kit` against a local cloud, and every mistake one can make with them.

mod common;

use common::{Cloud, POLICY, read, thingwire};
use serde_json::json;

#[test]
fn a_thing_lives_from_create_to_delete() {
    let cloud = Cloud::start();
    let kit = cloud.create_device("esp32-kitchen");
    cloud
        .run(&["kit", "check", "esp32-kitchen"])
        .expect(0, &["client id `esp32-kitchen`"]);
    let manifest: serde_json::Value = serde_json::from_str(&read(kit.join("kit.json"))).unwrap();
    assert_eq!(manifest["mqtt_port"], cloud.ready["mqtt_port"]);
    assert_eq!(manifest["thing_name"], "esp32-kitchen");

    // The policy has the cloud's own region and account now, and one policy serves many things.
    let second = cloud.run(&[
        "thing",
        "create",
        "esp32-cellar",
        "--policy",
        "policy.json",
        "--kit",
        "cellar",
    ]);
    second.expect(
        0,
        &[
            "replaced REGION and ACCOUNT_ID",
            "us-east-1",
            "123456789012",
            "was there already",
        ],
    );

    assert_eq!(
        cloud.run(&["thing", "list"]).expect(0, &[]).stdout,
        "esp32-cellar\nesp32-kitchen\n"
    );
    let listed = cloud
        .run(&["thing", "list", "--json"])
        .expect(0, &[])
        .json();
    assert_eq!(
        listed[1]["thingArn"],
        "arn:aws:iot:us-east-1:123456789012:thing/esp32-kitchen"
    );

    let shown = cloud
        .run(&["thing", "show", "esp32-kitchen", "--json"])
        .expect(0, &[])
        .json();
    assert_eq!(shown["principals"][0]["status"], "ACTIVE");
    assert_eq!(shown["principals"][0]["policies"], json!(["policy"]));
    let text = cloud
        .run(&["thing", "show", "esp32-kitchen"])
        .expect(0, &[])
        .stdout;
    assert!(text.contains("ACTIVE") && text.contains("policy"), "{text}");

    cloud
        .run(&["thing", "delete", "esp32-kitchen"])
        .expect(7, &["attached", "--force"]);
    cloud
        .run(&["thing", "delete", "esp32-kitchen", "--force"])
        .expect(0, &["deleted"]);
    cloud
        .run(&["thing", "show", "esp32-kitchen"])
        .expect(7, &["DescribeThing", "ResourceNotFoundException"]);
    cloud
        .run(&["thing", "delete", "esp32-kitchen"])
        .expect(7, &["ResourceNotFoundException"]);
    assert_eq!(
        cloud.run(&["thing", "list"]).expect(0, &[]).stdout,
        "esp32-cellar\n"
    );
}

#[test]
fn create_answers_in_json_for_scripts() {
    let cloud = Cloud::start();
    std::fs::write(cloud.path("policy.json"), POLICY).unwrap();
    let created = cloud
        .run(&[
            "thing",
            "create",
            "lamp",
            "--policy",
            "policy.json",
            "--policy-name",
            "lamps",
            "--kit",
            "lamp",
            "--json",
        ])
        .expect(0, &[])
        .json();
    assert_eq!(created["thingName"], "lamp");
    assert_eq!(created["policyName"], "lamps");
    assert_eq!(created["endpoint"], "localhost");
    assert_eq!(created["certificateId"].as_str().unwrap().len(), 64);
    let bare = cloud
        .run(&["--json", "thing", "create", "shed"])
        .expect(0, &[])
        .json();
    assert_eq!(
        bare,
        json!({"thingName": "shed", "thingArn": "arn:aws:iot:us-east-1:123456789012:thing/shed"})
    );
}

#[test]
fn a_mistake_is_named_before_anything_is_made() {
    let cloud = Cloud::start();
    let create = |policy: &str| {
        cloud.run(&[
            "thing", "create", "lamp", "--policy", policy, "--kit", "lamp",
        ])
    };
    let with_document = |document: &str| {
        std::fs::write(cloud.path("bad.json"), document).unwrap();
        create("bad.json")
    };

    cloud
        .run(&["thing", "create", "two words"])
        .expect(2, &["two words"]);
    create("missing.json").expect(2, &["there is no policy file `missing.json`"]);
    create("unknown-policy").expect(
        7,
        &["GetPolicy", "ResourceNotFoundException", "unknown-policy"],
    );
    with_document("{ not json").expect(2, &["bad.json", "line 1"]);
    with_document(&POLICY.replace("iot:Receive", "iot:Recieve")).expect(2, &["iot:Recieve"]);
    with_document(&POLICY.replacen("Allow", "Permit", 1)).expect(2, &["Permit"]);
    let long = POLICY.replace("topic/esp32/pub", &format!("topic/{}", "x".repeat(2048)));
    with_document(&long).expect(2, &["2048"]);
    // C-3: white space does not count.
    with_document(&POLICY.replace('\n', &" ".repeat(2048))).expect(0, &[]);

    // The kit is there now: its key is not overwritten.
    let key = read(cloud.path("lamp/private.key"));
    create("bad.json").expect(6, &["already holds a kit"]);
    assert_eq!(read(cloud.path("lamp/private.key")), key);

    // The same name for another document.
    std::fs::write(
        cloud.path("bad.json"),
        POLICY.replace("esp32/pub", "esp32/other"),
    )
    .unwrap();
    let other = cloud.run(&[
        "thing", "create", "desk", "--policy", "bad.json", "--kit", "desk",
    ]);
    other.expect(7, &["another document", "--policy-name"]);
}

#[test]
fn every_damage_to_a_kit_is_named() {
    let cloud = Cloud::start();
    let kit = cloud.create_device("lamp");
    let other = cloud.create_device("desk");
    let original = |name: &str| read(kit.join(name));
    let (certificate, key, roots) = (
        original("certificate.pem"),
        original("private.key"),
        original("root-CA.pem"),
    );
    let check = |name: &str, content: &str, code: i32, words: &[&str]| {
        std::fs::write(kit.join(name), content).unwrap();
        let finished = cloud.run(&["kit", "check", "lamp"]).expect(code, words);
        let json = cloud.run(&["kit", "check", "lamp", "--json"]).json();
        assert_eq!(json["usable"], code == 0, "{finished:?}");
        let before = match name {
            "certificate.pem" => &certificate,
            "private.key" => &key,
            _ => &roots,
        };
        std::fs::write(kit.join(name), before).unwrap();
    };

    check(
        "certificate.pem",
        &certificate.replace('\n', "\r\n"),
        0,
        &["✓"],
    );
    check(
        "certificate.pem",
        &certificate.replace('\n', ""),
        6,
        &["pasted without its line breaks"],
    );
    check(
        "certificate.pem",
        &certificate.replace('\n', "\\n"),
        6,
        &["`\\n` as two characters"],
    );
    check(
        "certificate.pem",
        &key,
        6,
        &["`certificate.pem` holds a `PRIVATE KEY`"],
    );
    check(
        "private.key",
        &read(other.join("private.key")),
        6,
        &["not the certificate's"],
    );
    check("private.key", &certificate, 6, &["holds a `CERTIFICATE`"]);
    check("root-CA.pem", "", 6, &["`root-CA.pem` is empty"]);
    std::fs::remove_file(kit.join("root-CA.pem")).unwrap();
    cloud
        .run(&["kit", "check", "lamp"])
        .expect(6, &["`root-CA.pem` is missing"]);
    // No command goes on with a kit like that.
    cloud
        .run(&["pub", "-t", "a", "-m", "b", "--kit", "lamp"])
        .expect(6, &["root-CA.pem"]);
    cloud
        .run(&["device", "run", "--kit", "lamp"])
        .expect(6, &["root-CA.pem"]);
}

#[test]
fn the_control_planes_url_is_enough() {
    let cloud = Cloud::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| -> common::Finished {
        thingwire()
            .args(args)
            .args([
                "--api-url",
                cloud.ready["api_url"].as_str().unwrap(),
                "--data-dir",
            ])
            .arg(elsewhere.path())
            .current_dir(cloud.folder.path())
            .output()
            .unwrap()
            .into()
    };
    std::fs::write(cloud.path("policy.json"), POLICY).unwrap();
    run(&[
        "thing",
        "create",
        "lamp",
        "--policy",
        "policy.json",
        "--kit",
        "lamp",
    ])
    .expect(0, &[]);
    assert_eq!(
        read(cloud.path("lamp/root-CA.pem")),
        read(cloud.ready["ca_file"].as_str().unwrap())
    );
    run(&["pub", "-t", "a", "-m", "as the operator"]).expect(0, &[]);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let cloud = Cloud::start();
    let kit = cloud.create_device("lamp");
    let path = kit.join("private.key");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    cloud
        .run(&["kit", "check", "lamp"])
        .expect(6, &["0644", "chmod 600 private.key"]);
}

#[test]
fn no_cloud_is_a_failure_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing listens on a port that was bound and let go.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let output = thingwire()
        .args([
            "thing",
            "list",
            "--api-url",
            &format!("http://127.0.0.1:{port}"),
            "--data-dir",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    common::Finished::from(output).expect(4, &["no local cloud answers", "thingwire up"]);
}
