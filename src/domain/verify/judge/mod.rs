//! What changed between two snapshots, what a second run of one tree says, and the verdict over a change.

pub mod confirm;
pub mod delta;
pub mod history;
pub mod verdict;

#[cfg(test)]
mod figures_tests;

#[cfg(test)]
mod red_tests;
