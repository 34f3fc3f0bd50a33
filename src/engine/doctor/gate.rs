//! `mc doctor --baseline` and `--gate`: the verification on the untouched base, and whether it notices planted faults. Everything
//! happens in a scratch clone; the verdict is that of the merge queue.

use super::super::init::paths;
use super::super::scratch::{Looked, Scratch, as_base, demands};
use super::super::site::Site;
use super::chain;
use crate::adapters::workspace::left_out::named;
use crate::config::Settings;
use crate::domain::survey::checks::Check;
use crate::domain::survey::faults::{Fault, GARBAGE, faults, reported};
use crate::domain::values::Tip;
use crate::domain::verify::formats::Format;
use crate::domain::verify::key::StageKind;
use crate::domain::verify::verdict::judge;
use std::ffi::OsString;
use tokio::sync::watch;

/// Verifies the base, and with `plant` every planted fault; whether a fault went through.
pub async fn run(
    site: &Site,
    settings: &Settings,
    target: &Tip,
    plant: bool,
    kill: watch::Receiver<bool>,
    checks: &mut Vec<Check>,
) -> bool {
    match tried(site, settings, target, plant, kill, checks).await {
        Ok(let_through) => let_through,
        Err(why) => {
            checks.push(Check::problem("baseline", why, "mend what the message names, then try again"));
            false
        }
    }
}

async fn tried(
    site: &Site,
    settings: &Settings,
    target: &Tip,
    plant: bool,
    kill: watch::Receiver<bool>,
    checks: &mut Vec<Check>,
) -> Result<bool, String> {
    let scratch = Scratch::make(&site.facts, &site.state, &site.env, settings).await.map_err(|e| chain(&e))?;
    let let_through = in_scratch(&scratch, settings, target, plant, kill, checks).await;
    scratch.remove().map_err(|e| chain(&e))?;
    let_through
}

async fn in_scratch(
    scratch: &Scratch,
    settings: &Settings,
    target: &Tip,
    plant: bool,
    kill: watch::Receiver<bool>,
    checks: &mut Vec<Check>,
) -> Result<bool, String> {
    let base = scratch.verify(target, None, kill.clone()).await?;
    if settings.target.setup.is_some() {
        let left = scratch.unignored().await.map_err(|e| chain(&e))?;
        if !left.is_empty() {
            let names = named(left.iter().map(OsString::as_os_str));
            let found = format!("setup and verification leave files that git does not ignore: {names}");
            let help = "name them in .gitignore; what setup leaves is left out of the work of units, what a unit's own run of the \
                        verification leaves is not";
            checks.push(Check::warning("baseline", found, help));
        }
        let changed = scratch.changed().await.map_err(|e| chain(&e))?;
        if !changed.is_empty() {
            let names = named(changed.iter().map(OsString::as_os_str));
            let found = format!("setup changes files that git tracks: {names}");
            let help = "commit what they become, or let setup leave them alone (`npm ci` and `--locked` do): what it changes is left \
                        out of the work of units that do not change it as well";
            checks.push(Check::warning("baseline", found, help));
        }
    }
    let mut let_through = false;
    if baseline(settings, &base, checks) && plant {
        let tree = paths(&scratch.git, &target.commit).await.map_err(|e| chain(&e))?;
        let tests = base.snapshot.stages.iter().filter_map(|stage| stage.tests.as_ref()).flat_map(|t| &t.tests);
        let planted = faults(&tree, &reported(&tree, tests));
        if planted.is_empty() {
            let help = "commit something first: there is nothing a fault could be planted in";
            checks.push(Check::problem("gate", "no file a fault could be planted in", help));
        }
        if !planted.iter().any(|fault| matches!(fault, Fault::Deleted(_))) {
            let help = "test files are told by their names (test_x, x_test, x.spec, tests/x)";
            checks.push(Check::warning("gate", "no test file was found; only the sources are broken", help));
        }
        for fault in planted {
            let_through |= !noticed(settings, scratch, target, &base, fault, kill.clone(), checks).await?;
        }
    }
    Ok(let_through)
}

/// Says how the base came out; whether a mission could work on it.
fn baseline(settings: &Settings, base: &Looked, checks: &mut Vec<Check>) -> bool {
    for stage in &base.snapshot.stages {
        let exit_only = stage.format.is_none_or(|format| format == Format::Exit);
        if exit_only && stage.kind == StageKind::Tests && stage.tests.is_none() {
            checks.push(Check::warning(
                "baseline",
                format!("stage {} tells its exit code only: tests that disappear or are skipped go unseen", stage.name),
                "let it name its tests (pytest -v, cargo test, go test -v, jest --verbose, TAP, JUnit reports), and set its format",
            ));
        }
    }
    let summary = &base.summary;
    let judged = as_base(&base.snapshot, settings);
    let counted = match summary.passed + summary.failed + summary.skipped {
        0 => "no test told apart".to_owned(),
        _ => format!("{} tests passed, {} failed, {} skipped", summary.passed, summary.failed, summary.skipped),
    };
    if !judged.lands {
        let help = "run the verification command in a fresh clone, mend it or the configuration, then start again";
        let found = format!("the untouched base does not verify: {}\n{}", judged.evidence(), summary.note);
        checks.push(Check::problem("baseline", found.trim_end(), help));
    } else if summary.failed > 0 {
        checks.push(Check::warning(
            "baseline",
            format!("{counted}: tests that fail already stay as they are, unrelated work lands"),
            "",
        ));
    } else {
        checks.push(Check::ok("baseline", format!("the verification passes on the untouched base ({counted})")));
    }
    judged.lands
}

async fn noticed(
    settings: &Settings,
    scratch: &Scratch,
    target: &Tip,
    base: &Looked,
    fault: Fault,
    kill: watch::Receiver<bool>,
    checks: &mut Vec<Check>,
) -> Result<bool, String> {
    let tip = planted(scratch, target, &fault).await?;
    let (refused, why) = match scratch.verify(&tip, Some(&base.key), kill.clone()).await {
        Err(_) if *kill.borrow() => return Err("stopped".to_owned()),
        // A mission would try it again and then end; it would not land.
        Err(why) => (true, why),
        Ok(after) => {
            let delta = after.delta.unwrap_or_default();
            let judged = judge(&base.summary, &after.summary, &delta, &demands(settings));
            (!judged.lands, judged.reasons.first().cloned().unwrap_or_default())
        }
    };
    checks.push(match refused {
        true => Check::ok("gate", format!("refuses {} ({})", fault.words(), first_line(&why))),
        false => Check::problem("gate", format!("lets through: {}", fault.words()), fault.blame()),
    });
    Ok(refused)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(160).collect()
}

/// Commits a fault on top of the target, in the scratch clone.
async fn planted(scratch: &Scratch, target: &Tip, fault: &Fault) -> Result<Tip, String> {
    let (gone, filled): (&[String], &[String]) = match fault {
        Fault::Deleted(path) => (std::slice::from_ref(path), &[]),
        Fault::Broken(path) => (&[], std::slice::from_ref(path)),
        Fault::AllBroken(paths) => (&[], paths),
    };
    scratch.altered(target, gone, filled, GARBAGE, &fault.words()).await.map_err(|e| chain(&e))
}
