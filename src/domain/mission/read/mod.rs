//! Readers of a journal that decide nothing.

pub mod liveness;
pub mod rejudge;
pub mod timeline;
