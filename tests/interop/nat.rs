//! Phones behind an address translator, made of network namespaces: a private network, a router
//! that masquerades, and the server on its other side.
//!
//! The test starts itself once more in a user namespace of its own, where it is root over networks
//! that nobody else sees and that end with it. No packet leaves the machine.

use std::process::Command;
use std::time::{Duration, Instant};

use super::baresip::{self, Baresip};
use super::tools::{eventually, output};

/// Tells the inner run from the outer one.
const INSIDE: &str = "OFFHOOK_INTEROP_INSIDE";
/// How long the translator remembers a UDP flow; many remember 30 s.
const REMEMBERS: u32 = 12;
/// How often the server pings; less than that.
const PING: u32 = 5;
const SERVER: &str = "198.18.0.1";
const HOME: &str = "10.9.0.11";
const MYUSER: &str = "10.9.0.12";

/// Runs one test of this file inside namespaces. Gives whether this is the inner run.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount", "--"]);
    command.arg(std::env::current_exe().unwrap());
    command.args([&format!("nat::{name}"), "--exact", "--ignored", "--nocapture"]);
    let done = command.env(INSIDE, "1").output();
    let done = done.unwrap_or_else(|error| panic!("unshare is needed: {error}"));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{}\n{said}\n{errors}", done.status);
    assert!(said.contains("1 passed"), "it did not run inside: {said}\n{errors}");
    println!("{said}");
    false
}

/// The phones' network is that of this process; `router` and `far` are beside it.
fn networks() {
    sh("mount -t tmpfs none /run");
    for name in ["router", "far"] {
        sh(&format!("ip netns add {name}"));
        sh(&in_space(name, "ip link set lo up"));
    }
    sh("ip link set lo up");
    sh("ip link add lan0 type veth peer name lan1 && ip link set lan1 netns router");
    sh("ip link add wan0 type veth peer name wan1 && ip link set wan0 netns far && \
        ip link set wan1 netns router");
    for address in [HOME, MYUSER] {
        sh(&format!("ip addr add {address}/24 dev lan0"));
    }
    sh("ip link set lan0 up");
    sh(&in_space("router", "ip addr add 10.9.0.1/24 dev lan1"));
    sh(&in_space("router", "ip addr add 198.18.0.2/24 dev wan1"));
    sh(&in_space("router", "ip link set lan1 up"));
    sh(&in_space("router", "ip link set wan1 up"));
    sh(&in_space("far", &format!("ip addr add {SERVER}/24 dev wan0")));
    sh(&in_space("far", "ip link set wan0 up"));
    sh("ip route add default via 10.9.0.1");
    for (key, value) in [
        ("ipv4/ip_forward", 1),
        ("netfilter/nf_conntrack_udp_timeout", REMEMBERS),
        ("netfilter/nf_conntrack_udp_timeout_stream", REMEMBERS),
    ] {
        sh(&in_space("router", &format!("sh -c 'echo {value} > /proc/sys/net/{key}'")));
    }
    // Ports are chosen by chance, so that a flow that was forgotten comes back from another one;
    // what nobody asked for is not let in.
    sh(&in_space(
        "router",
        "nft 'add table ip t; \
         add chain ip t out { type nat hook postrouting priority 100 ; }; \
         add rule ip t out oifname wan1 masquerade fully-random; \
         add chain ip t through { type filter hook forward priority 0 ; }; \
         add rule ip t through iifname wan1 ct state new drop'",
    ));
}

fn in_space(name: &str, command: &str) -> String {
    format!("nsenter --net=/run/netns/{name} {command}")
}

fn sh(command: &str) -> String {
    String::from_utf8(output("sh", &["-c", command])).unwrap()
}

/// What the translator sends and receives on behalf of the phones' SIP: how many flows.
fn flows(server: u16) -> usize {
    let listed = sh(&in_space("router", "conntrack -L -p udp 2>/dev/null || true"));
    listed.lines().filter(|line| line.contains(&format!("dport={server}"))).count()
}

#[test]
#[ignore = "interop"]
fn phones_behind_a_translator_are_reached_and_hear_each_other() {
    if !inside("phones_behind_a_translator_are_reached_and_hear_each_other") {
        return;
    }
    networks();
    let project = baresip::project()
        .listen(&format!("\"udp:{SERVER}:0\""))
        .sip(&format!("nat_ping = {PING}"));
    let mut far = Command::new("nsenter");
    far.args(["--net=/run/netns/far", env!("CARGO_BIN_EXE_offhook")]);
    let server = project.serve_by(far);
    let at = server.udp();
    let began = Instant::now();
    let home = ("home", "Correct-Horse-1", baresip::HOME_HUMS);
    let home = Baresip::at(HOME, &project, at, "udp", home);
    let myuser = ("myuser", "Battery-Staple-2", baresip::MYUSER_HUMS);
    let myuser = Baresip::at(MYUSER, &project, at, "udp", myuser);
    println!("registered; {} flows of SIP", flows(at.port()));

    // Longer than the translator remembers, without a word of the phones' own.
    std::thread::sleep(Duration::from_secs(2 * u64::from(REMEMBERS) + 1));
    assert_eq!(flows(at.port()), 2, "pings keep both open");
    baresip::call(&project, &home, &myuser, true);
    println!("called after {:.0?}", began.elapsed());

    // The router restarts: every flow gets another port. The next REGISTER tells the server.
    sh(&in_space("router", "conntrack -F 2>/dev/null"));
    let registered = || server.said().matches("has 1 phone registered").count();
    let before = registered();
    let again = || (registered() == before + 2).then_some(());
    eventually("both to register again", Duration::from_secs(75), again);
    println!("registered again after {:.0?}", began.elapsed());
    baresip::call(&project, &home, &myuser, false);
    server.said();
}
