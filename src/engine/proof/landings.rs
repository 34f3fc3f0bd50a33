//! Landings and refusals: git, the snapshots and the rules say again what the journal says.

use super::rules::rules_of;
use super::snapshots::Bodies;
use super::{Case, records};
use crate::adapters::git::merge::{MergeRepo, Merged};
use crate::domain::mission::{
    Landing, MergeSource, NextMove, Record, RejectClass, State, VerifyRole, again, extra_stages,
};
use crate::domain::values::{Millis, Tip, UnitId};
use crate::domain::verify::verdict::judge;
use crate::domain::verify::{Demands, SnapshotKey, StageOutcome, Verdict};
use crate::engine::books;
use crate::engine::error::EngineError;
use crate::engine::landing::NOT_FROM_AGENTS;
use crate::report::words::{attempt_ref, word};

/// How far a commit's date may be from the rows around it: git writes whole seconds.
const SLACK: Millis = 2_000;

/// Checks one landing, in the state before it is folded.
pub(super) async fn landed(
    case: &mut Case<'_>,
    bodies: &mut Bodies,
    state: &mut State,
    record: &Record,
) -> Result<(), EngineError> {
    let Record::Landed { landing, mr, source, at, candidate, green, verdict, reasons } = record else { return Ok(()) };
    let open = state.landing_by(*landing).filter(|open| open.mr.id == *mr && open.mr.source == *source);
    let (name, place) = match source {
        MergeSource::Unit { unit, .. } => (unit.to_string(), case.landed_at(unit)),
        MergeSource::Intake => ("target branch".to_owned(), None),
        MergeSource::Books { round } => (format!("progress of round {round}"), None),
    };
    let below = |keys: &[&str]| -> Vec<String> {
        place.iter().flat_map(|place| keys.iter().map(move |key| format!("{place}/{key}"))).collect()
    };
    let short = candidate.commit.short();
    let Some(open) = open else {
        let why = format!("no landing of its merge request {mr} was open");
        case.claim(format!("{name}: landed at {short}"), &below(&["commit"]), &[why], &[]);
        return Ok(());
    };
    let (broken, unknown) = on_green(case, open, candidate, green, source).await?;
    let home = match case.taken_back.get(&candidate.commit) {
        Some(n) => format!("a person took back (rollback {n})"),
        None => "green contains once".to_owned(),
    };
    case.claim(format!("{name}: landed at {short}, which {home}"), &below(&["commit"]), &broken, &unknown);
    let broken = dated(case, open, candidate, *at).await?;
    let covers = below(&["evidence/landed_at"]);
    case.claim(format!("{name}: its commit was made while it was being landed"), &covers, &broken, &[]);
    if let MergeSource::Unit { unit, n } = source {
        let broken = trailers(case, open, candidate, unit, *n).await?;
        case.claim(format!("{name}: its commit says so itself"), &below(&["evidence/snapshot"]), &broken, &[]);
        let broken = contained(case, open, candidate, unit, *n).await?;
        let covers = below(&["evidence/attempt", "ref"]);
        case.claim(format!("{name}: what landed is the work of attempt {n}"), &covers, &broken, &[]);
    }
    if matches!(source, MergeSource::Books { .. }) {
        super::books::written(case, state, open, candidate).await?;
    }
    let (mut broken, mut unknown) = judged(case, bodies, state, open, *verdict)?;
    let open = open.clone();
    if again::reasons(state, &open) != *reasons {
        rules_of(state).tell("its reasons are others".to_owned(), &mut broken, &mut unknown);
    }
    case.claim(format!("{name}: judged {}, and lands", word(verdict)), &below(&["verdict"]), &broken, &unknown);
    Ok(())
}

