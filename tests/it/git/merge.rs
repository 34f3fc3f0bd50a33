//! Merging apart from the user's repository.

use crate::support::merge::{Integrate, Integration};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::git::Git;
use mission_control::adapters::git::green::{GreenMove, move_green};
use mission_control::adapters::git::merge::MergeRepo;
use mission_control::adapters::git::source::inspect;
use mission_control::adapters::host::local::process::lock::RunLock;
use mission_control::domain::values::{CommitId, Tip};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

const MESSAGE: &str = "land u1\n\nMc-Mission: m1\nMc-Unit: u1\n";

async fn open(world: &World) -> MergeRepo {
    let source = world.source();
    with(world, &source, &[]).await
}

/// Merging as a mission with these globs in `queue.union` does it.
async fn with(world: &World, source: &Git, union: &[&str]) -> MergeRepo {
    let union: Vec<String> = union.iter().map(ToString::to_string).collect();
    MergeRepo::open(&world.state(), source, &inspect(source).await.unwrap(), &union).await.unwrap()
}

/// The same with every git it starts noted in `trace` of the world.
async fn traced(world: &World) -> MergeRepo {
    let source = world.git(&world.repo()).with_env("GIT_TRACE2", world.home().join("trace"));
    with(world, &source.with_batch(&world.repo().join(".git")), &[]).await
}

/// How many gits were started with this command in `trace`, those that stay aside.
fn started(world: &World, command: &str) -> usize {
    let trace = std::fs::read_to_string(world.home().join("trace")).unwrap();
    let starts = trace.lines().filter(|line| line.contains(" start "));
    starts.filter(|line| line.contains(&format!(" {command} ")) && !line.contains("--stdin")).count()
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

/// What became of file `a`: its content, or nothing where both sides conflict.
async fn merged_a(world: &World, merge: &MergeRepo, head: &CommitId) -> Option<String> {
    match merge.integrate(&tip(world, "main").await, head, MESSAGE, &[], None).await.unwrap() {
        Integration::Candidate(made) => Some(world.sh(&format!("git show {}:a", made.commit)).await),
        Integration::Conflict { .. } => None,
        Integration::Unchanged => panic!("unchanged"),
    }
}

#[test]
fn p8_a_change_does_not_choose_how_it_is_merged() {
    within_a_minute(async {
        let world = World::new().await;
        let mine = "echo mine >> a";
        let heads = [
            branch(&world, "union", &format!("{mine}; echo 'a merge=union' > .gitattributes")).await,
            branch(&world, "macro", &format!("{mine}; echo '[attr]m merge=union\n* m' > .gitattributes")).await,
        ];
        // Changes at the other end of the file, which go together as text.
        let above = "sed -i '1i mine' a";
        let other = [
            branch(&world, "never", &format!("{above}; echo 'a -merge' > .gitattributes")).await,
            branch(&world, "binary", &format!("{above}; echo 'a binary' > .gitattributes")).await,
            branch(&world, "ours", &format!("{above}; echo 'a merge=ours' > .gitattributes")).await,
        ];
        world.commit("a", "one\ntheirs\n").await;
        let merge = open(&world).await;
        for head in &heads {
            assert_eq!(merged_a(&world, &merge, head).await, None);
        }
        for head in &other {
            assert_eq!(merged_a(&world, &merge, head).await.as_deref(), Some("mine\none\ntheirs"));
        }
        // What green says of its files counts, but not that lines are to be joined.
        let (below, above) = (branch(&world, "below", mine).await, branch(&world, "above", above).await);
        for (attributes, head, wanted) in [
            ("a merge=union\n", &below, None),
            ("[attr]m merge=union\n* m\n", &below, None),
            ("a -merge\n", &above, None),
            ("b -merge\n", &above, Some("mine\none\ntheirs")),
            ("a merge=union\n", &above, Some("mine\none\ntheirs")),
        ] {
            world.commit(".gitattributes", attributes).await;
            for merge in [&merge, &open(&world).await] {
                assert_eq!(merged_a(&world, merge, head).await.as_deref(), wanted, "{attributes}");
            }
        }
    });
}

#[test]
fn lines_are_joined_where_the_settings_say_so_and_nowhere_else() {
    within_a_minute(async {
        let world = World::new().await;
        world.commit("docs/a b.md", "one\n").await;

        let both = "git checkout -qb both && echo mine >> a && echo mine >> 'docs/a b.md' && git commit -qam both";
        world.sh(&format!("{both} && git checkout -q main")).await;
        let head = world.id("both").await;
        world.commit("a", "one\ntheirs\n").await;
        world.commit("docs/a b.md", "one\ntheirs\n").await;
        let green = tip(&world, "main").await;
        for (union, both) in [
            (&["a", "docs"][..], true),
            (&["./a", "**/*.md"], true),
            (&["a", "docs/a b.md"], true),
            (&["a"], false),
            (&["docs/**"], false),
            (&["*/a", "b.md", "docs/a"], false),
        ] {
            let merge = with(&world, &world.source(), union).await;
            match merge.integrate(&green, &head, MESSAGE, &[], None).await.unwrap() {
                Integration::Candidate(made) => {
                    assert!(both, "{union:?}");
                    for file in ["a", "docs/a b.md"] {
                        assert_eq!(world.sh(&format!("git show '{}:{file}'", made.commit)).await, "one\ntheirs\nmine");
                    }
                }
                other => assert!(!both, "{union:?}: {other:?}"),
            }
        }
    });
}

/// Every folder below the state directory.
fn folders(world: &World) -> Vec<PathBuf> {
    let mut found = vec![world.state()];
    let mut next = 0;
    while next < found.len() {
        let entries = std::fs::read_dir(&found[next]).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.is_dir()));
        next += 1;
    }
    found
}

