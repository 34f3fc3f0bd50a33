//! What is mounted for a run, in a mount namespace of its own: values, and their lines in the `run` file.
//!
//! The kernel takes all of it away with the run's last process.

use super::error::RunError;
use super::text::{decode, encode};
use std::path::PathBuf;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A folder whose content is that of others; what is written to it goes to `upper`.
    Overlay {
        /// Where it is seen.
        target: PathBuf,
        /// Takes what is written.
        upper: PathBuf,
        /// A folder of the kernel's own beside `upper`, made when absent; nothing of another mount is in it.
        work: PathBuf,
        /// What is seen below it, topmost first; `target` itself may be among them.
        lowers: Vec<PathBuf>,
    },
    /// One folder in the place of another.
    Bind {
        /// The folder.
        from: PathBuf,
        /// Where it is seen.
        to: PathBuf,
    },
}

impl Mount {
    /// Its line in the `run` file.
    pub(super) fn line(&self) -> Result<String, RunError> {
        let words = |paths: &[&PathBuf]| -> Result<String, RunError> {
            let words: Result<Vec<_>, _> = paths.iter().map(|path| encode("a mount", path.as_os_str())).collect();
            Ok(words?.join(" "))
        };
        Ok(match self {
            Self::Overlay { target, upper, work, lowers } => {
                let paths: Vec<&PathBuf> = [target, upper, work].into_iter().chain(lowers).collect();
                format!("overlay {}\n", words(&paths)?)
            }
            Self::Bind { from, to } => format!("bind {}\n", words(&[from, to])?),
        })
    }

    /// Reads a line of the `run` file back, split at its first space; absent when it is no mount.
    pub(super) fn of_line(kind: &str, words: &str) -> Option<Self> {
        let paths: Vec<PathBuf> = words.split(' ').map(|word| PathBuf::from(decode(word))).collect();
        match (kind, paths.as_slice()) {
            ("overlay", [target, upper, work, lowers @ ..]) if !lowers.is_empty() => Some(Self::Overlay {
                target: target.clone(),
                upper: upper.clone(),
                work: work.clone(),
                lowers: lowers.to_vec(),
            }),
            ("bind", [from, to]) => Some(Self::Bind { from: from.clone(), to: to.clone() }),
            _ => None,
        }
    }
}
