//! `mc status|units|unit|events|report|audit` and `mc mission list|show`: what only looks.

use super::args::Format;
use super::error::CliError;
use super::mission::{no_mission, unknown_unit};
use super::{Context, output};
use crate::domain::mission::timeline::Stopwatch;
use crate::domain::mission::{Record, State, Unit};
use crate::domain::values::{MissionId, RunId, UnitId};
use crate::engine::context::project::Project;
use crate::engine::inspect::{History, MissionStatus, history, views};
use crate::report::{
    Left, View, describe_contradiction, find_missing, lines, markdown, mission as reports, mission_json, prometheus,
    sanitize, status as states, unit_checks, units as tables,
};
use serde_json::json;
use std::time::Duration;

/// How often `mc events --follow` reads the journal.
const POLL: Duration = Duration::from_millis(500);

/// The mission that a person names, if one is named.
pub(super) fn named(mission: Option<&str>) -> Result<Option<MissionId>, CliError> {
    let mission = mission.map(MissionId::new).transpose();
    mission.map_err(|error| CliError::usage(error.to_string(), "`mc mission list` names them"))
}

async fn read_status(context: &Context, mission: Option<&str>) -> Result<(Project, MissionStatus), CliError> {
    let mission = named(mission)?;
    let project = context.project().await?;
    let look = views::read_status(&project, mission.as_ref()).await?;
    Ok((project, look))
}

pub(super) async fn status(context: &Context, mission: Option<&str>) -> Result<u8, CliError> {
    let (project, look) = read_status(context, mission).await?;
    let view = look.view();
    if context.global.json {
        output::write_json(&states::json(view.as_ref(), &look.green));
    } else {
        // Where green is what the journal last made of it, there is nothing to find.
        let stands = look.green.tip.as_ref().map(|tip| &tip.commit);
        if let Some(view) = view.as_ref().filter(|v| v.state.green().map(|green| &green.tip.commit) != stands) {
            let missing = find_missing(view, &views::landed_units(&project, &look.green).await?);
            if let Some(wrong) = describe_contradiction(&missing, &look.green) {
                output::write_line(&format!("WRONG: {wrong}"));
            }
        }
        output::write_text(&states::text(view.as_ref(), &look.green));
    }
    Ok(0)
}

pub(super) async fn metrics(context: &Context) -> Result<u8, CliError> {
    let (project, look) = read_status(context, None).await?;
    output::write_text(&prometheus::text(look.view().as_ref(), &views::repository_name(&project)));
    Ok(0)
}

pub(super) async fn list_missions(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let rows = project.store()?.map_or(Ok(Vec::new()), |store| history::all(&store))?;
    // The newest mission is the one something can be done about, and the only one that may be unfinished.
    let newest = views::read_status(&project, None).await?;
    let view = |history: &'_ History| match newest.view() {
        Some(view) if view.state.mission == history.mission => states::brief(&view),
        _ => states::brief(&View {
            now: newest.now,
            state: &history.state,
            records: &[],
            engine: None,
            left: &Left::default(),
        }),
    };
    let (lines, bodies): (Vec<_>, Vec<_>) = rows.iter().map(view).unzip();
    let tell = || {
        if rows.is_empty() {
            output::write_line("no mission yet in this repository");
        }
        for line in &lines {
            output::write_line(line);
        }
        output::write_line(&format!("next: {}", newest.next_command()))
    };
    context.show(|| json!({"schema": 1, "missions": bodies}), tell)
}

fn view(look: &MissionStatus) -> Result<View<'_>, CliError> {
    look.view().ok_or_else(no_mission)
}

pub(super) async fn units(context: &Context) -> Result<u8, CliError> {
    let (_, look) = read_status(context, None).await?;
    let view = view(&look)?;
    let next = || format!("next: {}\n", states::next_action(&view, &look.green));
    context.show(|| tables::table_json(view.state), || output::write_text(&(tables::table(&view) + &next())))
}

/// The newest mission that has a unit; said where that is not the newest of all.
pub(super) async fn read_status_of(context: &Context, unit: &str) -> Result<(Project, MissionStatus), CliError> {
    let project = context.project().await?;
    let look = views::read_status_of(&project, unit).await?;
    let missions = project.store()?.map_or(Ok(Vec::new()), |store| history::list_missions(&store))?;
    if let Some(found) = look.history.as_ref().map(|history| &history.mission)
        && missions.last() != Some(found)
    {
        output::write_note(&format!("note: {} is of mission {found}, the newest that has it", sanitize(unit)));
    }
    Ok((project, look))
}

pub(super) async fn unit(context: &Context, unit: &str) -> Result<u8, CliError> {
    let (_, look) = read_status_of(context, unit).await?;
    let view = view(&look)?;
    let found = find(view.state, unit)?;
    context.show(|| tables::show_json(&view, found), || output::write_text(&tables::show(&view, found)))
}

/// The unit that a person names.
pub(super) fn find<'s>(state: &'s State, unit: &str) -> Result<&'s Unit, CliError> {
    UnitId::new(unit).ok().and_then(|id| state.unit(&id)).ok_or_else(|| unknown_unit(unit))
}

/// That a unit has no such attempt.
pub(super) fn no_attempt(id: &UnitId, attempt: Option<u32>) -> CliError {
    let which = attempt.map_or_else(|| "attempt".to_owned(), |n| format!("attempt {n}"));
    CliError::usage(format!("{id} has no {which} yet"), format!("`mc unit show {id}` lists them"))
}

