//! The mission's log: one JSON object per line and record, for other programs to follow and for `mc report --verify` to compare
//! the journal with.
//!
//! Promises: bounded in size ([`BOUND`]); values of the variables that settings hand on are replaced by their names (P12).

use super::observer::Observer;
use crate::adapters::os::append::Appender;
use crate::domain::mission::timeline::{Stopwatch, starting_phase};
use crate::domain::mission::{MergeSource, Record, State, VerificationRun};
use crate::domain::values::{LandingId, Millis, MissionId, RunId};
use crate::engine::context::redact::Redactor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Most bytes of the log; as many again are kept of what was before (`<mission>.jsonl.1`).
pub const BOUND: u64 = 64 << 20;

/// Writes `<mission>.jsonl` in a folder.
#[derive(Debug)]
pub struct LogFile {
    file: Appender,
    redactor: Redactor,
    watch: Stopwatch,
    /// The landings whose steps open verifications are.
    runs: BTreeMap<RunId, LandingId>,
}

impl LogFile {
    /// Opens the log of a mission for appending.
    ///
    /// # Errors
    /// The system's reason.
    pub fn open(folder: &Path, mission: &MissionId, redactor: Redactor) -> std::io::Result<Self> {
        let file = Appender::bounded(&folder.join(format!("{mission}.jsonl")), BOUND)?;
        Ok(Self { file, redactor, watch: Stopwatch::default(), runs: BTreeMap::new() })
    }
}

impl Observer for LogFile {
    fn on_record(&mut self, at: Millis, record: &Record, state: &State) {
        let (unit, attempt) = self.find_subject(record, state);
        let mut whole = json!(record);
        let redacted = clean(&mut whole, &self.redactor);
        let mut line = json!({
            "at_ms": at,
            "mission": state.mission,
            "kind": whole["kind"],
            "unit": unit,
            "attempt": attempt,
            "phase": starting_phase(record).map(|phase| phase.name()),
            "took_ms": self.watch.elapsed_since_open(at, record),
            "record": whole,
        });
        if redacted {
            line["redacted"] = json!(true);
        }
        if let Err(e) = self.file.write_line(&line.to_string()) {
            tracing::warn!("write the mission's log: {e}");
        }
    }
}

impl LogFile {
    /// The unit and attempt a record is about; a verification is about the unit whose landing it is a step of.
    fn find_subject(&mut self, record: &Record, state: &State) -> (Option<String>, Option<u32>) {
        let of = |source: &MergeSource| match source {
            MergeSource::Unit { unit, n } => (Some(unit.to_string()), Some(*n)),
            MergeSource::Intake | MergeSource::Bookkeeping { .. } => (None, None),
        };
        match record {
            Record::SessionStarted { unit, n, .. } | Record::AttemptJudged { unit, n, .. } => {
                (Some(unit.to_string()), Some(*n))
            }
            Record::SessionEnded { session, .. } => {
                state.attempt_by(*session).map(|(unit, attempt)| (unit.spec.id.to_string(), attempt.n)).unzip()
            }
            Record::UnitBlocked { unit, .. }
            | Record::UnitUnblocked { unit }
            | Record::UnitHeld { unit, .. }
            | Record::UnitCancelAsked { unit, .. }
            | Record::UnitCancelled { unit, .. }
            | Record::UnitRetried { unit, .. } => (Some(unit.to_string()), None),
            Record::Landed { source, .. } | Record::MergeEmpty { source, .. } | Record::Rejected { source, .. } => {
                of(source)
            }
            _ => {
                let landing = self.landing(record).and_then(|id| state.landing_by(id));
                landing.map_or((None, None), |landing| of(&landing.mr.source))
            }
        }
    }

    /// The landing that a record is a step of.
    fn landing(&mut self, record: &Record) -> Option<LandingId> {
        match record {
            Record::VerifyStarted(VerificationRun { run, landing, .. }) => {
                self.runs.extend(landing.map(|landing| (*run, landing)));
                *landing
            }
            Record::Verified { run, .. } => self.runs.remove(run),
            Record::StepFailed { landing, .. } => *landing,
            Record::LandingStarted { landing, .. }
            | Record::CandidateMade { landing, .. }
            | Record::StepAsked { landing }
            | Record::LandIntended { landing, .. }
            | Record::LandingDelayed { landing, .. } => Some(*landing),
            _ => None,
        }
    }
}

/// Replaces secret values in every text; true when there was one.
fn clean(value: &mut Value, redactor: &Redactor) -> bool {
    match value {
        Value::String(text) => {
            let clean = redactor.clean(text);
            let found = clean != *text;
            *text = clean;
            found
        }
        Value::Array(list) => list.iter_mut().fold(false, |found, value| clean(value, redactor) | found),
        Value::Object(map) => map.values_mut().fold(false, |found, value| clean(value, redactor) | found),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::os::environment::Environment;
    use crate::adapters::os::files;
    use crate::domain::mission::Mission;
    use crate::sim::run_scenario;

    #[test]
    fn p12_each_line_is_an_object_and_no_secret_reaches_it() {
        let dir = tempfile::tempdir().unwrap();
        let env = Environment::empty("/").with_var("TOKEN", "simulated");
        let redactor = Redactor::of(&env, &["TOKEN".to_owned()]);
        let mission = MissionId::new("m1").unwrap();
        let mut log = LogFile::open(dir.path(), &mission, redactor).unwrap();
        let mut state: Option<Mission> = None;
        let mut watch = |at, record: &Record| {
            match &mut state {
                Some(state) => state.apply(record),
                None => state = Mission::begin(record).ok(),
            }
            log.on_record(at, record, state.as_ref().unwrap());
        };
        let mut seen = 0;
        let counted = |at, record: &Record| {
            seen += 1;
            watch(at, record);
        };
        run_scenario(&crate::sim::scenario::tests::disturbed(), counted).unwrap();
        let text = files::read_text(&dir.path().join("m1.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), seen);
        let started = lines.iter().find(|line| line["kind"] == "session-started").unwrap();
        assert_eq!((&started["attempt"], &started["phase"]), (&json!(1), &json!("prepare")));
        assert!(started["unit"].is_string());
        let ended = lines.iter().find(|line| line["kind"] == "session-ended").unwrap();
        assert!(ended["took_ms"].is_u64());
        assert!(lines.iter().any(|line| line["kind"] == "verify-started" && line["unit"].is_string()));
        assert_eq!((&lines[0]["redacted"], &lines[0]["record"]["mission"]), (&json!(true), &json!("[TOKEN]")));
    }
}
