//! Slots: locked, marked, prepared exactly, never handed out with somebody's work in them.

use crate::support::attempt::Work;
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::git::merge::MergeRepo;
use mission_control::adapters::git::source::inspect;
use mission_control::adapters::host::local::workspace::collect::collect;
use mission_control::adapters::host::local::workspace::pool::{Pool, PoolError};
use mission_control::adapters::host::local::workspace::slot::Ignored;
use mission_control::domain::values::CommitId;
use std::os::unix::fs::MetadataExt;

async fn pool(world: &World) -> Pool {
    Pool::open(&world.state().join("pool"), &world.source(), Ignored::Keep).await.unwrap()
}

#[test]
fn a_slot_is_a_detached_clone_at_the_base_that_cannot_push_or_sign() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let later = world.commit("b", "2").await;
        world.sh("git config --global commit.gpgsign true && git config --global user.name 'Ada \"L\" # \\ x'").await;
        let slot = pool(&world).await.prepare(1, "m1/u1/1", &base).await.unwrap();
        assert_eq!(
            world.sh_in(&slot, "git rev-parse HEAD && git status --porcelain && ls").await,
            format!("{base}\na\nsrc")
        );
        assert_eq!(world.sh_in(&slot, "git for-each-ref; git branch --show-current").await, "");
        assert_eq!(world.sh_in(&slot, &format!("git cat-file -t {later}")).await, "commit");
        world.sh_in(&slot, "echo x > x && git add x && git commit -qm x").await;
        assert_eq!(world.sh_in(&slot, "git log -1 --format='%an %ae'").await, "Ada \"L\" # \\ x ada@example.org");
        world.sh_in(&slot, "! git push -q origin HEAD:refs/heads/x 2>/dev/null").await;
        world.sh_in(&slot, "git fetch -q origin && git rev-parse -q --verify origin/main").await;
        assert_eq!(world.sh("git branch --list").await, "* main");
    });
}

#[test]
fn p6_cloning_and_committing_in_a_slot_runs_no_hook_and_leaves_the_source_alone() {
    within_a_minute(async {
        let world = World::new().await;
        let ran = world.home().join("ran");
        std::fs::create_dir_all(world.home().join("hooks")).unwrap();
        for hook in ["post-checkout", "pre-commit", "post-commit", "reference-transaction", "post-index-change"] {
            let text = format!("#!/bin/sh\ntouch {}\n", ran.display());
            std::fs::write(world.home().join("hooks").join(hook), &text).unwrap();
        }
        world.sh("chmod +x ../hooks/* && git config --global core.hooksPath ~/hooks").await;
        world.sh("mkdir -p ../template/hooks && cp ../hooks/* ../template/hooks && git config --global init.templateDir ~/template").await;
        let before = world.everything();
        let pool = pool(&world).await;
        let slot =
            pool.prepare(1, "m1/u1/1", &world.source().resolve("main").await.unwrap().unwrap().commit).await.unwrap();
        world.sh_in(&slot, "echo x > x && git add x && git commit -qm x && git checkout -qb y").await;
        assert!(!ran.exists());
        assert_eq!(world.everything(), before);
        assert!(!slot.join(".git/hooks").exists());
    });
}

#[test]
fn p2_a_slot_with_uncollected_work_is_not_prepared_again_even_after_a_crash() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let first = pool(&world).await;
        let slot = first.prepare(1, "m1/u1/1", &base).await.unwrap();
        std::fs::write(slot.join("work"), "precious").unwrap();
        let busy = first.prepare(1, "m1/u2/1", &base).await;
        assert!(matches!(busy, Err(PoolError::Busy { slot: 1 })), "{busy:?}");
        let other = pool(&world).await;
        let busy = other.prepare(1, "m1/u2/1", &base).await;
        assert!(matches!(busy, Err(PoolError::Busy { slot: 1 })), "{busy:?}");
        drop(first);
        let dirty = other.prepare(1, "m1/u2/1", &base).await;
        assert!(matches!(&dirty, Err(PoolError::Dirty { label, .. }) if label == "m1/u1/1"), "{dirty:?}");
        assert_eq!(other.dirty_slots().unwrap(), [(1, "m1/u1/1".to_owned())]);
        assert_eq!(other.prune().unwrap(), [0_u32; 0]);
        assert!(slot.join("work").exists());
        other.hold(1).unwrap();
        other.release(1).unwrap();
        other.prepare(1, "m1/u2/1", &base).await.unwrap();
        assert!(!slot.join("work").exists());
    });
}

