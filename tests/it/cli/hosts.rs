//! `mc hosts`, and hosts in the views of a mission. The hosts are folders of the sandbox behind `env`, which runs a command line here.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use crate::support::told::{Told, find, swap};
use serde_json::Value;

/// Settings of hosts by these names, beside so many units on this machine.
fn hosts(night: &Night, local: u32, names: &[&str]) -> String {
    let program = Value::from(night.program().to_str().unwrap());
    let host = |name: &&str| {
        let root = Value::from(night.home().join("hosts").join(name).to_str().unwrap());
        format!(
            "[[backend.hosts]]\nname = \"{name}\"\nconnect = [\"env\"]\nroot = {root}\nprogram = {program}\nmax_workers = 1\n"
        )
    };
    format!("[backend]\nlocal_workers = {local}\n{}", names.iter().map(host).collect::<String>())
}

/// A night with these hosts.
fn night(local: u32, names: &[&str]) -> Night {
    let night = Night::new();
    night.settings("sh run.sh", &hosts(&night, local, names));
    night
}

/// A unit that says that it began, and stays until `~/go` exists.
fn waits(id: &str) -> String {
    unit(id, &format!("echo {id} > {id}.txt; touch ~/begun-{id}; until test -e ~/go; do sleep 0.02; done"))
}

fn list(night: &Night) -> Value {
    serde_json::from_str(&night.mc(&["hosts", "list", "--json"]).exits(0).out).unwrap()
}

/// A host of the list.
fn host(night: &Night, name: &str) -> Value {
    let list = list(night);
    let found = list["hosts"].as_array().unwrap().iter().find(|host| host["name"] == name);
    found.unwrap_or_else(|| panic!("no host {name} in {list}")).clone()
}

