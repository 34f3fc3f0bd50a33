//! A clean place to try things: a scratch clone of a repository with a state directory of its own, where verifications and an
//! agent run by the machinery of missions. The user's repository, its pool and its journal are not touched (P6).
//!
//! The scratch clone borrows the objects of the source; what is committed in it is gone with it.

use crate::adapters::git::answers::fields;
use crate::adapters::git::{FALLBACK_IDENTITY, Git, GitError, OwnerMark, Place, inspect};
use crate::adapters::host::local::process::{ChildGuard, RunLock};
use crate::adapters::host::local::workspace::lfs::{KEYS, LargeFiles};
use crate::adapters::host::order::Strays;
use crate::adapters::os::clock::new_mission_id;
use crate::adapters::os::files::{self, At};
use crate::adapters::os::{Environment, machine};
use crate::adapters::store::{StateDir, Store};
use crate::config::Settings;
use crate::domain::mission::{VerifyOrder, VerifyRole};
use crate::domain::trouble::{Trouble, chain};
use crate::domain::values::{CommitId, HostId, RunId, Tip, TreeId};
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::{
    Delta, Demands, Judgement, Snapshot, SnapshotKey, StageOutcome, Summary, compare_snapshots,
};
use crate::engine::context::{Effective, MissionContext, Project, Tenure};
use crate::engine::error::EngineError;
use crate::engine::run::signals::Signals;
use crate::engine::tasks::queue_verification;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Paths handed to one git call.
const AT_ONCE: usize = 200;

/// What one verification in a scratch place gave.
#[derive(Debug, Clone)]
pub struct ScratchResult {
    /// Its key in the scratch store.
    pub key: SnapshotKey,
    /// Stage by stage.
    pub snapshot: Snapshot,
    /// All of it.
    pub summary: Summary,
    /// Against the snapshot it was compared with.
    pub delta: Option<Delta>,
}

/// A scratch clone and what runs in it.
#[derive(Debug)]
pub struct Scratch {
    folder: machine::Scratch,
    parents: Vec<PathBuf>,
    /// What tasks of a mission get, made for the scratch clone.
    pub context: MissionContext,
    /// Git on the scratch clone.
    pub git: Git,
    runs: AtomicU64,
}

impl Scratch {
    /// Makes a scratch place for a repository by these settings. It lies below the state directory, on the disk missions use.
    ///
    /// # Errors
    /// [`EngineError`] when it cannot be made.
    pub async fn make(from: &Project, settings: &Settings) -> Result<Self, EngineError> {
        let source = &from.facts.common_dir;
        Self::make_with(from, settings, async |git: Git, repo: PathBuf| {
            let args = ["clone", "--quiet", "--bare", "--shared", "--template="].map(OsStr::new);
            git.run_text(&[&args[..], &[source.as_os_str(), repo.as_os_str()]].concat()).await?;
            let settings = git.with_place(Place::GitDir(source.clone())).settings(&format!("^({KEYS})$")).await?;
            let large = LargeFiles::of(&from.facts, &settings, repo.parent().unwrap_or(&repo));
            Ok(large.and_then(|large| large.configure_clone(&repo)).at(&repo)?)
        })
        .await
    }

    /// Makes one whose repository is empty.
    ///
    /// # Errors
    /// [`EngineError`] when it cannot be made.
    pub async fn make_empty(from: &Project, settings: &Settings) -> Result<Self, EngineError> {
        Self::make_with(from, settings, async |git: Git, repo: PathBuf| {
            let args = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main"].map(OsStr::new);
            git.run_text(&[&args[..], &[repo.as_os_str()]].concat()).await.map(drop)
        })
        .await
    }

