//! A host that is out of reach for the lease of its runs and more: its runs are given up, end before anything else is done there, and
//! what they made comes home as refs of their attempt.

use super::remote::{Line, alive, host_of, key, mission, prepare, program, run, settings};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{
    CollectOrder, Ended, NotFresh, PrepareOrder, Program, RunKey, RunOrder, RunState, Start,
};
use mission_control::adapters::host::settings::HostSettings;
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::trouble::{Cause, Trouble};
use mission_control::domain::values::{CommitId, UnitId};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The lease that this engine counts with; runs that an earlier one has begun have theirs.
const LEASE: Duration = Duration::from_millis(1_000);
const PATIENCE: Duration = Duration::from_millis(400);

/// A way to the worker that leads nowhere while `~/down` is there.
fn way(world: &World) -> PathBuf {
    let path = world.home().join("way");
    let text = format!(
        "#!/bin/sh\ntest -e {0}/down && exit 1\nexec {1} \"$@\"\n",
        world.home().display(),
        program().display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn host(world: &World, epoch: u64, lease: Duration) -> Host {
    let line = Line { epoch, patience: PATIENCE, ..Line::to(way(world)) };
    host_of(world, line, HostSettings { lease, ..settings() }).await
}

fn go_down(world: &World) {
    std::fs::write(world.home().join("down"), "").unwrap();
    let lock = std::fs::read_to_string(world.state().join("worker/s1/worker.lock")).unwrap();
    kill_process(Pid::from_raw(lock.split(' ').next().unwrap().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

fn come_back(world: &World) {
    std::fs::remove_file(world.home().join("down")).unwrap();
}

/// A run that works, says so by a lock on `~/running`, and goes on for ever.
fn endless() -> RunOrder {
    let line = "echo late > work; exec 9> ~/running; flock 9; while :; do sleep 0.05; done";
    RunOrder { program: Program::Shell(line.to_owned()), timeout: Duration::from_secs(600), ..run() }
}

fn lives(world: &World) -> bool {
    let lock = std::fs::File::open(world.home().join("running"));
    lock.is_ok_and(|lock| lock.try_lock().is_err())
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn lost(ended: Ended) -> Trouble {
    match ended.end {
        ProcessEnd::Infrastructure(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

/// Begins a run whose supervisor grants it a long lease, and ends the worker that began it.
async fn begin(world: &World, base: &CommitId) {
    let first = host(world, 1, Duration::from_secs(60)).await;
    first.prepare(&prepare(base), alive()).await.unwrap();
    let order = endless();
    tokio::select! {
        ended = first.run(&order, Start::IfNew, alive(), || ()) => panic!("it waits: {ended:?}"),
        () = until(|| lives(world)) => {}
    }
}

fn second_attempt(base: &CommitId) -> PrepareOrder {
    let next = RunKey::new("m1/u/2").unwrap();
    PrepareOrder { label: next.to_string(), setup: next.join("setup"), session: Some(next), ..prepare(base) }
}

#[test]
fn p2_a_run_whose_host_is_out_of_reach_is_given_up_and_ended_when_the_host_is_back() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        begin(&world, &base).await;
        let host = host(&world, 2, LEASE).await;
        let order = endless();
        let (ended, begun) = {
            let lose = async {
                host.used_slots().await.unwrap();
                go_down(&world);
                Instant::now()
            };
            tokio::join!(host.run(&order, Start::Never, alive(), || ()), lose)
        };
        let waited = begun.elapsed();
        let trouble = lost(ended);
        assert_eq!(trouble.cause, Cause::Unreachable, "{trouble}");
        assert!(trouble.why.contains("the run m1/u/1/run is given up"), "{trouble}");
        assert!(trouble.why.contains("gave no answer for"), "{trouble}");
        assert!(waited >= LEASE, "before its lease was over: {waited:?}");
        assert!(lives(&world), "nobody could end it");
        come_back(&world);
        // Whatever is asked first.
        host.look_up(&key().join("run")).await.unwrap();
        assert!(!lives(&world), "the first greeting ends it");
        assert!(matches!(host.prepare(&second_attempt(&base), alive()).await, Err(NotFresh::Dirty(_))));
        host.recover(1, key().as_str(), &base).await.unwrap();
        assert_eq!(world.sh("git show refs/mc/attempts/m1/u/1:work").await, "late");
        host.prepare(&second_attempt(&base), alive()).await.unwrap();
    });
}

#[test]
fn p4_another_engine_ends_a_run_that_was_given_up_before_its_slot_is_used() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        begin(&world, &base).await;
        // It knows of no run that was given up.
        let host = host(&world, 2, LEASE).await;
        assert!(matches!(host.prepare(&second_attempt(&base), alive()).await, Err(NotFresh::Dirty(_))));
        assert!(lives(&world));
        host.recover(1, key().as_str(), &base).await.unwrap();
        assert!(!lives(&world), "it worked on while its work was pinned");
        assert_eq!(world.sh("git show refs/mc/attempts/m1/u/1:work").await, "late");
        assert_eq!(host.look_up(&key().join("run")).await.unwrap(), RunState::Killed);
    });
}

#[test]
fn p2_what_cannot_be_collected_for_long_is_told_and_decides_nothing() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, LEASE).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        host.run(&run(), Start::IfNew, alive(), || ()).await;
        go_down(&world);
        let unit = UnitId::new("u").unwrap();
        let (mission, green) = (mission(), base.clone());
        let order = CollectOrder { slot: 1, mission, unit, number: 1, base: base.clone(), green, take_elsewhere: true };
        let begun = Instant::now();
        let trouble = host.collect(&order).await.unwrap_err();
        assert_eq!(trouble.cause, Cause::Unreachable, "{trouble}");
        assert!(begun.elapsed() >= LEASE, "{:?}", begun.elapsed());
        assert_eq!(world.sh("git for-each-ref refs/mc/").await, "");
        come_back(&world);
        host.collect(&order).await.unwrap();
        assert_eq!(world.sh("git show refs/mc/attempts/m1/u/1:work").await, "x");
    });
}

