//! Another machine as a host: a worker there (`mc worker`, [`server`]) works for the engine here ([`client`]) over two streams of
//! bytes ([`transport`]), by the messages of [`protocol`]. The worker has a mirror of the repository, a pool and runs of its own.

mod asking;
mod bounds;
pub mod check;
pub mod clean;
pub mod client;
mod connection;
mod contents;
mod frame;
mod idle;
mod known;
pub mod late;
mod line;
mod mend;
pub mod objects;
mod opening;
mod outlive;
mod progress;
pub mod protocol;
mod reach;
mod sending;
pub mod server;
mod transfer;
pub mod transport;