#[test]
fn reuse_resets_files_and_settings_but_keeps_build_output_and_times() {
    within_a_minute(async {
        let world = World::new().await;
        let one = world.id("main").await;
        let two = world.commit("b", "2").await;
        let pool = pool(&world).await;
        let slot = pool.prepare(3, "verify/1", &two).await.unwrap();
        let inode = std::fs::metadata(slot.join("src/main")).unwrap().ino();
        world
            .sh_in(
                &slot,
                "mkdir build && touch build/out && echo x > a && rm b && git init -q nested && touch nested/f
                 git config core.fsmonitor 'touch ran' && git config filter.x.clean false
                 mkdir -p .git/hooks .git/info && echo '* filter=x' > .git/info/attributes && git checkout -qb evil
                 mkdir src/.git && touch src/.git/x && echo hidden > src/hidden && git add src/hidden && git update-index --assume-unchanged a && touch .git/index.lock && mkfifo src/.gitattributes .gitmodules",
            )
            .await;
        pool.release(3).unwrap();
        pool.prepare(3, "verify/2", &one).await.unwrap();
        assert_eq!(
            world.sh_in(&slot, "cat a; ls; git status --porcelain; git branch").await,
            "one\na\nbuild\nsrc\n* (no branch)"
        );
        assert_eq!(std::fs::metadata(slot.join("src/main")).unwrap().ino(), inode, "untouched files are not rewritten");
        assert!(slot.join("build/out").exists() && !slot.join("ran").exists() && !slot.join("src/.git").exists());
        pool.release(3).unwrap();
        let strict = Pool::open(&world.state().join("pool"), &world.source(), Ignored::Remove).await.unwrap();
        strict.prepare(3, "verify/3", &two).await.unwrap();
        assert!(!slot.join("build").exists() && slot.join("b").exists());
    });
}

#[test]
fn p1_what_somebody_left_goes_and_only_what_is_ignored_stays() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let pool = pool(&world).await;
        let slot = pool.prepare(2, "m1/u1/1", &base).await.unwrap();
        // Each of these is taken away in another way: by itself, by git, with its folders, by comparing the contents.
        for left in [
            "mkdir -p x/y && touch x/y/z x/y/'-rf' 'a\nb'",
            "mkdir -p empty/folder",
            "touch x && git add x && git commit -qm x",
            "ln -s /etc/passwd link; mkdir -p build && touch build/out",
            "rm a; touch b",
            "touch -r a ../time && echo two > a && touch -r ../time a",
            // Seen through the link, the files of the folder are as the index says.
            "mv src lib && ln -s lib src",
            "mv src ../moved && ln -s ../moved src",
        ] {
            world.sh_in(&slot, left).await;
            pool.release(2).unwrap();
            pool.prepare(2, "m1/u2/1", &base).await.unwrap();
            let stays = if slot.join("build").exists() { "a\nbuild\nsrc" } else { "a\nsrc" };
            assert_eq!(world.sh_in(&slot, "cat a; ls -A | grep -v '^.git'").await, format!("one\n{stays}"), "{left}");
            assert_eq!(world.sh_in(&slot, "git status --porcelain").await, "", "{left}");
            assert!(world.sh_in(&slot, "test ! -L src && ls src").await.contains(char::is_alphanumeric), "{left}");
        }
        assert!(slot.join("build/out").exists());
    });
}

#[test]
fn a_slot_that_cannot_be_reset_is_made_anew_and_an_impossible_one_is_an_error() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let pool = pool(&world).await;
        let slot = pool.prepare(1, "verify/1", &base).await.unwrap();
        pool.release(1).unwrap();
        std::fs::write(slot.join(".git/index"), "not an index").unwrap();
        pool.prepare(1, "verify/2", &base).await.unwrap();
        pool.release(1).unwrap();
        // The whole slot is a file.
        std::fs::remove_dir_all(&slot).unwrap();
        std::fs::write(&slot, "").unwrap();
        pool.prepare(1, "verify/3", &base).await.unwrap();
        pool.release(1).unwrap();
        let missing = CommitId::new(&"3".repeat(40)).unwrap();
        let error = pool.prepare(1, "verify/4", &missing).await;
        assert!(matches!(error, Err(PoolError::Prepare { .. })), "{error:?}");
        assert!(pool.dirty_slots().unwrap().is_empty());
        pool.prepare(1, "verify/5", &base).await.unwrap();
        assert_eq!(pool.dirty_slots().unwrap(), [(1, "verify/5".to_owned())]);
    });
}

