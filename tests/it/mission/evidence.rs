//! Evidence of units from the outside: `verify` and `accept` at a landing, quick stages before the queue, protected paths, and
//! pins that the audit looks for.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::cli::control::unwritten;
use crate::support::night::{Night, unit};

/// A repository whose agent does what `~/agent/UNIT` says, after noting that it started; two attempts per unit.
fn night(stages: &str) -> Night {
    let night = Night::new();
    std::fs::create_dir(night.home().join("agent")).unwrap();
    let agent =
        "[agent]\ncommand = \"echo $MC_UNIT >> ~/started; . ~/agent/$MC_UNIT\"\n[scheduler]\nmax_attempts = 2\n";
    night.write("mission-control.toml", format!("{stages}\n{agent}"));
    night.commit("settings");
    night
}

/// The gate alone; each of its runs leaves a line in `~/runs`.
const GATE: &str = "[target.verification]\ncommand = \"echo run >> ~/runs; sh run.sh\"";

/// The gate and one quick stage.
fn with_quick(run: &str) -> String {
    format!(
        "[[target.verification.stage]]\nname = \"fast\"\ntier = \"quick\"\nrun = '''{run}'''\n\
         [[target.verification.stage]]\nname = \"unit\"\nrun = \"echo run >> ~/runs; sh run.sh\"\n"
    )
}

/// A unit for the agent with further keys.
fn agent(night: &Night, id: &str, script: &str, keys: &str) -> String {
    std::fs::write(night.home().join("agent").join(id), script).unwrap();
    format!("[[unit]]\nid = \"{id}\"\ntitle = \"Task {id}\"\n{keys}\n")
}

fn lines(night: &Night, file: &str) -> usize {
    night.sh(&format!("touch ~/{file}; wc -l < ~/{file}")).trim().parse().unwrap()
}

#[test]
fn p1_p13_accept_and_verify_land_what_they_show_and_leave_the_gate_alone() {
    let night = night(GATE);
    let keys = "verify = 'echo v >> ~/verified; test -e a'\naccept = 'echo a >> ~/accepted; test -e a'\nattempts = 2";
    // The first attempt is refused by the gate, so that the second one is judged on an unchanged green.
    let script = "touch a; [ $MC_ATTEMPT = 1 ] && rm tests/alpha.sh || echo true > tests/alpha.sh";
    let first = agent(&night, "a", script, keys);
    night.mission(&first).exits(0);
    assert_eq!(night.classes("a"), ["changed", "changed"]);
    assert_eq!(lines(&night, "accepted"), 2, "once before, known on the second try, once after");
    assert_eq!(lines(&night, "verified"), 1);
    let shown = night.mc(&["unit", "show", "a"]).exits(0);
    let shown =
        shown.says(&["attempt 1: accept on green: failed", "attempt 2: accept on green: failed", "known before"]);
    shown.says(&["attempt 2: verify and accept on the candidate: passed"]);
    night.green_verifies("sh run.sh");
    night.audit();
    // The tree that landed is known to the gate, whatever else was run on it.
    let before = lines(&night, "runs");
    night.mission(&unit("b", "touch b")).exits(0);
    assert_eq!(lines(&night, "runs"), before + 1);
    let landed = night.sql("SELECT body FROM journal WHERE kind = 'land-intended' ORDER BY seq LIMIT 1");
    let key =
        serde_json::from_str::<serde_json::Value>(&landed[0]).unwrap()["unit_checks"].as_str().unwrap().to_owned();
    assert_eq!(night.sql(&format!("SELECT count(*) || '' FROM snapshots WHERE key = '{key}'")), ["1"]);
    rusqlite::Connection::open(night.state().join("mc.db"))
        .unwrap()
        .execute_batch(&format!("DELETE FROM snapshots WHERE key = '{key}'"))
        .unwrap();
    night.mc(&["audit"]).exits(4).says(&["its own lines on its tree: no snapshot is stored under"]);
}

