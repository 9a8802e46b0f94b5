//! "Did you mean": the known word that is nearest to one that is not known. Pure.

/// The nearest of these words, if any is near enough to be a slip of the fingers.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    // A third of what was typed may be wrong, and one character of the shortest words.
    let most = (typed.len() / 3).max(1);
    let near = |word: &'a str| {
        let lower: Vec<char> = word.to_lowercase().chars().collect();
        let away = distance(&typed, &lower);
        (away <= most && away < lower.len().max(typed.len())).then_some((away, word))
    };
    known.into_iter().filter_map(near).min().map(|(_, word)| word)
}

/// A sentence for an error: "did you mean bob?", or nothing.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(typed, known).map(|word| format!("did you mean {}?", crate::text::inert(word)))
}

/// How many characters must be put in, left out, changed, or swapped with their neighbour (optimal string
/// alignment).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, c) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, d) in other.iter().enumerate() {
            let changed = last[column] + usize::from(c != d);
            let mut best = changed.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped = row > 0 && column > 0 && one[row - 1] == *d && other[column - 1] == *c;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["alice", "bob", "history", "1", "2", "oslo"];
        let cases = [
            ("alcie", Some("alice")),
            ("Alice", Some("alice")),
            ("bbo", Some("bob")),
            ("hsitory", Some("history")),
            ("histroyy", Some("history")),
            ("osl", Some("oslo")),
            ("9", None),
            ("carol", None),
            ("xyz", None),
            ("", None),
        ];
        for (typed, meant) in cases {
            assert_eq!(nearest(typed, known), meant, "{typed:?}");
        }
    }

    #[test]
    fn a_swap_of_neighbours_is_one_slip() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (one, other, away) in
            [("", "", 0), ("ab", "ba", 1), ("abc", "abd", 1), ("abc", "", 3), ("ca", "abc", 3)]
        {
            assert_eq!(distance(&chars(one), &chars(other)), away, "{one} {other}");
        }
    }
}
