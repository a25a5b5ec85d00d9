//! Each rule by a document that breaks it and one that does not.

mod documents;

use std::println;

use super::*;

const ARN: &str = "arn:aws:iot:us-east-1:123456789012:";

/// A document of these statements; `@` stands for the beginning of the cloud's own ARNs.
fn document(statements: &str) -> String {
    format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{statements}]}}").replace('@', ARN)
}

fn own() -> LintSettings {
    LintSettings {
        region: Some("us-east-1".into()),
        account: Some("123456789012".into()),
    }
}

fn ids(statements: &str) -> Vec<&'static str> {
    let text = document(statements);
    let findings = lint(&text, &own());
    for finding in &findings {
        println!("{} {} {}", finding.rule.id, finding.path, finding.message);
    }
    let mut ids: Vec<_> = findings.iter().map(|finding| finding.rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn allow(action: &str, resource: &str) -> String {
    statement("Allow", action, resource)
}

fn deny(action: &str, resource: &str) -> String {
    statement("Deny", action, resource)
}

fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(r#"{{"Effect": "{effect}", "Action": "iot:{action}", "Resource": "{resource}"}}"#)
}

fn all(statements: &[String]) -> String {
    statements.join(",\n")
}

const NONE: [&str; 0] = [];

#[test]
fn ids_are_in_order_and_once() {
    let ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    let expected: Vec<_> = (1..=RULES.len())
        .map(|number| format!("TW-P{number:03}"))
        .collect();
    assert_eq!(ids, expected);
}

#[test]
fn the_sketchs_policy_has_only_its_placeholders() {
    // C-50
    let text = include_str!("../../../cli/src/policy_example.json");
    let findings = lint(text, &LintSettings::default());
    assert_eq!(findings.len(), 8);
    assert!(
        findings
            .iter()
            .all(|finding| finding.rule.id == "TW-P003" && finding.edit.is_none())
    );
    assert_eq!(
        (findings[0].position.line, findings[0].position.column),
        (6, 38)
    );
    assert_eq!(findings[0].path, "Statement[0].Resource");

    let (mended, done) = fix(text, &own());
    assert_eq!(done.len(), 8);
    assert_eq!(
        mended,
        text.replace("REGION:ACCOUNT_ID", "us-east-1:123456789012"),
        "nothing else changed"
    );
    assert_eq!(lint(&mended, &own()), []);
}

#[test]
fn other_clouds() {
    // C-50
    assert_eq!(
        ids(&allow(
            "Publish",
            "arn:aws:iot:eu-west-1:123456789012:topic/a"
        )),
        ["TW-P004"]
    );
    assert_eq!(
        ids(&allow(
            "Publish",
            "arn:aws:iot:us-east-1:999999999999:topic/a"
        )),
        ["TW-P004"]
    );
    assert_eq!(
        ids(&allow(
            "Publish",
            "arn:aws-cn:iot:us-east-1:123456789012:topic/a"
        )),
        ["TW-P004"]
    );
    assert_eq!(ids(&allow("Publish", "arn:aws:iot:*:*:topic/a")), NONE);
    let text = document(&allow("Publish", "arn:aws:iot:eu-west-1:1:topic/a"));
    assert_eq!(
        lint(&text, &LintSettings::default()),
        [],
        "nothing is known of the cloud"
    );
}

#[test]
fn any_client_id() {
    // C-48
    assert_eq!(ids(&allow("Connect", "@client/*")), ["TW-P005"]);
    assert_eq!(ids(&allow("Connect", "*")), ["TW-P005"]);
    assert_eq!(
        ids(&allow("Connect", "@client/${iot:ClientId}")),
        ["TW-P006"]
    );
    assert_eq!(
        ids(&allow(
            "Connect",
            "@client/${iot:Connection.Thing.ThingName}"
        )),
        NONE
    );
    assert_eq!(
        ids(
            r#"{"Effect": "Allow", "Action": "iot:Connect", "Resource": "@client/*",
            "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}}"#
        ),
        NONE
    );
}

#[test]
fn topics_and_filters_in_the_wrong_place() {
    // C-15, C-16
    let subscribe = all(&[allow("Subscribe", "@topic/a"), allow("Receive", "@topic/a")]);
    assert_eq!(ids(&subscribe), ["TW-P007", "TW-P014"]);
    let (mended, _) = fix(&document(&subscribe), &own());
    assert_eq!(
        mended,
        document(&all(&[
            allow("Subscribe", "@topicfilter/a"),
            allow("Receive", "@topic/a")
        ]))
    );
    assert_eq!(lint(&mended, &own()), []);

    assert_eq!(ids(&allow("Publish", "@topicfilter/a")), ["TW-P008"]);
    assert_eq!(
        fix(&document(&allow("Publish", "@topicfilter/a")), &own()).0,
        document(&allow("Publish", "@topic/a"))
    );
    let mixed = r#"{"Effect": "Allow", "Action": ["iot:Publish", "iot:Subscribe", "iot:Receive"], "Resource": "@topic/a"}"#;
    assert_eq!(ids(mixed), ["TW-P007", "TW-P014"]);
    assert_eq!(
        fix(&document(mixed), &own()).1,
        [],
        "what is meant is not known"
    );
    assert_eq!(
        ids(
            r#"{"Effect": "Allow", "Action": ["iot:Publish", "iot:Subscribe", "iot:Receive"],
            "Resource": ["@topic/a", "@topicfilter/a"]}"#
        ),
        NONE
    );
    assert_eq!(ids(&allow("Publish", "@client/a")), ["TW-P009"]);
    assert_eq!(ids(&allow("Publish", "@topics/a")), ["TW-P009"]);
    assert_eq!(ids(&allow("Publish", "@t*")), NONE);
}

