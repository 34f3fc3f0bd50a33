//! The adapter of git, against real repositories.

pub mod merge;
pub mod refs;
pub mod source;
