//! Missions of hostile units, composed at random: whatever agents, verifications and people do, the promises hold.
//!
//! A seed decides everything but the schedule. After each mission: every position of green verifies in a clone, and who
//! needs left-overs did not land (P1); what a unit made is pinned (P2); nothing landed twice (P3); nobody lives (P5); the
//! user's repository is left alone (P6); the accounts add up (P9); who did no harm landed (P10); no unit was started without
//! end (P11); nothing was followed and nothing planted ran (P12); audit and `report --verify` hold, and a mission afterwards
//! works. An action excuses what it is itself, and nothing else.
//!
//!     tests/run --long                                                                # one block of missions
//!     MC_HOSTILE_SEEDS=2000 cargo test --test it generator -- --ignored                 # MC_HOSTILE_FIRST=n: from this seed on
//!     MC_HOSTILE_ACTIONS=a-pipe,tidies-up cargo test --test it generator -- --ignored   # these alone; each: every one of them
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

mod catalogue;
mod play;
mod scenario;

use crate::support::world::{Fence, within};
use play::play;
use scenario::{BLOCK, Scenario};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What found something once, by its seed or its actions, and what it was. A seed deals another mission when the catalogue
/// changes; what it found has a test of its own beside what was mended.
const FOUND: &[(&str, &str)] = &[
    ("a-broken-head", "a commit of a clone whose HEAD cannot be read was only moved aside, and pinned nowhere"),
    ("head-is-a-link-to-the-source", "the same"),
    ("refs-are-a-link-to-the-source", "the same"),
    ("another-format-of-objects", "the same"),
    ("148", "`report --verify` said that the report of a cancelled agent is wrong"),
    ("303", "the slot of verifications of a pool that was taken away was locked for ever, and the mission never ended"),
    ("385", "`report --verify` did not know why an attempt whose workspace was taken away again and again had failed"),
    (
        "404",
        "a run whose directory was gone before its start was read lived on in a slot that was given to another unit",
    ),
    ("816", "a mission resumed with other tags compared its candidates with a green of the environment before"),
    ("the-source-is-away-for-a-moment", "a sound clone was moved aside while what it borrows from was away"),
];

/// Plays all of them, some at a time, and tells which failed and how to play those again.
fn play_all(scenarios: Vec<Scenario>) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) + 1;
    let (next, failed, started) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(scenario))) else { continue };
                    let what = panic.downcast_ref::<String>().map_or("", String::as_str).to_owned();
                    failed.lock().unwrap().push(format!("{}: {what}", scenario.replay));
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let mut told = format!("{} missions in {:?}\n", scenarios.len(), started.elapsed());
    for line in &failed {
        let _ = writeln!(told, "\n{line}\n");
    }
    assert!(failed.is_empty(), "{} of {told}", failed.len());
}

fn play_within(scenarios: Vec<Scenario>) {
    within(120 + 30 * u64::try_from(scenarios.len()).unwrap(), move || play_all(scenarios));
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p1_p2_p3_p6_p9_p11_hold_for_hostile_missions() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    play_within(match std::env::var("MC_HOSTILE_ACTIONS") {
        Ok(names) if names == "each" => catalogue::all().map(|action| Scenario::alone(action.name)).collect(),
        Ok(names) => vec![Scenario::alone(&names)],
        Err(_) => {
            let (first, count) = (number("MC_HOSTILE_FIRST", 0), number("MC_HOSTILE_SEEDS", BLOCK));
            (first..first + count).map(Scenario::of).collect()
        }
    });
}

#[test]
fn p1_p2_p5_p9_hold_for_hostile_missions_that_found_something_once() {
    let found = FOUND.iter().map(|(what, _)| match what.parse() {
        // They were found without one.
        Ok(seed) => Scenario { fence: Fence::Off, ..Scenario::of(seed) },
        Err(_) => Scenario::alone(what),
    });
    play_within(found.collect());
}

/// A check that cannot fail would be none: what these actions come to is not what they say.
#[test]
fn p1_p2_p3_p6_p10_p12_a_planted_fault_is_found() {
    within(300, || {
        for (action, wanted) in catalogue::FALSE {
            let played = catch_unwind(AssertUnwindSafe(|| {
                play(&Scenario { fence: Fence::Off, ..Scenario::doing("planted", vec![action]) })
            }));
            let panic = played.expect_err(action.name);
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.contains(wanted), "{}: {text}", action.name);
        }
    });
}

#[test]
fn the_catalogue_of_hostile_actions_is_large_and_a_suite_plays_all_of_it() {
    let names: BTreeSet<&str> = catalogue::all().map(|action| action.name).collect();
    assert_eq!(names.len(), catalogue::all().count(), "two actions have one name");
    assert!(names.len() >= 60, "{}", names.len());
    for block in [0, 7] {
        let seeds = block * BLOCK..(block + 1) * BLOCK;
        let played: BTreeSet<&str> =
            seeds.flat_map(|seed| Scenario::of(seed).actions().map(|a| a.name).collect::<Vec<_>>()).collect();
        assert_eq!(names.difference(&played).collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
