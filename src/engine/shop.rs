//! What every task of a running mission needs: repository, pool, merge directory, store, isolation. Made lazily, so that
//! a mission is journaled before anything is looked at, and once, so that tasks share it.

use super::error::EngineError;
use super::redact::Redactor;
use super::site::Site;
use crate::adapters::environment::Environment;
use crate::adapters::git::merge::MergeRepo;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::git::{Git, GitError};
use crate::adapters::host::probe::{Isolation, ProbeError, Wanted, probe};
use crate::adapters::store::lock::RunLock;
use crate::adapters::store::place::StateDir;
use crate::adapters::store::{Store, StoreError};
use crate::adapters::workspace::pool::{Pool, PoolError};
use crate::adapters::workspace::slot::Ignored;
use crate::config::Settings;
use crate::config::settings::Isolation as WantedIsolation;
use crate::domain::values::MissionId;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// What is journaled as a mission's settings: everything a later engine needs to go on in the same way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effective {
    /// The effective configuration.
    pub settings: Settings,
    /// Start although tracked files have changes.
    pub allow_dirty: bool,
    /// Take the repository over from another state directory.
    pub take_over: bool,
}

/// Shared by all tasks of one engine.
#[derive(Debug)]
pub struct Shop {
    /// The mission.
    pub mission: MissionId,
    /// What it is for.
    pub objective: String,
    /// Its settings, as journaled.
    pub effective: Effective,
    /// Facts about the repository.
    pub facts: SourceFacts,
    /// State directory.
    pub state: StateDir,
    /// The process's environment, from which allow-lists pick.
    pub env: Environment,
    /// The engine's lock.
    pub lock: RunLock,
    /// Git on the source.
    pub source: Git,
    store: Arc<Mutex<Store>>,
    pool: OnceCell<Arc<Pool>>,
    merge: OnceCell<MergeRepo>,
    isolation: OnceCell<Isolation>,
    fingerprint: OnceCell<String>,
}

/// Variables every agent and verification gets when they are set (design, section 7).
const ALLOWED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "TZ"];

/// What a run gets when the engine itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Shop {
    /// Puts together what is there; touches nothing.
    #[must_use]
    pub fn new(
        site: &Site,
        mission: MissionId,
        objective: String,
        effective: Effective,
        lock: RunLock,
        store: Arc<Mutex<Store>>,
    ) -> Self {
        let source = site.source(lock.guard());
        Self {
            mission,
            objective,
            effective,
            facts: site.facts.clone(),
            state: site.state.clone(),
            env: site.env.clone(),
            lock,
            source,
            store,
            pool: OnceCell::new(),
            merge: OnceCell::new(),
            isolation: OnceCell::new(),
            fingerprint: OnceCell::new(),
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.effective.settings
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

    /// The pool.
    ///
    /// # Errors
    /// [`PoolError`] when it cannot be opened; tried again at the next call.
    pub async fn pool(&self) -> Result<&Arc<Pool>, PoolError> {
        self.pool
            .get_or_try_init(|| async {
                let root = self.settings().parallel.pool_dir.clone().unwrap_or_else(|| self.state.pool());
                let pool = Pool::open(&root, &self.source, Ignored::Keep).await?;
                Ok(Arc::new(pool.excluding(&self.settings().target.copy)))
            })
            .await
    }

    /// The isolated merge directory.
    ///
    /// # Errors
    /// [`GitError`] when it cannot be made.
    pub async fn merge(&self) -> Result<&MergeRepo, GitError> {
        self.merge.get_or_try_init(|| MergeRepo::open(self.state.root(), &self.source, &self.facts)).await
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
        self.isolation.get_or_try_init(|| probe(wanted)).await.copied()
    }

    /// Full name of the green ref.
    #[must_use]
    pub fn green_ref(&self) -> String {
        format!("refs/heads/{}", self.settings().green_branch)
    }

    /// Folder of everything one attempt leaves on disk.
    #[must_use]
    pub fn attempt_dir(&self, unit: &str, n: u32) -> PathBuf {
        self.state.runs().join(self.mission.as_str()).join(unit).join(n.to_string())
    }

    /// Folder of one verification's runs.
    #[must_use]
    pub fn verify_dir(&self, run: u64) -> PathBuf {
        self.state.runs().join(self.mission.as_str()).join(".verify").join(run.to_string())
    }

    /// The allow-listed environment plus `names`.
    #[must_use]
    pub fn allowed_env(&self, names: &[String]) -> Vec<(OsString, OsString)> {
        allowed_env(&self.env, names)
    }

    /// What a snapshot's validity depends on beside tree and stages; computed once.
    ///
    /// # Errors
    /// [`EngineError::Broken`] when a fingerprint command fails.
    pub async fn fingerprint(&self) -> Result<&str, EngineError> {
        let made = || async {
            super::fingerprint::fingerprint(self.settings(), &self.env, &self.facts.toplevel, &self.lock.guard()).await
        };
        self.fingerprint.get_or_try_init(made).await.map(String::as_str)
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

/// Variables of `from` that every agent and verification gets, plus `names`.
#[must_use]
pub fn allowed_env(from: &Environment, names: &[String]) -> Vec<(OsString, OsString)> {
    let wanted = |name: &str| ALLOWED.contains(&name) || name.starts_with("LC_") || names.iter().any(|n| n == name);
    let mut env: Vec<(OsString, OsString)> = from
        .vars()
        .filter(|(k, _)| k.to_str().is_some_and(wanted))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    if from.var("PATH").is_none() {
        env.push(("PATH".into(), DEFAULT_PATH.into()));
    }
    env
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
