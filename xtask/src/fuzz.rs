//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, coverage-guided, on a stable compiler and without cargo-fuzz.
//!
//! The engine is libFuzzer, which `libfuzzer-sys` compiles from C++. What cargo-fuzz needs a nightly compiler for is the
//! sanitizer; without one (nothing of ours is unsafe) LLVM's coverage pass is a code generation option that every
//! compiler takes. A plain mutation engine would need none of this, but does not see which input led somewhere new.
//!
//! As many targets run at a time as there are cores. What they learn stays in `target/fuzz/corpus` and is where the next
//! run begins, after the seeds in `fuzz/seeds`. A crash is an input in a file, and the line that replays it is printed.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::run::{Failed, cargo, output, program, root, run, shown, target};

/// Seconds for each target when nobody says otherwise.
const SECONDS: u32 = 60;

/// An input that takes this many seconds is a finding, too: the slowest honest one takes milliseconds.
const HANG: u32 = 20;

/// LLVM's coverage pass, as libFuzzer wants it: counters, their places, and what values are compared with.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What was asked on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    seconds: u32,
    /// Where the chance of a run comes from; the same seed and corpus go the same way.
    seed: Option<u32>,
    /// An input to run once, with the one target that is named.
    replay: Option<PathBuf>,
    targets: Vec<String>,
}

/// `[--seconds N] [--seed N] [TARGET…]`, or `--replay FILE TARGET`.
pub(crate) fn all(arguments: &[String]) -> Result<(), Failed> {
    let known = targets()?;
    let asked = read(arguments, &known)?;
    let bin = build()?;
    if let Some(input) = &asked.replay {
        let target = asked
            .targets
            .first()
            .map(String::as_str)
            .unwrap_or_default();
        return run(program(bin.join(target)).arg(input));
    }
    let waiting = Mutex::new(VecDeque::from(asked.targets));
    let failures = Mutex::new(Vec::new());
    let next = || waiting.lock().ok()?.pop_front();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(|| {
                while let Some(target) = next() {
                    if let Err(failed) = one(&bin, &target, asked.seconds, asked.seed) {
                        eprintln!("xtask: {failed}");
                        if let Ok(mut failures) = failures.lock() {
                            failures.push(target);
                        }
                    }
                }
            });
        }
    });
    match failures.into_inner() {
        Ok(failures) if failures.is_empty() => Ok(()),
        Ok(failures) => Err(Failed::new(format!(
            "fuzzing failed: {}",
            failures.join(", ")
        ))),
        Err(_) => Err(Failed::new("a thread that ran fuzz targets panicked")),
    }
}

/// Each file in `fuzz/targets` is one.
fn targets() -> Result<Vec<String>, Failed> {
    let folder = root().join("fuzz/targets");
    let entries = fs::read_dir(&folder)
        .map_err(|error| Failed::new(format!("`fuzz/targets` cannot be read: {error}")))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_suffix(".rs").map(str::to_owned)
        })
        .collect();
    names.sort();
    Ok(names)
}

fn read(arguments: &[String], known: &[String]) -> Result<Asked, Failed> {
    let mut asked = Asked {
        seconds: SECONDS,
        seed: None,
        replay: None,
        targets: Vec::new(),
    };
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--seconds" => {
                let value = rest.next().and_then(|value| value.parse().ok());
                asked.seconds = value
                    .filter(|seconds| *seconds > 0)
                    .ok_or_else(|| Failed::new("`--seconds` wants a whole number from 1"))?;
            }
            "--seed" => {
                let value = rest.next().and_then(|value| value.parse().ok());
                asked.seed =
                    Some(value.ok_or_else(|| Failed::new("`--seed` wants a whole number"))?);
            }
            "--replay" => {
                let file = rest
                    .next()
                    .ok_or_else(|| Failed::new("`--replay` wants the file of an input"))?;
                asked.replay = Some(PathBuf::from(file));
            }
            name if known.iter().any(|known| known == name) => {
                asked.targets.push(name.to_owned());
            }
            other => {
                return Err(Failed::new(format!(
                    "no fuzz target `{other}`; there are {}",
                    known.join(", ")
                )));
            }
        }
    }
    if asked.replay.is_some() && asked.targets.len() != 1 {
        return Err(Failed::new("`--replay` wants one target beside the file"));
    }
    if asked.targets.is_empty() {
        asked.targets = known.to_vec();
    }
    Ok(asked)
}

