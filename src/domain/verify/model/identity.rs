//! Who is who between two runs of one stage: the only place that says which test of one run is which test of another. Deltas and
//! confirmations are made of what it gives, so neither can take two tests for one.
//!
//! The rules, from first to last (`docs/verify.md` tells them to people):
//!
//! 1. tests of another suite or name are other tests;
//! 2. of several with one suite and name, those are the same that ran at the same place. A part of the place (host, suites
//!    around, report file) counts where it tells two of them apart in one of the two runs and both runs know it: so a
//!    browser or a project does, and the name of a machine or a time does not;
//! 3. of those at one place the first is the first and the second the second, where both runs have as many;
//! 4. what is left over stands nowhere in the other run. A change is judged by the worst that may have become of it.
//!
//! Where two runs of one tree disagree about who is who, the tests say so ([`Steadiness`]) and only their number counts.

use crate::domain::verify::model::results::{Steadiness, Suites, TestResult, TestResults, TestStatus, WHOLE_SUITE};
use TestStatus::{Failed, Passed, Skipped};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One test of one run with how it ended.
pub(in crate::domain::verify) type Entry<'a> = (&'a TestResult, TestStatus);

/// The tests of both runs that are of one suite and name and stood at one place, in the order of their reports.
#[derive(Debug, Default)]
pub(in crate::domain::verify) struct Alike<'a> {
    pub(in crate::domain::verify) runs: [Vec<Entry<'a>>; 2],
    /// Whether their places are not those of the other run: nothing says who of one run is who of the other.
    pub(in crate::domain::verify) stray: bool,
}

/// Puts the tests of two runs of one stage together; a suite that could not run in one and ran in the other is a test there
/// that passed.
pub(in crate::domain::verify) fn match_tests<'a>(runs: [Option<&'a TestResults>; 2]) -> Vec<Alike<'a>> {
    let mut named: BTreeMap<(&str, &str), [Vec<Entry<'a>>; 2]> = BTreeMap::new();
    for (run, results) in runs.into_iter().enumerate() {
        for test in results.into_iter().flat_map(|results| &results.tests) {
            named.entry((&test.suite, &test.name)).or_default()[run].push((test, test.status));
        }
    }
    let suites = runs.map(Suites::of);
    for ((suite, _), entries) in named.iter_mut().filter(|((_, name), _)| *name == WHOLE_SUITE) {
        for (run, other) in [(0, 1), (1, 0)] {
            if entries[run].is_empty() && suites[run].has_run(suite) {
                let stands_in = entries[other].first().map(|(test, _)| (*test, Passed));
                entries[run].extend(stands_in);
            }
        }
    }
    named.into_values().flat_map(at_places).collect()
}

