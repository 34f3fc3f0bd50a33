//! What a report says, as values: every form of the report (text, Markdown, JSON) renders the same account.
//!
//! Promises: nothing is counted here that the journal's fold does not say; what green does not contain is named missing;
//! every unit that did not land has a command that helps.

use super::status::{format_status_line, next_action, rolled_back};
use super::words::{attempt_ref, counts, find_own_work};
use super::{GreenRef, View};
use crate::domain::base::text::name_first;
use crate::domain::mission::timeline::{Landed, LandingEntry, Phase, Timeline};
use crate::domain::mission::{Record, Unit, UnitState};
use crate::domain::values::{Millis, UnitId};
use std::collections::BTreeSet;

/// Units named in the first line before the list is cut.
const NAMED: usize = 5;

/// The report's values.
#[derive(Debug)]
pub struct Account<'a> {
    /// The mission.
    pub view: View<'a>,
    /// Green as the repository has it.
    pub green: &'a GreenRef,
    /// What only the journal tells, and where the time went.
    pub timeline: Timeline<'a>,
    /// Units that the journal calls landed and green does not contain.
    pub missing: Vec<&'a Unit>,
}

/// One unit that did not land.
#[derive(Debug)]
pub struct Unlanded<'a> {
    /// The unit.
    pub unit: &'a Unit,
    /// The ref that keeps its work, when there is any.
    pub kept: Option<String>,
    /// A command to type.
    pub helps: String,
}

/// A landing with how it landed.
pub type Fact<'t, 'a> = (&'t LandingEntry<'a>, Landed<'a>);

/// A unit that took time.
#[derive(Debug)]
pub struct Slow<'a> {
    /// The unit.
    pub unit: &'a UnitId,
    /// The time it took itself.
    pub own: Millis,
    /// What that was spent on, longest first.
    pub phases: Vec<(Phase, Millis)>,
}

/// Units that the journal calls landed and that are not among those green names.
pub fn find_missing<'a>(view: &View<'a>, landed_on_green: &BTreeSet<UnitId>) -> Vec<&'a Unit> {
    let landed = view.state.units.iter().filter(|unit| unit.state == UnitState::Landed);
    landed.filter(|unit| !landed_on_green.contains(&unit.spec.id)).collect()
}

/// What to say of them before everything else; the first few are named.
pub fn describe_contradiction(missing: &[&Unit], green: &GreenRef) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let (branch, names) = (green.branch(), name_first(missing.iter().map(|unit| &unit.spec.id), NAMED));
    Some(format!("the journal says landed, {branch} does not contain: {names}; run `mc audit`"))
}

impl<'a> Account<'a> {
    /// Takes the account of a mission. `landed_on_green` are the units named by trailers of green's history.
    pub fn of(view: &View<'a>, green: &'a GreenRef, landed_on_green: &BTreeSet<UnitId>) -> Self {
        Self { view: *view, green, timeline: view.timeline(), missing: find_missing(view, landed_on_green) }
    }

    /// When counting ends: the mission's end, or now.
    pub fn end_time(&self) -> Millis {
        self.view.state.ended.unwrap_or(self.view.now)
    }

    /// The first line: whether it is over, how it ended, how many of how many landed, what is not done, who is waited for.
    pub fn format_headline(&self) -> String {
        let over = self.view.state.is_over();
        let mut line =
            if over { format_status_line(&self.view) } else { format!("not over: {}", format_status_line(&self.view)) };
        let undone = counts(self.view.state, UnitState::ALL.iter().copied().filter(|kind| !kind.is_satisfied()));
        if !undone.is_empty() && !over {
            line.push_str(&format!("; not done: {}", undone.join(", ")));
        }
        let held = name_first(self.in_state(UnitState::Held).map(|unit| &unit.spec.id), NAMED);
        if !held.is_empty() {
            line.push_str(&format!("; needs you: {held}"));
        } else if self.view.state.hold.is_some() {
            line.push_str("; needs you: nothing can land");
        }
        line
    }

    /// What stands before everything else when the journal and green do not agree.
    pub fn contradiction(&self) -> Option<String> {
        describe_contradiction(&self.missing, self.green)
    }

