//! Connection overrides: the fragment of a webhook URL, such as `#ct=2000&rc=2&rp=5xx,ct`.
//!
//! The fragment is neither sent nor signed (the TwiML reference). A fragment without `=` is an
//! ordinary one and means nothing here.

use std::time::Duration;

use super::Error;

/// How one request is connected, timed and tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Time for a TCP connection and the TLS handshake.
    pub connect: Duration,
    /// Time for one try's answer.
    pub read: Duration,
    /// Time for everything together.
    pub total: Duration,
    /// Further tries after the first.
    pub retries: u32,
    /// What is tried again.
    pub policy: Policy,
}

/// Which failures are tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Answers 400-499.
    pub client_errors: bool,
    /// Answers 500-599.
    pub server_errors: bool,
    /// TCP connect and TLS failures.
    pub connect: bool,
    /// No answer in the read time.
    pub read: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Connection {
            connect: Duration::from_millis(5_000),
            read: Duration::from_millis(LONGEST),
            total: Duration::from_millis(LONGEST),
            retries: 1,
            policy: Policy { connect: true, ..Policy::default() },
        }
    }
}

/// Milliseconds that no override can exceed: a caller is waiting.
const LONGEST: u64 = 15_000;

impl Connection {
    /// Reads a fragment, without its `#`.
    pub fn parse(fragment: Option<&str>) -> Result<Connection, Error> {
        let mut connection = Connection::default();
        for field in fragment.unwrap_or("").split('&') {
            if let Some((key, value)) = field.split_once('=') {
                connection.set(key, value)?;
            }
        }
        Ok(connection)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "ct" => self.connect = millis(key, value, 10_000)?,
            "rt" => self.read = millis(key, value, LONGEST)?,
            "tt" => self.total = millis(key, value, LONGEST)?,
            "rc" => {
                self.retries = value
                    .parse()
                    .ok()
                    .filter(|count| *count <= 5)
                    .ok_or_else(|| bad(key, value, "a number from 0 to 5"))?;
            }
            "rp" => self.policy = policy(value)?,
            // Edges and server names are the vendor's own network; ours has one way out.
            _ => {}
        }
        Ok(())
    }
}

fn millis(key: &str, value: &str, most: u64) -> Result<Duration, Error> {
    match value.parse() {
        Ok(millis) if (100..=most).contains(&millis) => Ok(Duration::from_millis(millis)),
        _ => Err(bad(key, value, &format!("milliseconds from 100 to {most}"))),
    }
}

fn policy(value: &str) -> Result<Policy, Error> {
    let mut policy = Policy::default();
    for word in value.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word {
            "4xx" => policy.client_errors = true,
            "5xx" => policy.server_errors = true,
            "ct" => policy.connect = true,
            "rt" => policy.read = true,
            "all" => {
                policy =
                    Policy { client_errors: true, server_errors: true, connect: true, read: true }
            }
            _ => return Err(bad("rp", word, "4xx, 5xx, ct, rt or all")),
        }
    }
    Ok(policy)
}

fn bad(key: &str, value: &str, wanted: &str) -> Error {
    Error::BadOverrides(format!("{key}={value}: expected {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_read_within_their_ranges() {
        let read = |text: &str| Connection::parse(Some(text));
        let all = read("ct=2000&rt=5000&tt=9000&rc=2&rp=5xx,ct,rt&e=dublin,ashburn").unwrap();
        assert_eq!(all.connect, Duration::from_secs(2));
        assert_eq!(all.read, Duration::from_secs(5));
        assert_eq!(all.total, Duration::from_secs(9));
        assert_eq!(all.retries, 2);
        assert!(all.policy.server_errors && all.policy.connect && all.policy.read);
        assert!(!all.policy.client_errors);
        assert_eq!(Connection::parse(None).unwrap(), Connection::default());
        assert_eq!(read("section-2").unwrap(), Connection::default());
        for wrong in ["ct=99", "ct=10001", "rt=x", "tt=15001", "rc=6", "rc=-1", "rp=6xx"] {
            assert_eq!(read(wrong).unwrap_err().code(), 11243, "{wrong}");
        }
        assert!(read("rp=all").unwrap().policy.client_errors);
    }
}
