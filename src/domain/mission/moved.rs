//! A green that somebody else moved forward, judged against the last green that was verified.
//!
//! Wanted: whoever moved green, nothing is landed on it before it is known to be no worse than what the gate accepted last
//! (P1). Pins that somebody else changed are found at the end of each round (P2). A moved green is judged like a candidate: a failure is confirmed by a second run before it counts, and what is worse holds the
//! queue until a person puts green back. Put back to the last good commit, green is as good as it was, without a run.

use super::Decision;
use super::event::PinFault;
use super::parts::{After, ForeignMove, Green};
use super::record::{NextMove, Record, RejectClass, VerifyRole};
use super::state::State;
use crate::domain::values::{CommitId, Tip, UnitId};
use crate::domain::verify::StageOutcome;
use crate::domain::verify::verdict::judge;

impl State {
    /// Somebody else moved green to `tip`: what was verified last stays what it is compared with.
    pub(super) fn green_moved(&mut self, tip: &Tip) {
        let good = match self.foreign_move.take() {
            Some(open) => Some(open.good),
            None => self.green.take().filter(|green| green.snapshot.is_some()),
        };
        match good {
            Some(good) if good.tip == *tip => self.green = Some(good),
            good => {
                self.green = Some(Green { tip: tip.clone(), snapshot: None, confirmed: false });
                self.foreign_move = good.map(|good| ForeignMove { good, after: None });
            }
        }
    }

    /// A verification of a moved green came to this.
    pub(super) fn moved_green_verified(&mut self, after: After) {
        if let Some(green) = &mut self.green {
            green.snapshot = Some((after.key.clone(), after.summary.clone()));
            green.confirmed = after.confirmed;
        }
        if let Some(open) = &mut self.foreign_move {
            open.after = Some(after);
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
            false => "the commit is gone from the repository, and with it this work".to_owned(),
        };
        let (unit, n, head) = (&self.unit, self.n, self.head.short());
        format!("somebody changed the pin of {unit}, attempt {n}: it {was} and not {head}; {now}")
    }
}

impl State {
    /// Unit, number and head of every ended attempt whose work is pinned.
    pub(super) fn pins(&self) -> Vec<(UnitId, u32, CommitId)> {
        let attempts = self.units.iter().flat_map(|unit| unit.attempts.iter().map(move |attempt| (unit, attempt)));
        attempts.filter_map(|(u, a)| Some((u.spec.id.clone(), a.n, a.head.as_ref()?.commit.clone()))).collect()
    }
}

impl Decision<'_> {
    /// Settings or hooks of the user's repository changed while a verification ran: everybody is told, and the unit whose change
    /// was verified waits for a person.
    pub(super) fn repository_meddled(&mut self, run: u64, what: String) {
        self.note(Record::RepositoryMeddled { run, at: self.now, what: what.clone() });
        let Some(landing) = self.state.landing.clone() else { return };
        let Some(unit) = landing.mr.source.unit().cloned() else { return };
        let question = format!(
            "{what} while its change was verified; your own git obeys them: look at them, then `mc unit retry {unit}`"
        );
        self.note(Record::Rejected {
            mr: landing.mr.id,
            source: landing.mr.source,
            at: self.now,
            class: RejectClass::Meddling,
            reasons: vec![question.clone()],
            next: NextMove::Hold { question, own_work: false },
        });
    }

    /// Whether landings may go on: nobody moved green, or it was judged to be no worse. Else the next step is asked for, or
    /// the queue is held.
    pub(super) fn judges_green(&mut self, green: &Green) -> bool {
        let Some(ForeignMove { good, after }) = self.state.foreign_move.clone() else { return true };
        let Some((key, before)) = good.snapshot else { return true };
        let Some(after) = after else {
            self.verify(green.tip.clone(), VerifyRole::MovedGreen, Some(key), None);
            return false;
        };
        let demands = self.demands(false);
        let judgement = judge(&before, &after.summary, &after.delta, &demands);
        if judgement.lands {
            self.note(Record::GreenAccepted { tip: green.tip.clone(), verdict: judgement.verdict });
            return true;
        }
        let measured = after.delta.number_hurts(demands.ratchet);
        let seen_once = !after.confirmed && (measured || after.summary.outcome != StageOutcome::Passed);
        if seen_once && self.state.policy.confirm_failures {
            self.verify(green.tip.clone(), VerifyRole::MovedGreen, Some(key), Some(after.key));
            return false;
        }
        let (now, then) = (green.tip.commit.short().to_owned(), &good.tip.commit);
        self.note(Record::QueueHeld {
            reason: format!(
                "somebody moved green to {now}, which is worse than {}, the last commit that was verified: {}",
                then.short(),
                judgement.reasons.join("; ")
            ),
            hint: format!(
                "to go on: put green back to {then} (`git update-ref` on its branch), then `mc mission resume`; to accept \
                 what it is now: `mc mission stop --now`, then `mc mission start`"
            ),
        });
        false
    }
}
