//! The compilers of other languages: which there is, what it is told, and where its module is.
//!
//! What they say goes to standard error as they say it, with their own places, which are relative
//! to the folder of sources. Nothing is installed but what a project's package.json names.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::sources::{Language, Source};
use crate::source::function::python;

/// Where a compiler that writes one file is told to write it, in the folder of sources.
const OUTPUT: &str = "function.wasm";

/// Of C: no library, no start files, no entry; the header says what is exported.
const C: [&str; 7] = [
    "-O2",
    "-Wall",
    "-mbulk-memory",
    "-nostdlib",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "function.c",
];

/// Libraries export the two functions of our door; programs are WASI commands.
const RUST_LIBRARY: &str = "wasm32-unknown-unknown";
const RUST_PROGRAM: &str = "wasm32-wasip1";

/// What a language needs, in the words of someone who has nothing of it.
pub(super) fn missing(language: Language) -> Option<String> {
    match language {
        Language::Rust if !runs("cargo", &["--version"]) => {
            Some("Rust needs cargo, which is not on the PATH; get it from https://rustup.rs".into())
        }
        Language::Rust => None,
        Language::Go if go().is_none() => {
            Some("Go needs go, which is not on the PATH; get it from https://go.dev/dl".into())
        }
        Language::Go => None,
        Language::AssemblyScript if !runs("npm", &["--version"]) => Some(
            "AssemblyScript needs npm, which is not on the PATH; it comes with Node.js, \
             https://nodejs.org"
                .into(),
        ),
        Language::AssemblyScript => None,
        Language::C if c().is_none() => Some(
            "C needs clang with wasm-ld, or zig; get one with `apt install clang lld` or `pip \
             install ziglang`"
                .into(),
        ),
        Language::C => None,
        Language::Python if !python::IS_THERE => Some(
            "Python needs an offhook that was built with it: `cargo xtask python`, then `cargo \
             build --release --features python` (functions/python/README.md)"
                .into(),
        ),
        Language::Python => None,
    }
}

/// Compiles, and gives the module; an error when there is none, which says no more where the
/// compiler said why.
pub(super) fn compile(source: &Source) -> Result<PathBuf, String> {
    if let Some(missing) = missing(source.language) {
        return Err(missing);
    }
    let output = source.folder.join(OUTPUT);
    // What an earlier run left must not pass for what this one made.
    let _ = std::fs::remove_file(&output);
    match source.language {
        Language::Rust => return rust(source),
        Language::Go => {
            let mut go = go().ok_or("go is gone")?;
            go.env("GOOS", "wasip1").env("GOARCH", "wasm");
            run(go.args(["build", "-ldflags=-s", "-o", OUTPUT, "."]), source)?;
        }
        Language::C => {
            let mut c = c().ok_or("the C compiler is gone")?;
            run(c.args(C).args(["-o", OUTPUT]), source)?;
        }
        Language::AssemblyScript => {
            if is_to_be_installed(&source.folder) {
                let quiet = ["install", "--silent", "--no-audit", "--no-fund"];
                run(Command::new("npm").args(quiet), source)?;
            }
            run(Command::new("npm").args(["run", "--silent", "build"]), source)?;
        }
        Language::Python => return Err("Python has no compiler: its engine is in here".to_owned()),
    }
    match output.is_file() {
        true => Ok(output),
        false => Err(format!("the compiler wrote no {OUTPUT}")),
    }
}

/// Whether npm was never here, or package.json was edited since.
fn is_to_be_installed(folder: &Path) -> bool {
    let time = |file: &str| std::fs::metadata(folder.join(file)).and_then(|found| found.modified());
    match (time("package.json"), time("node_modules/.package-lock.json")) {
        (Ok(wanted), Ok(installed)) => wanted > installed,
        _ => true,
    }
}

/// By the manifest: cargo alone knows where its output is and what the crate is called.
fn rust(source: &Source) -> Result<PathBuf, String> {
    let target = match source.folder.join("src/main.rs").is_file() {
        true => RUST_PROGRAM,
        false => RUST_LIBRARY,
    };
    let libraries =
        said(Command::new("rustc").args(["--print", "target-libdir", "--target", target]));
    if !libraries.is_some_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Err(format!(
            "Rust needs its libraries for {target}; get them with `rustup target add {target}`"
        ));
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target", target]);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.stdout(Stdio::piped());
    let output = run(&mut cargo, source)?;
    let modules = modules(&output);
    match modules.as_slice() {
        [module] => Ok(PathBuf::from(module)),
        [] => {
            Err("cargo made no module: the crate needs `crate-type = [\"cdylib\"]` under [lib], \
                   or src/main.rs"
                .to_owned())
        }
        many => {
            Err(format!("cargo made {} modules; one is wanted: {}", many.len(), many.join(", ")))
        }
    }
}

/// The modules that cargo says it made; a dependency's are none of them.
fn modules(output: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for line in output.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let files = message["filenames"].as_array().into_iter().flatten();
        let files = files.filter_map(|file| file.as_str());
        modules.extend(files.filter(|file| file.ends_with(".wasm")).map(str::to_owned));
    }
    modules
}

/// Go itself.
fn go() -> Option<Command> {
    runs("go", &["version"]).then(|| Command::new("go"))
}

/// Clang where it has a linker for WebAssembly, else zig, which has one inside.
fn c() -> Option<Command> {
    let clang = said(Command::new("clang").arg("--print-prog-name=wasm-ld"));
    // Without one it answers with the bare name.
    let links = clang.is_some_and(|path| {
        Path::new(path.trim()).is_absolute() || runs("wasm-ld", &["--version"])
    });
    if links {
        let mut clang = Command::new("clang");
        clang.arg("--target=wasm32");
        return Some(clang);
    }
    let mut zig = match () {
        () if runs("zig", &["version"]) => Command::new("zig"),
        () if runs("python3", &["-m", "ziglang", "version"]) => {
            let mut python = Command::new("python3");
            python.args(["-m", "ziglang"]);
            python
        }
        () => return None,
    };
    zig.args(["cc", "-target", "wasm32-freestanding"]);
    Some(zig)
}

/// Whether a program is there and does this without an error.
fn runs(program: &str, arguments: &[&str]) -> bool {
    said(Command::new(program).args(arguments)).is_some()
}

/// What a program that succeeds writes.
fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it among the sources, with its words on our standard error; what goes elsewhere is given.
fn run(command: &mut Command, source: &Source) -> Result<String, String> {
    let shown = shown(command);
    eprintln!("{}: {shown}", super::super::check::shown(&source.folder));
    command.current_dir(&source.folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let failed = |error| format!("cannot run {shown}: {error}");
    let output =
        command.stdout(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
    let output = output.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    // Of compilers that complain on standard output.
    if !text.starts_with('{') {
        eprint!("{text}");
    }
    Err(format!("{} failed ({})", command.get_program().to_string_lossy(), output.status))
}

/// As one would type it.
fn shown(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy()))
    });
    let program = std::iter::once(command.get_program().to_string_lossy().into_owned());
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let arguments = arguments.filter(|argument| !argument.starts_with("--message-format"));
    set.chain(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_what_cargo_says_it_made() {
        let output = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/liba.rlib\"]}\nnoise\n\
            {\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/function.wasm\",\"/t/f.d\"]}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(modules(output), ["/t/function.wasm"]);
    }

    #[test]
    fn a_command_is_shown_as_one_types_it() {
        let mut go = Command::new("go");
        go.env("GOOS", "wasip1").args(["build", "."]).arg("--message-format=json");
        assert_eq!(shown(&go), "GOOS=wasip1 go build .");
    }
}
