//! Plain values of the merge queue: requests, what runs say of trees, green.

use super::order::{Key, Place};
use crate::domain::values::{HostId, LandingId, Millis, RequestId, RunId, Tip, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, Summary};
use serde::{Deserialize, Serialize};

/// Whose change a merge request carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeSource {
    /// Attempt `n` of a unit.
    Unit {
        /// The unit.
        unit: UnitId,
        /// Attempt number.
        n: u32,
    },
    /// The target branch as it stands at the start of a round.
    Intake,
    /// What the mission itself writes about a round.
    Bookkeeping {
        /// The round.
        round: u32,
    },
}

impl MergeSource {
    /// The unit whose change it is, if it is one's.
    pub fn unit(&self) -> Option<&UnitId> {
        match self {
            Self::Unit { unit, .. } => Some(unit),
            Self::Intake | Self::Bookkeeping { .. } => None,
        }
    }
}

/// A change waiting to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRequest {
    /// Number.
    pub id: RequestId,
    /// Whose change it is.
    pub source: MergeSource,
    /// What to merge.
    pub head: Tip,
    /// When it entered the queue.
    pub arrived: Millis,
    place: Place,
    /// From when on it may be tried.
    pub again_at: Millis,
    /// Failures of its steps since it came into the queue.
    pub failures: u32,
    /// How many requests the queue had settled when this one stepped behind the others.
    pub behind: Option<u64>,
    /// The attempt of another unit it has to wait for, because that has its turn for files which this touches.
    pub waits_for: Option<(UnitId, u32)>,
}

impl MergeRequest {
    /// A request that has not been tried.
    pub fn new(id: RequestId, source: MergeSource, head: Tip, arrived: Millis, place: Place) -> Self {
        Self { id, source, head, arrived, place, again_at: 0, failures: 0, behind: None, waits_for: None }
    }

    /// What decides its place among the others.
    pub(super) const fn key(&self) -> Key {
        (self.place, self.id)
    }

    /// Folds that it steps behind the others: to this place or a later one, when `settled` requests had left the queue.
    pub fn defer(&mut self, behind: &Behind, place: Place, settled: u64) {
        self.place = self.place.max(place);
        (self.again_at, self.failures, self.behind) = (behind.again_at, behind.failures, Some(settled));
    }
}

/// How a merge request whose steps fail steps behind the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// When it may be tried again.
    pub again_at: Millis,
    /// Failures of its steps since it came into the queue.
    pub failures: u32,
    /// Whether others passed meanwhile, so that its unit's infrastructure budget is charged.
    #[serde(default)]
    pub own_fault: bool,
}

/// What a verification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerifyRole {
    /// The untouched base before anything is made.
    Baseline,
    /// Green as the before of a landing.
    Before,
    /// The candidate of a landing.
    After,
    /// Green with nothing but the unit's `accept` line, which must fail there.
    AcceptBefore,
    /// The candidate with the unit's own `verify` and `accept` lines.
    UnitChecks,
    /// Green's tip, which landed on a warm result, without the files of earlier runs.
    Cold,
    /// An earlier position of green, to find the landing since which green passes only with the files of earlier runs.
    ColdSearch,
    /// Green as somebody else left it, against the last green that was verified.
    MovedGreen,
}

impl VerifyRole {
    /// Whether it is a step of a landing, and nobody wants its result when that is given up.
    pub const fn is_of_landing(self) -> bool {
        match self {
            Self::After | Self::AcceptBefore | Self::UnitChecks => true,
            Self::Baseline | Self::Before | Self::Cold | Self::ColdSearch | Self::MovedGreen => false,
        }
    }
}

/// What verifying a candidate gave.
#[derive(Debug, Clone, PartialEq)]
pub struct After {
    /// Snapshot key.
    pub key: SnapshotKey,
    /// Summary.
    pub summary: Summary,
    /// Difference to green.
    pub delta: Delta,
    /// Whether this is the second run of the tree.
    pub confirmed: bool,
    /// Whether files of earlier runs were there.
    pub warm: bool,
}

/// A verification in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerificationRun {
    /// Its id.
    pub run: RunId,
    /// The landing it is a step of; none where it is of green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing: Option<LandingId>,
    /// Tree and commit.
    pub tip: Tip,
    /// What for.
    pub role: VerifyRole,
    /// Where it runs; the engine's machine where a journal does not say.
    #[serde(default = "HostId::local", skip_serializing_if = "HostId::is_local")]
    pub host: HostId,
    /// When it was asked.
    pub at: Millis,
    /// Snapshot to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<SnapshotKey>,
    /// Snapshot it confirms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirms: Option<SnapshotKey>,
    /// Whether a warm result is no answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cold: bool,
}
