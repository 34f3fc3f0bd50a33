//! The only code that touches the world: small modules, typed errors per module, no decisions.
#![expect(
    clippy::disallowed_methods,
    reason = "this ring is where files, processes, clocks and the database are touched"
)]

pub mod git;
pub mod host;
pub mod os;
pub mod store;
pub mod trouble;
