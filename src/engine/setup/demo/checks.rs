//! What has to be true for the demo to end with 0: a function of facts, so that it can be shown to fail.

use super::stage::Seen;
use super::story::{FLAKY, LONG, OLD_CALLER, PARTS, Part, RED, SAME_LINE};
use crate::domain::mission::UnitState;
use std::collections::{BTreeMap, BTreeSet};

/// Something that had to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// What.
    pub what: String,
    /// How it was found out, or what was found instead.
    pub found: String,
    /// Whether it is.
    pub holds: bool,
}

/// One run of the test suite.
#[derive(Debug, Clone, Default)]
pub(super) struct Suite {
    pub passed: usize,
    pub failed: Vec<String>,
}

impl Suite {
    /// Nothing fails but the test that was red before. An empty suite proves nothing.
    fn is_good(&self) -> bool {
        self.passed > 0 && self.failed == [RED]
    }
}

/// The rejected caller of the old name, by itself and merged by plain git.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged {
    pub alone: Suite,
    pub clean: bool,
    pub together: Suite,
}

/// Everything the expectations are computed from.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Unit to state and reason.
    pub ends: BTreeMap<String, (UnitState, String)>,
    /// `unit n` of all attempts in the journal, and whether it says that the agent began.
    pub attempts: Vec<(String, bool)>,
    /// `unit n` written by the agents themselves.
    pub marks: Vec<String>,
    /// `unit n` running at the kill and ended under the second engine.
    pub adopted: Vec<String>,
    /// Unit and commit by the journal.
    pub landed: Vec<(String, String)>,
    /// Commits in which the mission wrote about itself, by the journal.
    pub bookkeeping: Vec<String>,
    /// Unit and commit by the trailers on green.
    pub trailers: Vec<(String, String)>,
    /// First-parent commits of green above main, oldest first.
    pub on_green: Vec<String>,
    /// The suite on each of them.
    pub suites: Vec<Suite>,
    /// Unit, class, reason.
    pub rejections: Vec<(String, String, String)>,
    /// Tests that the base failed in two runs, and those that failed in one of two runs of some tree.
    pub red: Vec<String>,
    pub flaky: Vec<String>,
    /// Exit code of an audit of a copy of the journal with one byte changed, and what it said.
    pub tampered: (i32, String),
    /// Units that met a conflict.
    pub conflicts: Vec<String>,
    /// Whether green's line has both words.
    pub same_line: bool,
    pub merged: Option<Merged>,
    /// What of the user's changed.
    pub touched: Vec<String>,
    /// Processes that still belong to the folder.
    pub left: Vec<u32>,
    /// How the mission proved the end of each attempt.
    pub proofs: BTreeSet<String>,
    pub seen: Seen,
    pub report: i32,
    pub audit: i32,
}

/// Exit code of a mission that ended with units that did not land.
const SOME_DID_NOT_LAND: i32 = 3;

/// Exit code of an audit that finds something that does not hold.
const BROKEN: i32 = 4;

