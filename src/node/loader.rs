//! Loads bins and functions when the server starts and as they are saved, not when a call comes.
//!
//! So a broken save keeps the last good version even of what was never called, and its error is in
//! the log at the save. A call that comes first loads for itself; nothing waits for this.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clock::Clock;
use super::functions::Runner;
use super::watched::Watched;
use crate::source::function::{self, Functions, Versions};
use crate::source::{Loaded, Project, Stamp};

/// What the log is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A save is broken.
    Broken(String),
    /// A save is in force.
    Live(String),
}

impl Said {
    pub(super) fn log(&self) {
        match self {
            Said::Broken(text) => tracing::warn!("{text}"),
            Said::Live(text) => tracing::info!("{text}"),
        }
    }
}

/// Loads the files of one project.
pub(super) struct Loader {
    project: Arc<Project>,
    runner: Arc<Runner>,
    bins: Files,
    functions: Files,
    /// Those whose files were looked at; another environment makes others.
    environment: Arc<Functions>,
    versions: Versions,
    clock: Clock,
    /// Functions that there are beyond those that are loaded, at the last look.
    beyond: usize,
}

impl Loader {
    /// What loads well, here or for a request, is kept in `versions`.
    pub(super) fn new(project: Arc<Project>, runner: Arc<Runner>, versions: Versions) -> Loader {
        let environment = runner.functions();
        let (bins, functions) = (Files::default(), Files::default());
        let clock = Clock::start();
        Loader { project, runner, bins, functions, environment, versions, clock, beyond: 0 }
    }

    /// Loads what has changed since the last look and rests; gives what the log is to say of it.
    pub(super) fn look(&mut self) -> Vec<Said> {
        let mut said = vec![];
        let bins = &self.project.bins;
        let saved = self.bins.look(bins.stamps());
        for (name, first) in saved.changed {
            // Gone again, or unreadable for now: what is wrong is said when it is asked for.
            let Ok(loaded) = bins.load(&name) else { continue };
            said.extend(told(&format!("bins/{name}.xml"), &loaded, first, ToString::to_string));
        }
        saved.gone.iter().for_each(|name| bins.forget(name));
        self.look_at_functions(&mut said);
        said
    }

    fn look_at_functions(&mut self, said: &mut Vec<Said>) {
        let functions = self.runner.functions();
        if !Arc::ptr_eq(&functions, &self.environment) {
            self.functions = Files::default();
            self.environment = Arc::clone(&functions);
        }
        // What answered since the last look, though it may be gone by now.
        self.keep();
        let stamps = functions.stamps();
        let beyond = if stamps.len() < function::MOST_FUNCTIONS { 0 } else { functions.beyond() };
        if beyond > 0 && self.beyond == 0 {
            let told = function::told_beyond(beyond);
            said.push(Said::Broken(format!("functions: error function: {told}")));
        }
        self.beyond = beyond;
        let saved = self.functions.look(stamps);
        for (name, first) in saved.changed {
            match self.runner.load(&functions, &name) {
                Ok(loaded) => {
                    self.keep();
                    said.extend(told(
                        &format!("function {name}"),
                        &loaded,
                        first,
                        function::LoadError::diagnostic,
                    ));
                }
                Err(function::Error::Busy) => self.functions.again(&name),
                Err(_) => {}
            }
        }
        saved.gone.iter().for_each(|name| functions.forget(name));
    }
}

impl Loader {
    /// Writes the versions that were loaded well, here where nobody waits for it.
    fn keep(&self) {
        for (name, error) in self.versions.keep_noted(self.clock.wall()) {
            tracing::warn!("this version of function {name} is not kept: {error}");
        }
    }
}

/// What is to be said of a file that was loaded; of a good one only when it was edited.
fn told<E>(
    file: &str,
    loaded: &Loaded<E>,
    first: bool,
    diagnostic: impl Fn(&E) -> String,
) -> Option<Said> {
    match &loaded.broken {
        Some(error) if loaded.kept => {
            let error = diagnostic(error);
            Some(Said::Broken(format!("{error}; the last good version stays in force")))
        }
        Some(error) => {
            let error = diagnostic(error);
            Some(Said::Broken(format!("{error}; calls to it fail until it is mended")))
        }
        None if first => None,
        None => Some(Said::Live(format!("{file} was saved: the next call runs it"))),
    }
}

