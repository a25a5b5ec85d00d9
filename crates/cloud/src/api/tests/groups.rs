//! Thing groups: `G-19`, `C-5`, `C-7`, `C-57` and the quotas of section H.2.

use serde_json::{Value, json};

use super::{Api, SEED_POLICY, label};

const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

impl Api {
    /// Groups, each with its parent or `null`.
    async fn groups(&self, groups: &[(&str, Value)]) {
        for (name, parent) in groups {
            let body = json!({ "parentGroupName": parent });
            self.ok("POST", &format!("/thing-groups/{name}"), body)
                .await;
        }
    }

    async fn add(&self, thing: &str, group: &str) {
        let body = json!({ "thingName": thing, "thingGroupName": group });
        self.ok("PUT", "/thing-groups/addThingToThingGroup", body)
            .await;
    }

    async fn invalid(&self, method: &str, path: &str, body: Value) -> String {
        self.refused(method, path, body, 400, "InvalidRequestException")
            .await
    }

    async fn unknown(&self, method: &str, path: &str, body: Value) -> String {
        self.refused(method, path, body, 404, "ResourceNotFoundException")
            .await
    }

    /// The names in a list of groups.
    async fn group_names(&self, path: &str) -> Vec<String> {
        let body = self.ok("GET", path, Value::Null).await;
        let groups = body["thingGroups"].as_array().expect("groups");
        groups
            .iter()
            .map(|group| {
                let name = group["groupName"].as_str().expect("a name").to_owned();
                assert_eq!(group["groupArn"], format!("{PREFIX}thinggroup/{name}"));
                name
            })
            .collect()
    }

    async fn things(&self, path: &str) -> Value {
        self.ok("GET", path, Value::Null).await["things"].clone()
    }

    async fn policy_names(&self, path: &str, member: &str, body: Value) -> Vec<String> {
        let body = self.ok("POST", path, body).await;
        let policies = body[member].as_array().expect("policies");
        policies
            .iter()
            .map(|policy| policy["policyName"].as_str().expect("a name").to_owned())
            .collect()
    }
}

