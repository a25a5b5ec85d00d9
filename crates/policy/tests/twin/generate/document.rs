//! Policy documents: statements, patterns and conditions of every kind.

use serde_json::{Map, Value, json};
use thingwire_policy::Action;

use super::{ACCOUNT, ODD_VALUES, REGION, WORDS};
use crate::random::Random;

const VARIABLES: [&str; 26] = [
    "iot:ClientId",
    "iot:ClientId",
    "iot:Connection.Thing.ThingName",
    "iot:Connection.Thing.ThingName",
    "iot:Connection.Thing.ThingTypeName",
    "iot:Connection.Thing.IsAttached",
    "iot:Connection.Thing.Attributes[location]",
    "iot:Connection.Thing.Attributes[version]",
    "iot:Connection.Thing.Attributes[env]",
    "iot:Connection.Thing.Attributes[a.b/c]",
    "aws:SourceIp",
    "iot:DomainName",
    "iot:CertificateId",
    "iot:Certificate.SerialNumber",
    "iot:Certificate.Subject.CommonName",
    "iot:Certificate.Subject.CommonName.0",
    "iot:Certificate.Subject.CommonName.1",
    "iot:Certificate.Subject.CommonName.4",
    "iot:Certificate.Subject.CommonName.5",
    "iot:Certificate.Subject.Country",
    "iot:Certificate.Issuer.Organization",
    "iot:Certificate.Issuer.AlternativeName.DNSName.1",
    "iot:Certificate.Subject.CommonName.List",
    "iot:ConnectAttributes",
    "iot:Unknown",
    "unknown:thing",
];
const KEYS: [&str; 22] = [
    "iot:ClientId",
    "aws:SourceIp",
    "iot:DomainName",
    "iot:ConnectAttributes",
    "iot:ConnectAttributes",
    "iot:ConnectAttributes",
    "iot:LastWillTopic",
    "iot:Topic",
    "iot:IncludeSocketInformation",
    "iot:Connection.Thing.ThingName",
    "iot:Connection.Thing.ThingTypeName",
    "iot:Connection.Thing.IsAttached",
    "iot:Connection.Thing.Attributes[location]",
    "iot:Connection.Thing.Attributes[version]",
    "iot:Connection.Thing.Attributes[env]",
    "iot:CertificateId",
    "iot:Certificate.Subject.CommonName",
    "iot:Certificate.Subject.CommonName.2",
    "iot:Certificate.Subject.CommonName.List",
    "iot:Certificate.Subject.CommonName.List",
    "iot:Certificate.Issuer.Organization.List",
    "iot:Certificate.Issuer.Organization",
];
const STRING_OPERATORS: [&str; 6] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
];
const ARN_OPERATORS: [&str; 4] = ["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"];
const RELATIONS: [&str; 6] = [
    "Equals",
    "NotEquals",
    "LessThan",
    "LessThanEquals",
    "GreaterThan",
    "GreaterThanEquals",
];

/// Between one and three policies.
pub(crate) fn policies(random: &mut Random) -> Vec<Value> {
    let count = [1, 1, 1, 2, 3][random.below(5)];
    (0..count).map(|_| policy(random)).collect()
}

fn policy(random: &mut Random) -> Value {
    let count = 1 + random.below(4);
    let mut statements: Vec<Value> = (0..count).map(|_| statement(random)).collect();
    let statement = if count == 1 && random.percent(50) {
        statements.remove(0)
    } else {
        Value::Array(statements)
    };
    let policy = json!({"Version": "2012-10-17", "Statement": statement});
    // C-3.
    let counted = policy
        .to_string()
        .chars()
        .filter(|character| !character.is_whitespace())
        .count();
    if counted <= 2048 {
        policy
    } else {
        self::policy(random)
    }
}

fn statement(random: &mut Random) -> Value {
    let mut members = Map::new();
    let deny = random.percent(38);
    members.insert("Effect".into(), if deny { "Deny" } else { "Allow" }.into());
    let action = if random.percent(10) {
        "NotAction"
    } else {
        "Action"
    };
    let actions = one_or_more(random, action_pattern);
    members.insert(action.into(), actions);
    let resource = if random.percent(12) {
        "NotResource"
    } else {
        "Resource"
    };
    let resources = one_or_more(random, resource_pattern);
    members.insert(resource.into(), resources);
    if random.percent(40) {
        members.insert("Condition".into(), condition(random));
    }
    Value::Object(members)
}

