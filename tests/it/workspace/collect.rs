//! Collecting what ordinary agents leave: everything that existed is pinned in the source.

use crate::support::attempt::Work;
use crate::support::repo::within_a_minute;
use mission_control::domain::values::CommitId;

#[test]
fn p2_uncommitted_and_untracked_work_is_committed_and_pinned() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "echo two >> a; echo new > new; rm src/main; mkdir build; echo o > build/o; git add new; echo more >> new",
        )
        .await;
        let got = work.collect().await;
        assert!(got.made_commit && got.changed && !got.half_merge && !got.no_repository);
        assert_eq!((got.commits, got.kept), (1, 0));
        assert_eq!(got.notes, [""; 0]);
        assert_eq!(work.source_id("refs/mc/attempts/m1/u1/1").await, got.head.commit);
        work.alone().await;
        let head = &got.head.commit;
        let world = &work.world;
        assert_eq!(world.sh(&format!("git ls-tree -r --name-only {head}")).await, ".gitignore\na\nnew");
        assert_eq!(world.sh(&format!("git show {head}:new")).await, "new\nmore");
        let message = world.sh(&format!("git log -1 --format='%an|%B' {head}")).await;
        assert_eq!(message.trim_end(), "Ada|u1: uncommitted work, attempt 1\n\nMc-Work-Of: m1/u1/1");
    });
}

#[test]
fn p2_stashes_branches_and_abandoned_commits_are_kept() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("echo 1 > one; git add one; git commit -qm one; git branch side; git reset -q --hard HEAD~1").await;
        work.agent(
            "git checkout -qb topic; echo 2 > two; git add two; git commit -qm amended; git commit -q --amend -m two",
        )
        .await;
        work.agent("echo s1 > a; git stash -q; echo s2 > a; echo u > untracked; git stash -q -u").await;
        let (side, head) = (work.slot_id("side").await, work.slot_id("HEAD").await);
        let (stash, older) = (work.slot_id("stash@{0}").await, work.slot_id("stash@{1}").await);
        let amended = work.slot_id("HEAD@{1}").await;
        work.agent("git branch -qD side; rm -rf .git/logs").await;
        let got = work.collect().await;
        assert_eq!(got.head.commit, head);
        assert!(!got.made_commit && got.changed);
        assert!(got.kept >= 4, "{got:?}");
        work.alone().await;
        for lost in [side, amended, stash.clone(), older] {
            assert!(
                work.world.source().is_ancestor(&lost, &work.source_id(&work.attempt.kept_ref()).await).await.unwrap()
            );
        }
        assert_eq!(work.world.sh(&format!("git show {stash}^3:untracked")).await, "u");
    });
}

#[test]
fn nothing_done_is_unchanged_and_still_pinned() {
    within_a_minute(async {
        let work = Work::start().await;
        let got = work.collect().await;
        assert_eq!((got.changed, got.commits, got.made_commit, got.kept), (false, 0, false, 0));
        assert_eq!(work.source_id(&work.attempt.head_ref()).await, work.attempt.base);
        let work = Work::start().await;
        work.agent("git commit -q --allow-empty -m empty").await;
        let got = work.collect().await;
        assert_eq!((got.changed, got.commits, got.made_commit, got.kept), (false, 1, false, 0));
    });
}

#[test]
fn heads_in_every_state_are_found() {
    within_a_minute(async {
        for (script, commits, kept) in [
            ("git checkout -qb main; echo x > x; git add x; git commit -qm x", 1, 0),
            (
                "echo x > x; git add x; git commit -qm x; git checkout -q --detach HEAD~1; git branch main HEAD@{1}; echo y > y",
                1,
                1,
            ),
            ("git checkout -q --orphan alone; echo x > x", 1, 0),
            ("git checkout -q --orphan alone; echo x > x; git add x; git commit -qm alone", 1, 0),
            (
                "echo x > x; git add x; git commit -qm x; echo garbage > .git/HEAD; echo ref: refs/heads/none > .git/HEAD",
                1,
                1,
            ),
        ] {
            let work = Work::start().await;
            work.agent(script).await;
            let got = work.collect().await;
            assert!(got.changed, "{script}");
            assert_eq!((got.commits, got.kept), (commits, kept), "{script}: {got:?}");
            work.alone().await;
        }
    });
}

