//! `mc clean`: takes away what ended missions left and nobody needs any more.
//!
//! Nothing of an unfinished mission is touched. What green contains is safe there, so its pins may go; work that never
//! landed stays pinned unless a person asks for it by name of the option. What is deleted is recorded first, with the
//! commits, so that it can be found again as long as git keeps the objects; refs go last. Journals stay whole: their hash
//! chain runs over all missions, and they are small.

use crate::adapters::git::Git;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::local::supervisor;
use crate::adapters::host::local::workspace::disk::remove_any;
use crate::adapters::host::local::workspace::space::SlotInfo;
use crate::adapters::host::order::RunKey;
use crate::adapters::os::{clock, files};
use crate::adapters::store::Store;
use crate::domain::mission::{Record, VerificationRun};
use crate::domain::values::{CommitId, Millis, MissionId};
use crate::domain::verify::SnapshotKey;
use crate::engine::context::{Act, Project, tenure};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{self, History};
use crate::engine::inspect::views;
use crate::engine::run::driver::entry;
use crate::engine::run::verify::verify_runs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folders of refs that belong to one mission each. `rolled-back` and `owner` belong to none and always stay.
const PINS: [&str; 5] = ["attempts", "kept", "progress", "candidates", "checkpoints"];

/// What may go.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// So many of the newest ended missions are kept.
    pub keep: usize,
    /// Missions that ended less long ago are kept.
    pub older_than: Duration,
    /// Whether pins of work that green does not contain go too.
    pub unlanded: bool,
}

/// What of one ended mission goes.
#[derive(Debug, Clone)]
pub struct Leftover {
    /// The mission.
    pub mission: MissionId,
    /// Refs that go, with what they hold.
    pub refs: Vec<(String, CommitId)>,
    /// Snapshots that its records name and no landing and no kept mission rests on.
    pub snapshots: Vec<SnapshotKey>,
    /// Refs of work that green does not contain; they stay.
    pub unlanded: Vec<(String, CommitId)>,
    /// Folders and files that go.
    pub paths: Vec<PathBuf>,
    /// Folders of attempts that hold repositories set aside, which are pinned nowhere; they stay.
    pub quarantined: Vec<PathBuf>,
    /// Size of what goes.
    pub bytes: u64,
}

impl Leftover {
    /// Whether nothing of it goes.
    fn is_empty(&self) -> bool {
        self.refs.is_empty() && self.paths.is_empty() && self.snapshots.is_empty()
    }
}

/// Everything that goes.
#[derive(Debug, Clone, Default)]
pub struct Rubbish {
    /// By mission, oldest first.
    pub missions: Vec<Leftover>,
    /// Snapshots that no landing, no base and no kept mission rests on.
    pub snapshots: Vec<SnapshotKey>,
    /// Folders of `mc verify` and of rerun proofs: output of stages, which stored results do not need.
    pub verifications: Vec<PathBuf>,
    /// Size of these folders.
    pub verify_bytes: u64,
    /// Workspaces nobody uses.
    pub slots: Vec<u32>,
    /// Size of these workspaces.
    pub slot_bytes: u64,
    /// Groups that limited runs whose supervisor was killed (cgroups(7)), of whatever repository: nobody is in them.
    pub groups: Vec<PathBuf>,
}

impl Rubbish {
    /// Whether there is nothing to take away.
    pub fn is_empty(&self) -> bool {
        self.missions.iter().all(Leftover::is_empty)
            && self.snapshots.is_empty()
            && self.verifications.is_empty()
            && self.slots.is_empty()
    }

    /// Disk that is freed at once; git frees the objects behind refs in its own time.
    pub fn bytes(&self) -> u64 {
        self.slot_bytes + self.verify_bytes + self.missions.iter().map(|left| left.bytes).sum::<u64>()
    }
}

/// What would go; changes nothing.
///
/// # Errors
/// [`EngineError`] when journal or repository cannot be read.
pub async fn find_rubbish(project: &Project, retention: Retention) -> Result<Rubbish, EngineError> {
    match project.store()? {
        Some(store) => collect_rubbish(project, &project.source(ChildGuard::none()), &store, retention).await,
        None => Ok(Rubbish::default()),
    }
}