/// The files of one kind, by name.
#[derive(Default)]
struct Files {
    /// Never more than there are in the folder, and those that went since the last look.
    watched: BTreeMap<String, Watched>,
    /// At the start files rest; there is nothing to wait for.
    started: bool,
}

/// What changed since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
struct Saved {
    /// These are to be loaded; whether for the first time at the start.
    changed: Vec<(String, bool)>,
    /// These were not there twice.
    gone: Vec<String>,
}

impl Files {
    fn look(&mut self, now: Vec<(String, Stamp)>) -> Saved {
        let mut saved = Saved::default();
        let now: BTreeMap<String, Stamp> = now.into_iter().collect();
        self.watched.retain(|name, watched| {
            let there = now.contains_key(name) || watched.is_there();
            if !there {
                saved.gone.push(name.clone());
            }
            there
        });
        for (name, watched) in &mut self.watched {
            if watched.settled(now.get(name).copied()) {
                saved.changed.push((name.clone(), false));
            }
        }
        for (name, stamp) in now {
            if self.watched.contains_key(&name) {
                continue;
            }
            let mut watched = Watched::new(None);
            watched.settled(Some(stamp));
            if !self.started {
                watched = Watched::new(Some(stamp));
                saved.changed.push((name.clone(), true));
            }
            self.watched.insert(name, watched);
        }
        self.started = true;
        saved
    }

