//! A project folder, opened: everything that answers documents and sounds, without SIP.
//!
//! `serve` and `demo` put a switch on top of it; `preview` and `check` need no more.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::account::Account;
use super::clock::{Clock, seeded_rng};
use super::functions;
use super::loader::Loader;
use super::start::StartError;
use crate::base::Rng;
use crate::config::{Config, Names};
use crate::directory::Directory;
use crate::http::client::{self, Authorities, Client};
use crate::source::function::{self, Sandbox, Versions};
use crate::source::{Bins, Project, Sources, asset};
use crate::store::Store;
use crate::store::values::Values;

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
    /// Where functions' versions are kept; by those that serve alone.
    versions: Option<Versions>,
    /// What functions may ask for.
    backing: Arc<functions::Backing>,
    /// Documents and sounds by URL.
    pub sources: Arc<Sources>,
    /// Who vouches for servers of strangers' certificates, for all clients.
    pub(super) authorities: Arc<Authorities>,
    /// The root of all chance.
    pub rng: Rng,
    /// Tells when the JavaScript engine has started.
    warm: Option<oneshot::Receiver<()>>,
}

impl Opened {
    /// Opens a project whose configuration was read, to look at it: nothing is made in its folder.
    /// `public_url` stands in for one that is not configured: what the first HTTP listener is
    /// reached at.
    pub fn open(config: Config, public_url: String) -> Result<Opened, StartError> {
        let mut rng = seeded_rng().map_err(StartError::Randomness)?;
        let server = &config.server;
        let account =
            Account::look(&server.data, server.account_sid, server.auth_token.clone(), &mut rng);
        let cache = match server.data.is_dir() {
            true => Some(functions::cache_folder(&config)),
            false => functions::own_cache_folder(),
        };
        Self::with(config, public_url, account, (cache, None), rng)
    }

    /// Opens a project to serve it: its data folder is made, and its account.
    pub(super) fn open_to_serve(config: Config, public_url: String) -> Result<Opened, StartError> {
        let data = config.server.data.clone();
        let failed = |error| StartError::Data(data.clone(), error);
        let cache = functions::cache_folder(&config);
        // Recordings are private: what is made here is the owner's alone.
        let mut maker = std::fs::DirBuilder::new();
        maker.recursive(true).mode(0o700);
        maker.create(recordings_folder(&config)).map_err(failed)?;
        maker.create(&cache).map_err(|error| StartError::Data(cache.clone(), error))?;
        let mut rng = seeded_rng().map_err(StartError::Randomness)?;
        let server = &config.server;
        let account = Account::open(&data, server.account_sid, server.auth_token.clone(), &mut rng)
            .map_err(failed)?;
        let versions = versions_of(&config);
        Self::with(config, public_url, account, (Some(cache), Some(versions)), rng)
    }

    fn with(
        config: Config,
        public_url: String,
        account: Account,
        (cache, versions): (Option<PathBuf>, Option<Versions>),
        mut rng: Rng,
    ) -> Result<Opened, StartError> {
        let public_url = config.http.public_url.clone().unwrap_or(public_url);
        let authorities = Arc::new(Authorities::new(config.tls.ca.clone()));
        let client = Arc::new(client_of(&config, account.token.clone(), &authorities));
        let backing: Arc<functions::Backing> = Arc::default();
        // Functions' connections are no webhook's: a slow one of theirs keeps no call waiting.
        let theirs = Arc::new(client_of(&config, account.token.clone(), &authorities));
        let sandbox = functions::sandbox(cache, rng.fork(), theirs, Arc::clone(&backing))?;
        let warm = functions::warm_up(sandbox.clone());
        let functions = {
            let (sandbox, versions) = (sandbox.clone(), versions.clone());
            functions::open(&config, &account, &public_url, sandbox, versions)
        };
        let runner = Arc::new(functions::Runner::new(functions, sandbox.clone()));
        let project = Arc::new(Project {
            bins: Bins::new(config.project.join("bins"), Clock::on_the_wall),
            functions: Arc::clone(&runner) as Arc<dyn crate::source::FunctionRunner>,
            assets: config.project.join("assets"),
            public_url: public_url.clone(),
            auth_token: account.token.clone(),
            origins: config.function_origins.clone(),
            watchers: crate::source::seen::Watchers::default(),
            wall: Clock::on_the_wall,
        });
        let sources = Arc::new(Sources::new(Arc::clone(&client), Arc::clone(&project), rng.fork()));
        Ok(Opened {
            config,
            account,
            public_url,
            client,
            project,
            runner,
            sandbox,
            versions,
            backing,
            sources,
            authorities,
            rng,
            warm: Some(warm),
        })
    }

