//! The only async orchestration: the driver loop, the executor with its tasks, signals, reconciling after a crash.
//!
//! It decides nothing about units, landings or rounds (that is [`crate::domain::mission`]) and renders nothing (that is
//! [`crate::report`]); it reads settings, opens what [`crate::adapters`] offer, and moves values between the two.

pub mod context;
pub mod error;

pub mod history;
pub mod observer;
pub mod plans;

pub mod mission;

pub mod cancel;
pub mod clean;
pub mod rollback;

mod accept;
mod attempt;
mod books;
mod claims;
mod collecting;
mod contents;
mod driver;
mod evidence;
mod evidence_audit;
mod executor;
mod foreign;
mod green_positions;
mod ground;
mod landing;
mod log;
pub mod orphans;
mod ownership;
mod pins;
mod preflight;
mod prepare;
mod queue_verification;
mod redact;
pub mod scratch;
pub mod signals;
mod unrecorded;
mod verification;

pub mod judge;
pub mod verify;

pub mod audit;
pub mod demo;
pub mod detach;
pub mod doctor;
pub mod init;
pub mod overview;
pub mod proof;
pub mod terminal;
pub mod views;
pub mod work;
