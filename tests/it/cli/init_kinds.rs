//! `mc init`, a plan and a mission on kinds of repositories with their real tools: packages two levels down, Perl, scripts.

use crate::support::night::{Night, unit};

/// A repository with these files.
fn repository(files: &[(&str, &str)]) -> Night {
    let night = Night::empty();
    for (path, text) in files {
        night.write(path, text);
    }
    night.commit("first");
    night
}

/// A test of unittest, which comes with Python.
const UNITTEST: &str =
    "import unittest\nimport pNAME\nclass T(unittest.TestCase):\n    def test_NAME(self):\n        SAYS\n";

fn python_test(name: &str, says: &str) -> String {
    UNITTEST.replace("NAME", name).replace("SAYS", says)
}

#[test]
fn packages_two_levels_down_have_a_stage_each_and_are_judged_together() {
    let (a, b) = (python_test("a", "self.assertTrue(pa.X)"), python_test("b", "self.assertEqual(pb.Y, 1)"));
    let night = repository(&[
        ("packages/a/pyproject.toml", "[project]\nname = \"pa\"\n"),
        ("packages/a/src/pa/__init__.py", "X = 1\n"),
        ("packages/a/tests/test_a.py", &a),
        ("packages/b/pyproject.toml", "[project]\nname = \"pb\"\n"),
        ("packages/b/src/pb/__init__.py", "import pa\nY = pa.X\n"),
        ("packages/b/tests/test_b.py", &b),
        (".gitignore", "__pycache__/\n"),
    ]);
    night.mc(&["init", "--agent", "true"]).exits(0).says(&[
        "packages-a-tests: passes: 1 passed",
        "packages-b-tests: passes: 1 passed",
        "baseline  passes: 2 passed, 0 failed",
    ]);
    let text = night.sh("cat mission-control.toml");
    let line =
        "run = \"cd ./packages/b && PYTHONPATH=src:../../packages/a/src python3 -m unittest discover -v -s tests\"";
    assert!(text.contains(line), "{text}");
    night.commit("settings");
    let plan = [
        unit("breaks-b", "echo X = 2 > packages/a/src/pa/__init__.py"),
        unit("deletes", "rm packages/b/tests/test_b.py"),
        unit("good", "echo Z = 3 >> packages/a/src/pa/__init__.py"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    assert_eq!(["breaks-b", "deletes", "good"].map(|id| night.unit(id)), ["rejected", "rejected", "landed"]);
    assert!(night.reason("breaks-b").contains("test_b"), "{}", night.reason("breaks-b"));
    night.audit();
    assert_eq!(night.ask_oracle(), Vec::<String>::new());
}

#[test]
fn perl_is_tested_by_prove_and_every_test_of_a_file_is_known() {
    let night = repository(&[
        ("Makefile.PL", "use ExtUtils::MakeMaker; WriteMakefile(NAME => 'Sum');\n"),
        ("lib/Sum.pm", "package Sum; sub sum { $_[0] + $_[1] } 1;\n"),
        (
            "t/sum.t",
            "use Test::More tests => 2; use Sum;\nis(Sum::sum(1, 2), 3, 'adds');\nis(Sum::sum(0, 0), 0, 'nothing');\n",
        ),
        ("t/more/deep.t", "use Test::More tests => 1; use Sum;\nok(Sum->can('sum'));\n"),
    ]);
    assert!(night.holds("command -v prove"), "these tests need perl with prove");
    night.mc(&["init", "--agent", "true"]).exits(0).says(&["found     Perl", "baseline  passes: 3 passed, 0 failed"]);
    let text = night.sh("cat mission-control.toml");
    assert!(text.contains("run = \"prove -lrv t\"\nformat = \"tap\""), "{text}");
    night.commit("settings");
    let plan = [
        unit("breaks", "sed -i 's/ + / - /' lib/Sum.pm"),
        unit("deletes-one", "sed -i '/nothing/d; s/tests => 2/tests => 1/' t/sum.t"),
        unit("deletes-file", "rm t/more/deep.t"),
        unit("good", "echo '=head1 NAME' >> lib/Sum.pm"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    let states = ["breaks", "deletes-one", "deletes-file", "good"].map(|id| night.unit(id));
    assert_eq!(states, ["rejected", "rejected", "rejected", "landed"]);
    for (id, names) in
        [("breaks", "t/sum.t: adds"), ("deletes-one", "t/sum.t: nothing"), ("deletes-file", "t/more/deep.t")]
    {
        assert!(night.reason(id).contains(names), "{}", night.reason(id));
    }
    night
        .mc(&["doctor", "--gate"])
        .exits(0)
        .says(&["refuses the test file t/", "refuses lib/Sum.pm filled with garbage"]);
    night.audit();
    assert_eq!(night.ask_oracle(), Vec::<String>::new());
}

#[test]
fn a_script_that_tests_is_proposed_where_nothing_else_is_and_said_to_tell_its_exit_code_only() {
    let told =
        "run-tests.sh says whether all is well by its exit code: tests that disappear or are skipped go unseen, unless";
    let night = repository(&[("run-tests.sh", "test -e good\n"), ("good", "")]);
    night.mc(&["init", "--dry-run"]).exits(0).says(&[told, "run = \"sh run-tests.sh\""]);
    night.mc(&["init", "--agent", "true"]).exits(0).says(&["baseline  passes", "tells its exit code only"]);
    night.commit("settings");
    night.mission(&[unit("breaks", "rm good"), unit("good", "touch fine")].join("\n")).exits(3);
    assert_eq!(["breaks", "good"].map(|id| night.unit(id)), ["rejected", "landed"]);
    night.audit();
    assert_eq!(night.ask_oracle(), Vec::<String>::new());
    // What is executable is started as it is, by whatever its first line says; what names its tests is told apart.
    let night = repository(&[("tests/run", "#!/bin/sh\necho 1..1; echo 'ok 1 - one'\n")]);
    night.sh("chmod +x tests/run && git commit -qam mode");
    night.mc(&["init"]).exits(0).says(&["passes: 1 passed"]);
    // Not executable, of an interpreter that is named.
    let night = repository(&[("scripts/test", "#!/usr/bin/env bash\n[[ -e scripts/test ]]\n")]);
    night.mc(&["init", "--dry-run"]).exits(0).says(&["run = \"bash scripts/test\""]);
    // What tests by itself needs no script.
    let night = repository(&[("t/a.t", "print \"1..1\\nok 1\\n\";"), ("test.sh", "prove t\n")]);
    night.mc(&["init", "--dry-run"]).exits(0).says(&["prove -lrv t"]).does_not_say(&["test.sh"]);
}

#[test]
fn an_environment_that_is_not_active_is_tried_as_if_it_were_and_named_until_it_is() {
    let test = "import unittest\nimport helper, pa\nclass T(unittest.TestCase):\n    def test_a(self):\n        \
                self.assertEqual(helper.ONE, pa.X)\n";
    let mut night = repository(&[
        ("pyproject.toml", "[project]\nname = \"pa\"\n"),
        ("src/pa/__init__.py", "X = 1\n"),
        ("tests/test_a.py", test),
        (".gitignore", ".venv/\n__pycache__/\n"),
    ]);
    // Installed: another package, and this one from its checkout.
    night.sh("python3 -m venv --without-pip .venv; cd .venv/lib/python3*/site-packages; echo ONE = 1 > helper.py; echo $HOME/repo/src > pa.pth");
    let helps = "`. .venv/bin/activate`";
    night.mc(&["init", "--agent", "true"]).exits(0).says(&[
        "baseline  passes: 1 passed, 0 failed",
        ".venv is not active in this shell; everything here is tried as if it were",
        "          . .venv/bin/activate  # in every shell that `mc` is started from",
    ]);
    night.commit("settings");
    let told = ".venv is not active: stage tests gets the Python of the PATH, and none of the packages in .venv";
    night.mc(&["doctor"]).says(&["warning  python        .venv is not active", helps]);
    night.mc(&["verify"]).exits(4).says(&[told, helps]);
    night.mission(&unit("early", "touch early")).says(&[told, helps]).does_not_say(&["early: landed"]);
    // As the sentence says.
    let path = night.sh(". .venv/bin/activate && echo $PATH");
    let venv = night.repo().join(".venv");
    night.var("PATH", &path).var("VIRTUAL_ENV", venv.to_str().unwrap());
    night.mc(&["doctor"]).does_not_say(&["not active"]);
    let plan = [unit("breaks", "echo X = 2 > src/pa/__init__.py"), unit("good", "echo Y = 2 >> src/pa/__init__.py")];
    night.mission(&plan.join("\n")).exits(3).does_not_say(&["not active"]);
    assert_eq!(["breaks", "good"].map(|id| night.unit(id)), ["rejected", "landed"]);
    assert!(night.reason("breaks").contains("test_a"), "{}", night.reason("breaks"));
    night.audit();
    night.without_oracle("a clone by hand is tried without the environment");
}
