//! A cause of trouble that is common, who met it, and what is tried while it lasts.

use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, LandingId, Millis, RunId, SlotId, UnitId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Kinds of operations that can meet trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Getting an attempt to run: its workspace, its processes.
    Prepare,
    /// Keeping what an attempt made.
    Collect,
    /// Merging onto green and moving it.
    Merge,
    /// Running a verification.
    Verify,
    /// Reading what a round is made of.
    Plan,
    /// Reaching a host on which what waits could run.
    Reach,
}

impl Operation {
    /// What a step is that ended with this run, or belongs to this landing; without either it is a question of the round.
    pub(in crate::domain::mission) const fn of_step(run: Option<RunId>, landing: Option<LandingId>) -> Self {
        match (run, landing) {
            (Some(_), _) => Self::Verify,
            (None, Some(_)) => Self::Merge,
            (None, None) => Self::Plan,
        }
    }
}

/// Who met trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::mission) struct Witness {
    /// The unit, if it was for one.
    pub unit: Option<UnitId>,
    /// Slot of the attempt; absent for the merge queue.
    pub slot: Option<SlotId>,
    /// Where it was met.
    pub host: HostId,
}

/// One failure since the last success of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::mission) struct Sighting {
    pub(in crate::domain::mission) cause: Cause,
    pub(in crate::domain::mission) operation: Operation,
    pub(in crate::domain::mission) by: Witness,
    pub(in crate::domain::mission) at: Millis,
    /// Whether the unit's infrastructure budget was charged.
    pub(in crate::domain::mission) charged: bool,
    /// Whether something of its kind succeeded on another host since: it is not common any more, and may still be its host's.
    pub(in crate::domain::mission) past: bool,
}

/// A common cause that nothing has disproved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    pub(in crate::domain::mission) causes: Vec<(Cause, BTreeSet<Operation>)>,
    /// When it opened.
    pub opened: Millis,
    /// When something landed or was collected the last time while it was open; first: when it opened.
    pub(in crate::domain::mission) progress: Millis,
    /// When the next probe may start.
    pub again_at: Millis,
    pub(in crate::domain::mission) tries: u32,
    pub(in crate::domain::mission) hit: BTreeSet<UnitId>,
    pub(in crate::domain::mission) probe: Option<Probe>,
}

impl Circuit {
    /// The cause it is told by.
    pub fn cause(&self) -> Option<&Cause> {
        self.causes.first().map(|(cause, _)| cause)
    }

    /// Whether it is open because no host can be reached on which what waits could run.
    pub(in crate::domain::mission) fn waits_for_hosts(&self) -> bool {
        self.causes.iter().any(|(_, operations)| operations.contains(&Operation::Reach))
    }

    pub(in crate::domain::mission) fn has_cause(&self, cause: &Cause) -> bool {
        self.causes.iter().any(|(known, _)| known == cause)
    }

    /// Whether what is to be tried needs what is in trouble.
    pub(in crate::domain::mission) fn blocks(&self, what: Try) -> bool {
        self.has_failed(what) || self.causes.iter().any(|(cause, _)| cause.is_shared())
    }

    pub(in crate::domain::mission) fn has_failed(&self, what: Try) -> bool {
        self.causes.iter().any(|(_, operations)| what.operations().iter().any(|o| operations.contains(o)))
    }
}

/// What is tried while the circuit is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::mission) enum Probe {
    /// The attempt of the unit at this index.
    Attempt(usize),
    /// The next step of the merge queue.
    Queue,
}

/// What could be the next probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::mission) enum Try {
    /// Collecting an attempt that has ended.
    Collect,
    /// A step of the merge queue.
    Queue,
    /// A new attempt.
    Start,
}

impl Try {
    pub(in crate::domain::mission) fn operations(self) -> &'static [Operation] {
        match self {
            Self::Collect => &[Operation::Collect],
            Self::Queue => &[Operation::Merge, Operation::Verify],
            Self::Start => &[Operation::Prepare],
        }
    }
}
