//! How a worker is reached ([`Way`]): a program of this machine, a command that runs a command line elsewhere, or ssh. Elsewhere the
//! worker is brought first, where it is missing. What comes of it are two streams of bytes, and what else was said. For tests the
//! line can be cut at chosen moments ([`Cuts`]).

mod command;
mod cuts;
mod stream;
mod way;
pub use cuts::{Cuts, Moment};
pub(super) use stream::{Guard, Output, Reached};
pub use way::{PATIENCE, Transport, Way};
