//! Parameters as a form or a query: `application/x-www-form-urlencoded` of the URL standard.

use url::form_urlencoded;

/// The content type of our own forms.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=UTF-8";

/// More fields than this in one body or query are not read: no real request has them.
const MOST_FIELDS: usize = 1_000;

/// Name and value pairs as one text, in the order given.
pub fn encode(parameters: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Name and value pairs of a form or query; what is not UTF-8 is replaced.
pub fn decode(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().take(MOST_FIELDS).collect()
}

/// `url` with the parameters after what its query already holds (their order is signed).
pub fn append(url: &mut url::Url, parameters: &[(String, String)]) {
    if parameters.is_empty() {
        return;
    }
    let added = encode(parameters);
    let query = match url.query() {
        Some(before) if !before.is_empty() => format!("{before}&{added}"),
        _ => added,
    };
    url.set_query(Some(&query));
}

/// Whether a content type says that the body is a form.
pub fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn forms_read_back_what_they_write() {
        let fields = pairs(&[("To", "+1 (555)"), ("Body", "a&b=c%"), ("Name", "Zoë"), ("E", "")]);
        let text = encode(&fields);
        assert_eq!(text, "To=%2B1+%28555%29&Body=a%26b%3Dc%25&Name=Zo%C3%AB&E=");
        assert_eq!(decode(text.as_bytes()), fields);
    }

    #[test]
    fn appended_parameters_follow_those_that_were_there() {
        let with = |url: &str, list: &[(&str, &str)]| {
            let mut url = url::Url::parse(url).unwrap();
            append(&mut url, &pairs(list));
            url.to_string()
        };
        assert_eq!(with("http://a/x?b=2&a=1", &[("C", "3")]), "http://a/x?b=2&a=1&C=3");
        assert_eq!(with("http://a/x?", &[("C", "3")]), "http://a/x?C=3");
        assert_eq!(with("http://a/x", &[]), "http://a/x");
    }
}
