//! The device library on a chip: no_std, Mbed TLS, a network stack of its own, against `thingwire up`.
//!
//! What the chip says on its serial line is what a person with a board would read.

mod bad_server;
mod chains;
mod front;
mod time;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use thingwire_chip::{KitImage, MqttVersion, TlsVersions};
use thingwire_conformance::{
    Authority, Chip, ChipSettings, Cloud, Identity, Mosquitto, MosquittoSettings, Program, Relay,
    finish, http, kit_image, wait_until,
};
use thingwire_kit::{Existing, KitFiles, Manifest, PrivateKeyPem};

/// The policy of the seed, with its placeholders.
const SEED_POLICY: &str = include_str!("../scenarios/seed-policy.json");

/// Any single step; generous, because two cores run many tests and an emulator at once.
const STEP: Duration = Duration::from_secs(60);

/// What TLS may take of a board's heap at its peak, in bytes: 43 KiB.
const HEAP_BUDGET: usize = 43 * 1024;

/// A board's main stack.
const STACK_BUDGET: usize = 16 * 1024;

/// A cloud with the seed's device.
fn seed() -> (Cloud, std::path::PathBuf) {
    let cloud = Cloud::start();
    let kit = cloud.thing("esp32-demo", SEED_POLICY);
    (cloud, kit)
}

/// The operator, who hears messages from the chip.
fn listen(cloud: &Cloud) -> Program {
    let mut command = cloud.command();
    command.args(["sub", "-v", "-q", "1", "-t", "esp32/pub", "-C", "3"]);
    Program::start("thingwire sub", &mut command)
}

/// The operator sends a message to the chip.
fn send(cloud: &Cloud, message: &str) {
    let mut command = cloud.command();
    command.args(["pub", "-t", "esp32/sub", "-m", message]);
    let _ = finish(&mut command, STEP).success();
}

fn set_status(cloud: &Cloud, status: &str) {
    let ask = |method, path: &str| {
        let (code, body) = http(&cloud.ready, method, path, &[], "").expect("an answer");
        assert_eq!(code, 200, "{body}");
        body
    };
    let principals: Value =
        serde_json::from_str(&ask("GET", "/things/esp32-demo/principals")).expect("JSON");
    let arn = principals["principals"][0].as_str().expect("a principal");
    let (_, id) = arn.rsplit_once('/').expect("an ARN");
    let _ = ask("PUT", &format!("/certificates/{id}?newStatus={status}"));
}

/// The whole story: connects, sends, receives, loses the cloud, comes back, and stays within its memory.
fn story(mut settings: ChipSettings, version: &str) {
    let (mut cloud, kit) = seed();
    let relay = Relay::to(if settings.alpn {
        cloud.ready.alpn_port
    } else {
        cloud.ready.mqtt_port
    });
    settings.port = Some(relay.port);
    let Some(mut chip) = Chip::boot(&kit, settings) else {
        return;
    };
    let serial = chip.program();
    serial.wait_for_line(version, STEP);
    serial.wait_for_line("connected, session kept: false", STEP);

    // The chip publishes by itself, and the operator hears it.
    listen(&cloud).wait_for_line("esp32/pub t", STEP);
    // What the operator sends, the chip prints.
    send(&cloud, "hello chip");
    serial.wait_for_line("esp32/sub: hello chip", STEP);

    // kill -9, and the same cloud again. The session was kept: nothing is subscribed anew, and a message is heard.
    cloud.kill();
    serial.wait_for_line("next try in", STEP);
    cloud.start_again();
    relay.turn_to(if settings.alpn {
        cloud.ready.alpn_port
    } else {
        cloud.ready.mqtt_port
    });
    serial.wait_for_line("connected, session kept: true", STEP);
    send(&cloud, "hello again");
    serial.wait_for_line("esp32/sub: hello again", STEP);

    stays_within_its_memory(&chip, version);
}

