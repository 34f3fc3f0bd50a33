//! `mc unit diff|checkout` and `mc unit log -f`: the work of one unit, as it is made and afterwards.

use super::error::CliError;
use super::mission::no_mission;
use super::status::{find, no_attempt, read_status_of};
use super::{Context, output};
use crate::domain::mission::{Unit, UnitState};
use crate::engine::context::project::Project;
use crate::engine::inspect::work::{self, Work};
use crate::engine::inspect::{History, views};
use crate::report::{sanitize, word};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How often a log that is followed is read, and how many of these pass between two looks at the journal.
const POLL: (Duration, u32) = (Duration::from_millis(200), 5);

/// Most bytes of a log written at once.
const CHUNK: u64 = 1 << 20;

async fn load_history(context: &Context, unit: &str) -> Result<(Project, History), CliError> {
    let (project, look) = read_status_of(context, unit).await?;
    Ok((project, look.history.ok_or_else(no_mission)?))
}

/// Writes bytes of others: as they are to a pipe or file, without what steers a terminal to one.
fn write_untrusted(bytes: &[u8]) -> bool {
    if !output::is_terminal() {
        return output::write_bytes(bytes);
    }
    let safe = |line: &str| line.split('\t').map(sanitize).collect::<Vec<_>>().join("\t");
    let text = String::from_utf8_lossy(bytes);
    let safe: Vec<String> = text.split('\n').map(safe).collect();
    output::write_text(&safe.join("\n"))
}

pub(super) async fn diff(context: &Context, unit: &str, attempt: Option<u32>, stat: bool) -> Result<u8, CliError> {
    let (project, history) = load_history(context, unit).await?;
    let found = find(&history.state, unit)?;
    let work = work::of(&project, &history, found, attempt).await?;
    let change = work::change(&project, &work, stat).await?;
    let body = || {
        json!({
            "schema": 1,
            "mission": history.mission,
            "unit": found.spec.id,
            "attempt": work.attempt,
            "ref": work.refname,
            "base": work.base,
            "head": work.head,
            "diff": String::from_utf8_lossy(&change),
        })
    };
    context.show(body, || match change.is_empty() {
        true => output::write_note(&format!("attempt {} of {unit} changed nothing", work.attempt)),
        false => drop(write_untrusted(&change)),
    })
}

pub(super) async fn checkout(
    context: &Context,
    unit: &str,
    attempt: Option<u32>,
    folder: Option<&Path>,
) -> Result<u8, CliError> {
    let (project, history) = load_history(context, unit).await?;
    let found = find(&history.state, unit)?;
    let work = work::of(&project, &history, found, attempt).await?;
    let to = work::checkout(&project, &work, folder).await?;
    let Work { unit: id, attempt, refname, base, head } = &work;
    let body = || json!({"schema": 1, "unit": id, "attempt": attempt, "path": to, "base": base, "head": head});
    context.show(body, || {
        output::write_line(&sanitize(&to.display().to_string()));
        output::write_note(&format!(
            "a clone of its own, at attempt {attempt} of {id}; nothing there is taken back by mc"
        ));
        output::write_note(&format!("look: git log --stat {}..    (in that folder)", base.short_id()));
        output::write_note(&format!("take: git switch -c {id} {refname}    (in your repository)"));
    })
}

/// Follows the output of a unit's newest attempt until it ends, and the next one's when it is tried again.
pub(super) async fn follow_log(context: &Context, unit: &str, attempt: Option<u32>) -> Result<u8, CliError> {
    if context.global.json {
        let hint = "`mc unit log UNIT --json` prints it as it is now; `mc events --follow` follows in JSON";
        return Err(CliError::usage("a log is followed as it was written, not as JSON", hint));
    }
    let (project, history) = load_history(context, unit).await?;
    let id = find(&history.state, unit)?.spec.id.clone();
    let mut told: Option<u32> = None;
    let (mut offsets, mut looks) = ((0, 0), 0);
    let (mut history, mut alive) = (history, views::engine_pid(&project).is_some());
    loop {
        if looks == POLL.1 {
            // Asked before the journal is read: an engine that leaves in between has written its last record by then.
            alive = views::engine_pid(&project).is_some();
            history = views::read_status(&project, Some(&history.mission)).await?.history.ok_or_else(no_mission)?;
            looks = 0;
        }
        let found = find(&history.state, unit)?;
        let open = match attempt.or(told) {
            Some(n) => found.attempts.iter().find(|a| a.n == n),
            None => found.attempts.last(),
        };
        let Some(open) = open else {
            if attempt.is_some() || !has_next_attempt(found, alive) {
                return Err(no_attempt(&id, attempt));
            }
            looks += 1;
            tokio::time::sleep(POLL.0).await;
            continue;
        };
        if told != Some(open.n) {
            output::write_note(&format!("== {id}: attempt {}", open.n));
            told = Some(open.n);
        }
        let mut printed = false;
        for (errors, offset) in [(false, &mut offsets.0), (true, &mut offsets.1)] {
            let path = views::attempt_log_path(&project, &history.mission, &id, open.n, errors);
            let bytes = views::read_log_from(&path, *offset, CHUNK)?;
            *offset += bytes.len() as u64;
            printed |= !bytes.is_empty();
            if !bytes.is_empty() && !write_untrusted(&bytes) {
                return Ok(0);
            }
        }
        if printed {
            continue;
        }
        if let Some(class) = open.class {
            let next = found.attempts.iter().map(|a| a.n).find(|n| attempt.is_none() && *n == open.n + 1);
            if let Some(next) = next {
                (told, offsets) = (Some(next), (0, 0));
                output::write_note(&format!(
                    "== {id}: attempt {} ended ({}); attempt {next} began",
                    open.n,
                    word(&class)
                ));
                continue;
            }
            if attempt.is_some() || !has_next_attempt(found, alive) {
                let (class, state) = (word(&class), found.state.name());
                output::write_note(&format!("== {id}: attempt {} ended ({class}), {id} is {state}", open.n));
                return Ok(0);
            }
        } else if !alive {
            output::write_note(&format!(
                "== no engine works on it; `mc mission resume` goes on with attempt {}",
                open.n
            ));
            return Ok(0);
        }
        looks += 1;
        tokio::time::sleep(POLL.0).await;
    }
}

/// Whether another attempt of a unit begins by itself.
fn has_next_attempt(unit: &Unit, alive: bool) -> bool {
    alive && matches!(unit.state, UnitState::Pending | UnitState::Running)
}
