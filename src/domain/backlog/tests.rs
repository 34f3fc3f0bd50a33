//! What a backlog may say, and how it is refused.

use super::*;
use crate::domain::values::UnitId;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One line per heading: line, path, kind, title; for units the status, priority and dependencies too.
fn outline(backlog: &Backlog) -> String {
    let mut text = String::new();
    for heading in &backlog.headings {
        let rest = match &heading.kind {
            HeadingKind::Unit(id) => {
                let unit = backlog.units.iter().find(|unit| unit.id == *id).unwrap();
                let depends: Vec<&str> = unit.depends.iter().map(UnitId::as_str).collect();
                format!("{id} [{}] P{} <- {}", backlog.statuses[id], unit.priority, depends.join(","))
            }
            HeadingKind::Group => "group".to_owned(),
            HeadingKind::Note => "note".to_owned(),
        };
        text += format!("{}: {} {:?}: {rest}", heading.line, heading.path, heading.title).trim_end();
        text.push('\n');
    }
    text
}

fn taken(text: &str, expected: Expect) -> Backlog {
    let backlog = parse(text).unwrap_or_else(|findings| panic!("refused: {findings:#?}"));
    expected.assert_eq(&outline(&backlog));
    backlog
}

fn refused(text: &str, expected: Expect) {
    let findings = parse(text).expect_err("refused");
    let lines: Vec<String> = findings.iter().map(|finding| finding.to_string() + "\n").collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn headings_become_groups_units_and_notes() {
    let text = "# Backlog\nintro\n- depends: nothing of this is read\n\n## Overview\n- status: note\n### below a note\n\n## Phase 1: Base\n- priority: high\n\n### Set up\nDo it.\n\n### Tests [P0]\n- depends: Set up\n\n## Build\n- depends: Phase 1\n### One\n#### Deep\n- depends: 1.1\n### Two\n- depends: Build/One\n\n# Other\n## Last ##\n- id: end\n- depends: Build, base; one\n";
    refused(
        text,
        expect![[r#"
        line 24: depends on unknown unit `Build/One`
    "#]],
    );
    taken(
        &text.replace("Build/One", "2.1"),
        expect![[r#"
        5:  "Overview": note
        7:  "below a note": note
        9: 1 "Phase 1: Base": group
        12: 1.1 "Set up": set-up [todo] P1 <-
        15: 1.2 "Tests": tests [todo] P0 <- set-up
        18: 2 "Build": group
        20: 2.1 "One": group
        21: 2.1.1 "Deep": deep [todo] P2 <- set-up,tests
        23: 2.2 "Two": two [todo] P2 <- deep,set-up,tests
        27: 3 "Last": end [todo] P2 <- deep,two,set-up,tests
    "#]],
    );
}

#[test]
fn metadata_sets_every_key() {
    let text = "## A thing\n\nText first.\n\n- id: a\n- Priority: low\n- files: `src/**`, lib/{a,b}.rs,\n  docs/*.md\n- verify: cargo test -p \"a: b\"\n- timeout: 1h30m\n- max_attempts: 2\n- role: builder\n- agent: codex\n- run: `make a`\n- tags: [x, y]\n- labels:\n  - gpu\n  - big\n- gate: ask me\n- checkpoint: yes\n- estimate: 2 h\n- allow-removed-tests: true\n- accept: ./check: it\n- status: held (2026-11-20, 0123abc, asks: why)\n- [ ] works\n- [x] was: there\n\n- key: value in the text\n```\n## no heading\n- id: no\n```\n";
    let backlog = parse(text).unwrap();
    expect![[r#"
        {
          "id": "a",
          "title": "A thing",
          "description": "Text first.\n\n- [ ] works\n- [x] was: there\n\n- key: value in the text\n```\n## no heading\n- id: no\n```",
          "priority": 3,
          "files": [
            "src/**",
            "lib/{a,b}.rs",
            "docs/*.md"
          ],
          "run": "make a",
          "verify": "cargo test -p \"a: b\"",
          "accept": "./check: it",
          "timeout": 5400,
          "attempts": 2,
          "role": "builder",
          "agent": "codex",
          "tags": [
            "x",
            "y"
          ],
          "labels": [
            "gpu",
            "big"
          ],
          "gate": "ask me",
          "checkpoint": true,
          "estimate": "2 h",
          "allow_removed_tests": true,
          "line": 1
        }"#]].assert_eq(&serde_json::to_string_pretty(&backlog.units[0]).unwrap());
    assert_eq!(backlog.statuses[&backlog.units[0].id].to_string(), "held (2026-11-20, 0123abc, asks: why)");
}

#[test]
fn task_sheets_are_understood() {
    let text = "## Task 1: Config\n**Priority**: High\n**Estimated Time:** 2 hours\n**Dependencies**: None\n\n**Success Criteria**:\n- [ ] loads\n\n**Acceptance Tests**:\n- `make test`\n\n**Human Gates**: None\n**Owner**: nobody\n\n## Task 2: Server\n- **Priority**: Critical\n- **Dependencies**: Task 1 (config), 1\n\n**Human Gates**:\n- review of the API\n- release\n\n## Task 3: Client\n**Dependencies**:\n\n- Task 1: Config\n- Server\n\nText.\n";
    let backlog = taken(
        text,
        expect![[r#"
        1: 1 "Task 1: Config": task-1-config [todo] P1 <-
        15: 2 "Task 2: Server": task-2-server [todo] P0 <- task-1-config
        23: 3 "Task 3: Client": task-3-client [todo] P2 <- task-1-config,task-2-server
    "#]],
    );
    expect![[r#"
        **Success Criteria**:
        - [ ] loads

        **Acceptance Tests**:
        - `make test`

        **Owner**: nobody"#]]
    .assert_eq(&backlog.units[0].description);
    assert_eq!(backlog.units[0].estimate.as_deref(), Some("2 hours"));
    assert_eq!((backlog.units[0].gate.as_deref(), backlog.units[0].accept.as_deref()), (None, None));
    assert_eq!(backlog.units[1].gate.as_deref(), Some("review of the API; release"));
    assert_eq!(backlog.units[2].description, "Text.");
}

#[test]
fn a_file_of_checkboxes_is_a_backlog() {
    let text = "Todo\n\n- [ ] First thing\n  more words\n  - [ ] a criterion\n- [x] Second: done\n  - depends: first thing\n\n* [ ] P0 Third\n\n  - depends: 1, 2\n\nno item\n  - [ ] Indented\n```\n- [ ] code\n```\n";
    let backlog = taken(
        text,
        expect![[r#"
        3: 1 "First thing": first-thing [todo] P2 <-
        6: 2 "Second: done": second-done [done] P2 <- first-thing
        9: 3 "Third": third [todo] P0 <- first-thing,second-done
        14: 4 "Indented": indented [todo] P2 <-
    "#]],
    );
    assert_eq!(backlog.units[0].description, "more words\n- [ ] a criterion");
    assert_eq!(backlog.satisfied_units().len(), 1);
    assert!(parse("- plain\n").unwrap().headings.is_empty());
}

#[test]
fn crlf_unicode_and_a_byte_order_mark_make_no_difference() {
    let text = "\u{feff}## Größe prüfen\n- depends: 修复 “x”\n- status: done (ja)\n\n## 修复 “x”\nSatz.\n\nZwei.\n";
    let crlf = parse(&text.replace('\n', "\r\n")).unwrap();
    assert_eq!(parse(text).unwrap(), crlf);
    taken(
        text,
        expect![[r#"
        1: 1 "Größe prüfen": unit-32198617401c [done (ja)] P2 <- unit-a60d06d52ec1
        5: 2 "修复 “x”": unit-a60d06d52ec1 [todo] P2 <-
    "#]],
    );
}

#[test]
fn code_quotes_and_comments_are_not_headings() {
    taken(
        "---\ntitle: front matter\n---\n## Real\n```md\n## in a fence\n~~~\n## still\n```\n~~~~\n## tilde\n~~~\n## tilde\n~~~~\n> ## quoted\n\n    ## indented code\n\n- ```sh\n  ## in a list\n  ```\n<!--\n## commented\n-->\n<!-- one line -->\n`## inline`\n- ## in a bullet\n\n---\n## Also real\n",
        expect![[r#"
            4: 1 "Real": real [todo] P2 <-
            30: 2 "Also real": also-real [todo] P2 <-
        "#]],
    );
}

#[test]
fn description_bullets_are_no_metadata() {
    let text = "## A\n- Note: mind the gap\n- depends: in words\n\n## B\n- see https://example.org\n- priority: high\n";
    let backlog = taken(
        text,
        expect![[r#"
        1: 1 "A": a [todo] P2 <-
        5: 2 "B": b [todo] P2 <-
    "#]],
    );
    assert_eq!(backlog.units[0].description, "- Note: mind the gap\n- depends: in words");
}

#[test]
fn every_fault_is_reported_at_once_with_its_line() {
    refused(
        "## Group\n- run: make\n- priority: urgent\n### Alpha\n- priority: 1\n- owner: me\n- dependz: x\n- just words\n- priority: 2\n- timeout: 0\n- attempts: many\n- files: /etc/passwd\n- status: finished\n- checkpoint: maybe\n- verify:\n- run:\n  - a\n### Beta\n- depends: Alhpa, Notes, gamma, Twin\n### Beta\n### P1 Gamma\n- priority: 0\n- id: Not Valid\n### Twin\n- id: t1\n### Twin\n- id: t2\n## Notes\n- status: note\n## Typo\n- prioritty: 3\n\n##Glued\n\nUnder it\n-----\n## \n```\n## swallowed\n",
        expect![[r#"
            line 2: `run` belongs to a unit, and this heading has sub-headings
            line 3: `priority`: `urgent` is not a priority; use a number (0 is the highest), critical, high, medium or low
            line 6: unknown key `owner`; leave a blank line between the metadata and other bullets
            line 7: unknown key `dependz` (did you mean `depends`?); leave a blank line between the metadata and other bullets
            line 8: not `key: value`; leave a blank line between the metadata and other bullets
            line 9: `priority` is given twice (first at line 5)
            line 10: `timeout`: it must be at least one second
            line 11: `attempts`: `many` is not a number of attempts (1 or more)
            line 12: `files`: `/etc/passwd` is absolute; globs start at the root of the repository
            line 13: `status`: `finished` is not a status; use todo, note, done, no-op, skipped, failed, blocked or held, with a remark in parentheses
            line 14: `checkpoint`: `maybe` is neither true nor false
            line 15: `verify`: it has no value
            line 16: `run`: it takes one value, not a list
            line 19: depends on `Notes`, which is a note (line 28), not a unit
            line 19: depends on `Twin`, which may mean lines 24, 26; use an `id`
            line 19: depends on unknown unit `Alhpa` (did you mean `alpha`?)
            line 20: duplicate id `beta` (first at line 18); give one of them another `id`
            line 22: `priority` contradicts the P1 in the heading
            line 23: `id`: `Not Valid` is not a valid unit id: it must start with a lower-case letter or a digit
            line 31: unknown key `prioritty` (did you mean `priority`?); put text above the first bullet if it is no key
            line 33: a heading needs a space after its `#`
            line 36: Markdown reads the text above as a heading; write it as `## title`, or put a blank line between them
            line 37: this item has no title
            line 38: opened here and never closed: the headings below it would not be read
        "#]],
    );
}

#[test]
fn cycles_show_their_path() {
    refused(
        "## A\n- depends: b\n## B\n- depends: c\n## C\n- depends: a\n## D\n- depends: d\n## G\n- depends: H\n### G1\n## H\n### H1\n- depends: G\n",
        expect![[r#"
            line 1: dependency cycle: a -> b -> c -> a
            line 7: dependency cycle: d -> d
            line 11: dependency cycle: g1 -> h1 -> g1
        "#]],
    );
}

#[test]
fn values_of_a_group_reach_its_units() {
    let text = "## P1 Group\n- depends: base\n- timeout: 5m\n- status: done\n### Inner\n- timeout: 1m\n#### A\n#### B\n- timeout: 2m\n- status: todo\n- priority: 0\n### C (P3)\n## Base\n";
    let backlog = taken(
        text,
        expect![[r#"
        1: 1 "Group": group
        5: 1.1 "Inner": group
        7: 1.1.1 "A": a [done] P1 <- base
        8: 1.1.2 "B": b [todo] P0 <- base
        12: 1.2 "C": c [done] P3 <- base
        13: 2 "Base": base [todo] P2 <-
    "#]],
    );
    let timeouts: Vec<Option<u64>> = backlog.units.iter().map(|unit| unit.timeout).collect();
    assert_eq!(timeouts, [Some(60), Some(120), Some(300), None]);
}

#[test]
fn ten_thousand_units_are_read_at_once() {
    let text: String = (0..10_000).map(|i| format!("## Unit {i}\n- depends: nothing {i}\n\ntext\n")).collect();
    assert_eq!(parse(&text).unwrap_err().len(), 10_000);
    let text: String =
        (1..10_000).map(|i| format!("## Unit {i}\n- depends: {}\n\ntext\n", (i - 1).max(1) % i)).collect();
    let findings = parse(&text.replace("depends: 0\n", "depends: none\n"));
    assert_eq!(findings.map(|backlog| backlog.units.len()).unwrap_or_default(), 9_999);
}

/// Lines that mean something, to reach the deeper rules by chance.
fn line() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "",
        "text",
        "# One",
        "## A",
        "## B",
        "### A",
        "### [x] C",
        "#### 1.2 D",
        "## P0",
        "- id: a",
        "- id: é",
        "- depends: a, B",
        "- depends:",
        "  - 1.1",
        "- priority: high",
        "- status: note",
        "- status: held (x)",
        "- nokey: x",
        "- [ ] item",
        "  - [x] sub",
        "```",
        "~~~~",
        "<!--",
        "-->",
        "---",
        "**Priority**: High",
        "**Dependencies**:",
        "**Human Gates:** a",
        "1. x",
        "\t- y",
        "- files: [{,]",
    ]);
    prop_oneof![4 => fixed.prop_map(str::to_owned), 1 => ".{0,40}"]
}

proptest! {
    #[test]
    fn no_text_panics(text in "(.|\n|\r){0,400}") {
        let _ = parse(&text);
    }

    #[test]
    fn accepted_backlogs_are_whole(lines in prop::collection::vec(line(), 0..25), end in prop::sample::select(vec!["\n", "\r\n"])) {
        if let Ok(backlog) = parse(&lines.join(end)) {
            let ids: BTreeSet<&UnitId> = backlog.units.iter().map(|unit| &unit.id).collect();
            prop_assert_eq!(ids.len(), backlog.units.len());
            prop_assert_eq!(backlog.statuses.len(), backlog.units.len());
            prop_assert!(backlog.units.iter().flat_map(|unit| &unit.depends).all(|id| ids.contains(id)));
            let listed = backlog.headings.iter().filter(|heading| matches!(heading.kind, HeadingKind::Unit(_))).count();
            prop_assert_eq!(listed, backlog.units.len());
        }
    }

    #[test]
    fn every_heading_is_listed(titles in prop::collection::vec(("[#]{2,6}", "[a-zA-Zäß ]{0,12}"), 0..20)) {
        let text: String = titles.iter().enumerate().map(|(i, (marks, title))| format!("{marks} {title} x{i}\n\ntext\n")).collect();
        let backlog = parse(&text).map_err(|findings| TestCaseError::fail(format!("{findings:?}")))?;
        let lines: Vec<u32> = backlog.headings.iter().map(|heading| heading.line).collect();
        let wanted: Vec<u32> = (0..titles.len()).map(|i| u32::try_from(i * 3 + 1).unwrap()).collect();
        prop_assert_eq!(lines, wanted);
    }
}
