//! What came of a verification, in the words of the field; and what a carrier says of its own
//! (3GPP TS 24.229 section 7.2A.20, ATIS-1000074).

use super::Attest;
use crate::sip::Message;
use crate::sip::header::{HeaderName, NameAddr};

/// The result for a caller's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verstat {
    /// It is proven, by a provider that is so sure of the caller.
    Passed(Option<Attest>),
    /// What was to prove it is wrong.
    Failed(Option<Attest>),
    /// Nobody can tell.
    Unvalidated,
}

impl Verstat {
    /// As handlers are told.
    pub const fn as_str(self) -> &'static str {
        use Attest::{A, B, C};
        match self {
            Verstat::Passed(Some(A)) => "TN-Validation-Passed-A",
            Verstat::Passed(Some(B)) => "TN-Validation-Passed-B",
            Verstat::Passed(Some(C)) => "TN-Validation-Passed-C",
            Verstat::Passed(None) => "TN-Validation-Passed",
            Verstat::Failed(Some(A)) => "TN-Validation-Failed-A",
            Verstat::Failed(Some(B)) => "TN-Validation-Failed-B",
            Verstat::Failed(Some(C)) => "TN-Validation-Failed-C",
            Verstat::Failed(None) => "TN-Validation-Failed",
            Verstat::Unvalidated => "No-TN-Validation",
        }
    }

    /// Reads the value of a `verstat` parameter, with or without a level at its end.
    pub fn parse(text: &str) -> Option<Verstat> {
        let (word, attest) = match text.rsplit_once('-') {
            Some((word, level)) if Attest::of_name(level).is_some() => {
                (word, Attest::of_name(level))
            }
            _ => (text, None),
        };
        match word {
            word if word.eq_ignore_ascii_case("TN-Validation-Passed") => {
                Some(Verstat::Passed(attest))
            }
            word if word.eq_ignore_ascii_case("TN-Validation-Failed") => {
                Some(Verstat::Failed(attest))
            }
            word if word.eq_ignore_ascii_case("No-TN-Validation") && attest.is_none() => {
                Some(Verstat::Unvalidated)
            }
            _ => None,
        }
    }

    fn with(self, level: Option<Attest>) -> Verstat {
        match self {
            Verstat::Passed(attest) => Verstat::Passed(attest.or(level)),
            Verstat::Failed(attest) => Verstat::Failed(attest.or(level)),
            Verstat::Unvalidated => Verstat::Unvalidated,
        }
    }
}

/// What a carrier says that it verified: at the asserted identity, else at From. The level stands
/// in the value, or in a header of its own.
pub fn carried(message: &Message) -> Option<Verstat> {
    let asserted = message.values(HeaderName::PAssertedIdentity).filter_map(NameAddr::parse);
    let found = asserted.chain(message.from()).find_map(|address| verstat_of(&address))?;
    let level = ["Attestation-Info", "P-Attestation-Indicator"]
        .into_iter()
        .find_map(|name| Attest::of_name(message.header_by_name(name)?));
    Some(found.with(level))
}

/// It is a parameter of the number, which in a SIP URI stands before the `@`; some write it behind
/// the host, as a parameter of the URI.
fn verstat_of(address: &NameAddr<'_>) -> Option<Verstat> {
    let parts = address.uri().split([';', '@', '?', '>']);
    let values = parts.filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("verstat").then_some(value)
    });
    // Two that differ say nothing.
    let mut found = values.map(Verstat::parse);
    let first = found.next()??;
    found.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Parsed;

    fn told(headers: &str) -> Option<&'static str> {
        let text = format!(
            "INVITE sip:+1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <sip:+1@h>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:h>\r\nMax-Forwards: 70\r\n{headers}\r\n"
        );
        let Parsed::Valid(message) = Message::parse(text.into()) else { panic!("{headers}") };
        carried(&message).map(Verstat::as_str)
    }

    #[test]
    fn a_carriers_word_is_found_where_carriers_write_it() {
        let from = "From: <sip:+15550001111;verstat=TN-Validation-Passed@h>;tag=1\r\n";
        assert_eq!(told(from), Some("TN-Validation-Passed"));
        let level = format!("{from}Attestation-Info: B\r\n");
        assert_eq!(told(&level), Some("TN-Validation-Passed-B"));
        let asserted = "P-Asserted-Identity: \"x;verstat=No-TN-Validation\" \
                        <sip:+1@h;verstat=TN-Validation-Passed-C>, <tel:+1>\r\n";
        assert_eq!(told(&format!("{from}{asserted}")), Some("TN-Validation-Passed-C"));
        let tel = "From: <tel:+15550001111;verstat=No-TN-Validation>;tag=1\r\n";
        assert_eq!(told(tel), Some("No-TN-Validation"));
    }

    #[test]
    fn other_words_say_nothing() {
        for value in ["", "TN-Validation-Passed-D", "Passed", "TN-Validation-Passed-A-A"] {
            assert_eq!(
                told(&format!("From: <sip:+1@h;verstat={value}>;tag=1\r\n")),
                None,
                "{value}"
            );
        }
        let two = "<sip:+1;verstat=TN-Validation-Failed@h;verstat=TN-Validation-Passed>";
        assert_eq!(told(&format!("From: {two};tag=1\r\n")), None);
        let outside = "From: <sip:+1@h>;tag=1;verstat=TN-Validation-Passed\r\n";
        assert_eq!(told(outside), None, "a parameter of the header is not one of the number");
    }
}
