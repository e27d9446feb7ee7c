//! `offhook demo`: the main job on loopback, with real SIP and RTP, checked by ear.
//!
//! A phone registers and dials through a function, a softphone stands for the carrier, a number
//! rings a SIP user, a caller leaves a message. Exits 0 only if every party heard what it should.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::serve::{block_on, read_config, start_logging, stop_signal};
use super::{Outcome, Project, new};
use crate::base::Secret;
use crate::node::phone_line::Line;
use crate::node::seeing::history::{self, Story};
use crate::node::seeing::ladder;
use crate::node::trace::Trace;
use crate::node::{Node, Options};
use crate::phone::{Command, Event};
use crate::sip::Transport;

mod ear;
mod party;

use ear::Heard;
use party::Party;

/// What each phone hums, in hertz: apart from each other and from speech's strong tones.
const HOME_HUMS: f64 = 440.0;
const CARRIER_HUMS: f64 = 620.0;
const MYUSER_HUMS: f64 = 1_130.0;

/// How long two parties listen to each other.
const TALK: Duration = Duration::from_millis(1_500);

/// Arguments of `offhook demo`.
#[derive(clap::Args, Debug)]
pub(super) struct Demo {
    /// Go on serving when the calls are done
    #[arg(long)]
    keep: bool,
    /// Where to write the sample project; a new folder below the system's temporary one by default
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the log of the server, too
    #[arg(long, short)]
    verbose: bool,
}

impl Demo {
    pub(super) fn run(self) -> Outcome {
        if self.verbose {
            start_logging();
        }
        let folder = self.dir.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("offhook-demo-{}", std::process::id()))
        });
        block_on(async move {
            let mut stage = Stage::open(&folder).await?;
            let right = stage.play().await?;
            println!("\nproject: {}", folder.display());
            if self.keep {
                println!("serving on; end with Ctrl-C");
                stop_signal().await;
            }
            if right {
                println!("demo: every party heard what it should");
                Ok(ExitCode::SUCCESS)
            } else {
                Err("demo: something is not right, see \"WRONG\" above".to_owned())
            }
        })
    }
}

/// The server and the phones.
struct Stage {
    trace: Trace,
    /// Call-IDs whose ladders were shown.
    shown: usize,
    http: SocketAddr,
    data: PathBuf,
    recordings: PathBuf,
    home: Party,
    myuser: Party,
    carrier: Party,
    findings: Vec<(bool, String)>,
}

impl Stage {
    async fn open(folder: &Path) -> Result<Stage, String> {
        new::write_project(folder)?;
        let ears = folder.join("heard");
        std::fs::create_dir_all(&ears).map_err(|error| format!("{}: {error}", ears.display()))?;
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let line = |user: &str, domain: &str, password: Option<&str>, server| Line {
            user: user.to_owned(),
            domain: domain.to_owned(),
            password: password.map(Secret::new),
            server,
            transport: Transport::Udp,
            local: anywhere,
            recordings: ears.clone(),
            ca: vec![],
        };

        // The carrier's address goes into the configuration, the server's into the phones.
        let sip = free_port()?;
        let carrier = Party::open(line("+15550001111", "127.0.0.1", None, sip), CARRIER_HUMS)?;
        adapt_configuration(folder, sip, carrier.local()?)?;
        let project = Project { folder: folder.to_owned() };
        let config = read_config(&project)?;
        let data = config.server.data.clone();
        let recordings = data.join("recordings");
        let trace = Trace::default();
        let options = Options { trace: Some(trace.clone()), ..Options::default() };
        let node = Node::start(config, options).await.map_err(|error| error.to_string())?;
        let http = *node.addresses().http.first().ok_or("no HTTP address")?;
        println!("server: sip udp:{sip}, http http://{http}");
        tokio::task::spawn_local(node.run(std::future::pending));

        let office = "office.localhost";
        let home = line("home", office, Some("Correct-Horse-1"), sip);
        let myuser = line("myuser", office, Some("Battery-Staple-2"), sip);
        Ok(Stage {
            trace,
            shown: 0,
            http,
            data,
            recordings,
            home: Party::open(home, HOME_HUMS)?,
            myuser: Party::open(myuser, MYUSER_HUMS)?,
            carrier,
            findings: vec![],
        })
    }

