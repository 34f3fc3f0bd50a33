//! What a person and the next attempt are told of a failure: the words of the tests that fail newly, and of the stage in the way.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use crate::support::night::Night;

/// 801 tests in TAP, as a file of the tree; number 600 fails where the sum is wrong, and number 801 has a word of failure in its name.
const SUMS: &str = r#"
echo 1..801
for n in $(seq 1 800); do
  if [ $n = 600 ] && [ "$(cat sum)" != 3 ]; then echo "not ok 600 sum 600 should be right"; echo "  sum is $(cat sum), not 3"; bad=1
  else echo "ok $n sum $n should be right"; fi
  if [ $n = 100 ]; then echo "ok 801 it should assert its input"; fi
done
exit ${bad:-0}
"#;

#[test]
fn p11_the_words_of_the_failing_test_are_shown_everywhere_and_no_others() {
    let night = Night::new();
    night.write("sums.sh", SUMS);
    night.write("sum", "3\n");
    night.settings(
        "sh sums.sh",
        "[agent]\ncommand = \"cat > ~/brief; echo 4 > sum; echo '{\\\"status\\\":\\\"completed\\\"}' > $MC_RESULT\"\n",
    );
    night.mission("[[unit]]\nid = \"brk\"\ntitle = \"break\"\nattempts = 2\n").exits(3);
    let words = ["sum is 4, not 3", "not ok 600 sum 600 should be right"];
    let others = ["should assert its input", "ok 101 sum 101"];
    night.mc(&["report"]).says(&words).does_not_say(&others);
    night.mc(&["report", "--format", "md"]).says(&words).does_not_say(&others);
    night.mc(&["unit", "show", "brk"]).says(&words).does_not_say(&others);
    let brief = std::fs::read_to_string(night.home().join("brief")).unwrap();
    assert!(
        words.iter().all(|word| brief.contains(word)) && !others.iter().any(|other| brief.contains(other)),
        "{brief}"
    );
    night.mc(&["unit", "log", "brk", "--verification"]).says(&words).says(&others).says(&["verification 3, stage 1: "]);
    assert_eq!(
        night.mc(&["unit", "log", "brk", "--verification", "--attempt", "1"]).out.matches("sum is 4").count(),
        2
    );
    night.mc(&["unit", "log", "brk", "--verification", "--attempt", "7"]).exits(0).says(&["no verification of brk"]);
    night.sh("git branch base; echo 5 > sum; git commit -qam five");
    night.mc(&["verify", "--base", "base"]).exits(4).says(&["sum is 5, not 3"]).does_not_say(&others);
    night.mc(&["verify", "--base", "base", "--format", "junit"]).says(&["sum is 5, not 3"]);
}

#[test]
fn on_a_red_base_what_is_new_is_told_before_what_is_old() {
    let night = Night::new();
    let runner = "echo 1..3; bad=0; for t in old a b; do if [ -e ok/$t ]; then echo ok - $t; else echo not ok - $t; echo \"# $t misses\"; bad=1; fi; done; exit $bad";
    night.write("ok/a", "");
    night.write("ok/b", "");
    night.settings(runner, "");
    night.mission("[[unit]]\nid = \"brk\"\ntitle = \"break\"\nattempts = 1\nrun = \"git rm -q ok/a\"\n").exits(3);
    for page in [&["report"][..], &["unit", "show", "brk"]] {
        night.mc(page).says(&["a misses"]).does_not_say(&["old misses"]);
    }
}

/// Of a Go module: the log of another test has words of failure.
#[test]
fn p11_a_go_test_is_quoted_from_its_own_lines() {
    let night = Night::new();
    let mut output = "=== RUN   TestAdd\n    a_test.go:6: the sum is -1\n--- FAIL: TestAdd (0.00s)\n".to_owned();
    for n in 0..150 {
        let log = format!("    a_test.go:10: Expected: {n}\n    a_test.go:10: Actual:   {n}\n");
        output.push_str(&format!("=== RUN   TestTable{n}\n{log}--- PASS: TestTable{n} (0.00s)\n"));
    }
    output.push_str("FAIL\nFAIL\texample.com/demo\t0.01s\nFAIL\n");
    night.write("out", output);
    night.settings("cat out; exit 1", "");
    night
        .mc(&["verify"])
        .exits(4)
        .says(&["TestAdd\n    |     a_test.go:6: the sum is -1"])
        .does_not_say(&["Expected:"]);
}

#[test]
fn the_stage_in_the_way_is_named_with_its_own_output() {
    let night = Night::new();
    night.write(
        "mission-control.toml",
        "[[target.verification.stage]]\nname = \"tests\"\nrun = \"echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1\"\n\
         [[target.verification.stage]]\nname = \"types\"\nrun = \"echo cannot find mypy: install it; exit 2\"\nkind = \"types\"\n",
    );
    night.commit("settings");
    let refused = night.mission("[[unit]]\nid = \"one\"\ntitle = \"one\"\nrun = \"echo 1 > 1\"\n").exits(6);
    refused.says(&["types: exit code 2", "cannot find mypy: install it"]).does_not_say(&["tests: exit code 1"]);
    night.mc(&["doctor", "--baseline"]).says(&["types: exit code 2", "cannot find mypy: install it"]);
    // Of a change too.
    night.write("mission-control.toml", "[[target.verification.stage]]\nname = \"tests\"\nrun = \"echo 1..1; echo ok 1 - a\"\n\
         [[target.verification.stage]]\nname = \"types\"\nrun = \"test -e typed || { echo typed is missing; exit 2; }\"\nkind = \"types\"\n");
    night.write("typed", "");
    night.commit("mend");
    night.mission("[[unit]]\nid = \"two\"\ntitle = \"two\"\nattempts = 1\nrun = \"git rm -q typed\"\n").exits(3);
    for page in [&["report"][..], &["unit", "show", "two"]] {
        night.mc(page).says(&["types: exit code 2", "typed is missing"]);
    }
}

/// Who lands a change of tests is told so, where a person looks at what landed.
#[test]
fn p8_a_landing_that_edits_existing_tests_is_named() {
    let night = Night::new();
    let unit = |id: &str, run: &str| format!("[[unit]]\nid = \"{id}\"\ntitle = \"{id}\"\nrun = \"{run}\"\n");
    let plan = [
        unit("edits", "echo 'test -e alpha || true' > tests/alpha.sh"),
        unit("adds", "echo true > tests/gamma.sh; echo new > notes"),
        unit("works", "echo 1 > source; echo 2 >> run.sh"),
    ];
    night.mission(&plan.concat()).exits(0);
    let told = "it edits existing tests: tests/alpha.sh";
    let report = night.report();
    assert_eq!(report.matches("edits existing tests").count(), 1, "{report}");
    assert!(report.contains(told), "{report}");
    night.mc(&["report", "--format", "md"]).says(&[told]);
    night.mc(&["unit", "show", "edits"]).says(&[told]);
    for other in ["adds", "works"] {
        night.mc(&["unit", "show", other]).does_not_say(&["existing tests"]);
    }
    night.mc(&["report", "--verify"]).exits(0);
}
