//! What a person does with a mission every day: look at a change, take a copy of it, follow its output, look on from
//! another terminal, see every repository.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use serde_json::Value;

fn json(night: &Night, args: &[&str]) -> Value {
    serde_json::from_str(&night.mc(&[args, &["--json"]].concat()).exits(0).out).unwrap()
}

#[test]
fn the_work_of_a_unit_is_shown_and_cloned_and_the_repository_is_left_alone() {
    let night = Night::new();
    night.mission(&(unit("a", "printf 'one\\033[31mred\\n' > a.txt") + &unit("b", "echo b > b.txt; exit 3"))).exits(3);
    let look = "git --no-optional-locks status --porcelain; git for-each-ref; find .git -newer ../mark -not -path '*/objects*' -type f";
    night.sh("touch ../mark");
    let before = night.sh(look);
    night.mc(&["unit", "diff", "a"]).exits(0).says(&["+++ b/a.txt", "+one\u{1b}[31mred"]);
    night.mc(&["unit", "diff", "b", "--stat"]).exits(0).says(&[" b.txt | 1 +"]);
    assert!(json(&night, &["unit", "diff", "a"])["diff"].as_str().unwrap().contains("+one"));
    night.mc(&["unit", "diff", "b", "--attempt", "2"]).exits(2).says(&["no attempt 2 whose work is kept"]);
    night.mc(&["unit", "diff", "zzz"]).exits(2).says(&["no unit `zzz`"]);

    let said = night.mc(&["unit", "checkout", "b"]).exits(0).says(&["take: git switch -c b refs/mc/attempts/"]);
    let place = night.home().join("repo-b-1");
    assert_eq!(said.out.trim_end(), place.display().to_string());
    assert_eq!(night.sh_in(&place, "cat b.txt; git branch --show-current; git status --porcelain"), "b\nb");
    assert!(night.sh_in(&place, "git log --format=%s").contains("first"), "it has its history");
    night.sh_in(&place, "git config remote.origin.url && exit 1; test ! -e .git/objects/info/alternates");
    night.mc(&["unit", "checkout", "b"]).exits(2).says(&["is there and not empty"]);
    for inside in [".", "deep/er", ".git/x", "../repo/y"] {
        night.mc(&["unit", "checkout", "a", inside]).exits(2);
    }
    night.mc(&["unit", "checkout", "a", "../elsewhere/a"]).exits(0);
    assert!(night.home().join("elsewhere/a/a.txt").is_file());
    assert_eq!(night.sh(look), before, "P6");
}

