//! A signed call whose certificate is fetched by real https from a server of the test, on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair,
    SigningKey,
};
use rustls::pki_types::PrivateKeyDer;

use super::server::Project;
use super::web::Web;

/// Serves one page over TLS to whoever asks; gives its port and the certificate to be believed.
fn https(page: String) -> (u16, String) {
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream);
            let mut request = vec![0; 4096];
            let length = tls.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
            // A stranger's server learns nothing of us.
            let told = request.contains("signature") || request.contains("idempotency");
            let body = if told { "" } else { page.as_str() };
            let _ = write!(
                tls,
                "HTTP/1.1 200 OK\r\nContent-Type: application/pem-certificate-chain\r\n\
                 Cache-Control: max-age=600\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
    });
    (port, own.cert.pem())
}

/// A signer with its authority: root and certificate in PEM, and the key.
fn signer() -> (String, String, KeyPair) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    let code = vec![0x30, 8, 0xa0, 6, 0x16, 4, b'5', b'9', b'9', b'J'];
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 26];
    params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, code)];
    let leaf = params.signed_by(&key, &root).unwrap();
    (root.pem(), leaf.pem(), key)
}

fn identity(key: &KeyPair, url: &str) -> String {
    let iat = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let head = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{url}"}}"#);
    let claims = format!(
        r#"{{"attest":"B","dest":{{"tn":["12223331234"]}},"iat":{iat},"orig":{{"tn":"15550001111"}},"origid":"o-1"}}"#
    );
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    let der = key.sign(text.as_bytes()).unwrap();
    let mut raw = [0; 64];
    let mut rest = &der[2..];
    for half in raw.as_chunks_mut::<32>().0 {
        let digits = &rest[2..2 + usize::from(rest[1])];
        let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
        half[32 - digits.len()..].copy_from_slice(digits);
        rest = &rest[2 + usize::from(rest[1])..];
    }
    format!("{text}.{};info=<{url}>;alg=ES256;ppt=shaken", URL_SAFE_NO_PAD.encode(raw))
}

fn invite(server: SocketAddr, me: SocketAddr, identity: &str) -> String {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n",
        me.ip()
    );
    format!(
        "INVITE sip:+12223331234@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKi1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+15550001111@{me}>;tag=f\r\nTo: <sip:+12223331234@{server}>\r\n\
         Call-ID: identity-{}\r\nCSeq: 1 INVITE\r\nContact: <sip:{me}>\r\nIdentity: {identity}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        me.port(),
        sdp.len()
    )
}

#[test]
#[ignore = "starts the server"]
fn a_signed_call_is_proven_by_a_certificate_from_a_real_https_server() {
    let (root, leaf, key) = signer();
    let (port, believed) = https(leaf);
    let web = Web::start(|_| "<Response><Reject/></Response>".to_owned());
    let more = format!(
        "stir_verify = true\n[stir]\nanchors = \"roots.pem\"\nports = [{port}]\n\
         [[number]]\nnumber = \"+12223331234\"\nvoice = \"{}\"\n",
        web.url("/voice")
    );
    let project = Project::new(9).more(&more);
    project.file("roots.pem", root);
    project.file("https.pem", believed);
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command.env("SSL_CERT_FILE", project.folder().join("https.pem")).env_remove("SSL_CERT_DIR");
    let server = project.serve_by(command);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let identity = identity(&key, &format!("https://127.0.0.1:{port}/599J.pem"));
    let text = invite(server.udp(), socket.local_addr().unwrap(), &identity);
    socket.send_to(text.as_bytes(), server.udp()).unwrap();
    let asked = web.wait("the handler", |request| !request.parameter("CallSid").is_empty());
    assert_eq!(asked.parameter("StirVerstat"), "TN-Validation-Passed-B", "{}", server.said());
    assert!(identity.starts_with(asked.parameter("StirPassportToken")));
    assert!(server.said().contains("signed by 599J with attestation B"));
}
