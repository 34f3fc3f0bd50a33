//! P5: whatever a program starts, nothing of it is left after stop, timeout, lease expiry, its own end or the loss of
//! its supervisor. Each test runs in every containment that works here; `runs_user` repeats them as an ordinary user.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::host::world::{Runs, ended, isolations, program, until, within};
use mission_control::adapters::host::local::process::kill::Method;
use mission_control::adapters::host::local::process::procfs::{self, Identity};
use mission_control::adapters::host::local::protocol::{Isolation, KillReason, RunExit};
use mission_control::adapters::host::local::rundir::{Found, Run, find, launch};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Forks, double forks, own sessions, TERM ignored, the log held open, no environment or no limit, `/` as folder, a mild
/// fork loop.
const MENAGERIE: &str = r#"
trap '' TERM
TAG 300 &
(TAG 300 &)
(setsid TAG 300 &)
setsid sh -c 'trap "" TERM; cd /; TAG 300 & TAG 300; :' &
(env -i PATH="$PATH" setsid sh -c 'cd /; exec TAG 300' &)
env -i PATH="$PATH" setsid sh -c 'cd /; exec TAG 300 >/dev/null 2>&1 </dev/null' &
(env -i PATH="$PATH" setsid sh -c 'cd /; exec TAG 300 >/dev/null 2>&1 </dev/null' &)
(prlimit --rttime=unlimited: setsid sh -c 'cd /; exec TAG 300 >/dev/null 2>&1 </dev/null' &)
setsid sh -c 'while :; do TAG 0.05 & TAG 0.05; done' &
echo here >ready
"#;

fn kept(script: &str, last: &str) -> String {
    format!("{script}\n{last}")
}

fn proves(isolation: Isolation) -> Method {
    match isolation {
        Isolation::RootNamespace | Isolation::UserNamespace => Method::PidNamespace,
        Isolation::Search => Method::Search,
    }
}

async fn assert_nothing_left(runs: &Runs, run: &Run, isolation: Isolation) {
    let proof = within(run.end(Duration::ZERO)).await;
    assert!(proof.is_complete(), "{isolation:?}: {proof:?}");
    assert_eq!(proof.method, proves(isolation));
    assert_eq!(runs.living(), 0, "{isolation:?}");
}

#[tokio::test]
async fn p5_end_leaves_nothing() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let run = runs.launch(isolation, &kept(MENAGERIE, "TAG 300")).await;
        runs.until_written("ready").await;
        until("the menagerie is there", || runs.living() >= 7).await;
        let why = if isolation == Isolation::Search { KillReason::Overstayed } else { KillReason::Stalled };
        let (proof, exit) = within(run.end_for(why, Duration::from_millis(200))).await;
        assert!(proof.is_complete() && proof.killed >= 5, "{isolation:?}: {proof:?}");
        assert_eq!((proof.method, runs.living()), (proves(isolation), 0), "{isolation:?}");
        assert_eq!((exit, ended(&run).await), (RunExit::Killed(why), RunExit::Killed(why)), "{isolation:?}");
        assert!(matches!(find(run.dir()).await, Found::Ended(found) if found == exit));
    }
}

#[tokio::test]
async fn p5_timeout_leaves_nothing() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let mut spec = runs.spec(isolation, &kept(MENAGERIE, "TAG 300"));
        spec.timeout = Duration::from_secs(1);
        let run = launch(&spec).await.unwrap();
        assert_eq!(ended(&run).await, RunExit::Timeout, "{isolation:?}");
        assert_nothing_left(&runs, &run, isolation).await;
    }
}

#[tokio::test]
async fn p5_an_own_end_with_leftovers_leaves_nothing() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let run = runs.launch(isolation, &kept(MENAGERIE, "exit 3")).await;
        assert_eq!(ended(&run).await, RunExit::Code(3), "{isolation:?}");
        assert_eq!(runs.living(), 0, "{isolation:?}: before anybody called `end`");
        assert_nothing_left(&runs, &run, isolation).await;
    }
}

