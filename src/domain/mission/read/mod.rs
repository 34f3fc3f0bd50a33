//! Readers of a journal that decide nothing.

pub mod rejudge;
pub mod timeline;
