//! `offhook phone`: a softphone without a screen, for tests, demos and scripts.
//!
//! Tells every event in a line. Exit 0 when the call was up and then ended, or when registering was
//! all that was asked; 1 otherwise, with the reason.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Outcome;
use super::flow::words::length;
use super::serve::{block_on, stop_signal};
use crate::audio::tone::Tone;
use crate::audio::{Clip, wav};
use crate::base::id::RecordingSid;
use crate::base::{Duration, Instant, Secret};
use crate::leg::{self, Cause};
use crate::node::phone_line::{Line, PhoneLine};
use crate::node::recording;
use crate::phone::{Command, Event};
use crate::sip::Transport;

/// How long the end of a call, or of a registration, is waited for: timer F and a little
/// (RFC 3261 section 17.1.2.2).
const GRACE: Duration = Duration::from_secs(33);
/// The ports of the phone's media.
const PORTS: (u16, u16) = (40_000, 49_999);
/// How loud a hummed tone is: a quarter of full scale.
const HUM: f64 = 8_000.0;

/// Arguments of `offhook phone`.
#[derive(clap::Args, Debug)]
pub(super) struct Phone {
    /// The server's SIP address, such as 127.0.0.1:5060
    #[arg(long, value_name = "ADDRESS")]
    server: SocketAddr,
    /// The user name
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The SIP domain
    #[arg(long, value_name = "DOMAIN")]
    domain: String,
    /// The password; better in the environment, as OFFHOOK_PHONE_PASSWORD
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Registers, and takes the registration back at the end
    #[arg(long)]
    register: bool,
    /// Calls a SIP URI, or a user or number at the domain
    #[arg(long, value_name = "URI", conflicts_with = "answer")]
    dial: Option<String>,
    /// Waits for a call and answers it
    #[arg(long)]
    answer: bool,
    /// Lets it ring for so long before answering
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "0s", requires = "answer")]
    after: Duration,
    /// Sends these keys when the call is up; w waits half a second
    #[arg(long, value_name = "KEYS")]
    digits: Option<String>,
    /// Plays a WAV file when the call is up
    #[arg(long, value_name = "FILE", conflicts_with = "hum")]
    play: Option<PathBuf>,
    /// Hums a tone of so many hertz while the call is up
    #[arg(long, value_name = "HERTZ")]
    hum: Option<f64>,
    /// Records what it hears
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Hangs up so long after the call came up
    #[arg(long, value_name = "TIME", value_parser = length)]
    hangup_after: Option<Duration>,
    /// Gives up when no call is up after so long
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "2m")]
    patience: Duration,
    /// udp, tcp, tls, ws or wss; the server's certificate must bear the domain
    #[arg(long, value_name = "TRANSPORT", value_parser = transport, default_value = "udp")]
    transport: Transport,
    /// Authorities in PEM that may vouch for the server, besides the system's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// The phone's own address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    local: SocketAddr,
}

fn transport(text: &str) -> Result<Transport, String> {
    Transport::of_name(text).ok_or_else(|| "expected udp, tcp, tls, ws or wss".to_owned())
}

impl Phone {
    pub(super) fn run(self) -> Outcome {
        if !self.register && self.dial.is_none() && !self.answer {
            eprintln!("offhook: a phone with nothing to do; add --register, --dial or --answer");
            return Ok(ExitCode::from(2));
        }
        let sound = self.sound()?;
        let folder = match &self.record {
            Some(file) => folder_of(file),
            None => std::env::temp_dir(),
        };
        let password =
            self.password.clone().or_else(|| std::env::var("OFFHOOK_PHONE_PASSWORD").ok());
        let line = Line {
            user: self.user.clone(),
            domain: self.domain.clone(),
            password: password.map(Secret::new),
            server: self.server,
            transport: self.transport,
            local: self.local,
            recordings: folder.clone(),
            ca: self.ca.clone(),
        };
        block_on(async move {
            let phone = PhoneLine::open(line, PORTS).map_err(|error| error.to_string())?;
            if let Some(local) = phone.local() {
                println!("listening {local}");
            }
            let mut errand = Errand { options: &self, phone, sound, recording: None, up: false };
            let done = errand.carry_out().await;
            let Errand { phone, recording, .. } = errand;
            // Its media worker ends here; the recording is whole afterwards.
            phone.close().await;
            if let (Some(file), Some(sid)) = (&self.record, recording) {
                keep(&folder, sid, file)?;
            }
            done.map(|()| ExitCode::SUCCESS)
        })
    }

