//! Compare-and-swap, pins, green and ownership on a real repository.

use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::git::GitError;
use mission_control::adapters::git::green::{GreenMove, move_green};
use mission_control::adapters::git::owner::{claim, owner, remove_stale_lock};
use mission_control::adapters::git::owner_card::{OwnerRecord, Standing};
use mission_control::adapters::git::ref_name::Cas;
use mission_control::adapters::host::local::process::engine::EngineIdentity;
use mission_control::adapters::host::local::process::lock::{RunLock, start_time};
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
        assert_eq!(git.compare_and_swap("refs/mc/x", &one, None).await.unwrap(), Cas::Moved);
        assert_eq!(git.compare_and_swap("refs/mc/x", &two, None).await.unwrap(), Cas::Raced { now: Some(one.clone()) });
        assert_eq!(
            git.compare_and_swap("refs/mc/x", &one, Some(&two)).await.unwrap(),
            Cas::Moved,
            "it is there already"
        );
        assert_eq!(git.compare_and_swap("refs/mc/y", &one, Some(&two)).await.unwrap(), Cas::Raced { now: None });
        assert_eq!(git.compare_and_swap("refs/mc/x", &two, Some(&one)).await.unwrap(), Cas::Moved);
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
        let result = world.source().compare_and_swap("refs/mc/x", &missing, None).await;
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

fn card(world: &World, id: &str) -> OwnerRecord {
    let state = world.home().join(id);
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("state-id"), id).unwrap();
    let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let engine = EngineIdentity::of_this_process();
    OwnerRecord {
        state_id: id.into(),
        path: text(state),
        repository: text(world.repo().join(".git")),
        epoch: 1,
        engine,
    }
}

#[test]
fn p3_a_repository_has_one_owner() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        let (a, b) = (card(&world, "a"), card(&world, "b"));
        assert_eq!(owner(&git).await.unwrap(), (None, None));
        assert!(claim(&git, &a, None).await.unwrap());
        assert!(!claim(&world.source(), &b, None).await.unwrap(), "it is not absent any more");
        let (held, found) = owner(&git).await.unwrap();
        assert_eq!((git.owner().card(), found.as_ref()), (held, Some(&a)));
        assert_eq!(a.clone().check_ownership(&a), Standing::Ours);
        assert_eq!(a.clone().check_ownership(&b), Standing::Foreign(a.clone()));
        // On another machine the same state directory is not known to be the same one.
        let mut attic = a.clone();
        attic.engine = EngineIdentity { host: "attic".into(), machine: "m2".into(), ..EngineIdentity::default() };
        assert_eq!(attic.clone().check_ownership(&a), Standing::Foreign(attic));
        world.sh("git update-ref refs/mc/owner HEAD").await;
        assert_eq!(owner(&git).await.unwrap().1, None, "what is no card is nobody's");
    });
}

#[test]
fn p3_an_owner_that_lives_is_never_taken_for_one_that_is_gone() {
    within_a_minute(async {
        let world = World::new().await;
        let (mut a, b) = (card(&world, "a"), card(&world, "b"));
        let lock = RunLock::acquire(&world.home().join("a/engine.lock"), Duration::ZERO).unwrap();
        assert_eq!(a.clone().check_ownership(&b), Standing::Alive(a.clone()), "its lock says so");
        drop(lock);
        assert_eq!(a.clone().check_ownership(&b), Standing::Foreign(a.clone()));
        let parent = std::os::unix::process::parent_id();
        a.engine = EngineIdentity { pid: parent, started: start_time(parent).unwrap(), ..a.engine };
        for own in [&b, &card(&world, "a")] {
            assert_eq!(a.clone().check_ownership(own), Standing::Alive(a.clone()), "its process says so");
        }
    });
}

