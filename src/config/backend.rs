//! Where work runs: this machine and other hosts (`[backend]`).
//!
//! Promises: values of a host's variables are in no text that is made of it for people.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const TYPE: &str = "backend.type";
pub(super) const LOCAL_WORKERS: &str = "backend.local_workers";
pub(super) const LEASE: &str = "backend.lease";
pub(super) const PIN_EVERY: &str = "backend.pin_every";
pub(super) const SSH_HOSTS: &str = "backend.ssh.hosts";
pub(super) const HOSTS: &str = "backend.hosts";

/// Where work runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// Units that run at once on this machine; `None` is as many as `num_workers` without hosts, and none beside them.
    pub local_workers: Option<u32>,
    /// How long what runs on a host outlives the connection to it.
    pub lease: Duration,
    /// How often work in progress there is pinned and brought here.
    pub pin_every: Duration,
    /// The hosts besides this machine, in the order of the person; names are unique, whatever their case.
    pub hosts: Vec<HostConfig>,
}

/// This machine alone.
impl Default for Backend {
    fn default() -> Self {
        Self {
            local_workers: None,
            lease: Duration::from_secs(600),
            pin_every: Duration::from_secs(300),
            hosts: Vec::new(),
        }
    }
}

/// One host.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostConfig {
    /// Its name: what [`HostId`](crate::domain::values::HostId) takes, and not `local` in any case.
    pub name: String,
    /// How it is reached.
    pub reach: Reach,
    /// Sessions that run there at once; 0 with verifiers is a host for verifications only.
    pub max_workers: u32,
    /// Verifications that run there at once: 0 or 1, for the queue verifies one after the other; not 0 where there are no workers.
    pub max_verifiers: u32,
    /// The folder there that everything is below: absolute, or `~/…` of the home there.
    pub root: String,
    /// What it offers to units: words of `[A-Za-z0-9._=/-]{1,64}`, each once.
    pub labels: Vec<String>,
    /// Variables of what runs there.
    pub env: BTreeMap<String, String>,
    /// The `mc` there, absolute or `~/…` of the home there; `None`: it is brought there.
    pub program: Option<String>,
    /// Most bytes below the root.
    pub max_disk: Option<u64>,
    /// The connection is released after so long without work; zero is never.
    pub idle: Duration,
}

/// Values of variables stay out of it.
impl fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("name", &self.name)
            .field("reach", &self.reach)
            .field("max_workers", &self.max_workers)
            .field("max_verifiers", &self.max_verifiers)
            .field("root", &self.root)
            .field("labels", &self.labels)
            .field("env", &self.env.keys())
            .field("program", &self.program)
            .field("max_disk", &self.max_disk)
            .field("idle", &self.idle)
            .finish()
    }
}

/// How long a command may take until something runs where it leads, unless somebody says otherwise.
pub(super) const fn default_connect_timeout() -> Duration {
    Duration::from_secs(600)
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// By the `ssh` of this machine.
    Ssh {
        /// What `ssh` is given: a host name, an address or an alias of its configuration; begins with no `-`.
        hostname: String,
        /// Who to be there; begins with no `-`.
        user: Option<String>,
        /// Its port.
        port: Option<u16>,
        /// The key, an absolute path.
        identity_file: Option<PathBuf>,
        /// The file of known keys of hosts, an absolute path.
        known_hosts: Option<PathBuf>,
    },
    /// By a command that runs a command line there, its input and output passed through.
    Command {
        /// Program and first arguments; not empty.
        connect: Vec<String>,
        /// So long it may take until something runs there.
        #[serde(default = "default_connect_timeout")]
        connect_timeout: Duration,
    },
}
