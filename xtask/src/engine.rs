//! Builds the JavaScript engine: QuickJS-ng, from the C source inside the crate `rquickjs-sys`,
//! compiled to bare wasm32 with the clang inside the Python package `ziglang`. What its errors say
//! is replaced by what those of Node say, as `wording.txt` has it.
//!
//! Needs `cargo` and `python3` with pip, and the network the first time. Writes
//! `TARGET/setup/engine.wasm`, which `build.rs` embeds, and keeps the compiler in
//! `TARGET/toolchain`. Does nothing when the inputs are the same as last time.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler: the same version gives the same bytes.
const ZIG: &str = "0.17.0";

/// The interpreter, within the source of `rquickjs-sys`; changed before it is compiled.
const INTERPRETER: &str = "quickjs/quickjs.c";

/// What else is compiled of that; our shim comes on top.
const SOURCES: [&str; 4] =
    ["quickjs/libregexp.c", "quickjs/libunicode.c", "quickjs/dtoa.c", "wasm-shim/shim.c"];

/// The settings `rquickjs-sys` itself uses for a wasm32 without an operating system.
const COMPILE: [&str; 11] = [
    "-target",
    "wasm32-freestanding",
    "-O2",
    "-fno-sanitize=all",
    "-D_GNU_SOURCE",
    "-DEMSCRIPTEN=1",
    "-DFE_DOWNWARD=0",
    "-DFE_UPWARD=0",
    "-mbulk-memory",
    "-mnontrapping-fptoint",
    "-w",
];

/// The stack lies first, so that running over it traps instead of writing on data.
const LINK: [&str; 6] =
    ["--no-entry", "-O2", "--stack-first", "--strip-all", "-z", "stack-size=524288"];

/// Makes `target/setup/engine.wasm`, unless it is there already and nothing changed.
pub fn setup(target: &Path) -> Result<(), String> {
    let target = &std::path::absolute(target).map_err(|e| failed("find", target, &e))?;
    let engine_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/engine");
    let shim = engine_dir.join("shim.c");
    let (setup_dir, objects) = (target.join("setup"), target.join("toolchain/objects"));
    let (engine, stamp) = (setup_dir.join("engine.wasm"), setup_dir.join("engine.stamp"));

    let parts = [
        "shim.c",
        "modules.c",
        "counts.h",
        "seal.c",
        "wording.txt",
        "callee.c",
        "destructure.c",
        "pattern.c",
        "Cargo.toml",
        "Cargo.lock",
    ];
    let key = key(&parts.map(|part| engine_dir.join(part)))?;
    let made = fs::metadata(&engine).is_ok_and(|m| m.len() > 0);
    if made && fs::read_to_string(&stamp).is_ok_and(|text| text == key) {
        println!("engine: {} is up to date", engine.display());
        return Ok(());
    }
    for dir in [&setup_dir, &objects] {
        fs::create_dir_all(dir).map_err(|e| failed("create", dir, &e))?;
    }
    println!("engine: asking cargo for the source of rquickjs-sys");
    let source = fetch_source(&engine_dir, "rquickjs-sys")?;
    let zig = fetch_compiler(target)?;
    println!("engine: compiling QuickJS-ng to WebAssembly (about 20 s)");
    let interpreter = objects.join("quickjs.c");
    let text = fs::read_to_string(source.join(INTERPRETER))
        .map_err(|e| failed("read", &source.join(INTERPRETER), &e))?;
    let text = with_our_counts(&reworded(text, &engine_dir.join("wording.txt"))?)?;
    fs::write(&interpreter, text).map_err(|e| failed("write", &interpreter, &e))?;
    let inputs = SOURCES.iter().map(|name| source.join(name)).chain([interpreter, shim]);
    let mut compiled = Vec::new();
    for (number, input) in inputs.enumerate() {
        let object = objects.join(format!("{number}.o"));
        compile(&zig, target, (&source, &engine_dir), &input, &object)?;
        compiled.push(object);
    }
    let fresh = setup_dir.join("engine.wasm.new");
    link(&zig, target, &source, &compiled, &fresh)?;
    fs::rename(&fresh, &engine).map_err(|e| failed("write", &engine, &e))?;
    fs::write(&stamp, key).map_err(|e| failed("write", &stamp, &e))?;
    println!("engine: wrote {}; build again to embed it", engine.display());
    Ok(())
}

