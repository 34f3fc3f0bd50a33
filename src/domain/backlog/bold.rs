//! What a line begins with: a label in bold, a key of metadata.

use crate::domain::markdown::Line;
use crate::domain::plan::keys::Key;

/// Keys of a plan file that a backlog says in other ways: the heading and the text below it.
pub(super) fn is_allowed(key: Key) -> bool {
    !matches!(key, Key::Title | Key::Description)
}

/// Whether the lines below a heading begin with a block of keys.
pub(super) fn begins_with_keys(body: &[Line<'_>]) -> bool {
    let first = body.iter().find_map(Line::bullet);
    first.and_then(|first| split_pair(first.content)).is_some_and(|(word, _)| find_key(word).is_some())
}

pub(super) fn find_key(word: &str) -> Option<Key> {
    Key::parse(word).filter(|key| is_allowed(*key))
}

/// `key: value`, the key of letters, `-`, `_` and single spaces.
pub(super) fn split_pair(content: &str) -> Option<(&str, &str)> {
    let (word, value) = content.split_once(':')?;
    let plain = (1..=40).contains(&word.len()) && word.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = plain && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b' '));
    (plain && (value.is_empty() || value.starts_with([' ', '\t']))).then(|| (word.trim(), value.trim()))
}

/// `**Key**: value` or `**Key:** value`.
pub(super) fn split_bold(content: &str) -> Option<(&str, &str)> {
    let (word, rest) = content.strip_prefix("**")?.split_once("**")?;
    match word.strip_suffix(':') {
        Some(word) => Some((word.trim(), rest.trim())),
        None => rest.trim_start().strip_prefix(':').map(|value| (word.trim(), value.trim())),
    }
}
