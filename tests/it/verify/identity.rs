//! Which test of one run is which of another, through `mc verify`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, Said};

/// A stage that copies `in.xml` to its report and fails.
const REPORT: &str = "[[target.verification.stage]]\nname = \"e2e\"\nrun = \"mkdir -p out && cp in.xml out/r.xml; exit 1\"\n\
                      reports = [\"out/*.xml\"]\n";

/// `in.xml` before and after a change, judged.
fn judged(settings: &str, before: impl AsRef<[u8]>, after: impl AsRef<[u8]>) -> Said {
    let night = Night::new();
    night.write("mission-control.toml", settings);
    night.write("in.xml", before);
    night.commit("base");
    night.sh("git branch base");
    night.write("in.xml", after);
    night.write("README", "changed\n");
    night.commit("change");
    night.mc(&["verify", "--base", "base"])
}

/// One suite of one browser with a test that fails or not.
fn suite(browser: &str, fails: bool) -> String {
    let inside = if fails { "<failure/>" } else { "" };
    format!(
        "<testsuite name=\"login.spec.ts\" hostname=\"{browser}\" tests=\"1\"><testcase classname=\"login.spec.ts\" \
         name=\"logs in\">{inside}</testcase></testsuite>"
    )
}

fn browsers(chromium: bool, firefox: bool) -> String {
    format!("<testsuites>{}{}</testsuites>", suite("chromium", chromium), suite("firefox", firefox))
}

/// microsoft/playwright#23432, #27665: the class and the name once per browser.
#[test]
fn p8_what_one_browser_mends_does_not_hide_what_another_breaks() {
    judged(REPORT, browsers(true, false), browsers(false, true)).exits(4).says(&[
        "verdict: hurt, may not land",
        "1 test passed before and fails now: e2e: login.spec.ts [firefox]: logs in",
    ]);
    judged(REPORT, browsers(true, false), browsers(true, false))
        .exits(0)
        .says(&["failed before this change too (pre-existing): e2e: login.spec.ts [chromium]: logs in"]);
    judged(REPORT, browsers(true, false), format!("<testsuites>{}</testsuites>", suite("firefox", false)))
        .exits(4)
        .says(&["1 test disappeared: e2e: login.spec.ts [chromium]: logs in"]);
}

/// `npm test --workspaces` runs vitest in each package, and their files may have one name.
#[test]
fn p8_runs_of_several_packages_in_one_output_are_told_apart_by_their_folders() {
    let settings = "[[target.verification.stage]]\nname = \"unit\"\nrun = \"sed s,PWD,$PWD, in.xml; grep -q × in.xml && exit 1; true\"\n";
    let runs = |runs: &[(&str, &str)]| {
        let run = |(package, sign): &(&str, &str)| {
            let p = if *sign == "✓" { "passed" } else { "failed" };
            format!(
                " RUN  v3.2.7 PWD/packages/{package}\n\n {sign} test/x.test.js > adds 1ms\n\n Test Files  1 {p} (1)\n      Tests  1 {p} (1)\n\n"
            )
        };
        runs.iter().map(run).collect::<String>()
    };
    judged(settings, runs(&[("a", "×"), ("b", "✓")]), runs(&[("a", "✓"), ("b", "×")]))
        .exits(4)
        .says(&["1 test passed before and fails now: unit: test/x.test.js [packages/b]: adds"]);
    judged(settings, runs(&[("a", "✓"), ("b", "✓")]), runs(&[("b", "✓")]))
        .exits(4)
        .says(&["1 test disappeared: unit: test/x.test.js [packages/a]: adds"]);
    judged(settings, runs(&[("a", "✓"), ("b", "✓")]), runs(&[("a", "✓"), ("b", "✓"), ("c", "✓")])).exits(0);
}

