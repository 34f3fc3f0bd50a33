//! `mc mission attach`: the live view of a mission that another process runs. Leaving it leaves the mission running.

use super::console::Console;
use super::error::CliError;
use super::mission::no_mission;
use super::{Context, output};
use crate::domain::mission::Record;
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use crate::engine::inspect::views::{self, MissionStatus};
use crate::engine::run::signals::Signals;
use crate::report::status;
use std::time::Duration;

/// How often the journal is read.
const POLL: Duration = Duration::from_millis(500);

pub(super) async fn attach(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let look = views::read_status(&project, None).await?;
    let view = look.view().ok_or_else(no_mission)?;
    let id = view.state.mission.clone();
    if view.state.is_over() {
        return Err(CliError::usage(format!("mission {id} is over"), "`mc report` says what it did"));
    }
    if view.engine.is_none() {
        return Err(CliError::usage(format!("no engine works on mission {id}"), "`mc mission resume` goes on with it"));
    }
    // Before anything is said: a Ctrl-C that follows at once must find somebody who listens.
    let mut signals = Signals::new().map_err(|e| EngineError::broken(format!("listen to signals: {e}"), ""))?;
    if !context.global.json && !context.global.quiet {
        output::write_line(&format!("mission {id}: {}", status::format_status_line(&view)));
        output::write_line("Ctrl-C leaves this view and lets the mission run");
    }
    let console = Console::new(&context.global, &project);
    let ended = console.run_with_view(async {
        tokio::select! {
            code = watch(&project, look, &console) => code.map(Some),
            _ = signals.next() => Ok(None),
        }
    });
    match ended.await? {
        Some(code) => {
            super::mission::print_last_lines(context, &project).await?;
            Ok(code)
        }
        None => {
            let again = "`mc mission attach` looks on again, `mc mission stop` ends it";
            output::write_note(&format!("mission {id} goes on; {again}"));
            Ok(0)
        }
    }
}

/// Shows new records until the mission ends or its engine leaves; the exit code it left with.
async fn watch(project: &Project, look: MissionStatus, console: &Console) -> Result<u8, CliError> {
    let Some(history) = look.history else { return Err(no_mission()) };
    let (mission, mut state) = (history.mission, history.state);
    let mut after = history.records.last().map_or(0, |(seq, ..)| *seq);
    let mut observer = console.observer();
    // The live line shows what is under way before the next record comes.
    if let Some((_, at, record)) = history.records.last() {
        observer.on_record(*at, record, &state);
    }
    loop {
        // Asked before the journal is read: an engine that leaves in between has written its last record by then.
        let alive = views::engine_pid(project).is_some();
        let mut left = None;
        if let Some(store) = project.store()? {
            for (seq, at, record) in views::records_since(&store, Some(&mission), after)? {
                after = seq;
                state.apply(&record);
                observer.on_record(at, &record, &state);
                match record {
                    Record::MissionEnded { code, .. } | Record::Suspended { code, .. } => left = Some(code),
                    Record::Waiting { .. } => left = Some(3),
                    _ => left = None,
                }
            }
        }
        match left {
            Some(code) => return Ok(code),
            None if !alive => return Ok(130),
            None => tokio::time::sleep(POLL).await,
        }
    }
}
