//! What functions log, in a file of the data folder that `offhook fn logs` reads.
//!
//! Lines of JSON. Requests only put lines into a bounded queue; a thread of its own writes them.
//! Two files of bounded size: the newest lines are in `functions.log`, those before in
//! `functions.log.1`. What a disk does not keep up with is lost. Requests that were not run are told
//! at a bounded pace: whoever may not come in pushes nothing out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::background::stand_back;
use super::clock::Clock;
use crate::source::function::Level;
use crate::source::seen::{Kind, Seen, Watcher};

/// The file's name in the data folder.
const FILE: &str = "functions.log";

/// Bytes of one file: some days of a quiet server's lines, and no disk's worry.
const MOST_BYTES: u64 = 4 << 20;
/// Lines that wait to be written, of so many bytes at most: 8 MiB.
const MOST_WAITING: usize = 2_048;
const LONGEST: usize = 4_096;

/// Bytes that are written together, and a line more.
const MOST_AT_ONCE: usize = 1 << 16;

/// A disk that is full is not asked for every line.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Lines a second about requests that were not run, of all functions: strangers make as many of
/// these as they like.
const MOST_NOT_RUN: u32 = 5;

/// How often a follower looks for more.
const LOOK: Duration = Duration::from_millis(200);

/// Writes what functions log.
pub(super) struct FunctionLog {
    lines: SyncSender<String>,
    not_run: Mutex<Pace>,
}

/// So many lines of one second, and how many more there would have been.
#[derive(Debug, Default)]
struct Pace {
    second: u64,
    told: u32,
    left_out: u64,
}

impl Pace {
    /// Goes on to this second: how many lines were left out in an earlier one.
    fn turn(&mut self, second: u64) -> u64 {
        if second == self.second {
            return 0;
        }
        std::mem::replace(self, Pace { second, ..Pace::default() }).left_out
    }

    /// Whether one more may be told in this second.
    fn one_more(&mut self) -> bool {
        let may = self.told < MOST_NOT_RUN;
        match may {
            true => self.told += 1,
            false => self.left_out += 1,
        }
        may
    }
}

impl FunctionLog {
    /// Opens the file, and starts the thread that writes it.
    pub(super) fn start(data: &Path) -> io::Result<FunctionLog> {
        let path = data.join(FILE);
        // What is wrong with the file is told at the start; later it is tried again.
        drop(open(&path)?);
        let (lines, waiting) = sync_channel(MOST_WAITING);
        let write = move || {
            stand_back();
            while let Err(error) = write(&path, &waiting) {
                tracing::warn!("what functions log cannot be written, and some is lost: {error}");
                std::thread::sleep(AFTER_ERROR);
            }
        };
        std::thread::Builder::new().name("function-log".to_owned()).spawn(write)?;
        Ok(FunctionLog { lines, not_run: Mutex::default() })
    }
}

impl Watcher for FunctionLog {
    fn shows(&self) -> bool {
        false
    }

    fn saw(&self, seen: &Seen<'_>) {
        if seen.kind != Kind::Function {
            return;
        }
        let now = Clock::on_the_wall();
        let time = now.rfc3339();
        let put = |level: &str, text: &str| {
            let end = text.floor_char_boundary(LONGEST);
            let text = text.get(..end).unwrap_or_default();
            let line = json!({ "time": time, "function": seen.name, "level": level, "text": text });
            let _ = self.lines.try_send(format!("{line}\n"));
        };
        let not_run = seen.report.log.is_empty() && seen.report.failure.is_some();
        let (left_out, told) = {
            let mut pace = self.not_run.lock().unwrap_or_else(PoisonError::into_inner);
            (pace.turn(now.unix_seconds()), not_run && pace.one_more())
        };
        if left_out > 0 {
            let text = format!("{left_out} requests more, of any functions, were not run");
            put("warning", &text);
        }
        for line in &seen.report.log {
            put(name_of(line.level), &line.text);
        }
        // Why one was stopped is the last line of its log already; why it never began is not.
        if let (true, Some(failure)) = (told, &seen.report.failure) {
            put("error", failure);
        }
        if let Some(stale) = &seen.report.stale {
            put("warning", &format!("the last good version answered; the edit is broken: {stale}"));
        }
    }
}

