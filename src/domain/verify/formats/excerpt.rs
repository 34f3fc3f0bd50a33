//! Parts of an output that are kept.

use crate::domain::base::text::floor_char_boundary;

/// Limit of `StageResult::head_tail` in bytes.
pub const HEAD_TAIL_LIMIT: usize = 8 * 1024;

/// The text itself if it is short enough, else its beginning and its (longer) end with a line between that says how
/// much is missing; never longer than `limit` bytes.
pub fn head_tail(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mark = left_out(text.len() - limit);
    // The number above may gain two digits by the mark's own length.
    let Some(room) = limit.checked_sub(mark.len() + 2) else {
        return text[..floor_char_boundary(text, limit)].to_owned();
    };
    let head = floor_char_boundary(text, room / 3);
    let mut tail = text.len() - (room - head);
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    let mark = left_out(tail - head);
    format!("{}{mark}{}", &text[..head], &text[tail..])
}

/// The line between beginning and end of a text of which so many bytes are missing.
pub fn left_out(bytes: usize) -> String {
    format!("\n[… {bytes} bytes left out …]\n")
}
