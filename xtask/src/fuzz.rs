//! Runs the fuzz targets under libFuzzer with the stable compiler: what coverage needs is a pass
//! that LLVM brings along, so neither a nightly nor cargo-fuzz is called for, only a C++ compiler.
//!
//! What a run learns and what it finds stays below the target folder; the tree's own corpus changes
//! only with `--keep`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{run as run_command, target_folder, workspace};

/// The table of targets, one file each.
const TARGETS: &str = "fuzz/fuzz_targets/mod.rs";
/// Those that run in the sandbox: its compiler takes minutes to build, so that they have a binary of
/// their own, with counters in our code alone.
const GUEST_TARGETS: &str = "fuzz/guest_targets/mod.rs";
/// Adds what the environment says to the compiler's arguments, for the packages of our own.
const COUNTED: &str = "fuzz/counted.sh";

/// Counters in every block and the operands of comparisons: what libFuzzer steers by.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
];

/// No input is larger than what the longest reader takes, a SIP message.
const MAX_LENGTH: usize = 65_536;
/// Sequences read a step from a byte or a few; longer ones are cut.
const MAX_SEQUENCE: usize = 4_096;
/// One input may take so many seconds, on a machine that does much else; more is a finding.
const SLOWEST: u32 = 30;
/// And so much memory, in megabytes.
const LARGEST: u32 = 1_024;
/// What the tree keeps of a target's corpus, in bytes and in files.
const KEPT: u64 = 100_000;
const KEPT_FILES: usize = 40;

/// Learnt inputs are named by so many digits of their hash; others by people, and stay.
const LEARNT_NAME: usize = 12;

struct Wanted {
    seconds: u32,
    keep: bool,
    names: Vec<String>,
}

/// The task.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let wanted = read(arguments)?;
    let guests = names(GUEST_TARGETS)?;
    let (mut fuzzer, mut guest_fuzzer) = (None, None);
    let mut findings = vec![];
    for name in &wanted.names {
        let target = Target::new(name)?;
        let fuzzer = match guests.contains(name) {
            true => built(&mut guest_fuzzer, build_with_guests)?,
            false => built(&mut fuzzer, build)?,
        };
        match target.fuzz(&fuzzer, wanted.seconds) {
            Ok(summary) => println!("xtask: {name:<22} {summary}"),
            Err(finding) => {
                println!("xtask: {name:<22} FOUND {finding}");
                findings.push(name.as_str());
            }
        }
        if wanted.keep {
            target.keep(&fuzzer)?;
        }
    }
    match findings.as_slice() {
        [] => Ok(()),
        some => Err(format!(
            "{} of {} targets found something: {}",
            some.len(),
            wanted.names.len(),
            some.join(", ")
        )),
    }
}

/// A binary, built when the first target wants it.
fn built(
    known: &mut Option<PathBuf>,
    build: fn() -> Result<PathBuf, String>,
) -> Result<PathBuf, String> {
    if known.is_none() {
        *known = Some(build()?);
    }
    known.clone().ok_or_else(|| "nothing was built".to_owned())
}

fn read(arguments: &[String]) -> Result<Wanted, String> {
    let known = [names(TARGETS)?, names(GUEST_TARGETS)?].concat();
    let mut wanted = Wanted { seconds: 60, keep: false, names: vec![] };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let number = words.next().and_then(|number| number.parse().ok());
                wanted.seconds = number.ok_or("--seconds wants a whole number")?;
            }
            "--keep" => wanted.keep = true,
            name if known.iter().any(|known| known == name) => wanted.names.push(name.to_owned()),
            name => return Err(format!("no target {name}; there are {}", known.join(", "))),
        }
    }
    if wanted.names.is_empty() {
        wanted.names = known;
    }
    Ok(wanted)
}

/// The names in a table.
fn names(table: &str) -> Result<Vec<String>, String> {
    let path = workspace().join(table);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let names = names_in(&text);
    if names.is_empty() { Err(format!("{table} names no target")) } else { Ok(names) }
}

/// Entries are `("name", name::run)`, on lines of their own or not.
fn names_in(table: &str) -> Vec<String> {
    let entry = |text: &str| {
        let (name, rest) = text.split_once("\", ")?;
        rest.starts_with(&format!("{name}::run")).then(|| name.to_owned())
    };
    table.split("(\"").skip(1).filter_map(entry).collect()
}

