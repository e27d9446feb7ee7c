//! A project folder, opened: everything that answers documents and sounds, without SIP.
//!
//! `serve` and `demo` put a switch on top of it; `preview` and `check` need no more.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::account::Account;
use super::clock::seeded_rng;
use super::functions;
use super::start::StartError;
use crate::base::Rng;
use crate::config::Config;
use crate::directory::{Directory, Handler};
use crate::http::client::{self, Client};
use crate::source::function::{self, Sandbox};
use crate::source::{Bins, Project, Sources};

/// An opened project.
pub struct Opened {
    /// Its configuration.
    pub config: Config,
    /// Who owns it.
    pub account: Account,
    /// `http://host:port` without a slash at the end.
    pub public_url: String,
    /// The guarded client.
    pub client: Arc<Client>,
    /// Bins, functions, assets.
    pub project: Arc<Project>,
    runner: Arc<functions::Runner>,
    sandbox: Sandbox,
    /// Documents and sounds by URL.
    pub sources: Arc<Sources>,
    /// The root of all chance.
    pub rng: Rng,
}

impl Opened {
    /// Opens a project whose configuration was read. `public_url` stands in for one that is not
    /// configured: what the first HTTP listener is reached at.
    pub fn open(config: Config, public_url: String) -> Result<Opened, StartError> {
        let data = &config.server.data;
        // Recordings are private: what is made here is the owner's alone.
        let mut maker = std::fs::DirBuilder::new();
        maker.recursive(true).mode(0o700);
        maker
            .create(recordings_folder(&config))
            .map_err(|error| StartError::Data(data.clone(), error))?;
        let mut rng = seeded_rng().map_err(StartError::Randomness)?;
        let server = &config.server;
        let account = Account::open(data, server.account_sid, server.auth_token.clone(), &mut rng)
            .map_err(|error| StartError::Data(data.clone(), error))?;
        let public_url = config.http.public_url.clone().unwrap_or(public_url);
        let guard = client::Config::new(config.webhook_allow.clone(), account.token.clone());
        let client = Arc::new(Client::new(guard));
        let sandbox = functions::sandbox(&config, rng.fork())?;
        functions::warm_up(sandbox.clone());
        let functions = functions::open(&config, &account, &public_url, sandbox.clone());
        let runner = Arc::new(functions::Runner::new(functions, sandbox.clone()));
        let project = Arc::new(Project {
            bins: Bins::new(config.project.join("bins")),
            functions: Arc::clone(&runner) as Arc<dyn crate::source::FunctionRunner>,
            assets: config.project.join("assets"),
            public_url: public_url.clone(),
            auth_token: account.token.clone(),
        });
        let sources = Arc::new(Sources::new(Arc::clone(&client), Arc::clone(&project), rng.fork()));
        Ok(Opened { config, account, public_url, client, project, runner, sandbox, sources, rng })
    }

    /// Handlers of the configuration that name a bin or function which is not there, one sentence
    /// each. They may still come: files are looked for at each call.
    pub fn missing_handlers(&self) -> Vec<String> {
        let (bins, functions) = (self.project.bins.names(), self.function_names());
        let domains = self.config.domains.iter().map(|domain| (&domain.name, &domain.voice));
        let numbers = self.config.numbers.iter().map(|number| (&number.number, &number.voice));
        let mut missing = vec![];
        let lines = self.config.lines.iter().map(|line| (&line.account.name, &line.voice));
        for (name, voice) in domains.chain(numbers).chain(lines) {
            for handler in [&voice.handler, &voice.fallback].into_iter().flatten() {
                let Handler::Document { url, .. } = handler else { continue };
                let known = match url.split_once(':') {
                    Some(("bin", bin)) => bins.iter().any(|known| known == bin),
                    Some(("function", function)) => functions.iter().any(|known| known == function),
                    _ => true,
                };
                if !known {
                    missing.push(format!("{name}: there is no {url}; calls to it will fail"));
                }
            }
        }
        missing
    }

    /// The names of the functions that are there now.
    pub fn function_names(&self) -> Vec<String> {
        self.runner.functions().names()
    }

    /// Loads every function and says what is wrong with it, by name.
    pub async fn check_functions(&self) -> Vec<(String, Result<(), function::Error>)> {
        let (functions, sandbox) = (self.runner.functions(), self.sandbox.clone());
        let check = move || functions::check_all(&functions, sandbox);
        tokio::task::spawn_blocking(check).await.unwrap_or_default()
    }

    /// Takes an edited configuration: functions see its environment from their next run on.
    pub fn reconfigure(&mut self, config: Config) {
        if config.function_env != self.config.function_env {
            let sandbox = self.sandbox.clone();
            let functions = functions::open(&config, &self.account, &self.public_url, sandbox);
            self.runner.replace(functions);
        }
        self.config = config;
    }

    /// What the exchange asks who is who.
    pub fn directory(&self) -> Directory {
        let Account { sid, token } = self.account.clone();
        self.config.directory(sid, token, self.public_url.clone())
    }
}

/// Where recordings lie.
pub fn recordings_folder(config: &Config) -> PathBuf {
    config.server.data.join("recordings")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Invocation;

    fn config(project: &std::path::Path, greeting: &str) -> Config {
        let text = format!("[functions]\nenv = {{ GREETING = \"{greeting}\" }}\n");
        let file = project.join(crate::config::FILE);
        Config::parse(project, &file, &text, &|_| None).expect("a sound configuration")
    }

    #[tokio::test]
    async fn an_edited_environment_reaches_the_next_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let functions = folder.path().join("functions");
        std::fs::create_dir(&functions).expect("made");
        let script =
            "exports.handler = (context, event, callback) => callback(null, context.GREETING);";
        std::fs::write(functions.join("greet.js"), script).expect("written");
        let open = config(folder.path(), "hello");
        let mut opened = Opened::open(open, "http://127.0.0.1:1".to_owned()).expect("opened");
        let greet = opened.project.functions.invoke("greet", Invocation::default()).await;
        assert_eq!(greet.body, "hello", "the engine is missing? run cargo xtask setup");
        opened.reconfigure(config(folder.path(), "bonjour"));
        let greet = opened.project.functions.invoke("greet", Invocation::default()).await;
        assert_eq!(greet.body, "bonjour");
    }

    #[tokio::test]
    async fn handlers_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("bins")).expect("made");
        std::fs::write(folder.path().join("bins/here.xml"), "<Response/>").expect("written");
        let text = "[[number]]\nnumber = \"+12223331234\"\nvoice = \"bin:here\"\n\
                    fallback = \"bin:gone\"\n";
        let file = folder.path().join(crate::config::FILE);
        let config = Config::parse(folder.path(), &file, text, &|_| None).expect("sound");
        let opened = Opened::open(config, "http://127.0.0.1:1".to_owned()).expect("opened");
        let missing = opened.missing_handlers();
        assert_eq!(missing, ["+12223331234: there is no bin:gone; calls to it will fail"]);
    }
}
