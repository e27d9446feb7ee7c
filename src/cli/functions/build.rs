//! `offhook fn build`: modules from sources, put in place whole; a broken build changes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::check::{default_url, many, shown};
use super::super::serve::{block_on, read_config};
use super::super::{Outcome, Project, say};
use super::compilers;
use super::sources::{self, FOLDER, Language, Source};
use crate::base::hint;
use crate::config::Config;
use crate::node::clock::Clock;
use crate::node::project::Opened;
use crate::node::seeing::ladder::printable;
use crate::node::watched::Looks;
use crate::source::function;

/// Arguments of `offhook fn build`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Build {
    /// The function; without it all that have sources
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Go on, and build what changes, until interrupted
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    project: Project,
}

impl Build {
    pub(super) fn run(self) -> Outcome {
        read_config(&self.project)?;
        let mut looks = Looks::new(looked_at(&self.project.folder));
        let sources = self.sources()?;
        let mut failures: Vec<String> =
            sources.iter().filter_map(|source| build(&self.project, source).err()).collect();
        if self.watch {
            failures.iter().for_each(|failure| eprintln!("offhook: {failure}"));
            eprintln!("waiting for changes in {FOLDER}");
            loop {
                build_changed(&self.project, &mut looks, self.name.as_deref());
            }
        }
        match failures.len() {
            0 => Ok(ExitCode::SUCCESS),
            1 => Err(failures.remove(0)),
            count => {
                failures.iter().for_each(|failure| eprintln!("offhook: {failure}"));
                Err(format!("{count} of {} are not built", many(sources.len(), "function")))
            }
        }
    }

    fn sources(&self) -> Result<Vec<Source>, String> {
        let project = &self.project.folder;
        let mut all = sources::all(project);
        if let Some(name) = &self.name {
            let names: Vec<String> = all.iter().map(|source| source.name.clone()).collect();
            all.retain(|source| source.name == *name);
            if all.is_empty() {
                if let Some((file, _)) =
                    function::versions::current(&project.join("functions"), name)
                {
                    return Err(format!("functions/{file} has no sources: it runs as it is"));
                }
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                return Err(format!("{FOLDER} has no {name}; {}", hint(name, &names)));
            }
        }
        if all.is_empty() {
            return Err(format!(
                "there are no sources in {}; `offhook fn new NAME --lang rust` writes some",
                shown(&project.join(FOLDER))
            ));
        }
        Ok(all)
    }
}

/// The state of all sources, by the modules that they make.
pub(in crate::cli) fn looked_at(
    project: &Path,
) -> Vec<(String, Vec<(PathBuf, crate::source::Stamp)>)> {
    sources::all(project).iter().map(|source| (source.module.clone(), source.stamps())).collect()
}

/// Builds what has no module yet, or an older one than its sources.
pub(in crate::cli) fn build_stale(project: &Project) {
    let functions = project.folder.join("functions");
    for source in sources::all(&project.folder) {
        if source.is_newer(&functions) {
            tell(build(project, &source));
        }
    }
}

/// Waits for a moment, and builds what has changed and rests; all, or the function of that name.
pub(in crate::cli) fn build_changed(
    project: &Project,
    looks: &mut Looks<Vec<(PathBuf, crate::source::Stamp)>>,
    name: Option<&str>,
) {
    let changed = looks.wait(|| looked_at(&project.folder));
    if changed.is_empty() {
        return;
    }
    let sources = sources::all(&project.folder);
    let changed = sources.iter().filter(|source| changed.contains(&source.module));
    for source in changed.filter(|source| name.is_none_or(|name| name == source.name)) {
        tell(build(project, source));
    }
}

fn tell(built: Result<(), String>) {
    if let Err(failure) = built {
        eprintln!("offhook: {failure}");
    }
}

