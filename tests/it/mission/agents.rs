//! Agents from the outside: each way an attempt can end, with a shell script as the agent, and what a person is told.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};

/// Keeps its brief, then does what `~/agent/UNIT` says. The brief comes on standard input, as text or as a path.
const AGENT: &str = r#"
mkdir -p ~/briefs
case $# in
  0) cat ;;
  *) if [ -f "$1" ]; then cat "$1"; else printf '%s\n' "$1"; fi ;;
esac > ~/briefs/$MC_UNIT.$MC_ATTEMPT
finished() { echo '{"status":"completed"}' > "$MC_RESULT"; }
. ~/agent/$MC_UNIT
"#;

/// A repository whose agent is [`AGENT`]; two attempts per unit.
fn night(more: &str) -> Night {
    let night = Night::new();
    std::fs::write(night.home().join("agent.sh"), AGENT).unwrap();
    std::fs::create_dir(night.home().join("agent")).unwrap();
    night
        .settings("sh run.sh", &format!("[agent]\ncommand = \"sh ~/agent.sh\"\n{more}\n[scheduler]\nmax_attempts = 2"));
    night
}

/// Gives the agent its script for a unit; returns the unit.
fn agent(night: &Night, unit: &str, script: &str) -> String {
    std::fs::write(night.home().join("agent").join(unit), script).unwrap();
    format!("[[unit]]\nid = \"{unit}\"\ntitle = \"Task {unit}\"\n")
}

fn brief(night: &Night, unit: &str, n: u32) -> String {
    std::fs::read_to_string(night.home().join(format!("briefs/{unit}.{n}"))).unwrap()
}

/// Whether the head of an attempt is pinned with this file in it.
fn pinned(night: &Night, unit: &str, n: u32, file: &str) -> bool {
    let mission = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    night.holds(&format!("git cat-file -e refs/mc/attempts/{mission}/{unit}/{n}:{file}"))
}

