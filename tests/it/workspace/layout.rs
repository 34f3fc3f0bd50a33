//! The folder of a slot: clone, temporary files and HOME in a place that belongs to this slot alone.

use crate::support::attempt::Work;
use crate::support::night::{Night, unit};
use crate::support::repo::within_a_minute;
use mission_control::adapters::host::local::workspace::collect::{CollectError, collect};
use mission_control::adapters::host::local::workspace::pool::Pool;
use mission_control::adapters::host::local::workspace::slot::Ignored;
use std::fs;

#[test]
fn p10_two_units_that_link_a_worktree_beside_their_workspace_are_not_in_each_others_way() {
    let night = Night::new();
    let run = |file: &str| {
        format!(
            "git worktree add -q ../wt -b part-{file} && echo part > ../wt/part-{file} && touch {file} && git add {file} && git commit -qm {file}"
        )
    };
    let plan = [unit("a", &run("a")), unit("b", &run("b"))].join("\n");
    night.mission_with(&plan, &["--workers", "2"]).exits(0);
    // One after the other in the same slot as well.
    night.mission_with(&[unit("c", &run("c")), unit("d", &run("d"))].join("\n"), &["--workers", "1"]).exits(0);
    for file in ["a", "b", "c", "d"] {
        assert!(night.holds(&format!("git cat-file -e mc/green:{file}")), "{file}");
        // What was not committed in the worktree is kept.
        let kept = format!(
            "for r in $(git for-each-ref --format='%(refname)' refs/mc/kept); do for p in $(git rev-list $r); do git cat-file -e $p:part-{file} 2>/dev/null && exit 0; done; done; exit 1"
        );
        assert!(night.holds(&kept), "{file}");
    }
    assert!(night.holds("! ls -d ../state/pool/wt ../state/pool/slot-*/wt"));
    night.audit();
}

#[test]
fn p2_what_is_made_beside_the_workspace_is_kept_and_does_not_reach_the_next_user() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "echo note > ../note; git init -q ../other; cd ../other; echo o > o; git add o; git commit -qm o; cd ../work
             git worktree add -q ../wt -b wt; echo w > ../wt/w; echo t > ../tmp/t; echo h > ../home/h; ln -s /etc ../link",
        )
        .await;
        let found = work.collect().await;
        assert!(!found.changed);
        let beside = work.pool.parent(1);
        assert_eq!(work.world.sh_in(&beside, "ls -A").await, "home\ntmp\nwork");
        let aside = work.attempt.run_dir.join("aside");
        let kept = "cat $(grep -ls note *); for git in */.git/HEAD; do git -C ${git%/.git/HEAD} log --format=%s; done";
        assert_eq!(work.world.sh_in(&aside, kept).await, "note\no");
        let notes = found.notes.join("\n");
        for name in ["note", "other", "link", "wt was a linked worktree"] {
            assert!(notes.contains(name), "{name}: {notes}");
        }
        assert_eq!(found.kept, 1);
        let kept = format!("for p in $(git rev-parse {}^@); do git show $p:w || true; done", work.attempt.kept_ref());
        assert_eq!(work.world.sh(&kept).await, "w");
        work.pool.release(1).unwrap();
        work.pool.prepare(1, "m1/u2/1", &work.attempt.base).await.unwrap();
        assert!(["tmp", "home"].iter().all(|part| work.pool.parent(1).join(part).is_dir()));
        assert_eq!(work.world.sh_in(&beside, "ls -A . tmp home").await, ".:\nhome\ntmp\nwork\n\nhome:\n\ntmp:");
    });
}

