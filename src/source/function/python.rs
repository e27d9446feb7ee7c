//! Python: a script and RustPython, made one module by running the script's top level beforehand.
//!
//! The module is a guest like any other: what has its memory already needs no start. It is made by
//! `offhook fn build` and not when a file is saved, since it is larger than what it says.

use std::sync::Arc;

use wasmtime::Store;

use super::error::LoadError;
use super::event::LogLine;
use super::image;
use super::instance::{Limits, State, close, complete, failure_of, open, slice, slice_mut};
use super::sandbox::Sandbox;
use crate::base::Duration;
use crate::directory::grants::Grants;

#[cfg(python_engine)]
const ENGINE: Option<&[u8]> = Some(include_bytes!(env!("OFFHOOK_PYTHON_WASM")));
#[cfg(not(python_engine))]
const ENGINE: Option<&[u8]> = None;

/// Whether this program can make modules of Python.
pub const IS_THERE: bool = ENGINE.is_some();

/// The interpreter's start and the script's top level, once, on the machine of who builds.
const PREPARING: Duration = Duration::from_secs(60);

/// The module of a script, and what its top level logged. The sandbox's clock must tick.
pub fn module_of(
    sandbox: &Sandbox,
    file: &str,
    script: &[u8],
) -> (Result<Vec<u8>, LoadError>, Vec<LogLine>) {
    let limits = Limits { running: PREPARING, wall: PREPARING, ..Limits::default() };
    let mut store = open(sandbox, limits, Arc::from([]));
    let made = make(sandbox, &mut store, file, script);
    (made, close(store).0)
}

fn make(
    sandbox: &Sandbox,
    store: &mut Store<State>,
    file: &str,
    script: &[u8],
) -> Result<Vec<u8>, LoadError> {
    let whole = |reason: String| LoadError::whole(file, reason);
    let engine = ENGINE.ok_or_else(|| {
        whole("this offhook was built without Python; see functions/python/README.md".to_owned())
    })?;
    let mut run = || -> wasmtime::Result<(Vec<u8>, Vec<u8>)> {
        let module = sandbox.cache().compile(sandbox.engine(), engine)?;
        let ready = sandbox.imports(&Grants::default()).instantiate_pre(&module)?;
        let instance = complete(ready.instantiate_async(&mut *store))?;
        let memory = instance.get_memory(&mut *store, "memory");
        let memory = memory.ok_or_else(|| wasmtime::Error::msg("no memory"))?;
        let alloc = instance.get_typed_func::<u32, u32>(&mut *store, "oh_alloc")?;
        let prepare = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "oh_prepare")?;
        let length = script.len() as u32;
        let at = complete(alloc.call_async(&mut *store, length))?;
        let place = slice_mut(memory.data_mut(&mut *store), at, length);
        place.ok_or_else(|| wasmtime::Error::msg("no room"))?.copy_from_slice(script);
        let reply = complete(prepare.call_async(&mut *store, (at, length)))?;
        let memory = memory.data(&store);
        let error = slice(memory, (reply >> 32) as u32, reply as u32).unwrap_or_default();
        Ok((error.to_vec(), memory.to_vec()))
    };
    match run() {
        Ok((error, memory)) if error.is_empty() => image::whole(engine, &memory).map_err(whole),
        Ok((error, _)) => Err(load_error(file, &String::from_utf8_lossy(&error))),
        Err(error) => {
            let reason = failure_of(store, &error).map_or_else(
                || format!("{error:#}"),
                |failure| format!("top-level code {failure}"),
            );
            Err(whole(reason))
        }
    }
}

/// From a traceback: its last line is the reason, the last place in the script the place.
fn load_error(file: &str, traceback: &str) -> LoadError {
    let reason = traceback.trim_end().lines().last().unwrap_or("it does not load");
    let line = traceback.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("\"function.py\", line ")?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    let (line, column) = (line.unwrap_or(0), u32::from(line.is_some()));
    LoadError { file: file.to_owned(), line, column, reason: reason.to_owned(), late: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_of_a_traceback_counts() {
        let traceback = "Traceback (most recent call last):\n  File \"function.py\", line 9, in \
                         <module>\n  File \"function.py\", line 4, in f\n  File \"offhook.py\", \
                         line 77, in g\nValueError: no\n";
        let error = load_error("f/function.py", traceback);
        assert_eq!(error.to_string(), "f/function.py:4:1: ValueError: no");
        assert_eq!(load_error("f.py", "").to_string(), "f.py: it does not load");
    }
}
