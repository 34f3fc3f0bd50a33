//! What a session on a host costs on the line: round trips and bytes, counted by somebody who reads along.

use super::remote::{Line, alive, host_of, mission, prepare, program, run, settings};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{
    CollectOrder, CollectOutcome, PrepareOrder, Release, RunKey, RunOrder, SessionFolder, Start,
};
use mission_control::domain::values::UnitId;
use rustix::fs::{CWD, FileType, Mode};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

/// What went over the line.
#[derive(Debug, Default)]
struct Seen {
    /// Requests by name, as they were sent.
    requests: Vec<String>,
    /// For each that has no answer yet, the trip it belongs to: it was sent after answers of the one before.
    open: HashMap<u64, usize>,
    trips: usize,
    /// Both ways.
    bytes: usize,
}

/// Reads along between an engine and the worker.
struct Tap {
    program: PathBuf,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

/// A frame as it is, and what it says.
pub fn read_frame(from: &mut impl Read) -> io::Result<(Vec<u8>, Value)> {
    let mut lengths = [0; 8];
    from.read_exact(&mut lengths)?;
    let number = |at: usize| u32::from_be_bytes(lengths[at..at + 4].try_into().unwrap()) as usize;
    let (mut text, mut bytes) = (vec![0; number(0)], vec![0; number(4)]);
    from.read_exact(&mut text)?;
    from.read_exact(&mut bytes)?;
    let message = serde_json::from_slice(&text)?;
    Ok(([&lengths[..], &text, &bytes].concat(), message))
}

impl Tap {
    fn new(world: &World) -> Self {
        let (home, way) = (world.home(), world.home().join("way"));
        let text = format!("#!/bin/sh\nexec 3<&0\ncat <&3 > {0}/asked &\nexec cat {0}/answers\n", home.display());
        std::fs::write(&way, text).unwrap();
        std::fs::set_permissions(&way, PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["asked", "answers"] {
            rustix::fs::mknodat(CWD, home.join(name), FileType::Fifo, Mode::RWXU, 0).unwrap();
        }
        let mut command = Command::new(program());
        command.arg("worker").arg("--root").arg(world.state().join("worker")).env_clear().env("HOME", &home);
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("GIT_CONFIG_SYSTEM", "/dev/null").current_dir("/");
        let seen: Arc<(Mutex<Seen>, Condvar)> = Arc::default();
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut asked = File::open(home.join("asked")).unwrap();
            let mut answers = File::options().write(true).open(home.join("answers")).unwrap();
            let mut worker = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (mut to, mut from) = (worker.stdin.take().unwrap(), worker.stdout.take().unwrap());
            let back = Arc::clone(&told);
            let answering = std::thread::spawn(move || {
                while let Ok((frame, message)) = read_frame(&mut from) {
                    note_answer(&back, &frame, &message);
                    if answers.write_all(&frame).is_err() {
                        return;
                    }
                }
            });
            while let Ok((frame, message)) = read_frame(&mut asked) {
                note_request(&told, &frame, &message);
                if to.write_all(&frame).is_err() {
                    break;
                }
            }
            drop(to);
            worker.wait().unwrap();
            answering.join().unwrap();
        });
        Self { program: way, seen }
    }

    /// What went over the line since it was last asked: requests, round trips, bytes.
    fn take(&self) -> (Vec<String>, usize, usize) {
        let mut seen = self.seen.0.lock().unwrap();
        let taken = std::mem::take(&mut *seen);
        (taken.requests, taken.trips, taken.bytes)
    }
}

fn note_request((seen, told): &(Mutex<Seen>, Condvar), frame: &[u8], message: &Value) {
    let mut seen = seen.lock().unwrap();
    seen.bytes += frame.len();
    let id = message["id"].as_u64().unwrap();
    if id != 0 {
        let body = &message["body"];
        let name = body.as_str().or_else(|| Some(body.as_object()?.keys().next()?.as_str())).unwrap();
        seen.requests.push(name.to_owned());
        let trip = seen.trips + 1;
        seen.open.insert(id, trip);
        told.notify_all();
    }
}

/// The answer to `Brought` is held back until something else is asked: nobody may wait for it.
fn note_answer((seen, told): &(Mutex<Seen>, Condvar), frame: &[u8], message: &Value) {
    let mut seen = seen.lock().unwrap();
    seen.bytes += frame.len();
    if message["body"] == "Began" {
        return;
    }
    let id = message["id"].as_u64().unwrap();
    if seen.open.contains_key(&id) && seen.requests.last().is_some_and(|name| name == "Brought") {
        seen = told.wait_while(seen, |seen| seen.requests.last().is_some_and(|name| name == "Brought")).unwrap();
    }
    if let Some(trip) = seen.open.remove(&id) {
        seen.trips = seen.trips.max(trip);
    }
}