#[test]
fn hosts_of_a_mission_are_listed_drained_and_taken_back() {
    let night = night(1, &["box1", "box2"]);
    night.mc(&["hosts", "list"]).exits(0).says(&[
        "local  no unfinished mission\n  this machine: 1 worker, 1 verifier\n",
        "box1  no unfinished mission\n  env: 1 worker, 1 verifier\n",
    ]);
    night.mc(&["hosts", "drain", "box3"]).exits(2).says(&["no host `box3` (did you mean `box", "local, box1, box2"]);
    night.mc(&["hosts", "drain", "box1"]).exits(0).says(&["there is no unfinished mission", "max_workers = 0"]);
    let plan = night.plan(&["a", "b", "c"].map(waits).concat());
    let mut engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a -a -e ~/begun-b -a -e ~/begun-c");
    night.mc(&["hosts", "drain", "bix1"]).exits(2).says(&["there is no host `bix1` (did you mean `box1`?)"]);
    for name in ["local", "box1"] {
        night.mc(&["hosts", "drain", name]).exits(0).says(&[&format!("told to start nothing new on {name}")]);
    }
    assert!(engine.until(|| ["local", "box1"].iter().all(|name| host(&night, name)["drained"] == true)));
    for name in ["local", "box1", "box2"] {
        let host = host(&night, name);
        let standing = [&host["state"], &host["liveness"], &host["running"][0]["liveness"]];
        assert_eq!(standing.map(|word| word.as_str().unwrap()), ["ready", "live", "live"], "{host}");
        assert_eq!(host["running"].as_array().unwrap().len(), 1, "{host}");
    }
    let said = night.mc(&["hosts", "list"]).exits(0);
    said.says(&[
        "box1  answers, drained: nothing new starts there\n",
        "attempt 1 for ",
        "slot 0: live",
        "next: `mc hosts resume local`",
    ]);
    let said = night.mc(&["status"]).exits(0);
    said.says(&[
        "hosts: 1 of 3 hosts ready\n",
        "  box1  answers, drained: nothing new starts there\n",
        " on box1, slot 0: The unit ",
    ]);
    let status = night.status();
    let names: Vec<_> = status["hosts"].as_array().unwrap().iter().map(|host| host["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["local", "box1", "box2"]);
    assert_eq!(night.unit_json("b")["liveness"], "live");
    let metrics = night.mc(&["status", "--prometheus"]).exits(0);
    metrics.says(&["host=\"box1\"} 0\n", "mc_host_attempts_running{repository=\"repo\",host=\"box2\"} 1\n"]);
    night.mc(&["hosts", "check", "box1"]).exits(0).says(&["box1  can be used (env)", "1 of 1 host can be used"]);
    night.mc(&["hosts", "clean"]).exits(2).says(&["is unfinished, and may have work on its hosts"]);
    night.mc(&["hosts", "resume", "box1"]).exits(0).says(&["told to use box1 again"]);
    night.sh("touch ~/go");
    engine.wait().exits(0);
    for id in ["a", "b", "c"] {
        assert_eq!((night.unit(id).as_str(), night.classes(id).len()), ("landed", 1), "{id}");
    }
    night.mc(&["units"]).exits(0).says(&["attempts  host   commit", "  box1   ", "  box2   ", "  local  "]);
    night.mc(&["report"]).exits(0).says(&["\nhosts\n  local: 1 attempt (", "\n  box2: 1 attempt ("]);
    let report: Value = serde_json::from_str(&night.mc(&["report", "--json"]).exits(0).out).unwrap();
    assert_eq!(report["hosts"][1]["attempts"].as_array().unwrap().len(), 1, "{report}");
    night.mc(&["hosts", "resume", "box1"]).exits(0).says(&["nothing to take back into use"]);
    night.mc(&["report", "--verify"]).exits(0).says(&["hosts: each of 3 was given what it had answered for"]);
    night.audit();
}

#[test]
fn a_mission_has_the_hosts_it_was_started_with_and_this_machine_only_where_units_run_on_it() {
    let night = night(0, &["box1"]);
    let here = "  this machine: 0 workers, 0 verifiers\n";
    night.mc(&["hosts", "list"]).exits(0).says(&[&format!("local  no unfinished mission\n{here}")]);
    let plan = night.plan(&waits("a"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a");
    let changed = hosts(&night, 3, &["box1", "box2"]).replace("max_workers = 1", "max_workers = 5");
    night.write("mission-control.toml", format!("[target.verification]\ncommand = \"sh run.sh\"\n{changed}\n"));
    night.mc(&["hosts", "list"]).exits(0).says(&[
        &format!("local  not used in this mission\n{here}"),
        "box1  ready\n  env: 1 worker, 1 verifier\n",
        "box2  not of this mission: it was started without it\n  env: 5 workers, 1 verifier\n",
    ]);
    let refused = night.mc(&["hosts", "drain", "local"]).exits(2);
    refused.says(&["nothing runs or is verified on local in this mission", "there is nothing to keep from it"]);
    night.sh("touch ~/go");
    engine.wait().exits(0);
    night.audit();
}

#[test]
fn hosts_are_checked_at_once_and_a_dead_one_delays_nobody() {
    let night = Night::new();
    let dead = "[[backend.hosts]]\nname = \"dead\"\nconnect = [\"sh\", \"-c\", \"exec sleep 1000\", \"x\"]\n";
    let gone = "[[backend.hosts]]\nname = \"gone\"\nconnect = [\"no-such-program\"]\nprogram = \"/bin/mc\"\n";
    let odd =
        "[[backend.hosts]]\nname = \"odd\"\nconnect = [\"env\"]\nroot = \"~/odd\"\nprogram = \"/nonexistent/mc\"\n";
    night.settings("sh run.sh", &(hosts(&night, 0, &["box1", "box2"]) + dead + gone + odd));
    let begun = std::time::Instant::now();
    let said = night.mc(&["hosts", "check", "--timeout", "8", "--json"]).exits(6);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let hosts = found["hosts"].as_array().unwrap();
    assert_eq!(
        hosts.iter().map(|host| host["usable"].as_bool().unwrap()).collect::<Vec<_>>(),
        [true, true, false, false, false]
    );
    let box1 = &hosts[0];
    assert_eq!(box1["version"], env!("CARGO_PKG_VERSION"));
    assert!(box1["clock_offset_ms"].as_i64().unwrap().abs() < 5_000, "{box1}");
    for number in ["connect_ms", "request_ms", "free_disk", "processors", "protocol"] {
        assert!(box1[number].as_f64().unwrap() > 0.0, "{number}: {box1}");
    }
    assert!(box1["bytes_per_second"]["there"].as_u64().unwrap() > 1 << 20, "{box1}");
    let errors = [2, 3, 4].map(|nth| hosts[nth]["error"].as_str().unwrap().to_owned());
    assert!(errors[0].contains("within 8 s: to reach it; its command still waited for the machine"), "{errors:?}");
    let help = hosts[2]["help"].as_str().unwrap();
    assert!(help.contains("a mission waits for it for 600 s (`connect_timeout`)"), "{help}");
    assert!(errors[1].contains("`no-such-program` (`connect` of this host) cannot be started"), "{errors:?}");
    assert!(errors[2].contains("/nonexistent/mc"), "{errors:?}");
    assert!(!night.holds("test -e ~/hosts/box1 || test -e ~/hosts/box2"), "something of the check is left");
    night.mc(&["hosts", "check", "local"]).exits(2).says(&["`mc doctor` looks at this machine"]);
    assert!(night.mc(&["doctor"]).out.contains("none on this machine; hosts do the work"));
    let alone = Night::new();
    alone.mc(&["hosts", "check"]).exits(2).says(&["the settings name no host", "docs/hosts.md"]);
    alone.mc(&["hosts", "list"]).exits(0).says(&["local  no unfinished mission", "next: name hosts in the settings"]);
}

#[test]
fn what_hosts_keep_goes_when_nothing_needs_it() {
    let night = night(0, &["box1", "box2"]);
    night.mission(&[unit("a", "echo a > a.txt"), unit("b", "echo b > b.txt")].concat()).exits(0);
    let mirror = "$(echo ~/hosts/box1/*/mirror.git)";
    let refs = |of: &str| night.sh(&format!("git --git-dir={mirror} for-each-ref --format='%(refname)' {of}"));
    let first = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    assert!(refs("refs/mc/brought").contains(&first), "no note of what was brought");
    night.mission(&unit("c", "echo c > c.txt")).exits(0);
    assert!(!refs("refs/mc").contains(&first), "notes of a mission that is over are left");
    let would = night.mc(&["hosts", "clean", "--dry-run"]).exits(0).says(&["box1  would remove ", "/mirror.git  "]);
    assert!(would.out.contains("box2  would remove "), "{}", would.out);
    let planted = format!("git --git-dir={mirror} update-ref refs/mc/attempts/m-other/u/1 $(git rev-parse main)");
    night.sh(&planted);
    let said = night.mc(&["hosts", "clean"]).exits(6);
    said.says(&["refs/mc/attempts/m-other/u/1 stays: it is work that was not brought to the engine", "box2  removed "]);
    assert!(night.holds(&format!("test -d {mirror} && ! test -e ~/hosts/box2")));
    night.sh(&format!("git --git-dir={mirror} update-ref -d refs/mc/attempts/m-other/u/1"));
    night.sh("mkdir -p ~/hosts/box1/bin; cp /bin/true ~/hosts/box1/bin/mc-0123");
    night.mc(&["hosts", "clean", "box1"]).exits(0).says(&["bin/mc-0123"]);
    assert!(!night.holds("test -e ~/hosts/box1"), "something is left");
    night.mc(&["hosts", "clean"]).exits(0).says(&["box1  nothing to remove", "box2  nothing to remove"]);
    night.audit();
}

#[test]
fn a_host_that_does_not_answer_is_told_with_why_and_when_it_is_asked_again() {
    let night = Night::new();
    let gone = "[[backend.hosts]]\nname = \"gone\"\nconnect = [\"no-such-program\"]\nmax_workers = 1\n";
    night.settings("sh run.sh", &(hosts(&night, 1, &[]) + gone + "[scheduler]\nretry_pause = \"100s\"\n"));
    let plan = night.plan(&waits("a"));
    let mut engine = night.begin(&["mission", "start", "--plan", &plan]);
    assert!(engine.until(|| host(&night, "gone")["state"] == "left-out"));
    night.until("test -e ~/begun-a");
    let gone = host(&night, "gone");
    assert_eq!((&gone["liveness"], &gone["left_out"]["tries"]), (&Value::from("unknown"), &Value::from(1)), "{gone}");
    let words = [
        "hosts: 1 of 2 hosts ready\n  gone  left out for ",
        ", asked again in ",
        "`no-such-program` (`connect` of this host) cannot be started",
    ];
    night.mc(&["status"]).exits(0).says(&words);
    engine.signal("KILL");
    let said = engine.wait();
    assert_ne!(said.code, 0);
    night.mc(&["hosts", "drain", "gone"]).exits(0).says(&["gone is drained by `mc mission resume`"]);
    let listed = night.mc(&["hosts", "list"]).exits(0);
    listed.says(&["gone  not asked: no engine works on the mission; the next engine drains it\n"]);
    assert_eq!(host(&night, "gone")["liveness"], "unknown");
    night.sh("touch ~/go");
    night.mc(&["mission", "resume"]).exits(0);
    assert!(night.events().iter().any(|row| row["record"]["kind"] == "host-drained"));
    night.audit();
}

#[test]
fn p7_a_mission_whose_hosts_are_all_drained_says_so_and_how_it_goes_on() {
    let night = night(0, &["box1", "box2"]);
    let plan = night.plan(&waits("a"));
    let mut engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a");
    for name in ["box1", "box2"] {
        night.mc(&["hosts", "drain", name]).exits(0);
    }
    assert!(engine.until(|| ["box1", "box2"].iter().all(|name| host(&night, name)["drained"] == true)));
    night.sh("touch ~/go");
    let why = "no host can be used for what waits (box1 is drained, box2 is drained)";
    assert!(engine.until(|| night.status()["mission"]["cause"] == why), "{}", night.status());
    night.mc(&["status"]).exits(0).says(&[why, "`mc hosts resume box1` takes box1 back into use; it is tried again"]);
    assert!(!night.mc(&["status"]).out.contains("cannot be reached"));
    night.mc(&["hosts", "resume", "box2"]).exits(0);
    engine.wait().exits(0).says(&[&format!("{why}: ")]);
    assert_eq!(night.unit("a"), "landed");
    night.audit();
}

#[test]
fn p9_where_things_began_is_counted_again_from_the_records() {
    let night = night(0, &["one"]);
    night.mission(&unit("a", "echo > a")).exits(0);
    let told = Told::of(night);
    assert_eq!(told.proof().0, 0);
    let not_used = "began on one, which was not to be used then";
    told.rewrite(|rows| rows.retain(|row| row.kind != "host-ready"));
    told.is_found("a host that never answered", not_used);
    told.rewrite(|rows| {
        let at = rows.iter().position(|row| row.kind == "session-started").unwrap();
        let mut drained = find(rows, "host-ready", "one").clone();
        drained.kind = "host-drained".to_owned();
        swap(&mut drained, "host-ready", "host-drained");
        drained.body.as_object_mut().unwrap().remove("environment");
        drained.at = rows[at - 1].at;
        rows.insert(at, drained);
    });
    told.is_found("a host that was drained", not_used);
    told.rewrite(|rows| swap(find(rows, "session-started", "\"one\""), "\"one\"", "\"local\""));
    told.is_found("another host", "which was not to be used then");
}
