//! What it takes to run something on a tree: repository, settings, pool, store, isolation. Made lazily, so that a mission is
//! journaled before anything is looked at, and once, so that tasks share it. Knows no mission and needs no lock: missions
//! and `mc verify` work on the same one.

use crate::adapters::git::Git;
use crate::adapters::git::filter::Filtered;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::local::process::probe::{ProbeError, Wanted, probe};
use crate::adapters::host::local::protocol::{Isolation, OURSELVES};
use crate::adapters::host::local::workspace::home::{Homes, forget_short};
use crate::adapters::host::local::workspace::pool::{Pool, PoolError};
use crate::adapters::host::local::workspace::slot::Ignored;
use crate::adapters::host::local::workspace::tags::Tags;
use crate::adapters::os::clock::EngineClock;
use crate::adapters::os::environment::Environment;
use crate::adapters::os::files;
use crate::adapters::store::place::StateDir;
use crate::adapters::store::{Store, StoreError};
use crate::adapters::trouble::{Places, cause_of};
use crate::config::Settings;
use crate::config::settings::Isolation as WantedIsolation;
use crate::domain::base::hex;
use crate::domain::plan::globs::Globs;
use crate::domain::survey::network::withheld;
use crate::domain::trouble::Trouble;
use crate::domain::values::TreeId;
use crate::engine::context::project::Project;
use crate::engine::error::{EngineError, chain};
use crate::engine::fence::{self, Fenced};
use crate::engine::homes;
use crate::engine::imports::Imports;
use crate::engine::redact::Redactor;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Shared by everything that runs.
#[derive(Debug)]
pub struct ExecutionContext {
    /// Facts about the repository.
    pub facts: SourceFacts,
    /// State directory.
    pub state: StateDir,
    /// The process's environment, from which allow-lists pick.
    pub env: Environment,
    /// Git on the source.
    pub source: Git,
    /// The clock that everything here is measured by; of a mission, that of its journal.
    pub clock: EngineClock,
    /// Where what should be read later is put, when the state directory vanishes with the work.
    pub lasting: Option<PathBuf>,
    settings: Settings,
    pub(in crate::engine) guard: ChildGuard,
    room: PoolKind,
    store: Arc<Mutex<Store>>,
    pool: OnceCell<Arc<Pool>>,
    isolation: OnceCell<Isolation>,
    homes: OnceCell<Homes>,
    fenced: OnceCell<Fenced>,
    shortened: Mutex<BTreeSet<PathBuf>>,
    fingerprint: OnceCell<String>,
    tags: Tags,
    copies: OnceLock<Vec<Copied>>,
    imports: OnceLock<Imports>,
}

/// A file that is copied into workspaces: its name, and what is in it, if it is there.
pub type Copied = (String, Option<Vec<u8>>);

/// Whose workspaces are used, and how long runs outlive their engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// Those of missions; their runs are adopted after a crash.
    Missions,
    /// Those of verifications beside missions; nobody adopts their runs.
    Verifications,
}

/// The folder of the pool of verifications beside missions, within that of missions.
#[must_use]
pub fn verify_pool(root: &Path) -> PathBuf {
    root.join("verify")
}

/// Longest time without a sign of life of its engine that a run nobody adopts goes on.
const SHORT_LEASE: Duration = Duration::from_secs(120);

/// Variables every agent and verification gets when they are set (design, section 7).
const ALLOWED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "TZ"];

/// What a run gets when the engine itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether runs get a variable of this name, when `names` are those of the settings.
#[must_use]
pub fn allowed(name: &str, names: &[String]) -> bool {
    ALLOWED.contains(&name) || name.starts_with("LC_") || names.iter().any(|n| n == name)
}

