//! Attempts in the virtual world: started, taken over, killed.

use super::{Agent, World};
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{AttemptOrder, Claim, Cost, Event, SessionReport};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::Usd;
use crate::domain::values::{Millis, SessionId};
use crate::sim::scenario::{Behaviour, LONGEST_ATTEMPT, Scenario};
use crate::sim::tree::hash_tree;

impl World {
    pub(super) fn start_attempt(
        &mut self,
        order: AttemptOrder,
        rng: &mut fastrand::Rng,
        s: &Scenario,
    ) -> Result<(), String> {
        let unit = order.spec.id.clone();
        self.sessions.insert(order.session, unit.clone());
        if self.agents.contains_key(&order.session) {
            return Err(format!("P4: attempt {} of {unit} was started twice", order.n));
        }
        self.end_abandoned(&order.slot);
        if let Some(other) = self.agents.values().find(|a| !a.collected && a.slot == order.slot) {
            return Err(format!("P5: {:?} of {unit} is still used by {} of {}", order.slot, other.n, other.unit));
        }
        let now = self.now;
        let runs = |(session, a): (&SessionId, &Agent)| {
            a.unit == unit && !a.collected && a.ends > now && !self.hosts.is_abandoned(*session)
        };
        if self.agents.iter().any(runs) {
            return Err(format!("P4: {unit} runs twice"));
        }
        let nth = &mut self.counts.entry(unit.clone()).or_default().started;
        let mut behaviour = s.behaviour_of(&unit, *nth);
        if behaviour == Behaviour::Good
            && s.policy.warm_runs
            && s.faults.leftovers > 0.0
            && rng.f64() < s.faults.leftovers
        {
            behaviour = if rng.bool() { Behaviour::Leans } else { Behaviour::Spoils };
        }
        *nth += 1;
        let mut content = self.commits.get(&order.from).cloned().ok_or("an attempt starts from an unknown commit")?;
        let script = order.spec.run.is_some();
        let mut report = SessionReport::from_end(ProcessEnd::Exited(0));
        let mut takes = rng.u64(500..LONGEST_ATTEMPT / 2);
        let mut works = |kind| content.insert(unit.clone(), kind);
        match behaviour {
            Behaviour::NoOp => report.agent.claim = Some(Claim::Completed),
            Behaviour::Empty => {}
            Behaviour::Fails => {
                works(Behaviour::Good);
                report.run.end = ProcessEnd::Exited(1);
            }
            Behaviour::Hangs => {
                works(Behaviour::Good);
                report.run.end = ProcessEnd::Timeout;
                takes = LONGEST_ATTEMPT;
            }
            Behaviour::Asks => report.agent.claim = Some(Claim::Blocked),
            Behaviour::Continues => {
                works(Behaviour::Good);
                report.agent.claim = Some(Claim::Continue);
            }
            Behaviour::HostFails => {
                report.run.end = ProcessEnd::Infrastructure(Trouble::new(Cause::Spawn, "spawn failed"));
            }
            makes => {
                works(makes);
                report.agent.claim = Some(Claim::Completed);
            }
        }
        if let Some(trouble) = self.unreachable(&order.slot.host) {
            self.refuse_start(&order, 1 + takes % 5_000, trouble);
            return Ok(());
        }
        if let Some(trouble) = self.current_outage().or_else(|| self.broken(&order.slot.host)) {
            let report = SessionReport::from_end(ProcessEnd::Infrastructure(trouble));
            return self.schedule_end(order, 1 + takes % 500, report);
        }
        let head = self.commit(&format!("{unit} {}", order.n), content.clone(), vec![order.from.clone()]);
        let base = self.commits.get(&order.green).map(hash_tree);
        report.work.changed = base != Some(head.tree.clone());
        report.agent.claim = report.agent.claim.filter(|claim| !script || *claim == Claim::Blocked);
        report.work.head = Some(head);
        // Somebody measures one attempt in two; none costs more than what is reserved for it.
        report.agent.cost = (!script && s.policy.budget.counts_unknown && rng.bool()).then(|| Cost {
            usd: Some(Usd(rng.u64(0..=s.policy.budget.per_session.0))),
            tokens: Some(rng.u64(0..50_000)),
        });
        // No number is drawn without the fault: plans of other faults play as they did.
        if s.faults.forged_stop > 0.0 && rng.f64() < s.faults.forged_stop {
            report.run.end = ProcessEnd::Stopped;
        }
        report.checks.quick = self.lines.run_in_workspace(&report, &unit, behaviour, &content, self.now);
        if !self.scenario.outages.is_empty() {
            self.answer(1, Event::SessionBegan(order.session));
        }
        self.schedule_end(order, takes, report)
    }

    fn schedule_end(&mut self, order: AttemptOrder, takes: Millis, report: SessionReport) -> Result<(), String> {
        let (session, unit, n) = (order.session, order.spec.id.clone(), order.n);
        if matches!(report.run.end, ProcessEnd::Infrastructure(_)) {
            self.counts.entry(unit.clone()).or_default().troubled += 1;
        }
        let (began, ends) = (self.now, self.now + takes);
        let agent = Agent { unit, n, slot: order.slot, began, ends, report: report.clone(), collected: false };
        self.agents.insert(session, agent);
        self.answer(takes, Event::SessionEnded { session, report: Box::new(report) });
        Ok(())
    }

    pub(super) fn adopt_attempt(&mut self, order: &AttemptOrder) {
        self.sessions.insert(order.session, order.spec.id.clone());
        self.hosts.take_over(order.session);
        let (after, report) = match self.agents.get(&order.session) {
            Some(agent) => (agent.ends.saturating_sub(self.now), agent.report.clone()),
            None => match self.unreachable(&order.slot.host) {
                Some(trouble) => return self.refuse_start(order, 1_000, trouble),
                None => (1, SessionReport::from_end(ProcessEnd::NeverStarted)),
            },
        };
        self.answer(after, Event::SessionEnded { session: order.session, report: Box::new(report) });
    }

    pub(super) fn kill(&mut self, session: SessionId) {
        if let Some(unit) = self.sessions.get(&session) {
            self.counts.entry(unit.clone()).or_default().kills += 1;
        }
        if self.kill_out_of_reach(session) {
            return;
        }
        let Some(agent) = self.agents.get_mut(&session) else { return };
        if agent.ends > self.now {
            agent.ends = self.now;
            agent.report.run.end = ProcessEnd::Stopped;
        } else {
            // Given up: its workspace is kept when it is used next.
            agent.collected = true;
        }
        let report = Box::new(agent.report.clone());
        self.events.retain(|_, e| !matches!(e, Event::SessionEnded { session: other, .. } if *other == session));
        self.answer(1, Event::SessionEnded { session, report });
    }
}