#[test]
fn p13_units_that_ask_the_same_at_the_same_time_ask_once() {
    let night = night(GATE);
    // The first to ask gives others a second to ask as well.
    let accept = "test -e made || { echo x >> ~/asked; for n in 1 2 3 4 5 6 7 8 9 10; do [ $(wc -l < ~/asked) = 1 ] || exit 1; \
                  sleep 0.1; done; exit 1; }";
    let units = ["a", "b", "c"].map(|id| agent(&night, id, "touch made", &format!("accept = '{accept}'")));
    night.mission(&units.concat()).says(&["landed"]);
    assert_eq!(lines(&night, "asked"), 1);
    night.audit();
}

#[test]
fn accept_that_passes_or_cannot_run_before_is_held_until_a_person_says_so() {
    let night = night(GATE);
    let landed = "git -C ~/repo cat-file -e mc/green:f 2>/dev/null";
    let plan = [
        agent(&night, "passes", "touch p", "accept = 'true'"),
        agent(&night, "missing", "printf '#!/bin/sh\\n' > m; chmod +x m", "accept = './m'"),
        agent(&night, "free", "touch f", ""),
        agent(&night, "late", &format!("until {landed}; do sleep 0.05; done; touch f late"), "accept = 'test -e f'"),
    ];
    let said = night.mission(&plan.join("\n")).exits(3);
    said.says(&["passes: held, `accept` passes on green at", "no agent was started", "mc unit retry passes"]);
    assert_eq!(night.sh("sort ~/started"), "free\nlate", "the others were not paid");
    let cost = night.status()["cost"].clone();
    assert_eq!(cost["unknown_attempts"], 2, "{cost}");
    assert_eq!([night.unit("passes"), night.unit("missing"), night.unit("free")], ["held", "held", "landed"]);
    assert!(night.reason("missing").contains("could not run on green"), "{}", night.reason("missing"));
    assert_eq!(night.unit("late"), "held");
    assert!(night.reason("late").contains("another change may have brought it"), "{}", night.reason("late"));
    assert!(night.reason("missing").contains("127"), "{}", night.reason("missing"));
    assert!(night.holds("! git cat-file -e mc/green:p && ! git cat-file -e mc/green:m"));
    for unit in ["passes", "missing", "late"] {
        night.mc(&["unit", "retry", unit]).exits(0);
    }
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!([night.unit("passes"), night.unit("missing"), night.unit("late")], ["landed"; 3]);
    night.green_verifies("sh run.sh");
    night.audit();
}

#[test]
fn p1_p7_what_own_lines_refuse_does_not_land_and_says_why() {
    let night = night(GATE);
    let plan = [
        agent(&night, "verify", "touch v", "verify = 'echo \"no v please\"; ! test -e v'"),
        agent(&night, "accept", "touch a", "accept = 'test -e never'"),
        agent(&night, "not-run", "touch n", "verify = 'no-such-program-here'"),
        agent(&night, "flaky", "touch f", "verify = 'mkdir ~/once'\nattempts = 1"),
        agent(
            &night,
            "mends",
            "grep -q 'no w please' $MC_BRIEF && rm w || touch w; touch x",
            "verify = 'echo no w please; ! test -e w'",
        ),
        unit("script", "touch s") + "verify = 'test -e nothing'\n",
    ];
    night.sh("rm -rf ~/once");
    night.mission(&plan.join("\n")).exits(3);
    for (unit, state, reason) in [
        ("verify", "rejected", "no v please"),
        ("accept", "rejected", "accept: exit code 1"),
        ("not-run", "rejected", "could not run on the merged tree"),
        ("mends", "landed", ""),
        ("script", "rejected", "verify: exit code 1"),
    ] {
        assert_eq!(night.unit(unit), state, "{unit}: {}", night.reason(unit));
        assert!(night.reason(unit).contains(reason), "{unit}: {}", night.reason(unit));
    }
    // `mkdir` works once: the second run is the one that fails, and what passed in one of two runs is forgiven.
    assert_eq!(night.unit("flaky"), "landed");
    assert_eq!(night.classes("verify"), ["changed", "changed"], "two attempts, each with its own evidence");
    assert!(night.holds("for f in v a n w s; do ! git cat-file -e mc/green:$f || exit 1; done"));
    night.green_verifies("sh run.sh");
    night.audit();
}