#[tokio::test]
async fn p4_p5_without_an_engine_the_lease_ends_everything() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let mut spec = runs.spec(isolation, &kept(MENAGERIE, "TAG 300"));
        spec.lease = Duration::from_secs(1);
        let run = launch(&spec).await.unwrap();
        assert_eq!(ended(&run).await, RunExit::LeaseExpired, "{isolation:?}");
        assert_eq!(runs.living(), 0, "{isolation:?}: nobody called `end`, this is the supervisor's own work");
        assert_nothing_left(&runs, &run, isolation).await;
    }
}

#[tokio::test]
async fn p4_a_renewed_lease_is_no_lease_expiry() {
    for isolation in isolations().await {
        let lease = Duration::from_secs(1);
        // Where the machine stood still for so long that the lease may have run out, the run says nothing: once more.
        let renewed_in_time = within(async {
            loop {
                let runs = Runs::new();
                let mut spec = runs.spec(isolation, "sleep 2.5; exit 4");
                spec.lease = lease;
                let run = launch(&spec).await.unwrap();
                let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
                let renewing = async {
                    loop {
                        run.renew_lease().unwrap();
                        longest = longest.max(last.elapsed());
                        last = Instant::now();
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                };
                let exit = tokio::select! { exit = ended(&run) => exit, () = renewing => unreachable!() };
                if exit == RunExit::Code(4) || longest.max(last.elapsed()) < lease / 2 {
                    return exit;
                }
            }
        });
        assert_eq!(renewed_in_time.await, RunExit::Code(4), "{isolation:?}");
    }
}

#[tokio::test]
async fn p5_a_killed_supervisor_leaves_nothing() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let run = runs.launch(isolation, &kept(MENAGERIE, "TAG 300")).await;
        runs.until_written("ready").await;
        assert!(run.supervisor().unwrap().signal(Signal::KILL));
        assert_eq!(ended(&run).await, RunExit::Lost, "{isolation:?}");
        until("the run dies with the supervisor", || runs.living() == 0).await;
        assert!(matches!(find(run.dir()).await, Found::HalfDead(_) | Found::Gone), "{isolation:?}");
        assert_nothing_left(&runs, &run, isolation).await;
        until("nothing is left of the supervisor", || run.search_criteria().scan(true).is_empty()).await;
        assert!(matches!(find(run.dir()).await, Found::Gone), "{isolation:?}");
    }
}

#[tokio::test]
async fn p5_half_dead_runs_are_found_and_ended() {
    let runs = Runs::new();
    let run = runs.launch(Isolation::Search, &kept(MENAGERIE, "TAG 300")).await;
    runs.until_written("ready").await;
    // The supervisor and the guard at once: nobody is left to tidy up but us.
    let supervisor = run.supervisor().unwrap();
    assert!(supervisor.signal(Signal::STOP) && guard(&run).signal(Signal::KILL) && supervisor.signal(Signal::KILL));
    assert_eq!(ended(&run).await, RunExit::Lost);
    let Found::HalfDead(adopted) = find(run.dir()).await else { panic!("not half dead") };
    assert_nothing_left(&runs, &adopted, Isolation::Search).await;
    assert!(matches!(find(run.dir()).await, Found::Gone));
}

/// Nothing ties it to its run but where it comes from: no environment, limit, session, parent, folder or open file.
const BEST_HIDDEN: &str = r#"
(env -i PATH="$PATH" prlimit --rttime=unlimited: setsid sh -c 'cd /; exec TAG 300 >/dev/null 2>&1 </dev/null' &)
echo >ready"#;

/// Who is between the supervisor and the program where there is no namespace.
fn guard(run: &Run) -> Identity {
    let program = run.start().unwrap().agent;
    Identity::of(procfs::read_stat(program.pid).unwrap().parent).unwrap()
}

