//! `mc report --verify`: every claim of a report checked again, one line each.

use super::Context;
use super::error::CliError;
use super::mission::no_mission;
use crate::domain::values::MissionId;
use crate::engine::proof;
use crate::report::claims;

pub(super) async fn report(context: &Context, mission: Option<&str>, rerun: bool) -> Result<u8, CliError> {
    let mission = mission.map(MissionId::new).transpose();
    let mission = mission.map_err(|error| CliError::usage(error.to_string(), "`mc mission list` names them"))?;
    let project = context.project().await?;
    let Some(proof) = proof::prove(&project, mission.as_ref(), rerun).await? else { return Err(no_mission()) };
    let id = proof.mission.as_str();
    context.show(|| claims::json(id, &proof.claims), || claims::text(id, &proof.claims));
    hold(claims::tally(&proof.claims)[1])
}

/// The exit of a command that found so many claims not to hold.
pub(super) fn hold(broken: usize) -> Result<u8, CliError> {
    match broken {
        0 => Ok(0),
        1 => Err(CliError::Check { what: "1 claim does not hold".to_owned() }),
        n => Err(CliError::Check { what: format!("{n} claims do not hold") }),
    }
}
