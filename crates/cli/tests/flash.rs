//! `thingwire flash` against a program that stands in for espflash: what it is asked to do, what becomes of it, and what a
//! person is told when there is no board. A real board is not in here.

#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{Finished, read, thingwire};
use rcgen::{CertificateParams, KeyPair};
use thingwire_chip::KitImage;
use thingwire_kit::{Existing, KitFiles, Manifest, PrivateKeyPem};

/// Notes what it is asked, makes an image that looks like one, and tells what a board would.
const STAND_IN: &str = r#"#!/bin/sh
echo "$@" >> asked.txt
for last; do :; done
case "$1" in
save-image)
    head -c 65636 /dev/zero | tr '\0' '\377' > "$last"
    for part in '\351 0' '\252\120 32768' '\351 65536'; do
        set -- $part
        printf "$1" | dd of="$last" bs=1 seek="$2" conv=notrunc 2>/dev/null
    done ;;
write-bin) cp "$last" written.bin ;;
monitor)
    echo "thingwire 0.1.0 on esp32c3"
    echo "$BOARD_SAYS" ;;
esac
if [ "$1" = "$FAILS" ]; then
    echo "Error: the port is busy" >&2
    exit 1
fi
"#;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// A folder with a kit, a firmware, a port and the stand-in.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let files = KitFiles {
            manifest: Manifest::new(
                "localhost",
                8883,
                "esp32-kitchen",
                "us-east-1",
                "123456789012",
            ),
            root_ca_pem: certificate.clone(),
            certificate_pem: certificate,
            private_key_pem: PrivateKeyPem::new(key.serialize_pem()),
        };
        files
            .write(folder.path().join("kit"), Existing::Keep)
            .unwrap();
        let bench = Self { folder };
        bench.elf("sketch", 243);
        std::fs::write(bench.path("port"), "").unwrap();
        let program = bench.path("bin/espflash");
        std::fs::create_dir(bench.path("bin")).unwrap();
        std::fs::write(&program, STAND_IN).unwrap();
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        bench
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn elf(&self, name: &str, machine: u8) {
        let mut elf = *b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\0\0";
        elf[18] = machine;
        std::fs::write(self.path(name), elf).unwrap();
    }

    fn flash_with(&self, path: &str, args: &[&str], environment: &[(&str, &str)]) -> Finished {
        let mut command = thingwire();
        command
            .current_dir(self.folder.path())
            .args(["flash", "--kit", "kit", "--chip", "esp32c3"])
            .args(args)
            .env("PATH", path)
            .env("BOARD_SAYS", "connected, session kept: false")
            .envs(environment.iter().copied());
        command.output().unwrap().into()
    }

    fn flash(&self, args: &[&str], environment: &[(&str, &str)]) -> Finished {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut all = vec!["--firmware", "sketch"];
        all.extend(args);
        self.flash_with(&path, &all, environment)
    }

    fn asked(&self) -> String {
        read(self.path("asked.txt"))
    }
}

fn kit_of(bytes: &[u8]) -> KitImage<'_> {
    KitImage::read(bytes).unwrap()
}

#[test]
fn a_board_gets_firmware_then_kit_and_its_log_is_shown_until_it_is_connected() {
    let bench = Bench::new();
    let done = bench.flash(&["--port", "port", "--wifi-open", "Guests"], &[]);
    done.expect(
        0,
        &[
            "firmware and kit are on the board",
            "thingwire 0.1.0 on esp32c3",
            "the board is connected",
        ],
    );
    let asked = bench.asked();
    let verbs: Vec<_> = asked
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(verbs, ["--version", "flash", "write-bin", "monitor"]);
    for line in asked.lines().skip(1) {
        assert!(line.contains("--chip esp32c3 --port port"), "{line}");
    }
    assert!(
        asked.contains("--flash-size 4mb --partition-table-offset 0x8000 --partition-table "),
        "{asked}"
    );
    let table = read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware/partitions.csv"));
    let kit_line = table.lines().find(|line| line.starts_with("kit")).unwrap();
    let offset = kit_line.split(',').nth(3).unwrap().trim().to_lowercase();
    assert!(asked.contains(&format!("write-bin --chip esp32c3 --port port {offset} ")));
    let written = std::fs::read(bench.path("written.bin")).unwrap();
    let kit = kit_of(&written);
    assert_eq!((kit.client_id, kit.wifi.len()), ("esp32-kitchen", 1));
}

#[test]
fn one_file_for_factory_tools_holds_each_part_where_a_board_looks_for_it() {
    let bench = Bench::new();
    let made = bench
        .flash(&["--image", "factory.bin"], &[])
        .expect(0, &["holds the device's key"]);
    assert_eq!(made.stdout, "");
    let file = bench.path("factory.bin");
    let whole = std::fs::read(&file).unwrap();
    assert_eq!(
        (whole[0], &whole[0x8000..0x8002], whole[0x10000]),
        (0xE9, &[0xAA, 0x50][..], 0xE9)
    );
    assert_eq!(kit_of(&whole[0x1F_0000..]).client_id, "esp32-kitchen");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let asked = bench.asked();
    assert!(
        asked.contains("save-image --chip esp32c3 --merge --skip-padding"),
        "{asked}"
    );
    assert!(!asked.contains("--port"), "no board was touched: {asked}");
}

#[test]
fn without_a_board_it_says_so_in_a_sentence_with_a_code_of_its_own() {
    let bench = Bench::new();
    bench
        .flash(&["--port", "/dev/no-such-port"], &[])
        .expect(9, &["there is no serial port `/dev/no-such-port`"]);
    let nothing = bench.path("kit").display().to_string();
    bench
        .flash_with(&nothing, &["--firmware", "sketch", "--port", "port"], &[])
        .expect(
            9,
            &[
                "`espflash` cannot be started",
                "cargo install espflash --locked",
            ],
        );
    let busy = [("FAILS", "flash")];
    bench.flash(&["--port", "port"], &busy).expect(
        9,
        &[
            "the port is busy",
            "the board could not be written",
            "right port and chip",
        ],
    );
    assert!(
        !bench.asked().contains("write-bin"),
        "nothing more was tried"
    );
    bench
        .flash(&["--port", "port"], &[("BOARD_SAYS", "no network (…)")])
        .expect(9, &["no network", "the board's serial log ended"]);
}

#[test]
fn firmware_for_another_processor_is_refused_before_anything_is_done() {
    let bench = Bench::new();
    bench.elf("xtensa", 94);
    std::fs::write(bench.path("text"), "not a program at all").unwrap();
    let port = ["--port", "port"];
    for (firmware, words) in [
        ("xtensa", "it is not for the processor of esp32c3"),
        ("text", "it is not an ELF file of 32 bits"),
        ("nothing", "`nothing` cannot be used"),
    ] {
        let path = format!("{}:/usr/bin:/bin", bench.path("bin").display());
        let args = [&["--firmware", firmware][..], &port].concat();
        bench
            .flash_with(&path, &args, &[])
            .expect(2, &[words, "cargo xtask firmware"]);
    }
    std::fs::write(
        bench.path("table.csv"),
        "factory, app, factory, 0x10000, 1M,\n",
    )
    .unwrap();
    bench
        .flash(&["--port", "port", "--partitions", "table.csv"], &[])
        .expect(2, &["has no partition `kit`"]);
    assert!(!bench.path("asked.txt").exists(), "espflash was not called");
}
