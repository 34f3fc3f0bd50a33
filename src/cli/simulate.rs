//! `mc simulate`: a plan in the virtual world, with the promises checked after every step.

use super::args::Simulate;
use super::error::CliError;
use super::{Context, output};
use crate::domain::mission::{Mission, Policy, Record, UnitState};
use crate::domain::plan::graph::Plan;
use crate::engine::inspect::views::{self, Faulty};
use crate::report::{lines, word};
use crate::sim::run_scenario;
use crate::sim::scenario::{Faults, Scenario};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn simulate(context: &Context, args: &Simulate) -> Result<u8, CliError> {
    let units = views::read_plan(&args.plan)??;
    // What the simulator is given must be a plan; the simulated mission lays it out itself.
    Plan::build(units.clone(), &BTreeSet::new()).map_err(|findings| Faulty { path: args.plan.clone(), findings })?;
    let faults = Faults::parse_faults(&args.faults).map_err(|what| CliError::usage(what, ""))?;
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut states = [0_u64; UnitState::ALL.len()];
    let (mut crashes, mut runs, mut steps) = (0_u64, 0_u64, 0_u64);
    let hosts = Scenario::name_hosts(args.hosts);
    let (mut elsewhere, mut benched) = (0_u64, 0_u64);
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let mut scenario = Scenario::new_calm(units.clone(), Policy::default(), seed);
        scenario.policy.warm_runs |= faults.leftovers > 0.0;
        scenario.policy.hosts.clone_from(&hosts);
        scenario.faults = faults.clone();
        let mut trace: Option<Mission> = None;
        let outcome = run_scenario(&scenario, |at, record| {
            if args.trace {
                print_record(context, &mut trace, at, record);
            }
        });
        let outcome = outcome.map_err(|broken| CliError::Check { what: broken.to_string() })?;
        for record in &outcome.journal {
            match record {
                Record::SessionStarted { host, .. } => elsewhere += u64::from(!host.is_local()),
                Record::HostBenched { .. } => benched += 1,
                _ => {}
            }
        }
        crashes += u64::from(outcome.crashes);
        runs += outcome.world.runs;
        steps += outcome.steps;
        for (total, kind) in states.iter_mut().zip(UnitState::ALL) {
            *total += u64::from(outcome.state.count(*kind));
        }
        if let Some((end, ..)) = &outcome.state.outcome {
            *ends.entry(word(end)).or_default() += 1;
        }
    }
    let by_state: BTreeMap<&str, u64> =
        UnitState::ALL.iter().map(|kind| kind.name()).zip(states).filter(|(_, n)| *n > 0).collect();
    let missions = args.seed.saturating_add(args.seeds) - args.seed;
    let body = || {
        json!({
            "schema": 1,
            "missions": missions,
            "outcomes": ends,
            "units": by_state,
            "crashes": crashes,
            "verification_runs": runs,
            "decisions": steps,
            "hosts": { "attempts_elsewhere": elsewhere, "benched": benched },
        })
    };
    context.show(body, || {
        let list = |(what, n): (&str, &u64)| format!("{n} {what}");
        let how: Vec<String> = ends.iter().map(|(end, n)| list((end, n))).collect();
        let units: Vec<String> = by_state.iter().map(|(state, n)| list((state, n))).collect();
        output::write_line(&format!("{missions} simulated, every promise held: {}", how.join(", ")));
        output::write_line(&format!("units: {}", units.join(", ")));
        output::write_line(&format!("{steps} decisions, {crashes} crashes of the engine, {runs} verification runs"));
        if args.hosts > 0 {
            output::write_line(&format!("{elsewhere} attempts on other hosts, {benched} times one was left out"));
        }
    })
}

/// Prints one record as the console would; the state is folded along because lines need it.
fn print_record(context: &Context, state: &mut Option<Mission>, at: u64, record: &Record) {
    match state {
        Some(state) => state.apply(record),
        None => *state = Mission::begin(record).ok(),
    }
    let Some(state) = state else { return };
    if context.global.json {
        output::write_json_line(&lines::json(None, at, &state.mission, record));
    } else {
        // Every record is shown here; those without a line for people by their kind.
        let line = lines::format_record(record, state).unwrap_or_else(|| record.kind());
        output::write_line(&format!("{}{line}", lines::format_elapsed(at.saturating_sub(state.started))));
    }
}
