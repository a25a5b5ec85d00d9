//! Documents that are refused: each with the place, what is wrong, and the words of the AWS API (`C-1` to `C-3`).

use proptest::prelude::*;
use thingwire_policy::{Action, Context, Document, PolicySet, Problem, Request, Settings};

const GOOD: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:us-east-1:123456789012:client/${iot:ClientId}"},
    {"Effect": "Deny", "Action": ["iot:Publish", "iot:Sub*"], "NotResource": ["*"],
     "Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32"]}, "Bool": {"iot:Connection.Thing.IsAttached": true}}}
  ]
}"#;

/// `GOOD` with a piece replaced, and the error that makes.
fn error(piece: &str, by: &str) -> String {
    assert!(GOOD.contains(piece), "{piece}");
    let text = GOOD.replacen(piece, by, 1);
    Document::parse(&text).expect_err(by).to_string()
}

#[test]
fn the_good_one_is_good() {
    let document = Document::parse(GOOD).expect("valid");
    assert_eq!(document.statements().len(), 2);
    assert_eq!(
        document.statements()[1].actions().collect::<Vec<_>>(),
        ["iot:Publish", "iot:Sub*"]
    );
}

#[test]
fn a_statement_may_be_an_object_and_lists_may_be_texts() {
    // C-1
    let text = r#"{"Version":"2012-10-17","Id":"x","Statement":{"Sid":"s","Effect":"Allow","NotAction":"iot:Publish","Resource":"*"}}"#;
    assert_eq!(
        Document::parse(text).expect("valid").statements()[0].sid(),
        Some("s")
    );
}

#[test]
fn each_mistake_is_named_where_it_is() {
    let table = [
        (
            r#""2012-10-17""#,
            r#""2008-10-17""#,
            "line 2, column 14 (Version): version `2008-10-17` is not `2012-10-17`, the only one that AWS IoT takes",
        ),
        (
            r#""Version": "2012-10-17","#,
            "",
            "line 1, column 1: `Version` is missing",
        ),
        (
            r#""Version""#,
            r#""version""#,
            "line 2, column 3: `version` has no meaning here; write it `Version`",
        ),
        (
            r#""2012-10-17""#,
            "20121017",
            "line 2, column 14 (Version): expected a text, found a number",
        ),
        (
            r#""Effect": "Allow""#,
            r#""Effect": "allow""#,
            "line 4, column 16 (Statement[0].Effect): effect `allow` is neither `Allow` nor `Deny`",
        ),
        (
            r#""Effect": "Allow", "#,
            "",
            "line 4, column 5 (Statement[0]): `Effect` is missing",
        ),
        (
            r#""Effect": "Allow""#,
            r#""Effect": "Allow", "Effect": "Deny""#,
            "line 4, column 25: `Effect` is here twice; keep one",
        ),
        (
            r#""iot:Connect""#,
            r#""iot:Conect""#,
            "line 4, column 35 (Statement[0].Action): no AWS IoT action is called `iot:Conect`; did you mean `iot:Connect`?",
        ),
        (
            r#""iot:Sub*""#,
            r#""s3:GetObject""#,
            "line 5, column 50 (Statement[1].Action[1]): no AWS IoT action is called `s3:GetObject`",
        ),
        (
            r#""iot:Sub*""#,
            "7",
            "line 5, column 50 (Statement[1].Action[1]): expected a text, found a number",
        ),
        (
            r#"["iot:Publish", "iot:Sub*"]"#,
            "[]",
            "line 5, column 34 (Statement[1].Action): an empty list; it needs at least one entry",
        ),
        (
            r#""Action": "iot:Connect","#,
            "",
            "line 4, column 5 (Statement[0]): `Action` is missing",
        ),
        (
            r#""NotResource""#,
            r#""Resource": "*", "NotResource""#,
            "line 5, column 95 (Statement[1]): `Resource` and `NotResource` exclude each other; keep one",
        ),
        (
            r#""arn:aws:iot:us-east-1:123456789012:client/${iot:ClientId}""#,
            r#""client/x""#,
            "line 4, column 62 (Statement[0].Resource): `client/x` is not a resource: write an ARN, as in `arn:aws:iot:REGION:ACCOUNT_ID:topic/…`, or `*`",
        ),
        (
            "123456789012:client",
            "client",
            "line 4, column 62 (Statement[0].Resource): `arn:aws:iot:us-east-1:client/${iot:ClientId}` is not a resource: an ARN has six parts, as in `arn:aws:iot:REGION:ACCOUNT_ID:topic/…`",
        ),
        (
            "client/${iot:ClientId}",
            "",
            "line 4, column 62 (Statement[0].Resource): `arn:aws:iot:us-east-1:123456789012:` is not a resource: its last part is empty; name a client, topic or topic filter, or write `*`",
        ),
        (
            "${iot:ClientId}",
            "${iot:ClientId",
            "line 4, column 62 (Statement[0].Resource): `arn:aws:iot:us-east-1:123456789012:client/${iot:ClientId` opens a variable with `${` and never closes it with `}`",
        ),
        (
            r#""Effect": "Deny""#,
            r#""Principal": "*", "Effect": "Deny""#,
            "line 5, column 6 (Statement[1]): `Principal` has no meaning here; attach the policy to its principal instead",
        ),
        (
            "IpAddress",
            "IpAdress",
            "line 6, column 20 (Statement[1].Condition.IpAdress): no condition operator is called `IpAdress`",
        ),
        (
            "aws:SourceIp",
            "aws:CurrentTime",
            "line 6, column 34 (Statement[1].Condition.IpAddress.aws:CurrentTime): AWS IoT has no condition key `aws:CurrentTime`",
        ),
        (
            "192.0.2.0/24",
            "192.0.2.0/33",
            "line 6, column 51 (Statement[1].Condition.IpAddress.aws:SourceIp[0]): `192.0.2.0/33` is not an address or range such as `192.0.2.0/24`",
        ),
        (
            "true}",
            "\"yes\"}",
            "line 6, column 130 (Statement[1].Condition.Bool.iot:Connection.Thing.IsAttached): `yes` is not `true` or `false`",
        ),
        (
            "true}",
            "null}",
            "line 6, column 130 (Statement[1].Condition.Bool.iot:Connection.Thing.IsAttached): expected a text, found null",
        ),
        (
            "\"Condition\": {",
            "\"Condition\": {\"ArnLike\": {\"iot:LastWillTopic\": \"topic/a\"}, ",
            "line 6, column 53 (Statement[1].Condition.ArnLike.iot:LastWillTopic): `topic/a` is not an ARN such as `arn:aws:iot:us-east-1:123456789012:topic/a`",
        ),
        (
            "\"Condition\": {",
            "\"Condition\": {\"DateLessThan\": {\"iot:ClientId\": \"someday\"}, ",
            "line 6, column 53 (Statement[1].Condition.DateLessThan.iot:ClientId): `someday` is not a date such as `2026-11-24T06:00:00Z`, or seconds since 1970",
        ),
    ];
    for (piece, by, expected) in table {
        assert_eq!(error(piece, by), expected);
    }
}

