//! One recording on the disk: a WAV file whose header is kept true while it grows.

use std::fs::{File, OpenOptions};
use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant as SystemInstant;

use crate::audio::RATE;
use crate::base::Duration;
use crate::base::id::RecordingSid;
use crate::node::recording::path;

/// What the name of a growing recording ends with.
pub(super) const PART: &str = ".part.wav";

const HEADER: u64 = 44;
/// Frames of 20 ms whose mean is below this are silence to trimming; as `media::detector`.
const SILENCE: u32 = 96;

/// A growing recording.
#[derive(Debug)]
pub(super) struct RecordingFile {
    file: File,
    part: PathBuf,
    whole: PathBuf,
    channels: u16,
    /// Bytes of sound.
    length: u64,
    bytes: Vec<u8>,
    described: SystemInstant,
    synced: SystemInstant,
}

impl RecordingFile {
    /// The header is made true this often: a reader of a killed file misses no more.
    const DESCRIBE: Duration = Duration::from_millis(500);
    /// What the kernel holds is on the disk this often: a power cut loses no more.
    const SYNC: Duration = Duration::from_secs(2);
    /// What a WAV header can say; far beyond any plan's length.
    const MAX_LENGTH: u64 = u32::MAX as u64 - HEADER;

    /// An empty file.
    pub(super) fn create(folder: &Path, sid: RecordingSid, channels: u16) -> io::Result<Self> {
        let part = folder.join(format!("{sid}{PART}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&part)?;
        file.write_all_at(&header(channels, 0), 0)?;
        Ok(Self::over(file, part, path(folder, sid), channels, 0))
    }

    /// Completes a file that was left behind: its length is what its size says.
    pub(super) fn repair(folder: &Path, sid: RecordingSid) -> io::Result<Duration> {
        let part = folder.join(format!("{sid}{PART}"));
        let mut file = OpenOptions::new().read(true).write(true).open(&part)?;
        let mut start = [0; HEADER as usize];
        // Killed before the header was written: an empty recording is what it was.
        let channels = match file.read_exact(&mut start) {
            Ok(()) => u16::from_le_bytes([start[22], start[23]]).clamp(1, 2),
            Err(_) => 1,
        };
        let block = u64::from(channels) * 2;
        let size = file.metadata()?.len();
        let length = size.saturating_sub(HEADER).min(Self::MAX_LENGTH) / block * block;
        let whole = path(folder, sid);
        Self::over(file, part, whole, channels, length).finish(false)?;
        Ok(Duration::from_micros(length / block * 1_000_000 / u64::from(RATE)))
    }

    fn over(file: File, part: PathBuf, whole: PathBuf, channels: u16, length: u64) -> Self {
        let now = now();
        let bytes = Vec::new();
        RecordingFile { file, part, whole, channels, length, bytes, described: now, synced: now }
    }

    /// Adds sound.
    pub(super) fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let longer = self.length + self.bytes.len() as u64;
        if longer > Self::MAX_LENGTH {
            return Err(Error::new(ErrorKind::FileTooLarge, "recording is too long for WAV"));
        }
        self.file.write_all_at(&self.bytes, HEADER + self.length)?;
        self.length = longer;
        let now = now();
        if now.duration_since(self.described) >= Self::DESCRIBE {
            self.describe()?;
            self.described = now;
        }
        if now.duration_since(self.synced) >= Self::SYNC {
            self.file.sync_data()?;
            self.synced = now;
        }
        Ok(())
    }

    /// Completes the file and gives it its name, in an order that leaves it valid throughout.
    pub(super) fn finish(mut self, trim: bool) -> io::Result<()> {
        self.describe()?;
        if trim {
            self.trim()?;
        }
        self.file.set_len(HEADER + self.length)?;
        self.file.sync_all()?;
        std::fs::rename(&self.part, &self.whole)?;
        // The name is on the disk only when the folder is.
        match self.whole.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn describe(&mut self) -> io::Result<()> {
        self.file.write_all_at(&header(self.channels, self.length as u32), 0)
    }

    /// Moves what lies between the first and the last sound to the front.
    fn trim(&mut self) -> io::Result<()> {
        let frame = u64::from(RATE / 50) * u64::from(self.channels) * 2;
        let mut loud: Option<(u64, u64)> = None;
        let mut bytes = vec![0; frame as usize];
        self.file.seek(SeekFrom::Start(HEADER))?;
        let mut reader = io::BufReader::with_capacity(1 << 16, &self.file);
        for at in 0..self.length / frame {
            reader.read_exact(&mut bytes)?;
            if is_loud(&bytes) {
                loud = Some((loud.map_or(at, |(first, _)| first), at + 1));
            }
        }
        let (first, end) = loud.unwrap_or((0, 0));
        bytes.resize(frame as usize * 256, 0);
        let (mut from, mut to) = (first * frame, 0);
        while first > 0 && from < end * frame {
            let step = (bytes.len() as u64).min(end * frame - from);
            let block = &mut bytes[..step as usize];
            self.file.read_exact_at(block, HEADER + from)?;
            self.file.write_all_at(block, HEADER + to)?;
            (from, to) = (from + step, to + step);
        }
        self.length = (end - first) * frame;
        self.describe()
    }
}

fn is_loud(frame: &[u8]) -> bool {
    let samples = frame.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let sum: u32 = samples.map(|sample| u32::from(sample.unsigned_abs())).sum();
    sum / (frame.len() as u32 / 2).max(1) > SILENCE
}

/// A canonical WAV header: 16-bit PCM.
fn header(channels: u16, length: u32) -> [u8; HEADER as usize] {
    let block = channels * 2;
    let mut bytes = [0; HEADER as usize];
    bytes[0..4].copy_from_slice(b"RIFF");
    bytes[4..8].copy_from_slice(&(length + HEADER as u32 - 8).to_le_bytes());
    bytes[8..16].copy_from_slice(b"WAVEfmt ");
    bytes[16..20].copy_from_slice(&16u32.to_le_bytes());
    bytes[20..22].copy_from_slice(&1u16.to_le_bytes());
    bytes[22..24].copy_from_slice(&channels.to_le_bytes());
    bytes[24..28].copy_from_slice(&RATE.to_le_bytes());
    bytes[28..32].copy_from_slice(&(RATE * u32::from(block)).to_le_bytes());
    bytes[32..34].copy_from_slice(&block.to_le_bytes());
    bytes[34..36].copy_from_slice(&16u16.to_le_bytes());
    bytes[36..40].copy_from_slice(b"data");
    bytes[40..44].copy_from_slice(&length.to_le_bytes());
    bytes
}

#[allow(
    clippy::disallowed_methods,
    reason = "how often to sync is the disk's business, not a call's"
)]
fn now() -> SystemInstant {
    SystemInstant::now()
}
