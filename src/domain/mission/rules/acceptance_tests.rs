//! Each row of the rules about a unit's own evidence, by `decide` alone.

use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{
    AcceptBefore, AttemptClass, Baseline, Claim, Command, DecidedBy, Event, Integration, JOURNAL_FORMAT, LandResult,
    Mission, NextMove, Noticed, PreQueueCheck, Quick, QuickEnd, Record, RejectClass, SessionReport, Unit, UnitState,
    Verification, VerifyRole, decide, in_workspace, quick_end,
};
use crate::domain::queue::VerificationRun;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, MissionId, Tip, TreeId, UnitId};
use crate::domain::verify::model::snapshot::StageResult;
use crate::domain::verify::{Delta, SnapshotKey, StageOutcome, Summary};

fn tip(digit: char) -> Tip {
    let id = digit.to_string().repeat(40);
    Tip { commit: CommitId::new(&id).unwrap(), tree: TreeId::new(&id).unwrap() }
}

fn unit(change: impl FnOnce(&mut UnitSpec)) -> UnitSpec {
    let mut unit = UnitSpec::new(UnitId::new("u").unwrap(), "u");
    change(&mut unit);
    unit
}

fn report() -> SessionReport {
    let mut report = SessionReport::from_end(ProcessEnd::Exited(0));
    (report.work.head, report.work.changed, report.agent.claim) = (Some(tip('b')), true, Some(Claim::Completed));
    report
}

fn quick(end: QuickEnd) -> Option<Quick> {
    Some(Quick { end, note: "lint: exit code 127".to_owned(), confirmed: true, ran: (1, 2) })
}

/// A mission of one unit that answers as it is told.
struct Play {
    state: Mission,
    commands: Vec<Command>,
    records: Vec<Record>,
}

impl Play {
    /// To the point where the unit's first attempt runs; green is `a`.
    fn new(unit: UnitSpec) -> Self {
        let first = Record::MissionStarted {
            format: JOURNAL_FORMAT,
            decided_by: DecidedBy::current(),
            mission: MissionId::new("m1").unwrap(),
            at: 0,
            objective: String::new(),
            policy: Box::default(),
            plan: Some(vec![unit]),
            settings: serde_json::Value::Null,
        };
        let mut play = Self { state: Mission::begin(&first).unwrap(), commands: Vec::new(), records: vec![first] };
        play.event(Event::Begun);
        play.event(Event::Preflight(Ok(Baseline {
            tip: tip('a'),
            create: true,
            environment: String::new(),
            notes: Vec::new(),
        })));
        play.says(StageOutcome::Passed);
        play.event(Event::Established(Ok(())));
        play.event(Event::TargetChecked(Ok(None)));
        assert_eq!(play.unit().state, UnitState::Running);
        play
    }

    fn event(&mut self, event: Event) {
        let step = decide(&mut self.state, 1_000, event);
        self.commands = step.commands;
        self.records.extend(step.records);
    }

    fn unit(&self) -> &Unit {
        &self.state.units[0]
    }

    fn attempt(&mut self, report: SessionReport) {
        let session = self.unit().attempts.last().unwrap().session;
        self.event(Event::SessionEnded { session, report: Box::new(report) });
    }

    /// The attempt changes something and merging it comes to this.
    fn merges(&mut self, result: Integration) {
        let landing = self.state.landing().expect("a landing").id;
        self.event(Event::Integrated { landing, result: Ok(result) });
    }

    /// A unit with these keys whose change is merged as candidate `c`.
    fn candidate(change: impl FnOnce(&mut UnitSpec)) -> Self {
        let mut play = Self::new(unit(change));
        play.attempt(report());
        play.merges(Integration::Candidate(tip('c').into()));
        play
    }

    /// What is verified now: commit, lines of the unit, whether it confirms.
    fn asked(&self) -> (Tip, Vec<&'static str>, bool) {
        let orders: Vec<_> =
            self.commands.iter().filter_map(|c| if let Command::Verify(o) = c { Some(o) } else { None }).collect();
        let [order] = orders[..] else { panic!("one verification was to be asked: {:?}", self.commands) };
        (order.tip.clone(), order.unit_checks.iter().map(|l| l.name).collect(), order.confirms.is_some())
    }

