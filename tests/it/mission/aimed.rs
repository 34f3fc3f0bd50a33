//! `kill -9` aimed at durable writes (P4): strace, from outside, kills the engine as it makes its n-th write last, be it a
//! record of the journal, a mark of a workspace or a report.
//!
//! A few of them are played here; all of them by `MC_AIMED=all cargo test --test it mission_aimed`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests touch the world and may panic"
)]

use crate::mission::crash::{expected_tree, whole};
use crate::support::tools::cannot_run;
use crate::support::world::{PATIENCE, Unit, World, own_file, unit, within};
use std::process::Command;

/// System calls that make a write last, or give it its name.
const DURABLE: &str = "fsync,fdatasync,rename,renameat,renameat2,link,linkat";

/// Writes of the engine's first thread that are aimed at here: it writes the journal.
const SAMPLE: [u32; 5] = [2, 9, 16, 23, 30];

/// The same of all threads; programs that the engine starts make fewer.
const SAMPLE_OF_ALL: [u32; 2] = [6, 12];

/// More than the mission of these tests has.
const ALL: u32 = 120;

fn units() -> Vec<Unit> {
    let made = |id: &str| unit(id, &own_file(id, 0.0));
    vec![made("a"), made("b"), made("c").after(&["a"]).by_agent()]
}

/// Whether a program can be traced here. Told aloud where not, and a failure in CI.
fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).status();
    if traced.is_ok_and(|status| status.success()) {
        return true;
    }
    cannot_run("strace is missing or may not trace here, so no kill is aimed at durable writes");
    false
}

/// Plays the mission, killed at the n-th durable write; whether there was one.
fn killed_at(n: u32, threads: &[&str]) -> bool {
    let world = World::new();
    let units = units();
    let (plan, tree) = (world.plan(&units), expected_tree(&world, &units));
    let inject = format!("inject={DURABLE}:signal=KILL:when={n}");
    let trace = ["strace", "-qq", "-o", "/dev/null", "-e", &format!("trace={DURABLE}"), "-e", &inject];
    let start = ["mission", "start", "--plan", plan.to_str().unwrap()];
    let mut engine = world.spawn_under(&[&trace[..], threads].concat(), &start);
    let killed = engine.ended_within(PATIENCE).expect("it ends").code != Some(0);
    if killed && world.journal().is_empty() {
        world.start(&plan).exits(0);
    } else if killed && world.kinds("mission-ended").is_empty() {
        world.resume().exits(0);
    }
    whole(&world, &units, &tree);
    killed
}

fn play(sample: &[u32], threads: &'static [&'static str]) {
    let all = std::env::var("MC_AIMED").is_ok_and(|value| value == "all");
    let aims: Vec<u32> = if all { (1..=ALL).collect() } else { sample.to_vec() };
    within(120 + 10 * aims.len() as u64, move || {
        if !can_trace() {
            return;
        }
        let hits = aims.iter().filter(|n| killed_at(**n, threads)).count();
        println!("{hits} kills");
        assert!(hits >= aims.len().min(SAMPLE_OF_ALL.len()), "the kills must hit");
    });
}

#[test]
fn p4_killed_at_any_record_of_the_journal_a_mission_ends_like_an_undisturbed_one() {
    play(&SAMPLE, &[]);
}

#[test]
fn p4_killed_at_any_durable_write_a_mission_ends_like_an_undisturbed_one() {
    play(&SAMPLE_OF_ALL, &["-f"]);
}
