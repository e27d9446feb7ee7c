//! WASI preview 1, all of it, for a process that has standard input, output and error, clocks,
//! chance and an environment: no files, no folders, no sockets. Names, signatures and error
//! numbers are those of `wasi_snapshot_preview1`.

mod poll;
mod refused;
mod streams;

use wasmtime::{Caller, Linker};

use super::error::Failure;
use super::host::{fill_random, memory};
use super::instance::{State, slice_mut};

pub(super) use streams::Streams;

type Guest<'a> = Caller<'a, State>;
type Errno = wasmtime::Result<i32>;

/// The module that guests import from.
pub(super) const WASI: &str = "wasi_snapshot_preview1";

const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const INVAL: i32 = 28;
const NOTDIR: i32 = 54;
const NOTSOCK: i32 = 57;
const NOTSUP: i32 = 58;
const SPIPE: i32 = 70;
const NOTCAPABLE: i32 = 76;

/// Links all functions of preview 1.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    refused::link(linker)?;
    linker.func_wrap(WASI, "fd_write", streams::fd_write)?;
    linker.func_wrap(WASI, "fd_read", streams::fd_read)?;
    linker.func_wrap(WASI, "fd_close", streams::fd_close)?;
    linker.func_wrap(WASI, "fd_fdstat_get", streams::fd_fdstat_get)?;
    linker.func_wrap(WASI, "fd_filestat_get", streams::fd_filestat_get)?;
    linker.func_wrap(WASI, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap(WASI, "environ_get", environ_get)?;
    linker.func_wrap(WASI, "args_sizes_get", args_sizes_get)?;
    linker.func_wrap(WASI, "args_get", args_get)?;
    linker.func_wrap(WASI, "clock_time_get", clock_time_get)?;
    linker.func_wrap(WASI, "clock_res_get", clock_res_get)?;
    linker.func_wrap(WASI, "random_get", random_get)?;
    linker.func_wrap(WASI, "sched_yield", || SUCCESS)?;
    linker.func_wrap(WASI, "poll_oneoff", poll::poll_oneoff)?;
    linker.func_wrap(WASI, "proc_exit", proc_exit)?;
    Ok(())
}

/// Runs `act` on the guest's memory; `None` from it is a pointer outside.
fn with(mut guest: Guest<'_>, act: impl FnOnce(&mut [u8], &mut State) -> Option<Errno>) -> Errno {
    let (memory, state) = memory(&mut guest)?.data_and_store_mut(&mut guest);
    act(memory, state).unwrap_or_else(|| Err(state.stop(Failure::Pointer)))
}

fn put(memory: &mut [u8], at: u32, bytes: &[u8]) -> Option<()> {
    slice_mut(memory, at, bytes.len() as u32)?.copy_from_slice(bytes);
    Some(())
}

/// A number as it lies in memory.
fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn environ_sizes_get(guest: Guest<'_>, count: u32, size: u32) -> Errno {
    with(guest, |memory, state| {
        let bytes: usize = state.environment.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
        put(memory, count, &(state.environment.len() as u32).to_le_bytes())?;
        put(memory, size, &(bytes as u32).to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

fn environ_get(guest: Guest<'_>, pointers: u32, buffer: u32) -> Errno {
    with(guest, |memory, state| {
        let (mut pointer, mut at) = (pointers, buffer);
        for (name, value) in state.environment.iter() {
            let entry = format!("{name}={value}\0");
            put(memory, pointer, &at.to_le_bytes())?;
            put(memory, at, entry.as_bytes())?;
            (pointer, at) = (pointer.checked_add(4)?, at.checked_add(entry.len() as u32)?);
        }
        Some(Ok(SUCCESS))
    })
}

/// The only argument: what the function is called, as the name of a program.
fn argument(state: &State) -> String {
    let name = state.granted.as_ref().map_or("function", |(name, _)| name);
    format!("{name}\0")
}

fn args_sizes_get(guest: Guest<'_>, count: u32, size: u32) -> Errno {
    with(guest, |memory, state| {
        put(memory, count, &1u32.to_le_bytes())?;
        put(memory, size, &(argument(state).len() as u32).to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

fn args_get(guest: Guest<'_>, pointers: u32, buffer: u32) -> Errno {
    with(guest, |memory, state| {
        put(memory, pointers, &buffer.to_le_bytes())?;
        put(memory, buffer, argument(state).as_bytes())?;
        Some(Ok(SUCCESS))
    })
}

/// What a clock shows, in nanoseconds; none if there is no such clock.
fn clock_nanos(state: &State, clock: u32) -> Option<u64> {
    match clock {
        0 => Some(state.host.wall().unix_millis().saturating_mul(1_000_000)),
        1..=3 => Some(state.host.now().as_nanos()),
        _ => None,
    }
}

fn clock_time_get(guest: Guest<'_>, clock: u32, _precision: u64, time: u32) -> Errno {
    with(guest, |memory, state| {
        let Some(nanos) = clock_nanos(state, clock) else { return Some(Ok(INVAL)) };
        put(memory, time, &nanos.to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

fn clock_res_get(guest: Guest<'_>, clock: u32, resolution: u32) -> Errno {
    with(guest, |memory, _| {
        let nanos: u64 = match clock {
            0 => 1_000_000,
            1..=3 => 1,
            _ => return Some(Ok(INVAL)),
        };
        put(memory, resolution, &nanos.to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

fn random_get(guest: Guest<'_>, at: u32, length: u32) -> Errno {
    with(guest, |memory, state| {
        Some(fill_random(state, slice_mut(memory, at, length)?).map(|()| SUCCESS))
    })
}

/// Ends the guest; code 0 is success, and Go for one always leaves this way.
fn proc_exit(mut guest: Guest<'_>, code: i32) -> wasmtime::Result<()> {
    guest.data_mut().exit = Some(code);
    Err(wasmtime::Error::msg("exit"))
}
