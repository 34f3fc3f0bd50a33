//! Exit codes of a stage that is red: which of them say no more than its failing tests or findings do.
//!
//! Promise: a tool that broke is not taken for one that said no because tests failed beside it. A failure may be older than
//! a change only if the code of the change follows from that of before, by one of these rules, the first that fits:
//!
//! 1. a code by which the tool says that it broke follows from nothing, not even from itself. 2 is not such a code: `make`
//!    leaves with it whatever failed below it;
//! 2. the same code follows;
//! 3. 0 follows: it accuses nobody;
//! 4. from 0 no other code follows: failing tests were no reason for one;
//! 5. the code by which the tool says that tests failed or something was found follows from any;
//! 6. the number of failing tests follows from the number of failing tests, as runners have it that count them so.
//!
//! Codes of pytest: <https://docs.pytest.org/en/stable/reference/exit-codes.html>; ruff: <https://docs.astral.sh/ruff/linter/>;
//! eslint: <https://eslint.org/docs/latest/use/command-line-interface>; nextest: `NextestExitCode` of nextest-metadata;
//! tsc: `ExitStatus` of the compiler.

use crate::domain::verify::formats::Format;

/// The code of `make` for any failure, and of many tools for their own.
const AMBIGUOUS: i32 = 2;
/// Runners that count failures cannot count further; some keep the last for themselves.
const COUNTED: u64 = 254;

/// The exit code of one run, and what was read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// As what the output was read.
    pub format: Format,
    /// The code.
    pub code: i32,
    /// How many tests failed.
    pub failures: u64,
}

/// Codes of a tool that are documented: those by which it says no, and those by which it says that it broke.
const fn codes(format: Format) -> (&'static [i32], &'static [(i32, &'static str)]) {
    match format {
        Format::Pytest => {
            (&[1], &[(2, "interrupted"), (3, "internal error"), (4, "wrong usage"), (5, "no tests were collected")])
        }
        Format::Ruff | Format::Eslint => (&[1], &[(2, "wrong configuration or internal error")]),
        Format::Mypy => (&[1], &[(2, "it could not go on")]),
        Format::Bandit => (&[1], &[(2, "wrong usage")]),
        Format::Tsc => (&[1, 2], &[(3, "the project is not valid"), (4, "projects refer to each other in a cycle")]),
        Format::Nextest => {
            (&[100], &[(101, "the build failed"), (104, "tests could not be listed"), (105, "a setup script failed")])
        }
        Format::Cargo | Format::Clippy => (&[101], &[]),
        Format::Unittest => (&[1], &[(5, "no tests ran")]),
        Format::Go | Format::GoJson => (&[1], &[(2, "wrong usage or a failed build")]),
        Format::Jest | Format::Vitest => (&[1], &[]),
        Format::Auto | Format::Exit | Format::Junit | Format::Tap => (&[], &[]),
    }
}

impl Left {
    /// What the tool means by its code, where it means that it broke.
    pub fn meaning(self) -> Option<&'static str> {
        let (_, broke) = codes(self.format);
        broke.iter().find(|(code, _)| *code == self.code).map(|(_, meaning)| *meaning)
    }

    /// Whether the tool surely broke.
    pub fn is_broken(self) -> bool {
        self.code != AMBIGUOUS && self.meaning().is_some()
    }

    /// Whether the code is the number of failing tests.
    pub fn counts(self) -> bool {
        let code = u64::try_from(self.code).unwrap_or(0);
        self.failures > 0 && code.min(COUNTED) == self.failures.min(COUNTED)
    }

    /// Whether the code is the one by which the tool says no and nothing else.
    pub fn says_no(self) -> bool {
        codes(self.format).0.contains(&self.code)
    }

    /// Whether this code tells of no failure that `before` did not tell of.
    pub fn follows_from(self, before: Self) -> bool {
        if self.is_broken() {
            return false;
        }
        match (before.code, self.code) {
            (from, to) if from == to => true,
            (_, 0) => true,
            (0, _) => false,
            _ => self.says_no() || before.counts() && self.counts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(format: Format, code: i32, failures: u64) -> Left {
        Left { format, code, failures }
    }

    #[test]
    fn the_rules_one_by_one() {
        use Format::{Bandit, Cargo, Clippy, Eslint, Go, Jest, Junit, Mypy, Nextest, Pytest, Ruff, Tap, Tsc};
        for (format, before, after, follows) in [
            (Pytest, 1, 3, false),
            (Pytest, 3, 3, false),
            (Pytest, 4, 4, false),
            (Pytest, 1, 2, false),
            (Pytest, 2, 2, true),
            (Pytest, 2, 1, true),
            (Pytest, 3, 1, true),
            (Pytest, 1, 0, true),
            (Pytest, 0, 1, false),
            (Ruff, 1, 2, false),
            (Ruff, 2, 2, true),
            (Eslint, 1, 2, false),
            (Mypy, 1, 2, false),
            (Bandit, 1, 2, false),
            (Tsc, 1, 2, true),
            (Tsc, 2, 3, false),
            (Nextest, 100, 104, false),
            (Nextest, 101, 101, false),
            (Cargo, 101, 1, false),
            (Clippy, 1, 101, true),
            (Go, 1, 2, false),
            (Jest, 1, 7, false),
            (Junit, 1, 3, false),
            (Junit, 8, 8, true),
            (Tap, 1, 255, false),
        ] {
            assert_eq!(
                left(format, after, 4).follows_from(left(format, before, 4)),
                follows,
                "{format:?} {before} -> {after}"
            );
        }
    }

    #[test]
    fn a_code_that_counts_failures_follows_from_one_that_does() {
        for ((before, failed), (after, fail), follows) in [
            ((3, 3), (2, 2), true),
            ((1, 1), (2, 2), true),
            ((1, 3), (2, 2), false),
            ((3, 3), (1, 2), false),
            ((255, 400), (2, 2), true),
            ((2, 2), (254, 300), true),
            ((2, 2), (253, 300), false),
            ((-1, 0), (1, 1), false),
        ] {
            let (before, after) = (left(Format::Tap, before, failed), left(Format::Tap, after, fail));
            assert_eq!(after.follows_from(before), follows, "{before:?} {after:?}");
        }
    }
}
