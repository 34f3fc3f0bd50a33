//! `mc doctor`: each trouble planted once and found with what helps; what a start refuses is said in the same words; the gate
//! is tried with planted faults.

use crate::support::night::{Night, unit};
use crate::support::tools;
use mission_control::adapters::host::local::demo::belonging_to;
use serde_json::Value;

/// The checks with this mark: what they are about, what was found, what helps.
fn checks(night: &Night, args: &[&str], mark: &str) -> Vec<[String; 3]> {
    let said = night.mc(&[&["doctor", "--json"], args].concat());
    let json: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.text()));
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let checks = json["checks"].as_array().unwrap().iter().filter(|check| check["mark"] == mark);
    checks.map(|check| ["about", "found", "help"].map(|key| text(check, key))).collect()
}

/// A repository with a backlog, ready to start.
fn ready() -> Night {
    let night = Night::new();
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n");
    night.commit("backlog");
    night
}

#[test]
fn nothing_stops_a_sound_repository_and_looking_changes_nothing() {
    let night = ready();
    let refs = night.sh("git for-each-ref; git status --porcelain");
    let said = night.mc(&["doctor"]).exits(0);
    said.says(&["nothing stops a mission", "work starts from main", "BACKLOG.md: 1 open", "ok       verification"]);
    assert!(!night.state().exists(), "looking made a state directory");
    assert_eq!(refs, night.sh("git for-each-ref; git status --porcelain"));
    let json: Value = serde_json::from_str(&night.mc(&["doctor", "--json"]).exits(0).out).unwrap();
    assert_eq!((&json["schema"], &json["ready"], &json["gate"]), (&1.into(), &true.into(), &Value::Null));
    night.mc(&["mission", "start"]).exits(0);
    night.mc(&["doctor"]).exits(0).says(&["mc/green is at", "BACKLOG.md has no open unit"]);
}

/// Something that makes a start refuse; each is undone by dropping its night.
const REFUSALS: [(&str, &str, &str); 13] = [
    ("green", "git branch mc", "the branch mc stands in the way of mc/green"),
    ("green", "git branch mc/green && git worktree add -q ../w mc/green", "mc/green is checked out in"),
    ("branch", "git branch -m other", "there is no branch main with a commit"),
    ("changes", "echo '# x' >> run.sh", "tracked files have changes"),
    (
        "copy",
        "mkdir deep; sed -i '1i [target]\\ncopy = [\"deep\"]' mission-control.toml; git commit -qam x",
        "which is a folder",
    ),
    ("plan", "git rm -q BACKLOG.md; git commit -qm x", "there is no BACKLOG.md in the last commit of main"),
    ("plan", "printf '## B\\n- depends: nobody\\n' > BACKLOG.md; git commit -qam x", "unknown unit"),
    ("plan", "printf '## B\\n' > BACKLOG.md; git commit -qam x", "has no `run` and no agent is configured"),
    (
        "settings",
        "echo 'comand = 1' >> mission-control.toml; git commit -qam x",
        "unknown key `target.verification.comand`",
    ),
    ("settings", "echo > mission-control.toml; git commit -qam x", "`target.verification.command` is not set"),
    (
        "owner",
        "git update-ref refs/mc/owner $(echo '{\"state_id\":\"x\",\"host\":\"h\",\"path\":\"/p\"}' | git hash-object -w --stdin)",
        "belongs to the state directory /p on h",
    ),
    ("state", "mkdir -p ~/state; echo no database > ~/state/mc.db", "mc.db"),
    ("state", "mkdir -p ~/state; : > ~/state/mc.db", "the file is empty"),
];

