//! The line to a worker: refusals and messages that are too long come back at once as what they are, silence is a lost line, and what
//! was brought over it is on record.

use super::remote::{alive, key, limited_host, mission, prepare, program, run};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{
    CollectOrder, CollectOutcome, NotFresh, NotReady, Program, ReportOrder, RunOrder, Start,
};
use mission_control::adapters::host::remote::protocol::{Limits, PROTOCOL};
use mission_control::adapters::host::remote::transport::{Cuts, PATIENCE};
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::trouble::{Cause, Trouble};
use mission_control::domain::values::{CommitId, TreeId, UnitId};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::watch;

async fn host(world: &World, epoch: u64, program: PathBuf, limits: Limits) -> Host {
    limited_host(world, epoch, program, PATIENCE, (Cuts::default(), limits)).await
}

/// A program in the place of `mc`; in its text `mc` is the real one.
fn script(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.home().join(name);
    let mc = program();
    std::fs::write(&path, format!("#!/bin/sh\nmc() {{ {} \"$@\"; }}\n{text}\n", mc.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The worker that works now, by its lock.
fn worker(world: &World) -> Pid {
    let lock = std::fs::read_to_string(world.state().join("worker/s1/worker.lock")).unwrap();
    Pid::from_raw(lock.split(' ').next().unwrap().parse().unwrap()).unwrap()
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A run that holds a lock on `~/running` as long as it lives, until `~/go` is there.
fn waiting() -> RunOrder {
    let line = "echo x > work; exec 9> ~/running; flock 9; until test -e ~/go; do sleep 0.05; done; echo end";
    RunOrder { program: Program::Shell(line.to_owned()), ..run() }
}

fn runs(world: &World) -> bool {
    let lock = std::fs::File::open(world.home().join("running"));
    lock.is_ok_and(|lock| lock.try_lock().is_err())
}

pub async fn collect(host: &Host, base: &CommitId) {
    let (unit, base, green) = (UnitId::new("u").unwrap(), base.clone(), base.clone());
    let order = CollectOrder { slot: 1, mission: mission(), unit, number: 1, base, green, take_elsewhere: true };
    assert!(matches!(host.collect(&order).await.unwrap(), CollectOutcome::Pinned(_)));
}

fn lost(end: ProcessEnd) -> Trouble {
    match end {
        ProcessEnd::Infrastructure(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

fn says(trouble: &Trouble, words: &[&str]) {
    assert_ne!(trouble.cause, Cause::Unreachable, "{trouble}");
    for word in words {
        assert!(trouble.why.contains(word), "`{word}` is missing in: {trouble}");
    }
}

#[test]
fn p12_a_refusal_comes_back_at_once_and_says_who_refused_what() {
    let digit = |digit: u32| {
        let skip = "dd bs=1 count=1 status=none >/dev/null";
        let both = format!("{skip}; printf {digit}; dd bs=1 count=10 status=none; {skip}; printf {digit}; cat");
        format!("{{ dd bs=1 count=44 status=none; {both}; }} | mc \"$@\"")
    };
    let changed =
        "{ dd bs=1 count=36 status=none; dd bs=1 count=1 status=none >/dev/null; printf q; cat; } | mc \"$@\"";
    let (newer, older) = (digit(9), digit(1));
    let cases = [
        (newer.as_str(), "the worker speaks protocol 3", "the worker is the older one; put the mc of the engine there"),
        (older.as_str(), "the engine protocol 1", "the engine is the older one; use an mc here"),
        (changed, "cannot read this engine's greeting", "use the same mc on both sides"),
        ("echo Welcome; sleep 60", "no message of mc", "nothing else may be printed there"),
        ("rm -rf ~/state/worker; echo > ~/state/worker; mc \"$@\"", "state/worker/s1: Not a directory", "use "),
    ];
    for (text, what, advice) in cases {
        within_a_minute(async {
            let world = World::new().await;
            let host = host(&world, 1, script(&world, "other", text), Limits::default()).await;
            let words = ["/other worker --root", what, advice];
            says(&host.used_slots().await.unwrap_err(), &words);
            says(&lost(host.run(&run(), Start::IfNew, alive(), || ()).await.end), &words);
        });
    }
}

#[test]
fn p1_a_run_whose_end_a_refusal_hid_ends_before_its_work_is_collected() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, program(), Limits::default()).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        let epoch = world.state().join("worker/s1/epoch");
        let order = waiting();
        let refuse = async {
            until(|| runs(&world)).await;
            std::fs::write(&epoch, "5\n").unwrap();
            kill_process(worker(&world), Signal::KILL).unwrap();
        };
        let (ended, ()) = tokio::join!(host.run(&order, Start::IfNew, alive(), || ()), refuse);
        says(&lost(ended.end), &["a newer engine (number 5) works with this host"]);
        assert!(runs(&world), "nobody asked for its end");
        std::fs::write(&epoch, "1\n").unwrap();
        collect(&host, &base).await;
        assert!(!runs(&world), "it worked on while its work was collected");
    });
}

#[test]
fn p12_a_message_that_is_too_long_is_an_error_of_its_operation_alone() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let limits = Limits { longest: 20_000, ..Limits::default() };
        let host = host(&world, 1, program(), limits).await;
        host.used_slots().await.unwrap();
        let first = worker(&world);
        let mut order = prepare(&base);
        order.copies = vec![("local".to_owned(), Some(vec![b'x'; 30_000]))];
        match host.prepare(&order, alive()).await.unwrap_err() {
            NotFresh::NotReady(NotReady::Failed(trouble)) => says(&trouble, &["the message is too long", "20000"]),
            other => panic!("{other:?}"),
        }
        host.prepare(&prepare(&base), alive()).await.unwrap();
        assert_eq!(worker(&world), first, "the line was not lost for it");
        let tree = TreeId::new(&world.sh("git rev-parse main^{tree}").await).unwrap();
        let report = |bytes: u32, n: u32| RunOrder {
            key: key().join(n),
            program: Program::Shell(format!("head -c {bytes} /dev/zero > report.xml")),
            reports: Some(ReportOrder { stage: "s".to_owned(), globs: vec!["*.xml".to_owned()], tree: tree.clone() }),
            ..run()
        };
        let ended = host.run(&report(30_000, 1), Start::IfNew, alive(), || ()).await;
        says(&lost(ended.end), &["the message is too long", "20000"]);
        let ended = host.run(&report(10_000, 2), Start::IfNew, alive(), || ()).await;
        assert_eq!(ended.end, ProcessEnd::Exited(0));
        assert_eq!(ended.reports.first().unwrap().1.as_ref().unwrap().len(), 10_000);
    });
}

