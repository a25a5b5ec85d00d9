//! Files that people write, and every mistake in them.

use std::collections::BTreeMap;
use std::println;
use std::string::ToString as _;

use super::*;
use crate::policy::Policy;

/// The sketch's policy for the cloud of the tests.
fn sketch() -> Policy {
    let text = include_str!("../../../cli/src/policy_example.json")
        .replace("REGION:ACCOUNT_ID", "us-east-1:123456789012");
    Policy::parse("sketch", &text).expect("valid")
}

fn run(text: &str) -> Report {
    let suite = Suite::parse(text).unwrap_or_else(|error| panic!("{error}"));
    suite.run(&[sketch()], &BTreeMap::new(), "us-east-1", "123456789012")
}

fn failed(report: &Report) -> Vec<&str> {
    report
        .cases
        .iter()
        .filter(|case| !case.passed)
        .map(|case| case.name.as_str())
        .collect()
}

const FILE: &str = r#"# The sketch, as its author means it.
device esp32-kitchen may connect
device esp32-kitchen may publish esp32/pub
device esp32-kitchen may subscribe esp32/sub
device esp32-kitchen may receive esp32/sub
device esp32-kitchen may not publish esp32/sub
device esp32-kitchen may not subscribe #
device esp32-kitchen may not connect other

device stranger
    client esp32-kitchen
    thing esp32-kitchen unattached
device stranger may not connect
"#;

#[test]
fn the_sketch_as_its_author_means_it() {
    // C-51, C-52
    let report = run(FILE);
    assert_eq!(report.cases.len(), 8);
    assert_eq!(failed(&report), Vec::<&str>::new());
    assert_eq!(report.cases[7].group, "stranger");
    assert_eq!(
        report.cases[5].line, 7,
        "`#` alone is a filter when it is not the first word"
    );
}

