//! A command that waits for the machine it leads to: it is waited for once by everybody, for as long as the settings say, and nobody who
//! wants an end waits for it. Whatever it started ends with it.

use super::idle::count;
use super::remote::{Line, host_of, settings};
use super::ways::{Elsewhere, until};
use crate::support::repo::within_a_minute;
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::local::process::procfs;
use mission_control::adapters::host::order::NotReady;
use mission_control::adapters::host::remote::protocol::Limits;
use mission_control::domain::trouble::Cause;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Waits until somebody grants it, as what stands in the queue of a cluster; says when it begins and when it is told to end.
const QUEUED: &str =
    "trap 'echo told >> ~/lines; exit 1' TERM; sleep 1000 & echo $! >> ~/helpers; echo begun >> ~/lines
    until test -e ~/granted; do sleep 0.02; done; kill $!; exec \"$@\"";

/// A host whose sides are silent for a fifth of a second at most, beside the first answer.
async fn host(there: &Elsewhere, script: &str, first: Duration) -> Host {
    let (way, limits) = (Some(there.way(script)), Limits { beat: Duration::from_millis(50), ..Limits::default() });
    let patience = Duration::from_millis(300);
    let line = Line { way, limits, patience, first_answer: Some(first), ..Line::to(PathBuf::new()) };
    host_of(&there.world, line, settings()).await
}

/// The processes that were started beside a command.
fn helpers(there: &Elsewhere) -> Vec<u32> {
    let lines = std::fs::read_to_string(there.world.home().join("helpers")).unwrap();
    lines.lines().map(|pid| pid.parse().unwrap()).collect()
}

fn lives(pid: &u32) -> bool {
    procfs::read_stat(*pid).is_some()
}

#[test]
fn p10_a_command_that_waits_is_waited_for_once_by_all() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let host = host(&there, QUEUED, Duration::from_secs(3_600)).await;
        // Who has others wait for it gives up as soon as for any other answer.
        let begun = Instant::now();
        let trouble = host.reach_soon().await.unwrap_err();
        assert!(trouble.cause == Cause::Unreachable && trouble.why.contains("still waited for"), "{trouble}");
        assert!(begun.elapsed() >= Duration::from_millis(200));
        // Who is not wanted any more waits no longer.
        let (kill, killed) = watch::channel(false);
        let cancelled = async {
            until(|| count(&there, "begun") == 1).await;
            kill.send_replace(true);
        };
        let (reached, ()) = tokio::join!(host.reach(killed), cancelled);
        assert!(matches!(reached, Err(NotReady::Killed)), "{reached:?}");
        let grant = async {
            // Far longer than any silence.
            tokio::time::sleep(Duration::from_millis(800)).await;
            std::fs::write(there.world.home().join("granted"), "").unwrap();
        };
        let (one, two, ()) = tokio::join!(host.used_slots(), host.used_slots(), grant);
        one.unwrap();
        two.unwrap();
        assert_eq!((count(&there, "begun"), count(&there, "told")), (1, 0));
        host.reach_soon().await.unwrap();
    });
}

#[test]
fn p10_whoever_waits_learns_of_the_end_of_the_wait_at_once() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let far = host(&there, QUEUED, Duration::from_millis(500)).await;
        let (one, two) = tokio::join!(far.used_slots(), far.used_slots());
        for trouble in [one.unwrap_err(), two.unwrap_err()] {
            assert!(
                trouble.why.contains("nothing was said there for 500ms (`connect_timeout` of this host"),
                "{trouble}"
            );
        }
        assert_eq!((count(&there, "begun"), count(&there, "told")), (1, 1), "one waits for both");
        let far = host(&there, QUEUED, Duration::from_secs(3_600)).await;
        let stop = async {
            until(|| count(&there, "begun") == 2).await;
            far.stop_waiting();
            Instant::now()
        };
        let (asked, at) = tokio::join!(far.used_slots(), stop);
        assert!(at.elapsed() < Duration::from_secs(5));
        assert!(asked.unwrap_err().why.contains("is not waited for any longer"));
        until(|| count(&there, "told") == 2).await;
        until(|| !helpers(&there).iter().any(lives)).await;
        // Nothing was begun there.
        assert!(far.used_slots().await.unwrap_err().why.contains("is not waited for any longer"));
        assert_eq!(count(&there, "begun"), 2);
    });
}

#[test]
fn p5_a_command_that_fails_leaves_nothing_that_it_started() {
    within_a_minute(async {
        // The second one holds the output of the command open.
        for (output, code) in [(">/dev/null", 3), ("", 4)] {
            let there = Elsewhere::new().await;
            let script = format!("sleep 1000 {output} & echo $! >> ~/helpers; exit {code}");
            let host = host(&there, &script, Duration::from_secs(3_600)).await;
            let trouble = host.used_slots().await.unwrap_err();
            assert!(trouble.why.contains(&format!("ended (exit code {code})")), "{trouble}");
            let helpers = helpers(&there);
            assert!(!helpers.is_empty() && !helpers.iter().any(lives), "{helpers:?}");
        }
    });
}
