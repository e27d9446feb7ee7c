//! JavaScript: the engine's code, compiled once, over an image of memory for each script.
//!
//! Deploying a script runs its top level, under the limits of a request, and keeps the memory
//! that this leaves; a request gets a copy of it.

use std::sync::Arc;

use serde_json::Value;
use wasmtime::{Extern, Instance, InstancePre, Linker, Memory, Module, Store};

use super::bundle::Bundle;
use super::depends::Depends;
use super::error::{Failure, LoadError, plain};
use super::event::{LogLine, Response};
use super::image;
use super::instance::{Limits, State, complete, failure_of, open, slice};
use super::{host, prelude, sandbox::Sandbox};
use crate::base::Duration;

#[cfg(javascript_engine)]
const ENGINE: Option<&[u8]> = Some(include_bytes!(env!("OFFHOOK_ENGINE_WASM")));
#[cfg(not(javascript_engine))]
const ENGINE: Option<&[u8]> = None;

/// What the top level of a script and of its packages may run, once: large packages parse a
/// megabyte of JavaScript.
const DEPLOYING: Duration = Duration::from_secs(2);

/// What one script keeps between requests: its heap after its top level, packages included. Ten of
/// the largest packages together leave 29 MiB.
const MAX_KEPT: usize = 32 << 20;

/// Stands for a file name where it is we who evaluate.
const DEPLOYER: &str = "offhook:deploy";

/// How long our own code may run once at the start, however busy the machine: a script's limit is
/// for what users write.
const PRELUDE_TIME: Duration = Duration::from_secs(10);

/// The engine, ready to deploy scripts.
pub(super) struct Runtime {
    code: Module,
    imports: Linker<State>,
    /// The heap after the prelude.
    prelude: InstancePre<State>,
}

/// A deployed script.
pub(super) struct Script {
    image: InstancePre<State>,
    /// About the bytes that it holds while nobody asks it.
    pub(super) kept: usize,
}

/// An instance of the engine over some image.
struct Running {
    instance: Instance,
    memory: Memory,
}

impl Runtime {
    /// Compiles the engine, or takes it from the cache, and evaluates the prelude.
    pub(super) fn start(sandbox: &Sandbox) -> Result<Runtime, LoadError> {
        let broken = |reason: String| LoadError::whole("the JavaScript engine", reason);
        let engine = ENGINE.ok_or_else(|| {
            broken("is not built in: run `cargo xtask setup`, then build again".to_owned())
        })?;
        let parts = image::split(engine).map_err(broken)?;
        let start = || -> wasmtime::Result<Runtime> {
            let mut imports = Linker::new(sandbox.engine());
            host::link_javascript(&mut imports)?;
            let code = sandbox.cache().compile(sandbox.engine(), &parts.code)?;
            let blank = Module::new(sandbox.engine(), &parts.image)?;
            let prelude = imports.instantiate_pre(&blank)?;
            Ok(Runtime { code, imports, prelude })
        };
        let mut runtime = start().map_err(|e| broken(format!("{e:#}")))?;
        let limits = Limits { running: PRELUDE_TIME, wall: PRELUDE_TIME, ..Limits::default() };
        let mut store = open(sandbox, limits, Arc::from([]));
        let running = runtime.instantiate(&mut store, &runtime.prelude);
        let running = running.map_err(|e| broken(format!("{e:#}")))?;
        running.init(&mut store).map_err(|e| broken(format!("{e:#}")))?;
        for (name, source) in prelude::FILES {
            running
                .evaluate_prelude(&mut store, &format!("offhook:{name}"), source)
                .map_err(|e| broken(format!("{name}: {e:#}")))?;
        }
        running.settle(&mut store).map_err(|e| broken(format!("{e:#}")))?;
        runtime.prelude = runtime
            .imprint(sandbox, running.memory.data(&store))
            .map_err(|e| broken(format!("{e:#}")))?;
        Ok(runtime)
    }

