//! What commands and tasks stand on: where a command stands ([`project`]), what it takes to run something on a tree
//! ([`execution`], which needs no mission), and what a mission adds to that ([`mission`]).

pub(super) mod execution;
pub(super) mod mission;
pub mod project;
