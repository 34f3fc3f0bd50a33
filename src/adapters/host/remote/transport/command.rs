//! A worker behind a program of this machine: one that is the worker itself, or one that runs a command line elsewhere.

use super::bootstrap::{LINE, Unready, Worker, bring_worker};
use super::stream::{Guard, Input, Output, Reached, Reading, Release};
use crate::adapters::host::local::process::procfs;
use crate::domain::trouble::{Cause, Trouble};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
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

/// How often is looked whether a command or its group has ended, whose exit code nobody may take yet: at first, and later.
const LOOK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// A command with its whole process group. Dropped, it is told to end, so that it gives back what it holds (the allocation of a
/// cluster), and is killed when it does not.
#[derive(Debug)]
struct Group(Option<Killed>);

/// A command whose whole process group is killed when it is dropped.
#[derive(Debug)]
struct Killed {
    child: Child,
    /// One that nobody listens to any more would end by SIGPIPE before it has given back anything.
    _reading: Reading,
    _counted: Counted,
}

impl Killed {
    /// The number of its group. As long as nobody took its exit code that is nobody else's.
    fn leader(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// Signals all of it.
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader() {
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Waits for the end of the command without taking its exit code, and tells that; nothing where a signal ended it.
    async fn wait_end(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let (leader, mut pause) = (self.leader()?, LOOK.0);
        loop {
            match waitid(WaitId::Pid(leader), options) {
                Ok(Some(status)) => return status.exit_status(),
                Ok(None) => tokio::time::sleep(pause).await,
                Err(_) => return None,
            }
            pause = (pause * 2).min(LOOK.1);
        }
    }

    /// Waits until nothing of its group lives.
    async fn wait_empty(&self) {
        self.wait_end().await;
        let Some(group) = self.child.id() else { return };
        let mut pause = LOOK.0;
        while procfs::list_processes().iter().any(|(_, process)| process.group == group) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK.1);
        }
    }

    /// Tells all of it to end, and kills what does not.
    async fn end(self) {
        self.signal(Signal::TERM);
        let _ = timeout(GIVING_BACK, self.wait_empty()).await;
    }

    /// The same, whether somebody waits for it or not.
    fn end_apart(self, runtime: &Handle) -> JoinHandle<()> {
        runtime.spawn(self.end())
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
        match Handle::try_current() {
            Ok(runtime) => drop(command.end_apart(&runtime)),
            Err(_) => command.signal(Signal::TERM),
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
            if let Some(command) = self.0.take() {
                let _ = command.end_apart(&Handle::current()).await;
            }
        })
    }
}

/// Commands of this process that have not ended yet.
static COMMANDS: LazyLock<watch::Sender<usize>> = LazyLock::new(watch::Sender::default);

/// One of them.
#[derive(Debug)]
struct Counted;

impl Counted {
    fn begin() -> Self {
        COMMANDS.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COMMANDS.send_modify(|count| *count -= 1);
    }
}

/// Waits until every command that leads to a host and is not needed any more has given back what it holds, or was killed: a process
/// that ends before would kill it. Only for whoever has let go of all hosts.
pub async fn wait_for_commands() {
    let mut count = COMMANDS.subscribe();
    let _ = timeout(GIVING_BACK + TOLD, count.wait_for(|count| *count == 0)).await;
}

impl Release for Child {
    fn wait_end(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _ = self.wait().await;
        })
    }
}

/// A worker behind a command that runs a command line elsewhere, with its input and output passed through. So long the first answer
/// is waited for, and afterwards nothing is to be silent for `silence`.
///
/// # Errors
/// [`Unreachable`](Cause::Unreachable) where trying again helps, else what is in the way.
pub(super) async fn start_command(
    connect: &[String],
    env: &[(OsString, OsString)],
    worker: &Worker,
    (first, silence): (Duration, Duration),
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
    let mut child = start(Path::new(program), &args, env).map_err(failed)?;
    let (mut guard, said) = Guard::read(child.stderr.take());
    let streams = child.stdin.take().zip(child.stdout.take());
    let command = Killed { child, _reading: guard.take_reading(), _counted: Counted::begin() };
    let mut group = Group(Some(command));
    let lost = || Trouble::new(Cause::Unreachable, "the command has no standard input and output");
    let (stdin, stdout) = streams.ok_or_else(lost)?;
    let (mut stdin, mut stdout): (Input, Output) = (Box::new(stdin), BufReader::new(Box::new(stdout)));
    let ended = async {
        match &group.0 {
            Some(command) => drop(command.wait_end().await),
            None => std::future::pending().await,
        }
        // What it started may hold its output open for ever.
        tokio::time::sleep(TOLD).await;
    };
    let brought = tokio::select! {
        biased;
        brought = bring_worker(&mut stdin, &mut stdout, worker, (first, silence)) => brought,
        () = ended => Err(Unready::Ended(None)),
    };
    let unready = match brought {
        Ok(sent) => return Ok(Reached { stdin, stdout, said, sent, guard: guard.keep(group) }),
        Err(unready) => unready,
    };
    drop(stdin);
    // What runs there ends by itself now, and takes away what it has begun: a signal could end that half way.
    let code = match &group.0 {
        Some(command) => timeout(TOLD, command.wait_end()).await.ok().flatten(),
        None => None,
    };
    // What it started beside itself ends with it, and holds what it says open until then.
    if let Some(command) = group.0.take() {
        let _ = command.end_apart(&Handle::current()).await;
    }
    Err(match unready {
        Unready::Trouble(trouble) => said.explain(trouble).await,
        Unready::Ended(printed) => said.explain_end(code, printed, None).await,
    })
}
