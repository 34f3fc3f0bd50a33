//! `mc green rollback`: a person takes green back to an earlier verified commit (P3).
//!
//! The order makes a kill between any two steps harmless: intent record, pin of the old tip, compare-and-swap, outcome
//! records, the one in the journal of the newest mission last, because it closes the intent. Whoever comes next, the same
//! command or a new mission, first settles an open intent by where green stands. Only without an unfinished mission: its
//! workspaces, queue and landing rest on what would go, and would bring it back.

use crate::adapters::git::{Git, GreenMove, move_green};
use crate::adapters::host::local::process::{ChildGuard, RunLock};
use crate::adapters::os::clock;
use crate::adapters::store::{Row, Store};
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::mission::{MergeSource, Record, Refusal};
use crate::domain::values::{CommitId, Millis, MissionId, Tip, UnitId};
use crate::domain::verify::{Snapshot, SnapshotKey, StageOutcome};
use crate::engine::context::{Act, Project, tenure};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::load_unfinished;
use crate::engine::inspect::{history, views};
use crate::engine::run::driver::entry;
use std::collections::{BTreeMap, BTreeSet};

/// Where the old tips of green are pinned.
const PINS: &str = "refs/mc/rolled-back";

/// Where the checkpoints are.
const CHECKPOINTS: &str = "refs/mc/checkpoints";

/// One commit of green's own line that it may go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The commit.
    pub tip: Tip,
    /// The mission in which it was accepted.
    pub mission: MissionId,
    /// The unit that landed with it; absent for a base, the target branch and bookkeeping.
    pub unit: Option<UnitId>,
    /// Checkpoints that name it, as `MISSION/ROUND`.
    pub checkpoints: Vec<String>,
}

/// A landing that a rollback takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its mission.
    pub mission: MissionId,
    /// Its unit; absent for the target branch and for bookkeeping.
    pub unit: Option<UnitId>,
    /// The round whose bookkeeping it is.
    pub bookkeeping: Option<u32>,
    /// Its commit.
    pub commit: CommitId,
}

/// What a rollback would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Where green stands.
    pub from: Tip,
    /// Where it goes.
    pub to: Stand,
    /// Landings taken back, newest first.
    pub goes: Vec<Gone>,
    /// The target branch, when it contains some of what goes: the next mission takes it in again.
    pub target_keeps: Option<String>,
    /// Why it cannot be done at this moment, if so.
    pub not_now: Option<Refusal>,
}

/// What the journals say of landings and rollbacks, oldest first.
#[derive(Debug, Default)]
struct LandingHistory {
    landings: Vec<Gone>,
    accepted: BTreeMap<CommitId, (MissionId, Option<UnitId>, SnapshotKey)>,
    newest: Option<MissionId>,
    /// The newest time of any row.
    at: Millis,
    /// The intent without an outcome, with the mission whose journal has it.
    open: Option<(MissionId, u64, CommitId, Tip)>,
    last: u64,
    closed: BTreeSet<(MissionId, u64)>,
}

impl LandingHistory {
    /// The time now, never before a row that is written already.
    fn now(&self) -> Millis {
        clock::now().max(self.at)
    }
}

