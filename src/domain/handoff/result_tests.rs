//! Handoffs as agents really print them, and as a hostile one might.

use super::{MAX_GAP, MAX_ITEM_CHARS, MAX_ITEMS, MAX_SUMMARY_BYTES, last_in, read};
use crate::domain::mission::Claim;
use proptest::prelude::*;

fn summary(log: &str) -> Option<String> {
    read(None, log).map(|h| h.summary)
}

/// `text` as the string of a stream event, as often as asked.
fn streamed(text: &str, times: u32) -> String {
    (0..times).fold(text.to_owned(), |t, _| serde_json::json!({"type": "text", "text": t}).to_string())
}

#[test]
fn the_result_file_wins_when_it_parses() {
    let log = r#"MC_RESULT:{"status":"failed"}"#;
    let read_status = |file| read(file, log).map(|h| h.status);
    assert_eq!(read_status(Some("\u{feff} {\"status\": \" Completed \"}\n")), Some(Claim::Completed));
    for unusable in ["", "{", "[]", "{}", r#"{"status":"splendid"}"#, r#"{"status":1}"#] {
        assert_eq!(read_status(Some(unusable)), Some(Claim::Failed), "{unusable}");
    }
    assert_eq!(read(Some("nonsense"), "no result here"), None);
}

#[test]
fn h25_the_last_valid_result_counts_over_several_lines_and_in_fences() {
    let one = "MC_RESULT:{\"status\":\"completed\",\n \"summary\":\n \"first\"}\n";
    let fenced = "```\nMC_RESULT: {\"status\":\"blocked\",\"summary\":\"second\"}\n```\n";
    let fence_behind = "**MC_RESULT:**\n```json\n{\"status\":\"blocked\",\"summary\":\"third\"}\n```\n";
    assert_eq!(summary(one).as_deref(), Some("first"));
    assert_eq!(summary(&format!("{one}{fenced}")).as_deref(), Some("second"));
    assert_eq!(summary(&format!("{one}{fenced}{fence_behind} bye")).as_deref(), Some("third"));
    let spoiled = format!("{one}MC_RESULT:{{\"status\":\"completed\", oops}} MC_RESULT:{{\"status\":\"great\"}}");
    assert_eq!(summary(&spoiled).as_deref(), Some("first"));
}

#[test]
fn h10_results_inside_stream_strings_are_found_at_any_depth() {
    let said =
        "C:\\dir\\ then\nMC_RESULT:{\n  \"status\": \"completed\",\n  \"summary\": \"a \\\"b\\\" } \\\\ c\\n\"}\nbye";
    for times in 0..=3 {
        let log = format!("noise\n{}\nmore \"noise\"", streamed(said, times));
        assert_eq!(summary(&log).as_deref(), Some("a \"b\" } \\ c"), "nested {times} times: {log}");
    }
}

#[test]
fn h28_braces_in_strings_and_backslashes_outside_do_not_confuse() {
    let log = r#"\" \{ MC_RESULT:{"status":"completed","summary":"{[}]\\","x":{"y":[1,{"z":"}"}]}} \ " trailing }"#;
    assert_eq!(summary(log).as_deref(), Some("{[}]\\"));
    assert_eq!(summary(r#"MC_RESULT:{\ "status":"completed"}"#), None);
}

#[test]
fn h46_wrong_types_are_coerced_or_dropped() {
    let log = r#"MC_RESULT:{"status":"completed","summary":["a",1,null],"commits":"abc","files_changed":null,
        "no_op_reason":7,"discoveries":[{"title":"t"},"",2,[]],"concerns":true,"decisions":{},"blockers":1.5,
        "unknown":{"deep":[]}}"#;
    let h = read(None, log).expect("a handoff");
    assert_eq!(h.summary, "a\n1");
    assert_eq!(h.commits, ["abc"]);
    assert!(h.files_changed.is_empty() && h.follow_ups.is_empty());
    assert_eq!(h.no_op_reason.as_deref(), Some("7"));
    assert_eq!(h.discoveries, [r#"{"title":"t"}"#, "2"]);
    assert_eq!((h.concerns, h.decisions, h.blockers), (vec!["true".into()], vec!["{}".into()], vec!["1.5".into()]));
    assert_eq!(read(None, r#"MC_RESULT:{"status":["completed"]}"#), None);
}

#[test]
fn texts_are_capped_at_character_boundaries() {
    let file =
        serde_json::json!({"status": "continue", "summary": "é".repeat(5000), "concerns": vec!["ü".repeat(900); 99]});
    let h = read(Some(&file.to_string()), "").expect("a handoff");
    assert_eq!(h.summary.len(), MAX_SUMMARY_BYTES);
    assert_eq!(h.concerns.len(), MAX_ITEMS);
    assert!(h.concerns.iter().all(|c| c.chars().count() == MAX_ITEM_CHARS));
}

#[test]
fn a_log_full_of_unfinished_results_is_read_once() {
    let valid = "MC_RESULT:{\"status\":\"failed\"}";
    for piece in [
        "MC_RESULT:{",
        "MC_RESULT:{\"",
        "MC_RESULT:{\"a\":\"",
        "MC_RESULT:{\"a\":[",
        "MC_RESULT:{\\\"a\\\":[",
        "MC_RESULT:",
    ] {
        let log = format!("{valid}{}", piece.repeat((1 << 20) / piece.len()));
        let found = last_in(&log, MAX_GAP * log.len());
        assert_eq!(found.map(|h| h.status), Some(Claim::Failed), "{piece}");
    }
    let open_ends = "MC_RESULT:{\"a\":1,".repeat((50 << 20) / 17);
    assert_eq!(read(None, &open_ends), None);
}

#[test]
fn looking_ends_when_the_budget_is_used_up() {
    let log = format!("MC_RESULT:{{\"status\":\"failed\"}} MC_RESULT:{{\"a\":\"{}", "x".repeat(1000));
    assert!(last_in(&log, 2000).is_some());
    assert_eq!(last_in(&log, 900), None);
}

proptest! {
    #[test]
    fn reading_never_panics(log in ".{0,200}", soup in "(MC_RESULT|:|\\{|\\}|\\[|\"|\\\\|n|status|completed|,|é| ){0,60}") {
        let _ = read(Some(&log), &soup);
        let _ = read(Some(&soup), &format!("{log}MC_RESULT:{{{soup}"));
    }

    #[test]
    fn what_was_said_is_read_back(said in "\\PC{1,80}", before in ".{0,40}", times in 0_u32..4) {
        let result = serde_json::json!({"status": "blocked", "summary": said});
        let log = streamed(&format!("{before}\nMC_RESULT:{result}\n"), times);
        let read_back = read(None, &log).map(|h| h.summary);
        prop_assert_eq!(read_back, Some(said.trim().to_owned()));
    }
}