    /// What it plays, and how often; 0 is without end.
    fn sound(&self) -> Result<Option<(Clip, u32)>, String> {
        if let Some(hertz) = self.hum {
            if !(20.0..=3_900.0).contains(&hertz) {
                return Err(format!("--hum {hertz}: a telephone carries 20 to 3900 hertz"));
            }
            let tone = Tone::new(&[(hertz, HUM)]).samples(Duration::from_secs(1));
            return Ok(Some((Clip::new(tone), 0)));
        }
        let Some(path) = &self.play else { return Ok(None) };
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let clip = wav::read(&bytes)
            .map_err(|error| format!("cannot play {shown}: {error}; use WAV with PCM or G.711"))?;
        Ok(Some((clip, 1)))
    }
}

/// What a phone was sent for.
struct Errand<'o> {
    options: &'o Phone,
    phone: PhoneLine,
    sound: Option<(Clip, u32)>,
    recording: Option<RecordingSid>,
    up: bool,
}

impl Errand<'_> {
    async fn carry_out(&mut self) -> Result<(), String> {
        if self.options.register {
            self.register().await?;
        }
        let done = match &self.options.dial {
            Some(uri) => {
                println!("dialling {uri}");
                self.phone.order(Command::Dial(uri.clone()));
                self.call().await
            }
            None if self.options.answer => self.call().await,
            None => Ok(()),
        };
        if self.options.register {
            self.unregister().await;
        }
        done
    }

    async fn register(&mut self) -> Result<(), String> {
        self.phone.order(Command::Register);
        let until = self.phone.now() + GRACE;
        loop {
            match self.phone.next_before(until).await {
                Some(Event::Registered) => {
                    println!("registered");
                    return Ok(());
                }
                Some(Event::NotRegistered(status)) => return Err(not_registered(status)),
                Some(other) => tell(&other),
                None => return Err(not_registered(None)),
            }
        }
    }

    async fn unregister(&mut self) {
        self.phone.order(Command::Unregister);
        let until = self.phone.now() + Duration::from_secs(2);
        while let Some(event) = self.phone.next_before(until).await {
            if matches!(event, Event::Registered | Event::NotRegistered(_)) {
                println!("unregistered");
                return;
            }
        }
    }

    /// One call, from whichever side, to its end.
    async fn call(&mut self) -> Result<(), String> {
        let mut deadline = self.phone.now() + self.options.patience;
        let mut stage = Stage::Waiting;
        // Whoever ends the program must not leave the far end in a call with nobody.
        let mut stop = std::pin::pin!(stop_signal());
        loop {
            let event = tokio::select! {
                event = self.phone.next_before(deadline) => event,
                () = stop.as_mut(), if !matches!(stage, Stage::Leaving) => {
                    if !self.phone.is_busy() {
                        return Err("stopped before a call was up".to_owned());
                    }
                    println!("stopping: hanging up");
                    self.phone.order(Command::Hangup);
                    (stage, deadline) = (Stage::Leaving, self.phone.now() + GRACE);
                    continue;
                }
            };
            let Some(event) = event else {
                (stage, deadline) = self.due(stage)?;
                continue;
            };
            if !matches!(event, Event::Registered) {
                tell(&event);
            }
            match event {
                Event::Incoming { .. } if self.options.answer => {
                    stage = Stage::Ringing;
                    deadline = self.phone.now() + self.options.after;
                }
                Event::Answered if !self.up => {
                    self.up = true;
                    self.start();
                    stage = Stage::Talking;
                    // Four hours is the longest call.
                    let most = Duration::from_secs(4 * 3_600);
                    deadline = self.phone.now() + self.options.hangup_after.unwrap_or(most);
                }
                Event::NotRegistered(status) => return Err(not_registered(status)),
                Event::Leg(leg::Event::Ended { cause, sip_status, .. }) => {
                    return self.ended(cause, sip_status);
                }
                _ => {}
            }
        }
    }

    /// The time of a stage is over.
    fn due(&mut self, stage: Stage) -> Result<(Stage, Instant), String> {
        let now = self.phone.now();
        match stage {
            Stage::Waiting => {
                let patience = self.options.patience.as_secs();
                Err(format!("no call was up after {patience} s; is the other side there?"))
            }
            Stage::Ringing => {
                self.phone.order(Command::Answer);
                Ok((Stage::Waiting, now + self.options.patience))
            }
            Stage::Talking => {
                println!("hanging up");
                self.phone.order(Command::Hangup);
                Ok((Stage::Leaving, now + GRACE))
            }
            Stage::Leaving => Err("the other side never confirmed the end of the call".to_owned()),
        }
    }

    /// The call is up: record, press, play.
    fn start(&mut self) {
        if self.options.record.is_some() {
            self.recording = Some(self.phone.record());
        }
        if let Some(digits) = self.options.digits.clone() {
            let order = leg::Command::SendDigits { play: 1, digits };
            self.phone.order(Command::Leg(order));
        }
        if let Some((clip, loops)) = self.sound.clone() {
            let order = leg::Command::Play { play: 2, clip, loops };
            self.phone.order(Command::Leg(order));
        }
    }

    fn ended(&self, cause: Cause, status: Option<u16>) -> Result<(), String> {
        let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
        match cause {
            Cause::Hangup | Cause::Local if self.up => Ok(()),
            Cause::Busy => Err(format!("busy{status}")),
            Cause::NoAnswer => Err(format!("nobody answered{status}")),
            Cause::Lost => Err(format!("the other side was lost{status}")),
            Cause::Cancelled => Err("the caller gave up before the answer".to_owned()),
            Cause::Hangup | Cause::Local | Cause::Failed => {
                Err(format!("the call could not be made{status}; see the server's log"))
            }
        }
    }
}

