//! What every guest may call: the `offhook` module, and AssemblyScript's `env.abort` and `env.seed`.

use wasmtime::{Caller, Extern, Linker, Memory};

use super::crypto;
use super::error::{Failure, plain};
use super::event::Level;
use super::instance::{State, slice, slice_mut};
use super::zone;
use crate::base::Duration;

/// Links what guests of both WebAssembly doors may import.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("offhook", "log", log)?;
    linker.func_wrap("offhook", "random", random)?;
    linker.func_wrap("env", "abort", abort)?;
    linker.func_wrap("env", "seed", seed)?;
    Ok(())
}

/// Links what asks the world outside: for guests that something of it is granted to.
pub(super) fn link_operations(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("offhook", "ask", ask)?;
    linker.func_wrap("offhook", "next", next)?;
    linker.func_wrap("offhook", "take", take)?;
    Ok(())
}

/// The names of [`link_operations`].
pub(super) fn is_operation(module: &str, name: &str) -> bool {
    module == "offhook" && matches!(name, "ask" | "next" | "take")
}

/// Links what the JavaScript engine imports.
pub(super) fn link_javascript(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("offhook", "log", log)?;
    linker.func_wrap("offhook", "random", random)?;
    link_operations(linker)?;
    super::bundle::link(linker)?;
    crypto::link(linker)?;
    zone::link(linker)?;
    linker.func_wrap("env", "__rquickjs_host_now_us", |caller: Caller<'_, State>| -> f64 {
        caller.data().host.wall().unix_millis() as f64 * 1000.0
    })?;
    Ok(())
}

/// The memory of the guest that calls; the error ends a guest without one.
pub(super) fn memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    match caller.get_export("memory").and_then(Extern::into_memory) {
        Some(memory) => Ok(memory),
        None => Err(caller.data_mut().stop(Failure::Pointer)),
    }
}

fn log(mut caller: Caller<'_, State>, level: i32, at: u32, length: u32) -> wasmtime::Result<()> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    match slice(memory, at, length) {
        Some(text) => state.write_log(Level::from_number(level), text),
        None => Err(state.stop(Failure::Pointer)),
    }
}

/// Ends a guest in AssemblyScript that threw; why and where is the last that it logs.
fn abort(
    mut caller: Caller<'_, State>,
    message: u32,
    file: u32,
    line: u32,
    column: u32,
) -> wasmtime::Result<()> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    let message = string(memory, message).map(|text| format!(": {text}")).unwrap_or_default();
    let file = string(memory, file).unwrap_or_else(|| "?".to_owned());
    let text = format!("abort{message} ({file}:{line}:{column})");
    state.write_log(Level::Error, text.as_bytes())?;
    Err(wasmtime::Error::msg("aborted"))
}

/// What `Math.random` of AssemblyScript begins with: it takes all the bits for a number.
fn seed(mut caller: Caller<'_, State>) -> wasmtime::Result<f64> {
    let mut bits = [0; 8];
    fill_random(caller.data_mut(), &mut bits)?;
    Ok(f64::from_le_bytes(bits))
}

/// A string of AssemblyScript: UTF-16, with its length in bytes before it. None is one that is null,
/// empty, or lies outside.
fn string(memory: &[u8], at: u32) -> Option<String> {
    // Bytes: what people read of one.
    const LONGEST: usize = 2_000;
    let length = slice(memory, at.checked_sub(4)?, 4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let text = slice(memory, at, length)?;
    let shown = text.get(..LONGEST).unwrap_or(text).chunks_exact(2);
    let units: Vec<_> = shown.map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    (!units.is_empty()).then(|| plain(&String::from_utf16_lossy(&units)))
}

fn random(mut caller: Caller<'_, State>, at: u32, length: u32) -> wasmtime::Result<()> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    match slice_mut(memory, at, length) {
        Some(bytes) => fill_random(state, bytes),
        None => Err(state.stop(Failure::Pointer)),
    }
}

/// In parts: the guest's whole memory takes as long as several ticks.
pub(super) fn fill_random(state: &mut State, bytes: &mut [u8]) -> wasmtime::Result<()> {
    state.in_parts(bytes, |state, part| state.host.random(part))
}

/// The number of the operation that `text` asks for; its answer comes by [`next`].
fn ask(mut caller: Caller<'_, State>, at: u32, length: u32) -> wasmtime::Result<i32> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    match slice(memory, at, length) {
        Some(text) => Ok(state.ask(text) as i32),
        None => Err(state.stop(Failure::Pointer)),
    }
}

/// Holds the guest until an operation has ended or so long has passed (negative: no limit), and
/// gives the length of the answer to take, or -1.
fn next(mut caller: Caller<'_, State>, milliseconds: f64) -> wasmtime::Result<i32> {
    // Beyond any wall time; also keeps the conversion from failing on infinity.
    const LONG: f64 = 86_400_000.0;
    let time = if milliseconds > 0.0 { milliseconds.min(LONG) } else { 0.0 };
    let time = (milliseconds >= 0.0 || milliseconds.is_nan()).then_some(time);
    let time = time.map(|time| Duration::from_secs_f64(time / 1000.0));
    let length = caller.data_mut().next(time)?;
    Ok(length.map_or(-1, |length| i32::try_from(length).unwrap_or(i32::MAX)))
}

/// Writes the answer whose length [`next`] gave.
fn take(mut caller: Caller<'_, State>, at: u32) -> wasmtime::Result<()> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    let answer = state.take();
    match slice_mut(memory, at, answer.len() as u32) {
        Some(place) => {
            place.copy_from_slice(answer.as_bytes());
            Ok(())
        }
        None => Err(state.stop(Failure::Pointer)),
    }
}