/// All expectations, in the order they are told.
pub(super) fn check_expectations(facts: &Facts) -> Vec<Expectation> {
    let mut all = Vec::new();
    let mut expect =
        |what: &str, holds: bool, found: String| all.push(Expectation { what: what.to_owned(), found, holds });

    let wrong = list_wrong_ends(facts);
    let ends = if wrong.is_empty() { format_counts(facts) } else { wrong.join("; ") };
    expect("every unit ended as its work deserves", wrong.is_empty(), ends);

    let seen = &facts.seen;
    let alive = seen.beats.len() == 2 && seen.beats.iter().all(|(_, then, now)| now > then);
    let beats: Vec<String> = seen.beats.iter().map(|(unit, then, now)| format!("{unit} +{}", now - then)).collect();
    let killed = if seen.killed { "SIGKILL ended mc" } else { "mc did not die of SIGKILL" };
    let what = "agents lived on when mc was killed";
    expect(what, seen.killed && alive, format!("{killed}; signs of life afterwards: {}", beats.join(", ")));

    let both = [OLD_CALLER, LONG].iter().all(|id| facts.adopted.iter().any(|a| a.split(' ').next() == Some(id)));
    let holds = both && seen.finished_alone && seen.lease_renewed;
    let how = format!("running at the kill, ended under the second mc: {}", facts.adopted.join(", "));
    expect("the next mc took them over, finished or not", holds, how);

    let unique: BTreeSet<&String> = facts.marks.iter().collect();
    let known: BTreeSet<&String> = facts.attempts.iter().map(|(name, _)| name).collect();
    let began = facts.attempts.iter().filter(|(_, began)| *began);
    let holds = !unique.is_empty()
        && unique.len() == facts.marks.len()
        && unique.is_subset(&known)
        && began.clone().all(|(name, _)| unique.contains(name));
    let found =
        format!("the agents noted {} starts, all different; the journal has {}", facts.marks.len(), known.len());
    expect("each attempt ran exactly once", holds, found);

    let landed = |id: &str| facts.ends.get(id).is_some_and(|(state, _)| *state == UnitState::Landed);
    let met: Vec<&str> = SAME_LINE.into_iter().filter(|id| facts.conflicts.iter().any(|c| c == id)).collect();
    let holds = !met.is_empty() && facts.same_line && SAME_LINE.iter().all(|id| landed(id));
    let line = if facts.same_line { "green has both edits" } else { "an edit of the line is missing on green" };
    let found = format!("conflict met by: {}; {line}", met.join(", "));
    expect("the text conflict was redone on the new base", holds, found);

    let (holds, found) = match &facts.merged {
        Some(m) => {
            let word = |suite: &Suite| format!("{} ok, {} not ok", suite.passed, suite.failed.len());
            let (alone, together) = (word(&m.alone), word(&m.together));
            let with = if m.clean { "without a conflict" } else { "with a conflict" };
            let found = format!("by itself {alone}; plain git merges it {with}; then {together}");
            (
                m.alone.is_good() && m.clean && !m.together.is_good() && is_rejected(facts, OLD_CALLER, "verification"),
                found,
            )
        }
        None => (false, "its kept work was not found".to_owned()),
    };
    expect("green apart, red together was caught", holds, found);

    let (holds, found) = match facts.rejections.iter().find(|(unit, ..)| unit == "faster-tests") {
        Some((_, class, reason)) => (class == "verification" && reason.contains("big"), reason.clone()),
        None => (false, "it was not rejected".to_owned()),
    };
    expect("a deleted test was caught", holds, found);

    let named = |list: &[String], test: &str| list.iter().any(|name| name.ends_with(&format!(": {test}")));
    let blamed = |test: &str| facts.rejections.iter().any(|(_, _, reason)| reason.contains(test));
    let holds = named(&facts.red, RED) && !blamed(RED);
    let found = format!("red on the base: {}; {} commits landed beside it", facts.red.join(", "), facts.landed.len());
    expect("a test that was red before blames nobody", holds, found);

    let holds = named(&facts.flaky, FLAKY) && !blamed(FLAKY);
    let found = format!("failed in one and passed in another run of the same tree: {}", facts.flaky.join(", "));
    expect("a flaky test is named and blames nobody", holds, found);

    let told = |part: &&Part| facts.ends.get(part.id).is_some_and(|(_, reason)| reason.contains(part.why));
    let dumb = PARTS.iter().filter(|part| !part.why.is_empty() && !told(part));
    let dumb: Vec<String> = dumb.map(|part| part.id.to_owned()).collect();
    let found = list_or("a test, an output or a cause for each (`mc unit show`)", "without", &dumb);
    expect("each unit that did not land has its evidence", dumb.is_empty(), found);

    let commits: BTreeSet<&String> = facts.on_green.iter().collect();
    let landed: BTreeSet<&String> = facts.landed.iter().map(|(_, commit)| commit).collect();
    let journal: BTreeSet<&String> = landed.iter().copied().chain(&facts.bookkeeping).collect();
    let trailers: BTreeSet<&String> = facts.trailers.iter().map(|(_, commit)| commit).collect();
    let green = facts.suites.iter().filter(|suite| suite.is_good()).count();
    let told = facts.landed.len() + facts.bookkeeping.len();
    let same = commits == journal && landed == trailers && told == commits.len();
    let holds = same && !commits.is_empty() && green == facts.on_green.len() && facts.suites.len() == green;
    let found = match same {
        true => format!("tested again in a fresh clone, {green} of {} fail nothing but {RED}", commits.len()),
        false => format!("green has {}, its trailers {}, the journal {}", commits.len(), trailers.len(), journal.len()),
    };
    expect("each commit on mc/green is good", holds, found);

    let found = list_or("HEAD, branches, index, files, settings, hooks are as before", "changed", &facts.touched);
    expect("your own branch was not touched", facts.touched.is_empty(), found);

    let holds = facts.left.is_empty() && seen.alive > 0;
    let proofs = facts.proofs.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let searched = format!("a search of /proc found {} while agents ran, none now", seen.alive);
    let found = match facts.left.as_slice() {
        [] => format!("{searched}; mc itself proved it by {proofs}"),
        left => format!("still there: {left:?}"),
    };
    expect("no process is left", holds, found);

    let (code, said) = &facts.tampered;
    let found = format!("audit of a copy: exit {code}: {said}");
    expect("one changed byte of the journal is found", *code == BROKEN, found);

    let (code, report, audit) = (seen.code.unwrap_or(-1), facts.report, facts.audit);
    let holds = code == SOME_DID_NOT_LAND && report == 0 && audit == 0;
    let found = format!("mission {code} (3: some did not land), report {report}, audit {audit} (0: all holds)");
    expect("exit codes say the same", holds, found);
    all
}

