//! `mc audit`: what all journals claim of git and of what is kept, whatever a report says of it.

use super::case::{Case, Scope};
use super::first_parent::Line;
use super::{journal, positions};
use crate::adapters::git::Git;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::domain::mission::Record;
use crate::domain::values::Tip;
use crate::engine::context::{Effective, Project};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{self, History};
use crate::engine::inspect::views;
use crate::engine::tasks::unrecorded::{RecordedGreen, find_unrecorded, read_recorded};
use crate::report::claims::Found;
use serde::Serialize;
use std::collections::BTreeSet;

/// What was checked and what does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Rows of the journal.
    pub rows: u64,
    /// Missions.
    pub missions: u64,
    /// Landings of units and of the target branch.
    pub landings: usize,
    /// Pins of attempts.
    pub pins: usize,
    /// What does not hold, one line each.
    pub broken: Vec<String>,
}

/// Checks the chain of the journal, every landing of every mission against green, its trailers and its stored snapshots, that
/// no landing is on green which no journal knows, that nobody unseen moved green, and that the work of every attempt is pinned.
///
/// # Errors
/// [`EngineError`] when journal or repository cannot be read at all; what does not hold is a result.
pub async fn audit(project: &Project) -> Result<Audit, EngineError> {
    let mut audit = Audit::default();
    let git = project.source(ChildGuard::none());
    let green = views::read_green(project).await?;
    let Some(store) = project.store()? else {
        audit.broken = list_unrecorded(&git, &RecordedGreen::default(), green.tip.as_ref()).await?;
        return Ok(audit);
    };
    let (rows, chain) = journal::chain(&store)?;
    if let Found::Broken(why) = chain.found {
        audit.broken.push(why);
        return Ok(audit);
    }
    audit.rows = rows;
    audit.broken = list_unrecorded(&git, &read_recorded(&store)?, green.tip.as_ref()).await?;
    let mut histories = Vec::new();
    for mission in history::list_missions(&store)? {
        audit.missions += 1;
        match history::load(&store, Some(&mission)) {
            Ok(history) => histories.extend(history),
            Err(error) => audit.broken.push(format!("mission {mission}: its journal does not fold: {error}")),
        }
    }
    let line = Line::read(&git, green.tip.as_ref(), &histories).await?;
    for history in &histories {
        let count =
            |counts: fn(&Record) -> bool| history.records.iter().filter(|(_, _, record)| counts(record)).count();
        audit.landings += count(|record| matches!(record, Record::Landed { .. }));
        audit.pins +=
            count(|record| matches!(record, Record::SessionEnded { report, .. } if report.work.head.is_some()));
        let mut case = Case::open(project, &store, history, &green, &line).await?;
        case.scope = Scope::Audit;
        case.filter_landed().await;
        case.walk_journal().await?;
        audit.broken.extend(case.claims.into_iter().filter_map(|claim| match claim.found {
            Found::Broken(why) => Some(format!("mission {}, {}: {why}", history.mission, claim.what)),
            Found::Holds | Found::Unknown(_) => None,
        }));
    }
    let names: BTreeSet<String> = histories.iter().filter_map(green_ref).collect();
    for name in names {
        audit.broken.extend(positions::find_unverified(&git, &name, &histories).await?);
    }
    Ok(audit)
}

/// Landings that no journal knows: there is nothing to check them by.
async fn list_unrecorded(git: &Git, known: &RecordedGreen, green: Option<&Tip>) -> Result<Vec<String>, EngineError> {
    let Some(green) = green else { return Ok(Vec::new()) };
    let lost = find_unrecorded(git, known, green).await?;
    Ok(lost.iter().map(|landing| format!("{} is on green, and no journal here knows it", landing.describe())).collect())
}

/// Full name of the green branch of a mission.
fn green_ref(history: &History) -> Option<String> {
    let effective: Effective = serde_json::from_value(history.state.settings.clone()).ok()?;
    Some(format!("refs/heads/{}", effective.settings.green_branch))
}
