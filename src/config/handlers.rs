//! What handlers name must exist: `check`, the start and every edit ask the same question.
//!
//! Knows names only; whether a bin or function is itself sound is for those who load it.

use percent_encoding::percent_decode_str;

use super::{Config, FILE, Problem, Severity};
use crate::base::hint;
use crate::directory::grants::Grants;
use crate::directory::{Handler, paths};
use crate::sip::uri::SipUri;

/// A handler where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenHandler {
    /// The handler.
    pub handler: Handler,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, in characters, from 1.
    pub column: usize,
}

/// A function that something is granted to, where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenGrant {
    /// The function.
    pub function: String,
    /// The line of its name, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
}

/// What a project folder holds that a handler may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Bins.
    pub bins: Vec<String>,
    /// Functions that calls can run.
    pub functions: Vec<String>,
    /// Functions that are private by their file name: no call can run them.
    pub private: Vec<String>,
    /// Assets that there is a route to.
    pub assets: Vec<String>,
}

impl Names {
    /// Why a document cannot be asked of this bin.
    pub fn wrong_bin(&self, name: &str) -> Option<String> {
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            return Some(format!("no bin can have the name \"{name}\"; {BIN_NAMES}"));
        }
        missing("bin", name, &self.bins)
    }

    /// Why a document cannot be asked of this function.
    pub fn wrong_function(&self, name: &str) -> Option<String> {
        if self.private.iter().any(|private| private == name) {
            return Some(format!(
                "function \"{name}\" is private by its file name, so that no call can run it; take \
                 `.private` out of the name, or write `.protected`"
            ));
        }
        missing("function", name, &self.functions)
    }

    /// Why a document cannot be asked of this path of the server: of a bin or a function, or of
    /// what is at the root, which may be an asset, too.
    pub fn wrong_path(&self, path: &str) -> Option<String> {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let named = |folder: &str| path.strip_prefix(folder).filter(|name| !name.contains('%'));
        if let Some(name) = named("/bins/") {
            return self.wrong_bin(name);
        }
        if let Some(name) = named("/functions/") {
            return self.wrong_function(name);
        }
        let name = paths::name(path)?;
        self.wrong_function(&name).filter(|_| !self.assets.contains(&name))
    }

    /// Why nothing can be granted to this function; private ones are functions, too.
    fn no_function(&self, name: &str) -> Option<String> {
        let all: Vec<String> = self.functions.iter().chain(&self.private).cloned().collect();
        missing("function", name, &all)
    }
}

/// How bins may be named.
pub const BIN_NAMES: &str = "a bin's name has letters, digits, _ - . only";

impl Config {
    /// What is wrong with the handlers, in the order in which they are written: errors where a
    /// call would find nothing.
    pub fn handler_problems(&self, names: &Names) -> Vec<Problem> {
        let problems = self.handlers.iter().filter_map(|written| {
            let (severity, message) = self.wrong(&written.handler, names)?;
            let (line, column) = (written.line, written.column);
            Some(Problem { file: self.project.join(FILE), line, column, severity, message })
        });
        let grants = self.grants.iter().filter_map(|written| {
            let gone = names.no_function(&written.function).map(|why| (Severity::Error, why));
            let (severity, message) = gone.or_else(|| {
                let why = self.granted_in_vain(&written.function, names)?;
                Some((Severity::Warning, why))
            })?;
            let (line, column) = (written.line, written.column);
            let file = self.project.join(FILE);
            Some(Problem { file, line, column, severity, message })
        });
        problems.chain(grants).collect()
    }

    /// Private functions run as parts of others, with what is granted to these.
    fn granted_in_vain(&self, name: &str, names: &Names) -> Option<String> {
        let (_, grants) = self.function_grants.iter().find(|(known, _)| known == name)?;
        let is_private = names.private.iter().any(|private| private == name);
        let in_vain = is_private && *grants != Grants::default();
        in_vain.then(|| {
            format!(
                "\"{name}\" is private: it runs as a part of the functions that require it, with \
                 their grants; grant this to them"
            )
        })
    }

