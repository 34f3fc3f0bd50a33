//! The words for how a mission ends, and for why one is told to.

use serde::{Deserialize, Serialize};

/// Why a stop was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// A person.
    Person,
    /// The wall-time cap.
    WallTime,
    /// The caps on money or tokens allow no further attempt.
    Budget,
}

/// How a mission ended (design, section 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissionOutcome {
    /// The objective's check passes.
    ObjectiveMet,
    /// Nothing is left to plan.
    BacklogDone,
    /// All rounds are used.
    MaxRounds,
    /// Rounds without a landing.
    Stalled,
    /// The wall-time cap was reached.
    WallTime,
    /// The caps on money or tokens allowed no further attempt.
    Budget,
    /// A person stopped it.
    Stopped,
    /// It could not start.
    Refused,
    /// Something unexpected; the reason says what.
    Error,
}
