//! What is simulated: units with their behaviour, limits, and the faults that disturb them.

use crate::domain::mission::{HostPolicy, Policy};
use crate::domain::trouble::Cause;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{HostId, Millis, UnitId};
use std::collections::{BTreeMap, BTreeSet};

/// A whole scenario; the same one gives the same run.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// Seed of every random choice.
    pub seed: u64,
    /// Limits of the mission.
    pub policy: Policy,
    /// The plan.
    pub units: Vec<UnitSpec>,
    /// How each unit's attempts behave; the last entry repeats. Absent: changes one thing and is done.
    pub behaviours: BTreeMap<UnitId, Vec<Behaviour>>,
    /// Pairs whose changes conflict as text when made side by side.
    pub conflicts: BTreeSet<(UnitId, UnitId)>,
    /// Pairs that verify apart and fail together.
    pub red_together: BTreeSet<(UnitId, UnitId)>,
    /// What units' own lines say; the others as `mc simulate` takes them: `accept` fails until its unit is in.
    pub lines: BTreeMap<String, Line>,
    /// Whether the base has one failing test.
    pub red_base: bool,
    /// Whether the gate refuses what the mission writes about itself.
    pub bookkeeping_breaks: bool,
    /// Times in which everything fails for one cause.
    pub outages: Vec<Outage>,
    /// Times in which one host fails.
    pub host_outages: Vec<HostOutage>,
    /// Hosts on which things run with other tools than on the engine's own machine.
    pub other_tools: BTreeSet<HostId>,
    /// Random disturbances.
    pub faults: Faults,
    /// Dies at this decision, before (even) or after (odd) its commit.
    pub crash_at: Option<(u64, u8)>,
}

/// A time in which nothing can be prepared, collected, merged or verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When it begins.
    pub from: Millis,
    /// When it is over.
    pub until: Millis,
    /// What stands in the way.
    pub cause: Cause,
}

/// A time in which one host fails; the engine's own machine never does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOutage {
    /// Which.
    pub host: HostId,
    /// When it begins.
    pub from: Millis,
    /// When it is over.
    pub until: Millis,
    /// What happens.
    pub kind: HostFault,
}

/// How a host fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFault {
    /// It cannot be reached; what runs there runs on.
    Cut,
    /// It cannot be reached, and what ran there is gone.
    Dead,
    /// It answers, and nothing can be started there.
    Broken,
}

/// What a scripted line says of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It passes.
    Passes,
    /// It fails.
    Fails,
    /// It cannot run.
    CannotRun,
    /// It passes as soon as this unit's change is in.
    Once(UnitId),
    /// The same, and before it cannot run: the change brings the program.
    Brings(UnitId),
}

/// What one attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Changes something good.
    Good,
    /// Changes something that breaks a test.
    Breaks,
    /// Removes a test.
    RemovesTest,
    /// Ends well without a change, declared.
    NoOp,
    /// Ends well without a change, undeclared.
    Empty,
    /// Fails.
    Fails,
    /// Runs into its timeout.
    Hangs,
    /// Asks a question.
    Asks,
    /// Wants to go on from its own work.
    Continues,
    /// The host fails.
    HostFails,
    /// Changes something good that the quick stages refuse.
    FailsQuick,
    /// Changes something good, and a command of the quick stages is missing.
    MissesQuick,
    /// Changes something good and a protected path.
    Touches,
    /// Changes something that passes only where an earlier run left files.
    Leans,
    /// Changes something good that leaves files which make later runs fail where they are.
    Spoils,
}

/// Probabilities of disturbances, each per opportunity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// The engine dies at a decision.
    pub crash: f64,
    /// An event comes twice.
    pub duplicate: f64,
    /// A git step or verification meets infrastructure.
    pub infrastructure: f64,
    /// Somebody moves green forward.
    pub forward: f64,
    /// Somebody moves green forward to a commit that breaks a test.
    pub forward_red: f64,
    /// Somebody moves green back.
    pub back: f64,
    /// A verification fails one test that passes otherwise.
    pub flaky: f64,
    /// A person pauses, resumes or stops.
    pub person: f64,
    /// Green is checked out for a while.
    pub checked_out: f64,
    /// A person cancels a unit.
    pub cancel: f64,
    /// An attempt says of itself that it was killed, though nobody asked for that.
    pub forged_stop: f64,
    /// A good change depends on files of earlier runs, or leaves some that make good work fail.
    pub leftovers: f64,
    /// A host is cut off, dies, or can start nothing for a while.
    pub host: f64,
    /// A person drains a host, and takes it back later.
    pub drain: f64,
    /// The engine that takes over runs things with other tools, with which a test of the base fails that passed, or passes.
    pub elsewhere: f64,
}

