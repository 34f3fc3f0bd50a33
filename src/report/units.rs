//! `mc units` and `mc unit show`: each unit with its attempts and where its work is kept.

use super::status::unit_json;
use super::words::{attempt_ref, display_state, find_own_work, format_shown_sum, span, stamp, to_one_line, word};
use super::{View, hosts, sanitize, unit_checks};
use crate::domain::mission::{Attempt, MergeSource, Record, RejectClass, State, Unit};
use crate::domain::values::RunId;
use crate::domain::verify::formats::telling;
use serde_json::{Value, json};
use std::fmt::Write;

/// All units as a table, one line each, in plan order.
pub fn table(view: &View<'_>) -> String {
    let state = view.state;
    if state.units.is_empty() {
        return "no units yet\n".to_owned();
    }
    let width = state.units.iter().map(|unit| unit.spec.id.as_str().len()).max().unwrap_or(4).clamp(4, 40);
    let place = |unit: &Unit| {
        let last = unit
            .attempts
            .last()
            .map(|last| format!("{}{}", last.slot.host, hosts::describe_liveness(view, unit, last)));
        last.unwrap_or_else(|| "-".to_owned())
    };
    // A mission on this machine alone has no column for hosts.
    let wide = match hosts::has_hosts(state) {
        true => state.units.iter().map(|unit| place(unit).len()).max().unwrap_or(4).clamp(4, 40),
        false => 0,
    };
    let column = |text: &str| if wide > 0 { format!("{text:wide$}  ") } else { String::new() };
    let head = column("host");
    let mut out = format!("{:width$}  {:11}  round  wave  attempts  {head}commit      title\n", "unit", "state");
    for unit in &state.units {
        let commit = unit.landed.as_ref().map_or("-", |tip| tip.commit.short_id());
        let (id, state) = (unit.spec.id.as_str(), display_state(view, unit.state));
        let (round, wave, attempts) = (unit.round, unit.wave + 1, unit.attempts.len());
        let title = to_one_line(&unit.spec.title, 60);
        let host = column(&place(unit));
        let _ =
            writeln!(out, "{id:width$}  {state:11}  {round:>5}  {wave:>4}  {attempts:>8}  {host}{commit:10}  {title}");
        if !unit.reason.is_empty() && unit.state.terminal() {
            let _ = writeln!(out, "{:width$}  {}", "", to_one_line(&unit.reason, 100));
        }
    }
    let _ = writeln!(out, "\n{}", format_shown_sum(view));
    out
}

/// All units as `{"schema": 1, "mission", "units": […]}`, each as in `mc status --json`.
pub fn table_json(state: &State) -> Value {
    let units: Vec<Value> = state.units.iter().map(unit_json).collect();
    json!({"schema": 1, "mission": state.mission.as_str(), "units": units})
}

/// One unit with all its attempts, what later ones must know, and how to look at its work with git.
pub fn show(view: &View<'_>, unit: &Unit) -> String {
    let id = &unit.spec.id;
    let mut out = format!("{id}: {}\n", display_state(view, unit.state));
    let _ = writeln!(out, "  title     {}", to_one_line(&unit.spec.title, 200));
    let _ = writeln!(out, "  planned   round {}, wave {}, priority {}", unit.round, unit.wave + 1, unit.spec.priority);
    if !unit.spec.depends.is_empty() {
        let names: Vec<&str> = unit.spec.depends.iter().map(|id| id.as_str()).collect();
        let _ = writeln!(out, "  depends   {}", names.join(", "));
    }
    let refusal = refusal(view, unit);
    // What the verification said stands below, once.
    let note = refusal.as_ref().map_or("", |refusal| refusal.note.trim());
    let once = |text: &str| if note.is_empty() { text.to_owned() } else { text.replace(note, "(see what it said)") };
    if !unit.reason.is_empty() {
        lines(&mut out, "  why       ", &once(&unit.reason));
    }
    if let Some(tip) = &unit.landed {
        let verdict = unit.verdict.as_ref().map(word).unwrap_or_default();
        let _ = writeln!(out, "  landed    {} ({verdict})", tip.commit);
        find_remarks(view, unit).iter().for_each(|remark| lines(&mut out, "  remark    ", remark));
    }
    for attempt in &unit.attempts {
        attempt_text(&mut out, view, unit, attempt);
    }
    let shown = unit_checks::landings_text(view, unit);
    if !shown.is_empty() {
        out.push_str("\nits own lines\n");
        shown.iter().for_each(|text| lines(&mut out, "  ", text));
    }
    if let Some(Refusal { attempt, run, note, reused }) = &refusal {
        let _ = writeln!(out, "\nverification {run} refused attempt {attempt}");
        lines(&mut out, "  said    ", note);
        if !reused {
            let _ = writeln!(out, "  output  `mc unit log {id} --verification` prints all of it");
        }
    }
    if !unit.evidence.is_empty() {
        out.push_str("\nwhat later attempts are told\n");
        unit.evidence.iter().for_each(|text| lines(&mut out, "  - ", &once(text)));
    }
    let mission = &view.state.mission;
    if let Some(tip) = &unit.landed {
        let _ = writeln!(out, "\nlook: git show --stat -m --first-parent {}", tip.commit.short_id());
    } else if let Some(attempt) = find_own_work(&unit.attempts) {
        let name = attempt_ref(mission, id, attempt.n);
        let _ = writeln!(out, "\nlook: git diff {}...{name}", attempt.green.short_id());
        let _ = writeln!(out, "take: git switch -c {id} {name}");
    }
    out
}

