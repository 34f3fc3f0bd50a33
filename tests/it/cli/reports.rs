//! Views of simulated missions: the same seed gives the same text.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::scenario::random as random_scenario;
use expect_test::expect;
use mission_control::domain::mission::timeline::Timeline;
use mission_control::domain::mission::{
    EndReason, Mission, MissionOutcome, Policy, Record, Refusal, StopLevel, UnitState,
};
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{Millis, UnitId};
use mission_control::report::{GreenRef, Left, View, lines, live::Live, mission, mission_json, status, units};
use mission_control::sim::run_scenario;
use mission_control::sim::scenario::{Behaviour, Scenario};
use std::collections::BTreeSet;

fn id(text: &str) -> UnitId {
    UnitId::new(text).unwrap()
}

/// What a gone engine left behind: nothing.
static NOTHING_LEFT: Left = Left { requests: Vec::new(), agents: Vec::new() };

type Journal = Vec<(u64, Millis, Record)>;

/// Journal of a mission: `api` lands, `docs` breaks a test until it is rejected, `ui` depends on it, `ask` asks.
fn journal() -> Vec<(u64, Millis, Record)> {
    let unit = |name: &str, depends: &[&str]| {
        let mut spec = UnitSpec::new(id(name), &format!("Work on {name}"));
        spec.depends = depends.iter().map(|d| id(d)).collect();
        spec
    };
    let units = vec![unit("api", &[]), unit("docs", &[]), unit("ui", &["docs"]), unit("ask", &["api"])];
    let mut scenario = Scenario::new_calm(units, Policy { workers: 2, ..Policy::default() }, 7);
    scenario.behaviours.insert(id("docs"), vec![Behaviour::Breaks]);
    scenario.behaviours.insert(id("ask"), vec![Behaviour::Asks]);
    let mut journal = Vec::new();
    run_scenario(&scenario, |at, record| journal.push((journal.len() as u64 + 1, at, record.clone()))).unwrap();
    journal
}

fn state(journal: &[(u64, Millis, Record)]) -> Mission {
    Mission::replay(journal.iter().map(|(_, _, record)| record.clone())).unwrap()
}

fn green(state: &Mission) -> GreenRef {
    GreenRef { name: "refs/heads/mc/green".to_owned(), tip: state.green().map(|green| green.tip.clone()) }
}

fn view<'a>(journal: &'a [(u64, Millis, Record)], state: &'a Mission, engine: Option<u32>) -> View<'a> {
    View { now: journal.last().unwrap().1 + 5_000, state, records: journal, engine, left: &NOTHING_LEFT }
}

/// Cuts a journal after the first record that `last` accepts.
fn until(mut journal: Vec<(u64, Millis, Record)>, last: impl Fn(&Record) -> bool) -> Vec<(u64, Millis, Record)> {
    let end = journal.iter().position(|(_, _, record)| last(record)).unwrap();
    journal.truncate(end + 1);
    journal
}

