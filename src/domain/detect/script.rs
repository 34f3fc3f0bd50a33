//! A script that tests, at a usual place; only where nothing else is found that tests.

use super::{Group, Need, Stage};
use crate::domain::detect::places::Place;
use crate::domain::verify::model::key::StageKind;

/// Where such a script lies, the likeliest first.
pub(super) const NAMES: [&str; 28] = [
    "run-tests.sh",
    "run_tests.sh",
    "runtests.sh",
    "run-tests",
    "runtests",
    "test.sh",
    "tests.sh",
    "tests/run",
    "tests/run.sh",
    "tests/run-tests.sh",
    "tests/run_tests.sh",
    "tests/runtests.sh",
    "tests/test.sh",
    "test/run",
    "test/run.sh",
    "test/run-tests.sh",
    "test/run_tests.sh",
    "test/runtests.sh",
    "test/test.sh",
    "scripts/test",
    "scripts/test.sh",
    "scripts/run-tests.sh",
    "script/test",
    "script/test.sh",
    "bin/test",
    "ci/test.sh",
    "tools/test.sh",
    "hack/test.sh",
];

/// Interpreters that start a script which is not executable, by the first line it has.
const INTERPRETERS: [(&str, &str); 6] = [
    ("bash", "apt-get install bash"),
    ("zsh", "apt-get install zsh"),
    ("python3", "apt-get install python3"),
    ("perl", "apt-get install perl"),
    ("node", "apt-get install nodejs"),
    ("sh", "apt-get install dash"),
];

pub(super) fn detect(place: &Place<'_>) -> Option<Group> {
    let (name, run, needs) = NAMES.iter().find_map(|name| {
        let (run, needs) = start_command(place, name)?;
        Some((*name, run, needs))
    })?;
    let mut group = Group::new("Script", place);
    group.notes.push(format!(
        "{name} says whether all is well by its exit code: tests that disappear or are skipped go unseen, unless it prints results that \
         name them (TAP and others) or writes JUnit XML that `reports` names"
    ));
    group.parts.push(Stage::new(StageKind::Tests, "auto", run, needs, "a script that tests, by its name"));
    Some(group)
}

/// The line that starts a script of the repository; nothing where it is no script, or of an interpreter that is not known.
fn start_command(place: &Place<'_>, name: &str) -> Option<(String, Vec<Need>)> {
    if !place.has_file(name) {
        return None;
    }
    if place.files.executable.contains(name) {
        return Some((format!("./{name}"), Vec::new()));
    }
    let Some(first) = place.text(name).lines().next().and_then(|line| line.strip_prefix("#!")) else {
        return name.ends_with(".sh").then(|| (format!("sh {name}"), Vec::new()));
    };
    let program = first.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word)).find(|w| *w != "env")?;
    let (program, install) =
        INTERPRETERS.into_iter().find(|(known, _)| *known == program || program == "dash" && *known == "sh")?;
    let needs = if program == "sh" { Vec::new() } else { vec![Need::Program(program, install)] };
    Some((format!("{program} {name}"), needs))
}
