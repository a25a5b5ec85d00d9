//! A JSON reader that remembers where everything was.
//!
//! serde_json gives no positions and lets the last of two equal member names win; a policy with two `Effect`
//! members must not be read as either of them. So this is a small reader of its own: RFC 8259, strictly,
//! with the byte offset of every value and member name, a depth limit, and duplicates as errors.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Problem;

/// Levels of nesting; a policy needs six. Keeps the recursion within any stack.
const DEPTH: usize = 32;

/// A value and its place.
#[derive(Debug, PartialEq)]
pub struct Node {
    /// Offset of its first byte.
    pub offset: usize,
    /// Offset of the byte behind its last.
    pub end: usize,
    /// The value.
    pub value: Value,
}

/// A JSON value.
#[derive(Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The number as written.
    Number(String),
    /// The text without its quotes and escapes.
    String(String),
    /// The values in their order.
    Array(Vec<Node>),
    /// The members in their order, each name once.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Debug, PartialEq)]
pub struct Member {
    /// Offset of the name.
    pub offset: usize,
    /// The name.
    pub name: String,
    /// The value.
    pub node: Node,
}

impl Value {
    /// What people call a value of this type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// What is wrong at which offset.
pub type Failure = (usize, Problem);

/// Reads one JSON text.
///
/// # Errors
/// The offset and what is wrong there, if it is not strictly JSON, has a member twice, or is nested too deep.
pub fn parse(text: &str) -> Result<Node, Failure> {
    let mut reader = Reader { text, at: 0 };
    if text.starts_with('\u{feff}') {
        return reader.fail("it begins with a byte order mark; save it as UTF-8 without one");
    }
    reader.space();
    let node = reader.value(DEPTH)?;
    reader.space();
    if reader.peek().is_some() {
        reader.fail("text after the end of the document")
    } else {
        Ok(node)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, Failure> {
        Err((self.at, Problem::Json(what)))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Takes this byte if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip();
        }
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.skip();
        }
    }

    fn since(&self, start: usize) -> &str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn value(&mut self, depth: usize) -> Result<Node, Failure> {
        let offset = self.at;
        let value = match self.peek() {
            None => return self.fail("the text ends where a value is expected"),
            Some(b'"') => Value::String(self.string()?),
            Some(b'{') => self.object(self.deeper(depth)?)?,
            Some(b'[') => self.array(self.deeper(depth)?)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z') => self.word()?,
            Some(b'\'') => return self.fail("a single quote; JSON strings need double quotes"),
            Some(_) => return self.fail("a value is expected here"),
        };
        let end = self.at;
        Ok(Node { offset, end, value })
    }

    fn deeper(&self, depth: usize) -> Result<usize, Failure> {
        match depth.checked_sub(1) {
            Some(rest) => Ok(rest),
            None => self.fail("nested too deep"),
        }
    }

    fn word(&mut self) -> Result<Value, Failure> {
        let start = self.at;
        while matches!(self.peek(), Some(b'a'..=b'z')) {
            self.skip();
        }
        match self.since(start) {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => {
                self.at = start;
                self.fail("a word that JSON does not know; strings need double quotes")
            }
        }
    }

