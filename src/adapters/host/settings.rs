//! What a host is told once: everything of a mission's settings that has to do with workspaces and runs.

use crate::domain::fence::{Sandbox, WantedIsolation};
use crate::domain::values::HostId;
use crate::domain::verify::model::key::StageSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The variable that names the home of a user; among the variables of verifications it asks for the user's own.
pub const HOME: &str = "HOME";

/// Longest time without a sign of life of its engine that a run nobody adopts goes on.
const SHORT_LEASE: Duration = Duration::from_secs(120);

/// Most bytes that come at once from a host whose disk has no bound: as many as are kept of an output of a run. Work of one attempt is far
/// from that, and so much fills no disk of an engine.
const TRANSFER: u64 = 4 << 30;

fn pin_every() -> Duration {
    Duration::from_secs(300)
}

/// Whose workspaces are used, and how long runs outlive their engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoolKind {
    /// Those of missions; their runs are adopted after a crash.
    Missions,
    /// Those of verifications beside missions; nobody adopts their runs.
    Verifications,
}

/// Settings of workspaces and runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostSettings {
    /// Whose workspaces are used.
    pub kind: PoolKind,
    /// Shell text that prepares a fresh workspace.
    pub setup: Option<String>,
    /// Files whose change makes `setup` run again.
    pub setup_inputs: Vec<String>,
    /// Names of the files that are copied into workspaces: no part of anybody's work.
    pub copy: Vec<String>,
    /// The stages, whose lines may say where Python searches.
    pub stages: Vec<StageSpec>,
    /// Names of the variables that verifications get.
    pub verification_env: Vec<String>,
    /// Names of the variables that agents get.
    pub agent_env: Vec<String>,
    /// Files and folders of the user's home that verifications find in theirs, besides the usual ones.
    pub home: Vec<String>,
    /// Globs of paths beside the tree that may stay from one run to the next.
    pub keep: Vec<String>,
    /// Shell texts whose outputs are part of the fingerprint.
    pub fingerprint: Vec<String>,
    /// Longest run of `setup`.
    pub session_timeout: Duration,
    /// How left-over processes are to be found.
    pub isolation: WantedIsolation,
    /// How long runs outlive a dead engine that comes back.
    pub lease: Duration,
    /// How often work in progress is pinned and brought home, where the engine is elsewhere.
    #[serde(default = "pin_every")]
    pub pin_every: Duration,
    /// Most bytes of the pool; 0 for no limit.
    pub max_disk: u64,
    /// The name of the host in the settings; absent: it is the machine of the engine.
    #[serde(default)]
    pub name: Option<HostId>,
    /// What runs may reach.
    pub sandbox: Sandbox,
    /// Variables of the host's own, which every run there gets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl HostSettings {
    /// Whether verifications have a HOME of their own.
    pub fn have_own_home(&self) -> bool {
        !self.verification_env.iter().any(|name| name == HOME)
    }

    /// Whether files of one verification may stay for the next.
    pub fn keeps_files(&self) -> bool {
        self.setup.is_some() || !self.keep.is_empty()
    }

    /// Which host it is.
    pub fn host(&self) -> HostId {
        self.name.clone().unwrap_or_else(HostId::local)
    }

    /// Most bytes that it may send at once, and how the settings name that, in words.
    pub fn transfer_bound(&self) -> (u64, String) {
        let key = self.name_disk_key();
        match self.max_disk {
            0 => (TRANSFER, format!("set {key} to take more")),
            most => (most, key),
        }
    }

    /// The key of the settings that bounds its disk, in words.
    pub fn name_disk_key(&self) -> String {
        match &self.name {
            Some(host) => format!("max_disk of host {host}"),
            None => "scheduler.parallel.max_disk".to_owned(),
        }
    }

    /// Without a sign of life for so long, a run is ended by its supervisor.
    pub fn lease(&self) -> Duration {
        match self.kind {
            PoolKind::Missions => self.lease,
            PoolKind::Verifications => self.lease.min(SHORT_LEASE),
        }
    }
}