    async fn make_with(
        from: &Project,
        settings: &Settings,
        fill: impl AsyncFnOnce(Git, PathBuf) -> Result<(), GitError>,
    ) -> Result<Self, EngineError> {
        let parents = vec![from.state.root().join("scratch"), from.state.root().to_owned()];
        let folder = machine::Scratch::create_in(&parents[0])
            .map_err(|source| EngineError::File { path: parents[0].clone(), source })?;
        let repo = folder.path().join("repo");
        fill(Git::in_folder(folder.path(), ChildGuard::none()), repo.clone()).await?;
        let own = inspect(&Git::in_folder(&repo, ChildGuard::none())).await?;
        let place = Environment::empty(folder.path()).with_var("MC_STATE_DIR", folder.path().join("state"));
        let own_state = StateDir::locate(&own.common_dir, &place)?;
        own_state.create()?;
        let lock = RunLock::acquire(&own_state.lock(), Duration::from_secs(1))?;
        let store = Store::open(&own_state.db())?;
        let project = Project::without_settings(from.env.clone(), own, own_state)?;
        let mission = new_mission_id().ok_or_else(|| EngineError::broken("make an id", ""))?;
        let mut settings = settings.clone();
        // A pool of the user's choice holds the work of missions.
        settings.parallel.pool_dir = None;
        let effective = Effective { settings, allow_dirty: false, take_over_from: None, accept_green: false };
        let tenure = Tenure { lock, store, owner: OwnerMark::default() };
        let beside = Some((from.facts.toplevel.as_path(), from.state.logs()));
        let context = MissionContext::new(&project, mission, String::new(), effective, tenure, beside);
        let git = context.source.clone();
        Ok(Self { folder, parents, context, git, runs: AtomicU64::new(0) })
    }

    /// Verifies a commit of the scratch clone, as a mission would verify it.
    ///
    /// # Errors
    /// A sentence about infrastructure: nothing is known of the tree.
    pub async fn verify(
        &self,
        tip: &Tip,
        against: Option<&SnapshotKey>,
        kill: watch::Receiver<bool>,
    ) -> Result<ScratchResult, String> {
        let mut order = VerifyOrder {
            run: RunId(self.runs.fetch_add(1, Ordering::Relaxed) + 1),
            host: HostId::local(),
            tip: tip.clone(),
            against: against.cloned(),
            confirms: None,
            unit_checks: Vec::new(),
            role: VerifyRole::Baseline,
            onto: tip.commit.clone(),
            cold: true,
        };
        let mut found = queue_verification::verify(&self.context, order.clone(), kill.clone()).await?;
        // As in a mission, nobody is blamed for one bad run.
        let confirm = self.context.settings().queue.confirm_failures && found.summary.outcome == StageOutcome::Failed;
        if confirm && against.is_none() {
            order.run = RunId(self.runs.fetch_add(1, Ordering::Relaxed) + 1);
            order.confirms = Some(found.key.clone());
            found = queue_verification::verify(&self.context, order, kill).await?;
        }
        let snapshot = self.context.snapshot(&found.key).map_err(|e| chain(&e))?.unwrap_or_default();
        Ok(ScratchResult { key: found.key, snapshot, summary: found.summary, delta: found.delta })
    }

    /// Makes the first commit of an empty scratch repository: no files.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn first_commit(&self) -> Result<Tip, GitError> {
        let empty = self.path().join("empty");
        files::write_private(&empty, b"").at(&empty)?;
        let args = ["hash-object", "-t", "tree", "-w", "--no-filters"].map(OsStr::new);
        let tree = self.git.tree_id(&[&args[..], &[empty.as_os_str()]].concat()).await?;
        self.commit(tree, &[], "First").await
    }

    /// What is in the workspaces of what was verified here that is no part of their commits.
    ///
    /// # Errors
    /// A workspace cannot be looked at.
    pub async fn list_strays(&self) -> Result<Strays, Trouble> {
        self.context.local.list_strays().await
    }

    /// Commits on top of `base` what it is without the files `gone`, and with `content` in the files `filled`.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn commit_altered(
        &self,
        base: &Tip,
        gone: &[String],
        filled: &[String],
        content: &str,
        message: &str,
    ) -> Result<Tip, GitError> {
        // Removing a path from an index needs a work tree, although none is looked at.
        let (nothing, file) = (self.path().join("nothing"), self.path().join("content"));
        files::make_private_dir(&nothing).at(&nothing)?;
        files::write_private(&file, content.as_bytes()).at(&file)?;
        let place = Place::WorkTree { git_dir: self.path().join("repo"), files: nothing };
        let git = self.git.with_place(place).with_env("GIT_INDEX_FILE", self.path().join("altered.index"));
        git.run_text(&["read-tree", base.tree.as_str()]).await?;
        let args = ["hash-object", "-w", "--no-filters"].map(OsStr::new);
        let blob = git.commit_id(&[&args[..], &[file.as_os_str()]].concat()).await?;
        for chunk in gone.chunks(AT_ONCE) {
            let mut args = vec!["update-index", "--force-remove", "--"];
            args.extend(chunk.iter().map(String::as_str));
            git.run_text(&args).await?;
        }
        let modes = modes(&self.git, base.tree.as_str()).await?;
        // A program stays executable; a link stays as it is.
        let entries: Vec<String> = filled
            .iter()
            .filter_map(|path| Some((modes.get(path).filter(|mode| mode.starts_with("100"))?, path)))
            .map(|(mode, path)| format!("{mode},{blob},{path}"))
            .collect();
        for chunk in entries.chunks(AT_ONCE) {
            let mut args = vec!["update-index"];
            args.extend(chunk.iter().flat_map(|entry| ["--cacheinfo", entry.as_str()]));
            git.run_text(&args).await?;
        }
        let tree = git.tree_id(&["write-tree"]).await?;
        self.commit(tree, &[&base.commit], message).await
    }

    async fn commit(&self, tree: TreeId, parents: &[&CommitId], message: &str) -> Result<Tip, GitError> {
        let (name, address) = FALLBACK_IDENTITY;
        let mut git = self.git.clone();
        for role in ["AUTHOR", "COMMITTER"] {
            git = git.with_env(format!("GIT_{role}_NAME"), name).with_env(format!("GIT_{role}_EMAIL"), address);
        }
        let commit = git.commit_tree(&tree, parents, message).await?;
        Ok(Tip { commit, tree })
    }

    /// The folder of it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// [`EngineError::File`] with the folder that stays.
    pub fn remove(self) -> Result<(), EngineError> {
        let Self { folder, parents, context, .. } = self;
        let path = folder.path().to_owned();
        drop(context);
        folder.remove(&parents).map_err(|source| EngineError::File { path, source })
    }
}

