//! `Sip` inside `Dial`: a URI, with headers after its `?`.

use percent_encoding::percent_decode_str;

use crate::base::Secret;
use crate::markup::{Diagnostic, Element, Position};

use super::Noun;
use super::attribute::{Attributes, Kind, Spec, spec};
use super::target::{Destination, Target, noun_text, shared};

/// The longest URI, without its headers.
const MAX_URI: usize = 255;
/// The longest header part, as written.
const MAX_HEADERS: usize = 1024;
/// The most headers: a request must stay within a datagram.
const MAX_HEADER_COUNT: usize = 30;
/// The longest user name or password.
const MAX_LOGIN: usize = 256;

pub(super) const ATTRIBUTES: &[Spec] = {
    const OWN: [Spec; 14] = shared(13241, 13242);
    const USER: Spec = spec("username", Kind::Text, "", 13249);
    const PASSWORD: Spec = spec("password", Kind::Text, "", 13249);
    &[
        USER, PASSWORD, OWN[0], OWN[1], OWN[2], OWN[3], OWN[4], OWN[5], OWN[6], OWN[7], OWN[8],
        OWN[9], OWN[10], OWN[11], OWN[12],
    ]
};

const URI: &[Spec] = &[
    spec("priority", Kind::NotYet, "", 12200),
    spec("weight", Kind::NotYet, "", 12200),
    spec("username", Kind::Text, "", 13249),
    spec("password", Kind::Text, "", 13249),
];

pub(super) const NOUN: Noun = Noun { name: "Sip", attributes: ATTRIBUTES };

/// Reads the noun: a text, or the newer form with `Uri` and `Headers` inside.
pub(super) fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Target {
    let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
    let mut login = login(&mut attributes);
    let mut target = Target::read(Destination::Number(String::new()), &mut attributes);
    let mut text = noun_text(element);
    let mut added = Vec::new();
    let mut uris = 0;
    for child in element.elements() {
        match child.name.as_str() {
            "Uri" => {
                let mut inner = Attributes::new(child, URI, findings);
                let own = self::login(&mut inner);
                uris += 1;
                if uris == 1 {
                    text = noun_text(child);
                    login = own.or(login);
                } else {
                    let message = "only the first <Uri> is called so far";
                    findings.push(Diagnostic::warning(12200, child.position, message));
                }
            }
            "Headers" => headers(child, &mut added, findings),
            name => {
                let message = format!("<{name}> may not stand in <Sip>; skipped");
                findings.push(Diagnostic::warning(13215, child.position, message));
            }
        }
    }
    target.destination = destination(&text, login, element.position, findings);
    if let Destination::Sip { headers, .. } = &mut target.destination {
        headers.append(&mut added);
    }
    target
}

fn login(attributes: &mut Attributes<'_>) -> Option<(String, Secret)> {
    let user = attributes.text("username")?;
    let password = attributes.raw("password").unwrap_or_default();
    if user.len() > MAX_LOGIN || password.len() > MAX_LOGIN {
        attributes.reject("username", "at most 256 characters");
        return None;
    }
    Some((user, Secret::new(password)))
}

/// `<Headers><Header name="X-…" value="…"/></Headers>`.
fn headers(element: &Element, into: &mut Vec<(String, String)>, findings: &mut Vec<Diagnostic>) {
    for header in element.elements().filter(|child| child.name == "Header") {
        let value = |name| header.attribute(name).map_or("", |a| a.value.as_str());
        add_header(value("name"), value("value"), header.position, into, findings);
    }
}

/// A SIP address outside of any document, with the headers that stand in it; or what is wrong.
pub fn address(text: &str, login: Option<(String, Secret)>) -> Result<Destination, Diagnostic> {
    let mut findings = Vec::new();
    let found = destination(text, login, Position::START, &mut findings);
    match findings.into_iter().next() {
        Some(finding) => Err(finding),
        None => Ok(found),
    }
}

/// A URI as written: the scheme may be missing, region and edge are the vendor's own, headers
/// stand after `?` and are percent-encoded once (the TwiML reference).
pub(super) fn destination(
    text: &str,
    login: Option<(String, Secret)>,
    position: Position,
    findings: &mut Vec<Diagnostic>,
) -> Destination {
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let uri = match scheme.as_deref() {
        Some("sip" | "sips") => address.to_owned(),
        _ => format!("sip:{address}"),
    };
    let uri = without_vendor_parameters(&uri);
    let visible = uri.chars().all(|c| c.is_ascii_graphic() && !"<>\"".contains(c));
    let host = uri.rsplit_once('@').map_or(&uri[4..], |(_, host)| host);
    let user_is_empty = uri.contains(":@");
    if !visible || user_is_empty || host.trim_start_matches(':').is_empty() || uri.len() > MAX_URI {
        let shown: String = text.chars().take(60).collect();
        let message = format!("{shown:?} is not a SIP URI; it cannot be called");
        let finding = Diagnostic::warning(13243, position, message);
        findings.push(finding.expecting("sip:user@host"));
        return Destination::Invalid { text: shown, code: 13243 };
    }
    let mut headers = Vec::new();
    if query.len() > MAX_HEADERS {
        let message = format!("headers longer than {MAX_HEADERS} characters are left out");
        findings.push(Diagnostic::warning(13253, position, message));
    } else {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            add_header(name, &value, position, &mut headers, findings);
        }
    }
    Destination::Sip { uri, headers, login }
}

