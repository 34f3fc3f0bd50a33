//! The gate from the outside: what verification lets land, what it refuses, and that it runs no more often than needed.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::night::{Night, unit};
use serde_json::json;

/// Verification runs of the newest mission: (run, reused).
fn runs(night: &Night) -> (u64, u64) {
    let of = &night.status()["verifications"];
    (of["run"].as_u64().unwrap(), of["reused"].as_u64().unwrap())
}

/// Units of one mission that each make something worse, none of which may land.
#[test]
fn p1_what_deletes_skips_breaks_or_empties_is_rejected_with_the_reason() {
    let night = Night::new();
    night.write("tests/red.sh", "false\n");
    night.commit("a red test");
    let before = night.sh("git rev-parse main");
    let plan = [
        unit("deletes", "git rm -q tests/alpha.sh"),
        unit("skips", "echo 'echo SKIP' > tests/alpha.sh"),
        unit("swaps", "echo false > tests/alpha.sh; echo true > tests/red.sh"),
        unit("empties", "echo 'exit 0' > run.sh"),
        unit("removes-runner", "git rm -q run.sh"),
        unit("cannot-run", "echo 'exit 127' >> run.sh; sed -i '/^exit .bad/d' run.sh"),
        unit("killed", "echo 'kill -KILL $$' >> run.sh; sed -i '/^exit .bad/d' run.sh"),
        unit("adds-red", "echo false > tests/gamma.sh"),
        unit("renames", "git mv tests/alpha.sh tests/other.sh"),
    ];
    night.mission(&plan.join("\n")).exits(3).says(&["rejected"]);
    for (id, why) in [
        ("deletes", "1 test disappeared: verification: alpha"),
        ("skips", "1 test became skipped: verification: alpha"),
        ("swaps", "1 test passed before and fails now: verification: alpha"),
        ("empties", "3 tests disappeared"),
        ("removes-runner", "3 tests disappeared"),
        ("cannot-run", "could not run, which never counts as passed"),
        ("killed", "could not run, which never counts as passed"),
        ("adds-red", "1 new test fails: verification: gamma"),
        ("renames", "1 test disappeared: verification: alpha"),
    ] {
        assert_eq!(night.unit(id), "rejected", "{id}");
        let reason = night.reason(id);
        assert!(reason.contains(why), "{id}: {reason}");
    }
    assert_eq!(night.sh("git rev-parse mc/green"), before);
    // What was refused is kept.
    assert_eq!(night.sh("git for-each-ref refs/mc/attempts | wc -l"), "9");
    night.audit();
}

#[test]
fn p1_an_exit_code_alone_is_judged_too() {
    let night = Night::new();
    night.settings("sh run.sh >/dev/null", "");
    night.mission(&[unit("good", "echo 1 > a"), unit("bad", "echo false > tests/alpha.sh")].join("\n")).exits(3);
    assert_eq!(night.unit("good"), "landed");
    assert_eq!(night.unit("bad"), "rejected");
    let reason = night.reason("bad");
    assert!(reason.contains("passed before"), "{reason}");
    night.green_verifies("sh run.sh");
    night.audit();
}

#[test]
fn p7_verification_that_cannot_run_on_the_base_is_refused() {
    for command in ["./missing.sh", "./run.sh", "kill -KILL $$", "exec sleep 60"] {
        let night = Night::new();
        night.settings(command, "timeout = 1");
        night.mission(&unit("a", "touch a")).exits(6).says(&[
            "could not run",
            "next: run the verification",
            "fresh clone",
        ]);
        assert!(!night.holds("git rev-parse -q --verify mc/green"), "{command}");
        assert_eq!(night.status()["mission"]["outcome"], "refused");
    }
}

#[test]
fn p7_a_red_base_without_tests_told_apart_is_refused() {
    let night = Night::new();
    night.settings("echo something is wrong; exit 1", "");
    night.mission(&unit("a", "touch a")).exits(6).says(&["no per-test results", "something is wrong"]);
    assert!(!night.holds("git rev-parse -q --verify mc/green"));
}

#[test]
fn p7_a_red_base_is_refused_under_the_gate_pass() {
    let night = Night::new();
    night.write("tests/red.sh", "false\n");
    night.settings("sh run.sh", "[queue]\ngate = \"pass\"");
    night.mission(&unit("a", "touch a")).exits(6).says(&["the gate is `pass`", "red", "next: "]);
    assert!(!night.holds("git rev-parse -q --verify mc/green"));
}