/// Compiles, loads the module as a server would, and only then puts it into the functions folder.
fn build(project: &Project, source: &Source) -> Result<(), String> {
    let functions = project.folder.join("functions");
    let clock = Clock::start();
    let begun = clock.now();
    let kept = functions.join(&source.module);
    let failed = |reason: String| {
        let (folder, module) = (shown(&source.folder), shown(&kept));
        let stays = if kept.is_file() { "stays as it was" } else { "is not there yet" };
        format!("{folder}: {reason}; {module} {stays}")
    };
    let config = read_config(project)?;
    let bytes = module(config.clone(), source).map_err(failed)?;
    load(config, source, &bytes).map_err(failed)?;
    let written = function::versions::replace(&kept, &bytes);
    written.map_err(|error| format!("cannot write {}: {error}", shown(&kept)))?;
    let (length, time) = (bytes.len(), clock.now().since(begun).as_secs_f64());
    say(&format!("{}: {length} bytes, built in {time:.1} s", shown(&kept)));
    match function::versions::current(&functions, &source.name) {
        Some((file, _)) if file != source.module => {
            Err(format!("functions/{file} has the same name and counts first; remove one of them"))
        }
        _ => Ok(()),
    }
}

/// What the compiler makes of the sources.
fn module(config: Config, source: &Source) -> Result<Vec<u8>, String> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", shown(path)));
    if source.language != Language::Python || compilers::missing(source.language).is_some() {
        return read(&compilers::compile(source)?);
    }
    let file = source.folder.join("function.py");
    let script = read(&file)?;
    let url = default_url(&config);
    block_on(async move {
        let opened = Opened::open(config, url).map_err(|error| error.to_string())?;
        let (made, log) = opened.python_module("function.py", &script);
        log.iter().for_each(|line| eprintln!("{}", printable(&line.text)));
        made.map_err(|error| error.to_string())
    })
}

/// Whether the module loads, with what is granted to its function.
fn load(config: Config, source: &Source, bytes: &[u8]) -> Result<(), String> {
    // A project of this one function; hidden, so that nobody takes it for sources.
    let stage = source.folder.join(".offhook");
    let file = stage.join("functions").join(&source.module);
    let failed = |error| format!("cannot write {}: {error}", shown(&file));
    fs::create_dir_all(file.parent().unwrap_or(&stage)).map_err(failed)?;
    fs::write(&file, bytes).map_err(failed)?;
    let url = default_url(&config);
    let staged = Config { project: stage.clone(), ..config };
    let loaded = block_on(async move {
        let opened = Opened::open(staged, url).map_err(|error| error.to_string())?;
        match opened.check_functions().await.into_iter().find_map(|(_, loaded)| loaded.err()) {
            Some(function::Error::Load(wrong)) => Err(wrong.to_string()),
            Some(wrong) => Err(wrong.to_string()),
            None => Ok(()),
        }
    });
    let _ = fs::remove_dir_all(&stage);
    loaded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_counts_once_it_loads_with_what_is_granted() {
        let project = tempfile::tempdir().expect("a folder");
        let folder = project.path().join(FOLDER).join("asks");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("function.c"), "").expect("written");
        let source = sources::all(project.path()).remove(0);
        let module = wat::parse_str(
            "(module (import \"offhook\" \"ask\" (func (param i32 i32) (result i32)))
             (memory (export \"memory\") 1) (func (export \"_start\")))",
        );
        let module = module.expect("sound");
        let try_with = |toml: &str| {
            fs::write(project.path().join("offhook.toml"), toml).expect("written");
            let config = read_config(&Project { folder: project.path().to_owned() })?;
            load(config, &source, &module)
        };
        let refused = try_with("").expect_err("nothing is granted");
        assert!(refused.starts_with("asks.wasm: imports what is not granted"), "{refused}");
        assert!(refused.contains("[[function]] name = \"asks\""), "{refused}");
        let granted = "[[function]]\nname = \"asks\"\nstore = true\n";
        assert_eq!(try_with(granted), Ok(()));
        assert!(!folder.join(".offhook").exists(), "nothing is left among the sources");
    }
}
