//! A host behind a worker: every operation is what it was, wherever the line is cut, and silence decides nothing.

use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::git::source::inspect;
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::local::workspace::tags::Tags;
use mission_control::adapters::host::order::{
    CollectOrder, CollectOutcome, Ended, Home, NotFresh, NotReady, PrepareOrder, Program, Release, RunKey, RunOrder,
    RunState, SessionFolder, Start, Untracked,
};
use mission_control::adapters::host::remote::client::{EngineCard, RemoteHost};
use mission_control::adapters::host::remote::protocol::{Limits, Variables};
use mission_control::adapters::host::remote::transport::{Cuts, Moment, PATIENCE, Transport, Way};
use mission_control::adapters::host::settings::{HostSettings, PoolKind};
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::fence::{Sandbox, WantedIsolation};
use mission_control::domain::handoff::PromptMode;
use mission_control::domain::trouble::{Cause, Trouble};
use mission_control::domain::values::{CommitId, MissionId, UnitId};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The nth one holds a lock as long as it lives, which is as long as there is a file that says so.
const SETUP: &str = "echo made > made; echo more >> ~/setups; n=$(wc -l < ~/setups); exec 9> ~/setup.$n; flock 9
    while test -e ~/hold.$n; do sleep 0.05; done";

/// Whether the nth setup lives.
fn sets_up(world: &World, n: u32) -> bool {
    let lock = std::fs::File::open(world.home().join(format!("setup.{n}")));
    lock.is_ok_and(|lock| lock.try_lock().is_err())
}

pub fn settings() -> HostSettings {
    HostSettings {
        kind: PoolKind::Missions,
        setup: Some(SETUP.to_owned()),
        setup_inputs: Vec::new(),
        copy: vec!["local".to_owned()],
        stages: Vec::new(),
        verification_env: Vec::new(),
        agent_env: Vec::new(),
        home: Vec::new(),
        keep: Vec::new(),
        fingerprint: Vec::new(),
        session_timeout: Duration::from_secs(30),
        isolation: WantedIsolation::Auto,
        lease: Duration::from_secs(20),
        max_disk: 0,
        name: None,
        pin_every: Duration::from_secs(300),
        sandbox: Sandbox::default(),
        env: BTreeMap::new(),
    }
}

async fn host(world: &World, epoch: u64, program: PathBuf, patience: Duration, cuts: Cuts) -> Host {
    limited_host(world, epoch, program, patience, (cuts, Limits::default())).await
}

/// A host whose line has these limits.
pub async fn limited_host(
    world: &World,
    epoch: u64,
    program: PathBuf,
    patience: Duration,
    (cuts, limits): (Cuts, Limits),
) -> Host {
    host_of(world, Line { epoch, patience, cuts, limits, ..Line::to(program) }, settings()).await
}

/// Who asks, and by what way.
#[derive(Default)]
pub struct Line {
    /// Id of the engine's state directory.
    pub state: &'static str,
    pub epoch: u64,
    pub program: PathBuf,
    /// Another way than that program of this machine.
    pub way: Option<Way>,
    pub patience: Duration,
    pub cuts: Cuts,
    pub limits: Limits,
    pub sessions: Option<PathBuf>,
    pub missions: Option<Arc<BTreeSet<MissionId>>>,
    pub variables: Variables,
    /// After so long without work it is closed; zero: never.
    pub idle: Duration,
    /// So long a command is waited for; absent: as long as for anything.
    pub first_answer: Option<Duration>,
}

impl Line {
    /// That of the first engine to a program.
    pub fn to(program: PathBuf) -> Self {
        Self { state: "s1", epoch: 1, program, patience: PATIENCE, ..Self::default() }
    }
}

