//! The workspace of an ended attempt: collected and pinned, then given back, or set aside as a whole where that cannot be.
//!
//! A slot that holds anything which is kept nowhere else is never given to another unit: it goes into quarantine, and the next
//! engine tries to collect it once more.

use super::context::mission::MissionContext;
use super::prepare::NotReady;
use super::runs::GRACE;
use crate::adapters::host::local::rundir::runs_below;
use crate::adapters::host::local::workspace::collect::{Attempt, CollectError, Collected, collect};
use crate::adapters::host::local::workspace::left_out::{self, Why};
use crate::adapters::host::local::workspace::pool::{Pool, PoolError};
use crate::adapters::host::local::workspace::quarantine::{Note, quarantined};
use crate::domain::ending::ProcessEnd;
use crate::domain::handoff::Handoff;
use crate::domain::mission::{AttemptOrder, AttemptReport, Claim, LeftOut, Unkept};
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, MissionId, UnitId};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// So many files that were left out are named for each reason.
const NAMED: usize = 20;

/// What became of the workspace of an attempt.
#[derive(Debug)]
pub enum Kept {
    /// What it holds is pinned.
    Pinned(Box<Collected>),
    /// It does not exist any more.
    Gone,
    /// It could not be collected and is in quarantine.
    SetAside {
        /// Where.
        place: PathBuf,
        /// What was in the way.
        why: String,
    },
}

/// Collects the workspace of an attempt.
///
/// # Errors
/// What around it failed; the slot stays as it is.
pub async fn collected(
    context: &MissionContext,
    order: &AttemptOrder,
    folder: &Path,
    handoff: Option<&Handoff>,
) -> Result<Kept, Trouble> {
    let pool = context.pool().await.map_err(|e| context.trouble(&e))?;
    // Whoever says why nothing needs to change has not meant anything it tried elsewhere.
    let take_elsewhere = handoff.is_none_or(|handoff| handoff.no_op_reason.is_none());
    keep(context, pool, order.slot.number, &Attempt { take_elsewhere, ..attempt_of(context, order, folder) }).await
}

/// The attempt as whoever collects it must know it; `folder` is its own.
#[must_use]
pub fn attempt_of(context: &MissionContext, order: &AttemptOrder, folder: &Path) -> Attempt {
    Attempt {
        mission: context.mission.clone(),
        unit: order.spec.id.clone(),
        number: order.n,
        base: order.from.clone(),
        green: order.green.clone(),
        run_dir: folder.to_owned(),
        late: false,
        take_elsewhere: false,
    }
}

fn label(mission: &MissionId, unit: &UnitId, n: u32) -> String {
    format!("{mission}/{unit}/{n}")
}

/// Collects a slot. Where what is around it fails, the slot is left, locked by nobody, with its marker.
async fn keep(context: &MissionContext, pool: &Pool, slot: u32, attempt: &Attempt) -> Result<Kept, Trouble> {
    let label = label(&attempt.mission, &attempt.unit, attempt.number);
    match collect(pool, slot, attempt).await {
        Ok(found) => Ok(Kept::Pinned(Box::new(found))),
        Err(CollectError::Gone { .. }) => {
            // Set aside just before a crash?
            let entries = pool.quarantined().unwrap_or_default();
            let aside = entries.into_iter().find(|entry| entry.note.label == label);
            Ok(aside.map_or(Kept::Gone, |entry| Kept::SetAside { place: entry.path, why: entry.note.why }))
        }
        Err(stuck @ CollectError::Stuck(_)) => {
            let why = super::error::chain(&stuck);
            let note = Note { label, base: Some(attempt.base.clone()), why: why.clone() };
            match pool.quarantine(slot, &note) {
                Ok(place) => Ok(Kept::SetAside { place, why }),
                Err(e) => {
                    pool.leave(slot);
                    Err(context.trouble_at(&why, &e))
                }
            }
        }
        Err(e) => {
            pool.leave(slot);
            Err(context.trouble(&e))
        }
    }
}

