//! Before the first mission: `mc init`, `mc doctor`, `mc demo`, `mc hosts check`, and the scratch place where things are tried.

pub mod demo;
pub mod doctor;
pub mod hosts;
pub mod init;
pub mod scratch;
