//! What this machine is to its runs: how they are contained, what they may reach, which HOME and variables they have.

pub mod around;
pub mod fence;
pub mod fenced;
pub mod fingerprint;
pub mod homes;
pub mod host;
pub mod imports;
pub mod neighbour;
pub mod outlive;
