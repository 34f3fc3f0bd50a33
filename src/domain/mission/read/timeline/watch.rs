//! How long what a record closes took, and which phase a record begins: for those who read a journal record by record.

use super::model::Phase;
use crate::domain::mission::{NextMove, Record};
use crate::domain::queue::VerificationRun;
use crate::domain::values::{LandingId, Millis, RunId, SessionId};
use std::collections::BTreeMap;

/// What has a beginning and an end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Mission,
    Round(u32),
    Session(SessionId),
    Landing(LandingId),
    Run(RunId),
}

/// Remembers when things were opened.
#[derive(Debug, Clone, Default)]
pub struct Stopwatch(BTreeMap<Thing, Millis>);

impl Stopwatch {
    /// Time from the record that opened what this one closes; absent for records that close nothing.
    pub fn elapsed_since_open(&mut self, at: Millis, record: &Record) -> Option<Millis> {
        let opened = match record {
            Record::MissionStarted { .. } => Thing::Mission,
            Record::RoundOpened { round, .. } => Thing::Round(*round),
            Record::SessionStarted { session, .. } => Thing::Session(*session),
            Record::LandingStarted { landing, .. } => Thing::Landing(*landing),
            Record::VerifyStarted(VerificationRun { run, .. }) => Thing::Run(*run),
            _ => return self.0.remove(&closed_thing(record)?).map(|began| at.saturating_sub(began)),
        };
        self.0.insert(opened, at);
        None
    }
}

fn closed_thing(record: &Record) -> Option<Thing> {
    Some(match record {
        Record::SessionEnded { session, .. } => Thing::Session(*session),
        Record::Verified { run, .. }
        | Record::StepFailed { run: Some(run), .. }
        | Record::VerificationDropped { run, .. } => Thing::Run(*run),
        Record::Landed { landing, .. }
        | Record::Rejected { landing, .. }
        | Record::MergeEmpty { landing, .. }
        | Record::Requeued { landing, .. } => Thing::Landing(*landing),
        Record::RoundClosed { round, .. } => Thing::Round(*round),
        Record::MissionEnded { .. } => Thing::Mission,
        _ => return None,
    })
}

/// The phase of a unit that begins with a record, where one does.
pub fn starting_phase(record: &Record) -> Option<Phase> {
    let follows = |next: &NextMove| match next {
        NextMove::Queue { .. } => Some(Phase::Queue),
        NextMove::Retry { .. } => Some(Phase::Waiting),
        NextMove::Hold { .. } => Some(Phase::Parked),
        NextMove::NoOp | NextMove::Fail { .. } | NextMove::Reject { .. } => None,
    };
    match record {
        Record::SessionStarted { .. } => Some(Phase::Prepare),
        Record::AttemptJudged { next, .. } | Record::Rejected { next, .. } => follows(next),
        Record::LandingStarted { .. } => Some(Phase::Merge),
        Record::CandidateMade { .. } | Record::Verified { .. } | Record::LandIntended { .. } => Some(Phase::Land),
        Record::VerifyStarted(_) => Some(Phase::Verify),
        Record::Requeued { .. } => Some(Phase::Queue),
        Record::UnitHeld { .. } => Some(Phase::Parked),
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
        assert_eq!(watch.elapsed_since_open(5, &Record::RoundOpened { round: 1, at: 5 }), None);
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
        assert_eq!(watch.elapsed_since_open(7, &failed), None, "no verification was open");
        let closed = Record::RoundClosed { round: 1, at: 30, landed: 0, units: 0, objective: None };
        assert_eq!(watch.elapsed_since_open(30, &closed), Some(25));
        assert_eq!(watch.elapsed_since_open(40, &closed), None, "it is closed once");
        assert_eq!(starting_phase(&closed), None);
    }
}