#[test]
fn slots_are_listed_with_their_size_and_pruned_when_idle() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let pool = pool(&world).await;
        for slot in [1, 2, 10] {
            pool.prepare(slot, &format!("m1/u{slot}/1"), &base).await.unwrap();
        }
        pool.release(2).unwrap();
        let list = pool.list().unwrap();
        let shown: Vec<_> = list.iter().map(|s| (s.slot, s.in_use, s.dirty.as_deref())).collect();
        assert_eq!(shown, [(1, true, Some("m1/u1/1")), (2, false, None), (10, true, Some("m1/u10/1"))]);
        assert!(list.iter().all(|s| s.bytes > 4096));
        assert_eq!(pool.prune().unwrap(), [2]);
        pool.release(10).unwrap();
        pool.discard_idle(10).unwrap();
        assert_eq!(pool.list().unwrap().len(), 1);
    });
}

#[test]
fn p7_shallow_and_partial_sources_are_refused() {
    within_a_minute(async {
        let world = World::new().await;
        world.commit("b", "2").await;
        world.sh("git clone -q --depth 1 file://$PWD ../shallow").await;
        let source = world.git(&world.home().join("shallow"));
        let refused = Pool::open(&world.state().join("pool"), &source, Ignored::Keep).await;
        assert!(matches!(refused, Err(PoolError::Incomplete { kind: "shallow", .. })), "{refused:?}");
    });
}

#[test]
fn a_sha256_source_works() {
    within_a_minute(async {
        let world = World::new().await;
        let dir = world.home().join("new");
        world.sh("git init -q --object-format=sha256 -b main ../new").await;
        world.sh_in(&dir, "echo a > a && git add a && git commit -qm a").await;
        let source = world.git(&dir);
        let base = source.resolve("main").await.unwrap().unwrap().commit;
        let pool = Pool::open(&world.state().join("pool"), &source, Ignored::Keep).await.unwrap();
        let slot = pool.prepare(1, "x", &base).await.unwrap();
        assert_eq!(world.sh_in(&slot, "git rev-parse HEAD && cat a").await, format!("{base}\na"));
    });
}

#[test]
fn everything_here_can_run_in_tasks_of_their_own() {
    fn sendable<T: Send>(_: T) {}
    within_a_minute(async {
        let work = Work::start().await;
        let source = work.world.source();
        let facts = inspect(&source).await.unwrap();
        sendable(collect(&work.pool, 1, &work.attempt));
        sendable(work.pool.prepare(1, "x", &work.attempt.base));
        sendable(Pool::open(&work.slot, &source, Ignored::Keep));
        sendable(MergeRepo::open(&work.slot, &source, &facts, &[]));
    });
}

#[test]
fn p1_two_trees_checked_out_one_after_the_other_never_look_the_same_to_kept_build_output() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("echo cache > .gitignore && echo good > calc && git add -A && git commit -qm good").await;
        let good = world.id("main").await;
        world.sh("echo evil > calc && git commit -qam evil").await;
        let evil = world.id("main").await;
        let pool = pool(&world).await;
        let second = |slot: &std::path::Path| std::fs::metadata(slot.join("calc")).unwrap().mtime();
        let mut last = 0;
        for (n, tree) in [&good, &evil, &good].into_iter().enumerate() {
            let slot = pool.prepare(1, "verify/1", tree).await.unwrap();
            std::fs::create_dir_all(slot.join("cache")).unwrap();
            std::fs::write(slot.join("cache/output"), "").unwrap();
            assert!(second(&slot) > last, "checkout {n}: a file of this size and second was built before");
            assert_eq!(world.sh_in(&slot, "git status --porcelain").await, "");
            last = second(&slot);
            pool.release(1).unwrap();
        }
        // What an agent writes in the second in which its slot is used again counts as well.
        let work =
            Work::start_with("echo cache > .gitignore && echo good > calc && git add -A && git commit -qm x").await;
        work.agent("mkdir cache && touch cache/output && echo mine > calc").await;
        let mine = second(&work.slot);
        work.collect().await;
        work.pool.release(1).unwrap();
        work.pool.prepare(1, "m1/u2/1", &work.attempt.base).await.unwrap();
        assert!(second(&work.slot) > mine);
    });
}

#[test]
fn p10_a_slot_of_a_pool_that_was_taken_away_is_not_in_use_for_ever() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let pool = pool(&world).await;
        pool.prepare(1, "m1/.verify/1", &base).await.unwrap();
        let busy = pool.prepare(1, "m1/.verify/2", &base).await.unwrap_err();
        assert!(matches!(busy, PoolError::Busy { slot: 1 }), "{busy}");
        std::fs::rename(world.state().join("pool"), world.state().join("away")).unwrap();
        let slot = pool.prepare(1, "m1/.verify/2", &base).await.unwrap();
        assert_eq!(world.sh_in(&slot, "git rev-parse HEAD; ls").await, format!("{base}\na\nsrc"));
        pool.release(1).unwrap();
        assert_eq!(pool.list().unwrap().len(), 1);
    });
}
