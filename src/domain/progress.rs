//! The form of `PROGRESS.md` (design, section 6): what stands now, what is next, and a history of sessions, newest first.
//!
//! [`check`] looks at the form only; what the sections say is for people. [`add`] writes a session.

mod session;

pub use session::{Bullet, RENEWED, Session, add, merge};

use super::markdown::{self, Kind, Line};
use super::plan::Finding;

/// Headings of level 2 in their order.
const SECTIONS: [&str; 3] = ["Current State", "Next Up", "Session History"];

/// Bullets of the current state.
const STATE: [&str; 5] = ["Phase", "Active Task", "Blocked", "Last Commit", "Target"];

/// Checks the form of a progress file; sessions are numbered downwards without a gap.
///
/// # Errors
/// Every fault with its line; 0 for what is missing altogether.
pub fn check(text: &str) -> Result<u32, Vec<Finding>> {
    let mut findings = Vec::new();
    let lines = markdown::read(text).lines;
    let title = lines.iter().find(|line| !line.text.trim().is_empty());
    if title.is_none_or(|line| line.title() != Some((1, "Progress"))) {
        findings.push(Finding::new(title.map_or(0, |line| line.number), "the first line must be `# Progress`"));
    }
    let headings = |line: &Line<'_>| line.title().filter(|(level, _)| *level == 2).map(|(_, title)| title.to_owned());
    let found: Vec<(u32, String)> = lines.iter().filter_map(|line| Some((line.number, headings(line)?))).collect();
    let mut after = 0;
    for name in SECTIONS {
        match found.iter().find(|(_, heading)| heading == name) {
            Some((line, _)) if *line < after => {
                let order = SECTIONS.join(", ");
                findings.push(Finding::new(*line, format!("`## {name}` must come later: the order is {order}")));
            }
            Some((line, _)) => after = *line,
            None => findings.push(Finding::new(0, format!("there is no section `## {name}`"))),
        }
    }
    let state = lines.iter().skip_while(|line| line.title() != Some((2, "Current State"))).skip(1);
    let state = state.take_while(|line| headings(line).is_none());
    let state: Vec<&str> = state.filter_map(|line| Some(line.bullet()?.content)).collect();
    for key in STATE {
        if !state.iter().any(|line| line.starts_with(&format!("**{key}**:"))) {
            findings.push(Finding::new(0, format!("`## Current State` has no line `- **{key}**: …`")));
        }
    }
    let sessions = sessions(&lines, &mut findings);
    if findings.is_empty() { Ok(sessions) } else { Err(findings) }
}

fn sessions(lines: &[Line<'_>], findings: &mut Vec<Finding>) -> u32 {
    let mut last: Option<u32> = None;
    let mut count = 0;
    for line in lines.iter().filter(|line| !matches!(line.kind, Kind::Code | Kind::Comment)) {
        let (n, Some(rest)) = (line.number, line.text.strip_prefix("<summary>")) else { continue };
        let number = rest
            .strip_prefix("Session ")
            .and_then(|r| r.split_once(" - "))
            .and_then(|(digits, _)| if digits.len() >= 3 { digits.parse::<u32>().ok() } else { None });
        match (number, last) {
            (None, _) => findings.push(Finding::new(n, "a session is `<summary>Session NNN - title</summary>`")),
            (Some(number), Some(last)) if number + 1 != last => {
                let what = format!("session {number} follows session {last}: newest first, without a gap");
                findings.push(Finding::new(n, what));
            }
            _ => {}
        }
        last = number.or(last);
        count += 1;
    }
    if count == 0 {
        findings.push(Finding::new(0, "`## Session History` has no session"));
    } else if last.is_some_and(|number| number != 1) {
        findings.push(Finding::new(0, "the oldest session must be 001"));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Progress\n\n## Current State\n\n- **Phase**: x\n- **Active Task**: x\n- **Blocked**: x\n- **Last Commit**: x\n\
                        - **Target**: x\n\n## Next Up\n\n1. y\n\n## Session History\n\n<details>\n<summary>Session 002 - b</summary>\n\
                        </details>\n<details>\n<summary>Session 001 - a</summary>\n</details>\n";

    #[test]
    fn each_fault_of_the_form_is_found() {
        assert_eq!(check(GOOD), Ok(2));
        for (from, to, wanted) in [
            ("# Progress\n", "# Plan\n", "the first line must be"),
            ("## Next Up", "## Next", "there is no section `## Next Up`"),
            ("- **Blocked**: x\n", "", "has no line `- **Blocked**"),
            ("Session 002 - b", "Session 003 - b", "session 1 follows session 3"),
            ("Session 001 - a", "Session one - a", "a session is"),
            ("Session 001 - a", "Session 001: a", "a session is"),
        ] {
            let findings = check(&GOOD.replace(from, to)).unwrap_err();
            assert!(findings.iter().any(|f| f.message.contains(wanted)), "{wanted}: {findings:?}");
        }
        // What is shown in code or a comment is no part of the form.
        for (open, close) in [("~~~~\n```\n", "~~~~\n"), ("<!--\n", "-->\n")] {
            let hidden = GOOD.replace("## Next Up\n", &format!("{open}## Next Up\n{close}"));
            assert_eq!(check(&hidden).unwrap_err()[0].message, "there is no section `## Next Up`");
            let shown = format!("{GOOD}\n{open}<summary>Session 009 - x</summary>\n{close}");
            assert_eq!(check(&shown), Ok(2));
        }
        let swapped = GOOD
            .replace("## Next Up", "## X")
            .replace("## Current State", "## Next Up")
            .replace("## X", "## Current State");
        assert!(check(&swapped).is_err());
    }
}
