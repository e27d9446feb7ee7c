//! A file of call flows.

use offhook::cli::flow;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match flow::parse(text) {
        Ok(flows) => {
            let lines = text.lines().count();
            let steps: usize = flows.iter().map(|flow| flow.steps.len()).sum();
            assert!(flows.len() + steps <= lines);
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty() && mistakes.len() <= 50);
            assert!(mistakes.iter().all(|mistake| !mistake.message.is_empty()));
        }
    }
}
