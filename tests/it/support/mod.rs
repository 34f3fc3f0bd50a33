//! What integration tests share: hermetic repositories.

pub mod repo;
