//! Every target over its corpus and a little damage to it: nothing that was ever found comes back.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use offhook::base::Rng;

use crate::fuzz_targets::{self, Target};
use crate::guest_targets;

/// Damaged copies of each input.
const DAMAGED: u64 = 4;
/// A target's corpus stays small enough to be looked at.
const LARGEST: u64 = 200_000;

fn targets() -> impl Iterator<Item = &'static Target> {
    fuzz_targets::TARGETS.iter().chain(guest_targets::TARGETS)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
}

fn damaged(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(3) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next_u32() as u8),
            _ => bytes.get_mut(at).map(|byte| *byte = rng.next_u32() as u8).unwrap_or_default(),
        }
    }
    bytes
}

#[test]
fn every_target_takes_its_corpus_and_more() {
    let mut rng = Rng::from_number(2026);
    for (name, run) in targets() {
        let paths = inputs(&root().join("fuzz/corpus").join(name));
        assert!(!paths.is_empty(), "fuzz/corpus/{name} is empty");
        let size: u64 = paths.iter().map(|path| path.metadata().expect("a file").len()).sum();
        assert!(size <= LARGEST, "fuzz/corpus/{name} has {size} bytes");
        for path in paths {
            let input = std::fs::read(&path).expect("a file");
            let shown = path.display();
            assert!(catch_unwind(|| run(&input)).is_ok(), "{name}: {shown}");
            for round in 0..DAMAGED {
                let input = damaged(&mut rng, &input);
                let taken = catch_unwind(|| run(&input));
                assert!(taken.is_ok(), "{name}: {shown}, damage {round}: {input:?}");
            }
        }
    }
}

#[test]
fn the_tables_and_the_folders_agree() {
    let folder = root().join("fuzz/corpus");
    let mut folders: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut names: Vec<&str> = targets().map(|(name, _)| *name).collect();
    assert!(fuzz_targets::TARGETS.is_sorted_by_key(|(name, _)| *name));
    names.sort_unstable();
    assert_eq!(folders, names, "each target has a corpus");
}
