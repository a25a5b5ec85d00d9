//! `thingwire up --quota`: what is over a quota is refused, and the log names it. The quotas are 0 or so large that no time matters.

mod common;

use common::{Cloud, Finished, thingwire};

#[cfg(unix)]
#[test]
fn a_quota_of_the_flag_is_enforced_and_named_in_the_log() {
    let cloud = Cloud::start_with(&["--quota", "retained-publishes=0"], &[]);
    cloud
        .run(&["pub", "-t", "a", "-m", "kept", "--retain"])
        .expect(3, &["quota exceeded", "`retained-publishes` (0)"]);
    cloud.run(&["pub", "-t", "a", "-m", "live"]).expect(0, &[]);
    let (code, log, _) = cloud.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("B-65: over the quota `retained-publishes` (0)"),
        "{log}"
    );
    assert!(!log.contains("inbound-publishes"), "{log}");
}

#[test]
fn without_the_flag_there_are_none_and_a_wrong_one_lists_all() {
    let cloud = Cloud::start();
    // B-65 allows one a second; a hundred over one connection are faster than that on any machine.
    cloud
        .run_with_stdin(
            &["pub", "-t", "a", "-l", "--retain"],
            "kept\n".repeat(100).as_bytes(),
        )
        .expect(0, &[]);
    let refused: Finished = thingwire()
        .args(["up", "--quota", "nonsense=1"])
        .output()
        .unwrap()
        .into();
    refused.expect(2, &["`nonsense` is no quota", "publishes-per-connection"]);
}
