//! A kit is written, read back, and then damaged in every way people damage kits.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_RSA_SHA256, date_time_ymd};
use thingwire_kit::{
    Existing, Kit, KitError, KitFiles, Manifest, PrivateKeyPem, Severity, check, check_at, prepare,
};

fn root() -> String {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem()
}

fn device(key: &KeyPair, from: i32, until: i32) -> String {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params.self_signed(key).unwrap().pem()
}

fn files() -> KitFiles {
    let key = KeyPair::generate().unwrap();
    let mut manifest = Manifest::new("localhost", 8883, "esp32-demo", "us-east-1", "123456789012");
    manifest.alpn_port = Some(4443);
    manifest.thing_name = Some("esp32-demo".into());
    KitFiles {
        manifest,
        root_ca_pem: root() + &root(),
        certificate_pem: device(&key, 2020, 2049),
        private_key_pem: PrivateKeyPem::new(key.serialize_pem()),
    }
}

fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    files().write(dir.path(), Existing::Keep).unwrap();
    dir
}

fn change(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, change(text)).unwrap();
}

/// `file: code` of every finding.
fn codes(dir: &Path) -> Vec<String> {
    check(dir)
        .iter()
        .map(|found| format!("{}: {}", found.file, found.problem.code()))
        .collect()
}

#[test]
fn a_kit_is_read_back_whole() {
    let dir = written();
    assert_eq!(codes(dir.path()), Vec::<String>::new());
    let kit = Kit::load(dir.path()).unwrap();
    assert_eq!(kit.endpoint, "localhost");
    assert_eq!((kit.mqtt_port, kit.alpn_port), (8883, Some(4443)));
    assert_eq!(kit.client_id, "esp32-demo");
    assert_eq!(kit.thing_name.as_deref(), Some("esp32-demo"));
    assert_eq!(kit.roots.len(), 2, "both roots");
    assert_eq!(kit.certificate.len(), 1);
}

#[test]
fn all_six_files_are_there_and_nothing_else() {
    let dir = written();
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "README.md",
        "certificate.pem",
        "kit.json",
        "private.key",
        "root-CA.pem",
        "test.sh",
    ];
    assert_eq!(names, expected);
}