/// What is said where a list is empty, or the list with what it is of.
fn list_or(none: &str, of: &str, list: &[String]) -> String {
    if list.is_empty() { none.to_owned() } else { format!("{of}: {}", list.join(", ")) }
}

fn is_rejected(facts: &Facts, unit: &str, class: &str) -> bool {
    facts.rejections.iter().any(|(u, c, _)| u == unit && c == class)
}

fn list_wrong_ends(facts: &Facts) -> Vec<String> {
    let wrong = |part: &Part| match facts.ends.get(part.id) {
        Some((state, _)) if *state == part.ends => None,
        Some((state, reason)) => Some(format!("{} is {}, not {}: {reason}", part.id, state.name(), part.ends.name())),
        None => Some(format!("{} was not planned", part.id)),
    };
    PARTS.iter().filter_map(wrong).collect()
}

fn format_counts(facts: &Facts) -> String {
    let count = |kind: UnitState| facts.ends.values().filter(|(state, _)| *state == kind).count();
    let some = UnitState::ALL.iter().copied().filter(|kind| count(*kind) > 0);
    some.map(|kind| format!("{} {}", count(kind), kind.name())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        let suite =
            |passed, failed: &[&str]| Suite { passed, failed: failed.iter().map(|f| (*f).to_owned()).collect() };
        let texts = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let landed: Vec<(String, String)> = vec![("tax".into(), "c1".into()), ("discount".into(), "c2".into())];
        Facts {
            ends: PARTS.iter().map(|part| (part.id.to_owned(), (part.ends, part.why.to_owned()))).collect(),
            red: texts(&["tests: nothing-to-pay"]),
            flaky: texts(&["tests: clock"]),
            tampered: (4, "row 3 was changed".into()),
            attempts: vec![("average 1".into(), true), ("stock 1".into(), true), ("tax 1".into(), false)],
            marks: texts(&["stock 1", "average 1"]),
            adopted: texts(&["stock 1", "average 1"]),
            trailers: landed.clone(),
            landed,
            bookkeeping: vec!["c3".into()],
            on_green: texts(&["c1", "c2", "c3"]),
            suites: vec![suite(5, &[RED]), suite(6, &[RED]), suite(6, &[RED])],
            rejections: vec![
                ("average".into(), "verification".into(), "1 new test fails".into()),
                ("faster-tests".into(), "verification".into(), "1 test disappeared: tests: big".into()),
            ],
            conflicts: texts(&["tax"]),
            same_line: true,
            merged: Some(Merged { alone: suite(5, &[RED]), clean: true, together: suite(5, &["average", RED]) }),
            touched: Vec::new(),
            left: Vec::new(),
            proofs: BTreeSet::from(["search".to_owned()]),
            seen: Seen {
                alive: 9,
                beats: vec![("average".into(), 1, 4), ("stock".into(), 2, 5)],
                killed: true,
                finished_alone: true,
                lease_renewed: true,
                code: Some(3),
            },
            report: 0,
            audit: 0,
        }
    }

    fn broken(plant: impl FnOnce(&mut Facts)) -> Vec<String> {
        let mut facts = good();
        plant(&mut facts);
        check_expectations(&facts).into_iter().filter(|e| !e.holds).map(|e| e.what).collect()
    }

    #[test]
    fn every_expectation_can_fail() {
        assert_eq!(broken(|_| {}), Vec::<String>::new());
        type Fault = fn(&mut Facts);
        let faults: [(&str, &[Fault]); 15] = [
            (
                "every unit ended as its work deserves",
                &[
                    |f| drop(f.ends.remove("month")),
                    |f| drop(f.ends.insert("month".into(), (UnitState::Failed, String::new()))),
                ],
            ),
            (
                "agents lived on when mc was killed",
                &[|f| f.seen.killed = false, |f| f.seen.beats[0].2 = 1, |f| f.seen.beats.clear()],
            ),
            (
                "the next mc took them over, finished or not",
                &[|f| drop(f.adopted.pop()), |f| f.seen.finished_alone = false, |f| f.seen.lease_renewed = false],
            ),
            (
                "each attempt ran exactly once",
                &[
                    |f| f.marks.push("stock 1".into()),
                    |f| f.marks.push("stock 2".into()),
                    |f| drop(f.marks.pop()),
                    |f| f.marks.clear(),
                ],
            ),
            ("the text conflict was redone on the new base", &[|f| f.conflicts.clear(), |f| f.same_line = false]),
            (
                "green apart, red together was caught",
                &[
                    |f| f.merged = None,
                    |f| f.rejections[0].1 = "conflict".into(),
                    |f| f.merged.as_mut().unwrap().clean = false,
                    |f| drop(f.merged.as_mut().unwrap().together.failed.remove(0)),
                    |f| f.merged.as_mut().unwrap().alone.passed = 0,
                ],
            ),
            (
                "a deleted test was caught",
                &[|f| drop(f.rejections.pop()), |f| f.rejections[1].2 = "something else".into()],
            ),
            (
                "each commit on mc/green is good",
                &[
                    |f| f.suites[1].failed.push("tax".into()),
                    |f| f.suites[1].failed.clear(),
                    |f| f.suites[1].passed = 0,
                    |f| f.suites.truncate(1),
                    |f| f.on_green.push("c4".into()),
                    |f| drop(f.trailers.pop()),
                    |f| f.bookkeeping.clear(),
                    |f| f.landed.push(("tax".into(), "c1".into())),
                ],
            ),
            (
                "a test that was red before blames nobody",
                &[|f| f.red.clear(), |f| f.rejections[0].2 = "1 test fails: tests: nothing-to-pay".into()],
            ),
            (
                "a flaky test is named and blames nobody",
                &[|f| f.flaky.clear(), |f| f.rejections[0].2 = "1 test fails: tests: clock".into()],
            ),
            (
                "each unit that did not land has its evidence",
                &[|f| drop(f.ends.insert("fetch-rates".into(), (UnitState::Failed, "failed".into())))],
            ),
            ("one changed byte of the journal is found", &[|f| f.tampered.0 = 0]),
            ("your own branch was not touched", &[|f| f.touched.push("HEAD".into())]),
            ("no process is left", &[|f| f.left.push(7), |f| f.seen.alive = 0]),
            (
                "exit codes say the same",
                &[|f| f.seen.code = Some(0), |f| f.seen.code = None, |f| f.report = 1, |f| f.audit = 4],
            ),
        ];
        for (what, plants) in faults {
            for (at, plant) in plants.iter().enumerate() {
                assert_eq!(broken(plant), [what], "fault {at}");
            }
        }
    }
}
