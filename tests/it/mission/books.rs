//! What missions write into the repository: marks in `BACKLOG.md`, sessions in `PROGRESS.md`, as a person finds them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use expect_test::expect;

const BACKLOG: &str = "# Backlog\r\n\r\nWords that stay.\t\r\n\r\n## First\r\n- id: first\r\n- priority: 0\r\n- run: echo 1 > first.txt\r\n\r\n\
    ## Second\r\n- id: second\r\n- attempts: 1\r\n- run: echo false > tests/alpha.sh\r\n\r\n\
    ## Third\r\n- depends: second\r\n- run: true\r\n\r\n- [ ] stays open";

/// A file of green, byte by byte.
fn green(night: &Night, path: &str) -> String {
    let whole = night.sh(&format!("git show mc/green:{path} && echo ."));
    whole.strip_suffix('.').unwrap().to_owned()
}

/// The text with its days, object ids and missions named instead: those are others each time.
fn named(night: &Night, text: &str) -> String {
    let mut text = text.replace('\r', "");
    // It may have been written before midnight.
    for day in ["today", "yesterday"] {
        text = text.replace(&night.sh(&format!("date -u -d {day} +%F")), "DAY");
    }
    for (n, mission) in night.sql("SELECT DISTINCT mission FROM journal ORDER BY seq").iter().enumerate() {
        text = text.replace(mission, &format!("m{}", n + 1));
    }
    let hex = |word: &str| word.len() == 10 && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let name = |word: &str| match word.get(..10).filter(|id| hex(id) && word.len() <= 11) {
        Some(id) => word.replace(id, "ID"),
        None => word.to_owned(),
    };
    words.map(name).collect()
}

fn verifications(night: &Night) -> u64 {
    night.status()["verifications"]["run"].as_u64().unwrap()
}

