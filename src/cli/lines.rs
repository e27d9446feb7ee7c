//! `offhook lines`: how trunks and users' lines fare, in plain words.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::serve::{block_on, read_config};
use super::{Outcome, Project, running, say};
use crate::base::WallTime;
use crate::config::Config;
use crate::node::clock::Clock;
use crate::store::{Sqlite, Store, TrunkRow};

/// Arguments of `offhook lines`.
#[derive(clap::Args, Debug)]
pub(super) struct Lines {
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One that is configured, and what is known of it.
struct Shown {
    line: bool,
    name: String,
    user: Option<String>,
    row: Option<TrunkRow>,
}

impl Lines {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let data = &config.server.data;
        let rows = match running::serves(data) {
            true => Some(block_on(rows(&data.join("offhook.db")))?),
            false => None,
        };
        if rows.is_none() {
            eprintln!("offhook: no server runs here; start one with `offhook serve`");
        }
        let all = shown(&config, rows.unwrap_or_default());
        let now = Clock::start().wall();
        match self.json {
            true => say(&Value::from(all.iter().map(as_json).collect::<Vec<_>>()).to_string()),
            false => all.iter().for_each(|shown| say(&as_line(shown, now))),
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn rows(database: &Path) -> Result<Vec<TrunkRow>, String> {
    let failed = |error: crate::store::StoreError| format!("{}: {error}", database.display());
    let store = Sqlite::read(database).await.map_err(failed)?;
    store.trunks().await.map_err(failed)
}

/// All that are configured, in the order of the configuration.
fn shown(config: &Config, mut rows: Vec<TrunkRow>) -> Vec<Shown> {
    let trunks = config.trunks.iter().map(|trunk| (false, &trunk.name, None));
    let lines = config.lines.iter().map(|line| (true, &line.account.name, Some(&line.user)));
    let all = trunks.chain(lines).map(|(line, name, user)| Shown {
        line,
        name: name.clone(),
        user: user.cloned(),
        row: rows.extract_if(.., |row| row.line == line && row.name == *name).next(),
    });
    all.collect()
}

impl Shown {
    fn kind(&self) -> &'static str {
        if self.line { "line" } else { "trunk" }
    }

    /// One that neither registers nor is asked by OPTIONS has no news.
    fn state(&self) -> &str {
        self.row.as_ref().map_or("not watched", |row| &row.state)
    }
}

fn as_line(shown: &Shown, now: WallTime) -> String {
    let user = shown.user.as_ref().map_or_else(String::new, |user| format!(" of {user}"));
    let mut text = format!("{} {}{user}: {}", shown.kind(), shown.name, shown.state());
    let Some(row) = &shown.row else { return text };
    if let Some(server) = &row.server {
        text.push_str(&format!(" at {server}"));
    }
    text.push_str(&format!(", since {}", row.since.rfc3339()));
    if let Some(retry) = row.retry {
        let millis = retry.unix_millis().saturating_sub(now.unix_millis());
        text.push_str(&format!(", next try in {} s", millis.div_ceil(1_000)));
    }
    if let Some(trouble) = &row.trouble {
        text.push_str(&format!("; last error: {trouble}"));
    }
    text
}

fn as_json(shown: &Shown) -> Value {
    let row = shown.row.as_ref();
    let time = |time: Option<WallTime>| time.map(WallTime::rfc3339);
    json!({
        "kind": shown.kind(),
        "name": shown.name,
        "user": shown.user,
        "state": shown.state(),
        "up": row.map(|row| row.up),
        "since": time(row.map(|row| row.since)),
        "server": row.and_then(|row| row.server.as_ref()),
        "last_error": row.and_then(|row| row.trouble.as_ref()),
        "next_try": time(row.and_then(|row| row.retry)),
        "expires": time(row.and_then(|row| row.until)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> TrunkRow {
        let at = WallTime::from_unix_millis;
        TrunkRow {
            line: true,
            name: "home".to_owned(),
            state: "not registered".to_owned(),
            user: None,
            up: false,
            since: at(0),
            trouble: Some("192.0.2.5:5060 does not answer".to_owned()),
            server: None,
            retry: Some(at(90_500)),
            until: None,
        }
    }

    #[test]
    fn a_line_says_what_is_wrong_and_when_it_is_tried_again() {
        let user = Some("alice@office.localhost".to_owned());
        let shown = Shown { line: true, name: "home".to_owned(), user, row: Some(row()) };
        let wanted = "line home of alice@office.localhost: not registered, since \
                      1970-01-01T00:00:00.000Z, next try in 31 s; last error: 192.0.2.5:5060 does \
                      not answer";
        assert_eq!(as_line(&shown, WallTime::from_unix_millis(60_000)), wanted);
        let json = as_json(&shown);
        assert_eq!(json["next_try"], "1970-01-01T00:01:30.500Z");
        assert_eq!((json["kind"].as_str(), json["up"].as_bool()), (Some("line"), Some(false)));
    }

    #[test]
    fn who_is_not_watched_is_listed_all_the_same() {
        let shown = Shown { line: false, name: "isp".to_owned(), user: None, row: None };
        assert_eq!(as_line(&shown, WallTime::default()), "trunk isp: not watched");
        assert_eq!(as_json(&shown)["up"], Value::Null);
    }
}
