//! `mc doctor`: what stands in the way of a mission.

use super::args::Doctor;
use super::error::CliError;
use super::{Context, output};
use crate::engine::setup::doctor::{Trials, run_checks};
use crate::engine::setup::scratch::run_interruptible;
use crate::report::doctor::{json, text};

pub(super) async fn doctor(context: &Context, wanted: &Doctor) -> Result<u8, CliError> {
    let trials = Trials { baseline: wanted.baseline, agent: wanted.agent, gate: wanted.gate };
    let place = context.place();
    if wanted.agent && !context.global.json {
        output::write_note("note: the agent is started once with a trivial brief, which may cost money");
    }
    let (examined, stopped) = run_interruptible(|kill| run_checks(&place, trials, kill)).await?;
    let examined = examined?;
    if context.global.json {
        output::write_json(&json(&examined.checks, wanted.gate.then_some(examined.let_through)));
    } else {
        let mut shown = examined.checks.clone();
        shown.retain(|check| !context.global.quiet || !check.help.is_empty());
        output::write_text(&text(&shown));
    }
    Ok(if stopped { 130 } else { examined.exit_code() })
}
