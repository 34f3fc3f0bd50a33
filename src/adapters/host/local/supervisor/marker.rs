//! A process that does nothing but live on, as a supervisor does: whether it still lives tells whether runs would.

use super::error::{StageError, Trying};
use rustix::process::setsid;
use std::time::Duration;

/// How long it stays when nobody looks for it.
const LONGEST: Duration = Duration::from_secs(60);

/// Lives for a minute in a session of its own.
pub(super) fn stay() -> Result<u8, StageError> {
    let _ = setsid();
    std::env::set_current_dir("/").trying("leave the working folder")?;
    std::thread::sleep(LONGEST);
    Ok(0)
}
