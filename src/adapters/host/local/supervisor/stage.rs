//! A stage of a supervisor: this program once more, as a command, and what every stage reads.

use super::error::{StageError, Trying};
use crate::adapters::host::local::protocol::{FLAG, OURSELVES, SMALL, Settings, parse};
use crate::adapters::os::files::read_untrusted;
use std::ffi::OsStr;
use std::io::{BufReader, PipeReader, PipeWriter};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A stage as a command of this program, with no environment. Standard error goes where ours goes.
pub(super) fn stage(first: &OsStr, stage: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(OURSELVES);
    command.arg0("mc").arg(FLAG).arg(first).arg(stage).env_clear().stdin(Stdio::null());
    command
}

/// Starts the stage that starts the program, as pid 1 of the namespace if one was entered; what it says, and the gate at which it waits.
pub(super) fn start(first: &OsStr, name: &str) -> Result<(Child, BufReader<PipeReader>, PipeWriter), StageError> {
    let (said, says) = std::io::pipe().trying("make a pipe")?;
    let (waits, gate) = std::io::pipe().trying("make a pipe")?;
    // The command is gone after it: it holds our copies of the ends that are the child's.
    let child = stage(first, name).stdin(waits).stdout(says).spawn().trying(format_args!("start {name}"))?;
    Ok((child, BufReader::new(said), gate))
}

/// What the run file says.
pub(super) fn settings(file: &Path) -> Result<Settings, StageError> {
    let settings = read_untrusted(file, SMALL).as_deref().and_then(parse);
    settings.ok_or(StageError::Unfit("the run file is incomplete"))
}
