//! What a report counts: units, rounds, verifications, costs, times, and how the mission ended.

use super::case::{Case, Checked};

use crate::adapters::os::files;
use crate::domain::mission::timeline::Timeline;
use crate::domain::mission::{
    AttemptClass, EndReason, MergeSource, MissionOutcome, NextMove, Record, SessionReport, State, Unit, UnitState,
    VerificationRun,
};
use crate::domain::values::{Millis, RunId, UnitId, Usd};
use crate::engine::inspect::history::records;
use crate::engine::inspect::views::session_dir;
use crate::report::claims::Findings;
use std::collections::{BTreeMap, BTreeSet};

/// Checks everything that is counted.
pub(super) fn check(case: &mut Case<'_>, now: Millis) -> Checked {
    check_units(case);
    check_plans(case);
    check_nothing_hidden(case);
    check_reasons(case);
    check_rounds(case);
    check_verifications(case)?;
    check_cost(case);
    check_times(case, now);
    check_processes(case);
    check_tests(case);
    check_ending(case);
    Ok(())
}

/// The state of each unit by its last decisive record: a second, simpler reading than the fold's.
fn recount_states(case: &Case<'_>) -> BTreeMap<UnitId, UnitState> {
    let (mut found, mut landed) = (BTreeMap::new(), BTreeMap::new());
    let follows = |next: &NextMove| match next {
        NextMove::Queue { .. } => UnitState::Queued,
        NextMove::Retry { .. } => UnitState::Pending,
        NextMove::NoOp => UnitState::NoOp,
        NextMove::Hold { .. } => UnitState::Held,
        NextMove::Fail { .. } => UnitState::Failed,
        NextMove::Reject { .. } => UnitState::Rejected,
    };
    for record in records(case.history) {
        let (unit, state) = match record {
            Record::RoundPlanned { units, .. } => {
                found.extend(units.iter().map(|spec| (spec.id.clone(), UnitState::Pending)));
                continue;
            }
            Record::SessionStarted { unit, .. } => (unit, UnitState::Running),
            Record::AttemptJudged { unit, next, .. } => (unit, follows(next)),
            Record::UnitBlocked { unit, .. } => (unit, UnitState::Blocked),
            Record::UnitHeld { unit, .. } => (unit, UnitState::Held),
            Record::UnitUnblocked { unit } | Record::UnitRetried { unit, .. } => (unit, UnitState::Pending),
            Record::UnitCancelled { unit, .. } => (unit, UnitState::Cancelled),
            Record::Landed { source: MergeSource::Unit { unit, .. }, candidate, .. } => {
                landed.insert(&candidate.commit, unit);
                (unit, UnitState::Landed)
            }
            Record::RolledBack { landings, .. } => {
                let taken = landings.iter().filter_map(|commit| landed.get(commit));
                found.extend(taken.map(|unit| ((*unit).clone(), UnitState::RolledBack)));
                continue;
            }
            Record::MergeEmpty { source: MergeSource::Unit { unit, .. }, .. } => (unit, UnitState::NoOp),
            Record::Rejected { source: MergeSource::Unit { unit, .. }, next, .. } => (unit, follows(next)),
            _ => continue,
        };
        found.insert(unit.clone(), state);
    }
    found
}

fn check_units(case: &mut Case<'_>) {
    let mut found = Findings::default();
    let again = recount_states(case);
    let accounts = &case.report["accounts"];
    let mut sum = 0;
    for &kind in UnitState::ALL {
        let told = accounts[kind.name()].as_u64().unwrap_or_default();
        let counted = again.values().filter(|state| **state == kind).count() as u64;
        sum += told;
        if told != counted {
            found.add_broken(format!("{told} are called {}, {counted} are", kind.name()));
        }
    }
    let total = accounts["total"].as_u64().unwrap_or_default();
    if sum != total || total != again.len() as u64 {
        found.add_broken(format!("{sum} in all states, {total} in all, {} planned", again.len()));
    }
    let missing = case.report["missing_on_green"].as_array().map_or(0, Vec::len);
    if missing > 0 {
        found.add_broken(format!("green does not contain {missing} of those that landed"));
    }
    let what = format!("units: {} = {total}", crate::report::words::format_sum(&case.history.state));
    case.add_claim(what, found).cover_places(["/accounts", "/summary", "/missing_on_green"]);
}

