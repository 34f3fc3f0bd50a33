//! Missions on several hosts in the virtual world: cut off, dead and broken hosts, drained ones, labels, and an engine that dies.

use super::simulation::{calm, count, run, unit};
use crate::support::scenario::random as random_scenario;
use mission_control::domain::mission::{
    AttemptClass, Command, Event, HostPolicy, Mission, Policy, Record, UnitState, VerificationRun, decide,
};
use mission_control::domain::trouble::Cause;
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{HostId, UnitId};
use mission_control::sim::Outcome;
use mission_control::sim::scenario::{HostFault, HostOutage, Scenario};
use std::collections::{BTreeMap, BTreeSet};

fn name(host: &str) -> HostId {
    HostId::new(host).unwrap()
}

fn host(host: &str, workers: u32, labels: &[&str]) -> HostPolicy {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    HostPolicy { labels, ..HostPolicy::new(name(host), workers) }
}

fn outage(host: &str, from: u64, until: u64, kind: HostFault) -> HostOutage {
    HostOutage { host: name(host), from, until, kind }
}

/// Units that do not depend on each other, on these hosts.
fn on_hosts(units: usize, hosts: Vec<HostPolicy>) -> Scenario {
    let mut scenario = calm((0..units).map(|i| unit(&format!("u{i}"), &[])).collect());
    scenario.policy.hosts = hosts;
    scenario
}

/// A random mission with faults, on random hosts that fail at random.
fn random(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x4057);
    let all = ["gpu", "big", "arm"];
    let mut some = |rate: u8| -> BTreeSet<String> {
        all.iter().filter(|_| rng.u8(..) < rate).map(|label| (*label).to_owned()).collect()
    };
    let labels: Vec<BTreeSet<String>> = (0..8).map(|_| some(90)).collect();
    for unit in &mut scenario.units {
        unit.labels = some(12).into_iter().collect();
    }
    let number = rng.usize(1..=5);
    let mut hosts: Vec<HostPolicy> = (0..number)
        .map(|nth| HostPolicy {
            verifiers: rng.u32(0..3),
            labels: labels[nth].clone(),
            ..HostPolicy::new(name(&format!("h{nth}")), rng.u32(1..4))
        })
        .collect();
    if rng.u8(..) < 150 {
        let local = HostPolicy { labels: labels[7].clone(), ..HostPolicy::new(HostId::local(), rng.u32(1..3)) };
        hosts.insert(rng.usize(0..=number), local);
    } else {
        hosts[0].verifiers = hosts[0].verifiers.max(1);
    }
    if rng.u8(..) < 60 {
        scenario.other_tools =
            hosts.iter().skip(1).map(|policy| policy.host.clone()).filter(|h| !h.is_local()).collect();
    }
    scenario.policy.hosts = hosts;
    scenario.faults.host = if rng.u8(..) < 200 { rng.f64() * 0.1 } else { 0.0 };
    scenario.faults.drain = if rng.u8(..) < 80 { rng.f64() * 0.03 } else { 0.0 };
    scenario
}

/// How often something happened that these missions must really meet.
#[derive(Debug, Default)]
struct Met {
    elsewhere: usize,
    verified: usize,
    benched: usize,
    unreachable: usize,
    drained: usize,
    unplaced: usize,
    lost: usize,
    late: [u64; 2],
    crashes: u32,
}

impl Met {
    fn count(&mut self, outcome: &Outcome) {
        self.crashes += outcome.crashes;
        for (sum, now) in self.late.iter_mut().zip(outcome.world.late_results()) {
            *sum += now;
        }
        for record in &outcome.journal {
            match record {
                Record::SessionStarted { host, .. } => self.elsewhere += usize::from(!host.is_local()),
                Record::VerifyStarted(VerificationRun { host, .. }) => self.verified += usize::from(!host.is_local()),
                Record::HostBenched { trouble, .. } => {
                    self.benched += 1;
                    self.unreachable += usize::from(trouble.cause == Cause::Unreachable);
                }
                Record::HostDrained { .. } => self.drained += 1,
                Record::UnitHeld { .. } => self.unplaced += 1,
                Record::CircuitOpened { cause: Cause::Unreachable, .. } => self.lost += 1,
                _ => {}
            }
        }
    }
}

#[test]
fn p9_p10_p14_hold_for_random_missions_on_hosts_that_fail() {
    let seeds = std::env::var("MC_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let first: u64 = std::env::var("MC_SIM_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut met = Met::default();
    for seed in first..first + seeds {
        met.count(&run(&random(seed)));
    }
    let Met { elsewhere, verified, benched, unreachable, drained, unplaced, lost, late, crashes } = met;
    assert!(elsewhere > 1_000 && verified > 100 && crashes > 50, "{met:?}");
    assert!(unreachable > 50 && benched > unreachable && drained > 10 && unplaced > 10 && lost > 10, "{met:?}");
    assert!(late.iter().all(|n| *n > 10), "{met:?}");
}
