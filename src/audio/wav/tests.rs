use super::*;
use crate::audio::goertzel::{loudest_frequency, power_at};
use crate::audio::tone::Tone;
use crate::base::{Duration, Rng};

/// A file of any format, as strangers write it.
struct File {
    format: u16,
    channels: u16,
    rate: u32,
    bits: u16,
    data: Vec<u8>,
}

impl File {
    fn new(format: u16, bits: u16, data: Vec<u8>) -> Self {
        File { format, channels: 1, rate: RATE, bits, data }
    }

    fn format_chunk(&self) -> Vec<u8> {
        let align = self.channels * self.bits.div_ceil(8);
        let mut chunk = Vec::new();
        chunk.extend(self.format.to_le_bytes());
        chunk.extend(self.channels.to_le_bytes());
        chunk.extend(self.rate.to_le_bytes());
        chunk.extend((self.rate * u32::from(align)).to_le_bytes());
        chunk.extend(align.to_le_bytes());
        chunk.extend(self.bits.to_le_bytes());
        chunk
    }

    fn bytes(&self) -> Vec<u8> {
        file(&[(b"fmt ", 16, &self.format_chunk()), (b"data", self.data.len() as u32, &self.data)])
    }

    fn read(&self) -> Result<Vec<i16>, WavError> {
        read(&self.bytes()).map(|clip| clip.samples().to_vec())
    }
}

