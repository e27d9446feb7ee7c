//! Secrets of functions: who sees which, and who reads what is hidden from it.
//!
//! Reads sources as text: what a script puts together while it runs is not found, and nothing here
//! decides what it sees.

use std::fs;

use crate::config::{Config, Problem, Severity};
use crate::source::Access;
use crate::source::function::{self, versions::current};

/// Sentences about each name of the environment that is a secret.
pub fn told(config: &Config) -> Vec<String> {
    let secrets = config.secrets().into_iter();
    secrets
        .map(|(name, functions)| format!("secret {name}: seen by {} alone", functions.join(", ")))
        .collect()
}

/// Functions that read a secret which they do not see: they find it undefined. A line for each
/// function and name, where it is read first.
pub fn hidden_reads(config: &Config) -> Vec<Problem> {
    let secrets = config.secrets();
    if secrets.is_empty() {
        return vec![];
    }
    let sources = sources(config);
    let mut problems = Vec::new();
    for source in &sources {
        for (name, functions) in &secrets {
            let Some((line, column)) = first_read(&source.text, name) else { continue };
            let seen = match source.access {
                // It runs as a part of those who require it.
                Access::Private => functions.iter().any(|f| requires(&sources, f, source)),
                _ => functions.contains(&source.function),
            };
            if !seen {
                problems.push(problem(config, source, name, functions, (line, column)));
            }
        }
    }
    problems
}

/// A script among the functions.
struct Source {
    function: String,
    /// Relative to the functions folder.
    file: String,
    access: Access,
    /// Without its comments.
    text: String,
}

fn sources(config: &Config) -> Vec<Source> {
    /// As much as a script may have.
    const LARGEST: u64 = 1 << 20;
    let functions = config.project.join("functions");
    let script = |(function, access): (String, Access)| {
        let (file, path) = current(&functions, &function)?;
        let is_script = [".js", ".mjs", ".ts"].iter().any(|ending| file.ends_with(ending));
        let fits = path.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST);
        let text = fs::read(&path).ok().filter(|_| is_script && fits)?;
        let text = without_comments(&String::from_utf8_lossy(&text));
        Some(Source { function, file, access, text })
    };
    function::names(&functions).into_iter().filter_map(script).collect()
}

/// Whether a function's text has the name of another, as a `require` of it has.
fn requires(sources: &[Source], function: &str, other: &Source) -> bool {
    let name = other.function.rsplit('/').next().unwrap_or_default();
    sources.iter().any(|source| source.function == function && source.text.contains(name))
}

fn problem(
    config: &Config,
    source: &Source,
    name: &str,
    functions: &[String],
    (line, column): (usize, usize),
) -> Problem {
    let function = &source.function;
    let whose = functions.join(", ");
    let advice = match source.access {
        Access::Private => "to the tables of the functions that require this".to_owned(),
        _ => format!("to the [[function]] table of \"{function}\" in {}", crate::config::FILE),
    };
    let message = format!(
        "{name} is undefined here: it is a secret that only {whose} sees; add secrets = \
         [\"{name}\"] {advice}"
    );
    let file = config.project.join("functions").join(&source.file);
    Problem { file, line, column, severity: Severity::Warning, message }
}

/// What scripts find the environment in; handlers often call `context` so.
const HOLDERS: [&str; 3] = ["context", "ctx", "env"];

/// Where a name of the environment is read first: line and column, from 1.
fn first_read(text: &str, name: &str) -> Option<(usize, usize)> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let whole = |at: usize| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    };
    let mut places = text.match_indices(name).map(|(at, _)| at).filter(|at| whole(*at));
    let at = places.find(|at| is_read(&text[..*at], &text[*at + name.len()..]))?;
    let line = text[..at].matches('\n').count() + 1;
    let column = text[..at].rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((line, column))
}

/// Characters of a pattern on either side of a name: each name would else be looked for through
/// all of a script.
const LONGEST_PATTERN: usize = 2_000;

