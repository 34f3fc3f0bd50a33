//! The cases of `docs/worker-protocol.md`, played against `mc worker` over a pipe with frames that are written here: whoever writes
//! another engine or worker can go by the document.

use super::outlive::tells_what_outlives_a_way;
use super::raw_worker::{Worker, hello, hello_with};
use crate::support::repo::{World, within_a_minute};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The document, whose list of cases is the list of what is played here.
const DOCUMENT: &str = include_str!("../../../docs/worker-protocol.md");

/// A case: its number and what is done.
type Case = (u32, fn() -> Pin<Box<dyn Future<Output = ()>>>);

macro_rules! cases {
    ($($number:literal $name:ident)*) => { &[$(($number, || Box::pin($name()))),*] };
}

const CASES: &[Case] = cases! {
    1 greets
    2 ignores_what_it_does_not_know
    3 refuses_another_protocol
    4 wants_a_greeting_first
    5 refuses_one_request_alone
    6 answers_each_number
    7 beats
    8 ends_when_its_engine_is_silent
    9 ends_with_its_stream
    10 takes_objects_once
    11 prepares_again
    12 runs_once
    13 ends_a_run_early
    14 reads_from_a_place_on
    15 collects_again
    16 gives_back_again
    17 refuses_an_older_engine
    18 waits_for_an_earlier_worker
    19 ends_given_up_runs_first
    20 refuses_what_is_too_long
    21 answers_to_renewals
    22 pins_work_in_progress
    23 refuses_names_that_lead_elsewhere
    24 takes_objects_with_their_message
    25 gives_what_would_be_asked_for_next
    26 tells_what_outlives_a_way
    27 forgets_what_is_over
    28 is_cleaned
};

#[test]
fn every_case_of_the_document_is_played() {
    let line = |line: &'static str| line.strip_prefix("| ")?.split(' ').next()?.parse::<u32>().ok();
    let listed: Vec<u32> = DOCUMENT.lines().filter_map(line).collect();
    assert_eq!(listed, CASES.iter().map(|(number, _)| *number).collect::<Vec<_>>());
}

#[test]
fn p12_a_worker_does_what_the_document_says() {
    for (number, case) in CASES {
        within_a_minute(async {
            println!("case {number}");
            case().await;
        });
    }
}

async fn greets() {
    let world = World::new().await;
    let answer = Worker::start(&world).ask("Hello", hello()).await;
    assert_eq!(answer["protocol"], 3);
    assert!(answer["version"].is_string() && answer["oldest"].is_number(), "{answer}");
}

async fn ignores_what_it_does_not_know() {
    let world = World::new().await;
    let mut newer = hello_with("protocol", json!(7));
    newer["surprise"] = json!({ "of": ["a", "later", "build"] });
    newer["settings"]["surprise"] = json!(1);
    // What was added since may be missing.
    for added in ["pin_every", "env"] {
        assert!(newer["settings"].as_object_mut().unwrap().remove(added).is_some());
    }
    newer["limits"]["surprise"] = json!(1);
    let mut worker = Worker::greeted(&world, newer).await;
    assert_eq!(worker.done("UsedSlots", Value::Null).await, json!([]));
}

async fn refuses_another_protocol() {
    let world = World::new().await;
    for (protocol, oldest, older) in [(9, 8, "worker"), (2, 1, "engine")] {
        let mut hello = hello_with("protocol", json!(protocol));
        hello["oldest"] = json!(oldest);
        // Whatever else it says.
        hello["settings"] = json!("of another form");
        let mut worker = Worker::start(&world);
        let why = worker.refused("Hello", hello).await;
        for word in ["the worker speaks protocol", &format!("protocols {oldest} to {protocol}"), older, "older one"] {
            assert!(why.contains(word), "{word}: {why}");
        }
        assert!(worker.receive().await.is_none());
    }
}

async fn wants_a_greeting_first() {
    let world = World::new().await;
    let mut worker = Worker::start(&world);
    assert!(worker.refused("UsedSlots", Value::Null).await.contains("does not greet"));
    assert!(worker.receive().await.is_none());
}

async fn refuses_one_request_alone() {
    let world = World::new().await;
    let mut worker = Worker::greeted(&world, hello()).await;
    for (name, content) in [("Juggle", json!([1])), ("Hold", json!("of another form"))] {
        assert!(worker.refused(name, content).await.contains("does not know what it is asked"));
    }
    assert_eq!(worker.done("UsedSlots", Value::Null).await, json!([]));
}

