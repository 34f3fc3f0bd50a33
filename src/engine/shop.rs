//! What every task of a running mission needs beside a [`Bench`]: the mission, the lock that proves the engine is the only
//! one, the merge directory.

use super::accept::Asking;
use super::bench::{Bench, Room};
use super::site::Site;
use crate::adapters::git::GitError;
use crate::adapters::git::local::SeenIndex;
use crate::adapters::git::merge::MergeRepo;
use crate::adapters::store::lock::RunLock;
use crate::adapters::store::{Store, StoreError};
use crate::config::Settings;
use crate::domain::values::MissionId;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
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
    /// Start although tracked files have changes.
    pub allow_dirty: bool,
    /// Take the repository over from another state directory.
    pub take_over: bool,
    /// The engine's lock.
    pub lock: RunLock,
    /// Whose `accept` is asked on green just now.
    pub asking: Asking,
    /// The last look at the index of the user's repository.
    pub seen_index: SeenIndex,
    bench: Bench,
    merge: OnceCell<MergeRepo>,
}

impl Deref for Shop {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
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
        let Effective { settings, allow_dirty, take_over } = effective;
        let bench = Bench::new(site, settings, lock.guard(), store, Room::Missions);
        Self {
            mission,
            objective,
            allow_dirty,
            take_over,
            lock,
            asking: Asking::default(),
            seen_index: SeenIndex::default(),
            bench,
            merge: OnceCell::new(),
        }
    }

    /// The same for a scratch place, with files to be copied and fingerprints taken from another work tree than that of its
    /// repository, and what should outlive it put into `lasting`.
    #[must_use]
    pub fn beside(mut self, toplevel: &Path, lasting: PathBuf) -> Self {
        toplevel.clone_into(&mut self.bench.facts.toplevel);
        self.bench.lasting = Some(lasting);
        self
    }

    /// That this engine still is the one of its state directory.
    ///
    /// # Errors
    /// [`StoreError`] with what took that from it.
    pub fn in_office(&self) -> Result<(), StoreError> {
        self.store().in_office()
    }

    /// The isolated merge directory.
    ///
    /// # Errors
    /// [`GitError`] when it cannot be made.
    pub async fn merge(&self) -> Result<&MergeRepo, GitError> {
        self.merge.get_or_try_init(|| MergeRepo::open(self.state.root(), &self.source, &self.facts)).await
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
    pub fn verify_dir(&self, run: &str) -> PathBuf {
        self.state.runs().join(self.mission.as_str()).join(".verify").join(run)
    }
}
