//! One recording on the disk: a WAV file whose header is kept true while it grows.

use std::fs::{File, OpenOptions};
use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant as SystemInstant;

use crate::audio::RATE;
use crate::audio::level::SilenceDetector;
use crate::audio::wav::Header;
use crate::base::Duration;
use crate::base::id::RecordingSid;
use crate::node::recording::path;

/// What the name of a growing recording ends with.
pub(super) const PART: &str = ".part.wav";

const HEADER: u64 = Header::LENGTH as u64;

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
    const MAX_LENGTH: u64 = Header::MAX_DATA as u64;
    /// What stays before the first and after the last sound, in frames: 100 ms, for consonants
    /// are no louder than a line's noise, and two frames of three make a sound.
    const MARGIN: u64 = 5;

    /// An empty file.
    pub(super) fn create(folder: &Path, sid: RecordingSid, channels: u16) -> io::Result<Self> {
        let part = folder.join(format!("{sid}{PART}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&part)?;
        file.write_all_at(&Header::new(channels).to_bytes(0), 0)?;
        Ok(Self::over(file, part, path(folder, sid), channels, 0))
    }

    /// Completes a file that was left behind: its length is what its size says.
    pub(super) fn repair(folder: &Path, sid: RecordingSid) -> io::Result<Duration> {
        let left = Self::left(folder.join(format!("{sid}{PART}")), path(folder, sid))?;
        let duration = left.duration();
        left.finish(false)?;
        Ok(duration)
    }

    /// How long a file is that has its name; it is written to only when its header is not true.
    pub(super) fn measure(folder: &Path, sid: RecordingSid) -> io::Result<Duration> {
        let whole = path(folder, sid);
        let left = Self::left(whole.clone(), whole)?;
        let duration = left.duration();
        let mut start = [0; Header::LENGTH];
        let told = left.file.read_exact_at(&mut start, 0).is_ok()
            && start == Header::new(left.channels).to_bytes(left.length as u32);
        if !told || left.file.metadata()?.len() != HEADER + left.length {
            left.finish(false)?;
        }
        Ok(duration)
    }

    /// A file that another process wrote: its length is what its size says.
    fn left(part: PathBuf, whole: PathBuf) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(&part)?;
        let mut start = Vec::with_capacity(Header::LENGTH);
        (&mut file).take(HEADER).read_to_end(&mut start)?;
        // Killed before the header was written: an empty recording is what it was.
        let header = Header::parse(&start);
        let channels = header.map_or(1, |(header, _)| header.channels.clamp(1, 2));
        let block = u64::from(channels) * 2;
        let size = file.metadata()?.len();
        let length = size.saturating_sub(HEADER).min(Self::MAX_LENGTH) / block * block;
        Ok(Self::over(file, part, whole, channels, length))
    }

    fn duration(&self) -> Duration {
        let frames = self.length / (u64::from(self.channels) * 2);
        Duration::from_micros(frames * 1_000_000 / u64::from(RATE))
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
        self.file.write_all_at(&Header::new(self.channels).to_bytes(self.length as u32), 0)
    }

    /// Moves what lies between the first and the last sound to the front.
    fn trim(&mut self) -> io::Result<()> {
        let frame = u64::from(RATE / 50) * u64::from(self.channels) * 2;
        let frames = self.length / frame;
        let mut lines = vec![SilenceDetector::new(); usize::from(self.channels)];
        // The first words are measured by the noise of the first gaps after them.
        self.find_sound(&mut lines, frames.min(u64::from(SilenceDetector::WINDOW)))?;
        let (first, end) = match self.find_sound(&mut lines, frames)? {
            Some((first, last)) => {
                (first.saturating_sub(Self::MARGIN), (last + 1 + Self::MARGIN).min(frames))
            }
            None => (0, 0),
        };
        let mut bytes = vec![0; frame as usize * 256];
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

    /// The first and the last of so many frames in which anybody is heard.
    fn find_sound(
        &self,
        lines: &mut [SilenceDetector],
        frames: u64,
    ) -> io::Result<Option<(u64, u64)>> {
        const SAMPLES: usize = RATE as usize / 50;
        let mut bytes = vec![0; SAMPLES * lines.len() * 2];
        let mut reader = io::BufReader::with_capacity(1 << 16, &self.file);
        reader.seek(SeekFrom::Start(HEADER))?;
        let mut found: Option<(u64, u64)> = None;
        for at in 0..frames {
            reader.read_exact(&mut bytes)?;
            for (channel, line) in lines.iter_mut().enumerate() {
                let mut samples = [0; SAMPLES];
                let own = bytes.chunks_exact(2).skip(channel).step_by(usize::from(self.channels));
                for (sample, pair) in samples.iter_mut().zip(own) {
                    *sample = i16::from_le_bytes([pair[0], pair[1]]);
                }
                // Where packets never came there are zeros: silence, and no measure of a line.
                if samples != [0; SAMPLES] && !line.handle(&samples) {
                    found = Some((found.map_or(at, |(first, _)| first), at));
                }
            }
        }
        Ok(found)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "how often to sync is the disk's business, not a call's"
)]
fn now() -> SystemInstant {
    SystemInstant::now()
}