/// Each unit's place in the plan and the number of its attempts.
fn check_plans(case: &mut Case<'_>) {
    let mut waves: BTreeMap<UnitId, (u32, u32)> = BTreeMap::new();
    let mut starts: BTreeMap<UnitId, Vec<u32>> = BTreeMap::new();
    for record in records(case.history) {
        match record {
            Record::RoundPlanned { round, units, edges, .. } => {
                // Edges lead from earlier to later waves: so many steps settle every wave.
                let mut depth = vec![0_u32; units.len()];
                for _ in 0..units.len() {
                    let mut moved = false;
                    for edge in edges.iter().filter(|e| e.before < units.len() && e.after < units.len()) {
                        let least = depth[edge.before] + 1;
                        moved |= least > depth[edge.after];
                        depth[edge.after] = depth[edge.after].max(least);
                    }
                    if !moved {
                        break;
                    }
                }
                waves.extend(units.iter().zip(depth).map(|(spec, wave)| (spec.id.clone(), (*round, wave))));
            }
            Record::SessionStarted { unit, n, .. } => starts.entry(unit.clone()).or_default().push(*n),
            _ => {}
        }
    }
    let history = case.history;
    for unit in &history.state.units {
        let id = &unit.spec.id;
        let mut found = Findings::default();
        if waves.get(id) != Some(&(unit.round, unit.wave)) {
            found.add_broken("its edges put it into another wave");
        }
        let started = starts.remove(id).unwrap_or_default();
        if started.iter().zip(1..).any(|(n, nth)| *n != nth) || started.len() != unit.attempts.len() {
            found.add_broken("its attempts are not numbered from 1 without a gap");
        }
        let gone = started.iter().filter(|n| !session_dir(case.project, case.mission(), id, **n).is_dir()).count();
        // One that was never begun before a crash leaves no folder.
        let never = unit.attempts.iter().filter(|a| a.class == Some(AttemptClass::NeverStarted)).count();
        if gone > never {
            found.add_unknown(format!("the folders of {gone} attempts are gone"));
        }
        let place = case.landed_pointer(id).or_else(|| case.unit_pointer("not_landed", id));
        let covers: Vec<String> =
            place.iter().flat_map(|place| ["attempts", "round", "wave"].map(|key| format!("{place}/{key}"))).collect();
        let what =
            format!("{id}: planned in round {}, wave {}, {} attempts", unit.round, unit.wave + 1, unit.attempts.len());
        case.add_claim(what, found).cover_places(covers);
    }
}

/// Landings, attempts and runs that the repository or the state directory know and the journal does not.
fn check_nothing_hidden(case: &mut Case<'_>) {
    let state = &case.history.state;
    let mut found = Findings::default();
    let mission = case.mission().to_string();
    for (unit, commits) in case.line.landings(&mission) {
        let known = UnitId::new(unit).ok().and_then(|id| state.unit(&id));
        let landed = known.and_then(|unit| unit.landed.as_ref()).map(|tip| &tip.commit);
        for commit in commits.iter().filter(|commit| Some(*commit) != landed) {
            found.add_broken(format!("green's {} says that {unit} landed", commit.short_id()));
        }
    }
    case.add_claim("green has no landing of this mission that is not reported", found).cover_places(["/landed"]);
    let state = &case.history.state;
    let mut found = Findings::default();
    let prefix = format!("refs/mc/attempts/{mission}/");
    let known = |unit: &str, n: &str| {
        let unit = UnitId::new(unit).ok().and_then(|id| state.unit(&id));
        unit.zip(n.parse::<usize>().ok()).is_some_and(|(unit, n)| (1..=unit.attempts.len()).contains(&n))
    };
    for name in case.pins.keys() {
        let Some((unit, n)) = name.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) else { continue };
        if !known(unit, n) {
            found.add_broken(format!("{name} pins an attempt that is not reported"));
        }
    }
    let runs = case.project.state.runs().join(&mission);
    for unit in files::folders(&runs).into_iter().filter(|name| !name.starts_with('.')) {
        for n in files::folders(&runs.join(&unit)) {
            if !known(&unit, &n) {
                found.add_broken(format!("{unit} attempt {n} has a folder and is not reported"));
            }
        }
    }
    found.truncate(5);
    case.add_claim("no attempt was made that is not reported", found).cover_places(["/not_landed"]);
}

