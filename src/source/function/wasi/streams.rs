//! The three descriptors of a process that has no others: standard input, output and error.

use super::{BADF, Errno, Guest, INVAL, SUCCESS, number, put, with};
use crate::source::function::error::Failure;
use crate::source::function::event::Level;
use crate::source::function::instance::{State, slice};

/// What streams remember besides the bytes of input and output.
#[derive(Default)]
pub(in crate::source::function) struct Streams {
    /// Those that the guest closed.
    closed: [bool; 3],
    /// A library answers by returning, so that its standard output is its log, too.
    pub(in crate::source::function) of_library: bool,
    /// Lines of the log that have not ended, of standard output and error.
    unfinished: [Vec<u8>; 2],
}

pub(super) const INPUT: u32 = 0;
pub(super) const OUTPUT: u32 = 1;
pub(super) const ERROR: u32 = 2;

/// Scatter lists are short in practice; a longer one is a guest that wastes our time.
const MAX_VECTORS: u32 = 1024;

/// `filetype::character_device`: what C libraries neither seek in nor ask for a size.
const CHARACTER_DEVICE: u8 = 2;

/// Longer than any line that people read; what a guest writes without ever ending its line is cut.
const MAX_UNFINISHED: usize = 16 << 10;

impl State {
    /// Whether the guest has this descriptor.
    pub(super) fn has(&self, fd: u32) -> bool {
        self.streams.closed.get(fd as usize) == Some(&false)
    }

    /// What is left of standard input.
    pub(super) fn left(&self) -> &[u8] {
        self.input.0.get(self.input.1..).unwrap_or_default()
    }

    /// Logs the lines that the guest left unfinished; they are paid for.
    pub(in crate::source::function) fn finish_lines(&mut self) {
        for stream in [OUTPUT, ERROR] {
            self.finish_line(stream);
        }
    }

    fn finish_line(&mut self, stream: u32) {
        let line = std::mem::take(self.unfinished(stream));
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Nobody looks for those, and a panic of Go has some.
        if !line.trim_ascii().is_empty() {
            self.push_log(Level::Info, line);
        }
    }

    fn unfinished(&mut self, stream: u32) -> &mut Vec<u8> {
        &mut self.streams.unfinished[usize::from(stream == ERROR)]
    }

    /// Adds text to the log, line by line, however it is cut into writes.
    fn write_lines(&mut self, stream: u32, bytes: &[u8]) -> wasmtime::Result<()> {
        // A scatter list may show us all of its memory a thousand times: looking at it costs.
        if bytes.len() > self.limits.log {
            return Err(self.stop(Failure::LogFlood));
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let begins = self.unfinished(stream).is_empty();
            self.charge_log(piece.len(), begins)?;
            let line = self.unfinished(stream);
            line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.finish_line(stream);
            } else if line.len() > MAX_UNFINISHED {
                let rest = line.split_off(whole_characters(line));
                self.finish_line(stream);
                *self.unfinished(stream) = rest;
            }
        }
        Ok(())
    }

    fn write_output(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        if self.output.len() + bytes.len() > self.limits.response {
            return Err(self.stop(Failure::ResponseSize));
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }
}

/// How much of a text is not the beginning of a character whose end is still to come.
fn whole_characters(text: &[u8]) -> usize {
    match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => text.len(),
    }
}

/// The buffers of a scatter list: pairs of address and length.
fn vectors(memory: &[u8], at: u32, count: u32) -> Option<Vec<(u32, u32)>> {
    let list = slice(memory, at, count.checked_mul(8)?)?;
    list.chunks_exact(8).map(|c| Some((number(&c[..4])?, number(&c[4..])?))).collect()
}

pub(super) fn fd_write(guest: Guest<'_>, fd: u32, list: u32, count: u32, written: u32) -> Errno {
    with(guest, |memory, state| {
        if !matches!(fd, OUTPUT | ERROR) || !state.has(fd) {
            return Some(Ok(BADF));
        }
        if count > MAX_VECTORS {
            return Some(Ok(INVAL));
        }
        let mut total = 0u32;
        for (at, length) in vectors(memory, list, count)? {
            let bytes = slice(memory, at, length)?;
            let outcome = match fd {
                OUTPUT if !state.streams.of_library => state.write_output(bytes),
                _ => state.write_lines(fd, bytes),
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

pub(super) fn fd_read(guest: Guest<'_>, fd: u32, list: u32, count: u32, read: u32) -> Errno {
    with(guest, |memory, state| {
        if fd != INPUT || !state.has(fd) {
            return Some(Ok(BADF));
        }
        if count > MAX_VECTORS {
            return Some(Ok(INVAL));
        }
        let before = state.input.1;
        for (at, length) in vectors(memory, list, count)? {
            let left = state.left();
            let bytes = left.get(..length as usize).unwrap_or(left);
            put(memory, at, bytes)?;
            let length = bytes.len();
            state.input.1 += length;
        }
        put(memory, read, &((state.input.1 - before) as u32).to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

pub(super) fn fd_close(mut guest: Guest<'_>, fd: u32) -> i32 {
    let state = guest.data_mut();
    if !state.has(fd) {
        return BADF;
    }
    state.streams.closed[fd as usize] = true;
    SUCCESS
}

pub(super) fn fd_fdstat_get(guest: Guest<'_>, fd: u32, stat: u32) -> Errno {
    let mut record = [0; 24];
    record[0] = CHARACTER_DEVICE;
    // All rights, so that no C library refuses before it asks us.
    record[8..].fill(0xff);
    describe(guest, fd, stat, &record)
}

pub(super) fn fd_filestat_get(guest: Guest<'_>, fd: u32, stat: u32) -> Errno {
    let mut record = [0; 64];
    record[16] = CHARACTER_DEVICE;
    // The number of its links.
    record[24] = 1;
    describe(guest, fd, stat, &record)
}

fn describe(guest: Guest<'_>, fd: u32, at: u32, record: &[u8]) -> Errno {
    with(guest, |memory, state| {
        if !state.has(fd) {
            return Some(Ok(BADF));
        }
        put(memory, at, record)?;
        Some(Ok(SUCCESS))
    })
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

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(whole_characters("aé".as_bytes()), 3);
        assert_eq!(whole_characters(&"aé".as_bytes()[..2]), 1);
        assert_eq!(whole_characters(b"\xe9\xff"), 2);
    }
}