#[test]
fn p8_nothing_planted_where_merges_are_made_has_a_say_or_runs() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let ran = world.home().join("ran");
        let merge = open(&world).await;
        for nth in 0..4 {
            let head = branch(&world, &format!("u{nth}"), &format!("echo u{nth} > u{nth}; sed -i '1i u{nth}' a")).await;
            world.sh("git checkout -q main").await;
            world.commit("a", &format!("one\n{nth}\n")).await;
            assert_eq!(merged_a(&world, &merge, &head).await, Some(format!("u{nth}\none\n{nth}")));
            // Whoever wrote into the folder that was just used, in whatever way, is not listened to at the next merge.
            for folder in folders(&world) {
                let dir = folder.display();
                let driver = format!("touch {}; true", ran.display());
                let plant = match nth {
                    0 => format!(
                        "git config -f {dir}/config merge.x.driver '{driver}'; mkdir -p {dir}/info; echo '* merge=x' > {dir}/info/attributes"
                    ),
                    1 => format!(
                        "mkdir -p {dir}/info; echo '* merge=union' >> {dir}/info/attributes; echo '* -merge' > {dir}/attributes"
                    ),
                    2 => format!(
                        "mkdir -p {dir}/info {dir}/hooks; echo '{base}' > {dir}/shallow; echo '{base}' > {dir}/info/grafts; echo 'touch {}' > {dir}/hooks/post-index-change; chmod +x {dir}/hooks/*",
                        ran.display()
                    ),
                    _ => format!("rm -rf {dir}; ln -s {} {dir}", world.repo().join(".git").display()),
                };
                let wanted = if nth == 3 { folder == world.state().join("merge.git") } else { folder != world.state() };
                if wanted {
                    world.sh(&plant).await;
                }
            }
        }
        let head = branch(&world, "last", "echo last > last").await;
        candidate(merge.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap());
        assert!(!ran.exists());
        world
            .sh("git fsck --strict --no-dangling && test ! -e .git/info/grafts && git config -l | grep -qv driver")
            .await;
    });
}

