//! The command line, as a person and other programs use it.

pub mod audit;
pub mod audit_size;
pub mod clean;
pub mod config;
pub mod control;
pub mod daily;
pub mod demo;
pub mod doctor;
pub mod findings;
pub mod hosts;
pub mod init;
pub mod init_kinds;
pub mod judge;
pub mod look;
pub mod metrics;
pub mod plan;
pub mod proof;
pub mod reports;
pub mod start;
pub mod verify;
pub mod words;