    fn wrong(&self, handler: &Handler, names: &Names) -> Option<(Severity, String)> {
        match handler {
            Handler::Document { url, .. } => {
                let (scheme, rest) = url.split_once(':')?;
                let name = rest.split(['?', '#']).next().unwrap_or(rest);
                // As a call's request for it will be read.
                let name = &percent_decode_str(name).decode_utf8_lossy();
                let message = match scheme {
                    "bin" => names.wrong_bin(name),
                    "function" => names.wrong_function(name),
                    "app" => {
                        Some(format!("{url}: apps are not supported yet; use bin: or function:"))
                    }
                    _ => None,
                };
                message.map(|message| (Severity::Error, message))
            }
            // Credentials may come before phones do: a call finds nobody, as when all are off.
            Handler::Sip(uri) => self.unknown_user(uri).map(|said| (Severity::Warning, said)),
        }
    }

    /// Whom a SIP handler rings must be able to register.
    fn unknown_user(&self, uri: &str) -> Option<String> {
        let view = SipUri::parse(uri)?;
        let domain = self.domains.iter().find(|d| d.name.eq_ignore_ascii_case(view.host()))?;
        let user = view.user()?;
        let lists = self.lists.iter().filter(|(name, _)| domain.registration.contains(name));
        let users: Vec<&str> =
            lists.flat_map(|(_, users)| users.iter().map(|(user, _)| user.as_str())).collect();
        let known = users.contains(&&*user);
        let name = &domain.name;
        let message =
            || format!("nobody registers as \"{user}\" at {name}; {}", hint(&user, &users));
        (!known).then(message)
    }
}

fn missing(kind: &str, name: &str, names: &[String]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = || format!("there is no {kind} \"{name}\"; {}", hint(name, &names));
    (!names.contains(&name)).then(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a user reads about these handlers of numbers.
    fn told(handlers: &[&str]) -> Vec<String> {
        let number = |(at, handler): (usize, &&str)| {
            format!("[[number]]\nnumber = \"+1222333000{at}\"\nvoice = \"{handler}\"\n")
        };
        let domain = "[[credential_list]]\nname = \"staff\"\n\
                      credentials = [{ username = \"alice\", password = \"p\" }]\n\
                      [[domain]]\nname = \"office\"\nregistration = [\"staff\"]\n\
                      voice = \"bin:hello\"\n";
        let numbers: String = handlers.iter().enumerate().map(number).collect();
        let text = numbers + domain;
        let project = std::path::Path::new(".");
        let config = Config::parse(project, &project.join(FILE), &text, &|_| None).expect("sound");
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let names = Names {
            bins: own(&["hello", "bye"]),
            functions: own(&["menu/route"]),
            private: own(&["keys"]),
            ..Names::default()
        };
        config.handler_problems(&names).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_not_there_is_told_at_its_place_with_the_nearest_name() {
        let sound = ["bin:hello", "bin:bye?x=1", "function:menu/route", "https://h/", "sip:a@b"];
        assert_eq!(told(&sound), [""; 0]);
        assert_eq!(
            told(&["bin:hallo", "function:menu/rote?a=b", "app:desk", "sip:alcie@office"]),
            [
                "offhook.toml:3:9: error config: there is no bin \"hallo\"; did you mean \"hello\"?",
                "offhook.toml:6:9: error config: there is no function \"menu/rote\"; did you mean \
                 \"menu/route\"?",
                "offhook.toml:9:9: error config: app:desk: apps are not supported yet; use bin: or \
                 function:",
                "offhook.toml:12:9: warning config: nobody registers as \"alcie\" at office; did \
                 you mean \"alice\"?",
            ]
        );
        let odd = told(&["bin:hello%20you", "function:keys", "bin:h%65llo"]);
        assert_eq!(odd.len(), 2, "{odd:?}");
        assert!(
            odd[0].contains("no bin can have the name \"hello you\"; a bin's name has letters")
        );
        assert!(odd[1].contains(":6:9: error config: function \"keys\" is private by its file"));
        assert!(told(&["bin:unheard"])[0].ends_with("known: hello, bye"), "nothing is near");
    }
}
