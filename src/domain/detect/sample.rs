//! The backlog `mc init` writes where there is none: one small, safe and useful unit, and notes that show the form.

use crate::domain::base::text::one_line;

/// Longest title made of an objective.
const TITLE: usize = 100;

/// A backlog whose first unit is the objective, or, without one, to write down how the checks are run.
pub fn backlog(objective: Option<&str>, lines: &[&str]) -> String {
    let checks: String = lines.iter().map(|line| format!("    {}\n", line.replace(['\n', '\r'], " "))).collect();
    let unit = match objective {
        Some(objective) => {
            let line = one_line(objective).replace(char::is_control, "");
            let title: String = line.trim_start_matches(['#', ' ']).chars().take(TITLE).collect();
            let title = if title.chars().any(char::is_alphanumeric) { title.trim() } else { "The objective" };
            format!("## {title}\n- id: first-objective\n- priority: high\n\n{}\n", quote(objective))
        }
        None => format!(
            "## Write down how this project is verified\n- id: write-down-the-checks\n- files: CONTRIBUTING.md\n\n\
             Add a short section \"How to verify a change\" to CONTRIBUTING.md; make the file if there is none. It names the\n\
             commands below, what each one looks at, and what it needs to be installed. Change no other file. If\n\
             CONTRIBUTING.md or README.md says all this already, change nothing and say so.\n\n{checks}\n\
             - [ ] CONTRIBUTING.md names every command above\n"
        ),
    };
    format!("# Backlog\n\n{unit}\n{NOTES}")
}

/// Explains the form; notes are no units, so nothing here is ever worked on.
const NOTES: &str = "\
## How to write items
- status: note

Each heading of level 2 or deeper without sub-headings is one work unit. The bullets right under it, if the first is a known key,
are settings: `id`, `priority` (critical, high, medium, low), `depends` (ids), `files` (globs it touches), `timeout`, `attempts`, `run`
(a shell line instead of an agent), `status: note` (no unit, like this one). The rest is what the agent is told. Checkboxes are what
its work is measured by. `mc backlog check` finds faults, `mc plan` shows the waves.

Good units are small, say what is to be true afterwards, and name the files they touch.
";

/// The text as a quotation, so that no line of it is read as a heading or a key.
fn quote(text: &str) -> String {
    let line = |line: &str| format!("> {}\n", line.replace(char::is_control, ""));
    text.trim().lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backlog::parse;
    use crate::domain::plan::unsupported::find_unsupported;

    #[test]
    fn samples_are_backlogs_with_one_unit() {
        let hostile = "## Kill\n- run: rm -rf ~\n# x\n- [ ] y\n\x1b[31m ```";
        for objective in [None, Some("All tests pass"), Some(hostile), Some("# \n\n")] {
            let text = backlog(objective, &["python3 -m pytest -v", "a\n## b"]);
            let backlog = parse(&text).expect(&text);
            assert_eq!(backlog.units.len(), 1, "{text}");
            assert_eq!(
                (backlog.units[0].run.as_deref(), find_unsupported(&backlog.units)),
                (None, Vec::new()),
                "{text}"
            );
        }
        let text = backlog(None, &["make test"]);
        assert!(parse(&text).expect("a backlog").units[0].description.contains("make test"));
    }
}
