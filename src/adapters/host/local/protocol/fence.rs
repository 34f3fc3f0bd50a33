//! What a run may reach of the machine's files, in a mount namespace of its own: as values.
//!
//! Everything may be read and nothing may be written, with these exceptions. They are made in the order of the fields, so that
//! what is named later is seen inside of what is named before.

use super::text;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a run may take of the machine at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Memory in bytes: of the whole run where a cgroup can be made, else of each of its processes.
    pub memory: Option<u64>,
    /// Processes and threads at a time.
    pub processes: Option<u64>,
}

/// The fence of one run. Paths are absolute and lead through no link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fence {
    /// Folders of the run that are seen in the place of others, with those: temporary folders that everybody writes.
    #[serde(with = "text")]
    pub private: Vec<(PathBuf, PathBuf)>,
    /// Folders in memory that the run has for itself.
    #[serde(with = "text")]
    pub memory: Vec<PathBuf>,
    /// Folders of which nothing is seen.
    #[serde(with = "text")]
    pub closed: Vec<PathBuf>,
    /// What may be written.
    #[serde(with = "text")]
    pub writable: Vec<PathBuf>,
    /// What may be read where nothing else can be seen, and not be written where everything else can be.
    #[serde(with = "text")]
    pub readable: Vec<PathBuf>,
    /// Files and sockets that read as empty.
    #[serde(with = "text")]
    pub hidden: Vec<PathBuf>,
    /// What it may take.
    pub caps: Caps,
}
