//! Making a workspace ready: the slot at an exact commit, files copied in, `setup` run when its inputs changed.

use super::keep::is_used_by;
use super::runs::GRACE;
use crate::adapters::host::local::machine::homes::{self, SetupHome};
use crate::adapters::host::local::machine::host::LocalHost;
use crate::adapters::host::local::process::tail;
use crate::adapters::host::local::rundir::{archive_run_dir, runs_below};
use crate::adapters::host::local::workspace::pool::PoolError;
use crate::adapters::host::local::workspace::{Keeping, Pool, Prepared, Ran, SlotInfo};
use crate::adapters::host::order::{Home, NotFresh, NotReady, PrepareOrder, Ready, RunKey, RunOrder, Start, Untracked};
use crate::adapters::os::files;
use crate::domain::base::FieldHash;
use crate::domain::ending::ProcessEnd;
use crate::domain::trouble::{Cause, Trouble};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// Bytes of a failed setup's output that are quoted.
const SAID: u64 = 2_000;

/// Whether a slot was made ready for this user before, who has not run anything in it.
fn was_prepared(host: &LocalHost, pool: &Pool, slot: u32, label: &str, setup: &RunKey) -> bool {
    let setup = host.run_dir(setup);
    // What was put aside beside it, as `setup.N`, were earlier runs of `setup`.
    let of_setup =
        |dir: &Path| dir == setup || (dir.parent() == setup.parent() && dir.file_stem() == setup.file_name());
    is_used_by(pool, slot, label) && runs_below(&host.runs().join(label)).iter().all(|run| of_setup(run.dir()))
}

