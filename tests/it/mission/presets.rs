//! Known agents: what their streams tell decides, with a shell script that prints such a stream as the agent.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};

/// Does what `~/agent/UNIT` says; `event` prints one event, `result SUBTYPE IS_ERROR MORE` the last one of a session that cost
/// 0.25 dollars.
const AGENT: &str = r#"
cat > /dev/null
event() { printf '%s\n' "$1"; }
event '{"type":"system","subtype":"init","session_id":"s-1","model":"m-1"}'
result() {
  event '{"type":"result","subtype":"'$1'","is_error":'$2',"result":"said at the end","total_cost_usd":0.25,"modelUsage":{"m-1":{"inputTokens":1000,"outputTokens":50}}'"$3"'}'
}
. ~/agent/$MC_UNIT
"#;

fn night(preset: &str, more: &str) -> Night {
    let night = Night::new();
    std::fs::write(night.home().join("agent.sh"), AGENT).unwrap();
    std::fs::create_dir(night.home().join("agent")).unwrap();
    let agent =
        format!("[agent]\npreset = \"{preset}\"\ncommand = \"sh ~/agent.sh\"\n{more}\n[scheduler]\nmax_attempts = 1");
    night.settings("sh run.sh", &agent);
    night
}

fn agent(night: &Night, unit: &str, script: &str) -> String {
    std::fs::write(night.home().join("agent").join(unit), script).unwrap();
    format!("[[unit]]\nid = \"{unit}\"\ntitle = \"Task {unit}\"\n")
}

#[test]
fn p8_the_end_that_an_agent_tells_decides_and_its_exit_code_does_not() {
    let night = night("claude", "idle_timeout = \"1s\"\nstart_timeout = \"20s\"");
    let denied =
        r#"result success false ',"permission_denials":[{"tool_name":"Write","tool_input":{"file_path":"a.txt"}}]'"#;
    let plan = [
        agent(&night, "done", "touch d; result success false; exit 1"),
        agent(&night, "hangs", "touch h; result success false; sleep 300"),
        agent(
            &night,
            "cut",
            "touch c; event '{\"type\":\"assistant\",\"message\":{\"id\":\"1\",\"model\":\"m-1\",\"usage\":{\"output_tokens\":3}}}'",
        ),
        agent(
            &night,
            "turns",
            "[ -e part ] && touch whole || touch part; [ $MC_ATTEMPT = 2 ] && result success false || result error_max_turns true; exit 1",
        ),
        agent(&night, "denied", denied),
        agent(
            &night,
            "stopped",
            "touch s; result error_during_execution true ',\"terminal_reason\":\"aborted_tools\"'",
        ),
    ];
    night.mission(&plan.join("\n")).exits(3);
    for (unit, state, classes) in [
        ("done", "landed", &["changed"][..]),
        ("hangs", "landed", &["changed"]),
        ("cut", "failed", &["failed-work"]),
        ("turns", "landed", &["continue", "changed"]),
        ("denied", "held", &["held"]),
        ("stopped", "failed", &["failed-work"]),
    ] {
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        assert_eq!(
            (night.unit(unit).as_str(), night.classes(unit)),
            (state, classes),
            "{unit}: {}",
            night.reason(unit)
        );
    }
    assert!(night.reason("cut").contains("ends without a word of its end"), "{}", night.reason("cut"));
    let asked = night.reason("denied");
    assert!(asked.contains("was not allowed to use Write on `a.txt`: allow it in agent.command"), "{asked}");
}

#[test]
fn p11_what_agents_tell_of_their_cost_is_booked() {
    let night = night("claude", "");
    night
        .mission(
            &[agent(&night, "a", "touch a; result success false"), agent(&night, "b", "touch b; result success false")]
                .join("\n"),
        )
        .exits(0);
    let report = night.mc(&["report"]).exits(0);
    assert!(report.out.contains("cost: 0.50 USD") && !report.out.contains("unknown"), "{}", report.out);
}

