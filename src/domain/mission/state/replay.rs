//! Journals to states: the first record makes a state, the others are folded into it.

use super::hosts::Hosts;
use super::mission::State;
use super::ready::ReadyUnits;
use crate::domain::mission::model::access::AgentAccess;
use crate::domain::mission::model::session::Sessions;
use crate::domain::mission::model::{Account, Clock, Stage};
use crate::domain::mission::protocol::record::{JOURNAL_FORMAT, Record};
use crate::domain::queue::Queue;
use crate::domain::values::HostId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

/// A journal cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The first record is not a mission's start.
    #[error("fold a journal that does not begin with `mission-started` but with `{0}`")]
    NoStart(String),
    /// The journal is empty.
    #[error("fold an empty journal")]
    Empty,
    /// Written by a version that is older or newer.
    #[error(
        "fold a journal of format {0}; this version knows format {JOURNAL_FORMAT} only: use the mc that wrote it, or let MC_STATE_DIR name a new place"
    )]
    OtherFormat(u32),
}

/// A mission: its state, which everybody may read and nothing but a record changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Mission(State);

impl Deref for Mission {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl Mission {
    /// Folds a whole journal. The result waits for [`Event::Resumed`](crate::domain::mission::Event::Resumed) before it decides anything.
    ///
    /// # Errors
    /// [`ReplayError`] when the journal has no start or another format.
    pub fn replay(records: impl IntoIterator<Item = Record>) -> Result<Self, ReplayError> {
        let mut records = records.into_iter();
        let mut state = Self::begin(&records.next().ok_or(ReplayError::Empty)?)?;
        for record in records {
            state.apply(&record);
        }
        state.0.attached = false;
        Ok(state)
    }

    /// The state after a mission's first record.
    ///
    /// # Errors
    /// [`ReplayError`] when the record is not a start this version knows.
    pub fn begin(record: &Record) -> Result<Self, ReplayError> {
        let Record::MissionStarted { format, decided_by, mission, at, objective, policy, plan, settings } = record
        else {
            return Err(ReplayError::NoStart(record.kind()));
        };
        if *format != JOURNAL_FORMAT {
            return Err(ReplayError::OtherFormat(*format));
        }
        Ok(Self(State {
            decided_by: decided_by.clone(),
            mission: mission.clone(),
            objective: objective.clone(),
            policy: (**policy).clone(),
            plan: plan.clone().map(Arc::new),
            settings: settings.clone(),
            started: *at,
            ended: None,
            stage: Stage::Preflight,
            paused: false,
            stop: None,
            waiting: false,
            suspended: false,
            hold: None,
            hold_code: 0,
            outcome: None,
            baseline: None,
            repository: Vec::new(),
            decided: Vec::new(),
            units: Vec::new(),
            rounds: Vec::new(),
            verifications_run: 0,
            verifications_reused: 0,
            landed: 0,
            problems: Vec::new(),
            skipped: Vec::new(),
            refused_target: None,
            account: Account::default(),
            clock: Clock::start(*at),
            access: AgentAccess::default(),
            emptied: false,
            unreadable: false,
            queue: Queue::default(),
            sessions: Sessions::default(),
            index: BTreeMap::new(),
            counts: [0; 12],
            ready: ReadyUnits::default(),
            turns: BTreeSet::new(),
            active: 0,
            opened: None,
            hosts: Hosts::begin(policy),
            uncollected: BTreeMap::new(),
            stage_failures: 0,
            stage_again_at: None,
            sightings: Vec::new(),
            circuit: None,
            suspended_by: None,
            checking: false,
            checked_on: HostId::local(),
            attached: true,
            cancelling: BTreeSet::new(),
            bookkeeping: None,
            bookkeeping_refused: false,
            closed: false,
        }))
    }

    /// Folds one record.
    pub fn apply(&mut self, record: &Record) {
        self.0.fold(record);
    }
}
