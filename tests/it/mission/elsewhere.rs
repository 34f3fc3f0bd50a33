//! Work that is not at the HEAD of a unit's workspace, and files there that are nobody's work: the first is no "nothing to do",
//! the second never lands.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};

fn dependant(on: &str) -> String {
    format!("{}depends = [\"{on}\"]\n", unit("after", "cat parser.txt > used.txt"))
}

#[test]
fn p2_p9_work_in_one_other_place_is_taken() {
    for (place, work) in [
        (
            "branch feature/parser",
            "git worktree add -q .worktrees/p -b feature/parser; cd .worktrees/p; echo p > parser.txt; git add .; git commit -qm p",
        ),
        (
            "branch beside",
            "git worktree add -q ../wt -b beside; cd ../wt; echo p > parser.txt; git add .; git commit -qm p",
        ),
        ("a linked worktree", "git worktree add -q --detach ../wt; cd ../wt; echo p > parser.txt"),
        (
            "branch other",
            "git checkout -q -b other; echo p > parser.txt; git add .; git commit -qm p; git checkout -q --detach main~0 2>/dev/null || git checkout -q --detach HEAD~1",
        ),
    ] {
        let night = Night::new().within(Fence::Off);
        night.mission(&[unit("parser", work), dependant("parser")].join("\n")).exits(0);
        assert_eq!(["parser", "after"].map(|id| night.unit(id)), ["landed", "landed"], "{work}");
        assert_eq!(night.sh("git show mc/green:parser.txt; git show mc/green:used.txt"), "p\np", "{work}");
        night.mc(&["unit", "show", "parser"]).exits(0).says(&["taken from", place]);
        night.audit();
    }
}

#[test]
fn p2_p9_work_elsewhere_that_is_not_plainly_the_work_is_held_and_never_nothing_to_do() {
    for (place, work) in [
        ("the stash", "echo p > parser.txt; git add .; git stash -q"),
        ("tag keep", "echo p > parser.txt; git add .; git commit -qm p; git tag keep; git reset -q --hard HEAD~1"),
        (
            "branch two",
            "for b in one two; do git worktree add -q ../$b -b $b; (cd ../$b; echo p > $b.txt; git add .; git commit -qm p); done",
        ),
    ] {
        let night = Night::new().within(Fence::Off);
        night.mission(&[unit("parser", work), dependant("parser"), unit("one", "echo 1 > one")].join("\n")).exits(3);
        assert_eq!(night.classes("parser"), ["held"], "{work}");
        assert_ne!(night.unit("after"), "landed", "{work}");
        assert_eq!(night.unit("one"), "landed", "{work}");
        night.mc(&["status"]).exits(0).says(&["left work elsewhere", place]);
        // All of it is pinned.
        let kept = "for r in $(git for-each-ref --format='%(refname)' 'refs/mc/kept/*/parser/*'); do git log --format=%H $r; done";
        let files =
            format!("for c in $({kept}); do git ls-tree -r --name-only $c; done | grep -c -e parser.txt -e one.txt");
        assert_ne!(night.sh(&files), "0", "{work}");
        night.audit();
    }
}

#[test]
fn p9_whoever_says_why_nothing_needs_to_change_is_asked_about_what_it_tried() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[agent]\ncommand = \"sh ~/agent.sh\"");
    let agent = "cat >/dev/null; git worktree add -q ../try -b try; cd ../try; echo t > t; git add .; git commit -qm t
        echo '{\"status\":\"completed\",\"no_op_reason\":\"it is there already\"}' > \"$MC_RESULT\"";
    std::fs::write(night.home().join("agent.sh"), agent).unwrap();
    night.mission("[[unit]]\nid = \"a\"\ntitle = \"a\"\n").exits(3);
    assert_eq!(night.classes("a"), ["held"]);
    assert!(night.reason("a").contains("branch try"), "{}", night.reason("a"));
    assert!(!night.holds("git cat-file -e mc/green:t"));
}

#[test]
fn p2_p9_changes_left_inside_a_submodule_are_no_nothing_to_do() {
    let night = Night::new().within(Fence::Off);
    night.sh("git init -q ../lib; git -C ../lib commit -q --allow-empty -m lib; git -c protocol.file.allow=always submodule --quiet add ~/lib lib");
    night.commit("lib");
    let work = "git -c protocol.file.allow=always submodule --quiet update --init; echo precious > lib/new";
    night.mission(&[unit("parser", work), unit("one", "echo 1 > one")].join("\n")).exits(3);
    assert_eq!(night.classes("parser"), ["held"]);
    assert!(night.reason("parser").contains("the submodule lib"), "{}", night.reason("parser"));
    assert_eq!(night.unit("one"), "landed");
    let kept = "git for-each-ref --format='%(refname)' refs/mc/kept | xargs git rev-list";
    assert!(
        night
            .holds(&format!("{kept} | while read c; do git show $c:new 2>/dev/null || true; done | grep -qx precious"))
    );
}

