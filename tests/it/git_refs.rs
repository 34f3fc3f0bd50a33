//! Compare-and-swap, pins, green and ownership on a real repository.

use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::git::GitError;
use mission_control::adapters::git::green::{GreenMove, Owner, OwnerCard, claim_owner, move_green};
use mission_control::adapters::git::refs::Cas;
use mission_control::adapters::store::lock::RunLock;
use std::time::Duration;

const GREEN: &str = "refs/heads/mc/green";

fn lock(world: &World) -> RunLock {
    RunLock::acquire(&world.state().join("engine.lock"), Duration::from_secs(5)).unwrap()
}

#[test]
fn a_swap_with_a_wrong_expectation_changes_nothing_and_says_what_is_there() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        let (one, two) = (world.id("HEAD").await, world.commit("b", "2").await);
        assert_eq!(git.cas("refs/mc/x", &one, None).await.unwrap(), Cas::Moved);
        assert_eq!(git.cas("refs/mc/x", &two, None).await.unwrap(), Cas::Raced { now: Some(one.clone()) });
        assert_eq!(git.cas("refs/mc/x", &one, Some(&two)).await.unwrap(), Cas::Moved, "it is there already");
        assert_eq!(git.cas("refs/mc/y", &one, Some(&two)).await.unwrap(), Cas::Raced { now: None });
        assert_eq!(git.cas("refs/mc/x", &two, Some(&one)).await.unwrap(), Cas::Moved);
        assert_eq!(git.list_refs("refs/mc/").await.unwrap(), [("refs/mc/x".to_owned(), two.clone())]);
    });
}

#[test]
fn p2_a_pin_is_never_overwritten() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        let (one, two) = (world.id("HEAD").await, world.commit("b", "2").await);
        git.pin("refs/mc/p", &one).await.unwrap();
        git.pin("refs/mc/p", &one).await.unwrap();
        let taken = git.pin("refs/mc/p", &two).await;
        assert!(matches!(taken, Err(GitError::PinTaken { .. })), "{taken:?}");
        assert_eq!(git.ref_value("refs/mc/p").await.unwrap(), Some(one));
    });
}

#[test]
fn a_swap_to_a_missing_object_is_an_error_and_not_a_race() {
    within_a_minute(async {
        let world = World::new().await;
        let missing = mission_control::domain::values::CommitId::new(&"1".repeat(40)).unwrap();
        let result = world.source().cas("refs/mc/x", &missing, None).await;
        assert!(matches!(result, Err(GitError::Failed { .. })), "{result:?}");
    });
}

#[test]
fn green_is_not_moved_under_a_worktree() {
    within_a_minute(async {
        let world = World::new().await;
        let (git, lock) = (world.source(), lock(&world));
        let (one, two) = (world.id("HEAD").await, world.commit("b", "2").await);
        assert_eq!(move_green(&lock, &git, GREEN, &one, None).await.unwrap(), GreenMove::Moved);
        world.sh("git worktree add -q ../tree mc/green").await;
        let worktree = world.home().join("tree");
        assert_eq!(move_green(&lock, &git, GREEN, &two, Some(&one)).await.unwrap(), GreenMove::CheckedOut { worktree });
        assert_eq!(git.ref_value(GREEN).await.unwrap(), Some(one.clone()));
        world.sh("git worktree remove ../tree").await;
        assert_eq!(move_green(&lock, &git, GREEN, &two, Some(&one)).await.unwrap(), GreenMove::Moved);
        assert_eq!(
            move_green(&lock, &git, GREEN, &one, Some(&one)).await.unwrap(),
            GreenMove::Raced { now: Some(two) }
        );
    });
}

#[test]
fn a_branch_called_mc_blocks_green_and_is_named() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("git branch mc").await;
        let one = world.id("HEAD").await;
        let result = move_green(&lock(&world), &world.source(), GREEN, &one, None).await;
        let Err(GitError::NameBlocked { blocking, .. }) = result else { panic!("{result:?}") };
        assert_eq!(blocking, "refs/heads/mc");
        world.sh("git branch -m mc other && git branch mc/green/deep").await;
        let result = move_green(&lock(&world), &world.source(), GREEN, &one, None).await;
        let Err(GitError::NameBlocked { blocking, .. }) = result else { panic!("{result:?}") };
        assert_eq!(blocking, "refs/heads/mc/green/deep");
    });
}

