//! `mc doctor --baseline` and `--gate`: the verification on the untouched base, and whether it notices planted faults. Everything
//! happens in a scratch clone; the verdict is that of the merge queue.

use super::outside;
use crate::adapters::host::local::workspace::left_out::join_names;
use crate::config::Settings;
use crate::domain::base::text::first_chars;
use crate::domain::detect::build::programs;
use crate::domain::detect::checks::Check;
use crate::domain::detect::faults::{
    Candidates, Fault, GARBAGE, find_candidates, holds_test, is_test, reported_files, sources_broken,
};
use crate::domain::trouble::chain;
use crate::domain::values::Tip;
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::{Snapshot, StageOutcome, StageResult};
use crate::engine::context::project::Project;
use crate::engine::setup::scratch::{Scratch, ScratchResult, demands, judge_as_base, modes};
use std::collections::BTreeSet;
use std::ffi::OsString;
use tokio::sync::watch;

/// Lines of its output that are told of a stage.
const TOLD: usize = 12;

/// Test files that are read for the names of tests.
const FILES_READ: usize = 200;

/// Verifies the base, and with `plant` every planted fault; whether a fault went through.
pub async fn try_gate(
    project: &Project,
    settings: &Settings,
    target: &Tip,
    plant: bool,
    kill: watch::Receiver<bool>,
    checks: &mut Vec<Check>,
) -> bool {
    let tried = async {
        let scratch = Scratch::make(project, settings).await.map_err(|e| chain(&e))?;
        let fenced = scratch.context.local.probe().await.map(|host| host.fenced);
        let mut inside = outside::score_base(None);
        let let_through = run_trials(&scratch, settings, target, plant, kill.clone(), checks, &mut inside).await;
        scratch.remove().map_err(|e| chain(&e))?;
        outside::check_without_fence(
            (project, settings, target),
            inside,
            &fenced.map_err(|e| e.to_string())?,
            &kill,
            checks,
        )
        .await?;
        let_through
    };
    tried.await.unwrap_or_else(|why: String| {
        checks.push(Check::problem("baseline", why, "mend what the message names, then try again"));
        false
    })
}

async fn run_trials(
    scratch: &Scratch,
    settings: &Settings,
    target: &Tip,
    plant: bool,
    kill: watch::Receiver<bool>,
    checks: &mut Vec<Check>,
    inside: &mut outside::Score,
) -> Result<bool, String> {
    let base = scratch.verify(target, None, kill.clone()).await?;
    *inside = outside::score_base(Some(&base));
    if settings.target.setup.is_some() {
        let strays = scratch.list_strays().await?;
        let (left, changed) = (strays.unignored, strays.changed);
        if !left.is_empty() {
            let names = join_names(left.iter().map(OsString::as_os_str));
            let found = format!("setup and verification leave files that git does not ignore: {names}");
            let help = "name them in .gitignore; what setup leaves is left out of the work of units, what a unit's own run of the \
                        verification leaves is not";
            checks.push(Check::warning("baseline", found, help));
        }
        if !changed.is_empty() {
            let names = join_names(changed.iter().map(OsString::as_os_str));
            let found = format!("setup changes files that git tracks: {names}");
            let help = "commit what they become, or let setup leave them alone (`npm ci` and `--locked` do): what it changes is left \
                        out of the work of units that do not change it as well";
            checks.push(Check::warning("baseline", found, help));
        }
    }
    let mut let_through = false;
    if check_baseline(settings, &base, checks) && plant {
        let tree = modes(&scratch.git, target.commit.as_str()).await.map_err(|e| chain(&e))?.into_keys().collect();
        let trial = Trial { settings, scratch, target, base: &base, kill };
        let files = find_test_files(&trial, &tree).await?;
        if files.paths.is_empty() {
            let help = "test files are told by their names (test_x, x_test, x.spec, tests/x)";
            checks.push(Check::warning("gate", "no test file was found; only the sources are broken", help));
        }
        let_through |= !trial.try_test_files(&files, checks).await?;
        match sources_broken(&tree) {
            Some(fault) => let_through |= !trial.try_fault(&fault, checks).await?,
            None => {
                let help = "what is committed is what a mission works on";
                checks.push(Check::problem("gate", "the repository has no file a fault could be planted in", help));
            }
        }
    }
    Ok(let_through)
}

