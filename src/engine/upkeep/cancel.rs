//! `mc unit cancel`: gives one unit up. A living engine is told; without one it is done here, with the lock in hand, and the
//! mission stays as resumable as it was.

use crate::adapters::os::clock::EngineClock;
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::mission::{Command, Event, JobId, Mission, State, UnitState, decide};
use crate::domain::values::{HostId, Millis, UnitId};
use crate::engine::context::{Act, MissionContext, Project, tenure};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{self, load_unfinished};
use crate::engine::run::driver::entry;
use crate::engine::run::mission::{Asked, read_effective};
use crate::engine::tasks::{queue_verification, session};
use std::collections::VecDeque;
use tokio::sync::watch;

/// Cancels a unit of the unfinished mission.
///
/// # Errors
/// [`EngineError::Usage`] when there is no such unit or it is in a state that cannot be cancelled.
pub async fn cancel(project: &Project, unit: &str) -> Result<Asked, EngineError> {
    let Some(history) = load_unfinished(project)? else { return Ok(Asked::Nothing) };
    let mission = history.mission.to_string();
    let id = find_cancellable(&history.state, unit)?;
    let tenure = match tenure::begin(project, None, Act::Unfinished).await {
        Err(e) if e.engine_lives() => {
            let Some(mut store) = project.store()? else { return Ok(Asked::Nothing) };
            if project.signal(&mut store, "cancel-unit", id.as_str())? {
                return Ok(Asked::Told(mission));
            }
            // It has just ended; the request that nobody heard finds the unit cancelled.
            tenure::begin(project, None, Act::Unfinished).await?
        }
        begun => begun?,
    };
    let Some(history) = history::load(&tenure.store, None)?.filter(|h| !h.state.is_over()) else {
        return Ok(Asked::Nothing);
    };
    find_cancellable(&history.state, unit)?;
    let clock = EngineClock::start(history.records.last().map_or(0, |(_, at, _)| *at));
    let effective = read_effective(&history.state)?;
    let mut state = history.state;
    let context = MissionContext::new(project, state.mission.clone(), state.objective.clone(), effective, tenure, None);
    // Its work is pinned.
    context.claim(Act::Unfinished).await.map_err(EngineError::Refused)?;
    let mut events = VecDeque::from([Event::CancelUnit(id)]);
    while let Some(event) = events.pop_front() {
        for command in step(&context, &mut state, clock.now(), event)? {
            match command {
                Command::Cancel(JobId::Session(session)) => {
                    let unit = state.attempt_by(session).map(|(unit, _)| unit.spec.id.clone());
                    let Some(order) = unit.and_then(|unit| state.attempt_order(&unit)) else { continue };
                    let (_keep, kill) = watch::channel(true);
                    events.push_back(Event::of_session(session, session::adopt(&context, order, kill).await));
                }
                Command::Cancel(JobId::Run(run)) => {
                    let hint = "the unit is cancelled; `mc mission resume` or `mc mission stop --now` tries again";
                    let host = state.run_by(run).map_or_else(HostId::local, |run| run.host.clone());
                    let ended = queue_verification::end_abandoned(&context, &host, run).await;
                    ended.map_err(|what| EngineError::broken(what, hint))?;
                    events.push_back(Event::Verified { run, result: Err("killed".to_owned().into()) });
                }
                // All else is asked again by the next engine.
                _ => {}
            }
        }
    }
    Ok(Asked::NoEngine(mission))
}

/// One decision, made durable; what it asks of the world.
fn step(context: &MissionContext, state: &mut Mission, now: Millis, event: Event) -> Result<Vec<Command>, EngineError> {
    let step = decide(state, now, event);
    let entries = step.records.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    context.store().append(&context.mission, now, &entries)?;
    Ok(step.commands)
}

fn find_cancellable(state: &State, unit: &str) -> Result<UnitId, EngineError> {
    let found = UnitId::new(unit).ok().and_then(|id| state.unit(&id));
    let Some(found) = found else {
        let near = find_nearest(unit, state.units.iter().map(|u| u.spec.id.as_str()));
        return Err(EngineError::usage(
            format!("the mission has no unit `{unit}`{}", format_hint(near)),
            "`mc units` lists its units",
        ));
    };
    let id = &found.spec.id;
    let hint = match found.state {
        _ if state.may_have_landed(id) => {
            "green is being moved to its change; `mc green rollback` takes back what landed"
        }
        UnitState::Pending | UnitState::Running | UnitState::Queued | UnitState::Held => return Ok(id.clone()),
        UnitState::Landed => "`mc green rollback` takes back what landed",
        UnitState::Blocked => "it does not start anyway, unless what it depends on is tried again",
        _ => "only pending, running, queued and held units can be cancelled",
    };
    let now = if state.may_have_landed(id) { "landing" } else { found.state.name() };
    Err(EngineError::usage(format!("{id} is {now}"), hint.to_owned()))
}
