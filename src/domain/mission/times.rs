//! Where the time of a mission went, derived from its records alone: by unit, attempt, verification, wave and round.
//!
//! Promises: from planning to its end (or to now) a unit is in exactly one phase, so its phases add up to its wall time; the
//! same records give the same times. Times are those of the journal; only the run of a process inside an attempt is told by
//! the attempt's report, and never counts beyond the attempt.

use super::record::{NextMove, Record};
use super::report::SessionReport;
use crate::domain::queue::{MergeSource, VerifyRole};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{Millis, RequestId, RunId, UnitId};
use std::collections::BTreeMap;

/// What a unit's time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Planned; its wave is not open yet, or a dependency is not done.
    Planned,
    /// Ready, and no attempt runs: no free slot, or a pause before the next try.
    Waiting,
    /// An attempt was begun and its process does not run yet.
    Prepare,
    /// The process of an attempt runs.
    Agent,
    /// The process ended; its work is being collected and pinned.
    Collect,
    /// In the merge queue.
    Queue,
    /// Being merged onto green.
    Merge,
    /// A verification runs for its landing.
    Verify,
    /// The other steps of its landing.
    Land,
    /// Held for a person, or ended until a person gave it a fresh start.
    Parked,
    /// The mission was suspended.
    Away,
}

impl Phase {
    /// All phases in the order of a unit's life.
    pub const ALL: [Self; 11] = [
        Self::Planned,
        Self::Waiting,
        Self::Prepare,
        Self::Agent,
        Self::Collect,
        Self::Queue,
        Self::Merge,
        Self::Verify,
        Self::Land,
        Self::Parked,
        Self::Away,
    ];

    /// The word used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Waiting => "waiting",
            Self::Prepare => "prepare",
            Self::Agent => "agent",
            Self::Collect => "collect",
            Self::Queue => "queue",
            Self::Merge => "merge",
            Self::Verify => "verify",
            Self::Land => "land",
            Self::Parked => "parked",
            Self::Away => "away",
        }
    }
}

/// Milliseconds by phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases([Millis; 11]);

impl Phases {
    /// Time in one phase.
    #[must_use]
    pub fn of(&self, phase: Phase) -> Millis {
        self.0[phase as usize]
    }

    /// Time in all phases together.
    #[must_use]
    pub fn total(&self) -> Millis {
        self.0.iter().sum()
    }

    /// Phases with the time spent in each, in the order of a unit's life.
    pub fn each(&self) -> impl Iterator<Item = (Phase, Millis)> {
        Phase::ALL.into_iter().zip(self.0)
    }

    fn add(&mut self, phase: Phase, time: Millis) {
        self.0[phase as usize] += time;
    }
}

/// A span of time; without an end it goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub from: Millis,
    /// When it ended.
    pub until: Option<Millis>,
}

impl Span {
    /// Its length, up to `now` when it goes on.
    #[must_use]
    pub fn length(&self, now: Millis) -> Millis {
        self.until.unwrap_or(now).saturating_sub(self.from)
    }
}

/// Times of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitTimes {
    /// The unit.
    pub unit: UnitId,
    /// From planning to its end; to the last one, if it was given a fresh start.
    pub span: Span,
    /// What the time was spent on.
    pub phases: Phases,
    /// Its attempts in order.
    pub attempts: Vec<AttemptTimes>,
}

/// Times of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptTimes {
    /// Its number.
    pub n: u32,
    /// From the intent to the collected outcome.
    pub span: Span,
    /// When its process ran, if it did.
    pub ran: Option<Span>,
}

/// Times of one verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyTimes {
    /// Its number.
    pub run: RunId,
    /// What it was for.
    pub role: VerifyRole,
    /// From asking to the answer.
    pub span: Span,
    /// Whether a stored snapshot answered.
    pub reused: bool,
}

/// Times of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundTimes {
    /// Its number.
    pub index: u32,
    /// From its opening to its evaluation.
    pub span: Span,
    /// Its waves; one ends where the next opens or all are worked.
    pub waves: Vec<Span>,
}

