//! `mc where|config|pool`: places, settings, workspaces.

use super::error::CliError;
use super::{Context, output};
use crate::engine::inspect::views;
use crate::report::{count, sanitize};
use serde_json::json;

pub(super) async fn place(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let (facts, state, config) = (&project.facts, &project.state, project.config_file.as_deref());
    let (name, pool) = (views::repository_name(&project), views::pool_dir(&project));
    let (db, runs, logs) = (state.db(), state.runs(), state.logs());
    let body = || {
        json!({
            "schema": 1,
            "name": name,
            "repository": facts.toplevel,
            "git_dir": facts.common_dir,
            "config": config,
            "state": state.root(),
            "database": db,
            "pool": pool,
            "runs": runs,
            "logs": logs,
        })
    };
    context.show(body, || {
        output::write_line(&format!("{:13}  {}", "name", sanitize(&name)));
        for (name, path) in [
            ("repository", facts.toplevel.as_path()),
            ("git directory", &facts.common_dir),
            ("state", state.root()),
            ("database", &db),
            ("pool", &pool),
            ("runs", &runs),
            ("logs", &logs),
        ] {
            output::write_line(&format!("{name:13}  {}", sanitize(&path.to_string_lossy())));
        }
        let config = config.map(|path| sanitize(&path.to_string_lossy()));
        output::write_line(&format!("{:13}  {}", "config", config.as_deref().unwrap_or("none, defaults are used")))
    })
}

pub(super) fn config(context: &Context) -> Result<u8, CliError> {
    let (layers, _, _) = views::layers(&context.place())?;
    context.show(|| layers.show_json(), || output::write_text(&layers.show_text()))
}

pub(super) async fn pool(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let slots = views::list_slots(&project).await?;
    let quarantined = views::list_quarantined(&project)?;
    let body = || {
        let list = slots.iter().map(
            |it| json!({"slot": it.slot, "path": it.path, "bytes": it.bytes, "in_use": it.in_use, "holds": it.dirty}),
        );
        let quarantine = quarantined
            .iter()
            .map(|it| json!({"path": it.path, "bytes": it.bytes, "holds": it.note.label, "reason": it.note.why}));
        let (list, quarantine) = (list.collect::<Vec<_>>(), quarantine.collect::<Vec<_>>());
        json!({"schema": 1, "slots": list, "quarantine": quarantine})
    };
    context.show(body, || {
        if slots.is_empty() && quarantined.is_empty() {
            output::write_line("no workspaces");
        }
        for slot in &slots {
            let what = match (&slot.dirty, slot.in_use) {
                (Some(label), true) => format!("used by {}", sanitize(label)),
                (Some(label), false) => format!("holds work of {} that was not collected", sanitize(label)),
                (None, true) => "in use".to_owned(),
                (None, false) => "free".to_owned(),
            };
            let megabytes = slot.bytes.div_ceil(1 << 20);
            output::write_line(&format!("slot {}  {megabytes} MiB  {what}  {}", slot.slot, slot.path.display()));
        }
        for it in &quarantined {
            let label = &it.note.label;
            let whose = if label.is_empty() { String::new() } else { format!("of {}: ", sanitize(label)) };
            let (megabytes, why) = (it.bytes.div_ceil(1 << 20), sanitize(&it.note.why));
            output::write_line(&format!("quarantine  {megabytes} MiB  {whose}{why}  {}", it.path.display()));
        }
        let left = slots.iter().any(|slot| slot.dirty.is_some() && !slot.in_use);
        let free = slots.iter().any(|slot| slot.dirty.is_none() && !slot.in_use);
        let next = match (left, free) {
            _ if !quarantined.is_empty() => views::ABOUT_QUARANTINE,
            (true, _) => "`mc mission resume` or `mc mission start` collects what is left, before anything is reset",
            (false, true) => "nothing; `mc pool prune` frees the space of workspaces nobody uses",
            (false, false) => "nothing; a mission makes and uses workspaces by itself",
        };
        output::write_line(&format!("next: {next}"))
    })
}

pub(super) async fn prune(context: &Context, quarantined: bool) -> Result<u8, CliError> {
    let project = context.project().await?;
    let gone = views::prune(&project).await?;
    let (deleted, stays) = views::prune_quarantine(&project, quarantined)?;
    let body = || json!({"schema": 1, "deleted": gone, "quarantine": {"deleted": deleted, "stays": stays}});
    context.show(body, || {
        output::write_line(&format!("{} deleted", count((gone.len() + deleted.len()) as u64, "workspace")));
        for (path, why) in &stays {
            output::write_line(&format!("quarantine: {} stays: {}", path.display(), sanitize(why)));
        }
    })
}
