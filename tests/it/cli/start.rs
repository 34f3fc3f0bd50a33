//! What a person meets around a start: refusals before anything is done, and what settings really do.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use crate::support::tools::cannot_run;

#[test]
fn copied_files_are_there_and_never_land() {
    let night = Night::new();
    night.settings("sh run.sh", "[target]\ncopy = [\".env\", \"deep/er/b\", \"missing\"]");
    night.write(".env", "TOKEN=1\n");
    night.write("deep/er/b", "TOKEN=2\n");
    let plan = unit("a", "cat .env deep/er/b >/dev/null || exit 1; echo a > a.txt");
    night.mission(&plan).exits(0).says(&["there is no file missing to copy"]);
    assert!(night.holds("git cat-file -e mc/green:a.txt"));
    assert!(!night.holds("git cat-file -e mc/green:.env"));
    assert!(!night.holds("git cat-file -e mc/green:deep"));
    night.settings("sh run.sh", "[target]\ncopy = [\"deep\"]");
    night.mission(&plan).exits(2).says(&["target.copy names deep, which is a folder"]);
}

#[test]
fn submodules_that_stay_empty_are_said() {
    let night = Night::new();
    night.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ../x\n");
    night.commit("modules");
    night.mission(&unit("a", "echo a > a.txt")).exits(0).says(&["submodules are not fetched"]);
}

#[test]
fn p6_branches_of_the_user_that_end_like_our_refs_are_not_taken_for_ours() {
    let night = Night::new();
    for name in ["refs/mc/owner", "refs/heads/mc/green"] {
        assert!(night.holds(&format!("git branch {name}")));
    }
    night.mission(&unit("a", "echo a > a.txt")).exits(0);
    assert!(night.holds("git show refs/heads/mc/green:a.txt && ! git show refs/heads/refs/heads/mc/green:a.txt"));
}

#[test]
fn an_agent_that_cannot_be_run_uses_no_attempt_and_is_named() {
    let night = Night::new();
    night.settings("sh run.sh", "[agent]\ncommand = \"./no-such-agent\"\n[scheduler]\nmax_infrastructure_retries = 1");
    let said = night.mission("[[unit]]\nid = \"a\"\ntitle = \"A\"\n").exits(3);
    said.says(&[
        "a: attempt 1 ended infrastructure, tried again: the agent could not be run (agent.command = `./no-such-agent`)",
        "failed: infrastructure failed 2 times",
    ]);
}

#[test]
fn an_agent_that_stays_after_its_result_is_ended_and_its_work_counts() {
    let night = Night::new();
    let agent = "echo x > x.txt; echo '{\"status\":\"completed\"}' > $MC_RESULT; sleep 1000";
    std::fs::write(night.home().join("agent.sh"), agent).unwrap();
    night.settings("sh run.sh", "[agent]\ncommand = \"sh ~/agent.sh\"\ngrace_after_result = \"1s\"");
    night.mission("[[unit]]\nid = \"a\"\ntitle = \"A\"\n").exits(0).says(&["a: landed"]);
    assert!(night.report().contains("ended 1 s after it gave its result"), "{}", night.report());
}

#[test]
fn an_unmet_objective_is_in_the_first_line_with_what_helps() {
    let night = Night::new();
    night.settings("sh run.sh", "[target]\ncheck = \"test -e never\"");
    night.mission(&unit("a", "echo a > a.txt")).exits(3);
    let text = night.mc(&["status"]).exits(0).out;
    let first = "ended, nothing is left to plan: 1 of 1 unit landed; the objective is not met";
    assert_eq!(text.lines().next(), Some(first));
    assert!(text.contains("next: the check of the objective fails on mc/green"), "{text}");
}

/// That a mission which is refused because of this verification ends with these words.
fn said_at_end(night: &Night, command: &str, words: &str) {
    night.settings(command, "");
    night.mission(&unit("a", "echo a > a.txt")).exits(6).says(&[&format!("\n{words}\nnext: ")]);
}

