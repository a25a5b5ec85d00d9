//! From a record to a policy and back.

use std::collections::BTreeSet;
use std::string::ToString as _;

use super::*;

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";

fn line(client: &str, thing: Option<&str>, action: &str, resource: &str, decision: &str) -> String {
    serde_json::json!({
        "clientId": client, "certificateId": "c".repeat(64), "thingName": thing,
        "action": action, "resource": resource, "decision": decision,
    })
    .to_string()
        + "\n"
}

/// What the sketch's device does, and one thing that it tries.
fn sketch(thing: &str) -> String {
    [
        line(
            thing,
            Some(thing),
            "iot:Connect",
            &format!("client/{thing}"),
            "allow",
        ),
        line(
            thing,
            Some(thing),
            "iot:Subscribe",
            "topicfilter/esp32/sub",
            "allow",
        ),
        line(
            thing,
            Some(thing),
            "iot:Receive",
            "topic/esp32/sub",
            "allow",
        ),
        line(
            thing,
            Some(thing),
            "iot:Publish",
            "topic/esp32/pub",
            "allow",
        ),
        line(
            thing,
            Some(thing),
            "iot:Publish",
            &format!("topic/$aws/things/{thing}/shadow/update"),
            "allow",
        ),
        line(thing, Some(thing), "iot:Publish", "topic/secret", "deny"),
    ]
    .concat()
}

fn made(record: &str) -> Generated {
    generate(&read(record).expect("a record"), REGION, ACCOUNT, false)
}

#[test]
fn the_sketchs_record_gives_the_sketchs_policy() {
    let made = made(&sketch("esp32-kitchen"));
    assert_eq!(
        (made.documents.len(), made.allowed, made.not_covered.len()),
        (1, 5, 0)
    );
    assert_eq!(made.left_out.len(), 1);
    assert_eq!(made.left_out[0].resource, "topic/secret");
    let expected = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "iot:Connect",
      "Resource": "@client/${iot:Connection.Thing.ThingName}"
    },
    {
      "Effect": "Allow",
      "Action": "iot:Publish",
      "Resource": [
        "@topic/$aws/things/${iot:Connection.Thing.ThingName}/shadow/update",
        "@topic/esp32/pub"
      ]
    },
    {
      "Effect": "Allow",
      "Action": "iot:Subscribe",
      "Resource": "@topicfilter/esp32/sub"
    },
    {
      "Effect": "Allow",
      "Action": "iot:Receive",
      "Resource": "@topic/esp32/sub"
    }
  ]
}
"#;
    assert_eq!(
        made.documents[0],
        expected.replace('@', "arn:aws:iot:us-east-1:123456789012:")
    );
}

#[test]
fn used_again_it_changes_nothing() {
    let record = sketch("esp32-kitchen");
    let once = made(&record);
    // The order, and how often, change nothing; nor does another device of the kind.
    let mut lines: Vec<&str> = record.lines().collect();
    lines.reverse();
    let shuffled = lines.join("\n") + "\n" + &record + &sketch("esp32-cellar");
    assert_eq!(made(&shuffled).documents, once.documents);
    // What a device does under the new policy, all of it allowed, gives the new policy.
    let events = read(&record).expect("a record");
    let again: String = events
        .iter()
        .filter(|event| covers(&once.documents, event, REGION, ACCOUNT))
        .map(|event| {
            line(
                &event.client_id,
                event.thing_name.as_deref(),
                event.action.name(),
                &event.resource,
                "allow",
            )
        })
        .collect();
    assert_eq!(
        again.lines().count(),
        once.allowed,
        "what was allowed is allowed, what was not is not"
    );
    assert_eq!(made(&again).documents, once.documents);
}

#[test]
fn it_allows_exactly_that() {
    let made = made(&sketch("esp32-kitchen"));
    for (client, thing, action, resource) in [
        (
            "esp32-kitchen",
            Some("esp32-kitchen"),
            "iot:Publish",
            "topic/secret",
        ),
        (
            "esp32-kitchen",
            Some("esp32-kitchen"),
            "iot:Publish",
            "topic/esp32/pub/x",
        ),
        (
            "esp32-kitchen",
            Some("esp32-kitchen"),
            "iot:Publish",
            "topic/$aws/things/esp32-cellar/shadow/update",
        ),
        (
            "esp32-kitchen",
            Some("esp32-kitchen"),
            "iot:Connect",
            "client/other",
        ),
        ("other", None, "iot:Connect", "client/other"),
    ] {
        let event = &read(&line(client, thing, action, resource, "allow")).expect("an event")[0];
        assert!(
            !covers(&made.documents, event, REGION, ACCOUNT),
            "{resource}"
        );
    }
}