    /// Evaluates a script with the files it loads; gives those, and what it logged meanwhile, too.
    /// A library need not have a handler.
    pub(super) fn deploy(
        &self,
        sandbox: &Sandbox,
        file: &str,
        bundle: Bundle,
        library: bool,
        environment: &Arc<[(String, String)]>,
    ) -> (Result<Script, LoadError>, Depends, Vec<LogLine>) {
        let limits = Limits { running: DEPLOYING, ..Limits::default() };
        let mut store = open(sandbox, limits, environment.clone());
        store.data_mut().bundle = Some(bundle);
        let script = self.evaluate_script(sandbox, &mut store, file, library);
        let bundle = store.data_mut().bundle.take();
        let script = script.map_err(|error| match &bundle {
            Some(bundle) => placed(error, bundle),
            None => error,
        });
        let depends = bundle.map(Bundle::into_depends).unwrap_or_default();
        (script, depends, super::instance::close(store).0)
    }

    fn evaluate_script(
        &self,
        sandbox: &Sandbox,
        store: &mut Store<State>,
        file: &str,
        library: bool,
    ) -> Result<Script, LoadError> {
        let broken = |e: wasmtime::Error| LoadError::whole(file, format!("{e:#}"));
        let running = self.instantiate(store, &self.prelude).map_err(broken)?;
        let environment: serde_json::Map<String, Value> =
            store.data().environment.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        let environment = Value::from(environment).to_string();
        let main = store.data().bundle.as_ref().map_or_else(String::new, |b| b.main().to_owned());
        let library = if library { "library" } else { "" };
        // Each runs the jobs that it left to the end.
        for (step, text) in [("prepare", &*environment), ("deploy", &main), ("complete", library)] {
            running.step(store, step, text).map_err(|error| match error.line {
                0 => LoadError { file: file.to_owned(), ..error },
                _ => error,
            })?;
        }
        running.seal(store).map_err(broken)?;
        let image = image::image(running.memory.data(&store));
        if image.len() > MAX_KEPT {
            return Err(LoadError::whole(file, too_much(image.len())));
        }
        let kept = image.len();
        Ok(Script { image: self.prepared(sandbox, image).map_err(broken)?, kept })
    }

    /// Hands the event to the script's handler.
    pub(super) fn invoke(
        &self,
        store: &mut Store<State>,
        script: &Script,
        event: &[u8],
    ) -> Result<Response, Failure> {
        let outcome = self.handle(store, script, event);
        let reply = outcome.map_err(|error| {
            failure_of(store, &error).unwrap_or_else(|| Failure::Trap("exit".to_owned()))
        })?;
        match reply.split_first() {
            Some((0, json)) => Response::from_json(json),
            Some((_, text)) => Err(Failure::Trap(plain(&String::from_utf8_lossy(text)))),
            None => Err(Failure::Malformed("empty".to_owned())),
        }
    }

    fn handle(
        &self,
        store: &mut Store<State>,
        script: &Script,
        event: &[u8],
    ) -> wasmtime::Result<Vec<u8>> {
        let running = self.instantiate(store, &script.image)?;
        let at = running.write(store, event)?;
        let handle =
            running.instance.get_typed_func::<(u32, u32), u64>(&mut *store, "oh_handle")?;
        let reply = complete(handle.call_async(&mut *store, (at, event.len() as u32)))?;
        running.read(store, reply)
    }

    /// The engine's code over a fresh copy of `image`. Neither part has code that runs here.
    fn instantiate(
        &self,
        store: &mut Store<State>,
        image: &InstancePre<State>,
    ) -> wasmtime::Result<Running> {
        let memory = image.instantiate(&mut *store)?.get_memory(&mut *store, "memory");
        let memory = memory.ok_or_else(|| wasmtime::Error::msg("an image without memory"))?;
        let mut imports = Vec::with_capacity(self.code.imports().len());
        for import in self.code.imports() {
            imports.push(match import.name() {
                "memory" => Extern::Memory(memory),
                name => self.imports.get(&mut *store, import.module(), name)?,
            });
        }
        let instance = Instance::new(&mut *store, &self.code, &imports)?;
        Ok(Running { instance, memory })
    }

    fn imprint(&self, sandbox: &Sandbox, memory: &[u8]) -> wasmtime::Result<InstancePre<State>> {
        self.prepared(sandbox, image::image(memory))
    }

