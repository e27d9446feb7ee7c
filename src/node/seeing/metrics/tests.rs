//! What is counted, and how it is shown.

use super::*;

/// The value of a series.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page
        .lines()
        .find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn what_is_counted_is_on_the_page() {
    let metrics = Metrics::default();
    metrics.message(Direction::Received, Start::Request(0));
    metrics.message(Direction::Received, Start::Request(99));
    metrics.message(Direction::Sent, Start::Response(4));
    metrics.ended(CallDirection::Inbound, Status::Completed);
    metrics.ended(CallDirection::OutboundDial, Status::Busy);
    metrics.document(Source::of("https://x/bins/", "http://own"), Duration::from_millis(2), true);
    metrics.document(Source::of("https://x", "http://own"), Duration::from_secs(60), true);
    metrics.queue(ShardId(0), "rows", 4);
    metrics.queue(ShardId(2), "rows", 3);
    metrics.show(ShardId(0), &Figures { calls: 1, ..Figures::default() });
    metrics.show(ShardId(2), &Figures { calls: 2, ..Figures::default() });
    let page = metrics.render();
    for (series, wanted) in [
        ("offhook_sip_requests_total{direction=\"received\",method=\"INVITE\"}", 1.0),
        ("offhook_sip_requests_total{direction=\"received\",method=\"other\"}", 1.0),
        ("offhook_sip_responses_total{direction=\"sent\",class=\"4xx\"}", 1.0),
        ("offhook_calls_total{outcome=\"completed\"}", 1.0),
        ("offhook_dialled_legs_total{outcome=\"busy\"}", 1.0),
        ("offhook_calls", 3.0),
        ("offhook_queue_depth{queue=\"rows\"}", 7.0),
        ("offhook_document_seconds_bucket{source=\"webhook\",result=\"ok\",le=\"0.001\"}", 0.0),
        ("offhook_document_seconds_bucket{source=\"webhook\",result=\"ok\",le=\"0.0025\"}", 1.0),
        ("offhook_document_seconds_bucket{source=\"webhook\",result=\"ok\",le=\"15\"}", 1.0),
        ("offhook_document_seconds_bucket{source=\"webhook\",result=\"ok\",le=\"+Inf\"}", 2.0),
        ("offhook_document_seconds_count{source=\"webhook\",result=\"ok\"}", 2.0),
    ] {
        assert_eq!(value(&page, series), Some(wanted), "{series}\n{page}");
    }
}

#[test]
fn documents_are_told_apart_by_who_makes_them() {
    for (url, source) in [
        ("bin:x", Source::Bin),
        ("function:x", Source::Function),
        ("http://own:1/bins/x", Source::Bin),
        ("http://own:1/functions/x?a=1", Source::Function),
        ("http://own:1/assets/x", Source::Webhook),
        ("https://other/functions/x", Source::Webhook),
    ] {
        assert_eq!(Source::of(url, "http://own:1"), source, "{url}");
    }
}

#[test]
fn the_page_is_well_formed_and_small() {
    let page = Metrics::default().render();
    let mut seen = std::collections::BTreeSet::new();
    let mut named = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            named = rest.split(' ').next().expect("a name").to_owned();
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.starts_with(&named), "{line} stands under {named}");
            assert!(seen.insert(series.to_owned()), "{series} is there twice");
        }
    }
    assert!((100..400).contains(&seen.len()), "bounded labels: {}", seen.len());
}

fn refusal(method: &'static str, status: u16, code: u32) -> RefusedRequest {
    RefusedRequest {
        method,
        call_id: String::new(),
        flow: crate::sip::Flow {
            transport: crate::sip::Transport::Udp,
            local: ([127, 0, 0, 1], 1).into(),
            remote: ([127, 0, 0, 1], 2).into(),
            connection: 0,
        },
        user: String::new(),
        uri: String::new(),
        status,
        code,
        reason: String::new(),
    }
}

#[test]
fn every_reason_has_a_label_of_its_own() {
    let metrics = Metrics::default();
    for (status, code) in [
        (401, 32202),
        (403, 32201),
        (404, 32002),
        (404, 32010),
        (403, 32200),
        (503, 0),
        (400, 32100),
    ] {
        metrics.refused(&refusal("INVITE", status, code));
    }
    let counts: Vec<u64> = metrics.refused[0].iter().map(Series::value).collect();
    assert_eq!(counts, [1; REFUSALS.len()]);
}

#[test]
fn refusals_are_counted_by_their_own_method() {
    let metrics = Metrics::default();
    for method in ["INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE", "MESSAGE", "BREW"] {
        metrics.refused(&refusal(method, 401, 32202));
    }
    let page = metrics.render();
    for (method, count) in [
        ("INVITE", 1.0),
        ("REGISTER", 1.0),
        ("SUBSCRIBE", 1.0),
        ("MESSAGE", 2.0),
        ("OPTIONS", 0.0),
        ("other", 1.0),
    ] {
        let series = format!("offhook_refused_total{{method=\"{method}\",reason=\"credentials\"}}");
        assert_eq!(value(&page, &series), Some(count), "{series}");
    }
    assert_eq!(value(&page, "offhook_auth_failures_total"), Some(6.0));
}

#[test]
fn a_user_who_logged_in_is_no_failed_login() {
    let metrics = Metrics::default();
    // Another user's name in From, say.
    metrics.refused(&refusal("INVITE", 403, 32202));
    let page = metrics.render();
    assert_eq!(value(&page, "offhook_auth_failures_total"), Some(0.0));
    let series = "offhook_refused_total{method=\"INVITE\",reason=\"not_allowed\"}";
    assert_eq!(value(&page, series), Some(1.0));
}

#[test]
fn who_is_not_heard_is_counted_over_all_shards() {
    let metrics = Metrics::default();
    let figures = Figures { over_budget: 40, silenced: 1, muted: 7, ..Figures::default() };
    metrics.show(ShardId(0), &figures);
    metrics.show(ShardId(1), &Figures { over_budget: 2, ..Figures::default() });
    let page = metrics.render();
    for (series, wanted) in [
        ("offhook_sip_over_budget_total", 42.0),
        ("offhook_sip_silenced_total", 1.0),
        ("offhook_sip_muted_total", 7.0),
    ] {
        assert_eq!(value(&page, series), Some(wanted), "{series}");
    }
}
