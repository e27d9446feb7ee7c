//! Markup bins: files in the project's `bins` folder, static or templates.
//!
//! The file is looked at on each request, so that an edit takes effect at once; an edit that
//! cannot be read keeps the last good version and says what is wrong (the TwiML reference).

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest, Md5};

use crate::base::WallTime;
use crate::base::id::BinSid;
use crate::http::client::DOCUMENT_LIMIT;
use crate::markup::Diagnostic;
use crate::verb::Document;

use super::project::Candidate;
use super::template::{Template, TemplateError};
use super::{AsRead, Stamp};
use crate::directory::paths::Access;

/// The bins of a project.
pub struct Bins {
    folder: PathBuf,
    wall: fn() -> WallTime,
    /// Never more entries than files have existed in the folder: names that do not exist make none.
    kept: Mutex<HashMap<String, Kept>>,
}

/// A rendered bin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The markup.
    pub text: String,
    /// Set when the file was edited badly and this is the version before: what is wrong with it.
    pub stale: Option<BinError>,
}

/// What came of loading a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<E> {
    /// What is wrong with the newest version.
    pub broken: Option<E>,
    /// Whether an earlier, good version answers in its place.
    pub kept: bool,
}

/// Why a bin gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BinError {
    /// There is no such file.
    NotFound(String),
    /// The file cannot be read.
    Unreadable(String, String),
    /// It is larger than a document may be.
    TooLarge(String),
    /// Its template is wrong.
    Template(String, TemplateError),
    /// It has no tags, and its markup is wrong.
    Markup(String, Diagnostic),
}

impl BinError {
    /// The error code that users see.
    pub fn code(&self) -> u32 {
        match self {
            BinError::NotFound(_) => 11200,
            BinError::Unreadable(..) => 11300,
            BinError::TooLarge(_) => 11750,
            BinError::Template(_, error) => error.code,
            BinError::Markup(_, error) => error.code,
        }
    }

    /// The HTTP status that a browser gets.
    pub fn status(&self) -> u16 {
        if matches!(self, BinError::NotFound(_)) { 404 } else { 500 }
    }
}

impl fmt::Display for BinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BinError::NotFound(name) => write!(f, "there is no bin {name}: add bins/{name}.xml"),
            BinError::Unreadable(name, why) => write!(f, "bins/{name}.xml cannot be read: {why}"),
            BinError::TooLarge(name) => {
                write!(f, "bins/{name}.xml gives more than {DOCUMENT_LIMIT} bytes")
            }
            BinError::Template(name, error) => write!(f, "bins/{name}.xml:{error}"),
            BinError::Markup(name, error) => write!(f, "bins/{name}.xml:{error}"),
        }
    }
}

impl std::error::Error for BinError {}

/// One file as it was last seen.
#[derive(Clone)]
struct Kept {
    read: Arc<AsRead>,
    /// The last version that could be read.
    good: Option<Arc<Template>>,
    /// Why the newest one could not.
    error: Option<BinError>,
}

impl Bins {
    /// The bins in a folder, which need not exist, and the time on the wall.
    pub fn new(folder: impl Into<PathBuf>, wall: fn() -> WallTime) -> Self {
        Bins { folder: folder.into(), wall, kept: Mutex::default() }
    }

    /// The bin's markup for these parameters.
    pub fn render(
        &self,
        name: &str,
        parameters: &[(String, String)],
    ) -> Result<Rendered, BinError> {
        let kept = self.look(name)?;
        let Some(template) = kept.good else {
            return Err(kept.error.unwrap_or_else(|| BinError::NotFound(name.to_owned())));
        };
        match template.render(parameters) {
            Ok(text) => Ok(Rendered { text, stale: kept.error }),
            Err(_) => Err(BinError::TooLarge(name.to_owned())),
        }
    }

    /// Reads the bin if it changed, so that its last good version is there when a later one is
    /// broken.
    pub fn load(&self, name: &str) -> Result<Loaded<BinError>, BinError> {
        let Kept { good, error, .. } = self.look(name)?;
        Ok(Loaded { kept: error.is_some() && good.is_some(), broken: error })
    }

