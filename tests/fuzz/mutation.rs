//! Tens of thousands of damaged messages: nothing panics, nothing hangs, every promise holds.
//!
//! The seed is fixed, so that a failure repeats; `fuzz/` goes further with coverage.

use offhook::base::Rng;

use crate::fuzz_targets::{sip_message, sip_stream};

const ROUNDS: u64 = 40_000;

/// Pieces that break grammars where they land.
const SPLINTERS: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\r\n",
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"%",
    b"%zz",
    b"[",
    b"]",
    b"\0",
    b"\xff\xfe",
    b"Content-Length: 99999999999999999999\r\n",
    b"l: 5\r\n",
    b"Via: SIP/2.0/UDP [::1]:1;branch=z9hG4bK\r\n",
    b";tag=;tag",
    b" SIP/2.0",
];

fn corpus() -> Vec<Vec<u8>> {
    let folder = format!("{}/tests/data/torture", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .collect();
    paths.sort();
    let mut corpus: Vec<_> =
        paths.iter().map(|path| std::fs::read(path).expect("a file")).collect();
    corpus.push(
        b"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\n\
          From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: 1\r\n\
          CSeq: 2 REGISTER\r\nContact: <sip:a@h>;+sip.instance=\"<urn:uuid:0>\";reg-id=1\r\n\
          Authorization: Digest username=\"a\", realm=\"example.com\", nonce=\"00\", uri=\"sip:h\", \
          response=\"00\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"x\"\r\n\
          WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", qop=\"auth\"\r\n\
          Content-Length: 0\r\n\r\n"
            .to_vec(),
    );
    corpus
}

fn read(bytes: &[u8]) {
    sip_message::run(bytes);
    sip_stream::run(bytes);
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    rng.below(bound as u64) as usize
}

/// Flips, cuts, repeats, splices or inserts, a few times over.
fn damage(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[below(rng, corpus.len())].clone();
    for _ in 0..=rng.below(4) {
        let at = below(rng, bytes.len() + 1);
        let end = (at + below(rng, 40)).min(bytes.len());
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] = rng.next_u32() as u8,
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].repeat(1 + below(rng, 3));
                bytes.splice(at..at, piece);
            }
            3 => {
                let other = &corpus[below(rng, corpus.len())];
                let from = below(rng, other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let splinter = SPLINTERS[below(rng, SPLINTERS.len())];
                bytes.splice(at..at, splinter.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn damaged_messages_never_panic() {
    let corpus = corpus();
    let mut rng = Rng::from_number(4475);
    for round in 0..ROUNDS {
        let bytes = damage(&mut rng, &corpus);
        let taken = std::panic::catch_unwind(|| read(&bytes));
        assert!(taken.is_ok(), "round {round}: {}", String::from_utf8_lossy(&bytes));
    }
}

/// Inputs made to be slow: each is as long as a message may be, and is read as fast as any.
/// A quadratic parser takes minutes here.
#[test]
fn hostile_lengths_cost_no_more_than_others() {
    let pieces: [&[u8]; 12] = [
        b"\"",
        b"<",
        b",",
        b";",
        b"\\",
        b"\r\n ",
        b"a:b\r\n",
        b"%41",
        b"Via:,\r\n",
        b"<\"",
        b";a=\"",
        b"&a=1",
    ];
    let head = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nContact: ";
    for piece in pieces {
        let mut bytes = head.to_vec();
        bytes.extend_from_slice(&piece.repeat(65_000 / piece.len() - head.len()));
        bytes.extend_from_slice(b"\r\nl: 0\r\n\r\n");
        read(&bytes);
    }
}
