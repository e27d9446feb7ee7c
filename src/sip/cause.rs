//! Why a telephone network ended a call: Q.850 causes, in words and as SIP statuses.
//!
//! Values of the Reason header (RFC 3326) are read here; what is done with them is others' matter.

/// A cause, its meaning, and the status that stands for it (RFC 3398 section 7.2.4.1); 0 where
/// that section has none.
const CAUSES: [(u8, &str, u16); 40] = [
    (1, "unallocated number", 404),
    (2, "no route to the network", 404),
    (3, "no route to the destination", 404),
    (16, "normal clearing", 0),
    (17, "user busy", 486),
    (18, "no user responding", 408),
    (19, "no answer from the user", 480),
    (20, "subscriber absent", 480),
    (21, "call rejected", 403),
    (22, "number changed", 410),
    (23, "redirected to a new destination", 410),
    (26, "non-selected user clearing", 404),
    (27, "destination out of order", 502),
    (28, "address incomplete", 484),
    (29, "facility rejected", 501),
    (31, "normal, unspecified", 480),
    (34, "no circuit available", 503),
    (38, "network out of order", 503),
    (41, "temporary failure", 503),
    (42, "switching equipment congestion", 503),
    (44, "requested circuit not available", 503),
    (47, "resource unavailable", 503),
    (50, "facility not subscribed", 403),
    (55, "incoming calls barred within the closed group", 403),
    (57, "bearer capability not authorized", 403),
    (58, "bearer capability not presently available", 503),
    (63, "service not available", 503),
    (65, "bearer capability not implemented", 488),
    (69, "facility not implemented", 501),
    (70, "only restricted digital information is available", 488),
    (79, "service not implemented", 501),
    (87, "user not member of the closed group", 403),
    (88, "incompatible destination", 503),
    (95, "invalid message", 400),
    (97, "message type not implemented", 500),
    (99, "parameter not implemented", 500),
    (102, "recovery on expiry of a timer", 504),
    (103, "parameter not implemented, passed on", 500),
    (111, "protocol error", 500),
    (127, "interworking, unspecified", 500),
];

/// A cause in words.
pub fn words(cause: u8) -> Option<&'static str> {
    CAUSES.iter().find(|(known, _, _)| *known == cause).map(|(_, words, _)| *words)
}

/// The status that stands for a cause; the class of unknown ones decides (RFC 3398 section
/// 7.2.4.1).
pub fn status(cause: u8) -> Option<u16> {
    match CAUSES.iter().find(|(known, _, _)| *known == cause) {
        Some((_, _, status)) => (*status > 0).then_some(*status),
        None if cause < 32 => Some(480),
        None if cause < 64 => Some(503),
        None => Some(500),
    }
}

/// The cause that stands for a final status (RFC 3398 section 8.2.6.1).
pub fn of_status(status: u16) -> u8 {
    match status {
        400 | 481 | 500 | 503 => 41,
        401 | 402 | 403 | 407 | 603 => 21,
        404 | 604 => 1,
        405 | 501 => 63,
        406 | 413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
        408 | 504 => 102,
        410 => 22,
        415 | 488 | 606 => 79,
        480 => 18,
        482 | 483 => 25,
        484 => 28,
        485 => 1,
        486 | 600 => 17,
        487 => 127,
        502 => 38,
        _ => 31,
    }
}

/// A Reason value for people: `Q.850 cause 17, user busy`; `None` when it names no cause.
pub fn told(reason: &str) -> Option<String> {
    let mut parts = reason.split(';').map(str::trim);
    let protocol = parts.next()?;
    let mut cause = None;
    let mut text = None;
    for part in parts {
        match part.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("cause") => {
                cause = value.trim().parse::<u16>().ok();
            }
            Some((name, value)) if name.trim().eq_ignore_ascii_case("text") => {
                text = Some(value.trim().trim_matches('"').to_owned());
            }
            _ => {}
        }
    }
    let cause = cause?;
    let isdn = protocol.eq_ignore_ascii_case("q.850");
    let known = u8::try_from(cause).ok().filter(|_| isdn).and_then(words);
    let text = known.map(str::to_owned).or(text.filter(|text| !text.is_empty()));
    let text = text.map(|text| format!(", {text}")).unwrap_or_default();
    Some(format!("{protocol} cause {cause}{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_words() {
        let read = |reason| told(reason);
        assert_eq!(read("Q.850;cause=17").as_deref(), Some("Q.850 cause 17, user busy"));
        let own = read("q.850 ; Cause = 16 ;text=\"Terminated\"");
        assert_eq!(own.as_deref(), Some("q.850 cause 16, normal clearing"));
        let sip = read("SIP;cause=600;text=\"Busy Everywhere\"");
        assert_eq!(sip.as_deref(), Some("SIP cause 600, Busy Everywhere"));
        assert_eq!(read("Q.850;cause=126").as_deref(), Some("Q.850 cause 126"));
        for nothing in ["", "SIP", "Q.850;text=\"x\"", "Q.850;cause=x", ";;;=", "Q.850;cause=99999"]
        {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn causes_and_statuses_stand_for_each_other_as_far_as_they_can() {
        assert_eq!([17, 1, 21, 19, 16, 30, 33, 101].map(status), {
            [Some(486), Some(404), Some(403), Some(480), None, Some(480), Some(503), Some(500)]
        });
        for (code, cause) in [(404, 1), (486, 17), (480, 18), (603, 21), (503, 41), (484, 28)] {
            assert_eq!(of_status(code), cause, "{code}");
        }
        // Nothing that comes back from the table is unknown to it, but for the loop.
        for code in 300..700 {
            let cause = of_status(code);
            assert!(cause == 25 || words(cause).is_some(), "{code}: {cause}");
        }
    }
}
