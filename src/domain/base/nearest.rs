//! "Did you mean": the nearest of the valid names, when one is near enough to be meant.

/// The candidate with the smallest edit distance to `word`, if that is at most a third of the word (at least 2 for words
/// of four letters or more). Candidates of the same distance: the first.
pub fn find_nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(80).collect();
    let length = word.chars().count();
    let limit = if length < 4 { 1 } else { (length / 3).max(2) };
    let like = |name: &&str| name.chars().count().abs_diff(length) <= limit;
    let near = candidates.into_iter().filter(like).map(|name| (edit_distance(&word, name), name));
    near.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= limit).map(|(_, name)| name)
}

/// ` (did you mean `x`?)`, or nothing.
pub fn format_hint(candidate: Option<&str>) -> String {
    candidate.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// Edits (insert, delete, replace a character) that lead from one word to the other; case does not count.
pub fn edit_distance(from: &str, to: &str) -> usize {
    strsim::levenshtein(&from.to_lowercase(), &to.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_proposed_and_far_ones_are_not() {
        let names = ["depends", "priority", "files", "id"];
        assert_eq!(find_nearest("depend", names), Some("depends"));
        assert_eq!(find_nearest("Prioritty", names), Some("priority"));
        assert_eq!(find_nearest("owner", names), None);
        assert_eq!(find_nearest("xy", names), None);
    }
}
