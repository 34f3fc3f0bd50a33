//! The only async orchestration: the driver loop, the executor with its tasks, signals, reconciling after a crash.
//!
//! It decides nothing about units, landings or rounds (that is [`crate::domain::mission`]) and renders nothing (that is
//! [`crate::report`]); it reads settings, opens what [`crate::adapters`] offer, and moves values between the two.

pub mod context;
pub mod error;
pub mod inspect;
pub mod proof;
pub mod run;
pub mod setup;
pub mod tasks;
pub mod upkeep;