async fn on_green(
    case: &Case<'_>,
    open: &Landing,
    candidate: &Tip,
    then: &Tip,
    source: &MergeSource,
) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let (mut broken, mut unknown) = (Vec::new(), Vec::new());
    let Some(commit) = case.commit(&candidate.commit).await? else {
        return Ok((vec!["there is no such commit".to_owned()], unknown));
    };
    if commit.tree != candidate.tree {
        broken.push("the commit has another tree".to_owned());
    }
    if open.intended().is_none() {
        broken.push("it landed without a journaled intent".to_owned());
    }
    if open.candidate() != Some(candidate) {
        broken.push("it is not the commit that was verified".to_owned());
    }
    let on_line = case.line.get(&candidate.commit).is_some();
    let taken_back = case.taken_back.get(&candidate.commit).copied();
    if let Some(n) = taken_back {
        let pin = format!("refs/mc/rolled-back/{n}");
        match case.git.ref_value(&pin).await? {
            Some(old) if case.git.is_ancestor(&candidate.commit, &old).await? => {}
            _ => broken.push(format!("{pin} does not contain it")),
        }
    }
    match &case.look.green.tip {
        _ if taken_back.is_some() => {}
        None => broken.push("green does not exist".to_owned()),
        Some(_) if on_line => {}
        Some(green) if !case.git.is_ancestor(&candidate.commit, &green.commit).await? => {
            broken.push(format!("green at {} does not contain it", green.commit.short()));
        }
        Some(_) => {}
    }
    if then == candidate {
        // Green was moved to it and to nothing else.
    } else if case.git.resolve(then.commit.as_str()).await?.is_none() {
        broken.push(format!("green is said to have stood at {}, which does not exist", then.commit.short()));
    } else if !case.git.is_ancestor(&candidate.commit, &then.commit).await? {
        broken.push(format!("green is said to have stood at {}, which does not contain it", then.commit.short()));
    }
    let MergeSource::Unit { unit, .. } = source else { return Ok((broken, unknown)) };
    if commit.parents.first() != Some(&open.onto.commit) {
        broken.push(format!("it was not made on green at {}", open.onto.commit.short()));
    }
    if broken.is_empty() && !on_line && taken_back.is_none() {
        let why = "green contains it, and its first-parent line does not".to_owned();
        let moved = records(case.history).any(|record| matches!(record, Record::GreenMoved { .. }));
        let last = records(case.history).filter_map(|record| match record {
            Record::Landed { green, .. } => Some(&green.commit),
            _ => None,
        });
        let ours = case.look.green.tip.as_ref().map(|tip| &tip.commit) == last.last();
        if ours && !moved { &mut broken } else { &mut unknown }.push(why);
    }
    let mission = case.mission().as_str();
    let times = case.line.landings(mission).filter(|(_, landed)| *landed == unit.as_str()).count();
    if times > 1 {
        broken.push(format!("{times} commits of green say that they landed it"));
    }
    Ok((broken, unknown))
}

async fn dated(case: &Case<'_>, open: &Landing, candidate: &Tip, at: Millis) -> Result<Vec<String>, EngineError> {
    if open.mr.source == MergeSource::Intake {
        // What is taken in may be a commit of the target branch itself.
        return Ok(Vec::new());
    }
    let began = case.history.records.iter().rev().find_map(|(_, at, record)| match record {
        Record::LandingStarted { landing, .. } if *landing == open.id => Some(*at),
        _ => None,
    });
    let (Some(commit), Some(began)) = (case.commit(&candidate.commit).await?, began) else { return Ok(Vec::new()) };
    let date = commit.date.saturating_mul(1_000);
    Ok(match date + SLACK < began || date > at + SLACK {
        true => vec![format!("it is dated {date}, outside of {began} to {at}")],
        false => Vec::new(),
    })
}

async fn trailers(
    case: &Case<'_>,
    open: &Landing,
    candidate: &Tip,
    unit: &UnitId,
    n: u32,
) -> Result<Vec<String>, EngineError> {
    let Some(commit) = case.commit(&candidate.commit).await? else { return Ok(vec!["it does not exist".to_owned()]) };
    // The commit was made before anybody knew what its verification would find beside the tree.
    let after = open.after();
    let key = after.map(|after| after.key.0.clone()).unwrap_or_default();
    let warm = after.is_some_and(|after| after.warm);
    let wanted = [
        ("Mc-Mission", case.mission().to_string()),
        ("Mc-Unit", unit.to_string()),
        ("Mc-Attempt", n.to_string()),
        ("Mc-Verified-Tree", candidate.tree.as_str().to_owned()),
        ("Mc-Snapshot", key),
    ];
    let mut broken = Vec::new();
    for (name, value) in wanted {
        match commit.trailer(name) {
            Some(found) if found == value => {}
            Some(found) if warm && name == "Mc-Snapshot" && SnapshotKey(found.to_owned()).warm().0 == value => {}
            Some(found) => broken.push(format!("its trailer {name} is {found}, not {value}")),
            None => broken.push(format!("it lacks the trailer {name}")),
        }
    }
    Ok(broken)
}

