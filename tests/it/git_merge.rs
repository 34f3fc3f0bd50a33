//! Merging apart from the user's repository.

use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::git::green::{GreenMove, move_green};
use mission_control::adapters::git::merge::{Integration, MergeRepo};
use mission_control::adapters::git::source::inspect;
use mission_control::adapters::store::lock::RunLock;
use mission_control::domain::values::{CommitId, Tip};
use std::time::Duration;

const MESSAGE: &str = "land u1\n\nMc-Mission: m1\nMc-Unit: u1\n";

async fn open(world: &World) -> MergeRepo {
    let source = world.source();
    MergeRepo::open(&world.state(), &source, &inspect(&source).await.unwrap()).await.unwrap()
}

async fn tip(world: &World, rev: &str) -> Tip {
    world.source().resolve(rev).await.unwrap().unwrap()
}

/// Makes a branch from the first commit, runs a script on it, commits, and returns to main.
async fn branch(world: &World, name: &str, script: &str) -> CommitId {
    world.sh(&format!("git checkout -qb {name} $(git rev-list --max-parents=0 main)")).await;
    world.sh(script).await;
    world.sh(&format!("git add -A && git commit -qm {name} && git checkout -q main")).await;
    world.id(name).await
}

fn candidate(result: Integration) -> Tip {
    let Integration::Candidate(tip) = result else { panic!("{result:?}") };
    tip
}

#[test]
fn a_clean_merge_is_a_commit_of_both_in_the_source_store() {
    within_a_minute(async {
        let world = World::new().await;
        let head = branch(&world, "unit", "echo u > u").await;
        world.commit("g", "green").await;
        world.sh("git config --global commit.gpgsign true && git config --global user.signingkey none").await;
        let (merge, green) = (open(&world).await, tip(&world, "main").await);
        let made = candidate(merge.integrate(&green, &head, MESSAGE, &[], Some(1_700_000_000)).await.unwrap());
        let again =
            candidate(open(&world).await.integrate(&green, &head, MESSAGE, &[], Some(1_700_000_000)).await.unwrap());
        assert_eq!(made, again, "same commits and date, same candidate");
        let shown = world.sh(&format!("git cat-file commit {}", made.commit)).await;
        let expected = format!(
            "tree {}\nparent {}\nparent {head}\nauthor Ada <ada@example.org> 1700000000 +0000\ncommitter Ada <ada@example.org> 1700000000 +0000\n\n{}",
            made.tree,
            green.commit,
            MESSAGE.trim_end()
        );
        assert_eq!(shown, expected);
        assert_eq!(world.sh(&format!("git ls-tree --name-only {}", made.tree)).await, ".gitignore\na\ng\nsrc\nu");
        world.source().pin("refs/mc/candidates/c1", &made.commit).await.unwrap();
        world.sh("git -c gc.auto=0 fsck --strict --no-dangling").await;
    });
}

#[test]
fn a_conflict_names_its_files_and_is_not_an_error() {
    within_a_minute(async {
        let world = World::new().await;
        let head = branch(&world, "unit", "echo mine > a; printf x > \"$(printf 'n\\nl')\"").await;
        world.commit("a", "theirs").await;
        world.commit("n\nl", "theirs").await;
        let result = open(&world).await.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap();
        let Integration::Conflict { files, detail } = result else { panic!("{result:?}") };
        assert_eq!(files, ["a", "n\nl"]);
        assert!(detail.contains("CONFLICT (content): Merge conflict in a"), "{detail}");
    });
}

#[test]
fn a_missing_commit_is_an_error_and_not_a_conflict() {
    within_a_minute(async {
        let world = World::new().await;
        let missing = CommitId::new(&"7".repeat(40)).unwrap();
        let result = open(&world).await.integrate(&tip(&world, "main").await, &missing, MESSAGE, &[], None).await;
        assert!(result.is_err(), "{result:?}");
        // A head whose tree is gone passes the look for a common ancestor and makes merge-tree itself fail.
        let head = branch(&world, "unit", "echo u > src/u").await;
        let tree = world.sh("git rev-parse unit:src").await;
        world.sh(&format!("rm -f .git/objects/{}/{}", &tree[..2], &tree[2..])).await;
        world.commit("src/g", "g").await;
        let result = open(&world).await.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await;
        assert!(result.is_err(), "{result:?}");
    });
}

#[test]
fn nothing_new_is_unchanged_and_a_foreign_history_conflicts() {
    within_a_minute(async {
        let world = World::new().await;
        let (merge, first) = (open(&world).await, world.id("main").await);
        world.commit("g", "green").await;
        let green = tip(&world, "main").await;
        for head in [&first, &green.commit] {
            assert_eq!(merge.integrate(&green, head, MESSAGE, &[], None).await.unwrap(), Integration::Unchanged);
        }
        world.sh("git checkout -q --orphan alone && git commit -qm alone && git checkout -q main").await;
        let result = merge.integrate(&green, &world.id("alone").await, MESSAGE, &[], None).await.unwrap();
        assert!(matches!(&result, Integration::Conflict { files, .. } if files.is_empty()), "{result:?}");
    });
}

