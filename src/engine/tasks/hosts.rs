//! Whether a host of the mission answers, and in which environment things run there.

use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::HostId;
use crate::engine::context::mission::MissionContext;

/// Asks a host whether it answers: what results of its runs depend on beside tree and stages.
///
/// # Errors
/// [`Trouble`] when there is no such host: a mission has none but the engine's own machine, which is not asked.
pub async fn probe(context: &MissionContext, host: &HostId) -> Result<String, Trouble> {
    let mission = &context.mission;
    Err(Trouble::new(Cause::Unreachable, format!("there is no such host of mission {mission}: {host}")))
}
