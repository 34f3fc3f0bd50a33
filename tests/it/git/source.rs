//! Facts about the user's repository, read without leaving a trace.

use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::git::GitError;
use mission_control::adapters::git::source::inspect;
use mission_control::domain::values::{TreeId, UnitId};

#[test]
fn facts_of_a_plain_a_bare_a_shallow_and_no_repository() {
    within_a_minute(async {
        let world = World::new().await;
        world.commit("b", "2").await;
        let facts = inspect(&world.git(&world.repo().join("src"))).await.unwrap();
        assert_eq!(facts.toplevel, world.repo());
        assert_eq!(facts.common_dir, world.repo().join(".git"));
        assert!(!facts.shallow && !facts.partial && !facts.bare);
        assert_eq!(facts.object_format, "sha1");
        world.sh("git clone -q --bare . ../bare.git && git clone -q --depth 1 file://$PWD ../shallow").await;
        assert!(inspect(&world.git(&world.home().join("bare.git"))).await.unwrap().bare);
        assert!(inspect(&world.git(&world.home().join("shallow"))).await.unwrap().shallow);
        world.sh("git config remote.origin.promisor true").await;
        assert!(inspect(&world.source()).await.unwrap().partial);
        let none = inspect(&world.git(&world.state()).with_env("GIT_CEILING_DIRECTORIES", world.home())).await;
        assert!(matches!(none, Err(GitError::NoRepository { .. })), "{none:?}");
    });
}

#[test]
fn p6_looking_for_tracked_changes_leaves_the_index_alone() {
    within_a_minute(async {
        let world = World::new().await;
        // A new time with old content makes a plain `git status` rewrite the index.
        world.sh("touch -d 2001-01-01 a && echo new > untracked").await;
        let before = world.everything();
        assert!(world.source().tracked_changes().await.unwrap().is_empty());
        assert_eq!(world.everything(), before);
        world.sh("echo two > a && echo x > 'odd\"name' && git add 'odd\"name'").await;
        assert_eq!(world.source().tracked_changes().await.unwrap(), ["a", "odd\"name"]);
    });
}

#[test]
fn a_branch_is_found_in_any_worktree_and_in_a_rebase() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        assert_eq!(git.checked_out("refs/heads/main").await.unwrap(), Some(world.repo()));
        world.sh("git branch mc/green && git worktree add -q ../tree mc/green").await;
        assert_eq!(git.checked_out("refs/heads/mc/green").await.unwrap(), Some(world.home().join("tree")));
        let tree = world.home().join("tree");
        world
            .sh_in(&tree, "echo x > x && git add x && git commit -qm x && git rebase -q -x false HEAD~1 || true")
            .await;
        assert_eq!(world.sh_in(&tree, "git rev-parse --abbrev-ref HEAD").await, "HEAD");
        assert_eq!(git.checked_out("refs/heads/mc/green").await.unwrap(), Some(tree.clone()));
        std::fs::remove_dir_all(tree).unwrap();
        assert_eq!(git.checked_out("refs/heads/mc/green").await.unwrap(), None);
    });
}

#[test]
fn identity_falls_back_when_there_is_none() {
    within_a_minute(async {
        let world = World::new().await;
        let ada = ("Ada".to_owned(), "ada@example.org".to_owned());
        assert_eq!(world.source().identity().await.unwrap(), ada);
        std::fs::remove_file(world.home().join(".gitconfig")).unwrap();
        let ours = ("mission-control".to_owned(), "mc@localhost".to_owned());
        assert_eq!(world.source().identity().await.unwrap(), ours);
    });
}

#[test]
fn revisions_files_and_ancestors() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        let first = world.id("HEAD").await;
        let second = world.commit("dir/b[1]*", "two\n").await;
        assert_eq!(git.resolve("main").await.unwrap().unwrap().commit, second);
        for nothing in ["nothing", "", "--all", "HEAD:a", "main..x"] {
            assert_eq!(git.resolve(nothing).await.unwrap(), None, "{nothing}");
        }
        assert!(git.is_ancestor(&first, &second).await.unwrap() && !git.is_ancestor(&second, &first).await.unwrap());
        assert_eq!(git.read_file(&second, "dir/b[1]*").await.unwrap().unwrap(), b"two\n");
        assert_eq!(git.read_file(&first, "dir/b[1]*").await.unwrap(), None);
        for nothing in ["dir", ":(top)a", "d*"] {
            assert_eq!(git.read_file(&second, nothing).await.unwrap(), None, "{nothing}");
        }
    });
}

