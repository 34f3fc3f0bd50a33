//! The merge queue: the gate, turns, and who moved green.

pub mod gate;
pub mod green;
pub mod interleaved;
pub mod turns;
