//! Keeping the books: what the units of a round came to is written into the repository, by the merge queue and its rules
//! like every other change.
//!
//! Wanted: one request when the last wave of a round has closed, and only if a unit came to something that was not told
//! yet; the record of it names every word that will be written, so that asking again writes the same; a mark says done only
//! of what has landed. A request the gate refuses is the mission's last one: the next would be refused alike, at the price
//! of two runs. Why it is a request of its own: `docs/decisions/0010-bookkeeping.md`.

use super::Decision;
use super::command::Command;
use super::ends::EndReason;
use super::event::StopLevel;
use super::parts::{Stage, Unit, UnitState};
use super::record::Record;
use super::state::State;
use crate::domain::backlog::{ItemState, ItemStatus, Mark};
use crate::domain::base::text::{one_line, printable, shorten, turns_direction};
use crate::domain::queue::{Landing, MergeRequest, MergeSource, Place};
use crate::domain::values::{CommitId, LandingId, Millis, RequestId, Tip, UnitId, date};
use crate::domain::verify::Summary;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest reason in a mark, in characters.
const REASON: usize = 160;

/// Which files of the repository a mission keeps; fixed when it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BookkeepingMode {
    /// None.
    #[default]
    Nothing,
    /// Sessions in `PROGRESS.md`: the plan is not in the repository.
    Progress,
    /// Marks in `BACKLOG.md` too.
    Backlog,
}

impl BookkeepingMode {
    pub(super) fn nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// What is written about a mission at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Books {
    /// The round that has been worked on.
    pub round: u32,
    /// When this was put together.
    pub at: Millis,
    /// Which files are written.
    pub keeps: BookkeepingMode,
    /// Marks for `BACKLOG.md`, in plan order; none where the plan is not in the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// The session for `PROGRESS.md`.
    pub session: Session,
    /// The head of the target branch that was refused: its `BACKLOG.md` is the one that is marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<CommitId>,
}

/// What the units came to since the last session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// What the mission is for; may be empty. Untrusted.
    pub objective: String,
    /// The units that this session tells of, in plan order.
    pub units: Vec<Told>,
    /// All other units that are not done, in plan order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Told>,
    /// Units of the plan source left for later rounds.
    #[serde(default)]
    pub left_over: u32,
    /// Green's snapshot when the round was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Summary>,
    /// Green's snapshot now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Summary>,
    /// Green now.
    pub green: CommitId,
    /// Verifications that were run for the mission so far.
    pub runs: u64,
    /// Verifications answered by a stored snapshot so far.
    pub reused: u64,
    /// Why the mission ends before its time, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<EndReason>,
}

/// One unit as a session tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The unit.
    pub unit: UnitId,
    /// Its title. Untrusted.
    pub title: String,
    /// Where it stands.
    pub state: UnitState,
    /// Its landing commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Why, on one line. Untrusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Told {
    fn of(unit: &Unit) -> Self {
        Self {
            unit: unit.spec.id.clone(),
            title: unit.spec.title.clone(),
            state: unit.state,
            commit: unit.landed.as_ref().map(|tip| tip.commit.clone()),
            reason: first_line(&unit.reason),
        }
    }
}

/// What has been told of a unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The state that was last asked to be written.
    pub(super) asked: Option<UnitState>,
    /// The mark that is on green.
    pub(super) mark: Option<String>,
}

/// The first line of a text that says something, on one line and cut.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    shorten(&one_line(&printable(line).replace(turns_direction, " ")), REASON)
}

