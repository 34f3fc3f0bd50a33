//! The report of a mission as text: computed from its journal and from what green really contains.
//!
//! Promises: the first line is the honest outcome, and says so when the mission is not over; the accounts are printed as a
//! sum and add up (P9); where the journal says landed and green does not contain it, that stands before everything else;
//! unknown cost is called unknown.

use super::account::{Account, Fact};
use super::words::{count, findings, format_shown_sum, span, stamp, tests, to_one_line, word};
use super::{GreenRef, View, cost, hosts, skipped};
use crate::domain::base::text::name_first;
use crate::domain::mission::timeline::Phase;
use crate::domain::mission::{MergeSource, tests_note};
use crate::domain::values::{Millis, UnitId};
use crate::domain::verify::formats::telling;
use crate::domain::verify::{Delta, StageOutcome};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Names listed before a long list is cut.
pub(super) const NAMES: usize = 20;
/// Units listed with their times.
pub(super) const SLOWEST: usize = 5;
/// Lines of evidence shown of a unit that did not land.
const EVIDENCE: usize = 8;

/// The report as text. `landed_on_green` are the units named by trailers of green's history.
pub fn text(view: &View<'_>, green: &GreenRef, landed_on_green: &BTreeSet<UnitId>) -> String {
    let account = Account::of(view, green, landed_on_green);
    let state = view.state;
    let mut out = String::new();
    if let Some(contradiction) = account.contradiction() {
        let _ = writeln!(out, "WRONG: {contradiction}\n");
    }
    let _ = writeln!(out, "{}", account.format_headline());
    let took = span(account.end_time().saturating_sub(state.started));
    let verb = if state.is_over() { "took" } else { "has taken" };
    let _ = writeln!(out, "mission {} {verb} {took} in {}", state.mission, count(state.rounds.len() as u64, "round"));
    if !state.objective.trim().is_empty() {
        let _ = writeln!(out, "objective: {} ({})", to_one_line(&state.objective, 200), objective(view));
    }
    let _ = writeln!(out, "units: {}", format_shown_sum(view));
    landed_text(&mut out, &account);
    intake_text(&mut out, &account);
    unlanded_text(&mut out, &account);
    verification_text(&mut out, &account);
    times_text(&mut out, &account);
    section(&mut out, "hosts", hosts::share_lines(view).iter().map(String::as_str));
    processes_text(&mut out, &account);
    let _ = writeln!(out, "cost: {}", cost::text(state));
    section(&mut out, "skipped", skipped::lines(&state.skipped).iter().map(String::as_str));
    section(&mut out, "left out or limited", account.list_left_out().iter().map(String::as_str));
    section(&mut out, "problems", account.problems().into_iter());
    look_text(&mut out, &account);
    out
}

/// What is known of the objective, in a few words.
pub(super) fn objective(view: &View<'_>) -> &'static str {
    match view.state.rounds.iter().rev().find_map(|round| round.objective) {
        Some(true) => "its check passes",
        Some(false) => "its check does not pass",
        None => "no check was run for it",
    }
}

fn section<'t>(out: &mut String, name: &str, lines: impl Iterator<Item = &'t str>) {
    for (nth, line) in lines.enumerate() {
        write_heading(out, nth, &format!("\n{name}\n"));
        let _ = writeln!(out, "  {}{}", indent(line), to_one_line(line, 400));
    }
}

/// What stands above a list, before its first entry.
pub(super) fn write_heading(out: &mut String, nth: usize, text: &str) {
    if nth == 0 {
        out.push_str(text);
    }
}

/// Spaces a line begins with.
fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches(' ').len()]
}

pub(super) fn attempts(view: &View<'_>) -> usize {
    view.state.units.iter().map(|unit| unit.attempts.len()).sum()
}

pub(super) fn change(fact: Option<Fact<'_, '_>>) -> String {
    let before = fact.and_then(|(_, landed)| landed.before);
    match (before, fact.and_then(|(told, _)| told.after).map(|after| after.summary)) {
        (Some(before), Some(after)) if before.passed + before.failed + after.passed + after.failed > 0 => {
            let (had, has) = (findings(before), findings(after));
            let found = if had == has { String::new() } else { format!("; {had} -> {has}") };
            format!(
                "tests {} passed, {} failed -> {} passed, {} failed{found}",
                before.passed, before.failed, after.passed, after.failed
            )
        }
        (Some(before), Some(after)) => format!("verification {} -> {}", tests(before), tests(after)),
        (None, Some(after)) => format!("verification after: {}", tests(after)),
        (_, None) => "no verification recorded".to_owned(),
    }
}