#[test]
fn changed_is_measured_against_the_merge_base_with_green() {
    within_a_minute(async {
        let mut work = Work::start().await;
        work.agent("echo x > x; git add x; git commit -qm x").await;
        work.attempt.green = work.world.commit("g", "green").await;
        assert!(work.collect().await.changed);
        let mut work = Work::start().await;
        work.agent("echo x > x; git add x; git commit -qm x; git revert --no-edit HEAD >/dev/null").await;
        work.attempt.green = work.world.commit("g", "green").await;
        let got = work.collect().await;
        assert_eq!((got.changed, got.commits), (false, 2));
    });
}

#[test]
fn a_half_done_merge_rebase_or_pick_is_a_snapshot_that_is_not_queued() {
    within_a_minute(async {
        let conflict = "echo l > a; git commit -qam l; git checkout -qb r HEAD~1; echo r > a; git commit -qam r";
        for script in [
            "! git merge -q mc-l",
            "! git rebase -q mc-l",
            "! git cherry-pick mc-l",
            "{ echo s > a; git stash -q; git checkout -q mc-l; ! git stash pop; }",
        ] {
            let work = Work::start().await;
            work.agent(&format!(
                "{conflict}; git branch mc-l HEAD@{{1}}~0; git branch -f mc-l $(git rev-parse HEAD@{{2}})"
            ))
            .await;
            work.agent(&format!("{script} >/dev/null 2>&1; test -n \"$(git ls-files -u)\"; echo extra > extra")).await;
            let got = work.collect().await;
            assert!(got.half_merge && got.made_commit, "{script}: {got:?}");
            let text = work.world.sh(&format!("git show {}:a", got.head.commit)).await;
            assert!(text.contains("<<<<<<<") && text.contains('l') && text.contains('r'), "{text}");
            let again = work.collect().await;
            assert_eq!((again.head, again.half_merge), (got.head.clone(), true));
            work.alone().await;
            assert_eq!(work.world.sh(&format!("git show {}:extra", got.head.commit)).await, "extra");
        }
    });
}

#[test]
fn a_merge_without_conflicts_that_was_not_committed_is_half_done_too() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("git checkout -qb side; echo s > s; git add s; git commit -qm s; git checkout -q --detach HEAD~1")
            .await;
        work.agent("git merge -q --no-ff --no-commit side 2>/dev/null; test -e .git/MERGE_HEAD").await;
        let got = work.collect().await;
        assert!(got.half_merge && got.made_commit && got.kept == 1, "{got:?}");
        work.alone().await;
    });
}

#[test]
fn p4_collecting_twice_gives_the_same_pins() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("echo 1 > one; git add one; git commit -qm one; git reset -q --hard HEAD~1; echo x > x").await;
        work.agent("git init -q nested; echo n > nested/n; git worktree add -q tree; echo t > tree/t").await;
        let first = work.collect().await;
        let pins = work.world.sh("git for-each-ref refs/mc").await;
        // Dates are part of an id, and both collections may fall into one second: look at what prevents another commit.
        assert_eq!(work.slot_id("HEAD").await, first.head.commit);
        let second = work.collect().await;
        assert_eq!(work.world.sh("git for-each-ref refs/mc").await, pins);
        assert_eq!((first.head, first.made_commit, first.kept), (second.head, second.made_commit, second.kept));
        assert_eq!(first.kept, 2);
    });
}

