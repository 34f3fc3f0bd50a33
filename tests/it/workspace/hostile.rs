//! Collecting what unusual or hostile agents leave: nothing planted runs, nothing is lost, nothing of the user's is hit.

use crate::support::attempt::Work;
use crate::support::repo::within_a_minute;
use mission_control::adapters::host::local::workspace::collect::{CollectError, collect};

#[test]
fn p6_nothing_an_agent_planted_runs_while_it_is_collected() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "evil=\"touch $HOME/ran\"
             git config core.fsmonitor \"$evil; false\"; git config core.hooksPath .git/hooks; git config core.pager \"$evil\"
             git config filter.evil.clean \"$evil; cat\"; git config filter.evil.process \"$evil\"; git config diff.external \"$evil\"
             git config core.sshCommand \"$evil\"; git config uploadpack.packObjectsHook \"$evil\"; git config core.editor \"$evil\"
             git config gpg.program \"$evil\"; git config commit.gpgSign true; git config core.alternateRefsCommand \"$evil\"
             git config include.path ../evil; printf '[core]\\n\\tfsmonitor = %s\\n' \"$evil\" > evil
             echo '* filter=evil diff=evil' > .gitattributes; mkdir -p .git/info .git/hooks; cp .gitattributes .git/info/attributes
             for h in pre-commit post-commit post-index-change reference-transaction; do
               printf '#!/bin/sh\\n%s\\n' \"$evil\" > .git/hooks/$h; chmod +x .git/hooks/$h; done
             cp .git/config .git/config.worktree; echo x > x",
        )
        .await;
        work.agent("git status >/dev/null 2>&1 || true; test -e $HOME/ran; rm $HOME/ran; rm -f .git/index.lock").await;
        let got = work.collect().await;
        assert!(!work.world.home().join("ran").exists());
        assert_eq!(work.world.sh(&format!("git show {}:x", got.head.commit)).await, "x");
        work.alone().await;
    });
}

#[test]
fn p2_files_hidden_by_settings_are_seen() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "mkdir -p .git/info; echo hidden > .git/info/exclude; git config core.excludesFile x; echo h > hidden
             git update-index --skip-worktree a; echo changed > a
             git update-index --assume-unchanged src/main; rm src/main; touch .git/index.lock .git/HEAD.lock",
        )
        .await;
        let got = work.collect().await;
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {0}; git show {0}:a", got.head.commit)).await;
        assert_eq!(tree, ".gitignore\na\nhidden\nchanged");
    });
}

#[test]
fn a_sparse_checkout_is_no_deletion() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("git sparse-checkout set --no-cone a x; test ! -e src/main; echo x > x").await;
        let got = work.collect().await;
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
        assert_eq!(tree, ".gitignore\na\nsrc/main\nx");
    });
}

#[test]
fn p2_a_deleted_git_directory_loses_no_file() {
    within_a_minute(async {
        for script in [
            "rm -rf .git",
            "rm .git/HEAD",
            "rm -rf .git/objects",
            "rm -rf .git; echo 'gitdir: /nowhere' > .git",
            "rm -rf .git; ln -s $HOME/repo/.git .git",
            "rm -rf .git/refs; ln -s $HOME/repo/.git/refs .git/refs",
            "rm -rf .git/objects; ln -s $HOME/repo/.git/objects .git/objects",
            "echo broken > .git/HEAD",
            "rm .git/HEAD; mkfifo .git/HEAD",
        ] {
            let work = Work::start().await;
            let before = work.world.everything();
            work.agent(&format!("echo x > x; rm src/main; {script}")).await;
            let got = work.collect().await;
            assert!(got.no_repository && got.made_commit && got.changed, "{script}: {got:?}");
            let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
            assert_eq!(tree, ".gitignore\na\nx", "{script}");
            assert_eq!(work.world.everything(), before, "{script}");
            work.alone().await;
        }
    });
}

#[test]
fn p6_links_in_a_clone_do_not_lead_to_the_users_files() {
    within_a_minute(async {
        let work = Work::start().await;
        let before = work.world.everything();
        let mine = std::fs::read(work.world.home().join(".gitconfig")).unwrap();
        work.agent(
            "echo x > x; ln -sf $HOME/repo/.git/index .git/index; mkfifo .git/packed-refs; ln -sf $HOME/.gitconfig .git/config
             echo /nowhere > $HOME/alternates; ln -sf $HOME/alternates .git/objects/info/alternates",
        )
        .await;
        let got = work.collect().await;
        assert_eq!(std::fs::read(work.world.home().join(".gitconfig")).unwrap(), mine);
        assert_eq!(std::fs::read(work.world.home().join("alternates")).unwrap(), b"/nowhere\n");
        assert_eq!(work.world.sh(&format!("git show {}:x", got.head.commit)).await, "x");
        assert_eq!(work.world.everything(), before);
    });
}

