//! The real binary on a temporary project: `offhook serve` on ports that the kernel chose.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use offhook::audio::tone::Tone;
use offhook::audio::wav;

use super::tools;

/// A project folder below the system's temporary one.
#[derive(Debug)]
pub struct Project {
    folder: tempfile::TempDir,
    config: String,
}

impl Project {
    /// Two phones, `home` and `myuser`; a trunk at `trunk`, known by its address.
    pub fn new(trunk: u16) -> Project {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bins", "functions", "assets"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let config = format!(
            r#"
[http]
listen = ["127.0.0.1:0"]
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:[::1]:0"]
[webhook]
allow = ["127.0.0.0/8"]
[[credential_list]]
name = "staff"
credentials = [
    {{ username = "home", password = "Correct-Horse-1" }},
    {{ username = "myuser", password = "Battery-Staple-2" }},
]
[[domain]]
name = "office.localhost"
registration = ["staff"]
calls = ["staff"]
voice = "function:sip-outbound"
[[trunk]]
name = "carrier"
uri = "sip:127.0.0.1:{trunk}"
inbound_ips = ["127.0.0.1/32", "::1/128"]
prefixes = ["+1"]
"#
        );
        let mut project = Project { folder, config };
        // All of these tests must hold for several shards, too.
        if let Some(count) =
            std::env::var("OFFHOOK_INTEROP_SHARDS").ok().and_then(|t| t.parse().ok())
        {
            project = project.shards(count);
        }
        let outbound =
            concat!(env!("CARGO_MANIFEST_DIR"), "/samples/first/functions/sip-outbound.js");
        project.file("functions/sip-outbound.js", fs::read(outbound).unwrap());
        project
    }

    /// A number whose handler is a bin of this text.
    pub fn number(mut self, number: &str, markup: &str) -> Project {
        let name = format!("n{}", number.trim_start_matches('+'));
        self.file(
            &format!("bins/{name}.xml"),
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>{markup}</Response>\n"),
        );
        self.config += &format!("[[number]]\nnumber = \"{number}\"\nvoice = \"bin:{name}\"\n");
        self
    }

    /// So many exchanges, each on a thread of its own.
    pub fn shards(mut self, count: u8) -> Project {
        let line = format!("[sip]\nshards = {count}\n");
        let others: Vec<&str> =
            self.config.lines().filter(|line| !line.starts_with("shards = ")).collect();
        self.config = (others.join("\n") + "\n").replacen("[sip]\n", &line, 1);
        self
    }

    /// Debian's sipp 3.6 reads only the first challenge, in spite of RFC 8760 section 2.4, and does
    /// not come back for a second one.
    pub fn md5_only(mut self) -> Project {
        self.config = self.config.replacen("[sip]\n", "[sip]\ndigest = [\"MD5\"]\n", 1);
        self
    }

    /// The trunk challenges: this is what it is answered with.
    pub fn trunk_login(mut self, user: &str, password: &str) -> Project {
        let login = format!("username = \"{user}\"\npassword = \"{password}\"\n");
        self.config = self.config.replacen(
            "prefixes = [\"+1\"]\n",
            &format!("prefixes = [\"+1\"]\n{login}"),
            1,
        );
        self
    }

    /// What users of the domain dial is answered by a bin of this text.
    pub fn dialled(mut self, markup: &str) -> Project {
        self.file(
            "bins/dialled.xml",
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>{markup}</Response>\n"),
        );
        self.config = self.config.replacen("function:sip-outbound", "bin:dialled", 1);
        self
    }

    /// Listens for SIP there, instead of on loopback.
    pub fn listen(mut self, listeners: &str) -> Project {
        let table = self.config.find("[sip]\n").expect("a table");
        let start = self.config[table..].find("listen = [").expect("a list") + table;
        let end = self.config[start..].find('\n').expect("its end") + start;
        self.config.replace_range(start..end, &format!("listen = [{listeners}]"));
        self
    }

    /// Another setting of `[sip]`.
    pub fn sip(mut self, line: &str) -> Project {
        self.config = self.config.replacen("[sip]\n", &format!("[sip]\n{line}\n"), 1);
        self
    }

    /// Listens for TLS and WebSockets too, with a certificate in `tls.pem`.
    pub fn tls(mut self) -> Project {
        let names = ["127.0.0.1".to_owned(), "office.localhost".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).unwrap();
        self.file("tls.pem", own.cert.pem());
        self.file("tls.key", own.signing_key.serialize_pem());
        let more = ["tls", "ws", "wss"].map(|name| format!("\"{name}:127.0.0.1:0\", ")).concat();
        let listeners = format!("listen = [{more}\"udp:127.0.0.1:0\",");
        self.config = self.config.replacen("listen = [\"udp:127.0.0.1:0\",", &listeners, 1);
        let table = "[tls]\ncertificates = [{ certificate = \"tls.pem\", key = \"tls.key\" }]\n";
        self.config = self.config.replacen("[webhook]\n", &format!("{table}[webhook]\n"), 1);
        self
    }

    /// More lines of configuration.
    pub fn more(mut self, text: &str) -> Project {
        self.config += text;
        self
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// An asset `tone.wav` of ten seconds.
    pub fn tone(self, hertz: f64) -> Project {
        let samples =
            Tone::new(&[(hertz, 8_000.0)]).samples(offhook::base::Duration::from_secs(10));
        self.file("assets/tone.wav", wav::write(&samples, 1));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn recordings(&self) -> PathBuf {
        self.folder().join("data/recordings")
    }

    /// Files of recordings whose name ends so.
    pub fn wavs(&self, end: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.recordings()).into_iter().flatten().flatten();
        entries.map(|e| e.path()).filter(|p| p.to_string_lossy().ends_with(end)).collect()
    }

    pub fn serve(&self) -> Server {
        self.serve_by(Command::new(env!("CARGO_BIN_EXE_offhook")))
    }

    /// The same started by another command, to which the arguments are added.
    pub fn serve_by(&self, mut command: Command) -> Server {
        fs::write(self.folder().join("offhook.toml"), &self.config).unwrap();
        let log = self.folder().join("server.log");
        let errors = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let started = Instant::now();
        command.args(["serve", "-C"]).arg(self.folder());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (lines, printed) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|l| lines.send(l))
        });
        let mut server = Server { child, log, addresses: vec![], ready_after: Duration::ZERO };
        loop {
            match printed.recv_timeout(Duration::from_secs(60)) {
                Ok(line) if line == "ready" => break,
                Ok(line) => server.addresses.push(line),
                Err(error) => panic!("the server did not start: {error}: {}", server.said()),
            }
        }
        server.ready_after = started.elapsed();
        server
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // What every program wrote is the evidence of a failure.
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("kept: {}", self.folder().display());
        }
    }
}