/// Builds the one binary of all targets but the guests'; its path.
fn build() -> Result<PathBuf, String> {
    let (host, folder) = (host()?, target_folder().join("fuzz"));
    // With a target named, build scripts and macros of the host are built without counters.
    run_command(
        Command::new("cargo")
            .current_dir(workspace().join("fuzz"))
            .env("CARGO_TARGET_DIR", &folder)
            .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"))
            .args(["build", "--release", "--quiet", "--target", &host]),
    )?;
    Ok(folder.join(host).join("release/fuzz"))
}

/// Builds the one with the sandbox in it.
fn build_with_guests() -> Result<PathBuf, String> {
    let (host, folder) = (host()?, target_folder().join("fuzz-guests"));
    run_command(
        Command::new("cargo")
            .current_dir(workspace().join("fuzz"))
            .env("CARGO_TARGET_DIR", &folder)
            .env("RUSTC_WORKSPACE_WRAPPER", workspace().join(COUNTED))
            .env("OFFHOOK_COVERAGE", COVERAGE.join(" "))
            .args(["build", "--release", "--quiet", "--features", "guests", "--target", &host]),
    )?;
    Ok(folder.join(host).join("release/fuzz"))
}

/// What the compiler builds for, when there is what libFuzzer needs.
fn host() -> Result<String, String> {
    if run_quietly("c++", "--version").is_err() {
        return Err("a C++ compiler is missing, which libFuzzer is built with (package g++)".into());
    }
    let host = run_quietly("rustc", "-vV")?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say what it builds for".to_owned())
}

fn run_quietly(program: &str, argument: &str) -> Result<String, String> {
    let done = Command::new(program).arg(argument).output();
    let done = done.map_err(|error| format!("cannot start {program}: {error}"))?;
    match done.status.success() {
        true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        false => Err(format!("{program} {argument} ended with {}", done.status)),
    }
}

/// One target and its folders.
struct Target {
    name: String,
    /// In the tree.
    kept: PathBuf,
    /// What runs here have learnt.
    learnt: PathBuf,
    /// What they found.
    findings: PathBuf,
}

impl Target {
    fn new(name: &str) -> Result<Target, String> {
        let below = target_folder().join("fuzz");
        let target = Target {
            name: name.to_owned(),
            kept: workspace().join("fuzz/corpus").join(name),
            learnt: below.join("corpus").join(name),
            findings: below.join("findings").join(name),
        };
        for folder in [&target.kept, &target.learnt, &target.findings] {
            fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        Ok(target)
    }

    fn command(&self, fuzzer: &Path) -> Command {
        let mut command = Command::new(fuzzer);
        let longest = if self.name.ends_with("_sequence") { MAX_SEQUENCE } else { MAX_LENGTH };
        command
            .env("OFFHOOK_FUZZ_TARGET", &self.name)
            .arg(format!("-max_len={longest}"))
            .arg(format!("-timeout={SLOWEST}"))
            .arg(format!("-rss_limit_mb={LARGEST}"))
            .arg(format!("-artifact_prefix={}/", self.findings.display()));
        command
    }

    /// What came out: executions and what was reached, or where the finding lies.
    fn fuzz(&self, fuzzer: &Path, seconds: u32) -> Result<String, String> {
        let mut command = self.command(fuzzer);
        command
            .args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()])
            .arg(&self.learnt)
            .arg(&self.kept)
            .args(seeds(&self.name).iter().map(|folder| workspace().join(folder)));
        let done = command.output().map_err(|error| format!("nothing: {error}"))?;
        let told = String::from_utf8_lossy(&done.stderr);
        let log = self.findings.join("log");
        fs::write(&log, &*told).map_err(|error| format!("{}: {error}", log.display()))?;
        if done.status.success() { Ok(summary(&told)) } else { Err(finding(&told, &log)) }
    }

    /// Puts the smallest inputs that reach everything into the tree.
    fn keep(&self, fuzzer: &Path) -> Result<(), String> {
        let merged = self.learnt.with_extension("merged");
        let _ = fs::remove_dir_all(&merged);
        fs::create_dir_all(&merged).map_err(|e| format!("{}: {e}", merged.display()))?;
        let mut command = self.command(fuzzer);
        command.arg("-merge=1").args([&merged, &self.kept, &self.learnt]);
        command.args(seeds(&self.name).iter().map(|folder| workspace().join(folder)));
        let done = command.output().map_err(|error| format!("cannot merge: {error}"))?;
        if !done.status.success() {
            return Err(format!("the corpus of {} cannot be merged", self.name));
        }
        for (_, path) in list(&self.kept)? {
            if path.file_name().is_some_and(|name| is_learnt(&name.to_string_lossy())) {
                fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
        let mut files = list(&merged)?;
        files.sort();
        let mut size = 0;
        // Short ones and long ones alike: what only long ones reach is what nobody thinks of.
        for (length, path) in files.iter().step_by(files.len().div_ceil(KEPT_FILES).max(1)) {
            size += length;
            if size > KEPT {
                break;
            }
            let Some(name) = path.file_name() else { continue };
            let name = name.to_string_lossy().chars().take(LEARNT_NAME).collect::<String>();
            fs::copy(path, self.kept.join(name)).map_err(|e| format!("cannot keep: {e}"))?;
        }
        Ok(())
    }
}

fn is_learnt(name: &str) -> bool {
    name.len() == LEARNT_NAME && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Files and their lengths.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, String> {
    let entries = folder.read_dir().map_err(|error| format!("{}: {error}", folder.display()))?;
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.ok()?.path();
        Some((path.metadata().ok()?.len(), path))
    };
    Ok(entries.filter_map(entry).collect())
}

/// Test data that a target begins with, beside its own corpus.
fn seeds(target: &str) -> &'static [&'static str] {
    match target {
        "sip_message" | "sip_stream" | "seeing" => &["tests/data/torture", "tests/data/ipv6"],
        "template" | "xml" => &["samples/first/bins"],
        "config" => &["samples/first"],
        "routes" => &["samples/first/functions", "functions/samples"],
        "flow" => &["samples/first/flows"],
        "guest_module" => &["functions/samples/guests"],
        _ => &[],
    }
}

