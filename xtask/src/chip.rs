//! `cargo xtask chip`: memory and instructions on the processor of an ESP32-C3, ours beside others, in the same run.
//!
//! The programs in `bench/chip` run on an emulated riscv32imc (`qemu-system-riscv32 -icount`, which counts every instruction) over a
//! transport in memory, and print their figures. Instructions do not depend on what else the machine does. The tables go into
//! `docs/benchmarks.md`; a client that takes more memory than its limit is an error.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;

use crate::bench::between;
use crate::no_std::{RISCV, Toolchain};
use crate::run::{Failed, program, root, run, shown, target};

/// The tables of the last run stand between these lines.
const MARKS: (&str, &str) = (
    "<!-- begin: written by cargo xtask chip -->",
    "<!-- end: written by cargo xtask chip -->",
);

/// Bytes that the client, its driver's future and the stack may take together, besides the buffers lent to them.
const RAM_LIMIT: u64 = 2_048;

/// What a program printed.
type Figures = BTreeMap<String, u64>;

/// A row of the table of instructions: what it is, the program, the names of its figures.
const ROWS: [(&str, &str, &str, &str); 5] = [
    (
        "thingwire-mqtt, MQTT 3.1.1",
        "thingwire",
        "publish-3.1.1",
        "receive-3.1.1",
    ),
    (
        "thingwire-mqtt, MQTT 5",
        "thingwire",
        "publish-5",
        "receive-5",
    ),
    (
        "thingwire-device, the whole client, 3.1.1",
        "thingwire",
        "client-publish",
        "client-receive",
    ),
    ("minimq 0.13.5, MQTT 5", "minimq", "publish", "receive"),
    ("rust-mqtt 0.6.0, MQTT 5", "rust_mqtt", "publish", "receive"),
];

/// What the device library takes besides lent buffers, and what each future takes that the application holds.
const PARTS: [(&str, &str); 8] = [
    ("client", "`Client`, the session in it included"),
    (
        "run",
        "the future of `Client::run`, for a transport without state",
    ),
    (
        "stack",
        "stack, painted: the deepest poll of `run` or of the futures below",
    ),
    ("session", "of the client: `Session`"),
    (
        "publish-future",
        "held by the application: `publish` of a message with QoS 1",
    ),
    ("subscribe-future", "held by the application: `subscribe`"),
    (
        "unsubscribe-future",
        "held by the application: `unsubscribe`",
    ),
    ("next-future", "held by the application: `next`"),
];

/// The parts that count against [`RAM_LIMIT`] stand first.
const COUNTED: usize = 3;

/// Builds, runs, writes the tables, and compares.
pub(crate) fn measure() -> Result<(), Failed> {
    let toolchain = Toolchain::find().ok_or_else(|| {
        Failed::new(
            "the sources of the standard library are needed (Debian: rustc-web, cargo-web, rust-web-src, lld; \
             rustup: component rust-src)",
        )
    })?;
    run(toolchain.build(&root().join("bench/chip"), "core").args([
        "--release",
        "--target",
        RISCV,
    ]))?;
    let mut all = BTreeMap::new();
    for name in ["thingwire", "minimq", "rust_mqtt"] {
        all.insert(name, figures(name)?);
    }
    let (tables, ram) = tables(&all)?;
    print!("{tables}");
    let document = root().join("docs/benchmarks.md");
    let failed = |error: std::io::Error| Failed::new(format!("`docs/benchmarks.md`: {error}"));
    let old = fs::read_to_string(&document).map_err(failed)?;
    fs::write(&document, between(&old, MARKS, &tables)?).map_err(failed)?;
    if ram > RAM_LIMIT {
        return Err(Failed::new(format!(
            "the client takes {ram} bytes besides its buffers, at most {RAM_LIMIT} are allowed"
        )));
    }
    Ok(())
}

/// Runs a program on the emulated processor.
fn figures(name: &str) -> Result<Figures, Failed> {
    let kernel = target()
        .join("no-std")
        .join(RISCV)
        .join("release")
        .join(name);
    let mut qemu = program("qemu-system-riscv32");
    qemu.args([
        "-M",
        "virt",
        "-bios",
        "none",
        "-nographic",
        "-icount",
        "shift=0",
        "-kernel",
    ])
    .arg(kernel);
    eprintln!("+ {}", shown(&qemu));
    let ended = qemu.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = ended.map_err(|error| {
        Failed::new(format!(
            "`qemu-system-riscv32` cannot be run: {error} (Debian: package qemu-system-misc)"
        ))
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Failed::new(format!("`{name}` failed:\n{text}")));
    }
    Ok(read(&text))
}

/// Lines of a name and a number.
fn read(text: &str) -> Figures {
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.trim().split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// The tables, and what counts against the limit.
fn tables(all: &BTreeMap<&str, Figures>) -> Result<(String, u64), Failed> {
    let figure = |program: &str, name: &str| {
        let figures = all.get(program).and_then(|figures| figures.get(name));
        figures
            .copied()
            .ok_or_else(|| Failed::new(format!("`{program}` did not print `{name}`")))
    };
    let mut text = String::from(
        "| engine | instructions per publish | per received publish |\n|---|---:|---:|\n",
    );
    for (title, program, publish, receive) in ROWS {
        let (publish, receive) = (figure(program, publish)?, figure(program, receive)?);
        let _ = writeln!(text, "| {title} | {publish} | {receive} |");
    }
    text.push_str("\n| memory of the device library besides lent buffers | bytes |\n|---|---:|\n");
    let mut ram = 0_u64;
    for (place, (name, title)) in PARTS.into_iter().enumerate() {
        let bytes = figure("thingwire", name)?;
        if place == COUNTED {
            let _ = writeln!(text, "| **together** | **{ram}** |");
        }
        if place < COUNTED {
            ram = ram.saturating_add(bytes);
        }
        let _ = writeln!(text, "| {title} | {bytes} |");
    }
    for (title, program) in [
        ("minimq: `Session`", "minimq"),
        ("rust-mqtt: `Client`", "rust_mqtt"),
    ] {
        let (session, stack) = (figure(program, "session")?, figure(program, "stack")?);
        let _ = writeln!(
            text,
            "| for comparison, {title}; stack of one publish and one receive | {session} + {stack} |"
        );
    }
    Ok((text, ram))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_tables_and_what_is_missing_is_named() {
        let mut all = BTreeMap::new();
        for name in ["thingwire", "minimq", "rust_mqtt"] {
            let mut figures =
                read("client 600\r\nrun 500\nstack 800\nsession 300\nnonsense\nx y\n");
            let rows = ROWS.iter().flat_map(|row| [row.2, row.3]);
            let parts = PARTS.iter().skip(COUNTED + 1).map(|part| part.0);
            figures.extend(rows.chain(parts).map(|name| (name.to_owned(), 7)));
            all.insert(name, figures);
        }
        let (text, ram) = tables(&all).unwrap();
        assert_eq!(ram, 1_900);
        assert!(text.contains("| **together** | **1900** |"));
        assert!(text.contains("| minimq 0.13.5, MQTT 5 | 7 | 7 |"));
        all.insert("minimq", Figures::new());
        assert!(
            tables(&all)
                .unwrap_err()
                .to_string()
                .contains("`minimq` did not print")
        );
    }
}
