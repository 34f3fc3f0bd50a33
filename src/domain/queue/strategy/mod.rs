//! Strategies of the queue: which request or landing is worked on next, and when that can be.
//!
//! What the next step of a landing is follows from its phase and from what runs have said, and is the same under each strategy.

mod choice;
mod serial;

pub use choice::Choice;

use super::model::MergeRequest;
use super::state::Queue;
use crate::domain::values::Millis;

/// How the queue goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// One request after the other, each verified on the green that it lands on.
    Serial,
}

impl Strategy {
    /// What is worked on now, if anything; `waits`: whether a request has to wait for something outside of the queue.
    pub fn choose(self, queue: &Queue, now: Millis, waits: impl Fn(&MergeRequest) -> bool) -> Option<Choice> {
        match self {
            Self::Serial => serial::choose(queue, now, waits),
        }
    }

    /// From when on something can be worked on, if no answer of a step comes before.
    pub fn due_at(self, queue: &Queue, waits: impl Fn(&MergeRequest) -> bool) -> Option<Millis> {
        match self {
            Self::Serial => serial::due_at(queue, waits),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