/// Keeps the pool within its cap: slots nobody uses give way first, then nothing new is prepared.
async fn within_disk(host: &LocalHost, pool: &Arc<Pool>, slot: u32) -> Result<(), NotReady> {
    let cap = host.settings.max_disk;
    if cap == 0 {
        return Ok(());
    }
    let pool = Arc::clone(pool);
    let looked = tokio::task::spawn_blocking(move || -> Result<u64, PoolError> {
        let used = |slots: &[SlotInfo]| slots.iter().map(|s| s.bytes).sum::<u64>();
        let seen = pool.measure_usage()?;
        if seen <= cap {
            return Ok(seen);
        }
        let slots = pool.list()?;
        for idle in slots.iter().filter(|s| s.dirty.is_none() && !s.in_use) {
            // One that another task has taken meanwhile is left to it.
            let _ = pool.discard_idle(idle.slot);
        }
        let aside: u64 = pool.list_quarantined().iter().flatten().map(|entry| entry.bytes).sum();
        Ok(aside + used(&pool.list()?))
    });
    let failed = |e: &(dyn std::error::Error + 'static)| NotReady::Failed(host.classify_error(e));
    let used = looked.await.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
    if used <= cap {
        return Ok(());
    }
    let shown = if host.settings.name.is_none() { "; `mc pool list` shows them" } else { "" };
    let key = host.settings.name_disk_key();
    let why = format!("prepare slot {slot}: workspaces use {used} bytes of {cap} ({key}{shown})");
    Err(NotReady::Failed(why.into()))
}

async fn run_setup(
    host: &LocalHost,
    line: &str,
    (slot, home): (u32, Home),
    key: &RunKey,
    kill: watch::Receiver<bool>,
) -> Result<(), NotReady> {
    let (env, timeout) = (&host.settings.verification_env, host.settings.session_timeout);
    // What an earlier engine began worked on files that are gone.
    archive_run_dir(&host.run_dir(key), GRACE).await.map_err(|e| NotReady::Failed(host.classify_error(&e)))?;
    let order = RunOrder::shell(key.clone(), slot, line, env, timeout, home);
    let ended = host.run(&order, Start::IfNew, kill, || ()).await;
    match ended.end {
        ProcessEnd::Exited(0) => Ok(()),
        ProcessEnd::Stopped => Err(NotReady::Killed),
        end => {
            let said = ended.log.as_ref().map(|log| tail::read_ends(log, SAID)).unwrap_or_default();
            let log = ended.log.and_then(|log| preserve_log(host, log));
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
            let withheld = host.describe_withheld(env);
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
fn preserve_log(host: &LocalHost, log: PathBuf) -> Option<PathBuf> {
    let Some(folder) = &host.lasting else { return Some(log) };
    let place = folder.join("setup.log");
    files::move_below_private(&log, &place).ok().map(|()| place)
}

fn hash_inputs(host: &LocalHost, line: &str, environment: &str, workspace: &Path) -> std::io::Result<String> {
    let mut hash = FieldHash::default();
    hash.add(line);
    hash.add(environment);
    for name in &host.settings.setup_inputs {
        hash.add(name);
        hash.add(files::read_if_there(&workspace.join(name))?.unwrap_or_default());
    }
    Ok(hash.finish())
}

impl LocalHost {
    /// Makes a slot ready that holds nobody's work: at the commit, with what is copied in and what `setup` makes. Asked again, it
    /// begins anew.
    ///
    /// # Errors
    /// [`NotFresh::Dirty`] when it does hold something; [`NotFresh`]. The slot keeps its marker.
    pub async fn prepare(&self, order: &PrepareOrder, kill: watch::Receiver<bool>) -> Result<Ready, NotFresh> {
        let host = self;
        if *kill.borrow() {
            return Err(NotReady::Killed.into());
        }
        let PrepareOrder { slot, label, base, without, beside, copies, environment, setup, session } = order;
        let slot = *slot;
        let failed = |e: &(dyn std::error::Error + 'static)| NotReady::Failed(host.classify_error(e));
        let pool = host.pool().await.map_err(|e| failed(&e))?;
        within_disk(host, pool, slot).await?;
        let globs = host.keep_globs().map_err(|e| failed(&e))?;
        let landed = match beside {
            Untracked::Ignored => None,
            Untracked::Nothing => Some(None),
            Untracked::OfLanded(commit) => Some(Some(commit).filter(|_| host.settings.keeps_files())),
        };
        let keeping = landed.map(|landed| Keeping { landed, globs: &globs });
        if was_prepared(host, pool, slot, label, setup) {
            // The answer to an earlier asking was lost. Nothing but `setup` has run there.
            host.end_runs(setup).await.map_err(NotReady::Failed)?;
            pool.hold(slot).and_then(|()| pool.release(slot)).map_err(|e| failed(&e))?;
        }
        if let Some(session) = session.as_ref().filter(|_| !is_used_by(pool, slot, label)) {
            // One that somebody made in advance gives way; that of a user who still has the slot, and its runs, do not.
            files::make_new_own_dir(host.root(), &host.run_dir(session)).map_err(|e| failed(&e))?;
        }
        let Prepared { workspace, made, mut warm } = match pool.prepare_keeping(slot, label, base, keeping).await {
            Err(PoolError::Dirty { label: old, .. }) => return Err(NotFresh::Dirty(old)),
            Err(PoolError::Busy { .. }) => return Err(NotFresh::Busy),
            done => done.map_err(|e| failed(&e))?,
        };
        if let Some(without) = without {
            pool.exclude_paths(slot, base, without).await.map_err(|e| failed(&e))?;
        }
        for (name, content) in copies {
            let Some(bytes) = content else { continue };
            if !files::write_below(&workspace, Path::new(name), bytes).map_err(|e| failed(&e))? {
                tracing::warn!("{name} is not copied into slot {slot}: a link of the repository is in the way");
            }
        }
        let home = beside.home();
        if home == Home::Slots {
            homes::prepare_home(host, &workspace).await.map_err(NotReady::Failed)?;
        }
        if let Some(line) = &host.settings.setup {
            let mut own = SetupHome::of(host, &workspace, home).await.map_err(NotReady::Failed)?;
            let inputs = hash_inputs(host, line, environment, &workspace);
            let mut inputs = inputs.map_err(|e| NotReady::Failed(host.trouble_at("read setup inputs", &e)))?;
            inputs += &own.as_ref().map(SetupHome::stamp).unwrap_or_default();
            let there = made.as_ref().is_some_and(|made| made.inputs == inputs);
            if there && own.as_ref().is_none_or(SetupHome::is_kept) {
                warm |= keeping.is_some();
            } else {
                if made.is_some() && keeping.is_some() {
                    warm = pool.drop_made(slot, &globs).await.map_err(|e| failed(&e))?;
                }
                if let Some(own) = &mut own {
                    own.begin().map_err(NotReady::Failed)?;
                }
                run_setup(host, line, (slot, home), setup, kill).await?;
                if own.as_ref().map_or(Ok(true), SetupHome::end).map_err(NotReady::Failed)? {
                    pool.record_setup(slot, inputs, keeping.is_some()).await.map_err(|e| failed(&e))?;
                }
            }
        }
        if *beside == Untracked::Ignored && host.settings.setup.is_some() {
            // None of that is the unit's work.
            pool.record_left_by_setup(slot).await.map_err(|e| failed(&e))?;
        }
        if keeping.is_some() && host.settings.keeps_files() {
            pool.record_run(slot, &Ran::Begun { warm }).map_err(|e| failed(&e))?;
        }
        Ok(Ready { workspace, folder: host.runs().join(label), warm })
    }
}
