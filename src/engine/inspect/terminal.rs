//! What a console on a terminal asks of the world: how large the terminal is, and when an attempt last gave a sign of life.

use super::views;
use crate::adapters::host::local::protocol::{ERRORS, OUTPUT};
use crate::adapters::host::local::workspace::{latest_change, work_folder};
use crate::adapters::host::order::RunKey;
use crate::adapters::os::{Environment, files, terminal};
use crate::domain::values::{Millis, MissionId, UnitId};
use crate::engine::context::project::Project;
use std::path::PathBuf;

/// Entries of a workspace looked at for its latest change; a console must not work harder than the units.
const LOOKED_AT: usize = 3_000;

/// Whether a live view may be drawn on this terminal: columns and rows, `COLUMNS` and `LINES` first. Asked again for each
/// drawing, so that a resized terminal is noticed.
pub fn size() -> Option<(usize, usize)> {
    let env = Environment::of_process().ok()?;
    if env.var("TERM").is_none_or(|term| term == "dumb") {
        return None;
    }
    let number = |name: &str| env.var(name).and_then(|text| text.to_str()?.parse::<usize>().ok()).filter(|n| *n > 0);
    let (columns, rows) = terminal::size().unwrap_or((80, 24));
    Some((number("COLUMNS").unwrap_or(columns).clamp(20, 400), number("LINES").unwrap_or(rows).clamp(4, 400)))
}

/// Whether colours are wanted: not with `NO_COLOR` set to anything (<https://no-color.org>).
pub fn wants_colours() -> bool {
    Environment::of_process().is_ok_and(|env| env.var("NO_COLOR").is_none_or(std::ffi::OsStr::is_empty))
}

/// Where attempts show signs of life.
#[derive(Debug, Clone)]
pub struct Life {
    runs: PathBuf,
    pool: PathBuf,
}

impl Life {
    /// Looks below the places of a project.
    pub fn of(project: &Project) -> Self {
        Self { runs: project.state.runs(), pool: views::pool_dir(project) }
    }

    /// When an attempt last wrote output or changed a file of its workspace, as far as can be seen quickly.
    pub fn last_activity(&self, mission: &MissionId, unit: &UnitId, n: u32, slot: u32) -> Option<Millis> {
        let run = RunKey::of_attempt(mission, unit, n).join("run").path_in(&self.runs);
        let printed = [OUTPUT, ERRORS].map(|log| files::last_modified(&run.join(log)));
        let changed = latest_change(&work_folder(&self.pool, slot), LOOKED_AT);
        printed.into_iter().fold(changed, Option::max)
    }
}