#[test]
fn p10_a_verification_waits_for_no_lease_of_a_host_that_is_out_of_reach() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, Duration::from_secs(600)).await;
        let of = |run: &str| RunKey::of_verification(&mission(), run);
        let prepared = |run: &str| PrepareOrder {
            label: of(run).to_string(),
            setup: of(run).join("setup"),
            session: None,
            ..prepare(&base)
        };
        host.prepare(&prepared("7"), alive()).await.unwrap();
        let order = RunOrder { key: of("7").join(0), session: None, ..endless() };
        let lose = async {
            until(|| lives(&world)).await;
            go_down(&world);
            Instant::now()
        };
        let (ended, begun) = tokio::join!(host.run(&order, Start::IfNew, alive(), || ()), lose);
        let waited = begun.elapsed();
        let trouble = lost(ended);
        assert_eq!(trouble.cause, Cause::Unreachable, "{trouble}");
        assert!(waited < Duration::from_secs(20), "{waited:?}");
        assert!(lives(&world), "nobody could end it");
        come_back(&world);
        // The next one there does not work beside it.
        assert!(matches!(host.prepare(&prepared("8"), alive()).await, Err(NotFresh::Dirty(_))));
        assert!(!lives(&world), "the first greeting ends it");
        host.recover(1, of("7").as_str(), &base).await.unwrap();
        host.prepare(&prepared("8"), alive()).await.unwrap();
    });
}

#[test]
fn p10_whoever_wants_an_early_end_waits_for_no_lease_of_a_host_that_is_out_of_reach() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, Duration::from_secs(600)).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        let order = endless();
        let (send, kill) = watch::channel(false);
        let stop = async {
            until(|| lives(&world)).await;
            go_down(&world);
            send.send_replace(true);
        };
        let (ended, ()) = tokio::join!(host.run(&order, Start::IfNew, kill, || ()), stop);
        assert_eq!(lost(ended).cause, Cause::Unreachable);
        come_back(&world);
        host.used_slots().await.unwrap();
        assert!(!lives(&world), "it was given up");
    });
}
