//! Keys about calls that several tables share: hold music, session timers, early media.

use super::reader::{Reader, Source};
use crate::base::Duration;
use crate::directory::{EarlyMedia, SessionTimers};

/// `hold_music`: a file of the project's assets, or a web address.
pub(super) fn hold_music(source: &mut Source<'_>, table: &mut Reader<'_>) -> Option<String> {
    let (text, span) = table.text(source, "hold_music")?;
    if text.starts_with("https://") || text.starts_with("http://") {
        return Some(text);
    }
    let path = text.trim_start_matches('/');
    let wanted = "hold_music: expected a file of assets/, such as \"assets/hold.wav\", or a URL";
    if !path.starts_with("assets/") || path.split('/').any(|part| part == "..") {
        source.error(span, wanted);
        return None;
    }
    let file = source.folder.join(path);
    if let Err(error) = std::fs::metadata(&file) {
        source.error(span, format!("hold_music: cannot read {}: {error}", file.display()));
        return None;
    }
    Some(format!("/{path}"))
}

/// `session_timers`, `session_expires` and `min_se` (RFC 4028).
pub(super) fn session_timers(source: &mut Source<'_>, table: &mut Reader<'_>) -> SessionTimers {
    let asks = table.flag(source, "session_timers");
    let mut seconds = |key: &'static str| {
        let seconds = table.number(source, key)?;
        // RFC 4028 section 4: nobody may ask for less than 90 s. A day is never.
        match u64::try_from(seconds) {
            Ok(seconds @ 90..=86_400) => Some(Duration::from_secs(seconds)),
            _ => {
                source.error(table.at(key), format!("{key}: expected 90 to 86400 seconds"));
                None
            }
        }
    };
    let (expires, min_se) = (seconds("session_expires"), seconds("min_se"));
    if let (Some(expires), Some(min_se)) = (expires, min_se)
        && expires < min_se
    {
        let text = "session_expires: expected no less than min_se";
        source.error(table.at("session_expires"), text);
    }
    SessionTimers { asks, expires, min_se }
}

/// `early_media` of a trunk or line.
pub(super) fn early_media(source: &mut Source<'_>, table: &mut Reader<'_>) -> EarlyMedia {
    let Some((text, span)) = table.text(source, "early_media") else { return EarlyMedia::Pass };
    EarlyMedia::of_name(&text).unwrap_or_else(|| {
        source.error(span, "early_media: expected \"pass\" or \"ring\"");
        EarlyMedia::Pass
    })
}
