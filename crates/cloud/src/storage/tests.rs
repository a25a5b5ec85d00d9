//! A folder of the first format becomes one of today's; what is exported and imported is the same; what is wrong is named.

use std::collections::BTreeMap;
use std::path::Path;

use thingwire_store::faults::{Disk, Syncs};
use thingwire_store::{Format, RedbStore, Snapshot, Step, Store as _, StoreError, Write};

use super::*;
use crate::account::{Account, Wanted};

/// All rows but those with keys that the last program with format 1 left behind: table, key and value in hex.
const FIRST: &str = include_str!("format-1.rows");
/// The same of the last program with format 2, in behaviour `mqtt`.
const SECOND: &str = include_str!("format-2.rows");
/// A file as the programs of format 2 made it.
const FORMAT_2: Format = Format {
    newest: 2,
    steps: &[],
};

fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Write {
    Write::Put {
        table,
        key: key.into(),
        value: value.into(),
    }
}

/// A disk with a file of the first format.
fn first() -> Disk {
    disk_with(FIRST, &Format::FIRST)
}

fn disk_with(rows: &str, format: &Format) -> Disk {
    let disk = Disk::new();
    let store = RedbStore::with_backend_and_format(disk.clone(), format).unwrap();
    let rows = rows.lines().map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let table = tables().find(|table| *table == words[0]).unwrap();
        let bytes = |word: &str| text::unhex(word).unwrap();
        put(table, bytes(words[1]), bytes(words[2]))
    });
    store.commit(rows.collect()).unwrap();
    drop(store);
    Disk::with_image(disk.image())
}

fn wanted() -> Wanted {
    Wanted {
        region: None,
        account_id: None,
        names: ["localhost".to_owned()].into(),
    }
}

fn exported(snapshot: &Snapshot, private_keys: bool) -> String {
    let mut text = Vec::new();
    export(snapshot, private_keys, &mut text, &mut |_, _| ()).unwrap();
    String::from_utf8(text).unwrap()
}

fn imported(text: &str) -> Result<(tempfile::TempDir, usize), String> {
    let folder = tempfile::tempdir().unwrap();
    match import(folder.path(), text.as_bytes(), &mut |_, _| ()) {
        Ok(records) => Ok((folder, records)),
        Err(error) => {
            let left = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(left, 0, "something was left behind: {error}");
            Err(error.to_string())
        }
    }
}

#[test]
fn a_file_of_the_first_format_is_shown_and_migrated_and_everything_agrees() {
    let disk = first();
    let snapshot = Snapshot::with_backend(disk.clone(), &FORMAT).unwrap();
    let report = check(&snapshot).unwrap();
    assert_eq!((report.format, report.newest_format), (1, FORMAT.newest));
    assert_eq!(report.problems, []);
    let shown = exported(&snapshot, false);
    drop(snapshot);

    drop(RedbStore::with_backend_and_format(disk.clone(), &FORMAT).unwrap());
    let snapshot = Snapshot::with_backend(disk, &FORMAT).unwrap();
    assert_eq!(snapshot.format(), FORMAT.newest);
    assert_eq!(exported(&snapshot, false), shown);
    // The text is a promise.
    for line in [
        r#"{"table":"broker.sessions","session":2,"clientId":"away5","version":5,"expiry":864000000,"disconnected":1795524949236}"#,
        r#"{"table":"broker.subscriptions","session":2,"filter":"$share/g/work/#","qos":2,"identifier":7}"#,
        r#"{"table":"broker.queued","session":1,"sequence":2,"qos":1,"message":{"topic":"home/raw","qos":1,"payloadHex":"00ff01"}}"#,
        r#"{"table":"broker.retained","message":{"topic":"home/b/state","qos":1,"properties":"03000a746578742f706c61696e","payload":"zwei"}}"#,
        r#"{"table":"registry.thing-group-members","key":"kitchen/lamp","value":{"format":1}}"#,
    ] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
}

