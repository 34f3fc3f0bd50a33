//! What goes to an agent and what comes back: the brief and the handoff.
//!
//! A handoff is a claim. It names the agent's view of its own work; whether anything changed and whether it is good is
//! for git and the checks to say. Its texts are untrusted and capped, its shape is never an error.

mod brief;
mod model;
mod result;

pub use brief::{BriefInput, brief};
pub use model::{Handoff, PromptMode};
pub use result::read;