#[test]
fn mqtt_wildcards() {
    // C-27, C-28
    let text = document(&allow("Publish", "@topic/a/#"));
    assert_eq!(ids(&allow("Publish", "@topic/a/+/b")), ["TW-P010"]);
    assert_eq!(fix(&text, &own()).0, text.replace('#', "*"));
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/building/*"),
            deny("Subscribe", "@topicfilter/building/control_room/#"),
            allow("Receive", "@topic/building/*"),
        ])),
        ["TW-P011", "TW-P012"],
        "AWS's own example of POLICY_CONTAINS_MQTT_WILDCARDS_IN_DENY_STATEMENT"
    );
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/building/*"),
            deny("Subscribe", "@topicfilter/building/control_room/*"),
            allow("Receive", "@topic/building/*"),
        ])),
        ["TW-P012"],
        "AWS's own example of TOPIC_FILTERS_INTENDED_TO_DENY_ALLOWED_USING_WILDCARDS"
    );
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/building/*"),
            deny("Subscribe", "@topicfilter/building/control_room/*"),
            allow("Receive", "@topic/building/*"),
            deny("Receive", "@topic/building/control_room/*"),
        ])),
        NONE,
        "and of how to mend it"
    );
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/a/#"),
            allow("Receive", "@topic/a/*")
        ])),
        NONE,
        "an Allow of exactly this filter is what a device needs"
    );
}

#[test]
fn subscribe_and_receive_belong_together() {
    // C-12
    assert_eq!(ids(&allow("Subscribe", "@topicfilter/a")), ["TW-P013"]);
    assert_eq!(ids(&allow("Receive", "@topic/a")), ["TW-P014"]);
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/a"),
            allow("Receive", "@topic/b")
        ])),
        ["TW-P013", "TW-P014"]
    );
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/a/+"),
            allow("Receive", "@topic/a/b")
        ])),
        NONE
    );
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/$share/g/a"),
            allow("Receive", "@topic/a")
        ])),
        NONE,
        "C-24: Receive is on the plain topic"
    );
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/${iot:ClientId}/in"),
            allow("Receive", "@topic/${iot:ClientId}/in"),
        ])),
        NONE
    );
    assert_eq!(
        ids(&allow(
            "Receive",
            "@topic/$aws/things/${iot:Connection.Thing.ThingName}/jobs/*"
        )),
        NONE,
        "answers of jobs come without a subscription"
    );
}

#[test]
fn a_shadow_without_its_answers() {
    // E-1
    let thing = "$aws/things/${iot:Connection.Thing.ThingName}/shadow";
    let publish = allow("Publish", &format!("@topic/{thing}/update"));
    let text = document(&publish);
    let findings = lint(&text, &own());
    assert_eq!(findings[0].rule.id, "TW-P015");
    assert!(
        findings[0]
            .message
            .ends_with("update/accepted, update/rejected"),
        "{}",
        findings[0].message
    );
    assert!(findings[0].cure.contains(thing), "{}", findings[0].cure);
    let answers = [
        publish.clone(),
        allow("Subscribe", &format!("@topicfilter/{thing}/update/+")),
        allow("Receive", &format!("@topic/{thing}/update/*")),
    ];
    assert_eq!(ids(&all(&answers)), NONE);
    assert_eq!(
        ids(&all(&[
            allow("Publish", &format!("@topic/{thing}/*")),
            allow(
                "Subscribe",
                &format!("@topicfilter/{thing}/update/accepted")
            ),
            allow("Receive", &format!("@topic/{thing}/*")),
        ])),
        ["TW-P015"]
    );
}

#[test]
fn variables() {
    // C-37, C-40, C-45, C-46
    assert_eq!(ids(&allow("Publish", "@topic/${iot:Oops}")), ["TW-P016"]);
    let text = document(&allow("Publish", "@topic/${iot:clientid}/x"));
    assert_eq!(fix(&text, &own()).0, text.replace("clientid", "ClientId"));
    assert_eq!(
        ids(&allow("Publish", "@topic/${iot:ConnectAttributes}")),
        ["TW-P017"]
    );
    assert_eq!(
        ids(&allow(
            "GetThingShadow",
            "@thing/${iot:Connection.Thing.ThingName}"
        )),
        ["TW-P018"]
    );
    assert_eq!(
        ids(&all(&[
            allow("Publish", "@topic/a/b"),
            deny("Publish", "@topic/a/${iot:Connection.Thing.ThingName}")
        ])),
        ["TW-P019"]
    );
}

#[test]
fn statements_that_decide_nothing() {
    // C-10
    assert_eq!(
        ids(&all(&[
            allow("Publish", "@topic/a/b"),
            deny("Publish", "@topic/a/*")
        ])),
        ["TW-P020"]
    );
    assert_eq!(
        ids(&all(&[
            allow("Publish", "@topic/a/b"),
            allow("Publish", "@topic/a/*")
        ])),
        ["TW-P021"]
    );
    assert_eq!(
        ids(&all(&[
            allow("Publish", "@topic/a"),
            allow("Publish", "@topic/a")
        ])),
        ["TW-P021"],
        "one of two equals, not both"
    );
    let text = document(&all(&[
        allow("Publish", "@topic/a"),
        allow("Publish", "@topic/a"),
    ]));
    assert_eq!(lint(&text, &own()).len(), 1);
    assert_eq!(
        ids(&all(&[
            allow("Publish", "@topic/a/*"),
            deny("Publish", "@topic/a/b")
        ])),
        NONE
    );
    assert_eq!(
        ids(&all(&[
            allow("Publish", "@topic/a"),
            r#"{"Effect": "Deny", "Action": "iot:Publish", "Resource": "*",
                "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "false"}}}"#
                .into(),
        ])),
        NONE,
        "a Deny with a condition does not always deny"
    );
}

#[test]
fn too_much() {
    // Device Defender IOT_POLICY_OVERLY_PERMISSIVE_CHECK
    assert_eq!(ids(&allow("*", "*")), ["TW-P005", "TW-P022"]);
    assert_eq!(ids(&allow("Publish", "@*")), ["TW-P022"]);
    assert_eq!(ids(&allow("Publish", "@topic/*")), ["TW-P023"]);
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/*"),
            allow("Receive", "@topic/*")
        ])),
        ["TW-P023"]
    );
    assert_eq!(ids(&allow("UpdateThingShadow", "@thing/*")), ["TW-P024"]);
    assert_eq!(
        ids(&all(&[
            allow("Publish", "@topic/$aws/things/*/shadow/update"),
            allow("Subscribe", "@topicfilter/$aws/things/t/shadow/update/+"),
            allow("Receive", "@topic/$aws/things/*"),
        ])),
        ["TW-P015", "TW-P024"]
    );
    let thing = "$aws/things/${iot:Connection.Thing.ThingName}/shadow/*";
    assert_eq!(
        ids(&all(&[
            allow("Publish", &format!("@topic/{thing}")),
            allow("Subscribe", &format!("@topicfilter/{thing}")),
            allow("Receive", "@topic/$aws/things/*"),
        ])),
        NONE,
        "AWS's own example of a compliant policy"
    );
    assert_eq!(
        ids(r#"{"Effect": "Allow", "Action": "iot:Publish", "NotResource": "@topic/secret"}"#),
        ["TW-P027"]
    );
}

