//! P4 and P12: claim, adoption, exit codes, the reconcile table with every fault, and what a program gets to see.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::host::world::{Runs, ended, isolations, log, program, supervise, supervise_by, until, within};
use mission_control::adapters::host::local::process::lock::RunLock;
use mission_control::adapters::host::local::process::procfs;
use mission_control::adapters::host::local::protocol::{Isolation, RunError, RunExit, RunSpec};
use mission_control::adapters::host::local::rundir::{Found, claim_ourselves, find, launch, prepare};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[tokio::test]
async fn exit_codes_are_right() {
    for isolation in isolations().await {
        let cases = [
            ("exit 0", RunExit::Code(0)),
            ("exit 3", RunExit::Code(3)),
            ("exit 255", RunExit::Code(255)),
            ("no-such-program-anywhere", RunExit::Code(127)),
            ("kill -9 $$", RunExit::Signal(9)),
            ("kill -TERM $$", RunExit::Signal(15)),
        ];
        for (script, expected) in cases {
            let runs = Runs::new();
            let run = runs.launch(isolation, script).await;
            assert_eq!(ended(&run).await, expected, "{isolation:?} {script}");
        }
        let runs = Runs::new();
        let mut spec = runs.spec(isolation, "");
        spec.argv = vec!["/no/such/program".into()];
        assert_eq!(ended(&launch(&spec).await.unwrap()).await, RunExit::Code(127), "{isolation:?}");
    }
}

/// Its end may come before the word of its start.
#[tokio::test]
async fn p2_a_run_on_record_has_started_whatever_its_supervisor_came_to_say() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let silent = runs.slot().join("silent");
        let script = format!("#!/bin/sh\n{} \"$@\" | grep -v started\n", program().display());
        std::fs::write(&silent, script).unwrap();
        std::fs::set_permissions(&silent, std::fs::Permissions::from_mode(0o755)).unwrap();
        let run = launch(&RunSpec { program: silent, ..runs.spec(isolation, "exit 3") }).await.unwrap();
        assert_eq!(ended(&run).await, RunExit::Code(3), "{isolation:?}");
    }
}

#[tokio::test]
async fn h52_fifty_megabytes_of_output_do_not_block() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let script = "head -c 52428800 /dev/zero | tr '\\0' x; echo end; echo err >&2";
        let run = runs.launch(isolation, script).await;
        assert_eq!(ended(&run).await, RunExit::Code(0), "{isolation:?}");
        let bytes = std::fs::read(run.dir().join("out.log")).unwrap();
        assert_eq!(bytes.len(), 52_428_800 + 8);
        assert!(bytes[..52_428_800].iter().all(|b| *b == b'x') && bytes.ends_with(b"end\nerr\n"));
        assert_eq!(run.read_activity().0, 52_428_808);
    }
}

#[tokio::test]
async fn p12_standard_error_may_have_a_file_of_its_own_which_counts_as_output() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let script = "echo out; echo err >&2; echo more >>/dev/stderr";
        let spec = RunSpec { errors_apart: true, ..runs.spec(isolation, script) };
        let run = launch(&spec).await.unwrap();
        ended(&run).await;
        let read = |name: &str| std::fs::read_to_string(run.dir().join(name)).unwrap();
        assert_eq!((read("out.log"), read("err.log")), ("out\n".to_owned(), "err\nmore\n".to_owned()), "{isolation:?}");
        assert_eq!(run.read_activity().0, 13);
        assert_eq!(run.dir().join("err.log").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // What the supervisor has to say is no line of the program's output.
        let absent = RunSpec { errors_apart: true, ..Runs::new().spec(isolation, "") };
        let absent = RunSpec {
            dir: runs.dir().with_file_name("absent"),
            cwd: runs.slot(),
            argv: vec!["mc-no-such-program".into()],
            ..absent
        };
        let run = launch(&absent).await.unwrap();
        assert_eq!(ended(&run).await, RunExit::Code(127), "{isolation:?}");
        let read = |name: &str| std::fs::read_to_string(run.dir().join(name)).unwrap();
        assert!(
            read("out.log").is_empty() && read("err.log").contains("mc-no-such-program"),
            "{isolation:?}: {}",
            read("err.log")
        );
    }
}

