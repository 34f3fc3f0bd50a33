//! What a unit costs, in things that can be counted and do not depend on the machine: processes of git, verifications,
//! records. A change that makes one of these larger should know it; see docs/performance.md for what they stand for.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::world::{Fence, World, unit, within};
use std::collections::BTreeMap;

/// Commands of git that one unit may need, from the preparation of its workspace to the move of green, when it leaves its
/// work uncommitted.
const GIT_PER_UNIT: usize = 18;

/// The same when it commits everything.
const GIT_PER_COMMITTED: usize = 10;

/// Commands of git of a whole mission beside its units.
const GIT_PER_MISSION: usize = 40;

/// Records of one unit that lands at once.
const RECORDS_PER_UNIT: usize = 9;

struct Cost {
    git: BTreeMap<String, usize>,
    records: usize,
    verifications: usize,
}

impl Cost {
    fn all(&self) -> usize {
        self.git.values().sum()
    }
}

/// Plays a mission of units that each write one file, and commit it or leave that to `mc`.
fn cost(units: usize, commit: bool, fence: Fence) -> Cost {
    let world = World::verified_by("echo run >> \"$HOME/verified\"").within(fence);
    // Whatever git of ours starts in turn is found by git itself and not counted.
    world
        .program("git", "#!/bin/sh\nprintf 'call %s\\n' \"$*\" >> \"$HOME/calls\"\nPATH=${PATH#*:}\nexec git \"$@\"\n");
    let then = if commit { "; PATH=${PATH#*:}; git add .; git commit -qm work" } else { "" };
    let plan: Vec<_> = (0..units).map(|n| unit(&format!("u{n}"), &format!("echo {n} > file-{n}{then}"))).collect();
    let plan = world.plan(&plan);
    let _ = std::fs::remove_file(world.home().join("calls"));
    world.start(&plan).exits(0);
    let lines = |name: &str| std::fs::read_to_string(world.home().join(name)).unwrap();
    let mut git = BTreeMap::new();
    // Messages of commits have lines of their own.
    for call in lines("calls").lines().filter_map(|line| line.strip_prefix("call ")) {
        let mut words = call.split(' ').peekable();
        while let Some(word) = words.next_if(|word| word.starts_with('-')) {
            if word == "-c" {
                words.next();
            }
        }
        *git.entry(words.next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Cost { git, records: world.journal().len(), verifications: lines("verified").lines().count() }
}

#[test]
fn p10_what_a_unit_costs_is_bounded() {
    within(120, || {
        for (commit, per_unit) in [(false, GIT_PER_UNIT), (true, GIT_PER_COMMITTED)] {
            bounded(&cost(4, commit, Fence::Off), &cost(8, commit, Fence::Off), per_unit);
            // Behind a fence git cannot freshen an object of the source that it meets again (gitformat-pack(5) has no word for it; see
            // odb_freshen_object in its source), so it writes a copy, and what a clone holds is for one more git to say.
            let fence = Fence::Home;
            bounded(&cost(4, commit, fence), &cost(8, commit, fence), per_unit + 1);
        }
    });
}

/// Four more units may need so many commands of git each.
fn bounded(four: &Cost, eight: &Cost, per_unit: usize) {
    let shown = format!("4 units: {:?}\n8 units: {:?}", four.git, eight.git);
    // Every merge is verified alone, and the base once.
    assert_eq!((four.verifications, eight.verifications), (5, 9));
    // On a busy machine an attempt may meet infrastructure and be made again; each hands its work over once.
    let attempts = |cost: &Cost| cost.git.get("pack-objects").copied().unwrap_or(0);
    let more = attempts(eight) - attempts(four);
    assert!(eight.all() - four.all() <= more * per_unit, "{}\n{shown}", eight.all() - four.all());
    assert!(four.all() <= attempts(four) * per_unit + GIT_PER_MISSION, "{}\n{shown}", four.all());
    let records = eight.records - four.records;
    assert!(records <= more * RECORDS_PER_UNIT, "{records} records for {more} attempts");
}