#[test]
fn reserved_topics() {
    // B-82
    assert_eq!(
        ids(&allow(
            "Publish",
            "@topic/$aws/things/lamp/shadow/update/accepted"
        )),
        ["TW-P025"]
    );
    assert_eq!(
        ids(&all(&[
            allow("Subscribe", "@topicfilter/$aws/thing/lamp/shadow/#"),
            allow("Receive", "@topic/$aws/thing/lamp/shadow/*"),
        ])),
        ["TW-P025"]
    );
    assert_eq!(ids(&allow("Publish", "@topic/$aws/rules/meter/a")), NONE);
}

#[test]
fn conditions() {
    // C-34, C-35, C-38
    let with = |condition: &str| {
        ids(&format!(
            r#"{{"Effect": "Allow", "Action": "iot:Connect", "Resource": "@client/a", "Condition": {condition}}}"#
        ))
    };
    assert_eq!(
        with(r#"{"StringEquals": {"iot:ClientId": "a*"}}"#),
        ["TW-P026"]
    );
    assert_eq!(with(r#"{"StringLike": {"iot:ClientId": "a*"}}"#), NONE);
    assert_eq!(
        with(r#"{"StringEquals": {"iot:ConnectAttributes": "LastWill"}}"#),
        ["TW-P028"]
    );
    assert_eq!(
        with(r#"{"ForAnyValue:StringEquals": {"iot:ConnectAttributes": "LastWill"}}"#),
        NONE
    );
}

#[test]
fn host_bits() {
    // C-35
    let with = |range: &str| {
        document(&format!(
            r#"{{"Effect": "Allow", "Action": "iot:Connect", "Resource": "@client/a", "Condition": {{"IpAddress": {{"aws:SourceIp": "{range}"}}}}}}"#
        ))
    };
    for (range, network) in [
        ("192.0.2.7/24", Some("192.0.2.0/24")),
        ("192.0.2.7/0", Some("0.0.0.0/0")),
        ("2001:db8::1/32", Some("2001:db8::/32")),
        ("192.0.2.7/32", None),
        ("192.0.2.7", None),
        ("2001:DB8:0::/32", None),
    ] {
        let findings = lint(&with(range), &own());
        let ids: Vec<_> = findings.iter().map(|finding| finding.rule.id).collect();
        assert_eq!(
            ids,
            network.map(|_| "TW-P029").into_iter().collect::<Vec<_>>(),
            "{range}"
        );
        if let Some(network) = network {
            assert_eq!(fix(&with(range), &own()).0, with(network));
        }
    }
}

#[test]
fn the_documentation_has_every_rule() {
    let documentation = include_str!("../../../../docs/policy-lint.md");
    for rule in RULES {
        let row = format!(
            "| {} | {} | {} | {} |",
            rule.id,
            rule.severity.name(),
            rule.name,
            rule.reason
        );
        assert!(documentation.contains(&row), "{row}");
    }
}

#[test]
fn every_rule_has_a_test_here() {
    let source = concat!(include_str!("tests.rs"), include_str!("tests/documents.rs"));
    for rule in RULES {
        assert!(source.contains(&format!("\"{}\"", rule.id)), "{}", rule.id);
    }
}
