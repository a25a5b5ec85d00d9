//! `cargo xtask firmware`, and `--size`: the programs for the boards, in `firmware/examples`, for the ESP32-C3 and the
//! ESP32-C6, and what they take.
//!
//! They are linked with the standard library from source, made into images by esptool, and its `image-info` must accept
//! them. What they take is compared with `firmware/sizes.txt`; what grew by more than 2 % fails until the file is written
//! again on purpose, with `--size --write`. What TLS and the device library cost is the difference between whole images.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::elf::{self, Section};
use crate::firmware;
use crate::foreign;
use crate::no_std::{RISCV, RISCV_C6, Toolchain};
use crate::run::{Failed, output, program, root, run, target};

/// Makes images and looks into them.
const ESPTOOL: &str = "esptool==5.6.0";

const SIZES: &str = "firmware/sizes.txt";

/// A chip, its target, and the programs that are built for it.
const BOARDS: &[(&str, &str, &[&str])] = &[
    (
        "esp32c3",
        RISCV,
        &["stage-network", "stage-tls", "sketch", "sensor", "button"],
    ),
    ("esp32c6", RISCV_C6, &["sketch", "sensor", "button"]),
];

/// The sketch once more with MQTT 5 besides 3.1.1, what `--features v5` gives: only its size is of interest.
const BOTH_VERSIONS: (&str, &str, &str, &str) = ("esp32c3", RISCV, "sketch", "sketch-v5");

/// Bytes of flash that may be added: TLS between the first two of the stages, the device library and the application
/// between the last two, as boards have
/// them and with both versions of MQTT. The first limit is for a linker that shortens calls, the second for any other,
/// so that there always is one.
const LIMITS: &[(&str, &str, &str, [u64; 2])] = &[
    ("TLS", "stage-network", "stage-tls", [200_000, 202_000]),
    (
        "MQTT 3.1.1 and the sketch",
        "stage-tls",
        "sketch",
        [40_000, 43_000],
    ),
    (
        "MQTT 3.1.1 and 5 and the sketch",
        "stage-tls",
        "sketch-v5",
        [47_500, 51_500],
    ),
];

/// What a program takes, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Size {
    chip: String,
    name: String,
    /// The image: code, constants, and what is copied into memory at the start.
    flash: u64,
    /// Memory that is not stack: code that runs there, variables, the heap.
    ram: u64,
}

/// Builds all programs, looks at their images, and answers what they take. `None` after saying what is missing.
fn build() -> Result<Option<Vec<Size>>, Failed> {
    let Some(toolchain) = firmware::toolchain()? else {
        return Ok(None);
    };
    let esptool = esptool()?;
    let mut sizes = Vec::new();
    // First, so that what stays in the target folder under this name is what boards have.
    let (chip, architecture, program, name) = BOTH_VERSIONS;
    link(
        &toolchain,
        architecture,
        &["--bin", program],
        &format!("{chip},v5"),
    )?;
    let both = size(chip, name, &linked(architecture, program))?;
    for (chip, architecture, names) in BOARDS {
        link(
            &toolchain,
            architecture,
            &["--bins"],
            &format!("{chip},stages"),
        )?;
        for name in *names {
            let linked = linked(architecture, name);
            sizes.push(size(chip, name, &linked)?);
            look(&esptool, chip, name, &linked)?;
        }
    }
    sizes.push(both);
    Ok(Some(sizes))
}

/// Builds all programs.
pub(crate) fn check() -> Result<(), Failed> {
    build().map(drop)
}

/// Builds all programs and compares what they take with the committed file, or writes it.
pub(crate) fn measure(write: bool) -> Result<(), Failed> {
    let Some(sizes) = build()? else {
        return Ok(());
    };
    let text = table(&sizes);
    print!("{text}");
    let relaxes = firmware::relaxes();
    let mut wrong = Vec::new();
    if relaxes {
        let path = root().join(SIZES);
        let failed = |error: std::io::Error| Failed::new(format!("`{SIZES}`: {error}"));
        if write {
            fs::write(&path, text).map_err(failed)?;
        }
        let committed = fs::read_to_string(&path).map_err(failed)?;
        wrong = grown(&read(&committed), &sizes);
    } else {
        println!(
            "xtask: not compared with `{SIZES}`, which was measured with a linker that shortens calls (Debian: lld-22)"
        );
    }
    wrong.extend(beyond(&sizes, relaxes));
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failed::new(format!(
            "{}; if it is meant: `cargo xtask firmware --size --write`",
            wrong.join("; ")
        ))),
    }
}