/// The test files to try: one whose tests are in the results of the base, if that can be told.
async fn find_test_files(trial: &Trial<'_>, tree: &BTreeSet<String>) -> Result<Candidates, String> {
    let tests = || trial.base.snapshot.stages.iter().filter_map(|stage| stage.tests.as_ref()).flat_map(|t| &t.tests);
    let named = find_candidates(tree, &reported_files(tree, tests()));
    if named.sure || tests().next().is_none() {
        return Ok(named);
    }
    for path in tree.iter().filter(|path| is_test(path)).take(FILES_READ) {
        let text = trial.scratch.git.read_file(&trial.target.commit, path).await.map_err(|e| chain(&e))?;
        if text.is_some_and(|text| holds_test(&String::from_utf8_lossy(&text), tests())) {
            return Ok(find_candidates(tree, std::slice::from_ref(path)));
        }
    }
    Ok(named)
}

/// Says how the base came out; whether a mission could work on it.
fn check_baseline(settings: &Settings, base: &ScratchResult, checks: &mut Vec<Check>) -> bool {
    for told in base.snapshot.stages.iter().filter_map(StageResult::exit_only) {
        let help = "let it name its tests (pytest -v, cargo test, go test -v, jest --verbose, TAP, JUnit reports), and set its format";
        checks.push(Check::warning("baseline", told, help));
    }
    for empty in base.snapshot.stages.iter().filter_map(StageResult::no_test) {
        let help = "let it run tests: nothing is verified by a stage that runs none";
        checks.push(Check::warning("baseline", empty, help));
    }
    let stages = &settings.verification.stages;
    let run = |stage: &StageResult| stages.iter().find(|spec| spec.name == stage.name).map(|spec| spec.run.as_str());
    for told in base.snapshot.stages.iter().filter_map(|stage| programs(run(stage)?, stage)) {
        let help = "a test that is deleted inside of one goes unseen: with googletest `GTEST_OUTPUT=\"xml:$PWD/build/mc-gtest/\"` before \
                    ctest and `build/mc-gtest/*.xml` in `reports` tell them apart, else any JUnit XML the programs write";
        checks.push(Check::warning("baseline", told, help));
    }
    let summary = &base.summary;
    let judged = judge_as_base(&base.snapshot, settings);
    let counted = match summary.passed + summary.failed + summary.skipped {
        0 => "no test told apart".to_owned(),
        _ => format!("{} tests passed, {} failed, {} skipped", summary.passed, summary.failed, summary.skipped),
    };
    if !judged.lands {
        let help = "run the verification command in a fresh clone, mend it or the configuration, then start again";
        let failing: String = failing_stages(&base.snapshot).map(describe_failure).collect();
        let found = format!("the untouched base does not verify: {}\n{failing}", judged.reasons.join("; "));
        checks.push(Check::problem("baseline", found.trim_end(), help));
    } else if summary.failed > 0 || failing_stages(&base.snapshot).next().is_some() {
        let stages = failing_stages(&base.snapshot)
            .map(|stage| format!("{} ({})", stage.name, first_line(&stage.failure_reason())));
        let stages = stages.collect::<Vec<_>>().join(", ");
        let stays = "what fails already stays as it is, unrelated work lands";
        checks.push(Check::warning("baseline", format!("{counted}: {stays}; stages that fail: {stages}"), ""));
    } else {
        checks.push(Check::ok("baseline", format!("the verification passes on the untouched base ({counted})")));
    }
    judged.lands
}

fn failing_stages(snapshot: &Snapshot) -> impl Iterator<Item = &StageResult> {
    snapshot.stages.iter().filter(|stage| stage.effective_outcome() != StageOutcome::Passed)
}

