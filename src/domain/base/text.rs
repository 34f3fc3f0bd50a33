//! Texts of others made shorter, or safe to stand on one line.

use std::fmt;

/// The greatest character boundary that is not above `at`.
pub fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The first characters of a text, `limit` at most.
pub fn first_chars(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}

/// A text of at most `limit` characters; one that is cut ends in `…`.
pub fn shorten(text: &str, limit: usize) -> String {
    match first_chars(text, limit) == text {
        true => text.to_owned(),
        false => format!("{}…", first_chars(text, limit.saturating_sub(1)).trim_end()),
    }
}

/// The text with a blank for each control character.
pub fn replace_control_chars(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The words of a text with one blank between them.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first of some names, `limit` at most, and how many more there are: `a, b and 3 more`.
pub fn name_first<T: fmt::Display>(names: impl IntoIterator<Item = T>, limit: usize) -> String {
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(limit).map(|name| name.to_string()).collect();
    match names.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Bytes for people: `12 kB`, `53.6 GB`.
pub fn format_size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

/// Invisible characters that turn the direction of a text, so that a reader sees other text than there is (Unicode UAX #9, 2).
pub fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_are_told_and_the_rest_is_counted() {
        let told = |names: &[&str]| name_first(names, 2);
        assert_eq!(
            [told(&[]), told(&["a"]), told(&["a", "b"]), told(&["a", "b", "c"])],
            ["", "a", "a, b", "a, b and 1 more"]
        );
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1_999, 999_999_999, 1_000_000_000, 53_650_000_000].map(format_size);
        assert_eq!(sizes, ["0 B", "1 kB", "999 MB", "1.0 GB", "53.6 GB"]);
    }

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(
            (floor_char_boundary("aé", 2), floor_char_boundary("aé", 9), first_chars("éa", 1), first_chars("é", 1)),
            (1, 3, "é", "é")
        );
        assert_eq!((shorten("ab cd", 5).as_str(), shorten("ab cde", 4).as_str()), ("ab cd", "ab…"));
        assert_eq!((shorten("ab", 0).as_str(), shorten("", 0).as_str()), ("…", ""));
    }
}
