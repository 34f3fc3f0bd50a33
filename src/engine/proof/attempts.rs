//! Attempts: the report each left beside the journal, its pin, its class and what followed from it.

use super::Case;
use super::rules::rules_of;
use crate::adapters::os::files;
use crate::domain::mission::{AttemptClass, NextMove, Record, SessionReport, State, again};
use crate::domain::values::Millis;
use crate::engine::views::session_dir;
use crate::report::words::{attempt_ref, word};

/// How far the time a process ran may be from the rows around it: the wall clock is not the engine's clock.
const SLACK: Millis = 2_000;

/// Checks one ended attempt, in the state before its outcome is folded.
pub(super) fn ended(case: &mut Case<'_>, state: &mut State, at: Millis, record: &Record) {
    let Record::AttemptEnded { unit, n, class, next, report, .. } = record else { return };
    let (mut broken, mut unknown) = (Vec::new(), Vec::new());
    let started =
        state.unit(unit).and_then(|unit| unit.attempts.last()).filter(|open| open.n == *n && open.ended.is_none());
    match started.map(|open| open.started) {
        None => broken.push("nobody started it".to_owned()),
        Some(started) => {
            if let Some((from, until)) = report.run.ran
                && (from + SLACK < started || until > at + SLACK || until < from)
            {
                broken.push(format!("its process ran from {from} to {until}, outside of {started} to {at}"));
            }
        }
    }
    let again = again::attempt(state, at, unit, report);
    match &again {
        Some((decided, _)) if decided != class => {
            let why = format!("its report makes it {}", word(decided));
            rules_of(state).decide(why, &mut broken, &mut unknown);
        }
        Some((_, follows)) if !follows.is_same(next) => {
            let why = format!("its report leads to {}", said(follows));
            rules_of(state).decide(why, &mut broken, &mut unknown);
        }
        Some((_, follows)) if follows != next => {
            let why = "its report leads to the same in other words".to_owned();
            rules_of(state).tell(why, &mut broken, &mut unknown);
        }
        Some(_) => {}
        None => broken.push("no such unit was planned".to_owned()),
    }
    let path = session_dir(case.project, case.mission(), unit, *n).join("report.json");
    match files::read_own(&path) {
        Ok(Some(bytes)) => match serde_json::from_slice::<SessionReport>(&bytes) {
            Ok(kept) if kept == **report => {}
            Ok(kept) => broken.push(format!("the report it left says otherwise ({})", differing(&kept, report))),
            Err(e) => broken.push(format!("the report it left cannot be read: {e}")),
        },
        Ok(None) => unknown.push("the report it left is gone".to_owned()),
        Err(e) => unknown.push(format!("the report it left cannot be read: {e}")),
    }
    let pin = attempt_ref(case.mission(), unit, *n);
    match (&report.work.head, case.pins.get(&pin)) {
        (Some(head), Some(pinned)) if *pinned == head.commit => {}
        (Some(head), Some(pinned)) => {
            broken.push(format!("{pin} holds {}, not {}", pinned.short(), head.commit.short()));
        }
        (Some(head), None) if case.cleaned.get(pin.as_str()) == Some(&&head.commit) => {
            unknown.push(format!("{pin} was deleted by `mc clean`"));
        }
        (Some(_), None) => broken.push(format!("{pin} does not exist")),
        // What could not be collected then was pinned before its slot was used again.
        (None, Some(_)) if report.work.unpinned => {}
        (None, Some(_)) if matches!(class, AttemptClass::Infrastructure | AttemptClass::Stopped) => {}
        (None, Some(pinned)) => {
            broken.push(format!("{pin} holds {}, and it is said to have left nothing", pinned.short()));
        }
        (None, None) if report.work.unpinned && !case.cleaned.contains_key(pin.as_str()) => {
            broken.push("what it left is not pinned".to_owned());
        }
        (None, None) => {}
    }
    let covers: Vec<String> =
        case.place("not_landed", unit).into_iter().map(|place| format!("{place}/reason")).collect();
    let what = format!("{unit} attempt {n}: ended {}, {}", word(class), said(next));
    case.claim(what, &covers, &broken, &unknown);
}

fn said(next: &NextMove) -> &'static str {
    match next {
        NextMove::Queue { .. } => "queued",
        NextMove::Retry { .. } => "tried again",
        NextMove::NoOp => "nothing to do",
        NextMove::Hold { .. } => "held",
        NextMove::Fail { .. } => "failed",
        NextMove::Reject { .. } => "rejected",
    }
}

/// The fields in which two reports differ, each by its name in its part.
fn differing(kept: &SessionReport, told: &SessionReport) -> String {
    let fields = |report: &SessionReport| {
        let mut fields = serde_json::Map::new();
        if let Ok(serde_json::Value::Object(parts)) = serde_json::to_value(report) {
            for (name, value) in parts {
                match value {
                    serde_json::Value::Object(part) => fields.extend(part),
                    value => drop(fields.insert(name, value)),
                }
            }
        }
        fields
    };
    let (kept, told) = (fields(kept), fields(told));
    let names: std::collections::BTreeSet<&String> = kept.keys().chain(told.keys()).collect();
    let differing: Vec<&str> =
        names.into_iter().filter(|name| kept.get(*name) != told.get(*name)).map(String::as_str).collect();
    differing.join(", ")
}
