//! A template, rendered with values that hold markup and template text themselves.

#![no_main]

use offhook::source::template::{OUTPUT_LIMIT, Template};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse(text) else { return };
    let parameters = [("From", "+12025550142"), ("Digits", "<&\">{{Digits}}"), ("a", "")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    if let Ok(page) = template.render(&parameters) {
        assert!(page.len() <= OUTPUT_LIMIT);
        if template.is_static() {
            assert_eq!(page, template.render(&[]).expect("nothing in it depends on parameters"));
        }
    }
});
