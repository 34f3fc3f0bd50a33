//! "Did you mean": the nearest of the valid names, when one is near enough to be meant.

/// The candidate with the smallest edit distance to `word`, if that is at most a third of the word (at least 2 for words
/// of four letters or more). Candidates of the same distance: the first.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = word.chars().flat_map(char::to_lowercase).take(80).collect();
    let limit = if wanted.len() < 4 { 1 } else { (wanted.len() / 3).max(2) };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.chars().count().abs_diff(wanted.len()) > limit {
            continue;
        }
        let distance = distance(&wanted, candidate);
        if distance <= limit && best.is_none_or(|(smallest, _)| distance < smallest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// ` (did you mean `x`?)`, or nothing.
#[must_use]
pub fn hint(candidate: Option<&str>) -> String {
    candidate.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// Edits (insert, delete, replace a character) that lead from one word to the other; case does not count.
#[must_use]
pub fn edits(from: &str, to: &str) -> usize {
    distance(&from.chars().flat_map(char::to_lowercase).collect::<Vec<_>>(), to)
}

fn distance(wanted: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (above, letter) in candidate.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, other) in wanted.iter().enumerate() {
            let substituted = diagonal + usize::from(*other != letter);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[wanted.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_proposed_and_far_ones_are_not() {
        let names = ["depends", "priority", "files", "id"];
        assert_eq!(nearest("depend", names), Some("depends"));
        assert_eq!(nearest("Prioritty", names), Some("priority"));
        assert_eq!(nearest("owner", names), None);
        assert_eq!(nearest("xy", names), None);
    }
}