async fn collect_rubbish(
    project: &Project,
    git: &Git,
    store: &Store,
    retention: Retention,
) -> Result<Rubbish, EngineError> {
    let mut rubbish = Rubbish { groups: supervisor::find_abandoned(), ..Rubbish::default() };
    let before = clock::now().saturating_sub(Millis::try_from(retention.older_than.as_millis()).unwrap_or(Millis::MAX));
    let green = views::read_green(project).await?.tip;
    let (mut needed, mut unfinished, mut ended) = (BTreeSet::new(), false, Vec::new());
    for mission in history::list_missions(store)? {
        let Some(history) = history::load(store, Some(&mission))? else { continue };
        unfinished |= !history.state.is_over();
        match history.state.ended {
            Some(at) => {
                needed.extend(required_snapshots(&history));
                ended.push((mission, at, named_snapshots(&history)));
            }
            None => needed.extend(named_snapshots(&history)),
        }
    }
    // Workspaces make the next mission start faster; a repository that nobody works on does not need them.
    let at_rest = !unfinished && ended.last().is_none_or(|(_, at, _)| *at <= before);
    let old = ended.len().saturating_sub(retention.keep);
    let goes = |nth: usize, at: Millis| nth < old && at <= before;
    // A report of a mission that is kept can be proven as long as everything its records name is there.
    let kept = ended.iter().enumerate().filter(|(nth, (_, at, _))| !goes(*nth, *at));
    needed.extend(kept.flat_map(|(_, (_, _, named))| named.iter().cloned()));
    if let Some(green) = &green {
        needed.extend(store.snapshots_of(&green.tree)?);
    }
    // The single runs behind a snapshot are kept beside it under its key and their number.
    let whole = |key: &SnapshotKey| SnapshotKey(key.0.split('/').next().unwrap_or_default().to_owned());
    rubbish.snapshots =
        store.snapshots_before(before)?.into_iter().filter(|key| !needed.contains(&whole(key))).collect();
    let going: BTreeSet<&SnapshotKey> = rubbish.snapshots.iter().collect();
    for (nth, (mission, at, named)) in ended.into_iter().enumerate() {
        if !goes(nth, at) {
            continue;
        }
        let snapshots = named.into_iter().filter(|key| going.contains(key)).collect();
        let (mut refs, mut unlanded, mut paths, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for kind in PINS {
            let folder = format!("refs/mc/{kind}/{mission}");
            let landed = match &green {
                Some(green) => git.list_contained(&folder, &green.commit).await?,
                None => BTreeSet::new(),
            };
            for (name, commit) in git.list_refs(&folder).await? {
                let goes = retention.unlanded || landed.contains(&name);
                if goes { &mut refs } else { &mut unlanded }.push((name, commit));
            }
        }
        let runs = project.state.runs().join(mission.as_str());
        let log = project.state.logs().join(format!("{mission}.jsonl"));
        let (mut going, quarantined) =
            if retention.unlanded { (vec![runs], Vec::new()) } else { list_run_folders(&runs) };
        going.extend([log, project.state.sessions().join(mission.as_str())]);
        for path in going {
            if let Some(size) = files::size(&path) {
                bytes += size;
                paths.push(path);
            }
        }
        let left = Leftover { mission, refs, snapshots, unlanded, paths, quarantined, bytes };
        if !(left.is_empty() && left.unlanded.is_empty()) {
            rubbish.missions.push(left);
        }
    }
    let slots = views::list_slots(project).await?;
    rubbish.verifications = list_verifications(project, &slots, before);
    rubbish.verify_bytes = rubbish.verifications.iter().filter_map(|folder| files::size(folder)).sum();
    if at_rest {
        for slot in slots.iter().filter(|slot| !slot.in_use && slot.dirty.is_none()) {
            rubbish.slot_bytes += slot.bytes;
            rubbish.slots.push(slot.slot);
        }
    }
    Ok(rubbish)
}

/// Folders of verifications without a mission that nothing was written into since `before`. One that a workspace is still
/// marked with, and others of the same call, are at work or wait to be ended by the next call.
fn list_verifications(project: &Project, slots: &[SlotInfo], before: Millis) -> Vec<PathBuf> {
    let root = verify_runs(&project.state);
    let own = RunKey::of_verifications().join("");
    let call = |label: &str| {
        let label = label.strip_prefix(own.as_str()).unwrap_or(label);
        label.split('-').next().unwrap_or_default().to_owned()
    };
    let used: BTreeSet<String> = slots.iter().filter_map(|slot| slot.dirty.as_deref()).map(call).collect();
    let unused = files::folders(&root).into_iter().filter(|label| !used.contains(&call(label)));
    unused
        .map(|label| root.join(label))
        .filter(|path| files::last_modified(path).is_some_and(|at| at <= before))
        .collect()
}

/// Snapshots that the audit asks for, however old: those of landings and of accepted bases.
fn required_snapshots(history: &History) -> BTreeSet<SnapshotKey> {
    let (mut keys, mut last) = (BTreeSet::new(), None);
    for (_, _, record) in &history.records {
        match record {
            Record::LandIntended { key, accept_before, unit_checks, .. } => {
                keys.extend([Some(key), accept_before.as_ref(), unit_checks.as_ref()].into_iter().flatten().cloned());
            }
            Record::Verified { key, .. } => last = Some(key.clone()),
            Record::BaselineAccepted { .. } => keys.extend(last.take()),
            _ => {}
        }
    }
    keys
}

/// Snapshots that the proof of a report asks for: all that the records name, of refused work and second runs too.
fn named_snapshots(history: &History) -> BTreeSet<SnapshotKey> {
    let mut keys = required_snapshots(history);
    for (_, _, record) in &history.records {
        match record {
            Record::VerifyStarted(VerificationRun { against, confirms, .. }) => {
                keys.extend([against, confirms].into_iter().flatten().cloned());
            }
            Record::Verified { key, .. } => drop(keys.insert(key.clone())),
            Record::SessionEnded { report, .. } => {
                keys.extend(report.checks.accept.iter().map(|accept| accept.key.clone()))
            }
            _ => {}
        }
    }
    keys
}

/// Takes the groups away, which belong to no repository; those that somebody came into are not among them afterwards.
pub fn remove_groups(rubbish: &mut Rubbish) {
    rubbish.groups.retain(|group| supervisor::remove_abandoned(group));
}

/// Takes it away: recorded first, then files, snapshots and workspaces, then refs. What was added since is left.
///
/// # Errors
/// [`EngineError`] when an engine works here, or something cannot be deleted; what is left then goes the next time.
pub async fn remove_rubbish(project: &Project, retention: Retention) -> Result<Rubbish, EngineError> {
    if project.store()?.is_none() {
        return Ok(Rubbish::default());
    }
    let mut tenure = tenure::begin(project, None, Act::Other).await?;
    let git = tenure.source(project);
    let store = &mut tenure.store;
    let mut rubbish = collect_rubbish(project, &git, store, retention).await?;
    for left in rubbish.missions.iter().filter(|left| !left.is_empty()) {
        let (refs, snapshots) = (left.refs.clone(), left.snapshots.clone());
        let last = store.rows(Some(&left.mission), 0)?.last().map_or(0, |row| row.at);
        let at = clock::now().max(last);
        let record = Record::Cleaned { at, refs, bytes: left.bytes, snapshots };
        store.append(&left.mission, at, &[entry(&record)?])?;
    }
    for path in rubbish.missions.iter().flat_map(|left| &left.paths).chain(&rubbish.verifications) {
        // Behind a link that somebody put in the place of a folder of ours nothing is ours to remove.
        if path.parent().is_some_and(files::is_own_dir) {
            remove_any(path).map_err(|source| EngineError::File { path: path.clone(), source })?;
        }
    }
    store.snapshots_delete(&rubbish.snapshots)?;
    remove_groups(&mut rubbish);
    if !rubbish.slots.is_empty() {
        views::prune(project).await?;
    }
    for (name, commit) in rubbish.missions.iter().flat_map(|left| &left.refs) {
        // One that moved meanwhile holds something else and stays.
        let _ = git.unpin(name, commit).await?;
    }
    Ok(rubbish)
}

/// What of a mission's run folders may go, and the folders of attempts that may not: git directories of an agent that are no
/// commits of the workspace (nested repositories, broken clones) are kept in there and nowhere else.
fn list_run_folders(runs: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let below = |dir: &Path| files::folders(dir).into_iter().map(|name| dir.join(name)).collect::<Vec<_>>();
    let holds = |attempt: &PathBuf| !files::is_empty_or_absent(&attempt.join("aside")).unwrap_or(false);
    let units = below(runs);
    let attempts: Vec<PathBuf> = units.iter().flat_map(|unit| below(unit)).collect();
    let quarantined: Vec<PathBuf> = attempts.iter().filter(|attempt| holds(attempt)).cloned().collect();
    if quarantined.is_empty() {
        return (vec![runs.to_owned()], quarantined);
    }
    (attempts.into_iter().filter(|attempt| !quarantined.contains(attempt)).collect(), quarantined)
}
