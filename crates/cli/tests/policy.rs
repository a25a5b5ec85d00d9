//! `thingwire policy`'s tools without a cloud: what is found, what it looks like, and how the program ends.

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Finished, POLICY, read, thingwire};
use serde_json::{Value, json};

/// A folder with the sketch's policy, where commands run.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.put("policy.json", POLICY);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Finished {
        let mut command = thingwire();
        command.arg("policy").args(args).current_dir(self.0.path());
        command.output().unwrap().into()
    }

    fn run_with_stdin(&self, args: &[&str], stdin: &str) -> Finished {
        let mut command = thingwire();
        command
            .arg("policy")
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes());
        child.wait_with_output().unwrap().into()
    }
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

#[test]
fn every_verb_has_examples() {
    let desk = Desk::new();
    for verb in [
        "example", "create", "list", "show", "attach", "detach", "test", "explain", "lint",
        "generate", "diff",
    ] {
        let help = desk.run(&[verb, "--help"]).expect(0, &[]).stdout;
        assert!(
            help.contains("Examples:") && help.contains(&format!("thingwire policy {verb}")),
            "{help}"
        );
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}

#[test]
fn the_examples_of_the_repository_hold() {
    let desk = Desk::new();
    for file in [
        "examples/policy/kitchen.expect",
        "examples/policy/kitchen.json",
    ] {
        let file = repository(file);
        desk.run(&["test", file.to_str().unwrap()])
            .expect(0, &["as expected"]);
    }
    assert_eq!(read(repository("examples/policy/policy.json")), POLICY);
}

#[test]
fn expectations_that_are_met_and_one_that_is_not() {
    let desk = Desk::new();
    desk.put(
        "a.expect",
        "policy policy.json\ndevice lamp may connect\ndevice lamp may publish esp32/sub\n",
    );
    let finished = desk
        .run(&["test", "a.expect", "--junit", "report.xml"])
        .expect(1, &["1 of 2 are not as expected"]);
    assert_eq!(
        finished.stdout,
        "ok      device lamp may connect\n\
         DIFFERS device lamp may publish esp32/sub (a.expect:3)\n        \
         expected may, decided IMPLICIT_DENY\n        \
         iot:Publish on `topic/esp32/sub` is denied: no statement of the attached policies [`policy`] allows it; \
         nearest is policy `policy` statement 4, for `topic/esp32/pub`, the same up to `topic/esp32/`\n"
    );
    let xml = read(desk.path("report.xml"));
    assert!(
        xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("line=\"3\""),
        "{xml}"
    );

    let json = desk
        .run(&["test", "a.expect", "--json"])
        .expect(1, &[])
        .json();
    assert_eq!(json[0]["cases"][0]["passed"], true);
    assert_eq!(json[0]["cases"][1]["decision"], "IMPLICIT_DENY");

    desk.put("b.expect", "device lamp may connect\n");
    desk.run(&["test", "b.expect", "--policy", "policy.json"])
        .expect(0, &["1 as expected"]);
    desk.run(&["test", "b.expect"])
        .expect(2, &["names no policy"]);
}

#[test]
fn policies_stand_beside_the_file_that_names_them() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("sub")).unwrap();
    desk.put(
        "sub/a.expect",
        "policy ../policy.json\ndevice lamp may connect\n",
    );
    desk.run(&["test", "sub/a.expect"]).expect(0, &[]);
    desk.put(
        "sub/b.expect",
        "policy policy.json\ndevice lamp may connect\n",
    );
    desk.run(&["test", "sub/b.expect"])
        .expect(2, &["cannot read the policy"]);
}

#[test]
fn region_and_account_of_file_and_flag() {
    // C-50
    let desk = Desk::new();
    desk.put(
        "fixed.json",
        &POLICY.replace("REGION:ACCOUNT_ID", "eu-west-1:111122223333"),
    );
    desk.put(
        "a.expect",
        "region eu-west-1\naccount 111122223333\npolicy fixed.json\ndevice lamp may connect\n",
    );
    desk.run(&["test", "a.expect"]).expect(0, &[]);
    desk.run(&["test", "a.expect", "--region", "us-east-1"])
        .expect(1, &[]);
}