async fn contained(
    case: &Case<'_>,
    open: &Landing,
    candidate: &Tip,
    unit: &UnitId,
    n: u32,
) -> Result<Vec<String>, EngineError> {
    let head = &open.mr.head.commit;
    let mut broken = Vec::new();
    let name = attempt_ref(case.mission(), unit, n);
    match case.pins.get(&name) {
        Some(pinned) if pinned == head => {}
        Some(pinned) => broken.push(format!("its attempt is pinned at {}, not at {}", pinned.short(), head.short())),
        // Its own commit keeps what was landed.
        None if case.cleaned.get(name.as_str()) == Some(&head) => {}
        None => broken.push("its attempt is not pinned".to_owned()),
    }
    let Some(commit) = case.commit(&candidate.commit).await? else { return Ok(broken) };
    if commit.parents.contains(head) {
        return Ok(broken);
    }
    let there = case.git.resolve(head.as_str()).await?.is_some();
    if !there || !case.git.is_ancestor(head, &candidate.commit).await? {
        broken.push(format!("it does not contain the attempt's head {}", head.short()));
    }
    Ok(broken)
}

/// Judges the open landing again, by the figures the journal has of it; those are compared with the snapshots elsewhere.
fn judged(
    case: &Case<'_>,
    bodies: &mut Bodies,
    state: &State,
    open: &Landing,
    verdict: Verdict,
) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let before = state.green().and_then(|green| green.snapshot.as_ref());
    let (Some((before_key, before)), Some(after)) = (before, open.after()) else {
        return Ok((vec!["it was not verified before and after".to_owned()], Vec::new()));
    };
    let (mut broken, mut unknown) = (Vec::new(), Vec::new());
    let allowed = may_remove_tests(state, &open.mr.source);
    let policy = &state.policy;
    let demands = Demands { gate: policy.gate, ratchet: policy.ratchet, allow_removed_tests: allowed };
    let again = judge(&state.with_flaky(before.clone()), &after.summary, &after.delta, &demands);
    if again.verdict != verdict {
        let why = format!("its snapshots say {}", word(&again.verdict));
        rules_of(state).decide(why, &mut broken, &mut unknown);
    }
    if !again.lands {
        let why = format!("the gate refuses it: {}", again.reasons.join("; "));
        rules_of(state).decide(why, &mut broken, &mut unknown);
    }
    if open.intended().is_some_and(|intended| intended != verdict) {
        broken.push("its intent had another verdict".to_owned());
    }
    if let MergeSource::Unit { unit, .. } = &open.mr.source
        && let Some(unit) = state.unit(unit)
        && !extra_stages(VerifyRole::Extra, &unit.spec).is_empty()
        && open.extra().is_none_or(|extra| extra.summary.outcome != StageOutcome::Passed)
    {
        broken.push("its own lines did not pass".to_owned());
    }
    let mut environments = Vec::new();
    for (what, key) in [("before", before_key), ("after", &after.key)] {
        let found = bodies.now(case, key)?;
        environments.extend(found.as_ref().ok().map(|known| known.snapshot.fingerprint.clone()));
        match found {
            Ok(known) if known.snapshot.summary().outcome == StageOutcome::NotRun => {
                broken.push(format!("the snapshot {what} was not run"));
            }
            Ok(_) => {}
            // What it landed with is never cleaned away, whatever a record says.
            Err(why) if key != &after.key && case.cleaned_snapshots.contains(key) => unknown.push(why),
            Err(_) => broken.push(format!("no snapshot {} from {what} it is stored", key.short())),
        }
    }
    if let [before, after] = &environments[..]
        && before != after
    {
        broken.push("the two snapshots were made in different environments".to_owned());
    }
    Ok((broken, unknown))
}

fn may_remove_tests(state: &State, source: &MergeSource) -> bool {
    match source {
        MergeSource::Unit { unit, .. } => state.unit(unit).is_some_and(|u| u.spec.allow_removed_tests),
        MergeSource::Intake => true,
        MergeSource::Books { .. } => false,
    }
}

