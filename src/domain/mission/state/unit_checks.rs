//! What is known of the lines a unit is checked by.

use super::mission::State;
use crate::domain::mission::model::{SessionReport, Unit, UnitCheckStage, extra_stages};
use crate::domain::queue::{Landing, MergeSource, VerifyRole};

impl State {
    pub(in crate::domain::mission) fn unit_of(&self, landing: &Landing) -> Option<&Unit> {
        match &landing.mr.source {
            MergeSource::Unit { unit, .. } => self.unit(unit),
            MergeSource::Intake | MergeSource::Bookkeeping { .. } => None,
        }
    }

    /// The stages of a verification of this role for a landing.
    pub(in crate::domain::mission) fn unit_check_stages(
        &self,
        landing: Option<&Landing>,
        role: VerifyRole,
    ) -> Vec<UnitCheckStage> {
        let unit = landing.and_then(|l| self.unit_of(l));
        unit.map(|u| extra_stages(role, &u.spec)).unwrap_or_default()
    }

    /// Folds what `accept` of the unit at `i` said before an agent was, or would have been, started.
    pub(super) fn take_accept(&mut self, i: usize, report: &SessionReport) {
        let Some(accept) = &report.checks.accept else { return };
        self.verifications_run += u64::from(accept.runs);
        self.verifications_reused += u64::from(accept.runs == 0);
        if accept.is_doubtful() {
            self.update_unit(i, Unit::accept_in_doubt);
        }
    }
}
