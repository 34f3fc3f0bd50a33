//! Items of an ended mission that a person wants done after all: by `mc unit retry` and by `--only`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::Night;

const BACKLOG: &str = "\
## Breaks
- run: test -e ~/mended && echo x > breaks.txt

## After
- depends: breaks
- run: echo y > after.txt

## Asks

## Idle
- run: true
";

/// Asks which database unless its brief says it.
const AGENT: &str = r#"cat > ~/brief
grep -q 'use staging' ~/brief && echo a > asks.txt && exit
echo '{"status":"blocked","summary":"which database?"}' > "$MC_RESULT""#;

fn night() -> Night {
    let night = Night::new();
    std::fs::write(night.home().join("agent.sh"), AGENT).unwrap();
    night.settings("sh run.sh", "[agent]\ncommand = \"sh ~/agent.sh\"\n[scheduler]\nmax_attempts = 1");
    night.write("BACKLOG.md", BACKLOG);
    night.commit("backlog");
    night.mc(&["mission", "start"]).exits(3);
    night.mc(&["mission", "stop", "--now"]).exits(0);
    assert_eq!(
        ["breaks", "after", "asks", "idle"].map(|unit| night.unit(unit)),
        ["failed", "blocked", "cancelled", "no-op"]
    );
    night
}

fn status_of(night: &Night, unit: &str) -> String {
    let text = night.sh("git show mc/green:BACKLOG.md");
    let item = text.split("## ").find(|item| item.starts_with(unit)).unwrap();
    item.lines().find(|line| line.starts_with("- status: ")).unwrap_or_default().to_owned()
}

#[test]
fn what_an_ended_mission_did_not_land_is_asked_for_again_with_an_answer() {
    let night = night();
    assert!(status_of(&night, "Breaks").starts_with("- status: failed ("), "{}", status_of(&night, "Breaks"));
    let helps = "helps: `mc unit retry breaks` has it planned by the next mission";
    night.mc(&["plan"]).exits(0).says(&["nothing to do", helps, "helps: `mc unit retry asks --say TEXT` answers"]);
    let told = "breaks: the mission is over; the next `mc mission start` plans it again (`mc plan` shows it)";
    night.mc(&["unit", "retry", "breaks"]).exits(0).says(&[told]);
    night.mc(&["unit", "retry", "asks", "--say", "use staging"]).exits(0);
    night.mc(&["unit", "retry", "nobody"]).exits(2).says(&["there is no open unit `nobody`"]);
    // What it blocked comes with it.
    night.mc(&["plan"]).exits(0).says(&["3 units in 2 waves"]);
    night.write("../mended", "");
    night.mc(&["mission", "start"]).exits(0).says(&["units: 3 landed = 3 units"]);
    let brief = std::fs::read_to_string(night.home().join("brief")).unwrap();
    assert!(brief.contains("a person has it done again (held (") && brief.contains("): use staging"), "{brief}");
    for unit in ["Breaks", "After", "Asks"] {
        assert!(status_of(&night, unit).starts_with("- status: done ("), "{unit}: {}", status_of(&night, unit));
    }
    night.mc(&["unit", "retry", "breaks"]).exits(2).says(&["unit breaks is done already"]);
    // It was asked for once.
    night.mc(&["mission", "start"]).exits(0).says(&["has nothing to plan"]);
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
}

#[test]
fn a_chosen_item_is_done_whatever_an_earlier_mission_made_of_it() {
    let night = night();
    night.mc(&["mission", "start", "--only", "after"]).exits(2).says(&[
        "unit after is skipped: after  waits: depends on breaks",
        "hint: it is planned as soon as that is to be done again: `mc unit retry breaks`",
    ]);
    night.mc(&["mission", "start", "--only", "breaks"]).exits(3).says(&["breaks: attempt 1 ended failed-work"]);
    night.write("../mended", "");
    night.mc(&["mission", "start", "--only", "breaks,idle", "--dry-run"]).exits(0).says(&["2 units in 1 wave"]);
    let said = night.mc(&["mission", "start", "--only", "breaks,idle"]).exits(0);
    said.says(&["units: 1 landed + 1 no-op = 2 units"]).does_not_say(&["skipped: breaks"]);
    assert!(status_of(&night, "Breaks").starts_with("- status: done ("), "{}", status_of(&night, "Breaks"));
    night.audit();
}

#[test]
fn an_item_that_waits_is_refused_with_the_reason_of_the_plan() {
    let night = Night::new();
    night.write("BACKLOG.md", "## A\n- status: failed\n- run: true\n\n## B\n- depends: a\n- run: true\n");
    night.commit("backlog");
    let said = night.mc(&["mission", "start", "--only", "b"]).exits(2);
    said.says(&[
        "unit b is skipped: b  waits: depends on a",
        "hint: it is planned as soon as that is to be done again",
    ]);
    night.mc(&["unit", "retry", "b"]).exits(2).says(&["there is no mission in this repository yet"]);
}