pub async fn host_of(world: &World, line: Line, settings: HostSettings) -> Host {
    let root = world.state();
    std::fs::create_dir_all(&root).unwrap();
    let var = |name: &str| (name.into(), std::env::var_os(name).unwrap_or_default());
    let args = vec!["worker".into(), "--root".into(), root.join("worker").into()];
    let env = vec![var("PATH"), ("HOME".into(), world.home().into()), ("GIT_CONFIG_SYSTEM".into(), "/dev/null".into())];
    let way = line.way.unwrap_or(Way::Child { program: line.program, args, env });
    let Line { patience, limits, cuts, idle, first_answer, .. } = line;
    let transport = Transport { way, patience, limits, cuts, idle, first_answer };
    let engine = EngineCard {
        state: line.state.to_owned(),
        epoch: line.epoch,
        root: root.clone(),
        runs: root.join("runs"),
        sessions: line.sessions,
        missions: line.missions,
        variables: line.variables,
    };
    let source = world.source();
    let facts = inspect(&source).await.unwrap();
    Host::Remote(Box::new(RemoteHost::new(transport, settings, engine, source, facts, Tags::default())))
}

pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_mc").into()
}

pub fn alive() -> watch::Receiver<bool> {
    watch::channel(false).1
}

pub fn mission() -> MissionId {
    MissionId::new("m1").unwrap()
}

pub fn key() -> RunKey {
    RunKey::of_attempt(&mission(), &UnitId::new("u").unwrap(), 1)
}

pub fn prepare(base: &CommitId) -> PrepareOrder {
    PrepareOrder {
        slot: 1,
        label: key().to_string(),
        base: base.clone(),
        without: None,
        beside: Untracked::Ignored,
        copies: vec![("local".to_owned(), Some(b"here".to_vec()))],
        environment: String::new(),
        setup: key().join("setup"),
        session: Some(key()),
    }
}

pub fn run() -> RunOrder {
    RunOrder {
        key: key().join("run"),
        slot: 1,
        program: Program::Agent {
            command: "sh -c 'cat > brief; cat brief; echo x >> work; echo told; cp brief \"$MC_RESULT\"; exit 3'"
                .to_owned(),
            prompt: PromptMode::Stdin,
        },
        inherited: Vec::new(),
        variables: vec![("WHO".to_owned(), "me".into())],
        session: Some(SessionFolder { key: key(), brief: "do it\n".to_owned(), base: None }),
        timeout: Duration::from_secs(30),
        idle: None,
        start: None,
        grace_after_result: None,
        home: Home::Users,
        reports: None,
    }
}

/// An attempt from its workspace to the slot that is free again; what a person could see of it.
pub async fn attempt(world: &World, host: &Host) -> Vec<String> {
    // What is short goes with the message that speaks of it; there and back something is longer.
    world.sh("head -c 1100000 /dev/urandom > long && git add long && git commit -qm long").await;
    let line = "sh -c 'cat > brief; cat brief; echo x >> work; echo told; cp long longer; echo >> longer; \
                head -c 1100000 /dev/urandom >> longer; cp brief \"$MC_RESULT\"; exit 3'";
    let program = Program::Agent { command: line.to_owned(), prompt: PromptMode::Stdin };
    let run = || RunOrder { program: program.clone(), ..run() };
    let base = world.id("main").await;
    let facts = host.probe().await.unwrap();
    let mut seen = vec![format!("{:?} {}", facts.isolation, host.fingerprint().await.unwrap().len())];
    seen.push(format!("{:?}", host.look_up(&key().join("run")).await.unwrap()));
    let ready = host.prepare(&prepare(&base), alive()).await.unwrap();
    seen.push(std::fs::read_to_string(ready.workspace.join("local")).unwrap());
    seen.push(std::fs::read_to_string(ready.workspace.join("made")).unwrap());
    let mut began = 0;
    let Ended { end, log, proof, result, .. } = host.run(&run(), Start::IfNew, alive(), || began += 1).await;
    assert_eq!(began, 1, "its start is told once");
    assert!(proof.unwrap().is_complete());
    seen.push(format!("{end:?} {result:?} {}", std::fs::read_to_string(log.unwrap()).unwrap()));
    let again = host.run(&run(), Start::Never, alive(), || ()).await;
    seen.push(format!("{:?} {:?}", again.end, again.result));
    assert_eq!(host.look_up(&key().join("run")).await.unwrap(), RunState::Started);
    assert_eq!(host.hold(1, key().as_str()).await.unwrap(), Some(ready.workspace.clone()));
    let unit = UnitId::new("u").unwrap();
    let (mission, green) = (mission(), base.clone());
    let order = CollectOrder { slot: 1, mission, unit, number: 1, base: base.clone(), green, take_elsewhere: true };
    let CollectOutcome::Pinned(found) = host.collect(&order).await.unwrap() else { panic!("it is pinned") };
    seen.push(
        world.sh("git ls-tree -r --name-only refs/mc/attempts/m1/u/1 && git show refs/mc/attempts/m1/u/1:work").await,
    );
    assert_eq!(world.id("refs/mc/attempts/m1/u/1").await, found.head.commit);
    world.sh("git rev-list --objects refs/mc/attempts/m1/u/1 >/dev/null").await;
    let release = Release::Collected { base: base.clone(), stuck: None };
    host.release(1, key().as_str(), &release).await.unwrap();
    host.recover(1, key().as_str(), &base).await.unwrap();
    host.archive_run(&key().join("run")).await.unwrap();
    assert!(host.end_runs(&key()).await.unwrap().is_empty());
    assert!(host.discard(1, key().as_str()).await.unwrap());
    assert!(host.find_adoptable(1, key().as_str(), &key().join("run")).await.unwrap().is_none());
    host.retry_quarantine().await.unwrap();
    seen.push(format!("{:?} {:?}", host.used_slots().await.unwrap(), host.list_strays().await.unwrap().changed));
    seen.push(world.sh("git for-each-ref --format='%(refname)'").await);
    // The runs and the folder of a session are there once.
    let runs = world.state().join("worker/s1/runs/m1/u");
    let names = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name == "1").count(), 1);
    seen
}

