//! WAV files: any common one becomes a [`Clip`], and a header for those that we write.
//!
//! Files come from strangers and from disks where they still grow, so a length is believed only
//! as far as the bytes reach. Never decodes what needs a codec beyond G.711, never touches a file.
//! Layout: Microsoft's Multimedia Programming Interface 1.0 and `WAVEFORMATEXTENSIBLE`; RF64:
//! EBU Tech 3306. Bare µ-law, with or without the header of AU files, is read as well.

use std::fmt;

use crate::audio::resample::Resampler;
use crate::audio::{Clip, Codec, RATE};
use crate::base::Fault;

/// The longest sound that becomes a clip: 2 h are 115 MB of samples.
pub const MAX_SECONDS: u64 = 2 * 60 * 60;

/// Reads a WAV file of any rate and any number of channels, which are averaged.
pub fn read(bytes: &[u8]) -> Result<Clip, WavError> {
    let body = match bytes.first_chunk::<12>() {
        Some([b'R', b'I', b'F', b'F', .., b'W', b'A', b'V', b'E']) => &bytes[12..],
        Some([b'R', b'F', b'6', b'4', .., b'W', b'A', b'V', b'E']) => &bytes[12..],
        _ => return Err(WavError::NotWave { found: kind_of(bytes) }),
    };
    let (mut format, mut long) = (None, None);
    for chunk in (Chunks { rest: body }) {
        match &chunk.id {
            b"fmt " => format = Some(Format::parse(chunk.whole())?),
            b"ds64" => long = long_data(chunk.whole()),
            b"data" => {
                let format = format.ok_or(WavError::NoFormat)?;
                return format.clip(chunk.data(long));
            }
            _ => {}
        }
    }
    Err(if format.is_some() { WavError::NoData } else { WavError::NoFormat })
}

/// Reads µ-law at 8 kHz without any header (`audio/ulaw`, `audio/basic`), or G.711 in an AU file,
/// which is what web servers often mean by `audio/basic`.
pub fn read_ulaw(bytes: &[u8]) -> Result<Clip, WavError> {
    if bytes.starts_with(b".snd") {
        let (format, data) = au(bytes)?;
        return format.clip(data);
    }
    Format { encoding: Encoding::Companded(Codec::Pcmu), width: 1, channels: 1, rate: RATE }
        .clip(bytes)
}

/// A WAV file of 16-bit samples at [`RATE`], interleaved if there are several channels.
pub fn write(samples: &[i16], channels: u16) -> Vec<u8> {
    let header = Header::new(channels);
    let samples = &samples[..samples.len().min(Header::MAX_DATA as usize / 2)];
    let mut file = Vec::with_capacity(Header::LENGTH + samples.len() * 2);
    file.extend_from_slice(&header.to_bytes(samples.len() as u32 * 2));
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// The canonical header of a PCM file, written again and again while the file grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Samples of one instant.
    pub channels: u16,
    /// Instants a second.
    pub rate: u32,
    /// Bits of one sample: 8, 16, 24 or 32.
    pub bits: u16,
}

impl Header {
    /// Its bytes; the sound follows at once.
    pub const LENGTH: usize = 44;
    /// The most bytes of sound whose file its 32-bit lengths can tell.
    pub const MAX_DATA: u32 = u32::MAX - Self::LENGTH as u32;

    /// 16-bit samples at [`RATE`].
    pub fn new(channels: u16) -> Self {
        Header { channels, rate: RATE, bits: 16 }
    }

    /// Bytes of one instant.
    pub fn block(self) -> u16 {
        self.channels.saturating_mul(self.bits / 8)
    }