#[test]
fn p7_what_a_start_refuses_is_found_in_the_same_words() {
    for (about, script, words) in REFUSALS {
        let night = ready();
        night.sh(script);
        let found = checks(&night, &[], "problem");
        let known = found.iter().find(|[a, f, _]| a == about && f.contains(words));
        let [_, found, help] = known.unwrap_or_else(|| panic!("{script}: {found:?}"));
        assert_eq!(night.mc(&["doctor"]).code, 6, "{script}");
        let refused = night.mc(&["mission", "start"]);
        let text = refused.text();
        assert!(
            refused.code != 0 && found.lines().all(|line| text.contains(line)),
            "{script}: `{found}` is not in\n{text}"
        );
        assert!(help.is_empty() || text.contains(help.as_str()), "{script}: `{help}` is not in\n{text}");
    }
}

#[test]
fn p7_incomplete_repositories_and_foreign_places_are_found() {
    let mut night = ready();
    night.commit("second --allow-empty' --allow-empty -m '");
    night.sh("git config uploadpack.allowFilter true; git clone -q --depth 1 file://$PWD ../shallow");
    night.sh("git clone -q --filter=blob:none file://$PWD ../partial; git clone -q --bare . ../bare.git");
    for (dir, words) in [("shallow", "git fetch --unshallow"), ("partial", "--refetch")] {
        night.var("MC_STATE_DIR", night.home().join(format!("state-{dir}")).to_str().unwrap());
        let dir = night.home().join(dir).display().to_string();
        let found = checks(&night, &["-C", &dir], "problem");
        assert!(
            found.iter().any(|[a, f, h]| a == "repository" && f.contains(words) && h.contains("whole history")),
            "{found:?}"
        );
        assert!(!night.home().join(format!("state-{dir}")).exists());
    }
    night.mc(&["-C", "/", "doctor"]).exits(6).says(&["problem  repository", "find a git repository"]);
    night.var("MC_STATE_DIR", night.repo().join("inside").to_str().unwrap());
    night.mc(&["doctor"]).exits(6).says(&["problem  state", "it is inside the repository"]);
}

