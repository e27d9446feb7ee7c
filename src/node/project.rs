//! A project folder, opened: everything that answers documents and sounds, without SIP.
//!
//! `serve` and `demo` put a switch on top of it; `preview` and `check` need no more.

use std::path::PathBuf;
use std::sync::Arc;

use super::account::Account;
use super::clock::seeded_rng;
use super::functions;
use super::start::StartError;
use crate::base::Rng;
use crate::config::Config;
use crate::directory::Directory;
use crate::http::client::{self, Client};
use crate::source::function::{self, Functions, Sandbox};
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
    /// The functions, for what is not a request.
    pub functions: Arc<Functions>,
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
        std::fs::create_dir_all(recordings_folder(&config))
            .map_err(|error| StartError::Data(data.clone(), error))?;
        let mut rng = seeded_rng().map_err(StartError::Randomness)?;
        let server = &config.server;
        let account = Account::open(data, server.account_sid, server.auth_token.clone(), &mut rng)
            .map_err(|error| StartError::Data(data.clone(), error))?;
        let public_url = config.http.public_url.clone().unwrap_or(public_url);
        let guard = client::Config::new(config.webhook_allow.clone(), account.token.clone());
        let client = Arc::new(Client::new(guard));
        let (functions, sandbox) = functions::open(&config, &account, &public_url, rng.fork())?;
        functions::warm_up(sandbox.clone());
        let functions = Arc::new(functions);
        let project = Arc::new(Project {
            bins: Bins::new(config.project.join("bins")),
            functions: Arc::new(functions::Runner::new(Arc::clone(&functions), sandbox.clone())),
            assets: config.project.join("assets"),
            public_url: public_url.clone(),
            auth_token: account.token.clone(),
        });
        let sources = Arc::new(Sources::new(Arc::clone(&client), Arc::clone(&project), rng.fork()));
        Ok(Opened {
            config,
            account,
            public_url,
            client,
            project,
            functions,
            sandbox,
            sources,
            rng,
        })
    }

    /// Loads every function and says what is wrong with it, by name.
    pub async fn check_functions(&self) -> Vec<(String, Result<(), function::Error>)> {
        let (functions, sandbox) = (Arc::clone(&self.functions), self.sandbox.clone());
        let check = move || functions::check_all(&functions, sandbox);
        tokio::task::spawn_blocking(check).await.unwrap_or_default()
    }

    /// What the exchange asks who is who; trunks are not resolved yet.
    pub fn directory(&self) -> Directory {
        let Account { sid, token } = self.account.clone();
        self.config.directory(sid, token, self.public_url.clone())
    }
}

/// Where recordings lie.
pub fn recordings_folder(config: &Config) -> PathBuf {
    config.server.data.join("recordings")
}
