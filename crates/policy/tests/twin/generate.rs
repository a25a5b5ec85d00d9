//! Policies, connections and questions, with the edges far likelier than life has them: empty strings, wildcards
//! and `${` inside values, variables without a value, letters of several bytes, topics of 256 bytes, patterns of
//! nested wildcards, set operators on absent keys.

mod connection;
mod document;
mod question;

pub(crate) use connection::{settings, situation};
pub(crate) use document::policies;
pub(crate) use question::asked;

use crate::random::Random;

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";

/// Words that values, topics and patterns share, so that they meet.
const WORDS: [&str; 26] = [
    "",
    "a",
    "b",
    "ab",
    "aa",
    "lamp",
    "Lamp",
    "thing1",
    "ä",
    "日本",
    "/",
    "a/b",
    "+",
    "#",
    "$",
    "*",
    "?",
    "a*",
    "?b",
    "${iot:ClientId}",
    "{",
    "}",
    "$aws/",
    "Administrator",
    "a:b",
    "é😀",
];

/// What attributes of things and certificates may hold besides.
const ODD_VALUES: [&str; 24] = [
    "true",
    "false",
    "1",
    "1.0",
    "10",
    "-2",
    "2e1",
    "0.5",
    "2020-02-29",
    "2020-02-29T12:00:00Z",
    "2021-01-01T00:00Z",
    "1582934400",
    "192.0.2.7",
    "2001:db8::1",
    "aGk=",
    "hi",
    "O=a, \"b\"",
    "x<y>;z",
    "back\\slash",
    "PersistentConnect",
    "LastWill",
    "TRUE",
    "arn:aws:iot:us-east-1:123456789012:topic/a",
    "NaN",
];

fn word(random: &mut Random) -> String {
    random.pick(&WORDS).to_string()
}
