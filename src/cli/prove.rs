//! `mc report --verify`: every claim of a report checked again, one line each.

use super::error::CliError;
use super::mission::no_mission;
use super::{Context, output};
use crate::engine::proof::{self, audit as checks};
use crate::report::{claims, sanitize};
use serde_json::json;

pub(super) async fn report(context: &Context, mission: Option<&str>, rerun: bool) -> Result<u8, CliError> {
    let mission = super::status::named(mission)?;
    let project = context.project().await?;
    let proof = proof::prove_report(&project, mission.as_ref(), rerun).await?.ok_or_else(no_mission)?;
    let id = proof.mission.as_str();
    context.show(|| claims::json(id, &proof.claims), || output::write_text(&claims::text(id, &proof.claims)))?;
    exit_code(claims::count_claims(&proof.claims)[1])
}

/// The exit of a command that found so many claims not to hold.
fn exit_code(broken: usize) -> Result<u8, CliError> {
    let what = match broken {
        0 => return Ok(0),
        1 => "1 claim does not hold".to_owned(),
        n => format!("{n} claims do not hold"),
    };
    Err(CliError::Check { what })
}

pub(super) async fn audit(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let audit = checks::audit(&project).await?;
    let checks::Audit { rows, missions, landings, pins, broken } = &audit;
    if context.global.json {
        let mut body = json!(audit);
        (body["schema"], body["holds"]) = (json!(1), json!(broken.is_empty()));
        output::write_json(&body);
    } else if broken.is_empty() {
        output::write_line(&format!(
            "all holds: {rows} journal rows, {missions} missions, {landings} landings, {pins} pins checked"
        ));
    } else {
        for what in broken {
            output::write_line(&sanitize(what));
        }
    }
    exit_code(broken.len())
}