#[test]
fn p12_what_a_setup_may_miss_of_the_network_is_named_without_its_value() {
    let mut night = Night::new();
    night.var("SSL_CERT_FILE", "/etc/own-ca.pem").var("https_proxy", "http://u:secret@proxy");
    night.settings("sh run.sh", "[target]\nsetup = \"test -n \\\"$SSL_CERT_FILE\\\"\"");
    let told =
        "set here and not given to runs: https_proxy, SSL_CERT_FILE (target.verification.env names what they get)";
    let said = night.mission(&unit("a", "echo a > a.txt")).exits(6).says(&[told]);
    said.does_not_say(&["secret", "own-ca"]);
    said_at_end(&night, "echo no network; exit 3", told);
    night.settings("sh run.sh", "[target]\nsetup = \"test -n \\\"$SSL_CERT_FILE\\\"\"");
    night.mc(&["doctor", "--baseline"]).exits(6).says(&["warning  network", told]);
    night.sh(
        "sed -i 's/command = \"sh run.sh\"/&\\nenv = [\"SSL_CERT_FILE\"]/' mission-control.toml; git commit -qam env",
    );
    night.mission(&unit("a", "echo a > a.txt")).exits(0);
}

#[test]
fn a_time_that_is_used_up_is_said_with_the_setting_it_comes_from() {
    let night = Night::new();
    night.settings("sh run.sh", "[scheduler]\nsession_timeout = \"1s\"\nmax_attempts = 1");
    let plan = unit("a", "sleep 1000") + "\n" + &unit("b", "sleep 1000") + "timeout = \"2s\"\n";
    night.mission(&plan).exits(3);
    let says = |unit: &str, words: &str| assert!(night.reason(unit).contains(words), "{}", night.reason(unit));
    says("a", "used up its time (scheduler.session_timeout, 1.0s) on attempt 1 of 1");
    says("b", "used up its time (`timeout` of the unit, 2.0s) on attempt 1 of 1");
}

#[test]
fn a_branch_that_is_checked_out_and_left_out_is_said() {
    let night = Night::new();
    night.sh("git checkout -q -b feature");
    night.mission(&unit("a", "echo a > a.txt")).exits(0).does_not_say(&["feature"]);
    night.write("feature.txt", "new\n");
    night.commit("feature");
    let told = "work starts from main, and feature is checked out: what it has beside is left out";
    night.mc(&["doctor"]).says(&["warning  branch", told]);
    night.mission(&unit("b", "echo b > b.txt")).exits(0).says(&[told]);
    assert!(!night.holds("git cat-file -e mc/green:feature.txt"));
}

#[test]
fn an_objective_that_is_met_is_enough_when_all_that_was_planned_landed() {
    let night = Night::new();
    night.settings("sh run.sh", "[target]\ncheck = \"test -e a.txt\"");
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n\n## B\n- status: failed\n- run: true\n");
    night.commit("backlog");
    night.mc(&["mission", "start"]).exits(0).says(&["ended: objective-met"]);
    night.mc(&["report", "--verify"]).exits(0);
    // What was planned and did not land still counts.
    night.write("BACKLOG.md", "## C\n- run: echo c > c.txt\n\n## D\n- run: exit 1\n");
    night.commit("more");
    night.mc(&["mission", "start"]).exits(3).says(&["ended: objective-met"]);
}

#[test]
fn a_word_of_a_group_is_said_with_its_group() {
    let night = Night::new();
    night.mc(&["start"]).exits(2).says(&["hint: `mc mission start`"]);
    night.mc(&["prune"]).exits(2).says(&["hint: `mc pool prune`"]);
    night.mc(&["nonsense"]).exits(2).does_not_say(&["hint: `mc "]);
    night.settings("sh run.sh", "[scheduler.parallel]\nheartbeat_timeout = \"1s\"");
    let shown = night.mc(&["config", "show"]).exits(0).out;
    let last = shown.lines().last().unwrap();
    assert!(last.starts_with("# without effect here: scheduler.parallel.heartbeat_timeout  # file "), "{last}");
}

