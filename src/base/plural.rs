//! Numbers of things, as sentences say them.

/// `1 phone`, `2 phones`: for words that take an `s`.
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!(plural(0, "call"), "0 calls");
        assert_eq!(plural(1, "call"), "1 call");
        assert_eq!(plural(2, "call"), "2 calls");
    }
}
