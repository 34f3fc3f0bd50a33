//! Who looks on: observers see each durable record with the state after it, and can change nothing.

use crate::domain::mission::{Record, State};
use crate::domain::values::Millis;

/// Somebody who looks on: the console, a log file.
pub trait Observer: Send {
    /// One record is durable; `state` is the mission after the whole decision it belongs to.
    fn on_record(&mut self, at: Millis, record: &Record, state: &State);
}
