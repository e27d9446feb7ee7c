//! Finds what `cargo xtask setup` made and tells the compiler where it is.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
