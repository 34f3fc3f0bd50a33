//! Items of a backlog that no mission takes up: which, why, and what helps. Details are untrusted.

use super::words::{count, to_one_line, word};
use crate::domain::backlog::{SkippedItem, WAITS, Why};
use crate::domain::base::text::name_first;
use crate::domain::mission::{RefusedTarget, State};
use serde_json::{Value, json};

/// Items named in one line before the list is cut.
const NAMED: usize = 5;

/// What a mission did not do beside its units, in a few words; empty when there is nothing.
pub(super) fn describe_skipped(state: &State) -> String {
    let outside = state.refused_target.as_ref().map(describe_refused_target).unwrap_or_default();
    let parts = [name_items(&state.skipped), outside];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What to know of a target branch that was refused.
pub(super) fn describe_refused_target(outside: &RefusedTarget) -> String {
    let at = outside.head.commit.short_id();
    format!(
        "the target branch at {at} was not taken in, what landed is without its code: {}",
        to_one_line(&outside.why, 400)
    )
}

/// `2 items of BACKLOG.md are skipped: api (failed), docs (waits)`; empty without any.
pub fn name_items(skipped: &[SkippedItem]) -> String {
    if skipped.is_empty() {
        return String::new();
    }
    let names = name_first(skipped.iter().map(|item| format!("{} ({})", item.unit, word(&item.why))), NAMED);
    let are = if skipped.len() == 1 { "is" } else { "are" };
    let items = count(skipped.len() as u64, "item");
    format!("{items} of BACKLOG.md {are} skipped: {names}")
}

/// What has an item taken up.
pub fn suggest_command(item: &SkippedItem) -> String {
    let unit = &item.unit;
    match item.why {
        Why::Failed => format!(
            "`mc unit retry {unit}` has it planned by the next mission; `mc unit show {unit}` shows why it failed"
        ),
        Why::Held => format!(
            "`mc unit retry {unit} --say TEXT` answers and has it planned by the next mission; `mc unit show {unit}` shows the question"
        ),
        Why::Blocked => {
            format!("it is planned again as soon as that is; or `mc mission start --only {unit}` plans it alone")
        }
        Why::Waits => match item.detail.strip_prefix(WAITS) {
            Some(cause) => {
                format!(
                    "it is planned as soon as that is to be done again: `mc unit retry {}`",
                    to_one_line(cause, 100)
                )
            }
            None => "it is planned as soon as that is to be done again".to_owned(),
        },
        Why::Landed => "give it a new `id` there if it is other work".to_owned(),
    }
}

/// Two lines for each item: what it is, and what helps.
pub fn lines(skipped: &[SkippedItem]) -> Vec<String> {
    let mut lines = Vec::new();
    for item in skipped {
        let detail = to_one_line(&item.detail, 300);
        let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
        lines.push(format!("{}  {}{detail}", item.unit, word(&item.why)));
        lines.push(format!("  helps: {}", suggest_command(item)));
    }
    lines
}

/// `[{id, why, detail, helps}]`; `why` is `failed`, `held`, `blocked`, `waits` or `landed`.
pub fn json(skipped: &[SkippedItem]) -> Value {
    let body = |item: &SkippedItem| json!({"id": item.unit, "why": item.why, "detail": item.detail, "helps": suggest_command(item)});
    Value::Array(skipped.iter().map(body).collect())
}