/// The examples of the documentation are files that can be read, and both long ones say the same.
#[test]
fn the_documentation_is_true() {
    let documentation = include_str!("../../../../docs/policy-expectations.md");
    let blocks = |start: &str| {
        documentation
            .split(start)
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .map(|text| Suite::parse(text).unwrap_or_else(|error| panic!("{error}: {text}")))
            .collect::<Vec<_>>()
    };
    let (lines, json) = (blocks("```expect\n"), blocks("```json\n"));
    assert_eq!((lines.len(), json.len()), (2, 1));
    assert_eq!(lines[1].policies, json[0].policies);
    assert_eq!(lines[1].devices[0].things, json[0].devices[0].things);
    let resources = |suite: &Suite| {
        let of = suite.expectations.iter();
        of.map(|one| (one.expected, one.action, one.resource.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(resources(&lines[1]), resources(&json[0]));
}

#[test]
fn what_differs_is_named_with_its_reason() {
    let report = run(
        "device a may publish esp32/sub\ndevice a may never publish esp32/sub\ndevice a may not connect",
    );
    assert_eq!(report.failed(), 3);
    let case = &report.cases[0];
    assert_eq!(
        (case.expected.as_str(), case.decision.as_str()),
        ("may", "IMPLICIT_DENY")
    );
    assert!(
        case.reason
            .contains("nearest is policy `sketch` statement 4"),
        "{}",
        case.reason
    );
    assert!(
        report.cases[2]
            .reason
            .contains("allowed by policy `sketch` statement 1")
    );
}

#[test]
fn the_same_as_json() {
    let json = r#"{
        "region": "us-east-1", "account": "123456789012", "policies": ["a.json"],
        "devices": {
            "stranger": {"client": "esp32-kitchen", "things": [{"name": "esp32-kitchen", "attached": false}]}
        },
        "expectations": [
            {"device": "esp32-kitchen", "expect": "may", "action": "connect"},
            {"device": "esp32-kitchen", "expect": "may", "action": "publish", "resource": "esp32/pub"},
            {"device": "esp32-kitchen", "expect": "may not", "action": "iot:Subscribe", "resource": "\u0023"},
            {"device": "stranger", "expect": "may not", "action": "connect"}
        ]
    }"#;
    let suite = Suite::parse(json).expect("valid");
    assert_eq!(suite.policy_files(), ["a.json"]);
    assert_eq!(
        (suite.region.as_deref(), suite.account.as_deref()),
        (Some("us-east-1"), Some("123456789012"))
    );
    let report = run(json);
    assert_eq!((report.cases.len(), report.failed()), (4, 0));
    assert_eq!(
        report.cases[2].name,
        "device esp32-kitchen may not iot:Subscribe #"
    );
    assert_eq!(report.cases[3].line, 10);
}

/// Both formats give the same suite, lines aside.
#[test]
fn every_property_in_both_formats() {
    // C-36, C-39 to C-42, C-54
    let lines = r#"
region eu-west-1
account 111122223333
policy all.json
policy "with space.json"
device a
    client sess-1
    thing lamp exclusive
    type lamps
    attribute room "living room"
    attribute quote "say \"hi\" \\ bye"
    thing other unattached
    certificate abc
    serial 7
    subject commonname dev-7
    subject Organization one
    subject Organization two
    issuer Country DE
    address 192.0.2.7
    domain example.com
    persistent
    will last/words
    over https
    policy own.json
device b
    client none
    thing none
    over mqtt
device a may iot:SendDirectMessage lamp topic commands/reboot
device a may never publish "a b"
device c may ListRetainedMessages
"#;
    let json = r#"{
        "region": "eu-west-1", "account": "111122223333", "policies": ["all.json", "with space.json"],
        "expectations": [
            {"device": "a", "expect": "may", "action": "iot:SendDirectMessage", "resource": "lamp", "topic": "commands/reboot"},
            {"device": "a", "expect": "may never", "action": "publish", "resource": "a b"},
            {"device": "c", "expect": "may", "action": "ListRetainedMessages"}
        ],
        "devices": {
            "a": {
                "client": "sess-1",
                "things": [
                    {"name": "lamp", "exclusive": true, "type": "lamps",
                     "attributes": {"room": "living room", "quote": "say \"hi\" \\ bye"}},
                    {"name": "other", "attached": false}
                ],
                "certificate": "abc", "serial": "7",
                "subject": {"CommonName": "dev-7", "Organization": ["one", "two"]}, "issuer": {"country": "DE"},
                "address": "192.0.2.7", "domain": "example.com", "persistent": true, "will": "last/words",
                "over": "https", "policies": "own.json"
            },
            "b": {"client": null, "things": [], "over": "mqtt"}
        }
    }"#;
    let (mut lines, mut json) = (
        Suite::parse(lines).expect("lines"),
        Suite::parse(json).expect("JSON"),
    );
    for suite in [&mut lines, &mut json] {
        for expectation in &mut suite.expectations {
            expectation.line = 0;
            expectation.text.clear();
        }
    }
    assert_eq!(lines, json);
    let a = &lines.devices[0];
    assert_eq!(a.things[0].attributes[1].1, "say \"hi\" \\ bye");
    assert_eq!(lines.expectations[0].resource, "client/lamp");
    let context = a.context("eu-west-1", "111122223333");
    assert_eq!(
        context
            .variable("iot:Certificate.Subject.Organization.1")
            .as_deref(),
        Ok("two")
    );
    assert!(context.persistent && !context.mqtt);
    assert_eq!(
        lines.devices[2].things,
        [thingwire_policy::Thing::attached("c")],
        "the usual device"
    );
}

#[test]
fn a_client_of_another_name_has_a_thing_of_that_name() {
    let suite = Suite::parse("device kitchen\n  client esp32-1\ndevice kitchen may connect")
        .expect("valid");
    assert_eq!(suite.devices[0].things[0].name, "esp32-1");
    let json = r#"{"devices": {"kitchen": {"client": "esp32-1"}}}"#;
    assert_eq!(Suite::parse(json).expect("valid").devices, suite.devices);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, line, column, words) in [
        ("devise a may connect", 1, 1, "`devise` begins no line"),
        ("device", 1, 1, "needs a name"),
        ("device a can connect", 1, 10, "comes `may`"),
        ("device a may", 1, 10, "needs an action"),
        ("device a may never", 1, 10, "needs an action"),
        ("\ndevice a may fly", 2, 14, "`fly` is no action"),
        ("device a may publish", 1, 14, "needs a resource"),
        ("device a may publish a b", 1, 24, "double quotes"),
        ("device a may publish a topic b c", 1, 24, "double quotes"),
        ("device a may publish \"a", 1, 22, "never closed"),
        ("device a may publish \"a\"b", 1, 22, "a space is needed"),
        ("device a may publish \"a\\n\"", 1, 24, "stands before"),
        ("  client x", 1, 3, "there is none"),
        ("device a may connect\n  client x", 2, 3, "there is none"),
        ("device a\n  colour red", 2, 3, "`colour` with these words"),
        (
            "device a\n  subject ShoeSize 44",
            2,
            3,
            "no certificate attribute `ShoeSize`",
        ),
        ("device a\n  address here", 2, 3, "no IP address"),
        ("device a\n  thing none\n  type lamps", 3, 3, "has none"),
        ("device a\n  thing none\n  attribute a b", 3, 3, "has none"),
        ("device a\ndevice a", 2, 1, "described twice"),
        (
            "device a may connect\ndevice a",
            2,
            1,
            "before its first expectation",
        ),
        ("region us-east-1\nregion us-east-1", 2, 1, "here twice"),
        ("region", 1, 1, "takes one word"),
        ("region nowhere at all", 1, 1, "takes one word"),
        ("account 12", 1, 1, "12"),
        ("policy a b", 1, 1, "takes one word"),
        ("{", 1, 2, "member name"),
        ("{\"a\": 1}", 1, 2, "`a` has no meaning"),
        ("{\"region\": 7}", 1, 12, "expected a text"),
        (
            "{\"region\": \"us-east-1\",\n \"region\": \"\"}",
            2,
            2,
            "is here twice",
        ),
        ("{\"devices\": []}", 1, 13, "expected an object"),
        (
            "{\"devices\": {\"a\": {\"colour\": 1}}}",
            1,
            20,
            "`colour` has no meaning",
        ),
        (
            "{\"devices\": {\"a\": {\"over\": \"coap\"}}}",
            1,
            28,
            "`mqtt` or `https`",
        ),
        (
            "{\"devices\": {\"a\": {\"things\": [{}]}}}",
            1,
            31,
            "needs a `name`",
        ),
        (
            "{\"devices\": {\"a\": {\"things\": [{\"name\": \"a\", \"attached\": \"no\"}]}}}",
            1,
            57,
            "true or false",
        ),
        (
            "{\"devices\": {\"a\": {\"address\": \"x\"}}}",
            1,
            31,
            "no IP address",
        ),
        (
            "{\"devices\": {\"a\": {\"subject\": {\"X\": \"x\"}}}}",
            1,
            32,
            "`X` has no meaning",
        ),
        ("{\"expectations\": [{}]}", 1, 19, "needs `device`"),
        (
            "{\"expectations\": [{\"device\": \"a\", \"expect\": \"perhaps\"}]}",
            1,
            45,
            "expected `may`",
        ),
        (
            "{\"expectations\": [{\"device\": \"a\", \"expect\": \"may\", \"action\": \"fly\"}]}",
            1,
            62,
            "no action",
        ),
        (
            "{\"expectations\": [{\"device\": \"a\", \"expect\": \"may\", \"action\": \"publish\"}]}",
            1,
            19,
            "needs a `resource`",
        ),
        ("{\"expectations\": {}}", 1, 18, "expected a list"),
    ] {
        let error = Suite::parse(text).expect_err(text);
        println!("{error}");
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
        assert!(error.message.contains(words), "{text}: {error}");
        assert!(!error.to_string().contains('\n'), "one line: {error}");
    }
}

