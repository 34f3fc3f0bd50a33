//! What commands and tasks stand on: where a command stands ([`project`]), what it takes to run something on a tree
//! ([`execution`], which needs no mission), and what a mission adds to that ([`mission`]).

pub(super) mod asking;
pub(super) mod contact;
pub(super) mod execution;
pub(super) mod hosts;
pub(super) mod mission;
pub(super) mod owner;
pub mod project;
mod reach;
pub mod redact;
pub(super) mod refusal;
pub(super) mod tenure;
pub use asking::Asking;
pub use contact::wait_for_commands;
pub use execution::{ExecutionContext, host_settings, local_workers};
pub use hosts::NamedHost;
pub use mission::{Effective, MissionContext};
pub use project::Project;
pub use redact::Redactor;
pub use refusal::Act;
pub use tenure::Tenure;
