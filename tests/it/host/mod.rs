//! Runs: the run directory, containment, fence and limits.

pub mod bounds;
pub mod builds;
pub mod conformance;
pub mod containment;
pub mod fence;
pub mod hostile;
pub mod idle;
pub mod limits;
pub mod line;
pub mod lost;
pub mod mend;
pub mod outlive;
pub mod progress;
pub mod protocol;
pub mod raw_worker;
pub mod refusals;
pub mod remote;
pub mod secrets;
pub mod sshd;
pub mod trips;
pub mod user;
pub mod waiting;
pub mod ways;
pub mod world;