/// Times of a mission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// From its start to its end.
    pub span: Span,
    /// Units in the order they were planned.
    pub units: Vec<UnitTimes>,
    /// Rounds.
    pub rounds: Vec<RoundTimes>,
    /// Verifications.
    pub verifications: Vec<VerifyTimes>,
    /// Time it was suspended.
    pub away: Millis,
    /// The last record.
    pub last: Millis,
}

impl Times {
    /// Time during which a verification ran; only one runs at a time.
    #[must_use]
    pub fn verifying(&self, now: Millis) -> Millis {
        self.verifications.iter().map(|run| run.span.length(now)).sum()
    }

    /// Share of the mission's time, from 0 to 1, during which a verification ran; absent before any time passed.
    #[must_use]
    pub fn verify_share(&self, now: Millis) -> Option<f64> {
        let wall = self.span.length(now);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a mission are far below 2^52")]
        let share = || (self.verifying(now) as f64 / wall as f64).min(1.0);
        (wall > 0).then(share)
    }

    /// Times of one unit.
    #[must_use]
    pub fn unit(&self, id: &UnitId) -> Option<&UnitTimes> {
        self.units.iter().find(|unit| unit.unit == *id)
    }
}

/// Reads the times out of a journal; what goes on is counted up to `now`.
#[must_use]
pub fn times<'a>(records: impl IntoIterator<Item = (Millis, &'a Record)>, now: Millis) -> Times {
    let mut reader = Reader::default();
    for (at, record) in records {
        // A journal's times never go back; a forged one must not make a time negative.
        let at = at.max(reader.times.last);
        if matches!(record, Record::MissionStarted { .. }) {
            reader.times.span.from = at;
        }
        reader.times.last = at;
        reader.read(at, record);
    }
    reader.close(now)
}

/// Where a unit stands while the journal is read.
#[derive(Debug, Clone)]
struct Cursor {
    phase: Option<Phase>,
    since: Millis,
    open: bool,
    done: bool,
    unmet: u32,
    dependants: Vec<usize>,
}

#[derive(Debug, Default)]
struct Reader {
    times: Times,
    cursors: Vec<Cursor>,
    index: BTreeMap<UnitId, usize>,
    waves: BTreeMap<(u32, u32), Vec<usize>>,
    requests: BTreeMap<RequestId, usize>,
    landing: Option<usize>,
    left: Option<Millis>,
}

