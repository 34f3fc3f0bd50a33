//! Marks: every form of a backlog, every byte beside them.

use super::*;
use expect_test::expect;
use proptest::prelude::*;

fn marks(list: &[(&str, &str)]) -> Vec<Mark> {
    let mark = |(unit, status): &(&str, &str)| Mark {
        unit: UnitId::new(unit).unwrap(),
        status: (*status).to_owned(),
        was: None,
    };
    list.iter().map(mark).collect()
}

fn marked(text: &str, list: &[(&str, &str)]) -> String {
    let marked = mark(text, &marks(list)).unwrap();
    assert_eq!(marked.kept, [], "{}", marked.text);
    marked.text
}

#[test]
fn every_form_gets_its_mark_and_nothing_else_changes() {
    let text = "# Backlog\n\nIntro\t\n\n## A\n- id: one\n- priority: high\n\ntext  \n## B\ntext at once\n\n## C\n\n- do this\n- [ ] and that\n\
                ## D\n- do this\n## [ ] E\n* depends: one\n## F\n**Priority**: High\n**Status**: todo\n## G\n- STATUS : todo (soon)\n- tags: x\n## H";
    let all = ["one", "b", "c", "d", "e", "f", "g", "h"];
    let list: Vec<(&str, &str)> = all.iter().map(|id| (*id, "done (2026-11-20, 0123456789)")).collect();
    expect![[r#"
        # Backlog

        Intro	

        ## A
        - id: one
        - status: done (2026-11-20, 0123456789)
        - priority: high

        text  
        ## B
        - status: done (2026-11-20, 0123456789)

        text at once

        ## C
        - status: done (2026-11-20, 0123456789)

        - do this
        - [ ] and that
        ## D
        - status: done (2026-11-20, 0123456789)

        - do this
        ## [x] E
        * status: done (2026-11-20, 0123456789)
        * depends: one
        ## F
        **Priority**: High
        **Status**: done (2026-11-20, 0123456789)
        ## G
        - STATUS : done (2026-11-20, 0123456789)
        - tags: x
        ## H
        - status: done (2026-11-20, 0123456789)"#]]
    .assert_eq(&marked(text, &list));
}

#[test]
fn line_ends_white_space_and_a_missing_last_end_stay() {
    let text = "\u{feff}# B\r\n## A\r\n\t- not a key\r\n## B\r\n- id: b\r\n- priority: 1\r\n";
    assert_eq!(
        marked(text, &[("a", "failed (x)"), ("b", "no-op")]),
        "\u{feff}# B\r\n## A\r\n- status: failed (x)\r\n\r\n\t- not a key\r\n## B\r\n- id: b\r\n- status: no-op\r\n- priority: 1\r\n"
    );
    assert_eq!(marked("## A\n- id: a", &[("a", "done")]), "## A\n- id: a\n- status: done");
    assert_eq!(marked("## A\r\n- run: x", &[("a", "done")]), "## A\r\n- status: done\r\n- run: x");
    assert_eq!(marked("## A", &[("a", "done")]), "## A\n- status: done");
}

#[test]
fn a_list_of_checkboxes_is_marked_below_its_items() {
    let text = "Things\n\n- [ ] First\n  - more of it\n- [ ] Second\n* [x] Third\n";
    assert_eq!(
        marked(text, &[("first", "done (d)"), ("second", "failed (why)")]),
        "Things\n\n- [x] First\n  - status: done (d)\n\n  - more of it\n- [ ] Second\n  - status: failed (why)\n* [x] Third\n"
    );
}

#[test]
fn the_status_of_a_person_stays_and_is_told() {
    let text =
        "## A\n- status: skipped (not needed)\n## B\n- status: todo (please)\n## C\n- status: failed (x)\n## D\n";
    let mut list = marks(&[("a", "done"), ("b", "done"), ("c", "done"), ("gone", "done")]);
    let told = mark(text, &list).unwrap();
    assert_eq!(told.text, text.replace("todo (please)", "done"));
    let kept: Vec<(&str, &str)> = told.kept.iter().map(|(unit, status)| (unit.as_str(), status.as_str())).collect();
    assert_eq!(kept, [("a", "skipped (not needed)"), ("c", "failed (x)")]);
    // What the writer wrote itself it may replace.
    list[2].was = Some("failed (x)".to_owned());
    assert!(mark(text, &list).unwrap().text.contains("## C\n- status: done\n"));
    // Set back by a person: not failed once more, but done when it has landed.
    let again = Mark { status: "failed (y)".into(), was: Some("failed (x)".into()), unit: UnitId::new("d").unwrap() };
    assert_eq!(mark(text, std::slice::from_ref(&again)).unwrap().text, text);
    assert!(mark(text, &[Mark { status: "done".into(), ..again }]).unwrap().text.ends_with("## D\n- status: done\n"));
}

#[test]
fn a_mark_that_would_change_the_meaning_of_the_file_is_not_written() {
    let odd = "## A\n- status: todo (soon,\n  later)\n## B\n";
    let told = mark(odd, &marks(&[("a", "done"), ("b", "done")])).unwrap();
    assert!(told.text.starts_with("## A\n- status: todo (soon,\n  later)\n## B\n- status: done"), "{}", told.text);
    assert_eq!(told.kept.len(), 1);
    assert!(mark("## A\n## A\n", &marks(&[("a", "done")])).unwrap_err().0.contains("duplicate id"));
}

#[test]
fn the_text_of_a_person_and_marks_are_merged_item_by_item() {
    let base = "# B\n\n## A\n- id: a\n\ntext\n\n## B\n- id: b\n\n## C\n- id: c\n";
    let ours = marked(base, &[("a", "done (d)"), ("b", "failed (x)"), ("c", "blocked (depends on b)")]);
    let person = "# Backlog of us\n\n## New\n\n## A, and more\n- id: a\n- priority: 0\n\nother text\n\n## B\n- id: b\n- status: skipped\n";
    expect![[r#"
        # Backlog of us

        ## New

        ## A, and more
        - id: a
        - status: done (d)
        - priority: 0

        other text

        ## B
        - id: b
        - status: skipped
    "#]]
    .assert_eq(&merge(base, &ours, person).unwrap());
    assert_eq!(merge(base, &ours.replace("text", "words"), person), None);
    assert_eq!(merge(base, &ours, "## A\n## A\n"), None);
    // Said to be done again, or other words: what did not work out is forgotten, what landed is not.
    let person = base
        .replace("- id: a\n", "- id: a\n- status: todo\n")
        .replace("## B\n- id: b\n", "## B\n- id: b\n- priority: 0\n");
    let merged = merge(base, &ours, &person).unwrap();
    assert_eq!(merged, person.replace("- id: c\n", "- id: c\n- status: blocked (depends on b)\n"));
    let landed = marked(base, &[("b", "done (d)")]);
    assert!(merge(base, &landed, &person).unwrap().contains("- id: b\n- status: done (d)\n- priority: 0\n"));
}

#[test]
fn marks_on_a_text_that_the_person_has_changed_since_are_taken_over() {
    let base = "## A\n- id: a\n- status: done (x)\n\n## B\n- id: b\n";
    let earlier = "## A\n- id: a\n- status: done (x)\n\n## C\n- id: c\n- run: x\n\n## E\n- id: e\n";
    let ours = marked(earlier, &[("c", "failed (d)"), ("e", "done (d)")]);
    assert_eq!(merge(base, &ours, earlier).unwrap(), ours);
    let person = format!("{earlier}\n## F\n- id: f\n");
    assert_eq!(merge(base, &ours, &person).unwrap(), format!("{ours}\n## F\n- id: f\n"));
    // Other words make another item of one that failed; a status that was said stays; what is gone stays gone.
    let words =
        person.replace("- run: x\n", "- run: x\n- priority: 0\n").replace("- id: e\n", "- id: e\n- status: skipped\n");
    assert_eq!(merge(base, &ours, &words).unwrap(), words);
    assert_eq!(merge(base, &ours, base), None);
}

fn line() -> impl Strategy<Value = String> {
    let lines = vec![
        "",
        "text",
        "# One",
        "## A",
        "## B",
        "## [ ] C",
        "### D",
        "- id: x",
        "- [ ] item",
        "  - [ ] sub",
        "- status: todo",
        "- status: failed (a)",
        "- depends: a",
        "* priority: high",
        "**Status**: todo",
        "```",
        "  more",
        "- words",
    ];
    prop::sample::select(lines).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn whatever_the_text_only_marks_are_added(lines in prop::collection::vec(line(), 0..20), end in prop::sample::select(vec!["\n", "\r\n"]), last in any::<bool>()) {
        let mut text = lines.join(end);
        if last { text.push_str(end); }
        let Ok(backlog) = parse(&text) else { return Ok(()) };
        let list: Vec<Mark> = backlog.units.iter().map(|unit| Mark { unit: unit.id.clone(), status: "blocked (2026-11-20, x)".into(), was: None }).collect();
        let told = mark(&text, &list).map_err(|e| TestCaseError::fail(e.0))?;
        // Every old line is still there in its order, but for statuses.
        let mut new = told.text.lines();
        for old in text.lines().filter(|line| !line.to_lowercase().contains("status")) {
            prop_assert!(new.any(|line| line == old), "{old:?} is lost in\n{}", told.text);
        }
        let again = parse(&told.text).map_err(|f| TestCaseError::fail(format!("{f:?}")))?;
        for unit in &backlog.units {
            let kept = told.kept.iter().any(|(id, _)| *id == unit.id);
            prop_assert_eq!(again.statuses[&unit.id].to_string() == "blocked (2026-11-20, x)", !kept);
        }
    }
}
