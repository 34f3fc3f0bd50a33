//! The first minutes: what `mc init` finds, tries and writes, and that a mission follows from it.

use crate::support::night::Night;
use crate::support::tools;
use serde_json::Value;

/// A test runner that names two tests, whatever it is asked.
const TAP: &str = "echo 'TAP version 13'; echo 'ok 1 - one'; echo 'ok 2 - two'; echo 1..2";

/// Tools of languages as far as their output goes, two tests each.
const GO: &str = "[ \"$1\" = test ] || exit 0
echo '=== RUN   TestOne'; echo '--- PASS: TestOne (0.00s)'; echo '=== RUN   TestTwo'; echo '--- PASS: TestTwo (0.00s)'
echo PASS; printf 'ok  \\ta\\t0.002s\\n'";
const CARGO: &str = "[ $1 = test ] || exit 0
echo '     Running unittests src/lib.rs (target/debug/deps/a-0123456789abcdef)'; echo; echo 'running 2 tests'
echo 'test one ... ok'; echo 'test two ... ok'; echo
echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s'";
const PYTHON: &str = "[ \"$2\" = pytest ] || { echo 'All checks passed!'; exit 0; }
echo '============================= test session starts =============================='; echo 'collected 2 items'; echo
echo 'tests/test_a.py ..                                                       [100%]'; echo
echo '=========================== short test summary info ============================'
echo 'PASSED tests/test_a.py::test_one'; echo 'PASSED tests/test_a.py::test_two'
echo '============================== 2 passed in 0.01s ==============================='";
const JEST: &str = "[ $1 = test ] || exit 0
echo 'PASS ./a.test.js'; echo '  ✓ one (2 ms)'; echo '  ✓ two (1 ms)'; echo; echo 'Test Suites: 1 passed, 1 total'
echo 'Tests:       2 passed, 2 total'; echo 'Snapshots:   0 total'; echo 'Time:        0.5 s'";
const MAVEN: &str = "mkdir -p target/surefire-reports
echo '<testsuite name=\"A\" tests=\"1\"><testcase classname=\"A\" name=\"one\"/></testsuite>' > target/surefire-reports/TEST-A.xml";
const CTEST: &str = "mkdir -p build
echo '<testsuite name=\"all\" tests=\"1\"><testcase classname=\"all\" name=\"one\"/></testsuite>' > build/mc-tests.xml";

/// A repository with these files, and tools that are scripts.
fn repository(files: &[(&str, &str)], fakes: &[(&str, &str)]) -> Night {
    let mut night = Night::empty();
    tools::only(&mut night, fakes);
    for (path, text) in files {
        night.write(path, text);
    }
    night.commit("first");
    night
}

/// Files, tools, and lines of the settings that follow from them.
type Case = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: [Case; 8] = [
    (
        &[("Cargo.toml", "[package]\nname = \"a\"\n[lints.clippy]\n"), ("Cargo.lock", ""), ("src/lib.rs", "")],
        &[("cargo", CARGO), ("cargo-clippy", "true"), ("rustc", "echo 1.90")],
        &[
            "run = \"cargo test --no-fail-fast --locked\"",
            "run = \"cargo clippy --all-targets --locked\"",
            "rustc --version",
        ],
    ),
    (
        &[("pyproject.toml", "[tool.pytest.ini_options]\n[tool.ruff]\n"), ("tests/test_a.py", "")],
        &[("python3", PYTHON)],
        &[
            "run = \"python3 -m pytest -v\"",
            "run = \"python3 -m ruff check --output-format=concise\"",
            "python3 --version",
        ],
    ),
    (
        &[
            (
                "package.json",
                "{\"scripts\": {\"test\": \"jest\", \"lint\": \"eslint .\"}, \"devDependencies\": {\"jest\": \"1\"}}",
            ),
            ("package-lock.json", "{}"),
        ],
        &[("node", "echo 24"), ("npm", JEST)],
        &[
            "setup = \"npm ci\"",
            "setup_inputs = [\"package.json\", \"package-lock.json\"]",
            "run = \"CI=true npm test -- --verbose\"",
            "run = \"npm run lint\"",
        ],
    ),
    (
        &[("go.mod", "module a\n")],
        &[("go", GO)],
        &["run = \"go test -v ./...\"", "run = \"go vet ./...\"", "go version"],
    ),
    (&[("pom.xml", "<project/>")], &[("java", "true"), ("mvn", MAVEN)], &["run = \"mvn -B -fae test\""]),
    (
        &[("CMakeLists.txt", "enable_testing()\n")],
        &[("cmake", "true"), ("cc", "true"), ("ctest", CTEST)],
        &["cmake --build build --parallel \\\"$(nproc)\\\"", "run = \"ctest --test-dir build --output-on-failure"],
    ),
    (&[("Makefile", "test:\n\ttrue\n")], &[("make", TAP)], &["run = \"make test\""]),
    (
        &[
            ("api/go.mod", "module a\n"),
            ("web/package.json", "{\"scripts\": {\"test\": \"mocha\"}}"),
            ("pyproject.toml", "pytest"),
        ],
        &[("go", GO), ("node", "true"), ("npm", TAP), ("python3", PYTHON)],
        &[
            "name = \"api-tests\"",
            "run = \"cd ./api && go test -v ./...\"",
            "name = \"web-tests\"",
            "run = \"cd ./web && CI=true npm test -- --reporter tap\"",
            "name = \"python-tests\"",
        ],
    ),
];