    fn prepared(&self, sandbox: &Sandbox, image: Vec<u8>) -> wasmtime::Result<InstancePre<State>> {
        self.imports.instantiate_pre(&Module::new(sandbox.engine(), image)?)
    }
}

#[cfg(test)]
impl Script {
    /// The bytes that it holds while nobody asks it.
    pub(super) fn size(&self) -> usize {
        let range = self.image.module().image_range();
        range.end.addr() - range.start.addr()
    }
}

impl Running {
    fn init(&self, store: &mut Store<State>) -> wasmtime::Result<()> {
        let init = self.instance.get_typed_func::<(), i32>(&mut *store, "oh_init")?;
        match complete(init.call_async(store, ()))? {
            0 => Ok(()),
            code => wasmtime::bail!("does not start: {code}"),
        }
    }

    fn seal(&self, store: &mut Store<State>) -> wasmtime::Result<()> {
        let seal = self.instance.get_typed_func::<(), i32>(&mut *store, "oh_seal")?;
        match complete(seal.call_async(store, ()))? {
            0 => Ok(()),
            _ => wasmtime::bail!("the script removed the prelude"),
        }
    }

    fn settle(&self, store: &mut Store<State>) -> wasmtime::Result<()> {
        let settle = self.instance.get_typed_func::<(), ()>(&mut *store, "oh_settle")?;
        complete(settle.call_async(store, ()))
    }

    fn evaluate_prelude(
        &self,
        store: &mut Store<State>,
        name: &str,
        source: &str,
    ) -> wasmtime::Result<()> {
        match self.call(store, "oh_prelude", name, source)?.split_first() {
            Some((0, _)) => Ok(()),
            Some((_, error)) => wasmtime::bail!("{}", String::from_utf8_lossy(error)),
            None => wasmtime::bail!("no reply"),
        }
    }

    /// Has the prelude do a step of a deployment.
    fn step(&self, store: &mut Store<State>, step: &str, text: &str) -> Result<(), LoadError> {
        let outcome =
            self.call(store, "oh_step", step, text).map_err(|error| {
                match failure_of(store, &error) {
                    Some(Failure::RunningTime) => {
                        let reason = format!(
                            "top-level code ran longer than the {} s it may; a later request tries \
                         again",
                            DEPLOYING.as_secs()
                        );
                        LoadError::whole(DEPLOYER, reason).late()
                    }
                    Some(failure) => {
                        LoadError::whole(DEPLOYER, format!("top-level code {failure}"))
                    }
                    None => LoadError::whole(DEPLOYER, error.to_string()),
                }
            })?;
        match outcome.split_first() {
            Some((0, _)) => Ok(()),
            Some((_, text)) => {
                let bundle = store.data().bundle.as_ref();
                let known = |name: &str| bundle.is_some_and(|bundle| bundle.has(name));
                Err(load_error(DEPLOYER, &String::from_utf8_lossy(text), known))
            }
            None => Err(LoadError::whole(DEPLOYER, "the JavaScript engine gave no answer")),
        }
    }

    /// Calls an export that takes two texts, of which it wants the length of the second.
    fn call(
        &self,
        store: &mut Store<State>,
        export: &str,
        name: &str,
        text: &str,
    ) -> wasmtime::Result<Vec<u8>> {
        let at = self.write(store, format!("{name}\0").as_bytes())?;
        let source = self.write(store, format!("{text}\0").as_bytes())?;
        let call = self.instance.get_typed_func::<(u32, u32, u32), u64>(&mut *store, export)?;
        let reply = complete(call.call_async(&mut *store, (at, source, text.len() as u32)))?;
        self.read(store, reply)
    }

    /// Puts `bytes` into memory that the engine gives for it. Its allocator is our own code, but what
    /// it works on is the script's: it has the stack that all guests have, not the caller's.
    fn write(&self, store: &mut Store<State>, bytes: &[u8]) -> wasmtime::Result<u32> {
        let alloc = self.instance.get_typed_func::<u32, u32>(&mut *store, "oh_alloc")?;
        match complete(alloc.call_async(&mut *store, bytes.len() as u32))? {
            0 => Err(store.data_mut().stop(Failure::Memory)),
            at => {
                self.memory.write(store, at as usize, bytes)?;
                Ok(at)
            }
        }
    }