#[test]
fn a_rewritten_green_and_an_unfinished_mission_are_found() {
    let night = ready();
    night.mc(&["mission", "start"]).exits(0);
    night.sh("git update-ref refs/heads/mc/green main");
    night
        .mc(&["doctor"])
        .exits(6)
        .says(&["does not contain a, which landed as", "help: put green back (`git update-ref`)"]);
    let night = ready();
    let plan = night.plan(&unit("a", "touch ~/begun; while [ ! -e ~/go ]; do sleep 0.1; done"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun");
    // A start is refused now, in the same words, and for nothing else.
    let refused = |words: &str, help: &str| {
        night.mc(&["doctor"]).exits(6).says(&["1 problem", ": a mission would not get through"]);
        let [[about, found, helps]] = &checks(&night, &[], "problem")[..] else { panic!("not one problem") };
        assert!(about == "mission" && found.contains(words) && helps.contains(help), "{about}: {found}: {helps}");
        night.mc(&["mission", "start"]).exits(2).says(&[found, helps]);
    };
    refused("is running (pid ", "mc mission attach");
    engine.signal("TERM");
    engine.wait().exits(130);
    refused("is unfinished", "mc mission resume");
    night.mc(&["mission", "stop", "--now"]);
    night.mc(&["doctor"]).exits(0).says(&["nothing stops a mission"]);
}

/// What spoils a mission without stopping it, or what a person should know.
const WARNINGS: [(&str, &str, &str, &str); 9] = [
    (
        "submodules",
        "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = ../x\\n' > .gitmodules; git add -A; git commit -qm x",
        "submodules are not fetched",
        "",
    ),
    (
        "filters",
        "echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes; git add -A; git commit -qm x",
        "git-lfs is not set up",
        "",
    ),
    ("hooks", "echo true > .git/hooks/pre-commit", "your hooks do not run in missions: pre-commit", "a stage of"),
    (
        "hooks",
        "mkdir .husky; echo true > .husky/commit-msg; git config core.hooksPath .husky",
        "commit-msg",
        "a stage of",
    ),
    ("plan", "git rm -q --cached BACKLOG.md; git commit -qm x", "BACKLOG.md is not committed", "git add BACKLOG.md"),
    (
        "copy",
        "sed -i '1i [target]\\ncopy = [\"none\"]' mission-control.toml; git commit -qam x",
        "there is no file none to copy",
        "",
    ),
    (
        "settings",
        "printf '[scheduler]\\ncooldown = 3\\n' >> mission-control.toml; git commit -qam x",
        "have no meaning here",
        "remove these keys",
    ),
    ("state", "mkdir -m 755 ~/state", "is open to other users", "chmod 700"),
    (
        "clock",
        "GIT_COMMITTER_DATE='2099-01-01T00:00:00Z' git commit -q --allow-empty -m x",
        "behind the newest commit",
        "timedatectl",
    ),
];

#[test]
fn what_a_person_should_know_is_a_warning_with_what_helps() {
    for (about, script, words, help) in WARNINGS {
        let night = ready();
        night.sh(script);
        let found = checks(&night, &[], "warning");
        assert!(
            found.iter().any(|[a, f, h]| a == about && f.contains(words) && h.contains(help)),
            "{script}: {found:?}"
        );
        let problems = checks(&night, &[], "problem");
        assert!(problems.is_empty(), "{script}: {problems:?}");
    }
}

#[test]
fn p12_programs_agents_and_variables_are_looked_at_and_no_value_is_told() {
    let mut night = ready();
    night.settings("no-such-program --all", "[agent]\ncommand = \"./agent.sh\"\nenv = [\"MY_TOKEN\", \"UNSET\"]");
    night.write("agent.sh", "true\n");
    night.var("MY_TOKEN", "hush-hush").var("OTHER", "private");
    let said = night.mc(&["doctor"]).exits(6).says(&[
        "stage verification (`no-such-program --all`): no-such-program is not on the PATH",
        "./agent.sh is not committed, so no workspace has it",
        "can read these secrets: MY_TOKEN",
        "the variable UNSET of agent.env is not set",
        "agents and verifications run as you (user ",
    ]);
    said.does_not_say(&["hush-hush", "private", "OTHER"]);
    night.settings("sh run.sh", "[agent]\ncommand = \"sh ~/nowhere/agent.sh -v\"");
    night.mc(&["doctor"]).exits(6).says(&["problem  agent", "there is no file ", "/nowhere/agent.sh"]);
    night.settings("sh run.sh", "[agent]\ncommand = \"claude -p\"");
    night.var("ANTHROPIC_API_KEY", "sk-secret");
    let tools: [(&str, &str); 2] = [("claude", "exit 0"), ("head", "exit 0")];
    tools::only(&mut night, &tools);
    let said = night.mc(&["doctor"]).exits(0);
    said.says(&["no login or key of claude is seen", "ANTHROPIC_API_KEY is set but not passed on"])
        .does_not_say(&["sk-secret"]);
    night.sh("mkdir -p ~/.claude; echo '{}' > ~/.claude/.credentials.json");
    night.mc(&["doctor"]).exits(0).says(&["claude: ~/.claude/.credentials.json is there"]);
    night.sh("rm ~/tools/claude");
    night.mc(&["doctor"]).exits(6).says(&["claude is not on the PATH", "npm install -g @anthropic-ai/claude-code"]);
    night.sh("rm ~/tools/sh");
    night.mc(&["doctor"]).exits(6).says(&["sh is not on the PATH", "apt-get install dash"]);
}

#[test]
fn compilers_without_a_number_are_a_warning() {
    let night = ready();
    night.settings("make -j && sh run.sh", "");
    let said = night.mc(&["doctor"]).says(&["starts a compiler for every file at once", "help: give the number: `-j "]);
    drop(said);
    night.settings("make -j2 && sh run.sh", "");
    night.mc(&["doctor"]).does_not_say(&["at once"]);
}

#[test]
fn a_folder_that_all_workspaces_build_into_is_a_warning() {
    let mut night = ready();
    night.var("CARGO_TARGET_DIR", "/var/tmp/target").var("GOCACHE", "/var/tmp/go");
    night.mc(&["doctor"]).exits(0).does_not_say(&["caches"]);
    night.settings("sh run.sh", "");
    night.sh("sed -i 's/^command.*/&\\nenv = [\"CARGO_TARGET_DIR\"]/' mission-control.toml; mkdir .cargo");
    night.write(".cargo/config.toml", "[build]\ntarget-dir = \"../shared\"\n");
    night.commit("shared");
    let folders = "all workspaces build into /var/tmp/target (CARGO_TARGET_DIR), ../shared (.cargo/config.toml)";
    night.mc(&["doctor"]).exits(0).says(&["warning  caches", folders, "target.verification.keep"]);
}

#[test]
fn an_agent_is_started_when_that_is_asked_for() {
    let night = ready();
    night.settings("sh run.sh", "[agent]\ncommand = \"sh ~/agent.sh\"\n");
    for (agent, code, words) in [
        ("cat > /dev/null; echo ok > mc-doctor.txt", 0, "the agent made the file it was asked for"),
        ("cat > /dev/null; echo nothing to say", 6, "ended well after 0 s and changed nothing: nothing to say"),
        ("echo 'Not logged in'; exit 1", 6, "ended with exit code 1: Not logged in"),
        ("no-such-agent", 6, "the agent could not be run"),
    ] {
        std::fs::write(night.home().join("agent.sh"), agent).unwrap();
        night.mc(&["doctor", "--agent"]).exits(code).says(&["which may cost money", words]);
    }
    assert!(!night.state().exists() && night.sh("git for-each-ref | wc -l") == "1");
}

#[test]
fn the_gate_refuses_planted_faults_and_nothing_of_them_stays() {
    let night = ready();
    let before = night.sh("git for-each-ref; git status --porcelain; git count-objects -v");
    let said = night.mc(&["doctor", "--gate"]).exits(0).says(&[
        "passes on the untouched base (2 tests passed, 0 failed, 0 skipped)",
        "refuses the test file tests/alpha.sh deleted (1 test disappeared",
        "refuses the test file tests/alpha.sh filled with garbage (1 test passed before and fails now",
        "refuses run.sh filled with garbage",
    ]);
    assert_eq!(said.text().matches("ok       gate").count(), 3);
    assert_eq!(before, night.sh("git for-each-ref; git status --porcelain; git count-objects -v"));
    assert!(!night.state().exists(), "{}", night.sh("find ~/state"));
}

#[test]
fn a_gate_that_lets_a_fault_through_is_told_with_exit_4() {
    let night = ready();
    night.settings("true", "");
    let said = night.mc(&["doctor", "--gate"]).exits(4).says(&[
        "lets through: the test file tests/alpha.sh deleted",
        "help: your verification does not notice a deleted test file (tests/alpha.sh)",
        "does not notice that the sources are garbage",
    ]);
    drop(said);
    // Exit code only: a broken test is seen, one that is gone is not.
    night.settings("sh run.sh > /dev/null", "");
    let said = night.mc(&["doctor", "--gate", "--json"]).exits(4);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["gate"], "lets-through");
    let gate: Vec<&str> = json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["about"] == "gate")
        .map(|c| c["mark"].as_str().unwrap())
        .collect();
    assert_eq!(gate, ["problem", "ok", "ok"]);
    assert!(said.out.contains("tells its exit code only"));
}

