//! A phone of the demo: runs by itself, takes orders, is asked what happened.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use super::ear::Heard;
use crate::audio::Clip;
use crate::audio::tone::Tone;
use crate::base::id::RecordingSid;
use crate::leg;
use crate::node::phone_line::{Line, PhoneLine};
use crate::phone::{Command, Event};

/// Nothing in the demo takes longer; a wait beyond it is a failure that is told, not a hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Orders and events that may wait.
const QUEUE: usize = 256;

/// Media ports of the demo's phones: the server has the range above.
const PORTS: (u16, u16) = (10_000, 16_383);

/// One phone and its task.
pub(super) struct Party {
    name: String,
    local: Option<SocketAddr>,
    hums: f64,
    ears: PathBuf,
    orders: mpsc::Sender<Order>,
    events: mpsc::Receiver<Event>,
}

enum Order {
    Command(Command),
    Record(oneshot::Sender<RecordingSid>),
}

impl Party {
    pub(super) fn open(line: Line, hums: f64) -> Result<Party, String> {
        let (name, ears) = (line.user.clone(), line.recordings.clone());
        let phone = PhoneLine::open(line, PORTS).map_err(|error| error.to_string())?;
        let local = phone.local();
        let (orders, received) = mpsc::channel(QUEUE);
        let (told, events) = mpsc::channel(QUEUE);
        tokio::task::spawn_local(run(phone, received, told));
        Ok(Party { name, local, hums, ears, orders, events })
    }

    pub(super) fn local(&self) -> Result<SocketAddr, String> {
        self.local.ok_or_else(|| format!("{} has no address", self.name))
    }

    pub(super) fn order(&self, command: Command) {
        // A full queue shows as an expectation that is not met.
        let _ = self.orders.try_send(Order::Command(command));
    }

    /// Waits for an event; others are passed over.
    pub(super) async fn expect(
        &mut self,
        what: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event, String> {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if wanted(&event) {
                    return Some(event);
                }
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, wait).await.ok().flatten();
        found.ok_or_else(|| format!("{}: waited in vain for {what}", self.name))
    }

    /// Waits until it rings; gives From and Request-URI.
    pub(super) async fn rings(&mut self) -> Result<(String, String), String> {
        match self.expect("a call", |event| matches!(event, Event::Incoming { .. })).await? {
            Event::Incoming { from, uri, .. } => Ok((from, uri)),
            _ => Err("not a call".to_owned()),
        }
    }

    pub(super) async fn answered(&mut self) -> Result<(), String> {
        self.expect("an answer", |event| *event == Event::Answered).await.map(drop)
    }

    pub(super) async fn ended(&mut self) -> Result<(), String> {
        let over = |event: &Event| matches!(event, Event::Leg(leg::Event::Ended { .. }));
        self.expect("the end of the call", over).await.map(drop)
    }

    pub(super) async fn hang_up(&mut self) -> Result<(), String> {
        self.order(Command::Hangup);
        self.ended().await
    }

    /// Starts recording what it hears.
    pub(super) async fn listen(&mut self) -> Result<RecordingSid, String> {
        let (reply, recording) = oneshot::channel();
        let _ = self.orders.try_send(Order::Record(reply));
        recording.await.map_err(|_| format!("{} cannot listen", self.name))
    }

    pub(super) fn stop_listening(&self, recording: RecordingSid) {
        self.order(Command::Leg(leg::Command::StopRecording(recording)));
    }

    /// What it heard, once the file is whole.
    pub(super) async fn heard(&mut self, recording: RecordingSid) -> Result<Heard, String> {
        let path = crate::node::recording::path(&self.ears, recording);
        if !path.exists() {
            let done = |event: &Event| matches!(event, Event::Leg(leg::Event::Recorded { recording: r, .. }) if *r == recording);
            self.expect("its recording", done).await?;
        }
        Heard::read(&path)
    }

    /// Hums its own tone, then sends silence, as a phone whose user falls silent does.
    pub(super) fn hum(&self, length: Duration) {
        /// Well above noise, well below clipping.
        const AMPLITUDE: f64 = 8_000.0;
        let clip = Clip::new(Tone::new(&[(self.hums, AMPLITUDE)]).samples(length));
        self.order(Command::Leg(leg::Command::Play { play: 1, clip, loops: 1 }));
        let silence = Clip::silence(Duration::from_secs(1));
        self.order(Command::Leg(leg::Command::Play { play: 2, clip: silence, loops: 0 }));
    }

    pub(super) async fn wait(&self, time: Duration) {
        let (_keep, never) = oneshot::channel::<()>();
        let _ = tokio::time::timeout(time, never).await;
    }
}

async fn run(mut phone: PhoneLine, mut orders: mpsc::Receiver<Order>, events: mpsc::Sender<Event>) {
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Command(command)) => phone.order(command),
                Some(Order::Record(reply)) => drop(reply.send(phone.record())),
                None => return,
            },
            event = phone.next() => {
                // Nobody reads events that nobody waits for.
                let _ = events.try_send(event);
            }
        }
    }
}

/// The body of a page, by plain HTTP/1.1 as curl would ask for it.
pub(super) async fn http_get(server: SocketAddr, target: &str) -> Result<String, String> {
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(server).await?;
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<String, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, ask).await;
    let answer = answer.map_err(|_| format!("http://{server}{target}: no answer"))?;
    let answer = answer.map_err(|error| format!("http://{server}{target}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200") {
        Ok(body.to_owned())
    } else {
        let status = head.lines().next().unwrap_or_default();
        Err(format!("http://{server}{target}: {status}: {}", body.trim()))
    }
}
