//! What turns promise, checked on the records of a step: nobody lands in files another unit has its turn for, and so no
//! unit conflicts with an attempt that was made in its turn.

use super::world::World;
use crate::domain::mission::{MergeSource, NextMove, Record, RejectClass, State};
use crate::domain::values::UnitId;
use std::collections::{BTreeMap, BTreeSet};

/// Units whose turn it is, with the files it is for.
#[derive(Debug, Default)]
pub(super) struct Guard(BTreeMap<UnitId, BTreeSet<String>>);

impl Guard {
    /// Takes one record in; `state` is that after its step.
    pub(super) fn check_record(&mut self, record: &Record, state: &State, world: &World) -> Result<(), String> {
        match record {
            Record::SessionStarted { unit, green, from, .. } => {
                let files = state.unit(unit).and_then(|u| u.turn_files()).cloned();
                let taken = |files: &BTreeSet<String>| self.0.values().any(|held| held.intersection(files).count() > 0);
                if files.as_ref().is_some_and(taken) {
                    return Err(format!("P10: {unit} starts for files that another one has its turn for"));
                }
                // Work of an older green can conflict with what landed before.
                match files.filter(|_| from == green) {
                    Some(files) => drop(self.0.insert(unit.clone(), files)),
                    None => drop(self.0.remove(unit)),
                }
            }
            Record::AttemptJudged { unit, next, .. } if !matches!(next, NextMove::Queue { .. }) => {
                self.0.remove(unit);
            }
            Record::Landed { source: MergeSource::Unit { unit, .. }, .. } => {
                self.0.remove(unit);
                let file = world.file_of(unit);
                if let Some((other, _)) = self.0.iter().find(|(_, files)| file.is_some_and(|f| files.contains(f))) {
                    return Err(format!("P10: {unit} landed in a file for which {other} has its turn"));
                }
            }
            Record::Rejected { source: MergeSource::Unit { unit, .. }, class, .. } => {
                let had_its_turn = self.0.remove(unit).is_some();
                if had_its_turn && *class == RejectClass::Conflict {
                    return Err(format!("P10: {unit} conflicts although it had its turn"));
                }
            }
            Record::UnitCancelled { unit, .. } | Record::MergeEmpty { source: MergeSource::Unit { unit, .. }, .. } => {
                drop(self.0.remove(unit))
            }
            _ => {}
        }
        Ok(())
    }
}