/// Every kind of request that an attempt makes.
const KINDS: [&str; 21] = [
    "Probe",
    "Fingerprint",
    "LookUp",
    "Compare",
    "Write",
    "Import",
    "Prepare",
    "Run",
    "Read",
    "Hold",
    "Collect",
    "Pins",
    "Export",
    "Forget",
    "Brought",
    "Release",
    "UsedSlots",
    "PutAside",
    "EndRuns",
    "Discard",
    "RetryQuarantine",
];

#[test]
fn p12_each_operation_is_the_same_wherever_the_line_to_its_host_is_cut() {
    let wanted = std::sync::OnceLock::new();
    for moment in [None, Some(Moment::Before), Some(Moment::During), Some(Moment::After)] {
        within_a_minute(async {
            let world = World::new().await;
            let cuts = Cuts::default();
            let host = host(&world, 1, program(), PATIENCE, cuts.clone()).await;
            let cut: Vec<_> = KINDS.iter().filter_map(|kind| Some((kind, moment?))).collect();
            cut.iter().for_each(|(kind, moment)| cuts.cut_once(kind, *moment));
            let seen = attempt(&world, &host).await;
            assert_eq!(cuts.count_cuts() as usize, cut.len(), "{moment:?}");
            assert_eq!(&seen, wanted.get_or_init(|| seen.clone()), "{moment:?}");
        });
    }
    let wanted = wanted.get().unwrap().join("\n");
    assert!(wanted.contains("Exited(3) Some(\"do it\\n\") do it\ntold"), "{wanted}");
    assert!(wanted.contains("\nbrief\n") && wanted.contains("\nwork\nx"), "{wanted}");
    assert!(!wanted.contains("\nlocal\n") && !wanted.contains("\nmade\nbrief"), "{wanted}");
}

