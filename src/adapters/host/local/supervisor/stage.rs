//! A stage of a supervisor: this program once more, as a command, and what every stage reads.

use crate::adapters::host::local::protocol::{FLAG, OURSELVES, SMALL, Settings, parse_settings};
use crate::adapters::os::files::read_untrusted;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A stage as a command of this program, with no environment. Standard error goes where ours goes.
pub(super) fn stage(first: &OsStr, stage: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(OURSELVES);
    command.arg0("mc").arg(FLAG).arg(first).arg(stage).env_clear().stdin(Stdio::null());
    command
}

/// The file of this program as others find it, a shell for example. The name in /proc is for root: in a user namespace the shell may
/// not look at us.
pub fn for_others() -> PathBuf {
    let named = std::env::current_exe().ok().filter(|path| path.exists());
    named.unwrap_or_else(|| format!("/proc/{}/exe", std::process::id()).into())
}

/// What the run file says.
pub(super) fn settings(file: &Path) -> Result<Settings, String> {
    let settings = read_untrusted(file, SMALL).as_deref().and_then(parse_settings);
    settings.ok_or_else(|| "the run file is incomplete".to_owned())
}