#[test]
fn p7_what_is_proposed_runs_and_is_read_back_without_a_word() {
    for (files, fakes, lines) in CASES {
        let night = repository(files, fakes);
        let said =
            night.mc(&["init"]).exits(0).says(&["baseline  passes", "wrote     mission-control.toml, BACKLOG.md"]);
        assert_eq!(said.err, "", "{}", files[0].0);
        let text = night.sh("cat mission-control.toml");
        for line in lines {
            assert!(text.lines().any(|l| l.contains(line) && !l.starts_with('#')), "{line} is missing in:\n{text}");
        }
        let shown = night.mc(&["config", "show"]).exits(0);
        assert!(shown.err.is_empty() && shown.out.contains("mission-control.toml:"), "{}", shown.text());
        night.mc(&["backlog", "check"]).exits(0).says(&["no faults, 1 unit"]);
        let looked = night.mc(&["doctor", "--json"]);
        let json: Value = serde_json::from_str(&looked.out).unwrap();
        let settings = json["checks"].as_array().unwrap().iter().filter(|c| c["about"] == "settings");
        assert!(settings.clone().count() == 1 && settings.clone().all(|c| c["mark"] == "ok"), "{}", looked.out);
        assert_eq!(night.sh("git status --porcelain"), "?? BACKLOG.md\n?? mission-control.toml");
    }
}

#[test]
fn results_are_counted_per_stage_and_in_all() {
    let night = repository(
        CASES[3].0,
        &[(
            "go",
            "[ $1 = vet ] && exit 3; echo '=== RUN   TestA'; echo '--- PASS: TestA (0.00s)'; echo '=== RUN   TestB'; \
        echo '--- SKIP: TestB (0.00s)'; echo PASS; printf 'ok  \\ta\\t0.002s\\n'",
        )],
    );
    let said = night.mc(&["init"]).exits(0);
    let said = said.says(&[
        "tests: passes: 1 passed, 0 failed, 1 skipped",
        "baseline  passes: 1 passed, 0 failed, 1 skipped, without",
    ]);
    said.says(&["left out  vet: on the untouched branch this does not pass (exit code 3)"]);
    let text = night.sh("cat mission-control.toml");
    assert!(text.contains("\n# [[target.verification.stage]]\n# name = \"vet\"\n"), "{text}");
}

