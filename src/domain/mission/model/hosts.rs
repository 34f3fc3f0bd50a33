//! Hosts of a mission: what the settings say of them, and how each stands.

use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Failures in a row of what needs a host, other than that it does not answer, after which it is not used for a while.
pub const HOST_FAILURES: u32 = 3;

/// A host as the settings give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPolicy {
    /// Its name; `local` is the machine the engine runs on.
    pub host: HostId,
    /// Attempts running there at once.
    pub workers: u32,
    /// Verifications running there at once.
    #[serde(default = "one")]
    pub verifiers: u32,
    /// What units may ask of a host by their `labels`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
}

const fn one() -> u32 {
    1
}

impl HostPolicy {
    /// A host without labels that verifies one thing at a time.
    pub const fn new(host: HostId, workers: u32) -> Self {
        Self { host, workers, verifiers: one(), labels: BTreeSet::new() }
    }
}

/// How a host stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// This engine has not had an answer of it yet.
    Unseen,
    /// It answers, and results of its runs depend on this beside tree and stages.
    Ready {
        /// The fingerprint of its environment.
        environment: String,
    },
    /// It is not used.
    Benched {
        /// Since when.
        since: Millis,
        /// When it is asked again.
        again_at: Millis,
        /// Failures since something succeeded there.
        tries: u32,
        /// What stood in the way.
        cause: Cause,
    },
}
