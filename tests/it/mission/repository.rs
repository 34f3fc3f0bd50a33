//! The user's repository around a mission: left alone, and told clearly when it stands in the way.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Every file below a folder with mode and content, but objects and `mc`'s own refs.
fn everything(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let text = path.to_string_lossy().into_owned();
            if ["/.git/objects", "/refs/mc", "/refs/heads/mc", "/logs/refs/heads/mc"].iter().any(|p| text.ends_with(p))
            {
                continue;
            }
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                open.push(path);
            } else {
                let content = std::fs::read(&path).unwrap_or_default();
                found.insert(path, (meta.permissions().mode(), content));
            }
        }
    }
    found
}

/// A hook of every kind in `dir` that leaves a mark.
fn hooks(night: &Night, dir: &str) {
    night.sh(&format!(
        "mkdir -p {dir}
         for h in applypatch-msg pre-applypatch post-applypatch pre-commit pre-merge-commit prepare-commit-msg commit-msg \
                  post-commit pre-rebase post-checkout post-merge pre-push pre-receive update proc-receive post-receive \
                  post-update reference-transaction push-to-checkout pre-auto-gc post-rewrite post-index-change; do
           printf '#!/bin/sh\\necho %s >> {}/ran\\n' $h > {dir}/$h; chmod +x {dir}/$h
         done",
        night.home().display()
    ));
}

#[test]
fn p6_index_head_branches_config_and_hooks_are_the_same_after_a_mission() {
    let night = Night::new().within(Fence::Off);
    night.sh("git branch other; git tag v1; git stash list; git remote add origin /nowhere");
    night.write("untracked", "mine");
    let before = everything(&night.repo());
    night
        .mission(
            &[
                unit("a", "touch a"),
                unit("b", "echo false > tests/alpha.sh"),
                unit("c", "git commit -qm c --allow-empty; touch c; git add c; git commit -qm c"),
            ]
            .join("\n"),
        )
        .exits(3);
    let after = everything(&night.repo());
    for (path, was) in &before {
        assert_eq!(Some(was), after.get(path), "{}", path.display());
    }
    assert_eq!(
        before.len(),
        after.len(),
        "{:?}",
        after.keys().filter(|p| !before.contains_key(*p)).collect::<Vec<_>>()
    );
    let refs = night.sh("git for-each-ref --format='%(refname)' | grep -v '^refs/mc/'");
    assert_eq!(refs, "refs/heads/main\nrefs/heads/mc/green\nrefs/heads/other\nrefs/tags/v1");
}

#[test]
fn p6_hooks_of_the_repository_and_of_the_user_do_not_run() {
    let night = Night::new().within(Fence::Off);
    hooks(&night, ".git/hooks");
    hooks(&night, "~/hooks");
    for global in [false, true] {
        if global {
            night.sh("git config --global core.hooksPath ~/hooks");
        }
        let id = format!("a{global}");
        night.mission(&unit(&id, &format!("echo {id} > {id}; git add {id}; git commit -qm {id}"))).exits(0);
        assert!(!night.home().join("ran").exists(), "{}", night.sh("cat ~/ran"));
    }
    // The check can fail: a person's own commit runs them.
    night.sh("git commit -q --allow-empty -m mine");
    assert!(night.home().join("ran").exists());
}

