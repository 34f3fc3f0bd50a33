//! The only code that touches the world: small modules, typed errors per module, no decisions.
#![expect(
    clippy::disallowed_methods,
    reason = "this ring is where files, processes, clocks and the database are touched"
)]

pub mod append;
pub mod clock;
pub mod environment;
pub mod files;
pub mod git;
pub mod host;
pub mod machine;
pub mod nofollow;
pub mod python;
pub mod store;
pub mod terminal;
pub mod trouble;
pub mod workspace;
