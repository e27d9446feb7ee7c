//! Finds what `cargo xtask setup` made and tells the compiler where it is.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(javascript_engine, python_engine)");
    let Some(target) = target_dir() else { return };
    embed(&target.join("setup/engine.wasm"), "javascript_engine", "OFFHOOK_ENGINE_WASM");
    if std::env::var_os("CARGO_FEATURE_PYTHON").is_some() {
        embed(&target.join("setup/python.wasm"), "python_engine", "OFFHOOK_PYTHON_WASM");
    }
}

fn embed(engine: &Path, cfg: &str, variable: &str) {
    // Cargo would run this script at each build if the file it watches did not exist; an empty
    // one means "not made yet".
    if !engine.exists() {
        let _ = engine.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(engine, b"");
    }
    println!("cargo::rerun-if-changed={}", engine.display());
    if std::fs::metadata(engine).is_ok_and(|m| m.len() > 0) {
        println!("cargo::rustc-cfg={cfg}");
        println!("cargo::rustc-env={variable}={}", engine.display());
    }
}

/// The folder above OUT_DIR that cargo marked as its target folder.
fn target_dir() -> Option<PathBuf> {
    let out = std::env::var_os("OUT_DIR")?;
    Path::new(&out).ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists()).map(Path::to_path_buf)
}
