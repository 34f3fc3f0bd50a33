//! What it takes to run something on a tree: repository, settings, store, host. Made lazily, so that a mission is
//! journaled before anything is looked at, and once, so that tasks share it. Knows no mission and needs no lock: missions
//! and `mc verify` work on the same one.

use crate::adapters::git::{Filtered, Git, SourceFacts};
use crate::adapters::host::local::machine::host::{HostPlaces, LocalHost, is_allowed};
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::local::protocol::OURSELVES;
use crate::adapters::host::local::workspace::tags::Tags;
use crate::adapters::host::remote::client::{EngineCard, RemoteHost};
use crate::adapters::host::remote::protocol::Variables;
use crate::adapters::host::remote::transport::{Transport, Way};
use crate::adapters::host::{Copied, Host, HostSettings, PoolKind};
use crate::adapters::os::files;
use crate::adapters::os::{EngineClock, Environment};
use crate::adapters::store::{StateDir, Store, StoreError};
use crate::adapters::trouble::{Places, cause_of};
use crate::config::Settings;
use crate::domain::base::FieldHash;
use crate::domain::detect::network::withheld_message;
use crate::domain::plan::globs::Globs;
use crate::domain::trouble::{Trouble, chain};
use crate::domain::values::{HostId, TreeId};
use crate::domain::verify::SnapshotKey;
use crate::domain::verify::model::snapshot::Snapshot;
use crate::engine::context::hosts::{Asked, Reference, find_first};
use crate::engine::context::reach::{Shared, build_hosts};
use crate::engine::context::{NamedHost, Project, Redactor};
use crate::engine::error::EngineError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
    /// This machine.
    pub local: NamedHost,
    /// The other hosts that the settings name.
    pub others: BTreeMap<HostId, NamedHost>,
    settings: Settings,
    store: Arc<Mutex<Store>>,
    /// By which environment everything is verified, once that is known.
    reference: OnceLock<Reference>,
    tags: Tags,
    copies: OnceLock<Vec<Copied>>,
}

/// What a host is told of these settings.
pub fn host_settings(settings: &Settings, kind: PoolKind) -> HostSettings {
    HostSettings {
        kind,
        setup: settings.target.setup.clone(),
        setup_inputs: settings.target.setup_inputs.clone(),
        copy: settings.target.copy.clone(),
        stages: settings.verification.stages.clone(),
        verification_env: settings.verification.env.clone(),
        agent_env: settings.agent.env.clone(),
        home: settings.verification.home.clone(),
        keep: settings.verification.keep.clone(),
        fingerprint: settings.verification.fingerprint.clone(),
        session_timeout: settings.scheduler.session_timeout,
        isolation: settings.scheduler.isolation,
        lease: settings.scheduler.lease,
        max_disk: settings.parallel.max_disk,
        name: None,
        pin_every: settings.backend.pin_every,
        env: BTreeMap::new(),
        sandbox: settings.sandbox.clone(),
    }
}

/// Units that run on this machine at once: none beside hosts, unless the settings say so.
pub fn local_workers(settings: &Settings) -> u32 {
    let alone = if settings.backend.hosts.is_empty() { settings.parallel.num_workers } else { 0 };
    settings.backend.local_workers.unwrap_or(alone)
}

/// The variable by which tests of `mc` itself have everything done behind a worker on this machine: `pipe`, or words of
/// [`Transport::tune`].
const TEST_HOST: &str = "MC_TEST_HOST";

/// The variables that the settings pass on to runs, as they are here. What every run has is that of its own machine.
fn passed_on(project: &Project, told: &HostSettings) -> Variables {
    let names: BTreeSet<&String> = told.agent_env.iter().chain(&told.verification_env).collect();
    let here = |name: &String| Some((name.clone(), project.env.var(name)?.to_owned()));
    Variables(names.into_iter().filter(|name| !is_allowed(name, &[])).filter_map(here).collect())
}