    /// The file of a bin, for who wants to know what answers.
    pub(super) fn candidates(&self, name: &str) -> Vec<Candidate> {
        let text = is_name(name).then(|| fs::read(self.folder.join(format!("{name}.xml"))));
        let Some(Ok(text)) = text else { return vec![] };
        let version = Some(super::function::version_of(&text));
        vec![Candidate { file: format!("bins/{name}.xml"), access: Access::Public, version }]
    }

    /// Forgets a bin whose file is gone for good.
    pub fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// All bins as their files are now, sorted by name.
    pub fn stamps(&self) -> Vec<(String, Stamp)> {
        let stamp = |name: String| {
            let stamp = Stamp::of(&self.folder.join(format!("{name}.xml")))?;
            Some((name, stamp))
        };
        self.names().into_iter().filter_map(stamp).collect()
    }

    /// The names of all bins, sorted.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let files = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let names = files.filter_map(|file| file.strip_suffix(".xml").map(str::to_owned));
        let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
        names.sort();
        names
    }

    /// The SID of a bin: made from its name, so that it stays the same without being stored.
    pub fn sid(name: &str) -> BinSid {
        BinSid::from_bytes(Md5::digest(format!("offhook bin {name}")).into())
    }

    /// The bin with that SID.
    pub fn name_of(&self, sid: BinSid) -> Option<String> {
        self.names().into_iter().find(|name| Bins::sid(name) == sid)
    }

    /// Looks at the file, and reads it again only when it has changed.
    fn look(&self, name: &str) -> Result<Kept, BinError> {
        if !is_name(name) {
            return Err(BinError::NotFound(name.to_owned()));
        }
        let path = self.folder.join(format!("{name}.xml"));
        let time = (self.wall)();
        let stamp = match fs::metadata(&path) {
            Ok(metadata) => Stamp::from(&metadata),
            // What is kept stays: an editor that replaces a file may leave none for a moment.
            Err(error) => return Err(unreadable(name, &error)),
        };
        let before = self.lock().get(name).cloned();
        if let Some(before) = &before
            && before.read.now(&path, stamp, time) == before.read.stamp()
        {
            return Ok(before.clone());
        }
        let good = before.and_then(|before| before.good);
        let as_read = Arc::new(AsRead::new(&path, stamp, time));
        let now = match read(name, &path) {
            Ok(template) => Kept { read: as_read, good: Some(Arc::new(template)), error: None },
            Err(error) => Kept { read: as_read, good, error: Some(error) },
        };
        self.lock().insert(name.to_owned(), now.clone());
        Ok(now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(name: &str, path: &std::path::Path) -> Result<Template, BinError> {
    let bytes = fs::read(path).map_err(|error| unreadable(name, &error))?;
    if bytes.len() > DOCUMENT_LIMIT {
        return Err(BinError::TooLarge(name.to_owned()));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| BinError::Unreadable(name.to_owned(), "it is not UTF-8".to_owned()))?;
    let template =
        Template::parse(&text).map_err(|error| BinError::Template(name.to_owned(), error))?;
    // What a template's markup will be is known only when it is rendered.
    if template.is_static() {
        Document::parse(text.as_bytes(), Some("text/xml"))
            .map_err(|error| BinError::Markup(name.to_owned(), error))?;
    }
    Ok(template)
}

fn unreadable(name: &str, error: &io::Error) -> BinError {
    match error.kind() {
        io::ErrorKind::NotFound => BinError::NotFound(name.to_owned()),
        _ => BinError::Unreadable(name.to_owned(), error.to_string()),
    }
}

/// Letters, digits, `_`, `-` and inner dots: no path leaves the folder.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long before whatever a test writes: the clock of the file system may stand still for it.
    fn wall() -> WallTime {
        WallTime::from_unix_millis(0)
    }

    #[test]
    fn edits_take_effect_at_once_and_bad_ones_keep_the_last_good_version() {
        let folder = tempfile::tempdir().unwrap();
        let bins = Bins::new(folder.path(), wall);
        let file = folder.path().join("hello.xml");
        let from = [("From".to_owned(), "+1".to_owned())];
        assert_eq!(bins.render("hello", &from).unwrap_err().status(), 404);
        fs::write(&file, "<Response>{{From}}</Response>").unwrap();
        assert_eq!(bins.render("hello", &from).unwrap().text, "<Response>+1</Response>");
        fs::write(&file, "<Response>{{From</Response>").unwrap();
        let kept = bins.render("hello", &from).unwrap();
        assert_eq!(kept.text, "<Response>+1</Response>");
        let reason = kept.stale.unwrap().to_string();
        assert_eq!(reason, "bins/hello.xml:1:11: error 11320: {{ is not closed by }}");
        fs::write(&file, "<Response><Say>").unwrap();
        let kept = bins.render("hello", &from).unwrap();
        assert_eq!(
            (kept.text.as_str(), kept.stale.unwrap().code()),
            ("<Response>+1</Response>", 12100)
        );
        fs::write(&file, "<Response/>").unwrap();
        let mended = bins.render("hello", &from).unwrap();
        assert_eq!((mended.text.as_str(), mended.stale), ("<Response/>", None));
        fs::remove_file(&file).unwrap();
        assert_eq!(bins.render("hello", &from).unwrap_err().code(), 11200);
    }

    #[test]
    fn saves_of_one_length_in_quick_succession_all_take_effect() {
        let folder = tempfile::tempdir().unwrap();
        let bins = Bins::new(folder.path(), wall);
        for save in 100..200 {
            let text = format!("<Response>{save}</Response>");
            fs::write(folder.path().join("hello.xml"), &text).unwrap();
            assert_eq!(bins.render("hello", &[]).unwrap().text, text);
        }
    }

    #[test]
    fn names_stay_within_the_folder_and_sids_find_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a-b.xml"), "<Response/>").unwrap();
        fs::write(folder.path().join("notes.txt"), "x").unwrap();
        let bins = Bins::new(folder.path(), wall);
        for name in ["../a-b", "", ".a-b", "a/b", "a\0b", "%2e"] {
            assert!(matches!(bins.render(name, &[]), Err(BinError::NotFound(_))), "{name:?}");
        }
        assert_eq!(bins.names(), ["a-b"]);
        assert_eq!(bins.name_of(Bins::sid("a-b")).as_deref(), Some("a-b"));
        assert_eq!(bins.name_of(Bins::sid("other")), None);
    }

    #[test]
    fn a_first_version_that_is_wrong_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bad.xml"), "<Response>\n {{#x}}").unwrap();
        let error = Bins::new(folder.path(), wall).render("bad", &[]).unwrap_err();
        assert_eq!((error.code(), error.status()), (11320, 500));
        assert!(error.to_string().starts_with("bins/bad.xml:2:2: error 11320"));
    }

    #[test]
    fn what_was_loaded_but_never_asked_for_outlives_a_bad_edit() {
        let folder = tempfile::tempdir().unwrap();
        let bins = Bins::new(folder.path(), wall);
        let file = folder.path().join("quiet.xml");
        fs::write(&file, "<Response/>").unwrap();
        assert_eq!(bins.stamps().len(), 1);
        assert_eq!(bins.load("quiet"), Ok(Loaded { broken: None, kept: false }));
        // As an editor saves: the old file goes, and a request comes before there is a new one.
        fs::remove_file(&file).unwrap();
        assert_eq!(bins.render("quiet", &[]).unwrap_err().status(), 404);
        fs::write(&file, "<Response>\n  <Say></Response>").unwrap();
        let loaded = bins.load("quiet").unwrap();
        assert!(loaded.kept);
        let reason = loaded.broken.unwrap().to_string();
        assert!(reason.starts_with("bins/quiet.xml:2:8: error 12100: "), "{reason}");
        assert_eq!(bins.render("quiet", &[]).unwrap().text, "<Response/>");
        bins.forget("quiet");
        assert!(bins.render("quiet", &[]).is_err(), "gone for good");
        assert!(!bins.load("quiet").unwrap().kept);
    }
}