/// A stage that fails: why, and the end of what it said itself.
fn describe_failure(stage: &StageResult) -> String {
    let lines: Vec<&str> = stage.head_tail.lines().filter(|line| !line.trim().is_empty()).collect();
    let said: String = lines[lines.len().saturating_sub(TOLD)..].iter().map(|line| format!("  | {line}\n")).collect();
    format!("stage {}: {}\n{said}", stage.name, first_line(&stage.failure_reason()))
}

/// What faults are planted in.
struct Trial<'a> {
    settings: &'a Settings,
    scratch: &'a Scratch,
    target: &'a Tip,
    base: &'a ScratchResult,
    kill: watch::Receiver<bool>,
}

impl Trial<'_> {
    /// Deletes and breaks a test file; whether both were refused. One that nothing is known of may be left out here, so that
    /// only several together say something.
    async fn try_test_files(&self, files: &Candidates, checks: &mut Vec<Check>) -> Result<bool, String> {
        let mut unseen = Vec::new();
        for path in &files.paths {
            let fault = Fault::Deleted(path.clone());
            let (refused, why) = self.verify_fault(&fault).await?;
            if !refused {
                unseen.push(path.clone());
                continue;
            }
            checks.push(refused_fault_check(&fault, &why));
            if !unseen.is_empty() {
                let found = format!("goes unseen: the test file {} deleted", unseen.join(", "));
                let help = "nothing of it is in the results of the base: it is left out here (a build tag, a marker, another machine), \
                            or no stage runs it";
                checks.push(Check::warning("gate", found, help));
            }
            return self.try_fault(&Fault::Broken(path.clone()), checks).await;
        }
        let Some(first) = unseen.first() else { return Ok(true) };
        checks.push(lets_through(&Fault::Deleted(first.clone())));
        self.try_fault(&Fault::Broken(first.clone()), checks).await?;
        Ok(false)
    }

    /// Plants a fault and says what came of it; whether it was refused.
    async fn try_fault(&self, fault: &Fault, checks: &mut Vec<Check>) -> Result<bool, String> {
        let (refused, why) = self.verify_fault(fault).await?;
        checks.push(if refused { refused_fault_check(fault, &why) } else { lets_through(fault) });
        Ok(refused)
    }

    /// Whether a fault is refused, and why.
    async fn verify_fault(&self, fault: &Fault) -> Result<(bool, String), String> {
        let tip = commit_fault(self.scratch, self.target, fault).await?;
        match self.scratch.verify(&tip, Some(&self.base.key), self.kill.clone()).await {
            Err(_) if *self.kill.borrow() => Err("stopped".to_owned()),
            // A mission would try it again and then end; it would not land.
            Err(why) => Ok((true, why)),
            Ok(after) => {
                let delta = after.delta.unwrap_or_default();
                let judged = judge(&self.base.summary, &after.summary, &delta, &demands(self.settings));
                Ok((!judged.lands, judged.reasons.first().cloned().unwrap_or_default()))
            }
        }
    }
}

fn refused_fault_check(fault: &Fault, why: &str) -> Check {
    Check::ok("gate", format!("refuses {} ({})", fault.words(), first_line(why)))
}

fn lets_through(fault: &Fault) -> Check {
    Check::problem("gate", format!("lets through: {}", fault.words()), fault.describe_miss())
}

fn first_line(text: &str) -> &str {
    first_chars(text.lines().next().unwrap_or_default(), 160)
}

/// Commits a fault on top of the target, in the scratch clone.
async fn commit_fault(scratch: &Scratch, target: &Tip, fault: &Fault) -> Result<Tip, String> {
    let (gone, filled): (&[String], &[String]) = match fault {
        Fault::Deleted(path) => (std::slice::from_ref(path), &[]),
        Fault::Broken(path) => (&[], std::slice::from_ref(path)),
        Fault::AllBroken(paths) => (&[], paths),
    };
    scratch.commit_altered(target, gone, filled, GARBAGE, &fault.words()).await.map_err(|e| chain(&e))
}
