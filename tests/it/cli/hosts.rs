//! `mc hosts`, and hosts in the views of a mission. The hosts are folders of the sandbox behind `env`, which runs a command line here.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
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
    night.mc(&["hosts", "resume", "box1"]).exits(0).says(&["told to use box1 again"]);
    night.sh("touch ~/go");
    engine.wait().exits(0);
    night.mc(&["hosts", "resume", "box1"]).exits(0).says(&["nothing to take back into use"]);
    night.audit();
}
