//! Lines as a person types them, and what is echoed.

extern crate std;

use std::string::{String, ToString as _};
use std::vec::Vec;

use super::*;

/// What was echoed, and the commands in words.
fn type_in(console: &mut Console, bytes: &[u8]) -> (String, Vec<String>) {
    let (mut echo, mut commands) = (Vec::new(), Vec::new());
    for byte in bytes {
        match console.push(*byte) {
            Typed::Nothing => {}
            Typed::Echo(bytes) => echo.extend_from_slice(bytes),
            Typed::Command(command) => commands.push(words(command)),
        }
    }
    (String::from_utf8_lossy(&echo).into_owned(), commands)
}

fn words(command: Command<'_>) -> String {
    match command {
        Command::Nothing => "nothing".to_string(),
        Command::Help => "help".to_string(),
        Command::Status => "status".to_string(),
        Command::TimeForget => "time".to_string(),
        Command::WifiScan => "scan".to_string(),
        Command::WifiList => "list".to_string(),
        Command::WifiPassword { ssid } => std::format!("password for [{ssid}]"),
        Command::WifiSet { ssid, password } => std::format!("set [{ssid}] [{password}]"),
        Command::WifiForget { ssid } => std::format!("forget [{ssid}]"),
        Command::Restart => "restart".to_string(),
        Command::Unreadable => "unreadable".to_string(),
        Command::Unknown(line) => std::format!("unknown [{line}]"),
    }
}

fn commands(bytes: &[u8]) -> Vec<String> {
    type_in(&mut Console::new(), bytes).1
}

#[test]
fn commands_are_lines_with_any_end() {
    assert_eq!(
        commands(b"help\r\nstatus\nwifi\rwifi scan\r\n?\n\ntime forget\nrestart\n"),
        [
            "help", "status", "list", "scan", "help", "nothing", "time", "restart"
        ]
    );
}

#[test]
fn a_password_is_asked_for_and_not_echoed() {
    let mut console = Console::new();
    let (echo, done) = type_in(&mut console, b"wifi set my home\r\n");
    assert_eq!(echo, "wifi set my home");
    assert_eq!(done, ["password for [my home]"]);
    let (echo, done) = type_in(&mut console, b"secretx\x7f 12\r\n");
    assert_eq!(echo, "");
    assert_eq!(done, ["set [my home] [secret 12]"]);
    console.clear();
    assert!(console.line.iter().all(|byte| *byte == 0));
    assert_eq!(type_in(&mut console, b"status\n").1, ["status"]);
}

#[test]
fn an_open_network_has_no_password() {
    assert_eq!(
        commands(b"wifi set cafe\n\n"),
        ["password for [cafe]", "set [cafe] []"]
    );
}

#[test]
fn the_question_for_a_password_can_be_left() {
    assert_eq!(
        commands(b"wifi set home\nsecr\x03status\n"),
        ["password for [home]", "status"]
    );
}

#[test]
fn letters_are_taken_back_one_by_one_whatever_their_bytes() {
    let mut console = Console::new();
    let (echo, done) = type_in(&mut console, "wifi forget caf\u{e9}\x08e\n".as_bytes());
    assert_eq!(done, ["forget [cafe]"]);
    assert!(echo.ends_with("\x08 \x08e"));
    assert_eq!(type_in(&mut console, b"\x7f\x7fstatus\n").1, ["status"]);
}

#[test]
fn what_cannot_be_understood_is_said() {
    assert_eq!(commands(b"make coffee\n"), ["unknown [make coffee]"]);
    assert_eq!(commands(b"wifi set\n"), ["unknown [wifi set]"]);
    assert_eq!(commands(b"wifi set  \n"), ["unknown [wifi set]"]);
    assert_eq!(commands(b"wifi setter\n"), ["unknown [wifi setter]"]);
    assert_eq!(commands(b"\xff\xfe\n"), ["unreadable"]);
    let mut long = std::vec![b'x'; LINE + 1];
    long.extend(b"\nstatus\n");
    assert_eq!(commands(&long), ["unreadable", "status"]);
}

#[test]
fn a_password_that_is_too_long_is_refused_and_not_cut() {
    let mut bytes = b"wifi set home\n".to_vec();
    bytes.extend([b'p'; LINE + 1]);
    bytes.push(b'\n');
    assert_eq!(commands(&bytes), ["password for [home]", "unreadable"]);
}

#[test]
fn neither_shows_a_password() {
    let mut console = Console::new();
    type_in(&mut console, b"wifi set home\nsecret");
    assert!(!std::format!("{console:?}").contains("secret"));
}

#[test]
fn any_bytes_are_taken() {
    let mut console = Console::new();
    let mut chance = 1_u32;
    for _ in 0..200_000 {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        console.push(chance as u8);
    }
}

/// Whatever is typed around it: from the question for a password to the end of that line nothing comes back but the end of a
/// line, and no command shows what was typed.
#[test]
fn a_password_is_never_echoed_whatever_is_typed() {
    const PIECES: [&[u8]; 9] = [
        b"wifi set home\n",
        b"wifi set ",
        b"wifi forget ",
        b"\n",
        b"\r\n",
        b"\x03",
        b"\x08\x7f",
        b"secret-word",
        b"\xc3\xa4",
    ];
    let mut chance = 1_u32;
    let mut asked = false;
    let (mut passwords, mut echoed) = (0, 0);
    let mut console = Console::new();
    for _ in 0..100_000 {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        let any = [chance as u8];
        let piece = PIECES.get((chance >> 8) as usize % 12);
        for byte in piece.copied().unwrap_or(&any) {
            match console.push(*byte) {
                Typed::Nothing => {}
                Typed::Echo(echo) if asked => {
                    assert_eq!(echo, b"\r\n", "Ctrl-C, which ends the question");
                    asked = false;
                }
                Typed::Echo(_) => echoed += 1,
                Typed::Command(command) => {
                    let was_asked = core::mem::replace(
                        &mut asked,
                        matches!(command, Command::WifiPassword { .. }),
                    );
                    match command {
                        Command::WifiSet { .. } => {
                            assert!(was_asked);
                            passwords += 1;
                        }
                        Command::Unreadable => {}
                        _ => assert!(!was_asked, "{}", words(command)),
                    }
                }
            }
        }
    }
    assert!(passwords > 1_000 && echoed > 10_000, "{passwords} {echoed}");
}