    /// Could not be loaded now: it counts as new at the next look.
    fn again(&mut self, name: &str) {
        if let Some(watched) = self.watched.get_mut(name) {
            watched.again();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::http::Request;
    use crate::node::project::{Opened, versions_of};
    use crate::source::{Invocation, STALE_HEADER};

    /// A project folder that is served.
    struct Bench {
        folder: tempfile::TempDir,
        opened: Opened,
        loader: Loader,
    }

    impl Bench {
        fn new(files: &[(&str, &str)]) -> Bench {
            let folder = tempfile::tempdir().expect("a folder");
            for (name, text) in files {
                write(&folder, name, text);
            }
            let config = configured(&folder, "hello");
            let url = "http://127.0.0.1:1".to_owned();
            let opened = Opened::open_to_serve(config, url).expect("opened");
            Bench { loader: opened.loader(), folder, opened }
        }

        /// The same project, served anew.
        fn restarted(self) -> Bench {
            let config = configured(&self.folder, "hello");
            let url = "http://127.0.0.1:1".to_owned();
            let opened = Opened::open_to_serve(config, url).expect("opened");
            Bench { loader: opened.loader(), opened, ..self }
        }

        /// What is said after a save, at the look that finds it at rest.
        fn save(&mut self, name: &str, text: &str) -> Vec<Said> {
            write(&self.folder, name, text);
            assert_eq!(self.loader.look(), [], "{name} was just written");
            self.loader.look()
        }

        async fn run(&self, name: &str) -> (String, Option<String>) {
            let ran = self.opened.project.functions.invoke(name, Invocation::default()).await;
            let stale = ran.headers.first(STALE_HEADER).map(str::to_owned);
            (String::from_utf8_lossy(&ran.body).into_owned(), stale)
        }
    }

    fn configured(folder: &tempfile::TempDir, greeting: &str) -> Config {
        let text = format!("[functions]\nenv = {{ GREETING = \"{greeting}\" }}\n");
        let file = folder.path().join(crate::config::FILE);
        Config::parse(folder.path(), &file, &text, &|_| None).expect("sound")
    }

    fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    const GREET: &str = "exports.handler = (context, event, callback) => {\n\
                         callback(null, context.GREETING);\n};\n";

    #[tokio::test]
    async fn a_broken_save_keeps_the_last_good_version_of_what_was_never_called() {
        let mut bench = Bench::new(&[("bins/quiet.xml", "<Response/>"), ("functions/f.js", GREET)]);
        assert_eq!(bench.loader.look(), [], "sound files are loaded without a word");

        let said = bench.save("functions/f.js", "exports.handler = (a {\n};\n");
        let [Said::Broken(text)] = said.as_slice() else { panic!("{said:?}") };
        assert!(text.starts_with("functions/f.js:1:2"), "{text}");
        assert!(text.contains(": error function: SyntaxError"), "{text}");
        assert!(text.ends_with("; the last good version stays in force"), "{text}");
        assert_eq!(bench.loader.look(), [], "said once");
        let (body, stale) = bench.run("f").await;
        assert_eq!(body, "hello");
        let stale = stale.expect("whoever asks is told");
        assert!(
            stale.starts_with("functions/f.js:1:2") && stale.contains("SyntaxError"),
            "{stale}"
        );

        let said = bench.save("bins/quiet.xml", "<Response>\n <Say></Response>");
        let [Said::Broken(text)] = said.as_slice() else { panic!("{said:?}") };
        assert!(text.starts_with("bins/quiet.xml:2:7: error 12100: "), "{text}");
        let request = Request::get("/bins/quiet");
        let served = bench.opened.project.bin("quiet", &request, false);
        assert_eq!(served.body, "<Response/>");
        assert!(served.headers.first(STALE_HEADER).is_some_and(|why| why.contains(":2:7:")));

        let versions = versions_of(&bench.opened.config);
        let kept = || versions.list("f").iter().map(|version| version.good).collect::<Vec<_>>();
        assert_eq!(kept(), [true], "the broken one is none");
        let said = bench.save("functions/f.js", &format!("{GREET}// more\n"));
        assert_eq!(said, [Said::Live("function f was saved: the next call runs it".to_owned())]);
        assert_eq!(bench.run("f").await, ("hello".to_owned(), None));
        assert_eq!(kept(), [true, true]);
    }

    #[tokio::test]
    async fn a_file_that_is_broken_from_the_start_is_told_with_its_line() {
        let mut bench = Bench::new(&[("bins/tag.xml", "<Response>\n{{From</Response>")]);
        let wanted = "bins/tag.xml:2:1: error 11320: {{ is not closed by }}; calls to it fail \
                      until it is mended";
        assert_eq!(bench.loader.look(), [Said::Broken(wanted.to_owned())]);
        let said = bench.save("functions/new.js", "throw new Error('x');");
        let [Said::Broken(text)] = said.as_slice() else { panic!("{said:?}") };
        assert!(text.starts_with("functions/new.js:1:") && text.contains("calls to it fail"));
    }

    #[tokio::test]
    async fn what_was_good_before_a_restart_answers_for_what_is_broken_now() {
        let mut bench = Bench::new(&[("functions/f.js", GREET), ("functions/g.js", GREET)]);
        bench.loader.look();
        // Saved while nobody looked; of g, its first request comes before the first look.
        write(&bench.folder, "functions/f.js", "exports.handler = (");
        write(&bench.folder, "functions/g.js", "exports.handler = (");
        let mut bench = bench.restarted();
        let (body, stale) = bench.run("g").await;
        assert_eq!((body.as_str(), stale.is_some()), ("hello", true));
        let said = bench.loader.look();
        let [Said::Broken(f), Said::Broken(g)] = said.as_slice() else { panic!("{said:?}") };
        for (text, file) in [(f, "functions/f.js:1:"), (g, "functions/g.js:1:")] {
            assert!(text.starts_with(file), "{text}");
            assert!(text.ends_with("; the last good version stays in force"), "{text}");
        }
        assert_eq!(bench.run("f").await.0, "hello");

        // What was for few answers nobody else; nor does what was there before that.
        bench.save("functions/g.js", GREET);
        let (path, to) = ("functions/g.js", "functions/g.protected.js");
        std::fs::rename(bench.folder.path().join(path), bench.folder.path().join(to))
            .expect("moved");
        bench.loader.look();
        bench.loader.look();
        bench.loader.look();
        std::fs::rename(bench.folder.path().join(to), bench.folder.path().join(path))
            .expect("moved");
        write(&bench.folder, path, "exports.handler = (");
        let mut bench = bench.restarted();
        let said = bench.loader.look();
        let wanted = "; calls to it fail until it is mended";
        assert!(
            said.iter().any(|said| matches!(said, Said::Broken(text) if text.ends_with(wanted))),
            "{said:?}"
        );
        assert!(bench.run("g").await.0.starts_with("500"));
    }

    #[tokio::test]
    async fn kept_versions_are_tried_again_when_what_they_lacked_is_mended() {
        let (lib, main) = ("functions/lib.private.js", "functions/f.js");
        let uses = "const lib = require('./lib.private');\n\
                    exports.handler = (context, event, callback) => callback(null, lib.word);";
        let mut bench = Bench::new(&[(lib, "exports.word = 'one';"), (main, uses)]);
        bench.loader.look();
        write(&bench.folder, main, "exports.handler = (");
        write(&bench.folder, lib, "exports.word = (");
        let mut bench = bench.restarted();
        bench.loader.look();
        assert!(bench.run("f").await.0.starts_with("500"));
        write(&bench.folder, lib, "exports.word = 'two';");
        assert_eq!(bench.run("f").await.0, "two");
    }

    #[tokio::test]
    async fn what_answered_between_two_looks_is_kept() {
        let mut bench = Bench::new(&[("functions/f.js", GREET)]);
        bench.loader.look();
        write(&bench.folder, "functions/f.js", &GREET.replace("context.GREETING", "'two'"));
        assert_eq!(bench.run("f").await.0, "two");
        bench.save("functions/f.js", &GREET.replace("context.GREETING", "'three'"));
        let versions = versions_of(&bench.opened.config);
        let texts = versions.list("f").into_iter().map(|version| {
            let text = versions.read("f", &version).expect("there");
            String::from_utf8(text).expect("a script")
        });
        let texts: Vec<String> = texts.collect();
        assert_eq!(texts.len(), 3);
        assert!(texts[0].contains("'three'") && texts[1].contains("'two'") && texts[2] == GREET);
    }

    #[test]
    fn nothing_is_said_without_a_save() {
        let table = include_str!("../../functions/samples/caller-id.routes.toml");
        let module = include_str!("../../functions/samples/library.wat");
        let mut bench = Bench::new(&[
            ("functions/a.routes.toml", table),
            ("functions/b.wat", module),
            ("functions/c.js", GREET),
            ("functions/d.js", "exports.handler = ("),
        ]);
        let said = bench.loader.look();
        assert!(
            matches!(said.as_slice(), [Said::Broken(text)] if text.contains("/d.js")),
            "{said:?}"
        );
        for look in 0..3 {
            assert_eq!(bench.loader.look(), [], "look {look} after the start");
        }
        bench.opened.reconfigure(configured(&bench.folder, "bonjour"));
        let again = bench.loader.look();
        assert!(again.iter().all(|said| matches!(said, Said::Broken(_))), "{again:?}");
        for look in 0..3 {
            assert_eq!(bench.loader.look(), [], "look {look} after another environment");
        }
        let said = bench.save("functions/b.wat", &format!("{module}\n;; more\n"));
        assert_eq!(said, [Said::Live("function b was saved: the next call runs it".to_owned())]);
    }

    #[tokio::test]
    async fn another_environment_loads_again_and_forgets_no_good_version() {
        let mut bench = Bench::new(&[("functions/f.js", GREET), ("functions/g.js", GREET)]);
        bench.loader.look();
        bench.save("functions/g.js", "exports.handler = (a {");
        bench.opened.reconfigure(configured(&bench.folder, "bonjour"));
        assert!(
            matches!(bench.loader.look().as_slice(), [Said::Broken(text)] if text.contains("g.js"))
        );
        assert_eq!(bench.run("f").await, ("bonjour".to_owned(), None));
        let (body, stale) = bench.run("g").await;
        assert_eq!(body, "hello", "what it was when it was good");
        assert!(stale.is_some());
    }

    #[test]
    fn a_file_that_an_editor_replaces_is_not_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder, "f", "x");
        let stamp = Stamp::of(&folder.path().join("f")).expect("there");
        let there = || vec![("f".to_owned(), stamp)];
        let mut files = Files::default();
        assert_eq!(files.look(there()).changed, [("f".to_owned(), true)]);
        assert_eq!(files.look(vec![]), Saved::default(), "away for a moment");
        assert_eq!(files.look(there()), Saved::default());
        assert_eq!(files.look(vec![]), Saved::default());
        assert_eq!(files.look(vec![]).gone, ["f"]);
        assert_eq!(files.look(there()), Saved::default(), "another of that name");
        assert_eq!(files.look(there()).changed, [("f".to_owned(), false)], "rests");
        files.again("f");
        assert_eq!(files.look(there()).changed, [("f".to_owned(), false)], "once more");
    }
}