fn without_vendor_parameters(uri: &str) -> String {
    let vendor = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default().to_ascii_lowercase();
        name != "region" && name != "edge"
    };
    let mut parts = uri.split(';');
    let address = parts.next().unwrap_or_default().to_owned();
    parts.filter(vendor).fold(address, |whole, part| whole + ";" + part)
}

fn add_header(
    name: &str,
    value: &str,
    position: Position,
    into: &mut Vec<(String, String)>,
    findings: &mut Vec<Diagnostic>,
) {
    const PLAIN: [&str; 4] =
        ["user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"];
    let lower = name.to_ascii_lowercase();
    let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let allowed = lower.starts_with("x-") && lower.len() > 2 || PLAIN.contains(&lower.as_str());
    // A line end in a value would be a header of its own choosing.
    let one_line = !value.contains(|c: char| c.is_control());
    if into.len() >= MAX_HEADER_COUNT {
        let message = format!("more than {MAX_HEADER_COUNT} headers; {name} is left out");
        findings.push(Diagnostic::warning(13251, position, message));
    } else if allowed && name.chars().all(token) && one_line {
        into.push((name.to_owned(), value.to_owned()));
    } else {
        let shown: String = name.chars().take(60).collect();
        let message = format!("the header {shown:?} is left out");
        let finding = Diagnostic::warning(13252, position, message);
        findings.push(finding.expecting("X-… or User-to-User, on one line"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Target, Vec<u32>) {
        let tree = crate::markup::parse(body.as_bytes()).expect("well-formed");
        let mut findings = Vec::new();
        let target = parse(&tree.root, &mut findings);
        (target, findings.iter().map(|finding| finding.code).collect())
    }

    #[test]
    fn the_scheme_may_be_missing_and_the_text_padded() {
        let (target, codes) = read("<Sip>\n  aleksey@sdt.sip.us1.example.com\n</Sip>");
        assert_eq!(target.text(), "sip:aleksey@sdt.sip.us1.example.com");
        assert_eq!(codes, [0u32; 0]);
    }

    #[test]
    fn headers_are_decoded_once_and_checked() {
        let (target, codes) = read(
            "<Sip>sip:a@b;transport=tcp;region=ie1?X-a=1%2520&amp;Via=2&amp;X-b=x%0d%0aEvil:1&amp;User-to-User=u</Sip>",
        );
        let Destination::Sip { uri, headers, .. } = target.destination else { panic!() };
        assert_eq!(uri, "sip:a@b;transport=tcp");
        let expected = [("X-a", "1%20"), ("User-to-User", "u")];
        assert_eq!(headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(codes, [13252, 13252]);
    }

    #[test]
    fn the_newer_form_is_read() {
        let (target, codes) = read(
            "<Sip username='u' password='p'><Uri username='v' password='q'>sip:a@b</Uri>\
             <Headers><Header name='X-One' value='1'/></Headers></Sip>",
        );
        let Destination::Sip { uri, headers, login } = target.destination else { panic!() };
        assert_eq!(uri, "sip:a@b");
        assert_eq!(headers, [("X-One".to_owned(), "1".to_owned())]);
        assert_eq!(login, Some(("v".to_owned(), Secret::new("q"))));
        assert_eq!(codes, [0u32; 0]);
    }

    #[test]
    fn limits_hold() {
        let long = format!("<Sip>sip:a@{}</Sip>", "b".repeat(300));
        assert_eq!(read(&long).1, [13243]);
        let headers = format!("<Sip>sip:a@b?X-a={}</Sip>", "b".repeat(1100));
        assert_eq!(read(&headers).1, [13253]);
        let many = (0..40).map(|n| format!("X-{n}=1")).collect::<Vec<_>>().join("&amp;");
        assert_eq!(read(&format!("<Sip>sip:a@b?{many}</Sip>")).1, [13251; 10]);
        for bad in ["", "sip:", "sip:a b@c", "a@"] {
            assert_eq!(read(&format!("<Sip>{bad}</Sip>")).1, [13243], "{bad:?}");
        }
        let login = format!("<Sip username='{}'>sip:a@b</Sip>", "u".repeat(300));
        assert_eq!(read(&login).1, [13249]);
    }
}
