//! What `mc demo` needs of the machine: a folder of its own, this very program as a child, and a search for processes
//! that belong to the folder.

use crate::adapters::host::local::process::command::{ChildGuard, CommandError, CommandLine, Output};
use crate::adapters::host::local::process::procfs::{self, Identity};
use rustix::process::Signal;
use rustix::termios::tcgetwinsize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How this program is started again: its folder and its whole environment.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// Working folder.
    pub cwd: PathBuf,
    /// All its variables.
    pub env: Vec<(OsString, OsString)>,
}

impl CommandContext {
    /// Runs it to its end with its output captured.
    ///
    /// # Errors
    /// [`CommandError`] when it cannot be started or does not end within two minutes.
    pub async fn capture(&self, args: &[&str]) -> Result<Output, CommandError> {
        let program = std::env::current_exe()
            .map_err(|source| CommandError::Io { command: format!("mc {}", args.join(" ")), source })?;
        self.run(CommandLine::new(program).args(args), &self.cwd).await
    }

    /// Runs a shell line in a folder with the same environment, its output captured.
    ///
    /// # Errors
    /// [`CommandError`] when it cannot be started or does not end within two minutes.
    pub async fn shell(&self, folder: &Path, line: &str) -> Result<Output, CommandError> {
        self.run(CommandLine::new("sh").args(["-c", line]), folder).await
    }

    async fn run(&self, command: CommandLine, folder: &Path) -> Result<Output, CommandError> {
        let command = command.cwd(folder).env_clear().deadline(Duration::from_secs(120));
        command.envs(self.env.iter().cloned()).run(&ChildGuard::none()).await
    }

    /// Starts it with the output of this process, or with none.
    ///
    /// # Errors
    /// The system's reason.
    pub fn start(&self, args: &[&str], silent: bool) -> std::io::Result<Child> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args(args).current_dir(&self.cwd).env_clear().envs(self.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        if silent {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        let child = command.spawn()?;
        let pid = child.id().unwrap_or(0);
        Ok(Child { child, identity: Identity::of(pid), pid })
    }
}

/// This program as a child.
#[derive(Debug)]
pub struct Child {
    child: tokio::process::Child,
    identity: Option<Identity>,
    pid: u32,
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended, with its exit code (-1 for a signal).
    ///
    /// # Errors
    /// The system's reason.
    pub fn try_wait(&mut self) -> std::io::Result<Option<i32>> {
        Ok(self.child.try_wait()?.map(|status| status.code().unwrap_or(-1)))
    }

    /// Kills it with SIGKILL and waits until it is gone; whether it was alive until then and died of that.
    ///
    /// # Errors
    /// The system's reason.
    pub async fn kill(&mut self) -> std::io::Result<bool> {
        use std::os::unix::process::ExitStatusExt;
        let sent = self.identity.is_some_and(|identity| identity.signal(Signal::KILL));
        Ok(self.child.wait().await?.signal() == Some(9) && sent)
    }
}

/// Processes other than this one with their working folder, root, program, an open file, an argument or a variable
/// under `folder`. Those of other users cannot be looked into and are not found.
pub fn belonging_to(folder: &Path) -> Vec<u32> {
    let needle = folder.as_os_str().as_bytes();
    let names = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let own = std::process::id();
    let all = procfs::list_processes().into_iter().map(|(pid, _)| pid).filter(|pid| *pid != own);
    all.filter(|pid| {
        names(&std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default())
            || names(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
            || procfs::read_links(*pid).any(|path| path.starts_with(folder))
            || procfs::open_files(*pid).iter().any(|(path, _)| path.starts_with(folder))
    })
    .collect()
}

/// Columns of the terminal this process was started from.
pub fn columns() -> Option<u32> {
    tcgetwinsize(std::io::stdin()).ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0)
}
