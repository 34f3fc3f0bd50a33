//! `mission_control`: the library behind `mc`.
//!
//! Five rings, each importing only what stands below it (kept by `tests/it/rules/architecture.rs`):
//!
//! ```text
//! cli        arguments in, text and exit code out
//! engine     the only async orchestration: driver loop, executor, tasks, reconcile
//! report | adapters | config | sim     render | touch the world | read settings | virtual world
//! domain     every rule; values in, values out; no io
//! ```
//!
//! The crate root re-exports nothing, so that an import always names its ring.

pub mod domain;

pub mod adapters;
pub mod config;
pub mod report;
pub mod sim;

pub mod engine;

pub mod cli;