#[test]
fn p6_signing_without_a_key_and_a_missing_identity_stop_nobody() {
    let night = Night::new().within(Fence::Off);
    night.sh("git config --global commit.gpgsign true; git config --global tag.gpgsign true
         git config --global gpg.program /bin/false");
    night.mission(&unit("a", "touch a; git add a; git commit -qm a; touch b")).exits(0);
    assert_eq!(night.sh("git log -1 --format=%an mc/green"), "Ada");
    night.sh("rm ~/.gitconfig; git config --global user.useConfigOnly true");
    night.mission(&unit("c", "touch c; git add c; git commit -qm c; touch d")).exits(0);
    assert_eq!(night.sh("git log -1 --format='%an <%ae>' mc/green"), "mission-control <mc@localhost>");
    night.green_verifies("sh run.sh");
}

#[test]
fn p7_a_branch_called_mc_is_refused_with_the_way_out() {
    let night = Night::new().within(Fence::Off);
    night.sh("git branch mc");
    night.mission(&unit("a", "touch a")).exits(2).says(&["the branch mc stands in the way", "git branch -m mc mc-old"]);
    night.sh("git branch -m mc mc-old");
    night.mission(&unit("a", "touch a")).exits(0);
}

#[test]
fn p7_green_checked_out_before_the_start_is_refused_with_the_command_that_helps() {
    let night = Night::new().within(Fence::Off);
    night.sh("git branch mc/green; git switch -q mc/green");
    night.mission(&unit("a", "touch a")).exits(2).says(&["mc/green is checked out in", "switch main"]);
    night.sh("git switch -q main; git worktree add -q ../tree mc/green");
    night.mission(&unit("a", "touch a")).exits(2).says(&["is checked out in", "/tree"]);
    night.sh("git worktree remove ../tree");
    night.mission(&unit("a", "touch a")).exits(0);
}

#[test]
fn p6_green_checked_out_in_mid_mission_makes_landings_wait() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("a unit plays the person who switches the work tree");
    let repo = night.repo();
    let plan = unit("a", &format!("touch a; git -C {} switch -q mc/green", repo.display()));
    let running = night.begin(&["mission", "start", "--plan", &night.plan(&plan)]);
    night.until(&format!(
        "{} status --json | grep -q 'landings wait: green is checked out in'",
        env!("CARGO_BIN_EXE_mc")
    ));
    assert_eq!(night.sh("git status --porcelain; git rev-parse mc/green"), night.sh("git rev-parse main"));
    night.sh("git switch -q main");
    running.wait().exits(0).says(&["switch that work tree to another branch"]);
    assert_eq!(night.unit("a"), "landed");
    night.audit();
}

#[test]
fn p7_changes_of_tracked_files_are_refused_or_left_out_and_said() {
    let night = Night::new().within(Fence::Off);
    night.write("tests/alpha.sh", "true # edited\n");
    night.write("new", "untracked files are nobody's business");
    night.mission(&unit("a", "touch a")).exits(2).says(&["tests/alpha.sh", "--allow-dirty"]).does_not_say(&["new,"]);
    let said = night.mission_with(&unit("a", "touch a"), &["--allow-dirty"]).exits(0);
    let said = said.says(&["edits left out"]);
    assert!(said.text().contains("tests/alpha.sh"));
    assert_eq!(night.sh("git show mc/green:tests/alpha.sh"), "true");
    assert_eq!(night.sh("cat tests/alpha.sh"), "true # edited");
    assert!(!night.holds("git cat-file -e mc/green:new"));
}

#[test]
fn p7_uncommitted_edits_of_a_committed_backlog_are_no_plan() {
    let night = Night::new().within(Fence::Off);
    night.mc(&["mission", "start"]).exits(2).says(&["no BACKLOG.md in the last commit of main", "mc init"]);
    night.write("BACKLOG.md", "# Backlog\n\n## First\n- id: one\n- run: touch one\n");
    night.commit("backlog");
    night.write("BACKLOG.md", "# Backlog\n\n## Second\n- id: two\n- run: touch two\n");
    night.mc(&["mission", "start"]).exits(2).says(&["BACKLOG.md", "--allow-dirty"]);
    night.mc(&["mission", "start", "--allow-dirty"]).exits(0).says(&["edits left out", "one"]);
    assert_eq!(night.unit("one"), "landed");
}

#[test]
fn p7_shallow_and_partial_sources_are_refused_with_a_hint() {
    let mut night = Night::new().within(Fence::Off);
    night.commit("second --allow-empty' --allow-empty -m '");
    night.sh("git config uploadpack.allowFilter true");
    night.sh("git clone -q --depth 1 file://$PWD ../shallow; git clone -q --filter=blob:none file://$PWD ../partial");
    let plan = night.plan(&unit("a", "touch a"));
    for (dir, words) in [("shallow", ["shallow", "git fetch --unshallow"]), ("partial", ["partial", "git "])] {
        night.var("MC_STATE_DIR", &night.home().join(format!("state-{dir}")).display().to_string());
        let dir = night.home().join(dir).display().to_string();
        night.mc(&["-C", &dir, "mission", "start", "--plan", &plan]).exits(6).says(&words);
    }
}