/// Why units are blocked or cancelled.
fn check_reasons(case: &mut Case<'_>) {
    let history = case.history;
    let state = &history.state;
    let ended = state.outcome.as_ref().map(|(_, reason, _)| reason.as_str());
    for unit in &state.units {
        let id = &unit.spec.id;
        let mut found = Findings::default();
        match unit.state {
            UnitState::Blocked => match unit.blocked_by.as_ref().and_then(|cause| state.unit(cause)) {
                Some(cause) if cause.state.blocks() && depends_on(state, unit, &cause.spec.id) => {}
                Some(cause) => found.add_broken(format!("{} does not stand in its way", cause.spec.id)),
                None => found.add_broken("nobody knows what blocks it"),
            },
            UnitState::Cancelled => match ended {
                Some(reason) if unit.reason.starts_with(reason) => {}
                // A person gave it up.
                _ if records(history).any(|r| matches!(r, Record::UnitCancelAsked { unit, .. } if unit == id)) => {}
                _ => found.add_unknown("only the journal says why"),
            },
            _ => continue,
        }
        let covers = case.unit_pointer("not_landed", id).map(|place| format!("{place}/reason"));
        let what = format!("{id}: {}, {}", unit.state.name(), unit.reason);
        case.add_claim(what, found).cover_places(covers);
    }
}

/// Whether a unit needs another one, directly or through others.
fn depends_on(state: &State, unit: &Unit, cause: &UnitId) -> bool {
    let mut open = vec![unit];
    let mut seen = BTreeSet::new();
    while let Some(unit) = open.pop() {
        if unit.spec.depends.contains(cause) {
            return true;
        }
        open.extend(unit.spec.depends.iter().filter(|id| seen.insert((*id).clone())).filter_map(|id| state.unit(id)));
    }
    false
}

fn check_rounds(case: &mut Case<'_>) {
    let history = case.history;
    let mut found = Findings::default();
    let (mut planned, mut landed) = (BTreeMap::<u32, u64>::new(), BTreeMap::<u32, u64>::new());
    let mut round_of = BTreeMap::new();
    for record in records(history) {
        match record {
            Record::RoundPlanned { round, units, .. } => {
                *planned.entry(*round).or_default() += units.len() as u64;
                round_of.extend(units.iter().map(|unit| (&unit.id, *round)));
            }
            // Whatever round is open: one that a person had held for long counts in the round that planned it.
            Record::Landed { source: MergeSource::Unit { unit, .. }, .. } => {
                *landed.entry(round_of.get(unit).copied().unwrap_or(0)).or_default() += 1;
            }
            Record::RoundClosed { round, landed: told, units, .. } => {
                let of = |counts: &BTreeMap<u32, u64>| counts.get(round).copied().unwrap_or(0);
                let (counted, in_plan) = (of(&landed), of(&planned));
                if u64::from(*told) != counted || u64::from(*units) != in_plan {
                    let said = format!("round {round} says {told} of {units} landed");
                    found.add_broken(format!("{said}, its records say {counted} of {in_plan}"));
                }
            }
            _ => {}
        }
    }
    for row in case.report["rounds"].as_array().into_iter().flatten() {
        let index = u32::try_from(row["index"].as_u64().unwrap_or(0)).unwrap_or(0);
        let counted = (planned.get(&index).copied().unwrap_or(0), landed.get(&index).copied().unwrap_or(0));
        if (row["units"].as_u64(), row["landed"].as_u64()) != (Some(counted.0), Some(counted.1)) {
            found.add_broken(format!("round {index} is reported in other numbers than its records have"));
        }
    }
    let what = format!("{} rounds with their units and landings", history.state.rounds.len());
    case.add_claim(what, found).cover_places(["/rounds"]);
}