/// The mark a unit's state asks for; none while it is open, and none for what a person gave up: that item is still to do.
fn mark(unit: &Unit, at: Millis) -> Option<ItemStatus> {
    let state = match unit.state {
        UnitState::Landed => ItemState::Done,
        UnitState::NoOp => ItemState::NoOp,
        UnitState::Skipped => ItemState::Skipped,
        UnitState::Rejected | UnitState::Failed => ItemState::Failed,
        UnitState::Blocked => ItemState::Blocked,
        UnitState::Held => ItemState::Held,
        UnitState::Pending | UnitState::Running | UnitState::Queued | UnitState::Cancelled | UnitState::RolledBack => {
            return None;
        }
    };
    let head = unit.attempts.iter().rev().find_map(|attempt| attempt.head());
    let reason = match unit.state {
        UnitState::Landed => String::new(),
        UnitState::Rejected => format!("rejected: {}", first_line(&unit.reason)),
        _ => first_line(&unit.reason),
    };
    let head = head.map(|tip| tip.commit.short().to_owned());
    let parts = [Some(date(at)), head, Some(reason)].into_iter().flatten().filter(|part| !part.is_empty());
    Some(ItemStatus { state, detail: parts.collect::<Vec<_>>().join(", ") })
}

/// Whether a session is due because a unit is in this state.
fn tells(state: UnitState) -> bool {
    matches!(
        state,
        UnitState::Landed
            | UnitState::NoOp
            | UnitState::Rejected
            | UnitState::Failed
            | UnitState::Blocked
            | UnitState::Held
    )
}

impl State {
    /// Whether the mission writes down what becomes of its units, and the gate lets it.
    #[must_use]
    pub fn keeps_books(&self) -> bool {
        !self.policy.keeps.nothing() && !self.books_refused
    }

    /// Whether the mission was ended before its time, and only what became of its units is still written.
    pub(super) fn closing(&self) -> bool {
        matches!(self.stop, Some((StopLevel::Drain, EndReason::WallTime)))
    }

    /// Whether an end for this reason may still write the books: nothing works any more, and green can be moved.
    fn may_close(&self, why: EndReason) -> bool {
        let early = matches!(self.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing);
        // What may have landed answers for itself.
        let intended = self.landing().is_some_and(|landing| landing.intended().is_some());
        why == EndReason::WallTime
            && !(self.closed
                || early
                || intended
                || self.hold.is_some()
                || self.cold().search().is_some()
                || self.queue.foreign_move().is_some()
                || self.circuit.is_some())
            && (self.books.is_some() || self.books_due())
    }

    /// Folds that only the books are left to be written. What ended the mission is no reason to think that this fails.
    pub(super) fn closes(&mut self) {
        self.closed = true;
        self.stop = self.stop.map(|(_, why)| (StopLevel::Drain, why));
        self.queue.forget_failures();
    }

    /// Whether the books of an early end did not get on green at the first try.
    pub(super) fn closing_fails(&self, now: Millis) -> bool {
        let fails = |landing: &Landing| landing.due_at().is_some_and(|at| at > now);
        let moved = self.queue.foreign_move().is_some() && self.verifying().is_none() && self.queue.green_due() > now;
        self.closing() && (moved || self.landing().is_some_and(fails))
    }

    fn books_due(&self) -> bool {
        self.keeps_books()
            && self.books.is_none()
            && self.units.iter().any(|unit| tells(unit.state) && unit.known.asked != Some(unit.state))
    }

    /// What is to be written now.
    fn put_together(&self, green: &Tip, at: Millis) -> Books {
        let news = |unit: &&Unit| unit.state.terminal() || unit.state == UnitState::Held;
        let told = |unit: &&Unit| news(unit) && unit.known.asked != Some(unit.state);
        let open = |unit: &&Unit| !unit.state.satisfies() && !told(unit);
        let marks = match self.policy.keeps {
            BookkeepingMode::Backlog => self
                .units
                .iter()
                .filter_map(|unit| {
                    let status = mark(unit, at)?.to_string();
                    // A mark of the same state stays as it is: the day it was made is the day it happened.
                    let same = unit.known.mark.is_some() && unit.known.asked == Some(unit.state);
                    (!same).then(|| Mark { unit: unit.spec.id.clone(), status, was: unit.known.mark.clone() })
                })
                .collect(),
            BookkeepingMode::Nothing | BookkeepingMode::Progress => Vec::new(),
        };
        let round = self.rounds.last();
        let session = Session {
            objective: self.objective.clone(),
            units: self.units.iter().filter(told).map(Told::of).collect(),
            open: self.units.iter().filter(open).map(Told::of).collect(),
            left_over: round.map_or(0, |round| round.left_over),
            before: round.and_then(|round| round.before.clone()),
            after: self.green().and_then(|green| green.snapshot.as_ref()).map(|(_, summary)| plain(summary)),
            green: green.commit.clone(),
            runs: self.verifications_run,
            reused: self.verifications_reused,
            ends: self.stop.map(|(_, why)| why),
        };
        let outside = self.outside.as_ref().map(|outside| outside.head.commit.clone());
        Books { round: round.map_or(0, |round| round.index), at, keeps: self.policy.keeps, marks, session, outside }
    }