#[test]
fn p2_a_host_that_does_not_answer_decides_nothing() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let patience = Duration::from_millis(200);
        let host = host(&world, 1, "/nonexistent/mc".into(), patience, Cuts::default()).await;
        let unreachable = |trouble: Trouble| assert_eq!(trouble.cause, Cause::Unreachable, "{trouble}");
        unreachable(host.used_slots().await.unwrap_err());
        unreachable(host.look_up(&key()).await.unwrap_err());
        unreachable(host.hold(1, "m1/u/1").await.unwrap_err());
        unreachable(host.end_runs(&key()).await.unwrap_err());
        unreachable(host.find_adoptable(1, "m1/u/1", &key()).await.unwrap_err());
        unreachable(host.recover(1, "m1/u/1", &base).await.unwrap_err());
        unreachable(host.discard(1, "m1/u/1").await.unwrap_err());
        match host.prepare(&prepare(&base), alive()).await.unwrap_err() {
            NotFresh::NotReady(NotReady::Failed(trouble)) => unreachable(trouble),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn p12_a_run_outlives_the_worker_that_started_it_and_is_taken_over_by_the_next() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let first = host(&world, 1, program(), PATIENCE, Cuts::default()).await;
        first.prepare(&prepare(&base), alive()).await.unwrap();
        let mut order = run();
        order.program = Program::Shell("until test -e ~/go; do sleep 0.05; done; echo end".to_owned());
        let (began, begun) = tokio::sync::oneshot::channel();
        let task = async {
            first.run(&order, Start::IfNew, alive(), || began.send(()).unwrap()).await;
        };
        tokio::select! {
            () = task => panic!("it waits"),
            begun = begun => begun.unwrap(),
        }
        drop(first);
        let next = host(&world, 2, program(), PATIENCE, Cuts::default()).await;
        std::fs::write(world.home().join("go"), "").unwrap();
        let ended = next.run(&order, Start::Never, alive(), || ()).await;
        assert_eq!(ended.end, ProcessEnd::Exited(0));
        assert_eq!(std::fs::read_to_string(ended.log.unwrap()).unwrap(), "end\n");
        let older = host(&world, 1, program(), Duration::from_millis(200), Cuts::default()).await;
        drop(next);
        let refused = older.used_slots().await.unwrap_err();
        assert!(refused.why.contains("a newer engine (number 2) works with this host"), "{refused}");
    });
}

#[test]
fn p12_a_run_on_a_host_is_killed_when_that_is_asked_for() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, program(), PATIENCE, Cuts::default()).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        let mut order = run();
        order.program = Program::Shell("sleep 1000".to_owned());
        let (send, kill) = watch::channel(false);
        let ended = host
            .run(&order, Start::IfNew, kill, || {
                send.send_replace(true);
            })
            .await;
        assert_eq!(ended.end, ProcessEnd::Stopped);
        assert!(ended.proof.unwrap().is_complete());
    });
}

/// Asks for a workspace until its setup works, and waits for it no longer.
async fn prepare_halfway(world: &World, host: &Host, base: &CommitId) {
    let order = prepare(base);
    let begun = async {
        while !sets_up(world, 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        done = host.prepare(&order, alive()) => panic!("it waits: {done:?}"),
        () = begun => {}
    }
}

#[test]
fn p5_a_slot_is_given_back_only_when_its_setup_has_ended() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        std::fs::write(world.home().join("hold.1"), "").unwrap();
        let first = host(&world, 1, program(), PATIENCE, Cuts::default()).await;
        prepare_halfway(&world, &first, &base).await;
        drop(first);
        let next = host(&world, 2, program(), PATIENCE, Cuts::default()).await;
        let release = Release::Collected { base: base.clone(), stuck: None };
        next.release(1, key().as_str(), &release).await.unwrap();
        assert!(!sets_up(&world, 1), "it would work in the folder of whoever is next");
        next.prepare(&prepare(&base), alive()).await.unwrap();
    });
}

#[test]
fn p12_a_setup_that_outlived_its_worker_is_ended_before_the_workspace_is_made_anew() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        std::fs::write(world.home().join("hold.1"), "").unwrap();
        let first = host(&world, 1, program(), PATIENCE, Cuts::default()).await;
        prepare_halfway(&world, &first, &base).await;
        drop(first);
        let next = host(&world, 2, program(), PATIENCE, Cuts::default()).await;
        next.prepare(&prepare(&base), alive()).await.unwrap();
        assert!(!sets_up(&world, 1), "two of them would work in one folder");
        // Where more than that has run, it is somebody's work.
        let ended = next.run(&run(), Start::IfNew, alive(), || ()).await;
        assert_eq!(ended.end, ProcessEnd::Exited(3));
        let refused = next.prepare(&prepare(&base), alive()).await.unwrap_err();
        assert!(matches!(refused, NotFresh::Busy | NotFresh::Dirty(_)), "{refused:?}");
        assert_eq!(next.look_up(&key().join("run")).await.unwrap(), RunState::Started);
    });
}