#[test]
fn p8_a_usage_limit_uses_no_attempt_and_one_agent_is_tried_when_it_is_over() {
    let night = night("claude", "");
    // The limit is over in the past by its own word, which is taken as soon.
    let script = r#"
n=$(ls ~/starts | wc -l); : > ~/starts/$n.$MC_UNIT
if [ $n -lt 2 ]; then
  event '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1,"rateLimitType":"five_hour"}}'
  result success true ',"api_error_status":429'; exit 1
fi
touch $MC_UNIT.txt; result success false"#;
    std::fs::create_dir(night.home().join("starts")).unwrap();
    let script_unit = unit("by-hand", "echo x > x.txt");
    let plan = [agent(&night, "a", script), agent(&night, "b", script), agent(&night, "c", script), script_unit];
    let said = night.mission(&plan.join("\n")).exits(0);
    assert!(
        said.err.contains("agents wait until") || said.out.contains("agents wait until"),
        "{}{}",
        said.out,
        said.err
    );
    let limited: usize =
        ["a", "b", "c"].iter().map(|u| night.classes(u).iter().filter(|c| *c == "limit").count()).sum();
    assert!(limited >= 2, "{limited}");
    for u in ["a", "b", "c"] {
        assert_eq!(night.classes(u).last().unwrap(), "changed", "{u}");
    }
}

#[test]
fn p10_an_agent_that_is_not_logged_in_stops_the_mission_once_and_scripts_go_on() {
    let night = night("claude", "");
    let refused = "[ -e ~/logged-in ] && { touch $MC_UNIT.txt; result success false; exit 0; }\n\
                   event '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":401,\"result\":\"Invalid API key\"}'; exit 1";
    let plan = [
        agent(&night, "a", refused),
        agent(&night, "b", refused),
        agent(&night, "c", refused),
        unit("by-hand", "echo x > x.txt"),
    ];
    let said = night.mission(&plan.join("\n")).exits(6);
    assert_eq!(night.unit("by-hand"), "landed");
    let text = format!("{}{}", said.out, said.err);
    assert!(
        text.contains("the agent is not logged in, or its key is refused") && text.contains("mc doctor --agent"),
        "{text}"
    );
    let starts: usize = ["a", "b", "c"].iter().map(|u| night.classes(u).len()).sum();
    assert!((1..=3).contains(&starts), "{starts}");
    std::fs::write(night.home().join("agent/mc-doctor"), refused).unwrap();
    night.mc(&["doctor", "--agent"]).exits(6).says(&["ended with exit code 1: Invalid API key"]);
    std::fs::write(night.home().join("logged-in"), "").unwrap();
    std::fs::write(night.home().join("agent/mc-doctor"), "echo ok > mc-doctor.txt; result success false; exit 1")
        .unwrap();
    // What else it finds is not about agents: an unfinished mission, no backlog.
    night
        .mc(&["doctor", "--agent"])
        .exits(6)
        .says(&["ok       answer        the agent made the file it was asked for"]);
    night.mc(&["mission", "resume"]).exits(0);
    for u in ["a", "b", "c"] {
        assert_eq!((night.unit(u).as_str(), night.classes(u).last().unwrap().as_str()), ("landed", "changed"), "{u}");
    }
}

#[test]
fn p10_an_agent_that_ends_before_any_work_twice_is_not_started_again() {
    let night = night("codex", "");
    let plan = [agent(&night, "a", "echo 'error: unknown option --jsn' >&2; exit 2"), agent(&night, "b", "exit 2")];
    let said = night.mission(&plan.join("\n")).exits(6);
    let text = format!("{}{}", said.out, said.err);
    assert!(text.contains("ends before it does anything"), "{text}");
    let classes: Vec<String> = ["a", "b"].iter().flat_map(|u| night.classes(u)).collect();
    assert!(classes.len() >= 2 && classes.len() <= 4 && classes.iter().all(|class| class == "refused"), "{classes:?}");
}
