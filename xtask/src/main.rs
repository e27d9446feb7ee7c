//! Project tasks. `cargo xtask demo` sets up and runs the main job; `cargo xtask test` sets up and
//! passes the tests; both say what they do and leave what they fetch below the target folder.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod engine;
mod fuzz;
mod guests;
mod packages;
mod phones;
mod python;
mod voice;

const USAGE: &str = "usage: cargo xtask TASK

  setup            fetch and build what the program embeds: the JavaScript engine and a voice
  demo [ARG …]     setup, then `offhook demo`: real calls between built-in phones
  test [ARG …]     setup, then all tests; ARG is passed to `cargo test`
  interop          setup, then the tests against sipp, baresip, PJSIP and Kamailio
  guests           setup, then functions in other languages, built and held against golden events
  python           make the engine of Python functions, which --features python embeds; then they
                   are held against golden events
  bench [NAME]     setup, then the benches, or one of them, in the release profile
  fuzz [--seconds N] [--keep] [NAME …]
                   each fuzz target, or some, for N seconds (60) under libFuzzer; --keep puts the
                   smallest inputs that reach everything found into fuzz/corpus";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((task, rest)) = arguments.split_first() else { return usage() };
    let done = match task.as_str() {
        "setup" => setup(),
        "demo" => setup().and_then(|()| demo(rest)),
        "test" => setup().and_then(|()| test(rest)),
        "interop" => setup().and_then(|()| interop(rest)),
        "guests" => setup().and_then(|()| guests()),
        "python" => setup().and_then(|()| python()),
        "bench" => setup().and_then(|()| bench(rest)),
        "fuzz" => fuzz::run(rest),
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask {task}: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// What the program embeds or finds beside itself; done once, then a matter of milliseconds.
fn setup() -> Result<(), String> {
    let target = target_folder();
    engine::setup(&target)?;
    voice::setup(&target)
}

fn demo(arguments: &[String]) -> Result<(), String> {
    cargo(&["run", "--quiet", "--bin", "offhook", "--", "demo"], arguments)
}

fn test(arguments: &[String]) -> Result<(), String> {
    // Where there is little to test first, so that the last summary is that of real tests.
    cargo(&["test", "--package", "xtask"], arguments)?;
    cargo(&["test", "--package", "offhook", "--doc"], arguments)?;
    cargo(&["test", "--package", "offhook", "--lib", "--bins", "--tests"], arguments)
}

/// Real softphones on loopback; they fail rather than skip when a tool is missing.
fn interop(arguments: &[String]) -> Result<(), String> {
    packages::ensure(&[
        ("sipp", "sip-tester"),
        ("baresip", "baresip-core"),
        ("sox", "sox"),
        ("kamailio", "kamailio"),
        // Phones behind a translator, in network namespaces.
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("conntrack", "conntrack"),
    ])?;
    phones::setup(&target_folder())?;
    // They wait more than they work; each has its own server, ports and folder.
    let ignored = ["test", "--test", "interop", "--", "--ignored", "--test-threads=4"];
    cargo(&ignored, arguments)
}

/// Fetches compilers where they are missing; a language that cannot be built is named.
fn guests() -> Result<(), String> {
    let modules = guests::build(&workspace(), &target_folder())?;
    let test = ["test", "--test", "guests", "--", "--include-ignored", "--nocapture"];
    let mut cargo = Command::new("cargo");
    cargo.envs(guests::environment(&target_folder())?);
    run(cargo.current_dir(workspace()).env("OFFHOOK_GUESTS", modules).args(test))
}

fn python() -> Result<(), String> {
    python::setup(&workspace(), &target_folder())?;
    let test = ["test", "--features", "python", "--test", "python"];
    run(Command::new("cargo").current_dir(workspace()).args(test))
}

fn bench(arguments: &[String]) -> Result<(), String> {
    match arguments.split_first() {
        Some((name, rest)) => cargo(&["bench", "--bench", name, "--"], rest),
        None => cargo(&["bench", "--benches"], &[]),
    }
}

/// Runs cargo in the workspace with its output shown.
fn cargo(fixed: &[&str], more: &[String]) -> Result<(), String> {
    run(Command::new("cargo").current_dir(workspace()).args(fixed).args(more))
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = format!("{command:?}");
    let status = command.status().map_err(|error| format!("cannot start {name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}

fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Where cargo builds; what setup makes lies in `setup` below it, where `build.rs` looks.
fn target_folder() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}
