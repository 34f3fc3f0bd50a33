//! After a preparation the files of a slot are those of a fresh checkout, whatever was there before.

use crate::support::night::{Night, unit};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::local::workspace::pool::Pool;
use mission_control::adapters::host::local::workspace::slot::Ignored;
use mission_control::domain::values::CommitId;
use std::path::Path;

/// Modes, kinds, contents of everything but git's own folder.
const LOOK: &str = "find . -path ./.git -prune -o -printf '%P %y %m %l\\n' | sort; find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0r sha256sum";

/// Every commit prepared after every other one is as a clone of it.
async fn as_cloned(world: &World, commits: &[CommitId]) {
    let pool = Pool::open(&world.state().join("pool"), &world.source(), Ignored::Keep).await.unwrap();
    let cloned = async |commit: &CommitId| {
        world
            .sh(&format!(
                "rm -rf ../clone; git clone -q --no-checkout . ../clone; git -C ../clone checkout -q {commit}"
            ))
            .await;
        world.sh_in(&world.home().join("clone"), LOOK).await
    };
    let mut wanted = Vec::new();
    for commit in commits {
        wanted.push(cloned(commit).await);
    }
    for (n, (first, _)) in commits.iter().zip(&wanted).enumerate() {
        for (m, (second, look)) in commits.iter().zip(&wanted).enumerate() {
            for commit in [first, second] {
                let slot = pool.prepare(1, "verify/1", commit).await.unwrap();
                pool.release(1).unwrap();
                if commit == second {
                    assert_eq!(&world.sh_in(&slot, LOOK).await, look, "{m} after {n}");
                }
            }
        }
    }
}

#[test]
fn p1_attributes_of_any_kind_and_level_change_the_files_they_name() {
    within_a_minute(async {
        let world = World::new().await;
        world
            .sh("mkdir -p deep/er; printf 'a\\nb\\n' > t.sh; cp t.sh deep/t.sh; cp t.sh deep/er/t.sh; printf '$Id$\\n' > id
                 printf 'text\\n' > wide; git add .; git commit -qm plain")
            .await;
        let mut commits = vec![world.id("main").await];
        for change in [
            "echo '*.sh text eol=crlf' > .gitattributes",
            "mkdir -p deep; echo '*.sh text eol=crlf' > deep/er/.gitattributes; rm .gitattributes",
            "printf '[attr]dos text eol=crlf\\ndeep/*.sh dos\\n' > .gitattributes",
            "echo 'id ident' > .gitattributes",
            "echo 'wide working-tree-encoding=UTF-16LE text' > .gitattributes; printf 'text\\n' | iconv -t UTF-16LE > wide",
            "rm -r .gitattributes deep/er/.gitattributes",
        ] {
            world.sh(&format!("{change}; git add -A; git commit -qm change")).await;
            commits.push(world.id("main").await);
        }
        as_cloned(&world, &commits).await;
    });
}

#[test]
fn p1_kinds_modes_and_names_are_those_of_the_wanted_tree() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("mkdir d e; echo x > d/f; echo x > e/f; echo x > F; echo run > run; chmod +x run; git add .; git commit -qm one").await;
        let mut commits = vec![world.id("main").await];
        for change in [
            "chmod -x run; chmod +x F",
            "git mv F g; git mv g f; rm -r d; ln -s e d",
            "rm d; mkdir d; echo x > d/f; rm -r e; ln -s d/f e; rm f; mkdir f; echo x > f/x",
            "rm e; mkdir -p e/f/g; echo x > e/f/g/h; rm -r f; ln -s nowhere f",
        ] {
            world.sh(&format!("{change}; git add -A; git commit -qm change")).await;
            commits.push(world.id("main").await);
        }
        as_cloned(&world, &commits).await;
    });
}

