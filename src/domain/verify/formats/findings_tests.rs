//! Findings as the tools print them (recorded, see `tests/data/outputs/README-findings.md`), as they should not be, and as an
//! enemy would.

use super::format::FINDINGS;
use super::*;
use crate::domain::base::text::floor_char_boundary;
use crate::domain::ending::ProcessEnd;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::model::key::tests::stage as spec;
use crate::domain::verify::model::key::{StageKind, StageSpec};
use crate::domain::verify::model::results::Findings;
use crate::domain::verify::model::snapshot::StageResult;
use expect_test::{Expect, expect};
use proptest::prelude::*;

macro_rules! recorded {
    ($($path:literal)*) => { &[$(($path, include_str!(concat!("../../../../tests/data/outputs/", $path)))),*] };
}

/// Every recorded output.
const RECORDED: &[(&str, &str)] = recorded!(
    "bandit/clean.json" "bandit/clean.txt" "bandit/sec.json" "bandit/sec.txt" "bandit/syntax.json" "bandit/syntax.txt"
    "bandit/unicode.txt" "bandit/usage.txt"
    "clippy/all-targets.txt" "clippy/clean.json" "clippy/clean.txt" "clippy/denied.txt" "clippy/deny.txt"
    "clippy/error.json" "clippy/error.txt" "clippy/manifest.txt" "clippy/rustc.txt" "clippy/some.json" "clippy/some.txt"
    "clippy/unicode.txt"
    "eslint/clean.json" "eslint/clean.txt" "eslint/config.txt" "eslint/some.json" "eslint/some.txt" "eslint/syntax.json"
    "eslint/syntax.txt" "eslint/too-many.txt" "eslint/unicode.txt" "eslint/warnings.txt"
    "mypy/clean.txt" "mypy/missing.txt" "mypy/no-codes.txt" "mypy/pretty.txt" "mypy/some.txt" "mypy/syntax.txt"
    "mypy/unicode.txt" "mypy/usage.txt"
    "ruff/clean.json" "ruff/clean.txt" "ruff/concise.txt" "ruff/config.txt" "ruff/format.txt" "ruff/full.txt"
    "ruff/some.json" "ruff/syntax.json" "ruff/syntax.txt" "ruff/unicode.txt"
    "tsc/clean.txt" "tsc/config.txt" "tsc/empty.txt" "tsc/pretty-one.txt" "tsc/pretty.txt" "tsc/some.txt" "tsc/syntax.txt"
    "tsc/unicode.txt"
);

/// A recorded output; colours are no matter of these readers.
fn output(path: &str) -> String {
    let text = RECORDED.iter().find(|(name, _)| *name == path).unwrap().1;
    let parts = text.split("\u{1b}[").enumerate();
    parts.map(|(n, part)| if n == 0 { part } else { part.split_once('m').unwrap().1 }).collect()
}

fn findings(format: Format, text: &str) -> Findings {
    read(format, text).1.findings.unwrap()
}

/// Reads a recorded output as its folder says.
fn recorded(path: &str) -> Findings {
    findings(path.split('/').next().unwrap().parse::<Format>().unwrap(), &output(path))
}

/// One line per identity.
fn told(found: &Findings, expected: &Expect) {
    let problem = found.problem.as_ref().map(|problem| format!("PROBLEM {problem}\n")).unwrap_or_default();
    let lines: String = found.counts.iter().map(|(name, count)| format!("{count} {name}\n")).collect();
    expected.assert_eq(&format!("{lines}{} make it fail\n{problem}", found.errors));
}

fn conclude(kind: StageKind, format: Format, code: i32, output: &str) -> StageResult {
    let spec = StageSpec { kind, format, ..spec("s", "./s") };
    StageResult::from_run(&spec, &ProcessEnd::Exited(code), output.as_bytes(), &[], 1)
}

