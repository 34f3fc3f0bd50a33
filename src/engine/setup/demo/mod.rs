//! `mc demo`: a whole mission in a temporary repository, with this very program as child processes, killed and resumed
//! in its middle.
//!
//! Promises: everything the demo makes is in one temporary folder, nothing of the user is read or written, and what it
//! claims ([`checks`]) is computed from journal, repository and processes after the fact. It waits for records and
//! files, never for time to pass.

pub mod checks;
mod proof;
mod stage;
mod story;

pub use proof::{Report, examine_demo};
pub use stage::{Demo, Middle, wait_for_signal};
pub use story::{FLAKY, LONG, OLD_CALLER, PARTS, Part, RED, RENAMER, SAME_LINE, VERIFY};
