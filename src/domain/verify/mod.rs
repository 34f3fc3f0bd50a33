//! Verification as values: what one tree gave (`model`), how outputs of tools are read (`formats`), what changed and whether it may
//! land (`judge`).

pub mod formats;
pub mod judge;
pub mod model;

pub use formats::Format;
pub use judge::confirm::confirm;
pub use judge::delta::compare_snapshots;
pub use judge::history::TestHistory;
pub use model::key::{Better, Demand, SnapshotKey, StageKind, StageSpec, Tier};
pub use model::number::Number;
pub use model::outcome::{
    Cause, Delta, Demands, FindingsChange, Gate, Judgement, MetricChange, Refusal, RuleChange, StageOutcome, Summary,
    Verdict,
};
pub use model::results::{Findings, Place, Reading, Steadiness, TestResult, TestResults, TestStatus, WHOLE_SUITE};
pub use model::snapshot::{Snapshot, StageResult, Start};
