//! A connection is held only while there is work: it is closed well, also what carries it, and opened anew at the next request.

use super::line::collect;
use super::remote::{Line, alive, host_of, key, prepare, settings};
use super::ways::{Elsewhere, Remote, until};
use crate::support::repo::within_a_minute;
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{Home, Release, RunOrder, Start};
use mission_control::adapters::host::remote::transport::Way;
use mission_control::domain::ending::ProcessEnd;
use std::path::PathBuf;
use std::time::Duration;

const IDLE: Duration = Duration::from_millis(150);

/// Tells of every connection when it begins and when it ended by itself; one that is told to end says so.
const COUNTED: &str = "trap 'echo told >> ~/lines; exit 1' TERM; echo begun >> ~/lines; \"$@\"; echo ended >> ~/lines";

async fn host(there: &Elsewhere, way: Way, idle: Duration) -> Host {
    host_of(&there.world, Line { way: Some(way), idle, ..Line::to(PathBuf::new()) }, settings()).await
}

pub fn count(there: &Elsewhere, word: &str) -> usize {
    let lines = std::fs::read_to_string(there.world.home().join("lines")).unwrap_or_default();
    lines.lines().filter(|line| *line == word).count()
}

/// A run that goes on until somebody says so.
pub fn waiting() -> RunOrder {
    let script = "touch ~/runs; until test -e ~/go; do sleep 0.02; done; echo more > work.txt";
    RunOrder::shell(key().join("run"), 1, script, &[], Duration::from_secs(30), Home::Users)
}

#[test]
fn p12_a_connection_without_work_is_closed_and_opened_at_the_next_request() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let host = host(&there, there.way(COUNTED), IDLE).await;
        for n in 1..=3 {
            host.used_slots().await.unwrap();
            assert_eq!(count(&there, "begun"), n);
            until(|| count(&there, "ended") == n).await;
        }
        host.used_slots().await.unwrap();
        host.close().await;
        assert_eq!((count(&there, "begun"), count(&there, "ended"), count(&there, "told")), (4, 4, 0));
    });
}

#[test]
fn p12_a_connection_is_held_while_a_run_lives_or_its_work_is_not_collected() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let base = there.world.id("main").await;
        let host = host(&there, there.way(COUNTED), IDLE).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        let order = waiting();
        let go = async {
            until(|| there.world.home().join("runs").exists()).await;
            tokio::time::sleep(IDLE * 4).await;
            assert_eq!((count(&there, "begun"), count(&there, "ended")), (1, 0), "a run goes on");
            std::fs::write(there.world.home().join("go"), "").unwrap();
        };
        let (ended, ()) = tokio::join!(host.run(&order, Start::IfNew, alive(), || ()), go);
        assert_eq!(ended.end, ProcessEnd::Exited(0));
        tokio::time::sleep(IDLE * 4).await;
        assert_eq!((count(&there, "begun"), count(&there, "ended")), (1, 0), "its work is not collected");
        collect(&host, &base).await;
        let release = Release::Collected { base: base.clone(), stuck: None };
        host.release(1, key().as_str(), &release).await.unwrap();
        until(|| count(&there, "ended") == 1).await;
        assert_eq!((count(&there, "begun"), count(&there, "told")), (1, 0));
    });
}

#[test]
fn p12_a_command_is_told_to_end_before_it_is_killed() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        // The shell hears of it although its worker does not end by itself.
        let held = "trap 'echo told >> ~/lines; exit 1' TERM; echo begun >> ~/lines; \"$@\" & wait";
        let host =
            host(&there, there.way(&format!("exec 3<&0; {}", held.replace("\"$@\"", "\"$@\" <&3"))), Duration::ZERO)
                .await;
        host.used_slots().await.unwrap();
        drop(host);
        until(|| count(&there, "told") == 1).await;
    });
}

#[test]
fn p12_the_connection_of_ssh_is_closed_as_well() {
    within_a_minute(async {
        let remote = Remote::new(&[]).await;
        let host = host(&remote.there, remote.way(remote.sshd.target()), IDLE).await;
        for _ in 0..2 {
            host.used_slots().await.unwrap();
            until(|| remote.control_files().is_empty() && remote.sshd.connections().is_empty()).await;
        }
        host.used_slots().await.unwrap();
        host.close().await;
        assert_eq!(remote.control_files(), Vec::<PathBuf>::new());
    });
}
