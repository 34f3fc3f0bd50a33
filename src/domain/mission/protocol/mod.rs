//! What goes in and out: events, commands, and the records that are stored.

pub(super) mod command;
pub(super) mod event;
pub(super) mod record;
pub use command::{Command, JobId, Step};
pub use event::Event;
pub use record::{DecidedBy, Intake, Record};