/// What a delta says in numbers: `2 fixed, 1 new`; empty when nothing changed.
pub(super) fn format_delta(delta: &Delta) -> String {
    let parts = [
        (delta.fixed.len() as u64, "fixed"),
        (delta.added, "new and passing"),
        (delta.removed.len() as u64, "removed"),
        (delta.newly_skipped.len() as u64, "newly skipped"),
        (delta.stages_fixed.len() as u64, "stages fixed"),
        (delta.still_failing.len() as u64, "red before and after"),
        ((delta.broken.len() + delta.new_failing.len()) as u64, "failing now and known to be flaky"),
        (delta.unstable.len() as u64, "named differently in each run"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    parts.join(", ")
}

/// `attempt 2, snapshot 0123456789, verified twice; 1 new and passing`.
pub(super) fn evidence((told, _): Fact<'_, '_>, unit: &UnitId) -> String {
    let mut parts: Vec<String> = told.attempt_of(unit).map(|n| format!("attempt {n}")).into_iter().collect();
    parts.extend(told.key.map(|key| format!("snapshot {}", key.short_id())));
    if told.after.is_some_and(|after| after.confirmed) {
        parts.push("verified twice".to_owned());
    }
    let changed = told.after.and_then(|after| after.delta).map(format_delta).unwrap_or_default();
    let line = parts.join(", ");
    if changed.is_empty() { line } else { format!("{line}; {changed}") }
}

fn landed_text(out: &mut String, account: &Account<'_>) {
    for (nth, (unit, fact)) in account.landed_units().into_iter().enumerate() {
        write_heading(out, nth, "\nlanded\n");
        let commit = unit.landed.as_ref().map_or("-", |tip| tip.commit.short_id());
        let verdict = unit.verdict.as_ref().map(word).unwrap_or_default();
        let change = change(fact);
        let _ = writeln!(out, "  {commit}  {}  {verdict}, {change}", unit.spec.id);
        if let Some(evidence) = fact.map(|fact| evidence(fact, &unit.spec.id)).filter(|line| !line.is_empty()) {
            let _ = writeln!(out, "    {evidence}");
        }
        if let Some(tests) = fact.map(|(told, _)| told.tests).filter(|tests| !tests.is_empty()) {
            let _ = writeln!(out, "    {}", to_one_line(&tests_note(tests), 300));
        }
    }
}

/// What came in from the target branch, with the tests that went with it: nobody else is asked about those.
fn intake_text(out: &mut String, account: &Account<'_>) {
    let intakes = account.timeline.landed_landings().filter(|(told, _)| told.source == Some(MergeSource::Intake));
    for (nth, (told, landed)) in intakes.enumerate() {
        write_heading(out, nth, "\ntaken in from the target branch\n");
        let (commit, change) = (landed.tip.commit.short_id(), change(Some((told, landed))));
        let _ = writeln!(out, "  {commit}  {}, {change}", word(&landed.verdict));
        if let Some(delta) = told.after.and_then(|after| after.delta) {
            names(out, "    tests that went with it", delta.removed.iter());
            names(out, "    tests skipped with it", delta.newly_skipped.iter());
        }
    }
}

fn unlanded_text(out: &mut String, account: &Account<'_>) {
    for (nth, unit) in account.idle_units().into_iter().enumerate() {
        write_heading(out, nth, "\nnothing to do\n");
        let _ = writeln!(out, "  {}  {}", unit.spec.id, format_reason(unit.state.name(), &unit.reason));
    }
    for (nth, rest) in account.unlanded_units().into_iter().enumerate() {
        write_heading(out, nth, "\nnot landed\n");
        let unit = rest.unit;
        let _ = writeln!(out, "  {}  {}", unit.spec.id, format_reason(unit.state.name(), &unit.reason));
        if unit.state.blocks() {
            for line in detail_lines(&unit.reason, EVIDENCE) {
                let _ = writeln!(out, "    | {}", to_one_line(&line, 200));
            }
        }
        if let Some(kept) = rest.kept {
            let _ = writeln!(out, "    work kept at {kept}");
        }
        let _ = writeln!(out, "    helps: `{}`", rest.helps);
    }
}

/// What stands behind the first line, cut to `most` lines: what failing tests and stages said, the share of each; else the first lines, or,
/// where the output of a run follows, those that say what went wrong.
pub(super) fn detail_lines(reason: &str, most: usize) -> Vec<String> {
    let quotes = telling::trim_quotes(reason, most);
    if !quotes.is_empty() {
        return quotes;
    }
    let lines: Vec<&str> = reason.lines().filter(|line| !line.trim().is_empty()).skip(1).collect();
    let from = telling::place(&lines.join("\n")).filter(|from| *from >= most).unwrap_or(0);
    lines.into_iter().skip(from).take(most).map(str::to_owned).collect()
}

fn format_reason(state: &str, text: &str) -> String {
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!("{state}: {}", to_one_line(line, 300)),
        None => state.to_owned(),
    }
}

/// What verifications were run for, as a sum; empty without any.
pub(super) fn runs_of(account: &Account<'_>) -> String {
    let [base, green, candidates, second, broken_off, own, bookkeeping, cold] = account.timeline.run_counts();
    let of = [
        (base, "of the base"),
        (green, "of green"),
        (candidates, "of candidates"),
        (own, "of units' own lines"),
        (bookkeeping, "of progress"),
        (cold, "of green without files of earlier runs"),
        (second, "to confirm a failure"),
        (broken_off, "broken off"),
    ];
    let parts: Vec<String> = of.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if parts.is_empty() { String::new() } else { format!(" = {}", parts.join(" + ")) }
}

fn verification_text(out: &mut String, account: &Account<'_>) {
    let state = account.view.state;
    let (run, reused) = (state.verifications_run, state.verifications_reused);
    let parts = runs_of(account);
    let _ = writeln!(out, "\nverifications: {run} run{parts}; {reused} reused a stored snapshot of the same tree");
    if let Some(summary) = account.timeline.base() {
        let empty = summary.outcome == StageOutcome::Passed && !summary.note.is_empty();
        let empty = if empty { format!(" ({})", to_one_line(&summary.note, 300)) } else { String::new() };
        let _ = writeln!(out, "the base: {}{empty}", tests(summary));
    }
    names(out, "red before and after, nobody's fault here", account.timeline.still_failing().into_iter());
    names(out, "flaky (failed and passed on the same tree)", account.timeline.flaky_tests().into_iter());
}

fn names<'a>(out: &mut String, what: &str, all: impl ExactSizeIterator<Item = &'a String>) {
    if all.len() > 0 {
        let _ = writeln!(out, "{what}: {}", name_first(all.map(|name| to_one_line(name, 120)), NAMES));
    }
}

