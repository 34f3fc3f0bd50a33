//! What an earlier verification left never decides about the next tree (P1, P13): by default nothing stays; what the settings
//! let stay comes from landed trees, a failure with it counts only without it, and green is verified without it.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, Said, unit};
use crate::support::world::until;
use serde_json::Value;

/// Adds a test that runs this line.
fn test(name: &str, line: &str) -> String {
    format!("printf '%s\\n' '{line}' > tests/{name}.sh")
}

/// A night whose units are worked on one after the other, with `build/` and `deps/` ignored.
fn night(more: &str) -> Night {
    let night = Night::new().within(Fence::Off);
    night.write(".gitignore", "build/\ndeps/\n");
    night.settings("sh run.sh", &format!("{more}\n[scheduler.parallel]\nnum_workers = 1"));
    night
}

/// Kinds of the verifications of the newest mission, in order: what for, and `warm`, `cold` or `known`.
fn verifications(night: &Night) -> Vec<String> {
    let events = night.events();
    let of = |kind: &'static str| events.iter().map(|row| row["record"].clone()).filter(move |r| r["kind"] == kind);
    let role = |run: &Value| of("verify-started").find(|r| r["run"] == *run).unwrap()["role"].clone();
    let start = |r: &Value| match (r["reused"].as_bool(), r["warm"].as_bool()) {
        (Some(true), _) => "known",
        (_, Some(true)) => "warm",
        _ => "cold",
    };
    of("verified").map(|r| format!("{} {}", role(&r["run"]).as_str().unwrap(), start(&r))).collect()
}

fn green_holds(night: &Night) {
    night.green_verifies("HOME=$PWD/../clean sh run.sh");
}

#[test]
fn p1_files_that_a_rejected_unit_left_decide_nothing() {
    let night = night("");
    let plan = [
        unit("leaves", &format!("git rm -q tests/alpha.sh; {}", test("p", "mkdir -p build/deep; echo z > build/z"))),
        unit("leans", &test("r", "test -f build/z")),
        unit("leans-on-folder", &test("s", "test -d build/deep")),
        unit("sees-nothing", &test("t", "test ! -e build")),
    ];
    night.mission(&plan.join("\n")).exits(3);
    assert_eq!(night.unit("leaves"), "rejected");
    for id in ["leans", "leans-on-folder"] {
        assert_eq!(night.unit(id), "rejected", "{id}");
        assert!(night.reason(id).contains("1 new test fails"), "{}", night.reason(id));
    }
    assert_eq!(night.unit("sees-nothing"), "landed");
    green_holds(&night);
    night.audit();
}

/// What `setup` installs for a rejected unit, whether or not the settings say on what it depends.
#[test]
fn p1_a_dependency_that_a_rejected_unit_added_is_not_there_for_the_next() {
    for inputs in ["", "setup_inputs = [\"deps.txt\"]\n"] {
        let night = Night::new().within(Fence::Off);
        night.write(".gitignore", "deps/\n");
        night.write("deps.txt", "a\n");
        let setup = "mkdir -p deps; for d in $(cat deps.txt); do touch deps/$d; done";
        night.settings(
            "sh run.sh",
            &format!("[target]\nsetup = '{setup}'\n{inputs}[scheduler.parallel]\nnum_workers = 1"),
        );
        let plan = [
            unit("adds", "echo x >> deps.txt; git rm -q tests/alpha.sh"),
            unit("uses", &test("r", "test -f deps/x")),
            unit("has", &test("s", "test -f deps/a")),
        ];
        night.mission(&plan.join("\n")).exits(3);
        let states: Vec<String> = ["adds", "uses", "has"].iter().map(|id| night.unit(id)).collect();
        assert_eq!(states, ["rejected", "rejected", "landed"], "{inputs}");
        night.audit();
    }
}

