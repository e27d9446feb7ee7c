//! What the host does for a function: log, chance, and operations that were granted.

use std::fmt;

use crate::json::Value;

/// How serious a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For who writes the function.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warning,
    /// What went wrong.
    Error,
}

#[cfg(target_family = "wasm")]
mod imports {
    #[link(wasm_import_module = "offhook")]
    extern "C" {
        pub fn log(level: i32, at: *const u8, length: usize);
        pub fn random(at: *mut u8, length: usize);
        pub fn ask(at: *const u8, length: usize) -> i32;
        pub fn next(milliseconds: f64) -> i32;
        pub fn take(at: *mut u8);
    }
}

/// The same on the machine that you work on, where there is nobody to ask.
#[cfg(not(target_family = "wasm"))]
mod imports {
    pub unsafe fn log(level: i32, at: *const u8, length: usize) {
        // SAFETY: the callers below give a slice's parts.
        let text = unsafe { std::slice::from_raw_parts(at, length) };
        eprintln!("{level} {}", String::from_utf8_lossy(text));
    }
    pub unsafe fn random(at: *mut u8, length: usize) {
        use std::io::Read;
        // SAFETY: the callers below give a slice's parts.
        let bytes = unsafe { std::slice::from_raw_parts_mut(at, length) };
        let source = std::fs::File::open("/dev/urandom");
        source.and_then(|mut source| source.read_exact(bytes)).expect("random bytes");
    }
    pub unsafe fn ask(_: *const u8, _: usize) -> i32 {
        0
    }
    pub unsafe fn next(_: f64) -> i32 {
        -1
    }
    pub unsafe fn take(_: *mut u8) {}
}

/// Writes a line to the log.
pub fn log(level: Level, text: &str) {
    // SAFETY: address and length are those of the text.
    unsafe { imports::log(level as i32, text.as_ptr(), text.len()) }
}

/// Fills with bytes that nobody can foresee.
pub fn random(bytes: &mut [u8]) {
    // SAFETY: address and length are those of the slice.
    unsafe { imports::random(bytes.as_mut_ptr(), bytes.len()) }
}

/// Starts an operation, `{"op": "fetch", …}`, and gives its number. A module that calls this or
/// [`next`] loads only where `offhook.toml` grants it something.
pub fn ask(operation: &str) -> i32 {
    // SAFETY: address and length are those of the text.
    unsafe { imports::ask(operation.as_ptr(), operation.len()) }
}

/// Waits for the end of an operation, so many milliseconds at most, or without a limit, and gives
/// `{"id": …, "value": …}` or `{"id": …, "error": {…}}`.
pub fn next(milliseconds: Option<f64>) -> Option<String> {
    // SAFETY: the host writes as many bytes as it said before.
    let bytes = unsafe {
        let length = imports::next(milliseconds.map_or(-1.0, |most| most.max(0.0)));
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        imports::take(bytes.as_mut_ptr());
        bytes
    };
    String::from_utf8(bytes).ok()
}

/// Why an operation failed: `NotGranted`, `Conflict`, `Network` and so on, and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What programs tell it by.
    pub name: String,
    /// For people.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl std::error::Error for Failure {}

/// One operation from its start to its end: its value. To have several under way at one time use
/// [`ask`] and [`next`]; an answer to one of those that comes meanwhile is lost.
pub fn call(operation: &str) -> Result<Value, Failure> {
    let id = ask(operation);
    loop {
        let answer = next(None).as_deref().and_then(Value::parse);
        let Some(answer) = answer else {
            let (name, message) = ("NoAnswer".to_owned(), "the operation has no answer".to_owned());
            return Err(Failure { name, message });
        };
        if answer.member("id").and_then(Value::as_str) == Some(&id.to_string()) {
            return outcome(&answer);
        }
    }
}

fn outcome(answer: &Value) -> Result<Value, Failure> {
    let Some(error) = answer.member("error") else {
        return Ok(answer.member("value").cloned().unwrap_or(Value::Null));
    };
    let text = |name| error.member(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Err(Failure { name: text("name"), message: text("message") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_value_or_why_there_is_none() {
        let read = |text| outcome(&Value::parse(text).expect("JSON"));
        assert_eq!(read(r#"{"id":1,"value":true}"#), Ok(Value::Bool(true)));
        assert_eq!(read(r#"{"id":1,"value":null}"#), Ok(Value::Null));
        let failed = read(r#"{"id":1,"error":{"name":"NotGranted","message":"no"}}"#);
        assert_eq!(failed.expect_err("refused").to_string(), "NotGranted: no");
        assert_eq!(call("{}").expect_err("nobody here").name, "NoAnswer");
    }
}
