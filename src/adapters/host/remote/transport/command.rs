//! A worker behind a program of this machine: one that is the worker itself, or one that runs a command line elsewhere.

use super::bootstrap::{LINE, Unready, Worker, bring_worker};
use super::stream::{Guard, Input, Output, Reached, Release};
use crate::domain::trouble::{Cause, Trouble};
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::pin::Pin;
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

/// How long a command that is told to end may take to give back what it holds.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// How often is looked whether a command has ended that nobody may take the exit code of yet.
const LOOK: Duration = Duration::from_millis(10);

/// A command with its whole process group. Dropped, it is told to end, so that it gives back what it holds (the allocation of a
/// cluster), and is killed when it does not.
#[derive(Debug)]
struct Group(Option<Killed>);

/// A command whose whole process group is killed when it is dropped.
#[derive(Debug)]
struct Killed(Child);

impl Killed {
    /// Signals all of it. As long as nobody took its exit code the number is nobody else's.
    fn signal(&self, signal: Signal) {
        let number = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(leader) = number {
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Waits for its end without taking its exit code.
    async fn wait_end(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let number = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let Some(leader) = number else { return };
        while let Ok(None) = waitid(WaitId::Pid(leader), options) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(command) = self.0.take() else { return };
        command.signal(Signal::TERM);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(GIVING_BACK, command.wait_end()).await;
            });
        }
    }
}

impl Release for Group {
    fn wait_end(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if let Some(command) = &self.0 {
                command.wait_end().await;
            }
            // What it left in its group is nobody's.
            drop(self.0.take());
        })
    }
}

impl Release for Child {
    fn wait_end(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _ = self.wait().await;
        })
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
    let mut command = Killed(start(Path::new(program), &args, env).map_err(failed)?);
    let lost = || Trouble::new(Cause::Unreachable, "the command has no standard input and output");
    let (stdin, stdout) = command.0.stdin.take().zip(command.0.stdout.take()).ok_or_else(lost)?;
    let (guard, said) = Guard::read(command.0.stderr.take());
    let mut group = Group(Some(command));
    let (mut stdin, mut stdout): (Input, Output) = (Box::new(stdin), BufReader::new(Box::new(stdout)));
    match bring_worker(&mut stdin, &mut stdout, worker, silence).await {
        Ok(sent) => Ok(Reached { stdin, stdout, said, sent, guard: guard.keep(group) }),
        Err(Unready::Trouble(trouble)) => Err(said.explain(trouble).await),
        Err(Unready::Ended(printed)) => {
            drop(stdin);
            let status = match &mut group.0 {
                Some(command) => timeout(TOLD, command.0.wait()).await.ok().and_then(Result::ok),
                None => None,
            };
            Err(said.explain_end(status.and_then(|status| status.code()), printed, false).await)
        }
    }
}
