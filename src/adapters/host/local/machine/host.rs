//! This machine as a host: its pool, the folder of its runs, and what is found out about it once. Knows no mission and needs no
//! lock of an engine.

use super::fenced::Fenced;
use super::imports::Imports;
use crate::adapters::git::{Git, SourceFacts};
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::local::process::probe::{ProbeError, probe};
use crate::adapters::host::local::protocol::{Isolation, OURSELVES};
use crate::adapters::host::local::workspace::home::{Homes, remove_short_name};
use crate::adapters::host::local::workspace::pool::PoolError;
use crate::adapters::host::local::workspace::{Ignored, Pool, Tags};
use crate::adapters::host::order::{HostError, RunKey};
use crate::adapters::host::settings::{HostSettings, PoolKind};
use crate::adapters::os::environment::Environment;
use crate::adapters::trouble::{Places, cause_of};
use crate::domain::detect::network::withheld_message;
use crate::domain::plan::globs::Globs;
use crate::domain::trouble::{Trouble, chain};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::OnceCell;

/// Variables every agent and verification gets when they are set (design, section 7).
const ALLOWED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "TZ"];

/// What a run gets when the engine itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether runs get a variable of this name, when `names` are those of the settings.
pub fn is_allowed(name: &str, names: &[String]) -> bool {
    ALLOWED.contains(&name) || name.starts_with("LC_") || names.iter().any(|n| n == name)
}

/// Folders of a host.
#[derive(Debug, Clone)]
pub struct HostPlaces {
    /// The folder of `mc`'s own files, which runs may not reach.
    pub root: PathBuf,
    /// The folder of all runs.
    pub runs: PathBuf,
    /// The folder of all pools: that of missions is here, that of verifications in it.
    pub pool: PathBuf,
}

/// The folder of the pool of verifications beside missions, within that of missions.
pub fn verify_pool(root: &Path) -> PathBuf {
    root.join("verify")
}

/// This machine.
#[derive(Debug)]
pub struct LocalHost {
    /// The repository whose objects workspaces borrow and where work is pinned.
    pub source: Git,
    /// Facts about it.
    pub facts: SourceFacts,
    /// The environment, from which allow-lists pick.
    pub env: Environment,
    /// What it was told.
    pub settings: HostSettings,
    /// Where what should be read later is put, when the root vanishes with the work.
    pub lasting: Option<PathBuf>,
    pub(in crate::adapters::host) guard: ChildGuard,
    pub(super) places: HostPlaces,
    pool: OnceCell<Arc<Pool>>,
    isolation: OnceCell<Isolation>,
    pub(super) homes: OnceCell<Homes>,
    pub(super) fenced: OnceCell<Fenced>,
    pub(super) fingerprint: OnceCell<String>,
    shortened: Mutex<BTreeSet<PathBuf>>,
    /// The state directory of an engine elsewhere, which this machine has too.
    pub(super) engine: Option<PathBuf>,
    /// When an engine elsewhere last said that it lives; absent where this process is the engine.
    renewed: Option<Mutex<Instant>>,
    tags: Tags,
    imports: OnceLock<Imports>,
}

impl LocalHost {
    /// Puts together what is there; touches nothing.
    pub fn new(
        source: Git,
        facts: SourceFacts,
        env: Environment,
        settings: HostSettings,
        places: HostPlaces,
        guard: ChildGuard,
        tags: Tags,
    ) -> Self {
        let env = settings.env.iter().fold(env, |env, (name, value)| env.with_var(name, value));
        Self {
            source,
            facts,
            env,
            settings,
            lasting: None,
            guard,
            places,
            pool: OnceCell::new(),
            isolation: OnceCell::new(),
            homes: OnceCell::new(),
            fenced: OnceCell::new(),
            fingerprint: OnceCell::new(),
            shortened: Mutex::default(),
            engine: None,
            renewed: None,
            tags,
            imports: OnceLock::new(),
        }
    }

    /// The same for an engine elsewhere: its source is a mirror of the repository that the facts name the work tree of, and leases
    /// are renewed as long as the engine says that it lives. Its state directory is closed to runs where this machine has it.
    #[must_use]
    pub fn of_mirror(mut self, state: Option<PathBuf>) -> Self {
        self.engine = state;
        self.renewed = Some(Mutex::new(Instant::now()));
        self
    }

    /// The tags of the source are others than before.
    pub async fn invalidate_tags(&self) {
        self.tags.invalidate().await;
    }

