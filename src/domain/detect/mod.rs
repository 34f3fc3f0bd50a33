//! What the files of a repository say about how it is verified, prepared and worked on; what `mc init` proposes.
//!
//! Promises: files in, a proposal out, no io; command lines are made of fixed words, and whatever a file says (names of
//! folders, scripts) only chooses among them or is quoted; the same files give the same proposal. Must not know: which
//! programs this machine has.

pub mod agents;
pub mod build;
pub mod checks;
pub mod faults;
mod files;
mod groups;
pub mod imports;
mod java;
pub mod kept;
mod model;
pub mod network;
mod node;
mod perl;
mod places;
mod python;
mod rust;
pub mod sample;
mod script;
mod stages;

pub use files::Files;
use model::Group;
pub use model::{Detected, Need, Setup, Stage};
pub use stages::{detect_stages, files_to_read, starts_all_at_once};

#[cfg(test)]
#[path = "detect_tests.rs"]
mod tests;
