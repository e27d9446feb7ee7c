//! Fetches PJSIP for the interop tests: the bindings that a PyPI package carries.
//!
//! pip unpacks one wheel of a pinned version beside the build. Never installs a Python package for
//! others, never changes the system.

use std::path::Path;
use std::process::Command;

const PACKAGE: &str = "pjsua2-python";
const VERSION: &str = "2.15.1.post1";

/// Puts the bindings into `target/setup/pjsua2`, unless they are there already.
pub fn setup(target: &Path) -> Result<(), String> {
    let folder = target.join("setup").join("pjsua2");
    if works(&folder) {
        return Ok(());
    }
    println!("xtask: downloading {PACKAGE} {VERSION} (5 MB) with pip");
    // Each release of Python wants another wheel, so that there is no one hash to ask for.
    let status = Command::new("python3")
        .args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"])
        .args(["--only-binary", ":all:", "--root-user-action", "ignore", "--upgrade", "--target"])
        .arg(&folder)
        .arg(format!("{PACKAGE}=={VERSION}"))
        .status()
        .map_err(|error| format!("python3: {error}"))?;
    match status.success() && works(&folder) {
        true => Ok(()),
        false => Err(format!("{PACKAGE} {VERSION} cannot be used from {}", folder.display())),
    }
}

fn works(folder: &Path) -> bool {
    let tried =
        Command::new("python3").env("PYTHONPATH", folder).args(["-c", "import pjsua2"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}