#[test]
fn what_is_no_policy_at_all() {
    for (text, expected) in [
        (
            "",
            "line 1, column 1: not JSON: the text ends where a value is expected",
        ),
        ("[]", "line 1, column 1: expected an object, found a list"),
        ("{}", "line 1, column 1: `Version` is missing"),
        (
            "Version: 2012-10-17",
            "line 1, column 1: not JSON: a value is expected here",
        ),
        (
            "\u{feff}{}",
            "line 1, column 1: not JSON: it begins with a byte order mark; save it as UTF-8 without one",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":[]}"#,
            "line 1, column 37 (Statement): an empty list; it needs at least one entry",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":"x"}"#,
            "line 1, column 37 (Statement): expected a list of statements, found a string",
        ),
    ] {
        assert_eq!(Document::parse(text).expect_err(text).to_string(), expected);
    }
}

#[test]
fn white_space_does_not_count() {
    // C-3
    let fill = |topic: usize| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"arn:aws:iot:r:a:{}"}}]}}"#,
            "x".repeat(topic)
        )
    };
    let frame = fill(0).len();
    let longest = fill(2048 - frame);
    assert!(Document::parse(&longest).is_ok());
    let spaced = longest.replace(',', &format!(",{}", " \n\t".repeat(1000)));
    assert!(Document::parse(&spaced).is_ok());
    let error = Document::parse(&fill(2049 - frame)).expect_err("one too many");
    assert_eq!(error.problem, Problem::TooLong { characters: 2049 });
    assert_eq!(
        error.to_string(),
        "the document has 2049 characters without white space, 2048 are allowed; split it into several policies"
    );
    assert!(matches!(
        Document::parse(&" ".repeat(404_601))
            .expect_err("too many bytes")
            .problem,
        Problem::TooManyBytes { bytes: 404_601 }
    ));
}