#[test]
fn p3_copies_and_moves_of_repositories_and_state_directories_are_told_apart() {
    within_a_minute(async {
        let world = World::new().await;
        let (a, b) = (card(&world, "a"), card(&world, "b"));
        // The card came along with a copy of the repository.
        world.sh("cp -a . ../copy").await;
        let copy = OwnerRecord { repository: world.home().join("copy/.git").to_str().unwrap().into(), ..b.clone() };
        assert_eq!(a.clone().check_ownership(&copy), Standing::Free);
        // A state directory that was copied is another one; one that was moved is the same.
        world.sh("cp -a ../a ../c").await;
        let copied = OwnerRecord { path: world.home().join("c").to_str().unwrap().into(), ..a.clone() };
        assert_eq!(a.clone().check_ownership(&copied), Standing::Foreign(a.clone()));
        world.sh("rm -r ../a").await;
        assert_eq!(a.clone().check_ownership(&copied), Standing::Ours);
    });
}

#[test]
fn p4_a_lock_of_the_card_that_a_killed_git_left_is_taken_away() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("mkdir -p .git/refs/mc && : > .git/refs/mc/owner.lock").await;
        remove_stale_lock(&world.repo().join(".git"));
        assert!(claim(&world.source(), &card(&world, "a"), None).await.unwrap());
    });
}

#[test]
fn p3_no_ref_moves_for_an_engine_that_lost_the_repository() {
    within_a_minute(async {
        let world = World::new().await;
        let (one, two) = (world.id("HEAD").await, world.commit("b", "2").await);
        for batch in [false, true] {
            let git = if batch { world.source().with_batch(&world.repo().join(".git")) } else { world.source() };
            let held = git.ref_value("refs/mc/owner").await.unwrap();
            assert!(claim(&git, &card(&world, "a"), held.as_ref()).await.unwrap());
            let (x, y) = (format!("refs/mc/x{batch}"), format!("refs/mc/y{batch}"));
            assert_eq!(git.compare_and_swap(&x, &one, None).await.unwrap(), Cas::Moved);
            // Deleted or overwritten by somebody who is no owner, the card is put back.
            for vandal in ["git update-ref -d refs/mc/owner", "git update-ref refs/mc/owner HEAD"] {
                world.sh(vandal).await;
                assert_eq!(git.compare_and_swap(&x, &two, Some(&one)).await.unwrap(), Cas::Moved, "{vandal}");
                assert_eq!(git.ref_value("refs/mc/owner").await.unwrap(), git.owner().card());
                assert_eq!(git.compare_and_swap(&x, &one, Some(&two)).await.unwrap(), Cas::Moved);
            }
            // A race for the ref itself is still a race.
            assert_eq!(git.compare_and_swap(&x, &two, None).await.unwrap(), Cas::Raced { now: Some(one.clone()) });
            let mine = git.owner().card();
            assert!(claim(&world.source(), &card(&world, "b"), mine.as_ref()).await.unwrap());
            let lost = git.compare_and_swap(&x, &two, Some(&one)).await;
            assert!(matches!(lost, Err(GitError::NotOwner { .. })), "{lost:?}");
            let lost = git.pin(&y, &one).await;
            assert!(matches!(lost, Err(GitError::NotOwner { .. })), "{lost:?}");
            let lost = git.unpin(&x, &one).await;
            assert!(matches!(lost, Err(GitError::NotOwner { .. })), "{lost:?}");
            assert!(git.owner().is_lost());
            assert_eq!(world.source().ref_value(&x).await.unwrap(), Some(one.clone()));
            assert_eq!(world.source().ref_value(&y).await.unwrap(), None);
        }
    });
}

#[test]
fn p6_refs_of_the_user_that_git_finds_by_our_names_are_not_ours() {
    within_a_minute(async {
        let world = World::new().await;
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
                assert_eq!(git.compare_and_swap(name, &two, None).await.unwrap(), Cas::Moved, "{alike}");
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
        assert!(claim(&git, &card(&world, "a"), None).await.unwrap());
        world.sh("git update-ref refs/tags/refs/mc/owner refs/mc/owner && git update-ref -d refs/mc/owner").await;
        assert_eq!(owner(&world.source()).await.unwrap(), (None, None), "the card of a tag is none");
        assert!(claim(&world.source(), &card(&world, "b"), None).await.unwrap());
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
