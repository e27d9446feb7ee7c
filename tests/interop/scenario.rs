//! Writes scenarios for sipp step by step, so that a test shows what it says and nothing else.
//!
//! Most steps are one message; sipp names a branch by how many steps ago it was used, which is
//! counted here.

use std::fmt::Write as _;

/// An offer or answer of PCMU and keys at sipp's media port.
pub const SDP: &str = "v=0
o=- 1 [cseq] IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000";

/// The same with another direction.
pub fn sdp_of(direction: &str) -> String {
    format!("{SDP}\na={direction}")
}

/// Who stands in From and To.
#[derive(Clone, Debug)]
struct Sides {
    from: String,
    to: String,
}

/// One scenario that grows.
#[derive(Clone, Debug)]
pub struct Scenario {
    steps: String,
    count: usize,
    cseq: u32,
    /// Step and CSeq of the latest INVITE that we sent.
    invite: (usize, u32),
    /// The target of requests outside the dialog.
    uri: String,
    sides: Sides,
    caller: bool,
    /// Whether the latest request that came has our tag already.
    tagged: bool,
}

impl Scenario {
    /// Calls the number given by `-s` from the trunk's address.
    pub fn caller() -> Scenario {
        Scenario::calling(
            "sip:[service]@[remote_ip]:[remote_port]",
            "<sip:+15550001111@[local_ip]>",
            "<sip:[service]@[remote_ip]:[remote_port]>",
        )
    }

    /// Calls a URI.
    pub fn calling(uri: &str, from: &str, to: &str) -> Scenario {
        Scenario {
            steps: String::new(),
            count: 0,
            cseq: 0,
            invite: (0, 0),
            uri: uri.to_owned(),
            sides: Sides {
                from: format!("{from};tag=c[call_number]"),
                to: format!("{to}[peer_tag_param]"),
            },
            caller: true,
            tagged: false,
        }
    }

    /// Waits to be called, and keeps what it needs of the INVITE for later.
    pub fn called() -> Scenario {
        let mut scenario = Scenario::calling("", "", "");
        scenario.caller = false;
        // What stands in a message that ended is kept in variables of sipp's.
        scenario.sides =
            Sides { from: "[$own];tag=u[call_number]".to_owned(), to: "[$peer]".to_owned() };
        let kept = keeps();
        scenario.step(format!(
            "<recv request=\"INVITE\" rrs=\"true\"><action>{kept}</action></recv>\n\
             <Reference variables=\"via,peer,own,cseq\"/>"
        ))
    }

    /// The same behind one proxy, whose Via and Record-Route are kept, too.
    pub fn called_through_a_proxy() -> Scenario {
        let mut scenario = Scenario::called();
        let more = "<ereg regexp=\".*\" search_in=\"hdr\" header=\"Via:\" occurrence=\"2\" \
                    check_it=\"true\" assign_to=\"via2\"/>";
        let more = format!("{more}{}</action>", ereg("Record-Route", ".*", "recorded"));
        scenario.steps = scenario.steps.replacen("</action>", &more, 1);
        scenario.steps += "<Reference variables=\"via2,recorded\"/>\n";
        scenario
    }

    fn step(mut self, step: String) -> Scenario {
        self.steps += &step;
        self.steps.push('\n');
        self.count += 1;
        self
    }

    /// A message as it stands, repeated until it is answered if `retrans`.
    pub fn raw(self, message: &str, retrans: bool) -> Scenario {
        let again = if retrans { " retrans=\"500\"" } else { "" };
        self.step(format!("<send{again}><![CDATA[\n{message}\n]]></send>"))
    }

    /// INVITE that starts the call; `SDP` for an offer, nothing for none.
    pub fn invite(self, headers: &str, body: &str) -> Scenario {
        self.outside("INVITE", headers, body)
    }

    /// INVITE as it stands.
    pub fn first(mut self, message: &str) -> Scenario {
        self.cseq += 1;
        self.invite = (self.count, self.cseq);
        self.raw(message, true)
    }

    /// A request outside dialogs, to the number.
    pub fn outside(mut self, method: &str, headers: &str, body: &str) -> Scenario {
        self.cseq += 1;
        if method == "INVITE" {
            self.invite = (self.count, self.cseq);
        }
        let message = self.message(method, &self.uri, "[branch]", self.cseq, headers, body);
        // There is no dialog, though a refusal of an earlier try had a tag.
        self.raw(&message.replace("[peer_tag_param]", ""), true)
    }

    /// A request in the dialog.
    pub fn request(mut self, method: &str, headers: &str, body: &str) -> Scenario {
        self.cseq += 1;
        if method == "INVITE" {
            self.invite = (self.count, self.cseq);
        }
        let headers = format!("[routes]\n{headers}");
        let message = self.message(method, "[next_url]", "[branch]", self.cseq, &headers, body);
        self.raw(&message, true)
    }

    /// ACK to a 200.
    pub fn ack(self) -> Scenario {
        self.ack_with("")
    }