/// Mode of every file of a tree or commit by its path; a path that is no UTF-8 is nothing anybody could name.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn modes(git: &Git, tree: &str) -> Result<BTreeMap<String, String>, GitError> {
    let bytes = git.run_bytes(&["ls-tree", "-r", "-z", "--full-tree", tree]).await?;
    let entry = |field: &[u8]| {
        let (meta, path) = std::str::from_utf8(field).ok()?.split_once('\t')?;
        Some((path.to_owned(), meta.split(' ').next()?.to_owned()))
    };
    Ok(fields(&bytes).filter_map(entry).collect())
}

/// What the merge queue demands of a change by these settings.
pub fn demands(settings: &Settings) -> Demands {
    Demands { gate: settings.queue.gate, ratchet: settings.queue.ratchet, allow_removed_tests: false }
}

/// Whether changes could be judged on a base with this snapshot: what one that changes nothing would meet.
#[must_use]
pub fn judge_as_base(snapshot: &Snapshot, settings: &Settings) -> Judgement {
    let summary = snapshot.to_summary();
    judge(&summary, &summary, &compare_snapshots(snapshot, snapshot), &demands(settings))
}

/// Does a piece of work that ends early, with everything it started killed, at the first interrupt or SIGTERM; the flag tells
/// whether that happened.
///
/// # Errors
/// [`EngineError`] when signals cannot be heard.
pub async fn run_interruptible<T, F>(work: impl FnOnce(watch::Receiver<bool>) -> F) -> Result<(T, bool), EngineError>
where
    F: Future<Output = T>,
{
    let broken = |e| EngineError::broken(format!("listen for signals: {e}"), "");
    let mut ending = Signals::new().map_err(broken)?;
    let (send, kill) = watch::channel(false);
    let work = work(kill);
    tokio::pin!(work);
    let mut told = false;
    loop {
        tokio::select! {
            done = &mut work => return Ok((done, told)),
            () = ending.wait_any(), if !told => {
                told = true;
                let _ = send.send(true);
            }
        }
    }
}

/// Does a piece of work that is dropped at the first interrupt or SIGTERM; nothing where that happened.
///
/// # Errors
/// [`EngineError`] when signals cannot be heard.
pub async fn run_until_signal<T>(work: impl Future<Output = T>) -> Result<Option<T>, EngineError> {
    let dropped = |mut kill: watch::Receiver<bool>| async move {
        tokio::select! {
            done = work => Some(done),
            Ok(_) = kill.wait_for(|kill| *kill) => None,
        }
    };
    run_interruptible(dropped).await.map(|(done, _)| done)
}
