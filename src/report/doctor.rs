//! `mc doctor` for people and programs.

use super::{count, sanitize};
use crate::domain::detect::checks::{Check, Mark, has_problem};
use serde_json::{Value, json};

/// One line per check, what helps below it, and a last line that says whether a mission can start.
pub fn text(checks: &[Check]) -> String {
    let wide = checks.iter().map(|check| check.about.len()).max().unwrap_or_default();
    let mut out = String::new();
    for check in checks {
        let mark = match check.mark {
            Mark::Ok => "ok      ",
            Mark::Warning => "warning ",
            Mark::Problem => "problem ",
        };
        let mut lines = check.found.lines().map(sanitize);
        out.push_str(&format!("{mark} {:wide$}  {}\n", check.about, lines.next().unwrap_or_default()));
        let indent = " ".repeat(wide + 11);
        for line in lines.chain(check.help.lines().enumerate().map(|(nth, line)| {
            if nth == 0 { format!("help: {}", sanitize(line)) } else { format!("      {}", sanitize(line)) }
        })) {
            out.push_str(&format!("{indent}{line}\n"));
        }
    }
    let number = |mark| checks.iter().filter(|check| check.mark == mark).count() as u64;
    let warnings = match number(Mark::Warning) {
        0 => String::new(),
        some => format!(", {}", count(some, "warning")),
    };
    out.push('\n');
    out.push_str(&match number(Mark::Problem) {
        0 => format!("nothing stops a mission{warnings}\n"),
        some => format!("{}{warnings}: a mission would not get through\n", count(some, "problem")),
    });
    out
}

/// `{"schema": 1, "ready": …, "gate": …, "checks": [{"about", "mark", "found", "help"}]}`; `gate` is `holds`, `lets-through` or null.
pub fn json(checks: &[Check], gate: Option<bool>) -> Value {
    let gate = gate.map(|through| if through { "lets-through" } else { "holds" });
    json!({"schema": 1, "ready": !has_problem(checks), "gate": gate, "checks": checks})
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn checks_are_lines_with_help_below() {
        let checks = [
            Check::ok("git", "git 2.47"),
            Check::warning("reach", "as root\x1b[31m", "run it\nas you"),
            Check::problem("branch", "there is no branch main", "set target.branch"),
        ];
        expect![[r#"
            ok       git     git 2.47
            warning  reach   as root
                             help: run it
                                   as you
            problem  branch  there is no branch main
                             help: set target.branch

            1 problem, 1 warning: a mission would not get through
        "#]]
        .assert_eq(&text(&checks));
        assert_eq!(text(&checks[..1]).lines().last(), Some("nothing stops a mission"));
        let json = json(&checks, Some(true));
        assert_eq!(
            (&json["ready"], &json["gate"], &json["checks"][0]["mark"]),
            (&false.into(), &"lets-through".into(), &"ok".into())
        );
        assert!(json["checks"][0].get("help").is_none());
    }
}
