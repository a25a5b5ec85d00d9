//! The table of bad input, `docs/policy-bad-input.md`: every row is asked here, and the page says what came out.
//!
//! A document is refused with the place, or taken and decided, with a warning that names the place. When an answer
//! changes on purpose, the failing test prints the page as it has to be.

use std::fmt::Write as _;

use thingwire_policy::{Action, Context, Document, PolicySet, Request};

const PAGE: &str = include_str!("../../../docs/policy-bad-input.md");
const PREFIX: &str = "arn:aws:iot:us-east-1:123456789012:";

/// What is wrong, the document, and what is known of AWS.
struct Row {
    what: &'static str,
    document: String,
    aws: &'static str,
}

const MALFORMED: &str = "400 MalformedPolicyException (`C-2`)";
const SYNTAX: &str = "400 by `C-1`; its words for this are not known";
const UNKNOWN: &str = "not known";

fn row(what: &'static str, document: impl Into<String>, aws: &'static str) -> Row {
    Row {
        what,
        document: document.into(),
        aws,
    }
}

fn with_statements(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#)
}

fn with_action(action: &str) -> String {
    with_statements(&format!(
        r#"{{"Effect":"Allow","Action":{action},"Resource":"*"}}"#
    ))
}

fn with_resource(resource: &str) -> String {
    with_statements(&format!(
        r#"{{"Effect":"Allow","Action":"iot:Publish","Resource":{resource}}}"#
    ))
}

fn with_condition(condition: &str) -> String {
    with_statements(&format!(
        r#"{{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{condition}}}"#
    ))
}

