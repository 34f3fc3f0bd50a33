//! The two kept files in the virtual world: real texts, written by the real rules, with people who write into them too.

use super::scenario::{Behaviour, Scenario};
use super::tree::Content;
use crate::domain::backlog;
use crate::domain::mission::{Bookkeeping, BookkeepingMode, MissionOutcome, State, UnitState};
use crate::domain::progress::{self, Session};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, UnitId};
use std::collections::{BTreeMap, BTreeSet};

/// Both files in one commit.
#[derive(Debug, Clone, Default)]
struct Pages {
    backlog: String,
    progress: String,
    /// What people wrote as the status of an item.
    persons: BTreeMap<UnitId, String>,
}

/// The files of every commit.
#[derive(Debug, Default)]
pub(super) struct RecordedFiles {
    pages: BTreeMap<CommitId, Pages>,
    first: Pages,
    breaks: bool,
    on: bool,
}

impl RecordedFiles {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let on = scenario.policy.keeps != BookkeepingMode::Nothing;
        Self { pages: BTreeMap::new(), first: Pages::new(&scenario.units), breaks: scenario.bookkeeping_breaks, on }
    }

    /// A commit has the files of its first parent.
    pub(super) fn inherit_files(&mut self, commit: &CommitId, parent: Option<&CommitId>) {
        if self.on {
            let pages = parent.and_then(|parent| self.pages.get(parent)).unwrap_or(&self.first).clone();
            self.pages.insert(commit.clone(), pages);
        }
    }

    /// A person writes into the backlog of a commit.
    pub(super) fn write_as_person(&mut self, commit: &CommitId, rng: &mut fastrand::Rng) {
        if let Some(pages) = self.pages.get_mut(commit)
            && let Ok(unit) = UnitId::new(&format!("u{}", rng.u8(0..24)))
        {
            pages.set_person_status(&unit);
        }
    }

    /// How a tree shows that something was written on top of it.
    pub(super) fn mark_content(&self, mut content: Content) -> Content {
        let kind = if self.breaks { Behaviour::Breaks } else { Behaviour::Good };
        let nth = content.keys().filter(|id| id.as_str().starts_with("books.")).count();
        content.extend(UnitId::new(&format!("books.{nth}")).map(|id| (id, kind)));
        content
    }

    pub(super) fn write(&mut self, commit: &CommitId, bookkeeping: &Bookkeeping) -> Result<(), String> {
        let Some(pages) = self.pages.get_mut(commit) else {
            return Err("bookkeeping that nobody asked for".to_owned());
        };
        pages.write(bookkeeping)
    }

    pub(super) fn faults(
        &self,
        green: Option<&CommitId>,
        state: &State,
        on_green: &BTreeSet<&UnitId>,
    ) -> Result<(), String> {
        green.and_then(|green| self.pages.get(green)).map_or(Ok(()), |pages| pages.faults(state, on_green))
    }
}

impl Pages {
    fn new(units: &[UnitSpec]) -> Self {
        let backlog = units.iter().map(|unit| format!("## Item {0}\n- id: {0}\n\n", unit.id)).collect();
        Self { backlog, ..Self::default() }
    }

    fn write(&mut self, bookkeeping: &Bookkeeping) -> Result<(), String> {
        let marked = backlog::mark(&self.backlog, &bookkeeping.marks).map_err(|e| e.to_string())?;
        let title = format!("Round {} at {}", bookkeeping.round, bookkeeping.at);
        self.progress = progress::add(Some(&self.progress), &Session { title, ..Session::default() });
        self.backlog = marked.text;
        Ok(())
    }

    /// A person says what became of an item, instead of whatever stands there.
    fn set_person_status(&mut self, unit: &UnitId) {
        let head = format!("- id: {unit}\n");
        let Some((before, after)) = self.backlog.split_once(&head) else { return };
        let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
        let status = "skipped (by a person)";
        self.backlog = format!("{before}{head}- status: {status}\n\n{rest}");
        self.persons.insert(unit.clone(), status.to_owned());
    }

    /// What does not hold of green's files: a session told twice, a done that is not there, a person's word overwritten,
    /// and, when the mission has ended by itself, something that was not told.
    fn faults(&self, state: &State, on_green: &BTreeSet<&UnitId>) -> Result<(), String> {
        let titles: Vec<&str> =
            self.progress.lines().filter_map(|line| line.split_once(" - ").map(|(_, t)| t)).collect();
        let once: BTreeSet<&&str> = titles.iter().collect();
        if once.len() != titles.len() {
            return Err(format!("P4: a session is written twice: {titles:?}"));
        }
        let backlog = backlog::parse(&self.backlog).map_err(|f| format!("the marked backlog is none: {f:?}"))?;
        let by_itself = matches!(
            state.outcome,
            Some((
                MissionOutcome::BacklogDone
                    | MissionOutcome::MaxRounds
                    | MissionOutcome::Stalled
                    | MissionOutcome::ObjectiveMet,
                ..
            ))
        );
        for (unit, status) in &backlog.statuses {
            if let Some(person) = self.persons.get(unit) {
                if status.to_string() != *person {
                    return Err(format!("what a person wrote of {unit} became `{status}`"));
                }
                continue;
            }
            if status.state == backlog::ItemState::Done && !on_green.contains(unit) {
                return Err(format!("P8: {unit} is marked done and is not on green"));
            }
            // What a person took off green at the very end is not done.
            let landed = on_green.contains(unit) && state.unit(unit).is_some_and(|u| u.state == UnitState::Landed);
            if by_itself && landed && state.has_bookkeeping() && status.state != backlog::ItemState::Done {
                return Err(format!("{unit} landed and is marked `{status}`"));
            }
        }
        Ok(())
    }
}
