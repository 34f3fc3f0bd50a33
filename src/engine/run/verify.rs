//! `mc verify`: what the gate says of one commit, alone or against another one, without a mission.
//!
//! Promises: the same code as the merge queue's makes, compares and confirms snapshots; nothing of the repository is
//! changed, no lock of an engine is taken, and workspaces are a pool of their own, so that a mission may run beside it;
//! when it is told to end, everything it started has ended before it does. Stored snapshots are valid in any clone of the
//! repository, so the state directory may be carried from one CI job to the next.

use super::policy_source::{self, Against, SettingsSource};
use crate::adapters::git::filter::Filtered;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::{NotFresh, PoolKind, Ready, Release, RunKey, Untracked};
use crate::adapters::os::append::Appender;
use crate::adapters::os::clock;
use crate::adapters::store::{StateDir, Store, StoreError};
use crate::domain::base::text::name_first;
use crate::domain::mission::Unverified;
use crate::domain::trouble::chain;
use crate::domain::values::{CommitId, Millis, Tip};
use crate::domain::verify::judge::delta::compare_snapshots;
use crate::domain::verify::judge::history::{PastRun, RUNS_LIMIT, TestHistory, history};
use crate::domain::verify::judge::verdict;
use crate::domain::verify::model::key::StageSpec;
use crate::domain::verify::model::snapshot::{Snapshot, StageResult, Start};
use crate::domain::verify::{SnapshotKey, StageOutcome};
use crate::engine::context::{ExecutionContext, Project};
use crate::engine::error::EngineError;
use crate::engine::setup::scratch::{demands, run_interruptible};
use crate::engine::tasks::prepare::{self, Wanted};
use crate::engine::tasks::verification::{self, Examined, Extent, Question, SlotLease, gate_stages};
use crate::report::verify::{Base, Side, Verified};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What `mc verify` was asked.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// The revision; HEAD without.
    pub rev: Option<String>,
    /// What it is compared with.
    pub base: Option<String>,
    /// Run the stages although the tree was verified before, where nothing of earlier runs is left.
    pub fresh: bool,
}

/// Most slots of verifications that run at once.
const SLOTS: u32 = 64;

/// Of so many stored runs of a tree the output is named: a failure has two.
const NAMED_RUNS: usize = 2;

/// Most bytes of stored runs that are read for the history of tests.
const HISTORY_BYTES: usize = 256 << 20;

