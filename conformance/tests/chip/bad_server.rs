//! Servers that are not what they should be, and networks that come and go.

use std::process::Command;

use thingwire_chip::{MqttVersion, TlsVersions};
use thingwire_conformance::{Authority, Chip, ChipSettings, Mosquitto, MosquittoSettings, Program};
use thingwire_conformance::{finish, wait_until};
use thingwire_kit::{Existing, KitFiles, Manifest, PrivateKeyPem};

use crate::chains::{self, Shown, Signer};
use crate::front::{Front, Order};
use crate::{HEAP_BUDGET, STACK_BUDGET, STEP};

/// A chip, the server it talks to, and the broker behind that.
struct World {
    chip: Chip,
    front: Front,
    mosquitto: Mosquitto,
    signer: Signer,
    _folder: tempfile::TempDir,
}

impl World {
    /// Boots the chip against a server that shows what `shown` makes; `None` when a foreign program is missing.
    fn start(mut settings: ChipSettings, shown: impl FnOnce(&Signer) -> Shown) -> Option<Self> {
        let mosquitto = Mosquitto::start(MosquittoSettings::default())?;
        let signer = Signer::new();
        let front = Front::of(mosquitto.port, &shown(&signer));
        let folder = tempfile::tempdir().expect("a folder");
        let identity = Authority::new("the devices' root").client("esp32-abroad");
        let files = KitFiles {
            manifest: Manifest::new(
                "localhost",
                8883,
                "esp32-abroad",
                "us-east-1",
                "123456789012",
            ),
            root_ca_pem: signer.root_pem.clone(),
            certificate_pem: identity.certificate,
            private_key_pem: PrivateKeyPem::new(identity.key),
        };
        files.write(folder.path(), Existing::Keep).expect("a kit");
        settings.port = Some(front.port);
        Some(Self {
            chip: Chip::boot(folder.path(), settings)?,
            front,
            mosquitto,
            signer,
            _folder: folder,
        })
    }

    fn says(&mut self, words: &str) {
        self.chip.program().wait_for_line(words, STEP);
    }

    /// Waits for a message of the chip, which speaks once its subscription is acknowledged: before that, nothing that is
    /// sent to it would reach it.
    fn listens(&self) {
        let port = self.mosquitto.port.to_string();
        let mut command = Command::new("mosquitto_sub");
        command.args(["-p", &port, "-t", "esp32/pub", "-C", "1"]);
        let _ = finish(&mut command, STEP).success();
    }

    /// Sends the chip a message.
    fn send(&self, message: &str) {
        let port = self.mosquitto.port.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-p", &port, "-q", "1", "-t", "esp32/sub", "-m", message]);
        let _ = finish(&mut command, STEP).success();
    }

    /// The chip connects, hears a message, and has stayed within its memory.
    fn works(&mut self, message: &str) {
        self.listens();
        self.send(message);
        self.says(&format!("esp32/sub: {message}"));
        for version in ["TLS 1.2", "TLS 1.3"] {
            let form = format!("{version}; heap for TLS # B, at its peak # B; deepest stack # B");
            for size in self.chip.numbers(&form) {
                assert!(
                    size[1] <= HEAP_BUDGET,
                    "{version}: {} bytes of heap",
                    size[1]
                );
                assert!(
                    size[2] <= STACK_BUDGET,
                    "{version}: {} bytes of stack",
                    size[2]
                );
            }
        }
    }
}

fn only(tls: TlsVersions) -> ChipSettings {
    ChipSettings {
        tls,
        ..ChipSettings::default()
    }
}

/// Refuses, and connects as soon as the server shows something better.
fn refuses(shown: impl FnOnce(&Signer) -> Shown, tls: TlsVersions, words: &str) {
    let Some(mut world) = World::start(only(tls), shown) else {
        return;
    };
    world.says(&format!(
        "the server's certificate is not trusted ({words}); next try in"
    ));
    assert!(!world.chip.program().log().contains("connected, session"));
    world.front.show(&world.signer.good());
    world.says("connected, session kept");
    world.works("at last");
}

