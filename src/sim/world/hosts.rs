//! Hosts of the virtual world: which can be reached, what becomes of what runs there, and what the engine hears of it.
//!
//! While a host cannot be reached nothing of it arrives. The engine gives an attempt there up when it has not heard of it for as long
//! as a lease lasts; what it came to arrives all the same when the host is back, under a session that is closed by then.

use super::World;
use super::outages::tells_unreachable;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{AttemptOrder, Event, SessionReport};
use crate::domain::trouble::{Cause, Spot, Trouble};
use crate::domain::values::{HostId, Millis, RunId, SessionId, SlotId};
use crate::sim::scenario::{Faults, HostFault, HostOutage};

/// After so long without an answer an attempt is given up: its lease, and the window in which its host ends it.
const GIVEN_UP_AFTER: Millis = 660_000;

/// Of so many attempts that end on a host out of reach, the end of one is seen, and what it made cannot be collected.
const SEEN_TO_END: u64 = 4;

fn unreachable(why: &str) -> Trouble {
    Trouble::new(Cause::Unreachable, why)
}

impl World {
    /// How often an attempt was given up because its host was out of reach, and how often what it came to arrived all the same.
    pub const fn late_results(&self) -> [u64; 2] {
        self.hosts.late
    }

    /// That a host cannot be reached, if it cannot.
    pub(super) fn unreachable(&self, host: &HostId) -> Option<Trouble> {
        self.hosts.cut(host, self.now).map(|_| unreachable("no route to the host"))
    }

    /// That nothing can be started on a host, if so.
    pub(super) fn broken(&self, host: &HostId) -> Option<Trouble> {
        let broken = self.hosts.outage(host, self.now).filter(|outage| outage.kind == HostFault::Broken)?;
        let cause = if broken.from.is_multiple_of(2) { Cause::DiskFull(Spot::State) } else { Cause::Spawn };
        Some(Trouble::new(cause, "nothing starts there"))
    }

    /// What results of runs on a host depend on beside tree and stages.
    pub(super) fn environment_of(&self, host: &HostId) -> String {
        match self.scenario.other_tools.contains(host) {
            true => "other tools".to_owned(),
            false => self.environment_name(),
        }
    }

    pub(super) fn probe_host(&mut self, host: HostId, delay: Millis) {
        let (after, result) = match self.unreachable(&host) {
            Some(trouble) => (delay * 10, Err(trouble)),
            None => (delay, Ok(self.environment_of(&host))),
        };
        self.answer(after, Event::HostSeen { host, result });
    }

    /// A verification begins on a host; what stands in its way there.
    pub(super) fn begin_run(&mut self, run: RunId, host: &HostId) -> Result<Option<Trouble>, String> {
        self.hosts.runs.insert(run, host.clone());
        self.begin_in_environment(&format!("verification {run}"), host)
    }

    /// The objective's check begins on a host; what stands in its way there.
    pub(super) fn begin_check(&mut self, host: &HostId) -> Result<Option<Trouble>, String> {
        self.hosts.check = Some(host.clone());
        self.begin_in_environment("the objective's check", host)
    }

    fn begin_in_environment(&self, what: &str, host: &HostId) -> Result<Option<Trouble>, String> {
        if self.environment_of(host) != self.environment_name() {
            return Err(format!(
                "P13: {what} is asked of {host}, which has other tools than the base was verified with"
            ));
        }
        Ok(self.unreachable(host).or_else(|| self.broken(host)))
    }

    /// An attempt that cannot even be asked for: its host is out of reach.
    pub(super) fn refuse_start(&mut self, order: &AttemptOrder, after: Millis, trouble: Trouble) {
        self.counts.entry(order.spec.id.clone()).or_default().troubled += 1;
        let report = Box::new(SessionReport::from_end(ProcessEnd::Infrastructure(trouble)));
        self.answer(after, Event::SessionEnded { session: order.session, report });
    }

    /// What is left in a slot by an attempt that was given up is ended before the slot is used again.
    pub(super) fn end_abandoned(&mut self, slot: &SlotId) {
        let abandoned = &self.hosts.abandoned;
        let left = self.agents.iter_mut().filter(|(session, agent)| agent.slot == *slot && abandoned.contains(session));
        left.for_each(|(_, agent)| agent.collected = true);
    }

    /// Whether an attempt is to be killed on a host that is out of reach: that is told instead, and it is ended when it is back.
    pub(super) fn kill_out_of_reach(&mut self, session: SessionId) -> bool {
        let Some(agent) = self.agents.get(&session).filter(|agent| !agent.collected) else { return false };
        let Some(trouble) = self.unreachable(&agent.slot.host) else { return false };
        self.events.retain(|_, e| !matches!(e, Event::SessionEnded { session: other, .. } if *other == session));
        self.give_up(session, 1_000, trouble);
        true
    }

