//! Bookkeeping: what the units of a round came to is written into the repository, by the merge queue and its rules
//! like every other change.
//!
//! Wanted: one request when the last wave of a round has closed, and only if a unit came to something that was not told
//! yet; the record of it names every word that will be written, so that asking again writes the same; a mark says done only
//! of what has landed. A request the gate refuses is the mission's last one: the next would be refused alike, at the price
//! of two runs. Why it is a request of its own: `docs/decisions/0010-bookkeeping.md`.

use super::decision::Decision;
use crate::domain::mission::model::end::EndReason;
use crate::domain::mission::protocol::{Command, Record};
use crate::domain::values::{LandingId, Tip};

impl Decision<'_> {
    /// Begins to write the last bookkeeping of a mission that everything was killed of, if that can be done. Whether it did.
    pub(super) fn close(&mut self, why: EndReason) -> bool {
        if !self.state.may_close(why) {
            return false;
        }
        if let Some(landing) = self.state.landing().cloned() {
            self.requeue(&landing, "the mission ends", None, None);
        }
        self.record(Record::Closing { at: self.now });
        // At once, so that nothing of the round goes on in between; unless a request waits that was made before. Either goes
        // before every change of a unit, and the mission ends when it has landed.
        self.request_bookkeeping();
        true
    }

    /// Queues what is to be written about the round, if anything is. Whether it did.
    pub(super) fn request_bookkeeping(&mut self) -> bool {
        if !self.state.bookkeeping_due() {
            return false;
        }
        let Some(green) = self.state.green().map(|g| g.tip.clone()) else { return false };
        let bookkeeping = Box::new(self.state.assemble_bookkeeping(&green, self.now));
        self.record(Record::BookkeepingRequested { mr: self.state.queue.next_request(), green, bookkeeping });
        self.kill_cold_run();
        true
    }

    /// Has the bookkeeping written on top of green.
    pub(super) fn write_bookkeeping(&mut self, id: LandingId, onto: Tip) {
        if let Some(bookkeeping) = self.state.bookkeeping.clone() {
            self.request(Command::WriteBookkeeping { landing: id, onto, bookkeeping });
        }
    }
}
