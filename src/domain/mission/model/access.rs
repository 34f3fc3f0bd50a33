//! Whether agents can work at all: the service they work with lets nobody in for a while, or the agent cannot be used as it is set up.
//!
//! Wanted: what stops every session stops the mission once. No attempt is used, nothing is started in vain, scripts go on.
//!
//! ```text
//! open ── a session ends at a limit, or the service fails ──► frozen until then ── one session is let go ──► it works ──► open
//!   │                                                            ▲                        │
//!   │                                                            └──── it does not ◄──────┘
//!   └── not logged in, no credit, unknown model, refused; or two sessions in a row that end before any work ──► refused
//! ```
//!
//! A session that began before the freeze says nothing of what is possible now. A refusal ends when an engine begins: a person has
//! looked at it then.

use super::outcome::AttemptClass;
use super::report::SessionReport;
use crate::domain::agent::{AgentEnd, Failure};
use crate::domain::values::Millis;

/// First pause where nobody says when a limit is over, or a service works again; it doubles.
const FIRST_PAUSE: Millis = 60_000;

/// Longest pause where nobody says when it is over.
const LONGEST_PAUSE: Millis = 3_600_000;

/// Longest time that an agent's word for the end of a limit is believed: the longest window that accounts have is a week.
const LONGEST_FREEZE: Millis = 8 * 86_400_000;

/// Sessions in a row that ended before any work, for a reason nobody knows, after which no other is started.
const IDLE_ENDS: u32 = 2;

/// No agent is started until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Since when.
    pub since: Millis,
    /// Until when; then one is let go.
    pub until: Millis,
    /// Which time in a row.
    pub tries: u32,
    /// What it is for: a limit, the service, or the way to it.
    pub failure: Failure,
    /// Which limit, as the agent names it. Untrusted.
    pub window: String,
}

/// Why an agent cannot be used as it is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRefusal {
    /// What it is for.
    pub failure: Failure,
    /// What the agent said. Untrusted.
    pub said: String,
}

/// Whether agents can work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentAccess {
    freeze: Option<Freeze>,
    refusal: Option<AgentRefusal>,
    idle_ends: u32,
}

impl AgentAccess {
    /// That no agent is started for a while.
    pub const fn freeze(&self) -> Option<&Freeze> {
        self.freeze.as_ref()
    }

    /// That no agent is started by this engine any more.
    pub const fn refusal(&self) -> Option<&AgentRefusal> {
        self.refusal.as_ref()
    }

    /// What the end at `at` of a session that began at `started` and met a limit means: the freeze that follows.
    pub(in crate::domain::mission) fn freeze_after(
        &self,
        started: Millis,
        at: Millis,
        report: &SessionReport,
    ) -> Freeze {
        let stream = report.agent.stream.as_ref();
        let limit = stream.and_then(|stream| stream.limit.as_ref());
        let failure = report.agent.failure().unwrap_or(Failure::Limit);
        let known = self.freeze.as_ref();
        // What began before it was known that nobody gets in met the same.
        let same = known.filter(|freeze| started < freeze.since);
        let tries = same.map_or_else(|| known.map_or(0, |freeze| freeze.tries) + 1, |freeze| freeze.tries);
        let pause = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
        let told = limit.and_then(|limit| limit.resets_at).filter(|_| failure == Failure::Limit);
        let until = told.map_or(at + pause, |told| told.clamp(at + 1_000, at + LONGEST_FREEZE));
        let window = limit.map(|limit| limit.window.clone()).unwrap_or_default();
        match same {
            Some(freeze) => Freeze { until: until.max(freeze.until), ..freeze.clone() },
            None => Freeze { since: at, until, tries, failure, window },
        }
    }

    /// Folds the end of a session of an agent.
    pub(in crate::domain::mission) fn take_end(
        &mut self,
        started: Millis,
        at: Millis,
        class: AttemptClass,
        report: &SessionReport,
    ) {
        match class {
            AttemptClass::Limit => self.freeze = Some(self.freeze_after(started, at, report)),
            AttemptClass::Refused => {
                let failure = report.agent.failure().unwrap_or(Failure::Other);
                self.idle_ends += 1;
                if failure != Failure::Other || self.idle_ends >= IDLE_ENDS {
                    self.refusal.get_or_insert(AgentRefusal { failure, said: report.agent.summary.clone() });
                }
            }
            AttemptClass::NeverStarted | AttemptClass::Stopped | AttemptClass::Infrastructure => {}
            _ => {
                self.idle_ends = 0;
                if self.freeze.as_ref().is_some_and(|freeze| started >= freeze.since) {
                    self.freeze = None;
                }
            }
        }
    }

    /// Folds that an engine begins.
    pub(in crate::domain::mission) fn begin_engine(&mut self) {
        self.refusal = None;
        self.idle_ends = 0;
    }
}