/// [`verify`] under the settings of a court, which are part of the answer.
///
/// # Errors
/// As [`verify`].
pub async fn verify_with_policy(
    court: &SettingsSource,
    options: &VerifyOptions,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Option<Verified>, EngineError> {
    let Some(verified) = verify(&court.project, options, say).await? else { return Ok(None) };
    let notes = [court.notes.clone(), verified.notes].concat();
    Ok(Some(Verified { rules: court.rules.clone(), notes, ..verified }))
}

/// Verifies; `None` when it was told to end before. `say` is told what is run, before it is.
///
/// # Errors
/// [`EngineError`]: nothing can be said of the commit.
pub async fn verify(
    project: &Project,
    options: &VerifyOptions,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Option<Verified>, EngineError> {
    let verified = run_interruptible(async |kill| {
        let settings = project.settings()?;
        project.state.create_shared()?;
        let store = Arc::new(Mutex::new(Store::open_shared(&project.state.db())?));
        let guard = ChildGuard::none();
        let source = project.source(guard.clone()).with_batch(&project.facts.common_dir);
        let execution = ExecutionContext::new(project, settings, (guard, source), store, PoolKind::Verifications, None);
        let job = Job { stages: gate_stages(&execution), execution: &execution, id: run_id(), kill, say };
        job.verify(options).await
    });
    let (done, told) = verified.await?;
    if told { Ok(None) } else { done.map(Some) }
}

/// Where the folders of verifications without a mission are.
pub fn verify_runs(state: &StateDir) -> PathBuf {
    RunKey::of_verifications().path_in(&state.runs())
}

/// A name that no other run of any machine has.
fn run_id() -> String {
    format!("v{}", &clock::new_cookie()[..12])
}

/// Files with output, by the name of their stage.
type Logs = Vec<(String, PathBuf)>;

/// One call of `mc verify`.
struct Job<'a> {
    execution: &'a ExecutionContext,
    stages: Vec<StageSpec>,
    id: String,
    kill: watch::Receiver<bool>,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Job<'_> {
    async fn verify(&self, options: &VerifyOptions) -> Result<Verified, EngineError> {
        let (source, settings) = (&self.execution.source, self.execution.settings());
        source.version().await?;
        let asked = options.rev.as_deref().unwrap_or("HEAD");
        let tip = self.resolve(asked).await?;
        let mut notes = Vec::from_iter(self.describe_uncommitted(&tip).await?);
        let against = match &options.base {
            None => None,
            Some(base) => {
                let (facts, named) = (&self.execution.facts, (base.as_str(), self.resolve(base).await?));
                let found = policy_source::resolve_base(source, facts, named, (asked, &tip)).await?;
                notes.extend(found.note.clone());
                Some(found)
            }
        };
        let mut kill = self.kill.clone();
        tokio::select! {
            fingerprint = self.execution.fingerprint(&self.execution.local) => drop(fingerprint?),
            _ = kill.wait_for(|told| *told) => return Err(run_error("killed".to_owned())),
        }
        let (confirm, demands) = (settings.queue.confirm_failures, demands(settings));
        let landed = match options.fresh {
            true => None,
            false => self.find_warm_base(against.as_ref().map(|against| &against.tip.commit), &tip.commit).await?,
        };
        let mut base = None;
        if let Some(Against { asked, tip, merge_base, .. }) = against {
            // What others are compared with is known from nothing.
            let mut side = self.verify_side(&asked, &tip, "base", options.fresh, None).await?;
            if confirm && needs_confirmation(&side.snapshot) {
                self.confirm_side(&mut side, "base-again").await?;
            }
            base = Some(Base { side, merge_base });
        }
        let mut after = self.verify_side(asked, &tip, "rev", options.fresh, landed.as_ref()).await?;
        if after.runs > 0 {
            let host = self.execution.local.probe().await?;
            notes.extend(host.shared_home);
            notes.extend(host.fenced.describe_gaps());
            notes.extend(host.imports.describe());
            notes.extend(host.imports.inactive_warning(&settings.verification.stages));
            let failed = after.snapshot.to_summary().outcome != StageOutcome::Passed;
            notes.extend(self.execution.describe_withheld(&settings.verification.env).filter(|_| failed));
        }
        let compare = |after: &Side, base: Option<&Base>| {
            base.map(|base| {
                let delta = compare_snapshots(&base.side.snapshot, &after.snapshot);
                let (before, after) = (base.side.snapshot.to_summary(), after.snapshot.to_summary());
                let judgement = verdict::judge(&before, &after, &delta, &demands);
                (delta, judgement)
            })
        };
        let mut compared = compare(&after, base.as_ref());
        let blamed = compared.as_ref().is_none_or(|(_, judgement)| !judgement.lands);
        if after.snapshot.start == Start::Warm
            && ((blamed && compared.is_some()) || needs_confirmation(&after.snapshot))
        {
            after = self.verify_cold(after, "rev-cold").await?;
            compared = compare(&after, base.as_ref());
        }
        let blamed = compared.as_ref().is_none_or(|(delta, judgement)| !judgement.lands || delta.breaks_tests());
        let by_chance = compared.as_ref().is_some_and(|(delta, _)| delta.by_chance(demands.ratchet));
        if confirm && blamed && (needs_confirmation(&after.snapshot) || (by_chance && !after.snapshot.confirmed)) {
            self.confirm_side(&mut after, "rev-again").await?;
            compared = compare(&after, base.as_ref());
        }
        let loses = compared.as_ref().is_some_and(|(delta, judgement)| !judgement.lands && delta.loses_tests());
        if let Some(base) = base.as_mut().filter(|base| confirm && loses && !base.side.snapshot.confirmed) {
            self.confirm_side(&mut base.side, "base-again").await?;
            compared = compare(&after, Some(base));
        }
        notes.extend(after.snapshot.stages.iter().filter_map(StageResult::no_test));
        let (delta, judgement) = compared.unzip();
        let history = self.read_history(&after)?;
        Ok(Verified { gate: demands.gate, after, base, delta, judgement, history, rules: None, notes })
    }

    async fn resolve(&self, rev: &str) -> Result<Tip, EngineError> {
        let found = self.execution.source.resolve(rev).await?;
        let hint = if self.execution.facts.shallow {
            "this clone is shallow: fetch it first (`git fetch origin BRANCH`), or clone with more history"
        } else {
            "give a branch, a tag or a commit; `git fetch` gets those of the remote"
        };
        found.ok_or_else(|| EngineError::usage(format!("`{rev}` names no commit of this repository"), hint.to_owned()))
    }

    /// That edits of tracked files are no part of what is verified.
    async fn describe_uncommitted(&self, tip: &Tip) -> Result<Option<String>, EngineError> {
        let source = &self.execution.source;
        let head = source.resolve("HEAD").await?;
        if self.execution.facts.bare || head.is_none_or(|head| head.commit != tip.commit) {
            return Ok(None);
        }
        let dirty = source.tracked_changes().await?;
        let left_out = !dirty.is_empty();
        Ok(left_out.then(|| format!("edits that are not committed are left out: {}", name_first(dirty, 5))))
    }

    /// What is known of one commit after at most one run.
    async fn verify_side(
        &self,
        asked: &str,
        tip: &Tip,
        name: &str,
        fresh: bool,
        landed: Option<&CommitId>,
    ) -> Result<Side, EngineError> {
        let stored = match fresh {
            true => self.find_stored_key(tip).await?,
            false => None,
        };
        self.verify_tip((asked, tip), name, "", stored.as_ref(), landed).await
    }

    /// The commit from whose runs files may be there when `tip` is verified: where green, or else the base, and it parted.
    async fn find_warm_base(&self, base: Option<&CommitId>, tip: &CommitId) -> Result<Option<CommitId>, EngineError> {
        if !self.execution.settings().keeps_files() {
            return Ok(None);
        }
        let source = &self.execution.source;
        let landed = match base {
            Some(base) => Some(base.clone()),
            None => {
                let green = format!("refs/heads/{}", self.execution.settings().green_branch);
                source.resolve(&green).await?.map(|green| green.commit)
            }
        };
        let Some(landed) = landed else { return Ok(None) };
        Ok(source.merge_base(&landed, tip).await?)
    }

    /// Runs the same tree without files of earlier runs, which decides in the place of a run with some.
    async fn verify_cold(&self, side: Side, name: &str) -> Result<Side, EngineError> {
        let how = " again, without files of earlier runs";
        let mut cold = self.verify_tip((&side.asked, &side.tip), name, how, None, None).await?;
        cold.runs += side.runs;
        Ok(cold)
    }

    /// The key of a snapshot that is known already, so that another run is joined with it and never takes its place.
    async fn find_stored_key(&self, tip: &Tip) -> Result<Option<SnapshotKey>, EngineError> {
        let (key, _) = verification::key(self.execution, &self.execution.local, &tip.tree, &self.stages)
            .await
            .map_err(run_error)?;
        let snapshot = self.execution.snapshot(&key).map_err(|e| run_error(chain(&e)))?;
        Ok(snapshot.filter(|s| s.to_summary().outcome != StageOutcome::NotRun).map(|_| key))
    }

    /// Runs the same tree once more and takes both runs together.
    async fn confirm_side(&self, side: &mut Side, name: &str) -> Result<(), EngineError> {
        let (subject, how) = ((side.asked.as_str(), &side.tip), " a second time, to be sure");
        let joined = self.verify_tip(subject, name, how, Some(&side.key), None).await?;
        side.logs.extend(joined.logs);
        side.snapshot = joined.snapshot;
        side.runs += 1;
        side.reused = false;
        side.stored = None;
        Ok(())
    }

    /// `how` is what is said of a run that is not the first one.
    async fn verify_tip(
        &self,
        (asked, tip): (&str, &Tip),
        name: &str,
        how: &str,
        confirms: Option<&SnapshotKey>,
        landed: Option<&CommitId>,
    ) -> Result<Side, EngineError> {
        let label = format!("{}-{name}", self.id);
        let user = RunKey::of_verifications().join(&label);
        let run = format!("verify-{label}");
        let (extent, stages) = (Extent::Narrowed, self.stages.as_slice());
        let on = &self.execution.local;
        let question = Question { on, tip, extent, stages, user: &user, run: &run, confirms, landed };
        let (_, Filtered { tree, removed }) =
            verification::key(self.execution, &self.execution.local, &tip.tree, &self.stages)
                .await
                .map_err(run_error)?;
        let lease = async |filtered: Filtered, landed: Option<CommitId>| {
            (self.say)(&format!("verifying {asked} at {}{how}", tip.commit.short_id()));
            let beside = &landed.map_or(Untracked::Nothing, Untracked::OfLanded);
            let (base, without) = (&tip.commit, Some(&filtered));
            let wanted = Wanted { slot: 0, user: &user, base, without, beside, session: false };
            self.lease(wanted, confirms.is_some()).await
        };
        let Examined { key, snapshot, reused } =
            match verification::verify_tree(self.execution, question, lease, self.kill.clone()).await {
                Ok(examined) => examined,
                Err(why) => {
                    self.give_back(user.as_str()).await;
                    return Err(run_error(why));
                }
            };
        let (stored, logs) = match reused {
            true => self.stored_runs(&key).map_err(|e| run_error(chain(&e)))?,
            false => (None, self.stage_logs(&user.path_in(&self.execution.state.runs()))),
        };
        Ok(Side {
            asked: asked.to_owned(),
            tip: tip.clone(),
            tree,
            removed: removed.len(),
            key,
            snapshot,
            reused,
            stored,
            runs: u32::from(!reused),
            logs,
        })
    }

    /// The files that keep the output of each stage of the run in a folder.
    fn stage_logs(&self, dir: &Path) -> Logs {
        let log = |nth: usize| dir.join(nth.to_string()).join("out.log");
        self.stages.iter().enumerate().map(|(nth, stage)| (stage.name.clone(), log(nth))).collect()
    }

    /// When a stored snapshot was made, and the output of its newest runs as far as it is still there.
    fn stored_runs(&self, key: &SnapshotKey) -> Result<(Option<Millis>, Logs), StoreError> {
        let store = self.execution.store();
        let made = store.snapshot_row(key)?.map(|(_, at, _)| at);
        let runs = self.execution.state.runs();
        let there = |run: &SnapshotKey| {
            let name = run.0.strip_prefix(&key.0)?.strip_prefix('/').filter(|name| !name.contains('/'))?;
            let dir = match name.strip_prefix("verify-") {
                Some(label) => verify_runs(&self.execution.state).join(label),
                None => name.rsplit_once('-').map(|(mission, run)| runs.join(mission).join(".verify").join(run))?,
            };
            let logs: Vec<_> = self.stage_logs(&dir).into_iter().filter(|(_, log)| log.is_file()).collect();
            (!logs.is_empty()).then_some(logs)
        };
        let kept: Vec<_> = store.list_kept_snapshots(key)?.iter().filter_map(there).collect();
        Ok((made, kept[kept.len().saturating_sub(NAMED_RUNS)..].concat()))
    }

    /// The first slot that nobody uses; confirming runs take slots that others do not, so that they start clean.
    async fn lease(&self, wanted: Wanted<'_>, confirming: bool) -> Result<SlotLease, Unverified> {
        let (on, mut slot) = (&self.execution.local, u32::from(confirming));
        while slot < SLOTS {
            let wanted = Wanted { slot, ..wanted };
            match prepare::prepare_fresh(self.execution, on, wanted, self.kill.clone()).await {
                Ok(Ready { workspace, warm, .. }) => return Ok(SlotLease { slot, workspace, adopted: false, warm }),
                Err(NotFresh::Dirty(old)) if on.discard(slot, &old).await? => {}
                Err(NotFresh::Dirty(_) | NotFresh::Busy) => slot += 2,
                Err(NotFresh::NotReady(not)) => return Err(prepare::describe_not_ready(self.execution, not)),
            }
        }
        Err("all workspaces for verifications are in use".to_owned().into())
    }

    /// Frees the slot that a verification which came to nothing had: nobody's work is in it.
    async fn give_back(&self, user: &str) {
        let host = &self.execution.local;
        for used in host.used_slots().await.unwrap_or_default() {
            if used.label == user
                && let Err(error) = host.release(used.slot, user, &Release::Verified(None)).await
            {
                tracing::warn!("release slot {}: {error}", used.slot);
            }
        }
    }

    /// How the tests that fail or are flaky did in stored runs, this one included.
    fn read_history(&self, side: &Side) -> Result<BTreeMap<String, TestHistory>, EngineError> {
        let wanted = side.snapshot.suspicious_tests();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let store = self.execution.store();
        let (mut runs, mut room) = (Vec::new(), HISTORY_BYTES);
        let mut flaky: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let read = |key: &SnapshotKey| -> Result<Option<(Snapshot, usize)>, EngineError> {
            let body = store.snapshot_get(key)?;
            // What cannot be read any more says nothing.
            Ok(body.and_then(|body| Some((serde_json::from_str(&body).ok()?, body.len()))))
        };
        for (key, at) in store.snapshot_runs(RUNS_LIMIT)? {
            let Some((snapshot, bytes)) = read(&key)? else { continue };
            room = room.saturating_sub(bytes);
            let whole = key.0.split('/').next().unwrap_or_default().to_owned();
            if !flaky.contains_key(&whole) {
                let joined = read(&SnapshotKey(whole.clone()))?;
                flaky.insert(whole.clone(), joined.map(|(joined, _)| joined.flaky).unwrap_or_default());
            }
            let flaky = flaky.get(&whole).cloned().unwrap_or_default();
            runs.push(PastRun { at, key: SnapshotKey(whole), snapshot, flaky });
            if room == 0 {
                break;
            }
        }
        Ok(history(&wanted, &side.key, runs))
    }
}

/// Whether a second run could still take something back.
fn needs_confirmation(snapshot: &Snapshot) -> bool {
    !snapshot.confirmed && snapshot.to_summary().outcome != StageOutcome::Passed
}

fn run_error(what: impl Into<String>) -> EngineError {
    EngineError::broken(format!("the verification could not run: {}", what.into()), "")
}

/// Adds text to the summary that GitHub shows of a job, where there is one.
///
/// # Errors
/// [`EngineError::Broken`] when the file it names cannot be written.
pub fn write_job_summary(project: &Project, text: &str) -> Result<(), EngineError> {
    let Some(path) = project.env.var("GITHUB_STEP_SUMMARY").map(PathBuf::from) else { return Ok(()) };
    let written = Appender::open(&path).and_then(|mut file| file.write_line(text));
    written.map_err(|e| {
        EngineError::broken(
            format!("write {}: {e}", path.display()),
            "unset GITHUB_STEP_SUMMARY, or let it name a file that can be written",
        )
    })
}

/// A word that nobody can guess, for output formats that need one.
pub fn new_token() -> String {
    clock::new_cookie()
}