fn one_or_more(random: &mut Random, make: fn(&mut Random) -> Value) -> Value {
    match random.below(4) {
        0 => make(random),
        1 => Value::Array(vec![make(random)]),
        count => (0..count).map(|_| make(random)).collect(),
    }
}

fn action_pattern(random: &mut Random) -> Value {
    let name = random.one_of(&Action::ALL).name();
    let common = random.pick(&["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"]);
    match random.below(20) {
        0 => "*".into(),
        1 => "iot:*".into(),
        2 => random
            .pick(&[
                "iot:Pub*",
                "iot:*ublish",
                "iot:Re*",
                "iot:?ublish",
                "*:Publish",
                "i*:*c*",
                "iotjobsdata:*",
            ])
            .into(),
        3 => common.to_ascii_lowercase().into(),
        4 => name.to_ascii_uppercase().into(),
        5 => name.replace("iotjobsdata:", "iot:").into(),
        6 | 7 => name.into(),
        8 => random.pick(&["s3:GetObject", "iot:*nothing*"]).into(),
        _ => common.into(),
    }
}

fn resource_pattern(random: &mut Random) -> Value {
    if random.percent(5) {
        return "*".into();
    }
    let partition = if random.percent(4) { "aws-cn" } else { "aws" };
    let region = match random.below(30) {
        0 => "eu-west-1",
        1 => "*",
        2 => "us-*",
        3 => "us-east-?",
        _ => REGION,
    };
    let account = match random.below(30) {
        0 => "210987654321",
        1 => "*",
        2 => "",
        _ => ACCOUNT,
    };
    let kind = match random.below(20) {
        0..6 => "topic/",
        6..11 => "topicfilter/",
        11..15 => "client/",
        15 => "thing/",
        16 => "rolealias/",
        17 => "topic*",
        18 => "topicfilter/$share/g/",
        19 if random.percent(50) => "*",
        _ => "*/",
    };
    let body = body(random);
    format!("arn:{partition}:iot:{region}:{account}:{kind}{body}").into()
}

/// What stands behind `topic/`: words, wildcards and variables.
fn body(random: &mut Random) -> String {
    match random.below(40) {
        0 => return "*".repeat(1 + random.below(4)),
        1 => return "a*".repeat(1 + random.below(6)) + "b",
        2 => return "*".to_string() + &"a".repeat(random.below(20)) + "b",
        3 => return "?*".repeat(1 + random.below(5)),
        4 => return "a".repeat(200 + random.below(60)),
        _ => {}
    }
    let mut text = String::new();
    for _ in 0..1 + random.below(4) {
        match random.below(10) {
            0 | 1 => text.push('*'),
            2 => text.push('?'),
            3 | 4 => {
                text.push_str("${");
                text.push_str(random.pick(&VARIABLES));
                text.push('}');
            }
            5 => text.push_str(random.pick(&["${*}", "${?}", "${$}", "/"])),
            _ => {
                // `${` of our own making only where a variable is meant.
                let word = random.pick(&WORDS);
                // `$` before `{` would begin a variable by accident.
                if text.ends_with('$') && word.starts_with('{') {
                    text.push('x');
                }
                text.push_str(if word == "${iot:ClientId}" { "x" } else { word });
            }
        }
        if random.percent(40) {
            text.push('/');
        }
    }
    text
}

fn condition(random: &mut Random) -> Value {
    let mut operators = Map::new();
    for _ in 0..[1, 1, 1, 2, 2, 3][random.below(6)] {
        let (operator, keys) = operator(random);
        operators.insert(operator, keys);
    }
    Value::Object(operators)
}

