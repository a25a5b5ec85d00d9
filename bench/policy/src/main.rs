//! Policy decisions beside cedar-policy.
//!
//! ```text
//! cd bench/policy
//! cargo run --release -- agree      the same decisions on 20,000 generated cases
//! cargo run --release -- measure    instructions of one decision, by callgrind (needs valgrind)
//! ```
//!
//! `measure` runs this program under callgrind once for each case and counts only what happens inside the function
//! of that case. Instructions do not move with the machine; the times beside them do.

mod agree;
mod cases;
mod measure;
mod translate;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["agree"] => agree::run(),
        ["measure"] => measure::run(),
        ["case", name] => cases::run(name, true),
        ["time", name] => cases::run(name, false),
        _ => Err("usage: agree | measure".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
