//! Numbers, times and names as people read them; the same in every view.

use super::{View, sanitize};
use crate::domain::base::text::shorten;
use crate::domain::mission::{Attempt, State, UnitState};
use crate::domain::values::{Millis, MissionId, UnitId};
use crate::domain::verify::{StageOutcome, Summary};
use serde::Serialize;

/// A duration: `12.3s`, `4m10s`, `1h02m`.
pub fn span(millis: Millis) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds}.{}s", millis % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A point in time as RFC 3339 in UTC; absent when it is outside the calendar.
pub fn stamp(at: Millis) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?;
    Some(at.to_string())
}

/// The time of day on the local clock, `21:40`; absent when it is outside the calendar.
pub fn of_day(at: Millis) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string())
}

/// `1 unit`, `2 units`.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Untrusted text on one line, its lines joined by `; `, cut after `limit` characters.
pub fn to_one_line(text: &str, limit: usize) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    shorten(&sanitize(&lines.join("; ")), limit)
}

/// The same, cut in the middle: a reason stands first, and where to read on last.
pub fn elide_middle(text: &str, limit: usize) -> String {
    let text = to_one_line(text, usize::MAX);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= limit {
        return text;
    }
    let head: String = chars[..limit / 2].iter().collect();
    let tail: String = chars[chars.len() - (limit - limit / 2).saturating_sub(1)..].iter().collect();
    format!("{head}…{tail}")
}

/// The word a value is stored as (`failed-timeout`), which is also the one people read.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The ref that pins the head of an attempt.
pub fn attempt_ref(mission: &MissionId, unit: &UnitId, n: u32) -> String {
    format!("refs/mc/attempts/{mission}/{unit}/{n}")
}

/// The newest attempt of a unit whose head is pinned, as far as the journal knows.
pub fn find_pinned(attempts: &[Attempt]) -> Option<&Attempt> {
    attempts.iter().rev().find(|attempt| attempt.head().is_some() && !attempt.unpinned)
}

/// The newest attempt of a unit that left something of its own to look at, which is pinned as far as the journal knows.
pub fn find_own_work(attempts: &[Attempt]) -> Option<&Attempt> {
    let own = |attempt: &&Attempt| attempt.head().is_some_and(|head| head.commit != attempt.green);
    attempts.iter().rev().filter(|attempt| !attempt.unpinned).find(own)
}

/// The accounts of P9 as a sum: `3 landed + 1 failed = 4`.
pub fn format_sum(state: &State) -> String {
    format_sum_by(state, UnitState::name)
}

/// The same as [`format_sum`] in the words that fit while nobody works on the mission.
pub fn format_shown_sum(view: &View<'_>) -> String {
    format_sum_by(view.state, |kind| display_state(view, kind))
}

/// The state of a unit as people see it: what ran when its engine went away is interrupted.
pub fn display_state(view: &View<'_>, state: UnitState) -> &'static str {
    if state == UnitState::Running && view.is_interrupted() { "interrupted" } else { state.name() }
}

/// Units in each of these states in which there are any: `3 landed`.
pub(super) fn counts(state: &State, kinds: impl IntoIterator<Item = UnitState>) -> Vec<String> {
    counts_by(state, kinds, UnitState::name)
}

fn counts_by(
    state: &State,
    kinds: impl IntoIterator<Item = UnitState>,
    name: impl Fn(UnitState) -> &'static str,
) -> Vec<String> {
    let some = kinds.into_iter().filter(|kind| state.count(*kind) > 0);
    some.map(|kind| format!("{} {}", state.count(kind), name(kind))).collect()
}

fn format_sum_by(state: &State, name: impl Fn(UnitState) -> &'static str) -> String {
    let first = [UnitState::Landed, UnitState::NoOp];
    let rest = UnitState::ALL.iter().copied().filter(|kind| !first.contains(kind));
    let parts = counts_by(state, first.into_iter().chain(rest), name);
    if parts.is_empty() {
        return "none".to_owned();
    }
    format!("{} = {}", parts.join(" + "), count(state.units.len() as u64, "unit"))
}

/// A snapshot's summary: `passes: 41 passed, 0 failed; 3 lint findings`, or the outcome where no test was told apart.
pub fn tests(summary: &Summary) -> String {
    let outcome = match summary.outcome {
        StageOutcome::Passed => "passes",
        StageOutcome::Failed => "fails",
        StageOutcome::NotRun => "not run",
    };
    let found = findings(summary);
    if summary.passed + summary.failed + summary.skipped == 0 {
        let found = if found.is_empty() { found } else { format!(": {found}") };
        return format!("{outcome}{found}");
    }
    let skipped = if summary.skipped > 0 { format!(", {} skipped", summary.skipped) } else { String::new() };
    let found = if found.is_empty() { found } else { format!("; {found}") };
    format!("{outcome}: {} passed, {} failed{skipped}{found}", summary.passed, summary.failed)
}

/// Findings of a snapshot by kind: `3 lint findings, 0 security findings`; empty where none were read.
pub fn findings(summary: &Summary) -> String {
    let parts: Vec<String> =
        summary.findings.iter().map(|(kind, n)| count(*n, &format!("{} finding", kind.word()))).collect();
    parts.join(", ")
}

/// Whether the objective's check was run and did not pass.
pub(super) fn is_objective_unmet(state: &State) -> bool {
    state.rounds.iter().rev().find_map(|round| round.objective) == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!([0, 59_950, 60_000, 3_599_000, 3_600_000].map(span), ["0.0s", "59.9s", "1m00s", "59m59s", "1h00m"]);
    }

    #[test]
    fn what_is_cut_in_the_middle_keeps_both_ends_within_its_limit() {
        assert_eq!(elide_middle("failed:\n reason\n", 40), "failed:; reason");
        let long = elide_middle(&format!("reason\n{}\nlog: /x/y\x1b", "é".repeat(90)), 40);
        assert!(long.starts_with("reason; é") && long.contains("…é") && long.contains("; log: /x/y"), "{long}");
        assert_eq!(long.chars().count(), 40);
    }

    #[test]
    fn p12_untrusted_text_is_one_safe_short_line() {
        assert_eq!(to_one_line(" a\n\n b\x1b[31m \n", 99), "a; b");
        assert_eq!(to_one_line("äöüß and more", 6), "äöüß…");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(stamp(1_795_173_419_315).as_deref(), Some("2026-11-20T11:16:59.315Z"));
        assert_eq!(stamp(u64::MAX), None);
    }
}
