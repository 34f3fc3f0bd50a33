//! Fields of events, and what is made of them.

use crate::domain::agent::model::{ToolCall, shorten};
use crate::domain::values::Usd;
use serde_json::Value;

/// A text field; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// A number of tokens; 0 where there is none.
pub(super) fn count(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or(0)
}

/// The call of a tool, its subject being the first of these fields of its input that is a text.
pub(super) fn tool_call(id: &str, tool: &str, input: &Value, fields: &[&str]) -> ToolCall {
    let subject = fields.iter().find_map(|field| input[*field].as_str()).unwrap_or_default();
    ToolCall { id: shorten(id), tool: shorten(tool), subject: shorten(subject) }
}

/// Where the fields of tools' inputs name what they work on, the most telling first.
pub(super) const SUBJECTS: [&str; 11] = [
    "command",
    "file_path",
    "filePath",
    "path",
    "pattern",
    "query",
    "url",
    "description",
    "prompt",
    "dir_path",
    "name",
];

/// Money from dollars; `None` for what is no amount.
pub(super) fn to_usd(dollars: f64) -> Option<Usd> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be between 0 and a million dollars"
    )]
    let usd = |dollars: f64| Usd((dollars * 1e6).ceil() as u64);
    (dollars.is_finite() && (0.0..=1e6).contains(&dollars)).then(|| usd(dollars))
}