    /// The header of a file with so many bytes of sound, [`Self::MAX_DATA`] at most.
    pub fn to_bytes(self, data: u32) -> [u8; Self::LENGTH] {
        let data = data.min(Self::MAX_DATA);
        // Chunks are padded to whole words, and the file's length counts the padding.
        let file = data + data % 2 + (Self::LENGTH as u32 - 8);
        let block = self.block();
        let mut bytes = [0; Self::LENGTH];
        bytes[0..4].copy_from_slice(b"RIFF");
        bytes[4..8].copy_from_slice(&file.to_le_bytes());
        bytes[8..16].copy_from_slice(b"WAVEfmt ");
        bytes[16..20].copy_from_slice(&16u32.to_le_bytes());
        bytes[20..22].copy_from_slice(&PCM.to_le_bytes());
        bytes[22..24].copy_from_slice(&self.channels.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.rate.to_le_bytes());
        let second = self.rate.saturating_mul(u32::from(block));
        bytes[28..32].copy_from_slice(&second.to_le_bytes());
        bytes[32..34].copy_from_slice(&block.to_le_bytes());
        bytes[34..36].copy_from_slice(&self.bits.to_le_bytes());
        bytes[36..40].copy_from_slice(b"data");
        bytes[40..44].copy_from_slice(&data.to_le_bytes());
        bytes
    }

    /// Reads back what [`Self::to_bytes`] wrote, and how many bytes of sound it tells; `None` if
    /// it is another header, or one that was never completely written.
    pub fn parse(bytes: &[u8]) -> Option<(Header, u32)> {
        let bytes = bytes.first_chunk::<{ Self::LENGTH }>()?;
        let [channels, bits] = [22, 34].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let [rate, data] = [24, 40]
            .map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
        let header = Header { channels, rate, bits };
        (header.block() > 0 && header.to_bytes(data) == *bytes).then_some((header, data))
    }
}

/// Why a file cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WavError {
    /// It does not begin as WAV files do.
    NotWave {
        /// What it seems to be instead.
        found: &'static str,
    },
    /// There is no description of the sound, or it is cut short.
    NoFormat,
    /// There is no sound in it.
    NoData,
    /// The sound is coded in a way that is not read.
    Encoding {
        /// The format's number in the file.
        format: u32,
        /// Bits of a sample.
        bits: u16,
    },
    /// It says that it has no channels.
    NoChannels,
    /// Samples come too slowly or too quickly.
    Rate(u32),
    /// It is longer than [`MAX_SECONDS`].
    TooLong {
        /// How long it is.
        seconds: u64,
    },
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            WavError::NotWave { found } => write!(f, "not a WAV file but {found}"),
            WavError::NoFormat => f.write_str("WAV file without a complete `fmt ` chunk"),
            WavError::NoData => f.write_str("WAV file without a `data` chunk"),
            WavError::Encoding { format, bits } => {
                let name = encoding_name(format);
                write!(f, "WAV format {format:#06x} ({name}) of {bits} bits is not supported")
            }
            WavError::NoChannels => f.write_str("WAV file with no channels"),
            WavError::Rate(rate) => write!(f, "{rate} samples a second are not supported"),
            WavError::TooLong { seconds } => {
                let (most, minutes) = (MAX_SECONDS / 60, seconds / 60);
                return write!(f, "sound of {minutes} minutes; at most {most} can be played");
            }
        }?;
        f.write_str(
            "; supported is WAV with PCM of 8, 16, 24 or 32 bits, float, G.711 µ-law or A-law, \
             at 1 to 384 kHz",
        )
    }
}

impl std::error::Error for WavError {}

impl WavError {
    /// Always whoever chose the file.
    pub fn fault(self) -> Fault {
        Fault::Application
    }
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const ALAW: u16 = 6;
const MULAW: u16 = 7;
const EXTENSIBLE: u16 = 0xFFFE;
/// A length that was not known when it was written: streams, growing files, RF64.
const UNKNOWN: u32 = u32::MAX;

/// How sound lies in a file.
#[derive(Clone, Copy, Debug)]
struct Format {
    encoding: Encoding,
    /// Bytes of a sample; 1 to 4 for PCM, 4 or 8 for float, 1 for G.711.
    width: usize,
    /// At least 1.
    channels: u16,
    rate: u32,
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Pcm,
    Float,
    Companded(Codec),
}

impl Format {
    /// Reads a `fmt ` chunk.
    fn parse(chunk: &[u8]) -> Result<Format, WavError> {
        let &[f0, f1, c0, c1, r0, r1, r2, r3, _, _, _, _, a0, a1, b0, b1] =
            chunk.first_chunk::<16>().ok_or(WavError::NoFormat)?;
        let mut code = u16::from_le_bytes([f0, f1]);
        if code == EXTENSIBLE {
            // The GUID of the real format begins with its number.
            let guid = chunk.get(24..26).ok_or(WavError::NoFormat)?;
            code = u16::from_le_bytes([guid[0], guid[1]]);
        }
        let channels = u16::from_le_bytes([c0, c1]);
        let (align, bits) = (u16::from_le_bytes([a0, a1]), u16::from_le_bytes([b0, b1]));
        if channels == 0 {
            return Err(WavError::NoChannels);
        }
        // Samples of odd sizes (20 bits) lie in whole bytes at their upper end, so that the size
        // of a block, not the bits, says how wide they are.
        let width = match align % channels {
            0 if align > 0 => align / channels,
            _ => bits.div_ceil(8),
        };
        let encoding = match (code, width) {
            (PCM, 1..=4) => Encoding::Pcm,
            (FLOAT, 4 | 8) => Encoding::Float,
            (ALAW, 1) => Encoding::Companded(Codec::Pcma),
            (MULAW, 1) => Encoding::Companded(Codec::Pcmu),
            _ => return Err(WavError::Encoding { format: code.into(), bits }),
        };
        let rate = u32::from_le_bytes([r0, r1, r2, r3]);
        Ok(Format { encoding, width: width.into(), channels, rate })
    }