#[test]
fn vectors_one_line_an_id() {
    let desk = Desk::new();
    let vectors = repository("crates/policy/tests/policy-vectors.json");
    let finished = desk
        .run(&["test", "--vectors", vectors.to_str().unwrap()])
        .expect(0, &["100 as expected"]);
    assert_eq!(finished.stdout.lines().count(), 100);
    assert_eq!(finished.stdout.lines().next(), Some("ok      V001"));

    let changed = read(&vectors)
        .replacen("\"ALLOWED\"", "\"EXPLICIT_DENY\"", 1)
        .replacen("\"clientId\"", "\"moonPhase\": 1, \"clientId\"", 2);
    desk.put("changed.json", &changed);
    let finished = desk.run(&["test", "--vectors", "changed.json"]).expect(
        1,
        &[
            "1 of 100 are not as expected",
            "2 vectors say `moonPhase`, which is not known here",
        ],
    );
    let changed = read(&vectors).replacen("\"clientId\"", "\"moonPhase\": 1, \"clientId\"", 1);
    desk.put("one.json", &changed);
    desk.run(&["test", "--vectors", "one.json"])
        .expect(0, &["1 vector says `moonPhase`"]);
    assert!(
        finished.stdout.contains("DIFFERS V001 (changed.json:"),
        "{}",
        finished.stdout
    );
    assert!(
        finished
            .stdout
            .contains("expected EXPLICIT_DENY, decided ALLOWED")
    );
    let json = desk
        .run(&["test", "--vectors", "changed.json", "--json"])
        .expect(1, &[])
        .json();
    assert_eq!(json[0]["unknown"], json!({"moonPhase": 2}));
    desk.run(&["test", "--vectors", "policy.json"])
        .expect(2, &["is this a file of policy vectors?"]);
}

#[test]
fn an_explanation_for_a_beginner() {
    let desk = Desk::new();
    let ask = |rest: &[&str]| {
        let mut args = vec!["explain", "--policy", "policy.json", "--client", "lamp"];
        args.extend(rest);
        desk.run(&args)
    };
    let allowed = ask(&["--action", "connect"])
        .expect(0, &["assumed: the certificate is attached to thing `lamp`"]);
    assert!(
        allowed.stdout.starts_with("ALLOWED\n"),
        "{}",
        allowed.stdout
    );
    assert!(
        allowed
            .stdout
            .contains("${iot:Connection.Thing.ThingName} = lamp")
    );
    assert!(
        !allowed.stdout.contains('\u{1b}'),
        "no colour where nobody looks"
    );

    let denied = ask(&["--action", "publish", "--topic", "esp32/sub"]).expect(3, &[]);
    assert!(
        denied
            .stdout
            .contains("^ character 13: `s` was asked, the policy has `p`"),
        "{}",
        denied.stdout
    );
    assert!(
        denied
            .stdout
            .contains("the smallest statement that would allow it")
    );
    assert!(!denied.stderr.contains("error"), "{}", denied.stderr);

    let unattached = ask(&["--action", "connect", "--unattached"]).expect(3, &[]);
    assert!(
        unattached
            .stdout
            .contains("the certificate is not attached to thing `lamp`"),
        "{}",
        unattached.stdout
    );

    let json = ask(&[
        "--action",
        "iot:Publish",
        "--resource",
        "topic/esp32/sub",
        "--json",
    ])
    .expect(3, &[])
    .json();
    assert_eq!(json["decision"], "IMPLICIT_DENY");
    assert_eq!(json["nearest"], 3);
    assert_eq!(json["statements"][3]["verdict"]["verdict"], "otherResource");
    assert_eq!(json["statements"][3]["verdict"]["character"], 13);
    let statement: Value =
        serde_json::from_str(json["cure"]["statement"].as_str().unwrap()).unwrap();
    assert_eq!(
        statement["Resource"],
        "arn:aws:iot:us-east-1:123456789012:topic/esp32/sub"
    );

    ask(&["--action", "fly"]).expect(2, &["no action of AWS IoT"]);
    ask(&["--action", "publish"]).expect(2, &["needs --topic"]);
    desk.run(&["explain", "--policy", "policy.json", "--action", "connect"])
        .expect(2, &["neither a client id nor a kit"]);
}

#[test]
fn the_statement_that_was_proposed_helps() {
    let desk = Desk::new();
    let ask = [
        "--client",
        "lamp",
        "--action",
        "publish",
        "--topic",
        "home/lamp/state",
    ];
    let mut args = vec!["explain", "--policy", "policy.json", "--json"];
    args.extend(ask);
    let json = desk.run(&args).expect(3, &[]).json();
    let statement = json["cure"]["statement"].as_str().unwrap();
    assert!(
        statement.contains("home/${iot:Connection.Thing.ThingName}/state"),
        "{statement}"
    );
    desk.put(
        "more.json",
        &format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{statement}]}}"),
    );
    let mut args = vec![
        "explain",
        "--policy",
        "policy.json",
        "--policy",
        "more.json",
    ];
    args.extend(ask);
    desk.run(&args).expect(0, &[]);
}