#[tokio::test]
async fn p12_the_program_gets_exactly_its_environment_arguments_and_input() {
    let odd = OsString::from_vec((1..=255_u8).collect());
    for isolation in isolations().await {
        let runs = Runs::new();
        let input = runs.slot().join("in put");
        std::fs::write(&input, "the brief").unwrap();
        let mut spec = runs.spec(isolation, "");
        spec.stdin = Some(input);
        spec.argv = vec![
            "sh".into(),
            "-c".into(),
            "cat; printf '%s\\n' \"$#\" >count; printf %s \"$1\" >arg; umask >umask
             ls /proc/self/fd >fds; grep -E 'SigIgn|SigBlk' /proc/self/status >signals; pwd"
                .into(),
            "zero".into(),
            odd.clone(),
            "".into(),
            "$(touch pwned) `touch pwned`; 'touch pwned'\n".into(),
        ];
        let run = launch(&spec).await.unwrap();
        assert_eq!(ended(&run).await, RunExit::Code(0), "{}", log(run.dir()));
        let read = |name: &str| std::fs::read(runs.slot().join(name)).unwrap();
        assert_eq!((read("count"), read("arg")), (b"3\n".to_vec(), odd.clone().into_vec()));
        // The last is that of `ls` itself.
        assert_eq!(read("fds"), b"0\n1\n2\n3\n", "nothing of the engine or the supervisor is open");
        let signals = String::from_utf8(read("signals")).unwrap();
        let mask = |text: &str| {
            let lines = text.lines().filter(|line| line.starts_with("SigIgn") || line.starts_with("SigBlk"));
            let masks = lines.map(|l| u64::from_str_radix(l.split_whitespace().nth(1).unwrap(), 16).unwrap());
            masks.fold((0, 0), |(count, all), mask| (count + 1, all | mask))
        };
        // What this test's own parent ignores (in the background of a script: INT and QUIT) is none of our business, nor are
        // SIGPIPE and real-time signals; INT, QUIT, TERM, CHLD are.
        let (lines, masked) = mask(&signals);
        let (_, inherited) = mask(&std::fs::read_to_string("/proc/self/status").unwrap());
        assert!(lines == 2 && masked & !inherited & 0x1_4006 == 0, "{signals}");
        assert!(!runs.slot().join("pwned").exists());
        assert_eq!(log(run.dir()), format!("the brief{}\n", runs.slot().display()));
        assert!(!run.dir().join("command").exists(), "secrets do not stay on disk");
        for (name, mode) in [("", 0o700), ("out.log", 0o600), ("exit", 0o600), ("start", 0o600), ("run", 0o600)] {
            let found = std::fs::metadata(run.dir().join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{name}");
        }
    }
}

#[tokio::test]
async fn p12_the_environment_is_exactly_the_given_one() {
    let odd = OsString::from_vec((1..=255_u8).collect());
    for isolation in isolations().await {
        let runs = Runs::new();
        let mut spec = runs.spec(isolation, "");
        spec.argv = ["/usr/bin/env", "-0"].map(Into::into).to_vec();
        spec.env = [("ODD", odd.clone()), ("EMPTY", "".into()), ("TRAIL", "a\n\n".into()), ("IFS", "x".into())]
            .map(|(name, value)| (name.into(), value))
            .to_vec();
        let run = launch(&spec).await.unwrap();
        assert_eq!(ended(&run).await, RunExit::Code(0), "{}", log(run.dir()));
        let raw = std::fs::read(run.dir().join("out.log")).unwrap();
        let mut seen: Vec<Vec<u8>> = raw.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
        let cookie = (OsString::from("MC_RUN_COOKIE"), OsString::from(&spec.cookie));
        let mut wanted: Vec<Vec<u8>> = vec![Vec::new()];
        for (name, value) in spec.env.iter().chain([&cookie]) {
            wanted.push([name.clone(), "=".into(), value.clone()].into_iter().collect::<OsString>().into_vec());
        }
        seen.sort();
        wanted.sort();
        assert_eq!(seen, wanted, "{isolation:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_passed_on_is_refused() {
    let runs = Runs::new();
    let spec = |change: &dyn Fn(&mut RunSpec)| {
        let mut spec = runs.spec(Isolation::Search, "true");
        change(&mut spec);
        spec
    };
    let nul = spec(&|s| s.argv.push("a\0b".into()));
    assert!(matches!(launch(&nul).await, Err(RunError::Nul { .. })));
    for name in ["", "A\0B", "A=B"] {
        let odd = spec(&|s| s.env.push((name.into(), "1".into())));
        assert!(matches!(launch(&odd).await, Err(RunError::Name { .. })), "{name}");
    }
    assert!(matches!(launch(&spec(&|s| s.argv.clear())).await, Err(RunError::Empty)));
    assert!(matches!(launch(&spec(&|s| s.cookie = "a b".into())).await, Err(RunError::Cookie { .. })));
    assert!(!runs.dir().exists());
}

#[tokio::test]
async fn a_directory_that_cannot_be_claimed_is_not_said_to_be_taken() {
    let runs = Runs::new();
    // Nobody can make anything below a file, with whatever rights.
    runs.write("file");
    let said = supervise(&runs.slot().join("file/run")).wait_with_output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.starts_with("claim the run directory: ") && said.contains("Not a directory"), "{said}");
}

#[tokio::test]
async fn p4_exactly_one_claimer_wins() {
    let all = isolations().await;
    for round in 0..10 {
        let isolation = all[round / 2 % all.len()];
        let runs = Runs::new();
        let dir = prepare(&runs.spec(isolation, "echo x >>ran")).unwrap();
        assert!(matches!(find(&dir).await, Found::NeverStarted));
        let supervisors = [supervise(&dir), supervise(&dir)];
        let ours = if round % 2 == 0 { false } else { claim_ourselves(&dir).unwrap() };
        let said: Vec<String> = supervisors
            .into_iter()
            .map(|child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
            .collect();
        let started = said.iter().filter(|s| s.trim() == "started").count();
        assert_eq!(started + usize::from(ours), 1, "{said:?} {ours}");
        assert_eq!(said.iter().filter(|s| s.trim() == "claimed").count(), 2 - started);
        if ours {
            assert!(matches!(find(&dir).await, Found::NeverStarted) && !runs.slot().join("ran").exists());
            assert!(claim_ourselves(&dir).unwrap(), "winning twice is winning");
        } else {
            assert!(!claim_ourselves(&dir).unwrap());
            until("it ran once", || std::fs::read_to_string(runs.slot().join("ran")).is_ok_and(|t| t == "x\n")).await;
        }
    }
    let runs = Runs::new();
    assert!(claim_ourselves(&runs.dir()).unwrap(), "a directory that was never made can be claimed");
    assert!(matches!(launch(&runs.spec(Isolation::Search, "true")).await, Err(RunError::Taken { .. })));
}

#[tokio::test]
async fn p4_a_running_run_is_adopted() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let script = "echo one; until [ -e go ]; do sleep 0.05; done; echo two; exit 7";
        drop(runs.launch(isolation, script).await);
        let Found::Running(adopted) = find(&runs.dir()).await else { panic!("not running: {isolation:?}") };
        runs.write("go");
        assert_eq!(ended(&adopted).await, RunExit::Code(7), "{isolation:?}");
        assert!(matches!(find(&runs.dir()).await, Found::Ended(RunExit::Code(7))));
        assert_eq!(log(&runs.dir()), "one\ntwo\n");
    }
}

/// Not a test of its own: the engine that `p4_a_killed_engine_is_survived` kills.
#[tokio::test]
async fn as_an_engine_that_will_be_killed() {
    let Some(home) = std::env::var_os("MC_TEST_ENGINE_HOME") else { return };
    let home = Path::new(&home);
    let _lock = RunLock::acquire(&home.join("engine.lock"), Duration::ZERO).unwrap();
    let mut runs = Runs::new();
    let tag = std::env::var("MC_TEST_ENGINE_TAG").unwrap();
    runs.tag.clone_from(&tag);
    let isolation: Isolation = std::env::var("MC_TEST_ENGINE_ISOLATION").unwrap().parse().unwrap();
    let mut spec = runs.spec(isolation, "until [ -e go ]; do sleep 0.05; done; exit 9");
    spec.dir = home.join("runs/r1");
    spec.cwd = home.join("slot");
    spec.search_roots = vec![spec.cwd.clone()];
    let _run = launch(&spec).await.unwrap();
    std::fs::write(home.join("slot/launched"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn p4_a_killed_engine_is_survived() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let mut engine = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host::protocol::as_an_engine_that_will_be_killed", "--nocapture"])
            .env("MC_TEST_ENGINE_HOME", runs.home.path())
            .env("MC_TEST_ENGINE_TAG", &runs.tag)
            .env("MC_TEST_ENGINE_ISOLATION", isolation.word())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        runs.until_written("launched").await;
        engine.kill().unwrap();
        engine.wait().unwrap();
        let _lock =
            RunLock::acquire(&runs.home.path().join("engine.lock"), Duration::ZERO).expect("runs never hold the lock");
        let Found::Running(adopted) = find(&runs.dir()).await else { panic!("not running: {isolation:?}") };
        adopted.renew_lease().unwrap();
        runs.write("go");
        assert_eq!(ended(&adopted).await, RunExit::Code(9), "{isolation:?}");
    }
}

#[tokio::test]
async fn p4_an_engine_that_is_gone_before_the_start_is_survived() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let mut spec = runs.spec(isolation, "echo >ready; TAG 300");
        // Long enough to be found running, however busy the machine is.
        spec.lease = Duration::from_secs(4);
        let dir = prepare(&spec).unwrap();
        let mut supervisor = supervise(&dir);
        // Nobody will read what it says.
        drop(supervisor.stdout.take());
        runs.until_written("ready").await;
        let Found::Running(run) = find(&dir).await else { panic!("not running: {isolation:?}") };
        assert_eq!(ended(&run).await, RunExit::LeaseExpired, "{isolation:?}");
        supervisor.wait().unwrap();
        assert_eq!(runs.living(), 0);
    }
}

