//! Ways whose runs do not outlive the connection: that is found out while nothing runs, and a run that went with its connection is no
//! fault of its unit.

use super::idle::{count, waiting};
use super::line::collect;
use super::raw_worker::{Worker, hello};
use super::remote::{Line, alive, host_of, key, prepare, settings};
use super::ways::{Elsewhere, Remote, until};
use crate::support::repo::{World, within_a_minute};
use crate::support::tools::cannot_run;
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{Release, Start};
use mission_control::adapters::host::remote::transport::{PATIENCE, Way};
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::trouble::Cause;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Everything that was started through it ends with it.
pub const KILLS: &str = "exec unshare --map-root-user --user --pid --fork --kill-child --mount-proc \"$@\"";

/// Whether namespaces can be made here.
pub fn can_kill() -> bool {
    let made = Command::new("unshare")
        .args(["--map-root-user", "--user", "--pid", "--fork", "--kill-child", "--mount-proc", "true"])
        .status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        cannot_run("no pid namespace here that a user may make");
    }
    made
}

async fn host(there: &Elsewhere, way: Way) -> Host {
    host_of(&there.world, Line { way: Some(way), patience: PATIENCE, ..Line::to(PathBuf::new()) }, settings()).await
}

#[test]
fn p12_whether_runs_outlive_a_way_is_found_out_once() {
    if !can_kill() {
        return;
    }
    for (script, outlives) in [("exec \"$@\"", true), (KILLS, false)] {
        within_a_minute(async {
            let there = Elsewhere::new().await;
            let way = there.way(&format!("echo begun >> ~/lines\n{script}"));
            let first = host(&there, way.clone()).await;
            assert_eq!(first.probe().await.unwrap().outlives, Some(outlives), "{script}");
            assert_eq!(count(&there, "begun"), 2);
            assert_eq!(first.probe().await.unwrap().outlives, Some(outlives));
            first.close().await;
            // It is noted there.
            let later = host(&there, way).await;
            assert_eq!(later.probe().await.unwrap().outlives, Some(outlives));
            assert_eq!(count(&there, "begun"), 3);
        });
    }
}

#[test]
fn p12_runs_outlive_a_session_of_ssh() {
    within_a_minute(async {
        let remote = Remote::new(&[]).await;
        let host = host(&remote.there, remote.way(remote.sshd.target())).await;
        assert_eq!(host.probe().await.unwrap().outlives, Some(true));
    });
}

#[test]
fn p12_a_place_that_keeps_nothing_keeps_no_runs() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let script = format!("rm -rf {}/s1\nexec \"$@\"", there.worker.root);
        let host = host(&there, there.way(&script)).await;
        assert_eq!(host.probe().await.unwrap().outlives, Some(false));
    });
}

#[test]
fn p12_it_is_not_tried_while_something_is_there() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let base = there.world.id("main").await;
        let host = host(&there, there.way("echo begun >> ~/lines\nexec \"$@\"")).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        assert_eq!(host.probe().await.unwrap().outlives, None);
        assert_eq!(count(&there, "begun"), 1);
    });
}

#[test]
fn p12_a_run_that_went_with_its_connection_is_a_host_out_of_reach_and_its_work_is_kept() {
    if !can_kill() {
        return;
    }
    for known in [true, false] {
        within_a_minute(async {
            let there = Elsewhere::new().await;
            let base = there.world.id("main").await;
            let host = host(&there, there.way(&format!("echo $$ > ~/pid; echo begun >> ~/lines\n{KILLS}"))).await;
            if known {
                assert_eq!(host.probe().await.unwrap().outlives, Some(false));
            }
            let workspace = host.prepare(&prepare(&base), alive()).await.unwrap().workspace;
            let before = count(&there, "begun");
            let order = waiting();
            let cut = async {
                until(|| there.world.home().join("runs").exists()).await;
                std::fs::write(workspace.join("half.txt"), "half\n").unwrap();
                there.world.sh("kill -s KILL $(cat ~/pid)").await;
            };
            let (ended, ()) = tokio::join!(host.run(&order, Start::IfNew, alive(), || ()), cut);
            let ProcessEnd::Infrastructure(trouble) = ended.end else { panic!("{:?}", ended.end) };
            let cause = if known { Cause::Unreachable } else { Cause::LostRun };
            assert_eq!(trouble.cause, cause, "{trouble}");
            assert!(!known || trouble.why.contains("what ran there went with it"), "{trouble}");
            assert_eq!(count(&there, "begun"), before + 1);
            collect(&host, &base).await;
            assert_eq!(there.world.sh("git show refs/mc/attempts/m1/u/1:half.txt").await, "half");
            let release = Release::Collected { base: base.clone(), stuck: None };
            host.release(1, key().as_str(), &release).await.unwrap();
            assert!(host.used_slots().await.unwrap().is_empty());
        });
    }
}

