//! One landing: a request on its way to green, from the merge to the move.
//!
//! Wanted: no state that has no meaning can be written. Evidence belongs to a candidate, so there is none before the merge; only
//! what has a candidate can be intended; a step is either at work or due at a time. Every change goes through [`Landing::apply`],
//! which leaves alone what a change does not fit: a late answer changes nothing.
//!
//! ```text
//! Merging ── Made ──► Proving ── Intended ──► Intended ──► landed, requeued or held (the landing is over)
//!    │                  │ ▲ Verified, Checked    │
//!    └──── Paused ──────┴─┴───────── Paused ─────┘   the step is due again later; Asked: it is at work again
//! ```

use super::failures::Failures;
use super::model::{After, MergeRequest, VerifyRole};
use crate::domain::values::{LandingId, Millis, Tip, TreeId, UnitId};
use crate::domain::verify::Verdict;
use serde::{Deserialize, Serialize};

/// A merged commit, with what must be known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The commit; pinned.
    #[serde(rename = "candidate")]
    pub tip: Tip,
    /// Units with a turn for files that it touches; theirs begins when this landing is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<UnitId>,
    /// What a person should know of it, one line each. Untrusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Files that decide how changes are verified, which it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deciding: Vec<String>,
    /// Files with tests that were there before, which it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
}

impl From<Tip> for Candidate {
    /// A commit of which nothing must be known.
    fn from(tip: Tip) -> Self {
        Self { tip, touches: Vec::new(), notes: Vec::new(), deciding: Vec::new(), tests: Vec::new() }
    }
}

/// What runs have said of a candidate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The candidate by the stages of the gate.
    pub after: Option<After>,
    /// The last warm run, in whose place a cold one was made. It stays when what both are compared with is known better.
    pub warm: Option<After>,
    /// What the unit's `accept` said of green.
    pub accept_before: Option<After>,
    /// What the unit's own lines said of the candidate.
    pub unit_checks: Option<After>,
    /// How often the candidate was verified.
    pub asked: u32,
}

/// How far a landing is.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The request is merged onto green.
    Merging,
    /// Runs of the candidate, of green and of the unit's own lines say whether it may land.
    Proving(Box<(Candidate, Evidence)>),
    /// Moving green is journaled as intended: it may have happened.
    Intended(Box<(Candidate, Evidence)>, Verdict),
}

/// What its next step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// git is at work on it.
    AtWork,
    /// It is due at this time.
    Due(Millis),
    /// It is due at this time, when a person has done what this sentence says.
    WaitsForPerson(Millis, String),
}

/// What happens to a landing.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The candidate is made.
    Made(Candidate),
    /// A run of the candidate by the stages of the gate has ended.
    Verified(Box<After>),
    /// What it was compared with is known better: it is verified again.
    Outdated,
    /// A run of the unit's own lines has ended.
    Checked(VerifyRole, Box<After>),
    /// Moving green is intended.
    Intended(Verdict),
    /// Its step is asked of git.
    Asked,
    /// Its step met trouble; it is due again at this time. What the setup command said, where that is what failed.
    Failed(Millis, Option<String>),
    /// A step of it succeeded: what failed before is past.
    Succeeded,
    /// Its step was broken off; it is due again at this time.
    Paused(Millis),
    /// Its step waits for something a person does, and is tried at this time.
    WaitsForPerson(Millis, String),
}

/// A landing in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Landing {
    /// Its id: the fencing token of its steps.
    pub id: LandingId,
    /// The request.
    pub mr: MergeRequest,
    /// Green it is made on.
    pub onto: Tip,
    /// How far it is.
    pub phase: Phase,
    step: Step,
    /// Failures of its steps since one succeeded.
    pub failures: Failures,
}

impl Landing {
    /// A landing that begins: git merges the request onto green.
    pub fn begin(id: LandingId, mr: MergeRequest, onto: Tip) -> Self {
        Self { id, mr, onto, phase: Phase::Merging, step: Step::AtWork, failures: Failures::default() }
    }