#[test]
fn a_test_file_that_is_left_out_here_does_not_accuse_the_gate() {
    let night = ready();
    night.sh("git rm -q -r tests run.sh");
    night.write("a_win_test.go", "//go:build windows\nfunc TestWindow(t *testing.T) {}\n");
    night.write("b_test.go", "func TestBee(t *testing.T) {}\n");
    night.settings(
        "test -e b_test.go || { echo 1..0; exit; }; grep -q func b_test.go || exit 1; echo 1..1; echo ok 1 - TestBee",
        "",
    );
    let said = night.mc(&["doctor", "--gate"]).exits(0);
    said.says(&["refuses the test file b_test.go deleted (1 test disappeared"])
        .does_not_say(&["a_win_test.go deleted"]);
    // Where no test is told apart, one file that is noticed is enough, and what is not is named.
    night.settings("! grep -q %%% *.go && test -e b_test.go", "");
    let said = night.mc(&["doctor", "--gate"]).exits(0);
    said.says(&[
        "refuses the test file b_test.go deleted",
        "goes unseen: the test file a_win_test.go deleted",
        "a build tag",
    ]);
}

#[test]
fn p5_told_to_end_nothing_lives_on_and_nothing_is_left() {
    let night = ready();
    night.settings("echo begun > ~/begun; sleep 1000", "");
    for args in [&["doctor", "--gate"][..], &["init", "--force", "--agent", "true"]] {
        if args[0] == "init" {
            night.write("Makefile", "test:\n\techo begun > ~/begun; sleep 1000\n");
            night.commit("make");
        }
        night.sh("rm -f ~/begun");
        let running = night.begin(args);
        night.until("test -s ~/begun");
        running.signal("TERM");
        running.wait().exits(130);
        assert_eq!(belonging_to(&night.home()), Vec::<u32>::new(), "{args:?}");
        assert!(!night.state().exists(), "{args:?}: {}", night.sh("find ~/state"));
    }
    assert!(!night.holds("test -e mission-control.toml.new"));
}

