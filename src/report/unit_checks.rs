//! What a unit showed beyond the gate: its own `verify` and `accept` lines at its landings, and the quick stages of its
//! attempts.

use super::{View, span, to_one_line, word};
use crate::domain::mission::timeline::{Answer, Timeline, VerificationEntry};
use crate::domain::mission::{Attempt, Unit, VerifyRole};
use crate::domain::values::RunId;
use serde_json::{Value, json};

/// Verifications of landings of a unit, oldest first, each with the attempt that was to land.
fn of_unit<'t, 'a>(timeline: &'t Timeline<'a>, unit: &Unit) -> Vec<(u32, &'t VerificationEntry<'a>, Answer<'a>)> {
    let attempt = |run: &VerificationEntry<'_>| {
        run.landings.iter().find_map(|id| timeline.landing(*id)?.attempt_of(&unit.spec.id))
    };
    timeline.answers().filter_map(|(run, answer)| Some((attempt(run)?, run, answer))).collect()
}

/// Numbers of the verifications that were run while attempts of a unit were to land, oldest first; of attempt `n` alone where it is given.
pub fn verifications(view: &View<'_>, unit: &Unit, n: Option<u32>) -> Vec<RunId> {
    let timeline = view.timeline();
    let runs =
        of_unit(&timeline, unit).into_iter().filter(|(of, _, answer)| !answer.reused && n.is_none_or(|n| *of == n));
    runs.map(|(_, run, _)| run.run).collect()
}

/// Runs of the unit's own lines at its landings.
fn own_lines<T>(view: &View<'_>, unit: &Unit, show: impl Fn(u32, &VerificationEntry<'_>, Answer<'_>) -> T) -> Vec<T> {
    let timeline = view.timeline();
    let mut runs = of_unit(&timeline, unit);
    runs.retain(|(_, run, _)| matches!(run.role, VerifyRole::AcceptBefore | VerifyRole::UnitChecks));
    runs.into_iter().map(|(attempt, run, answer)| show(attempt, run, answer)).collect()
}

/// What is run in a role, and on what.
fn describe_check(role: VerifyRole, unit: &Unit) -> String {
    if role == VerifyRole::AcceptBefore {
        return "accept on green".to_owned();
    }
    let lines = [("verify", &unit.spec.verify), ("accept", &unit.spec.accept)];
    let names: Vec<&str> = lines.iter().filter(|(_, line)| line.is_some()).map(|(name, _)| *name).collect();
    format!("{} on the candidate", names.join(" and "))
}

/// One line per run of the unit's own lines at its landings, with the key of the stored snapshot.
pub fn landings_text(view: &View<'_>, unit: &Unit) -> Vec<String> {
    own_lines(view, unit, |attempt, run, answer| {
        let reused = if answer.reused { ", known before" } else { "" };
        let (what, outcome, key) = (describe_check(run.role, unit), word(&answer.summary.outcome), &answer.key.0);
        let key = key.get(..12).unwrap_or(key);
        format!("attempt {attempt}: {what}: {outcome} (verification {}{reused}, snapshot {key})", run.run)
    })
}

/// The same as JSON.
pub fn landings_json(view: &View<'_>, unit: &Unit) -> Value {
    own_lines(view, unit, |attempt, run, answer| {
        json!({
            "attempt": attempt,
            "role": run.role,
            "run": run.run,
            "outcome": answer.summary.outcome,
            "snapshot": answer.key,
            "note": answer.summary.note,
            "reused": answer.reused,
        })
    })
    .into()
}

/// What was run in the workspace of an attempt before it queued, and how it went.
pub fn quick_text(attempt: &Attempt) -> Option<String> {
    let quick = attempt.quick_result()?;
    let took = span(quick.ran.1.saturating_sub(quick.ran.0));
    let twice = if quick.confirmed { ", run twice" } else { "" };
    let why = quick.note.lines().next().map(|line| format!(": {}", to_one_line(line, 200))).unwrap_or_default();
    Some(format!("{} in {took}{twice}{why}", word(&quick.end)))
}