#[test]
fn a_file_of_the_second_format_is_migrated_whole_at_every_crash_point() {
    let disk = disk_with(SECOND, &FORMAT_2);
    let snapshot = Snapshot::with_backend(disk.clone(), &FORMAT).unwrap();
    let report = check(&snapshot).unwrap();
    assert_eq!((report.format, report.newest_format), (2, FORMAT.newest));
    assert_eq!(report.problems, []);
    let shown = exported(&snapshot, false);
    drop(snapshot);
    for line in [
        r#"{"table":"broker.subscriptions","session":2,"filter":"$share/g/work/#","qos":2,"identifier":268435455}"#,
        r#"{"table":"broker.queued","session":2,"sequence":1,"qos":1,"identifiers":[7],"message":{"topic":"home/b/state","qos":1,"properties":"03000a746578742f706c61696e","payload":"zwei"}}"#,
    ] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
    drop(RedbStore::with_backend_and_format(disk.clone(), &FORMAT).unwrap());
    let mut found = std::collections::BTreeSet::new();
    disk.crashes(0..6, Syncs::Honoured, |crash| {
        let place = format!("point {}, seed {}", crash.point, crash.seed);
        let disk = Disk::with_image(crash.image);
        let snapshot = Snapshot::with_backend(disk.clone(), &FORMAT).expect(&place);
        found.insert(snapshot.format());
        assert_eq!(exported(&snapshot, false), shown, "{place}");
        drop(snapshot);
        drop(RedbStore::with_backend_and_format(disk.clone(), &FORMAT).expect(&place));
        let snapshot = Snapshot::with_backend(disk, &FORMAT).expect(&place);
        assert_eq!(snapshot.format(), FORMAT.newest, "{place}");
        assert_eq!(exported(&snapshot, false), shown, "{place}");
    });
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [2, FORMAT.newest]);
}

