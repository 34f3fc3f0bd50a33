//! What the end of an attempt means for its unit: the one table of outcomes.

use super::cancel::given_up;
use super::decision::Decision;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::model::access::class_by_stream;
use crate::domain::mission::model::outcome::{cause_of, is_collected};
use crate::domain::mission::model::unit_checks::missing_command_question;
use crate::domain::mission::model::{
    AcceptBefore, AttemptClass, Claim, NextMove, Operation, PreQueueCheck, Quick, QuickEnd, SessionReport, Unit,
    UnitState, Unkept,
};
use crate::domain::mission::protocol::record::Record;
use crate::domain::trouble::Trouble;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{Millis, SessionId, UnitId};

impl Decision<'_> {
    pub(super) fn session_ended(&mut self, session: SessionId, report: Box<SessionReport>) {
        let Some((i, started)) = self.running_session(session) else { return };
        let stopped = self.state.units[i].has_recorded_stop();
        let class = classify(&report, self.state.units[i].spec.run.is_some(), stopped);
        let by = self.state.attempt_witness(i);
        let trouble = Trouble::new(cause_of(&report), describe_end(&report.run.end));
        let failed = class == AttemptClass::Infrastructure;
        if failed && !self.bench_unreachable(&by.host, &trouble) {
            self.assess_failure(&trouble.cause, Operation::Prepare, &by);
        }
        let unit = &self.state.units[i];
        let (id, next) = (unit.spec.id.clone(), self.next_move(unit, class, &report));
        let collected = is_collected(class, &report);
        self.end_session(session, class, next, report);
        if failed {
            self.bench_failing(&by.host, &trouble);
        }
        if collected {
            self.assess_success(&[Operation::Prepare, Operation::Collect], started);
        }
        self.block_dependants(&id);
        self.kill_cold_run();
    }

    /// The index of the unit that this session is at work on, and when it began.
    pub(super) fn running_session(&self, session: SessionId) -> Option<(usize, Millis)> {
        let i = self.state.open_session(session)?;
        let unit = &self.state.units[i];
        (unit.state == UnitState::Running).then_some((i, unit.attempts.last()?.started))
    }

    /// States that a session has ended, and what that means: one without the other is never written.
    pub(super) fn end_session(
        &mut self,
        session: SessionId,
        class: AttemptClass,
        next: NextMove,
        report: Box<SessionReport>,
    ) {
        let Some((unit, attempt)) = self.state.attempt_by(session) else { return };
        let (unit, n) = (unit.spec.id.clone(), attempt.n);
        self.record(Record::SessionEnded { session, at: self.now, report });
        self.record(Record::AttemptJudged { session, unit, n, at: self.now, class, next });
    }

    pub(in crate::domain::mission) fn next_move(
        &self,
        unit: &Unit,
        class: AttemptClass,
        report: &SessionReport,
    ) -> NextMove {
        if self.state.cancelling.contains(&unit.spec.id) {
            return given_up(unit);
        }
        match self.next_move_by_class(unit, class, report) {
            NextMove::Retry { because, .. }
                if !matches!(class, AttemptClass::Stopped | AttemptClass::Limit | AttemptClass::Refused)
                    && !self.blames_nobody(unit, class, report)
                    && self.state.starts_used(unit) =>
            {
                let last = if because.is_empty() { describe_end(&report.run.end) } else { because };
                NextMove::Fail { reason: starts_reason(unit, &last) }
            }
            next => next,
        }
    }

    /// Whether an attempt ended by trouble that is common just now, or because its host does not answer.
    pub(super) fn blames_nobody(&self, unit: &Unit, class: AttemptClass, report: &SessionReport) -> bool {
        if class != AttemptClass::Infrastructure {
            return false;
        }
        let cause = cause_of(report);
        let gone = unit.attempts.last().is_some_and(|attempt| self.state.is_unreachable(&attempt.slot.host, &cause));
        gone || (self.state.circuit().is_some() && !cause.is_of_the_run())
    }

    pub(super) fn next_move_by_class(&self, unit: &Unit, class: AttemptClass, report: &SessionReport) -> NextMove {
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
        // Nobody's fault, so that what was made is gone on with.
        let again = |not_before| NextMove::Retry {
            not_before,
            own_work: agent && (report.work.head.is_none() || report.work.changed),
            because: String::new(),
        };
        let by_itself = !matches!(
            class,
            AttemptClass::Infrastructure
                | AttemptClass::NeverStarted
                | AttemptClass::Stopped
                | AttemptClass::Held
                | AttemptClass::Limit
                | AttemptClass::Refused
        );
        // What a person must look at comes first, however the attempt itself ended.
        if let (true, Some(question)) = (by_itself, &report.hold) {
            return NextMove::Hold { question: question.clone(), own_work: false };
        }
        match class {
            AttemptClass::Changed => NextMove::Queue { mr: self.state.queue.next_request() },
            AttemptClass::NoOp => NextMove::NoOp,
            AttemptClass::Held => {
                let missing = report.checks.quick.as_ref().map(|quick| missing_command_question(quick, &unit.spec));
                let own_work = agent && missing.is_some();
                let question = missing.or_else(|| report.hold.clone()).unwrap_or_else(|| report.agent.summary.clone());
                NextMove::Hold { question, own_work }
            }
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
            AttemptClass::FailedWork => consuming(&format!("failed ({})", describe_end(&report.run.end))),
            AttemptClass::FailedTimeout => consuming(&format!("used up its time{limit}")),
            AttemptClass::FailedStalled => consuming(&format!("gave no sign of life{limit}")),
            AttemptClass::Continue if unit.continues + 1 > policy.max_continues => {
                NextMove::Fail { reason: format!("wanted to continue more than {} times", policy.max_continues) }
            }
            AttemptClass::Continue => {
                NextMove::Retry { not_before: 0, own_work: agent, because: report.agent.summary.clone() }
            }
            // Nobody's budget is used for what more than one met: the circuit says when it is tried again.
            AttemptClass::Infrastructure if self.blames_nobody(unit, class, report) => again(0),
            AttemptClass::Infrastructure if unit.infra + 1 > policy.max_infrastructure_retries => {
                let (times, last) = (unit.infra + 1, describe_end(&report.run.end));
                NextMove::Fail { reason: format!("infrastructure failed {times} times, last: {last}") }
            }
            AttemptClass::Infrastructure => again(self.now + policy.pause(unit.infra + 1)),
            AttemptClass::NeverStarted => given_up(unit),
            AttemptClass::Stopped => again(0),
            AttemptClass::Limit => {
                let started = unit.attempts.last().map_or(self.now, |attempt| attempt.started);
                again(self.state.access.freeze_after(started, self.now, report).until)
            }
            AttemptClass::Refused => again(0),
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
            self.record(Record::UnitBlocked { unit, cause: cause.clone() });
        }
    }

    pub(super) fn retry_unit(&mut self, id: &UnitId, answer: String) {
        let Some(i) = self.state.index.get(id).copied() else { return };
        let state = self.state.units[i].state;
        if !matches!(state, UnitState::Held | UnitState::Failed | UnitState::Rejected | UnitState::Cancelled) {
            return;
        }
        self.record(Record::UnitRetried { unit: id.clone(), at: self.now, answer });
        let mut open = self.state.units[i].dependants.clone();
        while let Some(d) = open.pop() {
            let unit = &self.state.units[d];
            if unit.state == UnitState::Blocked && unit.blocked_by.as_ref() == Some(id) {
                open.extend(unit.dependants.iter().copied());
                let unit = unit.spec.id.clone();
                self.record(Record::UnitUnblocked { unit });
            }
        }
        self.hold_unplaceable(Some(id));
        self.block_orphans();
    }
}

