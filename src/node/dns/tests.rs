use std::net::UdpSocket;
use std::sync::Mutex;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::Record as Resource;
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};

use super::*;

/// Answers of a test's name server; names that it does not know are NXDOMAIN, `servfail.example`
/// fails, and `silent.example` gets no answer.
fn answers(name: &str, kind: RecordType) -> Vec<RData> {
    let host = |text: &str| Name::from_ascii(text).expect("a name");
    match (name, kind) {
        ("example.com.", RecordType::NAPTR) => vec![RData::NAPTR(NAPTR::new(
            10,
            20,
            Box::from(*b"s"),
            Box::from(*b"SIP+D2U"),
            Box::from(*b""),
            host("_sip._udp.example.com."),
        ))],
        ("_sip._udp.example.com.", RecordType::SRV) => {
            vec![RData::SRV(SRV::new(1, 5, 5070, host("Server1.example.com.")))]
        }
        ("server1.example.com.", RecordType::A) => {
            vec![RData::A(A([192, 0, 2, 1].into())), RData::A(A([192, 0, 2, 2].into()))]
        }
        ("server1.example.com.", RecordType::AAAA) => {
            vec![RData::AAAA(AAAA("2001:db8::1".parse().expect("an address")))]
        }
        _ => vec![],
    }
}

/// A name server on loopback, in a thread that ends with its socket's last answer.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(vec![]));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let query = Message::from_vec(&buffer[..length]).expect("a query");
                let (name, kind) = (query.queries[0].name().clone(), query.queries[0].query_type());
                let text = name.to_ascii().to_ascii_lowercase();
                heard.lock().expect("no panic").push(format!("{kind} {text}"));
                if text == "silent.example." {
                    continue;
                }
                let found = answers(&text, kind);
                let code = match text.as_str() {
                    "servfail.example." => ResponseCode::ServFail,
                    _ if found.is_empty() => ResponseCode::NXDomain,
                    _ => ResponseCode::NoError,
                };
                let mut response = query.into_response();
                response.metadata.response_code = code;
                for data in found {
                    response.add_answer(Resource::from_rdata(name.clone(), 77, data));
                }
                let bytes = response.to_vec().expect("a message");
                socket.send_to(&bytes, from).expect("sent");
            }
        });
        Server { address, asked }
    }

    /// Asks it one thing, by the client's thread.
    async fn ask(&self, kind: Kind, name: &str) -> Result<Answer, Unanswered> {
        let (results, mut answered) = mpsc::channel(1);
        let dns = Dns::start(vec![self.address], results).expect("a thread");
        let question = Question::new(kind, name);
        assert!(dns.ask(question.clone()).is_none());
        match answered.recv().await.expect("an answer") {
            Input::Answered(about, answer) => {
                assert_eq!(about, question);
                answer
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn records_of_all_kinds_come_with_their_ttl() {
    let server = Server::start();
    let naptr = server.ask(Kind::Naptr, "Example.com.").await.expect("an answer");
    assert_eq!(naptr.ttl, Some(Duration::from_secs(77)));
    let wanted = Naptr {
        order: 10,
        preference: 20,
        flags: "s".to_owned(),
        service: "SIP+D2U".to_owned(),
        replacement: "_sip._udp.example.com".to_owned(),
    };
    assert_eq!(naptr.records, [Record::Naptr(wanted)]);
    let srv = server.ask(Kind::Srv, "_sip._udp.example.com").await.expect("an answer");
    let target = "server1.example.com".to_owned();
    assert_eq!(srv.records, [Record::Srv(Srv { priority: 1, weight: 5, port: 5070, target })]);
    let four = server.ask(Kind::A, "server1.example.com").await.expect("an answer");
    assert_eq!(four.records.len(), 2);
    let six = server.ask(Kind::Aaaa, "server1.example.com").await.expect("an answer");
    assert_eq!(six.records, [Record::Address("2001:db8::1".parse().expect("an address"))]);
}

#[tokio::test]
async fn absence_is_an_answer_and_failure_is_none() {
    let server = Server::start();
    assert_eq!(server.ask(Kind::A, "nowhere.example").await, Ok(Answer::default()));
    assert_eq!(server.ask(Kind::Srv, "_sip._udp.nowhere.example").await, Ok(Answer::default()));
    assert_eq!(server.ask(Kind::A, "servfail.example").await, Err(Unanswered));
    assert_eq!(server.ask(Kind::A, "silent.example").await, Err(Unanswered));
    let asked = server.asked.lock().expect("no panic");
    assert!(asked.iter().filter(|asked| *asked == "A silent.example.").count() >= 2, "{asked:?}");
}

#[tokio::test]
async fn the_hosts_file_goes_before_the_dns() {
    let server = Server::start();
    let found = server.ask(Kind::A, "localhost").await.expect("an answer");
    assert_eq!(found.records, [Record::Address([127, 0, 0, 1].into())]);
    assert!(server.asked.lock().expect("no panic").is_empty());
}