/// Two crates of a workspace with an integration test of one name.
#[test]
fn p8_integration_tests_of_one_name_are_told_apart_by_their_crate() {
    let settings = "[[target.verification.stage]]\nname = \"unit\"\nrun = \"cat in.xml\"\n";
    let section = |head: &str, word: &str| {
        let (p, f) = if word == "ok" { (1, 0) } else { (0, 1) };
        let ended = if f == 0 { "ok" } else { "FAILED" };
        format!(
            "     Running {head}-0123456789abcdef)\n\nrunning 1 test\ntest works ... {word}\n\ntest result: {ended}. {p} passed; {f} failed; 0 \
             ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n"
        )
    };
    let package = |name: &str, api: Option<&str>| {
        let lib = section(&format!("unittests src/lib.rs (target/debug/deps/{name}"), "ok");
        lib + &api.map(|word| section("tests/api.rs (target/debug/deps/api", word)).unwrap_or_default()
    };
    let both = || package("alpha", Some("ok")) + &package("zed", Some("ok"));
    judged(settings, both(), package("alpha", None) + &package("zed", Some("ok")))
        .exits(4)
        .says(&["1 test disappeared: unit: api tests/api.rs [alpha]: works"]);
    judged(settings, both(), both() + &package("zoo", Some("ok"))).exits(0);
}

/// vitest-dev/vitest#5088: two projects of which the report tells nothing but their order.
#[test]
fn p8_projects_without_a_name_are_told_by_their_order() {
    let tap = |unit: &str, edge: &str| format!("TAP version 13\n1..2\n{unit} 1 - a > works\n{edge} 2 - a > works\n");
    let settings = "[[target.verification.stage]]\nname = \"unit\"\nrun = \"cat in.xml; exit 1\"\n";
    judged(settings, tap("not ok", "ok"), tap("ok", "not ok"))
        .exits(4)
        .says(&["1 test passed before and fails now: unit: a > works"]);
    judged(settings, tap("not ok", "ok"), tap("not ok", "ok")).exits(0);
}

/// apache/maven-surefire#1524: two names that differ in one letter outside ASCII.
#[test]
fn p8_a_report_is_read_in_the_encoding_it_declares() {
    let report = |encoding: &str, first: &str, second: &str| {
        let case = |letter: &[u8], inside: &str| {
            [b"<testcase classname=\"A\" name=\"pr\xfcft ", letter, b"\">", inside.as_bytes(), b"</testcase>"].concat()
        };
        let head = format!("<?xml version=\"1.0\"{encoding}?>\n<testsuite name=\"s\" tests=\"2\">");
        [head.as_bytes(), &case(b"\xe4", first), &case(b"\xf6", second), b"</testsuite>\n"].concat()
    };
    let flip = |encoding: &str| {
        let failure = "<failure/>";
        judged(REPORT, report(encoding, "", failure), report(encoding, failure, "")).exits(4)
    };
    for encoding in [" encoding=\"ISO-8859-1\"", " encoding=\"windows-1252\""] {
        flip(encoding).says(&["1 test passed before and fails now: e2e: A: prüft ä"]);
    }
    // What is in no encoding it says stays two names.
    flip("").says(&["1 test passed before and fails now: e2e: A: pr\\xfcft \\xe4"]);
    let unknown = report(" encoding=\"klingon\"", "", "");
    judged(REPORT, &unknown, &unknown).exits(4).says(&[
        "report out/r.xml: it declares the encoding klingon, which is not known here; let the runner write UTF-8",
    ]);
}

/// wala/WALA#1498, DataDog/dd-trace-java#8024: a parametrised name has the hash of an object in it, another in each run.
const HASHES: &str = r#"[[target.verification.stage]]
name = "unit"
run = "sh gen.sh"
reports = ["out/*.xml"]
"#;

/// Writes a report: `run` names the tests of this run, by a file outside of the tree that counts the runs.
const GENERATOR: &str = r#"
mkdir -p out
h=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
{ echo '<testsuite name="T">'
  while read -r name; do echo "<testcase classname='T' name='$(echo "$name" | sed "s/HASH/$h/")'/>"; done < tests.txt
  echo '</testsuite>'; } > out/r.xml
"#;

fn hashes(tests: &str) -> Night {
    let night = Night::new();
    night.write("mission-control.toml", HASHES);
    night.write("gen.sh", GENERATOR);
    night.write("tests.txt", tests);
    night.commit("base");
    night.sh("git branch base");
    night
}

