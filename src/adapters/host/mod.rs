//! Running programs: short-lived children here ([`command`]), agents and verifications in run directories ([`rundir`]).

pub mod command;
pub mod detached;
pub mod rundir;