#[cfg(unix)]
#[test]
fn the_key_file_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let dir = written();
    let mode = |name: &str| {
        fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("private.key"), 0o600);
    assert_eq!(mode("test.sh") & 0o100, 0o100);

    fs::set_permissions(
        dir.path().join("private.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    assert_eq!(codes(dir.path()), ["private.key: too-open"]);
    assert!(Kit::load(dir.path()).is_ok(), "named, but not in the way");
}

#[test]
fn the_key_is_in_no_debug_output_and_no_other_file() {
    let dir = tempfile::tempdir().unwrap();
    let files = files();
    files.write(dir.path(), Existing::Keep).unwrap();
    let pem = fs::read_to_string(dir.path().join("private.key")).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let kit = Kit::load(dir.path()).unwrap();
    let bytes = format!("{:?}", kit.private_key.to_der().secret_der());
    for text in [format!("{files:?}"), format!("{kit:?}")] {
        assert!(!text.contains(secret) && !text.contains(&bytes), "{text}");
    }
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.contains(secret),
            path.ends_with("private.key"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn an_existing_key_is_not_overwritten_unless_told() {
    let dir = written();
    let before = fs::read(dir.path().join("private.key")).unwrap();
    let refused = files().write(dir.path(), Existing::Keep);
    assert!(
        matches!(refused, Err(KitError::Exists { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read(dir.path().join("private.key")).unwrap(), before);
    files().write(dir.path(), Existing::Replace).unwrap();
    assert_ne!(fs::read(dir.path().join("private.key")).unwrap(), before);
    assert!(Kit::load(dir.path()).is_ok());
}

#[test]
fn a_folder_is_prepared_once_and_left_empty() {
    let dir = tempfile::tempdir().unwrap();
    let kit = dir.path().join("a/b");
    prepare(&kit).unwrap();
    assert_eq!(fs::read_dir(&kit).unwrap().count(), 0);
    files().write(&kit, Existing::Keep).unwrap();
    assert!(matches!(prepare(&kit), Err(KitError::Exists { .. })));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(
        prepare(file.join("kit")),
        Err(KitError::Write { .. })
    ));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = files().write(file.join("kit"), Existing::Keep).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
    assert!(matches!(error, KitError::Write { .. }));
}

#[test]
fn windows_line_ends_work() {
    let dir = written();
    for name in ["root-CA.pem", "certificate.pem", "private.key", "kit.json"] {
        change(&dir.path().join(name), |text| text.replace('\n', "\r\n"));
    }
    assert_eq!(codes(dir.path()), Vec::<String>::new());
    assert!(Kit::load(dir.path()).is_ok());
}

#[test]
fn every_missing_file_is_named() {
    for name in ["root-CA.pem", "certificate.pem", "private.key", "kit.json"] {
        let dir = written();
        fs::remove_file(dir.path().join(name)).unwrap();
        assert_eq!(codes(dir.path()), [format!("{name}: missing")]);
        let error = Kit::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}` is missing")), "{error}");
    }
    assert_eq!(codes(Path::new("no such folder")), ["kit.json: missing"]);
}

#[test]
fn all_findings_are_told_not_only_the_first() {
    let dir = written();
    fs::write(dir.path().join("root-CA.pem"), "").unwrap();
    change(&dir.path().join("certificate.pem"), |text| {
        text.replace('\n', "")
    });
    change(&dir.path().join("private.key"), |text| {
        text.replace('\n', "\\n")
    });
    assert_eq!(
        codes(dir.path()),
        [
            "root-CA.pem: empty",
            "certificate.pem: no-line-breaks",
            "private.key: escaped-line-breaks"
        ]
    );
}

#[test]
fn a_file_in_the_wrong_place_is_named_by_what_it_holds() {
    let dir = written();
    let path = |name: &str| dir.path().join(name);
    let key = fs::read(path("private.key")).unwrap();
    let certificate = fs::read(path("certificate.pem")).unwrap();
    fs::write(path("private.key"), certificate).unwrap();
    fs::write(path("certificate.pem"), key).unwrap();
    assert_eq!(
        codes(dir.path()),
        ["certificate.pem: wrong-type", "private.key: wrong-type"]
    );
    let text = check(dir.path())[0].to_string();
    assert_eq!(
        text,
        "`certificate.pem` holds a `PRIVATE KEY` where the device's certificate is expected"
    );
}

#[test]
fn an_encrypted_key_is_named() {
    let dir = written();
    change(&dir.path().join("private.key"), |text| {
        text.replace(" PRIVATE KEY", " ENCRYPTED PRIVATE KEY")
    });
    assert_eq!(codes(dir.path()), ["private.key: key-encrypted"]);
}

#[test]
fn a_key_that_is_not_the_certificates_is_named() {
    let dir = written();
    fs::write(
        dir.path().join("private.key"),
        KeyPair::generate().unwrap().serialize_pem(),
    )
    .unwrap();
    assert!(codes(dir.path()).contains(&"private.key: key-mismatch".into()));
    assert!(Kit::load(dir.path()).is_err());
}

#[test]
fn rsa_keys_as_aws_makes_them_fit_too() {
    let dir = written();
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let mut files = files();
    files.certificate_pem = device(&key, 2020, 2049);
    files.private_key_pem = PrivateKeyPem::new(key.serialize_pem());
    files.write(dir.path(), Existing::Replace).unwrap();
    assert_eq!(codes(dir.path()), Vec::<String>::new());
}

#[test]
fn certificate_dates_are_judged_at_the_time_given() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut files = files();
    files.certificate_pem = device(&key, 2010, 2020);
    files.private_key_pem = PrivateKeyPem::new(key.serialize_pem());
    files.write(dir.path(), Existing::Keep).unwrap();

    let year = |year: u64| SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_557_600);
    let codes_at = |at| {
        check_at(dir.path(), at)
            .iter()
            .map(|f| f.problem.code())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes_at(year(2009)), ["not-yet-valid"]);
    assert_eq!(codes_at(year(2015)), Vec::<&str>::new());
    assert_eq!(codes_at(year(2021)), ["expired"]);
    let text = check(dir.path())[0].to_string();
    assert_eq!(
        text,
        "the certificate in `certificate.pem` expired at 2020-01-01T00:00:00Z"
    );
    assert!(Kit::load(dir.path()).is_ok(), "the cloud judges dates");
}

#[test]
fn a_server_certificate_among_the_roots_is_a_warning() {
    let dir = written();
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    let pem = params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem();
    fs::write(dir.path().join("root-CA.pem"), pem).unwrap();
    let findings = check(dir.path());
    assert_eq!(findings.len(), 1);
    assert_eq!(
        findings[0].problem.severity(),
        Severity::Warning,
        "{}",
        findings[0]
    );
}

#[test]
fn damage_anywhere_is_an_answer_and_never_a_panic() {
    let dir = written();
    for name in ["certificate.pem", "private.key", "kit.json"] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] = bytes[at].wrapping_add(1);
            fs::write(&path, &bytes).unwrap();
            let _ = check(dir.path());
            fs::write(&path, &whole[..at]).unwrap();
            assert!(!check(dir.path()).is_empty(), "{name} cut at {at}");
        }
        fs::write(&path, &whole).unwrap();
    }
}
