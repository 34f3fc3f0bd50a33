//! Verifications: stored snapshots, single runs included, compared with what the journal says of them.

use super::case::{Case, Checked};
use crate::domain::mission::{MergeSource, Record, State, VerificationRun, VerifyRole, extra_stages};
use crate::domain::plan::globs::Globs;
use crate::domain::values::{Millis, RunId, TreeId};
use crate::domain::verify::{Snapshot, SnapshotKey, StageSpec, Start, Tier, compare_snapshots, confirm};
use crate::engine::inspect::history::records;
use crate::engine::tasks::unit_checks::own_line;
use crate::report::{Findings, tests};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Snapshots held in memory at once; a landing needs two.
const HELD: usize = 8;

/// How far the time of a stored run may be from the rows around it: the wall clock is read twice.
const SLACK: Millis = 2_000;

/// A snapshot as it was at one moment of the journal.
#[derive(Debug, Clone)]
pub(super) struct PastSnapshot {
    pub(super) snapshot: Arc<Snapshot>,
    /// Whether it was put together from its single runs; else it is what is stored today, which a later run may have changed.
    certain: bool,
}

/// Snapshots put together again as the journal goes on.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// For each key, whether an earlier mission's answer came first, and the runs of this one: number, and whether it
    /// confirmed.
    runs: BTreeMap<SnapshotKey, (bool, Vec<(RunId, bool)>)>,
    held: VecDeque<(SnapshotKey, PastSnapshot)>,
}

impl Bodies {
    /// The snapshot of a key as it is at this moment of the journal, or why it cannot be had.
    pub(super) fn current_body(&mut self, case: &Case<'_>, key: &SnapshotKey) -> Checked<Result<PastSnapshot, String>> {
        if let Some((_, known)) = self.held.iter().find(|(held, _)| held == key) {
            return Ok(Ok(known.clone()));
        }
        let past = |certain| move |snapshot| PastSnapshot { snapshot: Arc::new(snapshot), certain };
        let rebuilt = match self.runs.get(key) {
            Some((false, runs)) => rebuild_snapshot(case, key, runs)?,
            _ => None,
        };
        let known = match rebuilt {
            Some(snapshot) => Ok(past(true)(snapshot)),
            None => load_snapshot(case, key)?.map(past(false)),
        };
        if let Ok(known) = &known {
            self.held.push_front((key.clone(), known.clone()));
            self.held.truncate(HELD);
        }
        Ok(known)
    }

    fn record_run(&mut self, key: &SnapshotKey, run: RunId, confirms: bool, reused: bool) {
        let (_, runs) = self.runs.entry(key.clone()).or_insert((reused, Vec::new()));
        if !reused {
            runs.push((run, confirms));
            self.held.retain(|(held, _)| held != key);
        }
    }
}

pub(super) fn load_snapshot(case: &Case<'_>, key: &SnapshotKey) -> Checked<Result<Snapshot, String>> {
    Ok(match case.store.snapshot_get(key)? {
        Some(body) => serde_json::from_str(&body).map_err(|e| format!("its snapshot cannot be read: {e}")),
        None if case.cleaned_snapshots.contains(key) => {
            Err(format!("its snapshot {} was cleaned away", key.short_id()))
        }
        None => Err(format!("no snapshot is stored under {}", key.short_id())),
    })
}

fn single_run_key(case: &Case<'_>, key: &SnapshotKey, run: RunId) -> SnapshotKey {
    SnapshotKey(format!("{}/{}-{run}", key.0, case.mission()))
}

/// Joins the single runs of a key as the engine joined them; `None` where one of them is not there any more.
fn rebuild_snapshot(case: &Case<'_>, key: &SnapshotKey, runs: &[(RunId, bool)]) -> Checked<Option<Snapshot>> {
    let mut whole: Option<Snapshot> = None;
    for (run, confirms) in runs {
        let body = case.store.snapshot_get(&single_run_key(case, key, *run))?;
        let Some(fresh) = body.and_then(|body| serde_json::from_str(&body).ok()) else { return Ok(None) };
        whole = Some(match whole {
            Some(first) if *confirms => confirm(&first, &fresh),
            _ => fresh,
        });
    }
    Ok(whole)
}