/// Executions, how many a second, and how much of the code was reached.
fn summary(told: &str) -> String {
    let stat = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", str::trim).to_owned()
    };
    let reached = told.lines().rev().find(|line| line.contains(" cov: ")).unwrap_or_default();
    let reached = reached.split(" cov: ").nth(1).and_then(|rest| rest.split(' ').next());
    format!(
        "{} executions, {} a second, {} edges, nothing found",
        stat("stat::number_of_executed_units:"),
        stat("stat::average_exec_per_sec:"),
        reached.unwrap_or("?"),
    )
}

/// What went wrong, and the input that shows it.
fn finding(told: &str, log: &Path) -> String {
    let panic = told.lines().skip_while(|line| !line.contains("panicked at"));
    let panic: Vec<&str> = panic.take(2).collect();
    let input = told.lines().find_map(|line| line.split("Test unit written to ").nth(1));
    let what = if panic.is_empty() { "see the log".to_owned() } else { panic.join(" ") };
    format!("{what}; input {}, log {}", input.unwrap_or("none"), log.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_from_their_table() {
        let table =
            "mod a;\n    (\"a\", a::run),\n    (\"b_c\", b_c::run),\n    (\"x\", y::run),\n";
        assert_eq!(names_in(table), ["a", "b_c"]);
        assert!(names(TARGETS).expect("the table").len() >= 16);
        assert_eq!(names(GUEST_TARGETS).expect("the table"), ["guest_calls"]);
    }

    #[test]
    fn only_what_was_learnt_is_replaced() {
        assert!(is_learnt("0123456789ab"));
        assert!(!is_learnt("plain-offer") && !is_learnt("hold") && !is_learnt("0123456789abc"));
    }

    #[test]
    fn a_run_is_told_in_one_line() {
        let told = "#2\tINITED cov: 10 ft: 11\n#9\tDONE   cov: 1234 ft: 5\n\
                    stat::number_of_executed_units: 99\nstat::average_exec_per_sec:     33\n";
        assert_eq!(summary(told), "99 executions, 33 a second, 1234 edges, nothing found");
        let told = "thread panicked at src/a.rs:1:2:\nno such luck\nstack\n\
                    artifact_prefix='x'; Test unit written to x/crash-1\n";
        let found = finding(told, Path::new("log"));
        assert_eq!(
            found,
            "thread panicked at src/a.rs:1:2: no such luck; input x/crash-1, log log"
        );
    }
}
