//! The promises, checked after every simulated step.

use super::world::{Counts, World};
use crate::domain::mission::COLD_EVERY;
use crate::domain::mission::{
    AttemptClass, Command, EndReason, Mission, Record, State, StopLevel, UnitState, VerificationRun,
};
use crate::domain::values::{UnitId, Usd};
use crate::domain::verify::StageOutcome;
use std::collections::BTreeMap;

/// Checks P1, P3, P9 and P10 on a state and its world, and P14 when the journal is given.
///
/// # Errors
/// The promise that is broken, in words.
pub fn check_promises(state: &State, world: &World, journal: Option<&[Record]>) -> Result<(), String> {
    check_green_verified(state, world)?;
    check_landed_in_green(state, world)?;
    if let Some(unit) = world.lines.shown_nothing(|unit| state.accept_waived(unit)) {
        return Err(format!("P8: {unit} landed although its `accept` was not seen to fail before"));
    }
    world.kept.faults(world.green.as_ref(), state, &world.green_content().into_iter().collect())?;
    check_accounting(state)?;
    check_caps(state, world)?;
    check_dependencies(state)?;
    check_cold_deadline(state)?;
    if let Some(unit) = state.ready_but_not_started(world.now) {
        return Err(format!("P10: {unit} is ready, a slot is free, and it was not started"));
    }
    if let Some(unit) = state.startable_by_scan(world.now) {
        return Err(format!("P10: {unit} is ready, a host with its labels has a free slot, and it was not started"));
    }
    journal.map_or(Ok(()), |journal| check_replay(state, journal))
}

/// P4: what a command does is in the journal before it is asked.
///
/// # Errors
/// The command without an intent.
pub fn check_durability(records: &[Record], commands: &[Command]) -> Result<(), String> {
    let resumed = records.iter().any(|r| matches!(r, Record::Resumed { .. }));
    for command in commands {
        let intends = |record: &Record| match (command, record) {
            (Command::Start(order), Record::SessionStarted { session, .. }) => *session == order.session,
            (
                Command::Land { landing, .. },
                Record::LandIntended { landing: t, .. } | Record::StepAsked { landing: t },
            ) => t == landing,
            (Command::ProbeHost(host), Record::HostProbed { host: asked, .. }) => asked == host,
            (Command::Verify(order), Record::VerifyStarted(VerificationRun { run, .. })) => *run == order.run,
            _ => false,
        };
        let asked_again = resumed && matches!(command, Command::Land { .. } | Command::Verify(_));
        // Every host is asked when an engine begins.
        let asked_again = asked_again
            || (resumed || commands.contains(&Command::Preflight)) && matches!(command, Command::ProbeHost(_));
        let needs_intent =
            matches!(command, Command::Start(_) | Command::Land { .. } | Command::Verify(_) | Command::ProbeHost(_));
        if needs_intent && !asked_again && !records.iter().any(intends) {
            return Err(format!("P4: no intent in the journal for {command:?}"));
        }
    }
    Ok(())
}

fn check_green_verified(state: &State, world: &World) -> Result<(), String> {
    for (tip, unit) in world.landings.iter().skip(world.landed_elsewhere) {
        if world.verified.get(&tip.tree).is_none_or(|summary| summary.outcome == StageOutcome::NotRun) {
            return Err(format!("P1: {unit:?} landed on a tree without a snapshot"));
        }
    }
    if let Some(green) = state.green()
        && let Some((_, summary)) = &green.snapshot
        && summary.outcome == StageOutcome::NotRun
        && state.landed > 0
    {
        return Err("P1: green's snapshot was not run".to_owned());
    }
    Ok(())
}

fn check_landed_in_green(state: &State, world: &World) -> Result<(), String> {
    let mut counts: BTreeMap<&UnitId, usize> = BTreeMap::new();
    for unit in world.landings.iter().filter_map(|(_, unit)| unit.as_ref()) {
        *counts.entry(unit).or_default() += 1;
    }
    for unit in &state.units {
        let landed = counts.get(&unit.spec.id).copied().unwrap_or(0);
        if landed > 1 && world.landings.len() as u64 == state.landed {
            return Err(format!("P3: {} landed {landed} times", unit.spec.id));
        }
        if unit.state == UnitState::Landed && landed == 0 {
            return Err(format!("P3: {} is called landed and is not on green", unit.spec.id));
        }
    }
    Ok(())
}

fn check_accounting(state: &State) -> Result<(), String> {
    let mut counted = [0_usize; UnitState::ALL.len()];
    state.units.iter().for_each(|u| counted[u.state as usize] += 1);
    for (kind, counted) in UnitState::ALL.iter().copied().zip(counted) {
        if counted != state.count(kind) as usize {
            return Err(format!("P9: {} units are {}, the counter says {}", counted, kind.name(), state.count(kind)));
        }
    }
    let sum: usize = counted.iter().sum();
    if sum != state.units.len() {
        return Err(format!("P9: {sum} units are accounted for of {}", state.units.len()));
    }
    let running = state.running_attempts().count();
    if running != state.count(UnitState::Running) as usize {
        return Err(format!("P9: {running} slots are used by {} running units", state.count(UnitState::Running)));
    }
    let agents = state.units.iter().filter(|u| u.spec.run.is_none()).flat_map(|u| &u.attempts);
    let ended = agents.filter(|a| a.class.is_some_and(|class| class != AttemptClass::NeverStarted)).count() as u64;
    if state.account.unknown > ended || (ended == 0 && state.account.usd != Usd(0)) {
        return Err(format!("P9: {ended} attempts of agents ended, the account says {:?}", state.account));
    }
    for unit in &state.units {
        if unit.attempts.iter().filter(|a| a.ended.is_none()).count() > 1 {
            return Err(format!("P4: {} has two open attempts", unit.spec.id));
        }
    }
    Ok(())
}