fn stays_within_its_memory(chip: &Chip, version: &str) {
    let form = format!("{version}; heap for TLS # B, at its peak # B; deepest stack # B");
    let sizes = chip.numbers(&form);
    println!("{version}, P-256: {sizes:?}");
    assert!(sizes.len() >= 2, "two handshakes: {sizes:?}");
    for size in &sizes {
        let [used, peak, stack] = size[..] else {
            panic!("three numbers: {size:?}");
        };
        assert!(used <= peak && peak <= HEAP_BUDGET, "{peak} bytes of heap");
        assert!(stack <= STACK_BUDGET, "{stack} bytes of stack");
    }
    // A later connection finds the heap as the first one did: nothing leaks.
    assert_eq!(
        sizes.first().map(|size| size[0]),
        sizes.last().map(|size| size[0])
    );
}

#[test]
fn a_chip_talks_to_the_cloud_in_tls_1_3_and_mqtt_3_1_1() {
    story(ChipSettings::default(), "TLS 1.3");
}

#[test]
fn a_chip_talks_to_the_cloud_in_tls_1_2_and_mqtt_5() {
    let settings = ChipSettings {
        tls: TlsVersions::Only12,
        mqtt: MqttVersion::V5,
        ..ChipSettings::default()
    };
    story(settings, "TLS 1.2");
}

#[test]
fn a_chip_talks_to_the_cloud_with_alpn_a_6() {
    let settings = ChipSettings {
        alpn: true,
        ..ChipSettings::default()
    };
    story(settings, "TLS 1.3");
}

/// Boots with a kit that was spoiled and answers what the serial line says, up to the first `words`.
fn refuses(kit: &Path, settings: ChipSettings, words: &str) {
    let Some(mut chip) = Chip::boot(kit, settings) else {
        return;
    };
    chip.program().wait_for_line(words, STEP);
    // It goes on trying: the other side may be put right.
    chip.program().wait_for_line("next try in", STEP);
    let log = chip.program().log();
    assert!(!log.contains("connected, session"), "{log}");
}

#[test]
fn a_chip_refuses_a_server_that_no_root_of_its_kit_signed() {
    let (_cloud, kit) = seed();
    fs::write(
        kit.join("root-CA.pem"),
        Authority::new("another root").pem(),
    )
    .expect("a root");
    for tls in [TlsVersions::Only12, TlsVersions::Only13] {
        let settings = ChipSettings {
            tls,
            ..ChipSettings::default()
        };
        refuses(
            &kit,
            settings,
            "the server's certificate is not trusted (no root of the kit signed it); next try in",
        );
    }
}

#[test]
fn a_chip_refuses_a_server_of_another_name() {
    let (_cloud, kit) = seed();
    let file = kit.join("kit.json");
    let manifest = fs::read_to_string(&file).expect("a manifest");
    let other = manifest.replace("\"localhost\"", "\"another.example\"");
    assert_ne!(manifest, other);
    fs::write(file, other).expect("a manifest");
    refuses(
        &kit,
        ChipSettings::default(),
        "the server's certificate is not trusted (it is for another name than the kit's endpoint)",
    );
}

#[test]
fn a_chip_refuses_a_server_whose_certificate_has_expired() {
    let (_cloud, kit) = seed();
    let settings = ChipSettings {
        date: Some("2090-01-01T00:00:00"),
        ..ChipSettings::default()
    };
    refuses(
        &kit,
        settings,
        "the server's certificate is not trusted (it has expired)",
    );
}

#[test]
fn a_chip_says_so_when_its_own_certificate_is_not_active_a_28_a_30() {
    let (cloud, kit) = seed();
    set_status(&cloud, "INACTIVE");
    for (tls, detail) in [
        (TlsVersions::Only12, "(alert certificate_unknown)"),
        (TlsVersions::Only13, "(alert instead of a first answer)"),
    ] {
        let settings = ChipSettings {
            tls,
            ..ChipSettings::default()
        };
        let words = "the server refused this device's certificate: is it registered and ACTIVE?";
        refuses(&kit, settings, &format!("{words} {detail}; next try in"));
    }
}

