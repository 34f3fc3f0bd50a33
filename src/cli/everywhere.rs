//! `mc mission list --all`: the newest mission of every repository on this machine.

use super::error::CliError;
use super::{Context, output};
use crate::engine::overview::{self, Repository};
use crate::engine::views;
use crate::report::text::plain;
use crate::report::words::{span, stamp, sum, word};
use crate::report::{GreenRef, View, status};
use serde_json::{Value, json};

pub(super) fn missions(context: &Context) -> Result<u8, CliError> {
    let all = overview::repositories()?;
    if context.global.json {
        output::json(&json!({"schema": 1, "repositories": all.iter().map(body).collect::<Vec<_>>()}));
        return Ok(0);
    }
    if all.is_empty() {
        output::line("no mission yet in any repository");
    }
    for repository in &all {
        let name = plain(&place(repository));
        let gone = if repository.exists { "" } else { "  (the repository is gone)" };
        match &repository.newest {
            Err(what) => {
                output::note(&format!("skipped {}: {}", plain(&repository.state.display().to_string()), plain(what)))
            }
            Ok(None) => drop(output::line(&format!("{name}{gone}\n  no mission yet"))),
            Ok(Some((history, missions))) => {
                let state = &history.state;
                let how = state.outcome.as_ref().map_or_else(|| word(&state.mission_state()), |(end, ..)| word(end));
                let last = history.records.last().map_or(0, |(_, at, _)| *at);
                let age = span(views::now().saturating_sub(last));
                let others = if *missions > 1 { format!(", {} before it", missions - 1) } else { String::new() };
                output::line(&format!("{name}{gone}"));
                output::line(&format!(
                    "  mission {}  {how}, {}{others}; last activity {age} ago",
                    history.mission,
                    sum(state)
                ));
                output::line(&format!("  next: {}", next(repository)));
            }
        }
    }
    Ok(0)
}

/// The work tree of a usual repository, else its git directory.
fn place(repository: &Repository) -> String {
    let path = &repository.git_dir;
    let tree = path.parent().filter(|_| path.file_name().is_some_and(|name| name == ".git"));
    tree.unwrap_or(path).display().to_string()
}

fn next(repository: &Repository) -> String {
    let Ok(Some((history, _))) = &repository.newest else { return String::new() };
    let engine = repository.engine.filter(|_| !history.state.over());
    let view = View { now: views::now(), state: &history.state, records: &history.records, engine };
    let green = GreenRef { name: overview::green_branch(&history.state), tip: None };
    status::next_action(&view, &green)
}

fn body(repository: &Repository) -> Value {
    let newest = repository.newest.as_ref().ok().and_then(Option::as_ref);
    json!({
        "repository": place(repository),
        "exists": repository.exists,
        "state": repository.state,
        "engine": repository.engine,
        "damaged": repository.newest.as_ref().err(),
        "missions": newest.map_or(0, |(_, missions)| *missions),
        "newest": newest.map(|(history, _)| status::mission_json(&history.state)),
        "last_activity_at": newest.and_then(|(history, _)| stamp(history.records.last()?.1)),
        "next": newest.map(|_| next(repository)),
    })
}