/// A unit takes a dependency away which a later one uses: what `setup` made before is still there, and nothing in the settings
/// says that it must be made again. Without the settings' say it lands on a warm result, and green's cold run tells.
#[test]
fn p1_what_setup_made_for_an_earlier_tree_is_found_out() {
    let night = Night::new().within(Fence::Off);
    night.write(".gitignore", "deps/\n");
    night.write("deps.txt", "a\nb\n");
    let setup = "mkdir -p deps; for d in $(cat deps.txt); do touch deps/$d; done";
    night.settings("sh run.sh", &format!("[target]\nsetup = '{setup}'\n[scheduler.parallel]\nnum_workers = 1"));
    let plan = [unit("drops", &format!("sed -i /b/d deps.txt; {}", test("r", "test -f deps/b")))];
    night.mission(&plan.join("\n")).exits(4).says(&["drops landed at", "r"]);
    let needs = night.status()["needs_you"].to_string();
    assert!(needs.contains("drops") && needs.contains("mc green rollback"), "{needs}");
    assert_eq!(verifications(&night), ["baseline cold", "after warm", "cold cold", "cold cold"]);
}

#[test]
fn p1_files_of_a_landed_tree_that_make_good_work_fail_refuse_nobody() {
    let night = night("keep = [\"build\"]");
    let plan = [
        unit("spoils", &test("p", "mkdir -p build; touch build/bad")),
        unit("suffers", &test("a", "test ! -e build/bad")),
    ];
    night.mission(&plan.join("\n")).exits(0);
    assert_eq!((night.unit("spoils"), night.unit("suffers")), ("landed".to_owned(), "landed".to_owned()));
    // The base left nothing. The warm failure is followed by a cold run, which decides.
    assert_eq!(verifications(&night), ["baseline cold", "after cold", "after warm", "after cold"]);
    green_holds(&night);
    night.audit();
}

/// The queue waits for one run from nothing, not for two: the warm run and the cold one say the same of the same tree.
#[test]
fn p1_what_fails_warm_and_cold_of_the_same_is_refused_without_a_third_run() {
    let night = night("keep = [\"build\"]");
    night
        .mission(
            &[unit("fine", &test("p", "mkdir -p build; touch build/x")), unit("bad", &test("b", "false"))].join("\n"),
        )
        .exits(3);
    assert_eq!((night.unit("fine"), night.unit("bad")), ("landed".to_owned(), "rejected".to_owned()));
    assert_eq!(verifications(&night)[..4], ["baseline cold", "after cold", "after warm", "after cold"]);
    assert!(!verifications(&night)[4..].iter().any(|run| run.starts_with("after")), "{:?}", verifications(&night));
    green_holds(&night);
    night.audit();
}

