//! What exactly is verified: trees without ignored paths, and report files that this run wrote.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::night::{Night, unit};
use serde_json::{Value, json};

const IGNORE: &str = "ignore = [\"docs\", \"**/*.md\", \"only-\\\\[x\\\\]\"]";

fn json_of(night: &Night, code: i32, args: &[&str]) -> Value {
    serde_json::from_str(&night.mc(&[&["verify", "--format", "json"], args].concat()).exits(code).out).unwrap()
}

#[test]
fn p13_a_change_of_ignored_paths_alone_costs_no_run() {
    let night = Night::new();
    night.settings("echo run >> ~/runs; sh run.sh", IGNORE);
    let plan = [
        unit("docs", "mkdir -p docs/deep src; echo a > docs/deep/a; echo b > src/b.md; echo c > 'only-[x]'"),
        unit("code", "echo c > c"),
    ];
    night.mission(&plan.join("\n")).exits(0);
    assert_eq!([night.unit("docs"), night.unit("code")], ["landed", "landed"]);
    // The base and the change of code; the change of documents is the same tree again.
    assert_eq!(night.sh("wc -l < ~/runs"), "2");
    assert_eq!(night.status()["verifications"], json!({"run": 2, "reused": 1}));
    // What landed is the whole tree, and the trailer says so.
    night.sh("git cat-file -e mc/green:docs/deep/a");
    for line in night
        .sh("git log --first-parent --format='%T %(trailers:key=Mc-Verified-Tree,valueonly,separator=)' main..mc/green")
        .lines()
    {
        let (tree, said) = line.split_once(' ').unwrap();
        assert_eq!(tree, said);
    }
    night.audit();
    // The verification of green by hand is the same snapshot.
    let green = json_of(&night, 0, &["mc/green"]);
    assert_eq!((&green["rev"]["reused"], &green["rev"]["ignored_paths"]), (&json!(true), &json!(3)));
    assert_ne!(green["rev"]["tree"], green["rev"]["verified_tree"]);
    assert_eq!(night.sql("SELECT tree FROM snapshots WHERE key NOT LIKE '%/%'").len(), 2);
    // The audit finds the snapshot's tree and key again from what landed.
    let db = rusqlite::Connection::open(night.state().join("mc.db")).unwrap();
    let before = "UPDATE snapshots SET body = json_set(body, '$.fingerprint', 'another')";
    db.execute(before, []).unwrap();
    night.mc(&["audit"]).exits(4).says(&["is not the key of its tree, stages and environment"]);
    db.execute("UPDATE snapshots SET tree = 'another'", []).unwrap();
    night.mc(&["audit"]).exits(4).says(&["its snapshot is of the tree another, not of "]);
}

