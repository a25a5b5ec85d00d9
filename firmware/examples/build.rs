//! Links with the scripts that esp-hal brings; the emulated machine beside it has scripts of its own.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tlinkall.x");
    println!("cargo::rerun-if-changed=build.rs");
}