#[test]
fn p2_repositories_inside_the_workspace_become_files() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "git init -q empty; echo e > empty/e; git init -q src; git -C src add main; git -C src commit -qm s
             git init -q deep; cd deep; echo d > d; git add d; git commit -qm d; git init -q deeper; echo dd > deeper/dd; cd ..
             git init -q linked; cd linked; echo l > l; git add l; git commit -qm l; cd ..; git add linked 2>/dev/null; git commit -qm linked",
        )
        .await;
        let got = work.collect().await;
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
        assert_eq!(tree, ".gitignore\na\ndeep/d\ndeep/deeper/dd\nempty/e\nlinked/l\nsrc/main");
        assert_eq!(got.notes.len(), 5, "{:?}", got.notes);
        let histories = work.world.sh_in(
            &work.attempt.run_dir,
            "for d in aside/*; do git --git-dir=$d log --format=%s 2>/dev/null || true; done",
        );
        let mut histories: Vec<_> = histories.await.lines().map(str::to_owned).collect();
        histories.sort();
        assert_eq!(histories, ["d", "l", "s"]);
    });
}

#[test]
fn p2_worktrees_linked_by_an_agent_are_kept_and_not_committed_as_files() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "git worktree add -q --detach .trees/one; echo 1 > .trees/one/uncommitted
             git worktree add -q -b two ../../two; cd ../../two; echo 2 > two; git add two; git commit -qm two; echo 3 > three",
        )
        .await;
        let got = work.collect().await;
        assert_eq!((got.changed, got.kept), (false, 2), "{got:?}");
        let kept = work.source_id(&work.attempt.kept_ref()).await;
        let list = format!("for p in $(git rev-parse {kept}^@); do git ls-tree --name-only $p; done | sort -u");
        assert_eq!(work.world.sh(&list).await, ".gitignore\na\nsrc\nthree\ntwo\nuncommitted");
        work.alone().await;
    });
}

#[test]
fn p2_objects_borrowed_from_elsewhere_are_copied() {
    within_a_minute(async {
        let work = Work::start().await;
        work.world.sh("git clone -q . ../other && cd ../other && echo o > o && git add o && git commit -qm o").await;
        work.agent(
            "cd .git/objects/info; mkdir alternates.hidden alternates.new; echo >alternates.hidden/x; cd ../../..",
        )
        .await;
        work.agent("echo $HOME/other/.git/objects > .git/objects/info/alternates; git reset -q --hard $(git -C $HOME/other rev-parse HEAD); echo x > x").await;
        let got = work.collect().await;
        assert_eq!(got.commits, 2);
        work.world.sh("rm -rf ../other").await;
        work.alone().await;
        assert_eq!(work.world.sh(&format!("git show {}:o", got.head.commit)).await, "o");
    });
}

#[test]
fn p2_replacements_and_grafts_do_not_hide_commits() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "echo 1 > one; git add one; git commit -qm one; echo 2 > two; git add two; git commit -qm two
             one=$(git rev-parse HEAD~1); git replace HEAD HEAD~2; mkdir -p .git/info; git rev-parse HEAD > .git/info/grafts; echo $one > .git/shallow",
        )
        .await;
        let got = work.collect().await;
        assert_eq!((got.commits, got.made_commit), (2, false), "{got:?}");
        work.alone().await;
    });
}

#[test]
fn p2_many_tips_and_a_repacked_store_are_kept() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "t=$(git rev-parse HEAD^{tree}); i=0
             while [ $i -lt 450 ]; do git commit-tree $t -p HEAD -m $i >/dev/null; i=$((i+1)); done; git repack -qad --keep-unreachable",
        )
        .await;
        let got = work.collect().await;
        assert_eq!(got.kept, 450);
        let kept = work.source_id(&work.attempt.kept_ref()).await;
        assert_eq!(work.world.sh(&format!("git rev-list --count {kept} --not main")).await, "453");
        work.alone().await;
    });
}