/// What the gate remarked on the change of a unit that landed.
fn find_remarks<'a>(view: &View<'a>, unit: &Unit) -> &'a [String] {
    let mut records = view.records.iter().rev().map(|(_, _, record)| record);
    let found = records.find_map(|record| match record {
        Record::Landed { source: MergeSource::Unit { unit: of, .. }, reasons, .. } if *of == unit.spec.id => {
            Some(reasons)
        }
        _ => None,
    });
    found.map_or(&[], Vec::as_slice)
}

/// The verification that last refused a change of a unit.
struct Refusal {
    attempt: u32,
    run: RunId,
    note: String,
    reused: bool,
}

fn refusal(view: &View<'_>, unit: &Unit) -> Option<Refusal> {
    let (mut last, mut found) = (None, None);
    for (_, _, record) in view.records {
        match record {
            // One that was refused without a verification is not to be explained by that of another.
            Record::LandingStarted { .. } => last = None,
            Record::Verified { run, summary, delta, reused, .. } => {
                // What is new says more than what failed before too.
                let said =
                    delta.as_ref().map(|delta| telling::format_quotes(&delta.said).join("\n")).unwrap_or_default();
                last = Some((*run, if said.is_empty() { summary.note.clone() } else { said }, *reused));
            }
            Record::Rejected {
                source: MergeSource::Unit { unit: of, n }, class: RejectClass::Verification, ..
            } if *of == unit.spec.id => {
                found = last.take().map(|(run, note, reused)| Refusal { attempt: *n, run, note, reused });
            }
            _ => {}
        }
    }
    found
}

fn attempt_text(out: &mut String, view: &View<'_>, unit: &Unit, attempt: &Attempt) {
    let took = attempt.ended.unwrap_or(view.now).saturating_sub(attempt.started);
    let class = attempt.class.map_or_else(|| "runs".to_owned(), |class| word(&class));
    let (n, took, slot, from) = (attempt.n, span(took), &attempt.slot, attempt.from.short_id());
    let _ = writeln!(out, "\nattempt {n}: {class} after {took} on {}, slot {}, from {from}", slot.host, slot.number);
    if let Some(head) = attempt.head() {
        let name = attempt_ref(&view.state.mission, &unit.spec.id, attempt.n);
        let place = if attempt.unpinned { ", pinned nowhere any more".to_owned() } else { format!(" at {name}") };
        let _ = writeln!(out, "  head    {}{place}", head.commit.short_id());
    }
    if !attempt.summary().is_empty() {
        lines(out, "  said    ", attempt.summary());
    }
    for (key, entries) in &attempt.details().lists {
        lines(out, &format!("  {} ", sanitize(key)), &entries.join("\n"));
    }
    if attempt.details().left_out > 0 {
        let _ = writeln!(out, "  {} more of its lists than are kept", attempt.details().left_out);
    }
    for note in attempt.warnings() {
        lines(out, "  note    ", note);
    }
    if let Some(quick) = unit_checks::quick_text(attempt) {
        lines(out, "  checked ", &quick);
        let (mission, id, n) = (&view.state.mission, &unit.spec.id, attempt.n);
        let _ = writeln!(out, "  output  {mission}/{id}/{n}/quick in the folder `runs` of `mc where`");
    }
    if !attempt.proof().is_empty() {
        let _ = writeln!(out, "  processes proven gone by {}", sanitize(attempt.proof()));
    }
}

/// Untrusted text of several lines, each safe, the later ones indented below the first.
fn lines(out: &mut String, head: &str, text: &str) {
    let mut head = head.to_owned();
    for line in text.lines().filter(|line| !line.trim().is_empty()).take(60) {
        let _ = writeln!(out, "{head}{}", to_one_line(line, 400));
        head = " ".repeat(head.chars().count());
    }
}

/// One unit as `{"schema": 1, "mission", "unit": {…as in status, "depends", "evidence", "history": […]}}`.
pub fn show_json(view: &View<'_>, unit: &Unit) -> Value {
    let mut body = unit_json(unit);
    body["depends"] = json!(unit.spec.depends);
    body["verdict"] = json!(unit.verdict);
    body["evidence"] = json!(unit.evidence);
    body["remarks"] = json!(find_remarks(view, unit));
    let refusal = refusal(view, unit);
    body["refused_by"] = json!(refusal.map(|r| json!({"attempt": r.attempt, "run": r.run, "note": r.note})));
    body["own_lines"] = unit_checks::landings_json(view, unit);
    let history = unit.attempts.iter().map(|attempt| {
        let head = attempt.head();
        json!({
            "n": attempt.n,
            "class": attempt.class,
            "host": attempt.slot.host,
            "slot": attempt.slot.number,
            "started_at": stamp(attempt.started),
            "ended_at": attempt.ended.and_then(stamp),
            "green": attempt.green,
            "from": attempt.from,
            "head": head.map(|tip| &tip.commit),
            "ref": head.filter(|_| !attempt.unpinned).map(|_| attempt_ref(&view.state.mission, &unit.spec.id, attempt.n)),
            "summary": attempt.summary(),
            "said": attempt.details(),
            "notes": attempt.warnings(),
            "proof": attempt.proof(),
            "quick": attempt.quick_result(),
        })
    });
    body["history"] = history.collect();
    json!({"schema": 1, "mission": view.state.mission.as_str(), "unit": body})
}
