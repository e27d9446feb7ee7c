//! What is wrong with a document, and where.

use std::fmt;

/// A place in a document; both numbers begin at 1 and columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character in the line.
    pub column: u32,
}

impl Position {
    /// The first character.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The call goes on.
    Warning,
    /// The document, or the verb, cannot be carried out.
    Error,
}

impl Severity {
    /// As diagnostics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One finding: `line:column: severity code: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The error code of the TwiML reference.
    pub code: u32,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub position: Position,
    /// What is wrong and what becomes of it.
    pub message: String,
    /// What would have been right, where that can be said.
    pub expected: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: u32, position: Position, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            position,
            message: message.into(),
            expected: None,
        }
    }

    /// A warning.
    pub fn warning(code: u32, position: Position, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, position, message) }
    }

    /// The same, saying what would have been right.
    #[must_use]
    pub fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
}

impl Diagnostic {
    /// What is wrong and where, for a sentence that names the code itself.
    pub fn place_and_reason(&self) -> String {
        format!("{}: {}", self.position, self.reason())
    }

    fn reason(&self) -> String {
        match &self.expected {
            Some(expected) => format!("{} (expected {expected})", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (position, severity, code) = (self.position, self.severity.as_str(), self.code);
        write!(f, "{position}: {severity} {code}: {}", self.reason())
    }
}

impl std::error::Error for Diagnostic {}
