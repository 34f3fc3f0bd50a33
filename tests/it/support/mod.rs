//! What integration tests share: hermetic repositories, attempts in slots, nights with the real program.

pub mod attempt;
pub mod cli;
pub mod engine;
pub mod fence;
pub mod left_alone;
pub mod night;
pub mod oracle;
pub mod repo;
pub mod told;
pub mod tools;
pub mod units;
pub mod world;