#[test]
fn a_repository_has_one_owner() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        let card = |id: &str| OwnerCard { state_id: id.into(), host: "h".into(), path: format!("/state/{id}\n") };
        assert_eq!(claim_owner(&git, &card("a"), false).await.unwrap(), Owner::Claimed);
        assert_eq!(claim_owner(&git, &card("a"), false).await.unwrap(), Owner::Ours);
        let foreign = Owner::Foreign { host: "h".into(), path: "/state/a\n".into() };
        assert_eq!(claim_owner(&git, &card("b"), false).await.unwrap(), foreign);
        assert_eq!(claim_owner(&git, &card("b"), true).await.unwrap(), Owner::Claimed);
        assert_eq!(claim_owner(&git, &card("b"), false).await.unwrap(), Owner::Ours);
        world.sh("git update-ref refs/mc/owner HEAD").await;
        let unreadable = Owner::Foreign { host: String::new(), path: String::new() };
        assert_eq!(claim_owner(&git, &card("b"), false).await.unwrap(), unreadable);
    });
}

#[test]
fn p6_refs_of_the_user_that_git_finds_by_our_names_are_not_ours() {
    within_a_minute(async {
        let world = World::new().await;
        let card = |id: &str| OwnerCard { state_id: id.into(), host: "h".into(), path: "/state".into() };
        let (one, two) = (world.id("HEAD").await, world.commit("b", "2").await);
        let places = ["refs", "refs/tags", "refs/heads", "refs/remotes"];
        for name in ["refs/mc/owner", GREEN, "refs/mc/x-2-gabcdef"] {
            let alike = places.map(|place| format!("{place}/{name}"));
            for alike in [alike.as_slice(), &[format!("refs/remotes/{name}/HEAD")]].concat() {
                world.sh(&format!("git update-ref {alike} {one}")).await;
                for git in [world.source(), world.git(&world.repo())] {
                    assert_eq!(git.ref_value(name).await.unwrap(), None, "{alike}");
                }
                assert_eq!(world.source().resolve(name).await.unwrap(), None, "{alike}");
                let git = world.source();
                assert_eq!(git.cas(name, &two, None).await.unwrap(), Cas::Moved, "{alike}");
                assert_eq!(git.ref_value(name).await.unwrap(), Some(two.clone()), "{alike}");
                assert_eq!(git.resolve(name).await.unwrap().unwrap().commit, two, "{alike}");
                world.sh(&format!("git update-ref -d {alike} && git update-ref -d {name}")).await;
                assert_eq!(git.ref_value(name).await.unwrap(), None, "{alike}");
            }
        }
        // What ends like the output of `git describe` names a commit even where there is no such ref.
        let described = format!("refs/mc/x-1-g{}", &one.as_str()[..8]);
        assert_eq!(world.source().ref_value(&described).await.unwrap(), None);
        let git = world.source();
        assert_eq!(claim_owner(&git, &card("a"), false).await.unwrap(), Owner::Claimed);
        world.sh("git update-ref refs/tags/refs/mc/owner refs/mc/owner && git update-ref -d refs/mc/owner").await;
        assert_eq!(claim_owner(&git, &card("b"), false).await.unwrap(), Owner::Claimed);
        world.sh("git update-ref -d refs/mc/owner").await;
        assert_eq!(
            claim_owner(&git, &card("a"), false).await.unwrap(),
            Owner::Claimed,
            "the card of a tag is not ours"
        );
    });
}

#[test]
fn p6_hooks_of_the_user_do_not_run_when_refs_move() {
    within_a_minute(async {
        let world = World::new().await;
        let ran = world.home().join("ran");
        let hook = format!("#!/bin/sh\ntouch {}\n", ran.display());
        for place in [".git/hooks", "../hooks"] {
            let dir = world.repo().join(place);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("reference-transaction"), &hook).unwrap();
        }
        world
            .sh("chmod +x .git/hooks/* ../hooks/* && git config --global core.hooksPath ~/hooks && git branch probe")
            .await;
        assert!(ran.exists(), "the hook works when git runs without us");
        std::fs::remove_file(&ran).unwrap();
        let one = world.id("HEAD").await;
        assert_eq!(move_green(&lock(&world), &world.source(), GREEN, &one, None).await.unwrap(), GreenMove::Moved);
        world.sh("git config --global --unset core.hooksPath").await;
        world.source().pin("refs/mc/x", &one).await.unwrap();
        assert!(!ran.exists());
    });
}
