//! Hosts: places where workspaces are and where agents and verifications run. The machine of the engine is one
//! ([`local`]).

pub mod local;
