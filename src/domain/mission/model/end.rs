//! Why and how a mission ends, and how much of it a stop ends.

use serde::{Deserialize, Serialize};

/// Exit code when the environment stands in the way.
pub(in crate::domain::mission) const ENVIRONMENT: u8 = 6;

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

/// How a mission is asked to stop; a later, stronger request replaces a weaker one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopLevel {
    /// No new units; running ones finish and land; then the mission ends.
    Drain,
    /// Kill and pin; the mission stays resumable.
    Interrupt,
    /// Kill and pin; the mission ends.
    Now,
}

/// Exit code when what was verified does not hold.
pub(in crate::domain::mission) const DOES_NOT_HOLD: u8 = 4;
