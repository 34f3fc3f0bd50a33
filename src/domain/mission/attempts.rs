//! Attempts: starting them, and what each ending means for its unit (the outcome table of design section 7).

use super::Decision;
use super::budget::Allowance;
use super::cancel::given_up;
use super::circuit::{Operation, cause_of, is_collected};
use super::command::{AttemptOrder, Command, JobId};
use super::ends::EndReason;
use super::event::StopLevel;
use super::evidence;
use super::parts::{Unit, UnitState};
use super::probe::Try;
use super::record::{AttemptClass, NextMove, Record};
use super::report::{AcceptBefore, Claim, SessionReport, Unkept};
use super::session::Role;
use super::state::State;
use crate::domain::ending::ProcessEnd;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, Millis, SessionId, SlotId, UnitId};
use std::sync::Arc;

impl Decision<'_> {
    /// Collects again what could not be kept, then fills free slots with ready units.
    pub(super) fn dispatch(&mut self) {
        self.collect_again();
        while self.state.may_dispatch() && self.state.lets(Try::Start, self.now) {
            let (Some(slot), Some((i, allowance))) =
                (self.state.slots.free().cloned(), self.state.next_start(self.now))
            else {
                return;
            };
            if allowance == Allowance::Over {
                return self.stop(StopLevel::Drain, EndReason::Budget);
            }
            if !self.start(slot, i) {
                return;
            }
        }
    }

    fn collect_again(&mut self) {
        while self.state.may_collect() && self.state.lets(Try::Collect, self.now) {
            let due = |i: &usize| self.state.units[*i].collect_at.is_some_and(|at| at <= self.now);
            let Some(i) = self.state.units_to_collect().find(due) else { return };
            let unit = self.state.units[i].spec.id.clone();
            let Some(order) = self.state.order(&unit) else { return };
            self.note(Record::CollectAsked { session: order.session, unit, n: order.n, at: self.now });
            self.ask(Command::Adopt(order));
        }
    }

    /// Starts the next attempt of the unit at `i`; no where there is no green to start on.
    pub(super) fn start(&mut self, slot: SlotId, i: usize) -> bool {
        let Some(green) = self.state.green().map(|g| g.tip.commit.clone()) else { return false };
        let unit = &self.state.units[i];
        let n = u32::try_from(unit.attempts.len()).unwrap_or(u32::MAX) + 1;
        let green = if n == 1 { self.wave_base(unit).unwrap_or(green) } else { green };
        let from = unit.own_work.clone().unwrap_or_else(|| green.clone());
        let (id, evidence) = (unit.spec.id.clone(), unit.evidence.clone());
        self.note(Record::SessionStarted {
            session: self.state.sessions.next(),
            role: Role::Worker,
            unit: id.clone(),
            n,
            slot: slot.number,
            at: self.now,
            host: slot.host,
            green,
            from,
            evidence,
        });
        if let Some(order) = self.state.order(&id) {
            self.ask(Command::Start(order));
        }
        true
    }

    /// First attempts of a wave share one base: green when the wave opened.
    fn wave_base(&self, unit: &Unit) -> Option<CommitId> {
        let round = self.state.rounds.iter().find(|r| r.index == unit.round)?;
        round.bases.get(unit.wave as usize).cloned()
    }

    pub(super) fn session_ended(&mut self, session: SessionId, report: Box<SessionReport>) {
        let Some((i, started)) = self.running_session(session) else { return };
        let stopped = self.state.units[i].has_recorded_stop();
        let class = classify(&report, self.state.units[i].spec.run.is_some(), stopped);
        if class == AttemptClass::Infrastructure {
            self.meets(&cause_of(&report), Operation::Prepare, &self.state.witness(i));
        }
        let unit = &self.state.units[i];
        let (id, next) = (unit.spec.id.clone(), self.next_move(unit, class, &report));
        let collected = is_collected(class, &report);
        self.end_session(session, class, next, report);
        if collected {
            self.works(&[Operation::Prepare, Operation::Collect], started);
        }
        self.block_dependants(&id);
        self.make_way();
    }

    /// A program of ours runs in a prepared workspace: whatever kept attempts from that is over.
    pub(super) fn session_began(&mut self, session: SessionId) {
        if let Some((_, started)) = self.running_session(session) {
            self.works(&[Operation::Prepare], started);
        }
    }

    /// The index of the unit that this session is at work on, and when it began.
    fn running_session(&self, session: SessionId) -> Option<(usize, Millis)> {
        let i = self.state.open_session(session)?;
        let unit = &self.state.units[i];
        (unit.state == UnitState::Running).then_some((i, unit.attempts.last()?.started))
    }

    /// States that a session has ended, and what that means: one without the other is never written.
    fn end_session(&mut self, session: SessionId, class: AttemptClass, next: NextMove, report: Box<SessionReport>) {
        let named = self.state.attempt_by(session).map(|(unit, attempt)| (unit.spec.id.clone(), attempt.n));
        let Some((unit, n)) = named else { return };
        self.note(Record::SessionEnded { session, at: self.now, report });
        self.note(Record::AttemptJudged { session, unit, n, at: self.now, class, next });
    }

    /// An attempt has ended and its workspace could not be collected: it is tried again, and nothing is run again for it.
    pub(super) fn not_collected(&mut self, session: SessionId, trouble: Trouble) {
        let Some((i, _)) = self.running_session(session) else { return };
        let id = self.state.units[i].spec.id.clone();
        if self.state.stopping_now() || self.state.cancelling.contains(&id) {
            return self.leave_uncollected(i, Some(trouble));
        }
        self.meets(&trouble.cause, Operation::Collect, &self.state.witness(i));
        let (unit, policy) = (&self.state.units[i], &self.state.policy);
        let free = self.state.circuit().is_some() || self.state.killing();
        if !free && unit.infra + 1 > policy.max_infrastructure_retries {
            let class = AttemptClass::Infrastructure;
            let mut report = SessionReport::bare(ProcessEnd::Infrastructure(trouble));
            report.work.unpinned = true;
            let next = self.next_move(unit, class, &report);
            self.end_session(session, class, next, Box::new(report));
            // Nobody waits for it any more; what is in the workspace is kept when that is used next.
            self.ask(Command::Cancel(JobId::Session(session)));
            return self.block_dependants(&id);
        }
        let again_at = if free { self.now } else { self.now + policy.pause(unit.infra + 1) };
        let n = unit.attempts.last().map_or(0, |attempt| attempt.n);
        self.note(Record::CollectFailed { session, unit: id, n, at: self.now, again_at, trouble });
    }

    /// Ends an attempt whose workspace was not collected; what is in it is kept when the workspace is used next.
    fn leave_uncollected(&mut self, i: usize, trouble: Option<Trouble>) {
        let unit = &self.state.units[i];
        let next = given_up(unit);
        let Some(attempt) = unit.attempts.last().filter(|a| a.ended.is_none()) else { return };
        let (session, slot) = (attempt.session, attempt.slot.number);
        let mut report = SessionReport::bare(ProcessEnd::Stopped);
        let why = trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        let told = format!("what it made is in its workspace (slot {slot}) and is kept when that is used next{why}");
        report.notes.push(told);
        report.work.unpinned = true;
        self.end_session(session, AttemptClass::Stopped, next, Box::new(report));
        self.ask(Command::Cancel(JobId::Session(session)));
    }

    /// Gives up collecting what attempts of all units, or of one, have left.
    pub(super) fn give_up_collecting(&mut self, only: Option<&UnitId>) {
        let wanted = |i: &usize| only.is_none_or(|id| self.state.units[*i].spec.id == *id);
        let open: Vec<usize> = self.state.units_to_collect().filter(wanted).collect();
        open.into_iter().for_each(|i| self.leave_uncollected(i, None));
    }

    pub(super) fn next_move(&self, unit: &Unit, class: AttemptClass, report: &SessionReport) -> NextMove {
        if self.state.cancelling.contains(&unit.spec.id) {
            return given_up(unit);
        }
        match self.by_class(unit, class, report) {
            NextMove::Retry { because, .. }
                if class != AttemptClass::Stopped
                    && !self.is_nobodys(class, report)
                    && self.state.starts_used(unit) =>
            {
                let last = if because.is_empty() { ended(&report.run.end) } else { because };
                NextMove::Fail { reason: starts_reason(unit, &last) }
            }
            next => next,
        }
    }

    /// Whether an attempt ended by trouble that is common just now.
    fn is_nobodys(&self, class: AttemptClass, report: &SessionReport) -> bool {
        let common = class == AttemptClass::Infrastructure && self.state.circuit().is_some();
        common && !cause_of(report).is_of_the_run()
    }

    fn by_class(&self, unit: &Unit, class: AttemptClass, report: &SessionReport) -> NextMove {
        let policy = &self.state.policy;
        let agent = unit.spec.run.is_none();
        let budget = unit.spec.attempts.unwrap_or(policy.max_attempts).max(1);
        let quick = report.checks.quick.as_ref().map(|q| format!(": {}", q.note.trim())).unwrap_or_default();
        let said = if report.agent.summary.is_empty() { String::new() } else { format!(": {}", report.agent.summary) };
        let limit = report.run.limit.as_ref().map(|limit| format!(" ({limit})")).unwrap_or_default();
        let failed = |what: &str, own_work: bool, said: &str| {
            let used = unit.used + 1;
            if used >= budget {
                return NextMove::Fail { reason: format!("{what} on attempt {used} of {budget}{said}") };
            }
            NextMove::Retry { not_before: 0, own_work, because: format!("attempt {used}: {what}{said}") }
        };
        let consuming = |what: &str| failed(what, false, &said);
        let by_itself = !matches!(
            class,
            AttemptClass::Infrastructure | AttemptClass::NeverStarted | AttemptClass::Stopped | AttemptClass::Held
        );
        // What a person must look at comes first, however the attempt itself ended.
        if let (true, Some(question)) = (by_itself, &report.hold) {
            return NextMove::Hold { question: question.clone(), own_work: false };
        }
        match class {
            AttemptClass::Changed => NextMove::Queue { mr: self.state.queue.next_request() },
            AttemptClass::NoOp => NextMove::NoOp,
            AttemptClass::Held => match &report.checks.quick {
                Some(quick) => NextMove::Hold { question: evidence::missing(quick, &unit.spec), own_work: agent },
                None => NextMove::Hold {
                    question: report.hold.clone().unwrap_or_else(|| report.agent.summary.clone()),
                    own_work: false,
                },
            },
            AttemptClass::FailedQuick => failed("the quick stages refuse it", agent, &quick),
            AttemptClass::FailedWork if report.checks.quick.is_some() => {
                failed("says that nothing needs to change, but its `accept` does not pass", false, &quick)
            }
            AttemptClass::Empty => consuming("ended without changing anything or saying why"),
            AttemptClass::FailedWork if report.work.half_merge => consuming("left a merge or rebase half done"),
            AttemptClass::FailedWork if report.work.left_out(Unkept::Refused).next().is_some() => {
                let names: Vec<&str> =
                    report.work.left_out(Unkept::Refused).take(3).map(|left| left.path.as_str()).collect();
                consuming(&format!("left files that no commit of git can hold ({})", names.join(", ")))
            }
            AttemptClass::FailedWork => consuming(&format!("failed ({})", ended(&report.run.end))),
            AttemptClass::FailedTimeout => consuming(&format!("used up its time{limit}")),
            AttemptClass::FailedStalled => consuming(&format!("gave no sign of life{limit}")),
            AttemptClass::Continue if unit.continues + 1 > policy.max_continues => {
                NextMove::Fail { reason: format!("wanted to continue more than {} times", policy.max_continues) }
            }
            AttemptClass::Continue => {
                NextMove::Retry { not_before: 0, own_work: agent, because: report.agent.summary.clone() }
            }
            // Nobody's budget is used for what more than one met: the circuit says when it is tried again.
            AttemptClass::Infrastructure if self.is_nobodys(class, report) => NextMove::Retry {
                not_before: 0,
                own_work: agent && (report.work.head.is_none() || report.work.changed),
                because: String::new(),
            },
            AttemptClass::Infrastructure if unit.infra + 1 > policy.max_infrastructure_retries => NextMove::Fail {
                reason: format!("infrastructure failed {} times, last: {}", unit.infra + 1, ended(&report.run.end)),
            },
            AttemptClass::Infrastructure => NextMove::Retry {
                not_before: self.now + policy.pause(unit.infra + 1),
                own_work: agent && (report.work.head.is_none() || report.work.changed),
                because: String::new(),
            },
            AttemptClass::NeverStarted => NextMove::Retry { not_before: 0, own_work: agent, because: String::new() },
            AttemptClass::Stopped => NextMove::Retry {
                not_before: 0,
                own_work: agent && (report.work.head.is_none() || report.work.changed),
                because: String::new(),
            },
        }
    }

    /// Marks everything that depends on an ended unit, at once and transitively.
    pub(super) fn block_dependants(&mut self, id: &UnitId) {
        let Some(i) = self.state.index.get(id).copied() else { return };
        if !self.state.units[i].state.blocks() {
            return;
        }
        let mut open = self.state.units[i].dependants.clone();
        let cause = self.state.units[i].blocked_by.clone().unwrap_or_else(|| id.clone());
        while let Some(d) = open.pop() {
            let unit = &self.state.units[d];
            if unit.state != UnitState::Pending {
                continue;
            }
            open.extend(unit.dependants.iter().copied());
            let unit = unit.spec.id.clone();
            self.note(Record::UnitBlocked { unit, cause: cause.clone() });
        }
    }

    pub(super) fn retry_unit(&mut self, id: &UnitId, answer: String) {
        let Some(i) = self.state.index.get(id).copied() else { return };
        let fresh = matches!(
            self.state.units[i].state,
            UnitState::Held | UnitState::Failed | UnitState::Rejected | UnitState::Cancelled
        );
        if !fresh {
            return;
        }
        self.note(Record::UnitRetried { unit: id.clone(), at: self.now, answer });
        let mut open = self.state.units[i].dependants.clone();
        while let Some(d) = open.pop() {
            let unit = &self.state.units[d];
            if unit.state == UnitState::Blocked && unit.blocked_by.as_ref() == Some(id) {
                open.extend(unit.dependants.iter().copied());
                let unit = unit.spec.id.clone();
                self.note(Record::UnitUnblocked { unit });
            }
        }
        self.block_orphans();
    }

    /// Asks the executor to kill everything that runs; each task still ends in its own event.
    pub(super) fn kill_running(&mut self) {
        if self.state.stopping_now() {
            self.give_up_collecting(None);
        }
        let running: Vec<SessionId> = self.state.running().map(|(_, attempt)| attempt.session).collect();
        for session in running {
            self.ask(Command::Cancel(JobId::Session(session)));
        }
        if let Some(run) = self.state.verifying().map(|v| v.run) {
            self.ask(Command::Cancel(JobId::Run(run)));
        }
        if self.state.checking {
            let round = self.state.rounds.last().map_or(0, |r| r.index);
            self.ask(Command::Cancel(JobId::Check { round }));
        }
    }
}