#[test]
fn p1_ignored_paths_are_absent_where_the_tree_is_verified() {
    let night = Night::new();
    night.sh("mkdir -p docs/deep a/b; echo x > docs/deep/x; echo y > a/b/y.md; echo z > a/z; ln -s docs link");
    // What a stage sees: no path, no empty folder, nothing in index, HEAD or status; history is there.
    let checks = "[ ! -e docs ] && [ ! -e a/b ] && [ -e a/z ] && [ -L link ] && [ -z \"$(git status --porcelain)\" ] &&
        [ -z \"$(git ls-files docs a/b)$(git ls-tree -r --name-only HEAD docs a/b)\" ] &&
        [ \"$(git log --format=%an -1)\" = Ada ] && git log -2 >/dev/null && sh run.sh";
    night.settings(checks, IGNORE);
    let said = json_of(&night, 0, &[]);
    assert_eq!(said["rev"]["ignored_paths"], 2);
    let index = night.sh("git ls-files -s; git status --porcelain; find .git -name 'sharedindex*' -o -name '*.lock'");
    assert!(index.contains("docs/deep/x"), "the repository's own index is as it was");
    // In a shallow clone too.
    night.sh("git clone -q --depth 1 \"file://$PWD\" ../ci");
    let ci = night.home().join("ci");
    night.mc(&["-C", ci.to_str().unwrap(), "verify", "--fresh"]).exits(0);
    // A test that needs an ignored file fails, however often it passed in a whole checkout.
    night.write("tests/alpha.sh", "[ -e docs/deep/x ]\n");
    night.commit("needs documents");
    night.mc(&["verify"]).exits(4).says(&["verification: alpha", "without 2 paths of target.verification.ignore"]);
    night.settings("sh run.sh", "ignore = [\"../x\"]");
    night.mc(&["verify"]).exits(2).says(&["target.verification.ignore", "`../x` is no glob"]);
}

/// A verification whose stage leaves JUnit reports.
fn reporting(night: &Night, run: &str) {
    let text = format!(
        "[[target.verification.stage]]\nname = \"unit\"\nrun = {}\nreports = [\"out/**/*.xml\", \"*.xml\"]\n",
        Value::from(run)
    );
    night.write("mission-control.toml", text);
    night.write(".gitignore", "out\n");
    night.commit("settings");
}

fn report(name: &str, inner: &str) -> String {
    format!(
        "<testsuite name=\"s\"><testcase classname=\"c\" name=\"{name}\">{inner}</testcase>\
         <testcase classname=\"c\" name=\"other\"/></testsuite>"
    )
}

#[test]
fn p7_reports_of_a_stage_are_read_and_only_those_of_this_run() {
    let night = Night::new();
    night.write("good", report("a", ""));
    night.write("bad", report("a", "<failure message=\"no\"/>"));
    // Not ignored: a report in the tree itself is no report of a run.
    night.write("tracked.xml", report("tracked", ""));
    reporting(&night, "mkdir -p out/deep; cp good out/deep/r.xml; echo printed");
    let said = json_of(&night, 0, &[]);
    assert_eq!(said["rev"]["stages"][0]["tests"], json!({"passed": 2, "failed": 0, "skipped": 0, "problem": null}));
    assert_eq!(said["rev"]["stages"][0]["read_as"], "junit");
    // A failing case is a failure although the exit code is 0.
    reporting(&night, "mkdir -p out; cp bad out/r.xml");
    assert_eq!(json_of(&night, 4, &[])["rev"]["failing"], json!(["unit: c: a"]));
    // The last run's report lies about in the slot, ignored by git: it is none of this run.
    reporting(&night, "true");
    night.mc(&["verify"]).exits(4).says(&["the stage left no report: no new file matches out/**/*.xml, *.xml"]);
    // Cut short, or no report at all.
    for (run, why) in [
        ("mkdir -p out; head -c 60 good > out/r.xml", "report out/r.xml: "),
        ("mkdir -p out; cp good out/a.xml; echo hello > out/b.xml", "report out/b.xml: "),
        ("mkdir -p out; cp good out/a.xml; ln -s $PWD/good out/b.xml", "report out/b.xml: "),
        ("mkdir -p out; cp good out/a.xml; mkfifo out/b.xml", "report out/b.xml: not a regular file"),
    ] {
        reporting(&night, run);
        night.mc(&["verify"]).exits(4).says(&[why]);
    }
    // The path of the workspace is no part of a name: the next slot has another one.
    reporting(&night, "mkdir -p out; sed \"s|\\\"c\\\"|\\\"$PWD/src/c\\\"|\" bad > out/r.xml");
    assert_eq!(json_of(&night, 4, &[])["rev"]["flaky"], json!([]));
    // A report that somebody committed stands for no run, however new its file is.
    for run in ["touch tracked.xml", "cp tracked.xml out.xml", "rm tracked.xml; git checkout -q tracked.xml"] {
        reporting(&night, run);
        night
            .mc(&["verify"])
            .exits(4)
            .says(&[".xml: it is what the tree has as tracked.xml", "take that file out of git"]);
    }
    // A report may be outside of ignored folders, and replace a tracked file.
    reporting(&night, "cp good tracked.xml; sed s/a/b/ good > new.xml");
    assert_eq!(json_of(&night, 0, &[])["rev"]["passed"], 4);
    night.mc(&["audit"]).exits(0);
}

#[test]
fn p1_reports_are_compared_test_by_test_in_a_mission() {
    let night = Night::new();
    night.write("good", report("a", ""));
    reporting(&night, "mkdir -p out; cp good out/r.xml");
    let plan = [
        unit("fine", "touch fine"),
        unit("drops", "printf '<testsuite><testcase classname=\"c\" name=\"other\"/></testsuite>' > good"),
        unit("cheats", "mkdir -p out; cp good out/r.xml; git add -f out; echo true > run; : > good"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    assert_eq!(night.unit("fine"), "landed");
    assert!(night.reason("drops").contains("1 test disappeared: unit: c: a"), "{}", night.reason("drops"));
    assert_eq!(night.unit("cheats"), "rejected");
    night.audit();
}

#[test]
fn p1_build_output_that_is_kept_by_size_and_second_does_not_answer_for_another_tree() {
    let night = Night::new();
    // As interpreters do: what was built of a file is known by the file's time in whole seconds and its size.
    let run =
        "key=$(stat -c '%Y-%s' calc); mkdir -p cache; [ -e cache/$key ] || cp calc cache/$key; grep -q good cache/$key";
    night.sh("echo cache > .gitignore; echo good > calc; git add -A; git commit -qm good");
    night.sh("git checkout -qb other; echo evil > calc; git commit -qam evil; git checkout -q main");
    night.settings(run, "");
    night.mc(&["verify", "main"]).exits(0);
    night.mc(&["verify", "other", "--base", "main"]).exits(4);
    night.mc(&["verify", "main", "--fresh"]).exits(0);
    night.mc(&["verify", "other", "--fresh"]).exits(4);
}
