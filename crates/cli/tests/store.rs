//! `thingwire store`, as a person calls it: what it says of a folder, a copy as text, and a cloud started on the copy.
#![cfg(unix)]

mod common;

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Cloud, Finished, read, thingwire};

fn store(folder: &Path, args: &[&str]) -> Finished {
    let mut command = thingwire();
    command
        .arg("store")
        .args(args)
        .arg("--data-dir")
        .arg(folder);
    command.output().unwrap().into()
}

#[test]
fn a_folder_is_checked_exported_and_imported_and_a_cloud_goes_on_with_the_copy() {
    let cloud = Cloud::start();
    cloud.create_device("lamp");
    store(&cloud.data_dir(), &["check"])
        .expect(5, &["a running `thingwire up` has", "stop it first"]);
    let (_, _, folder) = cloud.stop();
    let data = folder.path().join("data");

    store(&data, &["check"]).expect(0, &["is well"]);
    let verdict = store(&data, &["check", "--json"]).expect(0, &[]).json();
    assert_eq!(verdict["clean"], true);
    assert_eq!(verdict["format"], verdict["newestFormat"]);
    assert_eq!(verdict["tables"]["registry.things"], 1);

    // To stdout, and never with keys there.
    let text = store(&data, &["export"]).expect(0, &[]).stdout;
    assert!(
        text.starts_with(r#"{"thingwire":"export","text":1,"#),
        "{text}"
    );
    assert!(!text.contains("PRIVATE KEY"));
    store(&data, &["export", "--private-keys"]).expect(2, &["<FILE>"]);

    let whole = folder.path().join("whole.jsonl");
    let name = whole.to_str().unwrap();
    store(&data, &["export", "--private-keys", name]).expect(0, &["records are in"]);
    assert_eq!(
        std::fs::metadata(&whole).unwrap().permissions().mode() & 0o777,
        0o600
    );
    store(&data, &["export", name]).expect(1, &["an export replaces nothing"]);

    let restored = tempfile::tempdir().unwrap();
    let copy = restored.path().join("data");
    store(&copy, &["import", name]).expect(0, &["thingwire up --data-dir"]);
    store(&copy, &["import", name]).expect(2, &["an import replaces nothing"]);
    let again = restored.path().join("again.jsonl");
    store(
        &copy,
        &["export", "--private-keys", again.to_str().unwrap()],
    )
    .expect(0, &[]);
    assert!(read(&again) == read(&whole), "the copy is not the same");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&copy), mode(&copy.join("thingwire.redb"))),
        (0o700, 0o600)
    );

    let cloud = Cloud::start_in(restored, &[], &[]);
    let things = cloud.run(&["thing", "list"]).expect(0, &[]);
    assert_eq!(things.stdout, "lamp\n");
    // The same roots: kits stay good.
    assert_eq!(
        read(cloud.data_dir().join("root-CA.pem")),
        read(data.join("root-CA.pem"))
    );
}

#[test]
fn what_is_damaged_or_no_data_is_said_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    store(&data, &["check"]).expect(11, &["holds no data of thingwire: there is no"]);
    std::fs::create_dir(&data).unwrap();
    let file = data.join("thingwire.redb");
    std::fs::write(&file, "this is a letter to my aunt").unwrap();
    store(&data, &["check"]).expect(11, &["it does not begin as one"]);
    store(&data, &["export"]).expect(11, &[]);
    std::fs::remove_file(&file).unwrap();

    let text = folder.path().join("text.jsonl");
    let name = text.to_str().unwrap();
    let orphan = r#"{"table":"broker.subscriptions","session":7,"filter":"a","qos":1}"#;
    let header = r#"{"thingwire":"export","text":1,"format":3,"privateKeys":false}"#;
    std::fs::write(&text, format!("{header}\n{orphan}\n{{\"records\":1}}\n")).unwrap();
    store(&data, &["import", name]).expect(
        10,
        &["line 2: there is no session 7", "nothing was imported"],
    );
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);

    std::fs::write(&text, format!("{header}\n{{\"records\":0}}\n")).unwrap();
    store(&data, &["import", name]).expect(0, &[]);
    store(&data, &["check"]).expect(0, &[]);
    let mut damaged = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    for page in 1..damaged.metadata().unwrap().len() / 4096 {
        damaged.seek(SeekFrom::Start(page * 4096 + 8)).unwrap();
        damaged.write_all(&[0x5a; 100]).unwrap();
    }
    let before = std::fs::read(&file).unwrap();
    store(&data, &["check"]).expect(10, &["is damaged"]);
    assert!(std::fs::read(&file).unwrap() == before);
}
