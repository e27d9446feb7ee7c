//! The difference between what is expected and what came, a line each.

/// More lines than this on both sides are not compared one by one: it would take their product.
const MOST_LINES: usize = 1_000;

/// Lines that are in one only, `-` expected and `+` came, with those in both around them.
pub(super) fn lines(expected: &str, came: &str) -> Vec<String> {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), came.lines().collect());
    let same = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let (a, b) = (&left[same..], &right[same..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    let mut found: Vec<String> = left[..same].iter().map(|line| format!("  {line}")).collect();
    if a.len() > MOST_LINES || b.len() > MOST_LINES {
        found.extend(a.iter().take(1).map(|line| format!("- {line}")));
        found.extend(b.iter().take(1).map(|line| format!("+ {line}")));
        found.push(format!("… {} and {} lines that differ", a.len(), b.len()));
    } else {
        between(a, b, &mut found);
    }
    found.extend(left[left.len() - tail..].iter().map(|line| format!("  {line}")));
    found
}

/// By the longest common subsequence.
fn between(a: &[&str], b: &[&str], found: &mut Vec<String>) {
    let mut common = vec![vec![0_u16; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = match a[i] == b[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            found.push(format!("  {}", a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            found.push(format!("- {}", a[i]));
            i += 1;
        } else {
            found.push(format!("+ {}", b[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn what_differs_stands_between_what_does_not() {
        let found = lines("<R>\n  <A/>\n  <B/>\n  <C/>\n</R>", "<R>\n  <A/>\n  <C/>\n  <D/>\n</R>");
        assert_eq!(found, ["  <R>", "    <A/>", "-   <B/>", "    <C/>", "+   <D/>", "  </R>"]);
        assert_eq!(lines("a", "b"), ["- a", "+ b"]);
        assert_eq!(lines("", "b"), ["+ b"]);
        assert_eq!(lines("a\na", "a"), ["  a", "- a"]);
        let many = (0..3_000).map(|number| format!("{number}\n")).collect::<String>();
        assert_eq!(lines(&many, &many.replace('\n', "x\n")).len(), 3);
    }
}
