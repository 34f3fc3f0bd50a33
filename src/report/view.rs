//! What views are made of: a mission as its journal and the machine have it.

use crate::domain::mission::timeline::Timeline;
use crate::domain::mission::{Event, Record, State};
use crate::domain::values::{Millis, Tip, UnitId};

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
    /// What a gone engine left behind.
    pub left: &'a Left,
}

/// What is left of an unfinished mission beside its journal while no engine works on it.
#[derive(Debug, Default)]
pub struct Left {
    /// Requests that wait for the next engine, oldest first.
    pub requests: Vec<Event>,
    /// Attempts whose processes still run on this machine: unit and number. No other host was asked.
    pub agents: Vec<(UnitId, u32)>,
}

impl<'a> View<'a> {
    /// The mission over time, up to now.
    pub fn timeline(&self) -> Timeline<'a> {
        Timeline::of(self.records.iter().map(|(_, at, record)| (*at, record)), self.now)
    }

    /// Whether the mission is unfinished, has work that it could go on with, and nobody works on it.
    pub fn is_interrupted(&self) -> bool {
        self.engine.is_none() && !self.state.is_over() && !self.state.waiting
    }

    /// Whether a stop waits that no engine has taken: a resume withdraws it.
    pub fn has_pending_stop(&self) -> bool {
        let asked = self.left.requests.iter().any(|event| matches!(event, Event::Stop(_)));
        self.engine.is_none() && !self.state.is_over() && asked && !self.state.is_stopping()
    }

    /// Whether the next engine will end the mission, because that is decided and journaled.
    pub fn ends_on_resume(&self) -> bool {
        self.engine.is_none() && !self.state.is_over() && self.state.is_stopping()
    }

    /// Units for which a fresh start waits for the next engine.
    pub fn pending_retries(&self) -> impl Iterator<Item = &UnitId> {
        self.left.requests.iter().filter_map(|event| match event {
            Event::RetryUnit { unit, .. } => Some(unit),
            _ => None,
        })
    }
}