/// As the log writes it.
pub fn name_of(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn open(path: &Path) -> io::Result<File> {
    // What handlers log may be anybody's number: the owner's alone.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Until nobody logs any more, or to the first error.
fn write(path: &Path, waiting: &Receiver<String>) -> io::Result<()> {
    let Ok(first) = waiting.recv() else { return Ok(()) };
    let mut file = open(path)?;
    let mut length = file.metadata()?.len();
    let mut next = Some(first);
    while let Some(mut text) = next.take().or_else(|| waiting.recv().ok()) {
        while text.len() < MOST_AT_ONCE
            && let Ok(more) = waiting.try_recv()
        {
            text.push_str(&more);
        }
        if length + text.len() as u64 > MOST_BYTES && length > 0 {
            fs::rename(path, older(path))?;
            file = open(path)?;
            length = 0;
        }
        file.write_all(text.as_bytes())?;
        length += text.len() as u64;
    }
    Ok(())
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// The lines that are there, and those to come.
pub struct Lines {
    path: PathBuf,
    reader: Option<(u64, BufReader<File>)>,
    /// The beginning of a line that is still being written.
    part: String,
}

impl Lines {
    /// The log of a server's data folder, which need not be there yet.
    pub fn of(data: &Path) -> Lines {
        Lines { path: data.join(FILE), reader: None, part: String::new() }
    }

    /// All lines that are there, oldest first; later reads go on from here.
    pub fn there(&mut self) -> io::Result<Vec<String>> {
        let before = fs::read_to_string(older(&self.path)).unwrap_or_default();
        let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
        lines.extend(self.more()?);
        Ok(lines)
    }

    /// Waits a little, and gives what came meanwhile.
    pub fn wait(&mut self) -> io::Result<Vec<String>> {
        std::thread::sleep(LOOK);
        self.more()
    }

    fn more(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            if let Some((_, reader)) = &mut self.reader {
                while reader.read_line(&mut self.part)? > 0 {
                    if self.part.ends_with('\n') {
                        lines.push(std::mem::take(&mut self.part).trim_end().to_owned());
                    }
                }
            }
            // What was read to its end may have another's name by now.
            let Ok(metadata) = fs::metadata(&self.path) else { return Ok(lines) };
            if self.reader.as_ref().is_some_and(|(inode, _)| *inode == metadata.ino()) {
                return Ok(lines);
            }
            let file = File::open(&self.path)?;
            self.part.clear();
            self.reader = Some((file.metadata()?.ino(), BufReader::new(file)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Response;
    use crate::source::function::LogLine;
    use crate::source::seen::Report;

    #[test]
    fn lines_are_kept_within_bounds_and_read_across_files() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join(FILE);
        let (send, waiting) = sync_channel(8);
        let mut lines = Lines::of(data.path());
        assert_eq!(lines.there().expect("nothing yet"), Vec::<String>::new());
        send.send("one\n".to_owned()).expect("room");
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || write(&path, &waiting))
        };
        let large = format!("{}\n", "x".repeat((MOST_BYTES / 2) as usize));
        for _ in 0..3 {
            send.send(large.clone()).expect("taken");
        }
        send.send("last\n".to_owned()).expect("taken");
        drop(send);
        writer.join().expect("no panic").expect("written");
        assert!(fs::metadata(&path).expect("there").len() <= MOST_BYTES);
        assert!(older(&path).exists());
        let all = Lines::of(data.path()).there().expect("read");
        assert_eq!(all.last().map(String::as_str), Some("last"));
        assert!(lines.more().expect("read").last().is_some_and(|line| line == "last"));
        let mut file = open(&path).expect("there");
        file.write_all(b"half").expect("written");
        assert_eq!(lines.more().expect("read"), Vec::<String>::new(), "not whole yet");
        file.write_all(b" line\n").expect("written");
        assert_eq!(lines.more().expect("read"), ["half line"]);
    }

    #[test]
    fn requests_that_were_not_run_are_told_at_a_pace_and_counted() {
        let (lines, waiting) = sync_channel(MOST_WAITING);
        let log = FunctionLog { lines, not_run: Mutex::default() };
        let refused = Report { failure: Some("not run: 403".to_owned()), ..Report::default() };
        let response = Response::default();
        let see = |report: &Report| {
            let (kind, name, method, target) = (Kind::Function, "f", "GET", "/functions/f");
            let response = &response;
            log.saw(&Seen { kind, name, method, target, call: false, response, report });
        };
        (0..1_200).for_each(|_| see(&refused));
        // Twelve hundred take less than the seconds that would let them all in.
        let told: Vec<String> = waiting.try_iter().collect();
        assert!(!told.is_empty() && told.len() < 200, "{}", told.len());
        assert!(told.iter().all(|line| line.len() < 200));
        let mut pace = Pace::default();
        assert_eq!(pace.turn(7), 0);
        let admitted = (0..50).filter(|_| pace.one_more()).count();
        assert_eq!((admitted, pace.turn(7), pace.turn(8), pace.turn(9)), (5, 0, 45, 0));
        // What functions log themselves is not held back.
        let line = LogLine { level: Level::Info, text: "ran".to_owned() };
        let ran = Report { log: vec![line], ..Report::default() };
        (0..100).for_each(|_| see(&ran));
        assert_eq!(waiting.try_iter().filter(|line| line.contains("ran")).count(), 100);
    }

    #[test]
    fn a_disk_error_ends_one_batch_and_not_the_log() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join("not there yet").join(FILE);
        let (send, waiting) = sync_channel(8);
        send.send("lost\n".to_owned()).expect("room");
        assert!(write(&path, &waiting).is_err());
        fs::create_dir(path.parent().expect("a folder")).expect("made");
        send.send("kept\n".to_owned()).expect("room");
        drop(send);
        write(&path, &waiting).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "kept\n");
    }
}