#[test]
fn a_chip_is_disconnected_when_its_certificate_is_deactivated_and_comes_back_a_27() {
    let (cloud, kit) = seed();
    let Some(mut chip) = Chip::boot(&kit, ChipSettings::default()) else {
        return;
    };
    let serial = chip.program();
    serial.wait_for_line("connected, session kept: false", STEP);
    set_status(&cloud, "INACTIVE");
    serial.wait_for_line("is it registered and ACTIVE?", STEP);
    set_status(&cloud, "ACTIVE");
    serial.wait_for_line("connected, session kept: true", STEP);
}

/// A kit for mosquitto: its own roots, or those of somebody else.
fn mosquitto_kit(mosquitto: &Mosquitto, folder: &Path, roots: &Authority) {
    let identity = mosquitto.authority().client("esp32-abroad");
    mosquitto_kit_of(mosquitto, folder, roots, identity);
}

fn mosquitto_kit_of(mosquitto: &Mosquitto, folder: &Path, roots: &Authority, identity: Identity) {
    let (region, account) = ("us-east-1", "123456789012");
    let files = KitFiles {
        manifest: Manifest::new(
            "localhost",
            mosquitto.tls_port,
            "esp32-abroad",
            region,
            account,
        ),
        root_ca_pem: roots.pem().to_owned(),
        certificate_pem: identity.certificate,
        private_key_pem: PrivateKeyPem::new(identity.key),
    };
    files.write(folder, Existing::Keep).expect("a kit");
}

#[test]
fn a_chip_talks_to_mosquitto_in_both_versions() {
    for (mqtt, tls) in [
        (MqttVersion::V311, TlsVersions::Only13),
        (MqttVersion::V5, TlsVersions::Only12),
    ] {
        let Some(mosquitto) = Mosquitto::start(MosquittoSettings::default()) else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        mosquitto_kit(&mosquitto, folder.path(), mosquitto.authority());
        let settings = ChipSettings {
            mqtt,
            tls,
            ..ChipSettings::default()
        };
        let Some(mut chip) = Chip::boot(folder.path(), settings) else {
            return;
        };
        chip.program()
            .wait_for_line("connected, session kept", STEP);
        let port = mosquitto.port.to_string();
        let mut hear = Command::new("mosquitto_sub");
        hear.args(["-p", &port, "-q", "1", "-C", "2", "-t", "esp32/pub"]);
        let heard = finish(&mut hear, STEP).success();
        assert!(
            heard == "tick\ntock\n" || heard == "tock\ntick\n",
            "{heard}"
        );
        let mut say = Command::new("mosquitto_pub");
        say.args([
            "-p",
            &port,
            "-q",
            "1",
            "-t",
            "esp32/sub",
            "-m",
            "from abroad",
        ]);
        let _ = finish(&mut say, STEP).success();
        chip.program().wait_for_line("esp32/sub: from abroad", STEP);
    }
}

/// What TLS sends has 2 KB on a chip, and Mbed TLS does not cut the message with our certificate.
#[test]
fn the_longest_certificate_of_a_kit_reaches_the_server() {
    for tls in [TlsVersions::Only12, TlsVersions::Only13] {
        let Some(mosquitto) = Mosquitto::start(MosquittoSettings::default()) else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let authority = mosquitto.authority();
        // A name more is at most 30 bytes of PEM more.
        let long = (1..200)
            .map(|more| authority.client_of_many_names("esp32-abroad", more))
            .find(|long| long.certificate.len() > 2_600 - 30)
            .expect("a long certificate");
        assert!(
            long.certificate.len() <= 2_600,
            "{}",
            long.certificate.len()
        );
        mosquitto_kit_of(&mosquitto, folder.path(), authority, long);
        let settings = ChipSettings {
            tls,
            ..ChipSettings::default()
        };
        let Some(mut chip) = Chip::boot(folder.path(), settings) else {
            return;
        };
        chip.program()
            .wait_for_line("connected, session kept", STEP);
    }
}

