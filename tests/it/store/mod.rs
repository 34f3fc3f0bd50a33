//! The state directory, its database and its lock.

pub mod chain;
pub mod crash;
pub mod files;
pub mod journal;
pub mod lock;
pub mod place;
pub mod views;
pub mod wake;
pub mod world;