#[test]
fn p8_a_merge_that_is_not_what_both_sides_made_is_not_believed() {
    within_a_minute(async {
        let world = World::new().await;
        world.commit("src/deep/x", "x\n").await;
        world.commit("gone", "gone\n").await;
        let base = world.id("main").await;
        let script = "echo u > u; echo u > src/deep/u; git rm -q gone; chmod +x src/main";
        world
            .sh(&format!(
                "git checkout -qb unit && {script} && git add -A && git commit -qm unit && git checkout -q main"
            ))
            .await;
        let head = world.id("unit").await;
        world.commit("src/deep/g", "green\n").await;
        world.sh("git checkout -q main").await;
        let green = tip(&world, "main").await;
        let truth = world.sh(&format!("git merge-tree --write-tree {} {head}", green.commit)).await;
        let edited = |edits: &str| {
            format!("export GIT_INDEX_FILE=$HOME/i; rm -f $HOME/i; git read-tree {truth}; {edits}; git write-tree")
        };
        let blob = world.sh("git rev-parse main:a").await;
        let mut lies = vec![
            green.tree.as_str().to_owned(),
            world.sh("git rev-parse unit^{tree}").await,
            world.sh(&format!("git rev-parse {base}^{{tree}}")).await,
        ];
        for edits in [
            "git update-index --force-remove u".to_owned(),
            "git update-index --force-remove src/deep/g".to_owned(),
            format!("git update-index --add --cacheinfo 100644,{blob},gone"),
            "git update-index --chmod=-x src/main".to_owned(),
            format!("git update-index --add --cacheinfo 100644,{blob},src/deep/new"),
            format!("git update-index --add --cacheinfo 120000,{blob},u"),
            format!("git update-index --add --cacheinfo 160000,{head},src/main"),
        ] {
            lies.push(world.sh(&edited(&edits)).await);
        }
        // A git that stays and says of every merge what is written in a file.
        let bin = world.home().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let liar = "#!/bin/sh\nPATH=${PATH#*:}\ncase \"$*\" in *'merge-tree --write-tree --stdin'*)\n\
             while read -r pair; do printf '1\\0%s\\0\\0' \"$(cat \"$HOME/lie\")\"; done; exit;; esac\nexec git \"$@\"\n";
        std::fs::write(bin.join("git"), liar).unwrap();
        std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let source = world.git(&world.repo()).with_env("PATH", path).with_batch(&world.repo().join(".git"));
        let merge = with(&world, &source, &[]).await;
        std::fs::write(world.home().join("lie"), &truth).unwrap();
        let made = candidate(merge.integrate(&green, &head, MESSAGE, &[], None).await.unwrap());
        assert_eq!(made.tree.as_str(), truth);
        for lie in lies {
            std::fs::write(world.home().join("lie"), &lie).unwrap();
            let told = merge.integrate(&green, &head, MESSAGE, &[], None).await.map_err(|e| e.to_string());
            assert!(told.as_ref().is_err_and(|e| e.contains("two gits make different trees")), "{lie}: {told:?}");
        }
    });
}

