//! Backlogs as Markdown readers show them: what is an item, and that marks leave every other byte alone.

use super::*;
use crate::domain::unit::UnitSpec;
use proptest::prelude::*;

/// `line:level id` for units, `line:level group` or `note` else.
fn items(text: &str) -> Vec<String> {
    let backlog = parse(text).unwrap_or_else(|findings| panic!("refused: {findings:#?}\n{text}"));
    let item = |heading: &Heading| match &heading.kind {
        HeadingKind::Unit(id) => format!("{}:{} {id}", heading.line, heading.level),
        HeadingKind::Group => format!("{}:{} group", heading.line, heading.level),
        HeadingKind::Note => format!("{}:{} note", heading.line, heading.level),
    };
    backlog.headings.iter().map(item).collect()
}

const STATUS: &str = "held (2026-11-20, why)";

/// Whether the second text is the first one with lines of marks, and empty lines right behind those, put in.
fn only_marks_are_added(before: &str, after: &str) -> Result<(), String> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let (mut at, mut marked) = (0, false);
    for line in after.split_inclusive('\n') {
        let last = at + 1 == old.len();
        if at < old.len() && (line == old[at] || (last && line.trim_end_matches(['\r', '\n']) == old[at])) {
            (at, marked) = (at + 1, false);
        } else if line.contains(STATUS) {
            marked = true;
        } else if marked && line.trim().is_empty() {
            marked = false;
        } else {
            return Err(format!("{line:?} in\n{after}"));
        }
    }
    if at == old.len() { Ok(()) } else { Err(format!("{:?} is lost in\n{after}", old[at])) }
}

/// Marks every unit and looks at every byte.
fn marks_well(text: &str) -> Result<usize, String> {
    let backlog = parse(text).map_err(|findings| format!("{findings:?}"))?;
    let mark_of = |unit: &UnitSpec| Mark { unit: unit.id.clone(), status: STATUS.to_owned(), was: None };
    let marks: Vec<Mark> = backlog.units.iter().map(mark_of).collect();
    let told = mark(text, &marks).map_err(|e| e.0)?;
    only_marks_are_added(text, &told.text)?;
    let again = parse(&told.text).map_err(|findings| format!("{findings:?}\n{}", told.text))?;
    let held = again.statuses.values().filter(|status| status.to_string() == STATUS).count();
    if held + told.kept.len() == marks.len() { Ok(told.kept.len()) } else { Err(told.text) }
}