/// `C-1`, `C-2`, `C-23`, `C-35`, `C-36`, `C-45`, `C-50`.
fn rows() -> Vec<Row> {
    let good = with_resource("\"*\"");
    let of = |place: &str| with_resource(&format!("\"arn:{place}:topic/a\""));
    let topic = |topic: &str| with_resource(&format!("\"{PREFIX}topic/{topic}\""));
    let condition = |operator: &str, key: &str, value: &str| {
        with_condition(&format!(r#"{{"{operator}":{{"{key}":{value}}}}}"#))
    };
    vec![
        row("nothing at all", "", MALFORMED),
        row(
            "JSON cut off (here after 40 bytes; a test cuts after each)",
            &good[..40],
            MALFORMED,
        ),
        row(
            "a comma too many",
            good.replace("\"*\"}", "\"*\",}"),
            MALFORMED,
        ),
        row(
            "a comment",
            good.replacen('{', "{ // my policy\n", 1),
            MALFORMED,
        ),
        row("text behind the document", format!("{good} x"), MALFORMED),
        row("nested 10,000 deep", "[".repeat(10_000), MALFORMED),
        row(
            "nested 1,000 deep, within 2048 characters",
            "[".repeat(1_000),
            MALFORMED,
        ),
        row("a list instead of an object", "[]", MALFORMED),
        row("a byte order mark", format!("\u{feff}{good}"), UNKNOWN),
        row(
            "a member twice",
            good.replacen('{', r#"{"Version":"2012-10-17","#, 1),
            UNKNOWN,
        ),
        row(
            "a condition key twice",
            with_condition(
                r#"{"Bool":{"iot:Connection.Thing.IsAttached":"true","iot:Connection.Thing.IsAttached":"false"}}"#,
            ),
            UNKNOWN,
        ),
        row(
            "a number as Version",
            good.replace("\"2012-10-17\"", "20121017"),
            SYNTAX,
        ),
        row("a number as Action", with_action("5"), SYNTAX),
        row("a number as Resource", with_resource("5"), SYNTAX),
        row("null as Resource", with_resource("null"), SYNTAX),
        row(
            "a number as the value of a text condition",
            condition("StringEquals", "iot:ClientId", "5"),
            UNKNOWN,
        ),
        row(
            "Version 2008-10-17",
            good.replace("2012", "2008"),
            "must be 2012-10-17 (`C-1`)",
        ),
        row(
            "no Version",
            good.replace(r#""Version":"2012-10-17","#, ""),
            "must be 2012-10-17 (`C-1`)",
        ),
        row(
            "an unknown member of the document",
            good.replacen('{', r#"{"Comment":"x","#, 1),
            UNKNOWN,
        ),
        row(
            "an unknown member of a statement",
            good.replacen(r#""Effect""#, r#""Note":"x","Effect""#, 1),
            UNKNOWN,
        ),
        row(
            "Principal in a statement",
            good.replacen(r#""Effect""#, r#""Principal":"*","Effect""#, 1),
            UNKNOWN,
        ),
        row(
            "an effect in other letters",
            good.replace("Allow", "allow"),
            SYNTAX,
        ),
        row("no statement", with_statements("[]"), UNKNOWN),
        row(
            "an action of another service",
            with_action("\"s3:GetObject\""),
            UNKNOWN,
        ),
        row(
            "an action of the control plane",
            with_action("\"iot:CreateThing\""),
            UNKNOWN,
        ),
        row("a misspelt action", with_action("\"iot:Recieve\""), UNKNOWN),
        row(
            "an ARN of another partition",
            of("aws-cn:iot:us-east-1:123456789012"),
            "accepts; never matches (`C-23`, derived)",
        ),
        row(
            "an ARN of another service",
            of("aws:s3:us-east-1:123456789012"),
            UNKNOWN,
        ),
        row(
            "an ARN of another region",
            of("aws:iot:eu-west-1:123456789012"),
            "accepts; never matches (`C-50`)",
        ),
        row(
            "an ARN of another account",
            of("aws:iot:us-east-1:210987654321"),
            "accepts; never matches (`C-50`)",
        ),
        row(
            "placeholders left in",
            of("aws:iot:REGION:ACCOUNT_ID"),
            "accepts; never matches (`C-50`)",
        ),
        row(
            "a resource that is no ARN",
            with_resource("\"topic/a\""),
            "400, `The following resources are invalid : …` (`C-2`)",
        ),
        row("`${` without `}`", topic("${iot:ClientId"), UNKNOWN),
        row(
            "`${unknown:thing}`",
            topic("${unknown:thing}"),
            "does not resolve, so denies (`C-45`)",
        ),
        row(
            "`${}`",
            topic("${}"),
            "does not resolve, so denies (`C-45`)",
        ),
        row("`$$`", topic("$$"), "ordinary characters (`C-23`, derived)"),
        row("`$${iot:ClientId}`", topic("$${iot:ClientId}"), UNKNOWN),
        row("half of a surrogate pair", topic("\\ud800"), SYNTAX),
        row("a line break inside a string", topic("a\nb"), SYNTAX),
        row(
            "an operator that does not exist",
            condition("StringEqual", "iot:ClientId", "\"a\""),
            SYNTAX,
        ),
        row(
            "an operator in other letters",
            condition("stringequals", "iot:ClientId", "\"a\""),
            UNKNOWN,
        ),
        row(
            "a set operator that does not exist",
            condition(
                "ForSomeValues:StringEquals",
                "iot:ConnectAttributes",
                "\"LastWill\"",
            ),
            SYNTAX,
        ),
        row(
            "NullIfExists",
            condition("NullIfExists", "iot:ClientId", "\"true\""),
            "has no such operator (IAM)",
        ),
        row(
            "a condition key of another service",
            condition("StringEquals", "aws:CurrentTime", "\"a\""),
            UNKNOWN,
        ),
        row(
            "an IP range with host bits",
            condition("IpAddress", "aws:SourceIp", "\"192.0.2.7/24\""),
            UNKNOWN,
        ),
        row(
            "an IP range too long",
            condition("IpAddress", "aws:SourceIp", "\"192.0.2.0/33\""),
            SYNTAX,
        ),
        row(
            "half an IP address",
            condition("IpAddress", "aws:SourceIp", "\"192.0.2\""),
            SYNTAX,
        ),
        row(
            "a date that is none",
            condition("DateLessThan", "iot:Topic", "\"2026-02-30\""),
            SYNTAX,
        ),
        row(
            "a word as a date",
            condition("DateLessThan", "iot:Topic", "\"tomorrow\""),
            SYNTAX,
        ),
        row(
            "a number too large",
            condition("NumericEquals", "iot:Topic", "1e999"),
            SYNTAX,
        ),
        row(
            "neither true nor false",
            condition("Bool", "iot:Connection.Thing.IsAttached", "\"yes\""),
            SYNTAX,
        ),
        row(
            "not base64",
            condition("BinaryEquals", "iot:ClientId", "\"a b\""),
            SYNTAX,
        ),
        row(
            "ArnLike without an ARN",
            condition("ArnLike", "iot:LastWillTopic", "\"topic/a\""),
            UNKNOWN,
        ),
        row(
            "2049 characters without white space",
            topic(&"x".repeat(1916)),
            "2048 are allowed (`C-3`)",
        ),
    ]
}

/// What the engine does with it: refuses it, or takes it with these warnings, and then decides without a panic.
fn answer(text: &str) -> String {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            assert!(
                error
                    .aws_message()
                    .starts_with("Policy document is Malformed")
            );
            return format!("refused: {error}");
        }
    };
    let mut context = Context::new("us-east-1", "123456789012");
    context.client_id = Some("lamp".to_owned());
    let policies = PolicySet::compile([("p", &document)], &context);
    let asked = [
        "topic/a",
        "topic/$$",
        "topic/$lamp",
        "topic/${unknown:thing}",
        "topic/${}",
    ];
    let allowed: Vec<String> = asked
        .into_iter()
        .filter(|resource| {
            let decision = policies.decide(Action::Publish, resource, &Request::default());
            decision.outcome == thingwire_policy::Outcome::Allowed
        })
        .map(|resource| format!("`{resource}`"))
        .collect();
    let mut answer = match allowed.len() {
        0 => "taken; allows nothing that was asked".to_owned(),
        all if all == asked.len() => "taken; allows all that was asked".to_owned(),
        _ => format!("taken; allows {}", allowed.join(", ")),
    };
    for warning in document.warnings("us-east-1", "123456789012") {
        let _ = write!(answer, "; warning: {warning}");
    }
    answer
}

fn page() -> String {
    let mut page = String::from(
        "# Bad input\n\n\
         What the engine does with policy documents that are wrong, each row asked by a test \
         (`crates/policy/tests/bad_input.rs`). A refusal says where; what is taken although it looks wrong has a \
         warning that says where, and is logged by the local cloud. The API puts AWS's words before ours: \
         `Policy document is Malformed: Invalid policy syntax. line 1, column 12 (Version): …`. \
         Asked of what is taken: Publish to `topic/a`, `topic/$$`, `topic/$lamp`, `topic/${unknown:thing}`, `topic/${}`, \
         by client `lamp`.\n\n\
         | what is wrong | here | AWS |\n|---|---|---|\n",
    );
    for row in rows() {
        let answer = answer(&row.document).replace('|', "\\|");
        let _ = writeln!(page, "| {} | {} | {} |", row.what, answer, row.aws);
    }
    page
}

#[test]
fn the_page_says_what_the_engine_does() {
    let page = page();
    assert!(page == PAGE, "docs/policy-bad-input.md has to be:\n{page}");
}

/// A valid document that is cut is refused wherever it is cut; so is one with bytes that are no text, before it
/// gets here.
#[test]
fn cut_at_any_byte() {
    let text = with_condition(r#"{"StringLike":{"iot:ClientId":["a*","${iot:ClientId}"]}}"#);
    assert!(Document::parse(&text).is_ok());
    for end in 0..text.len() {
        let error = Document::parse(&text[..end]).expect_err("cut");
        assert!(
            error.to_string().starts_with("line 1, column "),
            "{end}: {error}"
        );
    }
}

/// Deep nesting is refused by a limit and not by the end of the stack, in every place a value can stand.
#[test]
fn nesting_is_refused_before_it_costs_anything() {
    let deep = format!("{}1{}", "[".repeat(800), "]".repeat(800));
    for text in [
        deep.clone(),
        with_statements(&deep),
        with_action(&deep),
        with_resource(&deep),
        with_condition(&deep),
        format!("{}1{}", "{\"Version\":".repeat(140), "}".repeat(140)),
    ] {
        let error = Document::parse(&text).expect_err("deep").to_string();
        assert!(
            error.contains("nested") || error.contains("expected"),
            "{error}"
        );
    }
}
