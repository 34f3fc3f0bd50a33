//! What ended missions leave is taken away; work that never landed, and everything of an unfinished mission, stays.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use crate::support::told::{Told, claims, find};
use serde_json::{Value, json};

/// A night with one mission that landed `a` and failed `b`, and a second one that landed `c`.
fn two_missions() -> (Night, String) {
    let night = Night::new();
    night.mission(&(unit("a", "echo a > a.txt") + &unit("b", "echo b > b.txt; exit 3"))).exits(3);
    let first = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    night.mission(&unit("c", "echo c > c.txt")).exits(0);
    (night, first)
}

const EVERYTHING: [&str; 5] = ["clean", "--keep", "0", "--older-than", "0s"];

fn refs(night: &Night) -> String {
    night.sh("git for-each-ref --format='%(refname) %(objectname)' refs/mc refs/heads")
}

#[test]
fn p2_what_landed_is_cleaned_and_what_did_not_stays_until_a_person_names_it() {
    let (night, first) = two_missions();
    let before = refs(&night);
    night.mc(&["clean"]).exits(0).says(&["nothing to take away"]);
    let said = night.mc(&[&EVERYTHING[..], &["--dry-run"]].concat()).exits(0);
    said.says(&[
        &format!("refs/mc/attempts/{first}/a/1\n"),
        "b/1  stays: never landed (--unlanded)",
        "nothing was changed",
    ]);
    assert_eq!(refs(&night), before);
    assert!(night.state().join("runs").join(&first).is_dir());

    let old = night.sh(&format!("git rev-parse refs/mc/attempts/{first}/a/1"));
    night.mc(&EVERYTHING).exits(0).says(&["freed; what was deleted is in `mc events`"]);
    let left = refs(&night);
    assert!(
        !left.contains(&format!("attempts/{first}/a/1")) && left.contains(&format!("attempts/{first}/b/1")),
        "{left}"
    );
    assert!(!night.state().join("runs").join(&first).exists());
    assert!(night.sql("SELECT body FROM journal WHERE kind = 'cleaned'").iter().any(|body| body.contains(&old)));
    night.mc(&["pool", "list"]).exits(0).says(&["no workspaces\n"]);
    night.audit();
    night.report();

    let unlanded = [&EVERYTHING[..], &["--unlanded"]].concat();
    night.mc(&unlanded).exits(2).says(&["b/1\n", "need your yes"]);
    assert_eq!(refs(&night), left);
    night.mc(&[&unlanded[..], &["--yes"]].concat()).exits(0);
    assert_eq!(refs(&night).lines().filter(|name| name.contains("refs/mc/") && !name.contains("owner")).count(), 0);
    night.audit();
    night.mission(&unit("d", "echo d > d.txt")).exits(0);
    night.audit();
}

#[test]
fn p2_repositories_that_were_set_aside_stay_until_a_person_names_them() {
    let night = Night::new();
    night.mission(&unit("a", "git init -q sub && cd sub && git commit -q --allow-empty -m inner && exit 1")).exits(3);
    let aside = "ls -d $RUNS/*/a/1/aside/*";
    assert!(night.holds(aside));
    let said = night.mc(&[&EVERYTHING[..], &["--yes"]].concat()).exits(0);
    said.says(&["a/1  stays: holds repositories that were set aside (--unlanded)"]);
    assert!(night.holds(aside));
    night.mc(&[&EVERYTHING[..], &["--unlanded", "--yes"]].concat()).exits(0);
    assert!(!night.holds(aside));
}

#[test]
fn the_newest_missions_and_young_ones_are_kept() {
    let (night, first) = two_missions();
    let json = |args: &[&str]| -> Value {
        serde_json::from_str(&night.mc(&[&["clean", "--dry-run", "--json"], args].concat()).exits(0).out).unwrap()
    };
    let missions = |found: &Value| found["missions"].as_array().unwrap().len();
    assert_eq!(missions(&json(&["--keep", "0", "--older-than", "1h"])), 0);
    let one = json(&["--keep", "1", "--older-than", "0s"]);
    assert_eq!((missions(&one), &one["missions"][0]["mission"]), (1, &first.clone().into()));
    assert!(one["bytes"].as_u64().unwrap() > 0 && one["deleted"] == false);
    night.mc(&["clean", "--older-than", "soon"]).exits(2).says(&["is not a duration: `soon`"]);
}

