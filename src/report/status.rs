//! `mc status`: where a mission stands and what to do next, for people and (stable, `"schema": 1`) for programs.
//!
//! Unknown is `null`, never 0. Rounds and waves are counted from 1. `rounds[].score` is the share of the round's units
//! that landed or had nothing to do, known when the round is closed. `units[].commit` is the landing commit, `base` the
//! green commit its last attempt was made on; `green.verdict` is that of the landing which put green where it is.

use super::access;
use super::needs::{OF_A_WAITING_STOP, common_wait, list_needs};
use super::waits::Wait;
use super::words::{count, format_shown_sum, is_objective_unmet, span, stamp, tests, to_one_line, word};
use super::{GreenRef, View, cost, hosts, skipped, source_name};
use crate::domain::mission::timeline::Phases;
use crate::domain::mission::{
    Landing, MergeSource, MissionOutcome, MissionState, Phase, Record, Round, Stage, State, Unit, UnitState,
};
use crate::domain::values::RequestId;
use serde_json::{Value, json};
use std::fmt::Write;

/// The status as JSON; `view` is absent when there never was a mission.
pub fn json(view: Option<&View<'_>>, green: &GreenRef) -> Value {
    let green_json = json!({
        "ref": green.name,
        "commit": green.tip.as_ref().map(|tip| tip.commit.as_str()),
        "tree": green.tip.as_ref().map(|tip| tip.tree.as_str()),
        "verdict": view.and_then(|view| verdict(view, green)),
    });
    let Some(view) = view else {
        return json!({
            "schema": 1,
            "mission": null,
            "rounds": [],
            "units": [],
            "queue": [],
            "green": green_json,
            "verifications": {"run": 0, "reused": 0},
            "cost": {"usd": null, "unknown_attempts": 0, "tokens": null},
            "needs_you": [],
        });
    };
    let state = view.state;
    let until = state.ended.unwrap_or(view.now);
    let times = view.timeline();
    let units = state.units.iter().zip(&times.units).map(|(unit, times)| {
        let mut body = unit_json(unit);
        if let Some(open) = unit.attempts.last().filter(|_| hosts::has_hosts(state)) {
            body["liveness"] = json!(hosts::liveness(view, unit, open));
        }
        body["times"] = json!({"wall_ms": times.span.length(until), "phases": phases_json(&times.phases)});
        body
    });
    let lengths = |index| times.rounds.iter().find(|round| round.index == index).map(|round| round.span.length(until));
    let mut body = json!({
        "schema": 1,
        "mission": mission_json(view),
        "rounds": state.rounds.iter().map(|round| json!({
            "index": round.index,
            "state": round_state(state, round),
            "score": score(state, round),
            "wall_ms": lengths(round.index),
        })).collect::<Vec<_>>(),
        "units": units.collect::<Vec<_>>(),
        "times": {
            "wall_ms": times.span.length(until),
            "verify_ms": times.verifying_time(until),
            "away_ms": times.away,
        },
        "queue": queue(state).into_iter().map(|(id, source, doing)| json!({
            "id": id,
            "unit": source.unit().map(|unit| unit.as_str()),
            "state": doing,
        })).collect::<Vec<_>>(),
        "green": green_json,
        "verifications": {"run": state.verifications_run, "reused": state.verifications_reused},
        "cost": cost::json(state),
        "needs_you": list_needs(view),
        "skipped": skipped::json(&state.skipped),
        "stop_waits": view.has_pending_stop(),
        "ends_on_resume": view.ends_on_resume(),
        "answers_wait": view.pending_retries().collect::<Vec<_>>(),
        "left_running": view.left.agents.iter().map(|(unit, n)| json!({"unit": unit, "attempt": n})).collect::<Vec<_>>(),
    });
    if let Some(hosts) = hosts::status_json(view) {
        body["hosts"] = hosts;
    }
    body
}

