//! Processes of this machine: short-lived children ([`command`]) and detached ones, what is known of them, and their end.

pub mod command;
pub mod contain;
pub mod detached;
pub mod engine;
pub mod kill;
pub mod lock;
pub mod probe;
pub mod procfs;
pub mod tail;
pub use command::ChildGuard;
pub use engine::EngineIdentity;
pub use lock::{LockError, RunLock, living_engine};
