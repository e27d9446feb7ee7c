//! The two doors of WebAssembly: a WASI command with `_start`, which reads the event from standard
//! input and writes the answer to standard output, and a library with `oh_alloc` and
//! `oh_handle(pointer, length) -> pointer << 32 | length`.

use std::borrow::Cow;

use wasmtime::{Instance, InstancePre, Memory, Store, WasmBacktrace};

use super::admit::{COMPONENT, admit, is_component};
use super::door::{Door, INITIALIZE, Outside};
use super::error::{Failure, LoadError, plain};
use super::event::{Level, Response};
use super::imports::refuse_others;
use super::instance::{State, complete, failure_of, slice, slice_mut};
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
        refuse_others(sandbox, file, &outside.imports, (name, grants))?;
        let door = outside.door().map_err(refused)?;
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
        store.data_mut().finish_lines();
        let output = match outcome {
            Ok(output) => output,
            Err(error) => match (failure_of(store, &error), self.door) {
                (Some(Failure::Trap(reason)), _) => {
                    return Err(Failure::Trap(placed(reason, &error)));
                }
                (Some(failure), _) => return Err(failure),
                // It called proc_exit(0): the way many languages end a good run.
                (None, Door::Command) => std::mem::take(&mut store.data_mut().output),
                // It left before it could return an answer.
                (None, Door::Library) => return Err(Failure::Exit(0)),
            },
        };
        let response = Response::from_output(output)?;
        if let Some(warning) = not_text(&response) {
            store.data_mut().push_log(Level::Warning, warning.as_bytes());
        }
        Ok(response)
    }

    fn run_command(&self, store: &mut Store<State>, event: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        store.data_mut().input = (event, 0);
        let instance = complete(self.module.instantiate_async(&mut *store))?;
        let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
        complete(start.call_async(&mut *store, ()))?;
        Ok(std::mem::take(&mut store.data_mut().output))
    }

    fn call_library(&self, store: &mut Store<State>, event: &[u8]) -> wasmtime::Result<Vec<u8>> {
        store.data_mut().streams.of_library = true;
        let instance = complete(self.module.instantiate_async(&mut *store))?;
        initialize(store, &instance)?;
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

/// Has a reactor (a library for WASI, or one of AssemblyScript, that asks for it) set up its language:
/// constructors, globals, a runtime.
fn initialize(store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<()> {
    match instance.get_func(&mut *store, INITIALIZE) {
        Some(function) => {
            let function = function.typed::<(), ()>(&mut *store)?;
            complete(function.call_async(&mut *store, ()))
        }
        None => Ok(()),
    }
}

/// A document that is not the UTF-8 that it has to be.
fn not_text(response: &Response) -> Option<String> {
    let kind = response.content_type.split(';').next().unwrap_or_default().trim();
    let is_document =
        ["text/xml", "application/xml"].iter().any(|xml| kind.eq_ignore_ascii_case(xml));
    let error = std::str::from_utf8(&response.body).err().filter(|_| is_document)?;
    let at = error.valid_up_to();
    let byte = response.body.get(at).copied().unwrap_or_default();
    Some(format!("the answer is not UTF-8: byte {byte:#04x} at offset {at}"))
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
    LoadError { file: file.to_owned(), line, column, reason: plain(reason.trim_end()), late: false }
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