/// `{id, state, standing, outcome, objective, started_at, ended_at}` of a mission.
pub fn mission_json(view: &View<'_>) -> Value {
    let state = view.state;
    json!({
        "standing": standing(view),
        "id": state.mission.as_str(),
        "state": word(&state.mission_state()),
        "outcome": state.outcome.as_ref().map(|(outcome, ..)| word(outcome)),
        "cause": common_wait(state).map(|wait| wait.words),
        "objective": state.objective,
        "started_at": stamp(state.started),
        "ended_at": state.ended.and_then(stamp),
    })
}

/// One mission of a list: its line, and its JSON with `stop_waits` and `ends_on_resume`.
pub fn brief(view: &View<'_>) -> (String, Value) {
    let state = view.state;
    let took = span(state.ended.unwrap_or(view.now).saturating_sub(state.started));
    let stop = describe_pending_stop(view).map(|words| format!("  ({words})")).unwrap_or_default();
    let line = format!("{}  {}  {took}  {}{stop}", state.mission, standing(view), format_shown_sum(view));
    let mut body = mission_json(view);
    body["stop_waits"] = json!(view.has_pending_stop());
    body["ends_on_resume"] = json!(view.ends_on_resume());
    (line, body)
}

/// `{id, title, state, wave, round, attempts, host, base, commit, reason}` of a unit.
pub fn unit_json(unit: &Unit) -> Value {
    let last = unit.attempts.last();
    json!({
        "id": unit.spec.id.as_str(),
        "title": unit.spec.title,
        "state": unit.state.name(),
        "wave": unit.wave + 1,
        "round": unit.round,
        "attempts": unit.attempts.len(),
        "host": last.map(|attempt| attempt.slot.host.as_str()),
        "base": last.map(|attempt| attempt.green.as_str()),
        "commit": unit.landed.as_ref().map(|tip| tip.commit.as_str()),
        "reason": Some(unit.reason.as_str()).filter(|reason| !reason.is_empty()),
    })
}

fn verdict(view: &View<'_>, green: &GreenRef) -> Option<String> {
    let at = &green.tip.as_ref()?.commit;
    view.records.iter().rev().find_map(|(_, _, record)| match record {
        Record::Landed { green: now, verdict, .. } if now.commit == *at => Some(word(verdict)),
        _ => None,
    })
}

fn round_state(state: &State, round: &Round) -> &'static str {
    if round.closed.is_some() {
        return "closed";
    }
    match state.stage {
        Stage::CheckingTarget | Stage::Intake => "intake",
        Stage::Reading => "planning",
        Stage::Evaluating => "evaluating",
        Stage::Over => "ended",
        _ => "working",
    }
}

fn score(state: &State, round: &Round) -> Option<f64> {
    round.closed?;
    let (mut all, mut done) = (0_u32, 0_u32);
    for unit in round.waves.iter().flatten().filter_map(|i| state.units.get(*i)) {
        all += 1;
        done += u32::from(unit.state.is_satisfied());
    }
    (all > 0).then(|| (f64::from(done) / f64::from(all) * 1000.0).round() / 1000.0)
}

/// What is to land, the landing in progress first: number, whose, what is done with it.
fn queue(state: &State) -> Vec<(RequestId, &MergeSource, &'static str)> {
    let doing = |landing: &Landing| match &landing.phase {
        Phase::Merging => "merging",
        Phase::Proving(_) => "verifying",
        Phase::Intended(..) => "landing",
    };
    let first = state.landing().into_iter().map(|landing| (landing.mr.id, &landing.mr.source, doing(landing)));
    first.chain(state.queue().map(|mr| (mr.id, &mr.source, "waiting"))).collect()
}

