//! `mc doctor`: everything that could stop or spoil a mission, looked at before it starts.
//!
//! Promises: what a start refuses is found here in the words of that refusal, by the same functions ([`crate::engine::tasks::preflight`],
//! [`crate::engine::inspect::plans`]); one broken thing does not hide the others; nothing is changed, and no value of a variable is ever told.
//! With `baseline`, `agent` and `gate` things are tried, in a scratch clone that vanishes.

mod agent;
mod examine;
mod fence;
mod findings;
mod gate;
mod homes;
mod machine;
mod outside;
mod repository;

pub use examine::{Examined, Trials, run_checks};
