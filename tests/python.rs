//! Functions in Python: built by `offhook fn build`, which runs their top level, and held against
//! the golden events of functions/samples/guests. `cargo xtask python` makes the engine and runs this.
#![cfg(feature = "python")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn offhook(project: &Path, arguments: &[&str]) -> Output {
    let mut offhook = Command::new(env!("CARGO_BIN_EXE_offhook"));
    offhook.current_dir(project).args(arguments).output().expect("it runs")
}

/// Runs a command that must succeed.
fn run(project: &Path, arguments: &[&str]) -> String {
    let output = offhook(project, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The events of a set, with their documents, as `offhook fn test` takes them.
fn fixtures(set: &str) -> Value {
    let folder = repository().join("functions/samples/guests").join(set);
    let entries = fs::read_dir(&folder).expect("golden events").flatten();
    let events = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let case = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).expect("an event");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let expected = fs::read_to_string(path.with_extension("xml")).expect("its document");
        json!({
            "name": path.file_stem().expect("a name").to_string_lossy(),
            "event": document["event"],
            "expected": expected,
        })
    };
    Value::from(events.map(case).collect::<Vec<_>>())
}

#[test]
fn a_new_function_in_python_is_built_and_answers() {
    let project = tempfile::tempdir().expect("a temporary folder");
    let project = project.path();
    fs::write(project.join("offhook.toml"), "").expect("written");
    run(project, &["fn", "new", "greet", "--lang", "python"]);
    let built = run(project, &["fn", "build", "greet"]);
    assert!(built.starts_with("functions/greet.wasm: "), "{built}");
    run(project, &["fn", "test", "greet", "--write"]);
    let came = fs::read_to_string(project.join("functions/greet.test/call.xml")).expect("XML");
    assert!(came.contains("<Say>Hello, +15550001111</Say>"), "{came}");
    println!("python: {built}{}", run(project, &["fn", "bench", "greet", "-n", "200"]));

    // A broken edit says its line and leaves the module.
    let module = fs::read(project.join("functions/greet.wasm")).expect("a module");
    let source = project.join("functions-src/greet/function.py");
    let good = fs::read_to_string(&source).expect("a script");
    for (broken, reason) in [("no program {", "SyntaxError"), ("1 / 0", "ZeroDivisionError")] {
        fs::write(&source, format!("{good}\n{broken}\n")).expect("written");
        let output = offhook(project, &["fn", "build"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let line = good.lines().count() + 2;
        let place = format!("functions-src/greet: function.py:{line}:");
        assert!(said.contains(&place) && said.contains(reason), "no {place} in {said}");
        assert!(said.contains("functions/greet.wasm stays as it was"), "{said}");
        assert_eq!(fs::read(project.join("functions/greet.wasm")).expect("a module"), module);
    }
}

#[test]
fn the_sample_answers_what_the_other_languages_have_to() {
    let project = tempfile::tempdir().expect("a temporary folder");
    let project = project.path();
    fs::write(project.join("offhook.toml"), "").expect("written");
    let folder = project.join("functions-src/outbound");
    fs::create_dir_all(&folder).expect("made");
    fs::copy(repository().join("functions/python/sample/outbound.py"), folder.join("function.py"))
        .expect("copied");
    let built = run(project, &["fn", "build"]);
    fs::write(project.join("functions/outbound.test.json"), fixtures("outbound").to_string())
        .expect("written");
    let tested = run(project, &["fn", "test"]);
    assert!(tested.ends_with(" 0 failed\n"), "{tested}");
    println!("python: {built}{}", run(project, &["fn", "bench", "outbound", "-n", "200"]));
}