/// The status as text: the truth in the first line, the next command in the last.
pub fn text(view: Option<&View<'_>>, green: &GreenRef) -> String {
    let at =
        green.tip.as_ref().map_or_else(|| "not made yet".to_owned(), |tip| format!("at {}", tip.commit.short_id()));
    let Some(view) = view else {
        return format!(
            "no mission yet in this repository\ngreen: {} {at}\nnext: `mc plan` shows what would be done, `mc mission start` does it\n",
            green.branch()
        );
    };
    let state = view.state;
    let mut out = format!("{}\n", format_status_line(view));
    let until = state.ended.unwrap_or(view.now);
    let _ = write!(out, "mission {}", state.mission);
    if !state.objective.trim().is_empty() {
        let _ = write!(out, ": {}", to_one_line(&state.objective, 100));
    }
    let _ = writeln!(out, " ({})", span(until.saturating_sub(state.started)));
    let needs = list_needs(view);
    if !needs.is_empty() {
        out.push_str("\nneeds you\n");
        for line in &needs {
            let _ = writeln!(out, "  {line}");
        }
    }
    write_working(&mut out, view);
    for (nth, line) in hosts::status_lines(view).iter().enumerate() {
        let _ = writeln!(out, "{}{line}", if nth == 0 { "\nhosts: " } else { "  " });
    }
    let waiting = queue(state);
    if !waiting.is_empty() {
        out.push_str("\nmerge queue\n");
        for (id, source, doing) in &waiting {
            let _ = writeln!(out, "  {id:>3}  {}  {doing}", source_name(source));
        }
    }
    let _ = writeln!(out, "\nunits: {}", format_shown_sum(view));
    let snapshot = state.green().filter(|known| green.tip.as_ref() == Some(&known.tip));
    let snapshot = snapshot.and_then(|known| known.snapshot.as_ref());
    let snapshot = snapshot.map_or_else(String::new, |(_, summary)| format!(", {}", tests(summary)));
    let _ = writeln!(out, "green: {} {at}{snapshot}", green.branch());
    let _ = writeln!(out, "verifications: {} run, {} reused", state.verifications_run, state.verifications_reused);
    if cost::count_unknown(state) > 0 || state.account.usd.0 > 0 {
        let _ = writeln!(out, "cost: {}", cost::text(state));
    }
    if let Some(end) = cost::end(state, view.now).filter(|_| view.engine.is_some()) {
        let _ = writeln!(out, "time: {end}");
    }
    let _ = writeln!(out, "next: {}", next_action(view, green));
    out
}

fn write_working(out: &mut String, view: &View<'_>) {
    let running: Vec<_> = view.state.running_attempts().collect();
    if running.is_empty() && view.state.current_verification().is_none() {
        return;
    }
    out.push_str(if view.engine.is_some() { "\nworking\n" } else { "\nleft open\n" });
    for (unit, attempt) in running {
        let age = span(view.now.saturating_sub(attempt.started));
        let (id, n, host, slot) = (&unit.spec.id, attempt.n, &attempt.slot.host, attempt.slot.number);
        let _ = writeln!(
            out,
            "  {id}  attempt {n} for {age} on {host}, slot {slot}{}: {}",
            hosts::describe_liveness(view, unit, attempt),
            to_one_line(&unit.spec.title, 60)
        );
    }
    if let Some(verifying) = view.state.current_verification() {
        let age = span(view.now.saturating_sub(verifying.at));
        let on = if hosts::has_hosts(view.state) { format!(" on {}", verifying.host) } else { String::new() };
        let _ = writeln!(out, "  verification {} of {} for {age}{on}", verifying.run, verifying.tip.commit.short_id());
    }
}

