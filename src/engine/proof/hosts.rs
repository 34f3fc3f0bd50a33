//! Where attempts and verifications of a mission with hosts began: counted again from the records, each on a host that had answered,
//! had the labels of its unit and was not drained.

use super::case::Case;
use crate::domain::mission::Record;
use crate::domain::values::HostId;
use crate::engine::inspect::history::records;
use crate::report::Findings;
use crate::report::hosts::has_hosts;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What one host was given: attempts and verifications.
type Given = (u64, u64);

pub(super) fn check(case: &mut Case<'_>) {
    let state = &case.history.state;
    if !has_hosts(state) {
        return;
    }
    let labels: BTreeMap<&HostId, &BTreeSet<String>> =
        state.policy.hosts.iter().map(|policy| (&policy.host, &policy.labels)).collect();
    let (mut ready, mut drained) = (BTreeSet::new(), BTreeSet::new());
    let mut given: BTreeMap<&HostId, Given> = labels.keys().map(|host| (*host, (0, 0))).collect();
    let mut found = Findings::default();
    for record in records(case.history) {
        match record {
            Record::HostReady { host, .. } => drop(ready.insert(host)),
            Record::HostBenched { host, .. } => drop(ready.remove(host)),
            Record::HostDrained { host, .. } => drop(drained.insert(host)),
            Record::HostResumed { host, .. } => drop(drained.remove(host)),
            Record::Resumed { .. } => ready.clear(),
            Record::SessionStarted { host, unit, n, .. } => {
                given.entry(host).or_default().0 += 1;
                let answers = host.is_local() || ready.contains(host);
                if !labels.contains_key(host) || !answers || drained.contains(host) {
                    found.add_broken(format!("attempt {n} of {unit} began on {host}, which was not to be used then"));
                }
                let wanted = state.unit(unit).map(|unit| unit.spec.labels.as_slice()).unwrap_or_default();
                if let Some(label) =
                    wanted.iter().find(|label| labels.get(host).is_none_or(|all| !all.contains(*label)))
                {
                    found.add_broken(format!("attempt {n} of {unit} began on {host}, which has no label {label}"));
                }
            }
            Record::VerifyStarted(run) => {
                given.entry(&run.host).or_default().1 += 1;
                let usable = ready.contains(&run.host) && !drained.contains(&run.host);
                if !run.host.is_local() && !usable {
                    found.add_broken(format!(
                        "verification {} began on {}, which was not to be used then",
                        run.run, run.host
                    ));
                }
            }
            _ => {}
        }
    }
    let told: BTreeMap<String, Given> = case.report["hosts"].as_array().into_iter().flatten().map(read_given).collect();
    let counted = given.iter().map(|(host, given)| (host.to_string(), *given)).collect();
    if told != counted {
        found.add_broken(format!("the report tells of {}, the records of {}", json!(told), json!(counted)));
    }
    let what = format!("hosts: each of {} was given what it had answered for", state.policy.hosts.len());
    case.add_claim(what, found).cover_places(["/hosts"]);
}

fn read_given(host: &Value) -> (String, Given) {
    let count = |key: &str| host[key].as_array().map_or(0, |list| list.len() as u64);
    (host["name"].as_str().unwrap_or_default().to_owned(), (count("attempts"), count("verifications")))
}
