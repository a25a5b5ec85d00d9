//! The daily commands of the house: `cargo xtask test`, `ci`, `bench`, `rules`.
//!
//! xtask decides in which order things are built and checked and what must be installed for it; it holds
//! no test of its own subject. It depends on almost nothing, so that it starts before anything else is built.

mod bench;
mod boards;
mod chip;
mod ci;
mod elf;
mod firmware;
mod foreign;
mod fuzz;
mod instructions;
#[cfg(test)]
mod lines;
mod no_std;
mod pains;
mod policy;
mod rules;
mod run;
mod size;
mod soak;
mod statements;
mod test;

use std::process::ExitCode;

use run::Failed;

const HELP: &str = "\
cargo xtask test [ARGS]   every test, with its own set-up; ARGS go to cargo nextest (or cargo test)
cargo xtask ci            what .ci/run calls: fmt, deny, clippy, no_std builds, the demo, every test
cargo xtask no-std        only the builds for the chips: riscv32imc and Xtensa
cargo xtask firmware      the programs for the emulated chip (--emulated: only these) and for the ESP32-C3 and C6 (--boards: only
                          these), images in target/firmware; --size: compares with firmware/sizes.txt (--write: writes it);
                          --clippy: lints them
cargo xtask deny          only cargo-deny: bans, licences, sources
cargo xtask fuzz [ARGS]   every fuzz target for a minute; ARGS: --seconds N, --seed N, names of targets, --replay FILE TARGET
cargo xtask bench [ARGS]  the broker beside mosquitto; the same as bench broker, which with --peers all has rumqttd, RMQTT and MiniStack too;
                          bench latency: delays in many rounds; bench hostility: under attack; bench idle: 15,000 connections;
                          bench growth: how costs grow;
                          bench cost: system calls, allocations and TLS of a delivery; each writes its tables of docs/benchmarks.md
cargo xtask size          bytes of flash beside other MQTT libraries; writes a table of docs/benchmarks.md
cargo xtask instructions  instructions a message beside other MQTT engines; another table of docs/benchmarks.md
cargo xtask policy        the policy engine beside cedar-policy: 20,000 decisions compared, instructions counted
cargo xtask chip          memory and instructions on an emulated riscv32imc beside others; another table of docs/benchmarks.md
cargo xtask soak [ARGS]   kill -9 under load, 200 times: nothing acknowledged is lost; ARGS: --kills N, --seed N, --release
cargo xtask rules         which rules of docs/rules.txt are cited; writes docs/rules-without-a-test.md
                          and docs/mqtt-statements.md; with --check it only says whether they are up to date
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_str() {
        "test" => test::all(&rest),
        "ci" => ci::all(),
        "no-std" => no_std::all(),
        "firmware" => firmware::all(&rest),
        "deny" => ci::deny(),
        "fuzz" => fuzz::all(&rest),
        "bench" => bench::measure(&rest),
        "size" => size::measure(),
        "instructions" => instructions::measure(),
        "policy" => policy::all(),
        "chip" => chip::measure(),
        "soak" => soak::all(&rest),
        "rules" => rules::list(&rest),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Failed::new(format!(
            "no command `{other}`; try `cargo xtask help`"
        ))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xtask: {failed}");
            ExitCode::FAILURE
        }
    }
}