#[test]
fn p1_on_a_red_base_unrelated_work_lands_and_the_red_tests_are_named() {
    let night = Night::new();
    night.write("tests/red.sh", "false\n");
    night.commit("a red test");
    let mends = format!("{}depends = [\"other\"]\n", unit("mends", "echo true > tests/red.sh"));
    night.mission(&[unit("other", "touch a"), mends].join("\n")).exits(0);
    assert_eq!(night.unit("other"), "landed");
    let report = night.report();
    let named = report.lines().find(|l| l.starts_with("red before and after")).unwrap_or_default();
    assert!(named.contains("verification: red"), "{report}");
    night.green_verifies("! sh run.sh | grep '^not ok' | grep -v ' red$'");
    night.audit();
}

#[test]
fn p1_a_test_that_is_flaky_on_the_base_is_named_and_blames_nobody() {
    let night = Night::new();
    night.write("tests/alpha.sh", "[ -e ~/seen ] || { touch ~/seen; exit 1; }\n");
    night.commit("flaky");
    night.mission(&unit("a", "touch a")).exits(0);
    assert_eq!(night.unit("a"), "landed");
    assert!(night.report().contains("flaky (failed and passed on the same tree): verification: alpha"));
    // The base twice, the candidate once.
    assert_eq!(runs(&night), (3, 0));
}

#[test]
fn p1_a_test_that_fails_once_in_a_candidate_is_run_again_before_anyone_is_blamed() {
    let night = Night::new();
    night.write("tests/alpha.sh", "[ ! -e a ] || [ -e ~/seen ] || { touch ~/seen; exit 1; }\n");
    night.commit("flaky");
    night.mission(&unit("a", "touch a")).exits(0);
    assert_eq!(night.unit("a"), "landed");
    assert_eq!(night.unit_json("a")["attempts"], 1);
    assert!(night.report().contains("flaky (failed and passed on the same tree): verification: alpha"));
    assert_eq!(runs(&night), (3, 0));
    // The whole of each run is stored beside what they say together.
    let of_candidate = night.sql(
        "SELECT group_concat(json_extract(body, '$.stages[0].exit.code')) FROM snapshots WHERE key LIKE '%/%' GROUP BY tree HAVING count(*) = 2",
    );
    assert_eq!(of_candidate.len(), 1, "{of_candidate:?}");
}

#[test]
fn p1_tests_may_go_where_the_unit_says_so() {
    let night = Night::new();
    let gone = format!("{}allow-removed-tests = true\n", unit("gone", "git rm -q tests/alpha.sh"));
    let broken = format!(
        "{}allow-removed-tests = true\n",
        unit("broken", "git rm -q tests/alpha.sh; echo false > tests/beta.sh")
    );
    night.mission(&[gone, broken].join("\n")).exits(3);
    assert_eq!(night.unit("gone"), "landed");
    assert_eq!(night.unit("broken"), "rejected");
    assert!(night.reason("broken").contains("passed before and fails now: verification: beta"));
}

#[test]
fn p13_n_landings_cost_one_verification_each_and_the_base() {
    let night = Night::new();
    night.settings("echo run >> ~/runs; sh run.sh", "");
    let plan: Vec<String> = (1..=5).map(|n| unit(&format!("u{n}"), &format!("echo {n} > f{n}"))).collect();
    night.mission(&plan.join("\n")).exits(0);
    assert_eq!(runs(&night).0, 6);
    assert_eq!(night.sh("wc -l < ~/runs"), "6");
    assert_eq!(night.sh("git rev-list --first-parent --count main..mc/green"), "5");
    night.green_verifies("sh run.sh");
    // A second mission starts on a tree that is known.
    night.mission(&unit("v1", "echo 1 > g1")).exits(0);
    assert_eq!(night.sh("wc -l < ~/runs"), "7");
    night.audit();
}

#[test]
fn p1_two_changes_that_only_fail_together_do_not_both_land() {
    let night = Night::new();
    night.write("tests/both.sh", "! { [ -e a ] && [ -e b ]; }\n");
    night.commit("a and b do not go together");
    night.mission(&[unit("a", "touch a"), unit("b", "touch b")].join("\n")).exits(3);
    let mut states = [night.unit("a"), night.unit("b")];
    states.sort();
    assert_eq!(states, ["landed", "rejected"]);
    night.green_verifies("sh run.sh");
}

