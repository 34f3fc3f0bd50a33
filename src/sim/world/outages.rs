//! Which hosts of the virtual world fail, when and how.

use crate::domain::ending::ProcessEnd;
use crate::domain::mission::SessionReport;
use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, Millis, RunId, SessionId};
use crate::sim::scenario::{HostFault, HostOutage, Scenario};
use std::collections::{BTreeMap, BTreeSet};

/// What the world knows of hosts.
#[derive(Debug, Default)]
pub(super) struct HostWorld {
    pub(super) names: Vec<HostId>,
    pub(super) outages: Vec<HostOutage>,
    /// Where verifications run.
    pub(super) runs: BTreeMap<RunId, HostId>,
    /// Where the objective's check was asked last.
    pub(super) check: Option<HostId>,
    /// Attempts that the engine gave up while they were out of reach: they are ended before their slots are used again.
    pub(super) abandoned: BTreeSet<SessionId>,
    /// How often one was given up, and how often the result of one arrived later.
    pub(super) late: [u64; 2],
}

impl HostWorld {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let named = scenario.policy.hosts.iter().map(|policy| policy.host.clone());
        let names = named.filter(|host| !host.is_local()).collect();
        Self { names, outages: scenario.host_outages.clone(), ..Self::default() }
    }

    pub(super) fn is_abandoned(&self, session: SessionId) -> bool {
        self.abandoned.contains(&session)
    }

    /// A new engine asks for an attempt that its journal has as open.
    pub(super) fn take_over(&mut self, session: SessionId) {
        self.abandoned.remove(&session);
    }

    pub(super) fn outage(&self, host: &HostId, now: Millis) -> Option<&HostOutage> {
        self.outages.iter().find(|outage| outage.host == *host && (outage.from..outage.until).contains(&now))
    }

    /// Whether a host is out of reach, with since when and until when.
    pub(super) fn cut(&self, host: &HostId, now: Millis) -> Option<&HostOutage> {
        let cut = |outage: &&HostOutage| outage.host == *host && outage.kind != HostFault::Broken;
        self.outages.iter().filter(cut).find(|outage| (outage.from..outage.until).contains(&now))
    }

    /// Whether what ran on a host between these times is gone.
    pub(super) fn lost(&self, host: &HostId, began: Millis, ends: Millis) -> bool {
        let dead = |outage: &&HostOutage| outage.host == *host && outage.kind == HostFault::Dead;
        self.outages.iter().filter(dead).any(|outage| (began..ends).contains(&outage.from))
    }
}

/// Whether a report says nothing but that the host of the attempt was out of reach.
pub(super) fn tells_unreachable(report: &SessionReport) -> bool {
    matches!(&report.run.end, ProcessEnd::Infrastructure(trouble) if trouble.cause == Cause::Unreachable)
}