/// A hierarchy of three levels, and a root beside it.
fn tree() -> [(&'static str, Value); 5] {
    [
        ("site", Value::Null),
        ("hall", json!("site")),
        ("yard", json!("site")),
        ("hall-lamps", json!("hall")),
        ("spare", Value::Null),
    ]
}

/// `G-19`: the life of a group, and that it is on disk.
#[tokio::test]
async fn a_group_is_made_described_changed_and_deleted() {
    let api = Api::new();
    let properties = json!({
        "thingGroupDescription": "everything that shines",
        "attributePayload": { "attributes": { "color": "red", "watts": "5" } },
    });
    let body = json!({ "thingGroupProperties": properties, "tags": [{ "Key": "team", "Value": "a b" }, { "Key": "x" }] });
    let made = api.ok("POST", "/thing-groups/lamps", body.clone()).await;
    assert_eq!(made["thingGroupName"], "lamps");
    assert_eq!(made["thingGroupArn"], format!("{PREFIX}thinggroup/lamps"));
    assert_eq!(made["thingGroupId"].as_str().expect("an id").len(), 36);
    assert_eq!(
        api.ok("POST", "/thing-groups/lamps", body).await,
        made,
        "the same group again (G-19)"
    );
    let other = api
        .refused(
            "POST",
            "/thing-groups/lamps",
            json!({}),
            409,
            "ResourceAlreadyExistsException",
        )
        .await;
    assert_eq!(
        other,
        "Thing Group lamps already exists in current account with different properties"
    );

    let change = json!({
        "attributePayload": { "attributes": { "watts": "", "dim": "yes" }, "merge": true },
    });
    let body = json!({ "thingGroupProperties": change, "expectedVersion": 1 });
    let version = api.ok("PATCH", "/thing-groups/lamps", body.clone()).await;
    assert_eq!(version, json!({ "version": 2 }));
    api.refused(
        "PATCH",
        "/thing-groups/lamps",
        body,
        409,
        "VersionConflictException",
    )
    .await;
    api.invalid("PATCH", "/thing-groups/lamps", json!({})).await;

    let api = Api::on(api.disk);
    let mut shown = api.ok("GET", "/thing-groups/lamps", Value::Null).await;
    let created = shown["thingGroupMetadata"]["creationDate"].take();
    assert!(created.as_f64().is_some_and(|seconds| seconds > 1.7e9));
    assert_eq!(
        shown,
        json!({
            "thingGroupName": "lamps", "thingGroupArn": made["thingGroupArn"], "thingGroupId": made["thingGroupId"],
            "version": 2, "thingGroupMetadata": { "creationDate": null },
            "thingGroupProperties": {
                "thingGroupDescription": "everything that shines",
                "attributePayload": { "attributes": { "color": "red", "dim": "yes" } },
            },
        })
    );
    let tags = format!(
        "/tags?resourceArn={}",
        label(&format!("{PREFIX}thinggroup/lamps"))
    );
    assert_eq!(
        api.ok("GET", &tags, Value::Null).await,
        json!({ "tags": [{ "Key": "team", "Value": "a b" }, { "Key": "x", "Value": "" }] })
    );

    let path = "/thing-groups/lamps?expectedVersion=1";
    api.refused("DELETE", path, Value::Null, 409, "VersionConflictException")
        .await;
    for _ in 0..2 {
        // What is not there is deleted without an error.
        api.ok("DELETE", "/thing-groups/lamps", Value::Null).await;
    }
    api.unknown("GET", "/thing-groups/lamps", Value::Null).await;
    let change = json!({ "thingGroupProperties": {} });
    api.unknown("PATCH", "/thing-groups/lamps", change).await;
}

/// `G-19`: parents, children, and which of them a list shows.
#[tokio::test]
async fn hierarchies() {
    let api = Api::new();
    api.groups(&tree()).await;
    let orphan = json!({ "parentGroupName": "nowhere" });
    api.unknown("POST", "/thing-groups/x", orphan).await;
    let moved = json!({ "parentGroupName": "yard" });
    api.refused(
        "POST",
        "/thing-groups/hall-lamps",
        moved,
        409,
        "ResourceAlreadyExistsException",
    )
    .await;

    let lamps = api.ok("GET", "/thing-groups/hall-lamps", Value::Null).await;
    let metadata = &lamps["thingGroupMetadata"];
    assert_eq!(metadata["parentGroupName"], "hall");
    assert_eq!(
        metadata["rootToParentThingGroups"],
        json!([
            { "groupName": "site", "groupArn": format!("{PREFIX}thinggroup/site") },
            { "groupName": "hall", "groupArn": format!("{PREFIX}thinggroup/hall") },
        ])
    );

    for (query, expected) in [
        ("", "hall hall-lamps site spare yard"),
        ("?recursive=true", "hall hall-lamps site spare yard"),
        ("?recursive=false", "site spare"),
        ("?parentGroup=site", "hall hall-lamps yard"),
        ("?parentGroup=site&recursive=false", "hall yard"),
        ("?parentGroup=yard", ""),
        ("?namePrefixFilter=hall", "hall hall-lamps"),
        ("?namePrefixFilter=hall&recursive=false", ""),
        ("?namePrefixFilter=hall-&parentGroup=site", "hall-lamps"),
    ] {
        let names = api.group_names(&format!("/thing-groups{query}")).await;
        assert_eq!(names.join(" "), expected, "{query}");
    }
    let path = "/thing-groups?parentGroup=nowhere";
    api.unknown("GET", path, Value::Null).await;

    let refused = api
        .invalid("DELETE", "/thing-groups/hall", Value::Null)
        .await;
    assert_eq!(
        refused,
        "Cannot delete thing group : hall when there are still child groups attached to it"
    );
    api.ok("DELETE", "/thing-groups/hall-lamps", Value::Null)
        .await;
    api.ok("DELETE", "/thing-groups/hall", Value::Null).await;
}

/// `G-22`: pages of every list of groups.
#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::new();
    api.groups(&tree()).await;
    for thing in ["a", "b", "c"] {
        api.ok("POST", &format!("/things/{thing}"), Value::Null)
            .await;
        api.add(thing, "hall-lamps").await;
    }
    for (path, member, expected) in [
        ("/thing-groups?", "thingGroups", 5),
        ("/thing-groups/site/things?recursive=true&", "things", 3),
        ("/things/a/thing-groups?", "thingGroups", 3),
    ] {
        let mut seen = Vec::new();
        let mut query = "maxResults=2".to_owned();
        loop {
            let page = api.ok("GET", &format!("{path}{query}"), Value::Null).await;
            let items = page[member].as_array().expect("items");
            assert!(!items.is_empty() && items.len() <= 2, "{page}");
            seen.extend(items.iter().map(Value::to_string));
            match page["nextToken"].as_str() {
                Some(token) => query = format!("maxResults=2&nextToken={token}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "{path}");
        let sorted = seen.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(sorted, "{seen:?}");
        let foreign = format!("{path}nextToken=00");
        api.invalid("GET", &foreign, Value::Null).await;
    }
}

/// `G-19`: a thing comes and goes, named by name, ARN or both; with it go its memberships.
#[tokio::test]
async fn things_come_and_go() {
    let api = Api::new();
    api.groups(&tree()).await;
    for thing in ["lamp", "desk"] {
        api.ok("POST", &format!("/things/{thing}"), Value::Null)
            .await;
    }
    let (thing_arn, group_arn) = (
        format!("{PREFIX}thing/lamp"),
        format!("{PREFIX}thinggroup/hall"),
    );
    for verb in ["addThingToThingGroup", "removeThingFromThingGroup"] {
        let path = format!("/thing-groups/{verb}");
        for body in [
            json!({ "thingName": "lamp", "thingGroupName": "hall", "overrideDynamicGroups": true }),
            json!({ "thingArn": thing_arn, "thingGroupArn": group_arn }),
            json!({ "thingArn": thing_arn, "thingName": "lamp", "thingGroupName": "hall", "thingGroupArn": group_arn }),
        ] {
            api.ok("PUT", &path, body).await;
        }
        let present = verb == "addThingToThingGroup";
        let expected = if present { json!(["lamp"]) } else { json!([]) };
        assert_eq!(api.things("/thing-groups/hall/things").await, expected);
        for (body, text) in [
            (
                json!({ "thingName": "lamp" }),
                "Both thingGroupArn and thingGroupName are empty",
            ),
            (
                json!({ "thingGroupName": "hall" }),
                "Both thingArn and thingName are empty",
            ),
            (
                json!({ "thingName": "desk", "thingArn": thing_arn, "thingGroupName": "hall" }),
                "thingArn does not match specified thingName",
            ),
            (
                json!({ "thingName": "lamp", "thingGroupArn": thing_arn }),
                "is a thing, not a thing group",
            ),
            (
                json!({ "thingName": "lamp", "thingGroupName": 7 }),
                "must be a string",
            ),
        ] {
            let said = api.invalid("PUT", &path, body).await;
            assert!(said.contains(text), "{said}");
        }
        for (thing, group) in [("nothing", "hall"), ("lamp", "nowhere")] {
            let body = json!({ "thingName": thing, "thingGroupName": group });
            api.unknown("PUT", &path, body).await;
        }
    }

    // The groups of a thing, with those above them.
    api.add("lamp", "hall-lamps").await;
    api.add("lamp", "spare").await;
    let of_lamp = "/things/lamp/thing-groups";
    let expected = ["hall", "hall-lamps", "site", "spare"];
    assert_eq!(api.group_names(of_lamp).await, expected);
    assert_eq!(api.things("/thing-groups/site/things").await, json!([]));
    let below = "/thing-groups/site/things?recursive=true";
    assert_eq!(api.things(below).await, json!(["lamp"]));

    // Several at once, all or nothing.
    let path = "/thing-groups/updateThingGroupsForThing";
    let body = json!({ "thingName": "lamp", "thingGroupsToAdd": ["yard"], "thingGroupsToRemove": ["hall-lamps"] });
    api.ok("PUT", path, body).await;
    let body = json!({ "thingName": "lamp", "thingGroupsToAdd": ["hall"], "thingGroupsToRemove": ["spare"] });
    let said = api.invalid("PUT", path, body).await;
    assert!(
        said.contains("it is in group yard of the same hierarchy"),
        "{said}"
    );
    let api = Api::on(api.disk);
    assert_eq!(api.group_names(of_lamp).await, ["site", "spare", "yard"]);

    api.ok("DELETE", "/things/lamp", Value::Null).await;
    assert_eq!(api.things("/thing-groups/yard/things").await, json!([]));
    api.unknown("GET", of_lamp, Value::Null).await;
    api.ok("POST", "/things/lamp", Value::Null).await;
    assert!(
        api.group_names(of_lamp).await.is_empty(),
        "a new thing of that name is in no group"
    );
}

/// `G-19`, section H.2: seven levels, a hundred children, ten groups, one of each hierarchy, fifty attributes.
#[tokio::test]
async fn limits() {
    let api = Api::new();
    let mut parent = Value::Null;
    for level in 1..=7 {
        let name = format!("level{level}");
        api.groups(&[(&name, parent)]).await;
        parent = json!(name);
    }
    let body = json!({ "parentGroupName": parent });
    let said = api.invalid("POST", "/thing-groups/level8", body).await;
    assert!(said.contains("at most 7 levels"), "{said}");

    // `level3` is one of the hundred.
    for child in 1..=99 {
        api.groups(&[(&format!("child{child}"), json!("level2"))])
            .await;
    }
    let body = json!({ "parentGroupName": "level2" });
    let said = api
        .invalid("POST", "/thing-groups/child100", body.clone())
        .await;
    assert!(said.contains("at most 100 child groups"), "{said}");
    api.ok("DELETE", "/thing-groups/child1", Value::Null).await;
    api.ok("POST", "/thing-groups/child100", body).await;

    api.ok("POST", "/things/lamp", Value::Null).await;
    for number in 1..=11 {
        let name = format!("root{number}");
        api.groups(&[(&name, Value::Null)]).await;
        let body = json!({ "thingName": "lamp", "thingGroupName": name });
        let path = "/thing-groups/addThingToThingGroup";
        if number <= 10 {
            api.ok("PUT", path, body).await;
        } else {
            let said = api.invalid("PUT", path, body).await;
            assert!(said.contains("at most 10 groups"), "{said}");
        }
    }

    let attributes = |count: usize| {
        let attributes: serde_json::Map<String, Value> = (0..count)
            .map(|number| (format!("a{number}"), json!("x")))
            .collect();
        json!({ "thingGroupProperties": { "attributePayload": { "attributes": attributes } } })
    };
    api.ok("POST", "/thing-groups/fifty", attributes(50)).await;
    let said = api
        .invalid("POST", "/thing-groups/more", attributes(51))
        .await;
    assert!(said.contains("at most 50 attributes"), "{said}");
}

/// `G-7`: what has the wrong form is refused in AWS's words, and nothing is made.
#[tokio::test]
async fn wrong_names_and_values() {
    let api = Api::new();
    for (path, body, member) in [
        ("/thing-groups/a%20b", json!({}), "thingGroupName"),
        (
            "/thing-groups/g",
            json!({ "parentGroupName": 5 }),
            "parentGroupName",
        ),
        (
            "/thing-groups/g",
            json!({ "thingGroupProperties": [] }),
            "thingGroupProperties",
        ),
        (
            "/thing-groups/g",
            json!({ "thingGroupProperties": { "thingGroupDescription": "a\nb" } }),
            "thingGroupDescription",
        ),
        (
            "/thing-groups/g",
            json!({ "thingGroupProperties": { "thingGroupDescription": "x".repeat(2029) } }),
            "2028",
        ),
        (
            "/thing-groups/g",
            json!({ "thingGroupProperties": { "attributePayload": { "attributes": { "a b": "c" } } } }),
            "attributes",
        ),
        (
            "/thing-groups/g",
            json!({ "tags": [{ "Value": "x" }] }),
            "tags.member.Key",
        ),
        (
            "/thing-groups/g",
            json!({ "tags": [{ "Key": "a!" }] }),
            "tags.member.Key",
        ),
        (
            "/thing-groups/g",
            json!({ "tags": [{ "Key": "a" }, { "Key": "a" }] }),
            "twice",
        ),
    ] {
        let said = api.invalid("POST", path, body).await;
        assert!(said.contains(member), "{said}");
    }
    assert!(api.group_names("/thing-groups").await.is_empty());
}

/// `C-5`, `C-7`, `G-18`: two policies at a group; what is attached is found from both sides, inherited, and in the way.
#[tokio::test]
async fn policies_of_groups() {
    let api = Api::new();
    api.groups(&tree()).await;
    let (principal, _) = api.device("seed", "lamp").await;
    for name in ["a", "b", "c"] {
        let body = json!({ "policyDocument": SEED_POLICY });
        api.ok("POST", &format!("/policies/{name}"), body).await;
    }
    let arn = |group: &str| format!("{PREFIX}thinggroup/{group}");
    let attach = |group: &str| json!({ "target": arn(group) });
    for (policy, group) in [("a", "site"), ("b", "hall"), ("b", "hall"), ("c", "hall")] {
        let path = format!("/target-policies/{policy}");
        api.ok("PUT", &path, attach(group)).await;
    }
    api.refused(
        "PUT",
        "/target-policies/a",
        attach("hall"),
        410,
        "LimitExceededException",
    )
    .await;

    let listed =
        |group: &str, query: &str| format!("/attached-policies/{}{query}", label(&arn(group)));
    for (group, query, expected) in [
        ("hall", "", "b c"),
        ("hall", "?recursive=true", "a b c"),
        ("hall-lamps", "", ""),
        ("hall-lamps", "?recursive=true", "a b c"),
        ("spare", "?recursive=true", ""),
    ] {
        let path = listed(group, query);
        let names = api.policy_names(&path, "policies", Value::Null).await;
        assert_eq!(names.join(" "), expected, "{path}");
    }
    let path = listed("hall", "?recursive=true&pageSize=2");
    let first = api.ok("POST", &path, Value::Null).await;
    let path = format!(
        "{path}&marker={}",
        first["nextMarker"].as_str().expect("more")
    );
    assert_eq!(
        api.policy_names(&path, "policies", Value::Null).await,
        ["c"]
    );
    api.unknown("POST", &listed("nowhere", ""), Value::Null)
        .await;

    let body = json!({ "target": principal });
    api.ok("PUT", "/target-policies/b", body).await;
    let targets = api.ok("POST", "/policy-targets/b", Value::Null).await;
    assert_eq!(targets, json!({ "targets": [principal, arn("hall")] }));
    let first = api
        .ok("POST", "/policy-targets/b?pageSize=1", Value::Null)
        .await;
    let marker = first["nextMarker"].as_str().expect("more");
    let path = format!("/policy-targets/b?marker={marker}");
    let second = api.ok("POST", &path, Value::Null).await;
    assert_eq!(second, json!({ "targets": [arn("hall")] }));

    // C-57: with the thing's groups, without, and of a group.
    api.add("lamp", "hall-lamps").await;
    let of = |query: &str| format!("/effective-policies{query}");
    let lamp = json!({ "principal": principal });
    for (path, body, expected) in [
        (of(""), lamp.clone(), "b seed"),
        (of("?thingName=lamp"), lamp, "a b c seed"),
        (of("?thingName=lamp"), Value::Null, "a b c"),
        (of(""), json!({ "principal": arn("hall-lamps") }), "a b c"),
    ] {
        let names = api.policy_names(&path, "effectivePolicies", body).await;
        assert_eq!(names.join(" "), expected, "{path}");
    }

    let path = "/policies/c";
    api.refused("DELETE", path, Value::Null, 409, "DeleteConflictException")
        .await;
    // A deleted group takes its attachments with it.
    api.ok("DELETE", "/thing-groups/hall-lamps", Value::Null)
        .await;
    api.ok("DELETE", "/thing-groups/hall", Value::Null).await;
    let api = Api::on(api.disk);
    api.ok("DELETE", path, Value::Null).await;
    let detach = attach("site");
    api.ok("POST", "/target-policies/a", detach).await;
    api.ok("DELETE", "/policies/a", Value::Null).await;
}

/// `C-55`, `C-8`: TestAuthorization asks about the same policies as the broker does.
#[tokio::test]
async fn the_trial_knows_groups() {
    let api = Api::new();
    api.groups(&tree()).await;
    let (principal, _) = api.device("seed", "lamp").await;
    let document = SEED_POLICY.replace("esp32/pub", "hall/pub");
    let body = json!({ "policyDocument": document });
    api.ok("POST", "/policies/hall", body).await;
    let target = json!({ "target": format!("{PREFIX}thinggroup/hall") });
    api.ok("PUT", "/target-policies/hall", target).await;
    let infos =
        json!([{ "actionType": "PUBLISH", "resources": [format!("{PREFIX}topic/hall/pub")] }]);
    let body = json!({ "principal": principal, "authInfos": infos });
    let lamp = "/test-authorization?clientId=lamp";
    for (path, member, expected) in [
        (lamp, false, "IMPLICIT_DENY"),
        (lamp, true, "ALLOWED"),
        ("/test-authorization?clientId=desk", true, "IMPLICIT_DENY"),
        ("/test-authorization", true, "IMPLICIT_DENY"),
    ] {
        if member {
            api.add("lamp", "hall-lamps").await;
        }
        let answer = api.ok("POST", path, body.clone()).await;
        assert_eq!(answer["authResults"][0]["authDecision"], expected, "{path}");
    }
}