    /// Folds the request: it waits in the queue, and its units are told of.
    pub(super) fn books_asked(&mut self, mr: RequestId, green: &Tip, books: &Books) {
        let source = MergeSource::Books { round: books.round };
        self.queue.add(MergeRequest::new(mr, source, green.clone(), books.at, Place::FIRST));
        for told in &books.session.units {
            if let Some(i) = self.index.get(&told.unit).copied() {
                self.units[i].known.asked = Some(told.state);
            }
        }
        self.books = Some(Arc::new(books.clone()));
    }

    /// Folds that the books are on green, if it was them.
    pub(super) fn books_kept(&mut self, source: &MergeSource) {
        let MergeSource::Books { .. } = source else { return };
        let Some(books) = self.books.take() else { return };
        for mark in &books.marks {
            if let Some(i) = self.index.get(&mark.unit).copied() {
                self.units[i].known.mark = Some(mark.status.clone());
            }
        }
    }

    /// Folds that the gate refuses the books.
    pub(super) fn books_refused(&mut self, reasons: &[String]) {
        self.books = None;
        self.books_refused = true;
        let files =
            if self.policy.keeps == BookkeepingMode::Backlog { "BACKLOG.md and PROGRESS.md" } else { "PROGRESS.md" };
        let why = reasons.join("; ");
        self.problems.push(format!("{files} are not written any more in this mission: the gate refuses that: {why}"));
    }
}

/// A summary without what only the landing needs of it.
pub(super) fn plain(summary: &Summary) -> Summary {
    Summary { flaky: Vec::new(), note: String::new(), ..summary.clone() }
}

impl Decision<'_> {
    /// Begins to write the last books of a mission that everything was killed of, if that can be done. Whether it did.
    pub(super) fn close(&mut self, why: EndReason) -> bool {
        if !self.state.may_close(why) {
            return false;
        }
        if let Some((landing, mr)) = self.state.landing().map(|landing| (landing.id, landing.mr.id)) {
            self.note(Record::Requeued {
                landing,
                mr,
                why: "the mission ends".to_owned(),
                behind: None,
                waits_for: None,
            });
        }
        self.note(Record::Closing { at: self.now });
        // At once, so that nothing of the round goes on in between; unless a request waits that was made before. Either goes
        // before every change of a unit, and the mission ends when it has landed.
        self.keep_books();
        true
    }

    /// Queues what is to be written about the round, if anything is. Whether it did.
    pub(super) fn keep_books(&mut self) -> bool {
        if !self.state.books_due() {
            return false;
        }
        let Some(green) = self.state.green().map(|g| g.tip.clone()) else { return false };
        let books = Box::new(self.state.put_together(&green, self.now));
        self.note(Record::BooksAsked { mr: self.state.queue.next_request(), green, books });
        self.make_way();
        true
    }

    /// Has the books written on top of green.
    pub(super) fn write_books(&mut self, id: LandingId, onto: Tip) {
        if let Some(books) = self.state.books.clone() {
            self.ask(Command::WriteBooks { landing: id, onto, books });
        }
    }
}