/// The line to a worker that tests want; nothing where they want none.
fn test_line(project: &Project) -> Option<Transport> {
    let wanted = project.env.var(TEST_HOST)?.to_str()?;
    let way = Way::Child {
        program: OURSELVES.into(),
        args: vec!["worker".into(), "--root".into(), project.state.root().join("worker").into()],
        env: project.env.vars().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    let line = Transport::to(way);
    if wanted == "pipe" { Some(line) } else { line.tune(wanted) }
}

impl ExecutionContext {
    /// Puts together what is there; touches nothing. Files are copied and fingerprints taken from the work tree `toplevel`,
    /// where that is not the repository's own; what should outlive the state directory is put into `lasting`.
    pub fn new(
        project: &Project,
        settings: Settings,
        (guard, source): (ChildGuard, Git),
        store: Arc<Mutex<Store>>,
        kind: PoolKind,
        beside: Option<(&Path, PathBuf)>,
    ) -> Self {
        let mut facts = project.facts.clone();
        let (toplevel, lasting) = beside.unzip();
        if let Some(toplevel) = toplevel {
            toplevel.clone_into(&mut facts.toplevel);
        }
        let tags = Tags::default();
        let (epoch, missions) = {
            let store = store.lock().unwrap_or_else(PoisonError::into_inner);
            // Where it cannot be read, no mission goes on.
            (store.epoch(), store.list_missions().unwrap_or_default())
        };
        let told = host_settings(&settings, kind);
        let engine = EngineCard {
            // Without one the worker says what is wrong.
            state: project.state.state_id().unwrap_or_default(),
            epoch,
            root: project.state.root().to_owned(),
            runs: project.state.runs(),
            sessions: Some(project.state.sessions()),
            missions: Some(Arc::new(missions.into_iter().collect())),
            variables: passed_on(project, &told),
        };
        let shared = Shared { env: &project.env, engine: &engine, source: &source, facts: &facts, tags: &tags };
        let others = match (kind, &lasting) {
            (PoolKind::Missions, None) => build_hosts(&settings, &told, &shared),
            // What is tried out in a scratch place, or beside missions, is tried here.
            (PoolKind::Missions, Some(_)) | (PoolKind::Verifications, _) => BTreeMap::new(),
        };
        let host = match test_line(project) {
            None => {
                let places = HostPlaces {
                    root: project.state.root().to_owned(),
                    runs: project.state.runs(),
                    pool: project.state.pool_in(settings.parallel.pool_dir.as_deref()),
                };
                let env = project.env.clone();
                let mut host = LocalHost::new(source.clone(), facts.clone(), env, told, places, guard, tags.clone());
                host.lasting = lasting;
                Host::Local(Box::new(host))
            }
            Some(line) => {
                Host::Remote(Box::new(RemoteHost::new(line, told, engine, source.clone(), facts.clone(), tags.clone())))
            }
        };
        let workers = local_workers(&settings);
        let verifies = others.is_empty() || workers > 0;
        Self {
            facts,
            state: project.state.clone(),
            env: project.env.clone(),
            source,
            clock: EngineClock::start(0),
            local: NamedHost::new(HostId::local(), workers, verifies, host),
            others,
            settings,
            store,
            reference: OnceLock::new(),
            tags,
            copies: OnceLock::new(),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What keeps secrets out of everything mc writes.
    pub fn redactor(&self) -> Redactor {
        Redactor::of(&self.env, self.settings().agent.env.iter().chain(&self.settings().verification.env))
    }

    /// The store. Held only for single statements; a panic in another task does not make it unusable.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error as trouble: what stood in the way, and what is said of it.
    pub fn to_trouble(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        let places = Places { source: self.facts.common_dir.clone(), state: self.state.root().to_owned() };
        Trouble::new(cause_of(inner_error(error), &places), chain(error))
    }

    /// The same, with what was tried.
    pub fn to_trouble_at(&self, what: &str, error: &(dyn std::error::Error + 'static)) -> Trouble {
        self.to_trouble(error).while_trying(what)
    }

    /// The tree that is verified in the place of `tree`: without the paths of `target.verification.ignore`.
    ///
    /// # Errors
    /// [`EngineError`] when git fails.
    pub async fn filter_tree(&self, tree: &TreeId) -> Result<Filtered, EngineError> {
        let ignore = &self.settings().verification.ignore;
        if ignore.is_empty() {
            return Ok(Filtered { tree: tree.clone(), removed: Vec::new() });
        }
        let unusable = |bad| format!("target.verification.ignore: {bad}");
        let ignore =
            Globs::new(ignore).map_err(|bad| EngineError::usage(unusable(bad), "mend it in mission-control.toml"))?;
        Ok(self.source.without_paths(&self.facts, tree, |path| ignore.matches(path)).await?)
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

    /// What to say where a run fails that may need the network: which variables for that it did not get. Names only.
    pub fn describe_withheld(&self, names: &[String]) -> Option<String> {
        withheld_message(|name| self.env.var(name).is_some(), names)
    }

    /// The host of this name.
    ///
    /// # Errors
    /// The settings name none.
    pub fn find_host(&self, id: &HostId) -> Result<&NamedHost, Trouble> {
        if *id == self.local.id {
            return Ok(&self.local);
        }
        self.others.get(id).ok_or_else(|| Trouble::from(format!("the settings name no host {id}")))
    }

    /// All hosts: this machine, then the others by name.
    pub fn hosts(&self) -> impl Iterator<Item = &NamedHost> {
        std::iter::once(&self.local).chain(self.others.values())
    }

    /// Whether units run on this machine; where they do, everything is verified by its environment.
    pub fn uses_local(&self) -> bool {
        self.local.verifies
    }

    /// The other hosts on which something may be verified.
    fn other_verifiers(&self) -> impl Iterator<Item = &NamedHost> {
        self.others.values().filter(|host| host.verifies)
    }

    /// The environment by which everything is verified: where units run on this machine its own, else that of the first other host
    /// that verifies and answers, which it is until this engine ends. One that is `wanted` goes first.
    ///
    /// # Errors
    /// [`EngineError`]: it cannot be made, or no host answers.
    pub async fn environment(&self, wanted: impl Fn(&str) -> bool + Sync) -> Result<&Reference, EngineError> {
        if let Some(reference) = self.reference.get() {
            return Ok(reference);
        }
        let found = match self.uses_local() {
            true => {
                let environment = self.fingerprint(&self.local).await?;
                Reference { host: Some(self.local.id.clone()), environment }
            }
            false => self.find_environment(wanted).await?,
        };
        Ok(self.reference.get_or_init(|| found))
    }

    /// Has everything verified by this environment, whichever host has it, where no other one was found yet.
    pub fn keep_environment(&self, environment: &str) {
        self.reference.get_or_init(|| Reference { host: None, environment: environment.to_owned() });
    }

    async fn find_environment(&self, wanted: impl Fn(&str) -> bool + Sync) -> Result<Reference, EngineError> {
        let ask = |on| self.ask_environment(on, &wanted);
        let answers = match find_first(self.other_verifiers().map(ask).collect()).await {
            Ok(found) => return Ok(found),
            Err(answers) => answers,
        };
        let mut refusals = Vec::new();
        for (host, answer) in answers {
            match answer {
                Ok(environment) => return Ok(Reference { host: Some(host), environment }),
                Err(e) => refusals.push(format!("{host}: {}", chain(&e))),
            }
        }
        let why = format!("no host that verifies can be used: {}", refusals.join("; "));
        Err(EngineError::broken(why, "`mc hosts check` tries each of them and says what helps"))
    }

    /// Asks a host for its environment, which is a good answer where it is wanted.
    fn ask_environment<'a>(
        &'a self,
        on: &'a NamedHost,
        wanted: &'a (impl Fn(&str) -> bool + Sync),
    ) -> Asked<'a, Reference, (HostId, Result<String, EngineError>)> {
        Box::pin(async move {
            match self.fingerprint(on).await {
                Ok(environment) if wanted(&environment) => Ok(Reference { host: Some(on.id.clone()), environment }),
                answer => Err((on.id.clone(), answer)),
            }
        })
    }

    /// What a snapshot's validity depends on beside tree and stages (design, section 10): what the host says, the files that
    /// are copied, the tags of the repository where it has any.
    ///
    /// # Errors
    /// [`EngineError::Broken`] when a fingerprint command fails.
    pub async fn fingerprint(&self, on: &NamedHost) -> Result<String, EngineError> {
        match on.id == self.local.id {
            true => on.fingerprint.get_or_try_init(|| self.make_fingerprint(on)).await.cloned(),
            false => self.make_fingerprint(on).await,
        }
    }

    async fn make_fingerprint(&self, on: &NamedHost) -> Result<String, EngineError> {
        let mut hash = FieldHash::default();
        let mut field = |bytes: &[u8]| hash.add(bytes);
        field(Host::fingerprint(on).await?.as_bytes());
        for (name, content) in self.copies()? {
            field(b"copy");
            field(name.as_bytes());
            field(if content.is_some() { b"there" } else { b"absent" });
            field(content.as_deref().unwrap_or_default());
        }
        if let Some(tags) = self.tags.digest(&self.source, &self.facts).await? {
            field(b"tags");
            field(tags.as_bytes());
        }
        Ok(hash.finish())
    }

    /// Reads a stored snapshot.
    ///
    /// # Errors
    /// [`StoreError`], or the parser's words when the stored text is no snapshot.
    pub fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, SnapshotError> {
        let text = self.store().snapshot_get(key)?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }
}

/// The error that one of the engine passes on as its own.
fn inner_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    match (error.downcast_ref::<EngineError>(), error.downcast_ref::<SnapshotError>()) {
        (Some(EngineError::Git(error)), _) => error,
        (Some(EngineError::Store(error)), _) | (_, Some(SnapshotError::Store(error))) => error,
        _ => error,
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
