//! The journal itself: its chain, its rows, its times, and the log an engine wrote beside it.

use super::case::{Case, Checked};
use crate::adapters::os::files;
use crate::adapters::store::{Chain, Store};
use crate::engine::inspect::history;
use crate::report::claims::{Claim, Findings};
use serde_json::Value;

/// How far the time of a row that no decision wrote may be from the one in it: the clock is read twice.
const SLACK: u64 = 2_000;

/// Kinds of rows that commands write to an ended mission; no engine writes them, and so they are in no log.
const BY_COMMANDS: [&str; 4] = ["rollback-intended", "rolled-back", "rollback-dropped", "cleaned"];

/// Longest log that is read.
const LOG_LIMIT: u64 = 256 << 20;

/// How many rows there are, and whether each is as it was written.
pub(super) fn chain(store: &Store) -> Checked<(u64, Claim)> {
    let what = "the journal is as it was written: each row's hash covers the row before";
    let (rows, found) = match store.verify_chain(None)? {
        Chain::Intact { rows } => (rows, Findings::default()),
        Chain::Broken { seq, what } => {
            (0, Findings::from_broken(format!("row {seq} of the journal was changed: {what}")))
        }
    };
    let mut claim = Claim::of(what, found);
    claim.cover_places(["/schema"]);
    Ok((rows, claim))
}

/// Rows, times and log.
pub(super) fn check(case: &mut Case<'_>) -> Checked {
    let (mut found, mut last) = (Findings::default(), 0);
    let mut rows = Vec::new();
    for row in case.store.rows(Some(case.mission()), 0)? {
        let body: Value = history::read(&row)?;
        if body["kind"] != row.kind.as_str() {
            found.add_broken(format!("row {} is called {} and holds {}", row.seq, row.kind, body["kind"]));
        }
        let apart = row.kind == "mission-started" || BY_COMMANDS.contains(&row.kind.as_str());
        let slack = if apart { SLACK } else { 0 };
        if let Some(at) = body["at"].as_u64()
            && at.abs_diff(row.at) > slack
        {
            found.add_broken(format!("row {} was written at {} and says {at}", row.seq, row.at));
        }
        if row.at < last {
            found.add_broken(format!("row {} is older than the row before", row.seq));
        }
        last = row.at;
        rows.push((row.seq, row.at, body));
    }
    found.truncate(5);
    let what = "every row holds the record it is called, and times never go back";
    case.add_claim(what, found).cover_places(["/times", "/run_time_ms"]);
    log(case, &rows);
    Ok(())
}

/// Compares the journal with the log that the engine wrote line by line beside it.
fn log(case: &mut Case<'_>, rows: &[(u64, u64, Value)]) {
    let folder = case.project.state.logs();
    let name = format!("{}.jsonl", case.mission());
    let what = "the log beside the journal says the same";
    let mut text = String::new();
    for part in [format!("{name}.1"), name] {
        text.push_str(&files::read_untrusted(&folder.join(part), LOG_LIMIT).unwrap_or_default());
    }
    let (mut at, mut matched) = (0, 0);
    for (number, line) in text.lines().enumerate() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let same = |row: &(u64, u64, Value)| {
            let slack = if row.2["kind"] == "mission-started" { SLACK } else { 0 };
            // A line from which a secret was taken out says less than its row.
            let told = match line["redacted"].as_bool() {
                Some(true) => line["kind"] == row.2["kind"],
                _ => line["record"] == row.2,
            };
            told && line["at_ms"].as_u64().is_some_and(|at| at.abs_diff(row.1) <= slack)
        };
        // An engine killed between journal and log leaves rows without a line, never a line without its row.
        match rows[at..].iter().position(same) {
            Some(skip) => {
                at += skip + 1;
                matched += 1;
            }
            None => {
                let kind = line["record"]["kind"].as_str().unwrap_or("a record").to_owned();
                let row = rows.get(at).map_or_else(|| "ends".to_owned(), |row| format!("has row {}", row.0));
                let why = format!("line {} of the log has {kind} where the journal {row}", number + 1);
                case.add_claim(what, Findings::from_broken(why));
                return;
            }
        }
    }
    let elsewhere = rows.iter().filter(|row| BY_COMMANDS.iter().any(|kind| row.2["kind"] == *kind)).count();
    let missing = rows.len().saturating_sub(matched + elsewhere);
    let mut found = Findings::default();
    match (matched, missing) {
        (0, _) => found.add_unknown("there is no log"),
        (_, 0) => {}
        (_, n) => {
            found.add_unknown(format!("{n} rows are not in the log: an engine was killed, or it was cut to its size"))
        }
    }
    case.add_claim(what, found);
}