/// How far a call is.
#[derive(Clone, Copy)]
enum Stage {
    /// Nobody talks yet.
    Waiting,
    /// It rings here.
    Ringing,
    /// It is up.
    Talking,
    /// We hung up.
    Leaving,
}

fn not_registered(status: Option<u16>) -> String {
    match status {
        Some(401 | 403) => "not registered: wrong user, domain or password".to_owned(),
        Some(404) => "not registered: the server knows no such domain".to_owned(),
        Some(status) => format!("not registered: the server answered {status}"),
        None => "not registered: no answer; is the server's address right?".to_owned(),
    }
}

fn tell(event: &Event) {
    match event {
        Event::Registered => println!("registered"),
        Event::NotRegistered(_) => println!("not registered"),
        Event::Incoming { from, name, uri } => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            println!("incoming from {from}{name} for {uri}");
        }
        Event::Ringing => println!("ringing"),
        Event::Answered => println!("answered"),
        Event::Leg(event) => tell_leg(event),
    }
}

fn tell_leg(event: &leg::Event) {
    match event {
        leg::Event::Ringing => println!("ringing"),
        leg::Event::Answered { .. } => println!("answered"),
        leg::Event::EarlyMedia => println!("sound before the answer"),
        leg::Event::ReferAnswered(status) => println!("asked to call elsewhere: {status}"),
        leg::Event::Referred(status) => println!("referred: {status}"),
        leg::Event::Transfer { to, .. } => println!("asked for a transfer to {to}: declined"),
        leg::Event::Held => println!("on hold"),
        leg::Event::Resumed => println!("back from hold"),
        leg::Event::Elsewhere(from) => println!("sound from {from} is refused: unexpected"),
        leg::Event::Digit(digit) => println!("digit {digit}"),
        leg::Event::Played(1) => println!("digits sent"),
        leg::Event::Played(_) => println!("played"),
        leg::Event::Recorded { length, heard, .. } => {
            let heard = if *heard { "" } else { ", silent" };
            println!("recorded {:.1} s{heard}", length.as_secs_f64());
        }
        leg::Event::Ended { cause, sip_status, .. } => {
            let status = sip_status.map(|status| format!(" {status}")).unwrap_or_default();
            println!("ended: {}{status}", cause_word(*cause));
        }
    }
}

fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Hangup => "the other side hung up",
        Cause::Cancelled => "cancelled",
        Cause::Local => "hung up here",
        Cause::Busy => "busy",
        Cause::NoAnswer => "no answer",
        Cause::Failed => "failed",
        Cause::Lost => "lost",
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Gives the recording the name that was asked for.
fn keep(folder: &Path, sid: RecordingSid, file: &Path) -> Result<(), String> {
    let made = recording::path(folder, sid);
    std::fs::rename(&made, file)
        .map_err(|error| format!("the recording cannot be kept as {}: {error}", file.display()))?;
    println!("wrote {}", file.display());
    Ok(())
}
