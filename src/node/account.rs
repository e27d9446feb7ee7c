//! The account that owns everything: its SID and token, made once and kept in the data folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::base::id::AccountSid;
use crate::base::{Rng, Secret};

/// The file in the data folder: two lines, SID and token, readable by the owner only.
const FILE: &str = "account";

/// Who signs webhooks and may use the control API.
#[derive(Clone, Debug)]
pub struct Account {
    /// `AC…`.
    pub sid: AccountSid,
    /// The key of signatures.
    pub token: Secret,
}

impl Account {
    /// The configured account; what is not configured is read from the data folder, or made there.
    pub fn open(
        data: &Path,
        sid: Option<AccountSid>,
        token: Option<Secret>,
        rng: &mut Rng,
    ) -> io::Result<Account> {
        if let (Some(sid), Some(token)) = (sid, token.clone()) {
            return Ok(Account { sid, token });
        }
        let path = data.join(FILE);
        let kept = match fs::read_to_string(&path) {
            Ok(text) => parse(&text).ok_or_else(|| {
                let advice = "is damaged; restore it, or delete it to get a new account";
                io::Error::new(io::ErrorKind::InvalidData, format!("{} {advice}", path.display()))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path, rng)?,
            Err(error) => return Err(error),
        };
        Ok(Account { sid: sid.unwrap_or(kept.sid), token: token.unwrap_or(kept.token) })
    }

    /// The same without making anything: what is nowhere yet is made up, for this process alone.
    pub fn look(
        data: &Path,
        sid: Option<AccountSid>,
        token: Option<Secret>,
        rng: &mut Rng,
    ) -> Account {
        let kept = fs::read_to_string(data.join(FILE)).ok().and_then(|text| parse(&text));
        let kept = kept.unwrap_or_else(|| invent(rng));
        Account { sid: sid.unwrap_or(kept.sid), token: token.unwrap_or(kept.token) }
    }
}

fn invent(rng: &mut Rng) -> Account {
    Account { sid: AccountSid::random(rng), token: Secret::new(rng.hex(32)) }
}

fn parse(text: &str) -> Option<Account> {
    let mut lines = text.lines();
    let sid = lines.next()?.parse().ok()?;
    let token = lines.next().filter(|token| !token.is_empty())?;
    Some(Account { sid, token: Secret::new(token) })
}

fn make(path: &Path, rng: &mut Rng) -> io::Result<Account> {
    let account = invent(rng);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    write!(file, "{}\n{}\n", account.sid, account.token.expose())?;
    file.sync_all()?;
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_made_once_and_kept() {
        let data = tempfile::tempdir().expect("a folder");
        let mut rng = Rng::from_number(1);
        let made = Account::open(data.path(), None, None, &mut rng).expect("made");
        let again = Account::open(data.path(), None, None, &mut rng).expect("read");
        assert_eq!((made.sid, &made.token), (again.sid, &again.token));
        let seen = Account::look(data.path(), None, None, &mut rng);
        assert_eq!((seen.sid, &seen.token), (made.sid, &made.token));
        let own =
            Account::open(data.path(), None, Some(Secret::new("t")), &mut rng).expect("mixed");
        assert_eq!((own.sid, own.token), (made.sid, Secret::new("t")));
        fs::write(data.path().join(FILE), "nonsense").expect("written");
        let error = Account::open(data.path(), None, None, &mut rng).expect_err("damaged");
        assert!(error.to_string().contains("delete it"));
        let nowhere = data.path().join("nowhere");
        Account::look(&nowhere, None, None, &mut rng);
        assert!(!nowhere.exists(), "looking makes nothing");
    }
}