#[test]
fn p8_changed_no_op_empty_failed_and_continue_end_as_they_should() {
    let night = night("");
    let plan = [
        agent(&night, "committed", "touch c; git add c; git commit -qm c; finished"),
        agent(&night, "uncommitted", "touch u"),
        agent(&night, "nothing", r#"echo '{"status":"completed","no_op_reason":"it was there already"}' > $MC_RESULT"#),
        agent(&night, "empty", "echo I thought about it"),
        agent(&night, "late", "[ $MC_ATTEMPT = 1 ] || { touch l; finished; }"),
        agent(&night, "fails", "touch half; echo boom >&2; exit 7"),
        agent(&night, "mends", "[ -e half2 ] && exit 9; [ $MC_ATTEMPT = 1 ] && { touch half2; exit 7; }; touch m"),
        agent(&night, "gives-up", r#"touch g; echo '{"status":"failed","summary":"no idea"}' > $MC_RESULT"#),
        agent(
            &night,
            "goes-on",
            r#"[ -e part1 ] && touch part2 || { touch part1; echo 'MC_RESULT: {"status":"continue","summary":"half way"}'; }"#,
        ),
    ];
    let said = night.mission(&plan.join("\n")).exits(3);
    for (unit, state, classes) in [
        ("committed", "landed", &["changed"][..]),
        ("uncommitted", "landed", &["changed"]),
        ("nothing", "no-op", &["no-op"]),
        ("empty", "failed", &["empty", "empty"]),
        ("late", "landed", &["empty", "changed"]),
        ("fails", "failed", &["failed-work", "failed-work"]),
        ("mends", "landed", &["failed-work", "changed"]),
        ("gives-up", "failed", &["failed-work", "failed-work"]),
        ("goes-on", "landed", &["continue", "changed"]),
    ] {
        assert_eq!(
            (night.unit(unit).as_str(), night.classes(unit)),
            (state, classes.iter().map(ToString::to_string).collect()),
            "{unit}"
        );
    }
    assert!(night.reason("nothing").contains("it was there already"), "{}", night.reason("nothing"));
    assert!(night.reason("empty").contains("without changing anything"), "{}", night.reason("empty"));
    assert!(brief(&night, "late", 2).contains("ended without changing anything or saying why"));
    assert!(
        night.reason("fails").contains("exit 7") && night.reason("fails").contains("boom"),
        "{}",
        night.reason("fails")
    );
    assert!(night.reason("gives-up").contains("no idea"), "{}", night.reason("gives-up"));
    assert!(brief(&night, "mends", 2).contains("exit 7"));
    assert!(brief(&night, "goes-on", 2).contains("half way"));
    // What failed is kept and not landed.
    assert!(
        pinned(&night, "fails", 1, "half") && pinned(&night, "fails", 2, "half") && pinned(&night, "gives-up", 2, "g")
    );
    assert!(night.holds("! git ls-tree --name-only mc/green | grep '^half'"));
    assert!(night.holds("git cat-file -e mc/green:part1 && git cat-file -e mc/green:part2"));
    let report = night.report();
    for words in [
        "nothing  no-op: nothing changed; the agent said \"it was there already\"",
        "fails  failed",
        "work kept at refs/mc/attempts/",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    said.says(&["mc report"]);
    night.audit();
}

#[test]
fn p8_what_an_agent_says_of_work_that_is_not_there_is_quoted_and_asks_for_a_look() {
    let night = night("");
    let says = |text: &str| format!("echo '{{\"status\":\"completed\",{text}}}' > $MC_RESULT");
    let lists = r#""summary":"added 12 tests","concerns":["the clock"],"follow_ups":["port it","drop the old one"]"#;
    let plan = [
        agent(&night, "lies", &says(lists)),
        agent(&night, "idle", &says(r#""no_op_reason":"it is there""#)),
        unit("script", "true"),
    ];
    night.mission(&plan.join("\n")).exits(0).says(&["ended: nothing is left to plan\n"]);
    let lies = "nothing changed; the agent said \"added 12 tests\"";
    night.mc(&["report"]).exits(0).says(&[
        "ended, nothing is left to plan: 0 of 3 units landed, 3 had nothing to do\n",
        &format!("lies  no-op: {lies}\n"),
        "idle  no-op: nothing changed; the agent said \"it is there\"\n",
        "script  no-op\n",
    ]);
    let look = format!("look at lies: {lies} (`mc unit show lies`)");
    night.mc(&["status"]).exits(0).says(&["needs you\n", &look]).does_not_say(&["look at idle", "look at script"]);
    let shown = night.mc(&["unit", "show", "lies"]).exits(0);
    shown.says(&["  concerns the clock\n", "  follow_ups port it\n             drop the old one\n"]);
    assert_eq!(night.unit("lies"), "no-op");
}

#[test]
fn p10_a_blocked_agent_is_held_and_a_person_lets_it_go_on() {
    let night = night("");
    let asks = r#"grep -q 'use staging' "$MC_BRIEF" && { touch b; finished; } || echo '{"status":"blocked","summary":"which database?","blockers":["no access to prod"]}' > $MC_RESULT"#;
    let after = format!("{}depends = [\"asks\"]\n", agent(&night, "after", "touch a"));
    let plan = [agent(&night, "asks", asks), after, agent(&night, "free", "touch f")];
    night.mission(&plan.join("\n")).exits(3).says(&["which database?", "mc unit retry asks", "mc mission resume"]);
    assert_eq!([night.unit("asks"), night.unit("free"), night.unit("after")], ["held", "landed", "pending"]);
    let status = night.status();
    assert_eq!(status["mission"]["state"], "waiting");
    let needs = status["needs_you"].to_string();
    assert!(needs.contains("which database?") && needs.contains("no access to prod"), "{needs}");
    // A resume without an answer waits again.
    night.mc(&["mission", "resume"]).exits(3).says(&["mc unit retry asks"]);
    // The answer reaches the agent's next brief.
    night.mc(&["unit", "retry", "asks", "--say", "use staging\nand no other"]).exits(0).says(&["mc mission resume"]);
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!([night.unit("asks"), night.unit("after")], ["landed", "landed"]);
    assert_eq!(night.classes("asks"), ["held", "changed"]);
    night.audit();
}

#[test]
fn p8_success_that_is_only_claimed_is_not_believed() {
    let night = night("");
    let plan = [
        // Says that all tests pass, breaks one, and mends it in its own work when told.
        agent(&night, "breaks", "if [ -e own ]; then grep -q alpha ~/briefs/$MC_UNIT.2 && echo true > tests/alpha.sh; else touch own; echo false > tests/alpha.sh; fi
              echo '{\"status\":\"completed\",\"summary\":\"all tests pass\"}' > $MC_RESULT"),
        agent(&night, "insists", "echo false > tests/beta.sh; date +%N > i; finished"),
        agent(&night, "dreams", r#"echo '{"status":"completed","summary":"built it","files_changed":["src/dream.rs"],"commits":["deadbeef"]}' > $MC_RESULT"#),
        agent(&night, "boasts", r#"touch b; echo '{"status":"completed","files_changed":["b","src/more.rs"],"commits":["0123456789"]}' > $MC_RESULT"#),
        agent(&night, "exit1", "touch e; finished; exit 1"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    assert_eq!(night.unit("breaks"), "landed");
    assert_eq!(night.unit_json("breaks")["attempts"], 2);
    assert!(brief(&night, "breaks", 2).contains("1 test passed before and fails now: verification: alpha"));
    assert_eq!(
        (night.unit("insists").as_str(), night.unit_json("insists")["attempts"].as_u64()),
        ("rejected", Some(2))
    );
    assert_eq!(
        (night.unit("dreams").as_str(), night.classes("dreams").join(" ")),
        ("failed", "empty empty".to_owned())
    );
    assert!(night.reason("dreams").contains("src/dream.rs"), "{}", night.reason("dreams"));
    assert!(brief(&night, "dreams", 2).contains("it said that it changed src/dream.rs, deadbeef, and nothing changed"));
    assert_eq!(night.unit("boasts"), "landed");
    assert_eq!(night.unit("exit1"), "failed");
    let report = night.report();
    for words in
        ["note on boasts attempt 1: the agent names changed files that did not change: src/more.rs", "0123456789"]
    {
        assert!(report.contains(words), "{report}");
    }
    night.green_verifies("sh run.sh");
    night.audit();
}

#[test]
fn p8_a_conflict_is_retried_on_the_new_green_with_the_own_work_at_hand() {
    let night = night("");
    let both =
        r#"if [ $MC_ATTEMPT = 1 ]; then echo $MC_UNIT > shared; else [ -e shared ] && echo $MC_UNIT >> shared; fi"#;
    night.mission(&[agent(&night, "one", both), agent(&night, "two", both)].join("\n")).exits(0);
    assert_eq!(night.sh("git show mc/green:shared | sort"), "one\ntwo");
    let loser = if night.unit_json("one")["attempts"] == 2 { "one" } else { "two" };
    let brief = brief(&night, loser, 2);
    assert!(brief.contains("conflicts with green in shared"), "{brief}");
    assert!(brief.contains(&format!("/{loser}/1`")), "{brief}");
    assert!(pinned(&night, loser, 1, "shared"));
    night.audit();
}

#[test]
fn p10_time_used_up_and_silence_end_an_attempt_and_keep_its_work() {
    // Both times are long enough for a busy machine to make the work that is looked for.
    let night = night("idle_timeout = 5");
    let slow = format!("{}timeout = 4\n", agent(&night, "slow", "touch s; while :; do echo busy; sleep 0.1; done"));
    let silent =
        agent(&night, "silent", "[ $MC_ATTEMPT = 2 ] && { touch two; exit 0; }; touch one; echo hello; sleep 50");
    night.mission(&[slow, silent].join("\n")).exits(3);
    assert_eq!(
        (night.unit("slow").as_str(), night.classes("slow").join(" ")),
        ("failed", "failed-timeout failed-timeout".to_owned())
    );
    assert_eq!(
        (night.unit("silent").as_str(), night.classes("silent").join(" ")),
        ("landed", "failed-stalled changed".to_owned())
    );
    assert!(night.reason("slow").contains("used up its time"), "{}", night.reason("slow"));
    assert!(brief(&night, "silent", 2).contains("gave no sign of life"));
    assert!(pinned(&night, "slow", 2, "s") && pinned(&night, "silent", 1, "one"));
}

#[test]
fn p8_a_result_is_found_however_it_is_printed() {
    let night = night("");
    let no_op = |id: &str, print: &str| agent(&night, id, &format!("cat <<'END'\n{print}\nEND\n"));
    let plan = [
        no_op(
            "stream",
            r#"{"type":"system"}
{"type":"result","result":"All done.\nMC_RESULT:{\"status\":\"completed\",\"no_op_reason\":\"seen stream\"}"}"#,
        ),
        no_op(
            "fence",
            "Here it is: MC_RESULT:\n```json\n{\"status\": \"completed\",\n \"no_op_reason\": \"seen fence\"}\n```",
        ),
        no_op(
            "lines",
            "MC_RESULT: {\n  \"status\":\n    \"completed\",\n  \"no_op_reason\":\n   \"seen lines\", \"nested\": {\"a\": [\"}\"]}\n}\nbye",
        ),
        no_op(
            "last",
            "MC_RESULT:{\"status\":\"failed\"}\nMC_RESULT:{\"status\":\"completed\",\"no_op_reason\":\"seen last\"}\nMC_RESULT:{\"status\":",
        ),
        no_op(
            "types",
            "MC_RESULT:{\"status\":\"completed\",\"no_op_reason\":[\"seen types\"],\"commits\":7,\"files_changed\":null,\"summary\":{\"a\":1}}",
        ),
        agent(
            &night,
            "file",
            "echo 'MC_RESULT:{\"status\":\"failed\"}'; echo '{\"status\":\"completed\",\"no_op_reason\":\"seen file\"}' > $MC_RESULT",
        ),
        agent(&night, "echoes", "cat ~/briefs/$MC_UNIT.$MC_ATTEMPT; sed 's/^/> /' ~/briefs/$MC_UNIT.$MC_ATTEMPT"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    for unit in ["stream", "fence", "lines", "last", "file"] {
        assert_eq!(night.unit(unit), "no-op", "{unit}: {}", night.reason(unit));
        assert!(night.reason(unit).contains(&format!("seen {unit}")), "{unit}: {}", night.reason(unit));
    }
    // Claims of commits and files that are not there do not make it a lie when it says why nothing changed.
    assert_eq!(night.unit("types"), "no-op", "{}", night.reason("types"));
    // An echoed brief is no result.
    assert_eq!(night.classes("echoes"), ["empty", "empty"]);
}

#[test]
fn p12_the_brief_reaches_the_agent_by_each_way_as_data() {
    for way in ["stdin", "arg", "file"] {
        let night = night(&format!("prompt = \"{way}\""));
        let hostile = r#"Say "it's" $(touch ~/pwned) `touch ~/pwned` ; touch ~/pwned"#;
        let unit = agent(&night, "a", "touch a").replace("\"Task a\"", &serde_json::to_string(hostile).unwrap());
        night.mission(&unit).exits(0);
        let brief = brief(&night, "a", 1);
        let hostile = hostile.replace("~/", &format!("{}/", night.home().display()));
        assert!(brief.contains(&hostile), "{way}: {brief}");
        assert!(!night.home().join("pwned").exists(), "{way}");
    }
}

#[test]
fn p7_an_agent_that_cannot_be_started_fails_with_its_name() {
    let night = Night::new();
    night.settings(
        "sh run.sh",
        "[agent]\ncommand = \"no-such-agent --yes\"\n[scheduler]\nmax_infrastructure_retries = 0",
    );
    night.mission("[[unit]]\nid = \"a\"\ntitle = \"a\"\n").exits(3).says(&["no-such-agent"]);
    assert!(night.reason("a").contains("not found"), "{}", night.reason("a"));
    let night = Night::new();
    night
        .mission("[[unit]]\nid = \"a\"\ntitle = \"a\"\n")
        .exits(2)
        .says(&["no agent is configured", "[agent] command"]);
}
