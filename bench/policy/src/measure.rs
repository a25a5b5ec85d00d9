//! Counts instructions with callgrind, checks the targets, and prints the table of docs/benchmarks.md.

use std::collections::BTreeMap;
use std::process::Command;

use crate::cases;

/// Measures every case; fails if a target is missed.
pub fn run() -> Result<(), String> {
    let mut instructions: BTreeMap<&str, u64> = BTreeMap::new();
    println!("| case | instructions | ns |\n|---|---:|---:|");
    for name in cases::NAMES {
        let count = count(name)? / u64::from(cases::ROUNDS);
        let time = time(name)?;
        println!("| {name} | {count} | {time} |");
        instructions.insert(name, count);
    }
    let bytes = cases::compiled_bytes()?;
    println!("\ncompiled seed policy: {bytes} bytes");
    for (name, characters) in cases::sizes() {
        println!("policy `{name}`: {characters} characters");
        if characters > 2048 {
            return Err(format!("`{name}` is no policy: {characters} characters"));
        }
    }
    let of = |name: &str| instructions.get(name).copied().unwrap_or(u64::MAX) as f64;
    let seed = of("ours-seed");
    let cedar = of("cedar-seed").min(of("cedar-seed-entities"));
    let targets = [
        (
            "the seed's policy: at most 1,000 instructions",
            seed,
            1_000.0,
        ),
        (
            "the seed's policy: at most a tenth of cedar's",
            seed / cedar,
            0.1,
        ),
        (
            "2048 characters of wildcards: at most 8 times the seed's",
            of("ours-dense") / seed,
            8.0,
        ),
        (
            "2048 characters of wildcards and conditions: at most 8 times",
            of("ours-conditions") / seed,
            8.0,
        ),
        (
            "ten policies: at most 10 times the seed's",
            of("ours-ten") / seed,
            10.0,
        ),
        (
            "ten policies, 180 statements about other topics: at most 1.3 times the seed's",
            of("ours-beside") / seed,
            1.3,
        ),
        (
            "compiling the seed's policy: at most 200,000",
            of("ours-seed-compile"),
            200_000.0,
        ),
        (
            "reading it as well: at most 200,000",
            of("ours-seed-compile") + of("ours-seed-parse"),
            200_000.0,
        ),
        (
            "memory of the compiled seed's policy: at most 2 KB",
            bytes as f64,
            2048.0,
        ),
    ];
    let mut missed = 0;
    println!("\n| target | found | limit | |\n|---|---:|---:|---|");
    for (target, found, limit) in targets {
        let met = found <= limit;
        missed += usize::from(!met);
        let word = if met { "met" } else { "**missed**" };
        println!("| {target} | {found:.3} | {limit} | {word} |");
    }
    println!("\ncedar-policy / ours, seed's policy: {:.1}", cedar / seed);
    if missed > 0 {
        return Err(format!("{missed} targets are missed"));
    }
    Ok(())
}

fn myself() -> Result<std::path::PathBuf, String> {
    std::env::current_exe().map_err(|error| error.to_string())
}

fn count(name: &str) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={}", cases::toggle(name)))
        .arg(myself()?)
        .args(["case", name])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name}: {text}"));
    }
    // `==1== Collected : 123456`
    text.lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok())
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{name}: callgrind counted nothing\n{text}"))
}

fn time(name: &str) -> Result<String, String> {
    let output = Command::new(myself()?)
        .args(["time", name])
        .output()
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
