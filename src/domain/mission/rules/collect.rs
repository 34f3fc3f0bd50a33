//! Collecting once more what could not be collected at the end of an attempt.

use super::cancel::given_up;
use super::decision::Decision;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::model::circuit::Try;
use crate::domain::mission::model::{AttemptClass, Operation, SessionReport};
use crate::domain::mission::protocol::{Command, JobId, Record};
use crate::domain::trouble::Trouble;
use crate::domain::values::{SessionId, UnitId};

impl Decision<'_> {
    pub(super) fn collect_again(&mut self) {
        while self.state.may_collect() && self.state.circuit_allows(Try::Collect, self.now) {
            let due = |i: &usize| self.state.collect_due(*i).is_some_and(|at| at <= self.now);
            let Some(i) = self.state.units_to_collect().find(due) else { return };
            let slot = self.state.units[i].uncollected_slot();
            if slot.is_some_and(|slot| self.state.hosts.is_benched(&slot.host)) {
                self.leave_on_host(i);
                continue;
            }
            let unit = self.state.units[i].spec.id.clone();
            let Some(order) = self.state.attempt_order(&unit) else { return };
            self.record(Record::CollectAsked { session: order.session, unit, n: order.n, at: self.now });
            self.request(Command::Adopt(order));
        }
    }

    /// An attempt has ended and its workspace could not be collected: it is tried again, and nothing is run again for it.
    pub(super) fn not_collected(&mut self, session: SessionId, trouble: Trouble) {
        let Some((i, _)) = self.running_session(session) else { return };
        let id = self.state.units[i].spec.id.clone();
        if self.state.stopping_now() || self.state.cancelling.contains(&id) {
            return self.leave_uncollected(i, Some(trouble));
        }
        let by = self.state.attempt_witness(i);
        let gone = self.bench_unreachable(&by.host, &trouble);
        if !gone {
            self.assess_failure(&trouble.cause, Operation::Collect, &by);
        }
        let (unit, policy) = (&self.state.units[i], &self.state.policy);
        let free = gone || self.state.circuit().is_some() || self.state.is_kill_requested();
        if !free && unit.infra + 1 > policy.max_infrastructure_retries {
            let class = AttemptClass::Infrastructure;
            let mut report = SessionReport::from_end(ProcessEnd::Infrastructure(trouble));
            report.work.unpinned = true;
            let next = self.next_move(unit, class, &report);
            self.end_session(session, class, next, Box::new(report));
            // Nobody waits for it any more; what is in the workspace is kept when that is used next.
            self.request(Command::Cancel(JobId::Session(session)));
            return self.block_dependants(&id);
        }
        let again_at = if free { self.now } else { self.now + policy.pause(unit.infra + 1) };
        let n = unit.attempts.last().map_or(0, |attempt| attempt.n);
        self.record(Record::CollectFailed { session, unit: id, n, at: self.now, again_at, trouble: trouble.clone() });
        self.bench_failing(&by.host, &trouble);
    }

    /// Ends an attempt whose workspace was not collected; what is in it is kept when the workspace is used next.
    pub(super) fn leave_uncollected(&mut self, i: usize, trouble: Option<Trouble>) {
        let unit = &self.state.units[i];
        let next = given_up(unit);
        let Some(attempt) = unit.attempts.last().filter(|a| a.ended.is_none()) else { return };
        let (session, slot) = (attempt.session, attempt.slot.clone());
        let mut report = SessionReport::from_end(ProcessEnd::Stopped);
        let why = trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        let place = if slot.host.is_local() { String::new() } else { format!(" of {}", slot.host) };
        let number = slot.number;
        let told =
            format!("what it made is in its workspace (slot {number}{place}) and is kept when that is used next{why}");
        report.notes.push(told);
        report.work.unpinned = true;
        self.end_session(session, AttemptClass::Stopped, next, Box::new(report));
        self.request(Command::Cancel(JobId::Session(session)));
    }

    /// Gives up collecting what attempts of all units, or of one, have left.
    pub(super) fn give_up_collecting(&mut self, only: Option<&UnitId>) {
        let wanted = |i: &usize| only.is_none_or(|id| self.state.units[*i].spec.id == *id);
        let open: Vec<usize> = self.state.units_to_collect().filter(wanted).collect();
        open.into_iter().for_each(|i| self.leave_uncollected(i, None));
    }
}
