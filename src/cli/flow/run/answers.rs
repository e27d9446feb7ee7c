//! Documents, sounds and speech: from the project in this process, or as `webhook` lines say.

use super::super::Webhook;
use super::super::seen::Seen;
use super::{LETTER, MOST_CLIPS, MOST_TEXTS, Stage, WEB_PATIENCE};
use crate::audio::{Clip, wav};
use crate::base::Duration;
use crate::base::id::{CallSid, RequestId};
use crate::call::{Fetch, FetchError, Input, Speech};
use crate::http::Headers;
use crate::node::project::names;
use crate::source::{Answer, asset};

impl Stage<'_> {
    pub(super) async fn fetch(&mut self, request: RequestId, fetch: &Fetch) {
        let (answer, after) = self.answer(fetch).await;
        if let Ok(answer) = &answer {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            self.texts.retain(|(base, _)| *base != answer.url);
            self.texts.push_back((answer.url.clone(), text));
            if self.texts.len() > MOST_TEXTS {
                self.texts.pop_front();
            }
        }
        let fetched = answer.and_then(|answer| answer.document());
        self.later(after, Input::Fetched(request, fetched));
    }

    /// What the URL answers, and how long that takes.
    pub(super) async fn answer(&mut self, fetch: &Fetch) -> (Result<Answer, FetchError>, Duration) {
        if let Some(webhook) = self.next_webhook(&fetch.url) {
            if webhook.after > WEB_PATIENCE {
                let message = format!("{}: no complete answer within 15 s", fetch.url);
                return (Err(FetchError { code: 11203, message }), WEB_PATIENCE);
            }
            return (self.canned(&webhook, fetch), webhook.after);
        }
        if self.opened.sources.is_own(&fetch.url) {
            return (self.opened.sources.ask_for(fetch).await, Duration::ZERO);
        }
        (Err(self.unknown(&fetch.url)), Duration::ZERO)
    }

    /// The answer that comes next at that URL; the last one stays.
    pub(super) fn next_webhook(&mut self, url: &str) -> Option<Webhook> {
        let bare = url.split(['?', '#']).next().unwrap_or(url);
        let key = [url, bare].into_iter().find(|key| self.webhooks.contains_key(*key))?;
        let answers = self.webhooks.get_mut(key)?;
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    }

    pub(super) fn canned(&self, webhook: &Webhook, fetch: &Fetch) -> Result<Answer, FetchError> {
        let project = &self.opened.project;
        let bin = webhook.file.strip_prefix("bins/").and_then(|name| name.strip_suffix(".xml"));
        let body = match bin {
            // A bin's file is a template wherever it is served.
            Some(name) => project
                .bins
                .render(name, &fetch.parameters)
                .map(|rendered| rendered.text.into_bytes())
                .map_err(|error| FetchError { code: error.code(), message: error.to_string() })?,
            None => {
                std::fs::read(self.opened.config.project.join(&webhook.file)).map_err(|error| {
                    let message = format!("{} cannot be read: {error}", webhook.file);
                    FetchError { code: 11200, message }
                })?
            }
        };
        let kind = asset::content_type(webhook.file.as_ref()).to_owned();
        Ok(Answer {
            status: webhook.status,
            headers: Headers::new(vec![("Content-Type".to_owned(), kind)]),
            body: body.into(),
            url: fetch.url.clone(),
        })
    }

    /// Nothing is spoken: a clip as long as the sentence would be.
    pub(super) fn speech(&mut self, request: RequestId, speech: &Speech) {
        let letters = u32::try_from(speech.text.chars().count()).unwrap_or(u32::MAX);
        let clip = Clip::silence(LETTER.saturating_mul(letters).max(Duration::from_millis(500)));
        self.remember(clip.clone(), Seen::Say(speech.text.clone()));
        self.later(Duration::ZERO, Input::Sound(request, Ok(clip)));
    }

    pub(super) async fn load(&mut self, request: RequestId, call: CallSid, url: &str) {
        let sound = if self.opened.sources.is_own(url) {
            let loaded = self.opened.sources.load_sound(call, url).await;
            loaded.map(|sound| sound.bytes)
        } else {
            match self.next_webhook(url) {
                Some(webhook) => std::fs::read(self.opened.config.project.join(&webhook.file))
                    .map(Into::into)
                    .map_err(|_| self.unknown(url)),
                None => Err(self.unknown(url)),
            }
        };
        let clip = sound.and_then(|bytes| {
            let read = wav::read(&bytes);
            read.map_err(|error| FetchError { code: 13420, message: format!("{url}: {error}") })
        });
        if let Ok(clip) = &clip {
            self.remember(clip.clone(), Seen::Play(url.to_owned()));
        }
        self.later(Duration::ZERO, Input::Sound(request, clip));
    }

    pub(super) fn remember(&mut self, clip: Clip, seen: Seen) {
        if self.clips.len() >= MOST_CLIPS {
            self.clips.pop_front();
        }
        self.clips.push_back((clip, seen));
    }

    /// Nothing answers: a path of ours that leads to nothing is told as `check` tells it.
    fn unknown(&self, url: &str) -> FetchError {
        let own = url.strip_prefix(&self.opened.public_url);
        let wrong = own.and_then(|path| names(&self.opened.config).wrong_path(path));
        let why = wrong
            .unwrap_or_else(|| format!("nothing answers here; add `webhook {url} returns FILE`"));
        FetchError { code: 11200, message: format!("{url}: {why}") }
    }
}