/// `context.NAME`, `process.env['NAME']`, `{ NAME } = context`, `({ NAME }, event, callback)`.
fn is_read(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let held = |text: &str| {
        let text = text.trim_end().trim_end_matches('?').trim_end_matches('!');
        HOLDERS.iter().any(|holder| {
            let rest = text.strip_suffix(holder);
            rest.is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    };
    if let Some(object) = before.strip_suffix('.') {
        return held(object);
    }
    if let Some(open) = before.strip_suffix(['\'', '"', '`']) {
        let object = open.trim_end().strip_suffix('[');
        return object.is_some_and(|object| held(object.trim_end_matches('.')));
    }
    if !before.ends_with(['{', ',']) {
        return false;
    }
    // The pattern that it is in, as far as no other is in that.
    let near = after.char_indices().nth(LONGEST_PATTERN).map_or(after, |(at, _)| &after[..at]);
    let Some((inside, rest)) = near.split_once('}') else { return false };
    let rest = rest.trim_start();
    let from = rest.strip_prefix('=').map(|rest| rest.trim_start().trim_start_matches("process."));
    let of_context = from.is_some_and(|from| HOLDERS.iter().any(|holder| from.starts_with(holder)));
    let far = before.char_indices().rev().nth(LONGEST_PATTERN).map_or(0, |(at, _)| at);
    let open = before[far..].rfind('{').map_or("", |at| &before[..far + at]);
    let is_parameter = open.trim_end().ends_with('(') && is_list_of_parameters(rest);
    !inside.contains('{') && (of_context || is_parameter)
}

/// Whether this goes on as the parameters of a function do behind the first, not as arguments.
fn is_list_of_parameters(rest: &str) -> bool {
    let line = rest.split_once(')').map_or("", |(_, after)| after).trim_start();
    let line = line.split('\n').next().unwrap_or_default();
    rest.starts_with(',') && (line.starts_with('{') || line.contains("=>"))
}

/// A script with blanks in the place of its comments. Quotes in a regular expression may hide some
/// to the end of their line.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c, chars.peek()) {
            (Some(_), '\\', _) => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            (Some(open), _, _) if c == open || (c == '\n' && open != '`') => quote = None,
            (None, '\'' | '"' | '`', _) => quote = Some(c),
            (None, '/', Some('/')) => {
                out.push(' ');
                while chars.peek().is_some_and(|c| *c != '\n') {
                    out.extend(chars.next().map(|_| ' '));
                }
                continue;
            }
            (None, '/', Some('*')) => {
                out.extend([' ', ' ']);
                chars.next();
                let mut last = ' ';
                for c in chars.by_ref() {
                    out.push(if c == '\n' { '\n' } else { ' ' });
                    if (last, c) == ('*', '/') {
                        break;
                    }
                    last = c;
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_the_environment_are_found_in_each_way_they_are_written() {
        for text in [
            "f(context.KEY)",
            "ctx?.KEY",
            "process.env.KEY",
            "process.env[\"KEY\"]",
            "context['KEY']",
            "const { A, KEY } = context;",
            "const {\n  KEY: key,\n  B = 1 } = process.env;",
            "exports.handler = ({ KEY }, event, callback) => {",
            "exports.handler = function ({ KEY }, event, callback) {",
            "`https://h/?key=${context.KEY}`",
            "let a = 'it\\'s'; /* context */ context.KEY",
        ] {
            assert!(first_read(&without_comments(text), "KEY").is_some(), "{text}");
        }
        for text in [
            "event.KEY",
            "context.KEYS",
            "context.MY_KEY",
            "// context.KEY",
            "/* context.KEY\n context.KEY */ 1",
            "const { KEY } = event;",
            "f({ KEY: 1 })",
            "f({ KEY }, event)",
            "mycontext.KEY",
        ] {
            assert_eq!(first_read(&without_comments(text), "KEY"), None, "{text}");
        }
        // A name is looked for no further than patterns go.
        let long = format!("const {{ KEY, {} }} = context;", "a, ".repeat(LONGEST_PATTERN));
        assert_eq!(first_read(&long, "KEY"), None);
        assert_eq!(first_read(&",KEY".repeat(200_000), "KEY"), None);
        let text = without_comments("/* é\n */ 'ü'; context.KEY");
        assert_eq!(first_read(&text, "KEY"), Some((2, 18)));
    }

    #[test]
    fn who_reads_what_is_hidden_from_it_is_told_where_and_what_to_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let functions = folder.path().join("functions");
        fs::create_dir(&functions).expect("made");
        for (file, text) in [
            ("pay.js", "const keys = require('./keys.private');\ncontext.KEY;"),
            ("keys.private.js", "exports.key = process.env.KEY;"),
            ("lone.private.js", "exports.key = process.env.KEY;"),
            ("menu.protected.ts", "// KEY\nfoo(context.OTHER,\n  context.KEY, context.KEY);"),
        ] {
            fs::write(functions.join(file), text).expect("written");
        }
        let file = folder.path().join(crate::config::FILE);
        let text = "[functions]\nenv = { KEY = \"k\", OTHER = \"o\" }\n[[function]]\nname = \"pay\"\n\
                    secrets = [\"KEY\"]\n";
        let config = Config::parse(folder.path(), &file, text, &|_| None).expect("sound");
        assert_eq!(told(&config), ["secret KEY: seen by pay alone"]);
        let root = format!("{}/", folder.path().display());
        let problems = hidden_reads(&config);
        let problems: Vec<String> =
            problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect();
        assert_eq!(
            problems,
            [
                "functions/lone.private.js:1:27: warning config: KEY is undefined here: it is a \
                 secret that only pay sees; add secrets = [\"KEY\"] to the tables of the functions \
                 that require this",
                "functions/menu.protected.ts:3:11: warning config: KEY is undefined here: it is a \
                 secret that only pay sees; add secrets = [\"KEY\"] to the [[function]] table of \
                 \"menu\" in offhook.toml",
            ]
        );
    }
}
