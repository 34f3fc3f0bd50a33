//! What an engine that is gone left behind: requests that nobody has taken, and attempts whose processes still run. Reads only.

use crate::adapters::host::local::rundir::{Found, find};
use crate::adapters::store::Store;
use crate::domain::mission::{Event, State};
use crate::domain::values::UnitId;
use crate::engine::error::EngineError;
use crate::engine::run::driver::request;
use crate::report;
use std::path::Path;

/// What is left of an unfinished mission while no engine works on it; empty otherwise.
#[derive(Debug, Default)]
pub struct Left {
    /// What the next engine is asked first, oldest first.
    pub requests: Vec<Event>,
    /// Attempts whose processes run: unit and number.
    pub agents: Vec<(UnitId, u32)>,
}

impl Left {
    /// As reports want it.
    pub fn view(&self) -> report::Left<'_> {
        report::Left { requests: &self.requests, agents: &self.agents }
    }
}

/// Requests that wait for the next engine.
///
/// # Errors
/// [`EngineError::Store`].
pub fn list_requests(store: &Store) -> Result<Vec<Event>, EngineError> {
    let waiting = store.signals_waiting()?;
    Ok(waiting.iter().filter_map(|signal| request(&signal.kind, &signal.body)).collect())
}

/// Open attempts whose processes run, by their run directories below `runs`.
pub async fn find_agents(runs: &Path, state: &State) -> Vec<(UnitId, u32)> {
    let mut living = Vec::new();
    for (unit, attempt) in state.running_attempts() {
        let (id, n) = (&unit.spec.id, attempt.n);
        let dir = runs.join(state.mission.as_str()).join(id.as_str()).join(n.to_string()).join("run");
        if matches!(find(&dir).await, Found::Starting(_) | Found::Running(_) | Found::HalfDead(_)) {
            living.push((id.clone(), n));
        }
    }
    living
}