async fn answers_each_number() {
    let world = World::new().await;
    let mut worker = Worker::greeted(&world, hello()).await;
    let mut open = std::collections::BTreeSet::new();
    for _ in 0..20 {
        open.insert(worker.request("UsedSlots", Value::Null, &[]).await);
    }
    while !open.is_empty() {
        let (message, _) = worker.receive().await.unwrap();
        let id = message["id"].as_u64().unwrap();
        assert!(id == 0 || open.remove(&id), "{message}");
    }
}

fn quick(millis: u32) -> Value {
    json!({ "beat": { "secs": 0, "nanos": millis * 1_000_000 }, "longest": 1 << 20 })
}

async fn beats() {
    let world = World::new().await;
    let mut worker = Worker::greeted(&world, hello_with("limits", quick(100))).await;
    for _ in 0..3 {
        let (message, _) = worker.receive().await.unwrap();
        assert_eq!(message, json!({ "id": 0, "body": { "Answer": null } }));
    }
}

async fn ends_when_its_engine_is_silent() {
    let world = World::new().await;
    let mut worker = Worker::greeted(&world, hello_with("limits", quick(100))).await;
    while worker.receive().await.is_some() {}
    assert!(!worker.child.wait().await.unwrap().success());
}

async fn ends_with_its_stream() {
    let world = World::new().await;
    Worker::greeted(&world, hello()).await.end().await;
}

/// A worker whose mirror has the branch; the commit.
async fn furnished(world: &World, hello: Value) -> (Worker, String) {
    let mut worker = Worker::greeted(world, hello).await;
    let base = world.id("main").await.to_string();
    let compared = worker.done("Compare", json!([base])).await;
    if compared["missing"] == json!([]) {
        return (worker, base);
    }
    assert_eq!(compared["missing"], json!([base]));
    world.sh("printf 'main\\n' | git pack-objects -q --revs --stdout > ../pack").await;
    let pack = std::fs::read(world.home().join("pack")).unwrap();
    for _ in 0..2 {
        let id = worker.request("Write", json!(["t-1", 0]), &pack).await;
        assert_eq!(worker.reply(id).await.0, json!({ "Answer": { "Ok": null } }));
    }
    let import = json!({ "file": "t-1", "commits": [base], "tags": [], "before": false });
    assert_eq!(worker.done("Import", import).await, json!(true));
    (worker, base)
}

async fn takes_objects_once() {
    let world = World::new().await;
    let (mut worker, base) = furnished(&world, hello()).await;
    // The reply was lost: the file is gone by now, and what was in it is there.
    let import = json!({ "file": "t-1", "commits": [base], "tags": [], "before": true });
    assert_eq!(worker.done("Import", import).await, json!(true));
    let compared = worker.done("Compare", json!([base])).await;
    assert_eq!(compared["missing"], json!([]));
    let absent = json!({ "file": "t-2", "commits": ["1".repeat(40)], "tags": [], "before": false });
    assert_eq!(worker.done("Import", absent).await, json!(false));
}

fn prepare(base: &str) -> Value {
    json!([{
        "slot": 1, "label": "m1/u/1", "base": base, "without": null, "beside": "Ignored", "copies": [["local", []]],
        "environment": "", "setup": "m1/u/1/setup", "session": "m1/u/1"
    }, [2]])
}

/// The same with a workspace.
pub async fn prepared(world: &World, hello: Value) -> (Worker, String, String) {
    let (mut worker, base) = furnished(world, hello).await;
    let mut ready = Value::Null;
    for _ in 0..2 {
        let id = worker.request("Prepare", prepare(&base), b"hi").await;
        let (body, _) = worker.reply(id).await;
        assert!(ready.is_null() || ready == body, "{ready} {body}");
        ready = body;
    }
    let workspace = ready["Answer"]["Ok"]["workspace"].as_str().unwrap_or_else(|| panic!("{ready}")).to_owned();
    (worker, base, workspace)
}

async fn prepares_again() {
    let world = World::new().await;
    let (mut worker, ..) = prepared(&world, hello()).await;
    assert_eq!(worker.done("UsedSlots", Value::Null).await, json!([{ "slot": 1, "label": "m1/u/1" }]));
}

