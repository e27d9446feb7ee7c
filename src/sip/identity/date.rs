//! The Date header (RFC 3261 section 20.17): `Sat, 21 Nov 2026 05:01:06 GMT`, and nothing else.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of a Date header.
pub fn read_date(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split_ascii_whitespace();
    let day = digits(words.next()?, 2, 31)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| *known == month)? as u64 + 1;
    let year = digits(words.next()?, 4, 9999)?;
    let mut clock = words.next()?.split(':');
    let hour = digits(clock.next()?, 2, 23)?;
    let minute = digits(clock.next()?, 2, 59)?;
    let second = digits(clock.next()?, 2, 60)?;
    let zone = words.next()?;
    if zone != "GMT" || words.next().is_some() || clock.next().is_some() || day == 0 {
        return None;
    }
    let days = days_before(year, month, day)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn digits(text: &str, length: usize, most: u64) -> Option<u64> {
    let sound = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| sound && *number <= most)
}

/// Days from 1970-01-01 to that day: years begin in March, so that the leap day is the last.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    (of_years + (month * 153 + 2) / 5 + day - 1).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WallTime;

    #[test]
    fn dates_are_read_as_they_are_written() {
        for seconds in [0, 951_782_400, 1_471_375_418, 1_795_237_266, 4_102_444_799] {
            let text = WallTime::from_unix_millis(seconds * 1000).rfc2822();
            assert_eq!(read_date(&text.replace("+0000", "GMT")), Some(seconds), "{text}");
        }
        for wrong in [
            "",
            "Sat, 21 Nov 2026 05:01:06",
            "Sat, 21 Nov 2026 05:01:06 CET",
            "Sat, 00 Nov 2026 05:01:06 GMT",
            "Sat, 21 Nov 1926 05:01:06 GMT",
            "Sat, 21 Nov 2026 25:01:06 GMT",
            "Sat, 21 nov 2026 05:01:06 GMT",
            "Sat, 2１ Nov 2026 05:01:06 GMT",
            "Sat, 01 Jan 0000 00:00:00 GMT",
        ] {
            assert_eq!(read_date(wrong), None, "{wrong}");
        }
    }
}
