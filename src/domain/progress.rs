//! The form of `PROGRESS.md` (design, section 6): what stands now, what is next, and a history of sessions, newest first.
//!
//! [`check`] looks at the form only; what the sections say is for people. [`add`] writes a session.

mod session;

pub use session::{Bullet, RENEWED, Session, add, merge};

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
    let lines: Vec<(u32, &str)> = (1_u32..).zip(text.lines().map(str::trim_end)).collect();
    let title = lines.iter().find(|(_, line)| !line.is_empty());
    if title.is_none_or(|(_, line)| *line != "# Progress") {
        findings.push(Finding::new(title.map_or(0, |(n, _)| *n), "the first line must be `# Progress`"));
    }
    let found: Vec<(u32, &str)> =
        lines.iter().filter_map(|(n, line)| Some((*n, line.strip_prefix("## ")?.trim()))).collect();
    let mut after = 0;
    for name in SECTIONS {
        match found.iter().find(|(_, heading)| *heading == name) {
            Some((line, _)) if *line < after => {
                findings.push(Finding::new(
                    *line,
                    format!("`## {name}` must come later: the order is {}", SECTIONS.join(", ")),
                ));
            }
            Some((line, _)) => after = *line,
            None => findings.push(Finding::new(0, format!("there is no section `## {name}`"))),
        }
    }
    let state = lines.iter().skip_while(|(_, l)| *l != "## Current State").skip(1);
    let state: Vec<&str> = state.take_while(|(_, l)| !l.starts_with("## ")).map(|(_, l)| *l).collect();
    for key in STATE {
        if !state.iter().any(|line| line.starts_with(&format!("- **{key}**:"))) {
            findings.push(Finding::new(0, format!("`## Current State` has no line `- **{key}**: …`")));
        }
    }
    let sessions = sessions(&lines, &mut findings);
    if findings.is_empty() { Ok(sessions) } else { Err(findings) }
}

fn sessions(lines: &[(u32, &str)], findings: &mut Vec<Finding>) -> u32 {
    let mut last: Option<u32> = None;
    let mut count = 0;
    for (n, line) in lines {
        let Some(rest) = line.strip_prefix("<summary>") else { continue };
        let number = rest
            .strip_prefix("Session ")
            .and_then(|r| r.split_once(" - "))
            .and_then(|(digits, _)| if digits.len() >= 3 { digits.parse::<u32>().ok() } else { None });
        match (number, last) {
            (None, _) => findings.push(Finding::new(*n, "a session is `<summary>Session NNN - title</summary>`")),
            (Some(number), Some(last)) if number + 1 != last => {
                findings.push(Finding::new(
                    *n,
                    format!("session {number} follows session {last}: newest first, without a gap"),
                ));
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
        let swapped = GOOD
            .replace("## Next Up", "## X")
            .replace("## Current State", "## Next Up")
            .replace("## X", "## Current State");
        assert!(check(&swapped).is_err());
    }
}