#[test]
fn an_expired_server_is_refused_until_it_has_a_new_certificate() {
    refuses(Signer::expired, TlsVersions::Only12, "it has expired");
}

#[test]
fn a_server_of_another_name_is_refused_until_it_has_its_own() {
    let words = "it is for another name than the kit's endpoint";
    refuses(Signer::of_another_name, TlsVersions::Only13, words);
}

#[test]
fn a_self_signed_server_is_refused_until_somebody_signs_it() {
    let words = "no root of the kit signed it";
    refuses(|_| chains::self_signed(), TlsVersions::Both, words);
}

/// What TLS takes of the heap at its peak with a chain of these bytes at least.
fn peak_with_chain(tls: TlsVersions, more_names: usize, bytes: usize) -> Option<usize> {
    let shown = |signer: &Signer| {
        let shown = signer.large(more_names);
        let der = shown.chain.len() * 3 / 4;
        assert!(der >= bytes, "{der} bytes are not so large");
        shown
    };
    let mut world = World::start(only(tls), shown)?;
    world.says("connected, session kept");
    world.listens();
    world.send("through a long chain");
    world.says("esp32/sub: through a long chain");
    let version = if tls == TlsVersions::Only12 {
        "TLS 1.2"
    } else {
        "TLS 1.3"
    };
    let form = format!("{version}; heap for TLS # B, at its peak # B; deepest stack # B");
    let sizes = world.chip.numbers(&form);
    println!("{version}, a chain of {bytes} bytes: {sizes:?}");
    Some(sizes[0][1])
}

#[test]
fn four_rsa_certificates_fit_into_the_heap() {
    for tls in [TlsVersions::Only12, TlsVersions::Only13] {
        if let Some(peak) = peak_with_chain(tls, 45, 4_900) {
            assert!(peak <= HEAP_BUDGET, "{peak} bytes of heap");
        }
    }
}

/// Mbed TLS keeps the server's chain in memory; what is live at the peak stands in `firmware/README.md`.
#[test]
fn a_chain_twice_as_large_as_amazons_fits_into_the_heap() {
    for tls in [TlsVersions::Only12, TlsVersions::Only13] {
        if let Some(peak) = peak_with_chain(tls, 130, 8_000) {
            assert!(peak <= HEAP_BUDGET, "{peak} bytes of heap");
        }
    }
}

#[test]
fn a_full_record_of_16_kb_is_read() {
    for tls in [TlsVersions::Only12, TlsVersions::Only13] {
        let Some(mut world) = World::start(only(tls), Signer::good) else {
            return;
        };
        world.says("connected, session kept");
        world.works("before");
        world.front.pack_one_record();
        // Too long for the chip's memory, so it is not shown; what follows is.
        let long = "x".repeat(17_000);
        let port = world.mosquitto.port.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-p", &port, "-q", "0", "-t", "esp32/sub", "-m", &long]);
        let _ = finish(&mut command, STEP).success();
        world.works("after");
        assert_eq!(world.front.full_records(), 1);
        let log = world.chip.program().log();
        assert_eq!(log.matches("connected, session").count(), 1, "{log}");
    }
}

#[test]
fn a_record_that_was_changed_on_its_way_ends_the_connection_and_no_more() {
    for tls in [TlsVersions::Only12, TlsVersions::Only13] {
        let Some(mut world) = World::start(only(tls), Signer::good) else {
            return;
        };
        world.says("connected, session kept: false");
        world.works("before");
        world.front.order(Order::FlipBit);
        world.says("TLS failed (a record was changed on its way); next try in");
        world.says("connected, session kept: true");
        world.works("after");
    }
}

#[test]
fn a_key_update_which_mbed_tls_does_not_take_is_named_and_survived() {
    let Some(mut world) = World::start(only(TlsVersions::Only13), Signer::good) else {
        return;
    };
    world.says("connected, session kept: false");
    world.works("before");
    world.front.order(Order::UpdateKeys);
    world.says("such as a KeyUpdate); next try in");
    world.says("connected, session kept: true");
    world.works("after");
}