#[test]
fn p12_a_worker_that_is_silent_is_replaced_in_the_middle_of_a_request() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let beat = Duration::from_millis(250);
        let host = host(&world, 1, program(), Limits { beat, ..Limits::default() }).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        let order = waiting();
        let stop = async {
            until(|| runs(&world)).await;
            let stopped = worker(&world);
            kill_process(stopped, Signal::STOP).unwrap();
            until(|| worker(&world) != stopped).await;
            // It is nobody's any more, and not only forgotten.
            until(|| rustix::process::test_kill_process(stopped).is_err()).await;
            std::fs::write(world.home().join("go"), "").unwrap();
        };
        let (ended, ()) = tokio::join!(host.run(&order, Start::IfNew, alive(), || ()), stop);
        assert_eq!(ended.end, ProcessEnd::Exited(0));
        assert_eq!(std::fs::read_to_string(ended.log.unwrap()).unwrap(), "end\n");
    });
}

#[test]
fn p12_a_long_message_over_a_slow_line_is_no_silence() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let limits = Limits { beat: Duration::from_millis(100), ..Limits::default() };
        let host = host(&world, 1, script(&world, "slow", "dd bs=1 status=none | mc \"$@\""), limits).await;
        let mut order = prepare(&base);
        order.copies = vec![("local".to_owned(), Some(vec![b'x'; 2_000_000]))];
        let begun = Instant::now();
        let ready = host.prepare(&order, alive()).await.unwrap();
        assert!(begun.elapsed() > 4 * limits.beat, "the line is not slow");
        assert_eq!(std::fs::metadata(ready.workspace.join("local")).unwrap().len(), 2_000_000);
    });
}

