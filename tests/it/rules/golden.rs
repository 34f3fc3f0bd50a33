//! Recorded missions and seeds: a change of the house lets each of them end as it did.
//!
//! What they gave is in `tests/data/golden`; `UPDATE_EXPECT=1 cargo test --test it golden::` records it anew, and the difference is
//! for a person to read: words may change with their records, ends and orders may not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};
use crate::support::scenario::random as random_scenario;
use expect_test::expect_file;
use mission_control::domain::mission::{MergeSource, Record};
use mission_control::sim::Outcome;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// A night with one worker, so that everything has one order.
fn night(more: &str) -> Night {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", &format!("{more}\n[scheduler.parallel]\nnum_workers = 1"));
    night
}

/// A unit that adds a test.
fn adds(id: &str, test: &str) -> String {
    unit(id, &format!("echo {test} > tests/{id}.sh"))
}

/// What the newest mission of a night came to: ends, counts, the order of landings, and what status and report say.
fn told(night: &Night) -> String {
    let status = night.status();
    let mut text = String::new();
    let mission = &status["mission"];
    writeln!(text, "mission: {} {}", mission["state"], mission["outcome"]).unwrap();
    writeln!(text, "verifications: {}", status["verifications"]).unwrap();
    for unit in status["units"].as_array().unwrap() {
        let id = unit["id"].as_str().unwrap();
        writeln!(text, "{id}: {} after {:?}; {}", unit["state"], night.classes(id), unit["reason"]).unwrap();
    }
    for row in night.events() {
        let record = &row["record"];
        if record["kind"] == "landed" {
            writeln!(text, "landed: {} {}", record["source"], record["verdict"]).unwrap();
        }
    }
    writeln!(text, "green: {}", night.sh("git ls-tree -r --name-only mc/green").replace('\n', " ")).unwrap();
    writeln!(text, "---- report").unwrap();
    text.push_str(&night.report());
    writeln!(text, "---- needs you").unwrap();
    for one in status["needs_you"].as_array().unwrap() {
        writeln!(text, "{one}").unwrap();
    }
    plain(night, &text)
}

/// The text without what differs between two runs: names of commits, of the mission and of snapshots, times, the home.
fn plain(night: &Night, text: &str) -> String {
    let home = night.home().canonicalize().unwrap();
    let mut text = text.replace(&home.display().to_string(), "~");
    for row in night.sql("SELECT DISTINCT mission FROM journal") {
        text = text.replace(&row, "<mission>");
    }
    let mut out = String::new();
    let mut ranked = false;
    for line in text.lines() {
        // Which units took longest is chance.
        ranked = line == "slowest units" || (ranked && line.starts_with("  "));
        if ranked {
            continue;
        }
        let words: Vec<String> = line.split(' ').map(word).collect();
        writeln!(out, "{}", words.join(" ").trim_end()).unwrap();
    }
    out
}

/// A word with its numbers hidden where they are names or times.
fn word(word: &str) -> String {
    let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let hex = inner.chars().all(|c| c.is_ascii_hexdigit()) && inner.len() >= 10;
    let number = inner.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &inner[number.len()..];
    let counted = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || ".:".contains(c));
    let time = counted && (["s", "ms", "m", "h"].contains(&unit) || number.contains(':'));
    let date = inner.len() >= 10
        && inner.is_ascii()
        && inner[..10].split('-').filter(|p| p.parse::<u32>().is_ok()).count() == 3;
    let range = inner.split_once("..").is_some_and(|(from, _)| from.chars().all(|c| c.is_ascii_hexdigit()));
    match inner {
        "" => word.to_owned(),
        _ if range => word.replace(&inner[..inner.find("..").unwrap_or(0)], "<name>"),
        _ if word.ends_with('%') => "<share>".to_owned(),
        _ if hex => word.replace(inner, "<name>"),
        _ if date || time => word.replace(inner, "<time>"),
        _ => word.to_owned(),
    }
}

fn file(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(name)
}

#[test]
fn a_mission_in_which_everything_lands_ends_as_recorded() {
    let night = night("");
    let plan = [
        adds("a", "true"),
        unit("b", "echo b > b.txt"),
        "[[unit]]\nid = \"c\"\ndepends = [\"a\"]\nrun = \"echo c > c.txt\"\n".into(),
    ];
    night.mission(&plan.join("\n")).exits(0);
    expect_file![file("landed.txt")].assert_eq(&told(&night));
}

#[test]
fn a_mission_with_a_rejected_unit_ends_as_recorded() {
    let night = night("");
    let plan = [adds("bad", "false"), adds("good", "true"), unit("gone", "git rm -q tests/alpha.sh")];
    night.mission(&plan.join("\n")).exits(3);
    expect_file![file("rejected.txt")].assert_eq(&told(&night));
}

