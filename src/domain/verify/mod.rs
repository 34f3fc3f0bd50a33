//! Verification as values: stages, snapshots of one tree, the delta of two snapshots, the verdict.

pub mod codes;
pub mod confirm;
pub mod delta;
pub mod excerpt;
pub mod formats;
pub mod history;
pub mod home;
mod identity;
pub mod key;
mod model;
pub mod named;
pub mod number;
pub mod relative;
pub mod reports;
pub mod results;
pub mod snapshot;
pub mod telling;
pub mod verdict;

pub use key::SnapshotKey;
pub use model::{
    Cause, Delta, Demands, FindingsChange, Gate, Judgement, MetricChange, Refusal, StageOutcome, Summary, Verdict,
};

#[cfg(test)]
mod figures_tests;

#[cfg(test)]
mod red_tests;
