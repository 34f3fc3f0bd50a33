//! Rules alone: the code itself, decisions in the simulator, what outputs mean.

pub mod architecture;
pub mod control;
pub mod documents;
pub mod golden;
pub mod lessons;
pub mod outputs;
pub mod questions;
pub mod simulation;
pub mod simulation_cold;
pub mod simulation_hosts;
pub mod simulation_places;
pub mod simulation_turns;
pub mod streams;