#[test]
fn lint_in_three_formats() {
    let desk = Desk::new();
    let text = POLICY
        .replace("REGION:ACCOUNT_ID", "us-east-1:123456789012")
        .replace("topicfilter/", "topic/");
    desk.put("bad.json", &text);
    let finished = desk.run(&["lint", "bad.json"]).expect(1, &["1 finding"]);
    let first = finished.stdout.lines().next().unwrap();
    assert_eq!(first, "bad.json:11:25: error TW-P007 Statement[1].Resource");
    assert!(
        finished.stdout.contains("(--fix does it)"),
        "{}",
        finished.stdout
    );

    let json = desk
        .run(&["lint", "bad.json", "--json"])
        .expect(1, &[])
        .json();
    let finding = &json[0]["findings"][0];
    assert_eq!(
        (&finding["id"], &finding["line"], &finding["fixable"]),
        (&json!("TW-P007"), &json!(11), &json!(true))
    );

    let sarif = desk
        .run(&["lint", "bad.json", "--format", "sarif"])
        .expect(1, &[])
        .json();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let result = &run["results"][0];
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&json!("TW-P007"), &json!("error"))
    );
    assert_eq!(run["tool"]["driver"]["rules"][6]["id"], "TW-P007");
    assert_eq!(result["ruleIndex"], 6);
    assert_eq!(
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "bad.json"
    );
    assert_eq!(
        result["locations"][0]["physicalLocation"]["region"]["startLine"],
        11
    );
    let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
    let at = usize::try_from(change["deletedRegion"]["byteOffset"].as_u64().unwrap()).unwrap();
    assert_eq!(&text[at..at + 6], "topic/");

    // A note alone does not end with 1, unless asked to.
    desk.put(
        "note.json",
        &text.replace("\"iot:Subscribe\"", "\"iot:Publish\""),
    );
    desk.run(&["lint", "note.json"]).expect(0, &[]);
    desk.run(&["lint", "note.json", "--fail-on", "note"])
        .expect(1, &[]);
    let rules = desk.run(&["lint", "--rules"]).expect(0, &[]).stdout;
    assert!(
        rules.contains("TW-P001 error") && rules.contains("TW-P028"),
        "{rules}"
    );
}

#[test]
fn fix_leaves_the_rest_byte_for_byte() {
    let desk = Desk::new();
    let odd = POLICY
        .replace("topicfilter/", "topic/")
        .replace('\n', "\r\n")
        .replace("    ", "\t");
    desk.put("odd.json", &odd);
    desk.run(&[
        "lint",
        "--fix",
        "--region",
        "us-east-1",
        "--account",
        "123456789012",
        "odd.json",
    ])
    .expect(0, &["9 mended"]);
    let expected = odd
        .replace("REGION:ACCOUNT_ID", "us-east-1:123456789012")
        .replacen("topic/", "topicfilter/", 1);
    assert_eq!(read(desk.path("odd.json")), expected);

    let finished = desk.run_with_stdin(
        &["lint", "--fix", "-"],
        &expected.replacen("topicfilter/", "topic/", 1),
    );
    assert_eq!(finished.stdout, expected, "stdin to stdout");
    assert_eq!(finished.code, Some(0));
}

