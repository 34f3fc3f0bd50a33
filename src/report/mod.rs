//! Renders what people and programs read: text and JSON out of domain values, nothing else.

pub mod text;
pub mod words;

pub mod doctor;
pub mod init;
pub mod plan;

pub mod cost;
pub mod evidence;
pub mod facts;
pub mod lines;
pub mod live;

pub mod account;
pub mod claims;
pub mod markdown;
pub mod mission;
pub mod mission_json;
pub mod progress;
pub mod prometheus;

pub mod status;
pub mod units;

pub mod verify;
pub mod verify_json;

pub mod github;
pub mod junit;

use crate::domain::mission::{Record, State};
use crate::domain::values::{Millis, Tip};

/// Green as the repository has it, whatever a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreenRef {
    /// Full name, such as `refs/heads/mc/green`.
    pub name: String,
    /// Where it stands; absent when it does not exist.
    pub tip: Option<Tip>,
}

impl GreenRef {
    /// The branch name without `refs/heads/`.
    #[must_use]
    pub fn branch(&self) -> &str {
        self.name.strip_prefix("refs/heads/").unwrap_or(&self.name)
    }
}

/// One mission as views need it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The time of looking.
    pub now: Millis,
    /// What the journal folds to.
    pub state: &'a State,
    /// The journal: number, time, record.
    pub records: &'a [(u64, Millis, Record)],
    /// Process id of the engine that works on the repository, if one does.
    pub engine: Option<u32>,
}