    /// All scenes; whether everything was right.
    async fn play(&mut self) -> Result<bool, String> {
        println!("\n== phones register");
        for phone in [&mut self.home, &mut self.myuser] {
            phone.order(Command::Register);
            phone.expect("registration", |event| *event == Event::Registered).await?;
        }
        println!("home and myuser are registered");
        self.phone_calls_a_number().await?;
        self.number_rings_a_phone().await?;
        self.caller_leaves_a_message().await?;
        Ok(self.findings.iter().all(|(right, _)| *right))
    }

    async fn phone_calls_a_number(&mut self) -> Result<(), String> {
        println!("\n== home dials 5551231234; a function maps its user to a caller ID");
        self.show_document(
            "/functions/sip-outbound?From=sip:home@office.localhost&To=sip:5551231234@office.localhost",
        )
        .await?;
        self.home.order(Command::Dial("5551231234".to_owned()));
        let (from, to) = self.carrier.rings().await?;
        self.find(to.starts_with("sip:+15551231234@"), format!("the carrier is asked for {to}"));
        self.find(from.starts_with("sip:+12223331234@"), format!("the caller ID is {from}"));
        self.carrier.order(Command::Answer);
        self.carrier.answered().await?;
        self.home.answered().await?;
        let (at_home, at_carrier) = talk(&mut self.home, &mut self.carrier).await?;
        self.home.hang_up().await?;
        self.carrier.ended().await?;
        self.hears("home", &at_home, CARRIER_HUMS);
        self.hears("the carrier", &at_carrier, HOME_HUMS);
        self.show_ladders().await;
        Ok(())
    }

    async fn number_rings_a_phone(&mut self) -> Result<(), String> {
        println!("\n== the carrier calls +12223331234; a bin rings a SIP user");
        self.show_document("/bins/to-myuser?From=%2B15550001111&To=%2B12223331234").await?;
        self.carrier.order(Command::Dial("12223331234".to_owned()));
        let (from, _) = self.myuser.rings().await?;
        self.find(from.contains("+15550001111"), format!("myuser sees the caller {from}"));
        self.myuser.order(Command::Answer);
        self.myuser.answered().await?;
        self.carrier.answered().await?;
        let (at_carrier, at_myuser) = talk(&mut self.carrier, &mut self.myuser).await?;
        self.myuser.hang_up().await?;
        self.carrier.ended().await?;
        self.hears("the carrier", &at_carrier, MYUSER_HUMS);
        self.hears("myuser", &at_myuser, CARRIER_HUMS);
        self.show_ladders().await;
        Ok(())
    }

    async fn caller_leaves_a_message(&mut self) -> Result<(), String> {
        println!("\n== the carrier calls +12223335678 and leaves a message");
        self.show_document("/bins/voicemail?From=%2B15550001111").await?;
        let before = files(&self.recordings);
        self.carrier.order(Command::Dial("12223335678".to_owned()));
        self.carrier.answered().await?;
        let recording = self.carrier.listen().await?;
        // The greeting and the beep; the message once the server records; then silence until it
        // has enough.
        self.recording_begins(before.len()).await?;
        self.carrier.hum(Duration::from_secs(3));
        self.carrier.ended().await?;
        let heard = self.carrier.heard(recording).await?;
        let speech = heard.speech_seconds();
        self.find(speech > 2.0, format!("the carrier heard {speech:.1} s of speech"));
        let after = wav_files(&self.recordings);
        let message = after.iter().find(|file| !before.contains(file));
        let Some(message) = message else {
            self.find(false, "no recording was written".to_owned());
            self.show_ladders().await;
            return Ok(());
        };
        println!("recording: {}", message.display());
        let kept = Heard::read(message)?;
        let loud = kept.seconds_of(CARRIER_HUMS);
        self.find(
            (2.0..=4.0).contains(&loud),
            format!("the recording holds {loud:.1} s of the caller's {CARRIER_HUMS:.0} Hz"),
        );
        self.show_ladders().await;
        Ok(())
    }