#[test]
fn a_base_that_cannot_be_judged_is_a_problem_and_nothing_is_planted() {
    let night = ready();
    night.settings("echo 'E: no database'; exit 3", "");
    for flag in ["--baseline", "--gate"] {
        let said = night.mc(&["doctor", flag]).exits(6).says(&["the untouched base does not verify", "E: no database"]);
        said.does_not_say(&["gate   "]);
    }
    // Each stage that fails is named, with what it said itself.
    let stage = |name: &str, run: &str| format!("[[target.verification.stage]]\nname = \"{name}\"\nrun = \"{run}\"\n");
    let tap = "echo 1..1; echo not ok 1 - b; exit 1";
    night.write("mission-control.toml", stage("tests", tap) + &stage("types", "echo cannot find mypy; exit 2"));
    night.commit("stages");
    let said = night.mc(&["doctor", "--baseline"]).exits(6);
    said.says(&[
        "stage tests: exit code 1\n",
        "| not ok 1 - b\n",
        "stage types: exit code 2\n",
        "| cannot find mypy\n",
    ]);
    // Two tests, one of them red: unrelated work lands, and a fault is still seen.
    night.write("tests/beta.sh", "false\n");
    night.settings("sh run.sh", "");
    night.mc(&["doctor", "--gate"]).exits(0).says(&[
        "1 tests passed, 1 failed",
        "unrelated work lands",
        "1 test disappeared",
    ]);
    night.settings("sh run.sh", "[target]\nsetup = \"echo no network; exit 7\"");
    night.mc(&["doctor", "--baseline"]).exits(6).says(&["target.setup", "no network"]);
    let noise = "i=0; while [ $i -lt 900 ]; do echo noise $i; i=$((i+1)); done";
    night.settings(
        "sh run.sh",
        &format!("[target]\nsetup = \"echo the lock is out of step; {noise}; echo sum; exit 7\""),
    );
    let log = night.state().join("logs/setup.log");
    night.mc(&["doctor", "--baseline"]).exits(6).says(&[
        "(exit 7): the lock is out of step\n",
        " bytes left out …]\n",
        "noise 899\n",
        " sum\n",
        &format!("all it said: {}\n", log.display()),
    ]);
    assert!(std::fs::read_to_string(log).unwrap().contains("noise 450\n"));
}
