//! `mc hosts check|clean`: what connects to hosts.

use super::args::{Check, Clean};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::write_text;
use crate::engine::setup::hosts as setup;
use crate::engine::setup::scratch::run_until_signal;
use crate::engine::upkeep::hosts as upkeep;
use crate::report::hosts_check as report;
use std::time::Duration;

/// The exit code where a host cannot be used, or not be cleaned.
const NOT_USABLE: u8 = 6;

/// The exit code where somebody ended it.
const INTERRUPTED: u8 = 130;

pub async fn check(context: &Context, wanted: &Check) -> Result<u8, CliError> {
    let project = context.project().await?;
    let hosts = setup::choose_hosts(&project, &wanted.hosts)?;
    let checked = setup::check_hosts(&project, hosts, Duration::from_secs(wanted.timeout));
    let Some(checks) = run_until_signal(checked).await? else { return Ok(INTERRUPTED) };
    let checks = checks?;
    context.show(|| report::check_json(&checks), || write_text(&report::check_text(&checks)))?;
    Ok(if checks.iter().all(report::HostCheck::is_usable) { 0 } else { NOT_USABLE })
}

pub async fn clean(context: &Context, wanted: &Clean) -> Result<u8, CliError> {
    let project = context.project().await?;
    let hosts = setup::choose_hosts(&project, &wanted.hosts)?;
    let cleaned = run_until_signal(upkeep::clean_hosts(&project, hosts, wanted.dry_run)).await?;
    let Some(cleaned) = cleaned else { return Ok(INTERRUPTED) };
    let cleaned = cleaned?;
    let text = || write_text(&report::clean_text(&cleaned, wanted.dry_run));
    context.show(|| report::clean_json(&cleaned, wanted.dry_run), text)?;
    Ok(if cleaned.iter().all(report::HostCleaning::is_clean) { 0 } else { NOT_USABLE })
}
