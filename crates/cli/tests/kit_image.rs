//! `thingwire kit image` and `kit inspect`: what is written, what is refused with its limit, and that no secret shows.

#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use common::{Finished, read, thingwire};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use thingwire_kit::{Existing, KitFiles, Manifest, PrivateKeyPem};

const PASSWORD: &str = "correct horse battery";
const PSK: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

/// A kit that nobody issued, with a key of this kind and an endpoint of this name.
fn kit(folder: &Path, algorithm: &'static rcgen::SignatureAlgorithm, endpoint: &str) -> PathBuf {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let dir = folder.join("kit");
    let files = KitFiles {
        manifest: Manifest::new(endpoint, 8883, "esp32-kitchen", "us-east-1", "123456789012"),
        root_ca_pem: certificate.clone(),
        certificate_pem: certificate,
        private_key_pem: PrivateKeyPem::new(key.serialize_pem()),
    };
    files.write(&dir, Existing::Replace).unwrap();
    dir
}

fn good_kit() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    kit(folder.path(), &PKCS_ECDSA_P256_SHA256, "localhost");
    folder
}

/// `kit image` into `kit.bin`, from inside the folder.
fn image(folder: &Path, args: &[&str]) -> Finished {
    let mut command = thingwire();
    command
        .current_dir(folder)
        .args(["kit", "image", "--kit", "kit", "-o", "kit.bin"])
        .args(args)
        .env("HOME_PASSWORD", PASSWORD)
        .env("LONG_PASSWORD", "p".repeat(65))
        .env("NOT_HEX", "g".repeat(64))
        .stdin(std::process::Stdio::null());
    command.output().unwrap().into()
}

fn inspect(folder: &Path, args: &[&str]) -> Finished {
    let mut command = thingwire();
    command
        .current_dir(folder)
        .args(["kit", "inspect", "kit.bin"]);
    command.args(args).output().unwrap().into()
}

#[test]
fn an_image_is_written_for_its_owner_and_shown_without_secrets() {
    let folder = good_kit();
    std::fs::write(folder.path().join("lab.txt"), format!("{PSK}\r\n")).unwrap();
    std::fs::write(
        folder.path().join("kit.bin"),
        "of an earlier time, for all to read",
    )
    .unwrap();
    let made = image(
        folder.path(),
        &[
            "--wifi",
            "Home",
            "--wifi-password-env",
            "HOME_PASSWORD",
            "--wifi-open",
            "Guests",
            "--wifi",
            "lab",
            "--wifi-password-file",
            "lab.txt",
            "--time-server",
            "192.168.1.20:4123",
            "--mqtt",
            "5",
            "--tls",
            "1.2",
        ],
    );
    let made = made.expect(0, &["client id `esp32-kitchen`", "3 Wi-Fi networks"]);
    let file = folder.path().join("kit.bin");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let shown = inspect(folder.path(), &[]).expect(0, &[]);
    let json = inspect(folder.path(), &["--json"]).expect(0, &[]);
    let value = json.json();
    assert_eq!(value["endpoint"], "localhost");
    assert_eq!(
        (&value["mqtt"], &value["tls"]),
        (&"5".into(), &"1.2".into())
    );
    assert_eq!(
        value["wifi"][0],
        serde_json::json!({"ssid": "Home", "secret": "password"})
    );
    assert_eq!(
        value["wifi"][1],
        serde_json::json!({"ssid": "Guests", "secret": "open"})
    );
    assert_eq!(
        value["wifi"][2],
        serde_json::json!({"ssid": "lab", "secret": "key"})
    );
    assert_eq!(
        value["time_servers"],
        serde_json::json!(["192.168.1.20:4123"])
    );
    assert_eq!(value["bytes"], std::fs::metadata(&file).unwrap().len());
    assert!(shown.stdout.contains("Home (password)"), "{shown:?}");

    let key = read(folder.path().join("kit/private.key"));
    let secrets = key
        .lines()
        .filter(|line| !line.starts_with("---"))
        .chain([PASSWORD, PSK]);
    for secret in secrets {
        for said in [&made, &shown, &json] {
            let text = format!("{}{}", said.stdout, said.stderr);
            assert!(!text.contains(secret), "{text}");
        }
    }
    // And all of it is in the image.
    let image = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    assert!(image.contains(PASSWORD) && image.contains(PSK));
    assert!(key.lines().all(|line| image.contains(line)));
}

#[test]
fn without_flags_it_has_the_kits_time_servers_and_no_network() {
    let folder = good_kit();
    image(folder.path(), &[]).expect(0, &["no Wi-Fi network: set one on the board"]);
    let shown = inspect(folder.path(), &["--json"]).expect(0, &[]).json();
    assert_eq!(shown["wifi"], serde_json::json!([]));
    assert_eq!(shown["time_servers"][0], "time.aws.com:123");
}

