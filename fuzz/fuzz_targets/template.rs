//! A template, rendered with values that hold markup and template text themselves.

use offhook::source::e164::e164;
use offhook::source::template::{OUTPUT_LIMIT, Template};

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = e164(text);
    let Ok(template) = Template::parse(text) else { return };
    let parameters =
        [("From", "+12025550142"), ("Digits", "<&\">{{Digits}}"), ("a", ""), ("a", "b")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    if let Ok(page) = template.render(&parameters) {
        assert!(page.len() <= OUTPUT_LIMIT);
        if template.is_static() {
            assert_eq!(page, template.render(&[]).expect("nothing in it depends on parameters"));
        }
    }
}