#[tokio::test]
async fn p4_every_fault_of_a_power_loss_has_its_row() {
    let runs = Runs::new();
    let dir = runs.dir();
    assert!(matches!(find(&dir).await, Found::Gone), "no directory");
    let run = runs.launch(Isolation::Search, "exit 0").await;
    assert_eq!(ended(&run).await, RunExit::Code(0));
    // The supervisor lives on for a moment after it wrote `exit`; whoever tears files now would see it alive.
    until("the supervisor has left", || {
        !run.supervisor().unwrap().is_alive() && run.search_criteria().scan(true).is_empty()
    })
    .await;
    let start = std::fs::read_to_string(dir.join("start")).unwrap();
    for cut in ["", "co", "code 0", "code 0\n", "code 0\nen"] {
        std::fs::write(dir.join("exit"), cut).unwrap();
        assert!(matches!(find(&dir).await, Found::Gone), "exit cut to {cut:?}");
    }
    assert_eq!(within(run.wait()).await, RunExit::Lost);
    for cut in [0, 5, start.len() / 2, start.len() - 1] {
        std::fs::write(dir.join("start"), &start[..cut]).unwrap();
        assert!(matches!(find(&dir).await, Found::Gone), "start cut to {cut}");
    }
    std::fs::remove_file(dir.join("start")).unwrap();
    assert!(matches!(find(&dir).await, Found::Gone), "claimed, never on record, dead");
    std::fs::write(dir.join("run"), "").unwrap();
    assert!(matches!(find(&dir).await, Found::Gone), "settings lost");
    std::fs::remove_dir(dir.join("claim")).unwrap();
    assert!(matches!(find(&dir).await, Found::NeverStarted));
}

