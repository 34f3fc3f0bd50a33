//! Bounds of what is taken from an output.

use crate::domain::base::digest;
use crate::domain::base::text::floor_char_boundary;
use anstream::adapter::strip_str;
use std::borrow::Cow;

/// Most tests or findings one output may name; further ones are a problem of the report.
pub const RESULTS_LIMIT: usize = 100_000;

/// Longest name in bytes; longer ones are cut and told apart by a hash.
pub const NAME_LIMIT: usize = 240;

/// A text without colours and other terminal sequences. One that is not ended takes no more with it than its line.
pub fn without_sequences(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.contains('\u{1b}') {
            true => {
                strip_str(line.trim_end_matches('\n')).for_each(|part| clean.push_str(part));
                clean.push_str(if line.ends_with('\n') { "\n" } else { "" });
            }
            false => clean.push_str(line),
        }
    }
    clean.into()
}

/// A name of at most [`NAME_LIMIT`] bytes.
pub(in crate::domain::verify) fn shorten_name(name: &str) -> String {
    bounded(name, NAME_LIMIT).into_owned()
}

/// A name of at most `limit` bytes; a longer one ends in a hash of the whole.
pub(super) fn bounded(name: &str, limit: usize) -> Cow<'_, str> {
    if name.len() <= limit {
        return name.into();
    }
    format!("{}… {}", &name[..floor_char_boundary(name, limit - 16)], &digest(name)[..8]).into()
}
