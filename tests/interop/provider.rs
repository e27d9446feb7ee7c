//! A user's line at a provider that is found by the DNS: NAPTR, SRV with a dead server first, A.
//! Name server and registrar are threads of the test, on loopback.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::server::Project;

/// Longer than the six seconds after which a silent server is passed over.
const PATIENCE: Duration = Duration::from_secs(20);

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A name server for `provider.test`, whose servers are at these ports, in this order.
fn name_server(ports: [u16; 2]) -> SocketAddr {
    let (socket, address) = bound();
    std::thread::spawn(move || {
        let mut buffer = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
            let (name, kind) = (query.queries[0].name().clone(), query.queries[0].query_type());
            let mut response = query.into_response();
            for data in zone(&name.to_ascii().to_ascii_lowercase(), kind, ports) {
                response.add_answer(Record::from_rdata(name.clone(), 60, data));
            }
            socket.send_to(&response.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

fn zone(name: &str, kind: RecordType, ports: [u16; 2]) -> Vec<RData> {
    let host = |text: &str| Name::from_ascii(text).unwrap();
    let text = |text: &str| text.as_bytes().into();
    match (name, kind) {
        ("provider.test.", RecordType::NAPTR) => {
            let service = host("_sip._udp.provider.test.");
            vec![RData::NAPTR(NAPTR::new(1, 1, text("s"), text("SIP+D2U"), text(""), service))]
        }
        ("_sip._udp.provider.test.", RecordType::SRV) => (1..)
            .zip(ports)
            .map(|(priority, port)| {
                RData::SRV(SRV::new(priority, 1, port, host("s.provider.test.")))
            })
            .collect(),
        ("s.provider.test.", RecordType::A) => vec![RData::A(A([127, 0, 0, 1].into()))],
        _ => vec![],
    }
}

/// The provider's SIP server: it challenges and grants registrations, and tells what came.
struct Provider {
    socket: UdpSocket,
    address: SocketAddr,
    came: Receiver<(String, SocketAddr)>,
}

impl Provider {
    fn start() -> Provider {
        let (socket, address) = bound();
        let (tell, came) = mpsc::channel();
        let own = socket.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok((length, from)) = own.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text.starts_with("REGISTER") {
                    own.send_to(registrar(&text).as_bytes(), from).unwrap();
                }
                if tell.send((text, from)).is_err() {
                    return;
                }
            }
        });
        Provider { socket, address, came }
    }

    /// The next message that begins so and holds a text.
    fn expect(&self, start: &str, holds: &str) -> (String, SocketAddr) {
        let mut others = vec![];
        loop {
            let (text, from) = self.came.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("no {start} with {holds:?} came, but {others:#?}");
            });
            if text.starts_with(start) && text.contains(holds) {
                return (text, from);
            }
            others.push(text);
        }
    }
}

fn line<'a>(message: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default()
}

fn registrar(request: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let tag = if name == "To" { ";tag=provider" } else { "" };
        format!("{name}: {}{tag}\r\n", line(request, name))
    });
    let (status, more) = match line(request, "Authorization") {
        "" => {
            let nonce =
                "WWW-Authenticate: Digest realm=\"provider\", nonce=\"n\", qop=\"auth\"\r\n";
            ("401 Unauthorized", nonce.to_owned())
        }
        _ => ("200 OK", format!("Expires: {}\r\n", line(request, "Expires"))),
    };
    format!("SIP/2.0 {status}\r\n{}{more}Content-Length: 0\r\n\r\n", copied.concat())
}

#[test]
#[ignore = "interop"]
fn a_line_is_found_by_dns_registered_called_and_taken_back() {
    let provider = Provider::start();
    // Bound, and read by nobody: a server that is silent.
    let (_silent, dead) = bound();
    let dns = name_server([dead.port(), provider.address.port()]);
    let project = Project::new(9)
        .tone(440.0)
        .number("+12223331234", "<Play>/assets/tone.wav</Play>")
        .more(&format!(
            "[dns]\nservers = [\"{dns}\"]\n[[line]]\nname = \"home\"\nuser = \"home@office.localhost\"\n\
             domain = \"provider.test\"\nlogin = \"12345\"\npassword = \"secret\"\n\
             voice = \"bin:n12223331234\"\n"
        ));
    let mut server = project.serve();
    let (register, from) = provider.expect("REGISTER", "Authorization: ");
    assert!(register.starts_with("REGISTER sip:provider.test SIP/2.0\r\n"), "{register}");
    assert!(line(&register, "Authorization").contains("username=\"12345\""), "{register}");
    let (contact, _) = line(&register, "Contact").split_once('>').expect("a bracketed URI");
    let contact = contact.trim_start_matches('<').to_owned();

    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=audio 40000 RTP/AVP 0\r\n";
    let request = |method: &str, cseq: u32, tag: &str, body: &str| {
        format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+14155550100@provider.test>;tag=p\r\n\
             To: <sip:12345@provider.test>{tag}\r\nCall-ID: line\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            provider.address,
            provider.address,
            body.len()
        )
    };
    provider.socket.send_to(request("INVITE", 1, "", sdp).as_bytes(), from).unwrap();
    let (answer, _) = provider.expect("SIP/2.0 200", "INVITE");
    assert!(answer.contains("m=audio "), "{answer}");
    let tag = line(&answer, "To").split_once(";tag=").map_or("", |(_, tag)| tag).to_owned();
    let tag = format!(";tag={tag}");
    provider.socket.send_to(request("ACK", 1, &tag, "").as_bytes(), from).unwrap();
    provider.socket.send_to(request("BYE", 2, &tag, "").as_bytes(), from).unwrap();
    provider.expect("SIP/2.0 200", "BYE");

    server.terminate();
    let (gone, _) = provider.expect("REGISTER", "Authorization: ");
    assert_eq!(line(&gone, "Expires"), "0", "{gone}");
    let status = server.ended(Duration::from_secs(10)).expect("an end");
    assert!(status.success(), "{status}");
    let said = server.said();
    assert!(said.contains("line home: registered as sip:12345@provider.test"), "{said}");
    assert!(said.contains("line home: no longer registered"), "{said}");
}
