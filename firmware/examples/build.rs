//! Links with the scripts that esp-hal brings; the emulated machine beside it has scripts of its own.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tlinkall.x");
    // See `common/src/rsa.rs`. The linker for Xtensa is called through a compiler.
    let xtensa = std::env::var("TARGET").is_ok_and(|target| target.starts_with("xtensa"));
    let prefix = if xtensa { "-Wl," } else { "" };
    println!("cargo::rustc-link-arg-bins={prefix}--wrap=mbedtls_mpi_exp_mod_unsafe");
    println!("cargo::rerun-if-changed=build.rs");
}