    /// The open verification ends like this.
    fn says(&mut self, outcome: StageOutcome) {
        let open = self.state.current_verification().cloned().expect("a verification");
        let summary = Summary {
            outcome,
            passed: 0,
            failed: 0,
            skipped: 0,
            findings: Default::default(),
            per_test: false,
            flaky: Vec::new(),
            note: "accept: exit code 1".to_owned(),
        };
        let key = SnapshotKey(format!("{:?} {:?}", open.role, open.tip.commit));
        let delta = open.against.as_ref().map(|_| Delta::default());
        let v = Verification {
            key,
            summary,
            delta,
            reused: false,
            confirmed: open.confirms.is_some(),
            warm: false,
            noticed: Noticed::default(),
        };
        self.event(Event::Verified { run: open.run, result: Ok(Box::new(v)) });
    }

    /// A person gives the unit a fresh start, and the mission, which waited for that, is resumed.
    fn answered(&mut self) {
        self.event(Event::ObjectiveChecked { round: 1, met: Ok(true), pins: Vec::new(), moved: None });
        self.event(Event::RetryUnit { unit: UnitId::new("u").unwrap(), answer: String::new() });
        self.event(Event::Resumed);
    }

    fn lands(&mut self) {
        let [Command::Land { landing, candidate, .. }] = &self.commands[..] else {
            panic!("no landing: {:?}", self.commands)
        };
        let (landing, now) = (*landing, candidate.clone());
        self.event(Event::LandEnded { landing, result: Ok(LandResult::Landed(now)) });
        assert_eq!(self.unit().state, UnitState::Landed);
        let again = Mission::replay(self.records.iter().cloned()).unwrap();
        assert!(again.equals_without_engine(&self.state), "P14: the journal folds to the same state");
    }
}

fn both(unit: &mut UnitSpec) {
    (unit.verify, unit.accept) = (Some("make lint".to_owned()), Some("./iso".to_owned()));
}

use StageOutcome::{Failed, NotRun, Passed};

#[test]
fn p1_p13_own_lines_run_beside_the_gate_and_are_named_in_the_intent() {
    let mut play = Play::candidate(both);
    assert_eq!(play.asked(), (tip('a'), vec!["accept"], false));
    play.says(Failed);
    assert_eq!(play.asked(), (tip('c'), vec![], false), "the gate verifies with its own stages");
    play.says(Passed);
    assert_eq!(play.asked(), (tip('c'), vec!["verify", "accept"], false));
    play.says(Passed);
    play.lands();
    let intent = play.records.iter().find_map(|r| match r {
        Record::LandIntended { accept_before, unit_checks, .. } => {
            Some((accept_before.is_some(), unit_checks.is_some()))
        }
        _ => None,
    });
    assert_eq!(intent, Some((true, true)));
    let green = play.state.green().unwrap();
    let (key, _) = green.snapshot.as_ref().expect("P13: the gate's after is the next before");
    assert!(key.0.starts_with("After"), "{key:?}");
    let Some(Record::Landed { reasons, .. }) = play.records.iter().rfind(|r| matches!(r, Record::Landed { .. })) else {
        panic!("no landing")
    };
    assert!(reasons.iter().any(|r| r.contains("`verify` and `accept` (failed before) passed")), "{reasons:?}");
}

#[test]
fn p1_a_gate_that_refuses_spends_nothing_on_own_lines() {
    let mut play = Play::candidate(|u| u.verify = Some("make lint".to_owned()));
    play.says(Failed);
    play.says(Failed);
    assert_eq!(play.unit().used, 1);
    assert!(
        !play
            .records
            .iter()
            .any(|r| matches!(r, Record::VerifyStarted(VerificationRun { role: VerifyRole::UnitChecks, .. })))
    );
}

#[test]
fn accept_that_passes_before_is_held_and_a_persons_retry_waives_it() {
    let mut play = Play::candidate(both);
    play.says(Passed);
    assert_eq!((play.unit().state, play.unit().used), (UnitState::Held, 0));
    let question = &play.unit().reason;
    assert!(question.contains("passes on green at aaaaaaaaaa without this change."), "{question}");
    assert!(question.contains("`mc unit retry u`"), "{question}");
    assert!(play.state.queue().next().is_none() && play.state.landing().is_none());
    play.answered();
    let [Command::Start(order)] = &play.commands[..] else { panic!("{:?}", play.commands) };
    assert_eq!(order.from, tip('b').commit, "the held work is not made again");
    play.attempt(report());
    play.merges(Integration::Candidate(tip('c').into()));
    assert_eq!(play.asked(), (tip('c'), vec![], false), "the before is waived");
    play.says(Passed);
    assert_eq!(play.asked().1, ["verify", "accept"], "the after is not");
    play.says(Passed);
    play.lands();
}

