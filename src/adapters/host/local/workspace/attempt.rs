//! Whose work is collected, and where it is pinned.

use crate::domain::values::{CommitId, MissionId, UnitId};
use std::path::PathBuf;

/// Whose work lies in the slot.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its mission.
    pub mission: MissionId,
    /// Its unit.
    pub unit: UnitId,
    /// Which start of the unit, from 1.
    pub number: u32,
    /// The commit the slot was prepared at.
    pub base: CommitId,
    /// Green now, or whatever `changed` is measured against.
    pub green: CommitId,
    /// A folder that outlives the slot, for things that cannot be committed.
    pub run_dir: PathBuf,
    /// Whether the attempt is long over: what is pinned as its head stays that, and more of it is kept beside.
    pub late: bool,
    /// Whether work that is plainly elsewhere than at HEAD is taken when HEAD brings nothing.
    pub take_elsewhere: bool,
}

/// The ref that pins the head of an attempt.
pub fn head_ref(mission: &MissionId, unit: &UnitId, n: u32) -> String {
    format!("refs/mc/attempts/{mission}/{unit}/{n}")
}

/// The ref that pins everything else an attempt left.
pub fn kept_ref(mission: &MissionId, unit: &UnitId, n: u32) -> String {
    format!("refs/mc/kept/{mission}/{unit}/{n}")
}

/// The ref that pins what was in the workspace of an attempt while it went on, behind a worker.
pub fn progress_ref(mission: &MissionId, unit: &UnitId, n: u32) -> String {
    format!("refs/mc/progress/{mission}/{unit}/{n}")
}

impl Attempt {
    /// A ref of it that only says whether refs can be written.
    pub(super) fn probe_ref(&self) -> String {
        format!("refs/mc/probe/{}/{}/{}", self.mission, self.unit, self.number)
    }

    /// The ref that pins the head of this attempt.
    pub fn head_ref(&self) -> String {
        head_ref(&self.mission, &self.unit, self.number)
    }

    /// The ref that pins everything else it left.
    pub fn kept_ref(&self) -> String {
        kept_ref(&self.mission, &self.unit, self.number)
    }
}
