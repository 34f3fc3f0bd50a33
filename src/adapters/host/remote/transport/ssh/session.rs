//! A worker at the other end of a session of ssh.

use super::master::Master;
use super::target::Target;
use crate::adapters::host::remote::transport::bootstrap::{LINE, Unready, Worker, bring_worker};
use crate::adapters::host::remote::transport::stream::{Guard, Input, Output, Reached, Release};
use crate::domain::trouble::{Cause, Trouble};
use openssh::{Child, Session};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long the end of a command may take to be told, when its output has ended.
const TOLD: Duration = Duration::from_secs(2);

/// A worker on a machine that ssh reaches. Clones share the connection; with the last one it ends.
#[derive(Debug, Clone)]
pub struct Ssh {
    target: Target,
    worker: Worker,
    state: String,
    env: Vec<(OsString, OsString)>,
    master: Arc<Mutex<Option<Master>>>,
}

impl fmt::Display for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl Ssh {
    /// Puts together what is there; nothing is connected before a worker is wanted. `state` is the id of the engine's state
    /// directory, `env` the whole environment of ssh.
    pub fn new(target: Target, worker: Worker, state: impl Into<String>, env: Vec<(OsString, OsString)>) -> Self {
        Self { target, worker, state: state.into(), env, master: Arc::default() }
    }

    /// As [`Transport::start`](super::super::Transport::start).
    pub(in crate::adapters::host::remote::transport) async fn start(
        &self,
        silence: Duration,
    ) -> Result<Reached, Trouble> {
        self.target.check()?;
        let mut child = self.open_session(silence).await?;
        let lost = || Trouble::new(Cause::Unreachable, "the session of ssh has no streams");
        let (stdin, stdout) = child.stdin().take().zip(child.stdout().take()).ok_or_else(lost)?;
        let (guard, said) = Guard::read(child.stderr().take());
        let mut stdin: Input = Box::new(stdin);
        let mut stdout: Output = BufReader::new(Box::new(stdout));
        match bring_worker(&mut stdin, &mut stdout, &self.worker, (silence, silence)).await {
            Ok(sent) => Ok(Reached { stdin, stdout, said, sent, guard: guard.keep(child) }),
            Err(Unready::Trouble(trouble)) => Err(said.explain(trouble).await),
            Err(Unready::Ended(printed)) => {
                drop(stdin);
                let code = timeout(TOLD, child.wait()).await;
                let lost = self.master.lock().await.as_ref().map(|master| master.last_words()).unwrap_or_default();
                let trial = Some(self.target.describe_trial());
                Err(match code {
                    Ok(Ok(status)) if status.into_raw() & 0x7f == 0 => {
                        said.explain_end(status.code(), printed, trial).await
                    }
                    // That is how the crate tells of the exit code 127.
                    Ok(Err(openssh::Error::Remote(_))) => said.explain_end(Some(127), printed, trial).await,
                    _ => Trouble::new(Cause::Unreachable, format!("the session of ssh ended{lost}")),
                })
            }
        }
    }

    /// Closes the connection, if there is one; a new one is not made before it is closed.
    pub(in crate::adapters::host::remote::transport) async fn close(&self) {
        let mut held = self.master.lock().await;
        if let Some(master) = held.take() {
            let _ = tokio::task::spawn_blocking(move || drop(master)).await;
        }
    }

    /// A session of the connection there is, else of a new one.
    async fn open_session(&self, silence: Duration) -> Result<Child<Arc<Session>>, Trouble> {
        let line = format!("sh -c '{LINE}'");
        let mut held = self.master.lock().await;
        if let Some(master) = held.as_ref()
            && !master.is_alive().await
        {
            tracing::debug!("the connection to {} is lost{}", self.target.hostname, master.last_words());
            *held = None;
        }
        let (master, is_new) = match held.take() {
            Some(master) => (held.insert(master), false),
            None => {
                let master = self.open_master(silence).await?;
                let is_new = !master.is_adopted();
                (held.insert(master), is_new)
            }
        };
        let refused = match master.run(&line, silence).await {
            Ok(child) => return Ok(child),
            Err(refused) => refused,
        };
        // An earlier session may still be open, and the host allow no more of them.
        *held = None;
        if is_new {
            return Err(refused);
        }
        tracing::debug!("connect anew: {refused}");
        held.insert(self.open_master(silence).await?).run(&line, silence).await
    }

    async fn open_master(&self, silence: Duration) -> Result<Master, Trouble> {
        Master::open(&self.target, &self.state, &self.env, silence).await
    }
}

impl Release for Child<Arc<Session>> {
    fn wait_end(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _ = self.wait().await;
        })
    }
}
