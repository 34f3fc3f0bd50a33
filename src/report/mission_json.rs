//! The report of a mission as JSON, stable: `"schema": 1`. Unknown is `null`, never 0; times are milliseconds.
//!
//! Keys: `mission`, `exit_code`, `summary`, `over`, `accounts` (by unit state, and `total`), `landed[]`, `not_landed[]` (both as
//! in `mc status --json`, with `tests`, `verdict`, `ref`; landed ones with `evidence`, the others with `helps`),
//! `missing_on_green[]`, `green`, `rounds[]`, `verifications`, `cost`, `run_time_ms`, `times`, `pre_existing_failures[]`,
//! `flaky[]`, `processes`, `skipped[]`, `left_out[]`, `problems[]`, `next`; of a mission with hosts `hosts[]` (what each was given).

use super::account::{Account, Fact};
use super::status::{mission_json, phases_json, unit_json};
use super::words::{attempt_ref, find_pinned, stamp};
use super::{GreenRef, View, cost, hosts, skipped};
use crate::domain::mission::timeline::Timeline;
use crate::domain::mission::{Unit, UnitState};
use crate::domain::values::{Millis, UnitId};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The report as JSON. `landed_on_green` are the units named by trailers of green's history.
pub fn json(view: &View<'_>, green: &GreenRef, landed_on_green: &BTreeSet<UnitId>) -> Value {
    let account = Account::of(view, green, landed_on_green);
    let state = view.state;
    let counts = UnitState::ALL.iter().map(|kind| (kind.name().to_owned(), json!(state.count(*kind))));
    let mut accounts: Map<_, _> = counts.collect();
    accounts.insert("total".to_owned(), json!(state.units.len()));
    let unlanded = account.unlanded_units();
    let rest = state.units.iter().filter(|unit| unit.state != UnitState::Landed).map(|unit| {
        let mut body = unit_body(&account, unit, None);
        let helps = unlanded.iter().find(|rest| rest.unit.spec.id == unit.spec.id).map(|rest| &rest.helps);
        body["helps"] = json!(helps);
        body
    });
    let [base, of_green, candidates, confirmations, broken_off, own, bookkeeping, cold] = account.timeline.run_counts();
    let mut body = json!({
        "schema": 1,
        "mission": mission_json(view),
        "exit_code": state.outcome.as_ref().map(|(_, _, code)| code),
        "summary": account.format_headline(),
        "over": state.is_over(),
        "accounts": accounts,
        "landed": account.landed_units().into_iter().map(|(unit, fact)| unit_body(&account, unit, fact)).collect::<Vec<_>>(),
        "not_landed": rest.collect::<Vec<_>>(),
        "missing_on_green": account.missing.iter().map(|u| u.spec.id.as_str()).collect::<Vec<_>>(),
        "green": {
            "ref": green.name,
            "commit": green.tip.as_ref().map(|tip| tip.commit.as_str()),
            "tree": green.tip.as_ref().map(|tip| tip.tree.as_str()),
        },
        "rounds": state.rounds.iter().map(|round| json!({
            "index": round.index,
            "units": round.waves.iter().map(Vec::len).sum::<usize>(),
            "landed": round.landed,
            "objective": round.objective,
        })).collect::<Vec<_>>(),
        "verifications": {
            "run": state.verifications_run,
            "reused": state.verifications_reused,
            "base": base,
            "green": of_green,
            "candidates": candidates,
            "of_units": own,
            "of_bookkeeping": bookkeeping,
            "cold": cold,
            "confirmations": confirmations,
            "broken_off": broken_off,
        },
        "cost": cost::json(state),
        "run_time_ms": account.timeline.run_time(),
        "times": times_json(&account.timeline, account.end_time()),
        "pre_existing_failures": account.timeline.still_failing(),
        "flaky": account.timeline.flaky_tests(),
        "processes": account.timeline.count_proofs(),
        "skipped": skipped::json(&state.skipped),
        "left_out": account.list_left_out(),
        "problems": account.problems(),
        "next": account.next_command(),
    });
    if let Some(hosts) = hosts::share_json(view) {
        body["hosts"] = hosts;
    }
    body
}

fn unit_body(account: &Account<'_>, unit: &Unit, fact: Option<Fact<'_, '_>>) -> Value {
    let mut body = unit_json(unit);
    body["verdict"] = json!(unit.verdict);
    body["tests"] = json!({"before": fact.map(|(_, landed)| landed.before), "after": fact.map(|(told, _)| told.after.map(|after| after.summary))});
    let mission = &account.view.state.mission;
    body["ref"] = json!(find_pinned(&unit.attempts).map(|a| attempt_ref(mission, &unit.spec.id, a.n)));
    if let Some((told, landed)) = fact {
        body["evidence"] = json!({
            "attempt": told.attempt_of(&unit.spec.id),
            "landed_at": stamp(landed.at),
            "snapshot": told.key,
            "confirmed": told.after.is_some_and(|after| after.confirmed),
            "delta": told.after.and_then(|after| after.delta),
            "edited_tests": told.tests,
        });
    }
    body
}

/// `{wall_ms, verify_ms, verify_share, away_ms, rounds[] {index, wall_ms, waves_ms[]}, units[] {id, wall_ms, phases}}`.
pub fn times_json(times: &Timeline<'_>, until: Millis) -> Value {
    json!({
        "wall_ms": times.span.length(until),
        "verify_ms": times.verifying_time(until),
        "verify_share": times.verify_share(until).map(|share| (share * 1000.0).round() / 1000.0),
        "away_ms": times.away,
        "rounds": times.rounds.iter().map(|round| json!({
            "index": round.index,
            "wall_ms": round.span.length(until),
            "waves_ms": round.waves.iter().map(|wave| wave.length(until)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "units": times.units.iter().map(|unit| json!({
            "id": unit.unit,
            "wall_ms": unit.span.length(until),
            "phases": phases_json(&unit.phases),
        })).collect::<Vec<_>>(),
    })
}
