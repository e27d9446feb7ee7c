//! What can go wrong with a function, and whose fault it is.

use std::fmt;

use super::Access;
use crate::base::Fault;
use crate::base::plain::is_obeyed;
use crate::http::signature;

/// Characters of a text that a guest chose: what people read of one.
const MOST_TOLD: usize = 2_000;

/// A text that a guest chose, as it may stand in logs, on terminals and in answers about it: not
/// long, and without control characters that terminals obey.
pub(super) fn plain(text: &str) -> String {
    let obeyed = |c: char| is_obeyed(c) && !matches!(c, '\n' | '\t');
    let safe = |c: char| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut told: String = text.chars().take(MOST_TOLD).map(safe).collect();
    if text.chars().nth(MOST_TOLD).is_some() {
        told.push('…');
    }
    told
}

/// Why a file could not be made into a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The file, relative to the functions folder.
    pub file: String,
    /// The line, from 1; 0 when no place in the file is to blame.
    pub line: u32,
    /// The column, from 1; 0 when no place in the file is to blame.
    pub column: u32,
    /// What is wrong and, where that is known, what to do.
    pub reason: String,
    /// A limit of time stopped it, which may be the machine's fault: it is worth another try.
    pub late: bool,
}

impl LoadError {
    /// An error of the file as a whole.
    pub fn whole(file: &str, reason: impl Into<String>) -> Self {
        LoadError { file: file.to_owned(), line: 0, column: 0, reason: reason.into(), late: false }
    }

    /// The same, of something that was stopped for its time.
    pub(super) fn late(self) -> Self {
        LoadError { late: true, ..self }
    }

    /// As `check` and the log write it, with the file as it lies in the project folder.
    pub fn diagnostic(&self) -> String {
        let LoadError { file, line, column, reason, .. } = &self.in_project();
        match line {
            0 => format!("{file}: error function: {reason}"),
            _ => format!("{file}:{line}:{column}: error function: {reason}"),
        }
    }

    /// With the file as it lies in the project's folder.
    pub fn in_project(&self) -> LoadError {
        // Files beside that folder, as packages are, have a name that leaves it.
        let file = match self.file.strip_prefix("../") {
            Some(beside) => beside.to_owned(),
            None => format!("functions/{}", self.file),
        };
        LoadError { file, ..self.clone() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.reason),
        }
    }
}

/// Why a function gave no response at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No file has this name.
    NotFound(String),
    /// The function of this name is stricter by now than what the request was let in to.
    Refused(String, Access),
    /// The file is broken and there is no earlier version to fall back on.
    Load(LoadError),
    /// Every slot is taken: more invocations run than the operator allows.
    Busy,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::NotFound(_) | Error::Refused(..) | Error::Load(_) => Fault::Application,
            Error::Busy => Fault::Operator,
        }
    }

    /// The HTTP status that says it.
    pub fn status(&self) -> u16 {
        match self {
            Error::NotFound(_) | Error::Refused(_, Access::Private) => 404,
            Error::Refused(..) => 403,
            Error::Load(_) => 500,
            Error::Busy => 503,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Busy)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Nothing tells a private function from one that is not there.
            Error::NotFound(name) | Error::Refused(name, Access::Private) => {
                write!(f, "there is no function {name}: add functions/{name}.js")
            }
            Error::Refused(name, _) => {
                write!(f, "/functions/{name} wants a valid {}", signature::HEADER)
            }
            Error::Load(error) => write!(f, "function cannot be loaded: {error}"),
            Error::Busy => f.write_str("too many functions are running; try again"),
        }
    }
}

impl std::error::Error for Error {}

/// Why an invocation that had started was stopped, or what it answered cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It ran (not: waited) longer than its limit.
    RunningTime,
    /// It took, with its waiting, longer than its limit.
    WallTime,
    /// It asked for more memory than its limit and could not go on.
    Memory,
    /// It wrote more log than its limit.
    LogFlood,
    /// Its answer is larger than its limit.
    ResponseSize,
    /// It gave an address or length outside its own memory.
    Pointer,
    /// Its `oh_alloc` gave no memory for the event.
    NoMemory,
    /// It ended with an exit code other than 0, or, a library, with any: it has not answered.
    Exit(i32),
    /// It trapped: an unreachable instruction, a stack overflow, a division by zero.
    Trap(String),
    /// It answered something that is not an answer.
    Malformed(String),
}

impl Failure {
    /// Whose fault it is: always the author's, since the sandbox's own faults panic.
    pub fn fault(&self) -> Fault {
        Fault::Application
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::RunningTime => {
                f.write_str("stopped: ran longer than its limit, `running`, allows")
            }
            Failure::WallTime => f.write_str("stopped: took longer than its limit, `wall`, allows"),
            Failure::Memory => f.write_str("stopped: needs more memory than its limit allows"),
            Failure::LogFlood => f.write_str("stopped: wrote more log than its limit allows"),
            Failure::ResponseSize => f.write_str("stopped: answered more than its limit allows"),
            Failure::Pointer => f.write_str("gave an address outside its own memory"),
            Failure::Exit(0) => f.write_str("ended with exit code 0 before it answered"),
            Failure::NoMemory => f.write_str("oh_alloc gave no memory for the event"),
            Failure::Exit(code) => write!(f, "ended with exit code {code}"),
            Failure::Trap(reason) => write!(f, "trapped: {reason}"),
            Failure::Malformed(reason) => write!(f, "gave a malformed answer: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_of_itself_is_short_and_no_order_to_a_terminal() {
        assert_eq!(plain("a\tb\r\n\x1b[2Jc\u{9b}"), "a\tb\u{fffd}\n\u{fffd}[2Jc\u{fffd}");
        assert_eq!(plain("\u{202e}a\u{2028}"), "\u{fffd}a\u{fffd}");
        assert_eq!(plain(&"ü".repeat(MOST_TOLD)).chars().count(), MOST_TOLD);
        assert_eq!(plain(&"ü".repeat(1 << 20)).chars().count(), MOST_TOLD + 1);
    }
}