#[test]
fn identities_are_file_and_rule() {
    let told = |path: &str, expected: &Expect| told(&recorded(path), expected);
    told(
        "ruff/full.txt",
        &expect![[r#"
        2 app.py: F401
        1 app.py: F811
        1 app.py: F841
        1 deep.py: F401
        5 make it fail
    "#]],
    );
    told(
        "mypy/some.txt",
        &expect![[r#"
        1 app.py: no-redef
        1 app.py: operator
        1 deep.py: assignment
        3 make it fail
    "#]],
    );
    told(
        "mypy/no-codes.txt",
        &expect![[r#"
        1 app.py: Name "add" already defined on line N
        1 app.py: Unsupported operand types for + ("int" and "str")
        1 deep.py: Incompatible types in assignment (expression has type "str", variable has type "int")
        3 make it fail
    "#]],
    );
    told(
        "eslint/some.txt",
        &expect![[r#"
        1 /site/app/src/a.js: eqeqeq
        1 /site/app/src/a.js: no-console
        2 /site/app/src/a.js: no-undef
        1 /site/app/src/a.js: no-unused-vars
        1 /site/app/src/a.js: prefer-const
        1 /site/app/src/b.js: Unused eslint-disable directive (no problems were reported from 'no-console')
        3 /site/app/src/b.js: no-unused-vars
        8 make it fail
    "#]],
    );
    told(
        "tsc/some.txt",
        &expect![[r#"
        3 src/a.ts: TS2322
        1 src/a.ts: TS2339
        1 src/a.ts: TS6133
        1 src/b.ts: TS2322
        6 make it fail
    "#]],
    );
    told(
        "bandit/sec.txt",
        &expect![[r#"
        1 app.py: B101 (low)
        1 app.py: B301 (medium)
        1 app.py: B403 (low)
        1 app.py: B404 (low)
        2 app.py: B602 (high)
        6 make it fail
    "#]],
    );
    told(
        "clippy/some.txt",
        &expect![[r#"
        1 src/lib.rs: clippy::len_zero
        1 src/lib.rs: clippy::needless_return
        1 src/lib.rs: clippy::ptr_arg
        1 src/lib.rs: unused variable: `other`
        1 src/lib.rs: unused variable: `unused`
        1 src/main.rs: variable does not need to be mutable
        0 make it fail
    "#]],
    );
    told(
        "clippy/some.json",
        &expect![[r#"
        1 src/lib.rs: clippy::len_zero
        1 src/lib.rs: clippy::needless_return
        1 src/lib.rs: clippy::ptr_arg
        2 src/lib.rs: unused_variables
        1 src/main.rs: unused_mut
        0 make it fail
    "#]],
    );
    told(
        "clippy/denied.txt",
        &expect![[r#"
        1 src/lib.rs: clippy::len_zero
        1 src/lib.rs: clippy::needless_return
        1 src/lib.rs: clippy::ptr_arg
        1 src/lib.rs: unused variable: `other`
        1 src/lib.rs: unused variable: `unused`
        5 make it fail
    "#]],
    );
}

#[test]
fn unicode_paths_are_kept() {
    for (path, wanted) in [
        ("ruff/unicode.txt", "größe/日本 語.py: F401"),
        ("mypy/unicode.txt", "größe/日本 語.py: assignment"),
        ("eslint/unicode.txt", "/site/app/größe/日本 語.js: no-unused-vars"),
        ("tsc/unicode.txt", "größe/日本 語.ts: TS2322"),
        ("bandit/unicode.txt", "größe/日本 語.py: B101 (low)"),
        ("clippy/unicode.txt", "src/größe.rs: unused variable: `日本`"),
    ] {
        let found = recorded(path);
        assert_eq!((found.problem.as_deref(), found.counts.get(wanted)), (None, Some(&1)), "{path}: {found:?}");
    }
}

#[test]
fn every_form_of_a_tool_tells_the_same() {
    for (one, other) in [
        ("ruff/full.txt", "ruff/concise.txt"),
        ("ruff/full.txt", "ruff/some.json"),
        ("ruff/syntax.txt", "ruff/syntax.json"),
        ("bandit/sec.txt", "bandit/sec.json"),
        ("bandit/clean.txt", "bandit/clean.json"),
        ("tsc/some.txt", "tsc/pretty.txt"),
        ("tsc/unicode.txt", "tsc/pretty-one.txt"),
    ] {
        let (one, other) = (recorded(one), recorded(other));
        let relative = |found: &Findings| -> Vec<_> {
            found.counts.iter().map(|(name, n)| (name.trim_start_matches("/site/app/").to_owned(), *n)).collect()
        };
        assert_eq!(relative(&one), relative(&other));
        assert_eq!((one.errors, one.problem.is_some()), (other.errors, other.problem.is_some()));
    }
}

#[test]
fn what_keeps_a_tool_from_looking_is_a_problem() {
    for (path, wanted) in [
        ("ruff/syntax.txt", "broken.py could not be parsed: Expected a parameter"),
        ("mypy/syntax.txt", "broken.py could not be parsed"),
        ("mypy/missing.txt", "errors prevented further checking"),
        ("mypy/usage.txt", "mypy gave up"),
        ("eslint/syntax.txt", "/site/app/src/broken.js could not be parsed"),
        ("eslint/syntax.json", "/site/app/src/broken.js could not be parsed"),
        ("tsc/syntax.txt", "broken.ts keeps it from checking types: TS1134"),
        ("tsc/config.txt", "tsconfig.json keeps it from checking types: TS5023"),
        ("tsc/empty.txt", "TS18003: No inputs were found"),
        ("bandit/syntax.txt", "a file was skipped: ./broken.py"),
        ("bandit/syntax.json", "a file was skipped: ./broken.py"),
        ("bandit/usage.txt", "the report is not whole"),
        ("clippy/error.txt", "does not compile: src/main.rs: cannot find function `missing`"),
        ("clippy/error.json", "does not compile: src/main.rs: cannot find function `missing`"),
        ("clippy/manifest.txt", "does not compile: Cargo.toml: key with no value"),
    ] {
        let problem = recorded(path).problem.unwrap_or_default();
        assert!(problem.starts_with(wanted), "{path}: {problem}");
        let format = path.split('/').next().unwrap().parse::<Format>().unwrap();
        let stage = conclude(StageKind::Lint, format, 0, &output(path));
        assert_eq!((stage.outcome, stage.is_explained()), (StageOutcome::Failed, false), "{path}");
    }
    // These say it by their exit code alone: nothing was read that explains it.
    for (path, code) in [("ruff/config.txt", 2), ("eslint/config.txt", 2)] {
        let format = path.split('/').next().unwrap().parse::<Format>().unwrap();
        let stage = conclude(StageKind::Lint, format, code, &output(path));
        assert_eq!((stage.outcome, stage.is_explained()), (StageOutcome::Failed, false), "{path}");
        assert_eq!(stage.failure_reason(), "exit code 2, which no finding explains");
    }
}

#[test]
fn clean_outputs_have_no_findings() {
    for path in ["ruff/clean.txt", "ruff/clean.json", "mypy/clean.txt", "eslint/clean.txt", "eslint/clean.json"]
        .into_iter()
        .chain(["tsc/clean.txt", "bandit/clean.txt", "bandit/clean.json", "clippy/clean.txt", "clippy/clean.json"])
    {
        assert_eq!(recorded(path), Findings::default(), "{path}");
    }
    for format in FINDINGS {
        assert_eq!(findings(*format, ""), Findings::default());
        assert_eq!(findings(*format, "> app@1.0.0 lint\n> check .\n\n").total(), 0);
        let stage = conclude(StageKind::Lint, *format, 0, "");
        assert_eq!((stage.outcome, stage.format), (StageOutcome::Passed, Some(*format)));
    }
    assert_eq!(conclude(StageKind::Lint, Format::Auto, 0, "").findings, None);
}

#[test]
fn warnings_alone_explain_no_failing_exit_code() {
    for (path, explained) in [("eslint/warnings.txt", false), ("eslint/too-many.txt", true), ("clippy/some.txt", false)]
        .into_iter()
        .chain([("clippy/denied.txt", true), ("clippy/deny.txt", true), ("ruff/full.txt", true)])
    {
        let format = path.split('/').next().unwrap().parse::<Format>().unwrap();
        let stage = conclude(StageKind::Lint, format, 1, &output(path));
        assert_eq!((stage.outcome, stage.is_explained()), (StageOutcome::Failed, explained), "{path}");
    }
}

#[test]
fn a_summary_that_counts_differently_is_a_problem() {
    for (path, told, lie) in [
        ("ruff/full.txt", "Found 5 errors.", "Found 4 errors."),
        ("ruff/concise.txt", "Found 5 errors.", "All checks passed!"),
        ("ruff/format.txt", "1 file would be", "2 files would be"),
        ("mypy/some.txt", "Found 3 errors", "Found 2 errors"),
        ("eslint/some.txt", "✖ 10 problems", "✖ 9 problems"),
        ("eslint/some.txt", "✖ 10 problems", "10 problems"),
        ("eslint/some.json", "\"errorCount\":3", "\"errorCount\":2"),
        ("tsc/pretty.txt", "Found 6 errors in", "Found 7 errors in"),
        ("bandit/sec.txt", "\t\tHigh: 2", "\t\tHigh: 3"),
        ("bandit/sec.txt", "Files skipped (0):", ""),
        ("clippy/some.txt", "(lib) generated 5 warnings", "(lib) generated 9 warnings"),
        ("clippy/all-targets.txt", "(5 duplicates)", "(4 duplicates)"),
        ("clippy/rustc.txt", "2 warnings emitted", "3 warnings emitted"),
        ("clippy/denied.txt", "due to 5 previous errors", "due to 6 previous errors"),
    ] {
        let honest = recorded(path);
        assert_eq!(honest.problem, None, "{path}");
        let text = output(path);
        assert!(text.contains(told), "{path}: {told}");
        let format = path.split('/').next().unwrap().parse::<Format>().unwrap();
        assert!(findings(format, &text.replacen(told, lie, 1)).problem.is_some(), "{path}: {lie}");
    }
}

#[test]
fn a_document_that_is_not_whole_is_a_problem() {
    for path in ["ruff/some.json", "eslint/some.json", "bandit/sec.json", "clippy/some.json"] {
        let format = path.split('/').next().unwrap().parse::<Format>().unwrap();
        let text = output(path);
        let half = &text[..floor_char_boundary(&text, text.len() / 2)];
        assert!(findings(format, half).problem.is_some(), "{path}");
        let twice = format!("> one\n{text}\n> two\n{text}");
        let found = findings(format, &twice);
        let times = if path.starts_with("clippy") { 1 } else { 2 };
        assert_eq!((found.problem, found.errors), (None, times * recorded(path).errors), "{path}");
    }
}

#[test]
fn formats_are_recognised_by_structure_only() {
    for (path, _) in RECORDED {
        let text = output(path);
        let folder = path.split('/').next().unwrap();
        let told = recorded(path);
        let silent = ["clippy/manifest.txt", "mypy/usage.txt", "bandit/usage.txt", "ruff/config.txt", "tsc/empty.txt"];
        // A clean run is recognised only where it prints a report all the same.
        let report = path.starts_with("bandit/") || ["eslint/clean.json", "clippy/clean.json"].contains(path);
        let wanted = (told.total() > 0 || report) && !silent.contains(path);
        assert_eq!(detect_format(&text).map(Format::word), wanted.then_some(folder), "{path}");
    }
    for text in [
        "All checks passed!\n",
        "Found 1 error.\n",
        "error: something\nwarning: other\n",
        "a.c:3:5: error: expected ';'\n",
        "a.py:1:8: F401 'os' imported but unused\n",
        "Success: no issues found in 3 source files\n",
        "✖ 3 problems (2 errors, 1 warning)\n",
        "[]\n",
        "{\"errors\": 1}\n",
    ] {
        assert_eq!(detect_format(text), None, "{text}");
    }
}

#[test]
fn compilers_that_warn_in_front_of_tests_do_not_hide_them() {
    let tests = "1..1\nok 1 - a\n";
    let both = format!("{}{tests}", output("clippy/some.txt"));
    assert_eq!(detect_format(&both), Some(Format::Tap));
    let two = format!("{}{}", output("ruff/full.txt"), output("mypy/some.txt"));
    assert_eq!(detect_format(&two), None);
    let stage = conclude(StageKind::Tests, Format::Auto, 1, &output("ruff/full.txt"));
    assert_eq!((stage.findings.as_ref(), stage.format, stage.is_explained()), (None, Some(Format::Exit), false));
    let stage = conclude(StageKind::Metric, Format::Auto, 0, "1..1\nnot ok 1\n80.5\n");
    assert_eq!((stage.tests.as_ref(), stage.outcome), (None, StageOutcome::Passed));
}

#[test]
fn hostile_output_is_read_in_bounds() {
    let many = RESULTS_LIMIT + 10;
    let wide = "a".repeat(500_000);
    for (format, text) in [
        (Format::Ruff, "a.py:1:1: F401 x\n".repeat(many)),
        (Format::Ruff, format!("[{}]", vec!["{\"filename\":\"\",\"code\":\"\",\"message\":\"\"}"; many].join(","))),
        (Format::Mypy, (0..many).map(|n| format!("{n}.py:1: error: x  [y]\n")).collect()),
        (Format::Eslint, format!("/a.js\n{}", "  1:1  error  x  y\n".repeat(many))),
        (Format::Tsc, "a.ts(1,1): error TS2322: x\n".repeat(many)),
        (Format::Bandit, format!("Test results:\n{}", ">> Issue: [B1:x] y\n   Location: a:1:1\n".repeat(many))),
        (Format::Clippy, "warning: x\n --> a.rs:1:1\n".repeat(many)),
    ] {
        let found = findings(format, &text);
        assert!(found.problem.is_some() && found.total() <= RESULTS_LIMIT as u64, "{format:?}");
    }
    for (format, text) in [
        (Format::Ruff, format!("{wide}:1:1: F401 x\n{wide}b:1:1: F401 x\n")),
        (Format::Mypy, format!("a.py:1: error: {wide}\na.py:1: error: {wide}b\n")),
        (Format::Eslint, format!("/a.js\n  1:1  error  x  {wide}\n  1:1  error  x  {wide}b\n")),
        (Format::Clippy, format!("warning: {wide}\n --> a:1:1\nwarning: {wide}b\n --> a:1:1\n")),
    ] {
        let found = findings(format, &text);
        assert_eq!(found.counts.len(), 2, "{format:?}");
        assert!(found.counts.keys().all(|name| name.len() <= NAME_LIMIT), "{format:?}");
    }
    for text in ["[".repeat(50_000), "{\"a\":".repeat(50_000), ":1".repeat(50_000), "[\n".repeat(50_000)] {
        for format in FINDINGS {
            let _ = findings(*format, &text);
        }
        let _ = detect_format(&text);
    }
}

proptest! {
    #[test]
    fn any_text_is_read(
        lines in proptest::collection::vec("(warning|error|a.rs|:1:2|\\(3,4\\)| --> |\\[E0425\\]|\\{\"|\\[|\\]|: |  |F401|é|`|TS2322|Found 1|✖ 2|problems \\(|\\t|[0-9]|#|\\x00){0,9}", 0..12),
    ) {
        let text = lines.join("\n");
        let _ = detect_format(&text);
        for format in FINDINGS {
            let _ = read(*format, &text);
        }
    }

    #[test]
    fn a_recorded_output_with_lines_missing_or_doubled_never_panics(at: proptest::sample::Index, drop in 0_usize..200, double in 0_usize..200) {
        let (_, text) = RECORDED[at.index(RECORDED.len())];
        let mut lines: Vec<&str> = text.lines().enumerate().filter(|(n, _)| *n != drop).map(|(_, line)| line).collect();
        if let Some(line) = lines.get(double).copied() {
            lines.push(line);
        }
        let text = lines.join("\n");
        let _ = detect_format(&text);
        for format in FINDINGS {
            let _ = read(*format, &text);
        }
    }
}