    /// ACK with an answer.
    pub fn ack_with(self, body: &str) -> Scenario {
        let cseq = self.invite.1;
        let message = self.message("ACK", "[next_url]", "[branch]", cseq, "[routes]", body);
        self.raw(&message, false)
    }

    /// ACK to a refusal, in the transaction of the INVITE (RFC 3261 section 17.1.1.3).
    pub fn ack_refusal(self) -> Scenario {
        self.of_invite("ACK", false)
    }

    /// ACK to the refusal of an INVITE in the dialog.
    pub fn ack_refusal_inside(mut self) -> Scenario {
        let outside = std::mem::replace(&mut self.uri, "[next_url]".to_owned());
        Scenario { uri: outside, ..self.of_invite("ACK", false) }
    }

    /// CANCEL of the INVITE.
    pub fn cancel(self) -> Scenario {
        self.of_invite("CANCEL", true)
    }

    fn of_invite(self, method: &str, retrans: bool) -> Scenario {
        let (step, cseq) = self.invite;
        let branch = format!("[branch-{}]", self.count - step);
        let mut message = self.message(method, &self.uri, &branch, cseq, "", "");
        if method == "CANCEL" {
            message = message.replace("[peer_tag_param]", "");
        }
        self.raw(&message, retrans)
    }

    /// BYE and its answer.
    pub fn bye(self) -> Scenario {
        self.request("BYE", "", "").receive(200)
    }

    fn message(
        &self,
        method: &str,
        uri: &str,
        branch: &str,
        cseq: u32,
        headers: &str,
        body: &str,
    ) -> String {
        let Sides { from, to } = &self.sides;
        let headers = headers.trim();
        let headers = if headers.is_empty() { String::new() } else { format!("{headers}\n") };
        let contact = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>\n";
        let contact = if headers.contains("Contact:") { "" } else { contact };
        format!(
            "{method} {uri} SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}\n\
             Max-Forwards: 70\nFrom: {from}\nTo: {to}\nCall-ID: [call_id]\n\
             CSeq: {cseq} {method}\n{contact}{headers}{}",
            with_body(body)
        )
    }

    /// A response that must come.
    pub fn receive(self, status: u16) -> Scenario {
        self.receive_with(status, &[])
    }

    /// A response with headers that match.
    pub fn receive_with(self, status: u16, headers: &[(&str, &str)]) -> Scenario {
        let checks = checks(headers, self.count);
        self.step(format!("<recv response=\"{status}\" rrs=\"true\">{checks}</recv>"))
    }

