//! What is asked of a change before it lands.

use super::mission::State;
use crate::domain::mission::model::unit_checks::extra_stages;
use crate::domain::queue::{Accept, Landing, MergeSource, Terms, VerifyRole};
use crate::domain::values::{LandingId, RunId};
use crate::domain::verify::Demands;

impl State {
    /// What the gate demands of a change.
    pub const fn demands(&self, allow_removed_tests: bool) -> Demands {
        Demands { gate: self.policy.gate, ratchet: self.policy.ratchet, allow_removed_tests }
    }

    /// What is asked of the change of a landing.
    pub fn landing_terms(&self, landing: &Landing) -> Terms {
        let unit = self.unit_of(landing);
        let accept = match unit.filter(|unit| unit.spec.accept.is_some()) {
            Some(unit) if unit.wants_failure_before() => Accept::Changes,
            Some(_) => Accept::Passes,
            None => Accept::Nothing,
        };
        let demands = self.demands(self.may_remove_tests(&landing.mr.source));
        let unit_checks = unit.is_some_and(|unit| !extra_stages(VerifyRole::UnitChecks, &unit.spec).is_empty());
        Terms { demands, confirm_failures: self.policy.confirm_failures, accept, unit_checks }
    }

    /// The landing that waits for what an open run says: the one it is a step of, or the one in progress where it is of green.
    pub(in crate::domain::mission) fn waiting_landing(&self, run: RunId) -> Option<LandingId> {
        self.run_by(run)?.landing.or_else(|| self.landing().map(|landing| landing.id))
    }

    /// What is asked of green itself, where nobody brings a change.
    pub(in crate::domain::mission) const fn green_terms(&self) -> Terms {
        let (demands, confirm_failures) = (self.demands(false), self.policy.confirm_failures);
        Terms { demands, confirm_failures, accept: Accept::Nothing, unit_checks: false }
    }

    /// Whether the tests that a change removes are no harm.
    pub fn may_remove_tests(&self, source: &MergeSource) -> bool {
        match source {
            MergeSource::Unit { unit, .. } => self.unit(unit).is_some_and(|u| u.spec.allow_removed_tests),
            MergeSource::Intake => true,
            MergeSource::Bookkeeping { .. } => false,
        }
    }
}
