//! `cargo xtask soak`: `kill -9` under load, two hundred times.
//!
//! What it does is a scenario of the conformance tests, which CI runs with thirty kills; here there are more of them. The
//! scenario says what it saw, and fails when anything that was acknowledged is gone. `--release` kills the program as people run it,
//! which gets further in the same moments; the clients around it stay as tests are built.

use crate::run::{Failed, cargo, run, target};

/// How often, when `--kills` does not say.
const KILLS: u64 = 200;
/// The moments, when `--seed` does not say.
const SEED: u64 = 1;

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    kills: u64,
    seed: u64,
    release: bool,
}

/// `--kills N`, `--seed S`, `--release`.
pub(crate) fn all(arguments: &[String]) -> Result<(), Failed> {
    let asked = read(arguments)?;
    let mut build = cargo();
    build.args(["build", "--package", "thingwire"]);
    if asked.release {
        build.arg("--release");
    }
    run(&mut build)?;
    let mut soak = cargo();
    soak.args([
        "test",
        "--package",
        "thingwire-conformance",
        "--test",
        "scenarios",
    ])
    .args(["--", "--exact", "--nocapture"])
    .arg("crash::what_was_acknowledged_survives_kills_under_load");
    let program = format!("thingwire{}", std::env::consts::EXE_SUFFIX);
    let profile = if asked.release { "release" } else { "debug" };
    soak.env("THINGWIRE_BIN", target().join(profile).join(program))
        .env("THINGWIRE_KILLS", asked.kills.to_string())
        .env("THINGWIRE_SEED", asked.seed.to_string());
    run(&mut soak)
}

fn read(arguments: &[String]) -> Result<Asked, Failed> {
    let mut asked = Asked {
        kills: KILLS,
        seed: SEED,
        release: false,
    };
    let mut words = arguments.iter();
    while let Some(flag) = words.next() {
        let value = match flag.as_str() {
            "--kills" => &mut asked.kills,
            "--seed" => &mut asked.seed,
            "--release" => {
                asked.release = true;
                continue;
            }
            other => {
                return Err(Failed::new(format!(
                    "`{other}` is no argument of soak; it takes --kills N, --seed S and --release"
                )));
            }
        };
        *value = words
            .next()
            .and_then(|word| word.parse().ok())
            .filter(|number| (1..=4000).contains(number))
            .ok_or_else(|| Failed::new(format!("{flag} needs a number from 1 to 4000")))?;
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_numbers_and_have_usual_values() {
        let read = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            read(&words)
        };
        let asked = |kills, seed, release| Asked {
            kills,
            seed,
            release,
        };
        assert_eq!(read(&[]).unwrap(), asked(200, 1, false));
        assert_eq!(
            read(&["--seed", "7", "--release", "--kills", "30"]).unwrap(),
            asked(30, 7, true)
        );
        for wrong in [
            &["--kills"][..],
            &["--kills", "0"],
            &["--release", "7"],
            &["--seed", "x"],
            &["30"],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