#[test]
fn p7_accept_that_cannot_run_before_is_confirmed_and_held() {
    let mut play = Play::candidate(both);
    play.says(NotRun);
    assert_eq!(play.asked(), (tip('a'), vec!["accept"], true));
    play.says(NotRun);
    assert_eq!((play.unit().state, play.unit().used), (UnitState::Held, 0));
    assert!(play.unit().reason.contains("could not run on green"), "{}", play.unit().reason);
    // A second run that says no is an answer.
    let mut play = Play::candidate(both);
    play.says(NotRun);
    play.says(Failed);
    assert_eq!(play.asked(), (tip('c'), vec![], false));
}

#[test]
fn what_does_not_pass_after_is_confirmed_and_refused_with_evidence() {
    for outcome in [Failed, NotRun] {
        let mut play = Play::candidate(both);
        play.says(Failed);
        play.says(Passed);
        play.says(outcome);
        assert_eq!(play.asked(), (tip('c'), vec!["verify", "accept"], true));
        play.says(outcome);
        assert_eq!((play.unit().state, play.unit().used), (UnitState::Running, 1));
        let Some(Record::Rejected { class, reasons, next, .. }) =
            play.records.iter().rfind(|r| matches!(r, Record::Rejected { .. }))
        else {
            panic!("not refused")
        };
        assert_eq!(*class, RejectClass::Verification);
        assert!(reasons[0].contains("accept: exit code 1"), "{reasons:?}");
        assert!(matches!(next, NextMove::Retry { own_work: true, .. }), "{next:?}");
        assert!(play.unit().evidence[0].contains("on the merged tree"), "{:?}", play.unit().evidence);
    }
}

#[test]
fn own_lines_that_fail_once_by_chance_do_not_stop_a_landing() {
    let mut play = Play::candidate(|u| u.verify = Some("make lint".to_owned()));
    assert_eq!(play.asked(), (tip('c'), vec![], false), "without `accept` nothing is asked before");
    play.says(Passed);
    play.says(Failed);
    play.says(Passed);
    play.lands();
}

#[test]
fn p4_a_crash_asks_the_same_lines_again() {
    for steps in 0..3 {
        let mut play = Play::candidate(both);
        let answers = [Failed, Passed];
        answers.into_iter().take(steps).for_each(|outcome| play.says(outcome));
        let asked = play.asked();
        play.state = Mission::replay(play.records.iter().cloned()).unwrap();
        play.event(Event::Resumed);
        assert_eq!(play.asked(), asked);
    }
}

#[test]
fn a_change_that_green_has_already_is_a_no_op_only_if_accept_passes_there() {
    let unchanged = || {
        let mut play = Play::new(unit(|u| u.accept = Some("./iso".to_owned())));
        play.attempt(report());
        play.merges(Integration::Unchanged);
        assert_eq!(play.asked(), (tip('a'), vec!["accept"], false));
        play
    };
    let mut play = unchanged();
    play.says(Passed);
    assert_eq!(play.unit().state, UnitState::NoOp);
    let mut play = unchanged();
    play.says(Failed);
    assert_eq!(play.asked(), (tip('a'), vec!["accept"], true));
    play.says(Failed);
    assert_eq!((play.unit().state, play.unit().used), (UnitState::Running, 1));
    let mut plain = Play::new(unit(|_| {}));
    plain.attempt(report());
    plain.merges(Integration::Unchanged);
    assert_eq!(plain.unit().state, UnitState::NoOp);
}

#[test]
fn protected_paths_refuse_before_anything_is_verified() {
    let mut play = Play::new(unit(|_| {}));
    play.attempt(report());
    let before = play.records.len();
    play.merges(Integration::Protected((0..50).map(|n| format!("tests/{n}")).collect()));
    assert!(!play.records[before..].iter().any(|r| matches!(r, Record::VerifyStarted(_))));
    let Record::Rejected { class: RejectClass::Verification, reasons, next, .. } = &play.records[before] else {
        panic!("{:?}", play.records[before])
    };
    assert!(reasons[0].contains("tests/0, tests/1,") && reasons[0].ends_with("tests/39 and 10 more"), "{reasons:?}");
    assert!(matches!(next, NextMove::Retry { own_work: true, .. }));
    assert_eq!(play.unit().used, 1);
}