/// Why a unit that was started again and again is not started once more.
pub(super) fn starts_reason(unit: &Unit, last: &str) -> String {
    format!("started {} times, and scheduler.max_starts allows no more; last: {last}", unit.starts)
}

/// The outcome class of an attempt. Git and the exit decide; a claim is only believed where it costs its
/// author something (failed, blocked) or, of an agent, where nothing changed anyway. A run that says of itself that it was
/// stopped counts as stopped only with a stop on record: who can write the files of a run could say so too.
pub(in crate::domain::mission) fn classify(report: &SessionReport, script: bool, stop_recorded: bool) -> AttemptClass {
    if report.checks.accept.as_ref().is_some_and(AcceptBefore::is_doubtful) {
        return AttemptClass::Held;
    }
    match &report.run.end {
        ProcessEnd::NeverStarted => return AttemptClass::NeverStarted,
        ProcessEnd::Stopped if stop_recorded => return AttemptClass::Stopped,
        ProcessEnd::Infrastructure(_) | ProcessEnd::Stopped => return AttemptClass::Infrastructure,
        // Who hangs after saying that all is done, has done all.
        ProcessEnd::Timeout | ProcessEnd::Stalled if report.ended_well() => {}
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
        Some(Claim::Continue) if !script && report.ended_well() => return AttemptClass::Continue,
        _ => {}
    }
    if let Some(class) = class_by_stream(report) {
        return class;
    }
    if !report.ended_well() {
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
        (report.work.changed || declared, class_by_quick(report.checks.quick.as_ref(), report.work.changed))
    {
        return class;
    }
    match (report.work.changed, declared) {
        (true, _) => AttemptClass::Changed,
        (false, true) => AttemptClass::NoOp,
        (false, false) => AttemptClass::Empty,
    }
}

fn describe_end(end: &ProcessEnd) -> String {
    match end {
        ProcessEnd::Stopped => "killed, with no stop of mc on record".to_owned(),
        end => end.to_string(),
    }
}

/// What is to be run in the workspace of an attempt that ended as `report` says. Work that is not queued anyway, or that a
/// person must look at first, is not looked at.
pub fn in_workspace(report: &SessionReport, unit: &UnitSpec) -> Option<PreQueueCheck> {
    if report.hold.is_some() {
        return None;
    }
    match classify(report, unit.run.is_some(), false) {
        AttemptClass::Changed => Some(PreQueueCheck::Quick),
        AttemptClass::NoOp if unit.accept.is_some() => Some(PreQueueCheck::Accept),
        _ => None,
    }
}

/// The class of an attempt by what ran in its workspace, when that stands in the way of what it would be otherwise.
pub(super) fn class_by_quick(quick: Option<&Quick>, changed: bool) -> Option<AttemptClass> {
    match quick?.end {
        QuickEnd::Passed => None,
        QuickEnd::Missing => Some(AttemptClass::Held),
        QuickEnd::Failed | QuickEnd::Cut if changed => Some(AttemptClass::FailedQuick),
        QuickEnd::Failed | QuickEnd::Cut => Some(AttemptClass::FailedWork),
    }
}
