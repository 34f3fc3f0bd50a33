//! Running programs: short-lived children here ([`command`]), agents and verifications in run directories ([`rundir`]).

pub mod command;
pub mod contain;
pub mod demo;
pub mod detached;
pub mod engine;
pub mod kill;
pub mod probe;
pub mod procfs;
pub mod rundir;
pub mod supervisor;
pub mod tail;

/// Name of this machine, as the kernel knows it.
#[must_use]
pub fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