#[test]
fn quick_stages_decide_before_the_queue() {
    for (end, state, class, used) in [
        (QuickEnd::Passed, UnitState::Queued, AttemptClass::Changed, 0),
        (QuickEnd::Failed, UnitState::Running, AttemptClass::FailedQuick, 1),
        (QuickEnd::Cut, UnitState::Running, AttemptClass::FailedQuick, 1),
        (QuickEnd::Missing, UnitState::Held, AttemptClass::Held, 0),
    ] {
        let mut play = Play::new(unit(|_| {}));
        let mut report = report();
        assert_eq!(in_workspace(&report, &play.unit().spec), Some(PreQueueCheck::Quick));
        report.checks.quick = quick(end);
        play.attempt(report);
        assert_eq!((play.unit().state, play.unit().attempts[0].class, play.unit().used), (state, Some(class), used));
        if state == UnitState::Running {
            assert!(play.unit().evidence[0].contains("the quick stages refuse it: lint: exit code 127"));
            assert_eq!(play.unit().attempts[1].from, tip('b').commit, "from its own work");
        }
        if state == UnitState::Held {
            assert!(play.unit().reason.contains("install it, then"), "{}", play.unit().reason);
            play.answered();
            assert_eq!(play.unit().attempts[1].from, tip('b').commit, "nothing is made twice");
        }
    }
}

#[test]
fn p8_a_no_op_of_a_unit_with_accept_must_pass_it() {
    for (end, state) in [
        (QuickEnd::Passed, UnitState::NoOp),
        (QuickEnd::Failed, UnitState::Running),
        (QuickEnd::Missing, UnitState::Held),
    ] {
        let mut play = Play::new(unit(both));
        let mut report = report();
        report.work.changed = false;
        assert_eq!(in_workspace(&report, &play.unit().spec), Some(PreQueueCheck::Accept));
        report.checks.quick = quick(end);
        play.attempt(report);
        assert_eq!(play.unit().state, state);
    }
}

#[test]
fn only_work_that_would_be_queued_is_looked_at() {
    let unit = unit(|_| {});
    let with = |change: &dyn Fn(&mut SessionReport)| {
        let mut report = report();
        change(&mut report);
        in_workspace(&report, &unit)
    };
    assert_eq!(with(&|r| r.run.end = ProcessEnd::Exited(1)), None);
    assert_eq!(with(&|r| r.run.end = ProcessEnd::Stopped), None);
    assert_eq!(with(&|r| r.agent.claim = Some(Claim::Blocked)), None);
    assert_eq!(with(&|r| r.work.half_merge = true), None);
    assert_eq!(with(&|r| r.hold = Some("look".to_owned())), None);
    assert_eq!(with(&|r| r.work.changed = false), None);
    assert_eq!(with(&|_| {}), Some(PreQueueCheck::Quick));
}

#[test]
fn p7_a_stage_of_a_workspace_that_did_not_run_never_passes() {
    let stage = |outcome, exit| StageResult { outcome, exit, ..StageResult::default() };
    let passed = || stage(Passed, Some(0));
    for (stages, wanted) in [
        (vec![passed()], QuickEnd::Passed),
        (vec![passed(), stage(Failed, Some(1)), stage(NotRun, Some(127))], QuickEnd::Failed),
        (vec![stage(NotRun, Some(127)), stage(NotRun, None)], QuickEnd::Cut),
        (vec![stage(NotRun, Some(126)), passed()], QuickEnd::Missing),
    ] {
        assert_eq!(quick_end(&stages), wanted, "{stages:?}");
    }
}

#[test]
fn no_agent_is_started_where_accept_does_not_fail_and_a_person_may_want_it_all_the_same() {
    let wanted = |play: &Play| play.state.attempt_order(&play.unit().spec.id).unwrap().accept_first;
    let mut play = Play::new(unit(|u| u.accept = Some("test".to_owned())));
    assert!(wanted(&play));
    let before = AcceptBefore { key: SnapshotKey("k".to_owned()), outcome: StageOutcome::Passed, runs: 1 };
    let mut report = SessionReport::not_started("is it done?".to_owned());
    report.checks.accept = Some(before);
    play.attempt(report);
    assert_eq!(play.state.verifications_run, 2, "with the base");
    assert_eq!((play.unit().state, play.unit().used, play.unit().reason.as_str()), (UnitState::Held, 0, "is it done?"));
    let account = play.state.account;
    assert_eq!((account.unknown, account.unknown_tokens, account.usd.0), (0, 0, 0), "nothing was paid");
    play.answered();
    assert!(!wanted(&play), "from now on it only has to pass afterwards");
    // A script is no agent, and without the line there is nothing to ask.
    let script = |u: &mut UnitSpec| (u.accept, u.run) = (Some("test".to_owned()), Some("true".to_owned()));
    assert!(!wanted(&Play::new(unit(script))));
    assert!(!wanted(&Play::new(unit(|_| ()))));
}
