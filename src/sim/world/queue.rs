//! The merge queue's side of the virtual world: merging, writing bookkeeping, verifying, moving green.

use super::World;
use crate::domain::mission::{
    Bookkeeping, Candidate, Contested, Integration, LandResult, MergeSource, Noticed, Verification, VerifyOrder,
    VerifyRole,
};
use crate::domain::values::{CommitId, Tip, TreeId, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, StageOutcome, Summary};
use crate::sim::scenario::Behaviour;
use crate::sim::tree::{Content, hash_tree, tests};
use std::collections::BTreeSet;

impl World {
    pub(super) fn integrate(
        &mut self,
        onto: &Tip,
        head: &CommitId,
        source: &MergeSource,
        contested: &[Contested],
    ) -> Integration {
        let green = self.commits.get(&onto.commit).cloned().unwrap_or_default();
        let theirs = self.commits.get(head).cloned().unwrap_or_default();
        if let MergeSource::Unit { unit, .. } = source {
            let clash = |other: &UnitId| {
                let pair = (other.clone().min(unit.clone()), other.clone().max(unit.clone()));
                self.scenario.conflicts.iter().any(|(a, b)| (a.min(b), a.max(b)) == (&pair.0, &pair.1))
            };
            let lost = |other: &UnitId| !theirs.contains_key(other) && theirs.contains_key(unit) && clash(other);
            if green.keys().any(lost) {
                let files = self.file_of(unit).cloned().into_iter().collect();
                return Integration::Conflict { files, detail: String::new() };
            }
        }
        if matches!(source, MergeSource::Unit { .. }) {
            let touches = |(id, kind): &(&UnitId, &Behaviour)| **kind == Behaviour::Touches && !green.contains_key(*id);
            let paths: Vec<String> = theirs.iter().filter(touches).map(|(id, _)| format!("protected/{id}")).collect();
            if !paths.is_empty() {
                return Integration::Protected(paths);
            }
        }
        let mut merged = green.clone();
        merged.extend(theirs);
        if merged == green {
            return Integration::Unchanged;
        }
        let new = merged.keys().filter(|id| !green.contains_key(*id));
        let touched: BTreeSet<String> = new.filter_map(|id| self.file_of(id).cloned()).collect();
        let touches = contested.iter().filter(|turn| turn.is_touched(&touched)).map(|turn| turn.unit.clone()).collect();
        let tip = self.commit("merge", merged, vec![onto.commit.clone(), head.clone()]);
        Integration::Candidate(Candidate { touches, ..tip.into() })
    }

    pub(super) fn write_bookkeeping(&mut self, onto: &Tip, bookkeeping: &Bookkeeping) -> Result<Integration, String> {
        let content = self.kept.mark_content(self.commits.get(&onto.commit).cloned().unwrap_or_default());
        let tip = self.commit("books", content, vec![onto.commit.clone()]);
        self.kept.write(&tip.commit, bookkeeping)?;
        Ok(Integration::Bookkeeping { candidate: Some(tip), notes: Vec::new() })
    }

