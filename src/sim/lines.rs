//! Units' own lines in the virtual world: what `verify`, `accept` and the quick stages say of a tree.

use super::scenario::{Behaviour, Line, Scenario};
use crate::domain::mission::{
    Noticed, PreQueueCheck, Quick, QuickEnd, SessionReport, UnitCheckStage, Verification, VerifyOrder, VerifyRole,
    extra_stages, in_workspace,
};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{Millis, TreeId, UnitId};
use crate::domain::verify::{SnapshotKey, StageOutcome, Summary};
use std::collections::BTreeMap;

/// Every unit's lines, and the stored snapshots of those that ran.
#[derive(Debug, Default)]
pub(super) struct Lines {
    units: BTreeMap<UnitId, UnitSpec>,
    scripted: BTreeMap<String, Line>,
    stored: BTreeMap<SnapshotKey, Stored>,
    /// What each landing of a unit with lines had to show: before and after.
    landed: Vec<(UnitId, Option<StageOutcome>)>,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    outcome: StageOutcome,
    runs: u32,
}

impl Lines {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let units = scenario.units.iter().map(|u| (u.id.clone(), u.clone())).collect();
        Self { units, scripted: scenario.lines.clone(), ..Self::default() }
    }

    /// A line nobody scripted: `accept` passes once a unit that says it is in, everything else passes.
    fn run_stage(&self, stage: &UnitCheckStage, content: &BTreeMap<UnitId, Behaviour>) -> StageOutcome {
        let mut saying = self.units.values().filter(|u| u.accept.as_ref() == Some(&stage.run));
        let passes = match self.scripted.get(&stage.run) {
            Some(Line::CannotRun) => return StageOutcome::NotRun,
            Some(Line::Brings(unit)) if !content.contains_key(unit) => return StageOutcome::NotRun,
            Some(Line::Passes | Line::Brings(_)) => true,
            Some(Line::Fails) => false,
            Some(Line::Once(unit)) => content.contains_key(unit),
            None => stage.name != "accept" || saying.any(|u| content.contains_key(&u.id)),
        };
        if passes { StageOutcome::Passed } else { StageOutcome::Failed }
    }

    fn run_stages(&self, stages: &[UnitCheckStage], content: &BTreeMap<UnitId, Behaviour>) -> StageOutcome {
        let said: Vec<StageOutcome> = stages.iter().map(|stage| self.run_stage(stage, content)).collect();
        let first = |wanted| said.contains(&wanted).then_some(wanted);
        first(StageOutcome::Failed).or(first(StageOutcome::NotRun)).unwrap_or(StageOutcome::Passed)
    }

    /// Runs lines on a tree, or answers from the store; `unlucky` makes a pass a failure.
    pub(super) fn verify(
        &mut self,
        order: &VerifyOrder,
        content: &BTreeMap<UnitId, Behaviour>,
        unlucky: bool,
    ) -> Verification {
        let key = key(&order.tip.tree, &order.unit_checks);
        let known = self.stored.get(&key).copied();
        let usable = known.filter(|s| s.outcome != StageOutcome::NotRun && order.confirms.is_none());
        let reused = usable.is_some();
        let stored = usable.unwrap_or_else(|| {
            let fresh = match self.run_stages(&order.unit_checks, content) {
                StageOutcome::Passed if unlucky => StageOutcome::Failed,
                said => said,
            };
            let first = known.filter(|_| order.confirms.is_some()).map(|s| s.outcome);
            let outcome = match (first.unwrap_or(fresh), fresh) {
                (StageOutcome::Passed, _) | (_, StageOutcome::Passed) => StageOutcome::Passed,
                (StageOutcome::NotRun, StageOutcome::NotRun) => StageOutcome::NotRun,
                _ => StageOutcome::Failed,
            };
            Stored { outcome, runs: known.map_or(0, |s| s.runs) + 1 }
        });
        self.stored.insert(key.clone(), stored);
        let summary = Summary { outcome: stored.outcome, ..Summary::default() };
        Verification {
            key,
            summary,
            delta: None,
            reused,
            confirmed: order.confirms.is_some(),
            warm: false,
            noticed: Noticed::default(),
        }
    }

    /// What runs in the workspace of an attempt that left `content`.
    pub(super) fn run_in_workspace(
        &self,
        report: &SessionReport,
        unit: &UnitId,
        behaviour: Behaviour,
        content: &BTreeMap<UnitId, Behaviour>,
        now: Millis,
    ) -> Option<Quick> {
        let spec = self.units.get(unit)?;
        let end = match (in_workspace(report, spec)?, behaviour) {
            (PreQueueCheck::Quick, Behaviour::FailsQuick) => QuickEnd::Failed,
            (PreQueueCheck::Quick, Behaviour::MissesQuick) => QuickEnd::Missing,
            (PreQueueCheck::Quick, _) => return None,
            (PreQueueCheck::Accept, _) => match self.run_stages(&extra_stages(VerifyRole::AcceptBefore, spec), content)
            {
                StageOutcome::Passed => QuickEnd::Passed,
                StageOutcome::Failed => QuickEnd::Failed,
                StageOutcome::NotRun => QuickEnd::Missing,
            },
        };
        Some(Quick { end, note: String::new(), confirmed: true, ran: (now, now) })
    }

    /// A unit lands: its lines must pass on the candidate.
    pub(super) fn check_landing(&mut self, unit: &UnitId, expected: &TreeId, candidate: &TreeId) -> Result<(), String> {
        let Some(spec) = self.units.get(unit) else { return Ok(()) };
        let outcome = |role, tree| {
            let stages = extra_stages(role, spec);
            (!stages.is_empty()).then(|| self.stored.get(&key(tree, &stages)).map(|s| s.outcome))
        };
        if let Some(after) = outcome(VerifyRole::UnitChecks, candidate)
            && after != Some(StageOutcome::Passed)
        {
            return Err(format!("P8: {unit} lands although its own lines are {after:?} on the candidate"));
        }
        if let Some(before) = outcome(VerifyRole::AcceptBefore, expected) {
            self.landed.push((unit.clone(), before));
        }
        Ok(())
    }

    /// Units that landed although their `accept` was not seen to fail before, as far as nobody waived that.
    pub(super) fn shown_nothing(&self, waived: impl Fn(&UnitId) -> bool) -> Option<&UnitId> {
        let shown = |before: &Option<StageOutcome>| *before == Some(StageOutcome::Failed);
        self.landed.iter().find(|(unit, before)| !shown(before) && !waived(unit)).map(|(unit, _)| unit)
    }

    /// How often the lines of a unit ran on a tree that they refuse.
    pub(super) fn refusing_runs(&self, unit: &UnitId, tree: &TreeId) -> Option<u32> {
        let stages = extra_stages(VerifyRole::UnitChecks, self.units.get(unit)?);
        self.stored.get(&key(tree, &stages)).filter(|s| s.outcome != StageOutcome::Passed).map(|s| s.runs)
    }
}

fn key(tree: &TreeId, stages: &[UnitCheckStage]) -> SnapshotKey {
    SnapshotKey(format!("snapshot of {tree:?} by {stages:?}"))
}
