//! Short-lived children (git and the like): bounded output, a deadline, and the engine's lock file as standard input.
//!
//! A child that inherits the lock keeps it held after `kill -9` of the engine, so the next engine gets the lock only
//! when the last such child is gone. Agents and verifications are never started here.

use crate::domain::ending::ProcessExit;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};

/// What a short-lived child gets as standard input: the engine's lock file, or nothing for commands that hold no lock.
#[derive(Debug, Clone, Default)]
pub struct ChildGuard(Option<Arc<File>>);

impl ChildGuard {
    /// A guard for read-only commands run without the lock: children get `/dev/null`.
    pub fn none() -> Self {
        Self(None)
    }

    /// A guard that lets children inherit this open lock file.
    pub fn from_lock(file: Arc<File>) -> Self {
        Self(Some(file))
    }

    fn stdin(&self) -> Result<Stdio, std::io::Error> {
        match &self.0 {
            Some(file) => Ok(Stdio::from(file.try_clone()?)),
            None => Ok(Stdio::null()),
        }
    }
}

/// Bytes of each stream that are kept.
const LIMIT: u64 = 64 << 20;

/// A command description: program, arguments, folder, environment, limits.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    program: OsString,
    args: Vec<OsString>,
    cwd: Option<PathBuf>,
    env: Vec<(OsString, OsString)>,
    env_removed: Vec<OsString>,
    env_clear: bool,
    deadline: Duration,
    files: Option<(Arc<File>, Option<Arc<File>>)>,
    finishes: bool,
}

impl CommandLine {
    /// A command with no arguments, the caller's environment, 64 MiB of captured output per stream and 10 minutes.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), deadline: Duration::from_secs(600), ..Self::default() }
    }

    /// Reads `input` and writes its standard output to `output`. Without one it must not write any: the engine's lock file
    /// takes that place then, as it takes that of the standard input of other commands.
    #[must_use]
    pub fn with_files(mut self, input: &Arc<File>, output: Option<&Arc<File>>) -> Self {
        self.files = Some((Arc::clone(input), output.map(Arc::clone)));
        self
    }

    /// Is left to finish when the task that waits for it is given up: killed half way, a program that moves refs leaves locks
    /// in the repository that nobody removes. It holds the engine's lock until then, and ends at its deadline.
    #[must_use]
    pub fn finish_on_drop(mut self) -> Self {
        self.finishes = true;
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// The same command started by another program, which gets it behind its own arguments; the first word is its name.
    pub fn with_wrapper<S: AsRef<OsStr>>(mut self, starter: &[S]) -> Self {
        let mut words = starter.iter().map(|word| word.as_ref().to_owned());
        if let Some(program) = words.next() {
            let own = std::mem::replace(&mut self.program, program);
            self.args = words.chain([own]).chain(self.args).collect();
        }
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets variables.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(self, vars: impl IntoIterator<Item = (K, V)>) -> Self {
        vars.into_iter().fold(self, |line, (key, value)| line.env(key, value))
    }

    /// Removes one inherited variable.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env_removed.push(key.as_ref().to_owned());
        self
    }

    /// Starts from an empty environment.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env_clear = true;
        self
    }

    /// Kills the child's process group after this long.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The command as a person would type it, for messages.
    pub fn to_shell_string(&self) -> String {
        let mut text = self.program.to_string_lossy().into_owned();
        for arg in &self.args {
            let arg = arg.to_string_lossy();
            text.push(' ');
            match shlex::try_quote(&arg) {
                Ok(quoted) => text.push_str(&quoted),
                Err(_) => text.push('?'),
            }
        }
        text
    }

    /// The command with everything but its three streams.
    fn build_command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args);
        if self.env_clear {
            command.env_clear();
        }
        for key in &self.env_removed {
            command.env_remove(key);
        }
        command.envs(self.env.iter().map(|(k, v)| (k, v)));
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        command.process_group(0).kill_on_drop(!self.finishes);
        command
    }

    /// Starts a coprocess: a command that stays and answers what it is given on its standard input. It ends when that does, at the
    /// latest when it is dropped. One that writes is given what holds the engine's lock, and has it open as descriptor 3.
    ///
    /// # Errors
    /// The system's reason why it cannot be started.
    pub fn start_coprocess(&self, holding: Option<&ChildGuard>) -> std::io::Result<Coprocess> {
        let mut command = match holding {
            // Its standard error is the one place left to hand the lock over; nothing may be written there.
            Some(_) => {
                self.clone().with_wrapper(&["/bin/sh", "-c", "exec \"$0\" \"$@\" 3>&2 2>/dev/null"]).build_command()
            }
            None => self.build_command(),
        };
        let lock = holding.map_or_else(|| Ok(Stdio::null()), ChildGuard::stdin)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(lock);
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => Ok(Coprocess { _child: child, to, from: BufReader::new(from) }),
            _ => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Runs the command to its end.
    ///
    /// # Errors
    /// [`CommandError`] when it cannot be started, does not end in time, or its output cannot be read. A non-zero exit
    /// is not an error here.
    pub async fn run(&self, guard: &ChildGuard) -> Result<Output, CommandError> {
        let failed = |source| CommandError::Io { command: self.to_shell_string(), source };
        let mut command = self.build_command();
        let (input, output) = match &self.files {
            None => (guard.stdin(), Ok(Stdio::piped())),
            Some((input, None)) => (input.try_clone().map(Stdio::from), guard.stdin()),
            Some((input, Some(output))) => (input.try_clone().map(Stdio::from), output.try_clone().map(Stdio::from)),
        };
        command.stdin(input.map_err(failed)?).stdout(output.map_err(failed)?).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        // Dropped before the child, whose number nobody else can have until then.
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let mut group = Group(pid.filter(|_| !self.finishes));
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (stdout, stderr) = tokio::try_join!(read_limited(out.as_mut()), read_limited(err.as_mut()))?;
            Ok::<_, std::io::Error>((child.wait().await?, stdout, stderr))
        };
        match tokio::time::timeout(self.deadline, work).await {
            Ok(Ok((status, stdout, stderr))) => {
                group.0 = None;
                Ok(Output { ending: ProcessExit::from_status(status.code(), status.signal()), stdout, stderr })
            }
            Ok(Err(source)) => Err(failed(source)),
            Err(_) => {
                group.0 = pid;
                Err(CommandError::Deadline { command: self.to_shell_string(), after: self.deadline })
            }
        }
    }
}

