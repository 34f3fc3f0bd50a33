//! Workflow commands that nobody else can give.

use super::super::verify::tests::{HOSTILE, against, alone, silent, stage};
use super::*;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::model::results::TestStatus::{Failed, Passed};

/// The commands the runner would take from the output, as it does: a line that begins with `::`, spaces aside, or holds
/// `##[`; none between `stop-commands` and its token.
fn commands(output: &str) -> Vec<&str> {
    let mut stopped: Option<&str> = None;
    let mut found = Vec::new();
    for line in output.lines() {
        let line = line.trim();
        match stopped {
            Some(token) if line == format!("::{token}::") => stopped = None,
            Some(_) => {}
            None if line.starts_with("::stop-commands::") => stopped = line.strip_prefix("::stop-commands::"),
            None if line.starts_with("::") || line.contains("##[") => found.push(line),
            None => {}
        }
    }
    assert_eq!(stopped, None);
    found
}

#[test]
fn p12_names_and_output_are_text_of_annotations_and_nothing_else() {
    let mut verified = against(
        vec![stage("unit", &[(HOSTILE, Passed)])],
        vec![stage("unit", &[(HOSTILE, Failed)]), silent("x", StageOutcome::Failed, Some(1), None, HOSTILE)],
    );
    verified.notes.push(HOSTILE.to_owned());
    let output = render(&verified, "0123token");
    let found = commands(&output);
    let safe =
        |line: &&str| ["::error title=", "::warning title=", "::notice title="].iter().any(|s| line.starts_with(s));
    assert!(found.iter().all(safe), "{found:#?}");
    assert!(found[0].starts_with("::error title=Broken test::unit: suite: a ::error::b"), "{found:#?}");
    // Every percent sign of a name is one, so that `%0A` in it is no line break.
    assert!(found[0].contains("c%250Ad,e:f<g>"), "{found:#?}");
    // Outside of commands there is nothing but the text between the tokens.
    assert_eq!(output.lines().filter(|line| line.contains("0123token")).count(), 2);
}

#[test]
fn line_breaks_of_a_message_stay_and_titles_are_one_word_for_the_parser() {
    let mut out = String::new();
    write_command(&mut out, "error", "a: b, c", "100%\nof: it, all");
    assert_eq!(out, "::error title=a%3A b%2C c::100%25%0Aof: it, all\n");
}

#[test]
fn a_long_list_is_cut_and_says_so() {
    let names: Vec<String> = (0..30).map(|n| format!("t{n:02}")).collect();
    let tests: Vec<(&str, _)> = names.iter().map(|name| (name.as_str(), Failed)).collect();
    let output = render(&alone(vec![stage("unit", &tests)]), "token");
    let found = commands(&output);
    assert_eq!(found.len(), SHOWN + 2);
    assert_eq!(found[SHOWN], "::error title=Fails::and 20 more, see the output of this step");
}

#[test]
fn p12_the_summary_holds_no_markup_of_others() {
    let text = render_summary(&alone(vec![stage("unit", &[(HOSTILE, Failed)])]));
    let fence = "`````";
    assert!(text.starts_with(&format!("### mc verify: does not pass\n\n{fence}text\n")), "{text}");
    assert!(text.ends_with(&format!("\n{fence}\n")) && text.matches(fence).count() == 2, "{text}");
}
