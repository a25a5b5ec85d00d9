//! The whole story, as a person runs it.

mod common;

use common::{Finished, thingwire};

#[test]
fn the_demo_observes_every_step_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let finished: Finished = thingwire()
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap()
        .into();
    let finished = finished.expect(0, &[]);
    let story = &finished.stdout;
    for words in [
        "aws iot describe-endpoint",
        "aws iot create-policy",
        "aws iot create-thing",
        "aws iot create-certificate-from-csr",
        "aws iot attach-policy",
        "aws iot attach-thing-principal",
        "TLS 1.",
        "esp32/sub",
        "esp32/pub",
        "wrong client id",
        "iot:Connect",
        "iot:Publish",
        "inactive certificate",
        "DEVICE_CERTIFICATE_INACTIVE",
        "steps were observed",
        "thingwire up",
    ] {
        assert!(story.contains(words), "`{words}` is missing in:\n{story}");
    }
    assert!(story.matches('✓').count() >= 20, "{story}");
    assert!(!story.contains('\u{1b}'), "no colours in a pipe");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn the_demo_answers_in_json() {
    let finished: Finished = thingwire()
        .args(["demo", "--json"])
        .output()
        .unwrap()
        .into();
    let finished = finished.expect(0, &[]);
    let story: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let chapters = story["chapters"].as_array().unwrap();
    let steps = chapters
        .iter()
        .flat_map(|chapter| chapter["steps"].as_array().unwrap());
    assert_eq!(
        steps.clone().count() as u64,
        story["steps"].as_u64().unwrap()
    );
    assert!(chapters.len() >= 5, "{story}");
    let denied = steps.clone().any(|step| {
        step["observed"]
            .as_str()
            .unwrap()
            .contains("wrong client id")
    });
    assert!(denied, "{story}");
    let typed = steps.clone().any(|step| {
        step["command"]
            .as_str()
            .is_some_and(|text| text.starts_with("aws iot"))
    });
    assert!(typed, "{story}");
    assert!(!finished.stdout.contains("\\u001b"), "no colours in JSON");
}
