//! `cargo xtask test`: every test, after making ready what the tests call.

use crate::firmware;
use crate::foreign;
use crate::run::{Failed, cargo, in_ci, output, run, target};

/// How else `thingwire-mqtt` is built.
const ENGINE_FEATURES: &[&[&str]] = &[&["--features", "qos2"], &["--no-default-features"]];

/// How else `thingwire-device` is built; boards have it without `v5`.
const DEVICE_FEATURES: &[&[&str]] = &[&["--features", "qos2"], &["--no-default-features"]];

/// Sets up the foreign programs, builds the firmware for the emulated chip and the program the conformance tests
/// start, runs all tests.
///
/// `arguments` go to the test runner as they are (`-p thingwire-mqtt`, a test's name, …). The runner's
/// summary is the last thing it prints.
pub(crate) fn all(arguments: &[String]) -> Result<(), Failed> {
    let packages = arguments
        .iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));
    let conformance = arguments
        .iter()
        .any(|argument| argument.contains("conformance"));
    let conformance = conformance || !packages;
    let foreign = foreign::prepare(conformance)?;
    let firmware = if conformance {
        firmware::build()?
    } else {
        None
    };

    // One build for everything, with the features the test build will unify to, so that the program the
    // conformance tests start is not built a second time.
    run(cargo().args(["build", "--workspace", "--bins", "--tests", "--examples"]))?;

    let nextest = output(cargo().args(["nextest", "--version"])).is_some();
    let mut tests = cargo();
    let mut documentation = Ok(());
    if nextest {
        if arguments.is_empty() {
            // nextest leaves out the examples in documentation.
            documentation = run(cargo().args(["test", "--workspace", "--doc", "--quiet"]));
        }
        tests.args(["nextest", "run"]);
    } else {
        eprintln!("xtask: cargo-nextest is not installed; using cargo test");
        tests.arg("test");
    }
    if !packages {
        tests.arg("--workspace");
    }
    if in_ci() {
        tests.arg("--no-fail-fast");
    }
    tests.args(arguments);
    let program = format!("thingwire{}", std::env::consts::EXE_SUFFIX);
    tests.env("THINGWIRE_BIN", target().join("debug").join(program));
    if let Some(firmware) = firmware {
        tests.env("THINGWIRE_FIRMWARE", firmware);
    }
    if let Some(bin) = foreign.bin {
        tests.env("THINGWIRE_FOREIGN", bin);
    }
    if let Some(packages) = foreign.node {
        tests.env("THINGWIRE_FOREIGN_NODE", packages);
    }
    if let Some(programs) = foreign.rumqtt {
        tests.env("THINGWIRE_RUMQTT", programs);
    }
    // One failure does not hide another.
    let others = if arguments.is_empty() {
        with_features()
    } else {
        Ok(())
    };
    run(&mut tests).and(documentation).and(others)
}

/// Tests of features that must not reach everybody: in a build of everything they would.
fn with_features() -> Result<(), Failed> {
    let mut result = Ok(());
    for features in ENGINE_FEATURES {
        let mut engine = cargo();
        engine.args(["test", "--quiet", "--package", "thingwire-mqtt", "--lib"]);
        result = run(engine.args(*features)).and(result);
    }
    for features in DEVICE_FEATURES {
        let mut device = cargo();
        device.args(["test", "--quiet", "--package", "thingwire-device"]);
        device.args(["--lib", "--tests"]).args(*features);
        result = run(&mut device).and(result);
    }
    let mut abroad = cargo();
    abroad.args(["test", "--quiet", "--package", "thingwire-conformance"]);
    abroad.args(["--features", "qos2", "--test", "exactly_once"]);
    let mut lives = cargo();
    lives.args(["test", "--quiet", "--package", "thingwire-simulation"]);
    lives.args(["--features", "qos2", "--test", "exactly_once"]);
    let others = [&mut abroad, &mut lives].map(run);
    others.into_iter().fold(result, Result::and)
}
