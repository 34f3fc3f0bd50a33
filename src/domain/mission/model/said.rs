//! What an agent said of its own work, kept for people: claims of somebody, never facts, and so always quoted.

use crate::domain::base::is_default;
use crate::domain::unit::UnitSpec;
use serde::{Deserialize, Serialize};

/// Most characters of all lists of one attempt together.
const ROOM: usize = 8 * 1024;

/// The parts of a handoff that decide nothing. Untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Why nothing needed to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_op_reason: Option<String>,
    /// Its lists, in the order of the handoff, each with its key there; none is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<(String, Vec<String>)>,
    /// Entries that did not fit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left_out: u32,
}

impl Said {
    /// Nothing.
    pub(in crate::domain::mission) const NOTHING: &Self = &Self { no_op_reason: None, lists: Vec::new(), left_out: 0 };

    /// What is kept of a handoff's lists: as many entries as have room, in order.
    pub fn of(no_op_reason: Option<String>, lists: &[(&str, &[String])]) -> Self {
        let mut said = Self { no_op_reason, ..Self::default() };
        let mut room = ROOM;
        for (key, entries) in lists {
            let mut kept = Vec::new();
            for entry in *entries {
                let size = entry.chars().count();
                if size > room {
                    said.left_out += 1;
                    continue;
                }
                room -= size;
                kept.push(entry.clone());
            }
            if !kept.is_empty() {
                said.lists.push(((*key).to_owned(), kept));
            }
        }
        said
    }

    /// Every text in it, to be cleaned.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.no_op_reason.iter_mut().chain(self.lists.iter_mut().flat_map(|(_, entries)| entries))
    }
}

/// Why a unit whose attempt changed nothing is over: what was seen, and who said what.
pub(in crate::domain::mission) fn no_op(unit: &UnitSpec, summary: &str) -> String {
    match (summary.trim(), &unit.run) {
        ("", _) => String::new(),
        (said, Some(_)) => format!("nothing changed; the script said \"{said}\""),
        (said, None) => format!("nothing changed; the agent said \"{said}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_what_an_agent_says_has_a_bound_and_what_does_not_fit_is_counted() {
        let long = vec!["x".repeat(ROOM - 2), "y".repeat(10), "ok".to_owned()];
        let said = Said::of(None, &[("concerns", &long), ("blockers", &[]), ("follow_ups", &long)]);
        assert_eq!(said.lists, [("concerns".to_owned(), vec![long[0].clone(), "ok".to_owned()])]);
        assert_eq!(said.left_out, 4);
    }
}
