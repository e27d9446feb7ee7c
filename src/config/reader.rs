//! One table of a TOML file, read key by key; what nobody asked for is an unknown key.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Item, TableLike, Value};

use super::handlers::{WrittenGrant, WrittenHandler};
use crate::base::{Secret, hint};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It cannot be served so.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// Something wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1; 0 for the whole file.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// How bad.
    pub severity: Severity,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    pub(super) fn whole_file(file: &Path, message: String) -> Problem {
        let file = file.to_owned();
        Problem { file, line: 0, column: 0, severity: Severity::Error, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:", self.file.strip_prefix("./").unwrap_or(&self.file).display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {severity} config: {}", self.message)
    }
}

/// What all tables of one file share.
pub(crate) struct Source<'a> {
    pub file: &'a Path,
    pub text: &'a str,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The folder that relative paths of secrets start from.
    pub folder: &'a Path,
    pub problems: Vec<Problem>,
    /// What can be served so, but is hardly meant so.
    pub warnings: Vec<Problem>,
    /// Servers that are reached over TLS: the key that says so, and where it stands.
    pub tls_servers: Vec<(String, Option<Range<usize>>)>,
    /// The handlers read so far.
    pub handlers: Vec<WrittenHandler>,
    /// The functions that something was granted to so far.
    pub grants: Vec<WrittenGrant>,
}

impl<'a> Source<'a> {
    /// Of a file that says everything itself: without an environment or files beside it.
    pub(crate) fn plain(file: &'a Path, text: &'a str) -> Source<'a> {
        Source {
            file,
            text,
            env: &|_| None,
            folder: Path::new(""),
            problems: vec![],
            warnings: vec![],
            tls_servers: vec![],
            handlers: vec![],
            grants: vec![],
        }
    }
}

impl Source<'_> {
    pub(crate) fn error(&mut self, span: Option<Range<usize>>, message: impl Into<String>) {
        let problem = self.problem(span, Severity::Error, message.into());
        self.problems.push(problem);
    }

    pub(crate) fn warning(&mut self, span: Option<Range<usize>>, message: impl Into<String>) {
        let problem = self.problem(span, Severity::Warning, message.into());
        self.warnings.push(problem);
    }

    fn problem(&self, span: Option<Range<usize>>, severity: Severity, message: String) -> Problem {
        let (line, column) = self.place(span);
        Problem { file: self.file.to_owned(), line, column, severity, message }
    }

    /// Line and column where something begins, from 1.
    pub(crate) fn place(&self, span: Option<Range<usize>>) -> (usize, usize) {
        let before = span.and_then(|span| self.text.get(..span.start)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).map_or(0, |rest| rest.chars().count()) + 1;
        (before.matches('\n').count() + 1, column)
    }
}

