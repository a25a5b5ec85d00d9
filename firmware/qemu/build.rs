//! Puts the linker script `memory.x` where the linker finds it.

use std::path::Path;
use std::{env, fs};

fn main() {
    let Some(out) = env::var_os("OUT_DIR") else {
        return;
    };
    let script = Path::new(&out).join("memory.x");
    if let Err(error) = fs::write(&script, include_bytes!("memory.x")) {
        println!(
            "cargo::error=`{}` cannot be written: {error}",
            script.display()
        );
    }
    println!("cargo::rustc-link-search={}", Path::new(&out).display());
    println!("cargo::rerun-if-changed=memory.x");
}