#[test]
fn the_words_of_the_api() {
    // C-2
    let message = |piece: &str, by: &str| {
        Document::parse(&GOOD.replacen(piece, by, 1))
            .expect_err(by)
            .aws_message()
    };
    assert_eq!(
        message("\"Allow\"", "\"allow\""),
        "Policy document is Malformed: Invalid policy syntax."
    );
    assert_eq!(
        message(
            "\"arn:aws:iot:us-east-1:123456789012:client/${iot:ClientId}\"",
            "\"client/x\""
        ),
        "Policy document is Malformed: The following resources are invalid : client/x"
    );
}

#[test]
fn settings_accept_what_is_unknown() {
    let text = GOOD
        .replacen("iot:Connect\"", "iot:Frobnicate\"", 1)
        .replacen("aws:SourceIp", "aws:ViaProxy", 1);
    assert!(Document::parse(&text).is_err());
    let settings = Settings {
        accept_unknown_actions: true,
        accept_unknown_condition_keys: true,
        ..Settings::default()
    };
    assert!(Document::parse_with(&text, &settings).is_ok());
}

#[test]
fn greengrass_asks_elsewhere() {
    assert!(Document::parse(&GOOD.replacen("iot:Connect\"", "greengrass:Discover\"", 1)).is_ok());
    assert!(Document::parse(&GOOD.replacen("iot:Connect\"", "greengrass:\"", 1)).is_err());
}

/// Cut at any byte, no document is accepted, and none makes the engine panic.
#[test]
fn cut_at_any_byte() {
    for end in 0..GOOD.len() {
        assert!(Document::parse(&GOOD[..end]).is_err(), "{end}");
    }
}

/// Reads, compiles, decides and explains whatever it is given.
fn exercise(text: &str, resource: &str) {
    if let Ok(document) = Document::parse(text) {
        let mut context = Context::new("us-east-1", "123456789012");
        context.client_id = Some(resource.into());
        let policies = PolicySet::compile([("p", &document), ("p", &document)], &context);
        for action in Action::ALL {
            let request = Request {
                topic: Some(resource),
                include_socket_information: Some(true),
            };
            let explanation = policies.explain(action, resource, &request);
            assert_eq!(
                explanation.outcome,
                policies.decide(action, resource, &request).outcome
            );
            assert!(!explanation.to_string().contains('\n'));
        }
        let _ = document.warnings("us-east-1", "123456789012");
    }
    let _ = thingwire_policy::replace_placeholders(text, "us-east-1", "123456789012");
}

/// Pieces that documents are made of, so that random documents get past the first check.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\"*\"".to_owned()),
        Just("\"iot:Publish\"".to_owned()),
        Just("[\"iot:*\",\"iot:?onnect\"]".to_owned()),
        Just("{\"StringLike\":{\"iot:ClientId\":\"a*\"}}".to_owned()),
        Just("{\"ForAllValues:StringNotEquals\":{\"iot:ConnectAttributes\":[]}}".to_owned()),
        Just("{\"StringEquals\":{\"iot:Topic\":[\"a\",\"${iot:ClientId}\"]}}".to_owned()),
        "\"arn:aws:iot:(us-east-1|\\*|\\?):(123456789012|\\*):(topic|client|topicfilter|\\*)/[a${}iot:CClientId*?/]{0,20}\"",
        "\"[\\PC]{0,12}\"",
        "[0-9.eE-]{1,4}",
        Just("null".to_owned()),
    ]
}

fn document() -> impl Strategy<Value = String> {
    let member = (
        prop_oneof![
            Just("Action"),
            Just("NotAction"),
            Just("Resource"),
            Just("NotResource"),
            Just("Condition"),
            Just("Sid")
        ],
        value(),
    );
    let statement = (
        prop_oneof![Just("Allow"), Just("Deny")],
        prop::collection::vec(member, 2..4),
    )
        .prop_map(|(effect, members)| {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!(",\"{name}\":{value}"))
                .collect();
            format!("{{\"Effect\":\"{effect}\"{}}}", members.concat())
        });
    prop::collection::vec(statement, 1..4).prop_map(|statements| {
        format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{}]}}",
            statements.join(",")
        )
    })
}

/// The same random cases in every run.
fn same_every_time(cases: u32) -> ProptestConfig {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(20_261_124);
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(same_every_time(5_000))]

    #[test]
    fn random_documents_never_panic(text in document(), resource in "(topic|topicfilter|client|arn:aws:iot)/[\\PC]{0,10}") {
        exercise(&text, &resource);
    }

    #[test]
    fn damaged_documents_never_panic(at in 0..GOOD.len(), cut in 0_usize..8, insert in "[\\PC\n{}\\[\\]\",:$*]{0,4}") {
        let end = (at + cut).min(GOOD.len());
        exercise(&format!("{}{insert}{}", &GOOD[..at], &GOOD[end..]), "topic/a");
    }
}