impl State {
    /// The order of a unit's open attempt, as first given and as asked again after a restart.
    #[must_use]
    pub fn order(&self, id: &UnitId) -> Option<AttemptOrder> {
        let unit = self.unit(id)?;
        let attempt = unit.attempts.last().filter(|a| a.ended.is_none())?;
        Some(AttemptOrder {
            spec: Arc::clone(&unit.spec),
            session: attempt.session,
            n: attempt.n,
            slot: attempt.slot.clone(),
            green: attempt.green.clone(),
            from: attempt.from.clone(),
            evidence: unit.evidence.clone(),
            accept_first: unit.spec.run.is_none() && unit.wants_failure_before(),
        })
    }

    /// Whether everything is to be killed for good.
    pub(super) fn stopping_now(&self) -> bool {
        matches!(self.stop, Some((StopLevel::Now, _)))
    }

    /// Whether a kill was asked for by a person or a cap.
    pub(super) fn killing(&self) -> bool {
        matches!(self.stop, Some((StopLevel::Interrupt | StopLevel::Now, _)))
    }
}

impl State {
    /// Whether a unit has had all the starts it may have, of whatever class. Never fewer than its attempts.
    pub(super) fn starts_used(&self, unit: &Unit) -> bool {
        let attempts = unit.spec.attempts.unwrap_or(self.policy.max_attempts);
        unit.starts >= self.policy.max_starts.max(attempts)
    }

