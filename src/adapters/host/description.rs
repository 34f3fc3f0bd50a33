//! What a host says of its machine, for people who look whether it will do.

use crate::domain::values::Millis;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A machine at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Version of the `mc` there.
    pub version: String,
    /// Kernel, its release and the architecture: `Linux 6.1.0 x86_64`.
    pub system: String,
    /// The name the machine has for itself.
    pub machine: String,
    /// Its git, as major and minor number; absent where it has none that will do.
    pub git: Option<(u32, u32)>,
    /// The folder of everything that is kept there.
    pub root: PathBuf,
    /// Bytes that may still be written there.
    pub free_disk: Option<u64>,
    /// Memory that programs could still get, in bytes.
    pub free_memory: Option<u64>,
    /// Processors.
    pub processors: usize,
    /// Processes that ran or wanted to in the last minute, on average, in hundredths.
    pub load: Option<u64>,
    /// What its clock shows.
    pub clock: Millis,
}