/// What the end of an agent's stream makes of its session, where it decides that alone.
pub(in crate::domain::mission) fn class_by_stream(report: &SessionReport) -> Option<AttemptClass> {
    let stream = report.agent.stream.as_ref()?;
    match stream.end.as_ref()? {
        AgentEnd::Completed => None,
        AgentEnd::Failed { failure: Failure::Limit | Failure::Service | Failure::Network, .. } => {
            Some(AttemptClass::Limit)
        }
        AgentEnd::Failed { failure: Failure::Login | Failure::Credit | Failure::Model | Failure::Refused, .. } => {
            Some(AttemptClass::Refused)
        }
        AgentEnd::TurnLimit | AgentEnd::ContextFull if report.work.changed => Some(AttemptClass::Continue),
        AgentEnd::Failed { .. } | AgentEnd::Cut if stream.did_nothing() && !report.work.changed => {
            Some(AttemptClass::Refused)
        }
        AgentEnd::Failed { .. }
        | AgentEnd::Cut
        | AgentEnd::TurnLimit
        | AgentEnd::ContextFull
        | AgentEnd::Budget
        | AgentEnd::Interrupted => Some(AttemptClass::FailedWork),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agent::{StreamFormat, StreamReport, UsageLimit};
    use crate::domain::ending::ProcessEnd;

    const MINUTE: Millis = 60_000;

    fn ended(end: AgentEnd, resets_at: Option<Millis>) -> SessionReport {
        let mut report = SessionReport::from_end(ProcessEnd::Exited(1));
        let limit = resets_at.map(|at| UsageLimit { resets_at: Some(at), window: "five_hour".to_owned() });
        report.agent.stream = Some(Box::new(StreamReport {
            format: StreamFormat::Claude,
            session: None,
            end: Some(end),
            usage: [].into(),
            partial_usage: false,
            limit,
            denials: Vec::new(),
            tools_called: 0,
            retries: 0,
            events: 2,
        }));
        report
    }

    fn failed(failure: Failure) -> AgentEnd {
        AgentEnd::Failed { failure, message: String::new() }
    }

    fn take(access: &mut AgentAccess, started: Millis, at: Millis, report: &SessionReport) {
        let class = class_by_stream(report).unwrap_or(AttemptClass::Changed);
        access.take_end(started, at, class, report);
    }

    #[test]
    fn p8_a_limit_freezes_until_its_own_time_and_pauses_grow_where_none_is_told() {
        let mut access = AgentAccess::default();
        take(&mut access, 0, 1_000, &ended(failed(Failure::Limit), Some(500_000)));
        assert_eq!(access.freeze().map(|freeze| (freeze.since, freeze.until, freeze.tries)), Some((1_000, 500_000, 1)));
        // Sessions that had begun before meet the same; one that ends well among them says nothing of what is possible now.
        take(&mut access, 500, 2_000, &ended(failed(Failure::Limit), None));
        take(&mut access, 900, 3_000, &ended(AgentEnd::Completed, None));
        assert_eq!(access.freeze().map(|freeze| (freeze.until, freeze.tries)), Some((500_000, 1)));
        let mut at = 500_000;
        for wanted in [2, 4, 8, 16, 32, 60, 60] {
            take(&mut access, at, at + 10, &ended(failed(Failure::Service), None));
            let until = access.freeze().expect("frozen").until;
            assert_eq!(until, at + 10 + wanted * MINUTE);
            at = until;
        }
        take(&mut access, at, at + 10, &ended(AgentEnd::Completed, None));
        assert_eq!(access.freeze(), None);
    }

    #[test]
    fn p8_no_agent_can_freeze_for_ever_or_not_at_all() {
        for (told, wanted) in [(0, 1_001_000), (u64::MAX, 1_000_000 + LONGEST_FREEZE)] {
            let mut access = AgentAccess::default();
            take(&mut access, 0, 1_000_000, &ended(failed(Failure::Limit), Some(told)));
            assert_eq!(access.freeze().expect("frozen").until, wanted);
        }
    }

    #[test]
    fn p8_what_nobody_can_mend_by_waiting_refuses_and_the_unknown_does_at_the_second_time() {
        for failure in [Failure::Login, Failure::Credit, Failure::Model, Failure::Refused] {
            let mut access = AgentAccess::default();
            take(&mut access, 0, 1, &ended(failed(failure), None));
            assert_eq!(access.refusal().map(|refusal| refusal.failure), Some(failure));
            access.begin_engine();
            assert_eq!(access.refusal(), None);
        }
        let mut access = AgentAccess::default();
        for (end, refused) in
            [(AgentEnd::Cut, false), (AgentEnd::Completed, false), (AgentEnd::Cut, false), (AgentEnd::Cut, true)]
        {
            take(&mut access, 0, 1, &ended(end, None));
            assert_eq!(access.refusal().is_some(), refused);
        }
    }

    #[test]
    fn p8_an_end_with_work_before_it_is_the_units_own() {
        let class = |end: AgentEnd, changed: bool, tools: u64| {
            let mut report = ended(end, None);
            report.work.changed = changed;
            report.agent.stream.as_mut().expect("a stream").tools_called = tools;
            class_by_stream(&report)
        };
        assert_eq!(class(AgentEnd::Cut, false, 3), Some(AttemptClass::FailedWork));
        assert_eq!(class(AgentEnd::Cut, true, 0), Some(AttemptClass::FailedWork));
        assert_eq!(class(AgentEnd::TurnLimit, true, 3), Some(AttemptClass::Continue));
        assert_eq!(class(AgentEnd::TurnLimit, false, 3), Some(AttemptClass::FailedWork));
        assert_eq!(class(failed(Failure::Other), true, 1), Some(AttemptClass::FailedWork));
        assert_eq!(class(failed(Failure::Limit), true, 9), Some(AttemptClass::Limit));
        assert_eq!(class(AgentEnd::Completed, false, 0), None);
    }
}
