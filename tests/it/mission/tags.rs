//! Tags of the repository in workspaces: what a version made from git says there is what it says in a fresh clone.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, Running, Said, unit};

/// A line of the verification that demands something of the tags.
fn demanding(line: &str) -> Night {
    let night = Night::new();
    night.settings(&format!("set -e; {line}; sh run.sh"), "");
    night
}

/// A tag before the base of either kind, one at it, one beside it, one of a file.
const TAGS: &str = "git tag v0.9 HEAD~1; git tag -a -m 'one' v1.0; git tag -a -m 'of a tag' nested v1.0
    git tag blob HEAD:run.sh; git switch -q -c side; git commit -q --allow-empty -m side; git tag -a -m two v2.0; git switch -q main";

#[test]
fn p1_workspaces_have_the_tags_a_clone_has_at_or_before_its_commit() {
    let night = demanding(
        "test \"$(git tag --list | tr '\\n' ' ')\" = 'nested v0.9 v1.0 '; git describe | grep -q '^\\(v1.0\\|nested\\)'; \
         test \"$(git cat-file -t v1.0)\" = tag; git describe --all >/dev/null; echo \"$(git describe --tags)\" >> \"$HOME/said\"",
    );
    night.sh(TAGS);
    night.without_oracle("a whole clone has the tags of other lines as well");
    // The unit's own workspace, and the one at the merge: a few commits further.
    night.mission(&unit("a", "git describe --exact-match && git describe --long > version.txt")).exits(0);
    assert!(
        night.sh("git show mc/green:version.txt").contains("-0-g"),
        "{}",
        night.sh("git show mc/green:version.txt")
    );
    let said = std::fs::read_to_string(night.home().join("said")).unwrap();
    let (base, candidate) = said.split_once('\n').unwrap();
    assert!(base == "v1.0" || base == "nested", "{said}");
    assert!(candidate.contains("-2-g"), "{said}");
    night.audit();
}

#[test]
fn p1_tags_of_a_side_that_is_merged_are_there_from_then_on() {
    let night = demanding("git tag --list | tr '\\n' ' ' >> \"$HOME/said\"; echo >> \"$HOME/said\"");
    night.sh(TAGS);
    let merging = "git fetch -q origin side && git merge -q -m merge FETCH_HEAD && echo b > b.txt";
    night.mission(&(unit("a", "echo a > a.txt") + &unit("b", merging))).exits(0);
    night.sh("git tag --merged mc/green > ../merged; grep -q v2.0 ../merged");
    let said = std::fs::read_to_string(night.home().join("said")).unwrap();
    assert_eq!(said.lines().next(), Some("nested v0.9 v1.0 "), "{said}");
    assert_eq!(said.lines().last(), Some("nested v0.9 v1.0 v2.0 "), "{said}");
}

#[test]
fn p13_a_snapshot_is_not_used_again_when_tags_changed() {
    let night = demanding("git describe --tags >/dev/null 2>&1 || true");
    let reused = || {
        let said: serde_json::Value = serde_json::from_str(&night.mc(&["verify", "--json"]).exits(0).out).unwrap();
        said["rev"]["reused"].as_bool().unwrap()
    };
    assert!(!reused() && reused());
    night.sh("git tag v1");
    assert!(!reused() && reused());
    night.sh("git pack-refs --all");
    assert!(reused());
    night.sh("git tag -f v1 HEAD~1");
    assert!(!reused());
}

#[test]
fn p2_a_tag_that_an_agent_moved_to_a_commit_of_its_own_is_kept_and_the_source_keeps_its_own() {
    let night = Night::new();
    night.sh("git tag v1; git tag -a -m two v2");
    let before = night.sh("git show-ref --tags -d");
    let run = "git commit -q --allow-empty -m elsewhere && git tag -f v1 && git tag -f -a -m again v2 && git tag mine && \
               git reset -q --hard HEAD~1 && echo a > a.txt";
    night.mission(&unit("a", run)).exits(0);
    assert_eq!(night.sh("git show-ref --tags -d"), before);
    // The commit that only tags led to, and nothing that the source's own tags lead to.
    let kept =
        "git for-each-ref --format='%(refname)' refs/mc/kept | head -1 | xargs git log --format=%s --not main --";
    assert!(night.sh(&kept.replace(" --not main --", "")).contains("elsewhere"));
    assert_eq!(night.sh("git rev-list --count $(git for-each-ref --format='%(refname)' refs/mc/kept) --not main"), "2");
}

#[test]
fn p1_p7_a_mission_resumed_with_other_tags_asks_green_again_before_it_compares() {
    let night = Night::new();
    let waits = "touch ~/began-$MC_UNIT; while [ ! -e ~/go-$MC_UNIT ]; do sleep 0.02; done; touch $MC_UNIT";
    let plan = night.plan(&[unit("a", "touch a"), unit("b", waits), unit("c", waits)].join("\n"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("[ -e ~/began-b ] && [ -e ~/began-c ] && git cat-file -e mc/green:a 2>/dev/null");
    engine.signal("KILL");
    engine.wait();
    night.sh("git tag v1; touch ~/go-b ~/go-c");
    let told = "tags, variables or tools are others than before: green is verified again";
    night.mc(&["mission", "resume"]).exits(0).says(&[told]);
    assert_eq!(["a", "b", "c"].map(|id| night.unit(id)), ["landed"; 3]);
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
}

/// Waits until a test lets it go on, and fails where there is a tag.
const WAITS: &str = "touch ~/began; while [ ! -e ~/go ]; do sleep 0.02; done; if git describe --tags; then exit 1; fi";

/// Kills the engine while something [`WAITS`], makes a tag, and goes on.
fn resumed_with_a_tag(night: &Night, engine: Running) -> Said {
    night.until("[ -e ~/began ]");
    engine.signal("KILL");
    engine.wait();
    night.sh("git tag v1; touch ~/go");
    night.mc(&["mission", "resume"])
}

#[test]
fn p1_what_passed_without_a_tag_does_not_land_with_it() {
    let night = demanding("if [ -e a ] && git describe --tags; then exit 1; fi");
    let plan = night.plan(&format!("{}verify = '{WAITS}'\n", unit("a", "touch a")));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    resumed_with_a_tag(&night, engine).exits(3);
    assert_eq!(night.unit("a"), "rejected");
    night.audit();
}

#[test]
fn p1_a_run_that_began_without_a_tag_says_nothing_of_the_base_with_it() {
    let night = demanding(WAITS);
    let plan = night.plan(&unit("a", "touch a"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    resumed_with_a_tag(&night, engine).exits(6);
}

/// A verification says nothing of a repository with another tag: whoever ends the mission there ends it, too.
#[test]
fn p5_what_runs_with_other_tags_is_ended_by_the_engine_that_takes_over() {
    let night = demanding("if [ -e one ]; then touch ~/began; exec sleep 300; fi");
    let path = night.plan(&unit("one", "echo 1 > one"));
    let engine = night.begin(&["mission", "start", "--plan", &path]);
    night.until("test -e ~/began");
    engine.signal("KILL");
    engine.wait();
    night.sh("git tag v1");
    night.mc(&["mission", "stop", "--now"]).exits(0);
    assert_eq!(night.sh("cat $RUNS/*/.verify/*/0/exit | tail -n 2"), "killed\nend");
    night.audit();
}