/// Checks one answer of a verification: what it was of, its key, its stored body, its figures, its delta.
pub(super) async fn check_verified(
    case: &mut Case<'_>,
    bodies: &mut Bodies,
    state: &State,
    record: &Record,
) -> Checked {
    let Record::Verified { run, at, key, summary, delta: told, reused, confirmed, warm } = record else {
        return Ok(());
    };
    let Some(asked) = state.run_by(*run) else {
        case.add_claim(format!("verification {run}"), Findings::from_broken("nobody asked for it"));
        return Ok(());
    };
    let what = format!("verification {run} of {} {}", asked.tip.commit.short_id(), tests(summary));
    let mut found = Findings::default();
    bodies.record_run(key, *run, asked.confirms.is_some(), *reused);
    let own = own_lines(case, state, asked);
    // A unit's own lines see the whole tree.
    let tree = if own.is_empty() { filter_tree(case, &asked.tip.tree).await? } else { asked.tip.tree.clone() };
    let row = case.store.snapshot_row(key)?;
    let later = row.as_ref().is_some_and(|(_, then, _)| *then > at + SLACK);
    match &row {
        Some((of, ..)) if of != tree.as_str() => {
            found.add_broken(format!("the stored snapshot {} is of another tree", key.short_id()));
        }
        None if case.cleaned_snapshots.contains(key) => {}
        None => found.add_broken(format!("no snapshot is stored under {}", key.short_id())),
        Some(_) => {}
    }
    if !reused {
        match case.store.snapshot_row(&single_run_key(case, key, *run))? {
            None => found.add_unknown("its single run is not kept"),
            Some((_, then, _)) if then + SLACK < asked.at || then > at + SLACK => {
                found.add_broken(format!("its run was kept at {then}, outside of {} to {at}", asked.at));
            }
            Some(_) => {}
        }
        let single = bodies.runs.get(key).is_none_or(|(known, runs)| !known && runs.len() < 2);
        if *confirmed && asked.confirms.is_some() && single {
            found.add_broken("it is called confirmed, and only one run is recorded");
        }
    }
    match bodies.current_body(case, key)? {
        Err(why) => found.add_unknown(why),
        Ok(known) => {
            check_key(case, &tree, own, key, &known.snapshot, &mut found);
            let mut differs = |why: &str| match known.certain || !later {
                true => found.add_broken(why),
                false => found.add_unknown(format!("{why}, which a later run may have changed")),
            };
            if known.snapshot.to_summary() != *summary {
                differs("the stored results do not add up to what is reported");
            }
            if (known.snapshot.start == Start::Warm) != *warm {
                differs("the stored snapshot does not say as reported whether files of earlier runs were there");
            }
            if known.snapshot.confirmed != *confirmed {
                differs("the stored snapshot does not say as often as reported that it was run");
            }
            let last = bodies_are_final(case, key, *run)?;
            if known.certain && last && load_snapshot(case, key)? != Ok((*known.snapshot).clone()) {
                found.add_broken("the stored snapshot is not what its runs make together");
            }
            case.flaky.extend(summary.flaky.iter().cloned());
            if let Some(against) = &asked.against {
                match bodies.current_body(case, against)? {
                    Err(why) => found.add_unknown(why),
                    Ok(before) => {
                        let differs = compare_snapshots(&before.snapshot, &known.snapshot);
                        case.red.extend(differs.still_failing.iter().cloned());
                        case.red.extend(differs.findings.iter().flat_map(|change| &change.kept).cloned());
                        let certain = (before.certain && known.certain) || !later;
                        let same = told.as_deref() == Some(&differs);
                        if !same && certain {
                            found.add_broken("the stored snapshots differ in another way than reported");
                        } else if !same {
                            found.add_unknown("a snapshot it was compared with may have changed since");
                        }
                    }
                }
            } else if told.is_some() || asked.role == VerifyRole::After {
                found.add_broken("it is compared with nothing");
            }
        }
    }
    let covers = if asked.role == VerifyRole::After { list_covered(case, state, asked) } else { Vec::new() };
    case.add_claim(what, found).cover_places(covers);
    Ok(())
}

