//! Paths in outputs, without where the run was.

use std::borrow::Cow;

/// An output as text. Bytes that are no UTF-8 are written as their numbers: two names that differ only in them stay two.
pub fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text.into()
}

/// An output with the paths of the workspace made relative: a tree is verified now in this slot and now in that one, and
/// what is named by a path must have one name.
pub fn relativize_paths<'t>(text: Cow<'t, str>, workspace: &str) -> Cow<'t, str> {
    let root = format!("{}/", workspace.trim_end_matches('/'));
    if root.len() > 1 && text.contains(&root) { text.replace(&root, "").into() } else { text }
}
