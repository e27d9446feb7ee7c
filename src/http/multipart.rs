//! The text fields of a `multipart/form-data` body (RFC 7578, RFC 2046 section 5.1).
//!
//! Files are left out: who takes recordings or pictures takes them by URL. What is malformed ends
//! the reading, and the fields before it count.

/// More parts than this are not read, as of other forms.
const MOST_PARTS: usize = 1_000;

/// Parameters of a part's disposition beyond this are not read: there are a name and a file's.
const MOST_PARAMETERS: usize = 16;

/// A delimiter is no longer than this (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The delimiter that a content type names, when it is this kind.
pub fn boundary(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';');
    if !parts.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=LONGEST_BOUNDARY).contains(&named.len()).then(|| named.to_owned())
}

/// Name and value of each text field, in order.
pub fn fields(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let first = delimiter.get(2..).unwrap_or_default();
    let mut found = Vec::new();
    // The first delimiter may stand at the very beginning.
    let mut rest = match body.strip_prefix(first) {
        Some(rest) => rest,
        None => match cut(body, &delimiter) {
            Some((_, rest)) => rest,
            None => return found,
        },
    };
    for _ in 0..MOST_PARTS {
        // The last delimiter ends in two hyphens; white space may follow any.
        if rest.starts_with(b"--") {
            break;
        }
        let Some((_, inside)) = cut(rest, b"\r\n") else { break };
        let Some((part, after)) = cut(inside, &delimiter) else { break };
        found.extend(field(part));
        rest = after;
    }
    found
}

fn field(part: &[u8]) -> Option<(String, String)> {
    let (head, value) = match part.strip_prefix(b"\r\n") {
        Some(value) => (&[][..], value),
        None => cut(part, b"\r\n\r\n")?,
    };
    let head = String::from_utf8_lossy(head);
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (mut name, mut file) = (None, false);
    for (key, value) in parameters(disposition) {
        match key.to_ascii_lowercase().as_str() {
            "name" => name = Some(value),
            "filename" | "filename*" => file = true,
            _ => {}
        }
    }
    let name = name.filter(|_| !file)?;
    Some((name, String::from_utf8_lossy(value).into_owned()))
}

/// `; name="a"; filename="b;c"`: the values of quoted strings may hold any separator.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(';').filter(|_| found.len() < MOST_PARAMETERS) {
        let Some((key, value)) = after.split_once('=') else { break };
        let value = value.trim_start();
        let (value, left) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        // Browsers write quotes and line ends in names as these (HTML section 4.10.21.8).
        let value = value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
        found.push((key.trim().to_owned(), value.trim_end().to_owned()));
        rest = left;
    }
    found
}

/// What stands before and after the first occurrence.
fn cut<'a>(text: &'a [u8], wanted: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, wanted)?;
    Some((text.get(..at)?, text.get(at + wanted.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fields_are_read_and_files_left_out() {
        let kind = "multipart/form-data; boundary=\"--x\"";
        let boundary = boundary(kind).expect("a boundary");
        let body = "preamble\r\n----x\r\nContent-Disposition: form-data; name=\"a;b\"\r\n\r\none\r\ntwo\
                    \r\n----x  \r\ncontent-disposition: form-data; filename=\"f.txt\"; name=f\r\n\
                    Content-Type: text/plain\r\n\r\nfile\r\n----x\r\n\
                    Content-Disposition: form-data; name=c\r\n\r\n\r\n----x--\r\nepilogue";
        let wanted = [("a;b", "one\r\ntwo"), ("c", "")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(body.as_bytes(), &boundary), wanted);
    }

    #[test]
    fn what_is_broken_ends_the_reading() {
        for body in ["", "--x", "--x\r\n", "--x\r\nContent-Disposition", "\r\n--x\r\n\r\nv\r\n--x"]
        {
            assert_eq!(fields(body.as_bytes(), "x"), [], "{body:?}");
        }
        let many =
            format!("--x\r\nContent-Disposition: a{}; name=n\r\n\r\nv\r\n--x--", ";a=b".repeat(99));
        assert_eq!(fields(many.as_bytes(), "x"), []);
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary("multipart/form-data; boundary="), None);
        assert_eq!(boundary("multipart/mixed; boundary=x"), None);
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
    }
}
