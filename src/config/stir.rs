//! `[stir]` and what trunks say of callers' identities: whom to believe, and how to sign.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::pair::certified;
use super::reader::{Reader, Source};
use super::sip::{file, files};
use super::*;
use crate::base::{Duration, Sign, SigningKey};
use crate::directory::{
    Attestation, CallerHeader, Callers, DiversionHeader, Refuse, Signing, Verify,
};
use crate::sip::HeaderName;
use crate::sip::identity::check_url;

/// How long a call waits for a certificate, in milliseconds: the caller hears nothing meanwhile.
const WAIT: i64 = 2_000;

/// `[stir]`.
pub(super) fn stir(source: &mut Source<'_>, mut table: Reader<'_>, project: &Path) -> Verify {
    let mut anchors = vec![];
    for path in files(source, &mut table, "anchors", project) {
        let read =
            CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match read {
            Ok(found) if !found.is_empty() => {
                anchors.extend(found.into_iter().map(|found| found.to_vec()));
            }
            Ok(_) => source.error(
                table.at("anchors"),
                format!("anchors: no certificate in {}", path.display()),
            ),
            // A file that is not there was told already.
            Err(error) if path.exists() => {
                source.error(table.at("anchors"), format!("anchors: {}: {error}", path.display()));
            }
            Err(_) => {}
        }
    }
    let mut ports = vec![];
    if let Some(array) = table.item("ports").and_then(|item| item.as_array()) {
        for value in array {
            match value.as_integer().and_then(|port| u16::try_from(port).ok()) {
                Some(port) => ports.push(port),
                None => source.error(value.span(), "ports: expected ports, such as [8080]"),
            }
        }
    }
    let wait = match table.number(source, "wait_ms") {
        None => WAIT,
        Some(wait @ 0..=5_000) => wait,
        Some(_) => {
            source.error(table.at("wait_ms"), "wait_ms: expected 0 to 5000");
            WAIT
        }
    };
    table.finish(source);
    Verify { anchors, ports, wait: Duration::from_millis(wait.unsigned_abs()) }
}

/// Gives the trunks that verify what `[stir]` says.
pub(super) fn hand_out(source: &mut Source<'_>, verify: Verify, trunks: &mut [Trunk]) {
    let verify = Arc::new(verify);
    for trunk in trunks.iter_mut().filter(|trunk| trunk.callers.verify.is_some()) {
        if verify.anchors.is_empty() {
            let at = source.text.find("stir_verify").map(|at| at..at + 1);
            let advice = "set [stir] anchors to the authorities of those who sign";
            source.error(at, format!("trunk {}: stir_verify: {advice}", trunk.name));
        }
        trunk.callers.verify = Some(Arc::clone(&verify));
    }
}

/// What a trunk or line says of callers.
pub(super) fn callers(source: &mut Source<'_>, table: &mut Reader<'_>) -> Callers {
    let header = one_of(
        source,
        table,
        "identity",
        &[
            ("from", CallerHeader::From),
            ("pai", CallerHeader::Asserted),
            ("ppi", CallerHeader::Preferred),
            ("rpid", CallerHeader::RemoteParty),
        ],
    );
    let diversion = one_of(
        source,
        table,
        "diversion",
        &[
            ("none", DiversionHeader::Nothing),
            ("diversion", DiversionHeader::Diversion),
            ("history-info", DiversionHeader::History),
        ],
    );
    let trust_domain = table.flag(source, "trust_domain").unwrap_or_default();
    Callers { header, diversion, trust_domain, ..Callers::default() }
}

/// What a trunk says of signatures, besides.
pub(super) fn signatures(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    callers: Callers,
) -> Callers {
    // What is verified against is the same for all: `hand_out` brings it.
    let nobody = || Arc::new(Verify { anchors: vec![], ports: vec![], wait: Duration::ZERO });
    let verify = table.flag(source, "stir_verify").unwrap_or_default().then(nobody);
    let trust_verstat = table.flag(source, "trust_verstat").unwrap_or_default();
    let place = table.item("stir_refuse").and_then(|item| item.span());
    let refuse = one_of(
        source,
        table,
        "stir_refuse",
        &[("never", Refuse::Nothing), ("failed", Refuse::Failed), ("unproven", Refuse::Unproven)],
    );
    if refuse != Refuse::Nothing && verify.is_none() && !trust_verstat {
        source.error(place, "stir_refuse: set stir_verify or trust_verstat, by which it is judged");
    }
    let sign = table.item("stir_sign").is_some().then(|| table.table(source, "stir_sign"));
    let sign = sign.and_then(|table| signing(source, table));
    Callers { verify, trust_verstat, refuse, sign, ..callers }
}

