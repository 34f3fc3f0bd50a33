//! The formats in which runners, linters and type checkers say what they found.
//!
//! Promises: a format is named by the settings or recognised by the structure of the output, never guessed from single
//! words; an output in which two formats recognise themselves is read as neither; what is not recognised counts by
//! its exit code only, and the result says so. Every reader is one pass over any text, in bounded memory.

pub mod bandit;
mod bounds;
pub mod cargo;
pub mod clippy;
pub mod eslint;
pub mod excerpt;
mod format;
mod found;
pub mod go;
pub mod go_json;
mod go_lines;
pub mod jest;
pub mod junit;
pub mod metric;
pub mod mypy;
pub mod nextest;
pub mod pytest;
mod read;
pub mod relative;
mod report;
pub mod reports;
pub mod ruff;
pub(super) mod said;
pub mod tap;
pub mod telling;
pub mod tsc;
pub mod unittest;
pub mod vitest;

pub use bounds::{NAME_LIMIT, RESULTS_LIMIT, without_sequences};
use bounds::{bounded, shorten_name};
pub use format::{Format, WORDS};
pub use read::{count_unnamed, detect_format, read};

#[cfg(test)]
#[path = "findings_tests.rs"]
mod findings_tests;