#[test]
fn p8_a_name_that_differs_from_run_to_run_blames_nobody_and_a_deleted_test_is_still_missed() {
    let night = hashes("ir[Foo@HASH]\nstable\nother\n");
    night.write("README", "docs\n");
    night.commit("docs");
    night.mc(&["verify", "--base", "base"]).exits(0).says(&[
        "base at",
        "a second time",
        "1 test is not in every run of the tree before under one name",
        "unit: T: ir[Foo@",
    ]);
    night.write("tests.txt", "ir[Foo@HASH]\nstable\n");
    night.commit("delete one");
    night.mc(&["verify", "--base", "base"]).exits(4).says(&["1 test disappeared: unit: T: other"]);
    night.write("tests.txt", "stable\nother\n");
    night.commit("delete the one without a name");
    night
        .mc(&["verify", "--base", "base"])
        .exits(4)
        .says(&["1 test disappeared: unit: (one whose name differs from run to run)"]);
}

#[test]
fn p8_a_mission_lands_what_has_nothing_to_do_with_names_that_differ() {
    let night = hashes("ir[Foo@HASH]\nstable\n");
    night.without_oracle("one of its tests has another name in each run");
    night.write(
        "BACKLOG.md",
        "## Docs\n- id: docs\n- run: echo hi > README\n\n## Delete\n- id: delete\n- run: sed -i 1d tests.txt\n",
    );
    night.commit("plan");
    night.mc(&["mission", "start"]).exits(3);
    night.mc(&["unit", "show", "docs"]).says(&["landed"]);
    night.mc(&["unit", "show", "delete"]).says(&["1 test disappeared: unit: (one whose name differs from run to run)"]);
    night.mc(&["report", "--verify"]).exits(0);
}

/// A test of which chance decides: each run takes one line off a list outside of the tree.
const CHANCE: &str = "echo 1..2; echo ok - sound; r=$(head -1 ~/chance); sed -i 1d ~/chance; r=${r:-ok}; \
                      echo \"$r - flaky\"; test \"$r\" = ok";

fn by_chance(results: &str) -> Night {
    let night = Night::new();
    night.without_oracle("one of its tests fails by chance");
    night.settings(CHANCE, "");
    night.write("../chance", results);
    night
}

#[test]
fn p8_a_test_that_green_was_seen_to_fail_and_pass_blames_nobody_and_stops_no_books() {
    // Green; one, twice; two, twice; bookkeeping, twice.
    let night = by_chance("ok\nnot ok\nok\nnot ok\nnot ok\nnot ok\nnot ok\n");
    night.write(
        "BACKLOG.md",
        "## One\n- id: one\n- run: echo 1 > 1\n\n## Two\n- id: two\n- depends: one\n- run: echo 2 > 2\n",
    );
    night.commit("plan");
    night.mc(&["mission", "start"]).exits(0);
    let report = night.report();
    assert!(report.contains("two  neutral, tests 2 passed, 0 failed -> 1 passed, 1 failed"), "{report}");
    assert!(report.contains("verified twice; 1 failing now and known to be flaky"), "{report}");
    let why = "1 test fails of which it is known that chance decides (flaky), so nobody is blamed";
    night.mc(&["unit", "show", "two"]).says(&[why]);
    assert!(!report.contains("not written any more"), "{report}");
    assert!(night.sh("git show mc/green:BACKLOG.md").contains("status: done"));
    night.mc(&["report", "--verify"]).exits(0);
}

#[test]
fn p8_what_the_mission_writes_about_itself_is_asked_more_than_twice() {
    // Green; one; bookkeeping, three times.
    let night = by_chance("ok\nok\nnot ok\nnot ok\nok\n");
    night.write("BACKLOG.md", "## One\n- id: one\n- run: echo 1 > 1\n");
    night.commit("plan");
    night.mc(&["mission", "start"]).exits(0);
    assert!(night.sh("git show mc/green:BACKLOG.md").contains("status: done"));
    // A unit is asked twice.
    let night = by_chance("ok\nnot ok\nnot ok\nok\n");
    night.mission("[[unit]]\nid = \"one\"\ntitle = \"one\"\nrun = \"echo 1 > 1\"\nattempts = 1\n").exits(3);
}
