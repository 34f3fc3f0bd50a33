//! All claims of one mission's report, checked in the order of its journal; the list of claims is that of [`super`].

use crate::adapters::host::local::process::command::ChildGuard;
use crate::domain::mission::{Mission, Record};
use crate::domain::trouble::chain as causes;
use crate::domain::values::MissionId;
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use crate::engine::inspect::views;
use crate::engine::proof::case::{Case, Scope};
use crate::engine::proof::first_parent::Line;
use crate::engine::proof::snapshots::Bodies;
use crate::report::{Claim, Findings, mission_json};

/// A report whose claims were checked.
#[derive(Debug)]
pub struct Proof {
    /// The mission.
    pub mission: MissionId,
    /// Its claims.
    pub claims: Vec<Claim>,
}

/// Checks every claim of a mission's report, `None` for the newest; with `rerun` landed trees are verified once more. Absent
/// when there never was a mission.
///
/// # Errors
/// [`EngineError`] when journal or repository cannot be read at all, or the mission is unknown; what does not hold is a
/// claim.
pub async fn prove_report(
    project: &Project,
    mission: Option<&MissionId>,
    rerun: bool,
) -> Result<Option<Proof>, EngineError> {
    let Some(store) = project.store()? else { return Ok(None) };
    let Some(mission) = mission.cloned().or(store.list_missions()?.pop()) else { return Ok(None) };
    let (_, chain) = super::journal::chain(&store)?;
    let look = match views::read_status(project, Some(&mission)).await {
        Ok(look) => look,
        Err(error @ (EngineError::Journal { .. } | EngineError::Record { .. })) => {
            let folds = Claim::of("the journal folds to a state", Findings::from_broken(causes(&error)));
            return Ok(Some(Proof { mission, claims: vec![chain, folds] }));
        }
        Err(error) => return Err(error),
    };
    let (Some(history), Some(view)) = (look.history.as_ref(), look.view()) else { return Ok(None) };
    let landed = views::landed_units(project, &look.green).await?;
    let report = mission_json::json(&view, &look.green, &landed);
    let line = project.source(ChildGuard::none());
    let line = Line::read(&line, look.green.tip.as_ref(), std::slice::from_ref(history)).await?;
    let mut case = Case::open(project, &store, history, &look.green, &line).await?;
    (case.report, case.claims) = (report, vec![chain]);
    super::journal::check(&mut case)?;
    case.walk_journal().await?;
    super::accounts::check(&mut case, look.now)?;
    super::hosts::check(&mut case);
    if rerun {
        super::rerun::check(&mut case).await?;
    }
    let claims = case.claims;
    Ok(Some(Proof { mission, claims }))
}

impl Case<'_> {
    /// Goes through the journal with the state before each record, and checks outcomes where they stand.
    pub(super) async fn walk_journal(&mut self) -> Result<(), EngineError> {
        let Some((_, _, first)) = self.history.records.first() else { return Ok(()) };
        let Ok(mut state) = Mission::begin(first) else { return Ok(()) };
        let mut bodies = Bodies::default();
        let history = self.history;
        let whole = self.scope == Scope::Report;
        for (_, at, record) in history.records.iter().skip(1) {
            match record {
                Record::AttemptJudged { .. } if whole => super::attempts::check_ended(self, &mut state, *at, record),
                Record::AttemptJudged { .. } => super::attempts::check_pins(self, &state, record),
                Record::Verified { .. } if whole => {
                    super::snapshots::check_verified(self, &mut bodies, &state, record).await?
                }
                Record::LandIntended { landing, .. } => {
                    self.intents.insert(*landing, record);
                    if whole {
                        super::landings::check_intended(self, &state, *at, record);
                    }
                }
                Record::Landed { .. } => super::landings::check_landed(self, &mut bodies, &mut state, record).await?,
                Record::Rejected { .. } if whole => super::landings::check_rejected(self, &state, *at, record).await?,
                Record::RolledBack { .. } if !whole => super::landings::check_rolled_back(self, record).await?,
                _ => {}
            }
            state.apply(record);
        }
        Ok(())
    }
}