#[test]
fn p1_a_run_is_not_begun_in_a_workspace_that_somebody_else_has_by_now() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, program(), PATIENCE, Cuts::default()).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        assert!(host.discard(1, key().as_str()).await.unwrap());
        let others = RunKey::new("m1/u/12").unwrap();
        let order = PrepareOrder { label: others.to_string(), session: Some(others), ..prepare(&base) };
        host.prepare(&order, alive()).await.unwrap();
        match host.run(&run(), Start::IfNew, alive(), || ()).await.end {
            ProcessEnd::Infrastructure(trouble) => assert_eq!(trouble.cause, Cause::LostRun, "{trouble}"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn p1_the_output_of_a_run_that_was_put_aside_is_no_part_of_the_next_one() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = host(&world, 1, program(), PATIENCE, Cuts::default()).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        for line in ["echo a long line; echo apart >&2", "echo short"] {
            let order = RunOrder { program: Program::Shell(line.to_owned()), ..run() };
            let log = host.run(&order, Start::IfNew, alive(), || ()).await.log.unwrap();
            let said = line.strip_prefix("echo ").unwrap().split(';').next().unwrap();
            assert_eq!(std::fs::read_to_string(&log).unwrap(), format!("{said}\n"));
            host.archive_run(&order.key).await.unwrap();
            assert!(!log.exists() && !log.with_file_name("err.log").exists());
        }
    });
}

#[test]
fn p12_messages_that_arrive_in_pieces_while_others_are_answered_are_whole() {
    within_a_minute(async {
        let world = World::new().await;
        let slow = world.home().join("slow-mc");
        std::fs::write(&slow, format!("#!/bin/sh\ndd bs=1 status=none | {} \"$@\"\n", program().display())).unwrap();
        std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
        let host = Arc::new(host(&world, 1, slow, PATIENCE, Cuts::default()).await);
        let mut asked = JoinSet::new();
        for _ in 0..8 {
            let host = Arc::clone(&host);
            asked.spawn(async move {
                for _ in 0..50 {
                    assert!(host.used_slots().await.unwrap().is_empty());
                }
            });
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap();
        }
    });
}

#[test]
fn p4_a_run_that_its_host_ended_is_told_alike_when_the_answer_was_lost() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let said = "echo '{\"status\":\"completed\"}' > $MC_RESULT";
        let short = Some(Duration::from_millis(200));
        let cases = [
            (format!("{said}; sleep 1000"), None, short, ProcessEnd::Exited(0), true),
            ("sleep 1000".to_owned(), short, None, ProcessEnd::Stalled, false),
        ];
        for (epoch, (line, idle, grace_after_result, end, overstayed)) in (1..).step_by(2).zip(cases) {
            let order = RunOrder {
                key: key().join(epoch),
                program: Program::Shell(line.clone()),
                idle,
                grace_after_result,
                ..run()
            };
            // The worker is gone after the end and before its answer.
            let cuts = Cuts::default();
            cuts.cut_once("Run", Moment::After);
            let first = host(&world, epoch, program(), PATIENCE, cuts.clone()).await;
            first.prepare(&prepare(&base), alive()).await.unwrap();
            let told = first.run(&order, Start::IfNew, alive(), || ()).await;
            assert_eq!(cuts.count_cuts(), 1);
            drop(first);
            // Here it is the engine.
            let next = host(&world, epoch + 1, program(), PATIENCE, Cuts::default()).await;
            let again = next.run(&order, Start::Never, alive(), || ()).await;
            for ended in [told, again] {
                assert_eq!((&ended.end, ended.overstayed), (&end, overstayed), "{line}");
                assert_eq!(ended.result.is_some(), line.starts_with("echo"), "{line}");
            }
            assert_eq!(next.look_up(&order.key).await.unwrap(), RunState::Started);
            next.discard(1, key().as_str()).await.unwrap();
        }
    });
}