    /// Waits until the server has one more recording than `before`, finished or not.
    async fn recording_begins(&self, before: usize) -> Result<(), String> {
        const LOOK: Duration = Duration::from_millis(50);
        for _ in 0..party::PATIENCE.as_millis() / LOOK.as_millis() {
            if files(&self.recordings).len() > before {
                return Ok(());
            }
            self.carrier.wait(LOOK).await;
        }
        Err("the server waited in vain for its voice: no recording was begun".to_owned())
    }

    fn hears(&mut self, who: &str, heard: &Heard, hertz: f64) {
        let seconds = heard.seconds_of(hertz);
        let loudest = heard.loudest().unwrap_or(0.0);
        let right = seconds >= TALK.as_secs_f64() / 2.0;
        self.find(
            right,
            format!("{who} heard {hertz:.0} Hz for {seconds:.1} s (loudest {loudest:.0} Hz)"),
        );
    }

    fn find(&mut self, right: bool, what: String) {
        println!("{} {what}", if right { "ok   " } else { "WRONG" });
        self.findings.push((right, what));
    }

    /// The document as a tester's curl sees it: the same XML that the call gets.
    async fn show_document(&self, target: &str) -> Result<(), String> {
        let body = party::http_get(self.http, target).await?;
        println!("curl 'http://{}{target}'", self.http);
        for line in body.trim().lines() {
            println!("  {line}");
        }
        Ok(())
    }

    /// The ladders of the calls since the last time, as `offhook call show` draws them.
    async fn show_ladders(&mut self) {
        let seen = self.trace.calls();
        let new = seen.get(self.shown.min(seen.len())..).unwrap_or_default();
        let mut drawn = vec![];
        for call_id in new {
            let Some(story) = self.story(call_id).await else { continue };
            // Each leg has a Call-ID; the ladder shows them all.
            if !drawn.contains(&story.call) {
                println!("ladder of {}", story.call.as_deref().unwrap_or(call_id));
                ladder::draw(&story, false).iter().for_each(|line| println!("  {line}"));
                drawn.push(story.call);
            }
        }
        self.shown = seen.len();
    }

    /// A call's story once it says how the call ended: it is written a moment later.
    async fn story(&self, call_id: &str) -> Option<Story> {
        const LOOK: Duration = Duration::from_millis(50);
        const LOOKS: usize = 100;
        let mut found = None;
        for _ in 0..LOOKS {
            found = history::find(&self.data, call_id).ok().flatten();
            if found.as_ref().is_some_and(Story::is_over) {
                return found;
            }
            self.carrier.wait(LOOK).await;
        }
        found
    }
}

/// Both hum, both listen; what each heard.
async fn talk(one: &mut Party, two: &mut Party) -> Result<(Heard, Heard), String> {
    let (first, second) = (one.listen().await?, two.listen().await?);
    one.hum(TALK * 2);
    two.hum(TALK * 2);
    one.wait(TALK).await;
    one.stop_listening(first);
    two.stop_listening(second);
    Ok((one.heard(first).await?, two.heard(second).await?))
}

fn free_port() -> Result<SocketAddr, String> {
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0));
    socket.and_then(|socket| socket.local_addr()).map_err(|error| format!("no free port: {error}"))
}

/// Moves the sample project to free ports and to the demo's carrier.
fn adapt_configuration(folder: &Path, sip: SocketAddr, carrier: SocketAddr) -> Result<(), String> {
    let path = folder.join(crate::config::FILE);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let text = text
        .replace("listen = [\"127.0.0.1:8080\"]", "listen = [\"127.0.0.1:0\"]")
        .replace(
            "listen = [\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"]",
            &format!("listen = [\"udp:{sip}\", \"tcp:{sip}\"]"),
        )
        .replace("uri = \"sip:127.0.0.1:5070\"", &format!("uri = \"sip:{carrier}\""));
    std::fs::write(&path, text).map_err(failed)
}

fn wav_files(folder: &Path) -> Vec<PathBuf> {
    let whole = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".wav") && !name.ends_with(".part.wav")
    };
    files(folder).into_iter().filter(whole).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).collect()
}
