//! What integration tests share: hermetic repositories and attempts in slots.

pub mod attempt;
pub mod cli;
pub mod repo;
pub mod world;
