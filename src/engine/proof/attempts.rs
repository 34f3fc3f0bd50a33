//! Attempts: the report each left beside the journal, its pin, its class and what followed from it.

use super::case::Case;
use super::rules::rules_of;
use crate::adapters::os::files;
use crate::domain::mission::{Attempt, AttemptClass, Mission, NextMove, Record, SessionReport, State, Unit, rejudge};
use crate::domain::values::Millis;
use crate::engine::inspect::views::session_dir;
use crate::report::{Findings, attempt_ref, word};

/// How far the time a process ran may be from the rows around it: the wall clock is not the engine's clock.
const SLACK: Millis = 2_000;

/// What a judgement names: the attempt that is open with its ended session, and its report.
fn find_judged<'a>(state: &'a State, record: &Record) -> Option<(&'a Attempt, SessionReport)> {
    let Record::AttemptJudged { session, unit, n, .. } = record else { return None };
    let named = |of: &Unit, open: &Attempt| of.spec.id == *unit && open.n == *n && open.ended.is_none();
    let (_, open) = state.attempt_by(*session).filter(|(of, open)| named(of, open))?;
    Some((open, (**open.report.as_ref()?).clone()))
}

/// Checks one ended attempt, in the state before its judgement is folded.
pub(super) fn check_ended(case: &mut Case<'_>, state: &mut Mission, at: Millis, record: &Record) {
    let Record::AttemptJudged { unit, n, class, next, .. } = record else { return };
    let Some((open, report)) = find_judged(state, record) else {
        let found = Findings::from_broken("no session of it was started and has ended");
        case.add_claim(format!("{unit} attempt {n}"), found);
        return;
    };
    let mut found = Findings::default();
    let (started, report) = (open.started, &report);
    if let Some((from, until)) = report.run.ran
        && (from + SLACK < started || until > at + SLACK || until < from)
    {
        found.add_broken(format!("its process ran from {from} to {until}, outside of {started} to {at}"));
    }
    let again = rejudge::judge_attempt(state, at, unit, report);
    let rules = rules_of(state);
    match &again {
        Some((decided, _)) if decided != class => {
            rules.report_decision(format!("its report makes it {}", word(decided)), &mut found);
        }
        Some((_, follows)) if !follows.is_same(next) => {
            rules.report_decision(format!("its report leads to {}", describe_move(follows)), &mut found);
        }
        Some((_, follows)) if follows != next => {
            rules.report_wording("its report leads to the same in other words", &mut found);
        }
        Some(_) => {}
        None => found.add_broken("no such unit was planned"),
    }
    let path = session_dir(case.project, case.mission(), unit, *n).join("report.json");
    match files::read_own(&path) {
        Ok(Some(bytes)) => match serde_json::from_slice::<SessionReport>(&bytes) {
            Ok(kept) if kept == *report => {}
            Ok(kept) => {
                found.add_broken(format!("the report it left says otherwise ({})", list_differences(&kept, report)))
            }
            Err(e) => found.add_broken(format!("the report it left cannot be read: {e}")),
        },
        Ok(None) => found.add_unknown("the report it left is gone"),
        Err(e) => found.add_unknown(format!("the report it left cannot be read: {e}")),
    }
    compare_pin(case, record, report, &mut found);
    let covers = case.unit_pointer("not_landed", unit).map(|place| format!("{place}/reason"));
    let what = format!("{unit} attempt {n}: ended {}, {}", word(class), describe_move(next));
    case.add_claim(what, found).cover_places(covers);
}

/// Checks that the work of an ended attempt is pinned, and nothing else of it.
pub(super) fn check_pins(case: &mut Case<'_>, state: &State, record: &Record) {
    let Record::AttemptJudged { unit, n, .. } = record else { return };
    let mut found = Findings::default();
    match find_judged(state, record) {
        Some((_, report)) => compare_pin(case, record, &report, &mut found),
        None => found.add_broken("no session of it was started and has ended"),
    }
    case.add_claim(format!("{unit} attempt {n}"), found);
}

fn compare_pin(case: &Case<'_>, record: &Record, report: &SessionReport, found: &mut Findings) {
    let Record::AttemptJudged { unit, n, class, .. } = record else { return };
    let pin = attempt_ref(case.mission(), unit, *n);
    match (&report.work.head, case.pins.get(&pin)) {
        (Some(head), Some(pinned)) if *pinned == head.commit => {}
        (Some(head), Some(pinned)) => {
            found.add_broken(format!("{pin} points to {} and not to {}", pinned.short_id(), head.commit.short_id()));
        }
        (Some(head), None) if case.cleaned.get(pin.as_str()) == Some(&&head.commit) => {
            found.add_unknown(format!("{pin} was deleted by `mc clean`"));
        }
        (Some(head), None) => found.add_broken(format!("{pin} is gone; it pinned {}", head.commit.short_id())),
        // What could not be collected then was pinned before its slot was used again.
        (None, Some(_)) if report.work.unpinned => {}
        (None, Some(_)) if matches!(class, AttemptClass::Infrastructure | AttemptClass::Stopped) => {}
        (None, Some(pinned)) => {
            found.add_broken(format!("{pin} points to {}, and it is said to have left nothing", pinned.short_id()));
        }
        (None, None) if report.work.unpinned && !case.cleaned.contains_key(pin.as_str()) => found.add_broken(format!(
            "what it left is not pinned; `mc unit show {unit}` tells why, `mc pool list` what is set aside"
        )),
        (None, None) => {}
    }
}

fn describe_move(next: &NextMove) -> &'static str {
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
fn list_differences(kept: &SessionReport, told: &SessionReport) -> String {
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
