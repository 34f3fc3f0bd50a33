//! `mc audit` on a mission once lived through, and on the same one with each claim made false.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::told::Told;

/// The audit finds a lie and says so in these words; then everything is put back.
#[track_caller]
fn finds(told: &Told, words: &[&str]) {
    told.night.mc(&["audit"]).exits(4).says(words);
    told.put_back();
}

#[test]
fn p1_p3_what_landed_holds_and_each_false_claim_is_named() {
    let told = Told::new();
    let night = &told.night;
    let landings = told.rows().iter().filter(|row| row.kind == "landed").count();
    let rows = told.rows().len();
    let holds = format!("all holds: {rows} journal rows, 1 missions, {landings} landings, 5 pins checked\n");
    assert_eq!(night.mc(&["audit"]).exits(0).out, holds);
    assert!(!night.mc(&["report"]).exits(0).out.contains("WRONG"));

    night.sh("git update-ref refs/heads/mc/green mc/green~1");
    let short = night.sh("git rev-parse --short=10 mc/green");
    assert!(night.mc(&["report"]).out.starts_with("WRONG: "), "the report says so too");
    finds(&told, &["landed at ", "which green contains once: green at ", &short, "does not contain it"]);

    let intent = told.rows().iter().rfind(|row| row.kind == "land-intended").unwrap().body.clone();
    let key = intent["key"].as_str().unwrap();
    for outcome in ["passed", "failed"] {
        let (from, to) = (format!("\"outcome\":\"{outcome}\""), "\"outcome\":\"not-run\"");
        let set = format!("UPDATE snapshots SET body = replace(body, '{from}', '{to}')");
        told.sql(&format!("{set} WHERE key = '{key}'"));
    }
    finds(&told, &["rests on what is stored: its snapshot was not run"]);
    told.sql(&format!("DELETE FROM snapshots WHERE key = '{key}'"));
    finds(&told, &["rests on what is stored: no snapshot is stored under ", "error: 1 claim does not hold"]);
    told.sql(&format!("UPDATE snapshots SET tree = 'another' WHERE key = '{key}'"));
    finds(&told, &["its snapshot is of the tree another, not of "]);
    told.sql(&format!(
        "UPDATE snapshots SET body = replace(body, '\"fingerprint\":\"', '\"fingerprint\":\"0') WHERE key = '{key}'"
    ));
    finds(&told, &["is not the key of its tree, stages and environment"]);

    told.replaces_the_newest("mc/green^{tree}", "Land it without a word");
    finds(&told, &["it lacks the trailer Mc-Mission; it lacks the trailer Mc-Unit"]);

    let pins = "git for-each-ref --format='%(refname)' refs/mc/attempts | grep breaks/1";
    night.sh(&format!("git update-ref $({pins}) main"));
    finds(&told, &["breaks attempt 1: refs/mc/attempts/", "points to"]);
    night.sh(&format!("git update-ref -d $({pins})"));
    finds(&told, &["breaks attempt 1: refs/mc/attempts/", "is gone; it pinned"]);

    let tamper = "DROP TRIGGER journal_is_never_changed; UPDATE journal SET at_ms = 9 WHERE seq = 4";
    rusqlite::Connection::open(told.db()).unwrap().execute_batch(tamper).unwrap();
    finds(&told, &["row 4 of the journal was changed: "]);
}
