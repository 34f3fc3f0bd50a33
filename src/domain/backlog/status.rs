//! The `status` of a backlog item, as people write it and as `mc` writes it back.

use crate::domain::base::Invalid;
use crate::domain::values::UnitId;
use std::fmt;
use strum::{EnumString, IntoStaticStr};

/// What stands before the unit that is waited for.
pub const WAITS: &str = "depends on ";

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum ItemState {
    /// To be done; also when nothing is written.
    Todo,
    /// Landed.
    Done,
    /// Nothing had to be changed.
    NoOp,
    /// Not worth doing.
    Skipped,
    /// Attempts are used up.
    Failed,
    /// Waits for something that failed.
    Blocked,
    /// Waits for a person.
    Held,
}

impl ItemState {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Whether dependants may start.
    pub fn is_satisfied(self) -> bool {
        matches!(self, Self::Done | Self::NoOp)
    }
}

/// State with the remark in parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemStatus {
    /// How far it is.
    pub state: ItemState,
    /// What stands in the parentheses: date, attempt head, reason. Empty without any. Untrusted text.
    pub detail: String,
}

impl ItemStatus {
    /// A status without a remark.
    pub fn new(state: ItemState) -> Self {
        Self { state, detail: String::new() }
    }

    /// The unit that a mark says is waited for: `blocked (2026-11-20, depends on parser)`.
    pub fn waits_for(&self) -> Option<UnitId> {
        self.detail.split(", ").find_map(|part| UnitId::new(part.strip_prefix(WAITS)?).ok())
    }
}

impl fmt::Display for ItemStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.word())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

/// What a `status:` line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// `note`: the heading is no unit.
    Note,
    Status(ItemStatus),
}

/// Reads the value of a `status` key.
pub(super) fn parse(text: &str) -> Result<Said, Invalid> {
    let text = text.trim();
    let (word, detail) = match text.split_once('(') {
        Some((word, rest)) => (word, rest.trim_end().strip_suffix(')').unwrap_or(rest)),
        None => (text, ""),
    };
    let word = word.trim().to_ascii_lowercase();
    if word == "note" {
        return Ok(Said::Note);
    }
    match word.parse() {
        Ok(state) => Ok(Said::Status(ItemStatus { state, detail: detail.trim().to_owned() })),
        Err(_) => Err(Invalid(format!(
            "`{text}` is not a status; use todo, note, done, no-op, skipped, failed, blocked or held, with a remark in parentheses"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_as_it_is_written() {
        for text in
            ["todo", "done (2026-11-20, 0123abc, lands f(x))", "no-op", "skipped", "failed (a)", "blocked", "held"]
        {
            assert_eq!(
                parse(text).map(|said| if let Said::Status(s) = said { s.to_string() } else { "?".into() }),
                Ok(text.into())
            );
        }
        assert_eq!(parse(" Note "), Ok(Said::Note));
        assert!(parse("finished").is_err() && parse("").is_err());
    }
}
