//! Hashes and HMAC for guests: pure functions, so they need no grant and touch nothing outside.
//!
//! The guest names the algorithm as Node does, and gives room for [`MAX_DIGEST`] bytes. What it asks
//! to be hashed is at most its own memory, which bounds how long one call takes.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use wasmtime::{Caller, Linker};

use super::error::Failure;
use super::host::memory;
use super::instance::{State, slice, slice_mut};

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
            write(caller, to, |memory| {
                digest(span(memory, (name, name_length))?, span(memory, (at, length))?)
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
            write(caller, to, |memory| {
                let key = span(memory, (key, key_length))?;
                hmac(span(memory, (name, name_length))?, key, span(memory, (at, length))?)
            })
        },
    )?;
    Ok(())
}

/// What reaches out of the guest's memory.
struct Outside;

fn span(memory: &[u8], (at, length): Span) -> Result<&[u8], Outside> {
    slice(memory, at, length).ok_or(Outside)
}

/// Writes what `make` finds, and gives its length: 0 when there is no such algorithm.
fn write(
    mut caller: Caller<'_, State>,
    to: u32,
    make: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, Outside>,
) -> wasmtime::Result<u32> {
    let (memory, state) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    let made = match make(memory) {
        Ok(made) => made.unwrap_or_default(),
        Err(Outside) => return Err(state.stop(Failure::Pointer)),
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

fn digest(name: &[u8], bytes: &[u8]) -> Result<Option<Vec<u8>>, Outside> {
    Ok(Some(match name {
        b"md5" => Md5::digest(bytes).to_vec(),
        b"sha1" => Sha1::digest(bytes).to_vec(),
        b"sha224" => Sha224::digest(bytes).to_vec(),
        b"sha256" => Sha256::digest(bytes).to_vec(),
        b"sha384" => Sha384::digest(bytes).to_vec(),
        b"sha512" => Sha512::digest(bytes).to_vec(),
        _ => return Ok(None),
    }))
}

fn hmac(name: &[u8], key: &[u8], bytes: &[u8]) -> Result<Option<Vec<u8>>, Outside> {
    fn keyed<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac.finalize().into_bytes().to_vec()
    }
    Ok(Some(match name {
        b"md5" => keyed::<Hmac<Md5>>(key, bytes),
        b"sha1" => keyed::<Hmac<Sha1>>(key, bytes),
        b"sha224" => keyed::<Hmac<Sha224>>(key, bytes),
        b"sha256" => keyed::<Hmac<Sha256>>(key, bytes),
        b"sha384" => keyed::<Hmac<Sha384>>(key, bytes),
        b"sha512" => keyed::<Hmac<Sha512>>(key, bytes),
        _ => return Ok(None),
    }))
}
