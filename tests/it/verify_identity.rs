//! Which test of one run is which of another, through `mc verify`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use super::support::night::{Night, Said};

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
