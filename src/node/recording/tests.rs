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
fn trimming_cuts_silence_at_both_ends_only() {
    let folder = tempfile::tempdir().unwrap();
    let sound: Vec<i16> = [vec![0; 1_600], vec![900; 320], vec![0; 480], vec![-900; 160]].concat();
    let mut file = RecordingFile::create(folder.path(), sid(4), 1).unwrap();
    file.write(&sound).unwrap();
    file.write(&[0; 70_000]).unwrap();
    file.finish(true).unwrap();
    assert_eq!(read(&path(folder.path(), sid(4))), (1, sound[1_600..].to_vec()));
    let mut silent = RecordingFile::create(folder.path(), sid(5), 1).unwrap();
    silent.write(&[0; 1_600]).unwrap();
    silent.finish(true).unwrap();
    assert_eq!(read(&path(folder.path(), sid(5))), (1, vec![]));
}
