//! Walks a folder of the project: the files in it and in its folders, hidden ones left out.
//!
//! Links to folders are followed, after all that is there without them, and none within itself: a
//! few links in circles would make endless names of one file.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Entries of folders that are looked at.
const MAX_ENTRIES: usize = 50_000;
/// Folders in folders; what lies deeper are packages' insides.
const MAX_DEPTH: usize = 8;
/// Folders that are reached by a link, or another way than the first: links to folders of links
/// multiply.
const MOST_LINKED: usize = 100;

/// What tells one folder from another, by whatever path.
type Identity = (u64, u64);

struct Folder {
    path: PathBuf,
    /// What names in it begin with.
    prefix: String,
    /// The folders that it lies in.
    around: Vec<Identity>,
}

/// Tells of every file: what its name begins with, its name, and where it is.
pub(super) fn walk(dir: &Path, mut tell: impl FnMut(&str, &str, PathBuf)) {
    let top = Folder { path: dir.to_owned(), prefix: String::new(), around: Vec::new() };
    let (mut own, mut linked) = (vec![top], VecDeque::new());
    let (mut looked, mut followed) = (0, 0);
    while let Some(folder) = own.pop().or_else(|| {
        followed += 1;
        linked.pop_front().filter(|_| followed <= MOST_LINKED)
    }) {
        let Some(identity) = identity(&folder.path) else { continue };
        let Ok(entries) = fs::read_dir(&folder.path) else { continue };
        let Folder { prefix, mut around, .. } = folder;
        if around.contains(&identity) {
            continue;
        }
        around.push(identity);
        for entry in entries.flatten() {
            looked += 1;
            if looked > MAX_ENTRIES {
                return;
            }
            let name = entry.file_name();
            let shown = |name: &&str| !name.starts_with('.') && *name != "node_modules";
            let (Some(name), Ok(kind)) = (name.to_str().filter(shown), entry.file_type()) else {
                continue;
            };
            let path = entry.path();
            let is_linked = kind.is_symlink() && path.is_dir();
            if !kind.is_dir() && !is_linked {
                tell(&prefix, name, path);
            } else if around.len() <= MAX_DEPTH {
                let inner =
                    Folder { path, prefix: format!("{prefix}{name}/"), around: around.clone() };
                match is_linked {
                    true => linked.push_back(inner),
                    false => own.push(inner),
                }
            }
        }
    }
}

/// Whether the folders that a name goes through are too many, or one of them lies in itself.
pub(super) fn is_in_circles(dir: &Path, name: &str) -> bool {
    let folders: Vec<&str> = name.split('/').rev().skip(1).collect();
    let (mut path, mut around) = (dir.to_owned(), vec![identity(dir)]);
    for folder in folders.iter().rev() {
        path.push(folder);
        let found = identity(&path);
        if found.is_some() && around.contains(&found) {
            return true;
        }
        around.push(found);
    }
    folders.len() > MAX_DEPTH
}

fn identity(folder: &Path) -> Option<Identity> {
    let metadata = fs::metadata(folder).ok().filter(fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names = Vec::new();
        walk(dir, |prefix, name, _| names.push(format!("{prefix}{name}")));
        names.sort();
        names
    }

    #[test]
    fn links_in_circles_are_no_folders_and_other_links_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("functions");
        fs::create_dir_all(dir.join("v2/inner")).expect("made");
        fs::write(dir.join("v2/inner/f.js"), "").expect("written");
        for number in 0..4 {
            symlink(".", dir.join(format!("l{number}"))).expect("linked");
            symlink("../..", dir.join(format!("v2/inner/u{number}"))).expect("linked");
        }
        symlink("v2", dir.join("v1")).expect("linked");
        assert_eq!(names(&dir), ["v1/inner/f.js", "v2/inner/f.js"]);
        for name in ["l0/v2/inner/f", "l1/l2/v2/inner/f", "v2/inner/u3/v2/inner/f"] {
            assert!(is_in_circles(&dir, name), "{name}");
        }
        for name in ["v1/inner/f", "v2/inner/f", "f", "none/f"] {
            assert!(!is_in_circles(&dir, name), "{name}");
        }
    }

    #[test]
    fn links_to_folders_of_links_do_not_multiply() {
        let folder = tempfile::tempdir().expect("a folder");
        for level in 0..4 {
            let dir = folder.path().join(format!("d{level}"));
            fs::create_dir(&dir).expect("made");
            for number in 0..10 {
                symlink(format!("../d{}", level + 1), dir.join(format!("l{number}")))
                    .expect("linked");
            }
        }
        fs::create_dir(folder.path().join("d4")).expect("made");
        fs::write(folder.path().join("d4/f.js"), "").expect("written");
        let found = names(folder.path());
        assert!(found.contains(&"d4/f.js".to_owned()), "what is there without them comes first");
        assert!(found.len() <= 1 + MOST_LINKED, "{}", found.len());
    }
}
