//! Rounds: what was planned, and whether the mission is over after them.

use super::mission::State;
use crate::domain::mission::model::bookkeeping::strip_summary;
use crate::domain::mission::model::{AcceptPrecondition, MissionOutcome, Recorded, Stage, Unit, UnitState};
use crate::domain::mission::protocol::record::Intake;
use crate::domain::plan::graph::Edge;
use crate::domain::queue::{MergeRequest, MergeSource, Place};
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use std::sync::Arc;

impl State {
    /// Whether the mission is over after the rounds so far, and why.
    pub(in crate::domain::mission) fn mission_outcome(&self) -> Option<(MissionOutcome, String)> {
        let last = self.rounds.last()?;
        let rounds = u32::try_from(self.rounds.len()).unwrap_or(u32::MAX);
        if last.objective == Some(true) {
            return Some((MissionOutcome::ObjectiveMet, "the objective's check passes".to_owned()));
        }
        if self.unreadable {
            let reason = self.problems.last().cloned().unwrap_or_default();
            return Some((MissionOutcome::Error, format!("the backlog cannot be read as a plan: {reason}")));
        }
        if self.emptied {
            return Some((MissionOutcome::BacklogDone, "nothing is left to plan".to_owned()));
        }
        if rounds >= self.policy.max_rounds {
            return Some(match last.left_over {
                0 => (MissionOutcome::BacklogDone, "nothing is left to plan".to_owned()),
                left => (MissionOutcome::MaxRounds, format!("{rounds} rounds are used; {left} units were not planned")),
            });
        }
        let k = self.policy.stall_threshold as usize;
        if k > 0 && self.rounds.len() >= k && self.rounds.iter().rev().take(k).all(|r| !r.progress) {
            return Some((MissionOutcome::Stalled, format!("{k} rounds without a landing")));
        }
        None
    }

    /// Folds that a unit lands: one of the round that planned it, however long a person had held it, while the last one is open.
    pub(in crate::domain::mission) fn landed_in_round(&mut self, unit: &UnitId) {
        let planned = self.unit(unit).map(|unit| unit.round);
        if let Some(round) = self.rounds.iter_mut().find(|round| Some(round.index) == planned) {
            round.landed += 1;
        }
        if let Some(open) = self.rounds.last_mut() {
            open.progress = true;
        }
    }

    /// Folds the plan of a round.
    pub(super) fn take_plan(
        &mut self,
        round: u32,
        units: &[Arc<UnitSpec>],
        edges: &[Edge],
        wave_of: &[u32],
        left_over: u32,
    ) {
        let first = self.units.len();
        let depth = wave_of.iter().max().map_or(0, |w| *w as usize + 1);
        let mut waves = vec![Vec::new(); depth];
        for (offset, (spec, wave)) in units.iter().zip(wave_of).enumerate() {
            waves[*wave as usize].push(first + offset);
            self.index.insert(spec.id.clone(), first + offset);
            self.counts[UnitState::Pending as usize] += 1;
            let demand = self.hosts.add_demand(&spec.labels);
            self.units.push(Unit {
                spec: Arc::clone(spec),
                state: UnitState::Pending,
                round,
                wave: *wave,
                attempts: Vec::new(),
                used: 0,
                infra: 0,
                spared: 0,
                conflicts: 0,
                continues: 0,
                starts: 0,
                reason: String::new(),
                blocked_by: None,
                landed: None,
                verdict: None,
                evidence: Vec::new(),
                known: Recorded::default(),
                must_fail: AcceptPrecondition::Wanted,
                turn: None,
                not_before: 0,
                collect_at: None,
                own_work: None,
                refused: None,
                demand,
                unmet: 0,
                dependants: Vec::new(),
            });
        }
        debug_assert!(edges.iter().all(|e| e.before < units.len() && e.after < units.len()));
        for (offset, spec) in units.iter().enumerate() {
            for (nth, dependency) in spec.depends.iter().enumerate() {
                let Some(d) = self.index.get(dependency).copied() else { continue };
                if !self.units[d].state.is_satisfied() && !spec.depends[..nth].contains(dependency) {
                    self.units[d].dependants.push(first + offset);
                    self.units[first + offset].unmet += 1;
                }
            }
        }
        let before = self.green().and_then(|g| g.snapshot.as_ref()).map(|(_, summary)| strip_summary(summary));
        if let Some(open) = self.rounds.last_mut() {
            (open.waves, open.left_over, open.before) = (waves, left_over, before);
        }
        self.stage = Stage::Working;
    }

    /// Folds which of the planned units a person had taken up again: their status is a mark to be replaced, and what was said to
    /// that is told to whoever works on them.
    pub(super) fn take_reopened(&mut self, reopened: &[(UnitId, String)]) {
        for (id, status) in reopened {
            let Some(i) = self.index.get(id).copied() else { continue };
            let answer = self.policy.reopen.iter().find(|(unit, said)| unit == id && !said.is_empty());
            let answer = answer.map(|(_, said)| format!("a person has it done again ({status}): {said}"));
            self.units[i].known.mark = Some(status.clone());
            self.units[i].evidence.extend(answer);
        }
    }

    /// Folds what was seen of the target branch: what green does not have waits in the queue.
    pub(super) fn target_seen(&mut self, intake: Option<&Intake>) {
        self.stage = Stage::Intake;
        self.refused_target = None;
        let Some(Intake { mr, head }) = intake else { return };
        let source = MergeSource::Intake;
        self.queue.add(MergeRequest::new(*mr, source, head.clone(), 0, Place::FIRST));
        if let Some(round) = self.rounds.last_mut() {
            round.took_target = true;
        }
    }
}
