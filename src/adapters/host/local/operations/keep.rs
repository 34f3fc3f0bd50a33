//! The workspace of an ended run: collected and pinned, then given back, or set aside as a whole where that cannot be.
//!
//! A slot that holds anything which is kept nowhere else is never given to another unit: it goes into quarantine, and the next
//! engine tries to collect it once more.

use super::runs::GRACE;
use crate::adapters::host::local::machine::host::LocalHost;
use crate::adapters::host::local::process::kill::{KillProof, end_traceless};
use crate::adapters::host::local::protocol::{KillReason, RunExit};
use crate::adapters::host::local::rundir::{Found, Run, archive_run_dir, find, runs_below};
use crate::adapters::host::local::workspace::collect::{Attempt, CollectError, collect};
use crate::adapters::host::local::workspace::quarantine::{Note, list_quarantined};
use crate::adapters::host::local::workspace::{Pool, Ran};
use crate::adapters::host::order::{
    CollectOrder, CollectOutcome, Ready, Release, RunKey, RunState, Strays, UsedSlot, attempt_of,
};
use crate::adapters::os::files;
use crate::domain::trouble::{Cause, Trouble, chain};
use crate::domain::values::CommitId;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl LocalHost {
    async fn open_pool(&self) -> Result<&Arc<Pool>, Trouble> {
        self.pool().await.map_err(|e| self.classify_error(&e))
    }

    /// Collects the workspace of an attempt, whose run must be dead. Where what is around it fails, the slot is left, locked by
    /// nobody, with its marker.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn collect(&self, order: &CollectOrder) -> Result<CollectOutcome, Trouble> {
        self.collect_attempt(order, false).await
    }

    async fn collect_attempt(&self, order: &CollectOrder, late: bool) -> Result<CollectOutcome, Trouble> {
        let pool = self.open_pool().await?;
        let key = RunKey::of_attempt(&order.mission, &order.unit, order.number);
        let attempt = Attempt {
            mission: order.mission.clone(),
            unit: order.unit.clone(),
            number: order.number,
            base: order.base.clone(),
            green: order.green.clone(),
            run_dir: self.run_dir(&key),
            late,
            take_elsewhere: order.take_elsewhere,
        };
        let made = files::make_own_dir(self.root(), &attempt.run_dir);
        made.map_err(|e| self.trouble_at("make the folder of a session", &e))?;
        let label = key.as_str();
        match collect(pool, order.slot, &attempt).await {
            Ok(found) => Ok(CollectOutcome::Pinned(Box::new(found))),
            Err(CollectError::Gone { .. }) => {
                // Set aside just before a crash?
                let entries = pool.list_quarantined().unwrap_or_default();
                let aside = entries.into_iter().find(|entry| entry.note.label == label);
                Ok(aside.map_or(CollectOutcome::Gone, |entry| CollectOutcome::SetAside {
                    place: entry.path,
                    why: entry.note.why,
                }))
            }
            Err(stuck @ CollectError::Stuck(_)) => {
                let why = chain(&stuck);
                if !self.can_read(&order.base).await? {
                    pool.abandon_slot(order.slot);
                    let why = format!("{} cannot be read where the workspace has it from: {why}", order.base);
                    return Err(Trouble::new(Cause::Git, why));
                }
                let note = Note { label: label.to_owned(), base: Some(order.base.clone()), why: why.clone() };
                match pool.quarantine(order.slot, &note) {
                    Ok(place) => Ok(CollectOutcome::SetAside { place, why }),
                    Err(e) => {
                        pool.abandon_slot(order.slot);
                        Err(self.trouble_at(&why, &e))
                    }
                }
            }
            Err(e) => {
                pool.abandon_slot(order.slot);
                Err(self.classify_error(&e))
            }
        }
    }

    /// Whether git can read a commit and its trees in the repository that workspaces rest on: where it cannot, that is no fault of
    /// theirs.
    async fn can_read(&self, commit: &CommitId) -> Result<bool, Trouble> {
        let reading = self.source.run(&["rev-list", "--objects", "--no-walk", "--quiet", commit.as_str()]).await;
        Ok(reading.map_err(|e| self.classify_error(&e))?.success())
    }

    /// Gives the slot of whoever has this label back, or sets it aside when it holds what is kept nowhere else. A slot that
    /// somebody else has is only let go.
    ///
    /// # Errors
    /// Why it could not be given back; it keeps its marker.
    pub async fn release(&self, slot: u32, label: &str, release: &Release) -> Result<(), Trouble> {
        let pool = self.open_pool().await?;
        if !is_used_by(pool, slot, label) {
            pool.abandon_slot(slot);
            return Ok(());
        }
        // What nobody waited for (a `setup` whose answer was lost) would go on in the workspace of whoever is next.
        if let Err(trouble) = self.end_below(label, |run| !run.has_ended()).await {
            pool.abandon_slot(slot);
            return Err(trouble);
        }
        let given = match release {
            Release::Verified(Some(commit)) if self.settings.keeps_files() => {
                pool.record_run(slot, &Ran::Ended(commit.clone())).and_then(|()| pool.release(slot))
            }
            Release::Verified(_) | Release::Collected { stuck: None, .. } => pool.release(slot),
            Release::Collected { base, stuck: Some(path) } => {
                let why = format!("{path} can neither be read nor moved by mc; everything else is pinned");
                let note = Note { label: label.to_owned(), base: Some(base.clone()), why };
                pool.quarantine(slot, &note).map(drop)
            }
        };
        given.map_err(|e| {
            pool.abandon_slot(slot);
            self.classify_error(&e)
        })
    }

    /// The slots that somebody uses or has not given back.
    ///
    /// # Errors
    /// The pool cannot be read.
    pub async fn used_slots(&self) -> Result<Vec<UsedSlot>, Trouble> {
        let used = self.open_pool().await?.dirty_slots().map_err(|e| self.classify_error(&e))?;
        Ok(used.into_iter().map(|(slot, label)| UsedSlot { slot, label }).collect())
    }

    /// Locks a slot that an earlier engine gave to this label; its workspace, or nothing where it is not that label's any more.
    ///
    /// # Errors
    /// Somebody else has it locked, or the pool cannot be read.
    pub async fn hold(&self, slot: u32, label: &str) -> Result<Option<PathBuf>, Trouble> {
        let pool = self.open_pool().await?;
        pool.hold(slot).map_err(|e| self.classify_error(&e))?;
        if is_used_by(pool, slot, label) {
            return Ok(Some(pool.path(slot)));
        }
        pool.abandon_slot(slot);
        Ok(None)
    }

    /// The slot of a verification that an earlier engine had begun with the run `first`, when its runs can go on in it.
    ///
    /// # Errors
    /// The pool cannot be opened.
    pub async fn find_adoptable(&self, slot: u32, label: &str, first: &RunKey) -> Result<Option<Ready>, Trouble> {
        let pool = self.open_pool().await?;
        // What nobody noted may have been there.
        let warm = self.settings.keeps_files() && pool.read_last_run(slot) != Some(Ran::Begun { warm: false });
        let begun = is_used_by(pool, slot, label) && self.run_dir(first).join("claim").exists();
        Ok(begun.then(|| Ready { workspace: pool.path(slot), folder: self.runs().join(label), warm }))
    }

    /// Ends those runs of a label, and proves it.
    async fn end_below(&self, label: &str, which: impl Fn(&Run) -> bool) -> Result<(), Trouble> {
        let mut alive = Vec::new();
        for run in runs_below(&self.runs().join(label)).iter().filter(|run| which(run)) {
            alive.extend(run.end(GRACE).await.survivors);
        }
        match alive.is_empty() {
            true => Ok(()),
            false => Err(Trouble::from(format!("processes of {label} cannot be ended: {alive:?}"))),
        }
    }

    /// Pins what an attempt nobody waits for any more left in a slot, so that the slot can be used again; what cannot be
    /// collected goes into quarantine. What verifications left is nobody's work.
    ///
    /// # Errors
    /// What around it failed; the slot stays as it is.
    pub async fn recover(&self, slot: u32, label: &str, base: &CommitId) -> Result<(), Trouble> {
        let pool = self.open_pool().await?;
        if !is_used_by(pool, slot, label) {
            // Done before, and the answer was lost.
            return Ok(());
        }
        self.end_below(label, |_| true).await?;
        // `.verify` and `.check` are no unit ids: their runs leave nobody's work behind.
        if let Some((mission, unit, number)) = attempt_of(label) {
            let (base, green) = (base.clone(), base.clone());
            let order = CollectOrder { slot, mission, unit, number, base, green, take_elsewhere: false };
            match self.collect_attempt(&order, true).await? {
                CollectOutcome::Pinned(found) => {
                    let release = Release::Collected { stuck: found.find_stuck(), base: order.base };
                    if let Err(e) = self.release(slot, label, &release).await {
                        tracing::warn!("give back slot {slot}: {e}");
                    }
                    return Ok(());
                }
                CollectOutcome::SetAside { place, .. } => {
                    tracing::warn!("what {label} left could not be collected, it is in {}", place.display());
                    return Ok(());
                }
                CollectOutcome::Gone => {
                    tracing::warn!("the workspace of {label} is gone, nothing of it is left to keep")
                }
            }
        }
        pool.release(slot).map_err(|e| self.classify_error(&e))
    }

    /// Frees a slot of verifications that this label was killed in, after ending what it left running. False when somebody else
    /// did or has it.
    ///
    /// # Errors
    /// The pool cannot be read or written.
    pub async fn discard(&self, slot: u32, label: &str) -> Result<bool, Trouble> {
        let pool = self.open_pool().await?;
        if pool.hold(slot).is_err() {
            return Ok(false);
        }
        if is_used_by(pool, slot, label) {
            for run in runs_below(&self.runs().join(label)) {
                run.end(GRACE).await;
            }
            pool.release(slot).map_err(|e| self.classify_error(&e))?;
        } else {
            pool.abandon_slot(slot);
        }
        Ok(true)
    }

    /// What is in workspaces and is no part of their commits.
    ///
    /// # Errors
    /// One cannot be looked at.
    pub async fn list_strays(&self) -> Result<Strays, Trouble> {
        let pool = self.open_pool().await?;
        let mut strays = Strays::default();
        for slot in pool.list().map_err(|e| self.classify_error(&e))? {
            strays.unignored.extend(pool.list_unignored(slot.slot).await.map_err(|e| self.classify_error(&e))?);
            strays.changed.extend(pool.list_changed(slot.slot).await.map_err(|e| self.classify_error(&e))?);
        }
        Ok(strays)
    }

    /// Tries once more to collect what is in quarantine; what cannot be collected now goes back there.
    ///
    /// # Errors
    /// The pool cannot be opened.
    pub async fn retry_quarantine(&self) -> Result<(), Trouble> {
        let idle =
            |root: &Path| list_quarantined(root).is_ok_and(|all| all.iter().all(|entry| entry.note.label.is_empty()));
        if idle(self.pool_folder()) {
            return Ok(());
        }
        let pool = self.open_pool().await?;
        for entry in pool.list_quarantined().unwrap_or_default() {
            let Some(base) = entry.note.base.as_ref().filter(|_| !entry.note.label.is_empty()) else { continue };
            let label = &entry.note.label;
            let slot = match pool.bring_back(&entry) {
                Ok(slot) => slot,
                Err(e) => {
                    tracing::warn!("bring {} back: {}", entry.path.display(), chain(&e));
                    continue;
                }
            };
            if let Err(why) = self.recover(slot, label, base).await {
                tracing::warn!("save what {label} left, which goes back into quarantine: {why}");
                drop(pool.quarantine(slot, &entry.note));
            }
            // Its number is for this once.
            drop(pool.discard_idle(slot));
        }
        Ok(())
    }

    /// Ends every run at or below a key, and proves it; the processes that live on.
    ///
    /// # Errors
    /// None on this machine.
    pub async fn end_runs(&self, key: &RunKey) -> Result<Vec<u32>, Trouble> {
        let dir = self.run_dir(key);
        let mut alive = Vec::new();
        let own = Run::open(&dir);
        for run in own.into_iter().chain(runs_below(&dir)) {
            alive.extend(run.end(GRACE).await.survivors);
        }
        Ok(alive)
    }

    /// Ends what may still run of a run whose directory is gone, in this slot.
    ///
    /// # Errors
    /// The pool cannot be opened.
    pub async fn end_traceless(&self, key: &RunKey, slot: u32) -> Result<KillProof, Trouble> {
        let parent = self.open_pool().await?.parent(slot);
        Ok(end_traceless(&self.run_dir(key), parent).await)
    }

    /// What is known of a run.
    ///
    /// # Errors
    /// None on this machine.
    pub async fn look_up(&self, key: &RunKey) -> Result<RunState, Trouble> {
        let dir = self.run_dir(key);
        if !dir.exists() {
            return Ok(RunState::New);
        }
        Ok(match find(&dir).await {
            Found::NeverStarted => RunState::NeverStarted,
            Found::Ended(RunExit::Killed(KillReason::Wanted)) => RunState::Killed,
            Found::Starting(_) | Found::Running(_) | Found::Ended(_) | Found::HalfDead(_) | Found::Gone => {
                RunState::Started
            }
        })
    }

    /// Ends an earlier run of this key and keeps its directory beside, so that the key can be used for a new one.
    ///
    /// # Errors
    /// It cannot be moved, or something of it cannot be ended.
    pub async fn archive_run(&self, key: &RunKey) -> Result<(), Trouble> {
        archive_run_dir(&self.run_dir(key), GRACE).await.map_err(|e| self.classify_error(&e))
    }
}

/// Whether the marker of a slot names this label.
pub(super) fn is_used_by(pool: &Pool, slot: u32, label: &str) -> bool {
    pool.dirty_slots().is_ok_and(|used| used.iter().any(|(s, l)| *s == slot && l == label))
}
