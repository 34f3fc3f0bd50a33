//! Whether it is the fence that keeps a verification from passing, and what of `[sandbox] readable` helps.

use crate::adapters::host::local::machine::fenced::Fenced;
use crate::config::Settings;
use crate::config::settings::SandboxMode;
use crate::domain::detect::checks::Check;
use crate::domain::fence::SOCKETS;
use crate::domain::trouble::chain;
use crate::domain::values::Tip;
use crate::domain::verify::StageOutcome;
use crate::engine::context::project::Project;
use crate::engine::setup::scratch::{Scratch, ScratchResult};
use std::path::Path;
use tokio::sync::watch;

/// More than these are not tried one by one: each costs a verification.
const TRIED: usize = 8;

/// How bad a base is: nothing is known of it, or so many stages and tests fail.
pub(super) type Score = (bool, usize, u64);

/// Of what one look at a base gave.
pub(super) fn score_base(looked: Option<&ScratchResult>) -> Score {
    let Some(looked) = looked else { return (true, 0, 0) };
    let failing = looked.snapshot.stages.iter().filter(|stage| stage.effective_outcome() != StageOutcome::Passed);
    (false, failing.count(), looked.summary.failed)
}

/// Tries a base that came out as `inside` without a fence, and says so when that is better; then looks for what helps.
pub(super) async fn check_without_fence(
    (project, settings, target): (&Project, &Settings, &Tip),
    inside: Score,
    fenced: &Fenced,
    kill: &watch::Receiver<bool>,
    checks: &mut Vec<Check>,
) -> Result<(), String> {
    if inside == (false, 0, 0) || !fenced.is_active() || *kill.borrow() {
        return Ok(());
    }
    let tried = async |change: &dyn Fn(&mut Settings)| -> Result<Score, String> {
        let mut settings = settings.clone();
        change(&mut settings);
        let scratch = Scratch::make(project, &settings).await.map_err(|e| chain(&e))?;
        let looked = scratch.verify(target, None, kill.clone()).await;
        scratch.remove().map_err(|e| chain(&e))?;
        Ok(score_base(looked.as_ref().ok()))
    };
    let outside = tried(&|settings| settings.sandbox.mode = SandboxMode::Off).await?;
    if outside >= inside {
        return Ok(());
    }
    let home = project.env.home();
    let there = |name: &str| match name.strip_prefix("~/") {
        Some(rest) => home.is_some_and(|home| home.join(rest).exists()),
        None => Path::new(name).exists(),
    };
    let kept = settings.sandbox.hidden.iter().map(String::as_str).chain(SOCKETS.iter().copied());
    let kept: Vec<&str> = kept.filter(|name| there(name)).collect();
    let with = async |names: &[&str]| -> Result<bool, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(tried(&|settings| settings.sandbox.readable.extend(names.clone())).await? <= outside)
    };
    let mut helps = Vec::new();
    if !kept.is_empty() && with(&kept).await? {
        helps = kept.clone();
        for name in kept.iter().take(TRIED) {
            if with(&[name]).await? {
                helps = vec![*name];
                break;
            }
        }
    }
    let found = "it passes, or more of it does, without the fence around runs";
    let names: Vec<String> = helps.iter().map(|name| format!("\"{name}\"")).collect();
    let help = match helps.is_empty() {
        false => format!("[sandbox] readable = [{}] helps: it is hidden from runs otherwise", names.join(", ")),
        true => "no hidden file is the reason: name what it writes outside of its workspace in [sandbox] shared, and where it reads \
                 files of /tmp, name those in readable; docs/security.md lists what runs reach"
            .to_owned(),
    };
    checks.push(Check::problem("fence", found, help));
    Ok(())
}
