//! A configuration: read, or refused with places in it.

use std::path::Path;

use offhook::base::Secret;
use offhook::base::id::AccountSid;
use offhook::config::Config;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let env = |name: &str| name.len().is_multiple_of(2).then(|| "Value-of-it-1".to_owned());
    let (project, file) = (Path::new("p"), Path::new("p/offhook.toml"));
    match Config::parse(project, file, text, &env) {
        Ok(config) => {
            let directory =
                config.directory(AccountSid::from_bytes([1; 16]), Secret::new("t"), String::new());
            assert_eq!(directory.domains.len(), config.domains.len(), "each name once");
            assert_eq!(directory.numbers.len(), config.numbers.len(), "each number once");
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
}