#[test]
fn landed_units_are_read_from_first_parents_only() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("git checkout -qb side && git commit -q --allow-empty -m 'x\n\nMc-Unit: forged' && git checkout -q main").await;
        world.sh("git merge -q --no-ff side -m 'land\n\nMc-Mission: m1\nMc-Unit: real\nMc-Unit: Also-Invalid'").await;
        world.sh("git commit -q --allow-empty -m 'Mc-Unit: in the subject\n\nbody'").await;
        let landed = world.source().landed_units(&world.id("main").await).await.unwrap();
        assert_eq!(landed, [(UnitId::new("real").unwrap(), world.id("main~1").await)]);
    });
}

#[test]
fn a_snapshot_of_refs_shows_what_changed_but_not_our_own() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("git update-ref refs/mc/x HEAD && git branch mc/green && git tag -am t v1").await;
        let before = world.source().refs_snapshot().await.unwrap();
        assert_eq!(before.keys().map(ToString::to_string).collect::<Vec<_>>(), ["refs/heads/main", "refs/tags/v1"]);
        world.sh("git update-ref -d refs/mc/x && git branch -D -q mc/green").await;
        assert_eq!(world.source().refs_snapshot().await.unwrap(), before);
        world.sh("git branch other").await;
        assert_ne!(world.source().refs_snapshot().await.unwrap(), before);
    });
}

#[test]
fn a_repository_of_another_user_is_refused_with_the_way_out() {
    within_a_minute(async {
        let world = World::new().await;
        let refused = inspect(&world.source().with_env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")).await;
        let Err(GitError::Ownership { stderr }) = refused else { panic!("{refused:?}") };
        assert!(stderr.contains("safe.directory"), "{stderr}");
    });
}

#[test]
fn refs_of_others_are_seen_in_any_folder_loose_packed_and_as_tables() {
    within_a_minute(async {
        let world = World::new().await;
        let seen = async || -> Vec<String> {
            world.source().refs_snapshot().await.unwrap().keys().map(ToString::to_string).collect()
        };
        assert_eq!(seen().await, ["refs/heads/main"]);
        world.sh("git update-ref refs/odd/a/b HEAD && git update-ref refs/single HEAD && git tag t").await;
        world.sh("git update-ref refs/mc/attempts/m/u/1 HEAD && git update-ref refs/heads/mc/green HEAD").await;
        let all = ["refs/heads/main", "refs/odd/a/b", "refs/single", "refs/tags/t"];
        assert_eq!(seen().await, all);
        world.sh("git pack-refs --all --prune && ! test -e .git/refs/single").await;
        assert_eq!(seen().await, all, "packed");
        world.sh("git update-ref refs/late/x HEAD").await;
        assert_eq!(seen().await.len(), 5, "both");
        if world.sh("git refs migrate --ref-format=reftable 2>/dev/null || echo old").await != "old" {
            assert_eq!(seen().await.len(), 5, "as a table");
        }
    });
}

#[test]
fn p10_names_of_refs_are_bytes() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        // Two names that look alike once odd bytes are replaced, a folder of refs and a tag of the kind; packed and loose.
        world
            .sh(r#"for name in heads/caf\\351 heads/caf\\350 tags/v\\377 od\\344d/x mc/attempts/\\377; do
                   git update-ref "$(printf "refs/$name")" HEAD; done; git update-ref refs/mc/attempts/m/u/1 HEAD"#)
            .await;
        let id = world.id("HEAD").await;
        for _ in 0..2 {
            let names: Vec<Vec<u8>> =
                git.refs_snapshot().await.unwrap().keys().map(|name| name.as_bytes().to_vec()).collect();
            let all: [&[u8]; 5] = [
                b"refs/heads/caf\xe8",
                b"refs/heads/caf\xe9",
                b"refs/heads/main",
                b"refs/od\xe4d/x",
                b"refs/tags/v\xff",
            ];
            assert_eq!(names, all);
            assert_eq!(git.ref_value("refs/heads/main").await.unwrap(), Some(id.clone()));
            assert_eq!(git.ref_value("refs/heads").await.unwrap(), None);
            let pins = git.list_refs("refs/mc/attempts").await.unwrap();
            assert_eq!(pins, [("refs/mc/attempts/m/u/1".to_owned(), id.clone())]);
            assert_eq!(git.list_contained("refs/mc/attempts", &id).await.unwrap().len(), 1);
            world.sh("git pack-refs --all --prune").await;
        }
        world.sh("git update-ref \"$(printf 'refs/mc/in/the/w\\351y')\" HEAD").await;
        assert!(git.blocking_ref("refs/mc/in/the").await.unwrap().unwrap().starts_with("refs/mc/in/the/w"));
    });
}