fn check_verifications(case: &mut Case<'_>) -> Checked {
    let state = &case.history.state;
    let mut found = Findings::default();
    let (mut ran, mut before, mut reused, mut broken_off) = (BTreeSet::new(), 0, 0, 0);
    // A run is kept before it is told. Its engine may have been killed in between, which asks it again, or it was broken off.
    let (mut open, mut untold) = (BTreeSet::new(), BTreeSet::<RunId>::new());
    for record in records(case.history) {
        match record {
            Record::Resumed { .. } => untold.extend(&open),
            Record::VerifyStarted(VerificationRun { run, .. }) => drop(open.insert(*run)),
            Record::Verified { run, reused: known, .. } if open.remove(run) => match known {
                true => reused += 1,
                false => {
                    if !ran.insert(*run) {
                        found.add_broken(format!("verification {run} is told twice"));
                    }
                }
            },
            // Asked before an agent was started.
            Record::SessionEnded { report, .. } if report.checks.accept.is_some() => {
                let runs = report.checks.accept.as_ref().map_or(0, |accept| u64::from(accept.runs));
                (before, reused) = (before + runs, reused + u64::from(runs == 0));
            }
            Record::StepFailed { run: Some(run), .. } | Record::VerificationDropped { run, .. } if open.remove(run) => {
                untold.insert(*run);
                broken_off += 1;
            }
            _ => {}
        }
    }
    let counted = ran.len() as u64 + before + broken_off;
    if (state.verifications_run, state.verifications_reused) != (counted, reused) {
        found.add_broken(format!("the records have {counted} and {reused}"));
    }
    let told = &case.report["verifications"];
    let parts = ["base", "green", "candidates", "confirmations", "broken_off", "of_units", "of_bookkeeping", "cold"];
    let sum: u64 = parts.iter().filter_map(|part| told[*part].as_u64()).sum();
    if told["run"].as_u64() != Some(sum) {
        found.add_broken(format!("their kinds add up to {sum}"));
    }
    let mark = format!("/{}-", case.mission());
    let kept: BTreeSet<RunId> = case
        .store
        .snapshot_runs_of(case.mission())?
        .iter()
        .filter_map(|key| key.0.split_once(&mark)?.1.parse().ok().map(RunId))
        .collect();
    if state.outcome.is_none() {
        untold.append(&mut open);
    }
    let hidden = kept.difference(&ran).filter(|run| !untold.contains(*run));
    let hidden: Vec<String> = hidden.map(ToString::to_string).collect();
    if !hidden.is_empty() {
        found.add_broken(format!("the results of runs {} are stored and not reported", hidden.join(", ")));
    }
    let lost = ran.difference(&kept).count();
    if lost > 0 {
        found.add_unknown(format!("the results of {lost} runs are not stored"));
    }
    let what = format!("verifications: {} run, {} reused", state.verifications_run, state.verifications_reused);
    case.add_claim(what, found).cover_places(["/verifications"]);
    Ok(())
}

fn check_cost(case: &mut Case<'_>) {
    let state = &case.history.state;
    let agents: BTreeSet<&UnitId> =
        state.units.iter().filter(|unit| unit.spec.run.is_none()).map(|unit| &unit.spec.id).collect();
    let (mut open, mut unknown, mut usd, mut measured) = (0_u64, 0_u64, Usd(0), None);
    for record in records(case.history) {
        match record {
            Record::SessionStarted { unit, .. } if agents.contains(unit) => open += 1,
            Record::SessionEnded { report, .. } => measured = report.agent.cost.and_then(|cost| cost.usd),
            Record::AttemptJudged { unit, class, .. } if agents.contains(unit) => {
                open = open.saturating_sub(1);
                match measured.take() {
                    _ if *class == AttemptClass::NeverStarted => {}
                    Some(known) => usd.0 = usd.0.saturating_add(known.0),
                    None => unknown += 1,
                }
            }
            _ => {}
        }
    }
    let mut found = Findings::default();
    let told = &case.report["cost"];
    let (attempts, known) = (told["unknown_attempts"].as_u64().unwrap_or_default(), told["known_usd"].clone());
    if attempts != open + unknown {
        found.add_broken(format!("the cost of {} attempts is unknown", open + unknown));
    }
    if known != usd.dollars() {
        found.add_broken(format!("what is known adds up to {} USD", usd.dollars()));
    }
    if attempts > 0 && !told["usd"].is_null() {
        found.add_broken("an unknown cost is given as a sum");
    }
    case.add_claim(format!("cost: {known} USD known, {attempts} attempts unknown"), found).cover_places(["/cost"]);
}

fn check_times(case: &mut Case<'_>, now: Millis) {
    let history = case.history;
    let mut found = Findings::default();
    let until = history.state.ended.unwrap_or(now);
    let times = Timeline::of(history.records.iter().map(|(_, at, record)| (*at, record)), until);
    for unit in &times.units {
        if unit.phases.total() != unit.span.length(until) {
            found.add_broken(format!("the phases of {} do not add up to its time", unit.unit));
        }
    }
    if times.span.from.abs_diff(history.state.started) > 1_000 || times.span.until != history.state.ended {
        found.add_broken("start and end are not those of its first and last record");
    }
    let (mut run_time, mut gone) = (0_u64, 0);
    for unit in &history.state.units {
        for attempt in unit.attempts.iter().filter(|attempt| attempt.ended.is_some()) {
            let path = session_dir(case.project, case.mission(), &unit.spec.id, attempt.n).join("report.json");
            let report = files::read_own(&path).ok().flatten();
            match report.and_then(|bytes| serde_json::from_slice::<SessionReport>(&bytes).ok()) {
                Some(report) => run_time += report.run.ran.map_or(0, |(from, to)| to.saturating_sub(from)),
                None => gone += 1,
            }
        }
    }
    let told = case.report["run_time_ms"].as_u64().unwrap_or_default();
    match gone {
        0 if told != run_time => found.add_broken(format!("the attempts' own reports add up to {run_time} ms")),
        0 => {}
        n => found.add_unknown(format!("the reports of {n} attempts are gone")),
    }
    let what = format!("times add up; processes of attempts ran for {told} ms");
    case.add_claim(what, found).cover_places(["/times", "/run_time_ms"]);
}

