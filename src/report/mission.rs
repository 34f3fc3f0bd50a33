//! The report of a mission, computed from its journal and from what green really contains.
//!
//! Promises: the first line is the honest outcome; the accounts are printed as a sum and add up (P9); where the journal
//! says landed and green does not contain it, that stands before everything else; unknown cost is called unknown.

use super::facts::{Facts, LandingFact, facts};
use super::status::{mission_json, next_action, truth, unit_json};
use super::words::{attempt_ref, count, findings, pinned, short, span, sum, tests, word, worked};
use super::{GreenRef, View, cost};
use crate::domain::mission::{Unit, UnitState};
use crate::domain::values::UnitId;
use crate::domain::verify::Summary;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Names listed before a long list is cut.
const NAMES: usize = 20;

/// Units that the journal calls landed and green does not contain.
#[must_use]
pub fn missing<'a>(view: &View<'a>, landed_on_green: &BTreeSet<UnitId>) -> Vec<&'a Unit> {
    let landed = view.state.units.iter().filter(|unit| unit.state == UnitState::Landed);
    landed.filter(|unit| !landed_on_green.contains(&unit.spec.id)).collect()
}

/// The report as text. `landed_on_green` are the units named by trailers of green's history.
#[must_use]
pub fn text(view: &View<'_>, green: &GreenRef, landed_on_green: &BTreeSet<UnitId>) -> String {
    let state = view.state;
    let facts = facts(view.records.iter().map(|(_, _, record)| record));
    let mut out = String::new();
    let missing = missing(view, landed_on_green);
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|unit| unit.spec.id.as_str()).collect();
        let _ = writeln!(
            out,
            "WRONG: the journal says landed, {} does not contain: {}; run `mc audit`\n",
            green.branch(),
            names.join(", ")
        );
    }
    let _ = writeln!(out, "{}", truth(view));
    let until = state.ended.unwrap_or(view.now);
    let _ = write!(out, "mission {} took {}", state.mission, span(until.saturating_sub(state.started)));
    let _ = writeln!(out, " in {}", count(state.rounds.len() as u64, "round"));
    if !state.objective.trim().is_empty() {
        let met = match state.rounds.iter().rev().find_map(|round| round.objective) {
            Some(true) => "its check passes",
            Some(false) => "its check does not pass",
            None => "no check was run for it",
        };
        let _ = writeln!(out, "objective: {} ({met})", short(&state.objective, 200));
    }
    let _ = writeln!(out, "units: {}", sum(state));
    landed_text(&mut out, view, &facts);
    unlanded_text(&mut out, view);
    verification_text(&mut out, view, &facts);
    let _ = writeln!(out, "\nattempts: {}, {} of run time", attempts(view), span(facts.agent_time));
    processes_text(&mut out, view, &facts);
    let _ = writeln!(out, "cost: {}", cost::text(state));
    if !state.problems.is_empty() {
        out.push_str("\nproblems\n");
        for problem in &state.problems {
            let _ = writeln!(out, "  {}", short(problem, 400));
        }
    }
    look_text(&mut out, view, green, &facts);
    out
}

fn attempts(view: &View<'_>) -> usize {
    view.state.units.iter().map(|unit| unit.attempts.len()).sum()
}

fn landing<'a>(facts: &'a Facts, unit: &Unit) -> Option<&'a LandingFact> {
    facts.landings.iter().rev().find(|landing| landing.unit.as_ref() == Some(&unit.spec.id))
}

fn change(before: Option<&Summary>, after: Option<&Summary>) -> String {
    match (before, after) {
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

fn landed_text(out: &mut String, view: &View<'_>, facts: &Facts) {
    let mut units: Vec<&Unit> = view.state.units.iter().filter(|unit| unit.state == UnitState::Landed).collect();
    // In the order of landing: the tests after one are the tests before the next.
    units.sort_by_key(|unit| facts.landings.iter().rposition(|landing| landing.unit.as_ref() == Some(&unit.spec.id)));
    if !units.is_empty() {
        out.push_str("\nlanded\n");
    }
    for unit in units {
        let commit = unit.landed.as_ref().map_or("-", |tip| tip.commit.short());
        let verdict = unit.verdict.as_ref().map(word).unwrap_or_default();
        let fact = landing(facts, unit);
        let change = change(fact.and_then(|f| f.before.as_ref()), fact.and_then(|f| f.after.as_ref()));
        let _ = writeln!(out, "  {commit}  {}  {verdict}, {change}", unit.spec.id);
    }
}

fn unlanded_text(out: &mut String, view: &View<'_>) {
    let (idle, rest): (Vec<&Unit>, Vec<&Unit>) = view
        .state
        .units
        .iter()
        .filter(|unit| unit.state != UnitState::Landed)
        .partition(|unit| unit.state == UnitState::NoOp);
    for (heading, units) in [("nothing to do", idle), ("not landed", rest)] {
        if !units.is_empty() {
            let _ = writeln!(out, "\n{heading}");
        }
        for unit in units {
            let reason = match unit.reason.trim() {
                "" => String::new(),
                reason => format!(": {}", short(reason, 300)),
            };
            let _ = writeln!(out, "  {}  {}{reason}", unit.spec.id, unit.state.name());
            if unit.state != UnitState::NoOp
                && let Some(attempt) = worked(&unit.attempts)
            {
                let _ =
                    writeln!(out, "    work kept at {}", attempt_ref(&view.state.mission, &unit.spec.id, attempt.n));
            }
        }
    }
}

fn verification_text(out: &mut String, view: &View<'_>, facts: &Facts) {
    let [base, green, candidates, second, broken_off, own] = facts.runs;
    let of = [
        (base, "of the base"),
        (green, "of green"),
        (candidates, "of candidates"),
        (own, "of units' own lines"),
        (second, "to confirm a failure"),
        (broken_off, "broken off"),
    ];
    let parts: Vec<String> = of.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" = {}", parts.join(" + ")) };
    let (run, reused) = (view.state.verifications_run, view.state.verifications_reused);
    let _ = writeln!(out, "\nverifications: {run} run{parts}; {reused} reused a stored snapshot of the same tree");
    if let Some(summary) = &facts.base {
        let _ = writeln!(out, "the base: {}", tests(summary));
    }
    names(out, "red before and after, nobody's fault here", facts.still_failing.iter());
    names(out, "flaky (failed and passed on the same tree)", facts.flaky.iter());
}

