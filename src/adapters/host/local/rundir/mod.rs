//! Run directories: agents and verifications run detached under a small supervisor and outlive `mc`.
//!
//! Promises: a run that was started is found again by [`find`] after any crash, exactly one of supervisor and
//! [`claim_ourselves`] wins a directory, a result is read whole or not at all, and the program never sees the engine's
//! environment, lock or descriptors. The protocol, its races and the tests are described in `docs/runs.md`.

mod end;
mod find;
mod launch;
mod quarantine;
mod records;
mod run;

pub use find::{Found, claim_ourselves, find};
pub use launch::{launch, prepare};
pub use quarantine::archive_run_dir;
pub use run::{Run, ran_for, runs_below};