    /// Folds what happens to it. The only place where a landing changes.
    pub fn apply(&mut self, change: Change) {
        match (&mut self.phase, change) {
            (Phase::Merging, Change::Made(candidate)) => {
                self.phase = Phase::Proving(Box::new((candidate, Evidence::default())));
                self.step = Step::Due(0);
                self.failures.clear();
            }
            (Phase::Proving(known), Change::Verified(after)) => {
                let evidence = &mut known.1;
                evidence.asked += 1;
                let before = evidence.after.replace(*after).filter(|before| before.warm);
                evidence.warm = before.or(evidence.warm.take());
            }
            (Phase::Proving(known) | Phase::Intended(known, _), Change::Outdated) => known.1.after = None,
            (Phase::Proving(known), Change::Checked(VerifyRole::AcceptBefore, unit_checks)) => {
                known.1.accept_before = Some(*unit_checks);
            }
            (Phase::Proving(known), Change::Checked(VerifyRole::UnitChecks, unit_checks)) => {
                known.1.unit_checks = Some(*unit_checks)
            }
            (Phase::Proving(_), Change::Intended(verdict)) => {
                if let Phase::Proving(known) = std::mem::replace(&mut self.phase, Phase::Merging) {
                    self.phase = Phase::Intended(known, verdict);
                }
                self.step = Step::AtWork;
            }
            (_, Change::Asked) => self.step = Step::AtWork,
            (_, Change::Failed(at, setup)) => {
                self.step = Step::Due(at);
                self.failures.add(setup.as_deref());
            }
            (_, Change::Succeeded) => self.failures.clear(),
            (_, Change::Paused(at)) => self.step = Step::Due(at),
            (_, Change::WaitsForPerson(at, why)) => self.step = Step::WaitsForPerson(at, why),
            // A late answer.
            (
                _,
                Change::Made(_) | Change::Verified(_) | Change::Outdated | Change::Checked(..) | Change::Intended(_),
            ) => {}
        }
    }

    /// The candidate with what must be known of it, when it is made.
    pub fn merged_candidate(&self) -> Option<&Candidate> {
        match &self.phase {
            Phase::Merging => None,
            Phase::Proving(known) | Phase::Intended(known, _) => Some(&known.0),
        }
    }

    /// The merged commit, when it is made.
    pub fn candidate(&self) -> Option<&Tip> {
        self.merged_candidate().map(|candidate| &candidate.tip)
    }

    /// Green and the merged tree, once there is one: what it is verified on and what is verified.
    pub fn trees(&self) -> Option<[TreeId; 2]> {
        Some([self.onto.tree.clone(), self.candidate()?.tree.clone()])
    }

    /// What runs have said, when there is a candidate.
    pub fn evidence(&self) -> Option<&Evidence> {
        match &self.phase {
            Phase::Merging => None,
            Phase::Proving(known) | Phase::Intended(known, _) => Some(&known.1),
        }
    }

    /// What the candidate is by the stages of the gate, when that is known.
    pub fn gate_result(&self) -> Option<&After> {
        self.evidence()?.after.as_ref()
    }

    /// What the unit's `accept` said of green, when that is known.
    pub fn accept_before(&self) -> Option<&After> {
        self.evidence()?.accept_before.as_ref()
    }

    /// What the unit's own lines said of the candidate, when that is known.
    pub fn unit_checks_result(&self) -> Option<&After> {
        self.evidence()?.unit_checks.as_ref()
    }

    /// The verdict with which it is intended to move green, if it is.
    pub const fn intended_verdict(&self) -> Option<Verdict> {
        match &self.phase {
            Phase::Intended(_, verdict) => Some(*verdict),
            Phase::Merging | Phase::Proving(_) => None,
        }
    }

    /// Whether git is at work on it.
    pub fn at_work(&self) -> bool {
        self.step == Step::AtWork
    }

    /// From when on its next step may be asked; none while git is at work on it.
    pub const fn due_at(&self) -> Option<Millis> {
        match &self.step {
            Step::AtWork => None,
            Step::Due(at) | Step::WaitsForPerson(at, _) => Some(*at),
        }
    }

    /// What a person must do before it can go on, if that is what it waits for.
    pub fn waits_for_person(&self) -> Option<&str> {
        match &self.step {
            Step::WaitsForPerson(_, why) => Some(why),
            Step::AtWork | Step::Due(_) => None,
        }
    }
}
