//! Running: entry points of missions and of `mc verify`, the driver loop, the executor, and who looks on.

pub mod driver;
pub mod executor;
pub mod log;
pub mod mission;
pub mod observer;
pub mod policy_source;
pub mod signals;
pub mod verify;
