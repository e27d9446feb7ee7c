use super::*;
use crate::base::Rng;

fn sid(number: u64) -> RecordingSid {
    RecordingSid::random(&mut Rng::from_number(number))
}

/// What a strict reader finds: channels and samples, after checking every size.
fn read(path: &Path) -> (u16, Vec<i16>) {
    let bytes = std::fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(
        (&bytes[..4], &bytes[8..16], &bytes[36..40]),
        (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..])
    );
    assert_eq!((word(4), word(40)), (bytes.len() - 8, bytes.len() - 44));
    assert_eq!(word(24), 8_000);
    let samples = bytes[44..].chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    (u16::from_le_bytes([bytes[22], bytes[23]]), samples.collect())
}

#[test]
fn a_finished_file_holds_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = RecordingFile::create(folder.path(), sid(1), 2).unwrap();
    file.write(&[1, -2, 3, -4]).unwrap();
    file.write(&[5, 6]).unwrap();
    file.finish(false).unwrap();
    assert_eq!(read(&path(folder.path(), sid(1))), (2, vec![1, -2, 3, -4, 5, 6]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");
}

#[test]
fn what_a_killed_process_left_is_completed_to_its_last_sample() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = RecordingFile::create(folder.path(), sid(2), 1).unwrap();
    file.write(&[7; 8_000]).unwrap();
    // Gone without a word: the header still says what it said first.
    drop(file);
    std::fs::write(folder.path().join(format!("{}.part.wav", sid(3))), b"RI").unwrap();
    std::fs::write(folder.path().join("notes.part.wav"), b"of somebody else").unwrap();
    let mut expected = vec![
        Leftover { recording: sid(2), length: Duration::from_secs(1) },
        Leftover { recording: sid(3), length: Duration::ZERO },
    ];
    expected.sort_by_key(|leftover| leftover.recording);
    assert_eq!(repair(folder.path()).unwrap(), expected);
    assert_eq!(read(&path(folder.path(), sid(2))), (1, vec![7; 8_000]));
    assert_eq!(read(&path(folder.path(), sid(3))), (1, vec![]));
    assert_eq!(repair(folder.path()).unwrap(), [], "nothing is repaired twice");
    assert!(folder.path().join("notes.part.wav").exists());
}

#[test]
fn a_file_that_has_its_name_is_measured_and_a_header_that_lies_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = RecordingFile::create(folder.path(), sid(5), 2).unwrap();
    file.write(&[9; 24_000]).unwrap();
    file.finish(false).unwrap();
    let whole = path(folder.path(), sid(5));
    let (before, length) = (std::fs::read(&whole).unwrap(), Duration::from_millis(1_500));
    assert_eq!(super::length(folder.path(), sid(5)).unwrap(), Some(length));
    assert_eq!(std::fs::read(&whole).unwrap(), before, "a sound file stays as it is");
    // Half a frame too much, and a header of the first moment.
    let mut lying = before.clone();
    lying[..44].copy_from_slice(&crate::audio::wav::Header::new(2).to_bytes(0));
    lying.push(1);
    std::fs::write(&whole, lying).unwrap();
    assert_eq!(super::length(folder.path(), sid(5)).unwrap(), Some(length));
    assert_eq!(std::fs::read(&whole).unwrap(), before);
    assert_eq!(super::length(folder.path(), sid(6)).unwrap(), None);
}

/// Noise with a mean square of `decibels` below full scale.
fn noise(rng: &mut Rng, decibels: f64, frames: usize) -> Vec<i16> {
    let peak = 32_768.0 * 10f64.powf(decibels / 20.0) * 3f64.sqrt();
    (0..frames * 160).map(|_| ((rng.unit() * 2.0 - 1.0) * peak) as i16).collect()
}

/// What trimming leaves of a recording.
fn trimmed(sound: &[i16], channels: u16) -> Vec<i16> {
    let folder = tempfile::tempdir().unwrap();
    let mut file = RecordingFile::create(folder.path(), sid(4), channels).unwrap();
    file.write(sound).unwrap();
    file.finish(true).unwrap();
    let (written, samples) = read(&path(folder.path(), sid(4)));
    assert_eq!(written, channels);
    samples
}

#[test]
fn trimming_cuts_silence_at_both_ends_only() {
    let mut rng = Rng::from_number(8);
    for (line, voice) in [(-100.0, -20.0), (-60.0, -45.0), (-46.0, -25.0)] {
        let mut sound = noise(&mut rng, line, 700);
        // Two words with a second between them, from 2 s to 4 s.
        for (from, frames) in [(100, 20), (170, 30)] {
            let word = noise(&mut rng, voice, frames);
            sound[from * 160..][..word.len()].copy_from_slice(&word);
        }
        let kept = trimmed(&sound, 1);
        let start = sound.windows(kept.len()).position(|part| part == kept).unwrap() / 160;
        let end = start + kept.len() / 160;
        assert!((90..=100).contains(&start), "{line} dB: from frame {start}");
        assert!((200..=210).contains(&end), "{line} dB: to frame {end}");
    }
}

#[test]
fn nothing_is_left_of_the_noise_of_a_line() {
    let mut rng = Rng::from_number(9);
    for level in [-100.0, -60.0, -46.0] {
        assert!(trimmed(&noise(&mut rng, level, 200), 1).is_empty(), "{level} dB");
    }
}

#[test]
fn trimming_keeps_what_either_party_says() {
    let mut rng = Rng::from_number(10);
    let [own, mut other] = [(); 2].map(|()| noise(&mut rng, -46.0, 300));
    let word = noise(&mut rng, -25.0, 40);
    other[100 * 160..][..word.len()].copy_from_slice(&word);
    let both: Vec<i16> = own.iter().zip(&other).flat_map(|(&a, &b)| [a, b]).collect();
    let frames = trimmed(&both, 2).len() / 320;
    assert!((40..=60).contains(&frames), "{frames} frames");
}

#[test]
fn a_first_quiet_word_is_kept_whole() {
    let mut rng = Rng::from_number(11);
    let mut sound = noise(&mut rng, -45.0, 30);
    sound.extend(noise(&mut rng, -68.0, 200));
    let frames = trimmed(&sound, 1).len() / 160;
    assert!((30..=40).contains(&frames), "{frames} frames");
}

#[test]
fn packets_that_never_came_are_no_measure_of_the_line() {
    let mut rng = Rng::from_number(12);
    let mut sound = noise(&mut rng, -46.0, 300);
    sound[50 * 160..60 * 160].fill(0);
    assert!(trimmed(&sound, 1).is_empty());
}