#[test]
fn p7_tests_that_fail_are_not_left_out_and_the_base_is_refused() {
    let night = repository(CASES[6].0, &[("make", "echo 'E: no database'; exit 2")]);
    night.mc(&["init"]).exits(6).says(&[
        "a mission would be refused on it",
        "E: no database",
        "next      $EDITOR mission-control.toml",
    ]);
    assert!(night.sh("cat mission-control.toml").contains("\nrun = \"make test\"\n"));
    let night = repository(CASES[6].0, &[("make", "echo 'ok 1 - a'; echo 'not ok 2 - b'; echo 1..2; exit 1")]);
    night.mc(&["init"]).exits(0).says(&["tests: fails: 1 passed, 1 failed"]);
    let night = repository(
        CASES[2].0,
        &[("node", "true"), ("npm", "[ $1 = ci ] && { echo no network; echo 1; echo 9; exit 7; }; true")],
    );
    night.mc(&["init"]).exits(6).says(&[
        "target.setup `npm ci` failed (exit 7): no network",
        " 9\n",
        &format!("all it said: {}\n", night.state().join("logs/setup.log").display()),
    ]);
}

#[test]
fn a_missing_tool_is_named_with_what_installs_it_and_its_stage_is_a_comment() {
    let night = repository(CASES[1].0, &[("python3", &format!("case \"$*\" in *ruff*) exit 1;; esac\n{PYTHON}"))]);
    let said = night.mc(&["init"]).exits(0);
    said.says(&["the Python module ruff is not installed; `python3 -m pip install ruff` installs it"]);
    let text = night.sh("cat mission-control.toml");
    assert!(
        text.contains("# run = \"python3 -m ruff check") && text.contains("\nrun = \"python3 -m pytest -v\""),
        "{text}"
    );
    let night = repository(CASES[3].0, &[]);
    night
        .mc(&["init"])
        .exits(6)
        .says(&["go is not installed; `apt-get install golang` installs it", "no way to verify"]);
    let text = night.sh("cat mission-control.toml");
    assert!(text.contains("# [[target.verification.stage]]") && !text.contains("\n[[target"), "{text}");
    night.mc(&["doctor"]).exits(6).says(&["`target.verification.command` is not set"]);
}

#[test]
fn p6_a_dry_run_and_a_second_run_change_nothing() {
    let night = repository(CASES[6].0, &[("make", "touch ran")]);
    let said = night.mc(&["init", "--dry-run"]).exits(0);
    said.says(&["--- mission-control.toml", "run = \"make test\"", "--- BACKLOG.md", "nothing was run or written"]);
    assert_eq!(night.sh("git status --porcelain; ls ~/state 2>/dev/null || true"), "");
    night.mc(&["init"]).exits(0);
    // What the stages did, they did in a clean clone that is gone.
    assert_eq!(
        night.sh("git status --porcelain; git for-each-ref | wc -l; ls ~/state 2>/dev/null || true").lines().count(),
        3
    );
    let first = night.sh("cat mission-control.toml BACKLOG.md");
    let said = night.mc(&["init"]).exits(2).says(&["mission-control.toml is there already; nothing is overwritten"]);
    said.says(&["`mc init --force` writes that beside it"]);
    night.sh("echo '# mine' >> mission-control.toml; echo '# mine' >> BACKLOG.md");
    night.mc(&["init", "--force", "--no-baseline"]).exits(0).says(&["wrote     mission-control.toml.new\n"]);
    assert!(night.holds(
        "grep -q '# mine' mission-control.toml && grep -q '# mine' BACKLOG.md && test -e mission-control.toml.new"
    ));
    night.mc(&["init", "--force"]).exits(2).says(&["are both there"]);
    assert!(first.starts_with("# Settings of mc"));
    // A link that leads nowhere is not written through.
    night.sh("rm mission-control.toml*; ln -s ../outside mission-control.toml");
    night.mc(&["init", "--no-baseline"]).exits(2);
    assert!(!night.holds("test -e ../outside"));
}

#[test]
fn init_plan_start_lands_a_unit_with_nothing_committed() {
    let mut night = repository(CASES[3].0, &[("go", GO)]);
    let agent = "cat > ~/brief; echo checks > CONTRIBUTING.md";
    std::fs::write(night.home().join("agent.sh"), agent).unwrap();
    night.var("SOME_TOKEN", "hush-hush");
    night.mc(&["init", "--agent", "sh ~/agent.sh"]).exits(0).says(&["agent     sh ~/agent.sh", "mc mission start"]);
    night.mc(&["plan"]).exits(0).says(&["1 unit in 1 wave", "write-down-the-checks"]);
    night.mc(&["mission", "start"]).exits(0).says(&["write-down-the-checks: landed"]);
    assert!(night.holds("git cat-file -e mc/green:CONTRIBUTING.md && grep -q 'go test -v ./...' ~/brief"));
    night.audit();
    // Committed, the same file is the backlog of the next mission.
    night.commit("Mission control");
    night
        .mc(&["mission", "start"])
        .exits(0)
        .says(&["nothing is left to plan"])
        .does_not_say(&["write-down-the-checks: landed"]);
}