    fn number(&mut self) -> Result<Value, Failure> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.skip();
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(Value::Number(self.since(start).into()))
    }

    fn digits(&mut self) -> Result<(), Failure> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.fail("a digit is expected here");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.skip();
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, Failure> {
        let opening = self.at;
        self.skip();
        let mut read = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.skip();
            }
            read.push_str(self.since(start));
            match self.peek() {
                Some(b'"') => {
                    self.skip();
                    return Ok(read);
                }
                Some(b'\\') => read.push(self.escape()?),
                Some(_) => return self.fail("a line break or control character inside a string"),
                None => {
                    self.at = opening;
                    return self.fail("a string that is never closed");
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Failure> {
        let start = self.at;
        self.skip();
        let escape = self.peek();
        self.skip();
        match escape {
            Some(c @ (b'"' | b'\\' | b'/')) => Ok(char::from(c)),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => self.unicode(start),
            _ => {
                self.at = start;
                self.fail("an escape that JSON does not know")
            }
        }
    }

    /// `\uXXXX`, or two of them for a character beyond the basic plane.
    fn unicode(&mut self, start: usize) -> Result<char, Failure> {
        let mut units = [0_u16; 2];
        let mut count = 0_usize;
        for unit in &mut units {
            if count == 1 && !(self.take(b'\\') && self.take(b'u')) {
                break;
            }
            let Some(value) = self.hexadecimal() else {
                self.at = start;
                return self.fail("`\\u` needs four hexadecimal digits");
            };
            *unit = value;
            count = count.saturating_add(1);
            if !matches!(value, 0xd800..=0xdbff) {
                break;
            }
        }
        match char::decode_utf16(units.into_iter().take(count)).next() {
            Some(Ok(character)) => Ok(character),
            _ => {
                self.at = start;
                self.fail("half of a surrogate pair")
            }
        }
    }

    fn hexadecimal(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at.saturating_add(4))?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.at = self.at.saturating_add(4);
        u16::from_str_radix(digits, 16).ok()
    }

    fn array(&mut self, depth: usize) -> Result<Value, Failure> {
        let mut items = Vec::new();
        self.skip();
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return self.fail("`,` or `]` is expected here");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Failure> {
        let mut members: Vec<Member> = Vec::new();
        self.skip();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let offset = self.at;
            if self.peek() != Some(b'"') {
                return self.fail("a member name in double quotes is expected here");
            }
            let name = self.string()?;
            if members.iter().any(|member| member.name == name) {
                return Err((offset, Problem::Duplicate(name)));
            }
            self.space();
            if !self.take(b':') {
                return self.fail("`:` is expected here");
            }
            self.space();
            let node = self.value(depth)?;
            members.push(Member { offset, name, node });
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return self.fail("`,` or `}` is expected here");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;
    use std::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn offsets_are_those_of_the_text() {
        let node = parse(" {\"a\": [1, \"ü\", true]}").expect("JSON");
        let Value::Object(members) = &node.value else {
            panic!("an object")
        };
        assert_eq!(
            (node.offset, members[0].offset, members[0].node.offset),
            (1, 2, 7)
        );
        let Value::Array(items) = &members[0].node.value else {
            panic!("a list")
        };
        assert_eq!(
            items
                .iter()
                .map(|item| item.offset)
                .collect::<vec::Vec<_>>(),
            [8, 11, 17]
        );
        assert_eq!(
            items.iter().map(|item| item.end).collect::<vec::Vec<_>>(),
            [9, 15, 21]
        );
    }

    #[test]
    fn what_is_not_json_is_named_where_it_is() {
        let table = [
            ("", 0, "the text ends where a value is expected"),
            ("{", 1, "a member name in double quotes is expected here"),
            ("{\"a\" 1}", 5, "`:` is expected here"),
            (
                "{\"a\":1,}",
                7,
                "a member name in double quotes is expected here",
            ),
            ("[1 2]", 3, "`,` or `]` is expected here"),
            ("[1,]", 3, "a value is expected here"),
            ("\"abc", 0, "a string that is never closed"),
            (
                "\"a\nb\"",
                2,
                "a line break or control character inside a string",
            ),
            ("\"\\x\"", 1, "an escape that JSON does not know"),
            ("\"\\u12g4\"", 1, "`\\u` needs four hexadecimal digits"),
            ("\"\\ud800\"", 1, "half of a surrogate pair"),
            ("\"\\ud800\\u0041\"", 1, "half of a surrogate pair"),
            ("\"\\udc00\"", 1, "half of a surrogate pair"),
            ("01", 1, "text after the end of the document"),
            ("1.", 2, "a digit is expected here"),
            ("-", 1, "a digit is expected here"),
            (
                "nul",
                0,
                "a word that JSON does not know; strings need double quotes",
            ),
            ("'a'", 0, "a single quote; JSON strings need double quotes"),
            ("{} {}", 3, "text after the end of the document"),
            (
                "\u{feff}{}",
                0,
                "it begins with a byte order mark; save it as UTF-8 without one",
            ),
        ];
        for (text, offset, what) in table {
            assert_eq!(parse(text), Err((offset, Problem::Json(what))), "{text:?}");
        }
        assert_eq!(
            parse("{\"a\":1,\"\\u0061\":2}"),
            Err((7, Problem::Duplicate("a".to_string())))
        );
    }

    #[test]
    fn every_escape_is_its_character() {
        let text = |json: &str| match parse(json).expect(json).value {
            Value::String(text) => text,
            other => panic!("{other:?}"),
        };
        let json = r#""\"\\\/\b\f\n\r\t""#;
        assert_eq!(text(json), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(text(r#""\u00fc\ud83d\ude00\uFFFD""#), "ü😀\u{fffd}");
    }

    #[test]
    fn numbers_are_those_of_json() {
        for number in ["0", "-1", "10.5", "1e5", "1E+5", "1e-5", "-0.25E-10"] {
            let node = parse(number).expect("a number");
            assert_eq!(node.value, Value::Number(number.into()), "{number}");
        }
        for none in ["01", "+1", "1.", ".5", "1e", "1e+-5", "1e-+5", "--1"] {
            assert!(parse(none).is_err(), "{none}");
        }
    }

    #[test]
    fn ten_thousand_levels_are_refused_and_not_a_stack_overflow() {
        assert_eq!(
            parse(&"[".repeat(10_000)),
            Err((32, Problem::Json("nested too deep")))
        );
        assert_eq!(
            parse(&"{\"a\":".repeat(10_000)),
            Err((160, Problem::Json("nested too deep")))
        );
    }

    fn same(node: &Node, other: &serde_json::Value) -> bool {
        match (&node.value, other) {
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
            (Value::Number(a), serde_json::Value::Number(_)) => {
                serde_json::from_str::<serde_json::Value>(a).ok().as_ref() == Some(other)
            }
            (Value::String(a), serde_json::Value::String(b)) => a == b,
            (Value::Array(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), serde_json::Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .all(|m| b.get(&m.name).is_some_and(|b| same(&m.node, b)))
            }
            _ => false,
        }
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
        #![proptest_config(same_every_time(2000))]

        /// serde_json is the judge: what it reads we read alike, what it refuses we refuse
        /// (apart from duplicates, numbers out of range and depth, which the generator cannot make).
        #[test]
        fn agrees_with_serde_json(text in r#"([\[\]{},:"]|"[a-z\\nu0-9\u{e9}]{0,6}"|-?[0-9.eE+]{1,4}|true|false|null| ){0,12}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (parse(&text), theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs), "{}", text),
                (Err((_, Problem::Duplicate(_))), _) | (Err(_), Err(_)) => {}
                (Ok(_), Err(error)) if error.to_string().contains("out of range") => {}
                (ours, theirs) => prop_assert!(false, "{text}: {ours:?} but {theirs:?}"),
            }
        }
    }
}