#[tokio::test]
async fn p4_another_boot_or_another_process_with_that_pid_is_gone() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let run = runs.launch(isolation, "TAG 300").await;
        let path = run.dir().join("start");
        let start = std::fs::read_to_string(&path).unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        std::fs::write(&path, start.replace(boot.trim(), "11111111-2222")).unwrap();
        assert!(matches!(find(run.dir()).await, Found::Gone), "another boot");
        let born = run.supervisor().unwrap().born;
        std::fs::write(&path, start.replacen(&format!("\"born\":{born}"), &format!("\"born\":{}", born - 1), 1))
            .unwrap();
        let Found::HalfDead(other) = find(run.dir()).await else { panic!("the pid was taken for the supervisor") };
        assert_eq!(within(other.wait()).await, RunExit::Lost);
        std::fs::write(&path, start).unwrap();
        assert!(matches!(find(run.dir()).await, Found::Running(_)));
        assert!(within(run.end(Duration::ZERO)).await.is_complete());
        assert_eq!(runs.living(), 0);
    }
}

#[tokio::test]
async fn p4_a_run_whose_files_cannot_be_read_is_not_gone_while_it_lives() {
    for isolation in isolations().await {
        for lost in ["run", "run start"] {
            let runs = Runs::new();
            let run = runs.launch(isolation, "TAG 300").await;
            for file in lost.split(' ') {
                std::fs::write(run.dir().join(file), "{\"written\": \"by another mc\"}").unwrap();
            }
            let (Found::Running(found) | Found::Starting(found)) = find(run.dir()).await else {
                panic!("{isolation:?}: it lives, and {lost} cannot be read")
            };
            let proof = within(found.end(Duration::ZERO)).await;
            assert!(proof.is_complete() && runs.living() == 0, "{isolation:?} {lost}: {proof:?}");
        }
    }
}