#[test]
fn a_pruned_slot_leaves_nothing_of_its_folder() {
    within_a_minute(async {
        let work = Work::start().await;
        fs::write(work.pool.parent(1).join("stray"), [b'x'; 50_000]).unwrap();
        work.pool.release(1).unwrap();
        let info = work.pool.list().unwrap().remove(0);
        assert!(info.path == work.pool.parent(1) && info.bytes > 50_000, "{info:?}");
        assert_eq!(work.pool.prune().unwrap(), [1]);
        let left = fs::read_dir(work.pool.parent(1).parent().unwrap()).unwrap();
        let left: Vec<_> = left.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert!(left.iter().all(|name| ["slot-1.lock", "layout"].contains(&name.as_str())), "{left:?}");
    });
}

#[test]
fn p2_work_that_was_moved_beside_the_workspace_is_kept_though_the_workspace_is_gone() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("echo precious > precious; cd ..; mv work real; ln -s real work").await;
        let gone = collect(&work.pool, 1, &work.attempt).await;
        assert!(matches!(gone, Err(CollectError::Gone { slot: 1 })), "{gone:?}");
        work.pool.release(1).unwrap();
        let slot = work.pool.prepare(1, "m1/u2/1", &work.attempt.base).await.unwrap();
        assert_eq!(work.world.sh_in(&slot, "ls; ls ..").await, "a\nsrc\nhome\ntmp\nwork");
        assert_eq!(work.world.sh_in(&work.attempt.run_dir, "cat aside/*/precious").await, "precious");
    });
}

#[test]
fn p6_git_writes_through_no_link_that_an_agent_left_in_its_git_directory() {
    within_a_minute(async {
        let mut work = Work::start().await;
        work.world.sh("mkdir ../theirs && echo mine > ../theirs/file && echo mine > ../theirs/log").await;
        work.agent(
            "echo x > x; ln -sf ~/theirs/log .git/logs/HEAD; ln -sf ~/theirs/file .git/COMMIT_EDITMSG
             ln -sf ~/theirs/file .git/ORIG_HEAD; ln -s ~/theirs .git/refs/theirs",
        )
        .await;
        let found = work.collect().await;
        assert!(found.changed && !found.no_repository, "{found:?}");
        assert_eq!(work.world.sh("cat ../theirs/*; ls ../theirs").await, "mine\nmine\nfile\nlog");
        work.pool.release(1).unwrap();
        work.attempt.number = 2;
        work.pool.prepare(1, "m1/u1/2", &work.attempt.base).await.unwrap();
        work.agent("echo y > y; for d in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do rm -rf .git/objects/$d?; done; mkdir .git/o; for a in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do for b in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do ln -s ~/theirs .git/objects/$a$b; done; done").await;
        let found = work.collect().await;
        assert!(found.no_repository, "{found:?}");
        assert_eq!(work.world.sh("ls ../theirs").await, "file\nlog");
        assert_eq!(work.world.sh(&format!("git show {}:y", work.attempt.head_ref())).await, "y");
    });
}

#[test]
fn p6_p12_no_note_of_a_slot_is_written_through_a_link() {
    within_a_minute(async {
        let work = Work::start().await;
        work.world.sh("mkdir ../theirs && echo mine > ../theirs/file").await;
        let notes = "for n in dirty made new index index-new print used setup lock; do rm -rf ../../slot-1.$n; ln -s ~/theirs/file ../../slot-1.$n; done; rm ../../layout; ln -s ~/theirs/file ../../layout";
        for again in 1..3 {
            work.agent(&format!("{notes}; echo work > work")).await;
            // Whose work it was is lost with its note; nobody's files are.
            let _ = collect(&work.pool, 1, &work.attempt).await;
            let _ = work.pool.release(1);
            let other =
                Pool::open(&work.world.state().join("pool"), &work.world.source(), Ignored::Keep).await.unwrap();
            drop(other);
            let slot = work.pool.prepare(1, "m1/u1/2", &work.attempt.base).await.unwrap();
            assert_eq!(work.world.sh_in(&slot, "ls").await, "a\nsrc", "{again}");
            assert_eq!(work.world.sh("cat ../theirs/file; ls ../theirs").await, "mine\nfile", "{again}");
        }
    });
}
