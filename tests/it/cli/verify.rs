//! `mc verify` as a person and a CI job use it.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::night::{Night, Said, unit};
use serde_json::{Value, json};

/// A night in which every run of the verification leaves a line in `~/runs`.
fn counted() -> Night {
    let night = Night::new();
    night.settings("echo run >> ~/runs; sh run.sh", "");
    night
}

fn runs(night: &Night) -> usize {
    night.sh("cat ~/runs 2>/dev/null | wc -l").parse().unwrap()
}

fn verify(night: &Night, args: &[&str]) -> Said {
    night.mc(&[&["verify"], args].concat())
}

/// Processes that still sleep somewhere in this night's home.
fn sleepers(night: &Night) -> String {
    night.sh("for d in /proc/[0-9]*; do
           case $(readlink $d/cwd 2>/dev/null) in \"$HOME\"/*) grep -qs '^sleep$' $d/comm && echo $d;; esac
         done; true")
}

#[track_caller]
fn json_of(night: &Night, code: i32, args: &[&str]) -> Value {
    let said = verify(night, &[args, &["--format", "json"]].concat()).exits(code);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_commit_is_verified_without_a_mission_and_once() {
    let night = counted();
    verify(&night, &[]).exits(0).says(&[
        "HEAD at ",
        "passes: 2 passed, 0 failed",
        "verification  passed",
        "read as tap: 2 passed, 0 failed",
    ]);
    let again = json_of(&night, 0, &["HEAD"]);
    assert_eq!((&again["schema"], &again["passes"], &again["rev"]["reused"]), (&json!(1), &json!(true), &json!(true)));
    assert_eq!(runs(&night), 1);
    verify(&night, &[]).says(&["verified before, nothing was run"]);
    // Another commit of the same tree is the same tree.
    night.sh("git commit -q --allow-empty -m empty");
    assert_eq!(json_of(&night, 0, &[])["rev"]["reused"], true);
    assert_eq!(runs(&night), 1);
    let fresh = json_of(&night, 0, &["--fresh"]);
    assert_eq!((&fresh["rev"]["reused"], &fresh["rev"]["runs"]), (&json!(false), &json!(1)));
    assert_eq!(runs(&night), 2);
    // Nothing of the repository was touched.
    assert_eq!(night.sh("git for-each-ref --format='%(refname)'; git status --porcelain"), "refs/heads/main");
}

#[test]
fn p1_files_of_one_run_are_there_for_the_next_only_where_they_may_stay_and_have_landed() {
    let night = Night::new();
    night.write(".gitignore", "left\nmade\n");
    // Each run says whether it finds what an earlier one left; `setup` makes what the stage needs.
    let run =
        "test -e made && { [ ! -e left ] || echo kept >> ~/found; echo ran >> ~/found; touch left; } && sh run.sh";
    night.settings(run, "keep = [\"left\"]\n[target]\nsetup = \"echo setup >> ~/found; touch made\"");
    let found = || night.sh("cat ~/found; rm ~/found");
    let change = |text: &str| {
        night.write("words.txt", text);
        night.commit(text);
    };
    verify(&night, &[]).exits(0);
    assert_eq!(found(), "setup\nran");
    change("one");
    verify(&night, &[]).exits(0);
    assert_eq!(found(), "setup\nran", "nothing has landed yet");
    change("two");
    verify(&night, &["--base", "HEAD^"]).exits(0);
    assert_eq!(found(), "kept\nran", "what the base left may stay");
    verify(&night, &["--fresh", "--base", "HEAD^"]).exits(0);
    assert_eq!(found(), "setup\nran\nsetup\nran", "each of both runs begins anew");
    verify(&night, &["--fresh"]).exits(0);
    assert_eq!(found(), "setup\nran");
    change("three");
    let said = json_of(&night, 0, &[]);
    assert_eq!((found(), &said["rev"]["start"]), ("setup\nran".to_owned(), &json!("cold")));
    // The trees that landed are looked at in the same way.
    night.mission(&unit("a", "echo a > a.txt")).exits(0);
    found();
    for _ in 0..2 {
        night.mc(&["report", "--verify", "--rerun"]).exits(0).says(&["a: its tree verifies again as it did"]);
        assert_eq!(found(), "setup\nran");
    }
    verify(&night, &["mc/green", "--fresh"]).exits(0);
    found();
    night.sh("git merge -q mc/green");
    change("four");
    let said = json_of(&night, 0, &[]);
    assert_eq!((found(), &said["rev"]["start"]), ("kept\nran".to_owned(), &json!("warm")));
    change("five");
    verify(&night, &[]).exits(0);
    assert_eq!(found(), "setup\nran", "four has not landed");
}

#[test]
fn p13_a_changed_variable_or_fingerprint_is_another_environment() {
    let mut night = Night::new();
    let more = "env = [\"FLAVOUR\"]\nfingerprint = [\"cat ~/compiler\"]";
    night.settings("echo \"run $FLAVOUR\" >> ~/runs; sh run.sh", more);
    night.sh("echo 1 > ~/compiler");
    night.var("FLAVOUR", "sweet");
    let key = json_of(&night, 0, &[])["rev"]["key"].clone();
    night.var("FLAVOUR", "sour");
    assert_ne!(json_of(&night, 0, &[])["rev"]["key"], key);
    night.sh("echo 2 > ~/compiler");
    json_of(&night, 0, &[]);
    assert_eq!(night.sh("cat ~/runs"), "run sweet\nrun sour\nrun sour");
    night.forget_vars();
    night.var("FLAVOUR", "sweet");
    night.sh("echo 1 > ~/compiler");
    assert_eq!(json_of(&night, 0, &[])["rev"]["key"], key);
    night.sh("rm ~/compiler");
    verify(&night, &[]).exits(6).says(&["the fingerprint command `cat ", "/compiler`: it failed", "hint: "]);
}

#[test]
fn p1_a_change_is_judged_against_where_it_left_the_base() {
    let night = counted();
    night.write("tests/red.sh", "false\n");
    night.commit("a red test");
    night.sh("git branch left; git switch -qc change");
    night.write("a", "x");
    night.commit("unrelated");
    // The base goes on meanwhile; what it gained is not held against the change.
    night.sh("git switch -q main");
    night.write("tests/gamma.sh", "true\n");
    night.commit("more tests");
    let said = json_of(&night, 0, &["change", "--base", "main"]);
    assert_eq!(said["base"]["merge_base"], true);
    assert_eq!(said["base"]["commit"], night.sh("git rev-parse left"));
    assert_eq!((&said["verdict"], &said["passes"]), (&json!("neutral"), &json!(true)));
    assert_eq!(said["delta"]["still_failing"], json!(["verification: red"]));
    // The red base was confirmed by a second run; the change is no worse, so one run was enough.
    assert_eq!((&said["base"]["runs"], &said["rev"]["runs"], runs(&night)), (&json!(2), &json!(1), 3));
    let said = verify(&night, &["change", "--base", "main", "--fresh"]).exits(0);
    assert_eq!(said.err.lines().count(), 2, "{}", said.err);
    said.says(&[
        "verifying main at ",
        "verifying change at ",
        "(where it left main)",
        "verdict: neutral, may land",
        "1 test failed before this change too (pre-existing): verification: red",
    ]);
    // A base that is contained is taken as it is.
    assert_eq!(json_of(&night, 0, &["change", "--base", "left"])["base"]["merge_base"], false);
    // Alone, a red test is a red test.
    verify(&night, &["change"]).exits(4).says(&["failing\n  verification: red"]);
}

#[test]
fn p1_what_breaks_deletes_or_skips_tests_does_not_pass() {
    let night = Night::new();
    for (name, script, why, list) in [
        ("breaks", "echo false > tests/alpha.sh", "1 test passed before and fails now: verification: alpha", "broken"),
        ("deletes", "git rm -q tests/alpha.sh", "1 test disappeared: verification: alpha", "removed"),
        ("skips", "echo 'echo SKIP' > tests/alpha.sh", "1 test became skipped: verification: alpha", "newly_skipped"),
        ("adds", "echo false > tests/gamma.sh", "1 new test fails: verification: gamma", "new_failing"),
    ] {
        night.sh(&format!("git switch -qc {name} main; {script}"));
        night.commit(name);
        verify(&night, &["--base", "main"]).exits(4).says(&["verdict: hurt, may not land", why]);
        let said = json_of(&night, 4, &["--base", "main"]);
        assert_eq!(said["delta"][list].as_array().unwrap().len(), 1, "{name}: {said}");
        night.sh("git switch -q main");
    }
    verify(&night, &["deletes"]).exits(0);
}

#[test]
fn a_test_that_fails_once_is_run_again_and_called_flaky_with_its_history() {
    let night = Night::new();
    night.write("tests/alpha.sh", "[ -e ~/seen ] || { touch ~/seen; exit 1; }\n");
    night.commit("flaky");
    let said = json_of(&night, 0, &[]);
    assert_eq!(said["rev"]["flaky"], json!(["verification: alpha"]));
    assert_eq!((&said["rev"]["runs"], &said["rev"]["confirmed"]), (&json!(2), &json!(true)));
    let past = &said["history"][0];
    assert_eq!((&past["test"], &past["runs"], &past["failed"]), (&json!("verification: alpha"), &json!(2), &json!(1)));
    assert_eq!(past["forgiven"], 1);
    // Both runs are stored beside what they say together.
    assert_eq!(night.sql("SELECT key FROM snapshots WHERE key LIKE '%/verify-%'").len(), 2);
    night.sh("git switch -qc change");
    night.write("a", "x");
    night.commit("change");
    verify(&night, &["--base", "main"]).exits(0);
    verify(&night, &["main"]).exits(0).says(&[
        "flaky (failed and passed on the same tree)",
        "verification: alpha: flaky: failed in 1 of 2 runs of this tree; other trees: passed in 1; first failure 20",
    ]);
}

#[test]
fn a_test_that_always_fails_in_one_tree_is_not_told_as_flaky() {
    let night = Night::new();
    verify(&night, &[]).exits(0);
    night.sh("git branch good; echo false > tests/alpha.sh");
    night.commit("breaks");
    verify(&night, &[]).exits(4);
    night.write("a", "x");
    night.commit("the next tree");
    let past =
        "failed in 2 of 2 runs of this tree; other trees: passed in 1, failed in 1; first failure in any tree 20";
    let all: [&[&str]; 3] = [&[], &["--format", "github"], &["--format", "junit"]];
    for format in all {
        let said = verify(&night, &[&["--base", "good"], format].concat()).exits(4).says(&[past]);
        said.does_not_say(&["flaky", "forgiven"]);
    }
    let said = verify(&night, &["--base", "good", "--format", "github"]);
    let error = "::error title=Broken test::verification: alpha (failed in 2 of 2 runs of this tree; other trees: ";
    said.says(&[error]);
    let past = json_of(&night, 4, &[])["history"][0].clone();
    assert_eq!(past["this_tree"], json!({"runs": 2, "failed": 2, "flaky": false}));
    assert_eq!(past["other_trees"], json!({"passed": 1, "failed": 1, "flaky": 0}));
}

#[test]
fn a_stored_failure_says_that_it_is_stored_and_where_its_output_is() {
    let night = counted();
    night.sh("git branch good; echo false > tests/alpha.sh");
    night.commit("breaks");
    let places = |said: &Said| said.text().matches("output: /").count();
    let first = verify(&night, &["--base", "good"]).exits(4).does_not_say(&["--fresh"]);
    assert_eq!((places(&first), runs(&night)), (2, 3), "{}", first.text());
    let origin = ["HEAD: verified before, nothing was run: this is the stored result of 20", "`--fresh` runs it again"];
    let again = |format: &[&str]| verify(&night, &[&["--base", "good"], format].concat()).exits(4);
    let text = again(&[]).says(&[&origin[0][6..], origin[1]]);
    assert_eq!(places(&text), 2, "{}", text.text());
    for format in ["junit", "github"] {
        let said = again(&["--format", format]).says(&origin);
        assert_eq!(places(&said), 2, "{}", said.text());
    }
    let said = json_of(&night, 4, &["--base", "good"]);
    let side = &said["rev"];
    assert!(side["stored_at"].as_str().unwrap().starts_with("20") && side["reused"] == true, "{said}");
    assert!(said["notes"][0].as_str().unwrap().starts_with(origin[0]), "{said}");
    let logs = side["stages"][0]["logs"].as_array().unwrap();
    assert!(logs.len() == 2 && logs.iter().all(|log| std::path::Path::new(log.as_str().unwrap()).is_file()), "{said}");
    // They may have been cleared away since, and it says so.
    night.sh("rm -r ../state/runs");
    for format in ["text", "junit", "github"] {
        again(&["--format", format]).says(&["output: not on this disk any more; `--fresh` runs the stage again"]);
    }
    assert_eq!(json_of(&night, 4, &["--base", "good"])["rev"]["stages"][0]["logs"], json!([]));
    // What passes needs no word of it, and a run is no stored result.
    assert_eq!(json_of(&night, 0, &["good"])["notes"], json!([]));
    assert_eq!(runs(&night), 3);
    assert_eq!(json_of(&night, 4, &["--fresh"])["rev"]["stored_at"], Value::Null);
}

#[test]
fn two_forms_of_one_answer_are_a_mistake() {
    let night = counted();
    for format in ["junit", "github"] {
        let said = verify(&night, &["--format", format, "--json"]).exits(2);
        said.says(&["--json and --format name two forms", "hint: leave --json out"]);
    }
    verify(&night, &["--format", "json", "--json"]).exits(0);
    assert_eq!(runs(&night), 1);
}

#[test]
fn tests_that_are_only_counted_are_in_the_json() {
    let night = Night::new();
    night.settings("echo '============ 3 passed in 0.01s ============'", "");
    assert_eq!(json_of(&night, 0, &[])["rev"]["stages"][0]["counted"], 3);
    night.settings("true", "");
    assert_eq!(json_of(&night, 0, &[])["rev"]["stages"][0]["counted"], Value::Null);
}

#[test]
fn without_settings_the_first_hint_is_the_command_that_writes_them() {
    let night = Night::new();
    night.sh("git rm -q mission-control.toml");
    night.commit("no settings");
    let plan = night.plan(&unit("a", "touch a"));
    let commands: [&[&str]; 2] = [&["verify"], &["mission", "start", "--plan", &plan]];
    for command in commands {
        night.mc(command).exits(2).says(&["`target.verification.command` is not set", "\nhint: `mc init` "]);
    }
    // Settings that are wrong in another way are not for it to mend.
    night.settings("true", "timeuot = 1");
    night.mc(&["verify"]).exits(2).says(&["did you mean"]).does_not_say(&["mc init"]);
}

#[test]
fn p7_what_could_not_run_never_passes() {
    for (command, timeout, why) in [
        ("./missing.sh", 60, "exit code 127: command not found"),
        ("exec sleep 60", 1, "timeout after 1 s (`timeout` of the stage, or target.verification.timeout)"),
        ("kill -KILL $$", 60, "ended by signal 9"),
    ] {
        let night = Night::new();
        night.settings(command, &format!("timeout = {timeout}"));
        let said = json_of(&night, 4, &[]);
        assert_eq!(said["rev"]["outcome"], "not-run");
        assert_eq!(said["rev"]["stages"][0]["why"], why);
        verify(&night, &[]).exits(4).says(&["not run", why]);
    }
    let night = Night::new();
    night.settings("true", "[target]\nsetup = \"echo no network; exit 3\"");
    verify(&night, &[]).exits(6).says(&["target.setup", "(exit 3): no network"]);
    verify(&night, &["nonsense"]).exits(2).says(&["`nonsense` names no commit"]);
}

#[test]
fn a_stage_without_tests_says_how_to_see_them_and_what_it_printed() {
    let night = Night::new();
    night.settings("echo looks good", "");
    verify(&night, &[]).exits(0).says(&["exit code only: name a format or reports to see tests"]);
    // What counts its tests needs no other format but other words of its runner.
    night.settings("printf '============================= test session starts ==============================\\ncollected 2 items\\n\\ntest_a.py ..                                                             [100%%]\\n\\n============================== 2 passed in 0.01s ===============================\\n'", "");
    let told = "exit code and a count: 2 tests passed and none is named; let the runner name each test";
    verify(&night, &[]).exits(0).says(&[told]);
    night.settings("printf 'it is \\033[31mred\\n'; exit 3", "");
    verify(&night, &[]).exits(4).says(&["exit code 3", "| it is red", "output: "]);
    // Red before and after by exit code only: nothing to judge.
    night.sh("git switch -qc change");
    night.write("a", "x");
    night.commit("change");
    verify(&night, &["--base", "main"]).exits(4).says(&["nothing to judge"]);
}

#[test]
fn p6_a_dirty_tree_is_left_as_it_is_and_out() {
    let night = Night::new();
    night.write("tests/alpha.sh", "false\n");
    verify(&night, &[]).exits(0).says(&["note: edits that are not committed are left out: tests/alpha.sh"]);
    assert_eq!(night.sh("git status --porcelain"), " M tests/alpha.sh");
    night.sh("git stash -q; git checkout -q --detach");
    verify(&night, &[]).exits(0).does_not_say(&["left out"]);
}

#[test]
fn a_checkout_of_ci_is_enough() {
    let mut night = counted();
    night.sh("git switch -qc change");
    night.write("tests/alpha.sh", "false\n");
    night.commit("breaks");
    // No identity, shallow, detached, and the base branch only as a remote one.
    night.sh("git config --global --unset-all user.name; git config --global --unset-all user.email");
    let clone = |depth: u32| {
        format!(
            "rm -rf ../ci; git clone -q --depth {depth} --no-single-branch \"file://$PWD\" ../ci; cd ../ci; git checkout -q --detach"
        )
    };
    night.sh(&clone(2));
    let ci = night.home().join("ci");
    let ci = ci.to_str().unwrap();
    night.var("CI", "true");
    let verify = |args: &[&str]| night.mc(&[&["-C", ci, "verify"], args].concat());
    verify(&[]).exits(4).says(&["verification: alpha"]);
    verify(&["--base", "origin/main"]).exits(4).says(&["1 test passed before and fails now: verification: alpha"]);
    verify(&["HEAD^", "--base", "origin/main"]).exits(0);
    night.sh(&clone(1));
    verify(&["--base", "origin/main"]).exits(6).says(&["cut off", "git fetch --deepen"]);
    // Looking at it and freeing its disk space works there too.
    night.mc(&["-C", ci, "pool", "list"]).exits(0).says(&["slot 0", "verify"]);
    night.mc(&["-C", ci, "pool", "prune"]).exits(0).says(&["2 workspaces deleted"]);
    night.sh("git -C ../ci status --porcelain | { ! grep .; }");
    // A clone without all objects cannot be verified, and it says what helps.
    night.sh("git config uploadpack.allowFilter true; git clone -q --filter=blob:none \"file://$PWD\" ../partial");
    let partial = night.home().join("partial");
    night
        .mc(&["-C", partial.to_str().unwrap(), "verify", "--fresh"])
        .exits(6)
        .says(&["git fetch --refetch --no-filter"]);
    // A linked work tree has a HEAD of its own.
    night.sh("git worktree add -q --detach ../linked main");
    let linked = night.home().join("linked");
    night.mc(&["-C", linked.to_str().unwrap(), "verify"]).exits(0);
}

#[test]
fn p13_a_state_directory_may_be_carried_to_another_place() {
    let mut night = counted();
    verify(&night, &[]).exits(0);
    night.sh("cp -R ../state ../elsewhere; rm -rf ../elsewhere/runs ../elsewhere/pool; git clone -q . ../other");
    let elsewhere = night.home().join("elsewhere");
    night.var("MC_STATE_DIR", elsewhere.to_str().unwrap());
    let other = night.home().join("other");
    let said = night.mc(&["-C", other.to_str().unwrap(), "verify"]).exits(0);
    said.says(&["verified before, nothing was run"]);
    assert_eq!(runs(&night), 1);
}

#[test]
fn p5_after_an_interrupt_nobody_lives_and_the_next_call_works() {
    let night = Night::new();
    night.settings("echo $$ > ~/here; sleep 600 & setsid sleep 600 & [ -e ~/quick ] || sleep 600; sh run.sh", "");
    for signal in ["INT", "TERM"] {
        let running = night.begin(&["verify"]);
        night.until("[ -s ~/here ]");
        running.signal(signal);
        running.wait().exits(130).says(&["interrupted"]);
        assert_eq!(sleepers(&night), "", "{signal}");
        assert_eq!(night.sh("ls ../state/pool/verify | grep -c dirty || true"), "0");
        night.sh("rm ~/here");
    }
    night.sh("touch ~/quick");
    verify(&night, &[]).exits(0);
    // A command of the fingerprint is ended too.
    night.settings("sh run.sh", "fingerprint = [\"touch ~/asked; sleep 600 & sleep 600\"]");
    let running = night.begin(&["verify"]);
    night.until("[ -e ~/asked ]");
    running.signal("INT");
    running.wait().exits(130);
    // They are killed as a group, and gone when the system has got round to it.
    let start = std::time::Instant::now();
    while !sleepers(&night).is_empty() {
        assert!(start.elapsed().as_secs() < 20, "{}", sleepers(&night));
    }
}

#[test]
fn p5_what_a_killed_verification_left_running_is_ended_by_the_next_one() {
    let night = Night::new();
    night.settings("[ -e ~/here ] || { echo $$ > ~/here; sleep 600; }; sh run.sh", "");
    let running = night.begin(&["verify"]);
    night.until("[ -s ~/here ]");
    running.signal("KILL");
    running.wait();
    assert_ne!(sleepers(&night), "");
    verify(&night, &[]).exits(0);
    assert_eq!(sleepers(&night), "");
}

#[test]
fn two_verifications_at_once_do_not_wait_for_each_other() {
    let night = Night::new();
    let meet = "echo x >> ~/here; until [ $(wc -l < ~/here) -ge 2 ]; do sleep 0.02; done; sh run.sh";
    night.settings(meet, "timeout = 20");
    let first = night.begin(&["verify"]);
    night.write("a", "x");
    night.sh("until [ -e ~/here ]; do sleep 0.02; done");
    night.commit("another tree");
    verify(&night, &[]).exits(0);
    first.wait().exits(0);
    assert_eq!(night.sh("ls ../state/pool/verify | grep -c '^slot-[0-9]*$'"), "2");
}

#[test]
fn a_mission_may_run_beside_it() {
    let night = Night::new();
    let plan = night.plan(&unit("slow", "until [ -e ~/go ]; do sleep 0.05; done; touch a"));
    let mission = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("git rev-parse -q --verify mc/green");
    // Green's tree was verified by the mission just now.
    let green = json_of(&night, 0, &["mc/green"])["rev"].clone();
    assert_eq!((&green["reused"], green["stages"][0]["logs"].as_array().unwrap().len()), (&json!(true), 1), "{green}");
    night.sh("git switch -qc other");
    night.write("b", "x");
    night.commit("other");
    assert_eq!(json_of(&night, 0, &[])["rev"]["reused"], false);
    night.sh("touch ~/go");
    mission.wait().exits(0);
    night.audit();
}

#[test]
fn p12_hostile_names_reach_no_runner_and_no_parser() {
    let night = Night::new();
    let names = "printf '1..2\\nnot ok 1 - ::error::x%%0Ay \\033[31m<b a=\"1\">&\\n::add-mask::z\\nok 2 - ##[group]\\n'; exit 1";
    night.settings(names, "");
    let github = verify(&night, &["--format", "github"]).exits(4);
    let (_, commands) = github.out.split_once("\nHEAD fails: 1 passed, 1 failed\n::").unwrap();
    let error = "::error title=Fails::verification: ::error::x%250Ay <b a=\"1\">&";
    assert!(commands.lines().nth(1).unwrap().starts_with(error), "{commands}");
    assert!(!commands.contains("add-mask") && !commands.contains("##["), "{commands}");
    let junit = verify(&night, &["--format", "junit"]).exits(4);
    let case = "name=\"::error::x%0Ay &lt;b a=&quot;1&quot;&gt;&amp;\"><failure message=\"failed; stage verification: exit code 1\">";
    assert!(junit.out.contains(case), "{}", junit.out);
    assert!(junit.err.contains("HEAD fails: 1 passed, 1 failed"), "{}", junit.err);
}
