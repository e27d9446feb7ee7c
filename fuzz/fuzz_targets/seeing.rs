//! A message on its way into a story: credentials taken off, kept, read back and exported.

use offhook::base::Secret;
use offhook::node::seeing::record::{Captured, Record, What};
use offhook::node::seeing::{hep, pcap, redact};
use offhook::node::trace::Direction;
use offhook::sip::{Flow, Transport};

pub fn run(bytes: &[u8]) {
    let clean = redact::message(bytes);
    assert_eq!(clean.len(), bytes.len(), "overwritten in place");
    assert_eq!(redact::message(&clean), clean, "once is enough");
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (redact::url(text), redact::text(text));
    }
    if let Some(record) = Record::read(bytes) {
        kept(&record);
    }
    exported(clean);
}

fn kept(record: &Record) {
    let mut line = Vec::new();
    record.write(&mut line);
    let again = Record::read(&line).expect("what we write can be read");
    assert_eq!(&again, record);
}

fn exported(clean: Vec<u8>) {
    for (local, remote) in [
        ("192.0.2.1:5060", "198.51.100.1:5060"),
        ("[2001:db8::1]:5060", "[2001:db8::2]:9"),
        ("192.0.2.1:5060", "[2001:db8::2]:9"),
    ] {
        let (local, remote) =
            (local.parse().expect("an address"), remote.parse().expect("an address"));
        let flow = Flow { transport: Transport::Tls, local, remote, connection: 1 };
        let packet = hep::Packet {
            at: 1,
            transport: flow.transport,
            source: remote,
            destination: local,
            correlation: Some("CA1"),
            payload: &clean,
        };
        let encoded = hep::encode(&packet, 7, Some(&Secret::new("s")));
        assert!(encoded.starts_with(b"HEP3") && encoded.len() <= usize::from(u16::MAX));
        assert_eq!(encoded.get(4..6), Some(&(encoded.len() as u16).to_be_bytes()[..]));
        let captured = Captured::new("id".into(), Direction::Received, flow, clean.clone());
        assert_eq!(captured.bytes(), clean, "kept byte for byte");
        let file = pcap::file([(1, &captured)]);
        assert!(file.len() >= 24);
        kept(&Record { at: 1, order: 0, what: What::Message(captured) });
    }
}
