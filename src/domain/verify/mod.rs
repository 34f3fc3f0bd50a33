//! Verification as values: what one tree gave (`model`), how outputs of tools are read (`formats`), what changed and whether it may
//! land (`judge`).

pub mod formats;
pub mod judge;
pub mod model;

pub use model::key::SnapshotKey;
pub use model::outcome::{
    Cause, Delta, Demands, FindingsChange, Gate, Judgement, MetricChange, Refusal, StageOutcome, Summary, Verdict,
};
