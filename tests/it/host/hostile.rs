//! A host that lies: what comes over its line is bounded by what was asked, decides nothing else, and names no file, ref or commit here
//! that was not asked for.

use super::remote::{Line, alive, host_of, key, mission, prepare, run, settings};
use super::trips::read_frame;
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{CollectOrder, NotFresh, NotReady, RunOrder, Start};
use mission_control::adapters::host::remote::late::note_host;
use mission_control::adapters::host::remote::protocol::{Limits, PART};
use mission_control::adapters::host::settings::HostSettings;
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::trouble::{Cause, Trouble};
use mission_control::domain::values::{CommitId, HostId, MissionId, UnitId};
use rustix::fs::{CWD, FileType, Mode};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What the host says to one request.
pub type Says = Vec<Vec<u8>>;

/// A frame with lengths that need not be true.
fn frame(lengths: (u32, u32), json: &[u8], bytes: &[u8]) -> Vec<u8> {
    [&lengths.0.to_be_bytes()[..], &lengths.1.to_be_bytes()[..], json, bytes].concat()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

pub fn reply_with(id: &Value, body: Value, bytes: &[u8]) -> Vec<u8> {
    let text = serde_json::to_vec(&json!({ "id": id, "body": body })).unwrap();
    frame((length(&text), length(bytes)), &text, bytes)
}

pub fn answer(id: &Value, given: Value) -> Vec<u8> {
    reply_with(id, json!({ "Answer": given }), &[])
}

pub fn fine(id: &Value, given: Value) -> Vec<u8> {
    answer(id, json!({ "Ok": given }))
}

/// Asks of a host that says what `says` gives for the name and the content of each request; greetings are answered.
pub struct Fake {
    pub host: Host,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    async fn new(
        world: &World,
        limits: Limits,
        says: impl FnMut(&str, &Value, &Value) -> Says + Send + 'static,
    ) -> Self {
        Self::told(world, limits, settings(), says).await
    }

    /// The same to which these settings are told.
    pub async fn told(
        world: &World,
        limits: Limits,
        settings: HostSettings,
        says: impl FnMut(&str, &Value, &Value) -> Says + Send + 'static,
    ) -> Self {
        // Each has a way of its own.
        let home = world.home().join(format!("fake-{:08x}", fastrand::u32(..)));
        std::fs::create_dir(&home).unwrap();
        let way = home.join("way");
        let at = home.display();
        let text = format!("#!/bin/sh\nexec 3<&0\ncat <&3 > {at}/asked &\nexec cat {at}/answers\n");
        std::fs::write(&way, text).unwrap();
        std::fs::set_permissions(&way, std::fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["asked", "answers"] {
            rustix::fs::mknodat(CWD, home.join(name), FileType::Fifo, Mode::RWXU, 0).unwrap();
        }
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let names = Arc::clone(&asked);
        let mut says = says;
        std::thread::spawn(move || {
            while home.exists() {
                drop(talk(&home.join("asked"), &home.join("answers"), &names, &mut says));
            }
        });
        let patience = Duration::from_millis(300);
        let sessions = Some(world.state().join("sessions"));
        let missions = Some(Arc::new([MissionId::new("m1").unwrap(), MissionId::new("m2").unwrap()].into()));
        let line = Line { patience, limits, sessions, missions, ..Line::to(way) };
        let host = host_of(world, line, settings).await;
        Self { host, asked }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One connection, to its end.
fn talk(
    asked: &Path,
    answers: &Path,
    names: &Mutex<Vec<String>>,
    says: &mut (impl FnMut(&str, &Value, &Value) -> Says + Send + 'static),
) -> io::Result<()> {
    let (mut from, mut to) = (File::open(asked)?, File::options().write(true).open(answers)?);
    loop {
        let (_, message) = read_frame(&mut from)?;
        let (id, body) = (&message["id"], &message["body"]);
        let (name, content) = match body {
            Value::String(name) => (name.clone(), Value::Null),
            body => body.as_object().unwrap().iter().next().map(|(name, it)| (name.clone(), it.clone())).unwrap(),
        };
        let said = match name.as_str() {
            "Hello" => vec![answer(id, json!({ "protocol": content["protocol"], "version": "0" }))],
            "Renew" | "Cancel" => Vec::new(),
            name => says(name, id, &content),
        };
        names.lock().unwrap().push(name);
        said.iter().try_for_each(|frame| to.write_all(frame))?;
    }
}

/// One that answers every request alike.
async fn alike(world: &World, says: impl Fn(&Value) -> Says + Send + 'static) -> Fake {
    Fake::new(world, Limits::default(), move |_, id, _| says(id)).await
}

pub fn refused(trouble: &Trouble, word: &str) {
    assert_ne!(trouble.cause, Cause::Unreachable, "{trouble}");
    assert!(trouble.why.contains(word), "{trouble}");
}

fn lost(end: ProcessEnd) -> Trouble {
    match end {
        ProcessEnd::Infrastructure(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

#[test]
fn p12_an_answer_that_is_longer_than_what_was_asked_is_no_message() {
    within_a_minute(async {
        let lengths = [(0x3fff_ffff, 0), (0x3fff_ffff, 0x3fff_ffff), (2 << 20, 0), (u32::MAX, u32::MAX)];
        for lengths in lengths {
            let world = World::new().await;
            let fake = alike(&world, move |_| vec![frame(lengths, b"{", b"")]).await;
            let begun = Instant::now();
            refused(&fake.host.used_slots().await.unwrap_err(), "no message of mc");
            assert!(begun.elapsed() < Duration::from_secs(20), "it waited for what was named");
        }
        // Bytes go with few answers, and with each as many as were asked for.
        let world = World::new().await;
        let fake = alike(&world, |id| vec![reply_with(id, json!({ "Answer": { "Ok": [] } }), b"more")]).await;
        refused(&fake.host.used_slots().await.unwrap_err(), "no message of mc");
    });
}

#[test]
fn p12_output_without_end_is_kept_up_to_a_bound() {
    within_a_minute(async {
        let world = World::new().await;
        let limits = Limits { output: 3 << 20, ..Limits::default() };
        let part = vec![b'x'; usize::try_from(PART).unwrap()];
        let fake = Fake::new(&world, limits, move |name, id, _| match name {
            "Run" => vec![answer(id, ended())],
            _ => vec![reply_with(id, json!({ "Answer": { "Ok": null } }), &part)],
        })
        .await;
        let ended = fake.host.run(&run(), Start::IfNew, alive(), || ()).await;
        refused(&lost(ended.end), "longer than 3145728 bytes");
        // Nothing that a host names is opened here.
        let log = ended.log.unwrap();
        assert!(log.starts_with(world.state().join("runs")), "{}", log.display());
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 3 << 20);
    });
}

#[test]
fn p12_an_end_of_an_output_that_is_not_its_end_is_asked_for() {
    within_a_minute(async {
        let cases = [(9, 3, true), (3, 3, false), (0, 3, false), (2, 9, false), (u64::MAX, 0, true)];
        for (whole, sent, asks) in cases {
            let world = World::new().await;
            let fake = Fake::new(&world, Limits::default(), move |name, id, _| match name {
                "Run" => {
                    let mut ended = ended();
                    ended.as_array_mut().unwrap().push(json!([{ "whole": whole, "sent": sent }]));
                    vec![reply_with(id, json!({ "Answer": ended }), b"end")]
                }
                _ => vec![reply_with(id, json!({ "Answer": { "Ok": null } }), b"read")],
            })
            .await;
            let order = RunOrder { session: None, ..run() };
            let ended = fake.host.run(&order, Start::IfNew, alive(), || ()).await;
            let log = std::fs::read_to_string(ended.log.unwrap()).unwrap();
            assert_eq!(log, if asks { "read" } else { "end" }, "{whole} {sent}");
        }
    });
}

#[test]
fn p12_a_part_of_a_file_that_is_longer_than_a_part_is_no_message() {
    within_a_minute(async {
        let world = World::new().await;
        let part = vec![b'x'; usize::try_from(PART).unwrap() + 1];
        let fake = Fake::new(&world, Limits::default(), move |name, id, _| match name {
            "Run" => vec![answer(id, ended())],
            _ => vec![reply_with(id, json!({ "Answer": { "Ok": null } }), &part)],
        })
        .await;
        let ended = fake.host.run(&run(), Start::IfNew, alive(), || ()).await;
        refused(&lost(ended.end), "no message of mc");
    });
}

/// The end of a run as a host tells it.
pub fn ended() -> Value {
    let end = json!({
        "end": { "exited": 0 }, "overstayed": false, "log": "/etc/passwd", "proof": null,
        "ran": { "secs": 1, "nanos": 0 }, "result": null, "reports": []
    });
    json!([end, []])
}

#[test]
fn p12_answers_to_nobody_are_dropped_and_repeated_ones_count_once() {
    within_a_minute(async {
        let world = World::new().await;
        let mixed = |id: &Value| {
            let other = json!([{ "slot": 9, "label": "x" }]);
            let began = || reply_with(id, json!("Began"), &[]);
            let (unknown, own) = (json!(999_999), fine(id, json!([])));
            vec![fine(&unknown, other.clone()), fine(&json!(0), other.clone()), began(), began(), own, fine(id, other)]
        };
        let fake = alike(&world, mixed).await;
        for _ in 0..3 {
            assert_eq!(fake.host.used_slots().await.unwrap(), []);
        }
        assert_eq!(fake.asked().iter().filter(|name| *name == "Hello").count(), 1, "the line is not lost for it");
    });
}

#[test]
fn p12_what_is_no_message_or_none_of_that_shape_is_trouble_at_once() {
    within_a_minute(async {
        type Case = (fn(&Value) -> Says, &'static str);
        let cases: [Case; 6] = [
            (|_| vec![b"Last login: today\n and more".to_vec()], "no message of mc"),
            (|id| vec![b"\n\n".to_vec(), fine(id, json!([]))], "no message of mc"),
            (|_| vec![frame((4, 0), b"oops", b"")], "no message of mc"),
            (|_| vec![frame((2, 0), b"{}", b"")], "no message of mc"),
            (|id| vec![fine(id, json!({ "slots": 3 }))], "answers something else"),
            (|id| vec![fine(id, json!([{ "slot": -1, "label": 5 }]))], "answers something else"),
        ];
        for (says, word) in cases {
            let world = World::new().await;
            let fake = alike(&world, says).await;
            refused(&fake.host.used_slots().await.unwrap_err(), word);
        }
        // A reason is as long as people read.
        let world = World::new().await;
        let why = "no ".repeat(200_000);
        let says = move |id: &Value| vec![answer(id, json!({ "Err": { "cause": "spawn", "why": why } }))];
        let fake = alike(&world, says).await;
        let trouble = fake.host.used_slots().await.unwrap_err();
        assert!(trouble.why.starts_with("no no") && trouble.why.len() < 20_000, "{}", trouble.why.len());
        // An unknown kind of reply answers its request, and nothing else.
        let world = World::new().await;
        let fake = alike(&world, |id| vec![reply_with(id, json!({ "Later": 1 }), &[])]).await;
        refused(&fake.host.used_slots().await.unwrap_err(), "answers something else");
    });
}

#[test]
fn p10_a_host_that_lives_and_answers_nothing_is_out_of_reach() {
    within_a_minute(async {
        let world = World::new().await;
        let limits = Limits { answer: Duration::from_millis(300), ..Limits::default() };
        let fake = Fake::new(&world, limits, |_, _, _| vec![answer(&json!(0), Value::Null)]).await;
        let trouble = fake.host.used_slots().await.unwrap_err();
        assert_eq!(trouble.cause, Cause::Unreachable, "{trouble}");
    });
}

#[test]
fn p10_a_stop_waits_for_no_host_that_prepares_and_never_answers() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let (send, kill) = watch::channel(false);
        let fake = Fake::new(&world, Limits::default(), move |name, id, _| match name {
            "Compare" => vec![fine(id, json!({ "missing": [], "tips": [], "tags": [] }))],
            _ => {
                send.send_replace(true);
                Vec::new()
            }
        })
        .await;
        let begun = Instant::now();
        let stopped = fake.host.prepare(&prepare(&base), kill).await.unwrap_err();
        assert!(matches!(stopped, NotFresh::NotReady(NotReady::Killed)), "{stopped:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    });
}

#[test]
fn p12_commits_that_were_not_asked_for_are_not_sent() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        world.sh("git checkout -q -b secret && git commit -q --allow-empty -m secret && git checkout -q main").await;
        let secret = world.id("secret").await;
        let fake = Fake::new(&world, Limits::default(), move |name, id, _| match name {
            "Compare" => vec![fine(id, json!({ "missing": [secret.as_str()], "tips": [], "tags": [] }))],
            _ => vec![reply_with(id, json!({ "Refused": { "cause": "spawn", "why": "enough" } }), &[])],
        })
        .await;
        fake.host.prepare(&prepare(&base), alive()).await.unwrap_err();
        let sent: Vec<String> = fake.asked().into_iter().filter(|name| name == "Write" || name == "Import").collect();
        assert!(sent.is_empty(), "{sent:?}");
    });
}

/// What a host tells of work that it has collected.
pub fn found(head: &CommitId, tree: &str) -> Value {
    json!({
        "head": { "commit": head.as_str(), "tree": tree }, "fork": null, "changed": true, "commits": 1,
        "made_commit": false, "half_merge": false, "no_repository": false, "kept": 0, "left_by_setup": [],
        "taken_from": null, "elsewhere": [], "left_out": [], "holds": [], "notes": []
    })
}

/// The order to collect the first attempt.
pub fn collecting(base: CommitId) -> CollectOrder {
    let (unit, green) = (UnitId::new("u").unwrap(), base.clone());
    CollectOrder { slot: 1, mission: mission(), unit, number: 1, base, green, take_elsewhere: true }
}

/// A host that has collected `head`, and says that these refs pin something there: at once, or when it is asked for that.
async fn collected(world: &World, head: CommitId, pins: Value, pack: Vec<u8>, at_once: bool) -> (Fake, CollectOrder) {
    let base = world.id("main").await;
    let tree = world.sh("git rev-parse main^{tree}").await;
    let fake = Fake::new(world, Limits::default(), move |name, id, content| match name {
        "Compare" => vec![fine(id, json!({ "missing": [], "tips": [], "tags": [] }))],
        "Collect" => {
            let found = found(&head, &tree);
            match at_once {
                false => vec![fine(id, json!({ "Pinned": found }))],
                true => {
                    let given = json!({ "Ok": { "Pinned": found }, "pins": pins });
                    vec![reply_with(id, json!({ "Answer": given }), &pack)]
                }
            }
        }
        "Pins" => vec![fine(id, pins.clone())],
        "Export" => vec![fine(id, json!(pack.len()))],
        "Read" => {
            let at = usize::try_from(content[1].as_u64().unwrap()).unwrap().min(pack.len());
            vec![reply_with(id, json!({ "Answer": { "Ok": null } }), &pack[at..])]
        }
        _ => vec![fine(id, Value::Null)],
    })
    .await;
    (fake, collecting(base))
}

/// A pack with a commit on `main` whose tree is made of this entry.
async fn pack_of(world: &World, entry: &str) -> (CommitId, Vec<u8>) {
    pack_with(world, entry, "x").await
}

/// The same with this text in its file.
pub async fn pack_with(world: &World, entry: &str, text: &str) -> (CommitId, Vec<u8>) {
    let there = world.home().join("there");
    world.sh(&format!("git clone -q . {0}", there.display())).await;
    let text = format!(
        "blob=$(echo '{text}' | git hash-object -w --stdin)
         tree=$( {{ printf '{entry}\\0'; echo $blob | xxd -r -p; }} | git hash-object -t tree --literally -w --stdin )
         head=$(git -c user.name=a -c user.email=a@b commit-tree $tree -p HEAD -m x)
         printf '%s\\n^HEAD\\n' $head | git pack-objects -q --revs --stdout > ../pack; echo $head"
    );
    let head = CommitId::new(world.sh_in(&there, &text).await.trim()).unwrap();
    (head, std::fs::read(world.home().join("pack")).unwrap())
}

pub const PIN: &str = "refs/mc/attempts/m1/u/1";

#[test]
fn p12_objects_that_git_would_not_take_from_a_server_are_not_taken_from_a_host() {
    within_a_minute(async {
        let cases = [("100644 file", true), ("100644 .git", false), ("100644 ..", false)];
        for ((entry, sound), at_once) in cases.into_iter().flat_map(|case| [(case, false), (case, true)]) {
            let world = World::new().await;
            let (head, pack) = pack_of(&world, entry).await;
            let (fake, order) = collected(&world, head.clone(), json!([[PIN, head.as_str()]]), pack, at_once).await;
            let done = fake.host.collect(&order).await;
            let refs = world.sh("git for-each-ref refs/mc/").await;
            if sound {
                // Its tree is not what the host said.
                refused(&done.unwrap_err(), "tells of another tree");
                assert!(refs.contains(PIN), "what came is kept all the same: {refs}");
            } else {
                refused(&done.unwrap_err(), "git refuses");
                assert_eq!(refs, "", "{entry}");
            }
        }
    });
}

#[test]
fn p12_only_the_refs_of_the_attempt_are_made_and_only_of_commits() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let tree = world.sh("git rev-parse main^{tree}").await;
        let before = world.sh("git for-each-ref").await;
        // Ids that are none never reach a command line.
        for at_once in [false, true] {
            for id in ["--output=/tmp/x", "main", "../../x", ""] {
                let (fake, order) = collected(&world, base.clone(), json!([[PIN, id]]), Vec::new(), at_once).await;
                refused(&fake.host.collect(&order).await.unwrap_err(), "answers something else");
            }
            let (fake, order) = collected(&world, base.clone(), json!([[PIN, tree]]), Vec::new(), at_once).await;
            refused(&fake.host.collect(&order).await.unwrap_err(), "is no commit");
        }
        assert_eq!(world.sh("git for-each-ref").await, before);
        let others =
            ["refs/heads/main", "refs/heads/mc/green", "refs/mc/owner", "refs/mc/attempts/m1/u/2", "refs/mc/x"];
        let mut pins: Vec<Value> = others.iter().map(|name| json!([name, base.as_str()])).collect();
        pins.push(json!([PIN, base.as_str()]));
        for at_once in [false, true] {
            let (fake, order) = collected(&world, base.clone(), json!(pins), Vec::new(), at_once).await;
            fake.host.collect(&order).await.unwrap();
            let after = world.sh("git for-each-ref --format='%(refname)' refs/mc/").await;
            assert_eq!(after, PIN);
        }
        // What is pinned there late is taken of attempts that this engine has placed there, and of missions that it knows and whose
        // sessions it remembers no more.
        let local = HostId::local();
        for (attempt, host) in [("m1/u/3", &local), ("m1/u/4", &HostId::new("other").unwrap())] {
            let session = world.state().join("sessions").join(attempt);
            std::fs::create_dir_all(&session).unwrap();
            note_host(&session, host).unwrap();
        }
        let late = ["m9/u/1", "m2/u/1", "m1/u/3", "m1/u/4", "m1/u/5"];
        let pins = late.map(|attempt| json!([format!("refs/mc/attempts/{attempt}"), base.as_str()]));
        let (fake, _) = collected(&world, base.clone(), json!(pins), Vec::new(), false).await;
        fake.host.retry_quarantine().await.unwrap();
        for attempt in late {
            fake.host.recover(1, attempt, &base).await.unwrap();
        }
        let after = world.sh("git for-each-ref --format='%(refname)' refs/mc/").await;
        assert_eq!(after, format!("{PIN}\nrefs/mc/attempts/m1/u/3\nrefs/mc/attempts/m2/u/1"));
    });
}

#[test]
fn p1_a_commit_that_a_host_tells_of_and_has_not_pinned_is_no_work_of_an_attempt() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let head =
            world.sh("git commit -q --allow-empty -m other && git rev-parse HEAD && git reset -q --hard HEAD^").await;
        let head = CommitId::new(head.trim()).unwrap();
        for at_once in [false, true] {
            let pins = json!([[PIN, base.as_str()]]);
            let (fake, order) = collected(&world, head.clone(), pins, Vec::new(), at_once).await;
            refused(&fake.host.collect(&order).await.unwrap_err(), "is not what it has pinned");
        }
        assert_eq!(key().as_str(), "m1/u/1");
    });
}
