//! A file as a response's body: read from the disk piece by piece, as fast as the client takes it.
//!
//! Ranges of bytes for players that seek: RFC 9110 section 14. One range at a time; whoever asks
//! for several gets the whole, which section 14.2 allows.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::message::{Request, Response};

/// What of a file is in memory at one time, for each connection: four seconds of sound.
const CHUNK: u64 = 64 * 1024;

/// A stretch of an open file.
#[derive(Clone, Debug)]
pub struct FileBody {
    file: Arc<File>,
    start: u64,
    length: u64,
}

impl PartialEq for FileBody {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
            && (self.start, self.length) == (other.start, other.length)
    }
}

impl Eq for FileBody {}

impl FileBody {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// All of it, for what is small or is heard in this process. Waits for the disk.
    pub fn read(&self) -> io::Result<Bytes> {
        read(&self.file, self.start, self.length)
    }
}

/// The response to a request for a file: whole, a part (206), or nothing that there is (416).
/// The disk is asked elsewhere than on the thread that serves connections.
pub(super) async fn serve(
    path: &Path,
    content_type: &str,
    request: &Request,
) -> io::Result<Response> {
    let path = path.to_owned();
    let open = move || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok::<_, io::Error>((file, metadata))
    };
    let (file, metadata) = tokio::task::spawn_blocking(open).await.map_err(io::Error::other)??;
    let (size, seconds, nanos) = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    let tag = format!("\"{:x}-{size:x}-{seconds:x}.{nanos:x}\"", metadata.ino());
    Ok(of(file, size, &tag, content_type, request))
}

/// The response that an open file of that size is to a request; `tag` tells its version.
pub fn of(file: File, size: u64, tag: &str, content_type: &str, request: &Request) -> Response {
    let response = |status| {
        Response::new(status, content_type, Bytes::new())
            .with("Accept-Ranges", "bytes")
            .with("ETag", tag)
    };
    let (start, length, response) = match wanted(request, tag, size) {
        Wanted::Whole => (0, size, response(200)),
        Wanted::Part { first, last } => {
            let range = format!("bytes {first}-{last}/{size}");
            (first, last - first + 1, response(206).with("Content-Range", range))
        }
        Wanted::Nothing => {
            let response = Response::text(416, &format!("416: the file has {size} bytes"));
            return response.with("Content-Range", format!("bytes */{size}"));
        }
    };
    Response { file: Some(FileBody { file: Arc::new(file), start, length }), ..response }
}

/// What of a file a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part {
        first: u64,
        last: u64,
    },
    /// A range that begins behind the end.
    Nothing,
}

/// A range counts in GET alone (section 14.2), and only of the version that the client knows
/// (section 13.1.5). What cannot be read is left aside.
fn wanted(request: &Request, tag: &str, size: u64) -> Wanted {
    let same = request.headers.first("If-Range").is_none_or(|known| known == tag);
    match request.headers.first("Range").filter(|_| same && request.method == "GET") {
        Some(range) => part(range, size).unwrap_or(Wanted::Whole),
        None => Wanted::Whole,
    }
}

fn part(range: &str, size: u64) -> Option<Wanted> {
    let (unit, set) = range.split_once('=')?;
    let (first, last) = set.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More than fits is behind every end.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (first, last) = match (first, last) {
        // The last so many bytes.
        ("", count) => match number(count)? {
            0 => return Some(Wanted::Nothing),
            count => (size.saturating_sub(count), u64::MAX),
        },
        (first, "") => (number(first)?, u64::MAX),
        (first, last) => (number(first)?, number(last)?),
    };
    if last < first {
        return None;
    }
    match size.checked_sub(1).filter(|end| first <= *end) {
        Some(end) => Some(Wanted::Part { first, last: last.min(end) }),
        None => Some(Wanted::Nothing),
    }
}

/// A response's body on its way out.
#[derive(Debug)]
pub(super) enum Sending {
    Whole(Option<Bytes>),
    File { rest: FileBody, reading: Option<JoinHandle<io::Result<Bytes>>> },
}