#[test]
fn an_objective_is_the_first_item_and_stays_text() {
    let night = repository(CASES[3].0, &[("go", GO)]);
    let objective = "Everything works\n## Not a heading\n- run: touch ~/hacked\n\"quoted\" \\";
    night.mc(&["init", "--no-baseline", "--agent", "true", "--objective", objective]).exits(0);
    let json: Value = serde_json::from_str(&night.mc(&["backlog", "list", "--json"]).exits(0).out).unwrap();
    assert_eq!((json["units"].as_array().unwrap().len(), &json["units"][0]["id"]), (1, &"first-objective".into()));
    night.mc(&["config", "show"]).exits(0).says(&["target.objective = \"Everything works\\n## Not a heading"]);
    night.mc(&["mission", "start"]).exits(3);
    assert!(!night.holds("test -e ~/hacked"));
}

#[test]
fn p12_names_in_a_repository_never_reach_a_shell() {
    // Without a slash, so that it can be the name of a folder.
    let evil = "x; cd; touch hacked; $(cd; touch hacked)";
    let package =
        serde_json::json!({"scripts": {"test": evil, evil: "true", "lint": evil}, "devDependencies": {evil: evil}});
    let folder = format!("{}/go.mod", evil);
    let files = [
        ("package.json", package.to_string()),
        (folder.as_str(), "module a\n".to_owned()),
        ("'`\n/go.mod", String::new()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let night = repository(&files, &[("go", GO), ("node", "true"), ("npm", TAP)]);
    let said = night.mc(&["init"]).exits(0);
    assert!(said.out.contains("go test -v ./...") && !said.out.contains('\x1b'), "{}", said.out);
    night.mc(&["doctor", "--gate"]);
    assert!(!night.holds("test -e ~/hacked"));
    assert!(night.mc(&["config", "show"]).exits(0).err.is_empty());
}

#[test]
fn p12_agents_are_found_and_only_names_of_variables_are_written() {
    let mut night = repository(CASES[3].0, &[("go", GO), ("claude", "true"), ("aider", "true")]);
    night.var("ANTHROPIC_API_KEY", "sk-very-secret").var("GOFLAGS", "-count=1");
    let said = night.mc(&["init"]).exits(0).says(&["agent     claude -p"]);
    let text = night.sh("cat mission-control.toml");
    for line in [
        "\ncommand = \"claude -p --verbose",
        "\nenv = [\"ANTHROPIC_API_KEY\", \"GOFLAGS\"]",
        "\n# command = \"aider ",
        "\nprompt = \"stdin\"",
        "\n# prompt = \"file\"",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
    assert!(text.contains("without asking") && !(text + &said.text()).contains("sk-very-secret"));
    night.sh("rm mission-control.toml");
    night
        .mc(&["init", "--agent", "codex", "--no-baseline"])
        .exits(0)
        .says(&["codex is not on the PATH", "npm install -g @openai/codex"]);
    night.mc(&["init", "--agent", " "]).exits(2).says(&["--agent is empty"]);
}

#[test]
fn variables_of_the_network_are_named_and_what_decides_is_offered() {
    let files = [("go.mod", "module a\n"), (".github/workflows/ci.yml", "on: push\n"), (".golangci.yml", "")];
    let mut night = repository(&files, &[("go", GO)]);
    night.var("HTTPS_PROXY", "http://u:secret@proxy").var("GOPROXY", "http://mirror");
    night.mc(&["init"]).exits(0).does_not_say(&["secret"]);
    let text = night.sh("cat mission-control.toml");
    for line in [
        "\nenv = [\"GOPROXY\", \"HTTPS_PROXY\"]",
        "\n# ignore = [\"BACKLOG.md\", \"PROGRESS.md\"]\n",
        "\n# protect = [\"mission-control.toml\", \".github/workflows/**\", \".golangci.yml\"]\n",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
    // Both lines are read when their marks are taken away.
    night.sh("sed -i 's/^# ignore/ignore/; s/^# protect/protect/' mission-control.toml");
    night.mc(&["config", "show"]).exits(0).says(&[".github/workflows/**"]);
    night.mc(&["init"]).exits(2).says(&["`mc doctor --baseline` tries it"]);
}

#[test]
fn p7_tests_that_are_not_named_are_said_to_be_so() {
    let told = "stage tests tells its exit code only: tests that disappear or are skipped go unseen";
    let night = repository(&[("Makefile", "test:\n")], &[("make", "echo '2 passing'")]);
    night.mc(&["init"]).exits(0).says(&["baseline  passes", told]);
    let count = "echo '=== test session starts ==='; echo 'a.py ..  [100%]'; echo; echo '=== 2 passed in 0.01s ==='";
    let night = repository(&[("Makefile", "test:\n")], &[("make", count)]);
    let counts = "stage tests counts its tests and names none: one in the place of another goes unseen";
    night.mc(&["init"]).exits(0).says(&[counts]).does_not_say(&["exit code only"]);
    let night = repository(&[("Makefile", "test:\n")], &[("make", TAP)]);
    night.mc(&["init"]).exits(0).does_not_say(&["exit code only", "counts its tests"]);
}

#[test]
fn an_environment_file_is_copied_only_when_git_ignores_it() {
    let night = repository(&[("Makefile", "test:\n"), (".gitignore", ".env\n")], &[("make", "test -e .env")]);
    night.write(".env", "SECRET=1\n");
    night.mc(&["init"]).exits(0).says(&["copy      .env", "baseline  passes"]).does_not_say(&["SECRET"]);
    let night = repository(&[("Makefile", "test:\n")], &[("make", "true")]);
    night.write(".env", "SECRET=1\n");
    night.mc(&["init", "--no-baseline"]).exits(0).does_not_say(&["copy"]);
}

#[test]
fn a_place_without_anything_to_start_from_is_refused_with_the_way_out() {
    let night = Night::empty();
    night.mc(&["init"]).exits(2).says(&["no branch with a commit to start from", "git add -A && git commit"]);
    night.write("README.md", "# A\n");
    night.commit("first");
    // Nothing is run where there is nothing to run.
    night.mc(&["init", "--dry-run"]).exits(0);
    night.mc(&["init", "--agent", "true"]).exits(6).does_not_say(&["running on"]);
    night.sh("rm BACKLOG.md mission-control.toml");
    night.sh("git clone -q --bare . ../bare.git");
    night.mc(&["-C", "../bare.git", "init"]).exits(2).says(&["is a bare repository"]);
    let said = night.mc(&["init", "--json"]).exits(6);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&json["schema"], &json["stages"], json["written"].as_array().unwrap().len()),
        (&1.into(), &Value::Array(vec![]), 2)
    );
    assert!(json["refusal"].as_str().unwrap().contains("no way to verify"));
    night.mc(&["config", "show"]).exits(0);
    night.mc(&["-C", "/", "init"]).exits(6).says(&["find a git repository"]);
}

#[test]
fn what_comes_next_works_from_where_the_person_stands() {
    let (files, fakes, _) = CASES[0];
    let night = repository(files, fakes);
    let folder = night.repo().join("deep/er");
    std::fs::create_dir_all(&folder).unwrap();
    let said = night.sh_in(&folder, &format!("{} init", env!("CARGO_BIN_EXE_mc")));
    let next = said.lines().find_map(|line| line.strip_prefix("next      ")).unwrap_or_else(|| panic!("{said}"));
    assert!(next.starts_with(&format!("git -C {} add ", night.repo().display())), "{next}");
    night.sh_in(&folder, next);
    assert_eq!(night.sh("git status --porcelain; git log -1 --format=%s"), "Mission control");
}