impl Reader {
    fn read(&mut self, at: Millis, record: &Record) {
        match record {
            Record::RoundOpened { round, .. } => {
                let span = Span { from: at, until: None };
                self.times.rounds.push(RoundTimes { index: *round, span, waves: Vec::new() });
            }
            Record::RoundPlanned { round, units, wave_of, .. } => {
                for (spec, wave) in units.iter().zip(wave_of) {
                    self.plan(at, *round, *wave, spec);
                }
            }
            Record::WaveOpened { round, wave, .. } => {
                self.wave_ends(at);
                if let Some(open) = self.times.rounds.last_mut() {
                    open.waves.push(Span { from: at, until: None });
                }
                for i in self.waves.get(&(*round, *wave)).cloned().unwrap_or_default() {
                    self.cursors[i].open = true;
                    if self.cursors[i].phase == Some(Phase::Planned) {
                        self.pend(i, at);
                    }
                }
            }
            Record::RoundWorked { .. } => self.wave_ends(at),
            Record::RoundClosed { .. } => {
                self.wave_ends(at);
                if let Some(open) = self.times.rounds.last_mut() {
                    open.span.until = Some(at);
                }
            }
            Record::AttemptStarted { unit, n, .. } => self.with(unit, |reader, i| {
                reader.go(i, Some(Phase::Prepare), at);
                let span = Span { from: at, until: None };
                reader.times.units[i].attempts.push(AttemptTimes { n: *n, span, ran: None });
            }),
            Record::AttemptEnded { unit, n, next, report, .. } => {
                self.with(unit, |reader, i| {
                    reader.attempt_ended(i, *n, at, report);
                    reader.follow(i, next, at);
                });
            }
            Record::UnitBlocked { unit, .. } | Record::UnitCancelled { unit, .. } => {
                self.with(unit, |reader, i| reader.go(i, None, at));
            }
            Record::UnitUnblocked { unit } | Record::UnitRetried { unit, .. } => {
                self.with(unit, |reader, i| reader.pend(i, at));
            }
            Record::LandingStarted { mr, .. } => {
                self.landing = self.requests.get(mr).copied();
                self.landing_to(Phase::Merge, at);
            }
            Record::CandidateMade { .. } | Record::LandIntended { .. } => self.landing_to(Phase::Land, at),
            Record::VerifyStarted { run, role, .. } => {
                let span = Span { from: at, until: None };
                self.times.verifications.push(VerifyTimes { run: *run, role: *role, span, reused: false });
                self.landing_to(Phase::Verify, at);
            }
            Record::Verified { reused, .. } => self.verified(at, *reused),
            Record::StepFailed { .. } | Record::VerificationDropped { .. } | Record::GreenStale { .. } => {
                self.verified(at, false);
            }
            Record::Requeued { .. } => {
                self.verified(at, false);
                self.landing_to(Phase::Queue, at);
                self.landing = None;
            }
            Record::Landed { source, .. } | Record::MergeEmpty { source, .. } => {
                self.landing = None;
                self.of(source, |reader, i| reader.satisfy(i, at));
            }
            Record::Rejected { source, next, .. } => {
                self.landing = None;
                self.of(source, |reader, i| reader.follow(i, next, at));
            }
            Record::Suspended { .. } | Record::Waiting { .. } => self.left = self.left.or(Some(at)),
            Record::Resumed { .. } => self.back(at),
            Record::MissionEnded { .. } => self.times.span.until = Some(at),
            _ => {}
        }
    }

    fn plan(&mut self, at: Millis, round: u32, wave: u32, spec: &UnitSpec) {
        let i = self.cursors.len();
        let mut cursor = Cursor {
            phase: Some(Phase::Planned),
            since: at,
            open: false,
            done: false,
            unmet: 0,
            dependants: Vec::new(),
        };
        for (nth, dependency) in spec.depends.iter().enumerate() {
            let Some(d) = self.index.get(dependency).copied() else { continue };
            if !self.cursors[d].done && !spec.depends[..nth].contains(dependency) {
                self.cursors[d].dependants.push(i);
                cursor.unmet += 1;
            }
        }
        self.cursors.push(cursor);
        self.index.insert(spec.id.clone(), i);
        self.waves.entry((round, wave)).or_default().push(i);
        let span = Span { from: at, until: None };
        self.times.units.push(UnitTimes {
            unit: spec.id.clone(),
            span,
            phases: Phases::default(),
            attempts: Vec::new(),
        });
    }

    fn with(&mut self, unit: &UnitId, act: impl FnOnce(&mut Self, usize)) {
        if let Some(i) = self.index.get(unit).copied() {
            act(self, i);
        }
    }

    fn of(&mut self, source: &MergeSource, act: impl FnOnce(&mut Self, usize)) {
        if let MergeSource::Unit { unit, .. } = source {
            self.with(unit, act);
        }
    }

    /// Moves a unit into a phase, `None` for its end; the time since its last move belongs to the phase it leaves.
    fn go(&mut self, i: usize, phase: Option<Phase>, at: Millis) {
        let cursor = &mut self.cursors[i];
        let passed = at.saturating_sub(cursor.since);
        let unit = &mut self.times.units[i];
        match (cursor.phase, phase) {
            (Some(left), _) => unit.phases.add(left, passed),
            (None, Some(_)) => unit.phases.add(Phase::Parked, passed),
            (None, None) => return,
        }
        cursor.since = at;
        cursor.phase = phase;
        unit.span.until = if phase.is_none() { Some(at) } else { None };
    }