fn read_journal(store: &Store) -> Result<LandingHistory, EngineError> {
    let mut told = LandingHistory::default();
    let (mut verified, mut intended) = (None, BTreeMap::new());
    let wanted = [
        "mission-started",
        "verified",
        "baseline-accepted",
        "land-intended",
        "landed",
        "rollback-intended",
        "rolled-back",
        "rollback-dropped",
    ];
    let mut row = |row: Row| -> Result<(), EngineError> {
        told.at = told.at.max(row.at);
        if !wanted.contains(&row.kind.as_str()) {
            return Ok(());
        }
        let mission = row.mission.clone();
        match history::read(&row)? {
            Record::MissionStarted { .. } => told.newest = Some(mission),
            Record::Verified { key, .. } => verified = Some(key),
            Record::BaselineAccepted { tip } => {
                if let Some(key) = verified.take() {
                    // The base of a later mission is still the landing it was.
                    told.accepted.entry(tip.commit).or_insert((mission, None, key));
                }
            }
            Record::LandIntended { candidate, key, .. } => drop(intended.insert(candidate.commit, key)),
            Record::Landed { source, candidate, .. } => {
                let bookkeeping = match source {
                    MergeSource::Bookkeeping { round } => Some(round),
                    MergeSource::Unit { .. } | MergeSource::Intake => None,
                };
                let unit = source.unit().cloned();
                if let Some(key) = intended.get(&candidate.commit) {
                    told.accepted.insert(candidate.commit.clone(), (mission.clone(), unit.clone(), key.clone()));
                }
                told.landings.push(Gone { mission, unit, bookkeeping, commit: candidate.commit });
            }
            Record::RollbackIntended { n, from, to, .. } => {
                told.last = told.last.max(n);
                told.open = Some((mission, n, from, to));
            }
            Record::RolledBack { n, landings, .. } => {
                told.landings.retain(|gone| gone.mission != mission || !landings.contains(&gone.commit));
                told.open = told.open.take().filter(|(holder, open, ..)| *holder != mission || *open != n);
                told.closed.insert((mission, n));
            }
            Record::RollbackDropped { n, .. } => told.open = told.open.take().filter(|(_, open, ..)| *open != n),
            _ => {}
        }
        Ok(())
    };
    store.for_each_row(None, 0, &mut row)?;
    Ok(told)
}

/// The commits of green's own line that it may go back to, newest first; the first may be where it stands.
///
/// # Errors
/// [`EngineError`] when journal or repository cannot be read.
pub async fn list_stands(project: &Project) -> Result<Vec<Stand>, EngineError> {
    let (Some(store), Some(green)) = (project.store()?, views::read_green(project).await?.tip) else {
        return Ok(Vec::new());
    };
    find_stands(&project.source(ChildGuard::none()), &store, &read_journal(&store)?, &green).await
}

async fn find_stands(git: &Git, store: &Store, told: &LandingHistory, green: &Tip) -> Result<Vec<Stand>, EngineError> {
    let mut names: BTreeMap<CommitId, Vec<String>> = BTreeMap::new();
    for (name, commit) in git.list_refs(CHECKPOINTS).await? {
        let name = name.trim_start_matches(CHECKPOINTS).trim_start_matches('/').to_owned();
        names.entry(commit).or_default().push(name);
    }
    let mut found = Vec::new();
    for tip in git.first_parents(&green.commit).await? {
        let Some((mission, unit, key)) = told.accepted.get(&tip.commit).cloned() else { continue };
        if has_snapshot(store, &key)? {
            let checkpoints = names.remove(&tip.commit).unwrap_or_default();
            found.push(Stand { tip, mission, unit, checkpoints });
        }
    }
    Ok(found)
}

fn has_snapshot(store: &Store, key: &SnapshotKey) -> Result<bool, EngineError> {
    let body = store.snapshot_get(key)?;
    let snapshot = body.and_then(|body| serde_json::from_str::<Snapshot>(&body).ok());
    Ok(snapshot.is_some_and(|snapshot| snapshot.to_summary().outcome != StageOutcome::NotRun))
}

