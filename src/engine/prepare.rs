//! Making a workspace ready: the slot at an exact commit, files copied in, `setup` run when its inputs changed.

use super::runs::{End, GRACE, Job, run};
use super::shop::Shop;
use crate::adapters::files;
use crate::adapters::host::rundir::Run;
use crate::adapters::host::tail;
use crate::adapters::workspace::pool::{Pool, PoolError, SlotInfo};
use crate::domain::values::CommitId;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// A workspace could not be made ready.
#[derive(Debug)]
pub enum NotReady {
    /// We were told to stop.
    Killed,
    /// Infrastructure: why.
    Failed(String),
}

/// Prepares `slot` at `base` for the user named by `label`; `setup_dir` is the run directory of the setup command.
///
/// # Errors
/// [`NotReady`]; the slot keeps its marker.
pub async fn workspace(
    shop: &Shop,
    slot: u32,
    label: &str,
    base: &CommitId,
    setup_dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<PathBuf, NotReady> {
    if *kill.borrow() {
        return Err(NotReady::Killed);
    }
    let failed = |e: &dyn std::error::Error| NotReady::Failed(super::error::chain(e));
    let pool = shop.pool().await.map_err(|e| failed(&e))?;
    within_disk(shop, pool, slot).await?;
    let workspace = match pool.prepare(slot, label, base).await {
        Err(PoolError::Dirty { label: old, .. }) => {
            super::attempt::rescue(shop, slot, &old, base).await.map_err(NotReady::Failed)?;
            pool.prepare(slot, label, base).await
        }
        done => done,
    }
    .map_err(|e| failed(&e))?;
    let target = &shop.settings().target;
    for name in &target.copy {
        let from = shop.facts.toplevel.join(name);
        let Some(bytes) = files::read_if_there(&from).map_err(|e| failed(&e))? else { continue };
        if !files::write_below(&workspace, Path::new(name), &bytes).map_err(|e| failed(&e))? {
            tracing::warn!("{name} is not copied into slot {slot}: a link of the repository is in the way");
        }
    }
    if let Some(line) = &target.setup {
        setup(shop, line, &workspace, &pool.stamp(slot), setup_dir, kill).await?;
    }
    Ok(workspace)
}

/// Keeps the pool within its cap: slots nobody uses give way first, then nothing new is prepared.
async fn within_disk(shop: &Shop, pool: &Arc<Pool>, slot: u32) -> Result<(), NotReady> {
    let cap = shop.settings().parallel.max_disk;
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
        Ok(used(&pool.list().map_err(|e| super::error::chain(&e))?))
    });
    let used = looked.await.map_err(|e| NotReady::Failed(e.to_string()))?.map_err(NotReady::Failed)?;
    if used <= cap {
        return Ok(());
    }
    Err(NotReady::Failed(format!(
        "prepare slot {slot}: workspaces use {used} bytes of {cap} (scheduler.parallel.max_disk)"
    )))
}

async fn setup(
    shop: &Shop,
    line: &str,
    workspace: &Path,
    stamp: &Path,
    dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<(), NotReady> {
    let inputs = inputs(shop, line, workspace).map_err(|e| NotReady::Failed(format!("read setup inputs: {e}")))?;
    if files::read_if_there(stamp).ok().flatten().as_deref() == Some(inputs.as_bytes()) {
        return Ok(());
    }
    let env = shop.allowed_env(&shop.settings().verification.env);
    let timeout = shop.settings().scheduler.session_timeout;
    let job = Job::shell(dir.to_owned(), workspace.to_owned(), line, env, timeout);
    let ended = run(shop, job, kill, false).await;
    match ended.end {
        End::Exited(0) => {
            files::replace(stamp, inputs.as_bytes()).map_err(|e| NotReady::Failed(format!("note that setup ran: {e}")))
        }
        End::Killed => Err(NotReady::Killed),
        end => {
            let said = ended.log.map(|l| tail::of(&l, 1_000)).unwrap_or_default();
            let how = match end {
                End::Exited(code) => format!("exit {code}"),
                End::Signaled(signal) => format!("signal {signal}"),
                End::Timeout => "scheduler.session_timeout is used up".to_owned(),
                other => format!("{other:?}"),
            };
            Err(NotReady::Failed(format!("target.setup `{line}` failed ({how}): {}", said.trim())))
        }
    }
}

fn inputs(shop: &Shop, line: &str, workspace: &Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(line.as_bytes());
    for name in &shop.settings().target.setup_inputs {
        let bytes = files::read_if_there(&workspace.join(name))?.unwrap_or_default();
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Ends a setup command that an earlier engine left running in `attempt_dir`.
pub async fn end_setup(attempt_dir: &Path) {
    if let Some(run) = Run::open(&attempt_dir.join("setup")) {
        run.end(GRACE).await;
    }
}