    fn in_state(&self, state: UnitState) -> impl Iterator<Item = &'a Unit> {
        self.view.state.units.iter().filter(move |unit| unit.state == state)
    }

    /// Landed units in the order of landing: the tests after one are the tests before the next.
    pub fn landed_units(&self) -> Vec<(&'a Unit, Option<Fact<'_, 'a>>)> {
        let landed: Vec<_> = self.timeline.landed_landings().collect();
        let place = |unit: &Unit| landed.iter().rposition(|(told, _)| told.attempt_of(&unit.spec.id).is_some());
        let mut units: Vec<_> = self.in_state(UnitState::Landed).map(|unit| (place(unit), unit)).collect();
        units.sort_by_key(|(place, _)| *place);
        units.into_iter().map(|(place, unit)| (unit, place.map(|place| landed[place]))).collect()
    }

    /// Units for which nothing was to be done.
    pub fn idle_units(&self) -> Vec<&'a Unit> {
        self.in_state(UnitState::NoOp).collect()
    }

    /// Units that neither landed nor had nothing to do, in plan order.
    pub fn unlanded_units(&self) -> Vec<Unlanded<'a>> {
        let rest = self.view.state.units.iter().filter(|unit| !unit.state.is_satisfied());
        let mission = &self.view.state.mission;
        let kept = |unit: &Unit| Some(attempt_ref(mission, &unit.spec.id, find_own_work(&unit.attempts)?.n));
        rest.map(|unit| Unlanded { unit, kept: kept(unit), helps: self.suggest_command(unit) }).collect()
    }

    fn suggest_command(&self, unit: &Unit) -> String {
        let (id, over) = (&unit.spec.id, self.view.state.is_over());
        match (unit.state, &unit.blocked_by) {
            (UnitState::Held, _) => format!("mc unit retry {id} --say TEXT"),
            (UnitState::Blocked, Some(cause)) => format!("mc unit show {cause}"),
            (UnitState::Failed | UnitState::Rejected, _) => format!("mc unit show {id}"),
            (UnitState::Cancelled | UnitState::RolledBack, _) if over => "mc mission start".to_owned(),
            (UnitState::Cancelled, _) => format!("mc unit retry {id}"),
            _ if self.view.engine.is_none() && !over => "mc mission resume".to_owned(),
            _ => format!("mc unit show {id}"),
        }
    }

    /// Units by the time they themselves took, longest first, with what it was spent on: at most `limit`. What a unit waited
    /// for others says nothing about the unit.
    pub fn slowest_units(&self, limit: usize) -> Vec<Slow<'_>> {
        let of_others = [Phase::Planned, Phase::Parked, Phase::Away];
        let mut units = Vec::new();
        for unit in &self.timeline.units {
            let own = unit.phases.iter().filter(|(phase, time)| *time > 0 && !of_others.contains(phase));
            let mut phases: Vec<_> = own.collect();
            phases.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
            units.push(Slow { unit: &unit.unit, own: phases.iter().map(|(_, time)| time).sum(), phases });
        }
        units.retain(|slow| slow.own > 0);
        units.sort_by_key(|slow| std::cmp::Reverse(slow.own));
        units.truncate(limit);
        units
    }

    /// What the mission did not look at or take in, one line each. Untrusted.
    pub fn list_left_out(&self) -> Vec<String> {
        let later = Some(self.timeline.left_over).filter(|units| *units > 0);
        let later = later.map(|units| format!("{units} units of the plan source were not planned"));
        let notes = self.view.state.baseline.iter().flat_map(|baseline| baseline.notes.iter().cloned());
        later.into_iter().chain(notes).collect()
    }

    /// When an engine took the mission up again, and how long after the last record before.
    pub fn list_resumes(&self) -> impl Iterator<Item = (Millis, Millis)> + '_ {
        let rows = self.view.records.windows(2);
        rows.filter_map(|rows| match &rows[1] {
            (_, at, Record::Resumed { .. }) => Some((*at, at.saturating_sub(rows[0].1))),
            _ => None,
        })
    }

    /// What went wrong beside single units, one line each. Untrusted.
    pub fn problems(&self) -> Vec<&'a str> {
        let notes = self.view.state.baseline.as_ref().map_or(0, |baseline| baseline.notes.len());
        let state = &self.view.state;
        state.problems.iter().skip(notes).chain(&state.repository).map(String::as_str).collect()
    }

    /// The command to type next.
    pub fn next_command(&self) -> String {
        let unlanded = self.view.state.units.iter().find(|unit| unit.state.blocks() && !unit.attempts.is_empty());
        match unlanded.filter(|_| self.view.state.is_over() && !rolled_back(&self.view)) {
            Some(unit) => format!("`mc unit show {}` shows why it did not land", unit.spec.id),
            None => next_action(&self.view, self.green),
        }
    }
}
