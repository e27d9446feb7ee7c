//! `offhook new DIR`: a sample project, ready to serve.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use super::Outcome;

/// The files of the sample project; `samples/first` is also what the tests and the demo run.
pub(super) const FILES: [(&str, &str); 15] = [
    ("offhook.toml", include_str!("../../samples/first/offhook.toml")),
    ("bins/welcome.xml", include_str!("../../samples/first/bins/welcome.xml")),
    ("bins/menu.xml", include_str!("../../samples/first/bins/menu.xml")),
    ("bins/to-myuser.xml", include_str!("../../samples/first/bins/to-myuser.xml")),
    ("bins/voicemail.xml", include_str!("../../samples/first/bins/voicemail.xml")),
    ("bins/thanks.xml", include_str!("../../samples/first/bins/thanks.xml")),
    ("bins/sorry.xml", include_str!("../../samples/first/bins/sorry.xml")),
    ("functions/sip-outbound.js", include_str!("../../samples/first/functions/sip-outbound.js")),
    (
        "functions/outbound.routes.toml",
        include_str!("../../samples/first/functions/outbound.routes.toml"),
    ),
    (
        "functions/sip-outbound.test/home-calls-out.json",
        include_str!("../../samples/first/functions/sip-outbound.test/home-calls-out.json"),
    ),
    (
        "functions/sip-outbound.test/home-calls-out.xml",
        include_str!("../../samples/first/functions/sip-outbound.test/home-calls-out.xml"),
    ),
    (
        "functions/sip-outbound.test/stranger.json",
        include_str!("../../samples/first/functions/sip-outbound.test/stranger.json"),
    ),
    (
        "functions/sip-outbound.test/stranger.xml",
        include_str!("../../samples/first/functions/sip-outbound.test/stranger.xml"),
    ),
    ("flows/route.flow", include_str!("../../samples/first/flows/route.flow")),
    (".gitignore", "data/\n"),
];

/// Arguments of `offhook new`.
#[derive(clap::Args, Debug)]
pub(super) struct New {
    /// The folder to make
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl New {
    pub(super) fn run(self) -> Outcome {
        write_project(&self.folder)?;
        let folder = self.folder.display();
        println!("wrote {folder}: {} files", FILES.len());
        println!("next: offhook serve -C {folder}");
        println!("then: curl 'http://127.0.0.1:8080/bins/welcome?From=%2B16505551234'");
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the sample project into a folder that is new or empty; nothing is overwritten.
pub(super) fn write_project(folder: &std::path::Path) -> Result<(), String> {
    let failed = |path: &std::path::Path, error: std::io::Error| {
        format!("cannot write {}: {error}", path.display())
    };
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let folder = folder.display();
        return Err(format!("{folder} is not empty; name a folder that does not exist yet"));
    }
    for (name, text) in FILES {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    let assets = folder.join("assets");
    fs::create_dir_all(&assets).map_err(|error| failed(&assets, error))
}