/// What taking green back to `target` would do: a checkpoint (`MISSION/ROUND`), a unit (green as it was when that had just
/// landed) or a commit. `None` when green stands there already.
///
/// # Errors
/// [`EngineError::Usage`] with the reason when green cannot go there.
pub async fn plan(project: &Project, target: &str) -> Result<Option<Rollback>, EngineError> {
    let git = project.source(ChildGuard::none());
    let store = project.store()?;
    let Some(green) = views::read_green(project).await?.tip else {
        return Err(EngineError::usage("there is no green branch yet", "`mc mission start` makes it"));
    };
    let Some(store) = store else {
        let what = "no mission was begun here, so that nobody knows which commits of green were verified";
        return Err(EngineError::usage(what, "`mc mission start` begins one"));
    };
    let told = read_journal(&store)?;
    let stands = find_stands(&git, &store, &told, &green).await?;
    let to = find_stand(&git, &stands, &told, &green, target).await?;
    if to.tip == green {
        return Ok(None);
    }
    let between = git.list_commits_between(&to.tip.commit, &green.commit).await?;
    let goes: Vec<Gone> = told.landings.into_iter().rev().filter(|gone| between.contains(&gone.commit)).collect();
    let branch = views::target_branch(project);
    let mut target_keeps = None;
    if let (Some(oldest), Some(head)) = (goes.last(), git.resolve(&format!("refs/heads/{branch}")).await?)
        && git.is_ancestor(&oldest.commit, &head.commit).await?
    {
        target_keeps = Some(branch);
    }
    Ok(Some(Rollback { from: green, to, goes, target_keeps, not_now: check_allowed(project)? }))
}

fn check_allowed(project: &Project) -> Result<Option<Refusal>, EngineError> {
    if let Some(pid) = views::engine_pid(project) {
        return Ok(Some(Refusal {
            reason: format!("another mc (pid {pid}) works on this repository"),
            hint: "`mc mission stop` ends it when what runs has landed; then roll back".to_owned(),
            exit: 5,
        }));
    }
    Ok(load_unfinished(project)?.map(|history| Refusal {
        reason: format!("mission {} is unfinished, and its work rests on what would go", history.mission),
        hint: "`mc mission stop --now` ends it and keeps its work, or `mc mission resume` finishes it; then roll back"
            .to_owned(),
        exit: 2,
    }))
}

async fn find_stand(
    git: &Git,
    stands: &[Stand],
    told: &LandingHistory,
    green: &Tip,
    target: &str,
) -> Result<Stand, EngineError> {
    const LIST: &str = "`mc green show` lists where green can go back to";
    let name = target.trim_start_matches(CHECKPOINTS).trim_start_matches('/');
    let checkpoint = git.ref_value(&format!("{CHECKPOINTS}/{name}")).await.ok().flatten();
    let unit = UnitId::new(target).ok();
    let landed = told.landings.iter().rev().find(|gone| unit.is_some() && gone.unit == unit);
    let commit = match (checkpoint, landed) {
        (Some(commit), _) => commit,
        (None, Some(landed)) => landed.commit.clone(),
        (None, None) => match git.resolve(target).await? {
            Some(tip) => tip.commit,
            None => {
                let known = stands.iter().filter_map(|stand| stand.unit.as_ref()).map(UnitId::as_str);
                let what = format!("`{target}` is no checkpoint, no landed unit and no commit");
                return Err(EngineError::usage(what + &format_hint(find_nearest(target, known)), LIST));
            }
        },
    };
    if let Some(stand) = stands.iter().find(|stand| stand.tip.commit == commit) {
        return Ok(stand.clone());
    }
    let line = git.first_parents(&green.commit).await?;
    let short = commit.short_id();
    let what = match (line.iter().any(|tip| tip.commit == commit), told.accepted.contains_key(&commit)) {
        (false, _) => format!("{short} is not on green's own line (`git log --first-parent`)"),
        (true, false) => format!("{short} was never accepted by the gate as green"),
        (true, true) => format!("the snapshot of {short} is not stored any more, so nothing says that it is verified"),
    };
    Err(EngineError::usage(what, LIST))
}