/// An operator and its keys.
fn operator(random: &mut Random) -> (String, Value) {
    if random.percent(8) {
        let mut keys = Map::new();
        keys.insert(
            random.pick(&KEYS).into(),
            random.pick(&["true", "false"]).into(),
        );
        return ("Null".into(), Value::Object(keys));
    }
    let (operator, kind) = match random.below(20) {
        0..10 => (random.pick(&STRING_OPERATORS).to_string(), Kind::Text),
        10 | 11 => ("Bool".to_string(), Kind::Truth),
        12 | 13 => (format!("Numeric{}", random.pick(&RELATIONS)), Kind::Number),
        14 => (format!("Date{}", random.pick(&RELATIONS)), Kind::Date),
        15 => ("BinaryEquals".to_string(), Kind::Binary),
        16 | 17 => (
            random.pick(&["IpAddress", "NotIpAddress"]).to_string(),
            Kind::Address,
        ),
        _ => (random.pick(&ARN_OPERATORS).to_string(), Kind::Arn),
    };
    let set = match random.below(8) {
        0 | 1 => "ForAllValues:",
        2 | 3 => "ForAnyValue:",
        _ => "",
    };
    let if_exists = if random.percent(15) { "IfExists" } else { "" };
    let mut keys = Map::new();
    for _ in 0..[1, 1, 1, 2][random.below(4)] {
        let key = match kind {
            Kind::Truth if random.percent(70) => "iot:Connection.Thing.IsAttached",
            Kind::Address if random.percent(70) => "aws:SourceIp",
            Kind::Arn if random.percent(70) => "iot:LastWillTopic",
            Kind::Number | Kind::Date | Kind::Binary if random.percent(70) => random.pick(&[
                "iot:Connection.Thing.Attributes[location]",
                "iot:Connection.Thing.Attributes[version]",
                "iot:Certificate.Issuer.Organization.List",
            ]),
            _ => random.pick(&KEYS),
        };
        let values = match random.below(10) {
            0 if kind == Kind::Text => Value::Array(Vec::new()),
            0..6 => condition_value(random, kind),
            count => (0..count - 5)
                .map(|_| condition_value(random, kind))
                .collect(),
        };
        keys.insert(key.into(), values);
    }
    (format!("{set}{operator}{if_exists}"), Value::Object(keys))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Truth,
    Number,
    Date,
    Binary,
    Address,
    Arn,
}

fn condition_value(random: &mut Random, kind: Kind) -> Value {
    if random.percent(6) && kind != Kind::Arn {
        return format!("${{{}}}", random.pick(&VARIABLES)).into();
    }
    match kind {
        Kind::Text => match random.below(8) {
            0 => body(random).into(),
            1 | 2 => random
                .pick(&["PersistentConnect", "LastWill", "Persistent*", "lastwill"])
                .into(),
            3 => random.pick(&ODD_VALUES).into(),
            4 => format!(
                "{}${{{}}}",
                random.pick(&["", "*", "a"]),
                random.pick(&VARIABLES)
            )
            .into(),
            _ => {
                let word = random.pick(&WORDS);
                if word.contains('$') {
                    "x".into()
                } else {
                    word.into()
                }
            }
        },
        Kind::Truth => random.pick(&["true", "true", "false"]).into(),
        Kind::Number => random
            .pick(&["1", "1.0", "10", "-2", "20", "0.50", "-0", "1e1"])
            .into(),
        Kind::Date => random
            .pick(&[
                "2020-02-29",
                "2020-02-29T00:00:00Z",
                "2021-01-01T00:00:00Z",
                "1582934400",
                "2020-02-29T12:00Z",
            ])
            .into(),
        Kind::Binary => random
            .pick(&["aGk=", "bGFtcA==", "YQ==", "YWI=", "w6Q="])
            .into(),
        Kind::Address => random
            .pick(&[
                "192.0.2.7",
                "192.0.2.0/24",
                "192.0.2.8/32",
                "0.0.0.0/0",
                "2001:db8::/32",
                "::/0",
                "2001:db8::1",
                "198.51.100.0/22",
            ])
            .into(),
        Kind::Arn => match random.below(4) {
            0 => format!(
                "arn:aws:iot:{REGION}:{ACCOUNT}:topic/{}",
                random.pick(&["a", "b", "lamp", "a/b", "ä"])
            )
            .into(),
            1 => format!(
                "arn:aws:iot:*:{ACCOUNT}:topic/{}",
                random.pick(&["*", "a*", "?", "a/?"])
            )
            .into(),
            2 => format!(
                "arn:aws:iot:{REGION}:{ACCOUNT}:topic/${{{}}}",
                random.pick(&VARIABLES)
            )
            .into(),
            _ => "arn:aws:iot:us-*:*:topic/a:*".into(),
        },
    }
}
