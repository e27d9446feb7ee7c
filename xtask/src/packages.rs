//! Debian packages that the interop tests drive as peers.

use std::env;
use std::process::Command;

/// Installs the packages whose commands are missing; each pair is a command and its package.
pub fn ensure(wanted: &[(&str, &str)]) -> Result<(), String> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(command, _)| !on_path(command))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("xtask: installing Debian packages: {}", missing.join(" "));
    apt(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    let status = Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .status()
        .map_err(|error| format!("cannot start apt-get: {error}; install the packages by hand"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("apt-get {} failed ({status}); it needs root", arguments.join(" ")))
}

fn on_path(command: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(command).is_file())
}