    /// The same, and keeps what headers say under names.
    pub fn receive_keeping(
        self,
        status: u16,
        kept: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Scenario {
        let keeps: String = kept.iter().map(|(header, name)| ereg(header, ".*", name)).collect();
        let checks = checks(headers, self.count).replace("<action>", "").replace("</action>", "");
        self.step(format!(
            "<recv response=\"{status}\" rrs=\"true\"><action>{keeps}{checks}</action></recv>"
        ))
    }

    /// A challenge, after which `[authentication]` can stand in a request.
    pub fn challenged(self, status: u16) -> Scenario {
        self.step(format!("<recv response=\"{status}\" auth=\"true\"/>"))
    }

    /// Responses that may come or not.
    pub fn may_receive(mut self, statuses: &[u16]) -> Scenario {
        for status in statuses {
            self = self.step(format!("<recv response=\"{status}\" optional=\"true\"/>"));
        }
        self
    }

    /// A request that must come.
    pub fn wants(self, method: &str) -> Scenario {
        self.wants_with(method, &[])
    }

    /// A request with headers that match; `body` stands for what comes after them.
    pub fn wants_with(mut self, method: &str, headers: &[(&str, &str)]) -> Scenario {
        let checks = checks(headers, self.count);
        self.tagged = true;
        self.step(format!("<recv request=\"{method}\">{checks}</recv>"))
    }

    /// Answers the latest request.
    pub fn reply(self, status: &str, headers: &str, body: &str) -> Scenario {
        let tag = match self.tagged || status.starts_with("100") {
            true => "",
            false => ";tag=u[call_number]",
        };
        let message = response(
            &format!("{status}\n[last_Via:]\n[last_Record-Route:]\n[last_From:]\n[last_To:]{tag}"),
            "[last_CSeq:]",
            headers,
            body,
        );
        // Only answers to INVITE are repeated by their sender (RFC 3261 section 13.3.1.4).
        let retrans = status.starts_with('2') && body.starts_with("v=") && !self.tagged;
        self.raw(&message, retrans)
    }

    /// Answers the INVITE that called, whatever came since; under a tag of its own if one is given.
    pub fn answer(self, status: &str, tag: &str, headers: &str, body: &str) -> Scenario {
        let tag = if tag.is_empty() { "u[call_number]" } else { tag };
        let top = format!("{status}\nVia:[$via]\nFrom:[$peer]\nTo:[$own];tag={tag}");
        let retrans = !status.starts_with('1');
        self.raw(&response(&top, "CSeq:[$cseq]", headers, body), retrans)
    }

    /// Answers the INVITE that called and came through one proxy.
    pub fn answer_recorded(self, status: &str, body: &str) -> Scenario {
        let top = format!(
            "{status}\nVia:[$via]\nVia:[$via2]\nRecord-Route:[$recorded]\nFrom:[$peer]\n\
             To:[$own];tag=u[call_number]"
        );
        let retrans = !status.starts_with('1');
        self.raw(&response(&top, "CSeq:[$cseq]", "", body), retrans)
    }

    /// The same 200 once more, which nothing repeats by itself.
    pub fn again(self, status: &str, body: &str) -> Scenario {
        let top = format!("{status}\nVia:[$via]\nFrom:[$peer]\nTo:[$own];tag=u[call_number]");
        self.raw(&response(&top, "CSeq:[$cseq]", "", body), false)
    }

    /// BYE comes, and before it is answered BYE goes out.
    pub fn crossing_bye(mut self) -> Scenario {
        let kept = ereg("Via", ".*", "bye_via") + &ereg("CSeq", ".*", "bye_cseq");
        let bye = format!("<recv request=\"BYE\"><action>{kept}</action></recv>");
        self = self.step(bye);
        self.cseq += 1;
        let message = self.message("BYE", "[next_url]", "[branch]", self.cseq, "[routes]", "");
        let top = "200 OK\nVia:[$bye_via]\nFrom:[$peer]\nTo:[$own];tag=u[call_number]";
        let answer = response(top, "CSeq:[$bye_cseq]", "", "");
        self.raw(&message, true).receive(200).raw(&answer, false)
    }

    /// Answers the latest request, which has no tag of ours though a dialog is there: CANCEL.
    pub fn reply_as_called(self, status: &str) -> Scenario {
        let top = format!("{status}\n[last_Via:]\n[last_From:]\n[last_To:];tag=u[call_number]");
        self.raw(&response(&top, "[last_CSeq:]", "", ""), false)
    }

    /// The INVITE comes once more, with headers that match.
    pub fn called_again(mut self, headers: &[(&str, &str)]) -> Scenario {
        let checks = checks(headers, self.count).replace("<action>", "").replace("</action>", "");
        let kept = keeps();
        self.tagged = false;
        self.step(format!(
            "<recv request=\"INVITE\" rrs=\"true\"><action>{kept}{checks}</action></recv>"
        ))
    }

    /// Does nothing for so many milliseconds.
    pub fn pause(self, milliseconds: u32) -> Scenario {
        self.step(format!("<pause milliseconds=\"{milliseconds}\"/>"))
    }

    /// Answers repeats of the latest request for so many milliseconds after the call.
    pub fn lingers(self, milliseconds: u32) -> Scenario {
        self.step(format!("<timewait milliseconds=\"{milliseconds}\"/>"))
    }

    /// The whole for sipp.
    pub fn xml(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n");
        let role = if self.caller { "caller" } else { "called" };
        let _ = write!(text, "<scenario name=\"{role}\">\n{}</scenario>\n", self.steps);
        text
    }
}

fn response(top: &str, cseq: &str, headers: &str, body: &str) -> String {
    let headers = headers.trim();
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\n") };
    let contact = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>\n";
    let contact = if headers.contains("Contact:") { "" } else { contact };
    format!("SIP/2.0 {top}\n[last_Call-ID:]\n{cseq}\n{contact}{headers}{}", with_body(body))
}

fn with_body(body: &str) -> String {
    match body {
        "" => "Content-Length: 0\n\n".to_owned(),
        body if body.starts_with("v=") => {
            format!("Content-Type: application/sdp\nContent-Length: [len]\n\n{body}\n")
        }
        body => format!("Content-Length: [len]\n\n{body}\n"),
    }
}

/// What must match; a variable of sipp's holds each, for it insists.
fn checks(headers: &[(&str, &str)], step: usize) -> String {
    if headers.is_empty() {
        return String::new();
    }
    let mut actions = String::new();
    let mut names = vec![];
    for (at, (header, pattern)) in headers.iter().enumerate() {
        let name = format!("c{step}x{at}");
        actions += &match *header {
            "body" => format!(
                "<ereg regexp=\"{pattern}\" search_in=\"msg\" check_it=\"true\" assign_to=\"{name}\"/>"
            ),
            header => ereg(header, pattern, &name),
        };
        names.push(name);
    }
    // A value that is used counts as used only where it is written somewhere.
    for name in &names {
        let _ = write!(actions, "<log message=\"[${name}]\"/>");
    }
    format!("<action>{actions}</action>")
}

/// What a callee keeps of the INVITE for answers that come after other messages.
fn keeps() -> String {
    let keeps = [("Via", "via"), ("From", "peer"), ("To", "own"), ("CSeq", "cseq")];
    keeps.iter().map(|(header, name)| ereg(header, ".*", name)).collect()
}

fn ereg(header: &str, pattern: &str, name: &str) -> String {
    format!(
        "<ereg regexp=\"{pattern}\" search_in=\"hdr\" header=\"{header}:\" check_it=\"true\" \
         assign_to=\"{name}\"/>"
    )
}