/// Chunks with the sizes that they claim, each padded to a whole word.
fn file(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    for (id, size, body) in chunks {
        bytes.extend(*id);
        bytes.extend(size.to_le_bytes());
        bytes.extend(*body);
        bytes.resize(bytes.len() + body.len() % 2, 0);
    }
    let length = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn sound() -> Vec<i16> {
    Tone::new(&[(440.0, -10.0)]).samples(Duration::from_millis(200))
}

fn little_endian(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let samples = sound();
    let clip = read(&write(&samples, 1)).unwrap();
    assert_eq!(clip.samples(), samples);
    let extremes = [i16::MIN, -1, 0, 1, i16::MAX];
    assert_eq!(read(&write(&extremes, 1)).unwrap().samples(), extremes);
}

#[test]
fn every_encoding_gives_the_same_sound() {
    let samples = sound();
    let wide = |width: usize| -> Vec<u8> {
        let words = samples.iter().map(|&sample| (i32::from(sample) << 16).to_le_bytes());
        words.flat_map(|word| word[4 - width..].to_vec()).collect()
    };
    for bits in [20, 24, 32] {
        let width = usize::from(bits).div_ceil(8);
        assert_eq!(File::new(PCM, bits, wide(width)).read().unwrap(), samples, "{bits} bits");
    }
    let single = samples.iter().flat_map(|&s| (f32::from(s) / 32_768.0).to_le_bytes()).collect();
    assert_eq!(File::new(FLOAT, 32, single).read().unwrap(), samples);
    let double = samples.iter().flat_map(|&s| (f64::from(s) / 32_768.0).to_le_bytes()).collect();
    assert_eq!(File::new(FLOAT, 64, double).read().unwrap(), samples);
    let eight = samples.iter().map(|&sample| ((sample >> 8) + 128) as u8).collect();
    for (&read, &sample) in File::new(PCM, 8, eight).read().unwrap().iter().zip(&samples) {
        assert_eq!(read, sample & !0xFF);
    }
    for (format, codec) in [(MULAW, Codec::Pcmu), (ALAW, Codec::Pcma)] {
        let mut codes = Vec::new();
        codec.encode(&samples, &mut codes);
        let mut decoded = Vec::new();
        codec.decode(&codes, &mut decoded);
        assert_eq!(File::new(format, 8, codes).read().unwrap(), decoded, "{codec:?}");
    }
}

#[test]
fn samples_beyond_their_range_saturate_and_nan_is_silence() {
    let values = [2.0, -2.0, f32::NAN, f32::INFINITY, -1.0, 0.5];
    let data = values.iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
    let read = File::new(FLOAT, 32, data).read().unwrap();
    assert_eq!(read, [i16::MAX, i16::MIN, 0, i16::MAX, i16::MIN, 16_384]);
    let top = File::new(PCM, 32, i32::MAX.to_le_bytes().to_vec());
    assert_eq!(top.read().unwrap(), [i16::MAX], "rounding does not wrap");
}

#[test]
fn the_extensible_format_names_the_real_one_by_guid() {
    let samples = sound();
    let inner = File::new(PCM, 16, Vec::new());
    let mut chunk = File { format: EXTENSIBLE, ..inner }.format_chunk();
    chunk.extend([22, 0, 16, 0, 4, 0, 0, 0]);
    chunk.extend(PCM.to_le_bytes());
    chunk.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    let data = little_endian(&samples);
    let bytes = file(&[(b"fmt ", 40, &chunk), (b"data", data.len() as u32, &data)]);
    assert_eq!(read(&bytes).unwrap().samples(), samples);
    let cut = file(&[(b"fmt ", 18, &chunk[..18]), (b"data", data.len() as u32, &data)]);
    assert_eq!(read(&cut), Err(WavError::NoFormat));
}

#[test]
fn channels_are_averaged() {
    let stereo = [1_000, 3_000, -32_768, -32_768, 32_767, 32_767, 5, -5];
    assert_eq!(read(&write(&stereo, 2)).unwrap().samples(), [2_000, -32_768, 32_767, 0]);
    let many = vec![i16::MIN; 65_535 / 2];
    assert_eq!(read(&write(&many, 65_535 / 2)).unwrap().samples(), [i16::MIN]);
    let half = write(&[7, 7, 9], 2);
    assert_eq!(read(&half).unwrap().samples(), [7], "half of a block is no sound");
}

#[test]
fn other_rates_keep_pitch_and_length_and_do_not_fold() {
    for rate in [11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
        let sine = |hz: f64| -> Vec<u8> {
            let step = std::f64::consts::TAU * hz / f64::from(rate);
            let samples: Vec<i16> =
                (0..rate / 2).map(|n| ((f64::from(n) * step).sin() * 8_000.0) as i16).collect();
            little_endian(&samples)
        };
        let low = File { rate, ..File::new(PCM, 16, sine(1_000.0)) }.read().unwrap();
        assert!(low.len().abs_diff(4_000) <= 1, "{rate}: {}", low.len());
        let found = loudest_frequency(&low).unwrap();
        assert!((found - 1_000.0).abs() < 10.0, "{rate}: {found} Hz");
        if rate >= 16_000 {
            let high = File { rate, ..File::new(PCM, 16, sine(5_000.0)) }.read().unwrap();
            let (folded, wanted) = (power_at(&high[400..3_600], 3_000.0), power_at(&low, 1_000.0));
            assert!(folded < wanted / 1e5, "{rate}");
        }
    }
    for rate in [0, 999, 384_001, u32::MAX] {
        let file = File { rate, ..File::new(PCM, 8, vec![128; 8]) };
        let mut bytes = File::new(PCM, 8, file.data).bytes();
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        assert_eq!(read(&bytes), Err(WavError::Rate(rate)));
    }
}

#[test]
fn other_chunks_are_passed_over_whether_padded_or_not() {
    let samples = sound();
    let (format, data) = (File::new(PCM, 16, Vec::new()).format_chunk(), little_endian(&samples));
    let size = data.len() as u32;
    let bytes = file(&[
        (b"LIST", 5, b"notes"),
        (b"fmt ", 16, &format),
        (b"fact", 4, &[0; 4]),
        (b"data", size, &data),
        (b"id3 ", 4, b"more"),
    ]);
    assert_eq!(read(&bytes).unwrap().samples(), samples);
    let mut unpadded = b"RIFF\0\0\0\0WAVELIST\x05\0\0\0notes".to_vec();
    unpadded.extend_from_slice(&File::new(PCM, 16, data).bytes()[12..]);
    assert_eq!(read(&unpadded).unwrap().samples(), samples);
}

#[test]
fn sizes_of_growing_and_cut_files_are_believed_as_far_as_the_bytes_go() {
    let samples = sound();
    let (format, data) = (File::new(PCM, 16, Vec::new()).format_chunk(), little_endian(&samples));
    for size in [0, u32::MAX, u32::MAX - 1, 0x7FFF_F000, data.len() as u32 + 2] {
        let bytes = file(&[(b"fmt ", 16, &format), (b"data", size, &data)]);
        assert_eq!(read(&bytes).unwrap().samples(), samples, "{size:#x}");
    }
    let empty = file(&[(b"fmt ", 16, &format), (b"data", 0, &[]), (b"LIST", 4, b"INFO")]);
    assert_eq!(read(&empty).unwrap().samples(), [0i16; 0], "what follows is not sound");
    let whole = write(&samples, 1);
    let cut = read(&whole[..Header::LENGTH + 101]).unwrap();
    assert_eq!(cut.samples(), &samples[..50]);
    assert_eq!(read(&whole[..Header::LENGTH]).unwrap().samples(), [0i16; 0]);
}

#[test]
fn the_long_size_of_rf64_ends_the_sound() {
    let samples = sound();
    let (format, data) = (File::new(PCM, 16, Vec::new()).format_chunk(), little_endian(&samples));
    let mut sizes = vec![0; 28];
    sizes[8..16].copy_from_slice(&(data.len() as u64).to_le_bytes());
    let mut bytes = file(&[
        (b"ds64", 28, &sizes),
        (b"fmt ", 16, &format),
        (b"data", u32::MAX, &data),
        (b"LIST", 4, b"INFO"),
    ]);
    bytes[..4].copy_from_slice(b"RF64");
    assert_eq!(read(&bytes).unwrap().samples(), samples);
}

#[test]
fn errors_say_what_is_wrong_and_what_would_be_right() {
    let text = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(text(b"ID3\x03\0").starts_with("not a WAV file but MP3; supported is WAV with PCM"));
    assert!(text(b"").contains("but empty"));
    assert!(text(b"<!doctype html>").contains("web page"));
    assert!(text(b"RIFF\0\0\0\0AVI LIST").contains("without sound"));
    assert_eq!(read(b"RIFF\0\0\0\0WAVE"), Err(WavError::NoFormat));
    let data_first = file(&[(b"data", 2, &[0, 0])]);
    assert_eq!(read(&data_first), Err(WavError::NoFormat));
    let format = File::new(PCM, 16, Vec::new()).format_chunk();
    assert_eq!(read(&file(&[(b"fmt ", 16, &format)])), Err(WavError::NoData));
    assert_eq!(read(&file(&[(b"fmt ", 8, &format[..8])])), Err(WavError::NoFormat));
    let gsm = File::new(0x31, 0, vec![0; 65]).read().unwrap_err();
    assert_eq!(gsm, WavError::Encoding { format: 0x31, bits: 0 });
    assert!(gsm.to_string().contains("0x0031 (GSM 06.10)"), "{gsm}");
    let none = File { channels: 0, ..File::new(PCM, 16, Vec::new()) };
    assert_eq!(none.read(), Err(WavError::NoChannels));
    assert_eq!(gsm.fault(), Fault::Application);
}

#[test]
fn sound_beyond_the_bound_is_refused_before_it_is_decoded() {
    let seconds = MAX_SECONDS as usize;
    let long = File { rate: 1_000, ..File::new(PCM, 8, vec![128; 1_000 * seconds]) };
    assert_eq!(long.read(), Err(WavError::TooLong { seconds: MAX_SECONDS }));
    assert!(long.read().unwrap_err().to_string().contains("120 minutes; at most 120"));
    assert!(read_ulaw(&vec![0xFF; 8_000 * seconds]).is_err());
}

#[test]
fn bare_mulaw_and_au_files_are_read() {
    assert_eq!(read_ulaw(&[0xFF, 0x80, 0x00]).unwrap().samples(), [0, 32_124, -32_124]);
    let mut au = b".snd".to_vec();
    for word in [28, u32::MAX, 1, 8_000, 1, 0] {
        au.extend(u32::to_be_bytes(word));
    }
    au.extend([0xFF, 0x80, 0x00]);
    assert_eq!(read_ulaw(&au).unwrap().samples(), [0, 32_124, -32_124]);
    au[11] = 2;
    assert_eq!(read_ulaw(&au).unwrap().samples().len(), 3, "size beyond the file");
    au[8..12].copy_from_slice(&[0, 0, 0, 2]);
    assert_eq!(read_ulaw(&au).unwrap().samples().len(), 2, "size of the header");
    au[15] = 3;
    assert!(read_ulaw(&au).unwrap_err().to_string().contains("AU file without G.711"));
    assert_eq!(read_ulaw(b".snd\0\0"), Err(WavError::NoFormat));
}

#[test]
fn headers_are_canonical_and_read_back() {
    let header = Header::new(2);
    let bytes = header.to_bytes(3_200);
    assert_eq!(bytes[4..8], 3_236u32.to_le_bytes());
    assert_eq!(bytes[28..34], [0x00, 0x7D, 0, 0, 4, 0], "32000 bytes a second in blocks of 4");
    assert_eq!(Header::parse(&bytes), Some((header, 3_200)));
    assert_eq!(Header::parse(&bytes[..43]), None);
    assert_eq!(Header::parse(&[0; 44]), None, "never completely written");
    let full = Header::new(1).to_bytes(u32::MAX);
    assert_eq!(Header::parse(&full), Some((Header::new(1), Header::MAX_DATA)));
    let odd = Header { channels: 1, rate: RATE, bits: 8 }.to_bytes(3);
    assert_eq!(odd[4..8], 40u32.to_le_bytes(), "the padding is counted");
}

#[test]
fn no_file_panics() {
    let mut rng = Rng::from_number(8_263);
    let samples = sound();
    let mut seeds = vec![write(&samples[..200], 1), write(&samples[..200], 2)];
    seeds.push(File { rate: 44_100, ..File::new(FLOAT, 32, vec![0x3D; 400]) }.bytes());
    seeds.push(File::new(EXTENSIBLE, 16, vec![1; 100]).bytes());
    seeds.push([b".snd".as_slice(), &[0, 0, 0, 24], &[0; 60]].concat());
    for _ in 0..4_000 {
        let mut bytes = seeds[rng.below(seeds.len() as u64) as usize].clone();
        for _ in 0..1 + rng.below(8) {
            let at = rng.below(60.min(bytes.len() as u64)) as usize;
            // The rate's upper bytes stay mostly, or every other file would only have a bad rate.
            if !(25..28).contains(&at) || rng.below(8) == 0 {
                bytes[at] = rng.next_u32() as u8;
            }
        }
        if rng.below(3) == 0 {
            bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
        }
        if let Ok(clip) = read(&bytes) {
            assert!(clip.samples().len() <= bytes.len() * 8 + 1);
        }
        let _ = read_ulaw(&bytes);
        if let Some((header, data)) = Header::parse(&bytes) {
            assert_eq!(header.to_bytes(data), bytes[..Header::LENGTH]);
        }
    }
}