fn check_caps(state: &State, world: &World) -> Result<(), String> {
    for unit in &state.units {
        let id = &unit.spec.id;
        let budget = unit.spec.attempts.unwrap_or(state.policy.max_attempts).max(1);
        if unit.used > budget {
            return Err(format!("P11: {id} used {} attempts of {budget}", unit.used));
        }
        if unit.used >= budget && unit.state == UnitState::Running {
            return Err(format!("P11: {id} runs although its {budget} attempts are used"));
        }
        let (starts, allowed) = (unit.attempts.len(), state.policy.max_starts.max(budget) as usize);
        let Counts { kills, fresh_starts, troubled, .. } = world.counts_of(id);
        if starts > allowed * (fresh_starts + 1) + kills + troubled {
            return Err(format!(
                "P11: {id} was started {starts} times; {kills} kills were asked for, {allowed} starts allowed"
            ));
        }
        if state.suspended_by.is_some() && unit.state == UnitState::Running {
            return Err(format!("P4: {id} is {} although the mission is suspended", unit.state.name()));
        }
        if unit.infra > state.policy.max_infrastructure_retries + 1 {
            return Err(format!("P11: {id} met infrastructure {} times", unit.infra));
        }
    }
    let (counted, cap) = (state.charged_cost().0 + state.reserved_cost().0, state.policy.budget.per_run.0);
    // Nothing simulated costs more than its reserve, so a cap that counts everything holds to the cent.
    if cap > 0 && state.policy.budget.counts_unknown && counted > cap {
        return Err(format!("P11: {counted} millionths of a dollar are spent or reserved of {cap}"));
    }
    let rounds = state.rounds.len();
    if rounds > state.policy.max_rounds as usize {
        return Err(format!("P11: {rounds} rounds of {}", state.policy.max_rounds));
    }
    Ok(())
}

fn check_dependencies(state: &State) -> Result<(), String> {
    for (unit, attempt) in state.running_attempts() {
        let open = |d: &&UnitId| state.unit(d).is_some_and(|u| !u.state.is_satisfied());
        if let Some(dependency) = unit.spec.depends.iter().find(open) {
            return Err(format!("{} runs (attempt {}) before {dependency} is done", unit.spec.id, attempt.n));
        }
    }
    for unit in state.units.iter().filter(|u| u.state == UnitState::Pending) {
        let failed = |d: &&UnitId| state.unit(d).is_some_and(|u| u.state.blocks());
        if let Some(dependency) = unit.spec.depends.iter().find(failed) {
            return Err(format!("{} is pending although {dependency} will not land", unit.spec.id));
        }
    }
    Ok(())
}

/// Green's landings on warm results are few, and none when a mission ends of itself.
fn check_cold_deadline(state: &State) -> Result<(), String> {
    let unproven = state.cold_runs().unproven.len();
    let killed = matches!(state.stop, Some((StopLevel::Now | StopLevel::Interrupt, _)));
    let closed = matches!(state.stop, Some((_, EndReason::WallTime)));
    // A person's stop waits for no common cause to pass (no host answers, say).
    let forsaken = matches!(state.stop, Some((StopLevel::Drain, EndReason::Person))) && state.circuit().is_some();
    if unproven > COLD_EVERY {
        return Err(format!("P1: {unproven} landings rest on warm results"));
    }
    if state.is_over() && unproven > 0 && matches!(state.outcome, Some((_, _, 0))) {
        return Err(format!("P1: the mission ended well, and {unproven} landings rest on warm results"));
    }
    if state.is_over() && unproven > 0 && state.hold.is_none() && !killed && !closed && !forsaken {
        return Err(format!("P1: the mission ended of itself, and {unproven} landings rest on warm results"));
    }
    Ok(())
}

fn check_replay(state: &State, journal: &[Record]) -> Result<(), String> {
    let mut copied = Vec::with_capacity(journal.len());
    for record in journal {
        let text = serde_json::to_string(record).map_err(|e| format!("P14: a record does not serialise: {e}"))?;
        let back: Record = serde_json::from_str(&text).map_err(|e| format!("P14: {text} does not read back: {e}"))?;
        if back != *record {
            return Err(format!("P14: {text} reads back as something else"));
        }
        copied.push(back);
    }
    let again = Mission::replay(copied).map_err(|e| format!("P14: {e}"))?;
    if again.equals_without_engine(state) { Ok(()) } else { Err("P14: the journal folds to another state".to_owned()) }
}
