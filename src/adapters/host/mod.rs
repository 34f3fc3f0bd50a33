//! Running programs: short-lived children here ([`command`]), agents and verifications in run directories ([`rundir`]).

pub mod command;
pub mod contain;
pub mod kill;
pub mod probe;
pub mod procfs;
pub mod rundir;
