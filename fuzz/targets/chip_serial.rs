//! Any bytes on a board's serial line: Improv's packets are found in them, the rest is typed at the console, as
//! `firmware/esp/src/commands.rs` joins the two.
//!
//! Nothing may panic. While a password is asked for nothing that is typed is echoed; a packet is a request only with the
//! right checksum; what is echoed or named was typed before, in this order, and what is stored keeps the limits of Wi-Fi.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thingwire_chip::WifiNetwork;
use thingwire_chip::console::{Command, Console, LINE, Typed};
use thingwire_chip::improv::{Packet, Received, Receiver, Request};

/// What a terminal shows for Ctrl-C, and for a letter that is taken back.
const CONTROL: [&[u8]; 2] = [b"\r\n", b"\x08 \x08"];

fuzz_target!(|bytes: &[u8]| {
    let mut receiver = Receiver::new();
    let mut console = Console::new();
    let mut asked = false;
    for (at, byte) in bytes.iter().enumerate() {
        // The gap between two packets, which the firmware sees by its clock.
        if *byte == 0xFF {
            receiver.reset();
        }
        match receiver.push(*byte) {
            Received::Nothing => {}
            Received::Text(text) => {
                assert!(bytes[..=at].ends_with(text), "text is what came last");
                for byte in text {
                    typed(&mut console, *byte, &mut asked);
                }
            }
            Received::Request(request) => {
                let sum = bytes[..at].iter().rev();
                let packet = len_of(request).map(|len| {
                    sum.take(len)
                        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
                });
                assert!(
                    packet.is_none_or(|sum| sum == *byte),
                    "a checksum that is right"
                );
                if let Request::WifiSettings { ssid, password } = request {
                    stored(ssid, password);
                }
            }
            Received::Refused(error) => assert!(!Packet::error(error).bytes().is_empty()),
        }
    }
});

/// Bytes before the checksum of a packet with this request; `None` where the packet may say more than it must.
fn len_of(request: Request<'_>) -> Option<usize> {
    match request {
        Request::WifiSettings { ssid, password } => Some(11 + 2 + ssid.len() + password.len()),
        Request::State | Request::DeviceInfo | Request::ScannedNetworks => None,
    }
}

/// One byte for the console; `asked` is whether the line that is typed is a password.
fn typed(console: &mut Console, byte: u8, asked: &mut bool) {
    let secret = match console.push(byte) {
        Typed::Nothing => false,
        Typed::Echo(echo) if *asked => {
            assert_eq!(echo, CONTROL[0], "a password is never echoed");
            *asked = false;
            false
        }
        Typed::Echo(echo) => {
            assert!(echo == [byte] || CONTROL.contains(&echo));
            false
        }
        Typed::Command(command) => {
            let is_secret = matches!(command, Command::WifiSet { .. });
            let was_asked =
                core::mem::replace(asked, matches!(command, Command::WifiPassword { .. }));
            match command {
                Command::WifiSet { ssid, password } => {
                    assert!(was_asked, "only a line that was asked for is a password");
                    stored(ssid, password);
                }
                // Said aloud.
                Command::Unknown(words)
                | Command::WifiPassword { ssid: words }
                | Command::WifiForget { ssid: words } => {
                    assert!(
                        !was_asked && words.len() <= LINE,
                        "a password is never shown"
                    );
                }
                _ => {}
            }
            is_secret
        }
    };
    if secret {
        console.clear();
    }
}

/// What is taken for storing keeps to the limits of Wi-Fi.
fn stored(ssid: &str, password: &str) {
    if let Ok(network) = WifiNetwork::new(ssid, (!password.is_empty()).then_some(password)) {
        assert!((1..=32).contains(&network.ssid().len()));
        let secret = network.secret().text();
        assert!(secret.is_none_or(|secret| (8..=64).contains(&secret.len())));
    }
}