#[test]
fn items_are_what_markdown_shows() {
    for (text, wanted) in [
        // Indented code opens no fence and no comment.
        ("## D\n    ```\n## E\n- run: e\n\n## F\n    ```\n## G\n- run: g\n", &["1:2 d", "3:2 e", "6:2 f", "8:2 g"][..]),
        ("## D\n- run: d\n\n    ``` as text in indented code\n\n## E\n- run: e\n", &["1:2 d", "6:2 e"]),
        ("## D\n- run: d\n\n    <!-- as text\n\n## E\n", &["1:2 d", "6:2 e"]),
        // Raw HTML.
        (
            "## Visible task\n- run: a\n\n<details>\n<summary>Old ideas</summary>\n## Drop the table\n- run: x\n</details>\n",
            &["1:2 visible-task"],
        ),
        ("## A\n\n<details>\n\n## B\n\n</details>\n\n## C", &["1:2 a", "5:2 b", "9:2 c"]),
        ("## A\n<!-- a\n## B\n-->\n## C\n", &["1:2 a", "5:2 c"]),
        // Fences of every kind.
        ("## A\n~~~~\n```\n## B\n~~~\n~~~~~\n## C\n", &["1:2 a", "7:2 c"]),
        ("## A\n1. Do:\n   ```sh\n   ## no\n## B\n", &["1:2 a", "5:2 b"]),
        ("## A\n> ~~~\n> ## no\n\n## B\n> ## no\n", &["1:2 a", "5:2 b"]),
        // Headings of list items, and underlined ones.
        ("## A\n- first\n  ## of the item\n- ## of the other\n\n## B\n", &["1:2 a", "6:2 b"]),
        ("Backlog\n=======\n\nWrite it\n--------\n- run: a\n\nUse it\n------", &["4:2 write-it", "8:2 use-it"]),
        ("---\nlayout: a\n---\n## A\n", &["4:2 a"]),
        // Boxes.
        ("- [ ] A\n  ~~~\n  - [ ] no\n  ~~~\n\n      - [ ] no\n- [ ] B\n\n<p>\n- [ ] no\n</p>\n", &["1:0 a", "7:0 b"]),
        ("- [ ] A\n  ---\n- [ ] B\n", &["1:0 a", "3:0 b"]),
        ("- [ ] A\nlazy\n\n1. [ ] B\n   - [ ] part of it\n", &["1:0 a", "4:0 b"]),
        // Tasks.
        (
            "# Plan\n\n# Task: One\n# Task: Two\n- id: second\n# Notes\ntext\n# task 3: Three\n",
            &["3:1 one", "4:1 second", "8:1 task-3-three"],
        ),
        (
            "# Task: One\n**Priority**: High\n\n## Context\n- why\n\n## Success Criteria\n- [ ] a\n\n### More\n\n# Task: Two\n",
            &["1:1 one", "12:1 two"],
        ),
        ("Task: One\n=========\n\n# Task: Two", &["1:1 one", "4:1 two"]),
        ("# Task: Several\n## First\n- run: a\n## Second\n", &["1:1 group", "2:2 first", "4:2 second"]),
        ("# Task: Several\n## [ ] First\n", &["1:1 group", "2:2 first"]),
        ("## A\n### Success Criteria:\n- [ ] a\n### **Human Gates**\nNone\n## B\n", &["1:2 a", "6:2 b"]),
        ("## A\n### A1\n### Acceptance Tests\n- [ ] a\n", &["1:2 group", "2:3 a1", "3:3 note"]),
        ("## A\n### Success Criteria\n### A1\n", &["1:2 group", "2:3 note", "3:3 a1"]),
        ("## A\n### Acceptance tests\n- id: write-them\n", &["1:2 group", "2:3 write-them"]),
        // Boxes of criteria in a file of boxes.
        (
            "# P\n- [ ] A\n- [ ] B\n\n## Success Criteria\n- [ ] no\n\n## 2. Human Gates\n- [ ] no\n",
            &["2:0 a", "3:0 b"],
        ),
        (
            "**Success Criteria**:\n\n- [ ] no\n- [ ] no\n\n**Tasks**\n- [ ] A\n\nAcceptance Tests:\n- [ ] no\n\n# More\n- [ ] B\n",
            &["7:0 a", "13:0 b"],
        ),
        ("- **Human Gates:**\n  - [ ] no\n- Work:\n  - [ ] A\n", &["4:0 a"]),
        ("## Success Criteria\n- [ ] a\n", &["1:2 note"]),
    ] {
        for bom in ["", "\u{feff}"] {
            for end in ["\n", "\r\n"] {
                let text = format!("{bom}{}", text.replace('\n', end));
                assert_eq!(items(&text), wanted, "{text:?}");
                assert_eq!(marks_well(&text), Ok(0), "{text:?}");
                let cut = text.trim_end();
                assert_eq!(marks_well(cut), Ok(0), "{cut:?}");
            }
        }
    }
}