/// A trunk's own headers must not stand beside those that are written here.
pub(super) fn check_headers(source: &mut Source<'_>, table: &Reader<'_>, trunk: &Trunk) {
    for (name, _) in &trunk.headers {
        let written = trunk.callers.header.name();
        if written.is_some_and(|written| written.eq_ignore_ascii_case(name)) {
            source.error(table.at("headers"), format!("headers: `identity` writes {name} already"));
        }
        let id = HeaderName::from_bytes(name.as_bytes());
        let forwarded = match trunk.callers.diversion {
            DiversionHeader::Nothing => false,
            DiversionHeader::Diversion => id == HeaderName::Diversion,
            DiversionHeader::History => id == HeaderName::HistoryInfo,
        };
        if forwarded {
            source
                .error(table.at("headers"), format!("headers: `diversion` writes {name} already"));
        }
    }
}

/// `stir_sign = { certificate = "…", key = "…", url = "https://…" }`.
fn signing(source: &mut Source<'_>, mut table: Reader<'_>) -> Option<Signing> {
    let folder = source.folder;
    let certificate = file(source, &mut table, "certificate", folder);
    let key = file(source, &mut table, "key", folder);
    let url = table.text(source, "url");
    let most = one_of(
        source,
        &mut table,
        "attest",
        &[("A", Attestation::Full), ("B", Attestation::Partial), ("C", Attestation::Gateway)],
    );
    let origid = table.text(source, "origid").map(|(text, _)| text);
    let (span, origid_at) = (table.span(), table.at("origid"));
    table.finish(source);
    let (Some(certificate), Some(key), Some((url, place))) = (certificate, key, url) else {
        source.error(span, "stir_sign: wants `certificate`, `key` and `url`");
        return None;
    };
    let port = url::Url::parse(&url).ok().and_then(|url| url.port());
    if let Err(flaw) = check_url(&url, port.as_slice()) {
        source.error(place, format!("stir_sign: url: nobody would fetch it: {flaw}"));
    }
    if origid
        .as_deref()
        .is_some_and(|id| id.is_empty() || id.contains(|c: char| !c.is_ascii_graphic()))
    {
        source.error(origid_at, "stir_sign: origid: expected a UUID");
    }
    if !certificate.exists() || !key.exists() {
        return None;
    }
    match signing_key(&certificate, &key) {
        Ok(key) => Some(Signing { key, url, most, origid }),
        Err(error) => {
            source.error(span, format!("stir_sign: {error}"));
            None
        }
    }
}

/// Reads the key that belongs to a certificate, for signing calls (ES256: a key on P-256).
pub fn signing_key(certificate: &Path, key: &Path) -> Result<SigningKey, String> {
    let told = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let pair = certified(certificate, key).map_err(|error| error.to_string())?;
    let es256 = pair.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
    if pair.key.algorithm() != SignatureAlgorithm::ECDSA || es256.is_none() {
        return Err(told(key, &"signatures of calls want a key on the curve P-256"));
    }
    let name = pair.end_entity_cert().map_err(|error| told(certificate, &error))?;
    let name = {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(name);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    Ok(SigningKey::new(&name, Arc::new(Es256(pair))))
}

/// A key of rustls, whose signatures are X.509's.
struct Es256(CertifiedKey);

impl Sign for Es256 {
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        let signer = self.0.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])?;
        crate::sip::identity::raw_signature(&signer.sign(text).ok()?)
    }
}