    /// Documents and sounds for another thread, which shares neither connections nor cookies: it
    /// must not wait for this one.
    pub(super) fn more_sources(&mut self) -> Arc<Sources> {
        let token = self.account.token.clone();
        let client = Arc::new(client_of(&self.config, token, &self.authorities));
        Arc::new(Sources::new(client, Arc::clone(&self.project), self.rng.fork()))
    }

    /// Waits until scripts run at once, if there are any; on a machine that stands still, not for
    /// ever.
    pub(super) async fn warmed(&mut self) {
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
        let warm = self.warm.take().filter(|_| self.runner.functions().has_scripts());
        if let Some(warm) = warm
            && tokio::time::timeout(PATIENCE, warm).await.is_err()
        {
            tracing::warn!("the JavaScript engine is still being compiled: functions answer later");
        }
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

    /// The module of a Python script, and what its top level logged.
    pub fn python_module(
        &self,
        file: &str,
        script: &[u8],
    ) -> (Result<Vec<u8>, function::LoadError>, Vec<function::LogLine>) {
        functions::python_module(self.sandbox.clone(), file, script)
    }

    /// What loads the bins and functions of this project as they are saved.
    pub(super) fn loader(&self) -> Loader {
        let versions = self.versions.clone().unwrap_or_else(|| versions_of(&self.config));
        Loader::new(Arc::clone(&self.project), Arc::clone(&self.runner), versions)
    }

    /// Functions keep their values there from now on, not in this process only.
    pub(super) fn keep_values_in(&self, values: Arc<dyn Values>) {
        // Set once, at the start.
        let _ = self.backing.values.set(values);
    }

    /// Functions that may control calls control those of this server from now on.
    pub(super) fn control(
        &self,
        store: Arc<dyn Store>,
        orders: Arc<super::orders::Orders>,
        shards: Vec<tokio::sync::mpsc::Sender<crate::exchange::Input>>,
    ) {
        let (recordings, account) = (recordings_folder(&self.config), self.account.sid);
        let served = functions::Served { store, recordings, account, orders, shards };
        // Set once, at the start.
        let _ = self.backing.served.set(served);
    }

    /// Takes an edited configuration: functions see its environment and grants from their next run on.
    pub fn reconfigure(&mut self, config: Config) {
        let seen = |config: &Config| (config.function_env.clone(), config.function_grants.clone());
        if seen(&config) != seen(&self.config) {
            let (sandbox, versions) = (self.sandbox.clone(), self.versions.clone());
            let (account, url) = (&self.account, &self.public_url);
            let functions = functions::open(&config, account, url, sandbox, versions);
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

/// What handlers may name: the files of a project folder as they are now.
pub fn names(config: &Config) -> Names {
    let functions = function::names(&config.project.join("functions"));
    let (private, functions): (Vec<_>, Vec<_>) =
        functions.into_iter().partition(|(_, access)| *access == function::Access::Private);
    let named = |functions: Vec<(String, _)>| functions.into_iter().map(|(name, _)| name).collect();
    Names {
        bins: Bins::new(config.project.join("bins"), Clock::on_the_wall).names(),
        functions: named(functions),
        private: named(private),
        assets: asset::names(&config.project.join("assets")),
    }
}

/// The versions of functions that a server of this project keeps.
pub fn versions_of(config: &Config) -> Versions {
    Versions::new(config.server.data.join("versions"))
}

/// Where recordings lie.
pub fn recordings_folder(config: &Config) -> PathBuf {
    config.server.data.join("recordings")
}

/// What fetches documents, and certificates of those who sign calls.
fn client_of(
    config: &Config,
    token: crate::base::Secret,
    authorities: &Arc<Authorities>,
) -> Client {
    let allow = client::Config::new(config.webhook_allow.clone(), token);
    Client::new(client::Config { authorities: Arc::clone(authorities), ..allow })
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
    async fn a_project_with_scripts_waits_for_their_engine() {
        let folder = tempfile::tempdir().expect("a folder");
        let functions = folder.path().join("functions");
        std::fs::create_dir(&functions).expect("made");
        let open = || {
            let open = config(folder.path(), "hello");
            Opened::open(open, "http://127.0.0.1:1".to_owned()).expect("opened")
        };
        std::fs::write(functions.join("table.routes.toml"), "").expect("written");
        assert!(!open().runner.functions().has_scripts());
        std::fs::write(functions.join("greet.ts"), "").expect("written");
        let mut opened = open();
        opened.warmed().await;
        assert!(opened.sandbox.is_warm(), "the engine is missing? run cargo xtask setup");
    }
}
