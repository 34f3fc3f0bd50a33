//! Whether runs are fenced on this machine.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whether runs are fenced on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fenced {
    /// By what each of them sees mounted; with the limits that do not hold.
    Mounts(Vec<String>),
    /// By rules of Landlock, where nobody mounts for them: the reason for that, with what does not hold.
    Rules(String, Vec<String>),
    /// The settings do not want one.
    Off,
    /// It was tried and does not hold, because of this.
    No(String),
}

impl Fenced {
    /// Whether there is one.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Mounts(_) | Self::Rules(..))
    }

    /// What a report says where there is none, or one with gaps.
    pub fn describe_gaps(&self) -> Option<String> {
        match self {
            Self::Mounts(gaps) => Some(gaps.join("; ")).filter(|told| !told.is_empty()),
            Self::Rules(why, gaps) => {
                let rules = format!(
                    "the fence is one of rules (Landlock), since {why}: /tmp is everybody's, sockets and modes of files can be reached, programs that mount fail"
                );
                Some([&[rules], &gaps[..]].concat().join("; "))
            }
            Self::Off => Some("no fence: [sandbox] mode = \"off\", what runs can write whatever you can".to_owned()),
            Self::No(why) => Some(format!("no fence: what runs can write whatever you can ({why})")),
        }
    }
}

/// What a job may reach beside what every run of its kind may.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// What it may write.
    pub writable: Vec<PathBuf>,
    /// What it may read, wherever it is.
    pub readable: Vec<PathBuf>,
}
