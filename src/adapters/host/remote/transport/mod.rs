//! How a worker is reached ([`Way`]): a program of this machine, a command that runs a command line elsewhere, or ssh. Elsewhere the
//! worker is brought first, where it is missing. What comes of it are two streams of bytes, and what else was said. For tests the
//! line can be cut at chosen moments ([`Cuts`]).

mod bootstrap;
mod command;
mod cuts;
mod executable;
mod ssh;
mod stream;
mod way;
pub use bootstrap::Worker;
pub use command::wait_for_commands;
pub use cuts::{Cuts, Moment};
pub use executable::{Executable, Identity};
pub use ssh::{Ssh, Target};
pub(super) use stream::{Guard, Output, Reached};
pub use way::{PATIENCE, Transport, Way};
