//! baresip (Debian's baresip-core), headless: sine sources, and what it hears in WAV files.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::ear;
use super::server::{Project, Server};
use super::tools::{Running, eventually, free_port, output, phone_ports};
use super::web::Web;

const LIMIT: Duration = Duration::from_secs(20);
pub const HOME_HUMS: u32 = 440;
pub const MYUSER_HUMS: u32 = 620;
const TALK: Duration = Duration::from_secs(4);

/// One baresip with its folder.
pub struct Baresip {
    running: Running,
    folder: PathBuf,
    control: SocketAddr,
}

impl Baresip {
    /// Starts one and waits until it is registered.
    pub fn registered(
        project: &Project,
        server: SocketAddr,
        transport: &str,
        login: (&str, &str, u32),
    ) -> Baresip {
        Baresip::at("127.0.0.1", project, server, transport, login)
    }

    /// The same at another address of this machine.
    pub fn at(
        ip: &str,
        project: &Project,
        server: SocketAddr,
        transport: &str,
        (user, password, hums): (&str, &str, u32),
    ) -> Baresip {
        let folder = project.folder().join(user);
        fs::create_dir_all(&folder).unwrap();
        let control = SocketAddr::from(([127, 0, 0, 1], free_port("127.0.0.1")));
        let heard = folder.display();
        let ca = project.folder().join("tls.pem");
        let tls = match transport {
            "tls" => format!("sip_cafile {}\nsip_verify_server yes\n", ca.display()),
            _ => String::new(),
        };
        // ausine wants 48 kHz and two channels; sndfile writes what is sent and heard; aubridge is
        // a loudspeaker that needs no sound card.
        let config = format!(
            "sip_listen {ip}:{}\nmodule_path /usr/lib/baresip/modules\n\
             audio_source ausine,{hums}\naudio_player aubridge,{user}\naudio_alert aubridge,{user}\n\
             ausrc_srate 48000\nausrc_channels 2\nauplay_srate 8000\nauplay_channels 1\n\
             snd_path {heard}\nctrl_tcp_listen {control}\n\
             {tls}module g711.so\nmodule sndfile.so\nmodule ausine.so\nmodule aubridge.so\n\
             module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n",
            phone_ports(ip)
        );
        fs::write(folder.join("config"), config).unwrap();
        fs::write(
            folder.join("accounts"),
            format!(
                "<sip:{user}@office.localhost;transport={transport}>;auth_pass={password};\
                 outbound=\"sip:{server};transport={transport}\";regint=60;answermode=auto;\
                 audio_codecs=pcmu\n"
            ),
        )
        .unwrap();
        fs::write(folder.join("contacts"), "").unwrap();
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&folder).current_dir(&folder).env("HOME", &folder);
        let running = Running::start(&mut command, &format!("baresip-{user}"), project.folder());
        let baresip = Baresip { running, folder, control };
        baresip.says("200 OK");
        baresip
    }

    /// Waits until it printed something.
    fn says(&self, what: &str) {
        let deadline = std::time::Instant::now() + LIMIT;
        while !self.running.said().contains(what) {
            let late = std::time::Instant::now() > deadline;
            assert!(!late, "{} never said {what:?}: {}", self.running.name, self.running.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How often it printed something.
    pub fn count(&self, what: &str) -> usize {
        self.running.said().matches(what).count()
    }

    /// Waits until it printed something once more than before.
    pub fn says_again(&self, what: &str, before: usize) {
        let deadline = std::time::Instant::now() + LIMIT;
        while self.count(what) <= before {
            let late = std::time::Instant::now() > deadline;
            assert!(!late, "{} not again {what:?}: {}", self.running.name, self.running.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn order(&self, command: &str, parameters: &str) {
        let reply = order(self.control, command, parameters);
        assert!(reply.contains("\"ok\":true"), "{command}: {reply}");
    }

    /// What it heard, by its own decoder.
    fn heard(&self) -> Vec<i16> {
        let entries = fs::read_dir(&self.folder).unwrap().flatten().map(|entry| entry.path());
        let dump = entries.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).max();
        ear::read_by_sox(&dump.unwrap_or_else(|| panic!("no dump: {}", self.running.said())))
    }
}

/// Gives a baresip a command of its menu, as a JSON netstring; its reply. What it tells of events
/// meanwhile is read too: who hangs up on it before takes the command along.
pub fn order(control: SocketAddr, command: &str, parameters: &str) -> String {
    let json = format!("{{\"command\":\"{command}\",\"params\":\"{parameters}\"}}");
    let mut stream = TcpStream::connect(control).expect("baresip's control port");
    write!(stream, "{}:{json},", json.len()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let (mut said, mut more) = (String::new(), [0; 4_096]);
    while !said.contains("\"response\":true") || !said.ends_with("},") {
        match stream.read(&mut more) {
            Ok(length @ 1..) => said.push_str(&String::from_utf8_lossy(&more[..length])),
            end => panic!("{command}: {end:?} after {said:?}"),
        }
    }
    said
}

/// A project that rings the dialled user, and records both sides.
pub fn project() -> Project {
    let dial = "<Dial record=\"record-from-answer-dual\"><Sip>{{To}}</Sip></Dial>";
    Project::new(9).dialled(dial)
}

fn two_talk(transport: &str, at: impl Fn(&Server) -> SocketAddr) {
    let project = project().tls();
    let server = project.serve();
    talk(&project, &server, transport, at(&server), 1);
}

/// Two that register at `edge` call each other so often and talk, the callee ending every second
/// call.
pub fn talk(project: &Project, server: &Server, transport: &str, edge: SocketAddr, calls: u32) {
    let home = ("home", "Correct-Horse-1", HOME_HUMS);
    let home = Baresip::registered(project, edge, transport, home);
    let myuser = ("myuser", "Battery-Staple-2", MYUSER_HUMS);
    let myuser = Baresip::registered(project, edge, transport, myuser);
    for n in 1..=calls {
        call(project, &home, &myuser, n % 2 == 1);
    }
    server.said();
}

/// `home` calls and both talk; the recording and what each of them heard are judged.
pub fn call(project: &Project, home: &Baresip, myuser: &Baresip, caller_ends: bool) {
    let before = home.count("Call established");
    home.order("dial", "sip:myuser@office.localhost");
    home.says_again("Call established", before);
    std::thread::sleep(TALK);
    let (ends, ended) = if caller_ends { (home, myuser) } else { (myuser, home) };
    let over = ended.count("terminated");
    let known = project.wavs(".wav");
    ends.order("hangup", "");
    let whole = || {
        let found = project.wavs(".wav").into_iter();
        found.filter(|p| !known.contains(p)).find(|p| !is_part(p))
    };
    let recording = eventually("the recording", LIMIT, whole);
    ended.says_again("terminated", over);

    let wanted = TALK.as_secs_f64() * 0.8;
    for (phone, hertz) in [(home, MYUSER_HUMS), (myuser, HOME_HUMS)] {
        let who = &phone.running.name;
        let seconds = ear::seconds_of(&phone.heard(), f64::from(hertz));
        println!("{who} heard {hertz} Hz for {seconds:.2} s");
        assert!(seconds > wanted, "{who} heard {hertz} Hz for {seconds} s");
    }
    for (channel, hertz) in [("1", HOME_HUMS), ("2", MYUSER_HUMS)] {
        let seconds = ear::seconds_of(&channel_of(&recording, channel), f64::from(hertz));
        println!("channel {channel} holds {hertz} Hz for {seconds:.2} s");
        assert!(seconds > wanted, "channel {channel}: {seconds} s");
    }
}

fn is_part(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".part.wav")
}

fn channel_of(path: &Path, channel: &str) -> Vec<i16> {
    let path = path.to_str().expect("a plain name");
    let form = ["-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-", "remix", channel];
    let raw = output("sox", &[&[path], &form[..]].concat());
    raw.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[test]
#[ignore = "interop"]
fn two_phones_talk_over_udp() {
    two_talk("udp", Server::udp);
}

#[test]
#[ignore = "interop"]
fn two_phones_talk_over_tcp() {
    two_talk("tcp", Server::tcp);
}

#[test]
#[ignore = "interop"]
fn two_phones_talk_over_tls() {
    two_talk("tls", Server::tls);
}

#[test]
#[ignore = "interop"]
fn keys_reach_a_gather() {
    let web = Web::start(|_| "<Response><Hangup/></Response>".to_owned());
    let project = Project::new(9);
    let action = web.url("/digits");
    project.file(
        "functions/sip-outbound.js",
        format!(
            "exports.handler = (context, event, callback) => {{
               const twiml = new Twilio.twiml.VoiceResponse();
               twiml.gather({{ numDigits: 4, timeout: 10, action: '{action}' }});
               callback(null, twiml);
             }};"
        ),
    );
    let server = project.serve();
    let home = ("home", "Correct-Horse-1", HOME_HUMS);
    let home = Baresip::registered(&project, server.udp(), "udp", home);
    home.order("dial", "sip:menu@office.localhost");
    home.says("Call established");
    std::thread::sleep(Duration::from_millis(500));
    for key in ["1", "5", "9", "0"] {
        home.order("sndcode", key);
        std::thread::sleep(Duration::from_millis(400));
    }
    let told = web.wait("digits", |request| request.path == "/digits");
    println!("digits: {}", told.parameter("Digits"));
    assert_eq!(told.parameter("Digits"), "1590");
    home.says("terminated");
    server.said();
}