#[test]
fn p12_a_worker_whose_engine_is_silent_ends() {
    within_a_minute(async {
        let world = World::new().await;
        // The line stays open when the engine is gone.
        let hold = world.home().join("hold");
        std::fs::write(&hold, "").unwrap();
        let text = format!("{{ cat; while test -e {}; do sleep 0.05; done; }} | mc \"$@\"", hold.display());
        let limits = Limits { beat: Duration::from_millis(250), ..Limits::default() };
        let first = host(&world, 1, script(&world, "held", &text), limits).await;
        first.used_slots().await.unwrap();
        let silent = worker(&world);
        // What it says itself is heard: a quiet line is no silent one.
        tokio::time::sleep(8 * limits.beat).await;
        first.used_slots().await.unwrap();
        assert_eq!(worker(&world), silent);
        drop(first);
        host(&world, 2, program(), Limits::default()).await.used_slots().await.unwrap();
        assert_ne!(worker(&world), silent);
    });
}

#[test]
fn p12_a_file_that_is_copied_costs_its_size_on_the_line() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let limits = Limits { longest: 1 << 20, ..Limits::default() };
        let host = host(&world, 1, program(), limits).await;
        let mut order = prepare(&base);
        // As numbers this would be four times as long.
        let (long, short) = (vec![0xfe_u8; (1 << 20) - 5], b"\0\xff\n".to_vec());
        let copies = [("local", Some(long)), ("not-there", None), ("other", Some(short)), ("empty", Some(Vec::new()))];
        order.copies = copies.map(|(name, content)| (name.to_owned(), content)).to_vec();
        let workspace = host.prepare(&order, alive()).await.unwrap().workspace;
        for (name, content) in order.copies {
            assert_eq!(std::fs::read(workspace.join(&name)).ok(), content, "{name}");
        }
    });
}

#[test]
fn p2_what_was_pinned_there_and_not_here_is_told_by_records() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, program(), Limits::default()).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        host.run(&run(), Start::IfNew, alive(), || ()).await;
        collect(&host, &base).await;
        let pin = "refs/mc/attempts/m1/u/1";
        let work = world.id(pin).await;
        // What is taken away here on purpose stays away, although its objects are gone as well.
        world
            .sh(&format!("git update-ref -d {pin} && git reflog expire --expire=now --all && git gc -q --prune=now"))
            .await;
        world.sh(&format!("! git cat-file -e {work} 2>/dev/null")).await;
        host.retry_quarantine().await.unwrap();
        assert_eq!(world.sh("git for-each-ref refs/mc/").await, "");
        // Of what an engine died over, the objects may be here without a pin.
        let mirror = world.state().join("worker/s1/mirror.git");
        world.sh_in(&mirror, "git update-ref -d refs/mc/brought/attempts/m1/u/1").await;
        world
            .sh(&format!("git fetch -q {} {pin} && rm -f .git/FETCH_HEAD && git cat-file -e {work}", mirror.display()))
            .await;
        host.retry_quarantine().await.unwrap();
        assert_eq!(world.id(pin).await, work);
    });
}

#[test]
fn p10_a_stop_waits_for_no_link_that_takes_no_bytes() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        // The greeting alone is more than a pipe holds.
        world.sh("seq 100000 > .git/info/exclude").await;
        let text = format!("{{\"id\":1,\"body\":{{\"Answer\":{{\"protocol\":{PROTOCOL}}}}}}}");
        let frame = [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], &[0; 4], text.as_bytes()].concat();
        std::fs::write(world.home().join("greeting"), frame).unwrap();
        let stuck = script(&world, "stuck", "cat ~/greeting; touch ~/greeted; exec sleep 60");
        let host = host(&world, 1, stuck, Limits::default()).await;
        let (send, kill) = watch::channel(false);
        let order = prepare(&base);
        let stop = async {
            until(|| world.home().join("greeted").exists()).await;
            send.send_replace(true);
            Instant::now()
        };
        let (prepared, stopped_at) = tokio::join!(host.prepare(&order, kill), stop);
        assert!(matches!(prepared, Err(NotFresh::NotReady(NotReady::Killed))), "{prepared:?}");
        assert!(stopped_at.elapsed() < Duration::from_secs(10), "{:?}", stopped_at.elapsed());
    });
}
