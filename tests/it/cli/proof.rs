//! `mc report --verify` on a real mission: the honest journal holds altogether, and each of many lies is named.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use crate::support::told::{Row, Told, claims, find, swap};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every number in a JSON value, by pointer.
fn numbers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(at.to_owned()),
        Value::Array(list) => {
            for (nth, value) in list.iter().enumerate() {
                numbers(value, &format!("{at}/{nth}"), found);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                numbers(value, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

fn everything_holds(told: &Told) {
    let (code, proof) = told.proof();
    let open: Vec<&Value> = claims(&proof).iter().filter(|claim| claim["holds"] != true).collect();
    assert!(open.is_empty(), "{open:#?}");
    assert_eq!((code, &proof["holds"]), (0, &json!(true)));
    assert!(claims(&proof).len() > 25, "{}", claims(&proof).len());
    let report: Value = serde_json::from_str(&told.night.mc(&["report", "--format", "json"]).exits(0).out).unwrap();
    let covered: BTreeSet<&str> =
        claims(&proof).iter().flat_map(|claim| claim["covers"].as_array().unwrap()).filter_map(Value::as_str).collect();
    let mut figures = Vec::new();
    numbers(&report, "", &mut figures);
    assert!(figures.len() > 60, "{figures:?}");
    for figure in figures {
        let stands = covered.iter().any(|c| figure == *c || figure.starts_with(&format!("{c}/")));
        assert!(stands, "{figure} of the report is covered by no claim");
    }
    let text = told.night.mc(&["report", "--verify"]).exits(0).out;
    assert!(text.starts_with("every claim of the report holds: mission m"), "{text}");
}

#[test]
fn p9_each_lie_in_a_journal_with_a_mended_chain_is_found() {
    let told = Told::new();
    everything_holds(&told);
    lies_in_rows(&told);
    lies_about_outcomes(&told);
}

#[test]
fn p1_p3_each_lie_about_commits_refs_snapshots_and_reports_is_found() {
    let told = Told::new();
    lies_about_commits(&told);
    lies_in_the_world(&told);
    everything_holds(&told);
}

/// The row that says how the first session of a unit ended.
fn ended<'r>(rows: &'r mut [Row], unit: &str) -> &'r mut Row {
    let session = find(rows, "session-started", &format!("\"unit\":\"{unit}\"")).body["session"].clone();
    rows.iter_mut().find(|row| row.kind == "session-ended" && row.body["session"] == session).unwrap()
}

fn lies_in_rows(told: &Told) {
    told.rewrite(|rows| find(rows, "landed", "good").at += 1);
    told.is_found("a row's time", "every row holds the record it is called");

    told.rewrite(|rows| find(rows, "attempt-judged", "breaks").kind = "attempt-began".to_owned());
    told.is_found("a row's kind", "is called attempt-began and holds");

    told.rewrite(|rows| {
        let after = find(rows, "verified", "\"added\":1");
        after.body["summary"]["passed"] = json!(after.body["summary"]["passed"].as_u64().unwrap() + 1);
    });
    told.is_found("a count of tests", "the stored results do not add up to what is reported");

    told.rewrite(|rows| find(rows, "verified", "\"added\":1").body["delta"]["added"] = json!(7));
    told.is_found("a count in a delta", "the stored snapshots differ in another way than reported");

    told.rewrite(|rows| swap(find(rows, "verified", "broken"), "alpha", "omega"));
    told.is_found("a test renamed in a delta", "the stored snapshots differ in another way than reported");

    told.rewrite(|rows| {
        let first = rows.iter().position(|row| row.kind == "verified").unwrap();
        let key = rows[first].body["key"].as_str().unwrap().to_owned();
        let forged = format!("{}{}", if key.starts_with('0') { '1' } else { '0' }, &key[1..]);
        told.sql(&format!("UPDATE snapshots SET key = replace(key, '{key}', '{forged}')"));
        rows.iter_mut().filter(|row| row.body.to_string().contains(&key)).for_each(|row| swap(row, &key, &forged));
    });
    told.is_found("a key", "is not the key of its tree, stages and environment");

    told.rewrite(|rows| {
        let at = rows.iter().position(|row| row.kind == "landed").unwrap();
        rows.remove(at);
    });
    told.is_found("a landing dropped", "green has no landing of this mission that is not reported");

    told.rewrite(|rows| {
        let mut copy = find(rows, "landed", "good").clone();
        swap(&mut copy, "\"good\"", "\"breaks\"");
        let end = rows.iter().position(|row| row.kind == "round-worked").unwrap();
        copy.at = rows[end].at;
        copy.body["at"] = json!(copy.at);
        rows.insert(end, copy);
    });
    told.is_found("a landed unit invented", "breaks: landed at");

    told.rewrite(|rows| {
        for row in rows.iter_mut().filter(|row| row.body["verdict"] == "helped") {
            swap(row, "\"helped\"", "\"neutral\"");
        }
    });
    told.is_found("a verdict flipped", "judged neutral, and lands: its snapshots say helped");

    told.rewrite(|rows| {
        let from = rows.iter().position(|row| row.kind == "landed").unwrap();
        for row in &mut rows[from..] {
            row.at += 3_600_000;
            if let Some(at) = row.body["at"].as_i64() {
                row.body["at"] = json!(at + 3_600_000);
            }
        }
    });
    told.is_found("an hour put into the middle", "outside of");

    let mut rows = told.rows();
    let last = rows.last_mut().unwrap();
    last.at += 3_600_000;
    last.body["at"] = json!(last.at);
    told.forge(&rows);
    told.is_found("an end that came later", "the log beside the journal says the same");

    told.sql("UPDATE snapshots SET at_ms = at_ms WHERE 1");
    let db = Connection::open(told.db()).unwrap();
    db.execute_batch("DROP TRIGGER journal_is_never_changed; UPDATE journal SET at_ms = at_ms + 1 WHERE seq = 9")
        .unwrap();
    drop(db);
    told.is_found("a changed row", "row 9 of the journal was changed");
}

fn lies_about_outcomes(told: &Told) {
    told.rewrite(|rows| {
        let end = find(rows, "mission-ended", "");
        end.body["code"] = json!(0);
    });
    told.is_found("the exit code", "exit code 0 with 3 units not done");

    told.rewrite(|rows| find(rows, "mission-ended", "").body["outcome"] = json!("wall-time"));
    told.is_found("the outcome", "no record leads to that outcome");

    told.rewrite(|rows| find(rows, "mission-ended", "").body["outcome"] = json!("error"));
    told.is_found("an error without a cause", "no record leads to that outcome");

    told.rewrite(|rows| find(rows, "round-closed", "").body["landed"] = json!(5));
    told.is_found("landings of a round", "round 1 says 5 of 6 landed");

    told.rewrite(|rows| swap(find(rows, "attempt-judged", "it cannot be"), "it cannot be", "the disk was full"));
    told.is_found("a reason", "fails attempt 1");

    told.rewrite(|rows| {
        let ended = find(rows, "attempt-judged", "it cannot be");
        ended.body["next"] = json!({"fail": {"reason": "the machine was at fault"}});
    });
    told.is_found("what followed from an attempt", "its report leads to the same in other words");

    told.rewrite(|rows| swap(find(rows, "rejected", "breaks"), "passed before", "was slow before"));
    told.is_found("reasons of a refusal", "the snapshots give other reasons");

    told.rewrite(|rows| {
        let landed = rows.iter().position(|row| row.kind == "landed" && row.body["source"]["unit"]["unit"] == "more");
        let landed = rows.remove(landed.unwrap()).body;
        let mut refused = find(rows, "rejected", "breaks").clone();
        let intended =
            rows.iter_mut().find(|row| row.kind == "land-intended" && row.body["landing"] == landed["landing"]);
        let intended = intended.unwrap();
        for key in ["landing", "mr", "source"] {
            refused.body[key] = landed[key].clone();
        }
        refused.body["at"] = json!(intended.at);
        *intended = Row { at: intended.at, ..refused };
    });
    told.is_found("a refusal of what could land", "more attempt 1: refused (verification): nothing known refuses it");

    // What another version of the rules decided, or told in its words, is not called broken.
    for (by, words) in [
        (json!({"rules": 7, "mc": "9.0.0"}), "decided by rules 7; this mc has rules 1"),
        (json!({"rules": 1, "mc": "9.0.0"}), "told in the words of mc 9.0.0"),
    ] {
        told.rewrite(|rows| {
            find(rows, "mission-started", "").body["decided_by"] = by;
            swap(find(rows, "rejected", "breaks"), "passed before", "was slow before");
        });
        let (_, proof) = told.proof();
        let refused = |claim: &&Value| claim["claim"].as_str().unwrap().starts_with("breaks attempt");
        let why: Vec<String> = claims(&proof).iter().filter(refused).map(|claim| claim["why"].to_string()).collect();
        assert!(why.iter().any(|why| why.contains(words)), "{why:?}");
        let told_so = why.iter().any(|why| why.contains("the snapshots give"));
        assert!(!told_so, "{why:?}");
        told.put_back();
    }

    told.rewrite(|rows| {
        for row in rows.iter_mut().filter(|row| row.body["unit"] == "agent" && row.kind == "attempt-judged") {
            row.body["class"] = json!("never-started");
        }
    });
    told.is_found("a cost hidden", "agent attempt 1");

    told.rewrite(|rows| {
        let ended = ended(rows, "more");
        ended.body["report"]["run"]["ran"] = json!([ended.body["report"]["run"]["ran"][0], ended.at + 60_000]);
    });
    told.is_found("the time of a run", "more attempt 1");

    told.rewrite(|rows| find(rows, "unit-blocked", "late").body["cause"] = json!("good"));
    told.is_found("the cause of a block", "good does not stand in its way");

    told.rewrite(|rows| {
        rows.retain(|row| row.body["unit"] != "fails");
        for row in rows.iter_mut().filter(|row| row.kind == "round-planned") {
            let units = row.body["units"].as_array_mut().unwrap();
            let at = units.iter().position(|unit| unit["id"] == "fails").unwrap();
            units.remove(at);
            row.body["wave_of"].as_array_mut().unwrap().remove(at);
            row.body["edges"] = json!([]);
        }
    });
    told.is_found("a failed unit left out", "no attempt was made that is not reported");

    told.rewrite(|rows| {
        let asked = rows.iter().position(|row| row.kind == "verified" && row.body["confirmed"] == true).unwrap();
        rows[asked].body["confirmed"] = json!(false);
    });
    told.is_found("a second run", "does not say as often as reported");

    told.rewrite(|rows| {
        let at = rows.iter().position(|row| row.kind == "verified" && row.body["confirmed"] == true).unwrap();
        rows.remove(at);
    });
    told.is_found("a run left out", "are stored and not reported");

    told.rewrite(|rows| {
        let at = rows.iter().position(|row| row.kind == "verified" && row.body["confirmed"] == true).unwrap();
        rows.remove(at);
        let end = rows.len() - 1;
        let mut begun = rows.iter().find(|row| row.kind == "verify-started").unwrap().clone();
        begun.at = rows[end].at;
        begun.body["run"] = json!(999);
        begun.body["at"] = json!(begun.at);
        let mut dropped = Row { kind: "verification-dropped".to_owned(), ..begun.clone() };
        dropped.body = json!({"kind": dropped.kind, "run": 999, "at": dropped.at});
        rows.splice(end..end, [begun, dropped]);
    });
    told.is_found("a run left out beside one that was broken off", "are stored and not reported");
}

fn lies_about_commits(told: &Told) {
    let commit = |rows: &mut Vec<Row>, unit: &str| {
        let landed = find(rows, "landed", &format!("\"{unit}\""));
        landed.body["candidate"]["commit"].as_str().unwrap().to_owned()
    };
    told.replaces_the_newest("mc/green^{tree}", "Land it without a word");
    told.is_found("a landing commit without trailers", "it lacks the trailer Mc-Unit");

    told.replaces_the_newest(
        "mc/green^{tree}",
        "$(git log -1 --format=%B mc/green | sed s/Mc-Attempt:.1/Mc-Attempt:2/)",
    );
    told.is_found("a landing commit of another attempt", "its trailer Mc-Attempt is 2, not 1");

    told.replaces_the_newest("mc/green^1^{tree}", "$(git log -1 --format=%B mc/green)");
    told.is_found("a landing commit with another tree", "its trailer Mc-Verified-Tree is");

    told.rewrite(|rows| {
        let (old, other) = (commit(rows, "good"), told.night.sh("git rev-parse main"));
        rows.iter_mut().filter(|row| row.kind == "landed").for_each(|row| {
            if row.body["candidate"]["commit"] == old.as_str() {
                row.body["candidate"]["commit"] = json!(other);
            }
        });
    });
    told.is_found("another landed commit", "it is not the commit that was verified");

    told.rewrite(|rows| {
        let ended = ended(rows, "good");
        ended.body["report"]["work"]["head"]["commit"] = json!(told.night.sh("git rev-parse main"));
    });
    told.is_found("an attempt's head", "refs/mc/attempts/");
}

fn lies_in_the_world(told: &Told) {
    told.night.sh("git update-ref refs/heads/mc/green mc/green~1");
    told.is_found("green moved back", "does not contain it");

    told.night.sh("git update-ref -d refs/heads/mc/green");
    told.is_found("green gone", "green does not exist");

    told.night.sh("git update-ref $(git for-each-ref --format='%(refname)' refs/mc/attempts | grep good) main");
    told.is_found("a pin moved", "good: what landed is the work of attempt 1");

    told.night.sh("git update-ref -d $(git for-each-ref --format='%(refname)' refs/mc/attempts | grep breaks)");
    told.is_found("a pin deleted", "is gone; it pinned");

    let key =
        told.rows().iter().find(|row| row.kind == "land-intended").unwrap().body["key"].as_str().unwrap().to_owned();
    told.sql(&format!("DELETE FROM snapshots WHERE key = '{key}'"));
    told.is_found("a snapshot removed", "no snapshot is stored under");

    told.sql(&format!(
        "UPDATE snapshots SET body = replace(body, '\"passed\"}}', '\"skipped\"}}') WHERE key = '{key}'"
    ));
    told.is_found("a snapshot changed", "the stored snapshot is not what its runs make together");

    told.sql(&format!("UPDATE snapshots SET body = replace(body, 'alpha', 'omega') WHERE key LIKE '{key}%'"));
    told.is_found("a snapshot changed with its runs", "the stored snapshots differ in another way");

    let report = told.night.sh_in(&told.night.state().join("sessions"), "ls -d */fails/1/report.json");
    let path = told.night.state().join("sessions").join(report);
    let text = std::fs::read_to_string(&path).unwrap().replace("it cannot be", "it could be");
    std::fs::write(&path, text).unwrap();
    told.is_found("a report of an attempt changed", "the report it left says otherwise (summary)");
}

#[test]
fn p3_what_a_person_took_back_is_reported_as_that_and_the_proof_holds() {
    let night = Night::new();
    night.mission_with(
        &[unit("a", "echo true > tests/a.sh"), unit("b", "echo true > tests/b.sh")].concat(),
        &["--workers", "1"],
    );
    night.mc(&["report", "--verify"]).exits(0).says(&["every claim of the report holds"]);
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0);
    let said = night.mc(&["report", "--verify"]).exits(0);
    said.says(&["every claim of the report holds", "b: landed at ", ", which a person took back (rollback 1)"]);
}

