//! Where the time of a unit goes, record by record.

use super::*;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{AttemptClass, MergeSource, NextMove, Record, Role, SessionReport, VerifyRole};
use crate::domain::queue::VerificationRun;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, HostId, LandingId, Millis, RunId, Tip, TreeId, UnitId};
use crate::domain::values::{RequestId, SessionId};
use crate::domain::verify::{SnapshotKey, StageOutcome, Summary, Verdict};
use std::collections::BTreeMap;
use std::sync::Arc;

fn id(text: &str) -> UnitId {
    UnitId::new(text).unwrap()
}

fn commit() -> CommitId {
    CommitId::new(&"a".repeat(40)).unwrap()
}

fn tip() -> Tip {
    Tip { commit: commit(), tree: TreeId::new(&"b".repeat(40)).unwrap() }
}

fn planned(units: &[(&str, &[&str])]) -> Record {
    let specs = units.iter().map(|(unit, depends)| {
        let mut spec = UnitSpec::new(id(unit), unit);
        spec.depends = depends.iter().map(|d| id(d)).collect();
        Arc::new(spec)
    });
    let wave_of = units.iter().map(|(_, depends)| u32::from(!depends.is_empty())).collect();
    Record::RoundPlanned {
        round: 1,
        units: specs.collect(),
        edges: Vec::new(),
        wave_of,
        left_over: 0,
        skipped: Vec::new(),
        reopened: Vec::new(),
    }
}

fn wave(wave: u32, at: Millis) -> (Millis, Record) {
    (at, Record::WaveOpened { round: 1, wave, at, green: commit() })
}

/// The only session of a unit.
fn session(unit: &str) -> SessionId {
    SessionId(unit.as_bytes()[0].into())
}

fn starts(unit: &str, n: u32, at: Millis) -> (Millis, Record) {
    let (host, evidence) = (HostId::local(), Vec::new());
    let (session, role, unit) = (session(unit), Role::Worker, id(unit));
    (
        at,
        Record::SessionStarted { session, role, unit, n, slot: 0, at, host, green: commit(), from: commit(), evidence },
    )
}

fn ends(unit: &str, n: u32, at: Millis, ran: (Millis, Millis), next: NextMove) -> [(Millis, Record); 2] {
    let mut report = Box::new(SessionReport::from_end(ProcessEnd::Exited(0)));
    report.run.ran = Some(ran);
    let (session, unit, class) = (session(unit), id(unit), AttemptClass::Changed);
    [
        (at, Record::SessionEnded { session, at, report }),
        (at, Record::AttemptJudged { session, unit, n, at, class, next }),
    ]
}

fn verify(run: RunId, at: Millis) -> (Millis, Record) {
    (
        at,
        Record::VerifyStarted(VerificationRun {
            run,
            landing: None,
            tip: tip(),
            role: VerifyRole::After,
            host: HostId::local(),
            at,
            against: None,
            confirms: None,
            cold: false,
        }),
    )
}

fn verified(run: RunId, at: Millis) -> (Millis, Record) {
    let summary = Summary {
        outcome: StageOutcome::Passed,
        passed: 1,
        failed: 0,
        skipped: 0,
        findings: BTreeMap::new(),
        per_test: true,
        flaky: Vec::new(),
        note: String::new(),
    };
    let key = SnapshotKey("k".to_owned());
    (at, Record::Verified { run, at, key, summary, delta: None, reused: false, confirmed: false, warm: false })
}

fn landed(unit: &str, mr: RequestId, at: Millis) -> (Millis, Record) {
    let source = MergeSource::Unit { unit: id(unit), n: 1 };
    let verdict = Verdict::Helped;
    (
        at,
        Record::Landed {
            landing: LandingId(1),
            mr,
            source,
            at,
            candidate: tip(),
            green: tip(),
            verdict,
            reasons: Vec::new(),
        },
    )
}

fn read(journal: &[(Millis, Record)], now: Millis) -> Timeline<'_> {
    Timeline::of(journal.iter().map(|(at, record)| (*at, record)), now)
}

fn of_unit<'t>(times: &'t Timeline<'_>, unit: &str) -> &'t UnitTimes {
    times.units.iter().find(|found| found.unit == id(unit)).unwrap()
}

/// Phases that took time.
fn shown(times: &Timeline<'_>, unit: &str) -> String {
    let phases = &of_unit(times, unit).phases;
    let parts = phases.iter().filter(|(_, time)| *time > 0).map(|(phase, time)| format!("{} {time}", phase.name()));
    parts.collect::<Vec<_>>().join(", ")
}

fn night() -> Vec<(Millis, Record)> {
    let [ended, judged] = ends("a", 1, 400, (200, 380), NextMove::Queue { mr: RequestId(1) });
    vec![
        (100, Record::RoundOpened { round: 1, at: 100 }),
        (110, planned(&[("a", &[]), ("b", &["a"])])),
        wave(0, 120),
        starts("a", 1, 150),
        ended,
        judged,
        (430, Record::LandingStarted { mr: RequestId(1), landing: LandingId(1), onto: tip(), at: 430 }),
        (440, Record::CandidateMade { landing: LandingId(1), made: tip().into() }),
        verify(RunId(1), 441),
        verified(RunId(1), 541),
        landed("a", RequestId(1), 550),
        wave(1, 551),
        starts("b", 1, 560),
    ]
}

#[test]
fn each_moment_of_a_unit_belongs_to_one_phase() {
    let journal = night();
    let times = read(&journal, 1_000);
    assert_eq!(
        shown(&times, "a"),
        "planned 10, waiting 30, prepare 50, agent 180, collect 20, queue 30, merge 10, verify 100, land 10"
    );
    assert_eq!(of_unit(&times, "a").span, Span { from: 110, until: Some(550) });
    assert_eq!(shown(&times, "b"), "planned 441, waiting 9, prepare 440");
    assert_eq!(times.verifying_time(1_000), 100);
    assert_eq!(times.rounds[0].waves, [Span { from: 120, until: Some(551) }, Span { from: 551, until: None }]);
    for unit in &times.units {
        assert_eq!(unit.phases.total(), unit.span.length(1_000));
    }
}

#[test]
fn a_suspended_mission_is_away_and_a_fresh_start_ends_the_parking() {
    let mut journal = night();
    journal.extend(ends("b", 1, 600, (570, 590), NextMove::Fail { reason: String::new() }));
    journal.push((700, Record::Suspended { at: 700, code: 130, cause: None }));
    let times = read(&journal, 900);
    assert_eq!(shown(&times, "b"), "planned 441, waiting 9, prepare 10, agent 20, collect 10", "it ended");
    assert_eq!(times.away, 200);
    journal.push((900, Record::Resumed { at: 900, decided_by: None }));
    journal.push((910, Record::UnitRetried { unit: id("b"), at: 910, answer: String::new() }));
    journal.push((920, Record::Suspended { at: 920, code: 130, cause: None }));
    let times = read(&journal, 1_000);
    assert_eq!(
        shown(&times, "b"),
        "planned 441, waiting 19, prepare 10, agent 20, collect 10, parked 310, away 80",
        "parked until the fresh start, then ready, then away"
    );
    assert_eq!(times.away, 280);
}

#[test]
fn a_report_that_lies_about_its_run_cannot_make_time() {
    let mut journal = night();
    journal.extend(ends("b", 1, 600, (0, u64::MAX), NextMove::Hold { question: String::new(), own_work: false }));
    let times = read(&journal, 700);
    assert_eq!(shown(&times, "b"), "planned 441, waiting 9, agent 40, parked 100");
}