#[test]
fn a_corrupt_abandoned_commit_does_not_stop_the_rest() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "echo 1 > one; git add one; git commit -qm one; c=$(git rev-parse HEAD); t=$(git rev-parse HEAD^{tree}); git reset -q --hard HEAD~1
             echo 2 > two; git add two; git commit -qm two; git reset -q --hard HEAD~1
             rm -f .git/objects/$(echo $t | cut -c1-2)/$(echo $t | cut -c3-); echo x > x",
        )
        .await;
        let got = work.collect().await;
        assert!(got.made_commit);
        assert_eq!(got.kept, 1, "{got:?}");
        assert!(got.notes.iter().any(|n| n.contains("lack objects")), "{got:?}");
        work.alone().await;
    });
}

#[test]
fn p2_a_head_that_lacks_objects_becomes_a_snapshot_of_the_files() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "echo 1 > one; git add one; git commit -qm one; t=$(git rev-parse HEAD^{tree})
             rm -f .git/objects/$(echo $t | cut -c1-2)/$(echo $t | cut -c3-)",
        )
        .await;
        let got = work.collect().await;
        assert!(got.no_repository && got.made_commit, "{got:?}");
        assert_eq!(work.world.sh(&format!("git show {}:one", got.head.commit)).await, "1");
        work.alone().await;
    });
}

#[test]
fn a_slot_that_is_gone_is_an_error_and_not_a_deletion_of_everything() {
    within_a_minute(async {
        let work = Work::start().await;
        std::fs::remove_dir_all(&work.slot).unwrap();
        let result = collect(&work.pool, 1, &work.attempt).await;
        assert!(matches!(result, Err(CollectError::Gone { slot: 1 })), "{result:?}");
    });
}

#[test]
fn p2_commits_made_in_a_submodule_are_pinned() {
    within_a_minute(async {
        let work = Work::start_with(
            "git init -q ../lib && git -C ../lib commit -q --allow-empty -m lib
             git -c protocol.file.allow=always submodule --quiet add ~/lib sub && git commit -qm sub",
        )
        .await;
        work.agent("git -c protocol.file.allow=always submodule --quiet update --init").await;
        assert!(!work.collect().await.changed);
        assert!(work.slot.join(".git/modules/sub").exists());
        work.agent("cd sub; git commit -q --allow-empty -m inner").await;
        let got = work.collect().await;
        assert!(got.changed && got.made_commit && !got.no_repository, "{got:?}");
        assert_eq!(work.collect().await.head, got.head);
        assert_eq!((got.holds.len(), got.kept), (1, 1), "{got:?}");
        assert_eq!(work.world.sh(&format!("git log -1 --format=%s {}^1", work.attempt.kept_ref())).await, "inner");
        work.alone().await;
    });
}

#[test]
fn p2_unreadable_files_and_folders_are_collected() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "mkdir d; echo x > d/x; echo y > y; chmod 000 d/x d y; chmod -R a-w .git; chmod 500 .git/objects .git/refs",
        )
        .await;
        let got = work.collect().await;
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
        assert_eq!(tree, ".gitignore\na\nd/x\nsrc/main\ny");
        work.agent("chmod 000 src; chmod -R a-w d").await;
        work.pool.release(1).unwrap();
        let slot = work.pool.prepare(1, "m1/u1/2", &work.attempt.base).await.unwrap();
        assert_eq!(work.world.sh_in(&slot, "ls; cat src/main; git status --porcelain").await, "a\nsrc\nmain");
    });
}

#[test]
fn p2_a_closed_folder_alone_is_collected_too() {
    // To an ordinary user's git a closed folder is a warning, and its files are left out without an error.
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("mkdir d; echo x > d/x; chmod 000 d").await;
        let got = work.collect().await;
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
        assert_eq!(tree, ".gitignore\na\nd/x\nsrc/main");
    });
}