/// One table and what was asked of it.
pub(crate) struct Reader<'t> {
    name: String,
    table: Option<&'t dyn TableLike>,
    span: Option<Range<usize>>,
    asked: BTreeSet<&'static str>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(
        name: &str,
        table: Option<&'t dyn TableLike>,
        span: Option<Range<usize>>,
    ) -> Self {
        Reader { name: name.to_owned(), table, span, asked: BTreeSet::new() }
    }

    /// Where the table stands.
    pub(crate) fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// Where the value of a key stands; where the table does, without that key.
    pub(crate) fn at(&self, key: &str) -> Option<Range<usize>> {
        self.table.and_then(|table| table.get(key)?.span()).or_else(|| self.span())
    }

    pub(crate) fn item(&mut self, key: &'static str) -> Option<&'t Item> {
        self.asked.insert(key);
        self.table?.get(key)
    }

    /// A text, and where it stands.
    pub(crate) fn text(
        &mut self,
        source: &mut Source<'_>,
        key: &'static str,
    ) -> Option<(String, Option<Range<usize>>)> {
        let item = self.item(key)?;
        match item.as_str() {
            Some(text) => Some((text.to_owned(), item.span())),
            None => self.wrong(source, key, item, "a text in quotes"),
        }
    }

    pub(crate) fn flag(&mut self, source: &mut Source<'_>, key: &'static str) -> Option<bool> {
        let item = self.item(key)?;
        match item.as_bool() {
            Some(flag) => Some(flag),
            None => self.wrong(source, key, item, "true or false"),
        }
    }

    pub(crate) fn number(&mut self, source: &mut Source<'_>, key: &'static str) -> Option<i64> {
        let item = self.item(key)?;
        match item.as_integer() {
            Some(number) => Some(number),
            None => self.wrong(source, key, item, "a whole number"),
        }
    }

    /// A list of texts, each with its place; a single text is a list of one.
    pub(crate) fn texts(
        &mut self,
        source: &mut Source<'_>,
        key: &'static str,
    ) -> Option<Vec<(String, Option<Range<usize>>)>> {
        let item = self.item(key)?;
        if let Some(text) = item.as_str() {
            return Some(vec![(text.to_owned(), item.span())]);
        }
        let Some(array) = item.as_array() else {
            return self.wrong(source, key, item, "a list of texts, such as [\"a\", \"b\"]");
        };
        let mut texts = vec![];
        for value in array {
            match value.as_str() {
                Some(text) => texts.push((text.to_owned(), value.span())),
                None => source.error(value.span(), format!("{key}: expected a text in quotes")),
            }
        }
        Some(texts)
    }

    /// `"text"`, `{ env = "NAME" }` or `{ file = "path" }`.
    pub(crate) fn secret(&mut self, source: &mut Source<'_>, key: &'static str) -> Option<Secret> {
        let item = self.item(key)?;
        match item.as_value() {
            Some(value) => secret_of(source, key, value),
            None => self.wrong(source, key, item, SECRET),
        }
    }

    /// A table inside this one.
    pub(crate) fn table(&mut self, source: &mut Source<'_>, key: &'static str) -> Reader<'t> {
        let item = self.item(key);
        let table = item.and_then(Item::as_table_like);
        if let (Some(item), None) = (item, table) {
            let wrong = match item.is_array_of_tables() {
                true => {
                    format!("{key}: there is only one: write [{key}] in the place of [[{key}]]")
                }
                false => format!("{key}: expected a table, [{key}]"),
            };
            source.error(item.span(), wrong);
        }
        Reader::new(key, table, item.and_then(Item::span))
    }

    /// The tables of a list, `[[key]]`.
    pub(crate) fn tables(&mut self, source: &mut Source<'_>, key: &'static str) -> Vec<Reader<'t>> {
        let Some(item) = self.item(key) else { return vec![] };
        if let Some(array) = item.as_array_of_tables() {
            return array.iter().map(|t| Reader::new(key, Some(t), t.span())).collect();
        }
        let Some(array) = item.as_array() else {
            let wrong = match item.is_table() {
                true => {
                    format!("{key}: there may be several: write [[{key}]] in the place of [{key}]")
                }
                false => format!("{key}: expected a list of tables, [[{key}]]"),
            };
            source.error(item.span(), wrong);
            return vec![];
        };
        let mut tables = vec![];
        for value in array {
            match value.as_inline_table() {
                Some(table) => tables.push(Reader::new(key, Some(table), value.span())),
                None => source.error(value.span(), format!("{key}: expected a table, {{ … }}")),
            }
        }
        tables
    }

    /// All keys with their places and values, in the order of the file.
    pub(crate) fn entries(&self) -> Vec<(&'t str, Option<Range<usize>>, &'t Item)> {
        let Some(table) = self.table else { return vec![] };
        let place = |key: &str| table.get_key_value(key).and_then(|(key, _)| key.span());
        table.iter().map(|(key, item)| (key, place(key), item)).collect()
    }

    /// All keys of a table of free names, with their secrets.
    pub(crate) fn secrets(&self, source: &mut Source<'_>) -> Vec<(String, Secret)> {
        let Some(table) = self.table else { return vec![] };
        let mut found = vec![];
        for (key, item) in table.iter() {
            let Some(value) = item.as_value() else {
                source.error(item.span(), format!("{key}: expected {SECRET}"));
                continue;
            };
            if let Some(secret) = secret_of(source, key, value) {
                found.push((key.to_owned(), secret));
            }
        }
        found
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(self, source: &mut Source<'_>) {
        let Some(table) = self.table else { return };
        for (key, _) in table.iter().filter(|(key, _)| !self.asked.contains(key)) {
            let span = table.get_key_value(key).and_then(|(key, _)| key.span());
            let place =
                if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            let known: Vec<&str> = self.asked.iter().copied().collect();
            let hint = hint(key, &known);
            source.error(span, format!("unknown key \"{key}\"{place}; {hint}"));
        }
    }

    fn wrong<T>(&self, source: &mut Source<'_>, key: &str, item: &Item, wanted: &str) -> Option<T> {
        source.error(item.span(), format!("{key}: expected {wanted}"));
        None
    }
}

/// How secrets are written.
const SECRET: &str = "\"text\", { env = \"NAME\" } or { file = \"path\" }";

fn secret_of(source: &mut Source<'_>, key: &str, value: &Value) -> Option<Secret> {
    if let Some(text) = value.as_str() {
        return Some(Secret::new(text));
    }
    let table = value.as_inline_table();
    let part = |name: &str| table.and_then(|table| table.get(name)).and_then(Value::as_str);
    if let Some(name) = part("env") {
        let found = (source.env)(name);
        if found.is_none() {
            source.error(value.span(), format!("{key}: the environment has no {name}"));
        }
        return found.map(Secret::new);
    }
    if let Some(path) = part("file") {
        return match std::fs::read_to_string(source.folder.join(path)) {
            Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) => {
                source.error(value.span(), format!("{key}: cannot read {path}: {error}"));
                None
            }
        };
    }
    source.error(value.span(), format!("{key}: expected {SECRET}"));
    None
}
