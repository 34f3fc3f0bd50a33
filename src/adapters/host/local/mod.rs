//! The machine this program runs on, as a host: processes ([`process`]), detached runs ([`rundir`], [`supervisor`]) and the
//! workspaces they work in ([`workspace`]).

pub mod demo;
pub mod process;
pub mod rundir;
pub mod supervisor;
pub mod workspace;