#[test]
fn without_a_terminal_passwords_are_lines_of_stdin() {
    use std::io::Write as _;

    let folder = good_kit();
    let mut command = thingwire();
    command
        .current_dir(folder.path())
        .args([
            "kit", "image", "--kit", "kit", "-o", "kit.bin", "--wifi", "Home", "--wifi", "Guests",
        ])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(format!("{PASSWORD}\r\n\n").as_bytes())
        .unwrap();
    drop(stdin);
    let made: Finished = child.wait_with_output().unwrap().into();
    let made = made.expect(
        0,
        &["`Guests` is taken for an open network", "2 Wi-Fi networks"],
    );
    assert!(!made.stderr.contains(PASSWORD), "{made:?}");
    let shown = inspect(folder.path(), &["--json"]).expect(0, &[]).json();
    assert_eq!(shown["wifi"][0]["secret"], "password");
    assert_eq!(shown["wifi"][1]["secret"], "open");
}

#[test]
fn what_no_network_can_have_is_refused_with_the_limit() {
    let folder = good_kit();
    let long = "n".repeat(33);
    let env = "--wifi-password-env";
    for (args, words) in [
        (
            &["--wifi", &long, env, "HOME_PASSWORD"][..],
            &["1 to 32 bytes", "has 33 bytes"][..],
        ),
        (&["--wifi-open", ""], &["1 to 32 bytes", "has 0 bytes"]),
        (
            &["--wifi", "n", env, "LONG_PASSWORD"],
            &["8 to 63 bytes", "has 65 bytes"],
        ),
        (
            &["--wifi", "n", env, "NOT_HEX"],
            &["64 hexadecimal digits", "has 64 bytes"],
        ),
        (
            &["--wifi", "n", env, "NOBODY_SET_THIS"],
            &["`NOBODY_SET_THIS` is not set"],
        ),
        (
            &["--wifi", "n", "--wifi-password-file", "none.txt"],
            &["`none.txt` cannot be used"],
        ),
        (
            &["--wifi", "n"],
            &["nobody to ask", "--wifi-password-file FILE"],
        ),
        (&[env, "HOME_PASSWORD"], &["belongs to a --wifi before it"]),
        (
            &["--time-server", "ntp://x"],
            &["is no time server", "pool.ntp.org"],
        ),
        (&["--mqtt-port", "0"], &["--mqtt-port"]),
    ] {
        let refused = image(folder.path(), args).expect(2, words);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(
            !said.contains(&"p".repeat(9)) && !said.contains(&"g".repeat(9)),
            "{said}"
        );
        assert!(!folder.path().join("kit.bin").exists(), "{args:?}");
    }
    let nine = ["--wifi-open", "n"].repeat(9);
    image(folder.path(), &nine).expect(2, &["9 Wi-Fi networks", "8 at most"]);
}

#[test]
fn a_kit_that_fits_no_board_is_refused_with_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    kit(folder.path(), &PKCS_ECDSA_P256_SHA256, &"e".repeat(300));
    image(folder.path(), &[]).expect(6, &["the endpoint must be a host name of 1 to 253 bytes"]);
    kit(folder.path(), &PKCS_ECDSA_P384_SHA384, "localhost");
    image(folder.path(), &[]).expect(6, &["private key is P-384", "must be P-256"]);
    let dir = kit(folder.path(), &PKCS_ECDSA_P256_SHA256, "localhost");
    let root = read(dir.join("root-CA.pem"));
    std::fs::write(dir.join("root-CA.pem"), root.repeat(60)).unwrap();
    image(folder.path(), &[]).expect(6, &["an image has at most 16384"]);
    std::fs::remove_file(dir.join("private.key")).unwrap();
    image(folder.path(), &[]).expect(6, &["private.key"]);
    assert!(!folder.path().join("kit.bin").exists());
}

#[test]
fn a_file_that_is_no_image_is_named() {
    let folder = good_kit();
    inspect(folder.path(), &[]).expect(2, &["cannot read `kit.bin`"]);
    image(folder.path(), &[]).expect(0, &[]);
    let file = folder.path().join("kit.bin");
    let good = std::fs::read(&file).unwrap();
    let mut damaged = good.clone();
    damaged[100] ^= 1;
    let mut newer = good.clone();
    newer[8] = 9;
    for (bytes, words) in [
        (&b"something else"[..], "there is no kit image"),
        (&damaged, "damaged"),
        (&newer, "version 9, newer"),
        (&good[..good.len() - 1], "damaged"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        inspect(folder.path(), &[]).expect(6, &[words]);
    }
    // What follows an image, as in a dump of a partition, does no harm.
    let mut longer = good;
    longer.resize(0x6000, 0xFF);
    std::fs::write(&file, longer).unwrap();
    inspect(folder.path(), &[]).expect(0, &[]);
}
