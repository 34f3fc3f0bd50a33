//! `mc mission list --all`: the newest mission of every repository on this machine.

use super::error::CliError;
use super::{Context, output};
use crate::engine::inspect::overview::{self, Repository};
use crate::report::{View, format_shown_sum, sanitize, span, stamp, status};
use serde_json::{Value, json};

pub(super) async fn list_missions(context: &Context) -> Result<u8, CliError> {
    let all = overview::list_repositories().await?;
    let list = || json!({"schema": 1, "repositories": all.iter().map(body).collect::<Vec<_>>()});
    context.show(list, || {
        if all.is_empty() {
            output::write_line("no mission yet in any repository");
        }
        all.iter().for_each(print_repository);
    })
}

fn print_repository(repository: &Repository) {
    let name = sanitize(&work_tree_path(repository));
    let gone = if repository.exists { "" } else { "  (the repository is gone)" };
    if let Err(what) = &repository.newest {
        let state = sanitize(&repository.state.display().to_string());
        return output::write_note(&format!("skipped {state}: {}", sanitize(what)));
    }
    output::write_line(&format!("{name}{gone}"));
    let Some((view, missions, next)) = newest(repository) else {
        output::write_line("  no mission yet");
        return;
    };
    let (id, how, units) = (&view.state.mission, status::standing(&view), format_shown_sum(&view));
    let stop = status::describe_pending_stop(&view).map(|words| format!(", {words}")).unwrap_or_default();
    let last = view.records.last().map_or(0, |(_, at, _)| *at);
    let age = span(view.now.saturating_sub(last));
    let others = if missions > 1 { format!(", {} before it", missions - 1) } else { String::new() };
    output::write_line(&format!("  mission {id}  {how}, {units}{stop}{others}; last activity {age} ago"));
    output::write_line(&format!("  next: {next}"));
}

/// The work tree of a usual repository, else its git directory.
fn work_tree_path(repository: &Repository) -> String {
    let path = &repository.git_dir;
    let tree = path.parent().filter(|_| path.file_name().is_some_and(|name| name == ".git"));
    tree.unwrap_or(path).display().to_string()
}

/// The newest mission of a repository, how many there are, and the command to type next.
fn newest(repository: &Repository) -> Option<(View<'_>, usize, String)> {
    let (look, missions) = repository.newest.as_ref().ok()?.as_ref()?;
    Some((look.view()?, *missions, look.next_command()))
}

fn body(repository: &Repository) -> Value {
    let newest = newest(repository);
    let view = newest.as_ref().map(|(view, ..)| view);
    json!({
        "repository": work_tree_path(repository),
        "exists": repository.exists,
        "state": repository.state,
        "engine": repository.engine,
        "damaged": repository.newest.as_ref().err(),
        "missions": newest.as_ref().map_or(0, |(_, missions, _)| *missions),
        "newest": view.map(status::mission_json),
        "last_activity_at": view.and_then(|view| stamp(view.records.last()?.1)),
        "next": newest.as_ref().map(|(.., next)| next),
    })
}