/// The tree that is verified in the place of another, without what the journaled settings ignore.
pub(super) async fn filter_tree(case: &Case<'_>, tree: &TreeId) -> Checked<TreeId> {
    match (case.filtered.get(tree), case.ignored_globs()) {
        (Some(known), _) => Ok(known.clone()),
        (None, None) => Ok(tree.clone()),
        (None, Some(globs)) => {
            Ok(case.git.without_paths(&case.project.facts, tree, |path| globs.matches(path)).await?.tree)
        }
    }
}

impl Case<'_> {
    /// What the journaled settings ignore, when that is anything.
    fn ignored_globs(&self) -> Option<Globs> {
        let ignored = &self.settings.as_ref()?.verification.ignore;
        Globs::new(ignored).ok().filter(|_| !ignored.is_empty())
    }

    /// Takes out of all landed trees at once what is ignored; what this cannot do is done for each alone.
    pub(super) async fn filter_landed(&mut self) {
        let Some(globs) = self.ignored_globs() else { return };
        let landed = records(self.history).filter_map(|record| match record {
            Record::Landed { candidate, .. } => Some(candidate.tree.clone()),
            _ => None,
        });
        let trees: Vec<TreeId> = landed.collect();
        match self.git.trees_without_paths(&self.project.facts, &trees, |path| globs.matches(path)).await {
            Ok(left) => self.filtered = trees.into_iter().zip(left).collect(),
            Err(error) => tracing::debug!("take out what is ignored: {error}"),
        }
    }
}

/// The stages of the landing unit's own lines, where a verification runs those.
fn own_lines(case: &Case<'_>, state: &State, asked: &VerificationRun) -> Vec<StageSpec> {
    let landing = asked.landing.and_then(|id| state.landing_by(id));
    let unit = landing.and_then(|landing| state.unit(landing.mr.source.unit()?));
    let (Some(unit), Some(settings)) = (unit, &case.settings) else { return Vec::new() };
    extra_stages(asked.role, &unit.spec).iter().map(|line| own_line(settings, line)).collect()
}

/// Checks the key of a verified tree under the stages that were run, the journaled ones or `own`, and the environment its
/// snapshot names.
pub(super) fn check_key(
    case: &Case<'_>,
    tree: &TreeId,
    own: Vec<StageSpec>,
    key: &SnapshotKey,
    snapshot: &Snapshot,
    found: &mut Findings,
) {
    let Some(settings) = &case.settings else { return found.add_unknown("the settings cannot be read") };
    if snapshot.fingerprint.is_empty() {
        return found.add_unknown("its snapshot does not say in what environment it was made");
    }
    let gate = || settings.verification.stages.iter().filter(|stage| stage.tier == Tier::Gate).cloned().collect();
    let stages = if own.is_empty() { gate() } else { own };
    if snapshot.key_for(SnapshotKey::of(tree, &stages, &snapshot.fingerprint)) != *key {
        found.add_broken(format!("{} is not the key of its tree, stages and environment", key.short_id()));
    }
}

/// Whether no other run, of this mission or another, was kept for the key after this one.
fn bodies_are_final(case: &Case<'_>, key: &SnapshotKey, run: RunId) -> Checked<bool> {
    let of_ours = format!("{}/{}-", key.0, case.mission());
    let kept = case.store.list_kept_snapshots(key)?;
    Ok(kept.iter().all(|other| {
        other.0.strip_prefix(&of_ours).and_then(|n| n.parse().ok()).is_some_and(|other| RunId(other) <= run)
    }))
}

/// The places of the report that rest on the verification of the open landing's candidate.
fn list_covered(case: &Case<'_>, state: &State, asked: &VerificationRun) -> Vec<String> {
    let Some(landing) = asked.landing.and_then(|id| state.landing_by(id)) else { return Vec::new() };
    let MergeSource::Unit { unit, .. } = &landing.mr.source else { return Vec::new() };
    let Some(place) = case.landed_pointer(unit) else { return Vec::new() };
    ["tests", "evidence/delta", "evidence/snapshot", "evidence/confirmed"].map(|key| format!("{place}/{key}")).to_vec()
}