#[test]
fn a_mission_with_a_cancelled_unit_ends_as_recorded() {
    let night = night("");
    let plan = [unit("a", "touch ~/up; while [ ! -e ~/go ]; do sleep 0.02; done"), adds("b", "true")];
    let engine = night.begin(&["mission", "start", "--plan", &night.plan(&plan.join("\n"))]);
    night.until("test -e ~/up");
    night.mc(&["unit", "cancel", "a"]).exits(0);
    engine.wait().exits(3);
    expect_file![file("cancelled.txt")].assert_eq(&told(&night));
}

#[test]
fn a_mission_that_is_rolled_back_ends_as_recorded() {
    let night = night("");
    night.mission(&[adds("a", "true"), adds("b", "true")].join("\n")).exits(0);
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0);
    expect_file![file("rolled-back.txt")].assert_eq(&told(&night));
}

#[test]
fn a_mission_whose_engine_was_killed_ends_as_recorded() {
    let night = night("");
    let plan = [adds("a", "true"), unit("b", "touch ~/up; while [ ! -e ~/go ]; do sleep 0.02; done; echo b > b.txt")];
    let engine = night.begin(&["mission", "start", "--plan", &night.plan(&plan.join("\n"))]);
    night.until("test -e ~/up");
    engine.signal("KILL");
    drop(engine.wait());
    night.sh("touch ~/go");
    night.mc(&["mission", "resume"]).exits(0);
    expect_file![file("killed.txt")].assert_eq(&told(&night));
}

#[test]
fn a_mission_whose_time_is_over_ends_as_recorded() {
    let night = night("[scheduler.budget]\nmax_wall_time = \"6s\"");
    let plan = [adds("a", "true"), unit("b", "while [ ! -e ~/go ]; do sleep 0.02; done")];
    night.mission(&plan.join("\n")).exits(3);
    expect_file![file("wall-time.txt")].assert_eq(&told(&night));
}

#[test]
fn a_mission_whose_source_is_away_is_suspended_and_resumed_as_recorded() {
    let night = night("[scheduler]\nretry_pause = 0\ncircuit_after = \"1s\"");
    let waits = "touch ~/up; while [ ! -e ~/go ]; do sleep 0.02; done; echo a > a.txt";
    let plan = night.plan(&[unit("a", waits), adds("b", "true")].join("\n"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/up");
    let (here, there) = (night.repo(), night.home().join("elsewhere"));
    std::fs::rename(&here, &there).unwrap();
    std::fs::write(night.home().join("go"), "").unwrap();
    engine.wait().exits(6);
    std::fs::rename(&there, &here).unwrap();
    night.mc(&["mission", "resume"]).exits(0);
    expect_file![file("suspended.txt")].assert_eq(&told(&night));
}

/// Sixteen digits that stand for what a simulated mission decided: the order of landings, the state of each unit, the tree of
/// green, the end.
pub fn digest(outcome: &Outcome) -> String {
    let mut text = String::new();
    for record in &outcome.journal {
        if let Record::Landed { source, green, .. } = record {
            let source = match source {
                MergeSource::Unit { unit, n } => format!("{unit}/{n}"),
                MergeSource::Intake => "intake".to_owned(),
                MergeSource::Bookkeeping { .. } => "progress".to_owned(),
            };
            writeln!(text, "{source} {}", green.tree).unwrap();
        }
    }
    for unit in &outcome.state.units {
        writeln!(text, "{} {}", unit.spec.id, unit.state.name()).unwrap();
    }
    let end = outcome.state.outcome.as_ref().map(|(_, _, code)| *code);
    writeln!(text, "{:?} {end:?} {}", outcome.world.green_content(), outcome.crashes).unwrap();
    Sha256::digest(text)[..8].iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// Compares the digests of the first 2,000 seeds, one a line, with those that are kept; of other seeds none are.
pub fn compare_digests(first: u64, digests: &str) {
    if (first, digests.lines().count()) == (0, 2_000) {
        expect_file![file("seeds.txt")].assert_eq(digests);
    }
}

#[test]
fn what_differs_between_two_runs_is_hidden_and_nothing_else() {
    let said = "attempt 2 took 1.2s at 2026-12-01T17:33:24.145Z, snapshot 0123456789: 3 passed".split(' ').map(word);
    let said: Vec<String> = said.collect();
    assert_eq!(said.join(" "), "attempt 2 took <time> at <time>, snapshot <name>: 3 passed");
    let seeds = (0..20).map(|seed| digest(&crate::rules::simulation::run(&random_scenario(seed))));
    assert_eq!(seeds.collect::<std::collections::BTreeSet<_>>().len(), 20, "a digest tells two missions apart");
}
