//! A project folder for a test, and flows run on it.

use super::super::parse;
use super::super::report::Failure;
use super::super::run::{self, Outcome};
use crate::cli::serve::block_on;
use crate::config::Config;
use crate::node::project::Opened;

const CONFIG: &str = r#"
[[credential_list]]
name = "staff"
credentials = [{ username = "home", password = "x" }, { username = "alice", password = "y" }]

[[domain]]
name = "office.localhost"
registration = ["staff"]
calls = ["staff"]
voice = "bin:main"

[[number]]
number = "+12223331234"
voice = "bin:main"
fallback = "bin:sorry"
status_callback = "https://app.example/status"

[[number]]
number = "+12223335678"
voice = "https://app.example/voice"
fallback = "bin:sorry"

[[trunk]]
name = "carrier"
uri = "sip:127.0.0.1:5070"
prefixes = ["+1"]
"#;

/// Runs one flow on a project whose `bins/main.xml` is `body`, with more files besides.
pub(super) fn run_with(body: &str, files: &[(&str, &str)], steps: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let main = format!("<Response>\n{body}\n</Response>\n");
    let sorry = "<Response><Say>Sorry.</Say></Response>";
    let own = [("offhook.toml", CONFIG), ("bins/main.xml", &main), ("bins/sorry.xml", sorry)];
    for (name, text) in own.iter().chain(files) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
    let config = Config::read(folder.path(), &|_| None).expect("sound");
    let flows = parse(&format!("flow \"test\"\n{steps}")).expect("a sound flow");
    block_on(async move {
        let opened = Opened::open(config, "http://127.0.0.1:8080".to_owned())
            .map_err(|error| error.to_string())?;
        Ok(run::run(&opened, &flows[0]).await)
    })
    .expect("it ran")
}

/// Runs one flow that must pass.
#[track_caller]
pub(super) fn passes(body: &str, files: &[(&str, &str)], steps: &str) -> Outcome {
    let outcome = run_with(body, files, steps);
    if let Some(failure) = &outcome.failure {
        panic!("{}", failure.text("test.flow"));
    }
    outcome
}

/// Runs one flow that must fail.
#[track_caller]
pub(super) fn fails(body: &str, files: &[(&str, &str)], steps: &str) -> Failure {
    run_with(body, files, steps).failure.expect("it fails")
}
