//! Private keys stay in files of mode 0600: no log, no output, no error holds any part of one.

#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Cloud, read};

/// A message whose text is nowhere else.
const PAYLOAD: &str = "b7-the-words-of-a-payload-2f";

#[test]
fn no_key_and_no_payload_is_logged_at_any_level() {
    let cloud = Cloud::start_with(&["--log-format", "json"], &[("RUST_LOG", "trace")]);
    std::fs::write(cloud.path("policy.json"), common::POLICY).unwrap();
    let mut said = String::new();
    for args in [
        &[
            "thing",
            "create",
            "lamp",
            "--policy",
            "policy.json",
            "--kit",
            "lamp",
            "--json",
        ][..],
        &["kit", "check", "lamp"],
        &["pub", "-t", "esp32/pub", "-m", PAYLOAD, "--kit", "lamp"],
        &["pub", "-t", "esp32/other", "-m", PAYLOAD, "--kit", "lamp"],
        &["pub", "-t", "kept", "-m", PAYLOAD, "-r"],
        &["sub", "-t", "kept", "-C", "1"],
        &["device", "run", "--kit", "lamp", "--count", "1"],
        &["thing", "delete", "lamp", "--force"],
    ] {
        let output = cloud
            .command(args)
            .env("RUST_LOG", "trace")
            .output()
            .unwrap();
        // What was subscribed to is the answer, and is to be there.
        if args[0] != "sub" {
            said.push_str(&String::from_utf8_lossy(&output.stdout));
        }
        said.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    let operator = Path::new(cloud.ready["operator_kit"].as_str().unwrap()).join("private.key");
    let secret = read(cloud.ready["credentials_file"].as_str().unwrap());
    let secret = secret.rsplit(" = ").next().unwrap().trim().to_owned();
    assert_eq!(secret.len(), 40);
    let keys = [read(cloud.path("lamp/private.key")), read(operator)];
    let (_, log, _folder) = cloud.stop();
    assert!(
        log.len() > 1000 && said.len() > 1000,
        "there is something to look through"
    );
    said.push_str(&log);

    assert!(!said.contains(PAYLOAD), "a payload as text");
    let hex: String = PAYLOAD.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!said.to_lowercase().contains(&hex), "a payload in hex");
    let decimal = format!("{:?}", PAYLOAD.as_bytes());
    assert!(
        !said.contains(decimal.trim_matches(['[', ']'])),
        "a payload as bytes"
    );
    assert!(!said.contains(&secret), "the secret of an access key");
    assert!(!said.contains("X-Amz-Signature"), "a signed URL");
    assert!(!said.contains("PRIVATE KEY"), "the frame of a key");
    for key in keys {
        let lines: Vec<&str> = key
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        // Any line of the base 64 after the first, which only names the algorithm.
        for line in lines.iter().skip(1) {
            assert!(!said.contains(line), "base 64 of a key");
        }
        let bytes = secret_scalar(&lines.concat());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimal = format!("{bytes:?}");
        let decimal = decimal.trim_matches(['[', ']']);
        assert!(!said.to_lowercase().contains(&hex), "hexadecimal of a key");
        assert!(!said.contains(decimal), "debug output of a key");
    }
}

#[test]
fn everything_that_holds_a_key_is_its_owners() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    let mut pending = vec![cloud.folder.path().to_owned()];
    let mut looked_at = 0;
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            let holds_a_key = content.windows(12).any(|window| window == b"PRIVATE KEY-");
            if holds_a_key {
                looked_at += 1;
                let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", path.display());
            }
        }
    }
    assert!(
        looked_at >= 3,
        "the device's key, the operator's, the authorities': {looked_at}"
    );
}

/// The 32 secret bytes of a P-256 key in PKCS #8: what follows the OCTET STRING header `04 20`.
fn secret_scalar(base64: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut bits = 0_u32;
    let mut count = 0;
    for letter in base64.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    let at = bytes
        .windows(2)
        .position(|window| window == [0x04, 0x20])
        .expect("a P-256 key");
    bytes[at + 2..at + 34].to_vec()
}