#[test]
fn denied_events_on_request() {
    let events = read(&sketch("a")).expect("a record");
    let with = generate(&events, REGION, ACCOUNT, true);
    assert!(with.left_out.is_empty() && with.documents[0].contains("topic/secret"));
    assert_eq!(with.allowed, 6);
}

#[test]
fn names_are_whole_levels_and_literal_text_stays_literal() {
    // C-26, C-40, C-47
    assert_eq!(
        resource("topic/a/lamp/b", Some("lamp")),
        "topic/a/${iot:Connection.Thing.ThingName}/b"
    );
    assert_eq!(
        resource("topic/lamps/lamp2", Some("lamp")),
        "topic/lamps/lamp2"
    );
    assert_eq!(
        resource("topic/topic/topic", Some("topic"))
            .matches("ThingName")
            .count(),
        2,
        "the kind stays"
    );
    assert_eq!(resource("topic/a*b?${x}", None), "topic/a${*}b${?}${$}{x}");
    assert_eq!(resource("topic//a/", None), "topic//a/");
    for odd in [
        "topic/a*b",
        "topic/a?b",
        "topic/${iot:ClientId}",
        "topic/ä\"\\",
        "topic/",
        "topic/ ",
    ] {
        let record = line("c", None, "iot:Publish", odd, "allow");
        let made = made(&record);
        assert_eq!(made.not_covered, [], "{odd}");
        let other = line("c", None, "iot:Publish", "topic/axb", "allow");
        assert!(
            !covers(
                &made.documents,
                &read(&other).expect("an event")[0],
                REGION,
                ACCOUNT
            ),
            "{odd}"
        );
    }
}

#[test]
fn an_exclusive_thing_and_none() {
    // C-41, C-54
    let record = [
        line(
            "sess-42",
            Some("lamp"),
            "iot:Connect",
            "client/sess-42",
            "allow",
        ),
        line(
            "sess-42",
            Some("lamp"),
            "iot:Publish",
            "topic/lamp/state",
            "allow",
        ),
        line("tool", None, "iot:Publish", "topic/tool", "allow"),
    ]
    .concat();
    let made = made(&record);
    assert_eq!(made.not_covered, []);
    assert!(
        made.documents[0].contains("client/sess-42") && made.documents[0].contains("topic/tool")
    );
    assert!(made.documents[0].contains("topic/${iot:Connection.Thing.ThingName}/state"));
}

#[test]
fn too_much_for_one_document_becomes_several() {
    // C-3
    let record: String = (0..200)
        .map(|number| {
            line(
                "a",
                Some("a"),
                "iot:Publish",
                &format!("topic/some/where/{number}"),
                "allow",
            )
        })
        .chain([line("a", Some("a"), "iot:Connect", "client/a", "allow")])
        .collect();
    let made = made(&record);
    assert!(made.documents.len() > 1, "{}", made.documents.len());
    assert_eq!(made.not_covered, []);
    for document in &made.documents {
        assert!(characters(document) <= 2048);
        Document::parse(document).expect("valid");
    }
    let all: BTreeSet<&str> = made
        .documents
        .iter()
        .flat_map(|text| text.split('"'))
        .collect();
    assert!((0..200).all(|number| all.contains(
        format!("arn:aws:iot:us-east-1:123456789012:topic/some/where/{number}").as_str()
    )));
}

#[test]
fn equal_resources_share_a_statement() {
    let record = [
        line("a", None, "iot:Publish", "topic/x", "allow"),
        line("a", None, "iot:Receive", "topic/x", "allow"),
        line("a", None, "iot:ListRetainedMessages", "*", "allow"),
    ]
    .concat();
    let made = made(&record);
    assert_eq!(made.documents[0].matches("Effect").count(), 2);
    assert_eq!(made.not_covered, []);
}

#[test]
fn records_that_cannot_be_read() {
    for (text, number, words) in [
        ("\nnot json\n", 2, "no event of a record"),
        ("{}\n", 1, "missing field"),
        (
            &line("a", None, "iot:Fly", "topic/x", "allow"),
            1,
            "`iot:Fly` is no action",
        ),
        (
            &line("a", None, "iot:Publish", "topic/x", "perhaps"),
            1,
            "`perhaps` is neither",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!(error.line, number, "{error}");
        assert!(
            error.to_string().contains(words) && !error.message.contains("at line"),
            "{error}"
        );
    }
    let good = line("a", None, "iot:Publish", "topic/x", "allow");
    let cut = format!("{good}{}", &good[..20]);
    assert_eq!(
        read(&cut)
            .expect("a last line that was being written is left out")
            .len(),
        1
    );
    assert_eq!(read("").expect("nothing"), []);
    let more = good.replacen('{', "{\"time\": 7, ", 1);
    assert_eq!(
        read(&more).expect("later versions may say more"),
        read(&good).expect("an event")
    );
}
