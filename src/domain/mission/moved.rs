//! A green that somebody else moved forward, judged against the last green that was verified.
//!
//! Wanted: whoever moved green, nothing is landed on it before it is known to be no worse than what the gate accepted last
//! (P1). It is judged like a candidate: without files of earlier runs, and a failure is confirmed by a second run before it
//! counts. What is worse holds the queue until a person decides. Put back to the last good commit, green is as good as it was,
//! without a run. What else somebody changed in the user's repository is told here, too: pins of ended attempts (P2), and
//! settings, hooks and refs (P6).

use super::Decision;
use super::cold::Again;
use super::control::ENVIRONMENT;
use super::event::{Noticed, PinFault};
use super::record::{NextMove, Record, RejectClass};
use super::state::State;
use crate::domain::queue::{Green, VerifyRole};
use crate::domain::values::{CommitId, RunId, UnitId};
use crate::domain::verify::StageOutcome;
use crate::domain::verify::verdict::judge;
use std::collections::BTreeSet;

impl State {
    /// Whether a green that somebody moved is judged before anything else lands. What may have landed answers first.
    pub(super) fn moved_first(&self) -> bool {
        let intended = self.landing().is_some_and(|landing| landing.intended().is_some());
        self.queue.foreign_move().is_some() && !intended
    }

    /// Whether the mission may not end yet because of what green is: moved by somebody, or known by warm results only.
    pub(super) fn green_pending(&self) -> bool {
        self.cold_pending() || (self.moved_first() && self.hold.is_none() && !self.closing())
    }

    /// Unit, number and head of every ended attempt whose work is pinned.
    pub(super) fn pins(&self) -> Vec<(UnitId, u32, CommitId)> {
        let attempts = self.units.iter().flat_map(|unit| unit.attempts.iter().map(move |attempt| (unit, attempt)));
        attempts.filter_map(|(u, a)| Some((u.spec.id.clone(), a.n, a.head()?.commit.clone()))).collect()
    }

    /// Folds pins that were not what the journal says.
    pub(super) fn pins_faulty(&mut self, pins: &[PinFault]) {
        for fault in pins {
            let words = fault.words();
            if !self.problems.contains(&words) {
                self.problems.push(words);
            }
            let ours = |unit: &UnitId, n: u32| *unit == fault.unit && n == fault.n;
            self.unpin(ours, !fault.restored);
        }
    }

    /// Folds that these pins were deleted because nobody needs them any more.
    pub(super) fn pins_cleaned(&mut self, refs: &[(String, CommitId)]) {
        let folder = format!("refs/mc/attempts/{}/", self.mission);
        let gone: BTreeSet<&str> = refs.iter().filter_map(|(name, _)| name.strip_prefix(&folder)).collect();
        self.unpin(|unit, n| gone.contains(format!("{unit}/{n}").as_str()), true);
    }

    fn unpin(&mut self, which: impl Fn(&UnitId, u32) -> bool, unpinned: bool) {
        for unit in &mut self.units {
            let id = &unit.spec.id;
            unit.attempts.iter_mut().filter(|a| which(id, a.n)).for_each(|attempt| attempt.unpinned = unpinned);
        }
    }

    /// Folds what changed in the user's repository while `whose` ran; what was told before is not told again.
    pub(super) fn noticed<'a>(&mut self, what: impl Iterator<Item = &'a String>, whose: &str) {
        for what in what {
            let told = format!("{what} while ");
            if !self.repository.iter().any(|known| known.starts_with(&told)) {
                self.repository.push(format!("{told}{whose} ran"));
            }
        }
    }
}

impl PinFault {
    /// A sentence for people.
    #[must_use]
    pub fn words(&self) -> String {
        let was = match &self.held {
            Some(held) => format!("held {}", held.short()),
            None => "was gone".to_owned(),
        };
        let now = match self.restored {
            true => "it holds it again".to_owned(),
            false if self.why.is_empty() => "it could not be put right".to_owned(),
            false => format!("it could not be put right: {}", self.why),
        };
        let (unit, n, head) = (&self.unit, self.n, self.head.short());
        format!("somebody changed the pin of {unit}, attempt {n}: it {was} and not {head}; {now}")
    }
}

impl Decision<'_> {
    /// The user's repository changed while a verification ran: everybody is told, and where only its owner may do that, the
    /// unit whose change was verified waits for a person.
    pub(super) fn repository_changed(&mut self, run: RunId, role: VerifyRole, Noticed { held, named }: Noticed) {
        if held.is_none() && named.is_empty() {
            return;
        }
        self.note(Record::RepositoryChanged { run, at: self.now, held: held.clone(), named });
        let of_its_change = role.is_of_landing();
        let (Some(what), Some(landing)) = (held.filter(|_| of_its_change), self.state.landing().cloned()) else {
            return;
        };
        let Some(unit) = landing.mr.source.unit().cloned() else { return };
        let question = format!("{what} while its change was verified; look at it, then `mc unit retry {unit}`");
        self.note(Record::Rejected {
            landing: landing.id,
            mr: landing.mr.id,
            source: landing.mr.source,
            at: self.now,
            class: RejectClass::Meddling,
            reasons: vec![question.clone()],
            next: NextMove::Hold { question, own_work: false },
            files: Vec::new(),
        });
    }

    /// Whether landings may go on: nobody moved green, or it was judged to be no worse. Else the next step is asked for, or
    /// the queue is held.
    pub(super) fn judges_green(&mut self, green: &Green) -> bool {
        let Some(open) = self.state.queue.foreign_move() else { return true };
        let (good, after) = (open.good().clone(), open.after().cloned());
        let Some((key, before)) = good.snapshot else { return true };
        if self.now < self.state.queue.green_due() {
            return false;
        }
        let Some(after) = after else {
            self.verify(green.tip.clone(), VerifyRole::MovedGreen, Some(key), Again::First);
            return false;
        };
        let demands = self.state.demands(false);
        let judgement = judge(&self.state.with_flaky(before), &after.summary, &after.delta, &demands);
        if judgement.lands {
            self.note(Record::GreenAccepted { tip: green.tip.clone(), verdict: judgement.verdict });
            return true;
        }
        let doubtful =
            after.warm || after.delta.by_chance(demands.ratchet) || after.summary.outcome != StageOutcome::Passed;
        if let Some(again) = self.once_more(&after.key, after.confirmed, after.warm).filter(|_| doubtful) {
            self.verify(green.tip.clone(), VerifyRole::MovedGreen, Some(key), again);
            return false;
        }
        if self.state.policy.confirm_failures && !good.twice && after.delta.loses_tests() {
            self.verify(good.tip, VerifyRole::Before, None, Again::Confirm(key));
            return false;
        }
        let (now, then) = (green.tip.commit.short(), &good.tip.commit);
        // The move is compared from nothing; what it is compared with need not have been.
        let (doubt, ask) = match good.warm {
            true => (
                " (with files that earlier runs had left in its workspace: what fails may be older than the move)",
                format!("`mc verify --fresh {then}` says whether that commit passes without them; "),
            ),
            false => ("", String::new()),
        };
        self.note(Record::QueueHeld {
            landing: None,
            reason: format!(
                "somebody moved green to {now}, which is worse than {}, the last commit that was verified{doubt}: {}",
                then.short(),
                judgement.reasons.join("; ")
            ),
            hint: format!(
                "{ask}to go on: put green back to {then} (`git update-ref` on its branch), or mend it with a commit on top, then \
                 `mc mission resume`; to accept it as it is: `mc mission stop --now`, then `mc mission start --accept-green`"
            ),
            code: ENVIRONMENT,
        });
        false
    }
}
