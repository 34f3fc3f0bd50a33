//! What stages say when there is nothing to say: no build, no test, no report.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use crate::support::night::Night;

/// A build that fails where `broken` is in the tree, and tests that run what was built last.
const BUILD: &str = r#"[target.verification]
keep = ["built"]

[[target.verification.stage]]
name = "build"
kind = "build"
run = "! grep broken source && mkdir -p built && cp source built/"

[[target.verification.stage]]
name = "tests"
run = "echo ran >> ~/runs; echo 1..2; echo ok - a; echo ok - b"

[[target.verification.stage]]
name = "style"
kind = "lint"
run = "echo ran >> ~/runs"
"#;

fn built() -> Night {
    let night = Night::new();
    night.write("mission-control.toml", BUILD);
    night.write("source", "sound\n");
    night.commit("base");
    night.sh("git branch base");
    night
}

#[test]
fn p8_after_a_build_that_fails_nothing_else_is_run() {
    let night = built();
    night.write("source", "broken\n");
    night.commit("break");
    let said = night.mc(&["verify", "--base", "base"]).exits(4).says(&[
        "not run, since stage build does not pass",
        "verdict: hurt, may not land",
        "1 stage passed before and does not now: build: exit code 1",
    ]);
    said.does_not_say(&["tests disappeared", "could not run", "2 stages"]);
    // Of the base alone.
    assert_eq!(night.sh("wc -l < ~/runs"), "2");
    let alone = night.mc(&["verify", "--format", "json"]).exits(4);
    let json: serde_json::Value = serde_json::from_str(&alone.out).unwrap();
    let outcomes: Vec<&str> =
        json["rev"]["stages"].as_array().unwrap().iter().map(|stage| stage["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "not-run", "not-run"]);
    assert_eq!((json["rev"]["passed"].as_u64(), json["rev"]["outcome"].as_str()), (Some(0), Some("failed")));
}

#[test]
fn a_mission_says_that_stages_were_not_run_since_the_build_failed() {
    let night = built();
    let plan = "[[unit]]\nid = \"brk\"\ntitle = \"break\"\nattempts = 1\nrun = \"echo broken > source\"\n";
    night.mission(plan).exits(3).says(&["verification 3 fails\n", "1 stage passed before and does not now: build"]);
}

/// zeroc-ice/ice#6236.
#[test]
fn a_stage_without_a_test_is_noted_everywhere() {
    let night = Night::new();
    night.write(
        "mission-control.toml",
        "[[target.verification.stage]]\nname = \"unit\"\nreports = [\"out/*.xml\"]\n\
         run = \"mkdir -p out && echo '<testsuites tests=\\\"0\\\"/>' > out/r.xml\"\n",
    );
    night.commit("no tests");
    let told = "stage unit: no test ran: what it left or printed names none";
    night.mc(&["verify"]).exits(0).says(&[&format!("note: {told}")]);
    night.mc(&["doctor", "--baseline"]).says(&[told]);
    night.mission("[[unit]]\nid = \"one\"\ntitle = \"one\"\nrun = \"echo 1 > 1\"\n").exits(0);
    assert!(night.report().contains(&format!("the base: passes ({told})")), "{}", night.report());
}

#[test]
fn a_report_below_a_link_says_so() {
    let night = Night::new();
    night.write(
        "mission-control.toml",
        "[[target.verification.stage]]\nname = \"unit\"\nreports = [\"bazel-testlogs/**/test.xml\"]\n\
         run = \"mkdir -p ../tmp/logs && echo '<testsuite/>' > ../tmp/logs/test.xml && ln -sfn ../tmp/logs bazel-testlogs\"\n",
    );
    night.commit("bazel");
    night.mc(&["verify"]).exits(4).says(&[
        "report bazel-testlogs: it is a symbolic link, and none is followed; let the stage copy its reports to a folder of the \
         workspace",
    ]);
}