pub fn run(line: &str, start: &str) -> Value {
    json!([{
        "key": "m1/u/1/run", "slot": 1, "program": { "Shell": line }, "inherited": [], "variables": [],
        "session": { "key": "m1/u/1", "brief": "" }, "timeout": { "secs": 30, "nanos": 0 }, "idle": null, "start": null,
        "grace_after_result": null, "home": "Users", "reports": null
    }, start])
}

async fn runs_once() {
    let world = World::new().await;
    let (mut worker, ..) = prepared(&world, hello()).await;
    let mut ends = Vec::new();
    for start in ["IfNew", "IfNew", "Never"] {
        let id = worker.request("Run", run("echo once >> ~/ran; exit 3", start), &[]).await;
        let (mut body, _) = worker.reply(id).await;
        if start == "IfNew" && ends.is_empty() {
            assert_eq!(body, json!("Began"));
        }
        if body == json!("Began") {
            body = worker.reply(id).await.0;
        }
        ends.push(body["Answer"][0]["end"].clone());
    }
    assert_eq!(ends, [(); 3].map(|()| json!({ "exited": 3 })));
    assert_eq!(std::fs::read_to_string(world.home().join("ran")).unwrap(), "once\n");
    assert_eq!(worker.done("LookUp", json!("m1/u/1/run")).await, json!("Started"));
}

async fn ends_a_run_early() {
    let world = World::new().await;
    let (mut worker, ..) = prepared(&world, hello()).await;
    let id = worker.request("Run", run("sleep 1000", "IfNew"), &[]).await;
    assert_eq!(worker.reply(id).await.0, json!("Began"));
    worker.send(&json!({ "id": 0, "body": { "Cancel": id } }), &[]).await;
    let (body, _) = worker.reply(id).await;
    assert_eq!(body["Answer"][0]["end"], json!("stopped"));
    assert_eq!(worker.done("LookUp", json!("m1/u/1/run")).await, json!("Killed"));
}

async fn reads_from_a_place_on() {
    let world = World::new().await;
    let (mut worker, ..) =
        prepared(&world, hello_with("limits", json!({ "beat": { "secs": 15, "nanos": 0 }, "longest": 4 << 20 }))).await;
    let id = worker.request("Run", run("head -c 1500000 /dev/zero; echo end", "IfNew"), &[]).await;
    while worker.reply(id).await.0 == json!("Began") {}
    for (offset, length) in
        [(0, 1 << 20), (1 << 20, 1_500_004 - (1 << 20)), (1_500_000, 4), (1_500_004, 0), (9_000_000, 0)]
    {
        let id = worker.request("Read", json!([{ "Output": "m1/u/1/run" }, offset]), &[]).await;
        let (body, bytes) = worker.reply(id).await;
        assert_eq!((body, bytes.len()), (json!({ "Answer": { "Ok": null } }), length), "{offset}");
    }
}

/// The same with a run that has left a file.
async fn worked(world: &World) -> (Worker, String) {
    let (mut worker, base, _) = prepared(world, hello()).await;
    let id = worker.request("Run", run("echo x > work", "IfNew"), &[]).await;
    while worker.reply(id).await.0 == json!("Began") {}
    (worker, base)
}

fn collect(base: &str) -> Value {
    json!({ "slot": 1, "mission": "m1", "unit": "u", "number": 1, "base": base, "green": base, "take_elsewhere": true })
}

async fn collects_again() {
    let world = World::new().await;
    let (mut worker, base) = worked(&world).await;
    let first = worker.done("Collect", collect(&base)).await;
    let head = first["Pinned"]["head"]["commit"].clone();
    assert!(head.is_string(), "{first}");
    assert_eq!(worker.done("Collect", collect(&base)).await["Pinned"]["head"]["commit"], head);
    let pins = worker.done("Pins", json!(["refs/mc/attempts/"])).await;
    assert_eq!(pins, json!([["refs/mc/attempts/m1/u/1", head]]));
    assert!(worker.done("Export", json!(["t-3", [head], [base]])).await.as_u64().unwrap() > 0);
    let id = worker.request("Read", json!([{ "Transfer": "t-3" }, 0]), &[]).await;
    assert!(worker.reply(id).await.1.starts_with(b"PACK"));
    worker.done("Forget", json!("t-3")).await;
    worker.done("Forget", json!("t-3")).await;
    worker.done("Brought", pins).await;
}

