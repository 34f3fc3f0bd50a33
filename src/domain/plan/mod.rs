//! Plans as values: reading plan files, checking a set of units and laying them out in waves.
//!
//! What this module promises: every fault of a text is a [`Finding`] with its line, all of them are collected, nothing
//! is dropped in silence and no text makes it panic. It knows nothing of attempts, hosts or missions.

pub mod duration;
pub mod keys;
pub mod names;
pub mod slug;

pub mod globs;

pub mod file;
pub mod unsupported;

pub mod cycles;
pub mod graph;
pub mod overlap;

use std::fmt;

/// One fault of a file a person or a planner wrote, with the place where it can be mended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Line in the file, from 1; 0 when the text has no lines (units made elsewhere).
    pub line: u32,
    /// What is wrong and what to write instead. May quote untrusted text.
    pub message: String,
}

impl Finding {
    /// A finding at `line`.
    pub fn new(line: u32, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// A value, where its text has no fault; else all faults, sorted by line.
///
/// # Errors
/// The faults.
pub fn faultless<T>(value: T, mut findings: Vec<Finding>) -> Result<T, Vec<Finding>> {
    findings.sort();
    findings.dedup();
    if findings.is_empty() { Ok(value) } else { Err(findings) }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}
pub use keys::Key;
