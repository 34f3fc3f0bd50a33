//! What the gate demands.

use super::mission::State;
use crate::domain::queue::MergeSource;
use crate::domain::verify::Demands;

impl State {
    /// What the gate demands of a change.
    #[must_use]
    pub const fn demands(&self, allow_removed_tests: bool) -> Demands {
        Demands { gate: self.policy.gate, ratchet: self.policy.ratchet, allow_removed_tests }
    }

    /// Whether the tests that a change removes are no harm.
    #[must_use]
    pub fn may_remove_tests(&self, source: &MergeSource) -> bool {
        match source {
            MergeSource::Unit { unit, .. } => self.unit(unit).is_some_and(|u| u.spec.allow_removed_tests),
            MergeSource::Intake => true,
            MergeSource::Books { .. } => false,
        }
    }
}