async fn gives_back_again() {
    let world = World::new().await;
    let (mut worker, base) = worked(&world).await;
    worker.done("Collect", collect(&base)).await;
    let release = json!([{ "slot": 1, "label": "m1/u/1" }, { "Collected": { "base": base, "stuck": null } }]);
    worker.done("Release", release.clone()).await;
    worker.done("Release", release).await;
    assert_eq!(worker.done("UsedSlots", Value::Null).await, json!([]));
}

async fn refuses_an_older_engine() {
    let world = World::new().await;
    Worker::greeted(&world, hello_with("epoch", json!(5))).await.end().await;
    let why = Worker::start(&world).refused("Hello", hello_with("epoch", json!(4))).await;
    assert!(why.contains("a newer engine (number 5)"), "{why}");
}

async fn waits_for_an_earlier_worker() {
    let world = World::new().await;
    let first = Worker::greeted(&world, hello()).await;
    let mut second = Worker::start(&world);
    let id = second.request("Hello", hello(), &[]).await;
    let early = tokio::time::timeout(Duration::from_millis(300), second.reply(id)).await;
    assert!(early.is_err(), "{early:?}");
    first.end().await;
    assert!(second.reply(id).await.0.get("Answer").is_some());
    // Another engine's state directory is nobody's business here.
    Worker::greeted(&world, hello_with("state", json!("s2"))).await.end().await;
}

async fn ends_given_up_runs_first() {
    let world = World::new().await;
    let (mut worker, ..) = prepared(&world, hello()).await;
    let line = "exec 9> ~/running; flock 9; sleep 1000";
    let id = worker.request("Run", run(line, "IfNew"), &[]).await;
    assert_eq!(worker.reply(id).await.0, json!("Began"));
    let lives = || std::fs::File::open(world.home().join("running")).is_ok_and(|lock| lock.try_lock().is_err());
    while !lives() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    worker.end().await;
    assert!(lives(), "it outlives its worker");
    Worker::greeted(&world, hello_with("abandoned", json!(["m1/u/1/run"]))).await.end().await;
    assert!(!lives());
}

async fn refuses_what_is_too_long() {
    let world = World::new().await;
    let limits = json!({ "beat": { "secs": 15, "nanos": 0 }, "longest": 10_000 });
    let (mut worker, ..) = prepared(&world, hello_with("limits", limits)).await;
    let id = worker.request("Run", run("head -c 30000 /dev/zero", "IfNew"), &[]).await;
    while worker.reply(id).await.0 == json!("Began") {}
    let why = worker.refused("Read", json!([{ "Output": "m1/u/1/run" }, 0])).await;
    assert!(why.contains("too long") && why.contains("10000"), "{why}");
    assert_eq!(worker.done("LookUp", json!("m1/u/1/run")).await, json!("Started"));
}

async fn answers_to_renewals() {
    let world = World::new().await;
    let mut worker = Worker::greeted(&world, hello()).await;
    worker.send(&json!({ "id": 0, "body": "Renew" }), &[]).await;
    assert_eq!(worker.receive().await.unwrap().0, json!({ "id": 0, "body": { "Answer": null } }));
}

async fn pins_work_in_progress() {
    let world = World::new().await;
    let (mut worker, base, workspace) = prepared(&world, hello()).await;
    let request = json!([{ "slot": 1, "label": "m1/u/1" }, base]);
    let before = worker.done("PinProgress", request.clone()).await;
    std::fs::write(std::path::Path::new(&workspace).join("work"), "x").unwrap();
    let pinned = worker.done("PinProgress", request.clone()).await;
    assert!(pinned.is_string() && pinned != before, "{pinned}");
    assert_eq!(worker.done("PinProgress", request).await, pinned);
    let pins = worker.done("Pins", json!(["refs/mc/progress/"])).await;
    assert_eq!(pins, json!([["refs/mc/progress/m1/u/1", pinned]]));
    worker.done("Collect", collect(&base)).await;
    assert_eq!(worker.done("Pins", json!(["refs/mc/progress/"])).await, json!([]));
}

async fn refuses_names_that_lead_elsewhere() {
    let world = World::new().await;
    let mut worker = Worker::greeted(&world, hello()).await;
    for key in ["../x", "a//b", "/etc", "a/../../b", ""] {
        let why = worker.refused("LookUp", json!(key)).await;
        assert!(why.contains("names no run"), "{why}");
    }
    for file in [json!({ "Transfer": "../epoch" }), json!({ "Content": "../../x" }), json!({ "Transfer": "" })] {
        let answer = worker.ask("Read", json!([file, 0])).await;
        assert!(answer["Err"]["why"].as_str().unwrap().contains("names no"), "{answer}");
    }
    for commit in ["--output=x", "main", ""] {
        assert!(worker.refused("Compare", json!([commit])).await.contains("commit id"));
    }
}