#[test]
fn dropped_paths_keep_greens_version() {
    within_a_minute(async {
        let world = World::new().await;
        let drop = ["BACKLOG.md", "PROGRESS.md", "GONE.md"];
        let head = branch(&world, "unit", "echo agent > BACKLOG.md; echo agent > PROGRESS.md; echo u > u").await;
        let only = branch(&world, "only", "echo agent > PROGRESS.md").await;
        let plain = branch(&world, "plain", "echo u > v").await;
        world.commit("BACKLOG.md", "green\n").await;
        world.commit("GONE.md", "green\n").await;
        let (merge, green) = (open(&world).await, tip(&world, "main").await);
        let made = candidate(merge.integrate(&green, &head, MESSAGE, &drop, None).await.unwrap());
        assert_eq!(world.sh(&format!("git show {}:BACKLOG.md", made.commit)).await, "green");
        assert_eq!(
            world.sh(&format!("git ls-tree --name-only {}", made.tree)).await,
            ".gitignore\nBACKLOG.md\nGONE.md\na\nsrc\nu"
        );
        assert_eq!(world.id(&format!("{}^2", made.commit)).await, head);
        assert_eq!(merge.integrate(&green, &only, MESSAGE, &drop, None).await.unwrap(), Integration::Unchanged);
        // Green took GONE.md in since the fork: a head that never touched it does not bring its absence back.
        let made = candidate(merge.integrate(&green, &plain, MESSAGE, &drop, None).await.unwrap());
        assert_eq!(world.sh(&format!("git show {}:GONE.md", made.commit)).await, "green");
        let undropped = merge.integrate(&green, &head, MESSAGE, &[], None).await.unwrap();
        assert!(matches!(undropped, Integration::Conflict { .. }), "without dropping they do conflict");
    });
}

#[test]
fn p6_attributes_and_drivers_of_the_user_have_no_say() {
    within_a_minute(async {
        let world = World::new().await;
        let head = branch(&world, "unit", "echo mine > a").await;
        world.commit("a", "theirs").await;
        let ran = world.home().join("ran");
        // Each of these makes a merge in the user's own repository succeed without a conflict.
        world.sh("echo 'a merge=evil' > .git/info/attributes").await;
        world.sh("mkdir -p ~/.config/git && echo 'a merge=union' > ~/.config/git/attributes").await;
        world.sh(&format!("git config --global merge.evil.driver 'touch {}; true'", ran.display())).await;
        let theirs = world.sh("git merge-tree --write-tree main unit && echo clean").await;
        assert!(theirs.ends_with("clean") && ran.exists());
        std::fs::remove_file(&ran).unwrap();
        let result = open(&world).await.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap();
        assert!(matches!(result, Integration::Conflict { .. }), "{result:?}");
        let head = branch(&world, "asks", "echo mine > a; echo 'a merge=evil' > .gitattributes").await;
        let result = open(&world).await.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap();
        assert!(matches!(result, Integration::Conflict { .. }), "{result:?}");
        assert!(!ran.exists());
    });
}

#[test]
fn attributes_of_the_merged_head_do_count() {
    within_a_minute(async {
        let world = World::new().await;
        let head = branch(&world, "unit", "echo mine >> a; echo 'a merge=union' > .gitattributes").await;
        world.commit("a", "one\ntheirs\n").await;
        let made = candidate(
            open(&world).await.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap(),
        );
        assert_eq!(world.sh(&format!("git show {}:a", made.commit)).await, "one\ntheirs\nmine");
    });
}

#[test]
fn p6_integrating_and_moving_green_leaves_the_repository_alone() {
    within_a_minute(async {
        let world = World::new().await;
        let head = branch(&world, "unit", "echo u > u").await;
        world.commit("g", "green").await;
        world.sh("touch -d 2001-01-01 a && echo dirty >> g && echo staged > s && git add s").await;
        let before = world.everything();
        let lock = RunLock::acquire(&world.state().join("engine.lock"), Duration::from_secs(5)).unwrap();
        let (merge, green) = (open(&world).await, tip(&world, "main").await);
        let made = candidate(merge.integrate(&green, &head, MESSAGE, &["BACKLOG.md"], None).await.unwrap());
        let moved = move_green(&lock, &world.source(), "refs/heads/mc/green", &made.commit, None).await.unwrap();
        assert_eq!(moved, GreenMove::Moved);
        assert_eq!(world.everything(), before);
    });
}

#[test]
fn a_broken_merge_repository_is_made_again() {
    within_a_minute(async {
        let world = World::new().await;
        let head = branch(&world, "unit", "echo u > u").await;
        open(&world).await;
        std::fs::remove_file(world.state().join("merge.git/HEAD")).unwrap();
        world.commit("g", "green").await;
        candidate(open(&world).await.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap());
    });
}