    fn give_up(&mut self, session: SessionId, after: Millis, trouble: Trouble) {
        let Some(unit) = self.agents.get(&session).map(|agent| agent.unit.clone()) else { return };
        self.counts.entry(unit).or_default().troubled += 1;
        self.hosts.abandoned.insert(session);
        self.hosts.late[0] += 1;
        let report = Box::new(SessionReport::from_end(ProcessEnd::Infrastructure(trouble)));
        self.answer(after, Event::SessionEnded { session, report });
    }

    /// What of an event arrives now; none where it arrives later, or as another one.
    pub(super) fn pass_host(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::SessionEnded { session, report } => self.pass_session(session, report),
            Event::Verified { run, result: Ok(found) } => {
                let host = self.hosts.runs.get(&run).cloned().unwrap_or_else(HostId::local);
                let result = self.unreachable(&host).map_or(Ok(found), |trouble| Err(trouble.into()));
                Some(Event::Verified { run, result })
            }
            Event::ObjectiveChecked { round, met: Ok(met), pins, moved } => {
                let gone = self.hosts.check.clone().and_then(|host| self.unreachable(&host));
                Some(Event::ObjectiveChecked { round, met: gone.map_or(Ok(met), Err), pins, moved })
            }
            Event::HostSeen { host, result: Ok(environment) } => {
                let result = self.unreachable(&host).map_or(Ok(environment), Err);
                Some(Event::HostSeen { host, result })
            }
            event => Some(event),
        }
    }

    fn pass_session(&mut self, session: SessionId, report: Box<SessionReport>) -> Option<Event> {
        let told = Event::SessionEnded { session, report };
        let Event::SessionEnded { report, .. } = &told else { return Some(told) };
        let open = self.agents.get(&session).filter(|agent| !agent.collected && !agent.slot.host.is_local());
        let Some(agent) = open.filter(|_| !tells_unreachable(report)) else { return Some(told) };
        let lost = self.hosts.lost(&agent.slot.host, agent.began, agent.ends);
        let Some(outage) = self.hosts.cut(&agent.slot.host, self.now).cloned() else {
            self.hosts.late[1] += u64::from(self.hosts.is_abandoned(session));
            if lost {
                let trouble = Trouble::new(Cause::LostRun, "its host was started anew");
                let agent = self.agents.get_mut(&session)?;
                agent.report = SessionReport::from_end(ProcessEnd::Infrastructure(trouble));
                return Some(Event::SessionEnded { session, report: Box::new(agent.report.clone()) });
            }
            return Some(told);
        };
        if self.hosts.is_abandoned(session) {
            self.answer(outage.until - self.now, told);
            return None;
        }
        let trouble = unreachable("no answer");
        if report.run.end == ProcessEnd::Stopped {
            // It was cut off between the kill and its answer, which nobody waits for as long as for work.
            self.give_up(session, 1_000, trouble);
            return None;
        }
        if session.0.is_multiple_of(SEEN_TO_END) && report.work.head.is_some() && !lost {
            return Some(Event::NotCollected { session, trouble });
        }
        let given_up = outage.from.max(agent.began) + GIVEN_UP_AFTER;
        if outage.until > given_up {
            self.give_up(session, given_up.saturating_sub(self.now), trouble);
        }
        self.answer(outage.until - self.now, told);
        None
    }

    /// What happens to hosts, and what people do with them, while the mission runs.
    pub(super) fn disturb_hosts(&mut self, rng: &mut fastrand::Rng, faults: &Faults) {
        if self.hosts.names.is_empty() {
            return;
        }
        let names = self.hosts.names.clone();
        if rng.f64() < faults.host {
            let host = names[rng.usize(..names.len())].clone();
            let kind = [HostFault::Cut, HostFault::Dead, HostFault::Broken][rng.usize(..3)];
            let lasts = match rng.u8(0..20) {
                0..2 => rng.u64(60_000..2_000_000),
                // Back just after what ran there was given up.
                2..5 => GIVEN_UP_AFTER + rng.u64(0..60_000),
                _ => rng.u64(500..90_000),
            };
            self.hosts.outages.push(HostOutage { host, from: self.now, until: self.now + lasts, kind });
        }
        if rng.f64() < faults.drain {
            // This machine, too, where it is one of the hosts.
            let host = names.get(rng.usize(..=names.len())).cloned().unwrap_or_else(HostId::local);
            self.answer(rng.u64(1_000..200_000), Event::ResumeHost(host.clone()));
            self.answer(0, Event::DrainHost(host));
        }
    }
}