#[test]
fn p2_an_earlier_pin_of_the_same_attempt_is_not_dropped() {
    within_a_minute(async {
        let work = Work::start().await;
        let earlier = work.world.commit("earlier", "pinned while it ran").await;
        work.world.source().pin(&work.attempt.head_ref(), &earlier).await.unwrap();
        work.agent("echo x > x").await;
        let got = work.collect().await;
        assert_eq!(work.source_id(&work.attempt.head_ref()).await, got.head.commit);
        let kept = work.source_id(&work.attempt.kept_ref()).await;
        assert!(work.world.source().is_ancestor(&earlier, &kept).await.unwrap());
    });
}

#[test]
fn p6_collecting_leaves_the_repository_of_the_user_alone() {
    within_a_minute(async {
        let work = Work::start().await;
        let world = &work.world;
        let ran = world.home().join("ran");
        world.sh("mkdir ../hooks && touch -d 2001-01-01 a && echo staged > s && git add s && git config fetch.prune true").await;
        for hook in ["reference-transaction", "post-commit", "pre-auto-gc", "post-index-change", "pre-commit"] {
            std::fs::write(world.home().join("hooks").join(hook), format!("#!/bin/sh\ntouch {}\n", ran.display()))
                .unwrap();
        }
        world.sh("chmod +x ../hooks/*; cp ../hooks/* .git/hooks/; git config --global core.hooksPath ~/hooks").await;
        world.sh("git config --global commit.gpgsign true; git config --global gpg.program false").await;
        let before = world.everything();
        work.agent("echo x > x; git add x; git commit -qm x; git tag v9; git reset -q --hard HEAD~1; echo y > y").await;
        let got = work.collect().await;
        assert!(got.made_commit && got.kept == 1);
        assert_eq!(world.everything(), before);
        assert!(!ran.exists() && !world.repo().join(".git/FETCH_HEAD").exists());
    });
}

#[test]
fn work_is_committed_when_there_is_no_identity() {
    within_a_minute(async {
        let work = Work::start_with("rm ~/.gitconfig; git config --global user.useConfigOnly true").await;
        work.agent("echo x > x; git add x; git commit -qm x; echo y > y").await;
        let got = work.collect().await;
        let authors = work.world.sh(&format!("git log -2 --format='%an <%ae>' {}", got.head.commit)).await;
        assert_eq!(authors, "mission-control <mc@localhost>\nmission-control <mc@localhost>");
    });
}

#[test]
fn p2_file_names_of_any_bytes_survive() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "mkdir \"$(printf 'd\\n\\\"q')\"; for n in 'a\\nb' '\\377\\376' '-rf' ' lead' 'quote\\\"' ':(glob)*' '*'; do
               echo \"$n\" > \"$(printf -- \"$n\")\"; cp -- \"./$(printf -- \"$n\")\" \"$(printf 'd\\n\\\"q')\"/; done
             git init -q \"$(printf 'nest\\n\\377')\"; echo n > \"$(printf 'nest\\n\\377')/f\"
             git update-index --assume-unchanged -- a; echo seen > a",
        )
        .await;
        let count = work.agent("find . -name .git -prune -o -type f -print0 | tr -dc '\\0' | wc -c").await;
        let got = work.collect().await;
        let listed = format!("git ls-tree -r -z --name-only {} | tr -dc '\\0' | wc -c", got.head.commit);
        assert_eq!(work.world.sh(&listed).await, count);
        assert_eq!(work.world.sh(&format!("git show {}:a", got.head.commit)).await, "seen");
        assert_eq!(got.notes.len(), 2, "{got:?}");
    });
}

#[test]
fn a_slot_collected_and_released_can_be_used_again() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("echo x > x").await;
        let head: CommitId = work.collect().await.head.commit;
        work.pool.release(1).unwrap();
        let slot = work.pool.prepare(1, "m1/u2/1", &head).await.unwrap();
        assert_eq!(work.world.sh_in(&slot, "cat x; git status --porcelain").await, "x");
    });
}
