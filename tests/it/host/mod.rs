//! Runs: the run directory, containment, fence and limits.

pub mod containment;
pub mod fence;
pub mod limits;
pub mod line;
pub mod lost;
pub mod progress;
pub mod protocol;
pub mod remote;
pub mod user;
pub mod world;
