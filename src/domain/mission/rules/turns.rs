//! Turns: a unit that lost to others twice works on while nobody else changes the files it lost in.
//!
//! Wanted: units that change one file all land, each at the latest with the attempt it has its turn for; nobody waits for
//! longer than that attempt and what came of it; no two wait for each other; what does not touch those files goes on.
//!
//! - A conflict in named files gives a unit a *turn* from the second one on. It keeps it until it lands, or ends otherwise.
//! - It *holds* its files from the start of an attempt until that has ended without a change, or its change is decided. While
//!   it holds them, requests of others that touch them wait; a candidate tells which it touches, so each is merged once in
//!   vain at most.
//! - It does not start while another one holds one of its files, or while a landing that touches them is under way: those
//!   come first, the older turn before the younger one, whatever their priorities.
//! - A request that has waited once is decided before the next turn begins, so it waits for one attempt only.
//! - Who holds files waits for older turns alone, which wait for no younger one: there is no circle.

use super::decision::Decision;
use crate::domain::mission::model::budget::Allowance;
use crate::domain::mission::model::circuit::Try;
use crate::domain::mission::protocol::record::Record;
use crate::domain::queue::{Candidate, Landing};

impl Decision<'_> {
    /// A candidate that touches files of other units' turns: it waits for the one that holds them, or goes before all.
    pub(super) fn handle_contested(&mut self, landing: &Landing, made: Candidate) {
        let own = landing.mr.source.unit();
        match own.and_then(|own| self.state.find_earlier_turn(own, &made.touches)) {
            Some((unit, n)) => {
                let why = format!("{unit} has its turn for files that this touches; it waits for attempt {n} of that");
                self.requeue(landing, &why, None, Some((unit, n)));
            }
            None => self.record(Record::CandidateMade { landing: landing.id, made }),
        }
    }

    /// Starts units whose turn begins, before the next landing could take their files from them.
    pub(super) fn begin_turns(&mut self) {
        while self.state.may_dispatch()
            && self.state.circuit_allows(Try::Start, self.now)
            && let Some(i) = self.state.next_turn(self.now)
            && self.state.check_allowance(&self.state.units[i], self.now) == Allowance::Start
            && self.start_attempt(i)
        {}
    }
}