    /// Folds a stop that kills what runs: an attempt that is open now may end by it.
    pub(super) fn record_stops(&mut self) {
        for i in self.slots.users().collect::<Vec<_>>() {
            self.touch(i, Unit::stop_recorded);
        }
    }
}

impl Unit {
    /// Folds that the journal has a stop of its open attempt.
    pub(super) fn stop_recorded(&mut self) {
        if let Some(open) = self.attempts.last_mut().filter(|attempt| attempt.ended.is_none()) {
            open.stop_recorded = true;
        }
    }

    /// Whether the journal has a stop of its newest attempt.
    pub(super) fn has_recorded_stop(&self) -> bool {
        self.attempts.last().is_some_and(|attempt| attempt.stop_recorded)
    }
}

/// Why a unit that was started again and again is not started once more.
pub(super) fn starts_reason(unit: &Unit, last: &str) -> String {
    format!("started {} times, and scheduler.max_starts allows no more; last: {last}", unit.starts)
}

/// The outcome class of an attempt. Git and the exit decide; a claim is only believed where it costs its
/// author something (failed, blocked) or, of an agent, where nothing changed anyway. A run that says of itself that it was
/// stopped counts as stopped only with a stop on record: who can write the files of a run could say so too.
pub(super) fn classify(report: &SessionReport, script: bool, stop_recorded: bool) -> AttemptClass {
    if report.checks.accept.as_ref().is_some_and(AcceptBefore::doubts) {
        return AttemptClass::Held;
    }
    match &report.run.end {
        ProcessEnd::NeverStarted => return AttemptClass::NeverStarted,
        ProcessEnd::Infrastructure(_) => return AttemptClass::Infrastructure,
        ProcessEnd::Stopped if stop_recorded => return AttemptClass::Stopped,
        ProcessEnd::Stopped => return AttemptClass::Infrastructure,
        ProcessEnd::Timeout => return AttemptClass::FailedTimeout,
        ProcessEnd::Stalled => return AttemptClass::FailedStalled,
        ProcessEnd::Exited(_) | ProcessEnd::Signaled(_) => {}
    }
    if report.work.head.is_none() && report.hold.is_some() {
        return AttemptClass::Held;
    }
    if report.work.half_merge {
        return AttemptClass::FailedWork;
    }
    match report.agent.claim {
        Some(Claim::Blocked) => return AttemptClass::Held,
        Some(Claim::Failed) => return AttemptClass::FailedWork,
        Some(Claim::Continue) if !script && report.run.end == ProcessEnd::Exited(0) => return AttemptClass::Continue,
        _ => {}
    }
    if report.run.end != ProcessEnd::Exited(0) {
        return AttemptClass::FailedWork;
    }
    if report.work.head.is_none() {
        return AttemptClass::Infrastructure;
    }
    // What is on the disk is the work, and this part of it is in no commit.
    if report.work.left_out(Unkept::Unread).next().is_some() {
        return AttemptClass::Held;
    }
    if report.work.left_out(Unkept::Refused).next().is_some() {
        return AttemptClass::FailedWork;
    }
    // It brings nothing, and a person must look all the same: work of it is elsewhere.
    if !report.work.changed && report.hold.is_some() {
        return AttemptClass::Held;
    }
    let declared = script || report.agent.claim == Some(Claim::Completed);
    if let (true, Some(class)) =
        (report.work.changed || declared, evidence::refused(report.checks.quick.as_ref(), report.work.changed))
    {
        return class;
    }
    match (report.work.changed, declared) {
        (true, _) => AttemptClass::Changed,
        (false, true) => AttemptClass::NoOp,
        (false, false) => AttemptClass::Empty,
    }
}

fn ended(end: &ProcessEnd) -> String {
    match end {
        ProcessEnd::Stopped => "killed, with no stop of mc on record".to_owned(),
        end => end.to_string(),
    }
}
