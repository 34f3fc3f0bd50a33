//! Whether what a mission has begun goes on, in four words that every view uses.
//!
//! | word | of a run | of a host |
//! |---|---|---|
//! | `live` | its host answers and has not told its end; without an engine: its processes are there, on this machine | it answers |
//! | `unreachable` | its host does not answer: it goes on until its lease is over, or has ended unseen | it does not answer |
//! | `ended` | its end is known | – |
//! | `unknown` | nobody has asked its host: no engine works, or the host has not answered this one yet | the same, or it is left out for another reason |

use crate::domain::mission::model::hosts::Health;
use crate::domain::mission::model::{Attempt, Unit};
use crate::domain::mission::state::mission::State;
use crate::domain::trouble::Cause;
use crate::domain::values::HostId;
use serde::Serialize;

/// Whether something goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It does.
    Live,
    /// Nobody can say: its host does not answer.
    Unreachable,
    /// It does not.
    Ended,
    /// Nobody can say: its host was not asked.
    Unknown,
}

/// Who can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// An engine that works on the mission: a host that answers tells it of every end.
    Engine,
    /// None works on it: it was looked on this machine whether processes are there, and no other host was asked.
    Nobody {
        /// Whether they are.
        found_here: bool,
    },
}

impl Liveness {
    /// That of a host.
    pub fn of_host(state: &State, host: &HostId, witness: Witness) -> Self {
        if host.is_local() {
            return Self::Live;
        }
        if state.is_over() || witness != Witness::Engine {
            return Self::Unknown;
        }
        match state.hosts().health(host) {
            Some(Health::Benched { cause: Cause::Unreachable, .. }) => Self::Unreachable,
            Some(Health::Ready { .. }) => Self::Live,
            Some(Health::Benched { .. } | Health::Unseen) | None => Self::Unknown,
        }
    }

    /// That of an attempt of `unit`.
    pub fn of_attempt(state: &State, unit: &Unit, attempt: &Attempt, witness: Witness) -> Self {
        if attempt.ended.is_some() || attempt.report.is_some() || unit.uncollected_slot() == Some(&attempt.slot) {
            return Self::Ended;
        }
        Self::of_run(state, &attempt.slot.host, witness)
    }

    /// That of what was begun on a host and whose end nobody has told.
    pub fn of_run(state: &State, host: &HostId, witness: Witness) -> Self {
        match witness {
            Witness::Nobody { found_here } if host.is_local() => {
                if found_here {
                    Self::Live
                } else {
                    Self::Ended
                }
            }
            // What was begun there is heard of until its host cannot be reached.
            Witness::Engine if matches!(state.hosts().health(host), Some(Health::Benched { .. })) => {
                if Self::of_host(state, host, witness) == Self::Unreachable { Self::Unreachable } else { Self::Live }
            }
            _ => Self::of_host(state, host, witness),
        }
    }

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Unreachable => "unreachable",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}
