//! The machine this program runs on, as a host: processes ([`process`]), detached runs ([`protocol`], [`rundir`], [`supervisor`]) and the
//! workspaces they work in ([`workspace`]).

pub mod demo;
pub mod machine;
pub mod operations;
pub mod process;
pub mod protocol;
pub mod rundir;
pub mod supervisor;
pub mod workspace;
