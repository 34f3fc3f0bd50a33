//! A worker behind a program of this machine: one that is the worker itself, or one that runs a command line elsewhere.

use super::bootstrap::{LINE, Unready, Worker, bring_worker};
use super::stream::{Guard, Input, Output, Reached};
use crate::domain::trouble::{Cause, Trouble};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::process::{Child, Command};
use tokio::time::timeout;

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
pub(super) fn start_child(program: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> Result<Reached, Trouble> {
    let unreachable = |why: String| Trouble::new(Cause::Unreachable, why);
    let mut child = start(program, args, env).map_err(|e| unreachable(format!("start it: {e}")))?;
    let lost = || unreachable("the worker has no standard input and output".to_owned());
    let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or_else(lost)?;
    let (guard, said) = Guard::read(child.stderr.take());
    let (stdin, stdout): (Input, Output) = (Box::new(stdin), BufReader::new(Box::new(stdout)));
    Ok(Reached { stdin, stdout, said, sent: false, guard: guard.keep(child) })
}

/// How long the end of a command may take to be told, when its output has ended.
const TOLD: Duration = Duration::from_secs(2);

/// A command whose whole process group is killed when it is dropped.
#[derive(Debug)]
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // As long as nobody took its exit code the number is nobody else's.
        let number = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = number {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// A worker behind a command that runs a command line elsewhere, with its input and output passed through.
///
/// # Errors
/// [`Unreachable`](Cause::Unreachable) where trying again helps, else what is in the way.
pub(super) async fn start_command(
    connect: &[String],
    env: &[(OsString, OsString)],
    worker: &Worker,
    silence: Duration,
) -> Result<Reached, Trouble> {
    let (program, args) =
        connect.split_first().ok_or_else(|| Trouble::from("`connect` of this host is empty".to_owned()))?;
    let args: Vec<OsString> = args.iter().map(String::as_str).chain(["sh", "-c", LINE]).map(OsString::from).collect();
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            Trouble::from(format!("`{program}` (`connect` of this host) cannot be started on this machine: {e}"))
        }
        _ => Trouble::new(Cause::Unreachable, format!("start `{program}`: {e}")),
    };
    let mut group = Group(start(Path::new(program), &args, env).map_err(failed)?);
    let lost = || Trouble::new(Cause::Unreachable, "the command has no standard input and output");
    let (stdin, stdout) = group.0.stdin.take().zip(group.0.stdout.take()).ok_or_else(lost)?;
    let (guard, said) = Guard::read(group.0.stderr.take());
    let (mut stdin, mut stdout): (Input, Output) = (Box::new(stdin), BufReader::new(Box::new(stdout)));
    match bring_worker(&mut stdin, &mut stdout, worker, silence).await {
        Ok(sent) => Ok(Reached { stdin, stdout, said, sent, guard: guard.keep(group) }),
        Err(Unready::Trouble(trouble)) => Err(said.explain(trouble).await),
        Err(Unready::Ended(printed)) => {
            drop(stdin);
            let status = timeout(TOLD, group.0.wait()).await.ok().and_then(Result::ok);
            Err(said.explain_end(status.and_then(|status| status.code()), printed, false).await)
        }
    }
}