impl ExecutionContext {
    /// Puts together what is there; touches nothing.
    #[must_use]
    pub fn new(
        project: &Project,
        settings: Settings,
        guard: ChildGuard,
        store: Arc<Mutex<Store>>,
        room: PoolKind,
    ) -> Self {
        Self {
            facts: project.facts.clone(),
            state: project.state.clone(),
            env: project.env.clone(),
            source: project.source(guard.clone()).with_batch(&project.facts.common_dir),
            clock: EngineClock::start(0),
            lasting: None,
            settings,
            guard,
            room,
            store,
            pool: OnceCell::new(),
            isolation: OnceCell::new(),
            homes: OnceCell::new(),
            fenced: OnceCell::new(),
            shortened: Mutex::default(),
            fingerprint: OnceCell::new(),
            tags: Tags::default(),
            copies: OnceLock::new(),
            imports: OnceLock::new(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What keeps secrets out of everything mc writes.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        Redactor::of(&self.env, self.settings().agent.env.iter().chain(&self.settings().verification.env))
    }

    /// The store. Held only for single statements; a panic in another task does not make it unusable.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error as trouble: what stood in the way, and what is said of it.
    #[must_use]
    pub fn trouble(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        let places = Places { source: self.facts.common_dir.clone(), state: self.state.root().to_owned() };
        Trouble::new(cause_of(behind(error), &places), chain(error))
    }

    /// The same, with what was tried.
    #[must_use]
    pub fn trouble_at(&self, what: &str, error: &(dyn std::error::Error + 'static)) -> Trouble {
        self.trouble(error).while_trying(what)
    }

    /// The pool.
    ///
    /// # Errors
    /// [`PoolError`] when it cannot be opened; tried again at the next call.
    pub async fn pool(&self) -> Result<&Arc<Pool>, PoolError> {
        self.pool
            .get_or_try_init(|| async {
                let root = self.state.pool_in(self.settings().parallel.pool_dir.as_deref());
                let pool = match self.room {
                    PoolKind::Missions => Pool::open(&root, &self.source, Ignored::Keep).await?,
                    PoolKind::Verifications => {
                        Pool::open_cut(&verify_pool(&root), &self.source, Ignored::Remove).await?
                    }
                };
                Ok(Arc::new(pool.excluding(&self.settings().target.copy).tagged(&self.tags)))
            })
            .await
    }

    /// Without a sign of life for so long, a run is ended by its supervisor.
    #[must_use]
    pub fn lease(&self) -> Duration {
        let lease = self.settings().scheduler.lease;
        match self.room {
            PoolKind::Missions => lease,
            PoolKind::Verifications => lease.min(SHORT_LEASE),
        }
    }

    /// The tree that is verified in the place of `tree`: without the paths of `target.verification.ignore`.
    ///
    /// # Errors
    /// [`EngineError`] when git fails.
    pub async fn verified(&self, tree: &TreeId) -> Result<Filtered, EngineError> {
        let ignore = &self.settings().verification.ignore;
        if ignore.is_empty() {
            return Ok(Filtered { tree: tree.clone(), removed: Vec::new() });
        }
        let ignore = globs("target.verification.ignore", ignore)?;
        Ok(self.source.without_paths(&self.facts, tree, |path| ignore.matches(path)).await?)
    }

    /// Whether files of one verification may stay for the next.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.settings().keeps_files()
    }

    /// The paths that stay beside what `setup` made.
    ///
    /// # Errors
    /// [`EngineError::Usage`] for a text that is no glob.
    pub fn kept(&self) -> Result<Globs, EngineError> {
        globs("target.verification.keep", &self.settings().verification.keep)
    }

    /// The files that are copied into the workspaces of verifications, as they were when one was asked for first: what a
    /// mission compares was made with the same ones.
    ///
    /// # Errors
    /// [`EngineError::File`] when one cannot be read.
    pub fn copies(&self) -> Result<&[Copied], EngineError> {
        if let Some(copies) = self.copies.get() {
            return Ok(copies);
        }
        let copies = self.read_copies()?;
        Ok(self.copies.get_or_init(|| copies))
    }

    /// The files that are copied into workspaces, as they are.
    ///
    /// # Errors
    /// [`EngineError::File`] when one cannot be read.
    pub fn read_copies(&self) -> Result<Vec<Copied>, EngineError> {
        let copy = |name: &String| {
            let path = self.facts.toplevel.join(name);
            let content = files::read_if_there(&path).map_err(|source| EngineError::File { path, source })?;
            Ok((name.clone(), content))
        };
        self.settings().target.copy.iter().map(copy).collect()
    }

    /// How runs are contained on this machine.
    ///
    /// # Errors
    /// [`ProbeError`] when the wanted way is not possible.
    pub async fn isolation(&self) -> Result<Isolation, ProbeError> {
        let wanted = match self.settings().scheduler.isolation {
            WantedIsolation::Auto => Wanted::Auto,
            WantedIsolation::Pidns => Wanted::PidNamespace,
            WantedIsolation::Search => Wanted::Search,
        };
        self.isolation.get_or_try_init(|| probe(wanted, Path::new(OURSELVES))).await.copied()
    }

    /// What the HOME of verifications is made of here; absent where they have the user's, because the settings want it.
    ///
    /// # Errors
    /// A sentence about infrastructure.
    pub async fn homes(&self) -> Result<Option<&Homes>, String> {
        if !homes::have_own(self.settings()) {
            return Ok(None);
        }
        self.homes.get_or_try_init(|| homes::find(self)).await.map(Some)
    }

    /// What Python environments import from copies of the repository, as it was when it was asked for first.
    pub fn imports(&self) -> &Imports {
        let pool = || self.state.pool_in(self.settings().parallel.pool_dir.as_deref());
        self.imports.get_or_init(|| Imports::find(&self.env, &self.facts, &pool()))
    }

    /// Whether runs are fenced on this machine.
    ///
    /// # Errors
    /// A sentence about infrastructure.
    pub async fn fenced(&self) -> Result<&Fenced, String> {
        self.fenced.get_or_try_init(|| fence::find(self)).await
    }

    /// Notes that a folder has a short name, which goes with this context.
    pub fn shortened(&self, folder: &Path) {
        self.shortened.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
    }

    /// The allow-listed environment plus `names`.
    #[must_use]
    pub fn allowed_env(&self, names: &[String]) -> Vec<(OsString, OsString)> {
        let mut env: Vec<(OsString, OsString)> = self
            .env
            .vars()
            .filter(|(k, _)| k.to_str().is_some_and(|k| allowed(k, names)))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        if self.env.var("PATH").is_none() {
            env.push(("PATH".into(), DEFAULT_PATH.into()));
        }
        env
    }

    /// What to say where a run fails that may need the network: which variables for that it did not get. Names only.
    #[must_use]
    pub fn withheld(&self, names: &[String]) -> Option<String> {
        withheld(|name| self.env.var(name).is_some(), names)
    }

    /// What a snapshot's validity depends on beside tree and stages (design, section 10): system, hashed variables,
    /// outputs of the fingerprint commands, the tags of the repository where it has any.
    ///
    /// # Errors
    /// [`EngineError::Broken`] when a fingerprint command fails.
    pub async fn fingerprint(&self) -> Result<&str, EngineError> {
        self.fingerprint.get_or_try_init(|| self.make_fingerprint()).await.map(String::as_str)
    }

    async fn make_fingerprint(&self) -> Result<String, EngineError> {
        let verification = &self.settings().verification;
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        for text in [std::env::consts::OS, std::env::consts::ARCH] {
            field(text.as_bytes());
        }
        for text in [&self.settings().target.setup].into_iter().flatten() {
            field(text.as_bytes());
        }
        if homes::have_own(self.settings()) {
            field(b"a HOME of its own");
            verification.home.iter().for_each(|name| field(name.as_bytes()));
        }
        let sandbox = &self.settings().sandbox;
        let unknown = |what| EngineError::Broken { what, hint: "`mc doctor` looks at this machine".to_owned() };
        let fenced = self.fenced().await.map_err(unknown)?;
        if fenced.holds() {
            field(if matches!(fenced, Fenced::Mounts(_)) { b"a fence" } else { b"a fence of rules" });
            sandbox.shared.iter().for_each(|name| field(name.as_bytes()));
            [sandbox.max_memory, sandbox.max_processes].iter().for_each(|cap| field(&cap.to_be_bytes()));
            field(b"without");
            sandbox.hidden.iter().for_each(|name| field(name.as_bytes()));
            field(b"but for");
            sandbox.readable.iter().for_each(|name| field(name.as_bytes()));
        }
        self.imports().check(self.settings())?;
        for folder in &self.imports().searched {
            field(b"import");
            field(folder.as_os_str().as_bytes());
        }
        for (name, content) in self.copies()? {
            field(b"copy");
            field(name.as_bytes());
            field(if content.is_some() { b"there" } else { b"absent" });
            field(content.as_deref().unwrap_or_default());
        }
        for name in &verification.env {
            field(name.as_bytes());
            field(self.env.var(name).map(OsStrExt::as_bytes).unwrap_or_default());
        }
        if let Some(tags) = self.tags.digest(&self.source, &self.facts).await? {
            field(b"tags");
            field(tags.as_bytes());
        }
        for text in &verification.fingerprint {
            let said = fence::ask_machine(self, text, self.allowed_env(&verification.env)).await;
            field(&said.map_err(|why| EngineError::Broken {
                what: format!("run the fingerprint command `{text}`: {why}"),
                hint: "mend target.verification.fingerprint, or remove the command".to_owned(),
            })?);
        }
        Ok(hex(&hash.finalize()))
    }

    /// Reads a stored snapshot.
    ///
    /// # Errors
    /// [`StoreError`], or the parser's words when the stored text is no snapshot.
    pub fn snapshot(
        &self,
        key: &crate::domain::verify::SnapshotKey,
    ) -> Result<Option<crate::domain::verify::snapshot::Snapshot>, SnapshotError> {
        match self.store().snapshot_get(key)? {
            None => Ok(None),
            Some(text) => Ok(Some(serde_json::from_str(&text)?)),
        }
    }
}

impl Drop for ExecutionContext {
    fn drop(&mut self) {
        for folder in self.shortened.get_mut().unwrap_or_else(PoisonError::into_inner).iter() {
            forget_short(folder);
        }
    }
}

/// The error that one of the engine passes on as its own.
fn behind<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    match (error.downcast_ref::<EngineError>(), error.downcast_ref::<SnapshotError>()) {
        (Some(EngineError::Git(error)), _) => error,
        (Some(EngineError::Store(error)), _) | (_, Some(SnapshotError::Store(error))) => error,
        _ => error,
    }
}

fn globs(key: &str, texts: &[String]) -> Result<Globs, EngineError> {
    Globs::new(texts).map_err(|bad| EngineError::Usage {
        what: format!("{key}: {bad}"),
        hint: "mend it in mission-control.toml".to_owned(),
    })
}

/// A stored snapshot cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not readable.
    #[error("read a stored snapshot: {0}")]
    Text(#[from] serde_json::Error),
}