/// A running server; killed with its owner.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    addresses: Vec<String>,
    pub ready_after: Duration,
}

impl Server {
    fn address(&self, start: &str) -> SocketAddr {
        let found = self.addresses.iter().find_map(|line| line.strip_prefix(start));
        found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{:?}", self.addresses))
    }

    pub fn udp(&self) -> SocketAddr {
        self.address("sip  udp:")
    }

    pub fn udp6(&self) -> SocketAddr {
        let found = self.addresses.iter().filter_map(|line| line.strip_prefix("sip  udp:"));
        found.filter_map(|text| text.parse().ok()).find(SocketAddr::is_ipv6).expect("IPv6")
    }

    pub fn tcp(&self) -> SocketAddr {
        self.address("sip  tcp:")
    }

    pub fn tls(&self) -> SocketAddr {
        self.over("tls")
    }

    /// Its address for SIP over a transport.
    pub fn over(&self, transport: &str) -> SocketAddr {
        self.address(&format!("sip  {transport}:"))
    }

    pub fn http(&self) -> SocketAddr {
        self.address("http http://")
    }

    /// What it logged; fails when it panicked.
    pub fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        assert!(!text.contains("panicked"), "{text}");
        text
    }

    /// Resident memory in kilobytes.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap()
    }

    /// SIGKILL, as a crash or the kernel's memory killer gives it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(&self) {
        tools::output("kill", &["-TERM", &self.child.id().to_string()]);
    }

    /// Waits for the end after [`Server::terminate`].
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        tools::ended(&mut self.child, limit)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}
