//! What plan files may say, and how they are refused.

use super::*;
use expect_test::{Expect, expect};

fn refused(text: &str, format: Format, expected: Expect) {
    let findings = parse(text, format).expect_err("refused");
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

const EVERY_KEY: &str = r#"
[[unit]]
id = "base"
title = "Base"
description = """
Two
lines"""
priority = "high"
files = ["src/**", "Cargo.toml"]
run = "make base"
verify = "make check"
accept = "make accept"
timeout = "1h30m"
max_attempts = 2
role = "builder"
agent = "codex"
tags = ["a", "b"]
labels = ["gpu"]
gate = "ask me"
checkpoint = true
estimate = "2h"
allow-removed-tests = true

[[unit]]
title = "Second thing"
depends = ["Base"]
timeout = 90
attempts = 1
priority = 0
"#;

#[test]
fn toml_takes_every_key() {
    let units = parse(EVERY_KEY, Format::Toml).unwrap();
    expect![[r#"
        {"id":"base","title":"Base","description":"Two\nlines","priority":1,"files":["src/**","Cargo.toml"],"run":"make base","verify":"make check","accept":"make accept","timeout":5400,"attempts":2,"role":"builder","agent":"codex","tags":["a","b"],"labels":["gpu"],"gate":"ask me","checkpoint":true,"estimate":"2h","allow_removed_tests":true,"line":2}
        {"id":"second-thing","title":"Second thing","priority":0,"depends":["base"],"timeout":90,"attempts":1,"line":24}
    "#]]
    .assert_eq(&units.iter().map(|unit| serde_json::to_string(unit).unwrap() + "\n").collect::<String>());
}

#[test]
fn json_says_the_same() {
    let text = "{\"unit\": [\n  {\"title\": \"A {[\\\" thing\", \"priority\": \"low\"},\n\n  {\"id\": \"b\", \"depends\": [\"a-thing\"], \"timeout\": \"5m\"}\n]}";
    let units = parse(text, Format::Json).unwrap();
    assert_eq!((units[0].id.as_str(), units[0].line, units[0].priority), ("a-thing", 2, 3));
    assert_eq!((units[1].title.as_str(), units[1].line, units[1].timeout), ("b", 4, Some(300)));
    assert_eq!(units[1].depends, [units[0].id.clone()]);
}

#[test]
fn every_fault_is_reported_at_once_with_its_line() {
    refused(
        r#"objective = "x"
[[unit]]
title = "One"
prioritty = 1
timeout = "soon"
attempts = 0
[[unit]]
id = "Bad Id"
[[unit]]
title = "one"
depends = ["on", "three"]
files = [1]
status = "done"
[[unit]]
run = "true"
[[unit]]
id = "three"
depends = ["four"]
attempts = 2
max_attempts = 3
[[unit]]
id = "four"
depends = ["three"]
checkpoint = 1.5
[units]
"#,
        Format::Toml,
        expect![[r#"
            line 1: unknown key `objective`; a plan file holds `[[unit]]` tables only
            line 4: unknown key `prioritty` (did you mean `priority`?)
            line 5: `timeout`: `soon` is not a duration; write it like "30m", "1h30m" or as seconds
            line 6: `attempts`: `0` is not a number of attempts (1 or more)
            line 8: `id`: `Bad Id` is not a valid unit id: it must start with a lower-case letter or a digit
            line 9: duplicate id `one` (first at line 2); give one of them another `id`
            line 11: `one` depends on unknown unit `on` (did you mean `one`?)
            line 12: `files`: the list holds a number, but takes texts only
            line 13: `status` belongs to BACKLOG.md; a plan file has no such key
            line 14: a unit needs a `title` or an `id`
            line 16: dependency cycle: three -> four -> three
            line 20: `attempts` is given twice (first at line 19)
            line 24: `checkpoint`: it cannot be a fraction
            line 25: unknown key `units` (did you mean `unit`?); a plan file holds `[[unit]]` tables only
        "#]],
    );
}

#[test]
fn broken_syntax_has_a_line() {
    refused(
        "[[unit]]\ntitle = \"a\"\nfiles = [\n",
        Format::Toml,
        expect![[r#"
        line 3: not valid TOML: unclosed array, expected `]`
    "#]],
    );
    refused(
        "{\"unit\": [\n{\"id\": \"a\",}]}",
        Format::Json,
        expect![[r#"
        line 2: not valid JSON: trailing comma at line 2 column 12
    "#]],
    );
    refused(
        "[]",
        Format::Json,
        expect![[r#"
        line 1: a plan file is an object `{"unit": [...]}`, not a list
    "#]],
    );
    refused(
        "unit = 3",
        Format::Toml,
        expect![[r#"
        line 1: `unit` must be a list of tables; write `[[unit]]` above each one
    "#]],
    );
}

#[test]
fn json_keys_given_twice_are_refused() {
    refused(
        "{\"unit\": [{\"id\": \"a\",\n \"run\": \"x\", \"run\": \"y\"}, 3, {\"id\": null}]}",
        Format::Json,
        expect![[r#"
        a unit must be a table, not a number
        line 1: `run` is given twice (first at line 1)
        line 2: `id`: it cannot be null
    "#]],
    );
}

#[test]
fn units_of_a_minified_file_are_told_apart() {
    let text = r#"{"unit":[{"id":"a"},{"id":"b","depends":["a"]},{"id":"c","depends":["a","b"]}]}"#;
    assert_eq!(parse(text, Format::Json).unwrap()[2].depends.len(), 2);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".{0,300}") {
        let _ = parse(&text, Format::Toml);
        let _ = parse(&text, Format::Json);
    }

    #[test]
    fn no_plan_panics(lines in proptest::collection::vec(proptest::sample::select(vec![
        "[[unit]]", "id = \"a\"", "id = \"b\"", "title = \"Ä\"", "title = ''", "depends = [\"a\", \"b\"]", "depends = 'a'",
        "files = []", "priority = -1", "timeout = 99999999999999", "[unit.x]", "x = {y = [1, {z = 2}]}", "unit = []", "\"\" = 1",
        "checkpoint = 1979-05-27", "attempts = 0x10",
    ]), 0..12)) {
        let _ = parse(&lines.join("\n"), Format::Toml);
    }
}
