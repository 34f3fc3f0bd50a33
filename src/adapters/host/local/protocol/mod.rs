//! The run directory: its files, names and words, as values and text. What starts runs, ends them and supervises them keeps to it;
//! nothing here touches anything.

mod error;
mod fence;
mod files;
mod identity;
mod isolation;
mod mounts;
mod names;
mod run;
mod text;

pub use error::RunError;
pub use fence::{Caps, Fence};
pub use files::{Limits, Program, Settings, Start, parse, parse_exit, text_of};
pub use identity::Identity;
pub use isolation::Isolation;
pub use mounts::Mount;
pub use names::{BROKEN, ERRORS, FLAG, MOUNTED, OURSELVES, OUTPUT, WORKS};
pub(in crate::adapters::host) use names::{LARGEST_COMMAND, SMALL};
pub use run::{KillReason, RunExit, RunSpec};