#[test]
fn nothing_of_an_unfinished_mission_goes_and_a_living_engine_is_not_disturbed() {
    let (night, first) = two_missions();
    let plan = night.plan(&unit("w", "echo w > w.txt; touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun");
    night.mc(&EVERYTHING).exits(5).says(&["another mc (pid "]);
    engine.signal("TERM");
    engine.wait().exits(130);
    let slots = night.mc(&["pool", "list"]).exits(0).out;
    let mission = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    night.mc(&[&EVERYTHING[..], &["--unlanded", "--yes"]].concat()).exits(0);
    let left = refs(&night);
    assert!(left.contains(&format!("attempts/{mission}/w/1")) && !left.contains(&first), "{left}");
    assert!(night.state().join("runs").join(&mission).is_dir());
    assert_eq!(night.mc(&["pool", "list"]).exits(0).out.lines().count(), slots.lines().count());
    night.write("../go", "");
    night.mc(&["mission", "resume"]).exits(0).says(&["w: landed"]);
    night.audit();
}

#[test]
fn what_verifications_without_a_mission_wrote_goes_but_not_of_one_at_work() {
    let night = Night::new();
    night.mission(&unit("a", "echo a > a.txt")).exits(0);
    night.mc(&["report", "--verify", "--rerun"]).exits(0);
    night.settings("[ ! -e ~/hold ] || { touch ~/begun; while [ -e ~/hold ]; do sleep 0.02; done; }; sh run.sh", "");
    night.mc(&["verify"]).exits(0);
    let folders = || night.sh("ls ../state/runs/.verify | wc -l").parse::<usize>().unwrap();
    let old = folders();
    assert!(old >= 2, "{old}");
    night.sh("touch ~/hold");
    night.settings("[ ! -e ~/hold ] || { touch ~/begun; while [ -e ~/hold ]; do sleep 0.02; done; }; sh run.sh ", "");
    let running = night.begin(&["verify"]);
    night.until("test -e ~/begun");
    // Under the retention nothing is old enough.
    night.mc(&["clean", "--keep", "0"]).exits(0).says(&["nothing to take away"]);
    let said = night.mc(&[&EVERYTHING[..], &["--dry-run"]].concat()).exits(0);
    said.says(&[&format!("output of {old} verifications without a mission, ")]);
    assert_eq!(folders(), old + 1);
    night.mc(&EVERYTHING).exits(0);
    assert_eq!(folders(), 1);
    night.sh("rm ~/hold");
    running.wait().exits(0);
    // The results stay where landings rest on them; others were stored for reuse only.
    night.audit();
    night.mc(&EVERYTHING).exits(0).says(&["output of 1 verification without a mission"]);
    assert_eq!(folders(), 0);
}

/// What cannot be checked of a report, one line each; all the rest holds.
fn unknown(told: &Told) -> Vec<String> {
    let (code, proof) = told.proof();
    let open = claims(&proof).iter().filter(|claim| claim["holds"] != true);
    assert!(code == 0 && open.clone().all(|claim| claim["holds"].is_null()), "{proof:#}");
    open.map(|claim| format!("{}: {}", claim["claim"].as_str().unwrap(), claim["why"].as_str().unwrap())).collect()
}

#[test]
fn p9_a_report_can_be_proven_while_its_mission_is_kept_and_what_was_cleaned_is_unknown_not_a_lie() {
    let told = Told::new();
    let refused = find(&mut told.rows(), "verified", "broken").body["key"].as_str().unwrap().to_owned();
    let landed = find(&mut told.rows(), "land-intended", "").body["key"].as_str().unwrap().to_owned();
    let count = || told.night.sql("SELECT key FROM snapshots").len();
    let all = count();
    told.night.mc(&["clean", "--older-than", "0s"]).exits(0).does_not_say(&["snapshot"]);
    assert_eq!((count(), unknown(&told)), (all, Vec::new()));

    // Gone without a record that says so.
    told.sql(&format!("DELETE FROM snapshots WHERE key = '{refused}'"));
    told.is_found("a snapshot that somebody deleted", &format!("no snapshot is stored under {}", &refused[..10]));

    told.night.mc(&EVERYTHING).exits(0).says(&[" that no landing and no kept mission rests on"]);
    assert!(count() < all);
    let open = unknown(&told);
    let why = format!("its snapshot {} was cleaned away", &refused[..10]);
    assert!(open.iter().any(|line| line.starts_with("verification ") && line.contains(&why)), "{open:#?}");
    told.night.audit();
    told.night.mc(&EVERYTHING).exits(0).says(&["nothing to take away"]);

    // What a landing rests on is never taken away, whatever a record says.
    told.put_back();
    told.night.mc(&EVERYTHING).exits(0);
    told.sql(&format!("DELETE FROM snapshots WHERE key LIKE '{landed}%'"));
    told.rewrite(|rows| find(rows, "cleaned", "").body["snapshots"] = json!([landed, refused]));
    told.is_found("a landing's snapshot called cleaned", "from after it is stored");
}

#[test]
fn p13_snapshots_that_landings_and_green_rest_on_stay_and_nothing_is_run_again_for_a_clean() {
    let night = Night::new();
    std::fs::write(night.home().join("agent.sh"), "touch made").unwrap();
    let gate = "echo run >> ~/runs; sh run.sh";
    night.settings(gate, "[agent]\ncommand = \"sh ~/agent.sh\"");
    let keys = "accept = 'echo a >> ~/accepted; test -e made'\nverify = 'echo v >> ~/verified; test -e made'";
    night.mission(&format!("[[unit]]\nid = \"a\"\ntitle = \"A\"\n{keys}\n")).exits(0);
    // Green's tree by other rules: no landing rests on it.
    night.settings("echo other >> ~/runs; sh run.sh", "");
    night.mc(&["verify", "mc/green"]).exits(0);
    // A tree that nobody has landed.
    night.write("aside.txt", "x");
    night.commit("aside");
    night.mc(&["verify"]).exits(0);
    let kept = || night.sql("SELECT key FROM snapshots ORDER BY key");
    let (before, runs) = (kept(), night.sh("cat ~/runs ~/accepted ~/verified"));
    night.mc(&EVERYTHING).exits(0).says(&["snapshot"]);
    let after = kept();
    assert!(after.len() < before.len() && !after.is_empty(), "{before:?}\n{after:?}");
    night.audit();
    night.mc(&["report", "--verify"]).exits(0).does_not_say(&["no snapshot is stored"]);
    night.mc(&["verify", "mc/green"]).exits(0);
    assert_eq!(night.sh("cat ~/runs ~/accepted ~/verified"), runs);
    let wanted = night.sql(
        "SELECT DISTINCT value FROM journal, json_each(json_array(json_extract(body, '$.key'), \
         json_extract(body, '$.accept_before'), json_extract(body, '$.unit_checks'))) \
         WHERE kind = 'land-intended' AND value IS NOT NULL",
    );
    assert_eq!(wanted.len(), 3, "the landing, `accept` before, own lines after: {wanted:?}");
    // With the single runs that an answer was made of.
    for key in before.iter().filter(|key| wanted.iter().any(|wanted| key.split('/').next() == Some(wanted))) {
        assert!(after.contains(key), "{key} is gone: {after:?}");
    }
}

#[test]
fn p13_what_an_unfinished_mission_has_verified_is_known_when_it_goes_on() {
    let night = Night::new();
    night.settings("echo run >> ~/runs; sh run.sh", "");
    let plan = night.plan(&unit("w", "touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun");
    engine.signal("TERM");
    engine.wait().exits(130);
    let kept = night.sql("SELECT key FROM snapshots ORDER BY key");
    night.mc(&[&EVERYTHING[..], &["--unlanded", "--yes"]].concat()).exits(0);
    assert_eq!(night.sql("SELECT key FROM snapshots ORDER BY key"), kept);
    night.write("../go", "");
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!(night.sh("wc -l < ~/runs"), "1");
}
