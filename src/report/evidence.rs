//! What a unit showed beyond the gate: its own `verify` and `accept` lines at its landings, and the quick stages of its
//! attempts.

use super::words::{short, span, word};
use crate::domain::mission::{Attempt, MergeSource, NextMove, Record, Unit, VerifyRole};
use crate::domain::values::{Millis, RequestId, RunId};
use crate::domain::verify::{SnapshotKey, Summary};
use serde_json::{Value, json};

/// One run of a unit's own lines at a landing.
#[derive(Debug)]
struct Shown<'a> {
    attempt: u32,
    role: VerifyRole,
    run: RunId,
    key: &'a SnapshotKey,
    summary: &'a Summary,
    reused: bool,
}

fn shown<'a>(records: &'a [(u64, Millis, Record)], unit: &Unit) -> Vec<Shown<'a>> {
    let (mut queued, mut open, mut role) = (Vec::new(), None, None);
    let mut found = Vec::new();
    for (_, _, record) in records {
        match record {
            Record::AttemptEnded { unit: of, n, next: NextMove::Queue { mr }, .. } if *of == unit.spec.id => {
                queued.push((*mr, *n));
            }
            Record::LandingStarted { mr, .. } => open = queued.iter().find(|(id, _)| id == mr).map(|(_, n)| *n),
            Record::Landed { source, .. } | Record::Rejected { source, .. } | Record::MergeEmpty { source, .. }
                if *source != MergeSource::Intake =>
            {
                open = None;
            }
            Record::VerifyStarted { role: started, .. } => role = Some(*started),
            Record::Verified { run, key, summary, reused, .. } => {
                if let (Some(attempt), Some(role @ (VerifyRole::AcceptBefore | VerifyRole::Extra))) = (open, role) {
                    found.push(Shown { attempt, role, run: *run, key, summary, reused: *reused });
                }
            }
            _ => {}
        }
    }
    found
}

/// Numbers of the verifications that were run while attempts of a unit were to land, oldest first; of attempt `n` alone where it is given.
#[must_use]
pub fn verifications(records: &[(u64, Millis, Record)], unit: &Unit, n: Option<u32>) -> Vec<RunId> {
    let (mut queued, mut open, mut runs): (Vec<(RequestId, u32)>, Option<u32>, Vec<RunId>) =
        (Vec::new(), None, Vec::new());
    for (_, _, record) in records {
        match record {
            Record::AttemptEnded { unit: of, n, next: NextMove::Queue { mr }, .. } if *of == unit.spec.id => {
                queued.push((*mr, *n));
            }
            Record::LandingStarted { mr, .. } => open = queued.iter().find(|(id, _)| id == mr).map(|(_, n)| *n),
            Record::Landed { .. } | Record::Rejected { .. } | Record::MergeEmpty { .. } => open = None,
            Record::Verified { run, reused: false, .. } if open.is_some() && n.is_none_or(|n| open == Some(n)) => {
                runs.push(*run);
            }
            _ => {}
        }
    }
    runs
}

/// What is run in a role, and on what.
fn what(role: VerifyRole, unit: &Unit) -> String {
    if role == VerifyRole::AcceptBefore {
        return "accept on green".to_owned();
    }
    let lines = [("verify", &unit.spec.verify), ("accept", &unit.spec.accept)];
    let names: Vec<&str> = lines.iter().filter(|(_, line)| line.is_some()).map(|(name, _)| *name).collect();
    format!("{} on the candidate", names.join(" and "))
}

/// One line per run of the unit's own lines at its landings, with the key of the stored snapshot.
#[must_use]
pub fn landings_text(records: &[(u64, Millis, Record)], unit: &Unit) -> Vec<String> {
    let line = |s: Shown<'_>| {
        let reused = if s.reused { ", known before" } else { "" };
        let (what, outcome, key) =
            (what(s.role, unit), word(&s.summary.outcome), s.key.0.get(..12).unwrap_or(&s.key.0));
        format!("attempt {}: {what}: {outcome} (verification {}{reused}, snapshot {key})", s.attempt, s.run)
    };
    shown(records, unit).into_iter().map(line).collect()
}

/// The same as JSON.
#[must_use]
pub fn landings_json(records: &[(u64, Millis, Record)], unit: &Unit) -> Value {
    let one = |s: Shown<'_>| {
        json!({
            "attempt": s.attempt,
            "role": s.role,
            "run": s.run,
            "outcome": s.summary.outcome,
            "snapshot": s.key,
            "note": s.summary.note,
            "reused": s.reused,
        })
    };
    shown(records, unit).into_iter().map(one).collect()
}

/// What was run in the workspace of an attempt before it queued, and how it went.
#[must_use]
pub fn quick_text(attempt: &Attempt) -> Option<String> {
    let quick = attempt.quick.as_ref()?;
    let took = span(quick.ran.1.saturating_sub(quick.ran.0));
    let twice = if quick.confirmed { ", run twice" } else { "" };
    let why = quick.note.lines().next().map(|line| format!(": {}", short(line, 200))).unwrap_or_default();
    Some(format!("{} in {took}{twice}{why}", word(&quick.end)))
}
