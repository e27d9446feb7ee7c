//! The two doors of WebAssembly: a WASI command with `_start`, which reads the event from standard
//! input and writes the answer to standard output, and a library with `oh_alloc` and
//! `oh_handle(pointer, length) -> pointer << 32 | length`.

use std::borrow::Cow;
use std::sync::Arc;

use wasmtime::{InstancePre, Memory, Store, WasmBacktrace};

use super::admit::{COMPONENT, admit, is_component};
use super::door::{Door, Outside};
use super::error::{Failure, LoadError, plain};
use super::event::Response;
use super::host::is_operation;
use super::instance::{Limits, State, complete, failure_of, slice, slice_mut};
use super::sandbox::Sandbox;
use crate::directory::grants::Grants;

/// A module that has one of the doors.
pub(super) struct Guest {
    module: InstancePre<State>,
    door: Door,
}

impl Guest {
    /// Compiles `bytes`: a binary module or, in a `.wat` file, its text.
    pub(super) fn load(
        sandbox: &Sandbox,
        file: &str,
        bytes: &[u8],
        (name, grants): (&str, &Grants),
    ) -> Result<Guest, LoadError> {
        let wasm = binary(file, bytes)?;
        let refused = |reason: String| LoadError::whole(file, plain(&reason));
        let admitted = admit(&wasm).map_err(refused)?;
        let outside = Outside::of(&wasm).map_err(|error| refused(error.to_string()))?;
        let door = outside.door().map_err(refused)?;
        refuse_other_imports(sandbox, file, &outside, (name, grants))?;
        let module = sandbox.cache().compile(sandbox.engine(), &admitted);
        let module = module.map_err(|e| load_error(file, &format!("{e:#}")))?;
        let module = sandbox.imports(grants).instantiate_pre(&module);
        let module = module.map_err(|e| LoadError::whole(file, format!("{e:#}")))?;
        Ok(Guest { module, door })
    }

    /// Runs it once, on a fresh instance.
    pub(super) fn invoke(
        &self,
        store: &mut Store<State>,
        event: Vec<u8>,
    ) -> Result<Response, Failure> {
        let outcome = match self.door {
            Door::Command => self.run_command(store, event),
            Door::Library => self.call_library(store, &event),
        };
        match outcome {
            Ok(output) => Response::from_output(output),
            Err(error) => match failure_of(store, &error) {
                Some(Failure::Trap(reason)) => Err(Failure::Trap(placed(reason, &error))),
                Some(failure) => Err(failure),
                // It called proc_exit(0): the way many languages end a good run.
                None => Response::from_output(std::mem::take(&mut store.data_mut().output)),
            },
        }
    }

    fn run_command(&self, store: &mut Store<State>, event: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        store.data_mut().input = (event, 0);
        let instance = complete(self.module.instantiate_async(&mut *store))?;
        let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
        complete(start.call_async(&mut *store, ()))?;
        Ok(std::mem::take(&mut store.data_mut().output))
    }

    fn call_library(&self, store: &mut Store<State>, event: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let instance = complete(self.module.instantiate_async(&mut *store))?;
        let memory = instance.get_memory(&mut *store, "memory");
        let memory = memory.ok_or_else(|| wasmtime::Error::msg("no memory"))?;
        let alloc = instance.get_typed_func::<u32, u32>(&mut *store, "oh_alloc")?;
        let handle = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "oh_handle")?;
        let length = event.len() as u32;
        let at = complete(alloc.call_async(&mut *store, length))?;
        if at == 0 {
            // As of malloc. What lies there is the guest's own.
            return Err(store.data_mut().stop(Failure::NoMemory));
        }
        match slice_mut(memory.data_mut(&mut *store), at, length) {
            Some(place) => place.copy_from_slice(event),
            None => return Err(store.data_mut().stop(Failure::Pointer)),
        }
        let reply = complete(handle.call_async(&mut *store, (at, length)))?;
        read(store, memory, reply)
    }
}

