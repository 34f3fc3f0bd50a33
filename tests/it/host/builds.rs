//! Workers of several builds and engines on one machine: a run goes on whichever build comes next, and nobody is in anybody's way.

use super::remote::{Line, alive, host_of, key, prepare, program, run, settings};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{PrepareOrder, Program, RunKey, RunOrder, RunState, Start};
use mission_control::domain::ending::ProcessEnd;
use std::path::PathBuf;
use tokio::sync::watch;

/// The same program as another file: another build, as far as anybody can tell.
fn copied(world: &World, name: &str) -> PathBuf {
    let path = world.home().join(name);
    std::fs::copy(program(), &path).unwrap();
    path
}

async fn host(world: &World, epoch: u64, program: PathBuf) -> Host {
    host_of(world, Line { epoch, ..Line::to(program) }, settings()).await
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[test]
fn p4_a_run_of_one_build_is_read_and_ended_by_another() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        for (n, (old, wanted)) in
            [("until", ProcessEnd::Exited(0)), ("end", ProcessEnd::Stopped)].into_iter().enumerate()
        {
            let epoch = 2 * n as u64 + 1;
            let older = copied(&world, &format!("older-{n}"));
            let first = host(&world, epoch, older.clone()).await;
            first.prepare(&prepare(&base), alive()).await.unwrap();
            let line = format!("echo begun; : > ~/begun-{n}; until test -e ~/go-{n}; do sleep 0.05; done; echo {old}");
            let order = RunOrder { key: key().join(n), program: Program::Shell(line), ..run() };
            tokio::select! {
                ended = first.run(&order, Start::IfNew, alive(), || ()) => panic!("it waits: {ended:?}"),
                () = until(|| world.home().join(format!("begun-{n}")).exists()) => {}
            }
            drop(first);
            // It is replaced while its run goes on.
            std::fs::remove_file(older).unwrap();
            let next = host(&world, epoch + 1, copied(&world, &format!("newer-{n}"))).await;
            assert_eq!(next.look_up(&order.key).await.unwrap(), RunState::Started);
            let (send, kill) = watch::channel(wanted == ProcessEnd::Stopped);
            if wanted != ProcessEnd::Stopped {
                std::fs::write(world.home().join(format!("go-{n}")), "").unwrap();
            }
            let ended = next.run(&order, Start::Never, kill, || ()).await;
            drop(send);
            assert_eq!(ended.end, wanted);
            assert!(ended.proof.unwrap().is_complete());
            assert!(std::fs::read_to_string(ended.log.unwrap()).unwrap().starts_with("begun\n"));
            assert!(next.discard(1, key().as_str()).await.unwrap());
        }
    });
}

#[test]
fn p4_a_worker_of_another_build_goes_with_its_engine() {
    within_a_minute(async {
        let world = World::new().await;
        let first = host(&world, 1, copied(&world, "older")).await;
        first.used_slots().await.unwrap();
        let lock = world.state().join("worker/s1/worker.lock");
        let old = std::fs::read_to_string(&lock).unwrap();
        let next = host(&world, 2, program()).await;
        let (used, ()) = tokio::join!(next.used_slots(), async { drop(first) });
        assert!(used.unwrap().is_empty());
        assert_ne!(std::fs::read_to_string(&lock).unwrap(), old);
    });
}

#[test]
fn p12_two_engines_on_one_machine_work_beside_each_other() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let work = async |state: &'static str, program: PathBuf| {
            let host = host_of(&world, Line { state, ..Line::to(program) }, settings()).await;
            let label = RunKey::new(format!("{state}/u/1")).unwrap();
            let order = PrepareOrder {
                label: label.to_string(),
                setup: label.join("setup"),
                session: Some(label.clone()),
                ..prepare(&base)
            };
            let ready = host.prepare(&order, alive()).await.unwrap();
            // Each waits for the other one.
            let line = format!("echo {state}; : > ~/{state}; until test -e ~/s1 && test -e ~/s2; do sleep 0.02; done");
            let order = RunOrder { key: label.join("run"), program: Program::Shell(line), session: None, ..run() };
            let ended = host.run(&order, Start::IfNew, alive(), || ()).await;
            assert_eq!(ended.end, ProcessEnd::Exited(0));
            assert_eq!(std::fs::read_to_string(ended.log.unwrap()).unwrap(), format!("{state}\n"));
            let used = host.used_slots().await.unwrap();
            assert_eq!(used.iter().map(|used| used.label.as_str()).collect::<Vec<_>>(), [label.as_str()]);
            ready.workspace
        };
        let (one, other) = tokio::join!(work("s1", program()), work("s2", copied(&world, "other")));
        assert_ne!(one, other);
    });
}
