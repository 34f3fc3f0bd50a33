//! Sessions in files of every kind.

use super::super::check;
use super::*;
use expect_test::expect;

fn session(title: &str) -> Session {
    Session {
        title: title.to_owned(),
        bullets: vec![Bullet::new("Date", "2026-11-20"), Bullet::new("Outcome", "a\nlanded </details>")],
        current: ["Phase", "Active Task", "Blocked", "Last Commit", "Target"]
            .map(|name| Bullet::new(name, title))
            .to_vec(),
        next: vec!["more".to_owned()],
    }
}

#[test]
fn a_first_session_makes_the_file_and_the_next_one_renews_it() {
    let first = add(None, &session("one"));
    expect![[r#"
        # Progress

        ## Current State

        <!-- mc writes the lines below anew with each session; take this line away to keep your own -->
        - **Phase**: one
        - **Active Task**: one
        - **Blocked**: one
        - **Last Commit**: one
        - **Target**: one

        ## Next Up

        <!-- mc writes the lines below anew with each session; take this line away to keep your own -->
        1. more

        ## Session History

        <details>
        <summary>Session 001 - one</summary>

        - **Date**: 2026-11-20
        - **Outcome**: a landed &lt;/details>

        </details>
    "#]]
    .assert_eq(&first);
    assert_eq!(check(&first), Ok(1));
    let second = add(Some(&first), &session("two"));
    assert_eq!(check(&second), Ok(2));
    assert!(second.contains("- **Phase**: two\n") && !second.contains("- **Phase**: one\n"));
    assert!(second.ends_with(&first[first.find("<details>").unwrap()..]));
}

#[test]
fn what_a_person_wrote_stays_byte_by_byte() {
    let own = include_str!("../../../PROGRESS.md");
    let more = add(Some(own), &session("three"));
    let at = own.find("<details>").unwrap();
    assert!(more.starts_with(&own[..at]) && more.ends_with(&own[at..]));
    assert_eq!(check(&more).ok(), check(own).ok().map(|n| n + 1));

    for (text, wanted) in [
        ("notes", "notes\n\n## Session History\n\n<details>"),
        ("# P\r\n", "# P\r\n\r\n## Session History\r\n\r\n<details>\r\n"),
        ("## Session History", "## Session History\n\n<details>"),
        ("## Session History\nold words\n## More\n", "## Session History\n\n<details>"),
        ("```\n## Session History\n```\n", "```\n## Session History\n```\n\n## Session History\n\n<details>"),
    ] {
        let more = add(Some(text), &session("x"));
        assert!(more.starts_with(wanted), "{more}");
        assert!(more.contains("</details>\n\nold words\n## More\n") == text.contains("old"), "{more}");
    }
    let older = "## Session History\n<details>\n<summary>Session 12: old form</summary>\n</details>\n";
    assert!(add(Some(older), &session("x")).contains("<summary>Session 013 - x</summary>"));
}

#[test]
fn sections_and_sessions_are_those_that_markdown_has() {
    for text in [
        "~~~~\n```\n## Session History\n~~~\n<summary>Session 007 - x</summary>\n~~~~\n",
        "    ## Session History\n",
        "<!--\n## Session History\n<summary>Session 007 - x</summary>\n-->\n",
        "> ## Session History\n",
        "- ## Session History\n",
    ] {
        let more = add(Some(text), &session("x"));
        let wanted = format!("{text}\n## Session History\n\n<details>\n<summary>Session 001 - x");
        assert!(more.starts_with(&wanted), "{more}");
    }
    // One line of indented code opens no fence, and an underlined heading is one.
    let text = "\u{feff}    ```\n\nSession History\n---------------\n\n<details>\r\n<summary>Session 004 - x</summary>\n</details>\n\tend";
    let more = add(Some(text), &session("x"));
    let at = text.find("<details>").unwrap();
    assert!(more.starts_with(&text[..at]) && more.ends_with(&text[at..]), "{more}");
    assert!(more[at..].starts_with("<details>\n<summary>Session 005 - x"), "{more}");
}

#[test]
fn sessions_are_carried_over_to_the_text_of_a_person() {
    let base = "# Progress\n\n## Session History\n\n<details>\n<summary>Session 001 - a</summary>\n</details>\n";
    let kept = add(Some(&add(Some(base), &session("two"))), &session("three"));
    let person = base.replace("# Progress", "# Our progress").replace("001 - a</summary>", "001 - A!</summary>");
    let person = add(Some(&person), &session("by hand"));
    let merged = merge(base, &kept, &person).unwrap();
    assert_eq!(check(&merged.replace("# Our p", "# P")).unwrap_err().len(), 7, "two sections and five bullets only");
    let order =
        ["# Our progress", "Session 004 - three", "Session 003 - two", "Session 002 - by hand", "Session 001 - A!"];
    let places: Vec<usize> = order.iter().map(|what| merged.find(what).unwrap()).collect();
    assert!(places.is_sorted(), "{merged}");
    assert_eq!(merge(base, &kept.replace("# Progress", "# Other"), &person), None);

    let made = add(None, &session("first"));
    let merged = merge("", &made, "# Mine\n").unwrap();
    assert!(merged.starts_with("# Mine\n\n## Session History\n\n<details>\n<summary>Session 001 - first"), "{merged}");
}