#[test]
fn cut_and_changed_files_are_refused_or_read_but_never_fail() {
    let json = r#"{"devices": {"ä": {"things": [{"name": "x", "attributes": {"a": "b"}}]}}, "expectations": [{"device": "ä", "expect": "may", "action": "connect"}]}"#;
    for text in [FILE, json] {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = Suite::parse(&text[..end]);
            let _ = Suite::parse(&text[end..]);
        }
    }
    assert!(Suite::parse(&"{\"a\":".repeat(10_000)).is_err());
    assert_eq!(
        Suite::parse("\u{feff}# nothing").expect("a mark is no mistake"),
        Suite::default()
    );
}

/// Found by fuzzing: a name in JSON may hold the end of a line.
#[test]
fn an_error_is_one_line_whatever_it_quotes() {
    let error = Suite::parse("{ \"a\\nb\": 23 }").unwrap_err();
    assert!(
        error.to_string().contains("`a\\nb` has no meaning"),
        "{error}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 300,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_124),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    })]

    #[test]
    fn words_in_any_order_never_fail(words in proptest::collection::vec("device|may|not|never|publish|connect|thing|none|client|\n|\n |\"|\\\\|#|a|ä| topic ", 0..24)) {
        let text = words.join(" ");
        if let Ok(suite) = Suite::parse(&text) {
            let report = suite.run(&[], &BTreeMap::new(), "us-east-1", "123456789012");
            // Without a policy nothing is allowed.
            for (case, expectation) in report.cases.iter().zip(&suite.expectations) {
                assert_eq!(case.passed, expectation.expected == Expected::MayNot);
            }
        }
    }
}