#[test]
fn p6_two_state_directories_do_not_share_a_repository() {
    let mut night = Night::new().within(Fence::Off);
    night.mission(&unit("a", "touch a")).exits(0);
    let first = night.state().display().to_string();
    let second = night.home().join("second").display().to_string();
    night.var("MC_STATE_DIR", &second);
    night.mission(&unit("b", "touch b")).exits(5).says(&["belongs to the state directory", &first, "--take-over"]);
    night.mission_with(&unit("b", "touch b"), &["--take-over", "attic"]).exits(5).says(&["not to one on attic"]);
    let machine = night.sh("uname -n");
    night.mission_with(&unit("b", "touch b"), &["--take-over", &machine]).exits(0);
    night.var("MC_STATE_DIR", &first);
    night.mission(&unit("c", "touch c")).exits(5).says(&[&second]);
}

#[test]
fn p7_a_missing_target_and_an_unborn_repository_are_refused() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[target]\nbranch = \"trunk\"");
    night.mission(&unit("a", "touch a")).exits(2).says(&["no branch trunk", "target.branch"]);
    let night = Night::empty().within(Fence::Off);
    night.write("mission-control.toml", "[target.verification]\ncommand = \"true\"\n");
    night.mission(&unit("a", "touch a")).exits(2).says(&["no commit yet", "commit something first"]);
    let night = Night::empty().within(Fence::Off);
    night.sh("rm -rf .git");
    night.write("mission-control.toml", "[target.verification]\ncommand = \"true\"\n");
    night.mission(&unit("a", "touch a")).exits(6).says(&["find a git repository at", "git init"]);
}

#[test]
fn p6_odd_but_sound_sources_work() {
    let mut night = Night::new().within(Fence::Off);
    night.sh("git checkout -q --detach; git clone -q --bare . ../bare.git; git worktree add -q -b side ../linked main");
    let plan = night.plan(&unit("a", "touch a"));
    // From a linked worktree.
    let linked = night.home().join("linked").display().to_string();
    night.mc(&["-C", &linked, "mission", "start", "--plan", &plan]).exits(0);
    assert_eq!(night.sh_in(&night.home().join("linked"), "git status --porcelain; git branch --show-current"), "side");
    // A bare repository.
    let bare = night.home().join("bare.git");
    let text = format!("[target]\npath = \"{}\"\n[target.verification]\ncommand = \"sh run.sh\"\n", bare.display());
    std::fs::write(night.home().join("bare.toml"), text).unwrap();
    night.var("MC_STATE_DIR", &night.home().join("state-bare").display().to_string());
    let config = night.home().join("bare.toml").display().to_string();
    night.mc(&["--config", &config, "mission", "start", "--plan", &plan]).exits(0);
    assert_eq!(night.sh_in(&bare, "git ls-tree --name-only mc/green a; git rev-parse --is-bare-repository"), "a\ntrue");
}

#[test]
fn p1_green_moved_forward_by_a_person_is_verified_and_built_upon() {
    let night = Night::new().within(Fence::Off);
    night.sh("git switch -q -c person; echo p > p; git add p; git commit -qm person; git switch -q main");
    let plan = unit("a", &format!("touch a; git -C {} update-ref refs/heads/mc/green person", night.repo().display()));
    night.mission(&plan).exits(0).says(&["somebody moved green to"]);
    assert_eq!(night.unit("a"), "landed");
    assert!(night.holds("git merge-base --is-ancestor person mc/green && git cat-file -e mc/green:a"));
    assert_eq!(night.status()["verifications"]["run"], 4);
    night.green_verifies("sh run.sh");
    night.audit();
}

#[test]
fn p1_on_a_red_green_made_by_a_person_nothing_lands_until_it_is_mended() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh >/dev/null", "");
    night.sh("git switch -q -c person; echo false > tests/alpha.sh; git commit -qam person");
    night.sh("git switch -q -c mended; echo true > tests/alpha.sh; git commit -qam mended; git switch -q main");
    let plan = unit("a", &format!("touch a; git -C {} update-ref refs/heads/mc/green person", night.repo().display()));
    let said = night.mission(&plan).exits(6);
    said.says(&["nothing lands any more", "which is worse than", "mc mission resume"]);
    night.sh("git update-ref refs/heads/mc/green mended");
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!(night.unit("a"), "landed");
    assert!(night.holds("git merge-base --is-ancestor mended mc/green"));
    night.audit();
}