#[test]
fn what_landed_is_verified_again_and_a_test_that_says_otherwise_is_named() {
    let night = Night::new();
    night.without_oracle("one of its tests looks outside, where something is broken in the end");
    night.write("tests/outside.sh", "test ! -e \"$HOME/broken\"\n");
    night.commit("a test that looks outside");
    night.mission(&unit("good", "echo true > tests/good.sh")).exits(0);
    let said = night.mc(&["report", "--verify", "--rerun"]).exits(0);
    said.says(&["every claim of the report holds", "good: its tree verifies again as it did"]);
    night.sh("touch ../broken");
    let said = night.mc(&["report", "--verify", "--rerun"]).exits(4);
    said.says(&["DOES NOT HOLD      good: its tree verifies again as it did: twice it did not: ", "outside"]);
    // Another run of a tree is knowledge, and takes nothing from what was reported.
    night.mc(&["report", "--verify"]).exits(0);
    night.mc(&["report", "--rerun"]).exits(2);
}

#[test]
fn p9_what_a_unit_had_to_show_of_its_own_cannot_be_left_out_of_a_journal() {
    let night = Night::new();
    let line = "verify = 'true'\naccept = 'test -e shown'\n";
    night.mission(&[unit("shown", "echo > shown"), line.to_owned()].concat()).exits(0);
    let told = Told::of(night);
    let (code, proof) = told.proof();
    assert_eq!((code, &proof["counts"]["broken"]), (0, &json!(0)), "{proof:#}");
    let does_not_follow = "what is known does not let it land, or not like that";
    let said = |rows: &mut Vec<Row>, role: &str| {
        let run = rows.iter().find(|row| row.kind == "verify-started" && row.body["role"] == role).unwrap().body["run"]
            .clone();
        rows.iter().position(|row| row.kind == "verified" && row.body["run"] == run).unwrap()
    };

    told.rewrite(|rows| {
        let at = said(rows, "accept-before");
        rows[at].body["summary"]["outcome"] = json!("passed");
    });
    told.is_found("an `accept` that passed before", does_not_follow);

    told.rewrite(|rows| {
        let at = said(rows, "accept-before");
        rows.drain(at - 1..=at);
        find(rows, "land-intended", "accept_before").body.as_object_mut().unwrap().remove("accept_before");
    });
    told.is_found("an `accept` that was never asked before", does_not_follow);

    for (key, what) in
        [("accept_before", "its `accept` on green before it"), ("unit_checks", "its own lines on its tree")]
    {
        told.rewrite(|rows| drop(find(rows, "land-intended", key).body.as_object_mut().unwrap().remove(key)));
        let why = format!("shown: rests on what is stored: {what}: it names no snapshot");
        told.night.mc(&["audit"]).exits(4).says(&[&why]);
        told.is_found(key, does_not_follow);
    }
}

