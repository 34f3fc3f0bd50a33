//! One decision in the making.

use crate::domain::mission::protocol::{Command, Record, Step};
use crate::domain::mission::state::replay::Mission;
use crate::domain::values::Millis;

/// One decision in the making: the state it folds into and what it has said so far.
pub(in crate::domain::mission) struct Decision<'s> {
    pub(in crate::domain::mission) state: &'s mut Mission,
    pub(in crate::domain::mission) now: Millis,
    pub(in crate::domain::mission) step: Step,
}

impl Decision<'_> {
    /// States a fact or intent; it holds from here on.
    pub(super) fn record(&mut self, record: Record) {
        self.state.apply(&record);
        self.step.records.push(record);
    }

    /// Asks something of the world.
    pub(super) fn request(&mut self, command: Command) {
        self.step.commands.push(command);
    }
}