/// Builds all targets; answers the folder they are in.
fn build() -> Result<PathBuf, Failed> {
    let folder = root().join("fuzz");
    run(cargo()
        .current_dir(&folder)
        .args(["fmt", "--all", "--check"]))?;
    let version = output(program("rustc").arg("-vV")).unwrap_or_default();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or_else(|| Failed::new("`rustc -vV` does not name its host"))?;
    let built = target().join("fuzz/build");
    // With `--target` the flags do not reach build scripts, which have no libFuzzer to link with.
    run(cargo()
        .current_dir(&folder)
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &built)
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--bins",
            "--target",
            host,
        ]))
    .map_err(|failed| {
        Failed::new(format!(
            "{failed}; libFuzzer needs a C++ compiler (Debian: package g++)"
        ))
    })?;
    Ok(built.join(host).join("release"))
}

/// Runs one target to the end of its time and says in one line how far it came.
fn one(bin: &Path, name: &str, seconds: u32, seed: Option<u32>) -> Result<(), Failed> {
    let learnt = target().join("fuzz/corpus").join(name);
    let found = target().join("fuzz/found");
    let log = target().join("fuzz").join(format!("{name}.log"));
    let made = fs::create_dir_all(&learnt)
        .and_then(|()| fs::create_dir_all(&found))
        .and_then(|()| fs::File::create(&log));
    let written = made.and_then(|file| Ok((file.try_clone()?, file)));
    let (out, err) = written
        .map_err(|error| Failed::new(format!("`{}` cannot be written: {error}", log.display())))?;
    let mut command = command(bin, name, seconds, &learnt, &found);
    if let Some(seed) = seed {
        command.arg(format!("-seed={seed}"));
    }
    eprintln!("+ {}", shown(&command));
    let status = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .status();
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    if status.is_ok_and(|status| status.success()) {
        println!("{name}: {}", summary(&text));
        return Ok(());
    }
    let start = text.len().saturating_sub(4_000);
    let tail = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at >= start);
    eprintln!(
        "{}",
        text.get(tail.unwrap_or_default()..).unwrap_or_default()
    );
    Err(Failed::new(match input(&text) {
        Some(file) => format!(
            "fuzz target `{name}` failed; its input is in `{file}` and above in base64; again: \
             cargo xtask fuzz --replay {file} {name}"
        ),
        None => format!("fuzz target `{name}` ended without an input to blame; see above"),
    }))
}

fn command(bin: &Path, name: &str, seconds: u32, learnt: &Path, found: &Path) -> Command {
    let mut command = program(bin.join(name));
    command
        .arg(learnt)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={HANG}"))
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .args(["-max_len=2048", "-print_final_stats=1"]);
    let seeds = root().join("fuzz/seeds").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    // A dictionary holds for the targets whose names begin like its own.
    let subject = name.split('_').next().unwrap_or_default();
    let dictionary = root().join("fuzz").join(format!("{subject}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    command
}

/// Runs, coverage and seed from libFuzzer's log.
fn summary(log: &str) -> String {
    let figure = |name: &str| {
        let line = log.lines().rfind(|line| line.contains(name))?;
        line.split_once(name)?.1.split_whitespace().next()
    };
    format!(
        "nothing found in {} runs ({} places of the code reached, seed {})",
        figure("stat::number_of_executed_units:").unwrap_or("?"),
        figure(" cov: ").unwrap_or("?"),
        figure("INFO: Seed:").unwrap_or("?"),
    )
}

/// The file that libFuzzer says it wrote the input to.
fn input(log: &str) -> Option<&str> {
    log.lines()
        .rev()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, file)| file.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn targets_and_seconds_are_read_and_others_named() {
        let known = words("mqtt_decode policy_document");
        let asked = read(&words("--seconds 5 mqtt_decode"), &known).unwrap();
        assert_eq!((asked.seconds, asked.targets), (5, words("mqtt_decode")));
        assert_eq!(read(&[], &known).unwrap().targets, known);
        for wrong in [
            "--seconds 0",
            "--seconds",
            "nothing",
            "--replay file",
            "--replay",
        ] {
            assert!(read(&words(wrong), &known).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_libfuzzer_says_is_read() {
        let log = "INFO: Seed: 42\n#9 DONE cov: 812 ft: 3 corp: 1/1b\nstat::number_of_executed_units: 900\n";
        assert_eq!(
            summary(log),
            "nothing found in 900 runs (812 places of the code reached, seed 42)"
        );
        assert_eq!(
            input("artifact_prefix='x'; Test unit written to target/a-crash-1\nBase64: AA==\n"),
            Some("target/a-crash-1")
        );
        assert_eq!(input("all went well"), None);
    }
}