#[test]
fn own_lines_that_fail_by_chance_are_run_twice_before_anyone_is_blamed() {
    let night = night(GATE);
    // The first run fails, every later one passes.
    night.mission(&agent(&night, "flaky", "touch f", "verify = '! mkdir ~/once 2>/dev/null'\nattempts = 1")).exits(0);
    assert_eq!(night.classes("flaky"), ["changed"]);
    night.mc(&["unit", "show", "flaky"]).says(&["verify on the candidate: failed", "verify on the candidate: passed"]);
    night.audit();
}

#[test]
fn p8_nothing_to_do_is_believed_only_if_accept_passes() {
    let night = night(GATE);
    let done = r#"echo '{"status":"completed","no_op_reason":"there already"}' > $MC_RESULT"#;
    // Known before anybody is paid; a person may say that the agent shall look all the same.
    night.mission(&agent(&night, "known", done, "accept = 'test -e run.sh'")).exits(3);
    assert_eq!((night.unit("known").as_str(), lines(&night, "started")), ("held", 0));
    night.mc(&["unit", "retry", "known"]).exits(0);
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!(night.unit("known"), "no-op");
    let plan = [
        agent(&night, "lazy", done, "accept = 'test -e wanted'"),
        agent(&night, "learns", &format!("[ $MC_ATTEMPT = 1 ] && {done} || touch l"), "accept = 'test -e l'"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    assert_eq!([night.unit("lazy"), night.unit("learns")], ["failed", "landed"]);
    assert!(night.reason("lazy").contains("its `accept` does not pass"), "{}", night.reason("lazy"));
    night.audit();
}

#[test]
fn own_lines_see_what_the_gate_ignores() {
    let night = night(&format!("{GATE}\nignore = [\"**/*.md\"]"));
    night
        .mission(&agent(&night, "docs", "echo quickstart > README.md", "accept = 'grep -q quickstart README.md'"))
        .exits(0);
    assert_eq!(night.unit("docs"), "landed");
    assert_eq!(lines(&night, "runs"), 1, "the gate knows the narrowed tree");
    night.audit();
}

#[test]
fn quick_stages_spare_the_gate_and_the_retry_starts_from_its_own_work() {
    let night = night(&with_quick("echo q >> ~/quick; touch left-over; echo looked at a; ! grep -q bad a"));
    let script = "[ -e a ] && cp $MC_BRIEF ~/brief && echo good > a || echo bad > a";
    night.mission(&agent(&night, "a", script, "")).exits(0);
    assert_eq!(night.classes("a"), ["failed-quick", "changed"]);
    assert_eq!(lines(&night, "quick"), 3, "twice for the failure, once for the retry");
    assert_eq!(lines(&night, "runs"), 2, "the base and one candidate");
    night.sh("grep -q 'the quick stages refuse it: fast: exit code 1' ~/brief && grep -q 'looked at a' ~/brief");
    night.sh("grep -q 'these run in your workspace' ~/brief");
    assert_eq!(night.sh("git show mc/green:a"), "good");
    assert!(night.holds("! git cat-file -e mc/green:left-over"), "what a stage leaves is no work");
    night.mc(&["unit", "show", "a"]).says(&["checked failed in", "run twice: fast: exit code 1", "checked passed in"]);
    night.audit();
}

#[test]
fn p7_a_quick_stage_that_is_missing_holds_and_one_that_hangs_fails() {
    let night = night(
        &with_quick("[ -e hang ] && exec sleep 1000; no-such-program-here")
            .replace("tier = \"quick\"", "tier = \"quick\"\ntimeout = 4"),
    );
    let plan = [agent(&night, "tool", "touch t", ""), agent(&night, "hangs", "touch hang", "attempts = 1")];
    night.mission(&plan.join("\n")).exits(3).says(&["install it, then", "mc unit retry tool"]);
    assert_eq!([night.unit("tool"), night.unit("hangs")], ["held", "failed"]);
    assert!(night.reason("hangs").contains("timeout after 4 s"), "{}", night.reason("hangs"));
    assert_eq!(lines(&night, "runs"), 1, "nothing was merged");
    night.audit();
}

#[test]
fn protected_paths_are_refused_before_a_verification_and_a_persons_change_is_not() {
    let night = night(
        "[target.verification]\ncommand = \"echo run >> ~/runs; sh run.sh\"\nprotect = [\"tests\", \"**/*.lock\"]",
    );
    let plan = [
        unit("adds", "echo x >> ~/added; echo true > tests/new.sh"),
        unit("renames", "git mv tests/alpha.sh moved.sh"),
        unit("deep", "mkdir -p x/y; touch x/y/z.lock"),
        unit("free", "touch tests2"),
        agent(&night, "mends", "cp $MC_BRIEF ~/brief; touch m; [ $MC_ATTEMPT = 1 ] && touch tests/m || rm tests/m", ""),
    ];
    night.mission(&plan.join("\n")).exits(3);
    for (unit, paths) in [("adds", "tests/new.sh"), ("renames", "tests/alpha.sh"), ("deep", "x/y/z.lock")] {
        assert_eq!(night.unit(unit), "rejected");
        assert!(night.reason(unit).ends_with(&format!("keeps as they are: {paths}")), "{}", night.reason(unit));
        night.mc(&["unit", "show", unit]).does_not_say(&["refused attempt"]);
    }
    assert_eq!([night.unit("free"), night.unit("mends")], ["landed", "landed"]);
    assert_eq!(lines(&night, "runs"), 3, "the base and two candidates");
    assert_eq!(lines(&night, "added"), 1, "a script would do the same again");
    night.sh("grep -q 'is refused whatever else it does: `tests`, `\\*\\*/\\*.lock`' ~/brief");
    night.sh("grep -q 'keeps as they are: tests/m' ~/brief");
    // What a person commits on the target branch is taken in.
    night.write("tests/gamma.sh", "true\n");
    night.commit("a person may");
    night.mission(&unit("later", "touch later")).exits(0);
    assert!(night.holds("git cat-file -e mc/green:tests/gamma.sh && git cat-file -e mc/green:later"));
    night.audit();
}

#[test]
fn p4_killed_in_a_quick_stage_and_in_a_units_own_lines_it_goes_on_where_it_was() {
    let wait = |name: &str| format!("echo x >> ~/{name}; while [ ! -e ~/go-{name} ]; do sleep 0.02; done");
    let night = night(&with_quick(&format!("{}; touch left-over", wait("quick"))));
    let plan = agent(
        &night,
        "a",
        "touch a",
        &format!("verify = '{}'\naccept = 'echo a >> ~/accepted; test -e a'", wait("verify")),
    );
    let plan = night.plan(&plan);
    let mut engine = night.begin(&["mission", "start", "--plan", &plan]);
    for stage in ["quick", "verify"] {
        night.until(&format!("[ -s ~/{stage} ]"));
        engine.signal("KILL");
        engine.wait();
        if stage == "verify" {
            night.sh("touch ~/go-verify");
        }
        engine = night.begin(&["mission", "resume"]);
        night.sh(&format!("touch ~/go-{stage}"));
    }
    engine.wait().exits(0);
    assert_eq!(night.unit("a"), "landed");
    assert_eq!(night.classes("a"), ["changed"]);
    for (file, times) in [("started", 1), ("quick", 1), ("verify", 1), ("accepted", 2)] {
        assert_eq!(lines(&night, file), times, "{file}");
    }
    assert!(night.holds("! git cat-file -e mc/green:left-over"));
    night.green_verifies("sh run.sh");
    night.audit();
}

#[test]
fn p5_a_stop_kills_a_quick_stage_and_keeps_the_work() {
    let night = night(&with_quick("touch ~/quick; sleep 86399"));
    let plan = night.plan(&agent(&night, "a", "touch a", ""));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("[ -e ~/quick ]");
    night.mc(&["mission", "stop", "--now"]);
    engine.wait();
    assert_eq!(night.classes("a"), ["stopped"]);
    assert!(night.holds("! grep -alz '^86399' /proc/[0-9]*/cmdline 2>/dev/null"));
    let mission = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    night.sh(&format!("git cat-file -e refs/mc/attempts/{mission}/a/1:a"));
    night.audit();
    // What the journal says is pinned must be pinned there.
    night.sh(&format!("git update-ref refs/mc/attempts/{mission}/a/1 main"));
    night.mc(&["audit"]).exits(4).says(&["refs/mc/attempts/", "/a/1 points to"]);
    night.sh(&format!("git update-ref -d refs/mc/attempts/{mission}/a/1"));
    night.mc(&["audit"]).exits(4).says(&["/a/1 is gone; it pinned"]);
}

#[test]
fn p4_killed_again_and_again_with_quick_stages_and_own_lines_everything_lands_shown() {
    let night = night(&with_quick("sleep 0.1; touch left-over; ! grep -qs wrong ?"));
    let keys =
        |id: &str| format!("attempts = 9\nverify = 'sleep 0.1; test -e {id}'\naccept = 'sleep 0.1; test -e {id}'");
    let script = |id: &str| format!("sleep 0.1; echo good > {id}");
    let units: Vec<String> = ["a", "b", "c"].iter().map(|id| agent(&night, id, &script(id), &keys(id))).collect();
    let plan = night.plan(&units.join("\n"));
    let mut random = fastrand::Rng::with_seed(7);
    let mut engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("[ -e ~/state/mc.db ] && [ -s ~/started ]");
    let rows = || night.sql("SELECT seq || '' FROM journal").len();
    for _ in 0..12 {
        // Whatever it does then, after so many more records; at its end at the latest.
        let more = rows() + random.usize(0..6);
        if engine.until(|| rows() >= more) {
            engine.signal("KILL");
        }
        engine.wait();
        engine = night.begin(&["mission", "resume"]);
    }
    engine.wait().exits(0);
    for id in ["a", "b", "c"] {
        assert_eq!(night.unit(id), "landed", "{}", night.reason(id));
        let refused = night.classes(id).into_iter().find(|class| class.starts_with("failed"));
        assert_eq!(refused, None, "{id}");
    }
    let files = night.sh("git diff --name-only main mc/green");
    assert_eq!(files, "a\nb\nc");
    night.green_verifies("sh run.sh");
    night.audit();
}

#[test]
fn p13_accept_is_asked_before_an_agent_is_paid_and_once_for_a_tree() {
    let night = night(GATE);
    let accept = |id: &str| format!("accept = 'echo {id} >> ~/accepted; touch litter; test -e {id}'");
    let shared = "if [ $MC_ATTEMPT = 1 ]; then echo false > tests/new.sh; else echo true > tests/new.sh; touch a; fi";
    // Refused by the gate once: the second attempt, too, starts on a green that is known.
    night.mission(&agent(&night, "a", shared, &accept("a"))).exits(0);
    assert_eq!(lines(&night, "accepted"), 2, "once before both attempts, once on the candidate");
    assert!(night.holds("! git cat-file -e mc/green:litter"), "what the line leaves is no work");
    // What the line said of the landed tree is known to the next mission.
    let again = agent(&night, "again", "touch never", &accept("a"));
    night.mission(&again).exits(3).says(&["again: held, `accept` passes on green at"]);
    assert_eq!((lines(&night, "accepted"), lines(&night, "started")), (2, 2));
    night.audit();
    // What cannot run is asked twice before a person is.
    night.mc(&["mission", "stop", "--now"]).exits(0);
    night.mission(&agent(&night, "b", "touch b", "accept = 'echo b >> ~/asked; no-such-program'")).exits(3);
    assert_eq!((lines(&night, "asked"), lines(&night, "started")), (2, 2));
    night.audit();
}

#[test]
fn p4_p5_an_engine_killed_while_accept_is_asked_leaves_nobody_and_asks_again() {
    let night = night(GATE);
    let keys =
        "accept = 'echo a >> ~/accepted; touch litter ~/asking; while [ ! -e ~/go ]; do sleep 0.02; done; test -e a'";
    let plan = night.plan(&agent(&night, "a", "touch a", keys));
    let mission = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/asking");
    mission.signal("KILL");
    mission.wait();
    let asks = "for p in /proc/[0-9]*; do case $(readlink $p/cwd) in $POOL/*) exit 0;; esac; done; exit 1";
    assert!(night.holds(asks), "the line outlives its engine");
    night.mc(&["unit", "cancel", "a"]).exits(0);
    assert!(!night.holds(asks), "P5: nothing of it lives");
    night.mc(&["unit", "retry", "a"]).exits(0);
    night.sh("rm ~/asking");
    let mission = night.begin(&["mission", "resume"]);
    night.until("test -e ~/asking");
    mission.signal("TERM");
    mission.wait().exits(130);
    assert!(!night.holds(asks), "P5: nothing of it lives");
    night.sh("touch ~/go");
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!((night.unit("a").as_str(), lines(&night, "started")), ("landed", 1));
    assert!(night.holds("! git cat-file -e mc/green:litter"));
    night.audit();
}

#[test]
fn p9_a_unit_that_lands_after_its_round_was_over_counts_where_it_was_planned() {
    let night = night(GATE);
    night.write("../agent/known", "touch known");
    night.write("BACKLOG.md", "## Known\n- id: known\n- accept: true\n\nMake it.\n");
    night.commit("backlog");
    // Round 2 finds nothing and waits for the person.
    night.mc(&["mission", "start"]).exits(3).says(&["round 2", "mc unit retry known"]);
    night.mc(&["unit", "retry", "known"]).exits(0);
    night.mc(&["mission", "resume"]).exits(0).says(&["known: landed"]);
    night.audit();
}

#[test]
fn p4_an_engine_killed_before_it_told_what_accept_said_is_followed_by_one_that_tells_the_same() {
    let night = night(GATE);
    let told = || night.sql("SELECT json_extract(body, '$.report') FROM journal WHERE kind = 'session-ended'");
    night.mission(&agent(&night, "a", "touch a", "accept = 'true'")).exits(3);
    let (report, reason) = (told(), night.reason("a"));
    assert!(reason.contains("no agent was started"), "{reason}");
    unwritten(&night, "session-ended");
    night.sh(&format!("rm {}/sessions/*/a/1/report.json", night.state().display()));
    night.mc(&["mission", "resume"]).exits(3).says(&["a: held, `accept` passes on green at"]);
    assert_eq!((told(), night.reason("a")), (report, reason));
}

#[test]
fn p9_no_round_is_told_to_have_landed_more_than_it_planned() {
    let night = night(GATE);
    let units = [
        agent(&night, "a", "touch a", "accept = 'true'"),
        agent(&night, "b", "touch ~/begun; until [ -e ~/go ]; do sleep 0.02; done; touch b", ""),
    ];
    let plan = night.plan(&units.join("\n"));
    let mission = night.begin(&["mission", "start", "--plan", &plan, "--units-per-round", "1", "--workers", "2"]);
    night.until("[ -e ~/begun ]");
    night.mc(&["unit", "retry", "a"]).exits(0);
    night.until("git cat-file -e mc/green:a");
    night.sh("touch ~/go");
    mission.wait().exits(0).says(&["round 1 is over: 0 of 1 unit landed", "round 2 is over: 1 of 1 unit landed"]);
    night.audit();
}