#[test]
fn p1_what_a_user_of_the_slot_did_to_tracked_files_is_undone() {
    within_a_minute(async {
        let world = World::new().await;
        world
            .sh("printf 'build\\n.gitattributes\\n' > .gitignore; mkdir -p d/e; echo one > d/e/f; echo x > run; chmod +x run
                 git add .; git commit -qm one; git clone -q . ../sub; git -c protocol.file.allow=always submodule add -q ../sub sub
                 git commit -qm sub")
            .await;
        let base = world.id("main").await;
        world.sh("rm -rf ../clone; git clone -q . ../clone").await;
        let look = world.sh_in(&world.home().join("clone"), LOOK).await;
        let pool = Pool::open(&world.state().join("pool"), &world.source(), Ignored::Keep).await.unwrap();
        for left in [
            "chmod 0600 a; chmod 0777 run; chmod 4755 d/e/f",
            "chmod 0700 d; chmod 2777 d/e; chmod 0500 src; chmod 0711 .",
            "chmod -x run",
            "touch -r a ../tmp/time; echo two > a; touch -r ../tmp/time a",
            "cp a ../tmp/a; rm a; echo two > a; touch -d '2001-01-01' a",
            "ln run ../tmp/run; echo evil > ../tmp/run",
            "echo '* text eol=crlf' > .gitattributes; echo '* ident' > d/.gitattributes; rm a d/e/f run",
            "mkdir -p build; echo '* text eol=crlf' > build/.gitattributes; rm a",
            "mv d moved; ln -s moved d",
            "rm -r d; ln -s ../tmp d; mkdir ../tmp/e; echo one > ../tmp/e/f",
            "echo x > sub/x; mkdir sub/y",
            "git clone -q $OLDPWD sub 2>/dev/null || { rm -rf sub; git init -q sub; echo x > sub/x; }",
            "mkdir -p empty/folder; chmod 0 empty; chmod 0 d/e",
            "git update-index --assume-unchanged a; echo two > a; git update-index --skip-worktree run; rm run",
        ] {
            let slot = pool.prepare(1, "m1/u1/1", &base).await.unwrap();
            world.sh_in(&slot, left).await;
            pool.release(1).unwrap();
            let slot = pool.prepare(1, "m1/u2/1", &base).await.unwrap();
            world.sh_in(&slot, "rm -rf build").await;
            assert_eq!(world.sh_in(&slot, LOOK).await, look, "{left}");
            assert_eq!(world.sh_in(&slot, "git status --porcelain").await, "", "{left}");
            pool.release(1).unwrap();
        }
    });
}

#[test]
fn p1_settings_that_decide_how_files_come_out_count_from_the_next_preparation_on() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("printf 'a\\nb\\n' > t; git add t; git commit -qm t").await;
        let base = world.id("main").await;
        let pool = Pool::open(&world.state().join("pool"), &world.source(), Ignored::Keep).await.unwrap();
        let text = async |slot: &Path| world.sh_in(slot, "od -c t | head -1").await;
        let slot = pool.prepare(1, "m1/u1/1", &base).await.unwrap();
        let plain = text(&slot).await;
        pool.release(1).unwrap();
        for (settings, ends) in [
            // The source's own do not count in a clone.
            ("git config core.autocrlf true; mkdir -p .git/info; echo '* text eol=crlf' > .git/info/attributes", false),
            ("git config --global core.autocrlf true", true),
            ("git config --global core.autocrlf false", false),
            ("echo 't text eol=crlf' > ../attributes; git config --global core.attributesFile $HOME/attributes", true),
            ("echo 't text eol=lf' > ../attributes", false),
            (
                "git config --global include.path $HOME/more; printf '[core]\\n\\tattributesFile = /nowhere\\n\\tautocrlf = true\\n' > ../more",
                true,
            ),
            ("rm ../more", false),
        ] {
            world.sh(settings).await;
            let slot = pool.prepare(1, "m1/u2/1", &base).await.unwrap();
            assert_eq!(text(&slot).await != plain, ends, "{settings}");
            pool.release(1).unwrap();
        }
    });
}

#[test]
fn p1_a_unit_that_changes_attributes_is_judged_by_the_files_a_clone_has() {
    let night = Night::new();
    let plan = [
        unit("dos", "echo '*.sh text eol=crlf' > .gitattributes"),
        unit("deep", "echo '*.sh text eol=crlf' > tests/.gitattributes"),
        unit("good", "touch good"),
    ];
    night.mission_with(&plan.join("\n"), &["--workers", "1"]).exits(3);
    assert_eq!(night.unit("dos"), "rejected");
    assert_eq!(night.unit("good"), "landed");
    night.green_verifies("sh run.sh");
}

#[test]
fn p1_what_the_source_excludes_is_no_work_and_the_folder_for_it_is_there() {
    let night = Night::new();
    night.sh("echo secret.env >> .git/info/exclude");
    let plan = unit("a", "test -f .git/info/exclude; echo mine >> .git/info/exclude; touch a mine secret.env");
    night.mission(&plan).exits(0);
    assert_eq!(night.sh("git ls-tree --name-only mc/green | grep -c 'secret.env' || true"), "0");
    assert!(night.holds("git cat-file -e mc/green:a && git cat-file -e mc/green:mine"));
}

#[test]
fn p1_what_a_run_puts_in_the_place_of_the_kept_index_is_not_believed() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let pool = Pool::open(&world.state().join("pool"), &world.source(), Ignored::Keep).await.unwrap();
        let slot = pool.prepare(1, "m1/u1/1", &base).await.unwrap();
        let forge = "echo evil > a; git update-index --skip-worktree a; cat .git/index > ../../slot-1.index; touch -r .git/index ../../slot-1.index";
        world.sh_in(&slot, forge).await;
        pool.release(1).unwrap();
        pool.prepare(1, "m1/u2/1", &base).await.unwrap();
        assert_eq!(world.sh_in(&slot, "cat a").await, "one");
    });
}