#[test]
fn settings_of_another_name_are_protected_as_well() {
    let night = Night::new();
    night.sh("mkdir ci; git mv mission-control.toml 'ci/own [1].toml'");
    night.commit("another name");
    let config = ["--config", "ci/own [1].toml"];
    let plan = night.plan(&(unit("weak", "echo '# x' >> 'ci/own [1].toml'") + &unit("fine", "echo a > ci/a.txt")));
    night.mc(&[&config[..], &["mission", "start", "--plan", &plan]].concat()).exits(3);
    assert_eq!([night.unit("weak"), night.unit("fine")], ["rejected", "landed"]);
    assert!(night.reason("weak").contains("ci/own [1].toml"), "{}", night.reason("weak"));
    // Where they need not stay as they are, who changes them is named.
    night.write("ci/own [1].toml", "[target.verification]\ncommand = \"sh run.sh\"\nprotect = []\n");
    night.commit("unprotected");
    let said = night.mc(&[&config[..], &["mission", "start", "--plan", &plan]].concat()).exits(0);
    said.says(&["it changes what decides how changes are verified: ci/own [1].toml"]);
}

#[test]
fn what_a_unit_changed_outside_of_its_files_is_a_note() {
    let night = Night::new();
    let plan = unit("a", "mkdir src docs; touch src/a docs/b c")
        + "files = [\"src/**\"]\n"
        + &unit("b", "touch d")
        + "files = [\"d\"]\n";
    night.mission(&plan).exits(0);
    let report = night.report();
    assert!(report.contains("note on a attempt 1: it changed what its `files` do not name: c, docs/b\n"), "{report}");
    assert!(!report.contains("note on b"), "{report}");
}

#[test]
fn nothing_is_called_kept_where_nothing_was_made() {
    let night = Night::new();
    night.mission(&unit("a", "exit 3")).exits(3);
    let report = night.report();
    assert!(report.contains("a  failed: ") && !report.contains("work kept"), "{report}");
    night.mc(&["unit", "show", "a"]).exits(0).does_not_say(&["look: ", "take: "]);
    night.mission(&unit("b", "echo b > b.txt; exit 3")).exits(3);
    assert!(night.report().contains("work kept at refs/mc/attempts/"), "{}", night.report());
    night.mc(&["unit", "show", "b"]).exits(0).says(&["look: git diff ", "take: git switch -c b "]);
}

#[test]
fn a_dry_run_refuses_what_a_start_refuses() {
    let night = Night::new();
    let plan = night.plan("[[unit]]\nid = \"a\"\ntitle = \"A\"\n");
    for dry in [&["--dry-run"][..], &[]] {
        let said = night.mc(&[&["mission", "start", "--plan", &plan], dry].concat()).exits(2);
        said.says(&["unit a has no `run` and no agent is configured", "hint: set [agent] command"]);
    }
    night.mc(&["mission", "start", "--dry-run"]).exits(2).says(&["BACKLOG.md"]);
    night.write("BACKLOG.md", "## A\n- run: true\n");
    night
        .mc(&["mission", "start", "--dry-run"])
        .exits(0)
        .says(&["BACKLOG.md is not committed on main", "1 unit in 1 wave"]);
    night.commit("backlog");
    let said = night.mc(&["mission", "start", "--dry-run"]).exits(0).says(&["1 unit in 1 wave", "nothing was changed"]);
    said.does_not_say(&["not committed"]);
    assert!(!night.state().exists(), "it changed nothing");
}

#[test]
fn a_backlog_that_is_not_committed_is_the_plan_of_one_mission() {
    let night = Night::new();
    night.mc(&["mission", "start"]).exits(2).says(&["no BACKLOG.md in the last commit of main", "`mc init`"]);
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n\n## Later\n- status: note\n");
    night.mc(&["mission", "start"]).exits(0).says(&["its units as they are now are the plan", "a: landed"]);
    assert_eq!(night.sh("git status --porcelain"), "?? BACKLOG.md");
    assert!(!night.holds("git cat-file -e mc/green:BACKLOG.md"));
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n\n## B\n- depends: a\n- run: cat a.txt > b.txt\n");
    night.mc(&["mission", "start"]).exits(0).says(&["b: landed"]).does_not_say(&["a: landed"]);
    night.audit();
}