    pub(super) fn verify(&mut self, order: &VerifyOrder, rng: &mut fastrand::Rng, flaky: f64) -> Verification {
        if !order.unit_checks.is_empty() {
            let content = self.commits.get(&order.tip.commit).cloned().unwrap_or_default();
            return self.lines.verify(order, &content, rng.f64() < flaky);
        }
        let cold = SnapshotKey(format!("snapshot of {:?}", order.tip.tree));
        let warm = SnapshotKey(format!("warm snapshot of {:?}", order.tip.tree));
        let passed = self.snapshots.get(&warm).is_some_and(|(_, fail)| fail.is_empty());
        let known = match order.confirms {
            None if self.snapshots.contains_key(&cold) => Some(cold.clone()),
            None if passed && !order.cold => Some(warm.clone()),
            _ => None,
        };
        let reused = known.is_some();
        let landed = |left: &&CommitId| self.contains_commit(&order.onto, left);
        let kept =
            self.left.as_ref().filter(|_| self.scenario.policy.warm_runs && !order.cold && order.confirms.is_none());
        let left = kept.filter(landed).and_then(|left| self.commits.get(left)).cloned();
        let key = known.unwrap_or_else(|| if left.is_some() { warm.clone() } else { cold });
        if !reused {
            self.runs += 1;
            if !matches!(order.role, VerifyRole::Cold | VerifyRole::ColdSearch) {
                self.left = Some(order.tip.commit.clone());
            }
            let content = self.commits.get(&order.tip.commit).cloned().unwrap_or_default();
            let (exist, mut fail) = tests(&content, self.scenario.red_base, &self.scenario.red_together, left.as_ref());
            if rng.f64() < flaky {
                fail.insert("base-1".to_owned());
            }
            self.failures.entry(order.tip.tree.clone()).or_default().push((left.is_none(), fail.clone()));
            if let Some((_, first)) = order.confirms.as_ref().and_then(|k| self.snapshots.get(k)) {
                fail.retain(|t| first.contains(t));
            }
            self.snapshots.insert(key.clone(), (exist, fail));
        }
        let (exist, fail) = self.snapshots.get(&key).cloned().unwrap_or_default();
        let summary = Summary {
            outcome: if fail.is_empty() { StageOutcome::Passed } else { StageOutcome::Failed },
            passed: (exist.len() - fail.len()) as u64,
            failed: fail.len() as u64,
            per_test: true,
            ..Summary::default()
        };
        // What a cold run said is not taken back by a warm one.
        if key != warm || !self.colds.contains(&order.tip.tree) {
            self.verified.insert(order.tip.tree.clone(), summary.clone());
        }
        if key != warm {
            self.colds.insert(order.tip.tree.clone());
        }
        let delta = order.against.as_ref().and_then(|k| self.snapshots.get(k)).map(|(had, failed)| Delta {
            broken: fail.iter().filter(|t| had.contains(*t) && !failed.contains(*t)).cloned().collect(),
            fixed: failed.iter().filter(|t| exist.contains(*t) && !fail.contains(*t)).cloned().collect(),
            removed: had.difference(&exist).cloned().collect(),
            new_failing: fail.difference(had).cloned().collect(),
            added: exist.difference(had).count() as u64,
            still_failing: fail.intersection(failed).cloned().collect(),
            ..Delta::default()
        });
        if order.confirms.is_some() {
            self.twice.insert(key.clone());
        }
        let confirmed = self.twice.contains(&key);
        Verification { warm: key == warm, key, summary, delta, reused, confirmed, noticed: Noticed::default() }
    }

    /// Where green stands, when somebody moved it forward from `known`.
    pub(super) fn moved_on(&self, known: &Tip) -> Option<Tip> {
        let now =
            self.green.as_ref().filter(|now| **now != known.commit && self.contains_commit(now, &known.commit))?;
        Some(Tip { commit: now.clone(), tree: self.commits.get(now).map(hash_tree)? })
    }

    pub(super) fn land(
        &mut self,
        candidate: &Tip,
        expected: &CommitId,
        source: &MergeSource,
        ask_only: bool,
    ) -> Result<LandResult, String> {
        let Some(green) = self.green.clone() else { return Ok(LandResult::Back(None)) };
        let tip = |world: &Self, c: &CommitId| Tip {
            commit: c.clone(),
            tree: world.commits.get(c).map_or_else(|| hash_tree(&Content::new()), hash_tree),
        };
        if self.contains_commit(&green, &candidate.commit) {
            return Ok(LandResult::Landed(tip(self, &green)));
        }
        if green == *expected {
            if ask_only {
                return Ok(LandResult::NotMoved);
            }
            if self.now < self.checked_out_until {
                return Ok(LandResult::CheckedOut("a work tree".to_owned()));
            }
            let unit = source.unit().cloned();
            if let Some(unit) = &unit
                && self
                    .landings
                    .iter()
                    .any(|(t, u)| u.as_ref() == Some(unit) && self.contains_commit(&green, &t.commit))
            {
                return Err(format!("P3: {unit} lands twice"));
            }
            if !self.verified.contains_key(&candidate.tree) {
                return Err(format!("P1: green moves to {candidate:?}, whose tree has no snapshot"));
            }
            let passes = |tree: &TreeId| self.verified.get(tree).map(|s| s.outcome == StageOutcome::Passed);
            let before = self.commits.get(expected).map(hash_tree).and_then(|t| passes(&t));
            if before == Some(true) && passes(&candidate.tree) != Some(true) {
                return Err(format!("P1: green would go from passing to {:?}", self.verified.get(&candidate.tree)));
            }
            if let Some(red) = self.red.iter().find(|red| self.contains_commit(&candidate.commit, red)) {
                return Err(format!("P1: {candidate:?} lands on {red}, with which a person broke green"));
            }
            if !self.contains_commit(&candidate.commit, expected) {
                return Err("P1: the candidate does not contain green".to_owned());
            }
            if let Some(unit) = &unit {
                let before = self.commits.get(expected).map_or_else(|| hash_tree(&Content::new()), hash_tree);
                self.lines.check_landing(unit, &before, &candidate.tree)?;
            }
            self.green = Some(candidate.commit.clone());
            self.last_green.clone_from(&self.green);
            self.landings.push((candidate.clone(), unit));
            return Ok(LandResult::Landed(candidate.clone()));
        }
        if self.contains_commit(&green, expected) {
            return Ok(LandResult::Forward(tip(self, &green)));
        }
        Ok(LandResult::Back(Some(green)))
    }
}
