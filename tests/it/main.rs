//! The one integration binary: decisions in the simulator, adapters against real git and processes, the command line.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

mod cli;
mod fleet;
mod git;
mod host;
mod mission;
mod queue;
mod rules;
mod slurm;
mod store;
mod support;
mod verify;
mod workspace;