    fn pend(&mut self, i: usize, at: Millis) {
        let ready = self.cursors[i].open && self.cursors[i].unmet == 0;
        self.go(i, Some(if ready { Phase::Waiting } else { Phase::Planned }), at);
    }

    fn follow(&mut self, i: usize, next: &NextMove, at: Millis) {
        match next {
            NextMove::Queue { mr } => {
                self.requests.insert(*mr, i);
                self.go(i, Some(Phase::Queue), at);
            }
            NextMove::Retry { .. } => self.pend(i, at),
            NextMove::NoOp => self.satisfy(i, at),
            NextMove::Hold { .. } => self.go(i, Some(Phase::Parked), at),
            NextMove::Fail { .. } | NextMove::Reject { .. } => self.go(i, None, at),
        }
    }

    fn satisfy(&mut self, i: usize, at: Millis) {
        self.go(i, None, at);
        if std::mem::replace(&mut self.cursors[i].done, true) {
            return;
        }
        for d in self.cursors[i].dependants.clone() {
            self.cursors[d].unmet = self.cursors[d].unmet.saturating_sub(1);
            if self.cursors[d].phase == Some(Phase::Planned) {
                self.pend(d, at);
            }
        }
    }

    fn attempt_ended(&mut self, i: usize, n: u32, at: Millis, report: &SessionReport) {
        let began = self.cursors[i].since;
        let ran = report.run.ran.map(|(from, until)| {
            let from = from.clamp(began, at);
            Span { from, until: Some(until.clamp(from, at)) }
        });
        if let Some(Span { from, until: Some(until) }) = ran
            && self.cursors[i].phase == Some(Phase::Prepare)
        {
            self.go(i, Some(Phase::Agent), from);
            self.go(i, Some(Phase::Collect), until);
        }
        if let Some(attempt) = self.times.units[i].attempts.iter_mut().rev().find(|a| a.n == n) {
            attempt.span.until = Some(at);
            attempt.ran = ran;
        }
    }

    fn landing_to(&mut self, phase: Phase, at: Millis) {
        // A unit that was cancelled meanwhile stays ended.
        if let Some(i) = self.landing.filter(|i| self.cursors[*i].phase.is_some()) {
            self.go(i, Some(phase), at);
        }
    }

    fn verified(&mut self, at: Millis, reused: bool) {
        if let Some(run) = self.times.verifications.last_mut().filter(|run| run.span.until.is_none()) {
            (run.span.until, run.reused) = (Some(at), reused);
            if self.landing.is_some_and(|i| self.cursors[i].phase == Some(Phase::Verify)) {
                self.landing_to(Phase::Land, at);
            }
        }
    }

    fn wave_ends(&mut self, at: Millis) {
        let wave = self.times.rounds.last_mut().and_then(|round| round.waves.last_mut());
        if let Some(wave) = wave.filter(|wave| wave.until.is_none()) {
            wave.until = Some(at);
        }
    }

    /// Counts the time since the mission was suspended as away, for everything that was open then.
    fn back(&mut self, at: Millis) {
        let Some(left) = self.left.take() else { return };
        self.times.away += at.saturating_sub(left);
        for (cursor, unit) in self.cursors.iter_mut().zip(&mut self.times.units) {
            if let Some(phase) = cursor.phase {
                // A request answered between the suspension and the next engine has moved the cursor already.
                let from = left.max(cursor.since);
                unit.phases.add(phase, from - cursor.since);
                unit.phases.add(Phase::Away, at.saturating_sub(from));
                cursor.since = at.max(from);
            }
        }
    }

    fn close(mut self, now: Millis) -> Times {
        let end = self.times.span.until.unwrap_or(now.max(self.times.last));
        self.back(end);
        for i in 0..self.cursors.len() {
            if let Some(phase) = self.cursors[i].phase {
                let passed = end.saturating_sub(self.cursors[i].since);
                self.times.units[i].phases.add(phase, passed);
            }
        }
        self.times
    }
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
