//! Sound files for `Play`: checked type, bounded size, and a cache that asks the server whether
//! its copy is still good (the TwiML reference). Decoding is `audio`'s.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::base::id::CallSid;
use crate::call::{FetchError, Method};
use crate::http::client::MEDIA_LIMIT;

use super::document::media_type;
use super::webhook::{Answer, Sources, check_status, failed};

/// A sound file as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// The file; sharing is cheap.
    pub bytes: Bytes,
    /// Its media type, lower case, without parameters.
    pub media_type: String,
}

/// Files kept: the prompts of a few menus.
const MOST_KEPT: usize = 64;
/// Bytes kept of all files together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The types that `Play` accepts.
const TYPES: &[&str] = &[
    "audio/mpeg",
    "audio/wav",
    "audio/wave",
    "audio/x-wav",
    "audio/vnd.wave",
    "audio/aiff",
    "audio/x-aifc",
    "audio/x-aiff",
    "audio/x-gsm",
    "audio/gsm",
    "audio/ulaw",
    "audio/basic",
];

/// The cache, oldest use first.
#[derive(Default)]
pub(super) struct Sounds(Mutex<VecDeque<Kept>>);

struct Kept {
    url: String,
    /// The request header that asks whether this copy is still good.
    validator: (String, String),
    sound: Sound,
}

impl Sources {
    /// Gets a sound file: an absolute URL, or a path of this server such as `/assets/hello.wav`.
    pub async fn load_sound(&self, call: CallSid, url: &str) -> Result<Sound, FetchError> {
        let kept = self.sounds.find(url);
        let headers: Vec<(String, String)> = kept.iter().map(|(v, _)| v.clone()).collect();
        let answer = self.answer(call, url, Method::Get, &[], &headers, MEDIA_LIMIT).await?;
        if answer.status == 304
            && let Some((_, sound)) = kept
        {
            return Ok(sound);
        }
        check_status(&answer)?;
        let sound = check_type(&answer)?;
        self.sounds.keep(url, &answer, &sound);
        Ok(sound)
    }
}

/// The type must be one of `Play`'s. A file that says what it is may come without a useful type,
/// as from a file server.
fn check_type(answer: &Answer) -> Result<Sound, FetchError> {
    let mut kind = media_type(answer.headers.first("Content-Type").unwrap_or(""));
    let bytes = answer.body.clone();
    if matches!(kind.as_str(), "" | "application/octet-stream" | "binary/octet-stream")
        && bytes.starts_with(b"RIFF")
    {
        kind = "audio/wav".to_owned();
    }
    if !TYPES.contains(&kind.as_str()) {
        let got = if kind.is_empty() { "none" } else { &kind };
        let why = format!("content type {got}: expected a sound, such as audio/wav");
        return Err(failed(13420, &answer.url, why));
    }
    if bytes.is_empty() {
        return Err(failed(11770, &answer.url, "the body is empty"));
    }
    Ok(Sound { bytes, media_type: kind })
}

impl Sounds {
    fn find(&self, url: &str) -> Option<((String, String), Sound)> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|entry| entry.url == url)?;
        let entry = kept.remove(at)?;
        let found = (entry.validator.clone(), entry.sound.clone());
        kept.push_back(entry);
        Some(found)
    }

    fn keep(&self, url: &str, answer: &Answer, sound: &Sound) {
        let control = answer.headers.first("Cache-Control").unwrap_or("");
        let by_tag = answer.headers.first("ETag").map(|tag| ("If-None-Match", tag));
        let by_time = || answer.headers.first("Last-Modified").map(|at| ("If-Modified-Since", at));
        let Some((name, value)) = by_tag.or_else(by_time) else { return };
        if control.contains("no-store") || sound.bytes.len() > MOST_BYTES / 4 {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|entry| entry.url != url);
        kept.push_back(Kept {
            url: url.to_owned(),
            validator: (name.to_owned(), value.to_owned()),
            sound: sound.clone(),
        });
        let bytes = |kept: &VecDeque<Kept>| kept.iter().map(|k| k.sound.bytes.len()).sum::<usize>();
        while kept.len() > MOST_KEPT || bytes(&kept) > MOST_BYTES {
            kept.pop_front();
        }
    }
}