impl Faults {
    /// Faults by name, each at its usual rate: `crash`, `duplicate`, `infrastructure`, `forward`, `forward-red`, `back`, `flaky`,
    /// `person`, `checked-out`, `cancel`, `forged-stop`, `leftovers`, `elsewhere`, `host`, `drain`, or `all`.
    ///
    /// # Errors
    /// The unknown name with the list of known ones.
    pub fn parse_faults(names: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            let mut known = FAULTS.iter().filter(|(fault, ..)| name == "all" || name == *fault).peekable();
            if known.peek().is_none() {
                let names: Vec<&str> = FAULTS.iter().map(|(fault, ..)| *fault).collect();
                return Err(format!("unknown fault `{name}`: use {} or all", names.join(", ")));
            }
            known.for_each(|(_, field, rate)| *field(&mut faults) = *rate);
        }
        Ok(faults)
    }
}

type Rate = fn(&mut Faults) -> &mut f64;

/// Each fault by its name, with its field and how often it happens when it is asked for.
const FAULTS: [(&str, Rate, f64); 15] = [
    ("crash", |faults| &mut faults.crash, 0.03),
    ("duplicate", |faults| &mut faults.duplicate, 0.05),
    ("infrastructure", |faults| &mut faults.infrastructure, 0.03),
    ("forward", |faults| &mut faults.forward, 0.01),
    ("forward-red", |faults| &mut faults.forward_red, 0.005),
    ("back", |faults| &mut faults.back, 0.002),
    ("flaky", |faults| &mut faults.flaky, 0.05),
    ("person", |faults| &mut faults.person, 0.005),
    ("checked-out", |faults| &mut faults.checked_out, 0.02),
    ("cancel", |faults| &mut faults.cancel, 0.01),
    ("forged-stop", |faults| &mut faults.forged_stop, 0.05),
    ("leftovers", |faults| &mut faults.leftovers, 0.05),
    ("elsewhere", |faults| &mut faults.elsewhere, 0.3),
    ("host", |faults| &mut faults.host, 0.03),
    ("drain", |faults| &mut faults.drain, 0.01),
];

impl Scenario {
    /// A scenario in which every unit does what it should.
    pub fn new_calm(units: Vec<UnitSpec>, policy: Policy, seed: u64) -> Self {
        Self { seed, policy, units, ..Self::default() }
    }

    /// This machine and so many others, each with four workers; no names where there are no others.
    pub fn name_hosts(others: u16) -> Vec<HostPolicy> {
        let name = |nth: u16| HostId::new(&format!("host-{nth}")).ok();
        let others: Vec<HostId> = (1..=others).filter_map(name).collect();
        let local = (!others.is_empty()).then(HostId::local);
        local.into_iter().chain(others).map(|host| HostPolicy::new(host, Policy::default().workers)).collect()
    }

    pub(super) fn behaviour_of(&self, unit: &UnitId, nth: usize) -> Behaviour {
        match self.behaviours.get(unit).map(Vec::as_slice) {
            Some([]) | None => Behaviour::Good,
            Some(list) => list[nth.min(list.len() - 1)],
        }
    }
}

/// How long one attempt of a simulated unit takes at most.
pub(super) const LONGEST_ATTEMPT: Millis = 120_000;

/// A file for each group of units that conflict with one another, directly or by others of the group.
pub(super) fn files(conflicts: &BTreeSet<(UnitId, UnitId)>) -> BTreeMap<UnitId, String> {
    let mut files: BTreeMap<UnitId, String> = BTreeMap::new();
    for (a, b) in conflicts {
        let name = |unit: &UnitId| files.get(unit).cloned().unwrap_or_else(|| format!("file of {unit}"));
        let (one, other) = (name(a), name(b));
        files.insert(a.clone(), one.clone());
        files.insert(b.clone(), other.clone());
        files.values_mut().filter(|file| **file == other).for_each(|file| file.clone_from(&one));
    }
    files
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Some units that depend on each other, with every fault there is.
    pub(crate) fn disturbed() -> Scenario {
        let id = |nth: usize| UnitId::new(&format!("u{nth}")).unwrap();
        let units = (0..9).map(|nth| {
            let mut unit = UnitSpec::new(id(nth), &format!("unit {nth}"));
            unit.depends = (nth % 3 > 0).then(|| id(nth - 1)).into_iter().collect();
            unit
        });
        Scenario {
            faults: Faults::parse_faults("all").unwrap(),
            ..Scenario::new_calm(units.collect(), Policy::default(), 3)
        }
    }
}