/// With the innermost function, where the module has names.
fn placed(reason: String, error: &wasmtime::Error) -> String {
    /// Names of templates in C++ may have thousands.
    const LONGEST: usize = 120;
    let trace = error.downcast_ref::<WasmBacktrace>();
    match trace.and_then(|trace| trace.frames().first()?.func_name()) {
        Some(name) => {
            let name: String = plain(name).chars().take(LONGEST).collect();
            format!("{reason} in `{name}`")
        }
        None => reason,
    }
}

fn read(store: &mut Store<State>, memory: Memory, reply: u64) -> wasmtime::Result<Vec<u8>> {
    let (memory, state) = memory.data_and_store_mut(store);
    let (at, length) = ((reply >> 32) as u32, reply as u32);
    match slice(memory, at, length) {
        None => Err(state.stop(Failure::Pointer)),
        Some(bytes) if bytes.len() > state.limits.response => {
            Err(state.stop(Failure::ResponseSize))
        }
        Some(bytes) => Ok(bytes.to_vec()),
    }
}

/// The module itself, which may be written as text.
fn binary<'a>(file: &str, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, LoadError> {
    // Written by hand; what the parser makes of a text is many times as large.
    const MAX_TEXT: usize = 1 << 20;
    if is_component(bytes) {
        return Err(LoadError::whole(file, COMPONENT));
    }
    if !file.ends_with(".wat") {
        return match bytes.starts_with(b"\0asm") {
            true => Ok(Cow::Borrowed(bytes)),
            false => Err(LoadError::whole(file, "is no WebAssembly module (text is .wat)")),
        };
    }
    if !bytes.starts_with(b"\0asm") && bytes.len() > MAX_TEXT {
        let reason = format!("is larger than {MAX_TEXT} bytes of text");
        return Err(LoadError::whole(file, reason));
    }
    wat::parse_bytes(bytes).map_err(|error| load_error(file, &error.to_string()))
}

/// Says by name what a module wants that it does not get.
fn refuse_other_imports(
    sandbox: &Sandbox,
    file: &str,
    outside: &Outside<'_>,
    (name, grants): (&str, &Grants),
) -> Result<(), LoadError> {
    let mut store = super::instance::open(sandbox, Limits::default(), Arc::from([]));
    let imports = sandbox.imports(grants);
    let refused: Vec<_> = outside
        .imports
        .iter()
        .filter(|(from, name, is_function)| {
            !is_function || imports.get(&mut store, from, name).is_err()
        })
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    // People look at the first ones; a module may have invented hundreds, of any length.
    const TOLD: usize = 8;
    const LONGEST: usize = 100;
    let shown = |(from, name, _): &&(&str, &str, bool)| -> String {
        let name = format!("{from}.{name}");
        plain(&name).chars().take(LONGEST).collect()
    };
    let names: Vec<_> = refused.iter().take(TOLD).map(shown).collect();
    let mut reason = format!("imports what is not granted: {}", names.join(", "));
    if let Some(more) = refused.len().checked_sub(TOLD).filter(|more| *more > 0) {
        reason.push_str(&format!(" and {more} more"));
    }
    if refused.iter().any(|(from, name, _)| is_operation(from, name)) {
        reason.push_str(&format!(
            "; to grant HTTP or the store, write `hosts = [\"HOST\"]` or `store = true` under \
             [[function]] name = \"{name}\" in offhook.toml"
        ));
    }
    Err(LoadError::whole(file, reason))
}

/// From the compiler's words; for text modules they hold the place.
fn load_error(file: &str, text: &str) -> LoadError {
    let place = text.lines().find_map(|line| {
        let (_, place) = line.split_once("--> ")?;
        let mut numbers = place.rsplit(':');
        let (column, line) = (numbers.next()?, numbers.next()?);
        Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
    });
    let (line, column) = place.unwrap_or((0, 0));
    let reason = text.lines().next().unwrap_or("not a WebAssembly module");
    LoadError { file: file.to_owned(), line, column, reason: plain(reason.trim_end()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_module_s_error_keeps_its_place() {
        let error = load_error("a.wat", "expected `)`\n     --> <anon>:3:10\n      |\n    3 | (x");
        assert_eq!(error.to_string(), "a.wat:3:10: expected `)`");
        assert_eq!(load_error("a.wasm", "bad magic").to_string(), "a.wasm: bad magic");
    }
}
