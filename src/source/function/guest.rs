//! The two doors of WebAssembly: a WASI command with `_start`, which reads the event from standard
//! input and writes the answer to standard output, and a library with `oh_alloc` and
//! `oh_handle(pointer, length) -> pointer << 32 | length`.

use std::borrow::Cow;
use std::sync::Arc;

use wasmtime::{ExternType, ImportType, InstancePre, Memory, Module, Store, ValType};

use super::admit::admit;
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

enum Door {
    Command,
    Library,
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
        let wasm = admit(&wasm).map_err(|reason| LoadError::whole(file, plain(&reason)))?;
        let engine = sandbox.engine();
        let module = sandbox.cache().compile(engine, &wasm);
        let module = module.map_err(|e| load_error(file, &format!("{e:#}")))?;
        let door = door_of(&module).map_err(|reason| LoadError::whole(file, reason))?;
        refuse_other_imports(sandbox, file, &module, (name, grants))?;
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
        match slice_mut(memory.data_mut(&mut *store), at, length) {
            Some(place) => place.copy_from_slice(event),
            None => return Err(store.data_mut().stop(Failure::Pointer)),
        }
        let reply = complete(handle.call_async(&mut *store, (at, length)))?;
        read(store, memory, reply)
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
    if !bytes.starts_with(b"\0asm") && bytes.len() > MAX_TEXT {
        let reason = format!("is larger than {MAX_TEXT} bytes of text");
        return Err(LoadError::whole(file, reason));
    }
    wat::parse_bytes(bytes).map_err(|error| load_error(file, &error.to_string()))
}

/// Which door the module has.
fn door_of(module: &Module) -> Result<Door, String> {
    let function = |name: &str, parameters: &[ValType], results: &[ValType]| {
        let Some(ExternType::Func(kind)) = module.get_export(name) else { return false };
        let same = |a: &mut dyn Iterator<Item = ValType>, b: &[ValType]| {
            let a: Vec<_> = a.collect();
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| ValType::eq(a, b))
        };
        same(&mut kind.params(), parameters) && same(&mut kind.results(), results)
    };
    let (i32, i64) = (ValType::I32, ValType::I64);
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err("exports no memory".to_owned());
    }
    if function("_start", &[], &[]) {
        Ok(Door::Command)
    } else if function("oh_alloc", std::slice::from_ref(&i32), std::slice::from_ref(&i32))
        && function("oh_handle", &[i32.clone(), i32], &[i64])
    {
        Ok(Door::Library)
    } else {
        Err("exports neither _start() nor oh_alloc(i32) -> i32 with oh_handle(i32, i32) -> i64"
            .to_owned())
    }
}

/// Says by name what a module wants that it does not get.
fn refuse_other_imports(
    sandbox: &Sandbox,
    file: &str,
    module: &Module,
    (name, grants): (&str, &Grants),
) -> Result<(), LoadError> {
    let mut store = super::instance::open(sandbox, Limits::default(), Arc::from([]));
    let imports = sandbox.imports(grants);
    let refused: Vec<_> = module
        .imports()
        .filter(|i| imports.get(&mut store, i.module(), i.name()).is_err())
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    // People look at the first ones; a module may have invented hundreds, of any length.
    const TOLD: usize = 8;
    const LONGEST: usize = 100;
    let shown = |import: &ImportType<'_>| -> String {
        let name = format!("{}.{}", import.module(), import.name());
        plain(&name).chars().take(LONGEST).collect()
    };
    let names: Vec<_> = refused.iter().take(TOLD).map(shown).collect();
    let mut reason = format!("imports what is not granted: {}", names.join(", "));
    if let Some(more) = refused.len().checked_sub(TOLD).filter(|more| *more > 0) {
        reason.push_str(&format!(" and {more} more"));
    }
    if refused.iter().any(|i| is_operation(i.module(), i.name())) {
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