#[test]
fn a_task_says_what_a_task_sheet_says() {
    let text = "# Task: [P1] Config\n**Estimated Time**: 2 hours\n**Dependencies**: Task: Base\n\n## Context\nWhy.\n\n## Success Criteria\n\
                - [ ] loads\n\n## Human Gates\n\n- [ ] None\n\n# [x] Task: Base\n## Human Gates\nAsk before the release.\n## Tests\n```\n# no Task: x\n```\n";
    let backlog = parse(text).unwrap();
    let (config, base) = (&backlog.units[0], &backlog.units[1]);
    assert_eq!((config.title.as_str(), config.priority, config.gate.as_deref()), ("Config", 1, None));
    assert_eq!(config.estimate.as_deref(), Some("2 hours"));
    assert_eq!(config.depends.first(), Some(&base.id));
    assert_eq!(config.description, "## Context\nWhy.\n\n## Success Criteria\n- [ ] loads");
    assert_eq!(base.gate.as_deref(), Some("Ask before the release."));
    assert_eq!(base.description, "## Tests\n```\n# no Task: x\n```");
    assert!(backlog.satisfied_units().contains(&base.id));
    assert!(parse("# Task:\n").unwrap_err()[0].message.contains("no title"));
}

#[test]
fn what_markdown_does_not_show_as_an_item_is_told() {
    let notes = |text: &str| -> Vec<String> {
        parse(text).unwrap().notes.iter().map(|note| note.to_string().chars().take(30).collect()).collect()
    };
    assert_eq!(notes("<p>\n## a\n</p>\n"), ["line 2: inside raw HTML, so no"]);
    assert_eq!(notes("## A\n1. b\n   ## c\n"), ["line 3: belongs to the list it"]);
    assert_eq!(notes("## A\n## Human Gates\n- [ ] b\n"), ["line 2: criteria, not an item;"]);
    assert_eq!(notes("## A\n### Human Gates\n- [ ] b\n"), [""; 0]);
    // Keys in indented code are no keys, and were meant as such only where keys stand.
    for text in ["## A\n    - run: x\n", "## A\n- id: a\n-     run: x\n", "## A\n\n\t- run: x\n"] {
        let findings = parse(text).unwrap_err();
        assert!(findings[0].message.starts_with("`run` is indented so far"), "{findings:?}");
    }
    for text in ["## A\n- run: x\n  ## b\n", "## A\n- run: x\n- id: b\n  ---\n"] {
        let findings = parse(text).unwrap_err();
        assert!(findings[0].message.contains("a heading here, inside of the metadata"), "{findings:?}");
    }
    let shown = parse("## A\nWrite this:\n\n    - run: x\n").unwrap();
    assert_eq!(
        (shown.units[0].run.as_deref(), shown.units[0].description.as_str()),
        (None, "Write this:\n\n    - run: x")
    );
}

fn line() -> impl Strategy<Value = String> {
    let lines = vec![
        "",
        "",
        "text",
        "# One",
        "# Task: T",
        "# Task 2: U",
        "## A",
        "## B",
        "### C",
        "## Success Criteria",
        "Human Gates:",
        "## [x] D",
        "Title",
        "-----",
        "===",
        "- id: x",
        "- run: x",
        "  - nested",
        "- [ ] box",
        "  - [ ] inner",
        "    - id: code",
        "\t- tab",
        "    ## code",
        "```",
        "~~~~",
        "   ```",
        "    ```",
        "- ```",
        "<details>",
        "</details>",
        "<!--",
        "-->",
        "<!-- a -->",
        "> ## quoted",
        "> - id: q",
        "lazy",
        "1. one",
        "   ## in one",
        "**Priority**: High",
        "**Success Criteria**:",
        "---",
        "- status: todo",
        "<pre>",
        "</pre>",
        "[a]: b",
        "  text  ",
    ];
    prop::sample::select(lines).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn whatever_markdown_makes_of_a_text_marks_leave_the_rest_alone(
        lines in prop::collection::vec(line(), 0..16), end in prop::sample::select(vec!["\n", "\r\n"]), bom in any::<bool>(), last in any::<bool>()
    ) {
        let text = format!("{}{}{}", if bom { "\u{feff}" } else { "" }, lines.join(end), if last { end } else { "" });
        // A status that is replaced is a line of another text; boxes stay as they are with this status.
        if parse(&text).is_ok() && !text.contains("status") {
            marks_well(&text).map_err(TestCaseError::fail)?;
        }
    }
}