fn check_processes(case: &mut Case<'_>) {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for attempt in case.history.state.units.iter().flat_map(|unit| &unit.attempts) {
        if !attempt.proof().is_empty() {
            *counted.entry(attempt.proof().to_owned()).or_default() += 1;
        }
    }
    let told: BTreeMap<String, u64> = serde_json::from_value(case.report["processes"].clone()).unwrap_or_default();
    let mut found = Findings::default();
    if told != counted {
        found.add_broken(format!("the attempts say {counted:?}"));
    }
    case.add_claim("how the end of processes was proven", found).cover_places(["/processes"]);
}

fn check_tests(case: &mut Case<'_>) {
    for (key, what, stored) in [
        ("pre_existing_failures", "tests red before and after", case.red.clone()),
        ("flaky", "flaky tests", case.flaky.clone()),
    ] {
        let told: BTreeSet<String> = serde_json::from_value(case.report[key].clone()).unwrap_or_default();
        let mut found = Findings::default();
        let why = format!("the stored snapshots have {}", stored.len());
        // What was in those that were cleaned away can only be missing.
        if told != stored && !case.cleaned_snapshots.is_empty() && stored.is_subset(&told) {
            found.add_unknown(why);
        } else if told != stored {
            found.add_broken(why);
        }
        case.add_claim(format!("{what}: {}", told.len()), found).cover_places([format!("/{key}")]);
    }
}

/// How the mission ended, by the rules for the exit code and for each outcome.
fn check_ending(case: &mut Case<'_>) {
    let history = case.history;
    let state = &history.state;
    // Of one that is not over there is nothing to say.
    let Some((outcome, _, code)) = &state.outcome else { return };
    let mut found = Findings::default();
    let met = state.rounds.last().and_then(|round| round.objective);
    // What a person took back later was done when the mission ended.
    let done = |state: UnitState| state.is_satisfied() || state == UnitState::RolledBack;
    let undone = state.units.iter().filter(|unit| !done(unit.state)).count();
    if *code == 0 && (undone > 0 || met == Some(false)) {
        found.add_broken(format!("exit code 0 with {undone} units not done"));
    }
    let enough = *outcome == MissionOutcome::ObjectiveMet;
    if let (0, Some(item), false) = (*code, state.left_open(), enough) {
        found.add_broken(format!("exit code 0 with {} skipped", item.unit));
    }
    if *code == 3 && undone == 0 && met != Some(false) && state.all_done() && !state.units.is_empty() {
        found.add_broken("exit code 3 although everything is done");
    }
    let asked = |why: EndReason| {
        records(history).any(|record| matches!(record, Record::StopRequested { why: found, .. } if *found == why))
    };
    let last = |n: usize| state.rounds.iter().rev().take(n).all(|round| !round.progress);
    let follows = match outcome {
        MissionOutcome::ObjectiveMet => met == Some(true),
        MissionOutcome::Stopped => asked(EndReason::Person),
        MissionOutcome::WallTime => asked(EndReason::WallTime),
        MissionOutcome::Budget => asked(EndReason::Budget),
        MissionOutcome::MaxRounds => state.rounds.len() >= state.policy.max_rounds as usize,
        MissionOutcome::Stalled => last(state.policy.stall_threshold as usize),
        MissionOutcome::Refused => records(history).any(|record| matches!(record, Record::Refused { .. })),
        MissionOutcome::BacklogDone => state.rounds.last().is_some_and(|round| round.left_over == 0),
        MissionOutcome::Error => records(history).any(|record| matches!(record, Record::PlanUnreadable { .. })),
    };
    if !follows {
        found.add_broken("no record leads to that outcome");
    }
    let what = format!("ended {}, exit code {code}", crate::report::words::word(outcome));
    case.add_claim(what, found).cover_places(["/exit_code"]);
}
