//! The mission's log: one JSON line per record, for other programs to follow.

use super::observer::Observer;
use crate::adapters::append::Appender;
use crate::domain::mission::{Record, State};
use crate::domain::values::{Millis, MissionId};
use serde_json::json;
use std::path::Path;

/// Writes `<mission>.jsonl` in a folder.
#[derive(Debug)]
pub struct LogFile {
    file: Appender,
}

impl LogFile {
    /// Opens the log of a mission for appending.
    ///
    /// # Errors
    /// The system's reason.
    pub fn open(folder: &Path, mission: &MissionId) -> std::io::Result<Self> {
        Ok(Self { file: Appender::open(&folder.join(format!("{mission}.jsonl")))? })
    }
}

impl Observer for LogFile {
    fn saw(&mut self, at: Millis, record: &Record, state: &State) {
        let line = json!({ "at_ms": at, "mission": state.mission, "record": record });
        if let Err(e) = self.file.line(&line.to_string()) {
            tracing::warn!("write the mission's log: {e}");
        }
    }
}
