//! The one integration binary: decisions in the simulator, adapters against real git and processes, the command line.

mod simulation;
