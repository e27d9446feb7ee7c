//! Stories on disk: lines in files of bounded size, the oldest removed by age and by total size.
//!
//! One writer appends; readers, also of other processes, read whole lines whenever they like.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::base::{Duration, WallTime};

/// The folder in the data folder.
pub const FOLDER: &str = "calls";

/// In it, what anybody can cause, with a quota of its own.
const REFUSALS: &str = "refused";

/// The part of all bytes that refusals may take.
const REFUSALS_PART: u64 = 16;

/// How files end.
const ENDING: &str = "jsonl";

/// A file is closed at this size, so that what is removed at a time is a small part.
const FILE_BYTES: u64 = 8 << 20;

/// And at this age, so that a quiet server forgets in time, too.
const FILE_AGE: Duration = Duration::from_secs(6 * 3600);

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all files together.
    pub bytes: u64,
    /// Of a file since it was begun.
    pub age: Duration,
}

/// The writer.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limits: Limits,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    begun: WallTime,
    bytes: u64,
}

impl Spool {
    /// Those of calls, and those of refusals, within `limits` together.
    pub fn open_both(data: &Path, limits: Limits) -> io::Result<(Spool, Spool)> {
        let refusals = Limits { bytes: limits.bytes / REFUSALS_PART, ..limits };
        let calls = Limits { bytes: limits.bytes - refusals.bytes, ..limits };
        let folder = data.join(FOLDER);
        let inner = folder.join(REFUSALS);
        Ok((Spool::open(folder, calls)?, Spool::open(inner, refusals)?))
    }

    /// Makes the folder, its owner's alone, as it holds who called whom.
    fn open(folder: PathBuf, limits: Limits) -> io::Result<Spool> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Spool { folder, limits, current: None })
    }

    /// Appends whole lines.
    pub fn append(&mut self, now: WallTime, lines: &[u8]) -> io::Result<()> {
        let full = self.current.as_ref().is_some_and(|current| {
            current.bytes >= self.file_bytes() || since(current.begun, now) >= self.file_age()
        });
        if full {
            self.current = None;
        }
        let current = match &mut self.current {
            Some(current) => current,
            None => {
                let current = begin(&self.folder, now)?;
                self.sweep(now)?;
                self.current.insert(current)
            }
        };
        if let Err(error) = current.file.write_all(lines) {
            // What was half written must not be gone on with.
            self.current = None;
            return Err(error);
        }
        current.bytes += lines.len() as u64;
        Ok(())
    }

    /// Removes what is too old or too much. The file that was begun last stays.
    pub fn sweep(&self, now: WallTime) -> io::Result<()> {
        let mut files = files(&self.folder)?;
        files.pop();
        let current = self.current.as_ref().map_or(0, |current| current.bytes);
        let mut kept = current;
        for (begun, path) in files.into_iter().rev() {
            kept += fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if kept > self.limits.bytes || since(begun, now) > self.limits.age {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn file_bytes(&self) -> u64 {
        FILE_BYTES.min(self.limits.bytes / 8).max(1)
    }

    fn file_age(&self) -> Duration {
        FILE_AGE.min(self.limits.age)
    }
}

/// All files of a data folder, those of calls first, each kind oldest first.
pub fn all_files(data: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = data.join(FOLDER);
    let mut found = files(&folder)?;
    found.extend(files(&folder.join(REFUSALS))?);
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The files of a folder with the times at which they were begun, oldest first.
fn files(folder: &Path) -> io::Result<Vec<(WallTime, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let mut found = vec![];
    for entry in entries {
        let path = entry?.path();
        let begun = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(begun) = begun
            && path.extension().is_some_and(|ending| ending == ENDING)
        {
            found.push((WallTime::from_unix_millis(begun), path));
        }
    }
    found.sort();
    Ok(found)
}

/// A new file, named by the time at which it is begun.
fn begin(folder: &Path, now: WallTime) -> io::Result<Current> {
    let mut millis = now.unix_millis();
    // Two in one millisecond: the next one.
    for _ in 0..1_000 {
        let path = folder.join(format!("{millis}.{ENDING}"));
        match OpenOptions::new().append(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => return Ok(Current { file, begun: now, bytes: 0 }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => millis += 1,
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no name is free for a new file of stories"))
}

fn since(begun: WallTime, now: WallTime) -> Duration {
    Duration::from_millis(now.unix_millis().saturating_sub(begun.unix_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(millis: u64) -> WallTime {
        WallTime::from_unix_millis(1_800_000_000_000 + millis)
    }

    fn spool(bytes: u64) -> (tempfile::TempDir, Spool) {
        let data = tempfile::tempdir().expect("a folder");
        let limits = Limits { bytes, age: Duration::from_millis(10 * HOUR) };
        let spool = Spool::open(data.path().join(FOLDER), limits).expect("opened");
        (data, spool)
    }

    fn kept(data: &tempfile::TempDir) -> Vec<String> {
        let files = files(&data.path().join(FOLDER)).expect("listed");
        files.iter().map(|(_, path)| fs::read_to_string(path).expect("text")).collect()
    }

    #[test]
    fn the_oldest_goes_when_there_is_too_much() {
        let (data, mut spool) = spool(80);
        for number in 0..50 {
            spool.append(at(number), format!("line {number:04}\n").as_bytes()).expect("written");
        }
        let kept = kept(&data);
        let bytes: usize = kept.iter().map(String::len).sum();
        assert!(bytes <= 90, "{bytes}: {kept:?}");
        assert!(kept.last().is_some_and(|last| last.ends_with("line 0049\n")), "{kept:?}");
        assert!(!kept.concat().contains("line 0000"), "{kept:?}");
    }

    #[test]
    fn refusals_have_a_quota_of_their_own_and_push_out_no_call() {
        let data = tempfile::tempdir().expect("a folder");
        let limits = Limits { bytes: 16_000, age: Duration::from_millis(10 * HOUR) };
        let (mut calls, mut refusals) = Spool::open_both(data.path(), limits).expect("opened");
        calls.append(at(0), b"a call\n").expect("written");
        for number in 1..2_000 {
            refusals.append(at(number), &[b'x'; 100]).expect("written");
        }
        assert_eq!(kept(&data), ["a call\n"]);
        let all = all_files(data.path()).expect("listed");
        let size = |path: &PathBuf| fs::metadata(path).expect("there").len();
        let bytes: u64 = all.iter().map(size).sum();
        assert!((900..=1_300).contains(&bytes), "{bytes} of a sixteenth of 16,000");
    }

    #[test]
    fn the_oldest_goes_when_it_is_too_old() {
        let (data, mut spool) = spool(1 << 20);
        spool.append(at(0), b"old\n").expect("written");
        spool.append(at(5 * HOUR), b"same file\n").expect("written");
        spool.append(at(7 * HOUR), b"new file\n").expect("written");
        assert_eq!(kept(&data), ["old\nsame file\n", "new file\n"]);
        spool.append(at(14 * HOUR), b"third\n").expect("written");
        assert_eq!(kept(&data), ["new file\n", "third\n"]);
    }

    #[test]
    fn another_start_goes_on_beside_what_is_there() {
        let (data, mut first) = spool(1 << 20);
        first.append(at(0), b"first\n").expect("written");
        let limits = first.limits;
        drop(first);
        let mut second = Spool::open(data.path().join(FOLDER), limits).expect("opened");
        second.append(at(0), b"second\n").expect("written");
        assert_eq!(kept(&data), ["first\n", "second\n"]);
    }
}
