//! WASI preview 1, as far as a command needs it that reads standard input and writes standard
//! output: no files, no sockets, no arguments. Names, signatures and error numbers are those of
//! `wasi_snapshot_preview1`.

use wasmtime::{Caller, Linker};

use super::error::Failure;
use super::event::Level;
use super::host::{fill_random, memory};
use super::instance::{State, slice, slice_mut};

type Guest<'a> = Caller<'a, State>;
type Errno = wasmtime::Result<i32>;

const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const INVAL: i32 = 28;
const NOSYS: i32 = 52;
const SPIPE: i32 = 70;

/// `filetype::character_device`: makes C libraries flush by line and not seek.
const CHARACTER_DEVICE: u8 = 2;

/// Scatter lists are short in practice; a longer one is a guest that wastes our time.
const MAX_VECTORS: u32 = 1024;

/// Links the functions that commands import; any other import is refused at load.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.func_wrap(WASI, "fd_write", fd_write)?;
    linker.func_wrap(WASI, "fd_read", fd_read)?;
    linker.func_wrap(WASI, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(WASI, "fd_filestat_get", |_: u32, _: u32| BADF)?;
    linker.func_wrap(WASI, "fd_fdstat_set_flags", |_: u32, _: i32| SUCCESS)?;
    linker.func_wrap(WASI, "fd_close", |_: u32| SUCCESS)?;
    linker.func_wrap(WASI, "fd_seek", |_: u32, _: i64, _: i32, _: u32| SPIPE)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: u32, _: u32| BADF)?;
    linker.func_wrap(WASI, "fd_prestat_dir_name", |_: u32, _: u32, _: u32| BADF)?;
    // Interpreters ask for files at their start, and go on without them.
    linker.func_wrap(
        WASI,
        "path_open",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u64, _: u64, _: u32, _: u32| BADF,
    )?;
    linker.func_wrap(WASI, "path_filestat_get", |_: u32, _: u32, _: u32, _: u32, _: u32| BADF)?;
    linker.func_wrap(WASI, "environ_sizes_get", environ_sizes_get)?;
    linker.func_wrap(WASI, "environ_get", environ_get)?;
    linker.func_wrap(WASI, "args_sizes_get", args_sizes_get)?;
    linker.func_wrap(WASI, "args_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(WASI, "clock_time_get", clock_time_get)?;
    linker.func_wrap(WASI, "clock_res_get", clock_res_get)?;
    linker.func_wrap(WASI, "random_get", random_get)?;
    linker.func_wrap(WASI, "sched_yield", || SUCCESS)?;
    linker.func_wrap(WASI, "poll_oneoff", |_: u32, _: u32, _: u32, _: u32| NOSYS)?;
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

/// The buffers of a scatter list: pairs of address and length.
fn vectors(memory: &[u8], at: u32, count: u32) -> Option<Vec<(u32, u32)>> {
    let list = slice(memory, at, count.checked_mul(8)?)?;
    let number = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.try_into().ok()?));
    list.chunks_exact(8).map(|c| Some((number(&c[..4])?, number(&c[4..])?))).collect()
}

fn fd_write(guest: Guest<'_>, fd: u32, list: u32, count: u32, written: u32) -> Errno {
    with(guest, |memory, state| {
        if count > MAX_VECTORS {
            return Some(Ok(INVAL));
        }
        let mut total = 0u32;
        for (at, length) in vectors(memory, list, count)? {
            let bytes = slice(memory, at, length)?;
            let outcome = match fd {
                1 => write_output(state, bytes),
                2 => write_error(state, bytes),
                _ => return Some(Ok(BADF)),
            };
            if let Err(error) = outcome {
                return Some(Err(error));
            }
            total = total.saturating_add(length);
        }
        put(memory, written, &total.to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

fn write_output(state: &mut State, bytes: &[u8]) -> wasmtime::Result<()> {
    if state.output.len() + bytes.len() > state.limits.response {
        return Err(state.stop(Failure::ResponseSize));
    }
    state.output.extend_from_slice(bytes);
    Ok(())
}

fn write_error(state: &mut State, bytes: &[u8]) -> wasmtime::Result<()> {
    // A scatter list may show us all of its memory a thousand times: looking at it costs.
    if bytes.len() > state.limits.log {
        return Err(state.stop(Failure::LogFlood));
    }
    let text = bytes.trim_ascii_end();
    state.charge_log(bytes.len() - text.len())?;
    match text {
        [] => Ok(()),
        text => state.write_log(Level::Info, text),
    }
}

fn fd_read(guest: Guest<'_>, fd: u32, list: u32, count: u32, read: u32) -> Errno {
    with(guest, |memory, state| {
        if fd != 0 {
            return Some(Ok(BADF));
        }
        if count > MAX_VECTORS {
            return Some(Ok(INVAL));
        }
        let before = state.input.1;
        for (at, length) in vectors(memory, list, count)? {
            let (input, position) = &mut state.input;
            let left = input.get(*position..).unwrap_or_default();
            let bytes = left.get(..length as usize).unwrap_or(left);
            put(memory, at, bytes)?;
            *position += bytes.len();
        }
        put(memory, read, &((state.input.1 - before) as u32).to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

fn fd_fdstat_get(guest: Guest<'_>, fd: u32, stat: u32) -> Errno {
    with(guest, |memory, _| {
        if fd > 2 {
            return Some(Ok(BADF));
        }
        let mut record = [0; 24];
        record[0] = CHARACTER_DEVICE;
        // All rights, so that no C library refuses before it asks us.
        record[8..].fill(0xff);
        put(memory, stat, &record)?;
        Some(Ok(SUCCESS))
    })
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

fn args_sizes_get(guest: Guest<'_>, count: u32, size: u32) -> Errno {
    with(guest, |memory, _| {
        put(memory, count, &0u32.to_le_bytes())?;
        put(memory, size, &0u32.to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

fn clock_time_get(guest: Guest<'_>, clock: u32, _precision: u64, time: u32) -> Errno {
    with(guest, |memory, state| {
        let nanos = match clock {
            0 => state.host.wall().unix_millis().saturating_mul(1_000_000),
            1..=3 => state.host.now().as_nanos(),
            _ => return Some(Ok(INVAL)),
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_that_lie_outside_the_memory_are_none() {
        let mut memory = vec![0; 64];
        put(&mut memory, 8, &[5, 0, 0, 0, 7, 0, 0, 0]).expect("fits");
        assert_eq!(vectors(&memory, 8, 1), Some(vec![(5, 7)]));
        assert_eq!(vectors(&memory, 60, 1), None);
        assert_eq!(vectors(&memory, 0, u32::MAX), None);
        assert_eq!(vectors(&memory, u32::MAX, 1), None);
        assert_eq!(put(&mut memory, 62, &[0; 4]), None);
    }
}
