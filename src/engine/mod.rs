//! The only async orchestration: the driver loop, the executor with its tasks, signals, reconciling after a crash.
//!
//! It decides nothing about units, landings or rounds (that is [`crate::domain::mission`]) and renders nothing (that is
//! [`crate::report`]); it reads settings, opens what [`crate::adapters`] offer, and moves values between the two.
mod accept;
mod attempt;
mod books;
pub mod cancel;
mod claims;
pub mod clean;
mod collecting;
mod contents;
pub mod context;
pub mod demo;
pub mod detach;
pub mod doctor;
mod driver;
pub mod error;
mod evidence;
mod executor;
mod foreign;
mod ground;
pub mod history;
pub mod init;
pub mod judge;
mod landing;
mod log;
pub mod mission;
pub mod observer;
pub mod orphans;
pub mod overview;
mod ownership;
mod pins;
pub mod plans;
mod preflight;
mod prepare;
pub mod proof;
mod queue_verification;
mod redact;
pub mod rollback;
pub mod scratch;
pub mod signals;
pub mod terminal;
mod unrecorded;
mod verification;
pub mod verify;
pub mod views;
pub mod work;
