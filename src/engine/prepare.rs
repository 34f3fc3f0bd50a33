//! Making a workspace ready: the slot at an exact commit, files copied in, `setup` run when its inputs changed.

use super::context::execution::ExecutionContext;
use super::context::mission::MissionContext;
use super::homes::{self, Home, SetupHome};
use super::runs::{GRACE, Job, run};
use crate::adapters::git::filter::Filtered;
use crate::adapters::host::local::process::tail;
use crate::adapters::host::local::rundir::{Run, put_aside};
use crate::adapters::host::local::workspace::leftovers::{Keeping, Prepared, Ran};
use crate::adapters::host::local::workspace::pool::{Pool, PoolError};
use crate::adapters::host::local::workspace::space::SlotInfo;
use crate::adapters::os::files;
use crate::domain::base::hex;
use crate::domain::ending::ProcessEnd;
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::CommitId;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// Bytes of a failed setup's output that are quoted.
const SAID: u64 = 2_000;

/// A workspace could not be made ready.
#[derive(Debug)]
pub enum NotReady {
    /// We were told to stop.
    Killed,
    /// Infrastructure: why.
    Failed(Trouble),
    /// The setup command ended with an exit code other than 0.
    Setup {
        /// That code.
        code: i32,
        /// The whole sentence, with what it said.
        why: String,
    },
}

impl NotReady {
    /// Infrastructure that is known by what is said of it only.
    fn odd(why: String) -> Self {
        Self::Failed(why.into())
    }
}

impl From<NotReady> for ProcessEnd {
    fn from(not: NotReady) -> Self {
        match not {
            NotReady::Killed => Self::Stopped,
            NotReady::Failed(trouble) => Self::Infrastructure(trouble),
            NotReady::Setup { why, .. } => Self::Infrastructure(Trouble::new(Cause::Setup, why)),
        }
    }
}

/// A slot could not be had as it is.
#[derive(Debug)]
pub enum NotFresh {
    /// It holds what this user left there.
    Dirty(String),
    /// Somebody uses it.
    Busy,
    /// It could not be made ready.
    NotReady(NotReady),
}

impl From<NotReady> for NotFresh {
    fn from(not: NotReady) -> Self {
        Self::NotReady(not)
    }
}

/// Prepares a slot for a mission; `setup_dir` is the run directory of the setup command. What an
/// attempt left in the slot is pinned first.
///
/// # Errors
/// [`NotReady`]; the slot keeps its marker.
pub async fn workspace(
    context: &MissionContext,
    wanted: Wanted<'_>,
    setup_dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<Ready, NotReady> {
    let mut made = fresh(context, wanted, setup_dir, kill.clone()).await;
    if let Err(NotFresh::Dirty(old)) = &made {
        super::collecting::rescue(context, wanted.slot, old, wanted.base).await.map_err(NotReady::Failed)?;
        made = fresh(context, wanted, setup_dir, kill).await;
    }
    made.map_err(|not| match not {
        NotFresh::NotReady(not) => not,
        NotFresh::Dirty(label) => NotReady::odd(format!("slot {} still holds the work of {label}", wanted.slot)),
        NotFresh::Busy => NotReady::odd(format!("use slot {}: another process has it locked", wanted.slot)),
    })
}

/// A slot as somebody wants it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its number.
    pub slot: u32,
    /// Who uses it.
    pub label: &'a str,
    /// The commit it shall stand at.
    pub base: &'a CommitId,
    /// What is taken out of the commit's tree before anything runs in it.
    pub without: Option<&'a Filtered>,
    /// What may be there beside the tree.
    pub beside: Beside<'a>,
}

/// What may be in a workspace beside the tree and what is put there.
#[derive(Debug, Clone, Copy)]
pub enum Beside<'a> {
    /// Whatever git ignores: build output of those who worked there before.
    Ignored,
    /// Nothing.
    Nothing,
    /// What the settings let stay of runs of this commit or of an ancestor of it.
    OfLanded(&'a CommitId),
}

impl Beside<'_> {
    /// Whose HOME `setup`, and what runs there then, has: that of the user while a unit is worked on, one of its own else.
    const fn home(self) -> Home {
        match self {
            Self::Ignored => Home::Users,
            Self::Nothing | Self::OfLanded(_) => Home::Slots,
        }
    }
}