/// Tests of one suite and name by their places; those that stand at no place of the other run are together, as strays.
fn at_places(runs: [Vec<Entry<'_>>; 2]) -> Vec<Alike<'_>> {
    if runs.iter().all(|run| run.len() < 2) {
        return vec![Alike { runs, stray: false }];
    }
    let counts: Vec<usize> = (0..3).filter(|part| tells_apart(&runs, *part)).collect();
    let mut places: BTreeMap<Vec<&str>, [Vec<Entry<'_>>; 2]> = BTreeMap::new();
    for (run, entries) in runs.into_iter().enumerate() {
        for entry in entries {
            let place = counts.iter().map(|part| entry.0.place.parts()[*part]).collect();
            places.entry(place).or_default()[run].push(entry);
        }
    }
    let (mut found, mut strays) = (Vec::new(), Alike { stray: true, ..Alike::default() });
    for (_, runs) in places {
        if runs.iter().all(|run| !run.is_empty()) {
            found.push(Alike { runs, stray: false });
        } else {
            for (to, from) in strays.runs.iter_mut().zip(runs) {
                to.extend(from);
            }
        }
    }
    if strays.runs.iter().any(|run| !run.is_empty()) {
        found.push(strays);
    }
    found
}

/// Whether a part of the place tells two tests of one run apart, and no run lacks it.
fn tells_apart(runs: &[Vec<Entry<'_>>; 2], part: usize) -> bool {
    let values = |run: &[Entry<'_>]| run.iter().map(|(test, _)| test.place.parts()[part].to_owned()).collect();
    let values: [BTreeSet<String>; 2] = [values(&runs[0]), values(&runs[1])];
    let known = |run: &BTreeSet<String>| run.is_empty() || run.iter().any(|value| !value.is_empty());
    values.iter().any(|run| run.len() > 1) && values.iter().all(known)
}

/// What became of one test; absent where the other run has none.
pub(in crate::domain::verify) type Pair<'a> = [Option<Entry<'a>>; 2];

/// What a test came to before and after.
type Change = (TestStatus, TestStatus);

const EQUAL: [Change; 3] = [(Passed, Passed), (Skipped, Skipped), (Failed, Failed)];
/// What is worst first.
const WORSE: [Change; 3] = [(Passed, Failed), (Passed, Skipped), (Failed, Skipped)];
const BETTER: [Change; 3] = [(Failed, Passed), (Skipped, Passed), (Skipped, Failed)];

/// Equal results first, then what is worst.
const KINDLY: [[Change; 3]; 3] = [EQUAL, WORSE, BETTER];

/// What is worst first.
const HARSHLY: [[Change; 3]; 3] = [WORSE, EQUAL, BETTER];

impl<'a> Alike<'a> {
    /// What became of each test, for judging a change: nothing that got worse is paired away by something that got better, as
    /// far as anything tells them apart.
    pub(in crate::domain::verify) fn pairs(&self) -> Vec<Pair<'a>> {
        let shuffled = self.runs.iter().flatten().any(|(test, _)| test.steady == Steadiness::Shuffled);
        let [before, after] = &self.runs;
        match (shuffled, self.stray) {
            (true, _) => self.paired(&KINDLY),
            (false, true) => self.paired(&HARSHLY),
            (false, false) if before.len() == after.len() => {
                before.iter().zip(after).map(|(before, after)| [Some(*before), Some(*after)]).collect()
            }
            (false, false) => self.paired(&KINDLY),
        }
    }

    fn paired(&self, order: &[[Change; 3]; 3]) -> Vec<Pair<'a>> {
        let mut left: [BTreeMap<TestStatus, VecDeque<Entry<'a>>>; 2] = Default::default();
        for (left, run) in left.iter_mut().zip(&self.runs) {
            run.iter().for_each(|entry| left.entry(entry.1).or_default().push_back(*entry));
        }
        let mut pairs = Vec::new();
        let [before, after] = &mut left;
        for (from, to) in order.iter().flatten() {
            let (Some(had), Some(has)) = (before.get_mut(from), after.get_mut(to)) else { continue };
            let both = had.len().min(has.len());
            pairs.extend(had.drain(..both).zip(has.drain(..both)).map(|(had, has)| [Some(had), Some(has)]));
        }
        let [before, after] = left;
        pairs.extend(before.into_values().flatten().map(|one| [Some(one), None]));
        pairs.extend(after.into_values().flatten().map(|one| [None, Some(one)]));
        pairs
    }
}

/// Says of each of several tests of one suite and name what of its place tells it from the others: the host alone, the suites
/// alone or the file alone where one of them does, else all that differ.
pub(in crate::domain::verify) fn label(results: &mut TestResults) {
    let mut named: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, test) in results.tests.iter().enumerate() {
        named.entry((&test.suite, &test.name)).or_default().push(at);
    }
    let mut labels: Vec<(usize, String)> = Vec::new();
    for group in named.into_values().filter(|group| group.len() > 1) {
        let part = |at: usize, part: usize| results.tests[at].place.parts()[part];
        let values = |of: usize| group.iter().map(|at| part(*at, of)).collect::<BTreeSet<_>>();
        let differ: Vec<usize> = (0..3).filter(|of| values(*of).len() > 1).collect();
        let alone = differ.iter().copied().find(|of| values(*of).len() == group.len());
        let used = alone.map_or(differ, |of| vec![of]);
        for at in &group {
            let words: Vec<&str> = used.iter().map(|of| part(*at, *of)).filter(|word| !word.is_empty()).collect();
            labels.push((*at, words.join(", ")));
        }
    }
    results.tests.iter_mut().for_each(|test| test.label.clear());
    for (at, words) in labels {
        results.tests[at].label = words;
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
