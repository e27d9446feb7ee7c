//! Hashes and HMAC for guests: pure functions, so they need no grant and touch nothing outside.
//!
//! The guest names the algorithm as Node does, and gives room for [`MAX_DIGEST`] bytes. What it asks
//! to be hashed may be all of its memory: its time is looked at meanwhile.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use wasmtime::{Caller, Linker};

use super::error::Failure;
use super::host::memory;
use super::instance::{PART, State, slice, slice_mut};

/// The longest digest there is: SHA-512's.
const MAX_DIGEST: u32 = 64;

/// A part of the guest's memory.
type Span = (u32, u32);

/// Links `digest` and `hmac`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "offhook",
        "digest",
        |caller: Caller<'_, State>, name: u32, name_length: u32, at: u32, length: u32, to: u32| {
            write(caller, to, |memory, state| {
                let name = span(memory, (name, name_length))?;
                digest(name, span(memory, (at, length))?, state)
            })
        },
    )?;
    linker.func_wrap(
        "offhook",
        "hmac",
        |caller: Caller<'_, State>,
         name: u32,
         name_length: u32,
         key: u32,
         key_length: u32,
         at: u32,
         length: u32,
         to: u32| {
            write(caller, to, |memory, state| {
                let key = span(memory, (key, key_length))?;
                hmac(span(memory, (name, name_length))?, key, span(memory, (at, length))?, state)
            })
        },
    )?;
    Ok(())
}

/// Why there is no digest.
enum Stopped {
    /// A part reaches out of the guest's memory.
    Outside,
    /// The guest's time is over.
    Late(wasmtime::Error),
}

fn span(memory: &[u8], (at, length): Span) -> Result<&[u8], Stopped> {
    slice(memory, at, length).ok_or(Stopped::Outside)
}

/// Writes what `make` finds, and gives its length: 0 when there is no such algorithm.
fn write(
    mut caller: Caller<'_, State>,
    to: u32,
    make: impl FnOnce(&[u8], &mut State) -> Result<Option<Vec<u8>>, Stopped>,
) -> wasmtime::Result<u32> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    let made = match make(memory, state) {
        Ok(made) => made.unwrap_or_default(),
        Err(Stopped::Outside) => return Err(state.stop(Failure::Pointer)),
        Err(Stopped::Late(stopped)) => return Err(stopped),
    };
    let Some(room) = slice_mut(memory, to, MAX_DIGEST) else {
        return Err(state.stop(Failure::Pointer));
    };
    let length = made.len().min(room.len());
    if let (Some(room), Some(made)) = (room.get_mut(..length), made.get(..length)) {
        room.copy_from_slice(made);
    }
    Ok(length as u32)
}

/// Takes all of `bytes` in, part by part: the guest's whole memory takes as long as many ticks.
fn feed(bytes: &[u8], state: &mut State, mut update: impl FnMut(&[u8])) -> Result<(), Stopped> {
    for part in bytes.chunks(PART) {
        state.check_time().map_err(Stopped::Late)?;
        update(part);
    }
    Ok(())
}

fn digest(name: &[u8], bytes: &[u8], state: &mut State) -> Result<Option<Vec<u8>>, Stopped> {
    fn of<D: Digest>(bytes: &[u8], state: &mut State) -> Result<Option<Vec<u8>>, Stopped> {
        let mut digest = D::new();
        feed(bytes, state, |part| digest.update(part))?;
        Ok(Some(digest.finalize().to_vec()))
    }
    match name {
        b"md5" => of::<Md5>(bytes, state),
        b"sha1" => of::<Sha1>(bytes, state),
        b"sha224" => of::<Sha224>(bytes, state),
        b"sha256" => of::<Sha256>(bytes, state),
        b"sha384" => of::<Sha384>(bytes, state),
        b"sha512" => of::<Sha512>(bytes, state),
        _ => Ok(None),
    }
}

fn hmac(
    name: &[u8],
    key: &[u8],
    bytes: &[u8],
    state: &mut State,
) -> Result<Option<Vec<u8>>, Stopped> {
    /// Beyond a block of the hash, a key stands for its digest (RFC 2104 section 2).
    fn keyed<M: Mac + KeyInit, D: Digest>(
        key: &[u8],
        bytes: &[u8],
        state: &mut State,
    ) -> Result<Option<Vec<u8>>, Stopped> {
        const LONGEST_BLOCK: usize = 128;
        let mut digest = D::new();
        let hashed;
        let key = match key.len() > LONGEST_BLOCK {
            true => {
                feed(key, state, |part| digest.update(part))?;
                hashed = digest.finalize();
                &hashed[..]
            }
            false => key,
        };
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        feed(bytes, state, |part| mac.update(part))?;
        Ok(Some(mac.finalize().into_bytes().to_vec()))
    }
    match name {
        b"md5" => keyed::<Hmac<Md5>, Md5>(key, bytes, state),
        b"sha1" => keyed::<Hmac<Sha1>, Sha1>(key, bytes, state),
        b"sha224" => keyed::<Hmac<Sha224>, Sha224>(key, bytes, state),
        b"sha256" => keyed::<Hmac<Sha256>, Sha256>(key, bytes, state),
        b"sha384" => keyed::<Hmac<Sha384>, Sha384>(key, bytes, state),
        b"sha512" => keyed::<Hmac<Sha512>, Sha512>(key, bytes, state),
        _ => Ok(None),
    }
}
