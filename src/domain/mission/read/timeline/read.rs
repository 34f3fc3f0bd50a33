//! Reading a timeline, record by record.

use super::model::{
    Answer, AttemptTimes, Landed, LandingEntry, Phase, Phases, RoundTimes, Span, Timeline, UnitTimes, VerificationEnd,
    VerificationEntry,
};
use crate::domain::mission::{NextMove, Record, SessionReport};
use crate::domain::queue::{MergeSource, VerificationRun, VerifyRole};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{LandingId, Millis, RequestId, RunId, SessionId, UnitId};
use crate::domain::verify::Summary;
use std::collections::BTreeMap;

impl<'a> Timeline<'a> {
    /// Reads a journal; what goes on is counted up to `now`.
    pub fn of(records: impl IntoIterator<Item = (Millis, &'a Record)>, now: Millis) -> Self {
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
}

/// Where a unit stands while the journal is read.
#[derive(Debug, Default)]
struct Cursor {
    phase: Option<Phase>,
    since: Millis,
    open: bool,
    done: bool,
    unmet: u32,
    dependants: Vec<usize>,
}

#[derive(Debug, Default)]
struct Reader<'a> {
    times: Timeline<'a>,
    cursors: Vec<Cursor>,
    index: BTreeMap<UnitId, usize>,
    waves: BTreeMap<(u32, u32), Vec<usize>>,
    sessions: BTreeMap<SessionId, (usize, u32)>,
    /// Whose change a merge request is.
    sources: BTreeMap<RequestId, MergeSource>,
    open: BTreeMap<LandingId, LandingEntry<'a>>,
    /// Green's snapshot, as far as a run has told it.
    green: Option<&'a Summary>,
    left: Option<Millis>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, at: Millis, record: &'a Record) {
        match record {
            Record::RoundOpened { round, .. } => {
                let span = Span { from: at, until: None };
                self.times.rounds.push(RoundTimes { index: *round, span, waves: Vec::new() });
            }
            Record::PreflightPassed { baseline } => self.times.baseline = Some(&baseline.tip.commit),
            Record::TargetSeen { intake: Some(intake) } => drop(self.sources.insert(intake.mr, MergeSource::Intake)),
            Record::BookkeepingRequested { mr, bookkeeping, .. } => {
                self.sources.insert(*mr, MergeSource::Bookkeeping { round: bookkeeping.round });
            }
            Record::RoundPlanned { round, units, wave_of, left_over, .. } => {
                self.times.left_over = *left_over;
                for (spec, wave) in units.iter().zip(wave_of) {
                    self.plan(at, *round, *wave, spec);
                }
            }
            Record::WaveOpened { round, wave, .. } => {
                self.wave_ends(*round, at);
                if let Some(open) = self.round(*round) {
                    open.waves.push(Span { from: at, until: None });
                }
                for i in self.waves.get(&(*round, *wave)).cloned().unwrap_or_default() {
                    self.cursors[i].open = true;
                    if self.cursors[i].phase == Some(Phase::Planned) {
                        self.enter_waiting(i, at);
                    }
                }
            }
            Record::RoundWorked { round } => self.wave_ends(*round, at),
            Record::RoundClosed { round, .. } => {
                self.wave_ends(*round, at);
                if let Some(open) = self.round(*round) {
                    open.span.until = Some(at);
                }
            }
            Record::SessionStarted { session, unit, n, .. } => self.update_unit(unit, |reader, i| {
                reader.sessions.insert(*session, (i, *n));
                reader.enter_phase(i, Some(Phase::Prepare), at);
                let span = Span { from: at, until: None };
                reader.times.units[i].attempts.push(AttemptTimes { n: *n, span, ran: None });
            }),
            Record::SessionEnded { session, report, .. } => {
                self.times.reports.push(report);
                if let Some((i, n)) = self.sessions.remove(session) {
                    self.attempt_ended(i, n, at, report);
                }
            }
            Record::AttemptJudged { unit, n, next, .. } => {
                if let NextMove::Queue { mr } = next {
                    self.sources.insert(*mr, MergeSource::Unit { unit: unit.clone(), n: *n });
                }
                self.update_unit(unit, |reader, i| reader.apply_next_move(i, next, at));
            }
            Record::UnitBlocked { unit, .. } | Record::UnitCancelled { unit, .. } => {
                self.update_unit(unit, |reader, i| reader.enter_phase(i, None, at));
            }
            Record::UnitHeld { unit, .. } => {
                self.update_unit(unit, |reader, i| reader.enter_phase(i, Some(Phase::Parked), at));
            }
            Record::UnitUnblocked { unit } | Record::UnitRetried { unit, .. } => {
                self.update_unit(unit, |reader, i| reader.enter_waiting(i, at));
            }
            Record::LandingStarted { mr, landing, onto, .. } => {
                let (id, source, onto) = (*landing, self.sources.get(mr).cloned(), &onto.commit);
                let told = LandingEntry { id, source, onto, tests: &[], key: None, after: None, landed: None };
                self.open.insert(*landing, told);
                self.landing_to(*landing, Phase::Merge, at);
            }
            Record::CandidateMade { landing, made } => {
                self.landing_to(*landing, Phase::Land, at);
                self.open.entry(*landing).and_modify(|open| open.tests = &made.tests);
            }
            Record::LandIntended { landing, key, .. } => {
                self.landing_to(*landing, Phase::Land, at);
                self.open.entry(*landing).and_modify(|open| open.key = Some(key));
            }
            Record::VerifyStarted(VerificationRun { run, role, landing, confirms, .. }) => {
                // A run of green is what every landing waits for.
                let landings: Vec<_> = landing.map_or_else(|| self.open.keys().copied().collect(), |id| vec![id]);
                let source = |id| self.open.get(id).and_then(|open| open.source.as_ref());
                let bookkeeping = |id| matches!(source(id), Some(MergeSource::Bookkeeping { .. }));
                self.times.runs.push(VerificationEntry {
                    run: *run,
                    role: *role,
                    confirms: confirms.is_some(),
                    of_bookkeeping: landings.iter().any(bookkeeping),
                    landings: landings.clone(),
                    span: Span { from: at, until: None },
                    end: VerificationEnd::Open,
                });
                landings.into_iter().for_each(|id| self.landing_to(id, Phase::Verify, at));
            }
            Record::Verified { run, key, summary, delta, reused, confirmed, .. } => {
                let (delta, reused, confirmed) = (delta.as_deref(), *reused, *confirmed);
                self.run_ends(*run, at, VerificationEnd::Answered(Answer { key, summary, delta, reused, confirmed }));
            }
            Record::StepFailed { run: Some(run), .. } | Record::VerificationDropped { run, .. } => {
                self.run_ends(*run, at, VerificationEnd::BrokenOff);
            }
            Record::GreenMoved { .. } => self.green = None,
            Record::Requeued { landing, .. } => {
                self.landing_to(*landing, Phase::Queue, at);
                self.landing_ends(*landing);
            }
            Record::Landed { landing, source, candidate: tip, green, verdict, .. } => {
                let before = self.green.take();
                if let Some(open) = self.open.get_mut(landing) {
                    open.landed = Some(Landed { at, tip, verdict: *verdict, before });
                    self.green = open.after.map(|after| after.summary).filter(|_| green.tree == tip.tree);
                }
                self.landing_ends(*landing);
                self.of(source, |reader, i| reader.mark_done(i, at));
            }
            Record::MergeEmpty { landing, source, .. } => {
                self.landing_ends(*landing);
                self.of(source, |reader, i| reader.mark_done(i, at));
            }
            Record::Rejected { landing, source, next, .. } => {
                self.landing_ends(*landing);
                self.of(source, |reader, i| reader.apply_next_move(i, next, at));
            }
            Record::Suspended { .. } | Record::Waiting { .. } => self.left = self.left.or(Some(at)),
            Record::Resumed { .. } => self.end_suspension(at),
            Record::MissionEnded { .. } => self.times.span.until = Some(at),
            _ => {}
        }
    }