#[test]
fn a_git_that_stays_merges_like_one_that_does_not() {
    within_a_minute(async {
        let world = World::new().await;
        let union = "echo mine >> src/main; echo 'main merge=union' > src/.gitattributes";
        let heads = [
            ("plain", "echo u > u"),
            ("union", union),
            ("deeper", "echo mine >> src/main; mkdir -p x/y; echo 'main merge=union' > x/y/.gitattributes"),
            ("conflict", "echo mine >> src/main"),
            ("again", union),
            ("odd", "echo mine >> src/main; echo 'src/main -text' > .gitattributes; echo >> src/new"),
            ("new", "mkdir other; echo 1 > other/f; ln -s f other/l; chmod +x a"),
            ("text", "sed -i '1i mine' src/main"),
            ("moved", "git mv src/main src/elsewhere"),
        ];
        for (name, script) in heads {
            branch(&world, name, script).await;
        }
        world.commit("src/main", "main\ntheirs\n").await;
        let (green, source) = (tip(&world, "main").await, world.git(&world.repo()));
        let plain = with(&world, &source, &[]).await;
        let stays = traced(&world).await;
        let mut clean = Vec::new();
        for (name, _) in heads {
            let head = world.id(name).await;
            let [one, other] = [
                plain.integrate(&green, &head, MESSAGE, &[], Some(1_700_000_000)).await.unwrap(),
                stays.integrate(&green, &head, MESSAGE, &[], Some(1_700_000_000)).await.unwrap(),
            ];
            assert_eq!(one, other, "{name}");
            clean.extend(matches!(one, Integration::Candidate(_)).then_some(name));
        }
        assert_eq!(clean, ["plain", "new", "text", "moved"]);
        // Conflicts are merged once more, and what does not follow without a look into files.
        assert_eq!(started(&world, "merge-tree"), heads.len() - clean.len() + 2);
    });
}

#[test]
fn a_commit_by_a_git_that_stays_is_one_of_commit_tree() {
    within_a_minute(async {
        let world = World::new().await;
        let (first, green) = (world.id("main").await, tip(&world, "main").await);
        let messages = ["one line", "two\n\nlines\n", "ends\n\n\n", "  odd \t\u{e9}\u{1F600} \r\n", "\n"];
        for name in ["Ada", "A. Lovelace", "Dr. Ada,", "\u{c9}va O'Neil", "<Ada>"] {
            world.sh(&format!("git config --global user.name \"{name}\"")).await;
            let (source, stays) = (world.git(&world.repo()), traced(&world).await);
            let plain = with(&world, &source, &[]).await;
            for message in messages {
                for parents in [vec![], vec![&first], vec![&first, &first]] {
                    let [one, other] =
                        [&plain, &stays].map(|repo| repo.commit(&green.tree, &parents, message, Some(7)));
                    assert_eq!(one.await.unwrap(), other.await.unwrap(), "{name} {message:?} {}", parents.len());
                }
            }
        }
        // Two of the names are changed by git, and every third commit has a parent twice.
        assert_eq!(started(&world, "commit-tree"), 2 * 15 + 3 * 5);
        // Without a date it is now, in the zone of the user.
        let (source, stays) = (world.git(&world.repo()), open(&world).await);
        let plain = with(&world, &source, &[]).await;
        let mut shown = Vec::new();
        for repo in [&plain, &stays] {
            let commit = repo.commit(&green.tree, &[], "x", None).await.unwrap();
            let dates = world.sh(&format!("git show -s --format='%at %ct %ad' --date=format:%z {commit}")).await;
            let words: Vec<String> = dates.split(' ').map(str::to_owned).collect();
            assert_eq!(words[0], words[1]);
            shown.push((words[0].parse::<i64>().unwrap(), words[2].clone()));
        }
        assert!((shown[1].0 - shown[0].0).abs() < 60 && shown[0].1 == shown[1].1, "{shown:?}");
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
fn what_stands_in_the_place_of_merge_directories_is_set_aside_and_left_overs_go() {
    within_a_minute(async {
        let world = World::new().await;
        let head = branch(&world, "unit", "echo u > u").await;
        world.commit("g", "green").await;
        let (place, elsewhere) = (world.state().join("merge.git"), world.home().join("elsewhere"));
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
        let merge = open(&world).await;
        candidate(merge.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap());
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert!(std::fs::read_link(world.state().join("merge.git.aside-1")).unwrap() == elsewhere);
        std::mem::forget(merge);
        assert_ne!(std::fs::read_dir(&place).unwrap().count(), 0);
        MergeRepo::sweep(&world.state()).unwrap();
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
        candidate(open(&world).await.integrate(&tip(&world, "main").await, &head, MESSAGE, &[], None).await.unwrap());
    });
}
