//! A mission over time, read once out of its records: what began and ended when, landings with what they rest on, runs, attempts.
//!
//! Promises: from planning to its end (or to now) a unit is in exactly one phase, so its phases add up to its wall time; the
//! same records give the same timeline; what ends is found by its id. Times are those of the journal; only the run of a process
//! inside an attempt is told by the attempt's report, and never counts beyond the attempt.

mod model;
mod read;
mod watch;

pub use model::{
    Answer, AttemptTimes, Landed, LandingEntry, Phase, Phases, RoundTimes, Span, Timeline, UnitTimes, VerificationEnd,
    VerificationEntry,
};
pub use watch::{Stopwatch, starting_phase};

#[cfg(test)]
mod tests;
