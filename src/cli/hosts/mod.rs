//! `mc hosts …`.

pub mod args;
pub mod check;
pub mod list;
