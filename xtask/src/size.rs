//! `cargo xtask size`: what an MQTT library costs on a chip, ours beside others, linked in the same run.
//!
//! Each program under `bench/size` does the same over the same made-up transport: connect, subscribe with QoS 1, answer
//! each message with a publish with QoS 1, reconnect. Counted is what ends up in flash: `.text` and `.rodata`.
//! The table goes into `docs/benchmarks.md`, and a library of ours that grew above its limit is an error.

use std::fs;
use std::path::Path;

use crate::bench::between;
use crate::no_std::{RISCV, Toolchain};
use crate::run::{Failed, output, program, root, run, target};

/// The table of the last run stands between these lines.
const MARKS: (&str, &str) = (
    "<!-- begin: written by cargo xtask size -->",
    "<!-- end: written by cargo xtask size -->",
);

/// A program, how it is built, and what the table says of it.
struct Subject {
    folder: &'static str,
    arguments: &'static [&'static str],
    name: &'static str,
    speaks: &'static str,
}

const OURS: Subject = Subject {
    folder: "thingwire",
    arguments: &[],
    name: "thingwire-mqtt",
    speaks: "3.1.1 and 5, chosen at run time",
};
const OURS_V311: Subject = Subject {
    folder: "thingwire",
    arguments: &["--no-default-features"],
    name: "thingwire-mqtt without `v5`",
    speaks: "3.1.1",
};
const MINIMQ: Subject = Subject {
    folder: "minimq",
    arguments: &[],
    name: "minimq 0.13.5",
    speaks: "5",
};
const RUST_MQTT: Subject = Subject {
    folder: "rust-mqtt",
    arguments: &[],
    name: "rust-mqtt 0.6.0",
    speaks: "5",
};

/// Bytes that the build for 3.1.1 alone may take: the goal, and a little more than what it takes today.
const LIMIT_V311: u64 = 12_000;

/// `.text` and `.rodata` of one program, in bytes.
struct Size {
    text: u64,
    rodata: u64,
}

impl Size {
    const fn flash(&self) -> u64 {
        self.text.saturating_add(self.rodata)
    }
}

/// Builds, counts, writes the table, and compares.
pub(crate) fn measure() -> Result<(), Failed> {
    let toolchain = Toolchain::find().ok_or_else(|| {
        Failed::new(
            "the sources of the standard library are needed (Debian: rustc-web, cargo-web, rust-web-src, lld, llvm; \
             rustup: component rust-src)",
        )
    })?;
    let mut table = String::from(
        "| program | MQTT | `.text` | `.rodata` | bytes of flash | ours is smaller by |\n|---|---|---:|---:|---:|---:|\n",
    );
    let mut flash: Vec<u64> = Vec::new();
    for subject in [OURS, OURS_V311, MINIMQ, RUST_MQTT] {
        let size = linked(&toolchain, &subject)?;
        flash.push(size.flash());
        let ours = flash.first().copied().unwrap_or_default();
        table.push_str(&row(&subject, &size, ours));
    }
    print!("{table}");
    write(&table)?;
    compare(&flash)
}

fn linked(toolchain: &Toolchain, subject: &Subject) -> Result<Size, Failed> {
    run(toolchain
        .build(&root().join("bench/size").join(subject.folder), "core")
        .env("CARGO_INCREMENTAL", "0")
        .args(["--release", "--target", RISCV])
        .args(subject.arguments))?;
    let linked = target()
        .join("no-std")
        .join(RISCV)
        .join("release")
        .join(format!("size-{}", subject.folder));
    sections(&linked)
}

fn sections(linked: &Path) -> Result<Size, Failed> {
    let listed = output(program("llvm-size").arg("-A").arg(linked))
        .ok_or_else(|| Failed::new("`llvm-size` cannot be run (Debian: package llvm)"))?;
    Ok(Size {
        text: section(&listed, ".text"),
        rodata: section(&listed, ".rodata"),
    })
}

/// The size of one section in what `llvm-size -A` printed; 0 for a section that is not there.
fn section(listed: &str, name: &str) -> u64 {
    listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == name).then(|| words.next()?.parse::<u64>().ok())?
        })
        .sum()
}

fn row(subject: &Subject, size: &Size, ours: u64) -> String {
    let ratio = match subject.folder {
        "thingwire" => "–".to_owned(),
        _ => format!("**{:.2}**", size.flash() as f64 / ours as f64),
    };
    format!(
        "| {} | {} | {} | {} | {} | {ratio} |\n",
        subject.name,
        subject.speaks,
        size.text,
        size.rodata,
        size.flash()
    )
}

fn write(table: &str) -> Result<(), Failed> {
    let document = root().join("docs/benchmarks.md");
    let failed = |error: std::io::Error| Failed::new(format!("`docs/benchmarks.md`: {error}"));
    let old = fs::read_to_string(&document).map_err(failed)?;
    fs::write(&document, between(&old, MARKS, table)?).map_err(failed)
}

/// What must stay true, in the order of the table.
fn compare(flash: &[u64]) -> Result<(), Failed> {
    let [ours, ours_v311, minimq, rust_mqtt] = flash else {
        return Err(Failed::new("a program was not counted"));
    };
    if ours >= minimq {
        return Err(Failed::new(format!(
            "thingwire-mqtt takes {ours} bytes, minimq {minimq}: ours must be smaller"
        )));
    }
    if ours.saturating_mul(2) >= *rust_mqtt {
        return Err(Failed::new(format!(
            "thingwire-mqtt takes {ours} bytes, rust-mqtt {rust_mqtt}: ours must be less than half"
        )));
    }
    if *ours_v311 > LIMIT_V311 {
        return Err(Failed::new(format!(
            "thingwire-mqtt without `v5` takes {ours_v311} bytes, at most {LIMIT_V311} are allowed"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_by_their_whole_name() {
        let listed = "x  :\nsection  size  addr\n.rodata  758  65720\n.text  18170  70574\n.text.cold  9  1\nTotal  1\n";
        assert_eq!(section(listed, ".text"), 18_170);
        assert_eq!(section(listed, ".rodata"), 758);
        assert_eq!(section(listed, ".bss"), 0);
    }

    #[test]
    fn growing_above_a_peer_or_the_limit_is_an_error() {
        assert!(compare(&[100, 90, 120, 201]).is_ok());
        assert!(compare(&[120, 90, 120, 300]).is_err());
        assert!(compare(&[100, 90, 120, 200]).is_err());
        assert!(compare(&[100, LIMIT_V311 + 1, 120, 300]).is_err());
    }
}