#[cfg(unix)]
#[test]
fn fix_keeps_links_and_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.put("real.json", POLICY);
    std::fs::set_permissions(
        desk.path("real.json"),
        std::fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    std::os::unix::fs::symlink("real.json", desk.path("link.json")).unwrap();
    desk.run(&[
        "lint",
        "--fix",
        "--region",
        "us-east-1",
        "--account",
        "123456789012",
        "link.json",
    ])
    .expect(0, &["8 mended"]);
    assert!(desk.path("link.json").is_symlink());
    assert!(!read(desk.path("real.json")).contains("REGION"));
    let mode = std::fs::metadata(desk.path("real.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_policy_from_a_record_and_again() {
    let desk = Desk::new();
    let line = |action: &str, resource: &str, decision: &str| {
        json!({"clientId": "lamp", "certificateId": "c", "thingName": "lamp", "action": action, "resource": resource, "decision": decision})
            .to_string()
            + "\n"
    };
    let record = [
        line("iot:Publish", "topic/esp32/pub", "allow"),
        line("iot:Connect", "client/lamp", "allow"),
        line("iot:Receive", "topic/esp32/sub", "allow"),
        line("iot:Subscribe", "topicfilter/esp32/sub", "allow"),
        line("iot:Publish", "topic/secret", "deny"),
    ]
    .concat();
    desk.put("run.jsonl", &record);
    desk.run(&["generate", "run.jsonl", "--out", "new.json"])
        .expect(
            0,
            &[
                "left out: iot:Publish on `topic/secret` by `lamp`",
                "4 events",
            ],
        );
    let made = read(desk.path("new.json"));
    desk.run(&["diff", "policy.json", "new.json"])
        .expect(0, &["no difference"]);
    desk.run(&["lint", "new.json"])
        .expect(0, &["nothing found"]);
    desk.run(&["generate", "run.jsonl", "--out", "new.json"])
        .expect(0, &[]);
    assert_eq!(
        read(desk.path("new.json")),
        made,
        "used again it changes nothing"
    );

    let with_names = desk
        .run(&["generate", "run.jsonl", "--placeholders"])
        .expect(0, &[])
        .stdout;
    assert_eq!(
        with_names,
        made.replace("us-east-1:123456789012", "REGION:ACCOUNT_ID")
    );
    let of_stdin = desk.run_with_stdin(&["generate", "-"], &record);
    assert_eq!(of_stdin.stdout, made);
    let json = desk
        .run(&["generate", "run.jsonl", "--json"])
        .expect(0, &[])
        .json();
    assert_eq!(json[0]["Version"], "2012-10-17");
    let wide = desk
        .run(&["generate", "run.jsonl", "--with-denied"])
        .expect(0, &[])
        .stdout;
    assert!(wide.contains("topic/secret"));

    desk.run(&["generate", "run.jsonl", "--client", "nobody"])
        .expect(1, &["nothing that was allowed"]);
    desk.run(&["generate", "policy.json"])
        .expect(2, &["line 1: no event of a record"]);
    desk.run(&["generate", "nowhere"])
        .expect(2, &["cannot read the record"]);
}

#[test]
fn more_than_one_document_needs_a_file() {
    // C-3, C-5
    let desk = Desk::new();
    let record: String = (0..100)
        .map(|number| {
            json!({"clientId": "a", "certificateId": null, "thingName": null, "action": "iot:Publish",
                "resource": format!("topic/some/where/else/{number}"), "decision": "allow"})
            .to_string()
                + "\n"
        })
        .collect();
    desk.put("run.jsonl", &record);
    desk.run(&["generate", "run.jsonl"])
        .expect(1, &["documents are needed", "--out FILE"]);
    desk.run(&["generate", "run.jsonl", "--out", "p.json"])
        .expect(0, &["`p.json`", "`p-2.json`"]);
    desk.run(&["lint", "p.json", "p-2.json"]).expect(0, &[]);
}

#[test]
fn what_another_version_changes() {
    let desk = Desk::new();
    desk.put(
        "wide.json",
        &POLICY.replace("topic/esp32/pub", "topic/esp32/*"),
    );
    let finished = desk
        .run(&["diff", "policy.json", "wide.json"])
        .expect(1, &["1 difference"]);
    assert!(
        finished
            .stdout
            .starts_with("+ allowed now iot:Publish on topic/esp32/x\n"),
        "{}",
        finished.stdout
    );
    let json = desk
        .run(&["diff", "wide.json", "policy.json", "--json"])
        .expect(1, &[])
        .json();
    assert_eq!(json["changes"][0]["became"], "denied");
    assert_eq!(json["complete"], true);
    let finished = desk.run_with_stdin(&["diff", "-", "policy.json"], POLICY);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

#[test]
fn files_that_are_no_policies() {
    let desk = Desk::new();
    std::fs::write(desk.path("binary"), [0xff, 0xfe, 0x00]).unwrap();
    desk.put("deep", &"[".repeat(10_000));
    desk.put("mark.json", &format!("\u{feff}{POLICY}"));
    desk.put("old.json", &POLICY.replace("2012-10-17", "2008-10-17"));
    for verb in [
        &["lint"] as &[&str],
        &["diff", "policy.json"],
        &[
            "explain", "--client", "a", "--action", "connect", "--policy",
        ],
    ] {
        let with = |file: &'static str| {
            let mut args = verb.to_vec();
            args.push(file);
            args
        };
        desk.run(&with("nowhere.json"))
            .expect(2, &["cannot read the policy `nowhere.json`"]);
        desk.run(&with("."))
            .expect(2, &["cannot read the policy `.`"]);
        desk.run(&with("binary"))
            .expect(2, &["it is not UTF-8 text"]);
    }
    for file in ["deep", "old.json", "mark.json"] {
        let finished = desk.run(&["lint", file]).expect(1, &[]);
        assert!(finished.stdout.contains("TW-P001"), "{}", finished.stdout);
    }
    desk.run(&["diff", "old.json", "policy.json"]).expect(
        2,
        &[
            "line 2, column 16 (Version): version `2008-10-17`",
            "thingwire policy lint old.json",
        ],
    );
    desk.run(&["diff", "mark.json", "policy.json"])
        .expect(0, &[]);
    desk.put("bad.expect", "device lamp can fly\n");
    desk.run(&["test", "bad.expect"]).expect(
        2,
        &["`bad.expect`: line 1, column 13: after the device's name comes `may`"],
    );
}
