use super::*;
use crate::verb::Method;

fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A sound order with these parameters besides; one without a value is left out.
fn placed(more: &[(&str, &str)]) -> Result<Placement, Denied> {
    let usual = [("To", "+14155550100"), ("From", "+16505551111"), ("Url", "https://app.example/")];
    let kept = usual.iter().filter(|(name, _)| more.iter().all(|(known, _)| known != name));
    let all: Vec<(&str, &str)> = kept.chain(more).copied().collect();
    Placement::read(&given(&all))
}

fn code(result: Result<Placement, Denied>) -> u32 {
    result.expect_err("denied").code
}

#[test]
fn a_call_is_placed_as_the_api_says() {
    let placement = placed(&[
        ("To", " (415) 555-0100 "),
        ("Method", "get"),
        ("FallbackUrl", "/bins/sorry"),
        ("StatusCallback", "/functions/status"),
        ("StatusCallbackEvent", "initiated ringing"),
        ("StatusCallbackEvent", "answered"),
        ("Timeout", "25"),
        ("TimeLimit", "120"),
        ("SendDigits", "ww12#"),
        ("Record", "false"),
    ]);
    let placement = placement.expect("sound");
    assert_eq!(placement.to, Callee::Number("+14155550100".to_owned()));
    assert_eq!(
        (placement.from.as_str(), placement.shown.as_str()),
        ("+16505551111", "+16505551111")
    );
    assert_eq!(placement.timeout, Duration::from_secs(25));
    assert_eq!(placement.time_limit, Some(Duration::from_secs(120)));
    assert_eq!(placement.send_digits, "ww12#");
    let watch = placement.watch.expect("watched");
    assert_eq!(watch.events, ["initiated", "ringing", "answered"]);
    let Script::At { request, fallback } = placement.script else { panic!("at a URL") };
    assert_eq!((request.url.as_str(), request.method), ("https://app.example/", Method::Get));
    assert_eq!(fallback.expect("one").method, Method::Post);
    assert_eq!(placed(&[]).expect("sound").timeout, Duration::from_secs(60));
}

#[test]
fn whom_it_is_for_may_be_a_number_an_address_or_a_name() {
    let to = |to: &str| placed(&[("To", to)]).map(|placement| placement.to);
    let Ok(Callee::Sip { uri, headers, .. }) = to("sip:bob@h.example;transport=tcp?X-a=1%202")
    else {
        panic!("an address")
    };
    assert_eq!(uri, "sip:bob@h.example;transport=tcp");
    assert_eq!(headers, [("X-a".to_owned(), "1 2".to_owned())]);
    assert_eq!(to("client:bob"), Ok(Callee::Client("bob".to_owned())));
    let login = placed(&[("To", "sip:b@h"), ("SipAuthUsername", "u"), ("SipAuthPassword", "p")]);
    let Ok(Callee::Sip { login: Some((user, password)), .. }) = login.map(|placement| placement.to)
    else {
        panic!("with a login")
    };
    assert_eq!((user.as_str(), password.expose()), ("u", "p"));
    for wrong in [
        "12",
        "bob",
        "client:",
        "client:a b",
        "client:a@b",
        "sip:",
        "sip:a@b\r\nVia: x",
        "sip:a@b?Via=1",
        "app:AP1",
        "tel:0",
        "+1415555010000000",
    ] {
        assert_eq!(to(wrong).expect_err(wrong).code, 21211, "{wrong}");
    }
}

#[test]
fn what_is_missing_or_wrong_has_the_vendor_s_code() {
    for (parameters, wanted) in [
        (&[("To", "")][..], 21201),
        (&[("From", " ")], 21213),
        (&[("Url", "")], 21205),
        (&[("SendDigits", "12x")], 21206),
        (&[("SendDigits", "111111111111111111111111111111111")], 21206),
        (&[("Timeout", "601")], 21208),
        (&[("Timeout", "soon")], 21208),
        (&[("TimeLimit", "0")], 20422),
        (&[("Method", "PUT")], 20422),
        (&[("StatusCallbackEvent", "rining")], 21626),
        (&[("Url", "a"), ("Url", "b")], 20422),
        (&[("ApplicationSid", "AP1")], 21218),
        (&[("MachineDetection", "Enable")], 20001),
        (&[("Record", "true")], 20001),
        (&[("Status", "completed")], 20001),
        (&[("Url", ""), ("Twiml", "<Response")], 12100),
    ] {
        assert_eq!(code(placed(parameters)), wanted, "{parameters:?}");
    }
    let long = format!("<Response><Say>{}</Say></Response>", "x".repeat(4_000));
    assert_eq!(code(placed(&[("Url", ""), ("Twiml", &long)])), 32018);
    let told = placed(&[("StatusCalback", "https://x/")]).expect_err("unknown");
    assert_eq!(told.message, "Unknown parameter StatusCalback; did you mean \"StatusCallback\"?");
    let told = placed(&[("MachineDetection", "Enable")]).expect_err("not here");
    assert_eq!(told.message, "The parameter MachineDetection is not supported here.");
}

#[test]
fn of_a_url_and_a_document_the_url_counts() {
    let both = placed(&[("Twiml", "<Response/>")]).expect("sound");
    assert!(matches!(both.script, Script::At { .. }));
    assert_eq!(both.warnings[0].0, 32019);
    let inline = placed(&[("Url", ""), ("Twiml", "<Response><Say>Hi</Say></Response>")]);
    assert!(matches!(inline.expect("sound").script, Script::Inline(_)));
}

#[test]
fn a_change_is_a_document_or_an_end() {
    let read = |pairs: &[(&str, &str)]| Change::read(&given(pairs));
    let turn = |pairs: &[(&str, &str)]| read(pairs).expect("sound").turn;
    assert!(matches!(turn(&[("Status", "completed")]), Some(Turn::End)));
    assert!(matches!(turn(&[("Status", "canceled")]), Some(Turn::Cancel)));
    assert!(matches!(turn(&[("Twiml", "<Response/>")]), Some(Turn::To(Script::Inline(_)))));
    assert!(matches!(turn(&[("Url", "bin:x")]), Some(Turn::To(Script::At { .. }))));
    assert!(turn(&[("TimeLimit", "60")]).is_none());
    for (wrong, code) in [
        (&[("Status", "busy")][..], 20422),
        (&[("Status", "completed"), ("Url", "bin:x")], 20422),
        (&[("To", "+14155550100")], 20001),
        (&[("StatusCallbackEvent", "answered")], 20001),
        (&[("Twiml", "Hello")], 12100),
    ] {
        assert_eq!(read(wrong).expect_err("denied").code, code, "{wrong:?}");
    }
}

#[test]
fn urls_may_be_what_handlers_may_be() {
    const US: &str = "http://127.0.0.1:8080";
    let url = |written: &str| absolute(US, written).ok();
    for (written, wanted) in [
        ("https://app.example/a?b", Some("https://app.example/a?b")),
        ("bin:menu", Some("bin:menu")),
        ("function:menu/route", Some("function:menu/route")),
        ("/functions/menu", Some("function:menu")),
        ("http://127.0.0.1:8080/functions/menu", Some("function:menu")),
        ("https://127.0.0.1:8080/functions/menu", Some("function:menu")),
        ("//evil.example/x", None),
        ("menu", None),
        ("sip:a@b", None),
        ("file:///etc/passwd", None),
        ("twiml:inline", None),
        ("", None),
    ] {
        assert_eq!(url(written).as_deref(), wanted, "{written}");
    }
}
