//! `mc hosts …`.

pub mod args;
pub mod list;
