//! `mc plan` and `mc backlog check|list`: what would be done, and whether the files that say so are sound.

use super::error::CliError;
use super::{Context, output};
use crate::domain::backlog::ItemState;
use crate::domain::plan::Finding;
use crate::domain::plan::unsupported::find_unsupported;
use crate::domain::trouble::chain;
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use crate::engine::context::project::Project;
use crate::engine::inspect::plans::{Shown, preview_plan, read_mission_plan, read_offer};
use crate::engine::inspect::views;
use crate::report::{count, plan as plans, sanitize, to_one_line, word};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Longest part of a refusal that is told.
const SAID: usize = 400;

pub(super) async fn plan(context: &Context, plan_file: Option<&Path>) -> Result<u8, CliError> {
    let project = context.project().await?;
    let Shown { plan, skipped, differs, fixed } = preview_plan(&project, plan_file, &[]).await??;
    print_backlog_note(&project, fixed, differs);
    context.show(|| plans::json(&plan, &skipped), || output::write_text(&plans::text(&plan, &skipped)))?;
    print_refusal(&project, plan_file).await;
    Ok(0)
}

/// What a start would refuse of this plan and these settings, in its words. Planning spends nothing, so it is only said.
async fn print_refusal(project: &Project, plan_file: Option<&Path>) {
    let refused = match project.settings() {
        Ok(settings) => read_mission_plan(project, &settings, plan_file, &[]).await.err(),
        Err(error) => Some(error),
    };
    if let Some(error) = refused {
        output::write_note(&format!("note: {}: `mc mission start` refuses that", to_one_line(&chain(&error), SAID)));
        if let Some(hint) = error.hint() {
            output::write_note(&format!("hint: {}", to_one_line(&hint, SAID)));
        }
    }
}

/// Which text is the plan, where a person could mean another one.
pub(super) fn print_backlog_note(project: &Project, fixed: bool, differs: bool) {
    let branch = sanitize(&views::target_branch(project));
    if fixed {
        output::write_note(&format!(
            "note: BACKLOG.md is not committed on {branch}: its units as they are now are the plan of one mission"
        ));
    }
    if differs {
        output::write_note(&format!(
            "note: BACKLOG.md in the work tree is not the one committed on {branch}; a mission takes the committed one, with \
             the marks of earlier missions"
        ));
    }
}

pub(super) async fn check(context: &Context, file: Option<&Path>) -> Result<u8, CliError> {
    let path = match file {
        Some(path) => path.to_owned(),
        None => context.project().await?.backlog_path(),
    };
    let backlog = match views::read_backlog(&path)? {
        Ok(backlog) => backlog,
        Err(faulty) => {
            if context.global.json {
                let findings = faulty.findings.iter().map(|f| json!({"line": f.line, "message": f.message}));
                let findings: Vec<_> = findings.collect();
                output::write_json(&json!({"schema": 1, "units": null, "findings": findings, "notes": []}));
            }
            return Err(faulty.into());
        }
    };
    let later = find_unsupported(&backlog.units)
        .into_iter()
        .map(|Finding { line, message }| Finding::new(line, format!("{message}; `mc mission start` refuses it")));
    let own = backlog.notes.iter().cloned().chain(later);
    let mut notes: Vec<(PathBuf, Finding)> = own.map(|note| (path.clone(), note)).collect();
    // The progress file beside the repository's own backlog has a form too, which nothing rests on; a file named by
    // hand stands alone.
    let checked = if file.is_none() { views::check_progress(&path)? } else { None };
    let sessions = match checked.transpose() {
        Ok(sessions) => sessions,
        Err(other) => {
            notes.extend(other.findings.into_iter().map(|finding| (other.path.clone(), finding)));
            None
        }
    };
    let tell = || {
        for (path, Finding { line, message }) in &notes {
            let line = if *line > 0 { format!(":{line}") } else { String::new() };
            output::write_note(&format!("note: {}{line}: {}", path.display(), sanitize(message)));
        }
        let units = count(backlog.units.len() as u64, "unit");
        output::write_line(&format!("{}: no faults, {units}", path.display()));
        if let Some(sessions) = sessions {
            let sessions = count(u64::from(sessions), "session");
            output::write_line(&format!("{}: no faults, {sessions}", path.with_file_name("PROGRESS.md").display()));
        }
    };
    let body = || {
        let note = |(path, f): &(PathBuf, Finding)| json!({"file": path.display().to_string(), "line": f.line, "message": f.message});
        let (units, notes) = (backlog.units.len(), notes.iter().map(note).collect::<Vec<_>>());
        json!({"schema": 1, "units": units, "sessions": sessions, "findings": [], "notes": notes})
    };
    context.show(body, tell)
}

pub(super) async fn list(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let backlog = views::read_backlog(&project.backlog_path())??;
    // The file is what its author has here; what missions made of its items is marked on green. Where that cannot be read,
    // `mc plan` says why.
    let next = read_offer(&project, &[]).await.ok().and_then(Result::ok);
    let next = |unit: &UnitId| {
        let next = next.as_ref()?;
        match next.skipped.iter().find(|item| item.unit == *unit) {
            Some(item) => Some(word(&item.why)),
            None if next.satisfied.contains(unit) => Some("done".to_owned()),
            None => next.units.iter().any(|planned| planned.id == *unit).then(|| "planned".to_owned()),
        }
    };
    let body = || {
        let unit = |unit: &UnitSpec| {
            let status = backlog.statuses.get(&unit.id).map(ToString::to_string);
            json!({"id": unit.id, "title": unit.title, "line": unit.line, "status": status, "next": next(&unit.id)})
        };
        json!({"schema": 1, "units": backlog.units.iter().map(unit).collect::<Vec<_>>()})
    };
    context.show(body, || {
        output::write_text(&plans::backlog_list(&backlog));
        let open =
            |unit: &&UnitSpec| backlog.statuses.get(&unit.id).is_none_or(|status| status.state == ItemState::Todo);
        let known = backlog.units.iter().filter(open).filter_map(|unit| Some((&unit.id, next(&unit.id)?)));
        let other: Vec<String> =
            known.filter(|(_, next)| next != "planned").map(|(unit, next)| format!("{unit} ({next})")).collect();
        if !other.is_empty() {
            let names = sanitize(&other.join(", "));
            output::write_line(&format!("by the marks on green a mission skips: {names}; `mc plan` says what helps"));
        }
    })
}