#[test]
fn a_server_that_is_refused_hears_why() {
    for tls in [TlsVersions::Only12, TlsVersions::Only13] {
        let Some(mut mosquitto) = Mosquitto::start(MosquittoSettings::default()) else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        mosquitto_kit(&mosquitto, folder.path(), &Authority::new("another root"));
        let settings = ChipSettings {
            tls,
            ..ChipSettings::default()
        };
        let Some(mut chip) = Chip::boot(folder.path(), settings) else {
            return;
        };
        chip.program()
            .wait_for_line("no root of the kit signed it", STEP);
        mosquitto.program().wait_for_line("alert unknown ca", STEP);
    }
}

#[test]
fn a_chip_says_when_what_answers_does_not_speak_tls() {
    let Some(mosquitto) = Mosquitto::start(MosquittoSettings::default()) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    mosquitto_kit(&mosquitto, folder.path(), mosquitto.authority());
    let web = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let settings = ChipSettings {
        port: Some(web.local_addr().expect("an address").port()),
        ..ChipSettings::default()
    };
    let Some(mut chip) = Chip::boot(folder.path(), settings) else {
        return;
    };
    let (mut peer, _) = web.accept().expect("the chip");
    peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .expect("written");
    chip.program().wait_for_line(
        "TLS failed (what answers on this port does not speak TLS)",
        STEP,
    );
    // Nobody there at all.
    drop((peer, web));
    chip.program()
        .wait_for_line("nobody answers at the endpoint", STEP);
}

#[test]
fn a_chip_without_a_network_says_so_and_goes_on_trying() {
    let (_cloud, kit) = seed();
    let settings = ChipSettings {
        no_network: true,
        ..ChipSettings::default()
    };
    let words = "no network (the network has given no address); next try in";
    refuses(&kit, settings, words);
}

/// A chip that cannot start says why and ends, with nothing sent.
fn does_not_start(image: &[u8], settings: ChipSettings, words: &str) {
    let Some(mut chip) = Chip::boot_image(image, settings) else {
        return;
    };
    chip.program().wait_for_line(words, STEP);
    assert!(wait_until(STEP, || chip.program().ended().is_some()));
    let log = chip.program().log();
    assert!(!log.contains("connecting"), "{log}");
}

#[test]
fn a_chip_without_a_time_connects_to_nothing() {
    let (_cloud, kit) = seed();
    let settings = ChipSettings {
        date: Some("2020-01-01T00:00:00"),
        ..ChipSettings::default()
    };
    does_not_start(
        &kit_image(&kit, settings),
        settings,
        "certificates cannot be checked, so nothing is connected",
    );
}

#[test]
fn a_chip_names_what_is_wrong_with_its_kit_image() {
    let (_cloud, kit) = seed();
    let settings = ChipSettings::default();
    let good = kit_image(&kit, settings);
    let mut damaged = good.clone();
    damaged[200] ^= 1;
    let mut newer = good.clone();
    newer[8] = 2;
    // The command would not write such a key; somebody else may.
    let mut other = KitImage::read(&good).expect("a good image");
    other.private_key = c"-----BEGIN NONSENSE-----\n";
    let mut wrong_key = vec![0; KitImage::MAX_LEN];
    let _ = other.write(&mut wrong_key).expect("a good image");
    for (image, words) in [
        (&[0; 64][..], "there is no kit image"),
        (&damaged, "the kit image is damaged: write it again"),
        (
            &newer,
            "the kit image has version 2, newer than this firmware",
        ),
        (
            &wrong_key,
            "the connection kit cannot be used (the private key cannot be read",
        ),
    ] {
        does_not_start(image, settings, words);
    }
}
