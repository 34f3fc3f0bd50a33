//! What `mc` keeps outside the repository: the state directory ([`place`]), the lock ([`tenure`]), the FIFO ([`wake`])
//! and the database with journal, snapshots and signals ([`Store`]).
//!
//! Promises of the store: what [`Store::append`] returned for is on the disk, all of it or nothing; the journal only
//! grows, and [`Store::verify_chain`] finds any change made to it; reading never waits for the engine; a damaged or
//! newer file is left as it is. It knows nothing of what records mean.

pub mod chain;
mod error;
mod file;
mod journal;
mod network;
pub mod place;
mod snapshots;
mod tenant;
mod tenure;
pub mod wake;

pub use chain::{Chain, Head};
pub use error::StoreError;
pub use journal::{Entry, Row, Signal, Store};
pub use place::{KnownStateDir, PlaceError, StateDir, list_state_dirs};
pub use tenant::Tenant;
pub use wake::Wake;
