//! Packets as text: hexadecimal, with lengths counted by the machine.
//!
//! - `82: …`: a first byte and, counted, the remaining length of what follows;
//! - `82 03 …`: the same with a length that the row chooses, which may be wrong;
//! - `'abc'`: text with its two bytes of length; `"abc"`: the same without; `[26 'k' 'v']`: bytes with a variable byte integer
//!   of their length, as MQTT 5 wants it of properties;
//! - `61*300`: a byte, so many times; `'a'*300`: text of so many characters, with its length;
//! - `|`: the next packet.

/// The bytes that a text means.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.split('|').flat_map(packet).collect()
}

fn packet(text: &str) -> Vec<u8> {
    let text = text.trim();
    match text.split_once(':').filter(|(first, _)| first.len() == 2) {
        Some((first, rest)) => {
            let body = parts(&mut rest.chars());
            let mut packet = vec![byte(first)];
            packet.extend(variable(body.len()));
            packet.extend(body);
            packet
        }
        None => parts(&mut text.chars()),
    }
}

/// Everything to the end, or to a closing bracket.
fn parts(text: &mut std::str::Chars<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let rest = text.as_str();
        let part = match text.next() {
            None | Some(']') => return out,
            Some(' ') => continue,
            Some('[') => {
                let inside = parts(text);
                [variable(inside.len()), inside].concat()
            }
            Some(quote @ ('\'' | '"')) => {
                let len = rest[1..].find(quote).expect("a quote that ends");
                let content = &rest.as_bytes()[1..=len];
                *text = rest[len + 2..].chars();
                let content = content.repeat(times(text));
                match quote {
                    '"' => content,
                    _ => [&prefix(content.len())[..], &content].concat(),
                }
            }
            Some(_) => {
                let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
                assert!(digits > 0 && digits % 2 == 0, "`{rest}`: pairs of digits");
                *text = rest[digits..].chars();
                let pairs = (0..digits).step_by(2).map(|at| byte(&rest[at..at + 2]));
                pairs.collect::<Vec<_>>().repeat(times(text))
            }
        };
        out.extend(part);
    }
}

/// `*300` behind something.
fn times(text: &mut std::str::Chars<'_>) -> usize {
    let Some(rest) = text.as_str().strip_prefix('*') else {
        return 1;
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    *text = rest[digits..].chars();
    rest[..digits].parse().expect("a number behind `*`")
}

fn prefix(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("at most 65,535").to_be_bytes()
}

fn byte(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("`{digits}` is not a byte"))
}

fn variable(mut len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(len % 128).expect("below 128");
        len /= 128;
        if len == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

#[test]
fn text_means_the_bytes_that_the_standard_shows() {
    assert_eq!(bytes("C0:"), [0xC0, 0]);
    assert_eq!(bytes("30: 'a/b' \"x\""), *b"\x30\x06\x00\x03a/bx");
    assert_eq!(
        bytes("82: 0001 [0B01] 'a' 00"),
        *b"\x82\x09\x00\x01\x02\x0B\x01\x00\x01a\x00"
    );
    assert_eq!(bytes("C0: | E0 01 00"), [0xC0, 0, 0xE0, 1, 0]);
    assert_eq!(bytes("30: 'a' 61*200")[..5], [0x30, 0xCB, 0x01, 0, 1]);
}