/// Numbers 0 to 999, each a QoS 1 publish, while the connection is broken ten times in three ways.
#[test]
fn a_thousand_messages_across_ten_disconnections_none_lost_none_invented() {
    let settings = ChipSettings {
        burst: true,
        mqtt: MqttVersion::V311,
        tls: TlsVersions::Only13,
        ..ChipSettings::default()
    };
    let Some(mut world) = World::start(settings, |_| chains::self_signed()) else {
        return;
    };
    // Nothing gets through before somebody listens: the server is not trusted yet.
    world.says("no root of the kit signed it");
    let port = world.mosquitto.port.to_string();
    let mut listen = Command::new("mosquitto_sub");
    listen.args(["-p", &port, "-q", "1", "-c", "-i", "the-listener"]);
    listen.args(["-t", "esp32/pub", "-F", "got %p."]);
    let mut subscribe = Command::new("mosquitto_sub");
    subscribe.args(listen.get_args()).arg("-E");
    let _ = finish(&mut subscribe, STEP).success();
    let listener = Program::start("mosquitto_sub", &mut listen);
    let heard = |listener: &Program| -> Vec<u32> {
        let log = listener.log();
        let numbers = log
            .lines()
            .filter_map(|line| line.strip_prefix("got ")?.strip_suffix('.'));
        numbers
            .map(|number| number.parse().expect("a number of ours"))
            .collect()
    };
    world.front.show(&world.signer.good());

    let opened = |world: &mut World| {
        let log = world.chip.program().log();
        log.matches("connected, session").count()
    };
    let ways = [Order::HangUp, Order::UpdateKeys, Order::FlipBit];
    for (round, order) in ways.into_iter().cycle().take(10).enumerate() {
        let enough = 90 * (round + 1);
        assert!(
            wait_until(STEP, || heard(&listener).len() >= enough),
            "round {round}: {}",
            world.chip.program().log()
        );
        // What was under way may be enough before the chip is back; a connection that is not open cannot be broken.
        assert!(
            wait_until(STEP, || opened(&mut world) > round),
            "round {round}"
        );
        world.front.order(order);
        assert!(wait_until(STEP, || world.front.obeyed()));
    }
    world.says("1000 acknowledged; heap at its peak");

    // The last break may come when all is acknowledged; the chip connects again all the same.
    assert!(
        wait_until(STEP, || opened(&mut world) > 10),
        "ten disconnections"
    );
    let sizes = world
        .chip
        .numbers("1000 acknowledged; heap at its peak # B; deepest stack # B");
    assert!(
        sizes[0][0] <= HEAP_BUDGET && sizes[0][1] <= STACK_BUDGET,
        "{sizes:?}"
    );
    // The broker has acknowledged all of them; the listener may still be reading.
    let all = || {
        let mut numbers = heard(&listener);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    assert!(
        wait_until(STEP, || all().len() >= 1_000),
        "{:?}",
        all().len()
    );
    assert_eq!(all(), (0..1_000).collect::<Vec<_>>());
    // QoS 1 may bring one twice, but only what was under way when the connection broke: four each time.
    let twice = heard(&listener).len() - 1_000;
    assert!(twice <= 40, "{twice} came twice");
    println!("{twice} of 1000 came twice; {sizes:?}");
}

#[cfg(unix)]
#[test]
fn a_pulled_cable_is_survived_with_the_server_and_without_it() {
    let Some(mut world) = World::start(only(TlsVersions::Both), Signer::good) else {
        return;
    };
    world.says("connected, session kept: false");
    world.works("before");

    // Out and in again: TCP sends again what was lost, and the connection goes on.
    world.chip.cable(false);
    world.send("while it was out");
    world.chip.cable(true);
    world.says("esp32/sub: while it was out");

    // The server hangs up meanwhile, and the chip cannot hear it.
    world.chip.cable(false);
    world.front.order(Order::HangUp);
    assert!(wait_until(STEP, || world.front.obeyed()));
    world.send("while it was away");
    world.chip.cable(true);
    world.says("connected, session kept: true");
    world.says("esp32/sub: while it was away");
}
