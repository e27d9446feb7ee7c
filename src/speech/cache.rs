//! What was said before: in memory for microseconds, on disk across restarts. Both bounded.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::audio::Clip;

/// The sha256 of voice, language and text.
pub(super) type Key = [u8; 32];

/// Clips by what they say.
pub(super) struct Cache {
    memory: Mutex<Memory>,
    disk: Option<Mutex<Disk>>,
}

impl Cache {
    /// `bytes` bounds memory and disk, each. A folder that cannot be used is done without.
    pub(super) fn open(folder: Option<&Path>, bytes: u64) -> Self {
        let disk = folder.and_then(|folder| Disk::open(folder, bytes));
        let memory = Memory { clips: HashMap::new(), bytes: 0, limit: bytes, turn: 0 };
        Cache { memory: Mutex::new(memory), disk: disk.map(Mutex::new) }
    }

    pub(super) fn find(&self, key: &Key) -> Option<Clip> {
        if let Some(clip) = self.memory().find(key) {
            return Some(clip);
        }
        let clip = self.disk()?.find(key)?;
        self.memory().add(*key, clip.clone());
        Some(clip)
    }

    pub(super) fn add(&self, key: Key, clip: &Clip) {
        self.memory().add(key, clip.clone());
        if let Some(mut disk) = self.disk() {
            disk.add(&key, clip);
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disk(&self) -> Option<std::sync::MutexGuard<'_, Disk>> {
        self.disk.as_ref().map(|disk| disk.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The least recently used goes first.
struct Memory {
    clips: HashMap<Key, (Clip, u64)>,
    bytes: u64,
    limit: u64,
    turn: u64,
}

impl Memory {
    fn find(&mut self, key: &Key) -> Option<Clip> {
        self.turn += 1;
        let (clip, used) = self.clips.get_mut(key)?;
        *used = self.turn;
        Some(clip.clone())
    }

    fn add(&mut self, key: Key, clip: Clip) {
        if size(&clip) > self.limit {
            return;
        }
        self.turn += 1;
        self.bytes += size(&clip);
        if let Some((old, _)) = self.clips.insert(key, (clip, self.turn)) {
            self.bytes -= size(&old);
        }
        while self.bytes > self.limit || self.clips.len() > MOST_CLIPS {
            let oldest = self.clips.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
            let Some((clip, _)) = oldest.and_then(|key| self.clips.remove(&key)) else { break };
            self.bytes -= size(&clip);
        }
    }
}

/// One file a clip, named by its key; the oldest written goes first.
struct Disk {
    folder: PathBuf,
    /// Names and lengths, oldest first.
    files: Vec<(String, u64)>,
    bytes: u64,
    limit: u64,
}

impl Disk {
    fn open(folder: &Path, limit: u64) -> Option<Self> {
        fs::create_dir_all(folder).ok()?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(PARTIAL) {
                // Left by a process that was killed while writing.
                let _ = fs::remove_file(entry.path());
            } else if let (true, Ok(data)) = (name.ends_with(WHOLE), entry.metadata()) {
                files.push((data.modified().ok(), name, data.len()));
            }
        }
        files.sort();
        let bytes = files.iter().map(|(.., length)| length).sum();
        let files = files.into_iter().map(|(_, name, length)| (name, length)).collect();
        let mut disk = Disk { folder: folder.to_owned(), files, bytes, limit };
        disk.shrink();
        Some(disk)
    }

    fn find(&self, key: &Key) -> Option<Clip> {
        let bytes = fs::read(self.folder.join(name(key))).ok()?;
        let (length, samples) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*length) != samples.len() as u64 {
            return None;
        }
        let pairs = samples.chunks_exact(2);
        Some(Clip::new(pairs.map(|p| i16::from_le_bytes([p[0], p[1]])).collect::<Vec<i16>>()))
    }

    /// A full disk or a lost folder costs the cache, not the sentence: errors end here.
    fn add(&mut self, key: &Key, clip: &Clip) {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((clip.samples().len() as u64 * 2).to_le_bytes());
        bytes.extend(clip.samples().iter().flat_map(|sample| sample.to_le_bytes()));
        let length = bytes.len() as u64;
        let name = name(key);
        if length > self.limit {
            return;
        }
        // Known but not found: the file was damaged, or removed behind our back.
        if let Some(at) = self.files.iter().position(|(known, _)| *known == name) {
            self.bytes -= self.files.remove(at).1;
        }
        // The process id keeps two nodes that share a folder apart; the rename is atomic.
        let partial = self.folder.join(format!("{name}.{}{PARTIAL}", std::process::id()));
        let written = fs::write(&partial, bytes);
        if written.and_then(|()| fs::rename(&partial, self.folder.join(&name))).is_err() {
            let _ = fs::remove_file(&partial);
            return;
        }
        self.files.push((name, length));
        self.bytes += length;
        self.shrink();
    }

    fn shrink(&mut self) {
        let mut gone = 0;
        for (name, length) in &self.files {
            if self.bytes <= self.limit && self.files.len() - gone <= MOST_CLIPS {
                break;
            }
            let _ = fs::remove_file(self.folder.join(name));
            self.bytes -= length;
            gone += 1;
        }
        self.files.drain(..gone);
    }
}

fn name(key: &Key) -> String {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    hex + WHOLE
}

/// With what a map's entry costs, so that a thousand short clips count as well.
fn size(clip: &Clip) -> u64 {
    clip.samples().len() as u64 * 2 + 100
}

const MAGIC: &[u8] = b"OHCLIP1\n";
const WHOLE: &str = ".clip";
const PARTIAL: &str = ".partial";

/// Keeps the search for the oldest and the listing of the folder short.
const MOST_CLIPS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(n: i16, length: usize) -> Clip {
        Clip::new(vec![n; length])
    }

    #[test]
    fn memory_forgets_what_was_used_longest_ago() {
        let cache = Cache::open(None, 3 * size(&clip(0, 1_000)));
        for n in 0..3 {
            cache.add([n; 32], &clip(i16::from(n), 1_000));
        }
        assert!(cache.find(&[0; 32]).is_some());
        cache.add([3; 32], &clip(3, 1_000));
        assert!(cache.find(&[1; 32]).is_none());
        assert_eq!(cache.find(&[0; 32]), Some(clip(0, 1_000)));
        cache.add([4; 32], &clip(4, 1_000_000));
        assert!(cache.find(&[4; 32]).is_none());
        assert!(cache.find(&[3; 32]).is_some());
    }

    #[test]
    fn disk_outlives_the_process_and_keeps_its_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(Some(folder.path()), 10_000);
        for n in 0..8 {
            cache.add([n; 32], &clip(i16::from(n), 1_000));
        }
        let files = || fs::read_dir(folder.path()).expect("a listing").flatten();
        let used: u64 = files().map(|f| f.metadata().expect("data").len()).sum();
        assert!(used <= 10_000, "{used}");
        let again = Cache::open(Some(folder.path()), 10_000);
        assert_eq!(again.find(&[7; 32]), Some(clip(7, 1_000)));
        assert!(again.find(&[0; 32]).is_none());
        assert!(Cache::open(Some(folder.path()), 100).find(&[7; 32]).is_none());
        assert_eq!(files().count(), 0);
    }

    #[test]
    fn a_damaged_or_half_written_file_is_no_clip() {
        let folder = tempfile::tempdir().expect("a folder");
        Cache::open(Some(folder.path()), 10_000).add([9; 32], &clip(9, 100));
        let file = folder.path().join(name(&[9; 32]));
        let bytes = fs::read(&file).expect("a file");
        fs::write(&file, &bytes[..bytes.len() - 1]).expect("written");
        fs::write(folder.path().join("left.partial"), b"x").expect("written");
        let cache = Cache::open(Some(folder.path()), 10_000);
        assert!(cache.find(&[9; 32]).is_none());
        assert!(!folder.path().join("left.partial").exists());
        cache.add([9; 32], &clip(9, 100));
        let again = Cache::open(Some(folder.path()), 10_000);
        assert_eq!(again.find(&[9; 32]), Some(clip(9, 100)));
    }
}