#[test]
fn a_running_mission_says_what_it_does_and_what_is_next() {
    let journal = until(journal(), |r| matches!(r, Record::AttemptJudged { .. }));
    let state = state(&journal);
    expect![[r#"
        running, 0 of 4 units landed, round 1
        mission simulated: a simulated mission (44.2s)

        working
          docs  attempt 1 for 41.7s on local, slot 1: Work on docs

        merge queue
            1  api  waiting

        units: 2 pending + 1 running + 1 queued = 4 units
        green: mc/green at cae662172f, passes: 3 passed, 0 failed
        verifications: 1 run, 0 reused
        cost: unknown (2 attempts did not say)
        next: nothing; `mc events --follow` looks on, `mc mission stop` ends it
    "#]]
    .assert_eq(&status::text(Some(&view(&journal, &state, Some(1))), &green(&state)));
    expect!["0/4 landed, 2 pending | docs 41s | 1 queued, green cae662172f"]
        .assert_eq(&Live::of(&state).text(journal.last().unwrap().1 + 5_000, 200));
    let alone = status::text(Some(&view(&journal, &state, None)), &green(&state));
    assert!(alone.starts_with("interrupted, "), "{alone}");
    assert!(alone.ends_with("next: `mc mission resume`\n"), "{alone}");
}

#[test]
fn what_is_next_fits_where_the_mission_stands() {
    let at = 200_000;
    let running = || until(journal(), |r| matches!(r, Record::AttemptJudged { .. }));
    let waiting = || until(journal(), |r| matches!(r, Record::Waiting { .. }));
    let ready = || until(journal(), |r| matches!(r, Record::Established { .. }));
    let whole = |wanted: UnitState| {
        let units = vec![UnitSpec::new(id("a"), "A")];
        let mut scenario = Scenario::new_calm(units, Policy::default(), 7);
        let idle = if wanted == UnitState::NoOp { Behaviour::NoOp } else { Behaviour::Good };
        scenario.behaviours.insert(id("a"), vec![idle]);
        let mut journal = Vec::new();
        run_scenario(&scenario, |at, record| journal.push((journal.len() as u64 + 1, at, record.clone()))).unwrap();
        assert_eq!(state(&journal).units[0].state, wanted);
        journal
    };
    let stop = Record::StopRequested { level: StopLevel::Drain, at, why: EndReason::Person };
    let end = |outcome, code| Record::MissionEnded { at, outcome, reason: "why".to_owned(), code };
    let refused = |hint: &str| {
        let refusal = Refusal { reason: "why".to_owned(), hint: hint.to_owned(), exit: 6 };
        [Record::Refused { refusal }, end(MissionOutcome::Refused, 6)]
    };
    let ask = "answer ask (`mc unit show ask`): `mc unit retry ask --say TEXT`";
    let here = Some(1);
    let cases: Vec<(Journal, Vec<Record>, Option<u32>, String)> = vec![
        (running(), vec![Record::Paused { at }], here, "`mc mission resume` goes on".into()),
        (running(), vec![Record::Paused { at }], None, "`mc mission resume`".into()),
        (running(), vec![stop.clone()], here, "wait, or `mc mission stop --now` to kill what runs".into()),
        (waiting(), vec![], here, ask.into()),
        (waiting(), vec![Record::Paused { at }], here, format!("{ask}; `mc mission resume` ends the pause")),
        (waiting(), vec![], None, format!("{ask}, then `mc mission resume`")),
        (
            ready(),
            vec![end(MissionOutcome::Error, 1)],
            None,
            "mend what the first line names, then `mc mission start`".into(),
        ),
        (ready(), refused("do this").into(), None, "do this".into()),
        (ready(), refused("").into(), None, "mend what the first line names, then `mc mission start`".into()),
        (
            waiting(),
            vec![end(MissionOutcome::Stopped, 3)],
            None,
            "`git merge mc/green` takes what landed, `mc report` says what did not land and where the work is kept"
                .into(),
        ),
        (whole(UnitState::NoOp), vec![], None, "nothing was to be done; `mc report` has the details".into()),
        (
            whole(UnitState::Landed),
            vec![],
            None,
            "`git merge mc/green` takes what landed; `mc report` says what that is".into(),
        ),
    ];
    for (mut journal, more, engine, wanted) in cases {
        journal.extend(more.into_iter().map(|record| (1_000, at, record)));
        let state = state(&journal);
        let view = view(&journal, &state, engine);
        assert_eq!(status::next_action(&view, &green(&state)), wanted, "{:?}", journal.last());
        let text = status::text(Some(&view), &green(&state));
        assert!(text.ends_with(&format!("next: {wanted}\n")), "{text}");
    }
}

#[test]
fn a_held_unit_needs_you() {
    let journal = until(journal(), |r| matches!(r, Record::Waiting { .. }));
    let state = state(&journal);
    expect![[r#"
        waiting, 1 of 4 units landed, round 1: only held units are left
        mission simulated: a simulated mission (2m11s)

        needs you
          ask is held (`mc unit retry ask --say TEXT`)

        units: 1 landed + 1 held + 1 blocked + 1 rejected = 4 units
        green: mc/green at 24943aac4f, passes: 4 passed, 0 failed
        verifications: 4 run, 2 reused
        cost: unknown (5 attempts did not say)
        next: answer ask (`mc unit show ask`): `mc unit retry ask --say TEXT`, then `mc mission resume`
    "#]]
    .assert_eq(&status::text(Some(&view(&journal, &state, None)), &green(&state)));
    let json = status::json(Some(&view(&journal, &state, None)), &green(&state));
    expect![[r#"
        {
          "answers_wait": [],
          "cost": {
            "cap_usd": null,
            "counted_usd": 0.0,
            "ends_at": null,
            "known_usd": 0.0,
            "tokens": null,
            "unknown_attempts": 5,
            "usd": null
          },
          "ends_on_resume": false,
          "green": {
            "commit": "24943aac4f8a932d2c63482137969d9516295505",
            "ref": "refs/heads/mc/green",
            "tree": "270ce39f7fbe174c764cfd37d30b53fbccf108b4",
            "verdict": "helped"
          },
          "left_running": [],
          "mission": {
            "cause": null,
            "ended_at": null,
            "id": "simulated",
            "objective": "a simulated mission",
            "outcome": null,
            "standing": "waiting",
            "started_at": "1970-01-01T00:00:00Z",
            "state": "waiting"
          },
          "needs_you": [
            "ask is held (`mc unit retry ask --say TEXT`)"
          ],
          "queue": [],
          "rounds": [
            {
              "index": 1,
              "score": 0.25,
              "state": "closed",
              "wall_ms": 124823
            }
          ],
          "schema": 1,
          "skipped": [],
          "stop_waits": false,
          "times": {
            "away_ms": 5000,
            "verify_ms": 8060,
            "wall_ms": 131816
          },
          "units": [
            {
              "attempts": 1,
              "base": "cae662172fd450bb0cd710a769079c05bfc5d8e3",
              "commit": "24943aac4f8a932d2c63482137969d9516295505",
              "host": "local",
              "id": "api",
              "reason": null,
              "round": 1,
              "state": "landed",
              "times": {
                "phases": {
                  "land": 112,
                  "merge": 63,
                  "prepare": 36774,
                  "verify": 1324
                },
                "wall_ms": 38273
              },
              "title": "Work on api",
              "wave": 1
            },
            {
              "attempts": 3,
              "base": "24943aac4f8a932d2c63482137969d9516295505",
              "commit": null,
              "host": "local",
              "id": "docs",
              "reason": "1 test passed before and fails now: base-1",
              "round": 1,
              "state": "rejected",
              "times": {
                "phases": {
                  "merge": 1177,
                  "prepare": 95257,
                  "verify": 5360
                },
                "wall_ms": 101794
              },
              "title": "Work on docs",
              "wave": 1
            },
            {
              "attempts": 0,
              "base": null,
              "commit": null,
              "host": null,
              "id": "ui",
              "reason": "depends on docs",
              "round": 1,
              "state": "blocked",
              "times": {
                "phases": {
                  "planned": 101794
                },
                "wall_ms": 101794
              },
              "title": "Work on ui",
              "wave": 2
            },
            {
              "attempts": 1,
              "base": "24943aac4f8a932d2c63482137969d9516295505",
              "commit": null,
              "host": "local",
              "id": "ask",
              "reason": null,
              "round": 1,
              "state": "held",
              "times": {
                "phases": {
                  "away": 5000,
                  "planned": 101794,
                  "prepare": 22594
                },
                "wall_ms": 129388
              },
              "title": "Work on ask",
              "wave": 2
            }
          ],
          "verifications": {
            "reused": 2,
            "run": 4
          }
        }"#]]
    .assert_eq(&format!("{json:#}"));
}

#[test]
fn p9_the_report_adds_up_and_names_what_is_missing_on_green() {
    let journal = until(journal(), |r| matches!(r, Record::Waiting { .. }));
    let state = state(&journal);
    let view = view(&journal, &state, None);
    let landed = BTreeSet::from([id("api")]);
    expect![[r#"
        not over: waiting, 1 of 4 units landed, round 1: only held units are left; not done: 1 held, 1 blocked, 1 rejected; needs you: ask
        mission simulated has taken 2m11s in 1 round
        objective: a simulated mission (no check was run for it)
        units: 1 landed + 1 held + 1 blocked + 1 rejected = 4 units

        landed
          24943aac4f  api  helped, tests 3 passed, 0 failed -> 4 passed, 0 failed
            attempt 1, snapshot snapshot o; 1 new and passing

        not landed
          docs  rejected: 1 test passed before and fails now: base-1
            work kept at refs/mc/attempts/simulated/docs/3
            helps: `mc unit show docs`
          ui  blocked: depends on docs
            helps: `mc unit show docs`
          ask  held
            work kept at refs/mc/attempts/simulated/ask/1
            helps: `mc unit retry ask --say TEXT`

        verifications: 4 run = 1 of the base + 2 of candidates + 1 to confirm a failure; 2 reused a stored snapshot of the same tree
        the base: passes: 3 passed, 0 failed

        attempts: 5, 0.0s of run time; verification 6% of the time
        suspended: 5.0s
        slowest units
          docs    1m41s  prepare 1m35s, verify 5.3s, merge 1.1s
          api     38.2s  prepare 36.7s, verify 1.3s, land 0.1s
          ask     22.5s  prepare 22.5s
        cost: unknown (5 attempts did not say)

        look:  git log --first-parent --stat cae662172f..mc/green
        take:  git merge mc/green    (mc did not touch your own branches)
        undo one unit after taking it:  git revert -m 1 COMMIT
        prove: mc report --verify

        next: answer ask (`mc unit show ask`): `mc unit retry ask --say TEXT`, then `mc mission resume`
    "#]].assert_eq(&mission::text(&view, &green(&state), &landed));
    let json = mission_json::json(&view, &green(&state), &landed);
    let accounts = json["accounts"].as_object().unwrap();
    let sum: u64 = accounts.iter().filter(|(name, _)| *name != "total").filter_map(|(_, n)| n.as_u64()).sum();
    assert_eq!(sum, 4);
    assert_eq!(accounts["total"], 4);
    assert_eq!(json["cost"]["usd"], serde_json::Value::Null, "P9: unknown cost is never 0");
    assert!(json["missing_on_green"].as_array().unwrap().is_empty());

    let wrong = mission::text(&view, &green(&state), &BTreeSet::new());
    assert!(wrong.starts_with("WRONG: the journal says landed, mc/green does not contain: api;"), "{wrong}");
}

#[test]
fn units_are_listed_and_shown() {
    let journal = until(journal(), |r| matches!(r, Record::Waiting { .. }));
    let state = state(&journal);
    expect![[r#"
        unit  state        round  wave  attempts  commit      title
        api   landed           1     1         1  24943aac4f  Work on api
        docs  rejected         1     1         3  -           Work on docs
              1 test passed before and fails now: base-1
        ui    blocked          1     2         0  -           Work on ui
              depends on docs
        ask   held             1     2         1  -           Work on ask

        1 landed + 1 held + 1 blocked + 1 rejected = 4 units
    "#]]
    .assert_eq(&units::table(&view(&journal, &state, None)));
    let docs = state.unit(&id("docs")).unwrap();
    assert_eq!(docs.state, UnitState::Rejected);
    expect![[r#"
        docs: rejected
          title     Work on docs
          planned   round 1, wave 1, priority 2
          why       1 test passed before and fails now: base-1

        attempt 1: changed after 41.3s on local, slot 1, from cae662172f
          head    e69c6950d2 at refs/mc/attempts/simulated/docs/1

        attempt 2: changed after 30.7s on local, slot 0, from e69c6950d2
          head    382e447799 at refs/mc/attempts/simulated/docs/2

        attempt 3: changed after 23.1s on local, slot 0, from 382e447799
          head    8c57d8d342 at refs/mc/attempts/simulated/docs/3

        verification 6 refused attempt 3

        what later attempts are told
          - 1 test passed before and fails now: base-1
          - 1 test passed before and fails now: base-1

        look: git diff 24943aac4f...refs/mc/attempts/simulated/docs/3
        take: git switch -c docs refs/mc/attempts/simulated/docs/3
    "#]]
    .assert_eq(&units::show(&view(&journal, &state, None), docs));
    assert_eq!(units::show_json(&view(&journal, &state, None), docs)["unit"]["history"].as_array().unwrap().len(), 3);
}

#[test]
fn every_record_of_random_missions_has_at_most_one_line() {
    for seed in 0..40 {
        let mut state: Option<Mission> = None;
        let outcome = run_scenario(&random_scenario(seed), |_, record| {
            match &mut state {
                Some(state) => state.apply(record),
                None => state = Some(Mission::begin(record).unwrap()),
            }
            let line = lines::format_record(record, state.as_ref().unwrap()).unwrap_or_default();
            assert!(!line.chars().any(char::is_control), "{line:?}");
        });
        let outcome = outcome.unwrap();
        let times = Timeline::of(outcome.journal.iter().map(|record| (0, record)), 0);
        let runs: u64 = times.run_counts().iter().sum();
        assert_eq!(runs, outcome.state.verifications_run, "seed {seed}: runs are accounted for");
        assert_eq!(times.landed_landings().count() as u64, outcome.state.landed, "seed {seed}");
    }
}
