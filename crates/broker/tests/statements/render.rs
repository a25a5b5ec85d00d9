//! What the broker sent, as words, and the comparison with what a row expects.

use thingwire_mqtt::{Ack, Packet, Properties, Version, split};

/// One line of words for each packet: its name, its codes, what identifies it, its flags, its properties.
pub(crate) fn render(version: Version, mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while !bytes.is_empty() {
        let (frame, len) = split(bytes, usize::MAX)
            .expect("the broker sends valid frames")
            .expect("the broker sends whole packets");
        // A CONNACK for a version that nobody knows is one of 3.1.1 (`B-1`).
        let packet = Packet::decode(version, &frame)
            .or_else(|_| Packet::decode(Version::V311, &frame))
            .expect("the broker sends valid packets");
        lines.push(line(&packet));
        bytes = &bytes[len..];
    }
    lines
}

fn line(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(ack) => format!(
            "CONNACK {:02X}{}{}",
            ack.reason_code.0,
            if ack.session_present { " present" } else { "" },
            words(&ack.properties)
        ),
        Packet::Publish(publish) => format!(
            "PUBLISH {} {} q{}{}{}{}{}",
            publish.topic,
            String::from_utf8_lossy(publish.payload),
            publish.qos.bits(),
            publish
                .packet_id
                .map_or(String::new(), |id| format!(" #{}", id.get())),
            if publish.retain { " retain" } else { "" },
            if publish.dup { " dup" } else { "" },
            words(&publish.properties)
        ),
        Packet::PubAck(ack) => acknowledgement("PUBACK", ack),
        Packet::PubRec(ack) => acknowledgement("PUBREC", ack),
        Packet::PubRel(ack) => acknowledgement("PUBREL", ack),
        Packet::PubComp(ack) => acknowledgement("PUBCOMP", ack),
        Packet::SubAck(ack) | Packet::UnsubAck(ack) => {
            let name = match packet {
                Packet::SubAck(_) => "SUBACK",
                _ => "UNSUBACK",
            };
            let codes: Vec<_> = ack
                .reason_codes
                .iter()
                .map(|code| format!(" {code:02X}"))
                .collect();
            let properties = words(&ack.properties);
            format!(
                "{name} #{}{}{properties}",
                ack.packet_id.get(),
                codes.concat()
            )
        }
        Packet::Disconnect(disconnect) => {
            let properties = words(&disconnect.properties);
            format!("DISCONNECT {:02X}{properties}", disconnect.reason_code.0)
        }
        other => format!("{:?}", other.packet_type()).to_uppercase(),
    }
}

fn acknowledgement(name: &str, ack: &Ack<'_>) -> String {
    let properties = words(&ack.properties);
    format!(
        "{name} #{} {:02X}{properties}",
        ack.packet_id.get(),
        ack.reason_code.0
    )
}

/// Each property is one word: `ReasonString("topic_name")`.
fn words(properties: &Properties<'_>) -> String {
    properties
        .iter()
        .map(|property| format!(" {}", format!("{property:?}").replace(' ', "_")))
        .collect()
}

/// Whether the packets are those of a row such as `PUBACK #1 00, PUBLISH t x !retain`: as many, in this order, each with
/// the words of the row in their order and none of those with `!`. A word may leave out what a property says.
pub(crate) fn fits(expected: &str, lines: &[String]) -> bool {
    let expected: Vec<_> = expected.split(", ").filter(|one| !one.is_empty()).collect();
    expected.len() == lines.len()
        && expected.iter().zip(lines).all(|(expected, line)| {
            let mut rest = line.split(' ');
            expected
                .split(' ')
                .all(|word| match word.strip_prefix('!') {
                    Some(absent) => !line.split(' ').any(|said| says(said, absent)),
                    None => rest.any(|said| says(said, word)),
                })
        })
}

fn says(said: &str, word: &str) -> bool {
    said.strip_prefix(word)
        .is_some_and(|rest| rest.is_empty() || (rest.starts_with('(') && !word.contains('(')))
}

#[test]
fn a_row_fits_what_has_its_words_in_their_order() {
    let lines = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let got = lines("PUBACK #1 00, PUBLISH t x q1 #1 retain ContentType(\"a\")");
    assert!(fits(
        "PUBACK #1 00, PUBLISH t x retain ContentType !dup",
        &got
    ));
    assert!(fits("PUBACK, PUBLISH ContentType(\"a\")", &got));
    for wrong in [
        "PUBACK",
        "PUBLISH, PUBACK",
        "PUBACK 00 #1, PUBLISH",
        "PUBACK, PUBLISH !retain",
        "PUBACK, PUBLISH ContentType(\"b\")",
    ] {
        assert!(!fits(wrong, &got), "{wrong}");
    }
    assert!(fits("", &[]));
}