/// Where green itself was only seen warm, it is asked first; that is no reason to run the candidate once more.
#[test]
fn p1_what_fails_warm_and_cold_is_refused_without_a_third_run_on_a_green_that_was_only_seen_warm() {
    let night = night("keep = [\"build\"]");
    // `more` lands when `bad` waits behind it: while the queue is idle green would be asked without files of earlier runs.
    let go = night.sh("cd .. && pwd").trim().to_owned() + "/go";
    let command = format!("while [ -e more ] && [ ! -e '{go}' ]; do sleep 0.02; done; sh run.sh");
    night.settings(&command, "keep = [\"build\"]\n[scheduler.parallel]\nnum_workers = 1");
    let plan = [
        unit("fine", &test("p", "mkdir -p build; touch build/x")),
        unit("more", "touch more"),
        unit("bad", &test("b", "false")),
    ];
    let plan = night.plan(&plan.join("\n"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    until("bad to wait in the queue", || {
        let judged = |row: &Value| row["record"]["kind"] == "attempt-judged" && row["record"]["unit"] == "bad";
        night.events().iter().any(judged).then_some(())
    });
    night.write("../go", "");
    engine.wait().exits(3);
    assert_eq!((night.unit("more"), night.unit("bad")), ("landed".to_owned(), "rejected".to_owned()));
    let of_bad = verifications(&night).split_off(3);
    let runs: Vec<&str> = of_bad.iter().map(String::as_str).filter(|run| run.starts_with("after")).collect();
    assert_eq!(runs, ["after warm", "after cold", "after known"], "{of_bad:?}");
    green_holds(&night);
    night.audit();
}

/// What failed once of one thing and once of another is asked a third time, and nobody is blamed for chance.
#[test]
fn p1_what_fails_warm_of_one_test_and_cold_of_another_is_run_again() {
    let night = night("keep = [\"build\"]");
    let first = "n=$(wc -l < ~/turns); echo >> ~/turns; test $n -ne 0";
    night.sh("touch ~/turns");
    let two = [test("c", first), test("d", "test $(wc -l < ~/turns) -ne 2")].join("; ");
    night
        .mission(&[unit("fine", &test("p", "mkdir -p build; touch build/x")), unit("chance", &two)].join("\n"))
        .exits(0);
    assert_eq!(night.unit("chance"), "landed");
    assert_eq!(verifications(&night)[2..5], ["after warm", "after cold", "after cold"]);
    night.audit();
}

#[test]
fn p1_a_green_that_holds_only_with_files_of_earlier_runs_is_found_named_and_held() {
    let night = Night::new().within(Fence::Off);
    night.without_oracle("it lands what needs files of earlier runs");
    night.write(".gitignore", "build/\n");
    // The first change is verified until the others have ended, so that they wait in line.
    let first =
        "if test -e tests/p.sh; then touch ~/first; while test $(ls ~/ended | wc -l) -lt 4; do sleep 0.02; done; fi";
    night.settings(&format!("{first}; sh run.sh"), "keep = [\"build\"]\n[scheduler.parallel]\nnum_workers = 6");
    night.sh("mkdir ~/ended");
    let later = |id: &str, priority: u32, run: &str| {
        let run = format!("while ! test -e ~/first; do sleep 0.02; done; {run}; touch ~/ended/{id}");
        format!("{}priority = {priority}\n", unit(id, &run))
    };
    let plan = [
        unit("leaves", &test("p", "mkdir -p build; touch build/z")),
        later("fine", 5, "echo 1 > fine"),
        later("leans", 6, &test("a", "test -f build/z")),
        later("more", 7, "echo 1 > more"),
        later("most", 8, "echo 1 > most"),
    ];
    night.mission(&plan.join("\n")).exits(4).says(&["leans landed at"]);
    let needs = night.status()["needs_you"].to_string();
    assert!(needs.contains("since leans landed at") && needs.contains("mc green rollback"), "{needs}");
    assert_eq!(night.unit("leans"), "landed", "nothing is taken back by itself");
    let asked = verifications(&night);
    assert!(asked.contains(&"after warm".to_owned()), "{asked:?}");
    // Whoever resumes it without a change is told the same, without a run.
    let runs = |night: &Night| night.status()["verifications"]["run"].as_u64().unwrap();
    let before = runs(&night);
    night.mc(&["mission", "resume"]).exits(4).says(&["leans landed at"]);
    assert_eq!(runs(&night), before);
    let landed = night.sh("git rev-parse mc/green");
    let events = night.events();
    let landings = events.iter().map(|row| &row["record"]).filter(|record| record["kind"] == "landed");
    let before_leans = landings.take_while(|record| record["source"]["unit"]["unit"] != "leans").last();
    let onto = before_leans.map(|record| record["green"]["commit"].as_str().unwrap().to_owned());
    assert!(needs.contains(&onto.as_ref().unwrap()[..10]), "{needs}");
    night.mc(&["mission", "stop", "--now"]).exits(0);
    night.mc(&["mission", "resume"]);
    night.mc(&["green", "rollback", "--yes", &onto.unwrap()]).exits(0);
    assert_ne!(night.sh("git rev-parse mc/green"), landed);
    green_holds(&night);
    night.audit();
}

/// A mission with a landing on a warm result, resumed with a tag where the verification fails anyway (`always`) or only with
/// what landed. Ends with this code.
fn resumed_with_a_tag(always: bool, gate: &str, code: i32) -> (Said, Night) {
    let night = Night::new().within(Fence::Off);
    night.write(".gitignore", "build/\n");
    let fails = if always { "true" } else { "test -e landed" };
    night.write("tests/tagged.sh", format!("if git describe --tags && {fails}; then exit 1; fi\n"));
    // Without the files of earlier runs it waits, so that green is not asked before the kill.
    let command = "while test -e ~/wait -a ! -e build; do sleep 0.02; done; sh run.sh";
    let more = format!("keep = [\"build\"]\n[scheduler.parallel]\nnum_workers = 1\n[queue]\ngate = \"{gate}\"");
    night.settings(command, &more);
    let waits = "touch ~/began; while [ ! -e ~/go ]; do sleep 0.02; done; exit 1";
    let first = unit("first", &test("first", "mkdir -p build; touch build/z"));
    let lands = format!("{}depends = [\"first\"]\n", unit("lands", "touch ~/wait landed"));
    let last = format!("{}depends = [\"lands\"]\n", unit("last", waits));
    let plan = night.plan(&[first, lands, last].join("\n"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("[ -e ~/began ]");
    engine.signal("KILL");
    engine.wait();
    night.sh("git tag v1; touch ~/go; rm ~/wait");
    night.without_oracle("a clone of today has the tag, which what landed before knows nothing of");
    (night.mc(&["mission", "resume"]).exits(code), night)
}

/// What failed without the landings as well is not held against them, and what failed since one of them is.
#[test]
fn p1_landings_on_warm_results_are_compared_with_what_was_there_before_them_in_a_new_environment() {
    let (said, night) = resumed_with_a_tag(true, "no-regression", 3);
    said.says(&["may fail at green", "holds without files of earlier runs"]);
    assert_eq!(["first", "lands", "last"].map(|id| night.unit(id)), ["landed", "landed", "failed"]);
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
    let (said, night) = resumed_with_a_tag(false, "no-regression", 4);
    said.says(&["since lands landed at"]);
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
    // Where nothing passes there, no landing is to blame.
    let (said, night) = resumed_with_a_tag(true, "pass", 6);
    let said = said.says(&[
        "green cannot be proven with the tags, variables and tools of now",
        "it fails, and the gate is `pass`",
    ]);
    assert!(!said.text().contains("rollback"), "{}", said.text());
    night.sh("git tag -d v1");
    night.mc(&["mission", "resume"]).exits(3).says(&["holds without files of earlier runs"]);
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
}

/// Killed while green is verified without files of earlier runs, the next engine comes to the same end.
#[test]
fn p4_an_engine_killed_while_green_is_verified_cold_goes_on_and_finds_the_same() {
    let night = Night::new().within(Fence::Off);
    night.write(".gitignore", "build/\n");
    let command = "echo run >> ~/runs; while test -e ~/wait -a ! -e build; do sleep 0.05; done; sh run.sh";
    night.settings(command, "keep = [\"build\"]\n[scheduler.parallel]\nnum_workers = 1");
    let plan = [
        unit("leaves", &test("p", "mkdir -p build; touch build/z")),
        format!(
            "{}depends = [\"leaves\"]\n",
            unit("leans", &format!("touch ~/wait; {}", test("a", "test -f build/z")))
        ),
    ];
    let path = night.plan(&plan.join("\n"));
    let mut engine = night.begin(&["mission", "start", "--plan", &path]);
    engine.said("verifying green without files of earlier runs");
    engine.signal("KILL");
    drop(engine);
    night.sh("rm ~/wait");
    night.mc(&["mission", "resume"]).exits(4).says(&["leans landed at"]);
    assert_eq!(verifications(&night), ["baseline cold", "after cold", "after warm", "cold cold", "cold cold"]);
    assert_eq!(night.sh("wc -l < ~/runs"), "5");
    night.audit();
}

/// What `setup` made before a kill is gone when the workspace is prepared anew, whatever its run says of itself.
#[test]
fn p1_p4_a_setup_that_ended_after_its_engine_was_killed_is_run_again_in_the_new_workspace() {
    let night = Night::new().within(Fence::Off);
    night.write(".gitignore", "build/\n");
    night.write("inputs", "1");
    let setup = "echo setup >> ~/setups; while test -e ~/wait; do sleep 0.05; done; mkdir -p build; touch build/ready";
    night.settings(
        "test -f build/ready && sh run.sh",
        &format!("[target]\nsetup = \"{setup}\"\nsetup_inputs = [\"inputs\"]\n[scheduler.parallel]\nnum_workers = 1"),
    );
    let path = night.plan(&unit("one", "echo 2 > inputs; touch ~/wait"));
    let engine = night.begin(&["mission", "start", "--plan", &path]);
    // For the base, for the unit, and for what would land.
    night.until("test $(wc -l < ~/setups) = 3");
    engine.signal("KILL");
    drop(engine);
    night.sh("rm ~/wait");
    night.until("test $(find $RUNS -path '*/.verify/*/setup/exit' | wc -l) = 2");
    night.mc(&["mission", "resume"]).exits(0).says(&["one: landed at"]);
    assert_eq!(verifications(&night), ["baseline cold", "after cold"]);
    assert_eq!(night.sh("wc -l < ~/setups"), "4");
    night.audit();
}

/// Where nothing may stay, nothing is run more often.
#[test]
fn p13_where_nothing_stays_nothing_is_run_twice() {
    let night = night("");
    let plan = [unit("one", &test("p", "mkdir -p build; touch build/z")), unit("two", "echo 2 > two")];
    night.mission(&plan.join("\n")).exits(0).does_not_say(&["without files of earlier runs", "with files of"]);
    assert_eq!(verifications(&night), ["baseline cold", "after cold", "after cold"]);
}

#[test]
fn p1_verify_finds_nothing_of_other_revisions() {
    for keep in ["", "keep = [\"build\"]"] {
        let night = night(keep);
        let branch = |name: &str, run: &str| {
            night
                .sh(&format!("git checkout -qb {name} main; {run}; git add -A; git commit -qm x; git checkout -q main"))
        };
        branch("leaves", &test("p", "mkdir -p build; touch build/z"));
        branch("leans", &test("r", "test -f build/z"));
        night.mc(&["verify", "leaves"]).exits(0);
        night.mc(&["verify", "leans"]).exits(4);
        night.mc(&["verify", "leaves", "--base", "main"]).exits(0);
        night.mc(&["verify", "leans", "--base", "main"]).exits(4);
    }
}

#[test]
fn p1_pipes_and_sockets_that_a_rejected_unit_left_decide_nothing() {
    let night = night("");
    let leaves =
        "mkfifo pipe tests/pipe; python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind(\\\"socket\\\")\"";
    let plan = [
        unit(
            "leaves",
            &format!("git rm -q tests/alpha.sh; printf '%s\\n' '{leaves}' > tests/p.sh; mkfifo of-the-agent"),
        ),
        unit("leans", &test("r", "test -p pipe || test -S socket || test -p tests/pipe")),
        unit("sees-nothing", &test("t", "test ! -e pipe && test ! -e socket && test ! -e tests/pipe")),
        unit("looks", "test ! -e of-the-agent && touch looked"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    assert_eq!([night.unit("leaves"), night.unit("leans")], ["rejected", "rejected"]);
    assert_eq!([night.unit("sees-nothing"), night.unit("looks")], ["landed", "landed"]);
    green_holds(&night);
    night.audit();
}