    /// Decodes, mixes and converts. An incomplete block at the end is left out.
    fn clip(self, data: &[u8]) -> Result<Clip, WavError> {
        let resampler = Resampler::new(self.rate, RATE).ok_or(WavError::Rate(self.rate))?;
        let block = self.width * usize::from(self.channels);
        let seconds = (data.len() / block) as u64 / u64::from(self.rate);
        if seconds >= MAX_SECONDS {
            return Err(WavError::TooLong { seconds });
        }
        let decode = self.decoder();
        let mix = |instant: &[u8]| {
            let sum: i32 = instant.chunks_exact(self.width).map(|s| i32::from(decode(s))).sum();
            (sum / i32::from(self.channels)) as i16
        };
        let mono: Vec<i16> = data.chunks_exact(block).map(mix).collect();
        if self.rate == RATE {
            return Ok(Clip::new(mono));
        }
        Ok(Clip::new(resampler.resample(&mono)))
    }

    /// What makes a sample of `width` bytes.
    fn decoder(self) -> fn(&[u8]) -> i16 {
        match self.encoding {
            Encoding::Pcm if self.width == 1 => unsigned,
            Encoding::Pcm => signed,
            Encoding::Float => float,
            Encoding::Companded(Codec::Pcmu) => pcmu,
            Encoding::Companded(Codec::Pcma) => pcma,
        }
    }
}

/// Samples of up to 8 bits are unsigned; all wider ones are signed.
fn unsigned(bytes: &[u8]) -> i16 {
    bytes.first().map_or(0, |&byte| (i16::from(byte) - 0x80) << 8)
}

fn signed(bytes: &[u8]) -> i16 {
    let top = bytes.iter().rev().take(4).fold(0, |value, &byte| value << 8 | u32::from(byte));
    let value = (top << (32 - 8 * bytes.len().clamp(1, 4))) as i32;
    (value.saturating_add(0x8000) >> 16) as i16
}

fn float(bytes: &[u8]) -> i16 {
    let value = match (bytes.try_into(), bytes.try_into()) {
        (Ok(single), _) => f64::from(f32::from_le_bytes(single)),
        (_, Ok(double)) => f64::from_le_bytes(double),
        _ => 0.0,
    };
    // The cast saturates, and turns NaN into silence.
    (value * 32_768.0).round() as i16
}

fn pcmu(bytes: &[u8]) -> i16 {
    bytes.first().map_or(0, |&code| Codec::Pcmu.decode_sample(code))
}

fn pcma(bytes: &[u8]) -> i16 {
    bytes.first().map_or(0, |&code| Codec::Pcma.decode_sample(code))
}

/// A chunk; `rest` is everything from its body to the end of the file.
struct Chunk<'a> {
    id: [u8; 4],
    size: u32,
    rest: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The body as its size says, or as much of it as there is.
    fn whole(&self) -> &'a [u8] {
        &self.rest[..self.rest.len().min(self.size as usize)]
    }

    /// The body of `data`, whose size may not be known yet; `long` is its size in RF64.
    fn data(&self, long: Option<u64>) -> &'a [u8] {
        match (self.size, long) {
            (UNKNOWN, Some(size)) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                &self.rest[..self.rest.len().min(size)]
            }
            // Sound is being appended, unless really nothing but other chunks follows.
            (0, _) if !begins_chunk(self.rest) => self.rest,
            _ => self.whole(),
        }
    }
}

