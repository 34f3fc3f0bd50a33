//! What an engine that is gone left behind: requests that nobody has taken, and attempts whose processes still run on this machine.
//! Reads only, and asks no other host: whether something goes on there is unknown until the next engine asks.

use crate::adapters::host::local::rundir::{Found, find};
use crate::adapters::host::order::RunKey;
use crate::adapters::store::Store;
use crate::domain::mission::{Event, State};
use crate::domain::values::UnitId;
use crate::engine::error::EngineError;
use crate::engine::run::driver::request;
use std::path::Path;

/// Requests that wait for the next engine.
///
/// # Errors
/// [`EngineError::Store`].
pub fn list_requests(store: &Store) -> Result<Vec<Event>, EngineError> {
    let waiting = store.signals_waiting()?;
    Ok(waiting.iter().filter_map(|signal| request(&signal.kind, &signal.body)).collect())
}

/// Open attempts whose processes run on this machine, by their run directories below `runs`.
pub async fn find_agents(runs: &Path, state: &State) -> Vec<(UnitId, u32)> {
    let mut living = Vec::new();
    for (unit, attempt) in state.running_attempts().filter(|(_, attempt)| attempt.slot.host.is_local()) {
        let (id, n) = (&unit.spec.id, attempt.n);
        let dir = RunKey::of_attempt(&state.mission, id, n).join("run").path_in(runs);
        if matches!(find(&dir).await, Found::Starting(_) | Found::Running(_) | Found::HalfDead(_)) {
            living.push((id.clone(), n));
        }
    }
    living
}