#[test]
fn a_log_is_followed_through_a_retry_to_the_end() {
    let night = Night::new();
    let run = "echo line of $MC_ATTEMPT; touch ~/begun; while [ ! -e ~/go-$MC_ATTEMPT ]; do sleep 0.05; done; \
               echo end of $MC_ATTEMPT; test $MC_ATTEMPT = 2 && echo a > a.txt";
    let plan = night.plan(&unit("a", run).replace("attempts = 1", "attempts = 3"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun");
    let follower = night.begin(&["unit", "log", "-f", "a"]);
    night.write("../go-1", "");
    night.until("grep -qs 'line of 2' ../state/runs/*/a/2/run/out.log");
    night.write("../go-2", "");
    let said = follower.wait().exits(0);
    assert_eq!(said.out, "line of 1\nend of 1\nline of 2\nend of 2\n");
    said.says(&[
        "== a: attempt 1\n",
        "attempt 1 ended (failed-work); attempt 2 began",
        "attempt 2 ended (changed), a is ",
    ]);
    engine.wait().exits(0);
    night.mc(&["unit", "log", "-f", "a", "--attempt", "1"]).exits(0).says(&["line of 1\nend of 1\n"]);
    night.mc(&["unit", "log", "-f", "a", "--attempt", "7"]).exits(2).says(&["a has no attempt 7 yet"]);
    night.mc(&["unit", "log", "-f", "a", "--json"]).exits(2);
}

#[test]
fn a_mission_is_looked_on_at_and_left_running() {
    let night = Night::new();
    night.mc(&["mission", "attach"]).exits(2).says(&["there is no mission"]);
    let plan = night.plan(&unit("a", "touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done; echo a > a.txt"));
    night.mc(&["mission", "start", "--plan", &plan, "--detach"]).exits(0);
    night.until("test -e ~/begun");
    let mut first = night.begin(&["mission", "attach"]);
    first.said("Ctrl-C leaves this view");
    first.signal("INT");
    first.wait().exits(0).says(&[" goes on; `mc mission attach` looks on again"]);
    let mut second = night.begin(&["mission", "attach"]);
    second.said("Ctrl-C leaves this view");
    night.write("../go", "");
    second.wait().exits(0).says(&[
        "a: landed at ",
        "ended: nothing is left to plan",
        "units: 1 landed = 1 unit",
        "next: ",
    ]);
    night.mc(&["mission", "attach"]).exits(2).says(&["is over", "hint: `mc report`"]);
}

#[test]
fn every_repository_is_listed_and_a_damaged_one_is_named_and_skipped() {
    let night = Night::new();
    night.mc(&["mission", "list", "--all"]).exits(0).says(&["no mission yet in any repository"]);
    night.mission(&unit("a", "echo a > a.txt")).exits(0);
    let other = night.home().join(".local/state/mission-control/other-1");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("repository"), "/nowhere/other/.git").unwrap();
    std::fs::write(other.join("mc.db"), "no database").unwrap();
    let stray = night.home().join(".local/state/mission-control/stray");
    std::fs::create_dir_all(stray).unwrap();
    let said = night.mc(&["mission", "list", "--all"]).exits(0);
    assert!(said.out.starts_with(&format!("{}\n  mission m", night.repo().display())), "{}", said.out);
    let said =
        said.says(&["backlog-done, 1 landed = 1 unit; last activity ", "next: `git merge mc/green` takes what landed"]);
    said.says(&["skipped ", "other-1: "]).does_not_say(&["stray"]);
    let all = json(&night, &["mission", "list", "--all"]);
    let list = all["repositories"].as_array().unwrap();
    assert_eq!(
        (list.len(), &list[0]["exists"], &list[1]["newest"]["outcome"]),
        (2, &false.into(), &"backlog-done".into())
    );
    assert!(list[0]["damaged"].is_string() && list[1]["damaged"].is_null());
}

#[test]
fn completions_and_pages_come_from_the_commands() {
    let night = Night::empty();
    let script = night.mc(&["completions", "bash"]).exits(0).out;
    night.write("mc.bash", &script);
    assert!(night.holds("bash -c '. ./mc.bash && complete -p mc' || ! command -v bash"));
    night.mc(&["completions", "cobol"]).exits(2).says(&["possible values: bash"]);
    night.mc(&["man"]).exits(0).says(&[".TH mc 1", ".SH NAME"]);
    night.mc(&["man", "../pages"]).exits(0).says(&[" pages in ../pages"]);
    assert!(night.home().join("pages/mc-green-rollback.1").is_file());
    // A word is a command, never a folder that appears in the repository.
    let page = night.mc(&["man", "mission-start"]).exits(0);
    page.says(&[".TH mc-mission-start 1", "[\\fB\\-C\\fR \\fIDIR\\fR]", "[\\fB\\-\\-plan\\fR \\fIFILE\\fR]"]);
    night.mc(&["man", "mission"]).exits(0).says(&[".TH mc-mission 1"]);
    night.mc(&["man", "pages"]).exits(2).says(&["there is no command pages", "for example ./pages"]);
    assert!(!night.repo().join("mission").exists() && !night.repo().join("pages").exists());
    night.mc(&["man", "./pages"]).exits(0);
    assert!(night.repo().join("pages/mc.1").is_file());
}