fn names<'a>(out: &mut String, what: &str, all: impl ExactSizeIterator<Item = &'a String>) {
    let total = all.len();
    if total == 0 {
        return;
    }
    let shown: Vec<String> = all.take(NAMES).map(|name| short(name, 120)).collect();
    let more = if total > NAMES { format!(" and {} more", total - NAMES) } else { String::new() };
    let _ = writeln!(out, "{what}: {}{more}", shown.join(", "));
}

fn processes_text(out: &mut String, view: &View<'_>, facts: &Facts) {
    if !facts.proofs.is_empty() {
        let parts: Vec<String> =
            facts.proofs.iter().map(|(proof, n)| format!("{} by {}", count(*n, "attempt"), short(proof, 60))).collect();
        let _ = writeln!(out, "processes proven gone: {}", parts.join(", "));
    }
    if facts.unproven > 0 {
        let _ = writeln!(out, "processes not proven gone: {}", count(facts.unproven, "attempt"));
    }
    for unit in &view.state.units {
        for attempt in &unit.attempts {
            for note in &attempt.notes {
                let _ = writeln!(out, "note on {} attempt {}: {}", unit.spec.id, attempt.n, short(note, 300));
            }
        }
    }
}

fn look_text(out: &mut String, view: &View<'_>, green: &GreenRef, facts: &Facts) {
    let branch = green.branch();
    if let (Some(_), Some(ground)) = (&green.tip, &facts.ground)
        && !facts.landings.is_empty()
    {
        let _ = writeln!(out, "\nlook:  git log --first-parent --stat {}..{branch}", ground.short());
        let _ = writeln!(out, "take:  git merge {branch}    (your own branches were not touched)");
        let _ = writeln!(out, "undo one unit after taking it:  git revert -m 1 COMMIT");
    }
    let unlanded = view.state.units.iter().find(|unit| unit.state.blocks() && !unit.attempts.is_empty());
    let _ = match unlanded.filter(|_| view.state.over()) {
        Some(unit) => writeln!(out, "\nnext: `mc unit show {}` shows why it did not land", unit.spec.id),
        None => writeln!(out, "\nnext: {}", next_action(view, green)),
    };
}

/// The report as JSON: `schema`, `mission`, `exit_code`, `accounts` (by unit state, and `total`), `landed[]`,
/// `not_landed[]` (both as in status, with `tests`, `verdict`, `ref`), `missing_on_green[]`, `verifications`, `cost`,
/// `run_time_ms`, `pre_existing_failures[]`, `flaky[]`, `processes`, `problems[]`.
#[must_use]
pub fn json(view: &View<'_>, green: &GreenRef, landed_on_green: &BTreeSet<UnitId>) -> Value {
    let state = view.state;
    let facts = facts(view.records.iter().map(|(_, _, record)| record));
    let mut accounts = serde_json::Map::new();
    for kind in UnitState::ALL {
        accounts.insert(kind.name().to_owned(), json!(state.count(kind)));
    }
    accounts.insert("total".to_owned(), json!(state.units.len()));
    let unit = |unit: &Unit| {
        let mut body = unit_json(unit);
        let fact = landing(&facts, unit).filter(|_| unit.state == UnitState::Landed);
        body["verdict"] = json!(unit.verdict);
        body["tests"] = json!({"before": fact.map(|f| &f.before), "after": fact.map(|f| &f.after)});
        body["ref"] = json!(pinned(&unit.attempts).map(|a| attempt_ref(&state.mission, &unit.spec.id, a.n)));
        body
    };
    let (landed, rest): (Vec<&Unit>, Vec<&Unit>) = state.units.iter().partition(|u| u.state == UnitState::Landed);
    let [base, of_green, candidates, confirmations, broken_off, own] = facts.runs;
    json!({
        "schema": 1,
        "mission": mission_json(state),
        "exit_code": state.outcome.as_ref().map(|(_, _, code)| code),
        "summary": truth(view),
        "accounts": accounts,
        "landed": landed.into_iter().map(unit).collect::<Vec<_>>(),
        "not_landed": rest.into_iter().map(unit).collect::<Vec<_>>(),
        "missing_on_green": missing(view, landed_on_green).iter().map(|u| u.spec.id.as_str()).collect::<Vec<_>>(),
        "green": {
            "ref": green.name,
            "commit": green.tip.as_ref().map(|tip| tip.commit.as_str()),
            "tree": green.tip.as_ref().map(|tip| tip.tree.as_str()),
        },
        "verifications": {
            "run": state.verifications_run,
            "reused": state.verifications_reused,
            "base": base,
            "green": of_green,
            "candidates": candidates,
            "of_units": own,
            "confirmations": confirmations,
            "broken_off": broken_off,
        },
        "cost": cost::json(state),
        "run_time_ms": facts.agent_time,
        "pre_existing_failures": facts.still_failing,
        "flaky": facts.flaky,
        "processes": facts.proofs,
        "problems": state.problems,
    })
}
