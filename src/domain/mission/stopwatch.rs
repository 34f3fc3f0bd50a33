//! How long what a record closes took, and which phase a record begins: for those who read a journal record by record.

use super::record::{NextMove, Record};
use super::times::Phase;
use crate::domain::values::{Millis, UnitId};
use std::collections::BTreeMap;

/// Remembers when things were opened.
#[derive(Debug, Clone, Default)]
pub struct Stopwatch {
    mission: Option<Millis>,
    round: Option<Millis>,
    attempts: BTreeMap<UnitId, Millis>,
    landing: Option<Millis>,
    verification: Option<Millis>,
}

impl Stopwatch {
    /// Time from the record that opened what this one closes; absent for records that close nothing.
    pub fn took(&mut self, at: Millis, record: &Record) -> Option<Millis> {
        let began = match record {
            Record::MissionStarted { .. } => {
                self.mission = Some(at);
                None
            }
            Record::RoundOpened { .. } => {
                self.round = Some(at);
                None
            }
            Record::AttemptStarted { unit, .. } => {
                self.attempts.insert(unit.clone(), at);
                None
            }
            Record::LandingStarted { .. } => {
                self.landing = Some(at);
                None
            }
            Record::VerifyStarted { .. } => {
                self.verification = Some(at);
                None
            }
            Record::AttemptEnded { unit, .. } => self.attempts.remove(unit),
            Record::Verified { .. }
            | Record::StepFailed { .. }
            | Record::VerificationDropped { .. }
            | Record::GreenStale { .. } => self.verification.take(),
            Record::Landed { .. } | Record::Rejected { .. } | Record::MergeEmpty { .. } | Record::Requeued { .. } => {
                self.landing.take()
            }
            Record::RoundClosed { .. } => self.round.take(),
            Record::MissionEnded { .. } => self.mission,
            _ => None,
        };
        began.map(|began| at.saturating_sub(began))
    }
}

/// The phase of a unit that begins with a record, where one does.
#[must_use]
pub fn begins(record: &Record) -> Option<Phase> {
    let follows = |next: &NextMove| match next {
        NextMove::Queue { .. } => Some(Phase::Queue),
        NextMove::Retry { .. } => Some(Phase::Waiting),
        NextMove::Hold { .. } => Some(Phase::Parked),
        NextMove::NoOp | NextMove::Fail { .. } | NextMove::Reject { .. } => None,
    };
    match record {
        Record::AttemptStarted { .. } => Some(Phase::Prepare),
        Record::AttemptEnded { next, .. } | Record::Rejected { next, .. } => follows(next),
        Record::LandingStarted { .. } => Some(Phase::Merge),
        Record::CandidateMade { .. } | Record::Verified { .. } | Record::LandIntended { .. } => Some(Phase::Land),
        Record::VerifyStarted { .. } => Some(Phase::Verify),
        Record::Requeued { .. } => Some(Phase::Queue),
        Record::UnitRetried { .. } | Record::UnitUnblocked { .. } => Some(Phase::Waiting),
        Record::Suspended { .. } | Record::Waiting { .. } => Some(Phase::Away),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trouble::Cause;

    #[test]
    fn what_a_record_closes_is_timed_from_what_opened_it() {
        let mut watch = Stopwatch::default();
        assert_eq!(watch.took(5, &Record::RoundOpened { round: 1, at: 5 }), None);
        let failed = Record::StepFailed {
            run: None,
            landing: None,
            what: String::new(),
            error: String::new(),
            cause: Cause::Git,
            at: 7,
            again_at: 9,
            setup: None,
        };
        assert_eq!(watch.took(7, &failed), None, "no verification was open");
        let closed = Record::RoundClosed { round: 1, at: 30, landed: 0, units: 0, objective: None };
        assert_eq!(watch.took(30, &closed), Some(25));
        assert_eq!(watch.took(40, &closed), None, "it is closed once");
        assert_eq!(begins(&closed), None);
    }
}
