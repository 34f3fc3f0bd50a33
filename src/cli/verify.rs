//! `mc verify`: the gate for one commit, for CI jobs and people.

use super::args::{Verify, VerifyFormat};
use super::error::CliError;
use super::{Context, output};
use crate::engine::run::policy_source;
use crate::engine::run::verify::{self as gate, VerifyOptions};
use crate::report::text::plain;
use crate::report::{github, junit, verify as reports, verify_json};

/// The exit code of a verification that does not pass.
const DOES_NOT_PASS: u8 = 4;
/// The exit code of one that was told to end.
const INTERRUPTED: u8 = 130;

pub(super) async fn verify(context: &Context, args: Verify) -> Result<u8, CliError> {
    if context.global.json && matches!(args.format, VerifyFormat::Junit | VerifyFormat::Github) {
        return Err(CliError::usage(
            "--json and --format name two forms of one answer",
            "leave --json out, or write --format json; for both forms call it twice: the second call takes the stored result",
        ));
    }
    let court = policy_source::court(&context.place(), args.rev.as_deref(), args.base.as_deref()).await?;
    let project = &court.project;
    super::mission::warn(project)?;
    let options = VerifyOptions { rev: args.rev, base: args.base, fresh: args.fresh };
    let say = |text: &str| {
        if !context.global.quiet {
            output::note(&plain(text));
        }
    };
    let Some(verified) = gate::judged(&court, &options, &say).await? else {
        output::note("interrupted: everything that ran was ended, and nothing is known of the commit");
        return Ok(INTERRUPTED);
    };
    match args.format {
        VerifyFormat::Text if !context.global.json => {
            output::put(&reports::text(&verified, context.global.quiet));
        }
        VerifyFormat::Text | VerifyFormat::Json => {
            output::json(&verify_json::json(&verified));
        }
        VerifyFormat::Junit => {
            output::put(&junit::junit(&verified));
            for note in verified.stored_notes() {
                output::note(&format!("note: {note}"));
            }
            output::note(&verified.headline());
        }
        VerifyFormat::Github => {
            output::put(&github::github(&verified, &gate::token()));
            gate::summarise(project, &github::summary(&verified))?;
        }
    }
    Ok(if verified.passes() { 0 } else { DOES_NOT_PASS })
}