/// Takes green back as planned; the number under which the old tip is pinned.
///
/// # Errors
/// [`EngineError`] when an engine works, a mission is unfinished, or green is not where the plan found it.
pub async fn run(project: &Project, plan: &Rollback) -> Result<u64, EngineError> {
    if let Some(refusal) = check_allowed(project)? {
        return Err(EngineError::Refused(refusal));
    }
    let mut tenure = tenure::begin(project, None, Act::Other).await?;
    let git = tenure.source(project);
    tenure::claim_now(&git, &tenure.store.read_tenant()?.card, None, Act::Other).await.map_err(EngineError::Refused)?;
    let (lock, store) = (&tenure.lock, &mut tenure.store);
    let name = views::green_name(project);
    close_interrupted(store, &git, &name).await?;
    let told = read_journal(store)?;
    let Some(holder) = told.newest.clone() else { return Err(EngineError::usage("there is no mission", "")) };
    if git.resolve(&name).await?.as_ref() != Some(&plan.from) {
        return Err(moved_meanwhile());
    }
    let pins = git.list_refs(PINS).await?;
    let pinned = pins.iter().filter_map(|(name, _)| name.rsplit('/').next()?.parse::<u64>().ok());
    let n = pinned.chain([told.last]).max().unwrap_or(0) + 1;
    let (from, to, at) = (plan.from.commit.clone(), plan.to.tip.clone(), told.now());
    write(store, &holder, at, &Record::RollbackIntended { n, at, from: from.clone(), to: to.clone() })?;
    git.pin(&format!("{PINS}/{n}"), &from).await?;
    let moved = swap_green(lock, &git, &name, &to.commit, &from).await;
    close_interrupted(store, &git, &name).await?;
    moved.map(|()| n)
}

async fn swap_green(lock: &RunLock, git: &Git, name: &str, to: &CommitId, from: &CommitId) -> Result<(), EngineError> {
    match move_green(lock, git, name, to, Some(from)).await? {
        GreenMove::Moved => Ok(()),
        GreenMove::Raced { .. } => Err(moved_meanwhile()),
        GreenMove::CheckedOut { worktree } => Err(EngineError::usage(
            format!("green is checked out in {}", worktree.display()),
            "switch that work tree to another branch, then try again",
        )),
    }
}

fn moved_meanwhile() -> EngineError {
    EngineError::usage("green moved meanwhile", "look again with --dry-run")
}

/// Closes a rollback that was cut short, by where green stands now.
///
/// # Errors
/// [`EngineError`] when journal or repository cannot be read or written.
pub async fn close_interrupted(store: &mut Store, git: &Git, green_name: &str) -> Result<(), EngineError> {
    let told = read_journal(store)?;
    let at = told.now();
    let Some((holder, n, from, to)) = told.open else { return Ok(()) };
    let now = git.resolve(green_name).await?;
    let Some(now) = now.filter(|now| now.commit != from) else {
        return write(store, &holder, at, &Record::RollbackDropped { n, at, why: "green was not moved".to_owned() });
    };
    if git.is_ancestor(&from, &now.commit).await? {
        let why = "green was moved forward instead".to_owned();
        return write(store, &holder, at, &Record::RollbackDropped { n, at, why });
    }
    let between = git.list_commits_between(&now.commit, &from).await?;
    let mut by_mission: BTreeMap<MissionId, Vec<CommitId>> = BTreeMap::new();
    for gone in told.landings.into_iter().filter(|gone| between.contains(&gone.commit)) {
        by_mission.entry(gone.mission).or_default().push(gone.commit);
    }
    let last = by_mission.remove(&holder).unwrap_or_default();
    for (mission, landings) in by_mission.into_iter().chain([(holder, last)]) {
        if !told.closed.contains(&(mission.clone(), n)) {
            let (from, to) = (from.clone(), to.clone());
            write(store, &mission, at, &Record::RolledBack { n, at, from, to, landings })?;
        }
    }
    Ok(())
}

fn write(store: &mut Store, mission: &MissionId, at: Millis, record: &Record) -> Result<(), EngineError> {
    store.append(mission, at, &[entry(record)?])?;
    Ok(())
}