#[test]
fn beside_an_unfinished_mission_nothing_starts_and_nothing_untrue_is_promised() {
    let night = Night::new();
    let plan = night.plan(&unit("a", "touch ~/begun; while [ ! -e ~/go ]; do sleep 0.1; done; echo a > a.txt"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun");
    let said = night.mc(&["mission", "start", "--detach"]).exits(2);
    assert!(said.out.is_empty() && said.err.starts_with("error: mission "), "{}", said.text());
    engine.signal("TERM");
    engine.wait().exits(130);
    let said = night.mc(&["mission", "pause"]).exits(0);
    said.says(&["no engine works on it, nothing starts before `mc mission resume`"]);
    night.write("../go", "");
    night.mc(&["mission", "resume"]).exits(0).says(&["a: landed"]);
}

#[test]
fn what_an_attempt_printed_and_its_standard_error_are_kept_apart_and_shown_both() {
    let night = Night::new();
    let run = "echo printed; echo warned >&2; echo a > a.txt; test $MC_ATTEMPT = 2";
    night.mission(&unit("a", run).replace("attempts = 1", "attempts = 2")).exits(0);
    let log = |args: &[&str]| night.mc(&[&["unit", "log", "a"], args].concat()).exits(0);
    let shown = log(&[]);
    assert_eq!(shown.out, "printed\nwarned\n");
    shown.says(&["== a: attempt 2: standard error"]);
    assert_eq!(log(&["-f", "--attempt", "1"]).out, "printed\nwarned\n");
    let json: serde_json::Value = serde_json::from_str(&log(&["--json"]).out).unwrap();
    assert_eq!((&json["log"], &json["errors"]), (&"printed\n".into(), &"warned\n".into()));
    assert!(json["errors_path"].as_str().unwrap().ends_with("/a/2/run/err.log"), "{json}");
    // The reason of a failed attempt has both.
    night.mc(&["unit", "show", "a"]).exits(0).says(&["printed", "warned"]);
}

#[test]
fn json_is_json_for_logs_events_and_places() {
    let night = Night::new();
    night.settings("sh run.sh", "[target]\nname = \"The shop\"");
    night.mission(&unit("a", "echo said; echo a > a.txt")).exits(0);
    let json = |args: &[&str]| -> serde_json::Value { serde_json::from_str(&night.mc(args).exits(0).out).unwrap() };
    let log = json(&["unit", "log", "a", "--json"]);
    assert_eq!((&log["schema"], &log["attempt"], &log["log"]), (&1.into(), &1.into(), &"said\n".into()));
    assert!(night.events().iter().all(|row| row["schema"] == 1 && row["seq"].is_u64()));
    assert_eq!(json(&["where", "--json"])["name"], "The shop");
    night.mc(&["where"]).exits(0).says(&["name           The shop\n"]);
}

#[test]
fn what_a_refusing_verification_printed_is_shown_and_found() {
    let night = Night::new();
    night.settings("cat verdict 2>/dev/null; test ! -e verdict", "");
    night.mission(&unit("a", "echo 'E: the till is empty' > verdict")).exits(3);
    let text = night.mc(&["unit", "show", "a"]).exits(0).out;
    assert!(text.contains("refused attempt 1") && text.contains("E: the till is empty"), "{text}");
    assert!(text.contains("  output  `mc unit log a --verification` prints all of it"), "{text}");
    night.mc(&["unit", "log", "a", "--verification"]).exits(0).says(&["the till is empty"]);
    let json: serde_json::Value =
        serde_json::from_str(&night.mc(&["unit", "show", "a", "--json"]).exits(0).out).unwrap();
    assert!(json["unit"]["refused_by"]["note"].as_str().unwrap().contains("the till is empty"));
}

#[test]
fn a_failing_setup_is_told_in_words() {
    let night = Night::new();
    night.write("setup.sh", "test -e ~/mended || { touch ~/mended; echo no npm; exit 3; }");
    night.settings("sh run.sh", "[target]\nsetup = \"sh setup.sh\"");
    night.mission(&unit("a", "echo a > a.txt")).exits(0).says(&["failed (exit 3): no npm; ", "; again in 1 s"]);
}

#[test]
fn a_setup_that_says_no_twice_in_the_same_words_on_the_base_ends_the_start_and_its_log_is_named() {
    let night = Night::new();
    let noise = "i=0; while [ $i -lt 900 ]; do echo noise $i; i=$((i+1)); done";
    let line = format!("echo x >> ~/tries; echo at $$: the lock is out of step; {noise}; echo sum; exit 3");
    night.settings("sh run.sh", &format!("[target]\nsetup = \"{line}\""));
    let said = night.mission(&unit("a", "echo a > a.txt")).exits(6).says(&[
        "twice in the same way: target.setup",
        ": the lock is out of step",
        "noise 899; sum; all it said: ",
        "`mc doctor --baseline` tries it",
    ]);
    assert_eq!(night.sh("wc -l < ~/tries"), "2");
    let log = said.text().rsplit_once("all it said: ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    assert!(std::fs::read_to_string(&log).unwrap().contains("noise 450\n"), "{log}");
}

#[test]
fn p3_a_target_branch_taken_in_as_it_is_passes_the_audit() {
    let night = Night::new();
    night.mission(&unit("a", "true")).exits(0);
    night.write("by-hand.txt", "from a person\n");
    night.commit("by hand");
    night.mission(&unit("b", "test -e by-hand.txt && echo b > b.txt")).exits(0);
    assert!(night.holds("git merge-base --is-ancestor main mc/green && git cat-file -e mc/green:b.txt"));
    night.mc(&["audit"]).exits(0);
    night.mc(&["report", "--verify"]).exits(0);
}

#[test]
fn a_shell_line_that_no_shell_can_be_given_is_refused_where_it_is_written() {
    let night = Night::new();
    let line = |length: usize| {
        let line = format!("true # {}", "é'".repeat((length - 7) / 3));
        format!("{line}{}", "x".repeat(length - line.len()))
    };
    let (fits, long) = (line(131_000), line(131_001));
    let words = "has 131001 bytes, and the system starts no shell line of more than 131000; put it into a script file";
    let plan = |key: &str, line: &str| match key {
        "run" => format!("[[unit]]\nid = \"a\"\nrun = \"{line}\"\n"),
        _ => format!("[[unit]]\nid = \"a\"\n{key} = \"{line}\"\nrun = \"true\"\n"),
    };
    for key in ["run", "verify", "accept"] {
        night.mission(&plan(key, &long)).exits(2).says(&[&format!("line 3: `{key}`: it {words}")]);
        night.write("BACKLOG.md", format!("## The unit\n- {key}: `{long}`\n"));
        night.mc(&["backlog", "check"]).exits(2).says(&[&format!("BACKLOG.md:2: `{key}`: it {words}")]);
    }
    night.commit("backlog");
    night.mc(&["mission", "start"]).exits(2).says(&["line 2: `accept`: it has 131001 bytes"]);
    night.sh("git rm -q BACKLOG.md");
    let settings = format!(
        "[target.verification]\ncommand = \"{long}\"\nfingerprint = [\"true\", \"{long}\"]\n[target]\ncheck = \"{long}\"\n\
         setup = \"{long}\"\n[agent]\ncommand = \"{long}\"\n"
    );
    night.write("mission-control.toml", settings);
    night.mc(&["verify"]).exits(2).says(&[
        &format!("mission-control.toml:2: `target.verification.command` {words}"),
        &format!("mission-control.toml:3: `target.verification.fingerprint` holds a line that {words}"),
        &format!("mission-control.toml:5: `target.check` {words}"),
        &format!("mission-control.toml:6: `target.setup` {words}"),
        &format!("mission-control.toml:8: `agent.command` {words}"),
    ]);
    let stage = format!("[[target.verification.stage]]\nname = \"t\"\nrun = \"{long}\"\n");
    night.write("mission-control.toml", stage);
    night.mc(&["config", "show"]).exits(2).says(&[&format!("toml:3: `target.verification.stage.run` {words}")]);

    // One byte less works, with either supervisor and with an argument behind it.
    for isolation in ["auto", "search"] {
        let more = format!("prompt = \"arg\"\n[scheduler]\nisolation = \"{isolation}\"\nmax_attempts = 1");
        night.settings(&fits, &format!("[agent]\ncommand = \"{}\"\n{more}", fits.replacen("true #", "test #", 1)));
        night.mission(&plan("run", &fits)).exits(0).says(&["a: attempt 1 ended no-op"]);
        night.mission("[[unit]]\nid = \"b\"\ntitle = \"B\"\n").exits(3).says(&["b: attempt 1 ended failed-work"]);
    }
}

#[test]
fn a_brief_that_is_too_long_for_an_argument_is_named_and_a_large_environment_arrives() {
    let mut night = Night::new();
    let names: Vec<String> = (0..10).map(|n| format!("LARGE_{n}")).collect();
    for name in &names {
        night.var(name, &"é".repeat(50_000));
    }
    let agent = "test -n \"$1\" && test $(echo \"$1\" | wc -c) -lt 1000 && grep -q the.end \"$MC_BRIEF\" && test ${#LARGE_9} = 100000 && echo \"$1\" > brief.txt";
    std::fs::write(night.home().join("agent.sh"), agent).unwrap();
    let settings = format!("[agent]\ncommand = \"sh ~/agent.sh\"\nprompt = \"arg\"\nenv = {names:?}");
    night.settings("sh run.sh", &settings);
    let body = format!("{} the.end", "word ".repeat(30_000));
    let plan = format!("[[unit]]\nid = \"a\"\ntitle = \"A\"\nattempts = 1\ndescription = \"{body}\"\n");
    night.mission(&plan).exits(0).says(&["a: landed"]);
    let said = night.sh("git show mc/green:brief.txt");
    assert!(said.starts_with("Your instructions are in the file /") && said.ends_with(": read it first."), "{said}");
}

/// A `git` that answers some calls as on a full disk.
fn git_without_room(night: &Night, calls: &str) -> String {
    let bin = night.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let git = night.sh("command -v git");
    let said = "fatal: unable to write loose object file: No space left on device";
    let script =
        format!("#!/bin/sh\ncase \" $* \" in {calls}) echo '{said}' >&2; exit 128;; esac\nexec {git} \"$@\"\n");
    std::fs::write(bin.join("git"), script).unwrap();
    night.sh("chmod +x ~/bin/git");
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_full_disk_at_the_claim_is_named_with_its_place_and_what_helps() {
    for calls in ["*' hash-object -w '*", "*' update-ref '*"] {
        let mut night = Night::new();
        let path = git_without_room(&night, calls);
        night.var("PATH", &path);
        let full = format!("the disk that holds {} is full", night.repo().display());
        let said =
            night.mission(&unit("a", "touch a")).exits(6).says(&[&full, "next: the disk is full: make room on it"]);
        said.does_not_say(&["belongs to the state directory", "--take-over", "is already", "mend the repository"]);
        night.forget_vars();
        night.mission(&unit("a", "touch a")).exits(0);
    }
}

#[test]
fn a_small_disk_that_is_full_is_named_wherever_a_start_writes() {
    let night = Night::new();
    let Some(unshare) = ["unshare -m", "unshare -Urm"]
        .into_iter()
        .find(|unshare| night.holds(&format!("{unshare} sh -c 'mount -t tmpfs -o size=1m none ../'")))
    else {
        cannot_run("no right to mount a small file system");
        return;
    };
    let (plan, mc) = (night.plan(&unit("a", "touch a")), env!("CARGO_BIN_EXE_mc"));
    // Room in KiB for state directory and repository.
    for (state, repository, place) in [
        (0, 900, "state/repository"),
        (4, 900, "state/engine.lock"),
        (8, 900, "state/mc.db"),
        (900, 0, "small/repo"),
        (900, 4, "small/repo"),
        (900, 8, "small/repo"),
    ] {
        let said = night.sh(&format!(
            "mkdir -p ../small; {unshare} sh -c 'mount -t tmpfs -o size=1200k none ../small; cd ../small
               git clone -q --template= ../repo repo; cd repo; mkdir ../other; mount -t tmpfs -o size=1000k none ../other
               fill() {{ cat /dev/zero >$1/fill 2>/dev/null; truncate -s -${{2}}k $1/fill; }}
               fill ../other {state}; fill .. {repository}; export MC_STATE_DIR=$PWD/../other/state
               {mc} mission start --plan {plan}; echo ends $?' 2>&1"
        ));
        for words in ["disk", "full", "make room", place, "ends 6"] {
            assert!(said.contains(words), "{state} {repository} {words}: {said}");
        }
    }
}
