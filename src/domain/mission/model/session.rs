//! Sessions: runs of agents and scripts, by id.
//!
//! A mission counts its sessions with one counter. The number is id and fencing token in one: whatever ends a session, or says that
//! it cannot be collected, names it, and what names one that is not open changes nothing.

use crate::domain::values::SessionId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It works on a unit: an attempt.
    Worker,
}

/// Where the sessions of a mission are found, and the id of the next one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::domain::mission) struct Sessions {
    /// Index of its unit, and which of its attempts it is.
    places: BTreeMap<SessionId, (usize, usize)>,
    next: SessionId,
}

impl Sessions {
    /// The id of the next session.
    pub(in crate::domain::mission) const fn next(&self) -> SessionId {
        self.next
    }

    /// The index of its unit, and which of its attempts it is.
    pub(in crate::domain::mission) fn unit_attempt(&self, session: SessionId) -> Option<(usize, usize)> {
        self.places.get(&session).copied()
    }

    /// Folds that a session starts.
    pub(in crate::domain::mission) fn insert(&mut self, session: SessionId, place: (usize, usize)) {
        self.next = self.next.max(session.next());
        self.places.insert(session, place);
    }
}
