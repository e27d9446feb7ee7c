//! Cookie jars, one a call: what one caller's session holds never reaches another's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::cookie::Jar;

use crate::base::id::CallSid;

/// Jars kept; the oldest goes first. A jar is wanted only while its call lasts, and a node carries
/// fewer calls than this.
const MOST_JARS: usize = 8_192;

/// The jars of all calls.
#[derive(Default)]
pub(super) struct Jars(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    jars: HashMap<CallSid, Arc<Jar>>,
    order: VecDeque<CallSid>,
}

impl Jars {
    /// The jar of a call; an empty one at first.
    pub(super) fn of(&self, call: CallSid) -> Arc<Jar> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jar) = kept.jars.get(&call) {
            return jar.clone();
        }
        if kept.order.len() >= MOST_JARS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.jars.remove(&oldest);
        }
        let jar = Arc::new(Jar::default());
        kept.jars.insert(call, jar.clone());
        kept.order.push_back(call);
        jar
    }

    /// Drops the jar of a call that is over.
    pub(super) fn forget(&self, call: CallSid) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.jars.remove(&call).is_some() {
            kept.order.retain(|other| *other != call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use reqwest::cookie::CookieStore;

    #[test]
    fn jars_are_kept_apart_bounded_and_forgotten() {
        let mut rng = Rng::from_number(1);
        let (one, two) = (CallSid::random(&mut rng), CallSid::random(&mut rng));
        let url = "http://a.example/".parse().unwrap();
        let jars = Jars::default();
        jars.of(one).add_cookie_str("k=v", &url);
        assert!(jars.of(one).cookies(&url).is_some());
        assert!(jars.of(two).cookies(&url).is_none());
        jars.forget(one);
        assert!(jars.of(one).cookies(&url).is_none());
        for _ in 0..MOST_JARS + 10 {
            jars.of(CallSid::random(&mut rng));
        }
        assert_eq!(jars.0.lock().unwrap().jars.len(), MOST_JARS);
    }
}
