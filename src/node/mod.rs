//! Clocks, sockets, threads and effects: what connects the machines to the world. Nothing clever.
//!
//! Each shard's thread runs an exchange, SIP's sockets and webhooks; one serves HTTP; workers carry
//! media; a small pool runs functions and speech. Queues between them are bounded.

#![allow(clippy::disallowed_methods, reason = "this floor reads clocks, sleeps and spawns")]

pub mod account;
mod authorities;
mod background;
mod bindings;
pub mod clock;
pub mod dns;
mod effects;
pub mod function_log;
mod functions;
mod http_io;
mod link;
mod loader;
mod media;
pub mod media_io;
mod orders;
pub mod phone_line;
pub mod project;
pub mod recording;
mod recover;
mod reload;
mod rows;
pub mod secrets;
pub mod seeing;
mod shard;
pub mod sip_io;
mod start;
mod threads;
pub mod trace;
mod turn;
pub mod watched;

use std::io;
use std::net::SocketAddr;

use tokio::sync::watch;

use crate::base::plural;
use crate::exchange;
use crate::sip::Transport;
use seeing::Seeing;
use shard::Shard;
pub use start::{Options, StartError};
use threads::Threads;

/// Results of effects that wait for the exchange; each call asks for a few at a time.
const RESULTS: usize = 4_096;

/// A running server.
pub struct Node {
    /// The shard of this thread.
    shard: Shard,
    /// The others.
    threads: Threads,
    seeing: Seeing,
    http: http_io::HttpThread,
    /// Held as long as this server uses its data folder.
    _lock: std::fs::File,
    /// Tells the background tasks to end.
    stop: watch::Sender<bool>,
}

/// Where a running server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// SIP.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
}

impl Node {
    /// Where it listens, with the ports that the kernel chose.
    pub fn addresses(&self) -> Addresses {
        let sip = self.shard.sip.listeners().to_vec();
        Addresses { sip, http: self.http.addresses().to_vec() }
    }

    /// Runs until `stop` resolves, then drains: no new calls, then, when the last call is over or
    /// `stop` resolves again, an end.
    pub async fn run<F: Future<Output = ()>>(
        mut self,
        mut stop: impl FnMut() -> F,
    ) -> io::Result<()> {
        background::come_first();
        let mut stopping = Box::pin(stop());
        let mut draining = false;
        loop {
            tokio::select! {
                () = self.shard.turn() => {}
                crashed = self.threads.heard() => {
                    if let Some(shard) = crashed {
                        return Err(io::Error::other(format!("shard {} crashed", shard.0)));
                    }
                }
                () = stopping.as_mut() => {
                    if draining {
                        let calls = plural(self.calls(), "call");
                        tracing::warn!("told to stop again: ending {calls} now");
                        self.threads.order(threads::Order::Shutdown);
                        self.shard.give(exchange::Input::Shutdown);
                        break;
                    }
                    draining = true;
                    self.http.not_ready();
                    self.threads.order(threads::Order::Drain);
                    self.shard.give(exchange::Input::Drain);
                    self.tell_draining();
                    stopping = Box::pin(stop());
                }
            }
            self.shard.show();
            if draining && self.calls() == 0 {
                break;
            }
        }
        self.close().await?;
        tracing::info!("stopped");
        Ok(())
    }

    /// The calls of all shards.
    fn calls(&self) -> usize {
        self.shard.exchange.calls() + self.threads.calls()
    }

    /// Whoever stops a server sees what it still waits for.
    fn tell_draining(&self) {
        match self.calls() {
            0 => tracing::info!("stopping; no calls are up"),
            calls => tracing::info!(
                "stopping: no new calls, waiting for {} to end; another signal ends them at once",
                plural(calls, "call")
            ),
        }
    }

    /// Waits for what is being written, then lets everything go.
    async fn close(mut self) -> io::Result<()> {
        self.threads.order(threads::Order::End);
        self.shard.finish().await;
        self.threads.ended().await;
        let _ = self.stop.send(true);
        self.http.stop();
        self.shard.close().await;
        self.seeing.stop();
        Ok(())
    }
}

/// Tells who sees which secrets of functions, and who reads one without seeing it.
fn tell_secrets(config: &crate::config::Config) {
    for line in secrets::told(config) {
        tracing::info!("{line}");
    }
    tell_problems(&secrets::hidden_reads(config));
}

/// Prints what is wrong with a configuration, one line each.
fn tell_problems(problems: &[crate::config::Problem]) {
    for problem in problems {
        tracing::warn!("{problem}");
    }
}