#[tokio::test]
async fn p4_a_run_that_is_starting_is_adopted_and_can_be_ended() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let dir = prepare(&runs.spec(isolation, "echo x >ran; TAG 300")).unwrap();
        // A fifo in the place of the record keeps the supervisor before the gate.
        rustix::fs::mknodat(rustix::fs::CWD, dir.join("start.tmp"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let mut supervisor = supervise(&dir);
        until("claimed", || dir.join("claim").exists()).await;
        let Found::Starting(run) = find(&dir).await else { panic!("not starting: {isolation:?}") };
        let proof = within(run.end(Duration::ZERO)).await;
        assert!(proof.is_complete(), "{isolation:?}: {proof:?}");
        supervisor.wait().unwrap();
        assert_eq!(within(run.wait()).await, RunExit::Lost);
        assert!(matches!(find(&dir).await, Found::Gone), "{isolation:?}");
        assert!(!runs.slot().join("ran").exists(), "the gate never opened");
    }
}

#[tokio::test]
async fn p4_a_supervisor_killed_before_the_gate_never_runs_its_program() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let dir = prepare(&runs.spec(isolation, "echo x >ran; TAG 300")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, dir.join("start.tmp"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let mut supervisor = supervise(&dir);
        let stage: &[u8] = if isolation == Isolation::Search { b"program" } else { b"init" };
        let at_gate = |args: Vec<Vec<u8>>| {
            args.windows(2).any(|w| w[0].starts_with(dir.as_os_str().as_encoded_bytes()) && w[1] == stage)
        };
        until("the loader waits", || {
            procfs::list_processes().iter().any(|(pid, _)| at_gate(procfs::read_arguments(*pid)))
        })
        .await;
        let Found::Starting(run) = find(&dir).await else { panic!("not starting: {isolation:?}") };
        assert!(run.supervisor().unwrap().signal_group(rustix::process::Signal::KILL));
        supervisor.wait().unwrap();
        until("the loader gives up by itself", || run.search_criteria().scan(true).is_empty() && runs.living() == 0)
            .await;
        assert!(matches!(find(&dir).await, Found::Gone) && !runs.slot().join("ran").exists(), "{isolation:?}");
        assert!(!dir.join("command").exists(), "{isolation:?}: what was to be run may hold secrets");
    }
}

#[tokio::test]
async fn p12_what_was_left_open_when_mc_was_started_is_not_for_the_program() {
    for isolation in isolations().await {
        let runs = Runs::new();
        let dir = prepare(&runs.spec(isolation, "ls /proc/self/fd >fds; echo >ready")).unwrap();
        let supervisor = supervise(&dir);
        let own = |child: std::process::Child| child.wait_with_output().unwrap();
        own(supervisor);
        let plain = std::fs::read(runs.slot().join("fds")).unwrap();
        let runs = Runs::new();
        let dir = prepare(&runs.spec(isolation, "ls /proc/self/fd >fds; echo >ready")).unwrap();
        let mut open = Command::new("sh");
        open.args(["-c", "exec 3</etc/hostname 7>>\"$0\"; exec \"$@\""]).arg(runs.slot().join("lock"));
        own(supervise_by(open, &dir));
        assert_eq!(std::fs::read(runs.slot().join("fds")).unwrap(), plain, "{isolation:?}");
    }
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named_in_the_log() {
    let runs = Runs::new();
    let mut spec = runs.spec(Isolation::Search, "true");
    spec.cwd = "/no/such/folder".into();
    let run = launch(&spec).await.unwrap();
    assert_eq!(ended(&run).await, RunExit::Code(125));
    assert!(log(run.dir()).contains("/no/such/folder"), "{}", log(run.dir()));
}
