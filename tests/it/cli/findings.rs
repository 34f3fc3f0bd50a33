//! Findings and metrics in missions of script units. Stages print files of the repository in the form of a linter; the parsers
//! have tests of their own.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::night::{Night, unit};

/// A repository with one lint finding of old (which makes that stage fail), no security finding and three blobs to count.
fn night(queue: &str) -> Night {
    let night = Night::new();
    night.write("lint/old", "old.py:1:1: F401 `os` imported but unused\n");
    night.write("audit/none", "");
    for blob in ["a", "b", "c"] {
        night.write(&format!("blobs/{blob}"), blob);
    }
    let stage = |name: &str, run: &str, kind: &str, more: &str| {
        format!("[[target.verification.stage]]\nname = \"{name}\"\nrun = '''{run}'''\nkind = \"{kind}\"\n{more}\n")
    };
    let stages = [
        stage("unit", "sh run.sh", "tests", ""),
        // Absolute, as eslint prints its paths: names do not depend on the slot.
        stage("style", "sed \"s#^#$PWD/#\" lint/*; ! grep -q . lint/*", "lint", "format = \"ruff\""),
        stage("audit", "cat audit/*", "security", "format = \"ruff\""),
        stage("size", "echo counting; ls blobs | wc -l", "metric", "at_most = 5"),
    ];
    night.write("mission-control.toml", format!("{}\n{queue}\n", stages.join("")));
    night.commit("findings");
    night
}

const LINE: &str = "printf 'new.py:7:1: F811 Redefinition of unused `f`\\n'";

fn plan() -> String {
    [
        unit("unrelated", "touch unrelated"),
        unit("lints", &format!("{LINE} > lint/new")),
        unit("grows", "touch blobs/d"),
        unit("audits", "printf 'a.py:1:1: S602 shell\\n' > audit/new"),
        unit("bursts", "touch blobs/e blobs/f blobs/g blobs/h"),
        unit("breaks", "echo false > tests/alpha.sh; rm lint/old; touch lint/none"),
    ]
    .join("\n")
}

#[track_caller]
fn refused(night: &Night, id: &str, why: &str) {
    assert_eq!(night.unit(id), "rejected", "{id}: {}", night.reason(id));
    let reason = night.reason(id);
    assert!(reason.contains(why), "{id}: {reason}");
}

#[test]
fn p1_under_a_ratchet_nothing_that_is_counted_gets_worse() {
    let night = night("[queue]\nratchet = true");
    night.mission(&plan()).exits(3);
    assert_eq!(night.unit("unrelated"), "landed");
    refused(&night, "lints", "1 new lint finding: style: new.py: F811");
    refused(&night, "grows", "1 metric got worse: size: 3 -> 4");
    refused(&night, "audits", "1 new security finding: audit: a.py: S602");
    refused(&night, "bursts", "size: 7 is above at_most = 5");
    refused(&night, "breaks", "1 test passed before and fails now: unit: alpha");
    let report = night.report();
    assert!(report.contains("1 new lint finding: style: new.py: F811"), "{report}");
    let red = report.lines().find(|l| l.starts_with("red before and after")).unwrap_or_default();
    assert!(red.contains("style: old.py: F401"), "{report}");
    night.mc(&["unit", "show", "audits"]).exits(0).says(&["1 new security finding: audit: a.py: S602"]);
    night.audit();
}

#[test]
fn p1_without_a_ratchet_only_security_limits_and_tests_refuse() {
    let night = night("");
    let mends = format!("{}depends = [\"lints\"]\n", unit("mends", "rm lint/*; touch lint/none"));
    night.mission(&format!("{}\n{mends}", plan())).exits(3);
    for id in ["unrelated", "lints", "grows", "mends"] {
        assert_eq!(night.unit(id), "landed", "{id}: {}", night.reason(id));
    }
    refused(&night, "audits", "1 new security finding: audit: a.py: S602");
    refused(&night, "bursts", "is above at_most = 5");
    refused(&night, "breaks", "1 test passed before and fails now: unit: alpha");
    let remark = "1 new lint finding: style: new.py: F811";
    night.mc(&["unit", "show", "lints"]).exits(0).says(&["(neutral)", remark]);
    night.mc(&["unit", "show", "mends"]).exits(0).says(&["(helped)", "2 fewer lint findings: "]);
    night.audit();
}

#[test]
fn p1_a_number_that_is_worse_by_chance_is_measured_again_before_anyone_is_blamed() {
    let night = Night::new();
    let size = "[ ! -e a ] || [ -e ~/seen ] || { touch ~/seen; echo 9; exit; }; echo 3";
    let stage = format!(
        "[[target.verification.stage]]\nname = \"size\"\nrun = '''{size}'''\nkind = \"metric\"\nbetter = \"lower\"\nratchet = true\n"
    );
    night.write("mission-control.toml", stage);
    night.commit("a number that wavers");
    night.mission(&unit("a", "touch a")).exits(0);
    assert_eq!((night.unit("a").as_str(), night.unit_json("a")["attempts"].as_u64()), ("landed", Some(1)));
    assert_eq!(night.status()["verifications"]["run"], 3);
    night.audit();
}
