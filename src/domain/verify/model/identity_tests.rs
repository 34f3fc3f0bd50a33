//! Which test is which: at places, in order, and where nothing says so.

use crate::domain::ending::ProcessEnd;
use crate::domain::verify::formats::Format;
use crate::domain::verify::formats::reports::ReportFile;
use crate::domain::verify::judge::confirm::confirm;
use crate::domain::verify::judge::delta::compare_snapshots;
use crate::domain::verify::judge::delta::tests::snapshot;
use crate::domain::verify::model::key::StageSpec;
use crate::domain::verify::model::key::tests::stage as spec;
use crate::domain::verify::model::snapshot::{Snapshot, StageResult};
use crate::domain::verify::{Delta, StageOutcome};

type Tests<'a> = &'a [(&'a str, &'a str, char)];

/// A stage that left these report files, each a list of `host/suite/status`.
fn reports(files: &[(&str, Tests<'_>)]) -> Snapshot {
    let spec = StageSpec { reports: vec!["**/*.xml".into()], ..spec("e2e", "e2e") };
    let files = files.iter().map(|(path, tests)| {
        let suites = tests.iter().map(|(host, suite, status)| {
            let inside = if *status == 'F' { "<failure/>" } else { "" };
            format!("<testsuite name='{suite}' hostname='{host}'><testcase classname='A' name='a'>{inside}</testcase></testsuite>")
        });
        let xml = format!("<testsuites>{}</testsuites>", suites.collect::<String>());
        ReportFile::from_bytes((*path).to_owned(), Ok(xml.into_bytes()), "")
    });
    let code = i32::from(files.clone().any(|file| file.text.is_ok_and(|text| text.contains("<failure"))));
    snapshot(vec![StageResult::from_run(&spec, &ProcessEnd::Exited(code), b"", &files.collect::<Vec<_>>(), 1)])
}

fn one(tests: Tests<'_>) -> Snapshot {
    reports(&[("r.xml", tests)])
}

fn became(found: &Delta) -> (Vec<String>, Vec<String>, Vec<String>, Vec<String>) {
    (found.broken.clone(), found.fixed.clone(), found.still_failing.clone(), found.removed.clone())
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| format!("e2e: {name}")).collect()
}

#[test]
fn p8_a_browser_or_a_project_is_part_of_a_test() {
    let (chromium, firefox) = ("A [chromium]: a", "A [firefox]: a");
    let base = one(&[("chromium", "s", 'F'), ("firefox", "s", 'P')]);
    let flip = compare_snapshots(&base, &one(&[("firefox", "s", 'F'), ("chromium", "s", 'P')]));
    assert_eq!(became(&flip), (names(&[firefox]), names(&[chromium]), vec![], vec![]));
    // Suites around it, report files, in this order of preference.
    let suites = compare_snapshots(
        &one(&[("vm", "unit", 'F'), ("vm", "edge", 'P')]),
        &one(&[("vm", "unit", 'P'), ("vm", "edge", 'F')]),
    );
    assert_eq!(suites.broken, names(&["A [edge]: a"]));
    let module = |a, b| reports(&[("a/r.xml", &[("vm", "s", a)]), ("b/r.xml", &[("vm", "s", b)])]);
    assert_eq!(compare_snapshots(&module('F', 'P'), &module('P', 'F')).broken, names(&["A [b/r.xml]: a"]));
    assert_eq!(
        compare_snapshots(&module('P', 'P'), &reports(&[("b/r.xml", &[("vm", "s", 'P')])])).removed,
        names(&["A [a/r.xml]: a"])
    );
}

#[test]
fn one_browser_less_is_a_test_less_and_one_more_a_test_more() {
    let both = one(&[("chromium", "s", 'F'), ("firefox", "s", 'P')]);
    let less = compare_snapshots(&both, &one(&[("firefox", "s", 'P')]));
    assert_eq!(became(&less), (vec![], vec![], vec![], names(&["A [chromium]: a"])));
    let more = compare_snapshots(&one(&[("firefox", "s", 'P')]), &both);
    assert_eq!((more.new_failing, more.added, more.removed), (names(&["A [chromium]: a"]), 0, vec![]));
    let same = compare_snapshots(&one(&[("chromium", "s", 'F')]), &both);
    assert_eq!((same.still_failing, same.new_failing, same.added), (names(&["A [chromium]: a"]), vec![], 1));
}

#[test]
fn machines_times_and_moved_reports_are_no_part_of_a_test() {
    for other in [
        reports(&[("r.xml", &[("another-vm", "s", 'F')])]),
        reports(&[("r.xml", &[("vm", "run of 12:00", 'F')])]),
        reports(&[("TEST-2026.xml", &[("vm", "s", 'F')])]),
    ] {
        assert!(compare_snapshots(&one(&[("vm", "s", 'F')]), &other).changes_nothing());
    }
    // Two of one name on one machine, and on another one.
    let on = |host| one(&[(host, "s", 'F'), (host, "s", 'P')]);
    assert!(compare_snapshots(&on("vm"), &on("another-vm")).changes_nothing());
}

#[test]
fn p8_who_cannot_be_found_again_may_have_become_the_worst() {
    let at =
        |times: [&str; 2], statuses: [char; 2]| one(&[("vm", times[0], statuses[0]), ("vm", times[1], statuses[1])]);
    let (base, other) = (at(["1:00", "1:01"], ['F', 'P']), at(["2:00", "2:01"], ['F', 'P']));
    assert_eq!(compare_snapshots(&base, &other).broken.len(), 1);
    // Where two runs of the tree before do not find each other either, only how many fail counts.
    let joined = confirm(&base, &at(["1:10", "1:11"], ['F', 'P']));
    assert!(compare_snapshots(&joined, &other).changes_nothing());
    assert_eq!(compare_snapshots(&joined, &at(["2:00", "2:01"], ['F', 'F'])).broken.len(), 1);
}

#[test]
fn p8_two_runs_never_forgive_more_than_passed_in_one() {
    let tap = |statuses: [char; 2]| one(&[("vm", "s", statuses[0]), ("vm", "s", statuses[1])]);
    let joined = confirm(&tap(['F', 'P']), &tap(['P', 'F']));
    assert_eq!((joined.to_summary().failed, joined.to_summary().outcome), (1, StageOutcome::Failed));
    // Their order says nothing then, and only how many fail counts.
    assert!(compare_snapshots(&joined, &tap(['P', 'F'])).changes_nothing());
    let browsers = |statuses: [char; 2]| one(&[("chromium", "s", statuses[0]), ("firefox", "s", statuses[1])]);
    let joined = confirm(&browsers(['F', 'P']), &browsers(['F', 'F']));
    assert_eq!((joined.flaky, joined.stages[0].tests.as_ref().unwrap().tests.len()), (names(&["A [firefox]: a"]), 2));
}

#[test]
fn p8_encodings_are_those_that_reports_declare() {
    let file = |bytes: &[u8]| {
        let xml = [bytes, b"<testsuite name='s'><testcase classname='A' name='pr\xfcft \xe4'/></testsuite>"].concat();
        ReportFile::from_bytes("r.xml".into(), Ok(xml), "").text
    };
    for label in ["ISO-8859-1", "windows-1252", "latin1"] {
        let text = file(format!("<?xml version=\"1.0\" encoding=\"{label}\"?>\n").as_bytes()).unwrap();
        assert!(text.contains("prüft ä"), "{text}");
    }
    assert!(file(b"").unwrap().contains(r"pr\xfcft \xe4"));
    assert_eq!(
        file(b"<?xml version='1.0' encoding='klingon'?>").unwrap_err().0,
        "it declares the encoding klingon, which is not known here; let the runner write UTF-8"
    );
    let wide = |order: fn(u16) -> [u8; 2], mark: &str| {
        let text = format!("{mark}<?xml version=\"1.0\" encoding=\"UTF-16\"?><testsuite name=\"日本\"/>");
        ReportFile::from_bytes("r.xml".into(), Ok(text.encode_utf16().flat_map(order).collect()), "").text.unwrap()
    };
    for text in [wide(u16::to_le_bytes, "\u{feff}"), wide(u16::to_be_bytes, "\u{feff}"), wide(u16::to_le_bytes, "")] {
        assert!(text.contains("<testsuite name=\"日本\"/>"), "{text}");
    }
}

#[test]
fn p8_names_that_differ_from_run_to_run_blame_nobody_and_are_counted() {
    let of = |list: &[(&str, char)]| {
        let tests: String = list
            .iter()
            .map(|(name, status)| {
                format!(
                    "<testcase classname='A' name='{name}'>{}</testcase>",
                    if *status == 'F' { "<failure/>" } else { "" }
                )
            })
            .collect();
        let mut whole = one(&[]);
        whole.stages[0] = StageResult::from_run(
            &StageSpec { format: Format::Junit, ..spec("e2e", "e2e") },
            &ProcessEnd::Exited(i32::from(list.iter().any(|(_, status)| *status == 'F'))),
            format!("<testsuite name='s'>{tests}</testsuite>").as_bytes(),
            &[],
            1,
        );
        whole
    };
    let base = confirm(&of(&[("x@1", 'P'), ("y", 'P')]), &of(&[("x@2", 'P'), ("y", 'P')]));
    let calm = compare_snapshots(&base, &of(&[("x@3", 'P'), ("y", 'P')]));
    assert!(calm.changes_nothing(), "{calm:?}");
    assert_eq!(calm.unstable, names(&["A: x@1"]));
    assert_eq!(
        compare_snapshots(&base, &of(&[("y", 'P')])).removed,
        names(&["(one whose name differs from run to run)"])
    );
    assert_eq!(compare_snapshots(&base, &of(&[("x@3", 'P')])).removed, names(&["A: y"]));
    assert_eq!(compare_snapshots(&base, &of(&[("x@3", 'F'), ("y", 'P')])).new_failing, names(&["A: x@3"]));
    let red = confirm(&of(&[("x@1", 'F'), ("y", 'P')]), &of(&[("x@2", 'F'), ("y", 'P')]));
    assert!(compare_snapshots(&red, &of(&[("x@3", 'F'), ("y", 'P')])).changes_nothing());
    // What only one of two runs had is no test that was there.
    let once = confirm(&of(&[("x", 'P'), ("y", 'P')]), &of(&[("y", 'P')]));
    assert!(compare_snapshots(&once, &of(&[("y", 'P')])).changes_nothing());
    assert_eq!(compare_snapshots(&once, &of(&[("x", 'P')])).removed, names(&["A: y"]));
}