#[test]
fn p8_the_books_of_a_mission_are_on_green_and_the_next_one_goes_on_from_them() {
    let night = Night::new();
    night.write("BACKLOG.md", BACKLOG);
    night.commit("backlog");
    let said = night.mc(&["mission", "start", "--rounds", "2", "--units-per-round", "2"]).exits(3);
    said.says(&["wave 1 has nothing to start: 1 unit blocked"]);
    let backlog = green(&night, "BACKLOG.md");
    let unmarked: String = backlog.split_inclusive('\n').filter(|line| !line.starts_with("- status: ")).collect();
    assert_eq!(unmarked, BACKLOG);
    assert_eq!(backlog.matches("\r\n").count(), backlog.matches('\n').count());
    expect![[r#"
        # Backlog

        Words that stay.	

        ## First
        - id: first
        - status: done (DAY, ID)
        - priority: 0
        - run: echo 1 > first.txt

        ## Second
        - id: second
        - status: failed (DAY, ID, rejected: 1 test passed before and fails now: verification: alpha)
        - attempts: 1
        - run: echo false > tests/alpha.sh

        ## Third
        - status: blocked (DAY, depends on second)
        - depends: second
        - run: true

        - [ ] stays open"#]]
    .assert_eq(&named(&night, &backlog));
    expect![[r#"
        # Progress

        ## Current State

        <!-- mc writes the lines below anew with each session; take this line away to keep your own -->
        - **Phase**: round 2 of mission m1
        - **Active Task**: none
        - **Blocked**: `third`
        - **Last Commit**: ID
        - **Target**: the open units of the plan

        ## Next Up

        <!-- mc writes the lines below anew with each session; take this line away to keep your own -->
        1. blocked `third` (Third): depends on second
        2. rejected `second` (Second): 1 test passed before and fails now: verification: alpha

        ## Session History

        <details>
        <summary>Session 002 - Round 2 of mission m1: 1 blocked</summary>

        - **Date**: DAY
        - **Target**: the open units of the plan
        - **Outcome**: 1 blocked
          - blocked `third` (Third): depends on second
        - **Summary**: checks before: passes: 2 passed, 0 failed → after: passes: 2 passed, 0 failed; 5 verifications of the mission so far, 0 reused

        </details>
        <details>
        <summary>Session 001 - Round 1 of mission m1: 1 landed, 1 rejected</summary>

        - **Date**: DAY
        - **Target**: the open units of the plan
        - **Outcome**: 1 landed, 1 rejected
          - landed `first` (First) at ID
          - rejected `second` (Second): 1 test passed before and fails now: verification: alpha
        - **Summary**: checks before: passes: 2 passed, 0 failed → after: passes: 2 passed, 0 failed; 4 verifications of the mission so far, 0 reused

        </details>
    "#]].assert_eq(&named(&night, &green(&night, "PROGRESS.md")));
    // The base, two candidates, the refused one once more, and what was written after each round.
    assert_eq!(verifications(&night), 6);
    night.mc(&["report"]).exits(0).says(&["verifications: 6 run = 1 of the base", " + 2 of progress"]);
    night
        .mc(&["report", "--verify"])
        .exits(0)
        .says(&["progress of round 2: marks and session are what the records say"]);
    night.audit();
    night.green_verifies("sh run.sh");

    // What failed is not begun again by itself, and nobody is told anything new.
    let before = night.sh("git rev-parse mc/green");
    night
        .mc(&["mission", "start"])
        .exits(3)
        .says(&["note: 2 items of BACKLOG.md are skipped: second (failed), third (blocked); `mc plan` says why"])
        .says(&["ended: nothing planned; 2 items of BACKLOG.md are skipped: second (failed), third"])
        .says(&["next: second: `mc unit retry second` has it planned by the next mission"])
        .says(&["by `mc mission start` (`mc plan` lists all that is skipped)"]);
    night.mc(&["report", "--verify"]).exits(0).says(&["ended backlog-done, exit code 3"]);
    p9_every_view_names_what_is_left_aside(&night);
    assert_eq!(night.sh("git rev-parse mc/green"), before);
    // A person wants it done after all, and says so on the target branch, where no marks are.
    let again = "- id: second\r\n- status: todo\r\n";
    let mended = BACKLOG.replace("- id: second\r\n", again).replace("echo false >", "echo true >>");
    night.write("BACKLOG.md", mended + "\r\n\r\n## Fourth\r\n- run: echo 4 > fourth.txt\r\n");
    night.write("PROGRESS.md", "# Progress of ours\n\nWords.\n");
    night.commit("once more");
    night.mc(&["mission", "start"]).exits(0).says(&["units: 2 landed + 1 no-op = 3 units"]);
    expect![[r#"
        # Backlog

        Words that stay.	

        ## First
        - id: first
        - status: done (DAY, ID)
        - priority: 0
        - run: echo 1 > first.txt

        ## Second
        - id: second
        - status: done (DAY, ID)
        - attempts: 1
        - run: echo true >> tests/alpha.sh

        ## Third
        - status: no-op (DAY, ID)
        - depends: second
        - run: true

        - [ ] stays open

        ## Fourth
        - status: done (DAY, ID)
        - run: echo 4 > fourth.txt
    "#]]
    .assert_eq(&named(&night, &green(&night, "BACKLOG.md")));
    let progress = named(&night, &green(&night, "PROGRESS.md"));
    assert!(progress.starts_with("# Progress of ours\n\nWords.\n\n## Session History\n\n<details>\n"), "{progress}");
    let titles: Vec<&str> = progress.lines().filter(|line| line.starts_with("<summary>")).collect();
    expect![[r#"
        <summary>Session 003 - Round 1 of mission m3: 2 landed, 1 no-op</summary>
        <summary>Session 002 - Round 2 of mission m1: 1 blocked</summary>
        <summary>Session 001 - Round 1 of mission m1: 1 landed, 1 rejected</summary>"#]]
    .assert_eq(&titles.join("\n"));
    night.audit();
}

#[test]
fn p11_a_mission_that_its_time_cut_short_has_told_what_landed() {
    let night = Night::new();
    night.settings("sh run.sh", "[scheduler.budget]\nmax_wall_time = \"6s\"");
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n\n## B\n- run: echo half > b.txt; sleep 600\n");
    night.commit("backlog");
    let said = night.mc(&["mission", "start"]).exits(3).says(&["a: landed", "ended: wall-time"]);
    said.says(&["nothing works any more; what became of the units is still written down"]);
    let backlog = green(&night, "BACKLOG.md");
    assert!(backlog.starts_with("## A\n- status: done (") && backlog.contains("## B\n- run: "), "{backlog}");
    let progress = green(&night, "PROGRESS.md");
    assert!(progress.contains("- **Outcome**: 1 landed; ended before its time (wall-time)\n"), "{progress}");
    assert_eq!([night.unit("a"), night.unit("b")], ["landed", "cancelled"]);
    assert_eq!(verifications(&night), 3, "the base, the landing, what is written");
    night.mc(&["plan"]).exits(0).says(&["1 unit in 1 wave"]).does_not_say(&["skipped"]);
    night
        .mc(&["report", "--verify"])
        .exits(0)
        .says(&["progress of round 1: marks and session are what the records say"]);
    night.audit();
    night.green_verifies("sh run.sh");
}

#[test]
fn p13_the_books_cost_no_run_where_verification_does_not_read_them() {
    let night = Night::new();
    night.settings("sh run.sh", "ignore = [\"BACKLOG.md\", \"PROGRESS.md\"]");
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n");
    night.commit("backlog");
    night.mc(&["mission", "start"]).exits(0);
    assert!(green(&night, "BACKLOG.md").starts_with("## A\n- status: done ("));
    assert_eq!(verifications(&night), 2, "the base and the landing");
    night.audit();
}

#[test]
fn a_plan_that_is_not_in_the_repository_is_told_of_only_where_there_is_a_progress_file() {
    let night = Night::new();
    night.mission(&unit("a", "echo a > a.txt")).exits(0);
    assert!(!night.holds("git cat-file -e mc/green:PROGRESS.md"));
    assert_eq!(verifications(&night), 2);
    night.write("PROGRESS.md", "# Ours\n\nour words");
    night.write("BACKLOG.md", "## B\n");
    night.commit("progress");
    night.mission(&unit("b", "echo b > b.txt")).exits(0);
    // The first of it has taken the target in; the second one finds the file on green.
    night.mission(&unit("c", "echo c > c.txt")).exits(0);
    let progress = green(&night, "PROGRESS.md");
    assert!(progress.starts_with("# Ours\n\nour words\n\n## Session History\n\n<details>\n"), "{progress}");
    assert_eq!(green(&night, "BACKLOG.md"), "## B\n");
    night.audit();
}

#[test]
fn a_gate_that_reads_the_files_refuses_the_books_once_and_blames_no_unit() {
    let night = Night::new();
    night.write("tests/alpha.sh", "! grep -q status BACKLOG.md\n");
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n## B\n- run: echo b > b.txt\n");
    night.commit("backlog");
    night.mc(&["mission", "start", "--units-per-round", "1"]).exits(0);
    assert_eq!(green(&night, "BACKLOG.md"), "## A\n- run: echo a > a.txt\n## B\n- run: echo b > b.txt\n");
    assert!(!night.holds("git cat-file -e mc/green:PROGRESS.md"));
    let told = "BACKLOG.md and PROGRESS.md are not written any more in this mission: the gate refuses that";
    assert_eq!(night.report().matches(told).count(), 1, "{}", night.report());
    // The base, the first unit, its bookkeeping three times, the second unit.
    assert_eq!(verifications(&night), 6);
    night.audit();
}

#[test]
fn files_that_cannot_be_read_are_left_alone_and_that_is_said() {
    let night = Night::new();
    night.write("BACKLOG.md", b"## A\n- run: echo a > a.txt\n\nna\xefve\n");
    night.write("words", "x");
    night.sh("ln -s words PROGRESS.md");
    night.commit("backlog");
    night.mc(&["mission", "start"]).exits(0);
    assert!(night.holds("git diff --quiet main mc/green -- BACKLOG.md PROGRESS.md words"));
    let told =
        ["BACKLOG.md is no UTF-8 text and was left as it is", "PROGRESS.md is no regular file and was left as it is"];
    night.mc(&["report"]).exits(0).says(&told);
    night.audit();
}

/// Of a mission that planned nothing because `second` failed and `third` waits for it; the mission before tried them.
fn p9_every_view_names_what_is_left_aside(night: &Night) {
    let named = "2 items of BACKLOG.md are skipped: second (failed), third (blocked)";
    night.mc(&["status"]).exits(0).says(&["ended with nothing planned: ", named]);
    assert_eq!(night.status()["skipped"][0]["why"], "failed");
    let items = ["  second  failed: ", "rejected: 1 test passed before", "  third  blocked: ", "depends on second"];
    let report = night.mc(&["report"]).exits(0).says(&[named, "\nskipped\n"]).says(&items);
    report.does_not_say(&["nothing was to be done"]);
    night.mc(&["report", "--format", "md"]).exits(0).says(&["### Skipped", "`second  failed: "]);
    night.mc(&["plan"]).exits(0).says(&["the plan has no units", "skipped (2 items)"]).says(&items);
    let plan: serde_json::Value = serde_json::from_str(&night.mc(&["plan", "--json"]).exits(0).out).unwrap();
    assert_eq!((plan["units"].as_array().map(Vec::len), &plan["skipped"][1]["id"]), (Some(0), &"third".into()));
    // What the hints name works, although the newest mission has no such unit.
    let found =
        night.mc(&["unit", "show", "second"]).exits(0).says(&["second: rejected", "note: second is of mission m"]);
    found.says(&["the newest that has it"]);
    night.mc(&["unit", "diff", "second"]).exits(0).says(&["+false"]);
    night.mc(&["unit", "log", "second"]).exits(0).says(&["attempt 1 of second has printed nothing"]);
    night.mc(&["unit", "checkout", "second", "../second"]).exits(0);
    night.mc(&["unit", "log", "-f", "second"]).exits(0).says(&["attempt 1 ended"]);
    night.mc(&["unit", "show", "nobody"]).exits(2).says(&["the mission has no unit `nobody`"]);
}

#[test]
fn a_plan_is_that_of_the_committed_backlog_with_the_marks_and_todo_does_not_undo_a_landing() {
    let night = Night::new();
    night.write(
        "BACKLOG.md",
        "## A\n- run: echo a > a.txt\n\n## F\n- attempts: 1\n- run: exit 1\n\n## W\n- run: true\n",
    );
    night.commit("backlog");
    night.mc(&["plan"]).exits(0).says(&["3 units in 1 wave"]).does_not_say(&["skipped"]);
    night.mc(&["mission", "start"]).exits(3);
    // A person writes new work under the old id, and an item that waits for what failed.
    let again = "## A again\n- id: a\n- status: todo\n- run: echo 2 > a2.txt\n\n## F\n- attempts: 1\n- run: exit 1\n\n\
                 ## W\n- run: true\n\n## New\n- depends: f\n- run: true\n";
    night.write("BACKLOG.md", again);
    let said =
        night.mc(&["plan"]).exits(0).says(&["note: BACKLOG.md in the work tree is not the one committed on main"]);
    said.says(&["skipped (1 item)", "  f  failed: "]).does_not_say(&["New"]);
    night.commit("again");
    let landed = night.sh("git log -1 --format=%h --abbrev=10 --grep='^Mc-Unit: a$' mc/green");
    let landed = format!("  a  landed: landed as {landed}");
    let left = ["skipped (3 items)", &landed, "give it a new `id`", "  f  failed: ", "  new  waits: depends on f"];
    night.mc(&["plan"]).exits(0).says(&["the plan has no units"]).says(&left);
    let named = "3 items of BACKLOG.md are skipped: a (landed), f (failed), new (waits)";
    night.mc(&["mission", "start", "--dry-run"]).exits(0).says(&left);
    night.mc(&["mission", "start"]).exits(3).says(&[&format!("note: {named}"), "ended: nothing planned"]);
    night.mc(&["status"]).exits(0).says(&[named]);
    // What does land is not praised alone.
    night.write("BACKLOG.md", again.replace("- id: a\n", "- id: a2\n"));
    night.commit("a new id");
    night
        .mc(&["mission", "start"])
        .exits(3)
        .says(&["a2: landed", "2 items of BACKLOG.md are skipped: f (failed), new"])
        .says(&["next: `git merge mc/green` takes what landed"]);
    night.mc(&["status"]).exits(0).says(&["; 2 items of BACKLOG.md are skipped", "`mc plan` says what helps"]);
    // An item that landed under an id that says `todo` is done all the same, and who asks for one item has asked for no other.
    night.write("BACKLOG.md", "## A again\n- id: a\n- status: todo\n- run: true\n\n## F\n- attempts: 1\n- run: exit 1\n\n## B\n- run: echo b > b.txt\n");
    night.commit("one of them");
    night.mc(&["mission", "start", "--only", "b"]).exits(0).says(&["b: landed"]);
    night.write("BACKLOG.md", "## A again\n- id: a\n- status: todo\n- run: true\n");
    night.commit("what failed is not wanted any more");
    night.mc(&["mission", "start"]).exits(0).says(&["1 item of BACKLOG.md is skipped: a (landed)"]);
    night.audit();
}

#[test]
fn p8_a_refused_target_branch_is_said_everywhere_and_its_backlog_counts() {
    let night = Night::new();
    night.write("BACKLOG.md", "## One\n- id: one\n- run: echo 1 > one.txt\n\n## Gone\n- id: gone\n- run: echo g > gone.txt; exit 1\n- attempts: 1\n");
    night.commit("backlog");
    night.mc(&["mission", "start"]).exits(3);
    night.sh("git merge -q mc/green");
    // A person breaks a test, adds an item, and takes one away that green still has.
    night.write("tests/alpha.sh", "echo 'not ok 1 - alpha'; exit 1\n");
    let kept: String = night.sh("cat BACKLOG.md").split("## Gone").next().unwrap().to_owned();
    night.write("BACKLOG.md", format!("{kept}## Two\n- id: two\n- run: echo 2 > two.txt\n"));
    night.commit("worse");
    let head = night.sh("git rev-parse --short=10 main");
    let refused = format!(
        "the target branch at {head} was not taken in, what landed is without its code: 1 test passed before and fails now"
    );
    night.mc(&["plan"]).exits(0).says(&["two"]);
    night
        .mc(&["mission", "start"])
        .exits(3)
        .says(&[
            "two: landed at",
            "1 of 1 unit landed",
            &refused,
            "next: mend the target branch and commit, then `mc mission start`",
        ])
        .does_not_say(&["gone"]);
    // Its code is not there, its work is, and the marks are in the text of the person.
    assert!(night.sh("git show mc/green:tests/alpha.sh") != night.sh("git show main:tests/alpha.sh"));
    assert_eq!(night.sh("git show mc/green:two.txt"), "2");
    let marked = green(&night, "BACKLOG.md");
    assert!(marked.contains("## Two\n- id: two\n- status: done (") && !marked.contains("## Gone"), "{marked}");
    for view in ["status", "report"] {
        night.mc(&[view]).exits(0).says(&[&refused]);
    }
    let status = night.status();
    assert!(status["needs_you"][0].as_str().unwrap().starts_with(&refused), "{status}");
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
    // Nothing is planned twice while it stays broken; mended, it is taken in and nothing is left to say.
    let again = night.mc(&["mission", "start"]).exits(3).says(&[&refused]);
    assert!(!again.text().contains("attempt"), "{}", again.text());
    night.sh("git revert -n HEAD && git checkout -q HEAD -- BACKLOG.md && git commit -qm mended");
    night.mc(&["mission", "start"]).exits(0);
    assert_eq!(night.status()["needs_you"].as_array().unwrap().len(), 0);
}
