//! The traps of interoperation in which SIP elements are caught, each a test named after it: a
//! whole exchange in virtual time, and a peer that speaks scripted bytes.

#[path = "../sim/world/mod.rs"]
mod world;

mod beginnings;
mod sessions;
mod ways;

use world::raw::Rest;
use world::{OWN_NUMBER, Page, VOICE, World, header, respond};

const US: &str = "sip:+12223331234@192.0.2.1";
const HOME: &str = "sip:192.0.2.1:5060";
const RING: &str = "<Dial answerOnBridge='true'><Sip>sip:alice@office.localhost</Sip></Dial>";

/// A raw peer and Alice's phone, and what the handler of all calls says.
fn office(document: &str) -> World {
    let mut world = World::new(1);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    world.web.page(VOICE, Page::xml(document));
    world
}

/// Alice dials out; gives the INVITE that the raw peer got.
fn dialled(attributes: &str) -> (World, String) {
    let mut world =
        office(&format!("<Dial callerId='{OWN_NUMBER}' {attributes}>+14155551212</Dial>"));
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    (world, invite)
}

/// The raw peer calls our number.
fn calls(world: &mut World, headers: &str, sdp: bool) -> String {
    let body = if sdp { world.raw("raw").sdp("sendrecv") } else { String::new() };
    let invite =
        world.request("raw", "INVITE", US, "r1", &Rest { headers, body: &body, ..Rest::default() });
    world.say("raw", &invite);
    invite
}

/// The raw peer calls our number and is answered; gives the 200.
fn talks(headers: &str, document: &str) -> (World, String) {
    let mut world = office(document);
    calls(&mut world, headers, true);
    let ok = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 1, "", "");
    world.seconds(1);
    (world, ok)
}

/// A request of the raw peer in the dialog of its own call.
fn within(world: &mut World, response: &str, method: &str, cseq: u32, headers: &str, body: &str) {
    let to = header(response, "To");
    let rest = Rest { to: &to, cseq, headers, body, ..Rest::default() };
    let request = world.request("raw", method, HOME, "r1", &rest);
    world.say("raw", &request);
}

/// A request of the raw peer in the dialog that our INVITE began with its tag.
fn back(world: &mut World, invite: &str, tag: &str, method: &str, cseq: u32, body: &str) {
    let to = header(invite, "From");
    let from = "sip:+14155551212@198.51.100.1";
    let rest = Rest { from, to: &to, cseq, body, ..Rest::default() };
    let request = world.request("raw", method, HOME, tag, &rest);
    let call_id = header(invite, "Call-ID");
    world.say("raw", &request.replace(&format!("Call-ID: {tag}"), &format!("Call-ID: {call_id}")));
}

/// The raw peer answers a request, as the fork with that tag.
fn answer(world: &mut World, request: &str, line: &str, tag: &str, headers: &str, sdp: bool) {
    let peer = world.raw("raw");
    let body = if sdp { peer.sdp("sendrecv") } else { String::new() };
    let text = respond(request, line, peer.local, headers, &body);
    let text = text.replace(";tag=raw", &format!(";tag={tag}"));
    world.say("raw", &text);
}

/// The statuses of the responses that a phone got to its INVITE, those of 100 left out.
fn told(world: &World, phone: &str) -> Vec<(String, String)> {
    let ip = world.ip(phone);
    let mut told = Vec::new();
    for (_, _, to, bytes) in &world.sent {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let invite = text.starts_with("SIP/2.0 ") && header(&text, "CSeq").ends_with("INVITE");
        if to.ip() == ip && invite && !text.starts_with("SIP/2.0 100") {
            let tag = header(&text, "To").split("tag=").nth(1).unwrap_or_default().to_owned();
            told.push((text[8..11].to_owned(), tag));
        }
    }
    told
}

fn finals(world: &World, phone: &str) -> Vec<String> {
    let told = told(world, phone).into_iter().map(|(status, _)| status);
    let mut finals: Vec<String> =
        told.filter(|status| !status.starts_with('1') && status != "401").collect();
    finals.dedup();
    finals
}

fn branch(request: &str) -> String {
    let via = header(request, "Via");
    via.split("branch=").nth(1).unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

fn line(description: &str, start: &str) -> String {
    description.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
}

fn number(request: &str) -> u32 {
    let cseq = header(request, "CSeq");
    cseq.split(' ').next().and_then(|number| number.parse().ok()).expect("a CSeq")
}
