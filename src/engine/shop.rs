//! What every task of a running mission needs: repository, pool, merge directory, store, isolation. Made lazily, so that
//! a mission is journaled before anything is looked at, and once, so that tasks share it.

use super::error::EngineError;
use super::redact::Redactor;
use super::site::Site;
use crate::adapters::environment::Environment;
use crate::adapters::git::merge::MergeRepo;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::git::{Git, GitError};
use crate::adapters::host::command::CommandLine;
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
use sha2::{Digest, Sha256};
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

/// Whether runs get a variable of this name, when `names` are those of the settings.
#[must_use]
pub fn allowed(name: &str, names: &[String]) -> bool {
    ALLOWED.contains(&name) || name.starts_with("LC_") || names.iter().any(|n| n == name)
}

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

    /// What a snapshot's validity depends on beside tree and stages (design, section 10): system, hashed variables,
    /// outputs of the fingerprint commands.
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
        for name in &verification.env {
            field(name.as_bytes());
            field(self.env.var(name).map(std::os::unix::ffi::OsStrExt::as_bytes).unwrap_or_default());
        }
        for text in &verification.fingerprint {
            let mut command = CommandLine::new("sh").arg("-c").arg(text).cwd(&self.facts.toplevel).env_clear();
            for (key, value) in self.allowed_env(&verification.env) {
                command = command.env(key, value);
            }
            let hint = "mend target.verification.fingerprint, or remove the command".to_owned();
            let broken = |what| EngineError::Broken { what, hint: hint.clone() };
            let output = command
                .run(&self.lock.guard())
                .await
                .map_err(|e| broken(format!("run the fingerprint command `{text}`: {e}")))?;
            if !output.success() {
                let code = output.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit {code}"));
                return Err(broken(format!("run the fingerprint command `{text}`: {code}")));
            }
            field(&output.stdout);
        }
        Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
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
