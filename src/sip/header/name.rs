//! Header names that Offhook knows, their compact forms, and how often each may stand.

use std::fmt;

macro_rules! names {
    ($($variant:ident $text:literal)*) => {
        /// A header name, in full or compact form alike.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
            /// A header that has no number here; ask for it by name.
            Other,
        }

        impl HeaderName {
            /// The name as it is written; empty for [`HeaderName::Other`].
            #[inline]
            pub const fn as_str(self) -> &'static str {
                const TEXTS: &[&str] = &[$($text,)* ""];
                TEXTS[self as usize]
            }

            const ALL: &'static [HeaderName] = &[$(HeaderName::$variant),*];
        }
    };
}

names! {
    Via "Via"
    From "From"
    To "To"
    CallId "Call-ID"
    CSeq "CSeq"
    MaxForwards "Max-Forwards"
    Contact "Contact"
    ContentLength "Content-Length"
    ContentType "Content-Type"
    Route "Route"
    RecordRoute "Record-Route"
    Authorization "Authorization"
    ProxyAuthorization "Proxy-Authorization"
    WwwAuthenticate "WWW-Authenticate"
    ProxyAuthenticate "Proxy-Authenticate"
    Expires "Expires"
    MinExpires "Min-Expires"
    Allow "Allow"
    Supported "Supported"
    Require "Require"
    ProxyRequire "Proxy-Require"
    Unsupported "Unsupported"
    UserAgent "User-Agent"
    Server "Server"
    Event "Event"
    AllowEvents "Allow-Events"
    SubscriptionState "Subscription-State"
    SessionExpires "Session-Expires"
    MinSe "Min-SE"
    RSeq "RSeq"
    RAck "RAck"
    ReferTo "Refer-To"
    ReferredBy "Referred-By"
    Replaces "Replaces"
    Reason "Reason"
    Date "Date"
    Subject "Subject"
    Accept "Accept"
    AcceptEncoding "Accept-Encoding"
    AcceptLanguage "Accept-Language"
    ContentEncoding "Content-Encoding"
    ContentDisposition "Content-Disposition"
    Path "Path"
    ServiceRoute "Service-Route"
    PAssertedIdentity "P-Asserted-Identity"
    PPreferredIdentity "P-Preferred-Identity"
    RemotePartyId "Remote-Party-ID"
    Privacy "Privacy"
    Diversion "Diversion"
    HistoryInfo "History-Info"
    RetryAfter "Retry-After"
    Warning "Warning"
    Timestamp "Timestamp"
    Identity "Identity"
    AuthenticationInfo "Authentication-Info"
    AlertInfo "Alert-Info"
}

impl HeaderName {
    /// The name that these bytes spell, in any case of letters (RFC 3261 section 7.3.1).
    #[inline]
    pub fn from_bytes(name: &[u8]) -> HeaderName {
        if let [letter] = name {
            return HeaderName::from_compact(*letter);
        }
        let known = BY_SHAPE[shape(name)];
        let text = known.as_str().as_bytes();
        match name == text || name.eq_ignore_ascii_case(text) {
            true => known,
            false => HeaderName::Other,
        }
    }

    /// Compact forms: RFC 3261 section 20 and the registry of header fields.
    const fn from_compact(letter: u8) -> HeaderName {
        match letter | 0x20 {
            b'v' => HeaderName::Via,
            b'f' => HeaderName::From,
            b't' => HeaderName::To,
            b'i' => HeaderName::CallId,
            b'm' => HeaderName::Contact,
            b'l' => HeaderName::ContentLength,
            b'c' => HeaderName::ContentType,
            b'e' => HeaderName::ContentEncoding,
            b's' => HeaderName::Subject,
            b'k' => HeaderName::Supported,
            b'o' => HeaderName::Event,
            b'u' => HeaderName::AllowEvents,
            b'x' => HeaderName::SessionExpires,
            b'r' => HeaderName::ReferTo,
            b'b' => HeaderName::ReferredBy,
            b'y' => HeaderName::Identity,
            _ => HeaderName::Other,
        }
    }

    /// Whether its values may be joined by commas (RFC 3261 section 7.3.1). Credentials and
    /// challenges use commas inside one value, so they are not lists here.
    pub const fn is_list(self) -> bool {
        use HeaderName::*;
        matches!(
            self,
            Via | Contact
                | Route
                | RecordRoute
                | Path
                | ServiceRoute
                | Allow
                | Supported
                | Require
                | ProxyRequire
                | Unsupported
                | AllowEvents
                | Accept
                | AcceptEncoding
                | AcceptLanguage
                | ContentEncoding
                | Reason
                | Warning
                | Diversion
                | HistoryInfo
                | PAssertedIdentity
                | PPreferredIdentity
                | RemotePartyId
                | AlertInfo
        )
    }

    /// Whether a second one makes the message ambiguous, and so refused.
    pub(crate) const fn is_single(self) -> bool {
        use HeaderName::*;
        const SINGLE: u64 = From.bit()
            | To.bit()
            | CallId.bit()
            | CSeq.bit()
            | MaxForwards.bit()
            | ContentLength.bit()
            | ContentType.bit()
            | Expires.bit()
            | Event.bit();
        SINGLE & self.bit() != 0
    }

    /// Its bit in the set of headers that a message has.
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Length, first and last letter, in any case, tell all known names apart: a name is compared
/// with one other at most. The factor is the smallest that leaves no two names in one place.
const fn shape(name: &[u8]) -> usize {
    match name {
        [first, .., last] => {
            let letters = (*first | 0x20).wrapping_mul(22).wrapping_add(*last | 0x20);
            letters.wrapping_add(name.len() as u8) as usize
        }
        _ => 0,
    }
}

/// The one known name of each [`shape`].
const BY_SHAPE: [HeaderName; 256] = {
    let mut table = [HeaderName::Other; 256];
    let mut at = 0;
    while at < HeaderName::ALL.len() {
        let name = HeaderName::ALL[at];
        let place = shape(name.as_str().as_bytes());
        assert!(matches!(table[place], HeaderName::Other), "two names of one shape");
        table[place] = name;
        at += 1;
    }
    table
};

// The set of present headers is one word.
const _: () = assert!((HeaderName::Other as u8) < 64);

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for name in HeaderName::ALL {
            let text = name.as_str();
            assert_eq!(HeaderName::from_bytes(text.as_bytes()), *name, "{text}");
            assert_eq!(HeaderName::from_bytes(text.to_uppercase().as_bytes()), *name, "{text}");
            assert_eq!(HeaderName::from_bytes(format!("{text}x").as_bytes()), HeaderName::Other);
        }
        assert_eq!(HeaderName::from_bytes(b""), HeaderName::Other);
    }

    #[test]
    fn compact_forms_are_the_same_headers() {
        assert_eq!(HeaderName::from_bytes(b"V"), HeaderName::Via);
        assert_eq!(HeaderName::from_bytes(b"l"), HeaderName::ContentLength);
        assert_eq!(HeaderName::from_bytes(b"z"), HeaderName::Other);
    }
}