/// What takes more than its limit for this kind of linker.
fn beyond(sizes: &[Size], relaxes: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (what, less, more, [shortened, plain]) in LIMITS {
        let bytes = difference(sizes, less, more);
        let limit = if relaxes { shortened } else { plain };
        if bytes > *limit {
            wrong.push(format!(
                "{what} takes {bytes} bytes of flash, at most {limit} are allowed"
            ));
        }
    }
    wrong
}

fn link(
    toolchain: &Toolchain,
    architecture: &str,
    programs: &[&str],
    features: &str,
) -> Result<(), Failed> {
    run(firmware::command(toolchain)
        .args(["--release", "--locked"])
        .args(programs)
        .args(["--package", "thingwire-examples", "--target", architecture])
        .args(["--features", features]))
}

/// Where a linked program lies.
fn linked(architecture: &str, program: &str) -> PathBuf {
    let release = target().join("no-std").join(architecture).join("release");
    release.join(program)
}

/// esptool, in the environment of the foreign programs.
fn esptool() -> Result<PathBuf, Failed> {
    let bin = foreign::python_clients()?;
    let esptool = bin.join(format!("esptool{}", std::env::consts::EXE_SUFFIX));
    if output(program(&esptool).arg("version")).is_none() {
        run(program(bin.join("pip")).args(["install", "--quiet", ESPTOOL]))?;
    }
    Ok(esptool)
}

/// Makes the image that is written to flash, into `target/firmware`, and lets esptool judge it.
fn look(esptool: &Path, chip: &str, name: &str, linked: &Path) -> Result<(), Failed> {
    let folder = target().join("firmware");
    let image = folder.join(format!("{chip}-{name}.bin"));
    fs::create_dir_all(&folder)
        .map_err(|error| Failed::new(format!("`{}`: {error}", folder.display())))?;
    let made = output(
        program(esptool)
            .args(["--chip", chip, "elf2image", "--flash-size", "4MB", "-o"])
            .arg(&image)
            .arg(linked),
    );
    let info = made.and_then(|_| output(program(esptool).arg("image-info").arg(&image)));
    let info = info
        .ok_or_else(|| Failed::new(format!("esptool makes no image of `{}`", linked.display())))?;
    let version = env!("CARGO_PKG_VERSION");
    for expected in [
        format!("Project name: {name}"),
        format!("App version: {version}"),
    ] {
        if !info.contains(&expected) {
            return Err(Failed::new(format!(
                "`{}`: esptool does not find `{expected}`",
                image.display()
            )));
        }
    }
    if info.contains("invalid") {
        return Err(Failed::new(format!(
            "`{}` is not valid:\n{info}",
            image.display()
        )));
    }
    Ok(())
}

fn size(chip: &str, name: &str, linked: &Path) -> Result<Size, Failed> {
    let failed = |why: &str| Failed::new(format!("`{}`: {why}", linked.display()));
    let elf = fs::read(linked).map_err(|error| failed(&error.to_string()))?;
    let sections = elf::sections(&elf).ok_or_else(|| failed("not a program of 32 bits"))?;
    let sum = |wanted: fn(&Section) -> bool| {
        let sizes = sections.iter().filter(|section| wanted(section));
        sizes.map(|section| section.size).sum()
    };
    Ok(Size {
        chip: chip.to_owned(),
        name: name.to_owned(),
        flash: sum(|section| section.loaded),
        ram: sum(|section| {
            let first = section.name.split('.').nth(1).unwrap_or_default();
            matches!(
                first,
                "trap" | "rwtext" | "data" | "bss" | "noinit" | "dram2_uninit"
            )
        }),
    })
}