async fn takes_objects_with_their_message() {
    let world = World::new().await;
    let mut worker = Worker::greeted(&world, hello()).await;
    let base = world.id("main").await.to_string();
    world.sh("printf 'main\\n' | git pack-objects -q --revs --stdout > ../pack").await;
    let pack = std::fs::read(world.home().join("pack")).unwrap();
    let import = json!({ "file": "t-1", "commits": [base], "tags": [], "before": false });
    for _ in 0..2 {
        let id = worker.request("Import", import.clone(), &pack).await;
        assert_eq!(worker.reply(id).await.0, json!({ "Answer": { "Ok": true } }));
    }
    assert_eq!(worker.done("Compare", json!([base])).await["missing"], json!([]));
}

async fn gives_what_would_be_asked_for_next() {
    let world = World::new().await;
    let (mut worker, base, _) = prepared(&world, hello_with("takes_more", json!(true))).await;
    let line = "head -c 100000 /dev/zero; echo x > work; echo end; echo apart >&2";
    let id = worker.request("Run", run(line, "IfNew"), &[]).await;
    let (mut body, mut bytes) = worker.reply(id).await;
    if body == json!("Began") {
        (body, bytes) = worker.reply(id).await;
    }
    let ends = json!([{ "whole": 100_004, "sent": 65_536 }, { "whole": 6, "sent": 6 }]);
    assert_eq!(body["Answer"][2], ends);
    assert!(bytes.len() == 65_542 && bytes.ends_with(b"\0end\napart\n"));
    for _ in 0..2 {
        let id = worker.request("Collect", collect(&base), &[]).await;
        let (body, bytes) = worker.reply(id).await;
        let head = &body["Answer"]["Ok"]["Pinned"]["head"]["commit"];
        assert_eq!(body["Answer"]["pins"], json!([["refs/mc/attempts/m1/u/1", head]]));
        assert!(bytes.starts_with(b"PACK"));
    }
}

async fn forgets_what_is_over() {
    let world = World::new().await;
    let (mut worker, base) = worked(&world).await;
    worker.done("Collect", collect(&base)).await;
    let pins = worker.done("Pins", json!(["refs/mc/attempts/"])).await;
    assert_eq!(worker.done("Tidy", json!("m2")).await, json!(0), "the engine has it not");
    worker.done("Brought", pins.clone()).await;
    assert_eq!(worker.done("Tidy", json!("m1")).await, json!(0), "its mission goes on");
    assert_eq!(worker.done("Pins", json!(["refs/mc/attempts/"])).await, pins);
    assert_eq!(worker.done("Tidy", json!("m2")).await, json!(2));
    assert_eq!(worker.done("Pins", json!(["refs/mc/attempts/", "refs/mc/brought/"])).await, json!([]));
    assert_eq!(worker.done("Tidy", json!("m2")).await, json!(0));
}

async fn is_cleaned() {
    let world = World::new().await;
    let (mut worker, base) = worked(&world).await;
    let stays = |answer: &Value| -> Vec<String> {
        answer["kept"].as_array().unwrap().iter().map(|kept| kept[0].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stays(&worker.done("Clean", json!({})).await), ["pool/slot-1"]);
    worker.done("Collect", collect(&base)).await;
    let release = json!([{ "slot": 1, "label": "m1/u/1" }, { "Collected": { "base": base, "stuck": null } }]);
    worker.done("Release", release).await;
    assert_eq!(stays(&worker.done("Clean", json!({})).await), ["refs/mc/attempts/m1/u/1"]);
    let pins = worker.done("Pins", json!(["refs/mc/attempts/"])).await;
    worker.done("Brought", pins).await;
    let folder = world.state().join("worker/s1");
    let would = worker.done("Clean", json!({ "dry_run": true })).await;
    assert!(stays(&would).is_empty() && folder.join("mirror.git").exists(), "{would}");
    let gone = worker.done("Clean", json!({ "programs": true })).await;
    assert_eq!(gone["removed"].as_array().unwrap().len(), would["removed"].as_array().unwrap().len());
    assert!(!folder.exists());
}