    fn plan(&mut self, at: Millis, round: u32, wave: u32, spec: &UnitSpec) {
        let i = self.cursors.len();
        let mut cursor = Cursor { phase: Some(Phase::Planned), since: at, ..Cursor::default() };
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
        let (unit, phases, attempts) = (spec.id.clone(), Phases::default(), Vec::new());
        self.times.units.push(UnitTimes { unit, span, phases, attempts });
    }

    fn update_unit(&mut self, unit: &UnitId, act: impl FnOnce(&mut Self, usize)) {
        if let Some(i) = self.index.get(unit).copied() {
            act(self, i);
        }
    }

    pub(in crate::domain::mission) fn of(&mut self, source: &MergeSource, act: impl FnOnce(&mut Self, usize)) {
        if let MergeSource::Unit { unit, .. } = source {
            self.update_unit(unit, act);
        }
    }

    /// Moves a unit into a phase, `None` for its end; the time since its last move belongs to the phase it leaves.
    fn enter_phase(&mut self, i: usize, phase: Option<Phase>, at: Millis) {
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

    fn enter_waiting(&mut self, i: usize, at: Millis) {
        let ready = self.cursors[i].open && self.cursors[i].unmet == 0;
        self.enter_phase(i, Some(if ready { Phase::Waiting } else { Phase::Planned }), at);
    }

    fn apply_next_move(&mut self, i: usize, next: &NextMove, at: Millis) {
        match next {
            NextMove::Queue { .. } => self.enter_phase(i, Some(Phase::Queue), at),
            NextMove::Retry { .. } => self.enter_waiting(i, at),
            NextMove::NoOp => self.mark_done(i, at),
            NextMove::Hold { .. } => self.enter_phase(i, Some(Phase::Parked), at),
            NextMove::Fail { .. } | NextMove::Reject { .. } => self.enter_phase(i, None, at),
        }
    }

    fn mark_done(&mut self, i: usize, at: Millis) {
        self.enter_phase(i, None, at);
        if std::mem::replace(&mut self.cursors[i].done, true) {
            return;
        }
        for d in self.cursors[i].dependants.clone() {
            self.cursors[d].unmet = self.cursors[d].unmet.saturating_sub(1);
            if self.cursors[d].phase == Some(Phase::Planned) {
                self.enter_waiting(d, at);
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
            self.enter_phase(i, Some(Phase::Agent), from);
            self.enter_phase(i, Some(Phase::Collect), until);
        }
        if let Some(attempt) = self.times.units[i].attempts.iter_mut().rev().find(|a| a.n == n) {
            attempt.span.until = Some(at);
            attempt.ran = ran;
        }
    }

    fn landing_to(&mut self, id: LandingId, phase: Phase, at: Millis) {
        // A unit that was cancelled meanwhile stays ended.
        if let Some(i) = self.unit_of_landing(id).filter(|i| self.cursors[*i].phase.is_some()) {
            self.enter_phase(i, Some(phase), at);
        }
    }

    /// The unit of an open landing.
    fn unit_of_landing(&self, id: LandingId) -> Option<usize> {
        self.index.get(self.open.get(&id)?.source.as_ref()?.unit()?).copied()
    }

    fn landing_ends(&mut self, id: LandingId) {
        self.times.landings.extend(self.open.remove(&id));
    }

    fn run_ends(&mut self, id: RunId, at: Millis, end: VerificationEnd<'a>) {
        let open = |run: &&mut VerificationEntry<'a>| run.run == id && run.end == VerificationEnd::Open;
        let Some(run) = self.times.runs.iter_mut().rfind(open) else { return };
        (run.span.until, run.end) = (Some(at), end);
        let (role, confirms, landings) = (run.role, run.confirms, run.landings.clone());
        if let VerificationEnd::Answered(answer) = end {
            match role {
                VerifyRole::Before | VerifyRole::MovedGreen | VerifyRole::Baseline => self.green = Some(answer.summary),
                VerifyRole::After => {
                    let answer = Answer { confirmed: answer.confirmed || confirms, ..answer };
                    for id in &landings {
                        self.open.entry(*id).and_modify(|open| open.after = Some(answer));
                    }
                }
                VerifyRole::AcceptBefore | VerifyRole::UnitChecks | VerifyRole::Cold | VerifyRole::ColdSearch => {}
            }
        }
        for id in landings {
            if self.unit_of_landing(id).is_some_and(|i| self.cursors[i].phase == Some(Phase::Verify)) {
                self.landing_to(id, Phase::Land, at);
            }
        }
    }

    fn round(&mut self, index: u32) -> Option<&mut RoundTimes> {
        self.times.rounds.iter_mut().rfind(|round| round.index == index)
    }

    fn wave_ends(&mut self, round: u32, at: Millis) {
        let wave = self.round(round).and_then(|round| round.waves.last_mut());
        if let Some(wave) = wave.filter(|wave| wave.until.is_none()) {
            wave.until = Some(at);
        }
    }

    /// Counts the time since the mission was suspended as away, for everything that was open then.
    fn end_suspension(&mut self, at: Millis) {
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

    pub(in crate::domain::mission) fn close(mut self, now: Millis) -> Timeline<'a> {
        let end = self.times.span.until.unwrap_or(now.max(self.times.last));
        self.end_suspension(end);
        for i in 0..self.cursors.len() {
            if let Some(phase) = self.cursors[i].phase {
                let passed = end.saturating_sub(self.cursors[i].since);
                self.times.units[i].phases.add(phase, passed);
            }
        }
        self.times.landings.extend(self.open.into_values());
        self.times
    }
}
