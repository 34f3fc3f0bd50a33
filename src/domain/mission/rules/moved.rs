//! A green that somebody else moved forward, judged against the last green that was verified.
//!
//! Wanted: whoever moved green, nothing is landed on it before it is known to be no worse than what the gate accepted last
//! (P1). It is judged like a candidate: without files of earlier runs, and a failure is confirmed by a second run before it
//! counts. What is worse holds the queue until a person decides. Put back to the last good commit, green is as good as it was,
//! without a run. What else somebody changed in the user's repository is told here, too: pins of ended attempts (P2), and
//! settings, hooks and refs (P6).

use super::decision::Decision;
use crate::domain::mission::model::end::ENVIRONMENT;
use crate::domain::mission::model::{NextMove, Noticed, RejectClass};
use crate::domain::mission::protocol::record::Record;
use crate::domain::queue::{Green, RunKind, VerificationRun, VerifyRole};
use crate::domain::verify::StageOutcome;
use crate::domain::verify::judge::verdict::judge;

impl Decision<'_> {
    /// The user's repository changed while a verification ran: everybody is told, and where only its owner may do that, the
    /// unit whose change was verified waits for a person.
    pub(super) fn repository_changed(&mut self, run: &VerificationRun, Noticed { held, named }: Noticed) {
        if held.is_none() && named.is_empty() {
            return;
        }
        self.record(Record::RepositoryChanged { run: run.run, at: self.now, held: held.clone(), named });
        let landing = run.landing.and_then(|id| self.state.landing_by(id)).cloned();
        let (Some(what), Some(landing)) = (held, landing) else { return };
        let Some(unit) = landing.mr.source.unit() else { return };
        let question = format!("{what} while its change was verified; look at it, then `mc unit retry {unit}`");
        let next = NextMove::Hold { question: question.clone(), own_work: false };
        self.record_rejection(&landing, RejectClass::Meddling, vec![question], next, Vec::new());
    }

    /// Whether landings may go on: nobody moved green, or it was judged to be no worse. Else the next step is asked for, or
    /// the queue is held.
    pub(super) fn judges_green(&mut self, green: &Green) -> bool {
        let Some(open) = &self.state.queue.green().foreign_move else { return true };
        let (good, after) = (open.good.clone(), open.after.clone());
        if self.now < self.state.queue.green_due() {
            return false;
        }
        let Some((key, before)) = good.snapshot.clone() else {
            self.verify(None, good.tip, VerifyRole::Before, None, RunKind::First);
            return false;
        };
        let Some(after) = after else {
            self.verify(None, green.tip.clone(), VerifyRole::MovedGreen, Some(key), RunKind::First);
            return false;
        };
        let terms = self.state.green_terms();
        let judgement = judge(&self.state.with_flaky(before), &after.summary, &after.delta, &terms.demands);
        if judgement.lands {
            self.record(Record::GreenAccepted { tip: green.tip.clone(), verdict: judgement.verdict });
            return true;
        }
        let doubtful =
            after.warm || after.delta.by_chance(terms.demands.ratchet) || after.summary.outcome != StageOutcome::Passed;
        if let Some(again) = terms.select_next_run(&after).filter(|_| doubtful) {
            self.verify(None, green.tip.clone(), VerifyRole::MovedGreen, Some(key), again);
            return false;
        }
        if terms.doubts_names(&good, &after) {
            self.verify(None, good.tip, VerifyRole::Before, None, RunKind::Confirm(key));
            return false;
        }
        let (now, then) = (green.tip.commit.short_id(), &good.tip.commit);
        // The move is compared from nothing; what it is compared with need not have been.
        let (doubt, ask) = match good.warm {
            true => (
                " (with files that earlier runs had left in its workspace: what fails may be older than the move)",
                format!("`mc verify --fresh {then}` says whether that commit passes without them; "),
            ),
            false => ("", String::new()),
        };
        self.record(Record::QueueHeld {
            landing: None,
            reason: format!(
                "somebody moved green to {now}, which is worse than {}, the last commit that was verified{doubt}: {}",
                then.short_id(),
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
