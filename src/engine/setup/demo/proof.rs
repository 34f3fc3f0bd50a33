//! What the mission left, looked at again: every landed commit tested in a scratch clone, processes, the user's branch.

use super::checks::{Expectation, Facts, Merged, Suite, check_expectations};
use super::stage::{self, Demo, find_resume, read_footprint};
use super::story::{OLD_CALLER, SAME_LINE, VERIFY};
use crate::adapters::git::{Git, GitError};
use crate::adapters::host::local::demo::belonging_to;
use crate::adapters::host::local::process::command::{ChildGuard, Output};
use crate::domain::mission::{AttemptClass, MergeSource, Record, RejectClass};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::History;
use crate::report::words::word;

/// The outcome of the demo.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was expected and whether it held.
    pub expectations: Vec<Expectation>,
    /// Verification runs of the mission.
    pub runs: u64,
    /// Landings.
    pub landings: u64,
    /// Attempts started.
    pub attempts: u64,
    /// Attempts taken over by the second engine.
    pub adopted: u64,
}

impl Report {
    /// Whether everything held.
    pub fn all_hold(&self) -> bool {
        self.expectations.iter().all(|e| e.holds)
    }
}

/// Examines what the mission left, without relying on what it says about itself.
///
/// # Errors
/// [`EngineError`] when something cannot be examined at all.
pub async fn examine_demo(demo: &Demo, report: i32, audit: i32) -> Result<Report, EngineError> {
    let history = demo.history()?;
    let mut facts = read_facts(&history);
    facts.report = report;
    facts.audit = audit;
    facts.seen = demo.seen.clone();
    facts.marks = demo.read_lines("starts");
    let after = read_footprint(&demo.again).await?;
    let changed = demo.before.iter().filter(|(name, text)| after.get(*name) != Some(text));
    facts.touched = changed.map(|(name, _)| name.clone()).collect();
    test_landed(demo, &history, &mut facts).await?;
    facts.tampered = demo.tampered.clone();
    facts.left = belonging_to(demo.path());
    let attempts = history.state.units.iter().map(|u| u.attempts.len() as u64).sum();
    Ok(Report {
        expectations: check_expectations(&facts),
        runs: history.state.verifications_run,
        landings: facts.landed.len() as u64,
        attempts,
        adopted: facts.adopted.len() as u64,
    })
}

fn read_facts(history: &History) -> Facts {
    let mut facts = Facts::default();
    for unit in &history.state.units {
        let id = unit.spec.id.to_string();
        facts.ends.insert(id.clone(), (unit.state, unit.reason.clone()));
        // What met infrastructure may or may not have come to run its agent; the number is not used again.
        let unsure = [AttemptClass::NeverStarted, AttemptClass::Infrastructure];
        let began = |class: Option<AttemptClass>| class.is_some_and(|class| !unsure.contains(&class));
        facts.attempts.extend(unit.attempts.iter().map(|a| (format!("{id} {}", a.n), began(a.class))));
        facts.proofs.extend(unit.attempts.iter().map(|a| a.proof().to_owned()).filter(|p| !p.is_empty()));
    }
    let takeover = find_resume(history).unwrap_or(history.records.len());
    let mut open: Vec<String> = Vec::new();
    for (at, (_, _, record)) in history.records.iter().enumerate() {
        match record {
            Record::SessionStarted { unit, n, .. } if at < takeover => open.push(format!("{unit} {n}")),
            Record::AttemptJudged { unit, n, class, .. } => {
                let name = format!("{unit} {n}");
                let taken_over = at > takeover && open.contains(&name);
                open.retain(|o| *o != name);
                let lost = matches!(class, AttemptClass::NeverStarted | AttemptClass::Infrastructure);
                if taken_over && !lost {
                    facts.adopted.push(name);
                }
            }
            Record::Landed { source: MergeSource::Unit { unit, .. }, candidate, .. } => {
                facts.landed.push((unit.to_string(), candidate.commit.to_string()));
            }
            Record::Landed { source: MergeSource::Bookkeeping { .. }, candidate, .. } => {
                facts.bookkeeping.push(candidate.commit.to_string());
            }
            Record::Rejected { source: MergeSource::Unit { unit, .. }, class, reasons, .. } => {
                let reason = reasons.first().cloned().unwrap_or_default();
                facts.rejections.push((unit.to_string(), word(class), reason));
                if *class == RejectClass::Conflict {
                    facts.conflicts.push(unit.to_string());
                }
            }
            Record::Verified { summary, delta, .. } => {
                facts.flaky.extend(summary.flaky.iter().cloned());
                facts.red.extend(delta.iter().flat_map(|delta| delta.still_failing.iter().cloned()));
            }
            _ => {}
        }
    }
    for names in [&mut facts.flaky, &mut facts.red] {
        names.sort_unstable();
        names.dedup();
    }
    facts
}

/// Tests every landed commit in a fresh clone, and what plain git would have made of the rejected caller.
async fn test_landed(demo: &Demo, history: &History, facts: &mut Facts) -> Result<(), EngineError> {
    let clone = demo.path().join("scratch");
    let shell =
        async |line: String| Ok::<Output, EngineError>(demo.again.shell(&clone, &line).await.map_err(GitError::from)?);
    let source = "git clone -q --no-local till scratch && cd scratch && git fetch -q origin 'refs/mc/attempts/*:refs/attempts/*'";
    stage::shell(&demo.again, demo.path(), "clone the repository", source).await?;
    let git = Git::in_folder(demo.repository(), ChildGuard::none());
    if let Some(green) = git.resolve("refs/heads/mc/green").await? {
        let first_parents = shell(format!("git rev-list --reverse --first-parent main..{}", green.commit)).await?;
        let listed = String::from_utf8_lossy(&first_parents.stdout);
        facts.on_green = listed.lines().map(str::to_owned).collect();
        for (unit, commit) in git.landed_units(&green.commit).await? {
            facts.trailers.push((unit.to_string(), commit.to_string()));
        }
        for commit in &facts.on_green {
            let output = shell(format!("git checkout -q --detach {commit} && {{ {VERIFY}; }}")).await?;
            facts.suites.push(parse_suite(&output));
        }
        let at = format!("git checkout -q --detach {}", green.commit);
        let line = shell(format!("{at} && . lib/features.sh && echo \"$features\"")).await?;
        let words = String::from_utf8_lossy(&line.stdout);
        facts.same_line = SAME_LINE.iter().all(|id| words.split_whitespace().any(|w| w == *id));
        let caller = history.state.units.iter().find(|unit| unit.spec.id.as_str() == OLD_CALLER);
        if let Some(attempt) = caller.and_then(|unit| unit.attempts.last()) {
            let head = format!("refs/attempts/{}/{OLD_CALLER}/{}", history.mission, attempt.n);
            let alone = shell(format!("git checkout -q --detach {head} && {VERIFY}")).await?;
            let merge = shell(format!("{at} && git merge -q --no-edit {head}")).await?;
            let together = shell(VERIFY.to_owned()).await?;
            facts.merged =
                Some(Merged { alone: parse_suite(&alone), clean: merge.success(), together: parse_suite(&together) });
        }
    }
    Ok(())
}

fn parse_suite(output: &Output) -> Suite {
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = text.lines().filter_map(|line| line.strip_prefix("not ok "));
    let name = |line: &str| line.split_once(" - ").map_or(line, |(_, name)| name).to_owned();
    Suite { passed: text.lines().filter(|line| line.starts_with("ok ")).count(), failed: failed.map(name).collect() }
}
