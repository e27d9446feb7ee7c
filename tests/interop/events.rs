//! baresip watches another baresip: presence by SUBSCRIBE, NOTIFY and PUBLISH, and text by MESSAGE.
//!
//! Its `mwi` module is left out: it spins at times before any answer of a server has come.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::baresip::order;
use super::server::Project;
use super::tools::{Running, eventually, free_port, phone_ports};

const LIMIT: Duration = Duration::from_secs(20);

/// How baresip prints that nobody took a message; ports and folders hold the digits too.
const NOBODY: &str = "480 Temporarily Unavailable";

/// One baresip that watches one other user.
struct Watcher {
    running: Running,
    control: SocketAddr,
}

impl Watcher {
    fn start(
        project: &Project,
        server: SocketAddr,
        (user, password): (&str, &str),
        other: &str,
    ) -> Watcher {
        let folder = project.folder().join(user);
        fs::create_dir_all(&folder).unwrap();
        let control = SocketAddr::from(([127, 0, 0, 1], free_port("127.0.0.1")));
        let config = format!(
            "sip_listen 127.0.0.1:{}\nmodule_path /usr/lib/baresip/modules\n\
             audio_player aubridge,{user}\naudio_source aubridge,{user}\naudio_alert aubridge,{user}\n\
             ctrl_tcp_listen {control}\nmodule g711.so\nmodule aubridge.so\nmodule_tmp uuid.so\n\
             module_tmp account.so\nmodule_app contact.so\nmodule_app menu.so\n\
             module_app ctrl_tcp.so\nmodule_app presence.so\n",
            phone_ports("127.0.0.1")
        );
        let account = format!(
            "<sip:{user}@office.localhost;transport=tcp>;auth_pass={password};\
             outbound=\"sip:{server};transport=tcp\";regint=60;pubint=60;audio_codecs=pcmu\n"
        );
        let contact = format!("\"{other}\" <sip:{other}@office.localhost>;presence=p2p\n");
        for (name, text) in [("config", config), ("accounts", account), ("contacts", contact)] {
            fs::write(folder.join(name), text).unwrap();
        }
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&folder).current_dir(&folder).env("HOME", &folder);
        let running = Running::start(&mut command, &format!("baresip-{user}"), project.folder());
        let registered = || running.said().contains("200 OK").then_some(());
        eventually("a registration", LIMIT, registered);
        Watcher { running, control }
    }

    /// What a command of its menu prints.
    fn order(&self, command: &str, parameters: &str) -> String {
        order(self.control, command, parameters)
    }

    /// Waits until its list of contacts says so of the other.
    fn sees(&self, status: &str) {
        let seen = || self.order("contacts", "").contains(status).then_some(());
        eventually(&format!("{status} at {}", self.running.name), LIMIT, seen);
        println!("{} sees its contact {status}", self.running.name);
    }
}

#[test]
#[ignore = "interop"]
fn baresip_sees_who_is_there_and_writes_to_them() {
    let project = Project::new(9);
    let server = project.serve();
    let home = ("home", "Correct-Horse-1");
    let home = Watcher::start(&project, server.tcp(), home, "myuser");
    home.sees("Offline");
    home.order("message", "anybody there?");
    let refused = || home.running.said().contains(NOBODY).then_some(());
    eventually("480 for a message to nobody", LIMIT, refused);

    let myuser = ("myuser", "Battery-Staple-2");
    let myuser = Watcher::start(&project, server.tcp(), myuser, "home");
    home.sees("Online");
    myuser.sees("Online");
    // What it publishes of itself counts before that it is registered.
    myuser.order("presence_offline", "");
    home.sees("Offline");
    myuser.order("presence_online", "");
    home.sees("Online");
    home.order("message", "hello there");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(home.running.said().matches(NOBODY).count(), 1, "{}", home.running.said());

    myuser.order("quit", "");
    home.sees("Offline");
    server.said();
}
