//! Documents that are none, too long, cut off or odd.

use super::*;

#[test]
fn what_is_no_policy() {
    // C-1, C-2
    let findings = lint("{\n  \"Version\": \"2008-10-17\"}", &own());
    assert_eq!(findings[0].rule.id, "TW-P001");
    assert_eq!(
        (findings[0].position.line, findings[0].position.column),
        (2, 14)
    );
    let with_mark = format!("\u{feff}{}", document(&allow("Publish", "@topic/a")));
    assert_eq!(lint(&with_mark, &own())[0].rule.id, "TW-P001");
    let (mended, _) = fix(&with_mark, &own());
    assert_eq!(
        mended,
        document(&allow("Publish", "@topic/a")),
        "the mark is taken off"
    );
}

#[test]
fn no_text_makes_it_fail() {
    let text = document(&all(&[
        allow("Subscribe", "@topicfilter/ä/+"),
        deny("Receive", "@topic/${iot:ClientId}"),
    ]));
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let findings = lint(&text[..end], &own());
        assert_eq!(findings[0].rule.id, "TW-P001", "{end}");
    }
    for text in [
        "",
        "[",
        "null",
        &"[".repeat(10_000),
        &"{\"a\":".repeat(10_000),
    ] {
        let findings = lint(text, &own());
        assert!(findings.iter().any(|finding| finding.rule.id == "TW-P001"));
    }
}

#[test]
fn too_long_with_the_count_and_still_looked_at() {
    // C-3
    let resources: Vec<String> = (0..60).map(|n| format!("\"@topic/{n}\"")).collect();
    let text = document(&format!(
        r#"{{"Effect": "Allow", "Action": "iot:Publish", "Resource": [{}, "@topicfilter/x"]}}"#,
        resources.join(", ")
    ));
    let findings = lint(&text, &own());
    let characters = text.chars().filter(|c| !c.is_whitespace()).count();
    assert_eq!(findings[0].rule.id, "TW-P002");
    assert!(
        findings[0]
            .message
            .starts_with(&format!("{characters} characters")),
        "{}",
        findings[0].message
    );
    assert!(findings.iter().any(|finding| finding.rule.id == "TW-P008"));
}

/// The table of bad input: what the engine refuses is `TW-P001` at the place that the engine names, what it takes
/// has a finding of its own.
#[test]
fn bad_input() {
    let good = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:Publish", "Resource": "@topic/a"}}"#;
    for (from, to, id) in [
        ("2012-10-17", "2008-10-17", "TW-P001"),
        ("\"2012-10-17\"", "7", "TW-P001"),
        ("\"iot:Publish\"", "7", "TW-P001"),
        ("\"@topic/a\"", "null", "TW-P001"),
        (
            "\"Effect\": \"Allow\"",
            "\"Effect\": \"Allow\", \"Effect\": \"Deny\"",
            "TW-P001",
        ),
        ("\"Effect\"", "\"Note\": 1, \"Effect\"", "TW-P001"),
        ("iot:Publish", "s3:GetObject", "TW-P001"),
        ("@topic/a", "@topic/${iot:ClientId", "TW-P001"),
        (
            "\"Effect\"",
            "\"Condition\": {\"StringEqual\": {}}, \"Effect\"",
            "TW-P001",
        ),
        (
            "\"Effect\"",
            "\"Condition\": {\"DateLessThan\": {\"iot:Topic\": \"2026-02-30\"}}, \"Effect\"",
            "TW-P001",
        ),
        ("arn:aws:", "arn:aws-cn:", "TW-P004"),
        (":iot:us", ":s3:us", "TW-P004"),
        ("us-east-1", "eu-west-1", "TW-P004"),
        ("123456789012", "210987654321", "TW-P004"),
        ("topic/a", "topic/${unknown:thing}", "TW-P016"),
        ("topic/a", "topic/${}", "TW-P016"),
    ] {
        let text = good.replace('@', ARN);
        let text = text.replacen(&from.replace('@', ARN), &to.replace('@', ARN), 1);
        let findings = lint(&text, &own());
        assert_eq!(
            findings
                .iter()
                .map(|finding| finding.rule.id)
                .collect::<Vec<_>>(),
            [id],
            "{text}"
        );
        if let Err(error) = Document::parse(&text) {
            assert_eq!(findings[0].position, error.position, "{text}");
        }
    }
    assert_eq!(
        lint(
            &good.replace('@', ARN).replace("topic/a", "topic/a/$$"),
            &own()
        ),
        [],
        "ordinary characters"
    );
}

#[test]
fn a_text_with_escapes_is_not_edited_blindly() {
    let text = document(&allow("Publish", "@topicfilter\\/a"));
    let findings = lint(&text, &own());
    assert_eq!((findings[0].rule.id, &findings[0].edit), ("TW-P008", &None));
}
