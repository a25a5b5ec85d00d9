//! Puts the linker script `memory.x` where the linker finds it, and names the scripts to link with.

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
    // The second one is riscv-rt's.
    println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // See `common/src/rsa.rs`.
    println!("cargo::rustc-link-arg-bins=--wrap=mbedtls_mpi_exp_mod_unsafe");
    println!("cargo::rerun-if-changed=memory.x");
}