#[test]
fn a_will_is_exported_imported_and_checked() {
    let disk = disk_with(SECOND, &FORMAT_2);
    let store = RedbStore::with_backend_and_format(disk.clone(), &FORMAT).unwrap();
    let line = r#"{"table":"broker.wills","clientId":"away5","retain":true,"delay":60,"due":1795524949236,"message":{"topic":"home/lamp","qos":1,"payload":"gone"}}"#;
    let Entry { table, row } = text::entry(line).unwrap();
    store.commit(vec![put(table, row.0, row.1)]).unwrap();
    drop(store);
    let snapshot = Snapshot::with_backend(disk, &FORMAT).unwrap();
    assert_eq!(check(&snapshot).unwrap().problems, []);
    let shown = exported(&snapshot, false);
    assert!(shown.contains(line), "{shown}");
    let (folder, _) = imported(&shown).unwrap();
    assert_eq!(exported(&open(folder.path()).unwrap(), false), shown);
    let error = imported(&shown.replace(r#""due":1795524949236"#, r#""due":0"#)).unwrap_err();
    assert!(
        error.contains("`due` is 0; leave it out for none"),
        "{error}"
    );
}

#[test]
fn bodies_are_exported_imported_and_checked() {
    let disk = disk_with(SECOND, &FORMAT_2);
    let store = RedbStore::with_backend_and_format(disk.clone(), &FORMAT).unwrap();
    let lines = [
        r#"{"table":"broker.bodies","body":5,"message":{"topic":"home/a","qos":1,"payload":"on"}}"#,
        r#"{"table":"broker.queued","session":1,"sequence":9,"qos":1,"body":5}"#,
    ];
    let rows = lines.map(|line| {
        let Entry { table, row } = text::entry(line).unwrap();
        put(table, row.0, row.1)
    });
    store.commit(rows.to_vec()).unwrap();
    drop(store);
    let snapshot = Snapshot::with_backend(disk, &FORMAT).unwrap();
    assert_eq!(check(&snapshot).unwrap().problems, []);
    let shown = exported(&snapshot, false);
    assert!(lines.iter().all(|line| shown.contains(line)), "{shown}");
    let (folder, _) = imported(&shown).unwrap();
    assert_eq!(exported(&open(folder.path()).unwrap(), false), shown);
    let whole = entries(&snapshot).unwrap();
    for (gone, problem) in [
        (stored::BODIES, "there is no body 5"),
        (stored::QUEUED, "no message has this body"),
    ] {
        let mut rest = whole.clone();
        rest.retain(|entry| {
            entry.table != gone
                || entry.row.0.first() != Some(&0)
                || entry.row.0.last() != Some(&if gone == stored::BODIES { 5 } else { 9 })
        });
        assert_eq!(rest.len() + 1, whole.len());
        let found = check::disagreements(&rest);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, problem);
    }
    let error = text::entry(&lines[1].replace(r#","body":5"#, "")).unwrap_err();
    assert_eq!(error, "one of `message` and `body` must be there");
}

/// The step is what a broker of this version needs: it reads nothing of the first format.
#[test]
fn a_broker_of_today_does_not_read_messages_of_the_first_format() {
    const UNCHANGED: Format = Format {
        newest: 2,
        steps: &[Step {
            from: 1,
            changes: |_| Ok(Vec::new()),
        }],
    };
    let snapshot = Snapshot::with_backend(first(), &UNCHANGED).unwrap();
    let problems = check(&snapshot).unwrap().problems;
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert_eq!(
        problems[0].to_string(),
        "broker.queued, session 1, message 0: unknown row format"
    );
}

#[test]
fn what_is_exported_and_imported_is_the_same_with_keys_and_without() {
    let disk = first();
    let store = RedbStore::with_backend_and_format(disk.clone(), &FORMAT).unwrap();
    let account = Account::open(&store, &wanted()).unwrap();
    drop(store);
    let snapshot = Snapshot::with_backend(disk, &FORMAT).unwrap();
    assert_eq!(check(&snapshot).unwrap().problems, []);
    for private_keys in [false, true] {
        let text = exported(&snapshot, private_keys);
        assert_eq!(text.contains("PRIVATE KEY"), private_keys);
        let (folder, records) = imported(&text).unwrap();
        assert_eq!(records, text.lines().count() - 2);
        let copy = open(folder.path()).unwrap();
        assert_eq!(check(&copy).unwrap().problems, []);
        assert!(exported(&copy, private_keys) == text, "it is not the same");
        if private_keys {
            let all = |snapshot: &Snapshot| entries(snapshot).unwrap();
            assert!(all(&copy) == all(&snapshot), "a byte differs");
        }
        drop(copy);
        // A cloud goes on with the same account; without keys it makes others.
        let store = RedbStore::open(data_file(folder.path()), &FORMAT).unwrap();
        let again = Account::open(&store, &wanted()).unwrap();
        assert_eq!(again.aws_endpoint, account.aws_endpoint);
        assert_eq!(again.roots == account.roots, private_keys);
        let third = Account::open(&store, &wanted()).unwrap();
        assert_eq!(third.roots, again.roots, "made once");
    }
}

/// What is done to the lines, and how the error begins.
type Case<'a> = (&'a dyn Fn(&mut Vec<String>), String);

#[test]
fn a_bad_line_is_named_and_nothing_is_imported() {
    let text = exported(&Snapshot::with_backend(first(), &FORMAT).unwrap(), false);
    let lines: Vec<&str> = text.lines().collect();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        imported(&(lines.join("\n") + "\n")).unwrap_err()
    };
    let at = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
    let session = at(r#""table":"broker.sessions","session":1"#);
    let policy = at(r#""table":"registry.policies","key":"policy""#);
    let cases: [Case<'_>; 12] = [
        (&|lines| lines.clear(), "line 1: this is not a text".into()),
        (
            &|lines| lines[0] = lines[0].replace(r#""format":3"#, r#""format":9"#),
            "line 1: it has format 9, this program knows up to 3; use the newer thingwire".into(),
        ),
        (
            &|lines| drop(lines.pop()),
            format!("line {}: the last line is missing", lines.len()),
        ),
        (
            &|lines| lines.push("{}".into()),
            format!("line {}: there is more after", lines.len() + 1),
        ),
        (
            &|lines| drop(lines.remove(3)),
            format!(
                "line {}: {} records were written",
                lines.len() - 1,
                lines.len() - 2
            ),
        ),
        (
            &|lines| lines[session].truncate(40),
            format!("line {}: it ends too early", session + 1),
        ),
        (
            &|lines| lines[session] = lines[session].replace(r#""version":4"#, r#""version":3"#),
            format!("line {}: `version` is 3; expected 4 or 5", session + 1),
        ),
        (
            &|lines| lines[session] = lines[session].replace(r#""expiry""#, r#""expires""#),
            format!("line {}: a member is missing, unknown", session + 1),
        ),
        (
            &|lines| lines[session] = lines[session].replace("broker.sessions", "broker.secrets"),
            format!("line {}: there is no table `broker.secrets`", session + 1),
        ),
        (
            &|lines| lines[session + 1] = lines[session].clone(),
            format!(
                "line {}: line {} is about the same",
                session + 2,
                session + 1
            ),
        ),
        (
            &|lines| lines[session] = lines[session].replace(r#""session":1"#, r#""session":9"#),
            format!("line {}: there is no session 1", session + 3),
        ),
        (
            &|lines| lines[policy] = lines[policy].replace(r#""key":"policy""#, r#""key":"other""#),
            format!("line {}: the record in it is called `policy`", policy + 1),
        ),
    ];
    for (change, expected) in cases {
        let error = with(change);
        assert!(error.starts_with(&expected), "{error}, not {expected}");
    }
}

#[test]
fn an_import_replaces_nothing() {
    let text = exported(&Snapshot::with_backend(first(), &FORMAT).unwrap(), false);
    let (folder, _) = imported(&text).unwrap();
    let before = std::fs::read(data_file(folder.path())).unwrap();
    let error = import(folder.path(), text.as_bytes(), &mut |_, _| ()).unwrap_err();
    assert!(matches!(error, ImportError::Exists(_)), "{error}");
    assert!(std::fs::read(data_file(folder.path())).unwrap() == before);
}

/// A killed import leaves its file behind, and in a container the next one may have the same process id.
#[test]
fn what_a_killed_import_left_behind_is_in_no_other() {
    let text = exported(&Snapshot::with_backend(first(), &FORMAT).unwrap(), false);
    let (folder, _) = imported(&text).unwrap();
    let left = format!(".import.{}.new", std::process::id());
    std::fs::rename(data_file(folder.path()), folder.path().join(left)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let empty = format!("{}\n{{\"records\":0}}\n", lines[0]);
    assert_eq!(
        import(folder.path(), empty.as_bytes(), &mut |_, _| ()).unwrap(),
        0
    );
    assert_eq!(exported(&open(folder.path()).unwrap(), false), empty);
}

/// Each row that is taken away or spoiled is missed by what refers to it, or is noticed itself.
#[test]
fn what_does_not_agree_is_named() {
    let problems = |change: &dyn Fn(&RedbStore)| {
        let disk = first();
        let store = RedbStore::with_backend_and_format(disk.clone(), &FORMAT).unwrap();
        change(&store);
        drop(store);
        let snapshot = Snapshot::with_backend(disk, &FORMAT).unwrap();
        let problems = check(&snapshot).unwrap().problems;
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let delete = |table: Table, key: &str| {
        let key = key.as_bytes().to_vec();
        problems(&|store| {
            let key = key.clone();
            store.commit(vec![Write::Delete { table, key }]).unwrap();
        })
    };
    let members = delete("registry.things", "lamp");
    assert_eq!(
        members[0],
        "registry.thing-group-members, `kitchen/lamp`: there is no thing `lamp`"
    );
    assert!(
        members[1].starts_with("registry.thing-principals, `lamp/"),
        "{members:?}"
    );
    assert_eq!(members.len(), 2);
    assert_eq!(
        delete("registry.thing-groups", "house"),
        [
            "registry.thing-groups, `kitchen`: there is no thing group `house`",
            "registry.thing-group-policies, `house/house-policy`: there is no thing group `house`",
        ]
    );
    assert_eq!(delete("registry.policies", "policy").len(), 2);
    assert_eq!(
        delete("broker.sessions", "\0\0\0\0\0\0\0\u{2}"),
        [
            "broker.subscriptions, session 2, `$share/g/work/#`: there is no session 2",
            "broker.subscriptions, session 2, `home/+/state`: there is no session 2",
            "broker.queued, session 2, message 0: there is no session 2",
            "broker.queued, session 2, message 1: there is no session 2",
        ]
    );
    assert_eq!(
        delete("broker.subscriptions", "\0\0\0\0\0\0\0\u{2}$share/g/work/#"),
        [0, 1].map(|number| format!(
            "broker.shared, `$share/g/work/#`, message {number}: no session is subscribed to `$share/g/work/#`"
        ))
    );
    let write = |write: Write| problems(&|store| store.commit(vec![write.clone()]).unwrap());
    assert_eq!(
        write(put(
            "account",
            "account",
            r#"{"format":1,"account_id":5,"secret":"top"}"#
        )),
        ["account, `account`: unreadable at line 1 column 26"]
    );
    assert_eq!(
        write(put("what", "x", "y")),
        ["what, all: there is no such table in this format"]
    );
    assert_eq!(
        write(put("broker.retained", "home/raw", [1, 1])),
        ["broker.retained, `home/raw`: row cut short"]
    );
}

#[test]
fn every_row_of_the_first_format_that_is_spoiled_is_noticed_and_nothing_panics() {
    let disk = first();
    let store = RedbStore::with_backend_and_format(disk.clone(), &FORMAT).unwrap();
    drop(store);
    let whole = entries(&Snapshot::with_backend(disk, &FORMAT).unwrap()).unwrap();
    let mut noticed = BTreeMap::<Table, usize>::new();
    for (place, entry) in whole.iter().enumerate() {
        for keep in [0, 1, entry.row.1.len() / 2] {
            let mut spoiled = whole.clone();
            spoiled[place].row.1.truncate(keep);
            let found = check::disagreements(&spoiled);
            // Half a message may be a message with half a payload.
            if found.iter().any(|(at, _)| *at == place) {
                *noticed.entry(entry.table).or_default() += 1;
            } else {
                assert!(
                    entry.table.starts_with("broker.") && keep > 1,
                    "{entry:?}, {keep}"
                );
            }
        }
    }
    assert_eq!(noticed.len(), 13, "{noticed:?}");
}

#[test]
fn a_folder_without_data_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for folder in [folder.path(), Path::new("/nowhere at all")] {
        assert!(matches!(open(folder), Err(StoreError::NotAStore(_))));
    }
}
