//! What verifying one tree gave: stages and their key, results of tests, findings and numbers, snapshots; who is who between two runs.

pub mod codes;
pub mod home;
pub mod identity;
pub mod key;
pub mod named;
pub mod number;
pub mod outcome;
pub mod results;
pub mod snapshot;