    fn read(&self, store: &mut Store<State>, reply: u64) -> wasmtime::Result<Vec<u8>> {
        let (memory, state) = self.memory.data_and_store_mut(&mut *store);
        let (at, length) = ((reply >> 32) as u32, reply as u32);
        if length as usize > state.limits.response {
            return Err(state.stop(Failure::ResponseSize));
        }
        match slice(memory, at, length) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(state.stop(Failure::Pointer)),
        }
    }
}

fn too_much(kept: usize) -> String {
    format!(
        "the top level leaves {} MiB of memory that each request begins with, and {} MiB are the \
         most: make large values in the handler, require fewer packages, or only the parts of them \
         that it uses",
        kept.div_ceil(1 << 20),
        MAX_KEPT >> 20
    )
}

/// The engine counts columns in bytes, and misses what a script leaves open behind its end.
fn placed(mut error: LoadError, bundle: &Bundle) -> LoadError {
    let Some(source) = bundle.text(&error.file) else { return error };
    let lines = || source.lines().zip(1..);
    let wanted = lines().find(|(_, number)| *number == error.line);
    match (wanted, lines().last()) {
        (Some((line, _)), _) => {
            let before =
                line.char_indices().take_while(|(at, _)| *at as u64 + 1 < error.column.into());
            error.column = before.count() as u32 + u32::from(error.column > 0);
        }
        (None, Some((last, number))) if error.line > number => {
            (error.line, error.column) = (number, last.chars().count() as u32 + 1);
        }
        _ => {}
    }
    error
}

/// From "Name: message" and a stack whose lines are `    at f (file:line:column)`: the place is
/// where the parser stopped, or the last line that ran of the project's own files, or of any.
fn load_error(file: &str, text: &str, known: impl Fn(&str) -> bool) -> LoadError {
    let (reason, stack) = text.split_once("\n    at ").unwrap_or((text, ""));
    let place = |frame: &str| {
        let parsing = !frame.ends_with(')');
        let inner = frame.rsplit_once('(').map_or(frame, |(_, place)| place);
        let inner = inner.trim_end_matches(')').trim_start_matches("    at ");
        let (rest, column) = inner.rsplit_once(':')?;
        let (name, line) = rest.rsplit_once(':')?;
        let numbers = (line.parse().ok()?, column.parse().ok()?);
        known(name).then(|| (parsing, name.to_owned(), numbers))
    };
    let places: Vec<(bool, String, (u32, u32))> = stack.lines().filter_map(place).collect();
    let own = |(_, name, _): &&(bool, String, _)| !name.contains("node_modules/");
    let parsed = places.first().filter(|(parsing, ..)| *parsing);
    let chosen = parsed.or_else(|| places.iter().find(own)).or(places.first());
    let (file, (line, column)) = match chosen {
        Some((_, name, numbers)) => (name.as_str(), *numbers),
        None => (file, (0, 0)),
    };
    LoadError { file: file.to_owned(), line, column, reason: plain(reason.trim()), late: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_error_finds_its_place_in_the_stack() {
        let known = |name: &str| ["a/b.js", "b.js", "../node_modules/m/i.js"].contains(&name);
        let error = load_error(
            "main.js",
            "TypeError: no\n    at f (../node_modules/m/i.js:3:1)\n    at <anonymous> (a/b.js:12:5)\n",
            known,
        );
        assert_eq!(error.to_string(), "a/b.js:12:5: TypeError: no");
        let error = load_error("b.js", "SyntaxError: bad\n    at b.js:3:9\n", known);
        assert_eq!((error.line, error.column), (3, 9));
        let text = "SyntaxError: bad\n    at ../node_modules/m/i.js:3:9\n    at x (b.js:1:1)";
        let error = load_error("b.js", text, known);
        assert_eq!(error.to_string(), "../node_modules/m/i.js:3:9: SyntaxError: bad");
        assert!(error.diagnostic().starts_with("node_modules/m/i.js:3:9: "));
        assert_eq!(load_error("b.js", "Error: x", known).to_string(), "b.js: Error: x");
    }
}
