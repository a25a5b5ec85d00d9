//! Makes three MQTT engines do the same COUNT times, for callgrind to count their instructions.
//!
//! `engine thingwire3|thingwire5|minimq|rumqttc publish|receive COUNT`: publish hands over a message of 128 bytes with QoS 0 and takes the
//! bytes for the socket; receive is given the bytes of such a PUBLISH and looks at the payload. State machine and codec
//! only: no socket, no TLS. Two runs with different counts tell the cost of one.

mod minimq;
mod rumqttc;
mod thingwire;

/// What is published and received.
const TOPIC: &str = "esp32/pub/temperature";
const PAYLOAD: [u8; 128] = [b'x'; 128];

/// The PUBLISH as a server sends it: MQTT 5 has a length of properties that 3.1.1 has not.
fn packet(is_v5: bool) -> Vec<u8> {
    let properties: &[u8] = if is_v5 { &[0] } else { &[] };
    let remaining = 2 + TOPIC.len() + properties.len() + PAYLOAD.len();
    let mut packet = vec![0x30, remaining as u8 | 0x80, (remaining >> 7) as u8, 0, TOPIC.len() as u8];
    packet.extend_from_slice(TOPIC.as_bytes());
    packet.extend_from_slice(properties);
    packet.extend_from_slice(&PAYLOAD);
    packet
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let count = words.get(2).and_then(|count| count.parse().ok()).unwrap_or(1_u32);
    let sum = match words.as_slice() {
        ["thingwire5", "publish", ..] => thingwire::publish(true, count),
        ["thingwire5", "receive", ..] => thingwire::receive(true, count),
        ["thingwire3", "publish", ..] => thingwire::publish(false, count),
        ["thingwire3", "receive", ..] => thingwire::receive(false, count),
        ["minimq", "publish", ..] => minimq::run(true, count),
        ["minimq", "receive", ..] => minimq::run(false, count),
        ["rumqttc", "publish", ..] => rumqttc::publish(count),
        ["rumqttc", "receive", ..] => rumqttc::receive(count),
        _ => panic!("engine thingwire3|thingwire5|minimq|rumqttc publish|receive COUNT"),
    };
    // Says that every message went through, and keeps the optimiser from leaving the work out.
    println!("{sum} bytes");
}