/// Checks one refusal, in the state before it is folded.
pub(super) async fn rejected(
    case: &mut Case<'_>,
    state: &State,
    at: Millis,
    record: &Record,
) -> Result<(), EngineError> {
    let Record::Rejected { landing, mr, source, class, reasons, next, .. } = record else { return Ok(()) };
    let (what, covers) = match source {
        MergeSource::Unit { unit, n } => {
            let place = case.place("not_landed", unit);
            (format!("{unit} attempt {n}: refused ({})", word(class)), place.map(|p| format!("{p}/reason")))
        }
        MergeSource::Intake => (format!("target branch: refused ({})", word(class)), None),
        MergeSource::Books { round } => (format!("progress of round {round}: refused ({})", word(class)), None),
    };
    let covers: Vec<String> = covers.into_iter().collect();
    let open = state.landing_by(*landing).filter(|open| open.mr.id == *mr && open.mr.source == *source);
    let Some(open) = open else {
        case.claim(what, &covers, &[format!("no landing of its merge request {mr} was open")], &[]);
        return Ok(());
    };
    let (mut broken, mut unknown) = (Vec::new(), Vec::new());
    match class {
        RejectClass::Verification | RejectClass::Unproven => match again::refusal(state, at) {
            Some(again) if again == *record => {}
            Some(Record::Rejected { class: decided, next: follows, .. })
                if decided == *class && follows.is_same(next) =>
            {
                rules_of(state).tell("the snapshots give other reasons".to_owned(), &mut broken, &mut unknown);
            }
            Some(_) => {
                rules_of(state).decide("the snapshots give another refusal".to_owned(), &mut broken, &mut unknown);
            }
            None => unknown.push("merging told that it touches protected paths".to_owned()),
        },
        RejectClass::Infrastructure => unknown.push("what the machine did is not made again".to_owned()),
        RejectClass::Meddling => {
            // It may have told of other changes as well, or earlier of this one.
            let tells = |told: &String| reasons.iter().any(|reason| told.starts_with(first_words(reason)));
            let said = state.repository.iter().any(tells);
            if !said {
                broken.push("no record tells that the repository changed while its change was verified".to_owned());
            }
        }
        RejectClass::Conflict => conflict(case, open, reasons, &mut broken, &mut unknown).await?,
    }
    let told = match next {
        NextMove::Retry { because, .. }
        | NextMove::Reject { reason: because }
        | NextMove::Fail { reason: because }
        | NextMove::Hold { question: because, .. } => Some(because),
        _ => None,
    };
    if told.is_none_or(|told| *told != reasons.join("\n")) {
        broken.push("what follows from it gives other reasons".to_owned());
    }
    case.claim(what, &covers, &broken, &unknown);
    Ok(())
}

/// What changed, of a reason that also says when and what to do.
fn first_words(reason: &str) -> &str {
    reason.split_once(" while its change was verified").map_or(reason, |(what, _)| what)
}

/// Merges once more, in the directory where candidates are made.
async fn conflict(
    case: &Case<'_>,
    open: &Landing,
    reasons: &[String],
    broken: &mut Vec<String>,
    unknown: &mut Vec<String>,
) -> Result<(), EngineError> {
    for commit in [&open.onto.commit, &open.mr.head.commit] {
        if case.git.resolve(commit.as_str()).await?.is_none() {
            unknown.push(format!("{} does not exist any more", commit.short()));
            return Ok(());
        }
    }
    let union = case.settings.as_ref().map_or(&[][..], |settings| &settings.queue.union);
    let merge = MergeRepo::open(case.project.state.root(), &case.git, &case.project.facts, union).await?;
    let head = &open.mr.head.commit;
    let merged = match open.mr.source {
        MergeSource::Intake => books::take_in(&case.git, &merge, &open.onto, head).await?,
        _ => merge.merge(&open.onto, head, &NOT_FROM_AGENTS).await?,
    };
    match merged {
        Merged::Conflict { files, .. } => {
            let again = format!("conflicts with green in {}", files.join(", "));
            if reasons.first() != Some(&again) {
                broken.push(format!("merged again it {again}"));
            }
        }
        Merged::Tree(_) | Merged::Unchanged => broken.push("merged again it has no conflict".to_owned()),
    }
    Ok(())
}
