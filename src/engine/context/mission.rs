//! What every task of a running mission needs beside a [`ExecutionContext`]: the mission, the lock that proves the engine is the only
//! one, the merge directory.

use crate::adapters::git::{GitError, MergeRepo, RefName, SeenIndex};
use crate::adapters::host::local::process::lock::RunLock;
use crate::adapters::host::{PoolKind, RunKey};
use crate::adapters::os::clock::EngineClock;
use crate::config::Settings;
use crate::domain::mission::{AttemptOrder, Refusal};
use crate::domain::trouble::chain;
use crate::domain::values::{CommitId, MissionId};
use crate::engine::context::tenure::claim_now;
use crate::engine::context::{Act, Asking, ExecutionContext, Project, Tenure};
use crate::engine::error::EngineError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// What is journaled as a mission's settings: everything a later engine needs to go on in the same way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effective {
    /// The effective configuration.
    pub settings: Settings,
    /// Start although tracked files have changes.
    pub allow_dirty: bool,
    /// Take the repository over from a state directory on this machine.
    #[serde(default)]
    pub take_over_from: Option<String>,
    /// Go on from where green stands although earlier landings are missing from it.
    #[serde(default)]
    pub accept_green: bool,
}

/// Shared by all tasks of one engine.
#[derive(Debug)]
pub struct MissionContext {
    /// The mission.
    pub mission: MissionId,
    /// What it is for.
    pub objective: String,
    /// Start although tracked files have changes.
    pub allow_dirty: bool,
    /// Take the repository over from a state directory on this machine.
    pub take_over: Option<String>,
    /// Go on from where green stands although earlier landings are missing from it.
    pub accept_green: bool,
    /// The engine's lock.
    pub lock: RunLock,
    /// Whose `accept` is asked on green just now.
    pub asking: Asking,
    /// Whether it was said what `setup` leaves.
    pub told_left: AtomicBool,
    /// The last look at the index of the user's repository.
    pub seen_index: SeenIndex,
    /// Refs of others in the user's repository as they were seen last.
    pub seen_refs: Mutex<Option<BTreeMap<RefName, CommitId>>>,
    execution: ExecutionContext,
    merge: OnceCell<MergeRepo>,
}

impl Deref for MissionContext {
    type Target = ExecutionContext;

    fn deref(&self) -> &ExecutionContext {
        &self.execution
    }
}

impl MissionContext {
    /// Puts together what is there; touches nothing. `beside` is for a scratch place: the work tree from which files are copied
    /// and fingerprints taken, and the folder for what should outlive it.
    pub fn new(
        project: &Project,
        mission: MissionId,
        objective: String,
        effective: Effective,
        tenure: Tenure,
        beside: Option<(&Path, PathBuf)>,
    ) -> Self {
        let Effective { settings, allow_dirty, take_over_from, accept_green } = effective;
        let Tenure { lock, store, owner } = tenure;
        let store = Arc::new(Mutex::new(store));
        let guard = lock.guard();
        let source = project.source(guard.clone()).with_batch(&project.facts.common_dir).owned_by(&owner);
        let execution = ExecutionContext::new(project, settings, (guard, source), store, PoolKind::Missions, beside);
        Self {
            mission,
            objective,
            allow_dirty,
            accept_green: accept_green || take_over_from.is_some(),
            take_over: take_over_from,
            lock,
            asking: Asking::default(),
            told_left: AtomicBool::new(false),
            seen_index: SeenIndex::default(),
            seen_refs: Mutex::default(),
            execution,
            merge: OnceCell::new(),
        }
    }

    /// The same, with everything measured by the clock of the mission's journal.
    #[must_use]
    pub fn with_clock(mut self, clock: EngineClock) -> Self {
        self.execution.clock = clock;
        self
    }

    /// That this engine still is the one of its state directory.
    ///
    /// # Errors
    /// [`EngineError`] with what took that from it.
    pub fn check_ownership(&self) -> Result<(), EngineError> {
        self.store().check_tenure()?;
        if self.source.owner().is_lost() {
            return Err(GitError::NotOwner { refname: self.green_ref() }.into());
        }
        Ok(())
    }

    /// Waits no longer for hosts that are yet to be had: somebody wants an end.
    pub fn stop_waiting(&self) {
        self.hosts().for_each(|host| host.stop_waiting());
    }

    /// Claims the repository for this engine, where it has not been claimed for it yet.
    ///
    /// # Errors
    /// [`Refusal`] when it belongs to somebody else.
    pub async fn claim(&self, act: Act) -> Result<(), Refusal> {
        let tenant = self.store().read_tenant();
        let tenant = tenant.map_err(|e| Refusal { reason: chain(&e), hint: String::new(), exit: 6 })?;
        claim_now(&self.source, &tenant.card, self.take_over.as_deref(), act).await
    }

    /// The isolated merge directory.
    ///
    /// # Errors
    /// [`GitError`] when it cannot be made.
    pub async fn merge(&self) -> Result<&MergeRepo, GitError> {
        let open = async || {
            MergeRepo::sweep(self.state.root())?;
            let union = &self.settings().queue.union;
            let merge = MergeRepo::open(self.state.root(), &self.source, &self.facts, union).await?;
            Ok(merge.dated_by(self.clock))
        };
        self.merge.get_or_try_init(open).await
    }

    /// Full name of the green ref.
    pub fn green_ref(&self) -> String {
        format!("refs/heads/{}", self.settings().green_branch)
    }

    /// The runs of one attempt on its host; also who uses its slot.
    pub fn attempt_key(&self, order: &AttemptOrder) -> RunKey {
        RunKey::of_attempt(&self.mission, &order.spec.id, order.n)
    }

    /// What the engine remembers of one attempt, where no agent is led to.
    pub fn session_dir(&self, order: &AttemptOrder) -> PathBuf {
        self.attempt_key(order).path_in(&self.state.sessions())
    }

    /// The runs of one verification on its host; also who uses its slot.
    pub fn verify_key(&self, run: &str) -> RunKey {
        RunKey::of_verification(&self.mission, run)
    }
}