impl Sending {
    pub(super) fn new(body: Bytes, file: Option<FileBody>) -> Self {
        match file {
            Some(rest) => Sending::File { rest, reading: None },
            None => Sending::Whole(Some(body).filter(|body| !body.is_empty())),
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let (rest, reading) = match self.get_mut() {
            Sending::Whole(body) => return Poll::Ready(body.take().map(|b| Ok(Frame::data(b)))),
            Sending::File { rest, .. } if rest.length == 0 => return Poll::Ready(None),
            Sending::File { rest, reading } => (rest, reading),
        };
        let task = reading.get_or_insert_with(|| {
            let FileBody { file, start, length } = rest.clone();
            tokio::task::spawn_blocking(move || read(&file, start, length.min(CHUNK)))
        });
        let done = ready!(Pin::new(task).poll(context));
        *reading = None;
        Poll::Ready(Some(done.unwrap_or_else(|lost| Err(io::Error::other(lost))).map(|chunk| {
            rest.start += chunk.len() as u64;
            rest.length -= chunk.len() as u64;
            Frame::data(chunk)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Sending::Whole(body) => body.as_ref().map_or(0, |body| body.len() as u64),
            Sending::File { rest, .. } => rest.length,
        })
    }
}

/// Exactly so many bytes: a file that was cut since breaks the connection off, as its length has
/// been promised.
fn read(file: &File, start: u64, length: u64) -> io::Result<Bytes> {
    let mut chunk = vec![0; length as usize];
    file.read_exact_at(&mut chunk, start)?;
    Ok(chunk.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn ranges_are_read_as_section_14_says() {
        let part = |first, last| Some(Wanted::Part { first, last });
        for (range, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-4", part(2, 4)),
            ("Bytes = 2-", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-30", part(0, 9)),
            ("bytes=9-99999999999999999999999", part(9, 9)),
            ("bytes=10-", Some(Wanted::Nothing)),
            ("bytes=99999999999999999999999-", Some(Wanted::Nothing)),
            ("bytes=-0", Some(Wanted::Nothing)),
            ("bytes=4-2", None),
            ("bytes=0-1,4-5", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes=x", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(super::part(range, 10), expected, "{range}");
        }
        assert_eq!(super::part("bytes=0-", 0), Some(Wanted::Nothing), "an empty file");
        assert_eq!(super::part("bytes=-5", 0), Some(Wanted::Nothing), "an empty file");
    }

    #[tokio::test]
    async fn a_file_goes_out_in_bounded_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let sound: Vec<u8> = (0..CHUNK as usize * 2 + 7).map(|at| at as u8).collect();
        std::fs::write(&path, &sound).unwrap();
        let response = serve(&path, "audio/wav", &Request::get("/a")).await.unwrap();
        assert!(response.body.is_empty());
        let mut body = Sending::new(response.body, response.file);
        assert_eq!(body.size_hint().exact(), Some(sound.len() as u64));
        let mut heard = Vec::new();
        while let Some(frame) = body.frame().await {
            let chunk = frame.unwrap().into_data().unwrap();
            assert!(!chunk.is_empty() && chunk.len() as u64 <= CHUNK);
            heard.extend_from_slice(&chunk);
        }
        assert!(heard == sound && body.is_end_stream());
    }

    #[tokio::test]
    async fn a_file_that_shrank_is_an_error_and_not_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "0123456789").unwrap();
        let response = serve(&path, "audio/wav", &Request::get("/a")).await.unwrap();
        std::fs::write(&path, "0").unwrap();
        let mut body = Sending::new(response.body, response.file);
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_range_counts_for_the_known_version_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "0123456789").unwrap();
        let ask = |condition: Option<String>| {
            let mut request = Request::get("/a");
            request.headers.push("Range", "bytes=8-");
            if let Some(tag) = condition {
                request.headers.push("If-Range", tag);
            }
            let path = &path;
            async move { serve(path, "audio/wav", &request).await.unwrap() }
        };
        let part = ask(None).await;
        assert_eq!(part.status, 206);
        assert_eq!(part.headers.first("Content-Range"), Some("bytes 8-9/10"));
        assert_eq!(part.file.as_ref().map(FileBody::length), Some(2));
        let tag = part.headers.first("ETag").map(str::to_owned);
        assert_eq!(ask(tag).await.status, 206);
        let other = ask(Some("\"other\"".to_owned())).await;
        assert_eq!((other.status, other.file.map(|file| file.length())), (200, Some(10)));
    }
}