#[test]
fn what_landed_is_verified_again_against_what_its_own_landing_rests_on() {
    let night = Night::new();
    night.mission(&unit("good", "echo true > tests/good.sh")).exits(0);
    let told = Told::of(night);
    told.rewrite(|rows| {
        let at = rows.iter().position(|row| row.kind == "land-intended").unwrap();
        let mut other = rows[at].clone();
        other.body["landing"] = json!(999);
        other.body["key"] = json!("0".repeat(64));
        rows.insert(at + 1, other);
    });
    let said = told.night.mc(&["report", "--verify", "--rerun"]).exits(4);
    said.says(&["holds              good: its tree verifies again as it did"]);
    told.put_back();
}

#[test]
fn a_journal_that_is_none_any_more_is_said_to_be_none() {
    let told = Told::new();
    told.rewrite(|rows| drop(rows.remove(0)));
    let (code, proof) = told.proof();
    assert_eq!((code, &proof["claims"][1]["claim"]), (4, &json!("the journal folds to a state")));
    told.put_back();

    // Every row once: one bit of one byte, in a column and at a place that differ from row to row.
    let mut random = fastrand::Rng::with_seed(14);
    for seq in 1..=told.rows().len() {
        let column = ["mission", "kind", "body", "hash", "at_ms"][random.usize(..5)];
        let db = Connection::open(told.db()).unwrap();
        db.execute_batch("PRAGMA ignore_check_constraints = 1; DROP TRIGGER IF EXISTS journal_is_never_changed")
            .unwrap();
        let before: rusqlite::types::Value =
            db.query_row(&format!("SELECT {column} FROM journal WHERE seq = {seq}"), [], |row| row.get(0)).unwrap();
        let after = match before.clone() {
            rusqlite::types::Value::Integer(number) => {
                rusqlite::types::Value::Integer(number ^ (1 << random.u32(..40)))
            }
            rusqlite::types::Value::Text(text) => {
                let mut bytes = text.into_bytes();
                let at = random.usize(..bytes.len());
                // The lowest bit keeps plain text plain text.
                bytes[at] ^= 1;
                rusqlite::types::Value::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            other => panic!("{other:?}"),
        };
        let change = format!("UPDATE journal SET {column} = ?1 WHERE seq = {seq}");
        assert_eq!(db.execute(&change, [&after]).unwrap(), 1);
        drop(db);
        let said = told.night.mc(&["audit"]);
        assert_eq!(said.code, 4, "row {seq}, {column}: {before:?} became {after:?}: {}", said.text());
        assert!(said.out.starts_with(&format!("row {seq} of the journal was changed")), "{}", said.text());
        let db = Connection::open(told.db()).unwrap();
        db.execute(&change, [&before]).unwrap();
    }
    told.night.mc(&["audit"]).exits(0);
}