fn table(sizes: &[Size]) -> String {
    let mut text = String::from(
        "# Bytes, written by `cargo xtask firmware --size --write`. RAM is all memory that is not stack, the heap included.\n\
         # chip    program             flash       RAM\n",
    );
    for size in sizes {
        let Size {
            chip,
            name,
            flash,
            ram,
        } = size;
        let _ = writeln!(text, "{chip:9} {name:15} {flash:>9} {ram:>9}");
    }
    for (what, less, more, _) in LIMITS {
        let bytes = difference(sizes, less, more);
        let _ = writeln!(text, "# ESP32-C3: {what} takes {bytes} of flash");
    }
    text
}

/// Bytes of flash from one program for the ESP32-C3 to another.
fn difference(sizes: &[Size], less: &str, more: &str) -> u64 {
    let flash = |name: &str| {
        let found = sizes
            .iter()
            .find(|size| size.chip == "esp32c3" && size.name == name);
        found.map_or(0, |size| size.flash)
    };
    flash(more).saturating_sub(flash(less))
}

fn read(text: &str) -> Vec<Size> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(Size {
                chip: words.next()?.to_owned(),
                name: words.next()?.to_owned(),
                flash: words.next()?.parse().ok()?,
                ram: words.next()?.parse().ok()?,
            })
        })
        .collect()
}

/// What is more than 2 % larger than it was, or was not known.
fn grown(committed: &[Size], now: &[Size]) -> Vec<String> {
    let is_grown = |old: u64, new: u64| new.saturating_mul(100) > old.saturating_mul(102);
    let mut grown = Vec::new();
    for size in now {
        let Size { chip, name, .. } = size;
        let old = committed
            .iter()
            .find(|old| old.chip == *chip && old.name == *name);
        let Some(old) = old else {
            grown.push(format!("{chip} {name} is not in `{SIZES}`"));
            continue;
        };
        for (what, old, new) in [("flash", old.flash, size.flash), ("RAM", old.ram, size.ram)] {
            if is_grown(old, new) {
                grown.push(format!(
                    "{chip} {name} takes {new} bytes of {what}, before {old}"
                ));
            }
        }
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(chip: &str, name: &str, flash: u64, ram: u64) -> Size {
        Size {
            chip: chip.to_owned(),
            name: name.to_owned(),
            flash,
            ram,
        }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let sizes = [
            size("esp32c3", "stage-tls", 700, 90),
            size("esp32c3", "sketch", 750, 95),
            size("esp32c6", "sketch", 800, 99),
        ];
        let text = table(&sizes);
        assert_eq!(read(&text), sizes);
        assert!(
            text.contains("# ESP32-C3: MQTT 3.1.1 and the sketch takes 50 of flash"),
            "{text}"
        );
    }

    #[test]
    fn a_limit_holds_with_every_linker() {
        let with = |bytes| {
            [
                size("esp32c3", "stage-tls", 0, 0),
                size("esp32c3", "sketch", bytes, 0),
            ]
        };
        let [_, (.., [shortened, plain]), _] = LIMITS else {
            panic!("three limits");
        };
        for (relaxes, limit) in [(true, *shortened), (false, *plain)] {
            assert!(beyond(&with(limit), relaxes).is_empty());
            let wrong = beyond(&with(limit + 1), relaxes);
            assert_eq!(wrong.len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn two_percent_are_allowed_and_no_more() {
        let old = [size("esp32c3", "sketch", 1_000, 100)];
        assert!(grown(&old, &[size("esp32c3", "sketch", 1_020, 102)]).is_empty());
        assert!(grown(&old, &[size("esp32c3", "sketch", 10, 10)]).is_empty());
        assert_eq!(
            grown(&old, &[size("esp32c3", "sketch", 1_021, 103)]),
            [
                "esp32c3 sketch takes 1021 bytes of flash, before 1000",
                "esp32c3 sketch takes 103 bytes of RAM, before 100"
            ]
        );
        assert_eq!(
            grown(&old, &[size("esp32c6", "sketch", 1, 1)]),
            ["esp32c6 sketch is not in `firmware/sizes.txt`"]
        );
    }
}
