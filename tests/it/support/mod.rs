//! What integration tests share: hermetic repositories.

pub mod cli;
pub mod repo;
