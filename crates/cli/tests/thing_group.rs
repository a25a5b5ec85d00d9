//! `thingwire thing-group` against a local cloud: what a group allows its things, and every mistake one can make.

mod common;

use common::Cloud;
use serde_json::json;

/// `C-8`: a device without a policy of its own connects by its group's; out of the group it does not.
#[test]
fn a_group_lives_and_its_things_have_its_policies() {
    let cloud = Cloud::start();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}"#;
    std::fs::write(cloud.path("everything.json"), policy).unwrap();
    cloud
        .run(&["policy", "create", "everything", "everything.json"])
        .expect(0, &[]);
    cloud
        .run(&["thing", "create", "lamp", "--kit", "kit"])
        .expect(0, &["no policy is attached"]);
    let publish = ["pub", "--kit", "kit", "-t", "a/b", "-m", "hello"];
    cloud.run(&publish).expect(3, &[]);

    let site = [
        "thing-group",
        "create",
        "site",
        "--description",
        "all of it",
    ];
    cloud.run(&site).expect(0, &["thing group `site`"]);
    let hall = [
        "thing-group",
        "create",
        "hall",
        "--parent",
        "site",
        "--policy",
        "everything",
        "--json",
    ];
    let made = cloud
        .run(&hall)
        .expect(0, &["attached to the group"])
        .json();
    let arn = "arn:aws:iot:us-east-1:123456789012:thinggroup/hall";
    assert_eq!(
        made,
        json!({ "thingGroupName": "hall", "thingGroupArn": arn, "policies": ["everything"] })
    );
    let add = ["thing-group", "add", "hall", "lamp"];
    cloud
        .run(&add)
        .expect(0, &["thing `lamp` is in group `hall`"]);
    cloud.run(&publish).expect(0, &[]);

    let listed = cloud.run(&["thing-group", "list"]).expect(0, &[]).stdout;
    assert_eq!(listed, "hall\nsite\n");
    for (flag, value, expected) in [
        ("--parent", "site", "hall\n"),
        ("--prefix", "si", "site\n"),
        ("--thing", "lamp", "hall\nsite\n"),
    ] {
        let listed = cloud
            .run(&["thing-group", "list", flag, value])
            .expect(0, &[]);
        assert_eq!(listed.stdout, expected, "{flag}");
    }
    let shown = cloud
        .run(&["thing-group", "show", "hall", "--json"])
        .expect(0, &[])
        .json();
    assert_eq!(
        (&shown["ancestors"], &shown["policies"], &shown["things"]),
        (&json!(["site"]), &json!(["everything"]), &json!(["lamp"]))
    );
    let text = cloud
        .run(&["thing-group", "show", "site"])
        .expect(0, &[])
        .stdout;
    assert!(
        text.contains("all of it") && text.contains("lamp") && text.contains("none: this group"),
        "{text}"
    );

    let to = |verb: &'static str| ["policy", verb, "everything", "--thing-group", "hall"];
    cloud.run(&to("detach")).expect(0, &["detached", arn]);
    cloud.run(&publish).expect(3, &[]);
    cloud.run(&to("attach")).expect(0, &["attached", arn]);
    cloud.run(&publish).expect(0, &[]);
    cloud
        .run(&["thing-group", "remove", "hall", "lamp"])
        .expect(0, &["thing `lamp` is not in group `hall`"]);
    cloud.run(&publish).expect(3, &[]);

    cloud.run(&["thing-group", "delete", "site"]).expect(
        7,
        &["still child groups", "delete the groups below it first"],
    );
    for name in ["hall", "site"] {
        cloud
            .run(&["thing-group", "delete", name])
            .expect(0, &["deleted"]);
    }
    cloud
        .run(&["thing-group", "delete", "site"])
        .expect(7, &["Thing group site not found", "thing-group list"]);
}

#[test]
fn mistakes_are_named() {
    let cloud = Cloud::start();
    cloud
        .run(&["thing-group", "create", "a b"])
        .expect(2, &["thing group name `a b`", "character 2"]);
    cloud
        .run(&["thing-group", "create", "hall", "--parent", "nowhere"])
        .expect(7, &["Thing group nowhere not found"]);
    cloud
        .run(&["thing-group", "create", "hall", "--policy", "missing"])
        .expect(7, &["GetPolicy", "missing"]);
    // The mistyped policy left no group behind.
    cloud
        .run(&["thing-group", "show", "hall"])
        .expect(7, &["Thing group hall not found"]);
    cloud
        .run(&["thing-group", "add", "hall"])
        .expect(2, &["THING"]);
    cloud
        .run(&["thing-group", "list", "--thing", "lamp", "--parent", "site"])
        .expect(2, &["cannot be used with"]);
    cloud.run(&["thing-group", "create", "hall"]).expect(0, &[]);
    cloud
        .run(&["thing-group", "add", "hall", "nothing"])
        .expect(7, &["Thing nothing not found"]);
}
