//! Whole missions on several hosts, with the faults that hosts and networks have. Each ends with the clone oracle, and with nothing
//! left that lives.
//!
//! How soon a fault was seen and how soon work went on is printed:
//! `cargo test --test it fleet:: -- --include-ignored --nocapture 2>&1 | grep '^fault:'`.

pub mod clean;
pub mod connections;
pub mod engines;
mod fault;
pub mod kit;
pub mod lands;
pub mod machines;
pub mod network;
pub mod places;