/// A workspace that is ready.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Its folder.
    pub workspace: PathBuf,
    /// Whether files of earlier runs are there, or what `setup` made for one.
    pub warm: bool,
}

/// Prepares a slot that holds nobody's work.
///
/// # Errors
/// [`NotFresh::Dirty`] when it does hold something; [`NotFresh`].
pub async fn fresh(
    execution: &ExecutionContext,
    wanted: Wanted<'_>,
    setup_dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<Ready, NotFresh> {
    if *kill.borrow() {
        return Err(NotReady::Killed.into());
    }
    let Wanted { slot, label, base, without, beside } = wanted;
    let failed = |e: &(dyn std::error::Error + 'static)| NotReady::Failed(execution.trouble(e));
    let pool = execution.pool().await.map_err(|e| failed(&e))?;
    within_disk(execution, pool, slot).await?;
    let globs = execution.kept().map_err(|e| failed(&e))?;
    let landed = match beside {
        Beside::Ignored => None,
        Beside::Nothing => Some(None),
        Beside::OfLanded(commit) => Some(Some(commit).filter(|_| execution.keeps())),
    };
    let keeping = landed.map(|landed| Keeping { landed, globs: &globs });
    let Prepared { workspace, made, mut warm } = match pool.prepare_keeping(slot, label, base, keeping).await {
        Err(PoolError::Dirty { label: old, .. }) => return Err(NotFresh::Dirty(old)),
        Err(PoolError::Busy { .. }) => return Err(NotFresh::Busy),
        done => done.map_err(|e| failed(&e))?,
    };
    if let Some(without) = without {
        pool.narrow(slot, base, without).await.map_err(|e| failed(&e))?;
    }
    let now;
    let copies = match beside {
        Beside::Ignored => {
            now = execution.read_copies().map_err(|e| failed(&e))?;
            &now
        }
        Beside::Nothing | Beside::OfLanded(_) => execution.copies().map_err(|e| failed(&e))?,
    };
    for (name, content) in copies {
        let Some(bytes) = content else { continue };
        if !files::write_below(&workspace, Path::new(name), bytes).map_err(|e| failed(&e))? {
            tracing::warn!("{name} is not copied into slot {slot}: a link of the repository is in the way");
        }
    }
    let home = beside.home();
    if home == Home::Slots {
        homes::furnish(execution, &workspace).await.map_err(|e| NotReady::Failed(e.into()))?;
    }
    if let Some(line) = &execution.settings().target.setup {
        let environment = match home {
            Home::Users => "",
            Home::Slots => execution.fingerprint().await.map_err(|e| failed(&e))?,
        };
        let mut own = SetupHome::of(execution, &workspace, home).await.map_err(|e| NotReady::Failed(e.into()))?;
        let inputs = inputs(execution, line, environment, &workspace);
        let mut inputs = inputs.map_err(|e| NotReady::Failed(execution.trouble_at("read setup inputs", &e)))?;
        inputs += &own.as_ref().map(SetupHome::stamp).unwrap_or_default();
        let there = made.as_ref().is_some_and(|made| made.inputs == inputs);
        if there && own.as_ref().is_none_or(SetupHome::is_kept) {
            warm |= keeping.is_some();
        } else {
            if made.is_some() && keeping.is_some() {
                warm = pool.drop_made(slot, &globs).await.map_err(|e| failed(&e))?;
            }
            if let Some(own) = &mut own {
                own.begin().map_err(|e| NotReady::Failed(e.into()))?;
            }
            setup(execution, line, (&workspace, home), setup_dir, kill).await?;
            if own.as_ref().map_or(Ok(true), SetupHome::end).map_err(|e| NotReady::Failed(e.into()))? {
                pool.note_setup(slot, inputs, keeping.is_some()).await.map_err(|e| failed(&e))?;
            }
        }
    }
    if keeping.is_some() && execution.keeps() {
        pool.note_ran(slot, &Ran::Begun { warm }).map_err(|e| failed(&e))?;
    }
    Ok(Ready { workspace, warm })
}

/// Keeps the pool within its cap: slots nobody uses give way first, then nothing new is prepared.
async fn within_disk(execution: &ExecutionContext, pool: &Arc<Pool>, slot: u32) -> Result<(), NotReady> {
    let cap = execution.settings().parallel.max_disk;
    if cap == 0 {
        return Ok(());
    }
    let pool = Arc::clone(pool);
    let looked = tokio::task::spawn_blocking(move || -> Result<u64, String> {
        let used = |slots: &[SlotInfo]| slots.iter().map(|s| s.bytes).sum::<u64>();
        let seen = pool.used().map_err(|e| super::error::chain(&e))?;
        if seen <= cap {
            return Ok(seen);
        }
        let slots = pool.list().map_err(|e| super::error::chain(&e))?;
        for idle in slots.iter().filter(|s| s.dirty.is_none() && !s.in_use) {
            // One that another task has taken meanwhile is left to it.
            let _ = pool.discard_idle(idle.slot);
        }
        let aside: u64 = pool.quarantined().iter().flatten().map(|entry| entry.bytes).sum();
        Ok(aside + used(&pool.list().map_err(|e| super::error::chain(&e))?))
    });
    let used = looked.await.map_err(|e| NotReady::odd(e.to_string()))?.map_err(NotReady::odd)?;
    if used <= cap {
        return Ok(());
    }
    Err(NotReady::odd(format!(
        "prepare slot {slot}: workspaces use {used} bytes of {cap} (scheduler.parallel.max_disk; `mc pool list` shows them)"
    )))
}

async fn setup(
    execution: &ExecutionContext,
    line: &str,
    (workspace, home): (&Path, Home),
    dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<(), NotReady> {
    let env = execution.allowed_env(&execution.settings().verification.env);
    let timeout = execution.settings().scheduler.session_timeout;
    // What an earlier engine began worked on files that are gone.
    put_aside(dir, GRACE).await.map_err(|e| NotReady::Failed(execution.trouble(&e)))?;
    let job = Job::shell(dir.to_owned(), workspace.to_owned(), line, env, timeout).at_home(home);
    let ended = run(execution, job, kill, false).await;
    match ended.end {
        ProcessEnd::Exited(0) => Ok(()),
        ProcessEnd::Stopped => Err(NotReady::Killed),
        end => {
            let said = ended.log.as_ref().map(|log| tail::ends(log, SAID)).unwrap_or_default();
            let log = ended.log.and_then(|log| kept(execution, log));
            let log = log.map(|log| format!("\nall it said: {}", log.display())).unwrap_or_default();
            let cause =
                if let ProcessEnd::Infrastructure(trouble) = &end { trouble.cause.clone() } else { Cause::Setup };
            let exited = if let ProcessEnd::Exited(code) = end { Some(code) } else { None };
            let how = match end {
                ProcessEnd::Timeout => format!("scheduler.session_timeout, {} s, is used up", timeout.as_secs()),
                ProcessEnd::Stalled | ProcessEnd::NeverStarted | ProcessEnd::Stopped => {
                    "it did not run to its end".to_owned()
                }
                end => end.to_string(),
            };
            let withheld = execution.withheld(&execution.settings().verification.env);
            let withheld = withheld.map(|names| format!("\n{names} (target.verification.env names what they get)"));
            let why =
                format!("target.setup `{line}` failed ({how}): {}{log}{}", said.trim(), withheld.unwrap_or_default());
            Err(match exited {
                Some(code) => NotReady::Setup { code, why },
                None => NotReady::Failed(Trouble::new(cause, why)),
            })
        }
    }
}

/// Where the log can be read later: a scratch place vanishes, and what went wrong in it should not.
fn kept(execution: &ExecutionContext, log: PathBuf) -> Option<PathBuf> {
    let Some(folder) = &execution.lasting else { return Some(log) };
    let place = folder.join("setup.log");
    files::move_below_private(&log, &place).ok().map(|()| place)
}

fn inputs(execution: &ExecutionContext, line: &str, environment: &str, workspace: &Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(line.as_bytes());
    hash.update(environment.as_bytes());
    for name in &execution.settings().target.setup_inputs {
        let bytes = files::read_if_there(&workspace.join(name))?.unwrap_or_default();
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
    }
    Ok(hex(&hash.finalize()))
}

/// Ends a setup command that an earlier engine left running in `attempt_dir`.
pub async fn end_setup(attempt_dir: &Path) {
    if let Some(run) = Run::open(&attempt_dir.join("setup")) {
        run.end(GRACE).await;
    }
}
