//! Before the first mission: `mc init`, `mc doctor`, `mc demo`, and the scratch place where things are tried.

pub mod demo;
pub mod doctor;
pub mod init;
pub mod scratch;