pub(super) async fn log(context: &Context, unit: &str, attempt: Option<u32>) -> Result<u8, CliError> {
    let (project, look) = read_status_of(context, unit).await?;
    let view = view(&look)?;
    let found = find(view.state, unit)?;
    let id = &found.spec.id;
    let wanted = found.attempts.iter().rev().find(|a| attempt.is_none_or(|n| a.n == n));
    let wanted = wanted.ok_or_else(|| no_attempt(id, attempt))?;
    let [path, errors_path] =
        [false, true].map(|errors| views::attempt_log_path(&project, &view.state.mission, id, wanted.n, errors));
    let (log, errors) = (views::read_log(&path)?, views::read_log(&errors_path)?);
    let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let body = || {
        let (mission, n, log, errors) = (view.state.mission.as_str(), wanted.n, text(&log), text(&errors));
        json!({"schema": 1, "mission": mission, "unit": id, "attempt": n, "path": path, "log": log,
            "errors_path": errors_path, "errors": errors})
    };
    context.show(body, || match (log.as_deref(), errors.as_deref().unwrap_or_default()) {
        (None, _) => output::write_note(&format!("attempt {} of {id} has no output at {}", wanted.n, path.display())),
        (Some([]), []) => {
            output::write_note(&format!("attempt {} of {id} has printed nothing ({})", wanted.n, path.display()));
        }
        (Some(log), errors) => {
            let open = print_log(log);
            if open && !log.is_empty() && !errors.is_empty() {
                output::write_note(&format!("== {id}: attempt {}: standard error", wanted.n));
            }
            let _ = open && print_log(errors);
        }
    })
}

/// Prints what a program printed; to a pipe or file it goes as it is. Whether anybody still reads it.
fn print_log(bytes: &[u8]) -> bool {
    match output::is_terminal() {
        false => output::write_bytes(bytes),
        true => String::from_utf8_lossy(bytes).lines().all(|line| output::write_line(&sanitize(line))),
    }
}

/// The whole output of the stages that were run on the change of a unit.
pub(super) async fn verification(context: &Context, unit: &str, attempt: Option<u32>) -> Result<u8, CliError> {
    let (project, look) = read_status_of(context, unit).await?;
    let view = view(&look)?;
    let found = find(view.state, unit)?;
    let (id, mission) = (&found.spec.id, &view.state.mission);
    let mut runs = unit_checks::verifications(&view, found, attempt);
    if attempt.is_none() {
        runs = runs.split_off(runs.len().saturating_sub(1));
    }
    let mut shown = Vec::new();
    for run in runs {
        for (nth, path, bytes) in views::verification_logs(&project, mission, run)? {
            shown.push((run, nth, path, bytes));
        }
    }
    let body = || {
        let log = |(run, nth, path, bytes): &(RunId, usize, std::path::PathBuf, Vec<u8>)| json!({"verification": run, "stage": nth + 1, "path": path, "log": String::from_utf8_lossy(bytes)});
        let logs: Vec<_> = shown.iter().map(log).collect();
        json!({"schema": 1, "mission": mission, "unit": id, "verifications": logs})
    };
    context.show(body, || {
        if shown.is_empty() {
            output::write_note(&format!(
                "no verification of {id} left output here: none was run for it, or `mc clean` took it away"
            ));
        }
        for (run, nth, path, bytes) in &shown {
            output::write_note(&format!("verification {run}, stage {}: {}", nth + 1, path.display()));
            if !print_log(bytes) {
                break;
            }
        }
    })
}

pub(super) async fn events(context: &Context, follow: bool) -> Result<u8, CliError> {
    let project = context.project().await?;
    let (mut mission, mut after, mut ended) = (None, 0, false);
    let mut watch = Stopwatch::default();
    loop {
        // Asked before the journal is read: an engine that leaves in between has written its last record by then.
        let alive = views::engine_pid(&project).is_some();
        if let Some(store) = project.store()? {
            if mission.is_none() {
                mission = history::list_missions(&store)?.pop();
            }
            for (seq, at, record) in views::records_since(&store, mission.as_ref(), after)? {
                (after, ended) = (seq, matches!(record, Record::MissionEnded { .. }));
                let Some(id) = &mission else { break };
                let mut row = lines::json(Some(seq), at, id, &record);
                if let Some(took) = watch.elapsed_since_open(at, &record) {
                    row["took_ms"] = json!(took);
                }
                if !output::write_json_line(&row) {
                    return Ok(0);
                }
            }
        }
        if !follow || ended || !alive {
            return Ok(0);
        }
        tokio::time::sleep(POLL).await;
    }
}

pub(super) async fn report(context: &Context, mission: Option<&str>, format: Format) -> Result<u8, CliError> {
    let (project, look) = read_status(context, mission).await?;
    let view = view(&look)?;
    let landed = views::landed_units(&project, &look.green).await?;
    match format {
        Format::Md if !context.global.json => output::write_text(&markdown::text(&view, &look.green, &landed)),
        Format::Text if !context.global.json => output::write_text(&reports::text(&view, &look.green, &landed)),
        _ => output::write_json(&mission_json::json(&view, &look.green, &landed)),
    };
    Ok(0)
}
