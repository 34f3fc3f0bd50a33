//! A worker behind a program of this machine.

use super::stream::{Guard, Input, Reached};
use crate::domain::trouble::{Cause, Trouble};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// A program that is started with its standard streams as pipes, in a process group of its own: a signal for the engine's terminal
/// is none for its workers. It is killed when its guard is dropped.
fn start(program: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true).spawn()
}

/// A worker that is itself a program of this machine.
///
/// # Errors
/// It cannot be started.
pub(super) fn start_child(
    program: &PathBuf,
    args: &[OsString],
    env: &[(OsString, OsString)],
) -> Result<Reached, Trouble> {
    let unreachable = |why: String| Trouble::new(Cause::Unreachable, why);
    let mut child = start(program, args, env).map_err(|e| unreachable(format!("start it: {e}")))?;
    let lost = || unreachable("the worker has no standard input and output".to_owned());
    let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or_else(lost)?;
    let stderr = child.stderr.take();
    let (guard, said) = Guard::new(child, stderr);
    let (stdin, stdout): (Input, Box<dyn AsyncRead + Send + Unpin>) = (Box::new(stdin), Box::new(stdout));
    Ok(Reached { stdin, stdout: BufReader::new(stdout), said, guard })
}