/// The nth session: its workspace stands at `main`, which has moved on when its work is collected. What went over the line for all of it,
/// and the bytes of all but the run.
async fn session(world: &World, host: &Host, tap: &Tap, n: u32) -> (Vec<String>, usize, usize) {
    let unit = UnitId::new("u").unwrap();
    let (key, base) = (RunKey::of_attempt(&mission(), &unit, n), world.id("main").await);
    let order =
        PrepareOrder { label: key.to_string(), setup: key.join("setup"), session: Some(key.clone()), ..prepare(&base) };
    host.prepare(&order, alive()).await.unwrap();
    let prepared = tap.take();
    let folder = SessionFolder { key: key.clone(), brief: "do it\n".to_owned(), base: None };
    let order = RunOrder { key: key.join("run"), session: Some(folder), ..run() };
    let ended = host.run(&order, Start::IfNew, alive(), || ()).await;
    assert_eq!(std::fs::read_to_string(ended.log.unwrap()).unwrap(), "do it\ntold\n");
    let ran = tap.take();
    let green = world.commit("other", &format!("{n}\n")).await;
    let order =
        CollectOrder { slot: 1, mission: mission(), unit, number: n, base: base.clone(), green, take_elsewhere: true };
    let CollectOutcome::Pinned(found) = host.collect(&order).await.unwrap() else { panic!("it is pinned") };
    assert_eq!(world.id(&format!("refs/mc/attempts/m1/u/{n}")).await, found.head.commit);
    let collected = tap.take();
    host.release(1, key.as_str(), &Release::Collected { base, stuck: None }).await.unwrap();
    let released = tap.take();
    let parts = [&prepared, &ran, &collected, &released];
    let requests = parts.iter().flat_map(|part| part.0.clone()).collect();
    (requests, parts.iter().map(|part| part.1).sum(), prepared.2 + collected.2 + released.2)
}

#[test]
fn p13_a_session_on_a_host_needs_six_round_trips_and_little_more_than_what_it_changed() {
    within_a_minute(async {
        let world = World::new().await;
        world.sh("head -c 600000 /dev/urandom > large && git add large && git commit -qm large").await;
        let tap = Tap::new(&world);
        let host = host_of(&world, Line::to(tap.program.clone()), settings()).await;
        host.used_slots().await.unwrap();
        tap.take();
        // The first one finds out what is there, and sends all of it.
        for n in 1..=3 {
            // Later ones stand at commits that are new there, too.
            world.commit("before", &format!("{n}\n")).await;
            let (requests, trips, bytes) = session(&world, &host, &tap, n).await;
            println!("session {n}: {trips} round trips, {bytes} bytes beside its run: {}", requests.join(" "));
            assert!(trips <= if n == 1 { 7 } else { 6 }, "{trips}: {requests:?}");
            assert_eq!(bytes > 600_000, n == 1);
            assert!(n == 1 || bytes <= 64 << 10, "{bytes}");
        }
        // What there is to tell was told.
        let mirror = world.state().join("worker/s1/mirror.git");
        let told = world.sh_in(&mirror, "git for-each-ref --format='%(refname)' refs/mc/brought/attempts").await;
        assert_eq!(told.lines().count(), 3, "{told}");
    });
}

#[test]
fn p12_a_mirror_that_lost_what_was_sent_to_it_gets_it_again() {
    within_a_minute(async {
        let world = World::new().await;
        let tap = Tap::new(&world);
        let host = host_of(&world, Line::to(tap.program.clone()), settings()).await;
        session(&world, &host, &tap, 1).await;
        let mirror = world.state().join("worker/s1/mirror.git");
        std::fs::remove_dir_all(mirror.join("refs/mc")).unwrap();
        for folder in std::fs::read_dir(mirror.join("objects")).unwrap() {
            let folder = folder.unwrap();
            if folder.file_name().len() == 2 {
                std::fs::remove_dir_all(folder.path()).unwrap();
            }
        }
        let (requests, ..) = session(&world, &host, &tap, 2).await;
        assert!(requests.iter().any(|name| name == "Compare"), "{requests:?}");
    });
}
