//! A server, and sipp around it: phones and a trunk at ports of this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::scenario::Scenario;
use super::server::{Project, Server};
use super::tools::{self, Running, free_port, media_ports};

/// No scenario takes longer.
pub const LIMIT: Duration = Duration::from_secs(25);

/// A server and a port for the trunk.
pub struct Stage {
    pub project: Project,
    pub server: Server,
    pub trunk: u16,
}

impl Stage {
    pub fn new(adapt: impl FnOnce(Project) -> Project) -> Stage {
        Stage::by(free_port("127.0.0.1"), adapt)
    }

    /// The same with the trunk at that port.
    pub fn by(trunk: u16, adapt: impl FnOnce(Project) -> Project) -> Stage {
        let project = adapt(Project::new(trunk).md5_only());
        let server = project.serve();
        Stage { project, server, trunk }
    }

    /// sipp at a port of this machine, one call.
    pub fn sipp(&self, scenario: &str, port: u16, more: &[&str]) -> Running {
        self.sipp_at(self.server.udp(), scenario, port, more)
    }

    pub fn sipp_at(&self, to: SocketAddr, scenario: &str, port: u16, more: &[&str]) -> Running {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/sipp"));
        self.sipp_by(to, scenario, &root.join(format!("{scenario}.xml")), port, more)
    }

    /// A scenario of a test's own.
    pub fn play(&self, name: &str, scenario: &Scenario, port: u16, more: &[&str]) -> Running {
        self.play_at(self.server.udp(), name, scenario, port, more)
    }

    /// The same towards another address.
    pub fn play_at(
        &self,
        to: SocketAddr,
        name: &str,
        scenario: &Scenario,
        port: u16,
        more: &[&str],
    ) -> Running {
        let file = self.project.folder().join(format!("{name}.xml"));
        std::fs::write(&file, scenario.xml()).unwrap();
        self.sipp_by(to, name, &file, port, more)
    }

    /// Everything that a sipp sent and received.
    pub fn messages(&self, name: &str) -> String {
        let folder = std::fs::read_dir(self.project.folder()).unwrap().flatten();
        let mut paths = folder.map(|entry| entry.path()).filter(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.starts_with(&format!("{name}-")) && file.ends_with(".messages")
        });
        let path = paths.next().unwrap_or_else(|| panic!("{name} has no messages"));
        std::fs::read_to_string(path).unwrap()
    }

    /// One of sipp's own scenarios.
    pub fn builtin(&self, to: SocketAddr, name: &str, builtin: &str, more: &[&str]) -> Running {
        let mut command = Command::new("sipp");
        command.args(["-sn", builtin]);
        self.start(command, to, name, free_port("127.0.0.1"), more)
    }

    fn sipp_by(
        &self,
        to: SocketAddr,
        scenario: &str,
        file: &Path,
        port: u16,
        more: &[&str],
    ) -> Running {
        let mut command = Command::new("sipp");
        command.arg("-sf").arg(file);
        self.start(command, to, scenario, port, more)
    }

    fn start(
        &self,
        mut command: Command,
        to: SocketAddr,
        scenario: &str,
        port: u16,
        more: &[&str],
    ) -> Running {
        // sipp takes the address of its media bare, and that of SIP in brackets.
        let (ip, media) = if to.is_ipv6() { ("[::1]", "::1") } else { ("127.0.0.1", "127.0.0.1") };
        command.current_dir(self.project.folder()).env("TERM", "xterm");
        command.args(["-i", ip, "-mi", media, "-p", &port.to_string()]);
        command.args(["-m", "1", "-nostdin", "-timeout", "20", "-timeout_error"]);
        command.args(["-recv_timeout", "15000", "-trace_err", "-error_file"]);
        command.arg(format!("{scenario}-{port}.errors"));
        command.args(["-trace_msg", "-message_file"]).arg(format!("{scenario}-{port}.messages"));
        // Two sipps must not share media ports.
        command.args(["-mp", &media_ports().to_string()]);
        command.args(more).arg(to.to_string());
        Running::start(&mut command, &format!("{scenario}-{port}"), self.project.folder())
    }

    /// Waits for sipp's own verdict.
    pub fn passes(&self, mut sipp: Running) {
        let status = tools::ended(&mut sipp.child, LIMIT);
        if !status.is_some_and(|status| status.success()) {
            let read = |end: &str| {
                let path = self.project.folder().join(format!("{}.{end}", sipp.name));
                std::fs::read_to_string(path).unwrap_or_default()
            };
            let (errors, messages) = (read("errors"), read("messages"));
            panic!("{}: {status:?}\n{errors}\n{messages}\n{}", sipp.name, sipp.said());
        }
        println!("{}: passed", sipp.name);
    }

    /// Registers a user of `staff` at a port.
    pub fn register(&self, user: &str, password: &str, port: u16) {
        let keys = [
            "-key",
            "user",
            user,
            "-key",
            "expires",
            "300",
            "-auth_uri",
            "office.localhost",
            "-au",
            user,
            "-ap",
            password,
        ];
        self.passes(self.sipp("register", port, &keys));
    }
}