#[test]
fn p2_odd_files_do_not_stop_a_collection() {
    within_a_minute(async {
        for (script, tree) in [
            ("rm a; mkfifo a", ".gitignore src/main x"),
            ("mkfifo pipe .gitmodules .gitattributes src/.gitignore", ".gitignore a src/main x"),
            ("rm -rf src; ln -s . src", ".gitignore a src x"),
            ("rm a; mkdir a; echo in > a/in", ".gitignore a/in src/main x"),
            ("rm -rf src; git init -q src; echo in > src/in", ".gitignore a src/in x"),
            ("git init -q src; cd src; echo in > in; git add in; git commit -qm in", ".gitignore a src/in src/main x"),
            ("echo 'gitdir: /nowhere' > src/.git", ".gitignore a src/main x"),
            ("mkdir src/.git; echo garbage > src/.git/HEAD", ".gitignore a src/main x"),
            ("git init -q src/deep; rm src/deep/.git/HEAD; echo d > src/deep/d", ".gitignore a src/deep/d src/main x"),
            ("echo '* working-tree-encoding=UTF-16' > .gitattributes", ".gitattributes .gitignore a src/main x"),
            (
                "git config --global filter.gone.clean /nowhere/clean; git config --global filter.gone.required true
                 echo 'x* filter=gone' > .gitattributes",
                ".gitattributes .gitignore a src/main x",
            ),
        ] {
            let work = Work::start().await;
            work.agent(script).await;
            work.agent("printf odd > x").await;
            let got = work.collect().await;
            let listed = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
            assert_eq!(listed.replace('\n', " "), tree, "{script}: {:?}", got.notes);
            assert_eq!(work.world.sh(&format!("git show {}:x", got.head.commit)).await, "odd", "{script}");
            work.alone().await;
        }
    });
}

#[test]
fn p6_a_repository_of_the_user_behind_a_link_stays_where_it_is() {
    within_a_minute(async {
        let work = Work::start_with(
            "git init -q ../sub && git -C ../sub commit -q --allow-empty -m theirs && mkdir d && git -C d init -q sub
             git -C d/sub commit -q --allow-empty -m inner && git add d 2>/dev/null && git commit -qm link",
        )
        .await;
        for script in [
            "rm -rf d; ln -s $HOME d",
            "mkdir e; git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),e/sub; rmdir e; ln -s $HOME e",
        ] {
            work.agent(script).await;
            work.collect().await;
            assert!(work.world.home().join("sub/.git/HEAD").exists(), "{script}");
        }
    });
}

#[test]
fn p2_files_that_git_does_not_look_at_are_kept() {
    within_a_minute(async {
        let work = Work::start().await;
        work.world.sh("git config --global core.ignoreCase true").await;
        // A name that differs by case, a file called like the base, a repository that was committed and is none any more.
        work.agent(
            "echo upper > A; touch \"$(git rev-parse HEAD)\"; mkdir n; git -C n init -q; echo f > n/f
             git -C n add f; git -C n commit -qm n; git add n; git commit -qm link; rm -rf n/.git
             git init -q inner; echo i > inner/i",
        )
        .await;
        let got = work.collect().await;
        let tree = format!("git ls-tree -r --name-only {} | grep -Ev '.{{40}}'", got.head.commit);
        assert_eq!(work.world.sh(&tree).await, ".gitignore\nA\na\ninner/i\nn/f\nsrc/main");
        assert!(got.notes.iter().any(|note| note.starts_with("n was committed as a repository")), "{:?}", got.notes);
    });
}

#[test]
fn p2_what_lies_in_the_place_of_a_submodule_is_moved_aside() {
    within_a_minute(async {
        let work = Work::start_with(
            "id=$(git rev-parse HEAD); git update-index --add --cacheinfo 160000,$id,sub; git commit -qm sub",
        )
        .await;
        work.agent("mkdir -p sub; echo f > sub/f; echo x > x").await;
        let got = work.collect().await;
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
        assert_eq!(tree, ".gitignore\na\nsrc/main\nsub\nx");
        let place = got.notes.iter().find_map(|note| note.rsplit_once(" is in ").or(note.rsplit_once(" are in ")));
        let kept = std::path::Path::new(place.unwrap().1).join("f");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "f\n");
    });
}

#[test]
fn p2_an_index_that_cannot_be_read_costs_no_commit() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("echo x > x; git add x; git commit -qm mine; echo y > y; echo junk > .git/index; rm .git/config; mkfifo .git/config").await;
        let mine = work.agent("rm .git/config; git rev-parse HEAD; mkfifo .git/config").await;
        let got = work.collect().await;
        assert!(!got.no_repository && got.made_commit && got.commits == 2, "{got:?}");
        assert_eq!(work.source_id(&format!("{}^", got.head.commit)).await.as_str(), mine);
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
        assert_eq!(tree, ".gitignore\na\nsrc/main\nx\ny");
        work.alone().await;

        // A repository of another kind in its place, with an index of its kind.
        let work = Work::start().await;
        work.agent("rm -rf .git; git init -q --object-format=sha256; echo x > x; git add x").await;
        let got = work.collect().await;
        let tree = work.world.sh(&format!("git ls-tree -r --name-only {}", got.head.commit)).await;
        assert_eq!((got.no_repository, tree.as_str()), (true, ".gitignore\na\nsrc/main\nx"));
        work.alone().await;
    });
}