/// A child's process group, killed when the child is given up: at its deadline, or with the task that waits for it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn read_limited(stream: Option<&mut (impl AsyncRead + Unpin)>) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(stream) = stream {
        (&mut *stream).take(LIMIT).read_to_end(&mut kept).await?;
        // The child goes on only while somebody reads.
        tokio::io::copy(stream, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// A child that answers what it is given.
#[derive(Debug)]
pub struct Coprocess {
    _child: tokio::process::Child,
    to: tokio::process::ChildStdin,
    from: BufReader<tokio::process::ChildStdout>,
}

impl Coprocess {
    /// Gives it `question` (with its line end) and reads one line, without its end.
    ///
    /// # Errors
    /// The system's reason, or the end of its output.
    pub async fn query(&mut self, question: &str) -> std::io::Result<String> {
        self.send(question).await?;
        self.read_line().await
    }

    /// Gives it `question`.
    ///
    /// # Errors
    /// The system's reason.
    pub async fn send(&mut self, question: &str) -> std::io::Result<()> {
        self.to.write_all(question.as_bytes()).await
    }

    /// Reads one line of its answer, without its end.
    ///
    /// # Errors
    /// The system's reason, or the end of its output.
    pub async fn read_line(&mut self) -> std::io::Result<String> {
        String::from_utf8(self.read_until(b'\n').await?).map_err(|_| std::io::ErrorKind::InvalidData.into())
    }

    /// Reads one field of its answer, without the NUL that ends it.
    ///
    /// # Errors
    /// The system's reason, or the end of its output.
    pub async fn read_field(&mut self) -> std::io::Result<Vec<u8>> {
        self.read_until(0).await
    }

    async fn read_until(&mut self, end: u8) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.from.read_until(end, &mut bytes).await?;
        match bytes.pop() {
            Some(last) if last == end => Ok(bytes),
            _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads so many bytes of its answer and the line end behind them.
    ///
    /// # Errors
    /// The system's reason, the end of its output, or another byte where the line end should be.
    pub async fn read_bytes(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length + 1];
        self.from.read_exact(&mut bytes).await?;
        match bytes.pop() {
            Some(b'\n') => Ok(bytes),
            _ => Err(std::io::ErrorKind::InvalidData.into()),
        }
    }
}

/// How a short-lived child ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended, as far as the system says.
    pub ending: Option<ProcessExit>,
    /// Standard output, at most the command's limit.
    pub stdout: Vec<u8>,
    /// Standard error, at most the command's limit.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Its exit code; absent when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        match self.ending? {
            ProcessExit::Code(code) => Some(code),
            ProcessExit::Signal(_) => None,
        }
    }
}

/// A short-lived child could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started or its output could not be read.
    #[error("run `{command}`")]
    Io {
        /// The command, quoted.
        command: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It did not end in time; its process group was killed.
    #[error("run `{command}`: it did not end within {} s", after.as_secs())]
    Deadline {
        /// The command, quoted.
        command: String,
        /// The limit that was passed.
        after: Duration,
    },
}