/// Puts into the report what is no part of the work's commit, and holds the unit where a person must look.
pub fn leave_out(order: &AttemptOrder, found: &Collected, report: &mut AttemptReport) {
    for (reason, why) in [(Why::Refused, Unkept::Refused), (Why::Unread, Unkept::Unread)] {
        let of = found.left_out.iter().filter(|left| left.why == reason);
        // Those that are still in the workspace decide what becomes of it.
        let (moved, stuck): (Vec<_>, Vec<_>) = of.partition(|left| left.place.is_some());
        report.left_out.extend(stuck.into_iter().chain(moved).take(NAMED).map(|left| told(left, why)));
    }
    let mut unread = report.left_out(Unkept::Unread).map(|left| left.path.as_str());
    let Some(first) = unread.next() else { return };
    let more = match unread.count() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let question = format!(
        "mc may not read {first}{more}, which is not ignored: it is kept, the rest of the work is pinned; ignore it, or let the \
         unit leave files that you may read, then `mc unit retry {}`",
        order.spec.id
    );
    report.hold.get_or_insert(question);
}

/// Names work that was found elsewhere than at the head, and holds the unit when the head brings nothing: it is no unit that had
/// nothing to do. Whoever failed anyway is not asked about.
pub fn look_elsewhere(order: &AttemptOrder, found: &Collected, kept: &str, report: &mut AttemptReport) {
    if let Some(place) = &found.taken_from {
        report.notes.push(format!("HEAD brought nothing; its work is taken from {place}"));
    }
    let mut places: Vec<String> =
        found.elsewhere.iter().map(|line| format!("{} at {}", line.name, line.tip.commit.short())).collect();
    let inside = found.left_out.iter().filter(|left| left.why == Why::Inside);
    places.extend(inside.map(|left| format!("the submodule {}", left.path.to_string_lossy())));
    let well = report.end == ProcessEnd::Exited(0) && matches!(report.claim, None | Some(Claim::Completed));
    if places.is_empty() || report.changed || !well {
        return;
    }
    report.hold.get_or_insert(format!(
        "HEAD brings nothing, but it left work elsewhere: {}; all of it is kept ({kept}, notes of `mc unit show`): look at it, \
         then `mc unit retry {}` with what shall become of it, or `mc unit cancel`",
        places.join(", "),
        order.spec.id
    ));
}

/// Notes what `setup` left in a slot before the unit starts: none of it is the unit's work.
///
/// # Errors
/// [`NotReady::Failed`].
pub async fn note_left_by_setup(context: &MissionContext, slot: u32) -> Result<(), NotReady> {
    if context.settings().target.setup.is_none() {
        return Ok(());
    }
    let failed = |e: PoolError| NotReady::Failed(context.trouble(&e));
    let pool = context.pool().await.map_err(failed)?;
    pool.note_left_by_setup(slot).await.map(drop).map_err(failed)
}

/// Says once in a mission what `setup` leaves that git does not ignore.
pub fn tell_left_by_setup(context: &MissionContext, found: &Collected, report: &mut AttemptReport) {
    if found.left_by_setup.is_empty() || context.told_left.swap(true, Ordering::Relaxed) {
        return;
    }
    let names = left_out::named(found.left_by_setup.iter().map(OsString::as_os_str));
    report
        .notes
        .push(format!("target.setup leaves files that git does not ignore, they are left out of the work: {names}"));
}

fn told(left: &left_out::LeftOut, why: Unkept) -> LeftOut {
    let place = left.place.as_ref().map(|place| place.to_string_lossy().into_owned());
    LeftOut { path: left.path.to_string_lossy().into_owned(), why, place }
}

/// Gives the slot of an attempt back, or sets it aside when it holds what is kept nowhere else.
pub async fn release(context: &MissionContext, order: &AttemptOrder, report: &AttemptReport) {
    let Ok(pool) = context.pool().await else { return };
    if !holds(context, pool, order) {
        return pool.leave(order.slot.number);
    }
    let stuck = report.left_out.iter().find(|left| left.place.is_none()).map(|left| left.path.as_str());
    let label = label(&context.mission, &order.spec.id, order.n);
    give_back(pool, order.slot.number, label, &order.from, stuck);
}