/// One of a few words; the first of them when the key is absent.
fn one_of<T: Copy>(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
    words: &[(&str, T)],
) -> T {
    let usual = words[0].1;
    let Some((text, span)) = table.text(source, key) else { return usual };
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        source.error(span, format!("{key}: expected {}", known.join(", ")));
    }
    found.unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};

    use rustls::crypto::aws_lc_rs;

    use super::*;

    /// A folder with `cert.pem` and `key.pem` on P-256, and the same on P-384 with a `3`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (suffix, kind) in [("", &PKCS_ECDSA_P256_SHA256), ("3", &PKCS_ECDSA_P384_SHA384)] {
            let key = KeyPair::generate_for(kind).expect("a key");
            let certificate = CertificateParams::new(vec![]).expect("params").self_signed(&key);
            let write = |name: String, text: String| {
                std::fs::write(folder.path().join(name), text).expect("written");
            };
            write(format!("cert{suffix}.pem"), certificate.expect("a certificate").pem());
            write(format!("key{suffix}.pem"), key.serialize_pem());
        }
        folder
    }

    fn read(text: &str) -> Result<Config, Vec<String>> {
        let folder = folder();
        let file = folder.path().join(FILE);
        let read = Config::parse(folder.path(), &file, text, &|_| None);
        read.map_err(|problems| problems.into_iter().map(|problem| problem.message).collect())
    }

    fn trunk(rest: &str) -> Result<Callers, Vec<String>> {
        let trunk = format!("[[trunk]]\nname = \"t\"\nuri = \"sip:h.example\"\n{rest}");
        read(&trunk).map(|config| config.trunks[0].callers.clone())
    }

    #[test]
    fn everything_about_callers_is_off_until_it_is_said() {
        assert_eq!(trunk(""), Ok(Callers::default()));
        let all = "identity = \"pai\"\ntrust_domain = true\ndiversion = \"history-info\"\n\
                   trust_verstat = true\nstir_verify = true\nstir_refuse = \"failed\"\n\
                   stir_sign = { certificate = \"cert.pem\", key = \"key.pem\", \
                   url = \"https://c.example/c.pem\", attest = \"B\", origid = \"o\" }\n\
                   [stir]\nanchors = \"cert.pem\"\nports = [8080]\nwait_ms = 500\n";
        let all = trunk(all).expect("sound");
        assert_eq!((all.header, all.diversion), (CallerHeader::Asserted, DiversionHeader::History));
        assert!(all.trust_domain && all.trust_verstat && all.refuse == Refuse::Failed);
        let verify = all.verify.expect("on");
        assert_eq!((verify.anchors.len(), verify.ports.as_slice()), (1, &[8080][..]));
        assert_eq!(verify.wait, Duration::from_millis(500));
        let sign = all.sign.expect("on");
        assert_eq!((sign.most, sign.origid.as_deref()), (Attestation::Partial, Some("o")));
    }

    #[test]
    fn a_key_signs_as_its_certificate_says() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let signature = signing_key(&at("cert.pem"), &at("key.pem")).expect("a pair").sign(b"text");
        let key = KeyPair::from_pem(&std::fs::read_to_string(at("key.pem")).expect("read"));
        let point = key.expect("a key").public_key_raw().to_vec();
        let all = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let fits = |signature: &[u8; 64]| {
            let der = crate::sip::identity::x509_signature(signature);
            all.iter().any(|one| one.verify_signature(&point, b"text", &der).is_ok())
        };
        assert!(fits(&signature.expect("signed")));
        assert!(!fits(&[1; 64]));
    }

    #[test]
    fn what_cannot_work_is_told_with_what_would() {
        let sign = |certificate: &str, key: &str, url: &str| {
            let rest = format!(
                "stir_sign = {{ certificate = \"{certificate}\", key = \"{key}\", url = \"{url}\" }}"
            );
            trunk(&rest).expect_err("refused").join("; ")
        };
        let url = "https://c.example/c.pem";
        assert!(sign("cert.pem", "key.pem", "http://c.example/c.pem").contains("not https"));
        assert!(sign("cert.pem", "key3.pem", url).contains("cert.pem"));
        assert!(sign("cert3.pem", "key3.pem", url).contains("P-256"));
        assert!(sign("gone.pem", "key.pem", url).contains("cannot read"));
        for (rest, words) in [
            ("stir_verify = true", "[stir] anchors"),
            ("stir_verify = true\n[stir]\nanchors = \"key.pem\"", "no certificate in"),
            ("stir_refuse = \"failed\"", "stir_verify or trust_verstat"),
            ("stir_refuse = \"always\"", "\"never\", \"failed\", \"unproven\""),
            ("stir_sign = { url = \"https://c.example/c\" }", "certificate"),
            ("identity = \"paid\"", "\"pai\""),
            ("identity = \"pai\"\nheaders = { P-Asserted-Identity = \"<sip:x@y>\" }", "already"),
            ("diversion = \"diversion\"\nheaders = { Diversion = \"<sip:x@y>\" }", "already"),
            ("headers = { Identity = \"x\" }", "written by the server"),
            ("headers = { y = \"x\" }", "written by the server"),
            ("[stir]\nwait_ms = 60000", "wait_ms"),
            ("[stir]\nports = [\"x\"]", "ports"),
        ] {
            let told = trunk(rest).expect_err(rest).join("; ");
            assert!(told.contains(words), "{rest}: {told}");
        }
    }
}
