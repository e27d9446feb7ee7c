//! What `offhook fn new` writes, a language a line. `{{name}}` stands for the function's name.

/// A language that functions are written in.
pub(super) struct Template {
    /// As `--lang` names it.
    pub(super) lang: &'static str,
    /// Files in the functions folder, each with its text. Of the first, which is the function, `{}`
    /// stands for `NAME` or `NAME.protected`; in others for `NAME`.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What is to be done before it can be called, where anything is.
    pub(super) then: Option<&'static str>,
}

/// The event of the first test.
pub(super) const EVENT: &str = "{\n  \"From\": \"+15550001111\",\n  \"To\": \"+15550002222\"\n}\n";

/// All languages; a new one is one more line.
pub(super) const TEMPLATES: &[Template] = &[Template {
    lang: "js",
    files: &[("{}.js", include_str!("../../../functions/templates/function.js"))],
    then: None,
}];
