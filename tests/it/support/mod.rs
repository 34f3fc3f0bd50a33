//! What integration tests share: hermetic repositories, attempts in slots, nights with the real program.

pub mod attempt;
pub mod cli;
pub mod night;
pub mod repo;
pub mod told;
pub mod tools;
pub mod world;