fn give_back(pool: &Pool, slot: u32, label: String, base: &CommitId, stuck: Option<&str>) {
    let done = match stuck {
        None => pool.release(slot),
        Some(path) => {
            let why = format!("{path} can neither be read nor moved by mc; everything else is pinned");
            pool.quarantine(slot, &Note { label, base: Some(base.clone()), why }).map(drop)
        }
    };
    if let Err(e) = done {
        tracing::warn!("give back slot {slot}: {}", super::error::chain(&e));
        pool.leave(slot);
    }
}

/// Whether the marker of an attempt's slot names that attempt.
#[must_use]
pub fn holds(context: &MissionContext, pool: &Pool, order: &AttemptOrder) -> bool {
    let label = label(&context.mission, &order.spec.id, order.n);
    pool.dirty_slots().is_ok_and(|d| d.iter().any(|(slot, l)| *slot == order.slot.number && *l == label))
}

/// Pins what is left in those slots whose labels nobody waits for any more, as `stale` tells. What cannot be saved now
/// stays where it is, for the slot's next use.
pub async fn sweep(context: &MissionContext, base: &CommitId, stale: impl Fn(&str) -> bool) {
    let Ok(pool) = context.pool().await else { return };
    for (slot, label) in pool.dirty_slots().unwrap_or_default() {
        if stale(&label)
            && let Err(why) = rescue(context, slot, &label, base).await
        {
            tracing::warn!("save what {label} left in slot {slot}: {why}");
        }
    }
}

/// Tries once more to collect what is in quarantine below `root`, the folder of the pool; what cannot be collected now goes
/// back there.
pub async fn retry_quarantine(context: &MissionContext, root: &Path) {
    if quarantined(root).is_ok_and(|entries| entries.iter().all(|entry| entry.note.label.is_empty())) {
        return;
    }
    let Ok(pool) = context.pool().await else { return };
    for entry in pool.quarantined().unwrap_or_default() {
        let Some(base) = entry.note.base.as_ref().filter(|_| !entry.note.label.is_empty()) else { continue };
        let label = &entry.note.label;
        let slot = match pool.bring_back(&entry) {
            Ok(slot) => slot,
            Err(e) => {
                tracing::warn!("bring {} back: {}", entry.path.display(), super::error::chain(&e));
                continue;
            }
        };
        if let Err(why) = rescue(context, slot, label, base).await {
            tracing::warn!("save what {label} left, which goes back into quarantine: {why}");
            drop(pool.quarantine(slot, &entry.note));
        }
        // Its number is for this once.
        drop(pool.discard_idle(slot));
    }
}

/// Pins what an attempt nobody waits for any more left in a slot, so that the slot can be used again; what cannot be collected
/// goes into quarantine.
///
/// # Errors
/// What around it failed; the slot stays as it is.
pub async fn rescue(context: &MissionContext, slot: u32, label: &str, base: &CommitId) -> Result<(), Trouble> {
    let pool = context.pool().await.map_err(|e| context.trouble(&e))?;
    let folder = context.state.runs().join(label);
    for run in runs_below(&folder) {
        run.end(GRACE).await;
    }
    let words: Vec<&str> = label.split('/').collect();
    let attempt = match words[..] {
        [mission, unit, n] => MissionId::new(mission).ok().zip(UnitId::new(unit).ok()).zip(n.parse::<u32>().ok()),
        _ => None,
    };
    // `.verify` and `.check` are no unit ids: their runs leave nobody's work behind.
    if let Some(((mission, unit), number)) = attempt {
        let work = Attempt {
            mission,
            unit,
            number,
            base: base.clone(),
            green: base.clone(),
            run_dir: folder,
            late: true,
            take_elsewhere: false,
        };
        match keep(context, pool, slot, &work).await? {
            Kept::Pinned(found) => {
                let stuck = found.left_out.iter().find(|left| left.place.is_none());
                let stuck = stuck.map(|left| left.path.to_string_lossy().into_owned());
                give_back(pool, slot, label.to_owned(), base, stuck.as_deref());
                return Ok(());
            }
            Kept::SetAside { place, .. } => {
                tracing::warn!("what {label} left could not be collected, it is in {}", place.display());
                return Ok(());
            }
            Kept::Gone => tracing::warn!("the workspace of {label} is gone, nothing of it is left to keep"),
        }
    }
    pool.release(slot).map_err(|e| context.trouble(&e))
}
