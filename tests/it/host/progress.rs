//! Work in progress behind a worker: it comes home while its session goes on, without a trace in the workspace, and goes when the
//! attempt is collected.

use super::remote::{Line, alive, host_of, key, mission, prepare, program, run, settings};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::order::{CollectOrder, Program, RunOrder, SessionFolder, Start};
use mission_control::adapters::host::settings::HostSettings;
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::values::{CommitId, UnitId};
use std::path::Path;
use std::time::Duration;

const PIN: &str = "refs/mc/progress/m1/u/1";

fn session(base: &CommitId, line: &str) -> RunOrder {
    let session = SessionFolder { key: key(), brief: String::new(), base: Some(base.clone()) };
    RunOrder { program: Program::Shell(line.to_owned()), session: Some(session), ..run() }
}

/// Waits until the pin has something else than before; what.
async fn next(world: &World, before: &str) -> String {
    loop {
        let now = world.sh(&format!("git rev-parse -q --verify {PIN} || true")).await;
        if !now.is_empty() && now != before {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn step(world: &World, name: &str) {
    std::fs::write(world.home().join(name), "").unwrap();
    while !world.home().join(format!("{name}.done")).exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn index_of(workspace: &Path) -> (Vec<u8>, String) {
    let git = workspace.join(".git");
    (std::fs::read(git.join("index")).unwrap(), std::fs::read_to_string(git.join("HEAD")).unwrap())
}

const WAIT: &str = "next() { until test -e ~/$1; do sleep 0.02; done; }; done_() { : > ~/$1.done; };";

#[test]
fn p2_work_in_progress_comes_home_while_its_session_goes_on() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let settings = HostSettings { pin_every: Duration::from_millis(150), ..settings() };
        let host = host_of(&world, Line::to(program()), settings).await;
        let workspace = host.prepare(&prepare(&base), alive()).await.unwrap().workspace;
        // What is copied and what setup left is nobody's work, a link is one whatever it leads to, and settings of the clone run nothing.
        let line = format!(
            "{WAIT} mkdir -p deep; echo one > deep/file; chmod +x deep/file; ln -s /etc/passwd link; echo '*.no' > .gitignore
             echo no > a.no; git config core.fsmonitor 'touch ~/ran'; git init -q inner; echo in > inner/file
             next a; echo two > deep/file; rm link; done_ a; next b; done_ b; echo end"
        );
        let order = session(&base, &line);
        let watch = async {
            let first = next(&world, "").await;
            let tree = "deep/file .gitignore link";
            let seen = world.sh(&format!("git ls-tree -r --name-only {first} -- {tree} local a.no made inner")).await;
            assert_eq!(seen, ".gitignore\ndeep/file\nlink");
            assert_eq!(world.sh(&format!("git show {first}:deep/file")).await, "one");
            assert_eq!(world.sh(&format!("git show {first}:link")).await, "/etc/passwd");
            assert!(world.sh(&format!("git ls-tree {first} deep/file")).await.starts_with("100755"));
            assert_eq!(world.id(&format!("{first}^")).await, base);
            let untouched = index_of(&workspace);
            step(&world, "a").await;
            let second = next(&world, &first).await;
            assert_eq!(world.sh(&format!("git show {second}:deep/file; git ls-tree {second} link")).await, "two");
            assert_eq!(index_of(&workspace), untouched);
            assert!(!workspace.join(".git/index.lock").exists());
            assert!(!world.home().join("ran").exists(), "a setting of the clone ran something");
            // The same work is the same commit, however often it is pinned.
            tokio::time::sleep(Duration::from_millis(600)).await;
            assert_eq!(next(&world, "").await, second);
            step(&world, "b").await;
        };
        let (ended, ()) = tokio::join!(host.run(&order, Start::IfNew, alive(), || ()), watch);
        assert_eq!(ended.end, ProcessEnd::Exited(0));
        let unit = UnitId::new("u").unwrap();
        let (mission, green) = (mission(), base.clone());
        let order = CollectOrder { slot: 1, mission, unit, number: 1, base: base.clone(), green, take_elsewhere: true };
        host.collect(&order).await.unwrap();
        assert_eq!(world.sh("git for-each-ref --format='%(refname)' refs/mc/").await, "refs/mc/attempts/m1/u/1");
        let mirror = world.state().join("worker/s1/mirror.git");
        assert_eq!(world.sh_in(&mirror, "git for-each-ref refs/mc/progress").await, "");
        assert_eq!(world.sh("git show refs/mc/attempts/m1/u/1:deep/file").await, "two");
    });
}

#[test]
fn p2_a_host_that_is_lost_for_good_leaves_what_was_pinned() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let settings = HostSettings { pin_every: Duration::from_millis(150), ..settings() };
        let host = host_of(&world, Line::to(program()), settings).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        let order = session(&base, &format!("{WAIT} echo much > work; next go"));
        let first = {
            let run = host.run(&order, Start::IfNew, alive(), || ());
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => panic!("it waits: {ended:?}"),
                first = next(&world, "") => first,
            }
        };
        std::fs::write(world.home().join("go"), "").unwrap();
        drop(host);
        std::fs::rename(world.state().join("worker"), world.state().join("burnt")).unwrap();
        assert_eq!(world.sh(&format!("git show {first}:work")).await, "much");
        world.sh(&format!("git rev-list --objects {PIN} >/dev/null")).await;
    });
}
