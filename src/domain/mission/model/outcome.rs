//! What the end of an attempt, or of a landing, means, and what its unit does next.

use super::report::SessionReport;
use crate::domain::ending::ProcessEnd;
use crate::domain::trouble::Cause;
use crate::domain::values::{Millis, RequestId};
use serde::{Deserialize, Serialize};

/// The outcome class of an attempt (design, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptClass {
    /// The tree changed.
    Changed,
    /// Unchanged and declared so.
    NoOp,
    /// Unchanged and not declared.
    Empty,
    /// A person is needed.
    Held,
    /// More to do from its own work.
    Continue,
    /// The work failed.
    FailedWork,
    /// The work was refused by the quick stages in its workspace.
    FailedQuick,
    /// Out of time.
    FailedTimeout,
    /// No sign of life.
    FailedStalled,
    /// The agent's service lets nobody work just now: its account is at a limit, or it fails.
    Limit,
    /// The agent cannot be used as it is set up.
    Refused,
    /// Says nothing about the work.
    Infrastructure,
    /// It never ran.
    NeverStarted,
    /// A person stopped it.
    Stopped,
}

/// Why the queue refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectClass {
    /// The gate said hurt.
    Verification,
    /// Both sides changed the same text.
    Conflict,
    /// The unit's `accept` line shows nothing, so a person decides; uses no attempt.
    Unproven,
    /// Its steps fail where those of others pass, and its infrastructure budget is used up.
    Infrastructure,
    /// The user's repository changed while the change was verified, so a person looks; uses no attempt.
    Meddling,
}

/// What happens to a unit next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextMove {
    /// A merge request with this number.
    Queue {
        /// Merge request number.
        mr: RequestId,
    },
    /// Another attempt, not before this time.
    Retry {
        /// Earliest start.
        not_before: Millis,
        /// Start from the unit's own pinned head instead of green.
        own_work: bool,
        /// What the next attempt must know.
        because: String,
    },
    /// Nothing to do was the right result.
    NoOp,
    /// Parked until a person answers.
    Hold {
        /// The question.
        question: String,
        /// The attempt after the answer starts from the unit's own pinned head.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        own_work: bool,
    },
    /// It never had a mergeable change.
    Fail {
        /// Why.
        reason: String,
    },
    /// The queue refused its last change.
    Reject {
        /// Why.
        reason: String,
    },
}

impl NextMove {
    /// Whether two moves are the same, in whatever words they are told.
    pub fn is_same(&self, other: &Self) -> bool {
        self.without_words() == other.without_words()
    }

    fn without_words(&self) -> Self {
        let mut bare = self.clone();
        match &mut bare {
            Self::Retry { because: words, .. }
            | Self::Hold { question: words, .. }
            | Self::Fail { reason: words }
            | Self::Reject { reason: words } => words.clear(),
            Self::Queue { .. } | Self::NoOp => {}
        }
        bare
    }
}

/// What stood in the way of an attempt that says nothing of its work.
pub(in crate::domain::mission) fn cause_of(report: &SessionReport) -> Cause {
    match &report.run.end {
        ProcessEnd::Infrastructure(trouble) => trouble.cause.clone(),
        // It says so itself, and nobody knows better: that is its own affair.
        _ => Cause::LostRun,
    }
}

/// Whether what an attempt made was kept, so that everything it takes works.
pub(in crate::domain::mission) fn is_collected(class: AttemptClass, report: &SessionReport) -> bool {
    let says_nothing =
        matches!(class, AttemptClass::Infrastructure | AttemptClass::NeverStarted | AttemptClass::Stopped);
    !says_nothing && report.work.head.is_some()
}
