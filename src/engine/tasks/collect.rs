//! The workspace of an ended attempt: collected and pinned by its host, then given back; what a report says of it.

use crate::adapters::host::Host;
use crate::adapters::host::local::workspace::collect::Collected;
use crate::adapters::host::local::workspace::left_out::{self, Why};
use crate::adapters::host::order::{CollectOrder, CollectOutcome, Release, UsedSlot};
use crate::domain::ending::ProcessEnd;
use crate::domain::handoff::Handoff;
use crate::domain::mission::{AttemptOrder, Claim, LeftOut, SessionReport, Unkept};
use crate::domain::trouble::Trouble;
use crate::domain::values::CommitId;
use crate::engine::context::{MissionContext, NamedHost};
use std::ffi::OsString;
use std::sync::atomic::Ordering;

/// So many files that were left out are named for each reason.
const NAMED: usize = 20;

/// Collects the workspace of an attempt.
///
/// # Errors
/// What around it failed; the slot stays as it is.
pub async fn collect(
    context: &MissionContext,
    order: &AttemptOrder,
    handoff: Option<&Handoff>,
) -> Result<CollectOutcome, Trouble> {
    let on = context.find_host(&order.slot.host)?;
    let order = CollectOrder {
        slot: order.slot.number,
        mission: context.mission.clone(),
        unit: order.spec.id.clone(),
        number: order.n,
        base: order.from.clone(),
        green: order.green.clone(),
        // Whoever says why nothing needs to change has not meant anything it tried elsewhere.
        take_elsewhere: handoff.is_none_or(|handoff| handoff.no_op_reason.is_none()),
    };
    on.collect(&order).await
}

/// Puts into the report what is no part of the work's commit, and holds the unit where a person must look.
pub fn report_left_out(order: &AttemptOrder, found: &Collected, report: &mut SessionReport) {
    for (reason, why) in [(Why::Refused, Unkept::Refused), (Why::Unread, Unkept::Unread)] {
        let of = found.left_out.iter().filter(|left| left.why == reason);
        // Those that are still in the workspace decide what becomes of it.
        let (moved, stuck): (Vec<_>, Vec<_>) = of.partition(|left| left.place.is_some());
        report.work.left_out.extend(stuck.into_iter().chain(moved).take(NAMED).map(|left| to_left_out(left, why)));
    }
    let mut unread = report.work.left_out(Unkept::Unread).map(|left| left.path.as_str());
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
pub fn report_stray_work(order: &AttemptOrder, found: &Collected, kept: &str, report: &mut SessionReport) {
    if let Some(place) = &found.taken_from {
        report.notes.push(format!("HEAD brought nothing; its work is taken from {place}"));
    }
    let mut places: Vec<String> =
        found.elsewhere.iter().map(|line| format!("{} at {}", line.name, line.tip.commit.short_id())).collect();
    let inside = found.left_out.iter().filter(|left| left.why == Why::Inside);
    places.extend(inside.map(|left| format!("the submodule {}", left.path.to_string_lossy())));
    let well = report.run.end == ProcessEnd::Exited(0) && matches!(report.agent.claim, None | Some(Claim::Completed));
    if places.is_empty() || report.work.changed || !well {
        return;
    }
    report.hold.get_or_insert(format!(
        "HEAD brings nothing, but it left work elsewhere: {}; all of it is kept ({kept}, notes of `mc unit show`): look at it, \
         then `mc unit retry {}` with what shall become of it, or `mc unit cancel`",
        places.join(", "),
        order.spec.id
    ));
}

/// Says once in a mission what `setup` leaves that git does not ignore.
pub fn report_setup_leftovers(context: &MissionContext, found: &Collected, report: &mut SessionReport) {
    if found.left_by_setup.is_empty() || context.told_left.swap(true, Ordering::Relaxed) {
        return;
    }
    let names = left_out::join_names(found.left_by_setup.iter().map(OsString::as_os_str));
    report
        .notes
        .push(format!("target.setup leaves files that git does not ignore, they are left out of the work: {names}"));
}

fn to_left_out(left: &left_out::LeftOut, why: Unkept) -> LeftOut {
    let place = left.place.as_ref().map(|place| place.to_string_lossy().into_owned());
    LeftOut { path: left.path.to_string_lossy().into_owned(), why, place }
}

/// Gives the slot of an attempt back, or sets it aside when it holds what is kept nowhere else.
pub async fn release(context: &MissionContext, order: &AttemptOrder, report: &SessionReport) {
    let stuck = report.work.left_out.iter().find(|left| left.place.is_none()).map(|left| left.path.clone());
    let (slot, release) = (order.slot.number, Release::Collected { base: order.from.clone(), stuck });
    let key = context.attempt_key(order);
    let released = async { context.find_host(&order.slot.host)?.release(slot, key.as_str(), &release).await };
    if let Err(e) = released.await {
        tracing::warn!("give back slot {slot} of {}: {e}", order.slot.host);
    }
}

/// Whether the slot of an attempt still is that attempt's.
///
/// # Errors
/// It cannot be said now.
pub async fn has_slot(context: &MissionContext, order: &AttemptOrder) -> Result<bool, Trouble> {
    let key = context.attempt_key(order);
    let used = context.find_host(&order.slot.host)?.used_slots().await?;
    Ok(used.iter().any(|used| used.slot == order.slot.number && used.label == key.as_str()))
}

/// Pins what is left in those slots of a host whose labels nobody waits for any more, as `stale` tells, and gives them back. What could
/// not be saved, and why: it stays where it is.
///
/// # Errors
/// It cannot be said which slots are used.
pub async fn recover_stale(
    on: &Host,
    base: &CommitId,
    stale: impl Fn(&str) -> bool,
) -> Result<Vec<(UsedSlot, Trouble)>, Trouble> {
    let mut failed = Vec::new();
    for used in on.used_slots().await?.into_iter().filter(|used| stale(&used.label)) {
        if let Err(why) = on.recover(used.slot, &used.label, base).await {
            failed.push((used, why));
        }
    }
    Ok(failed)
}

/// The same for whoever goes on anyway: what cannot be saved now is for the slot's next use.
pub async fn sweep(on: &NamedHost, base: &CommitId, stale: impl Fn(&str) -> bool) {
    for (UsedSlot { slot, label }, why) in recover_stale(on, base, stale).await.unwrap_or_default() {
        tracing::warn!("save what {label} left in slot {slot} of {}: {why}", on.id);
    }
}
