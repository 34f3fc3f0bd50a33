//! What is done beside a mission: owning the repository, cleaning, giving up, taking back, running detached.

pub mod cancel;
pub mod clean;
pub mod detach;
pub mod hosts;
pub mod rollback;