#[test]
fn p1_what_setup_leaves_is_nobodys_work() {
    let night = Night::new().within(Fence::Off);
    night.write(".gitignore", "node_modules/\n");
    night.write(
        "mission-control.toml",
        "[target]\nsetup = \"ln -sfn ~/store node_modules; mkdir -p gen; echo s > gen/stamp; echo c > config.local; date > 'gen/a b*'\"\n\
         [target.verification]\ncommand = \"sh run.sh\"\n[scheduler.parallel]\nnum_workers = 1\n",
    );
    night.commit("setup");
    let there = "test -L node_modules; test -f gen/stamp";
    let plan = [
        unit("one", &format!("set -e; {there}; echo 1 > one; echo code > gen/code; git add -A; git commit -qm one")),
        unit("two", &format!("set -e; {there}; echo 2 > two; echo '[x]' > .git/info/exclude")),
        // What it changes is its work.
        unit("three", &format!("set -e; {there}; echo changed > config.local")),
        unit("four", &format!("set -e; {there}; echo 4 > four")),
    ];
    night.mission(&plan.join("\n")).exits(0);
    assert_eq!(
        night.sh("git diff --name-only main mc/green; git show mc/green:config.local"),
        "config.local\nfour\ngen/code\none\ntwo\nchanged"
    );
    let told = ["one", "two", "three", "four"].map(|id| night.mc(&["unit", "show", id]).exits(0).text());
    let told = told.iter().filter(|text| text.contains("target.setup leaves files that git does not ignore")).count();
    assert_eq!(told, 1, "once in a mission");
    night.mc(&["doctor", "--baseline"]).says(&["node_modules", "does not ignore"]);
    night.audit();
}

#[test]
fn p1_what_the_repository_itself_excludes_stays_out_and_the_list_can_be_written() {
    let night = Night::new().within(Fence::Off);
    night.sh(r"printf '*.local\ncaf\351\n' >> .git/info/exclude");
    let plan = [
        unit(
            "a",
            r#"set -e; echo secret > notes.local; echo s > "$(printf 'caf\351')"; echo real > real.txt; git add -A; git commit -qm a"#,
        ),
        unit("b", "set -e; test -d .git/info; echo x >> .git/info/exclude; echo x > x; echo b > b; echo s > b.local"),
        unit("c", "rm -rf .git/info; echo s > c.local; echo c > c"),
    ];
    night.mission(&plan.join("\n")).exits(0);
    // What an agent adds to the list of its own clone counts for nobody.
    assert_eq!(night.sh("git diff --name-only main mc/green"), "b\nc\nreal.txt\nx");
    night.audit();
}

#[test]
fn tracked_files_that_setup_changes_are_left_out_of_the_work() {
    let night = Night::new().within(Fence::Off);
    night.write("lock", "{}\n");
    night.write("gone", "x\n");
    night.write("touched", "x\n");
    let setup = "[target]\nsetup = \"echo resolved >> lock; echo resolved >> touched; rm -f gone\"\n";
    night.write("mission-control.toml", format!("{setup}[target.verification]\ncommand = \"sh run.sh\"\n"));
    night.commit("setup that changes what is tracked");
    night.mc(&["doctor", "--baseline"]).says(&["setup changes files that git tracks: ", "lock"]);
    let plan =
        [unit("a", "touch a"), unit("b", "echo own >> touched; touch b"), unit("c", "git commit -qam all; touch c")];
    night.mission(&plan.join("\n")).exits(0);
    assert_eq!(night.sh("git show mc/green:touched"), "x\nresolved\nown", "a file that a unit changed is its work");
    let told = night.report();
    assert!(told.contains("left out of the work"), "{told}");
    night.mc(&["unit", "show", "c"]).says(&["its commits have what target.setup changed in tracked files: gone, lock"]);
    // Without the commit of c nothing of it would have landed.
    let by_a = night.sh("git log --format=%H --grep='^Mc-Unit: a' mc/green | head -1");
    assert_eq!(night.sh(&format!("git show --format= --name-only -m --first-parent {by_a}")), "a");
}