#[test]
fn p1_a_folder_that_another_machine_works_in_is_left_alone_until_its_runs_are_over() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let base = there.world.id("main").await;
        let state = PathBuf::from(&there.worker.root).join("s1");
        let script = "echo $$ > ~/pid; exec \"$@\"";
        let first = host(&there, there.way(script)).await;
        first.prepare(&prepare(&base), alive()).await.unwrap();
        let order = waiting();
        let run = first.run(&order, Start::IfNew, alive(), || ());
        tokio::select! {
            _ = run => panic!("it waits"),
            () = until(|| there.world.home().join("runs").exists()) => {}
        }
        first.close().await;
        std::fs::write(state.join("machine"), "node7\n").unwrap();
        let line =
            || Line { way: Some(there.way(script)), patience: Duration::from_millis(1), ..Line::to(PathBuf::new()) };
        let second = host_of(&there.world, line(), settings()).await;
        let trouble = second.used_slots().await.unwrap_err();
        assert_eq!(trouble.cause, Cause::Unreachable);
        assert!(trouble.why.contains("machine node7") && trouble.why.contains("m1/u/1/run may live"), "{trouble}");
        let lease = state.join("runs/m1/u/1/run/lease");
        there.world.sh(&format!("touch -d '23 seconds ago' {}", lease.display())).await;
        assert_eq!(second.used_slots().await.unwrap().len(), 1);
        assert_ne!(std::fs::read_to_string(state.join("machine")).unwrap(), "node7\n");
        second.end_runs(&key()).await.unwrap();
    });
}

/// A case of the protocol.
pub async fn tells_what_outlives_a_way() {
    let world = World::new().await;
    let mut first = Worker::greeted(&world, hello()).await;
    for _ in 0..2 {
        assert_eq!(first.done("Outlive", json!("way1")).await, Value::Null);
    }
    first.end().await;
    let mut second = Worker::greeted(&world, hello()).await;
    for _ in 0..2 {
        assert_eq!(second.done("Outlive", json!("way1")).await, json!(true));
    }
    assert_eq!(second.done("Outlive", json!("way2")).await, Value::Null);
    assert!(second.ask("Outlive", json!("../way1")).await["Err"]["why"].as_str().unwrap().contains("no name of a way"));
    // That machine has none of its processes any more.
    let note = world.state().join("worker/s1/ways/way2");
    let text = std::fs::read_to_string(&note).unwrap();
    let mut noted: Value = serde_json::from_str(&text).unwrap();
    noted["Tried"]["boot"] = json!("another");
    std::fs::write(&note, noted.to_string()).unwrap();
    second.end().await;
    let mut third = Worker::greeted(&world, hello()).await;
    assert_eq!(third.done("Outlive", json!("way2")).await, json!(false));
    // Nor is anything known of a way that was given up, or tried long ago.
    // One that ended has no arguments any more.
    let lives = |pid: u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| !words.is_empty());
    let marker = |way: &str| {
        let text = std::fs::read_to_string(world.state().join("worker/s1/ways").join(way)).unwrap();
        let noted: Value = serde_json::from_str(&text).unwrap();
        u32::try_from(noted["Tried"]["marker"]["pid"].as_u64().unwrap()).unwrap()
    };
    assert_eq!(third.done("Outlive", json!("way3")).await, Value::Null);
    let given_up = marker("way3");
    for _ in 0..2 {
        assert_eq!(third.done("GiveUpOutlive", json!("way3")).await, Value::Null);
    }
    until(|| !lives(given_up)).await;
    assert_eq!(third.done("Outlive", json!("way3")).await, Value::Null);
    let (old, note) = (marker("way3"), world.state().join("worker/s1/ways/way3"));
    let mut noted: Value = serde_json::from_str(&std::fs::read_to_string(&note).unwrap()).unwrap();
    noted["Tried"]["at"] = json!(1);
    std::fs::write(&note, noted.to_string()).unwrap();
    third.end().await;
    let mut fourth = Worker::greeted(&world, hello()).await;
    assert_eq!(fourth.done("Outlive", json!("way3")).await, Value::Null);
    until(|| !lives(old)).await;
    assert_ne!(marker("way3"), old);
    fourth.done("GiveUpOutlive", json!("way3")).await;
}