#[test]
fn remembered_refs_of_others_follow_every_change() {
    within_a_minute(async {
        let world = World::new().await;
        let git = world.source();
        world.commit("b", "2").await;
        world.sh("git branch old && git tag t && git pack-refs --all && git branch loose").await;
        // Files older than the shortest time in which two changes could look alike.
        tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
        world.sh("git update-ref refs/mc/x HEAD && git update-ref refs/heads/mc/green HEAD").await;
        for change in [
            "true",
            "git branch -f loose HEAD~1",
            "git branch -f loose HEAD",
            "git update-ref refs/new/x HEAD",
            "git update-ref -d refs/new/x",
            "git tag -d t",
            "git pack-refs --all",
            "git checkout -q --detach && git update-ref refs/heads/main HEAD~1",
            "git worktree add -q ../tree old && git -C ../tree update-ref refs/bisect/bad HEAD",
        ] {
            let before = git.refs_snapshot().await.unwrap();
            world.sh(change).await;
            let after = git.refs_snapshot().await.unwrap();
            assert_eq!(after, world.source().refs_snapshot().await.unwrap(), "{change}");
            assert_eq!(
                after == before,
                ["true", "git pack-refs --all"].contains(&change) || change.contains("bisect"),
                "{change}"
            );
        }
    });
}

#[test]
fn p6_a_branch_called_mc_and_refs_behind_links_are_no_refs_of_ours() {
    within_a_minute(async {
        let (world, linked) = (World::new().await, World::new().await);
        for world in [&world, &linked] {
            world.commit("b", "2").await;
            world.sh("git branch mc && git tag t").await;
        }
        linked.sh("mv .git/refs/tags ../tags && ln -s ../../../tags .git/refs/tags").await;
        // Files older than the shortest time in which two changes could look alike.
        tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
        for (world, change) in [(&world, "git branch -f mc HEAD~1"), (&linked, "git tag -f t HEAD~1")] {
            let git = world.source();
            let before = git.refs_snapshot().await.unwrap();
            world.sh(change).await;
            assert_ne!(git.refs_snapshot().await.unwrap(), before, "{change}");
        }
    });
}

#[test]
fn green_is_checked_out_under_another_name_as_well() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("git branch mc/green && git symbolic-ref refs/heads/g refs/heads/mc/green && git checkout -q g").await;
        let git = world.source();
        assert_eq!(git.checked_out("refs/heads/mc/green").await.unwrap(), Some(world.repo()));
        world.sh("git checkout -q main && printf 'ref:  refs/heads/mc/green\n' > .git/HEAD").await;
        assert_eq!(git.checked_out("refs/heads/mc/green").await.unwrap(), Some(world.repo()));
        world.sh("printf 'ref:  refs/heads/main\n' > .git/HEAD").await;
        assert_eq!(git.checked_out("refs/heads/mc/green").await.unwrap(), None);
        world.sh("git checkout -q --orphan fresh").await;
        assert_eq!(git.checked_out("refs/heads/mc/green").await.unwrap(), None, "a branch without a commit");
    });
}

#[test]
fn many_trees_without_paths_are_the_same_as_each_alone() {
    within_a_minute(async {
        let world = World::new().await;
        let steps = [
            "mkdir d e; echo 1 > d/x.md; echo 1 > e/y; git add .",
            "echo 2 > e/y; git add .",
            "echo 2 > \"$(printf 'd/od\\351\\n\"\\\\q.md')\"; echo z > z.md; git add .",
            "git rm -qr d; echo 3 > d; git add .",
            "git rm -q d z.md; mkdir d; echo 4 > d/only.md; git add .",
            "git rm -q --cached a; ln -s a link.md; git add link.md",
            "true",
            "git rm -qr .",
        ];
        for step in steps {
            world.sh(&format!("{step}; git commit -qm step --allow-empty")).await;
        }
        let (git, listed) = (world.source(), world.sh("git log --reverse --format=%T").await);
        let facts = inspect(&git).await.unwrap();
        let trees: Vec<TreeId> = listed.lines().map(|tree| TreeId::new(tree).unwrap()).collect();
        assert_eq!(trees.len(), steps.len() + 1);
        let objects = world.sh("git count-objects").await;
        for unwanted in [".md", "nothing", "y"] {
            let mut alone = Vec::new();
            for tree in &trees {
                alone.push(git.without_paths(&facts, tree, |path| path.ends_with(unwanted)).await.unwrap().tree);
            }
            let all = git.trees_without_paths(&facts, &trees, |path| path.ends_with(unwanted)).await.unwrap();
            assert_eq!(all, alone, "{unwanted}");
        }
        assert_eq!(world.sh("git count-objects; git for-each-ref").await.lines().next(), Some(objects.as_str()));
    });
}
