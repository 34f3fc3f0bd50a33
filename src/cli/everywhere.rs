//! `mc mission list --all`: the newest mission of every repository on this machine.

use super::error::CliError;
use super::{Context, output};
use crate::engine::inspect::history::History;
use crate::engine::inspect::overview;
use crate::engine::inspect::overview::Repository;
use crate::engine::inspect::views;
use crate::report::text::plain;
use crate::report::words::{span, stamp, sum_seen};
use crate::report::{GreenRef, View, status};
use serde_json::{Value, json};

pub(super) async fn missions(context: &Context) -> Result<u8, CliError> {
    let all = overview::repositories().await?;
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
                let (how, stop) = standing(repository, history);
                let last = history.records.last().map_or(0, |(_, at, _)| *at);
                let age = span(views::now().saturating_sub(last));
                let others = if *missions > 1 { format!(", {} before it", missions - 1) } else { String::new() };
                output::line(&format!("{name}{gone}"));
                output::line(&format!(
                    "  mission {}  {how}, {}{stop}{others}; last activity {age} ago",
                    history.mission,
                    sum_seen(&view(repository, history))
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

fn view<'r>(repository: &'r Repository, history: &'r History) -> View<'r> {
    let engine = repository.engine.filter(|_| !history.state.over());
    let (state, records) = (&history.state, history.records.as_slice());
    View { now: views::now(), state, records, engine, left: repository.left.view() }
}

/// The word for where a mission stands, and what is to be added when it is to end.
fn standing(repository: &Repository, history: &History) -> (String, String) {
    let view = view(repository, history);
    let parting = match status::parting(&view) {
        "" => String::new(),
        words => format!(", {words}"),
    };
    (status::standing(&view), parting)
}

fn next(repository: &Repository) -> String {
    let Ok(Some((history, _))) = &repository.newest else { return String::new() };
    let green = GreenRef { name: overview::green_branch(&history.state), tip: None };
    status::next_action(&view(repository, history), &green)
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
        "newest": newest.map(|(history, _)| status::mission_json(&view(repository, history))),
        "last_activity_at": newest.and_then(|(history, _)| stamp(history.records.last()?.1)),
        "next": newest.map(|_| next(repository)),
    })
}
