//! One file per question a mission asks of the world; each names contexts and adapters only.

pub mod accept;
pub mod bookkeeping;
pub mod candidate;
pub mod claims;
pub mod collect;
pub mod contents;
pub mod establish;
pub mod hosts;
pub mod landing;
pub mod pins;
pub mod preflight;
pub mod prepare;
pub mod queue_verification;
pub mod repository;
pub mod session;
pub mod stream;
pub mod unit_checks;
pub mod unrecorded;
pub mod verification;