    /// The engine elsewhere lives.
    pub fn renew(&self) {
        if let Some(renewed) = &self.renewed {
            *renewed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// Whether the engine is elsewhere: what runs here ends when that cannot reach this host.
    pub(in crate::adapters::host) const fn serves_another(&self) -> bool {
        self.renewed.is_some()
    }

    /// Whether somebody wants what runs here: this process, or an engine elsewhere that said so within half of a lease.
    pub(in crate::adapters::host) fn is_wanted(&self) -> bool {
        let Some(renewed) = &self.renewed else { return true };
        renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < self.settings.lease() / 2
    }

    /// An error as trouble: what stood in the way, and what is said of it.
    pub fn classify_error(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        let places = Places { source: self.facts.common_dir.clone(), state: self.places.root.clone() };
        Trouble::new(cause_of(error, &places), chain(error))
    }

    /// The same, with what was tried.
    pub fn trouble_at(&self, what: &str, error: &(dyn std::error::Error + 'static)) -> Trouble {
        self.classify_error(error).while_trying(what)
    }

    /// The folder of `mc`'s own files.
    pub fn root(&self) -> &Path {
        &self.places.root
    }

    /// The folder of all runs.
    pub fn runs(&self) -> &Path {
        &self.places.runs
    }

    /// The folder of the pool, whether it exists or not.
    pub fn pool_folder(&self) -> &Path {
        &self.places.pool
    }

    /// Where a run is.
    pub fn run_dir(&self, key: &RunKey) -> PathBuf {
        key.path_in(&self.places.runs)
    }

    /// The pool.
    ///
    /// # Errors
    /// [`PoolError`] when it cannot be opened; tried again at the next call.
    pub async fn pool(&self) -> Result<&Arc<Pool>, PoolError> {
        self.pool
            .get_or_try_init(|| async {
                let root = &self.places.pool;
                let pool = match self.settings.kind {
                    PoolKind::Missions => Pool::open(root, &self.source, Ignored::Keep).await?,
                    PoolKind::Verifications => {
                        Pool::open_cut(&verify_pool(root), &self.source, Ignored::Remove).await?
                    }
                };
                let pool = if self.renewed.is_some() { pool.with_toplevel(&self.facts.toplevel) } else { pool };
                Ok(Arc::new(pool.with_excluded(&self.settings.copy).with_tags(&self.tags)))
            })
            .await
    }

    /// The paths that stay beside what `setup` made.
    ///
    /// # Errors
    /// [`HostError::Usage`] for a text that is no glob.
    pub fn keep_globs(&self) -> Result<Globs, HostError> {
        Globs::new(&self.settings.keep).map_err(|bad| {
            HostError::usage(format!("target.verification.keep: {bad}"), "mend it in mission-control.toml")
        })
    }

    /// How runs are contained on this machine.
    ///
    /// # Errors
    /// [`ProbeError`] when the wanted way is not possible.
    pub async fn isolation(&self) -> Result<Isolation, ProbeError> {
        let wanted = self.settings.isolation;
        self.isolation.get_or_try_init(|| probe(wanted, Path::new(OURSELVES))).await.copied()
    }

    /// What Python environments import from copies of the repository, as it was when it was asked for first.
    pub fn imports(&self) -> &Imports {
        self.imports.get_or_init(|| Imports::find(&self.env, &self.facts, &self.places.pool))
    }

    /// Notes that a folder has a short name, which goes with this host.
    pub(super) fn record_shortened(&self, folder: &Path) {
        self.shortened.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
    }

    /// The allow-listed environment plus `names` and what the host itself is given.
    pub fn allowed_env(&self, names: &[String]) -> Vec<(OsString, OsString)> {
        let mut env: Vec<(OsString, OsString)> = self
            .env
            .vars()
            .filter(|(k, _)| k.to_str().is_some_and(|k| is_allowed(k, names) || self.settings.env.contains_key(k)))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        if self.env.var("PATH").is_none() {
            env.push(("PATH".into(), DEFAULT_PATH.into()));
        }
        env
    }

    /// What to say where a run fails that may need the network: which variables for that it did not get. Names only.
    pub fn describe_withheld(&self, names: &[String]) -> Option<String> {
        withheld_message(|name| self.env.var(name).is_some(), names)
    }
}

impl Drop for LocalHost {
    fn drop(&mut self) {
        for folder in self.shortened.get_mut().unwrap_or_else(PoisonError::into_inner).iter() {
            remove_short_name(folder);
        }
    }
}
