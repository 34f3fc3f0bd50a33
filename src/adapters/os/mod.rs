//! The machine below: plain files, time, environment variables, terminal, and what this machine allows.

pub mod append;
pub mod clock;
pub mod environment;
pub mod files;
pub mod machine;
pub mod nofollow;
pub mod open_files;
pub mod python;
pub mod terminal;
pub use clock::EngineClock;
pub use environment::Environment;
pub use files::At;
pub use machine::Scratch;