/// The interpreter with reference counts by `counts.h`, and `seal.c` behind it.
fn with_our_counts(text: &str) -> Result<String, String> {
    const MACRO: &str = "#define JS_REF_COUNT(p) (js_rc(p)->ref_count)\n";
    let other =
        |what: &str| format!("this quickjs.c has another {what}: see functions/engine/counts.h");
    let parts: Vec<&str> = text.split(MACRO).collect();
    let [before, after] = parts[..] else { return Err(other("JS_REF_COUNT")) };
    let mut made = format!("{before}#include \"counts.h\"\n");
    // A new object's count is written on the object, whatever stood there before.
    let mut assigned = 0;
    for (number, part) in after.split("JS_REF_COUNT(").enumerate() {
        let assignment = part.split_once(") = ").filter(|(name, _)| is_word(name));
        match (number, assignment) {
            (0, _) => made += part,
            (_, Some((name, rest))) => {
                assigned += 1;
                made += &format!("js_rc({name})->ref_count = {rest}");
            }
            (_, None) => made += &format!("JS_REF_COUNT({part}"),
        }
    }
    if assigned < 15 {
        return Err(other("way to set counts"));
    }
    Ok(made + "\n#include \"seal.c\"\n")
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Everything that decides the outcome, as a short text.
fn key(files: &[PathBuf]) -> Result<String, String> {
    let mut hash = DefaultHasher::new();
    (ZIG, INTERPRETER, SOURCES, COMPILE, LINK).hash(&mut hash);
    for file in files {
        fs::read(file).map_err(|e| failed("read", file, &e))?.hash(&mut hash);
    }
    Ok(format!("{:016x}", hash.finish()))
}

/// The interpreter with each text that `wording` names replaced, wherever it is; `\n` is a line end.
fn reworded(mut text: String, wording: &Path) -> Result<String, String> {
    let table = fs::read_to_string(wording).map_err(|e| failed("read", wording, &e))?;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (from, into) = line.split_once(" => ").ok_or(format!("{line}: no \" => \""))?;
        let (from, into) = (&from.replace("\\n", "\n"), &into.replace("\\n", "\n"));
        if !text.contains(from.as_str()) {
            return Err(format!("{}: {from} is not in quickjs.c", wording.display()));
        }
        text = text.replace(from, into);
    }
    Ok(text)
}

/// The folder where cargo keeps the source of a crate that the one in this folder needs.
pub(crate) fn fetch_source(engine_dir: &Path, name: &str) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = engine_dir.join("Cargo.toml");
    run(Command::new(&cargo).args(["fetch", "--locked", "--manifest-path"]).arg(&manifest))?;
    let listing = run(Command::new(&cargo)
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(&manifest))?;
    // Looks for the one path it needs, which spares this task a JSON parser.
    listing
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|path| PathBuf::from(path.replace("\\\\", "/")))
        .filter_map(|path| path.parent().map(Path::to_path_buf))
        .find(|dir| {
            let start = format!("{name}-");
            dir.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&start))
        })
        .ok_or_else(|| format!("cargo metadata does not name {name}"))
}

/// The compiler, fetched once.
pub(crate) fn fetch_compiler(target: &Path) -> Result<PathBuf, String> {
    let dir = target.join(format!("toolchain/ziglang-{ZIG}"));
    let binary = dir.join("ziglang").join(if cfg!(windows) { "zig.exe" } else { "zig" });
    if binary.exists() {
        return Ok(binary);
    }
    println!("engine: asking pip for ziglang {ZIG} (about 100 MB, once)");
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary", ":all:", "--upgrade", "--target"])
        .arg(&dir)
        .arg(format!("ziglang=={ZIG}")))?;
    if binary.exists() { Ok(binary) } else { Err(format!("no {} after pip", binary.display())) }
}

fn compile(
    zig: &Path,
    target: &Path,
    (source, engine): (&Path, &Path),
    input: &Path,
    object: &Path,
) -> Result<(), String> {
    let mut command = zig_command(zig, target);
    command.arg("cc").args(COMPILE).arg("-isystem").arg(source.join("vendor/wasi-libc/include"));
    command
        .arg("-I")
        .arg(source.join("quickjs"))
        .arg("-I")
        .arg(engine)
        .arg("-c")
        .arg(input)
        .arg("-o")
        .arg(object);
    run(&mut command).map(drop)
}

fn link(
    zig: &Path,
    target: &Path,
    source: &Path,
    objects: &[PathBuf],
    to: &Path,
) -> Result<(), String> {
    let mut command = zig_command(zig, target);
    command.arg("wasm-ld").args(LINK).args(objects);
    command.arg(source.join("vendor/wasi-libc/lib/libc.a")).arg("-o").arg(to);
    run(&mut command).map(drop)
}

/// Keeps the compiler's caches with the rest of what can be thrown away.
pub(crate) fn zig_command(zig: &Path, target: &Path) -> Command {
    let mut command = Command::new(zig);
    command.env("ZIG_GLOBAL_CACHE_DIR", target.join("toolchain/cache"));
    command.env("ZIG_LOCAL_CACHE_DIR", target.join("toolchain/cache"));
    command
}

/// Runs to the end; what it wrote to standard output, or what it complained about.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("cannot run {name}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{name} failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {verb} {}: {error}", path.display())
}