#[test]
fn p2_commits_of_a_clone_that_is_no_repository_any_more_are_kept() {
    for harm in [
        "echo broken > .git/HEAD",
        "rm -rf .git/refs; ln -s /nowhere .git/refs",
        "git config core.repositoryFormatVersion 1; git config extensions.objectFormat sha256",
        "rm .git/HEAD; rm -rf .git/logs .git/refs",
    ] {
        within_a_minute(async {
            let work = Work::start().await;
            work.agent(
                "echo 1 > a; git commit -qam own; git rev-parse HEAD > ../own; git reset -q --hard HEAD~; echo x > x",
            )
            .await;
            let own = work.agent("cat ../own; rm ../own").await;
            work.agent(harm).await;
            let got = work.collect().await;
            assert!(got.no_repository && got.kept == 1, "{harm}: {:?}", got.notes);
            assert_eq!(work.world.sh("git rev-parse refs/mc/kept/m1/u1/1^1").await, own, "{harm}");
            assert_eq!(
                work.world.sh(&format!("git show {0}:x; git show {0}:a", got.head.commit)).await,
                "x\none",
                "{harm}"
            );
            work.alone().await;
        });
    }
}

#[test]
fn p2_objects_that_cannot_be_read_are_in_nobodys_way_when_a_clone_is_made_anew() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "echo 1 > a; git commit -qam own; for f in .git/objects/??/*; do chmod u+w $f; : > $f; done
             mkdir -p .git/objects/pack; echo x > .git/objects/pack/pack-x.pack; ln -s / .git/objects/pack/pack-y.pack
             echo x > .git/objects/pack/pack-x.idx; echo broken > .git/HEAD; echo x > x",
        )
        .await;
        let got = work.collect().await;
        assert_eq!(work.world.sh(&format!("git show {0}:x; git show {0}:a", got.head.commit)).await, "x\n1");
        work.alone().await;
    });
}

#[test]
fn p2_a_source_that_is_away_for_a_moment_costs_no_commit() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent("echo 1 > a; git commit -qam own; echo x > x").await;
        let own = work.slot_id("HEAD").await;
        let away = || std::fs::rename(work.world.repo().join(".git"), work.world.repo().join("away"));
        away().unwrap();
        for _ in 0..2 {
            collect(&work.pool, 1, &work.attempt).await.unwrap_err();
        }
        std::fs::rename(work.world.repo().join("away"), work.world.repo().join(".git")).unwrap();
        let got = work.collect().await;
        assert!(!got.no_repository, "{:?}", got.notes);
        assert_eq!(work.source_id(&format!("{}^", got.head.commit)).await, own);
        work.alone().await;
    });
}

#[test]
fn p2_a_kill_while_a_clone_is_made_anew_costs_no_commit() {
    within_a_minute(async {
        // The old git directory was moved away, and: nothing more; a new one was begun; one was made, without its index.
        for then in ["", "mkdir -p .git/objects", "git init -q; echo $BASE > .git/HEAD; rm -rf .git/index"] {
            let work = Work::start().await;
            work.agent("git checkout -q -b side; echo 1 > a; git commit -qam own; git checkout -q -; echo x > x").await;
            let own = work.slot_id("side").await;
            let aside = work.attempt.run_dir.join("aside");
            let killed = format!("BASE=$(git rev-parse HEAD); mkdir {0}; mv .git {0}/0; {then}", aside.display());
            work.agent(&killed).await;
            let got = work.collect().await;
            assert_eq!(work.world.sh(&format!("git show {}:x", got.head.commit)).await, "x", "{then}");
            let pinned = work.world.sh(&format!("git for-each-ref --contains={own} refs/mc")).await;
            assert!(!pinned.is_empty(), "the commit of its branch is pinned: {then} {:?}", got.notes);
            work.alone().await;
        }
    });
}