/// `; verification 41% of the time`; empty before any time passed.
pub(super) fn format_share(account: &Account<'_>) -> String {
    let share = account.timeline.verify_share(account.end_time());
    share.map_or_else(String::new, |share| format!("; verification {:.0}% of the time", share * 100.0))
}

/// `agent 1m10s, verify 20.0s`: the longest first.
pub(super) fn format_phases(phases: &[(Phase, Millis)]) -> String {
    let named = |(phase, time): &(Phase, Millis)| format!("{} {}", phase.name(), span(*time));
    // What is shorter would be shown as 0.0s.
    let shown = phases.iter().filter(|(_, time)| *time >= 100).take(5);
    shown.map(named).collect::<Vec<_>>().join(", ")
}

fn times_text(out: &mut String, account: &Account<'_>) {
    let run_time = span(account.timeline.run_time());
    let _ = writeln!(out, "\nattempts: {}, {run_time} of run time{}", attempts(&account.view), format_share(account));
    if account.timeline.away > 0 {
        let _ = writeln!(out, "suspended: {}", span(account.timeline.away));
    }
    for (at, after) in account.list_resumes() {
        let at = stamp(at).unwrap_or_default();
        let _ = writeln!(out, "resumed at {at}, {} after the record before", span(after));
    }
    let slowest = account.slowest_units(SLOWEST);
    let width = slowest.iter().map(|slow| slow.unit.as_str().len()).max().unwrap_or(0).min(40);
    for (nth, slow) in slowest.into_iter().enumerate() {
        write_heading(out, nth, "slowest units\n");
        let _ =
            writeln!(out, "  {:width$}  {:>7}  {}", slow.unit.as_str(), span(slow.own), format_phases(&slow.phases));
    }
}

fn processes_text(out: &mut String, account: &Account<'_>) {
    let proofs = account.timeline.count_proofs();
    if !proofs.is_empty() {
        let parts: Vec<String> =
            proofs.iter().map(|(proof, n)| format!("{} by {}", count(*n, "attempt"), to_one_line(proof, 60))).collect();
        let _ = writeln!(out, "processes proven gone: {}", parts.join(", "));
    }
    let unproven = account.timeline.count_unproven();
    if unproven > 0 {
        let _ = writeln!(out, "processes not proven gone: {}", count(unproven, "attempt"));
    }
    let units = account.view.state.units.iter();
    for (unit, attempt) in units.flat_map(|unit| unit.attempts.iter().map(move |attempt| (unit, attempt))) {
        for note in attempt.warnings() {
            let _ = writeln!(out, "note on {} attempt {}: {}", unit.spec.id, attempt.n, to_one_line(note, 300));
        }
    }
}

fn look_text(out: &mut String, account: &Account<'_>) {
    let branch = account.green.branch();
    if let (Some(_), Some(baseline)) = (&account.green.tip, account.timeline.baseline)
        && account.timeline.landed_landings().next().is_some()
    {
        let _ = writeln!(out, "\nlook:  git log --first-parent --stat {}..{branch}", baseline.short_id());
        // Whoever moved a branch, it is told above; `mc` moves none.
        let _ = writeln!(out, "take:  git merge {branch}    (mc did not touch your own branches)");
        let _ = writeln!(out, "undo one unit after taking it:  git revert -m 1 COMMIT");
        let _ = writeln!(out, "prove: mc report --verify");
    }
    let _ = writeln!(out, "\nnext: {}", account.next_command());
}
