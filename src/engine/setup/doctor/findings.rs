//! Errors and refusals as checks of `mc doctor`.

use crate::domain::detect::checks::Check;
use crate::domain::mission::Refusal;
use crate::domain::trouble::chain;
use crate::engine::error::EngineError;

/// The value, or its error as a problem.
pub(super) fn value_or_problem<T>(
    about: &'static str,
    result: Result<T, EngineError>,
    checks: &mut Vec<Check>,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(EngineError::Refused(refusal)) => {
            checks.push(refusal_check(about, refusal));
            None
        }
        Err(error) => {
            let help = match &error {
                EngineError::Config(_) => {
                    "`mc init --dry-run` shows settings that work; config/mission-control.toml has every key"
                }
                _ => "",
            };
            checks.push(Check::problem(about, chain(&error), error.hint().unwrap_or_else(|| help.to_owned())));
            None
        }
    }
}

/// What a mission would be refused for, in the words of that refusal.
pub(super) fn refusal_check(about: &'static str, refusal: Refusal) -> Check {
    Check::problem(about, refusal.reason, refusal.hint)
}