#[test]
fn p3_green_moved_back_or_deleted_holds_the_queue_with_both_remedies() {
    for how in ["update-ref refs/heads/mc/green main", "update-ref -d refs/heads/mc/green"] {
        let night = Night::new().within(Fence::Off);
        let back =
            format!("{}depends = [\"a\"]\n", unit("b", &format!("touch b; git -C {} {how}", night.repo().display())));
        let said = night.mission(&[unit("a", "touch a"), back].join("\n")).exits(6);
        said.says(&[
            "somebody moved green back",
            "put green back to",
            "mc mission resume",
            "mc mission stop",
            "--accept-green",
        ]);
        let a = night.unit_json("a")["commit"].as_str().unwrap().to_owned();
        assert!(
            night.sh("git for-each-ref --format='%(objectname)' refs/mc/kept").contains(&a),
            "the old tip is pinned"
        );
        assert!(night.mc(&["status"]).text().contains("needs you"));
        // The one remedy.
        night.sh(&format!("git update-ref refs/heads/mc/green {a}"));
        night.mc(&["mission", "resume"]).exits(0);
        assert_eq!(night.unit("b"), "landed");
        assert!(night.holds(&format!("git merge-base --is-ancestor {a} mc/green")));
        night.audit();
    }
}

#[test]
fn p3_the_other_remedy_for_a_green_moved_back_works_as_it_is_said() {
    let night = Night::new().within(Fence::Off);
    let how = format!("touch b; git -C {} update-ref refs/heads/mc/green main", night.repo().display());
    let back = format!("{}depends = [\"a\"]\n", unit("b", &how));
    night.mission(&[unit("a", "touch a"), back].join("\n")).exits(6).says(&["`mc mission stop --now`, then"]);
    night.mc(&["mission", "stop", "--now"]).exits(0);
    assert_eq!(night.status()["mission"]["state"], "ended");
    night.mission(&unit("c", "touch c")).exits(6).says(&["does not contain a", "--accept-green"]);
    night.mission_with(&unit("c", "touch c"), &["--accept-green"]).exits(0);
    assert_eq!(night.unit("c"), "landed");
}

#[test]
fn p6_an_agent_that_writes_a_ref_of_the_source_is_held_and_named() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("that is the test");
    let work = "touch a; git add a; git commit -qm a";
    let push = |to: &str| format!("{work}; git push -q {} HEAD:{to}", night.repo().display());
    night
        .mission(&unit("a", &push("refs/heads/evil")))
        .exits(3)
        .says(&["refs/heads/evil", "this attempt's own commit"]);
    assert_eq!(night.unit("a"), "held");
    let needs = night.status()["needs_you"].to_string();
    assert!(needs.contains("refs/heads/evil") && needs.contains("mc unit retry a"), "{needs}");
    night.mc(&["mission", "stop", "--now"]).exits(0);
    // Hidden behind a failure, and no more part of the attempt's head.
    let hidden = format!(
        "{}; git reset -q --hard HEAD~; exit 1",
        push("refs/tags/evil").replace("touch a", "touch h; git add h")
    );
    night.mission(&unit("h", &hidden)).exits(3).says(&["refs/tags/evil", "this attempt's own commit"]);
    assert_eq!(night.unit("h"), "held");
    night.mc(&["mission", "stop", "--now"]).exits(0);
    // The shortest way past the gate: pushing to green.
    let bad = push("refs/heads/mc/green")
        .replace("touch a", "touch a2; echo false > tests/alpha.sh")
        .replace("add a", "add -A");
    night.mission(&unit("b", &bad)).exits(6).says(&[
        "refs/heads/mc/green",
        "this attempt's own commit",
        "somebody moved green",
    ]);
    assert_eq!(night.unit("b"), "held");
}

#[test]
fn p6_a_clone_has_nowhere_to_push() {
    let night = Night::new().within(Fence::Off);
    let plan = unit(
        "a",
        "touch a; git add a; git commit -qm a; ! git push 2>/dev/null; ! git push origin HEAD:main 2>/dev/null",
    );
    night.sh("git config --global push.default current");
    night.mission(&plan).exits(0);
    assert_eq!(night.sh("git rev-parse main"), night.sh("git rev-parse mc/green^1"));
}