/// What is to be added to where a mission stands; nothing for most.
pub fn describe_pending_stop(view: &View<'_>) -> Option<&'static str> {
    match (view.has_pending_stop(), view.ends_on_resume()) {
        (true, _) => Some("a stop waits"),
        (_, true) => Some("it was stopping, resuming ends it"),
        _ => None,
    }
}

/// The one word for where a mission stands: how it ended, `suspended`, `interrupted`, or its state.
pub fn standing(view: &View<'_>) -> String {
    let state = view.state;
    match &state.outcome {
        Some((outcome, ..)) => word(outcome),
        None if state.suspended_by.is_some() || (view.is_interrupted() && state.hold.is_some()) => {
            "suspended".to_owned()
        }
        None if view.is_interrupted() => "interrupted".to_owned(),
        None => word(&state.mission_state()),
    }
}

/// The command that takes what landed, if anything did, and the one that tells of the rest.
fn next_commands(state: &State, green: &GreenRef) -> String {
    let taken = match state.count(UnitState::Landed) {
        0 => String::new(),
        _ => format!("`git merge {}` takes what landed, ", green.branch()),
    };
    let mut open = state.units.iter().filter(|unit| !unit.state.is_satisfied());
    let lost = open.any(|unit| unit.attempts.iter().any(|a| a.unpinned));
    let which = if lost { "which work is kept" } else { "where the work is kept" };
    format!("{taken}`mc report` says what did not land and {which}")
}

/// One line: what state, how many landed of how many, what stopped it, what the backlog has beside.
pub fn format_status_line(view: &View<'_>) -> String {
    let state = view.state;
    let total = count(state.units.len() as u64, "unit");
    let landed = format!("{} of {total} landed", state.count(UnitState::Landed));
    if let Some((outcome, reason, _)) = &state.outcome {
        let others = UnitState::ALL.iter().filter(|kind| **kind != UnitState::Landed);
        let rest: String = others.map(|kind| describe_remaining(state, *kind)).collect();
        let back = "green was rolled back since, with the marks of what it had";
        let reason = if rolled_back(view) { back.to_owned() } else { to_one_line(reason, 400) };
        let unmet = if is_objective_unmet(state) { "; the objective is not met" } else { "" };
        let left = skipped::describe_skipped(state);
        let planned = *outcome == MissionOutcome::BacklogDone;
        if state.units.is_empty() && planned && !left.is_empty() {
            return format!("ended with nothing planned: {left}{unmet}");
        }
        let left = if left.is_empty() { left } else { format!("; {left}") };
        // That nothing is left to plan is no success, so the word of this outcome does not stand before what landed.
        return match (planned && !reason.is_empty(), state.units.is_empty()) {
            (true, true) => format!("ended, {reason}{unmet}{left}"),
            (true, false) => format!("ended, {reason}: {landed}{rest}{unmet}{left}"),
            (false, empty) => {
                let landed = if empty { String::new() } else { format!(", {landed}{rest}") };
                let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
                format!("ended {}{landed}{reason}{unmet}{left}", word(outcome))
            }
        };
    }
    let place = state.rounds.last().map(|round| format!(", round {}", round.index)).unwrap_or_default();
    let stop = describe_pending_stop(view).map(|words| format!("; {words}")).unwrap_or_default();
    if let Some(cause) = &state.suspended_by {
        let words = to_one_line(&Wait::of(state, cause).words, 400);
        return format!("suspended, {landed}{place}: {words}{stop}");
    }
    if view.is_interrupted() {
        let what = standing(view);
        return match &state.hold {
            Some((reason, _)) => {
                format!("{what}, {landed}{place}: nothing can land: {}{stop}", to_one_line(reason, 400))
            }
            None => format!("{what}, {landed}{place}: no engine works on it{stop}"),
        };
    }
    let why = match state.mission_state() {
        MissionState::Paused if state.hold.is_some() => ": nothing can land",
        MissionState::Paused => ": nothing new starts",
        MissionState::Stopping => ": nothing new starts, then it ends",
        MissionState::Waiting => ": only held units are left",
        MissionState::Starting => ": the base is looked at and verified",
        MissionState::Running | MissionState::Suspended | MissionState::Ended => "",
    };
    let waits = common_wait(state)
        .map(|wait| format!(": waits because {}", to_one_line(&wait.words, 400)))
        .or_else(|| Some(format!(": {}", access::describe_wait(state)?)));
    format!("{}, {landed}{place}{why}{}{stop}", word(&state.mission_state()), waits.unwrap_or_default())
}

/// What became of units that did not land, after the number of those that did; empty for none.
fn describe_remaining(state: &State, kind: UnitState) -> String {
    match (state.count(kind), kind) {
        (0, _) => String::new(),
        (n, UnitState::NoOp) => format!(", {n} had nothing to do"),
        (n, kind) => format!(", {n} {}", kind.name()),
    }
}

/// A command to type, with what it is good for.
pub fn next_action(view: &View<'_>, green: &GreenRef) -> String {
    let state = view.state;
    if let Some((outcome, _, code)) = &state.outcome {
        let left = state.left_open().or(state.skipped.first());
        let rest = if left.is_some() { "; `mc plan` says what helps with what is skipped" } else { "" };
        let tried = state.units.iter().all(|unit| unit.state.is_satisfied());
        // A mission that did all it planned may have skipped items; its exit code says so.
        let rounded = matches!(outcome, MissionOutcome::BacklogDone | MissionOutcome::ObjectiveMet);
        let done = *code == 0 || (tried && rounded && state.left_open().is_some());
        return match outcome {
            MissionOutcome::Refused => refusal_hint(view),
            _ if rolled_back(view) => {
                "`mc plan` shows what is planned again after the rollback, `mc mission start` does it".to_owned()
            }
            _ if state.refused_target.is_some() => format!(
                "mend the target branch and commit, then `mc mission start` takes it in first; {}",
                next_commands(state, green)
            ),
            _ if is_objective_unmet(state) && tried && *code != 0 => format!(
                "the check of the objective fails on {}: write what is missing into BACKLOG.md, then `mc mission start`{rest}",
                green.branch()
            ),
            _ if done && state.count(UnitState::Landed) > 0 => {
                format!("`git merge {}` takes what landed; `mc report` says what that is{rest}", green.branch())
            }
            _ if done => match left {
                Some(item) => format!(
                    "{}: {}, by `mc mission start` (`mc plan` lists all that is skipped)",
                    item.unit,
                    skipped::suggest_command(item)
                ),
                None => "nothing was to be done; `mc report` has the details".to_owned(),
            },
            _ if state.units.is_empty() => "mend what the first line names, then `mc mission start`".to_owned(),
            _ => format!("{}{rest}", next_commands(state, green)),
        };
    }
    if view.has_pending_stop() {
        return OF_A_WAITING_STOP.to_owned();
    }
    if view.ends_on_resume() {
        return "`mc mission resume` ends the mission after what runs has landed, `mc mission stop --now` at once"
            .to_owned();
    }
    if view.engine.is_some() && state.mission_state() == MissionState::Stopping {
        return "wait, or `mc mission stop --now` to kill what runs".to_owned();
    }
    if let Some((_, hint)) = &state.hold {
        return to_one_line(hint, 400);
    }
    if let Some(cause) = &state.suspended_by {
        let remedy = to_one_line(&Wait::of(state, cause).remedy, 400);
        return format!("{remedy}, then `mc mission resume`");
    }
    let answered: Vec<_> = view.pending_retries().collect();
    let open = |unit: &&Unit| unit.state == UnitState::Held && !answered.contains(&&unit.spec.id);
    if let Some(held) = state.units.iter().find(open) {
        let id = &held.spec.id;
        let then = match (view.engine, state.paused) {
            (None, _) => ", then `mc mission resume`",
            (Some(_), true) => "; `mc mission resume` ends the pause",
            (Some(_), false) => "",
        };
        return format!("answer {id} (`mc unit show {id}`): `mc unit retry {id} --say TEXT`{then}");
    }
    match (view.engine, state.mission_state()) {
        (None, _) => "`mc mission resume`".to_owned(),
        (Some(_), MissionState::Paused) => "`mc mission resume` goes on".to_owned(),
        (Some(_), _) => "nothing; `mc events --follow` looks on, `mc mission stop` ends it".to_owned(),
    }
}

/// Whether a person took green back after the mission, and with it the marks by which items were skipped.
pub fn rolled_back(view: &View<'_>) -> bool {
    view.records.iter().any(|(_, _, record)| matches!(record, Record::RolledBack { .. }))
}

fn refusal_hint(view: &View<'_>) -> String {
    let hint = view.records.iter().rev().find_map(|(_, _, record)| match record {
        Record::Refused { refusal } if !refusal.hint.is_empty() => Some(to_one_line(&refusal.hint, 400)),
        _ => None,
    });
    hint.unwrap_or_else(|| "mend what the first line names, then `mc mission start`".to_owned())
}

/// Milliseconds by the name of the phase; phases without any time are left out.
pub fn phases_json(phases: &Phases) -> Value {
    let spent = phases.iter().filter(|(_, time)| *time > 0);
    Value::Object(spent.map(|(phase, time)| (phase.name().to_owned(), json!(time))).collect())
}