#[tokio::test]
async fn p5_even_the_best_hidden_one_dies_whatever_ends_the_run() {
    for isolation in isolations().await {
        let all = ["end", "own end", "supervisor", "guard"];
        for who in all.into_iter().filter(|who| isolation == Isolation::Search || *who != "guard") {
            let runs = Runs::new();
            let script = kept(BEST_HIDDEN, "until [ -e go ]; do sleep 0.05; done; exit 3");
            let run = runs.launch(isolation, &script).await;
            runs.until_written("ready").await;
            // The script is one of them.
            until("the hidden one is there", || runs.living() >= 2).await;
            let supervisor = run.supervisor().unwrap();
            let exit = match who {
                "own end" => {
                    runs.write("go");
                    RunExit::Code(3)
                }
                "supervisor" => {
                    assert!(supervisor.signal(Signal::KILL));
                    RunExit::Lost
                }
                "guard" => {
                    assert!(guard(&run).signal(Signal::KILL));
                    RunExit::Signal(9)
                }
                _ => {
                    assert!(within(run.end(Duration::ZERO)).await.is_complete());
                    RunExit::Killed(KillReason::Wanted)
                }
            };
            assert_eq!(ended(&run).await, exit, "{isolation:?} {who}");
            until("nothing lives", || runs.living() == 0 && !supervisor.is_alive()).await;
            assert_nothing_left(&runs, &run, isolation).await;
        }
    }
}

#[tokio::test]
async fn p5_a_run_that_somebody_stopped_is_ended_by_its_timeout() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let mut spec = runs.spec(isolation, &kept(BEST_HIDDEN, "kill -STOP $PPID; kill -STOP $$; TAG 300"));
        spec.timeout = Duration::from_secs(1);
        let run = launch(&spec).await.unwrap();
        assert_eq!(ended(&run).await, RunExit::Timeout, "{isolation:?}");
        assert_eq!(runs.living(), 0, "{isolation:?}");
    }
}

#[tokio::test]
async fn a_program_that_obeys_term_gets_its_grace() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let run = runs
            .launch(isolation, "trap 'echo bye >obeyed; exit 0' TERM; echo >ready; while :; do sleep 0.05; done")
            .await;
        runs.until_written("ready").await;
        let proof = within(run.end(Duration::from_secs(20))).await;
        assert!(proof.is_complete() && runs.slot().join("obeyed").exists(), "{isolation:?}: {proof:?}");
    }
}

#[tokio::test]
async fn bystanders_live_on() {
    let runs = Runs::new();
    let start = |script: &str| {
        let mut command = std::process::Command::new("setsid");
        command.args(["sh", "-c", script]).current_dir(runs.slot()).stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    // Older than the run, in its slot; and a follower of its log, started later elsewhere.
    let mut older = start("echo >older; exec sleep 300");
    runs.until_written("older").await;
    // Ages are told in ticks of 10 ms: what starts in the tick of the supervisor cannot be told from something younger.
    let born = Identity::of(older.id()).unwrap().born;
    until("the clock ticks", || {
        let mut other = start("sleep 300");
        let later = Identity::of(other.id()).unwrap().born > born;
        other.kill().unwrap();
        other.wait().unwrap();
        later
    })
    .await;
    let run = runs.launch(Isolation::Search, "echo >ready; TAG 300").await;
    runs.until_written("ready").await;
    let follow = format!("cd /; exec tail -f '{}' >/dev/null", run.dir().join("out.log").display());
    let mut follower = start(&follow);
    let pids = [older.id(), follower.id()];
    until("the follower follows", || procfs::open_files(pids[1]).iter().any(|(p, _)| p.ends_with("out.log"))).await;
    let living = pids.map(|pid| Identity::of(pid).unwrap());
    assert_nothing_left(&runs, &run, Isolation::Search).await;
    assert_eq!(living.map(|one| one.is_alive()), [true, true]);
    for child in [&mut older, &mut follower] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn p5_a_run_whose_directory_is_gone_before_its_start_is_read_is_ended() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let mut spec = runs.spec(isolation, &kept(": > ready", "TAG 300"));
        let (said, between) = (runs.slot().join("said"), runs.slot().join("between"));
        // What the supervisor says arrives when nothing of the directory is left.
        let text = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\n{} \"$@\" >{said} &\n\
             until grep -q started {said} && [ -e {ready} ]; do sleep 0.01; done\nrm -rf \"$2\"\necho started\n",
            program().display(),
            said = said.display(),
            ready = runs.slot().join("ready").display(),
        );
        std::fs::write(&between, text).unwrap();
        std::fs::set_permissions(&between, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        spec.program = between;
        assert!(within(launch(&spec)).await.is_err(), "{isolation:?}");
        assert_eq!(runs.living(), 0, "{isolation:?}");
    }
}