#[test]
fn p1_p2_a_source_that_is_packed_pruned_or_migrated_meanwhile_loses_nothing() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("units play the person who tidies up and migrates");
    night.sh("seq 1 20 > m; git add m; git commit -qm m");
    let repo = night.repo().display().to_string();
    // Each is merged with what landed before it; the last one tidies up in between.
    let plan = |tidy: &str| {
        let landed = |line: &str| format!("until git -C {repo} show mc/green:m | grep -q {line}; do sleep 0.02; done");
        unit("one", "sed -i 's/^1$/top/' m")
            + &unit("two", &format!("sed -i 's/^10$/middle/' m; {}", landed("top")))
            + &unit("three", &format!("sed -i 's/^20$/bottom/' m; {}; {tidy}", landed("middle")))
    };
    night.mission(&plan("true")).exits(0);
    let tree = night.sh("git rev-parse mc/green^{tree}");
    // Everything of before is packed, and named by nothing when the same is done again and its results are known.
    night.sh("git config core.logAllRefUpdates false; rm -rf .git/logs; git gc -q");
    night.sh("git for-each-ref --format='delete %(refname)' refs/heads/mc refs/mc/attempts refs/mc/candidates refs/mc/checkpoints | git update-ref --stdin");
    let prune = format!("git -C {repo} repack -adq; git -C {repo} prune --expire=now");
    night.mission(&plan(&prune)).exits(0);
    assert_eq!(night.sh("git rev-parse mc/green^{tree}"), tree);
    night.sh("git ls-tree -r mc/green");
    night.mc(&["report", "--verify"]).exits(0);
    assert_eq!(night.sh("git -c core.commitGraph=false fsck --no-dangling 2>&1"), "");

    let migrate = format!("git -C {repo} refs migrate --ref-format=reftable; echo precious > precious; exit 1");
    let last = unit("last", &migrate);
    night.mission(&(unit("first", "echo first > first") + &last + "depends = ['first']\n")).exits(3);
    assert_eq!(night.sh("git rev-parse --show-ref-format"), "reftable");
    let kept = night.sh("git for-each-ref --format='%(refname)' refs/mc/attempts | grep /last/");
    assert_eq!(night.sh(&format!("git show {kept}:precious")), "precious");
    assert_eq!(night.sh("git show mc/green:first"), "first");
    night.mc(&["report", "--verify"]).exits(0);
}

#[test]
fn p10_refs_whose_names_are_no_text_stop_nobody_and_are_told_apart() {
    let night = Night::new().within(Fence::Off);
    night.sh(
        r#"for name in heads/caf\351 heads/caf\350 tags/v\377 remotes/f\344r/main; do
             git update-ref "$(printf "refs/$name")" HEAD; done; git pack-refs --all; git branch "$(printf 'loose\351')""#,
    );
    night.repository_is_attacked("a unit moves a branch of it");
    // Of two names that look alike the attempt moves one.
    let moves = r#"S=$HOME/repo/.git; git -C "$S" update-ref "$(printf 'refs/heads/caf\350')" "$(git -C "$S" commit-tree -m x 'HEAD^{tree}')""#;
    let plan = [unit("a", "echo a > a"), unit("b", moves)].join("\n");
    let said = night.mission(&plan);
    assert_eq!(night.unit("a"), "landed", "{}", said.text());
    assert!(!night.classes("b").iter().any(|class| class == "infrastructure"), "{:?}", night.classes("b"));
    night.mc(&["unit", "show", "b"]).exits(0).says(&["refs/heads/caf\u{fffd} of your repository changed"]);
    night.mc(&["doctor"]).says(&["ok       green"]);
    night.mc(&["verify"]).exits(0);
    night.audit();
}

#[test]
fn p7_a_repository_whose_path_is_no_text_in_one_line_is_refused_at_once_with_that_reason() {
    let night = Night::new().within(Fence::Off);
    let mc = env!("CARGO_BIN_EXE_mc");
    for (name, reason) in [("caf\\351", "is not UTF-8"), ("two\\nlines", "holds a line break")] {
        for command in ["mission start", "plan", "verify", "doctor", "status", "mission resume"] {
            let script = format!(
                "d=\"$(printf '../{name}')\"; test -d \"$d\" || cp -r . \"$d\"; cd \"$d\"
                 if {mc} {command} >../said 2>&1; then echo 0; else echo $?; fi; cat ../said"
            );
            let said = night.sh(&script);
            assert!(said.starts_with("6\n") && said.contains(reason), "{command}: {said}");
            assert!(said.contains("move it to a folder"), "{command}: {said}");
        }
    }
    assert!(!night.state().join("mc.db").exists(), "nothing was begun");
}
