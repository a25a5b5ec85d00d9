//! `cargo xtask soak`: `kill -9` under load, two hundred times.
//!
//! What it does is a scenario of the conformance tests, which CI runs with thirty kills; here there are more of them. The
//! scenario says what it saw, and fails when anything that was acknowledged is gone.

use crate::run::{Failed, cargo, run, target};

/// How often, when `--kills` does not say.
const KILLS: u64 = 200;
/// The moments, when `--seed` does not say.
const SEED: u64 = 1;

/// `--kills N`, `--seed S`.
pub(crate) fn all(arguments: &[String]) -> Result<(), Failed> {
    let (kills, seed) = read(arguments)?;
    run(cargo().args(["build", "--package", "thingwire"]))?;
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
    soak.env("THINGWIRE_BIN", target().join("debug").join(program))
        .env("THINGWIRE_KILLS", kills.to_string())
        .env("THINGWIRE_SEED", seed.to_string());
    run(&mut soak)
}

fn read(arguments: &[String]) -> Result<(u64, u64), Failed> {
    let (mut kills, mut seed) = (KILLS, SEED);
    let mut words = arguments.iter();
    while let Some(flag) = words.next() {
        let value = match flag.as_str() {
            "--kills" => &mut kills,
            "--seed" => &mut seed,
            other => {
                return Err(Failed::new(format!(
                    "`{other}` is no argument of soak; it takes --kills N and --seed S"
                )));
            }
        };
        *value = words
            .next()
            .and_then(|word| word.parse().ok())
            .filter(|number| (1..=4000).contains(number))
            .ok_or_else(|| Failed::new(format!("{flag} needs a number from 1 to 4000")))?;
    }
    Ok((kills, seed))
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
        assert_eq!(read(&[]).unwrap(), (200, 1));
        assert_eq!(read(&["--seed", "7", "--kills", "30"]).unwrap(), (30, 7));
        for wrong in [
            &["--kills"][..],
            &["--kills", "0"],
            &["--seed", "x"],
            &["30"],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
