//! What is mounted for a run, in a mount namespace of its own: as values.
//!
//! The kernel takes all of it away with the run's last process.

use super::text;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Mount {
    /// A folder whose content is that of others; what is written to it goes to `upper`.
    Overlay {
        /// Where it is seen.
        #[serde(with = "text")]
        target: PathBuf,
        /// Takes what is written.
        #[serde(with = "text")]
        upper: PathBuf,
        /// A folder of the kernel's own beside `upper`, made when absent; nothing of another mount is in it.
        #[serde(with = "text")]
        work: PathBuf,
        /// What is seen below it, topmost first; `target` itself may be among them.
        #[serde(with = "text")]
        lowers: Vec<PathBuf>,
    },
    /// One folder in the place of another.
    Bind {
        /// The folder.
        #[serde(with = "text")]
        from: PathBuf,
        /// Where it is seen.
        #[serde(with = "text")]
        to: PathBuf,
    },
}