/// The chunks of a file, in order.
struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (&[i0, i1, i2, i3, s0, s1, s2, s3], rest) = self.rest.split_first_chunk::<8>()?;
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        // Chunks begin at even positions, though not all writers pad; those are told by what
        // stands where a chunk should begin.
        let (end, padded) = (size as usize, (size as usize).saturating_add(size as usize % 2));
        let skip = if size % 2 == 1
            && rest.get(end..).is_some_and(begins_chunk)
            && !rest.get(padded..).is_some_and(begins_chunk)
        {
            end
        } else {
            padded
        };
        self.rest = rest.get(skip..).unwrap_or_default();
        Some(Chunk { id: [i0, i1, i2, i3], size, rest })
    }
}

/// Whether a chunk begins here: a name in letters, and a size that the file has room for.
fn begins_chunk(bytes: &[u8]) -> bool {
    let Some((&[i0, i1, i2, i3, s0, s1, s2, s3], rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    let named = [i0, i1, i2, i3].iter().all(|byte| (b' '..=b'~').contains(byte));
    named && u32::from_le_bytes([s0, s1, s2, s3]) as usize <= rest.len()
}

/// The size of `data` in RF64's own chunk, which tells the file's size first.
fn long_data(chunk: &[u8]) -> Option<u64> {
    chunk.get(8..)?.first_chunk().map(|size| u64::from_le_bytes(*size))
}

/// Reads the header of an AU file: big-endian words. Only its G.711 encodings are known here.
fn au(bytes: &[u8]) -> Result<(Format, &[u8]), WavError> {
    let mut words =
        bytes.chunks_exact(4).map(|word| word.iter().fold(0, |w, &b| w << 8 | u32::from(b)));
    let mut word = || words.next().ok_or(WavError::NoFormat);
    let (_magic, start, size) = (word()?, word()?, word()?);
    let (encoding, rate, channels) = (word()?, word()?, word()?);
    let codec = match encoding {
        1 => Codec::Pcmu,
        27 => Codec::Pcma,
        _ => return Err(WavError::NotWave { found: "an AU file without G.711" }),
    };
    let channels = u16::try_from(channels).map_err(|_| WavError::NoFormat)?;
    if channels == 0 {
        return Err(WavError::NoChannels);
    }
    let data = bytes.get(start as usize..).ok_or(WavError::NoData)?;
    let data = if size == UNKNOWN { data } else { &data[..data.len().min(size as usize)] };
    Ok((Format { encoding: Encoding::Companded(codec), width: 1, channels, rate }, data))
}

/// What a file seems to be, for people who have to put it right.
fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "empty",
        [b'I', b'D', b'3', ..] | [0xFF, 0xF2 | 0xF3 | 0xFA | 0xFB, ..] => "MP3",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'f', b'L', b'a', b'C', ..] => "FLAC",
        [b'F', b'O', b'R', b'M', ..] => "AIFF",
        [b'.', b's', b'n', b'd', ..] => "AU",
        [b'R', b'I', b'F', b'X', ..] => "big-endian WAV (RIFX)",
        [b'R', b'I', b'F', b'F', ..] => "RIFF without sound, or cut short",
        [b'<', ..] => "a web page or other markup",
        _ => "of an unknown kind",
    }
}

/// What people call a format.
fn encoding_name(format: u32) -> &'static str {
    match format {
        1 => "PCM",
        2 => "Microsoft ADPCM",
        3 => "float",
        6 => "A-law",
        7 => "µ-law",
        0x11 => "IMA ADPCM",
        0x31 => "GSM 06.10",
        0x40 | 0x45 | 0x64 => "G.726",
        0x50 => "MPEG",
        0x55 => "MP3",
        0x65 => "G.722",
        0x83 => "G.729",
        _ => "of an unknown kind",
    }
}

#[cfg(test)]
mod tests;