#[test]
fn p1_the_exact_tree_that_lands_was_verified() {
    let night = Night::new();
    night.settings("git rev-parse 'HEAD^{tree}' >> ~/trees; sh run.sh", "");
    night.mission(&[unit("a", "touch a"), unit("b", "touch b"), unit("c", "echo false > tests/alpha.sh")].join("\n"));
    let verified = night.sh("cat ~/trees");
    for line in night
        .sh("git log --first-parent --format='%T %(trailers:key=Mc-Verified-Tree,valueonly,separator=)' main..mc/green")
        .lines()
    {
        let (tree, said) = line.split_once(' ').unwrap();
        assert_eq!(tree, said);
        assert!(verified.contains(tree), "{tree} landed and was never verified");
    }
    assert_eq!(night.status()["green"]["commit"], json!(night.sh("git rev-parse mc/green")));
}

#[test]
fn p1_a_verification_that_writes_into_its_workspace_does_not_change_what_lands() {
    let night = Night::new();
    night.settings("echo made > made; echo changed > tests/alpha.sh.tmp; sh run.sh", "");
    night.mission(&[unit("a", "touch a"), unit("b", "touch b")].join("\n")).exits(0);
    assert_eq!(night.sh("git diff --name-only main mc/green"), "a\nb");
}

#[test]
fn p7_a_base_that_verifies_by_ignored_left_overs_only_is_no_base() {
    let night = Night::new();
    // Passes on a person's machine where build output lies about; a fresh clone has none.
    night.write(".gitignore", "built\n");
    night.write("tests/alpha.sh", "[ -e built ]\n");
    night.settings("sh run.sh >/dev/null", "");
    night.write("built", "");
    assert!(night.holds("sh run.sh"));
    night.mission(&unit("a", "touch a")).exits(6).says(&["does not verify"]);
}

#[test]
fn p9_a_unit_does_not_change_the_settings_unless_they_allow_it_and_is_named_when_it_does() {
    let night = Night::new();
    let weaken = unit("weaken", "sed -i 's/^command = .*/command = \"true\"/' mission-control.toml");
    night.mission(&weaken).exits(3);
    assert_eq!(night.unit("weaken"), "rejected");
    assert!(night.reason("weaken").contains("keeps as they are: mission-control.toml"), "{}", night.reason("weaken"));
    night.settings("cd . && sh ./run.sh", "protect = []");
    let told = |file: &str| format!("it changes what decides how changes are verified: {file}");
    for (plan, file) in [(weaken, "mission-control.toml"), (unit("script", "echo '# x' >> run.sh"), "run.sh")] {
        night.mission(&plan).exits(0).says(&[&told(file)]);
        let needs = format!("{:?}", night.status()["needs_you"]);
        assert!(needs.contains(&told(file)) && needs.contains("before you take green"), "{needs}");
        for format in ["text", "md", "json"] {
            night.mc(&["report", "--format", format]).says(&[&told(file)]);
        }
    }
}

#[test]
fn a_script_that_makes_a_refused_change_again_is_not_run_a_third_time() {
    let night = Night::new();
    night.settings("echo run >> ~/verified; sh run.sh", "");
    let three = |id: &str, run: &str| unit(id, run).replace("attempts = 1", "attempts = 3");
    // The second one would pass with its third change.
    let counts = "echo x >> ~/counted; [ $(wc -l < ~/counted) = 3 ] || echo \"false $(wc -l < ~/counted)\" > tests/new.sh; touch made";
    let plan = [three("same", "echo x >> ~/same; rm tests/beta.sh"), three("other", counts)];
    night.mission(&plan.join("\n")).exits(3);
    assert_eq!([night.unit("same"), night.unit("other")], ["rejected", "landed"]);
    assert_eq!(night.sh("wc -l < ~/same; wc -l < ~/counted"), "2\n3");
    let reason = night.reason("same");
    assert!(reason.contains("beta") && reason.contains("made the same change again, on the same green"), "{reason}");
    // The base, and each tree that was refused, twice; what landed once.
    let verified: usize = night.sh("wc -l < ~/verified").parse().unwrap();
    assert!(verified <= 10, "{verified} verifications");
    night.audit();
    assert_eq!(night.ask_oracle(), Vec::<String>::new());
}
