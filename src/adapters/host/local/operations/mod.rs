//! The operations of a host, on this machine: making a workspace ready, running something in it, keeping what it holds.

pub mod describe;
pub mod facts;
pub mod keep;
pub mod prepare;
mod progress;
pub mod runs;
pub mod stage;
