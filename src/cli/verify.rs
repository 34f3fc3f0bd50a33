//! `mc verify`: the gate for one commit, for CI jobs and people.

use super::args::{Verify, VerifyFormat};
use super::error::CliError;
use super::{Context, output};
use crate::engine::run::policy_source;
use crate::engine::run::verify::{self as gate, VerifyOptions};
use crate::report::{github, junit, sanitize, verify as reports, verify_json};

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
    let court =
        policy_source::find_settings_source(&context.place(), args.rev.as_deref(), args.base.as_deref()).await?;
    let project = &court.project;
    super::mission::print_warnings(project)?;
    let options = VerifyOptions { rev: args.rev, base: args.base, fresh: args.fresh };
    let say = |text: &str| {
        if !context.global.quiet {
            output::write_note(&sanitize(text));
        }
    };
    let Some(verified) = gate::verify_with_policy(&court, &options, &say).await? else {
        output::write_note("interrupted: everything that ran was ended, and nothing is known of the commit");
        return Ok(INTERRUPTED);
    };
    match args.format {
        VerifyFormat::Text if !context.global.json => {
            output::write_text(&reports::text(&verified, context.global.quiet));
        }
        VerifyFormat::Text | VerifyFormat::Json => {
            output::write_json(&verify_json::json(&verified));
        }
        VerifyFormat::Junit => {
            output::write_text(&junit::render(&verified));
            for note in verified.stored_notes() {
                output::write_note(&format!("note: {note}"));
            }
            output::write_note(&verified.headline());
        }
        VerifyFormat::Github => {
            output::write_text(&github::render(&verified, &gate::new_token()));
            gate::write_job_summary(project, &github::render_summary(&verified))?;
        }
    }
    Ok(if verified.passes_gate() { 0 } else { DOES_NOT_PASS })
}
