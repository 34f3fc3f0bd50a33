//! Landings and refusals: git, the snapshots and the rules say again what the journal says.

use super::case::{Case, Checked, Scope};
use super::rules::rules_of;
use super::snapshots::{Bodies, check_key, filter_tree, load_snapshot};
use crate::engine::inspect::history::records;

use crate::adapters::git::merge::{MergeRepo, Merged};
use crate::domain::mission::{Landing, MergeSource, Mission, NextMove, Record, RejectClass, State, rejudge};
use crate::domain::queue::Accept;
use crate::domain::values::{Millis, Tip, TreeId, UnitId};
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::{SnapshotKey, StageOutcome, Verdict};
use crate::engine::tasks::bookkeeping;
use crate::engine::tasks::candidate::NOT_FROM_AGENTS;
use crate::report::{Findings, attempt_ref, source_name, word};

/// Checks that moving green had to be intended just like that, in the state before the record is folded: its verdict, and what it
/// rests on, a unit's own lines before and after as well.
pub(super) fn check_intended(case: &mut Case<'_>, state: &Mission, at: Millis, record: &Record) {
    let Record::LandIntended { landing, candidate, .. } = record else { return };
    let mut found = Findings::default();
    if rejudge::find_decision(state, at).as_ref() != Some(record) {
        rules_of(state).report_decision("what is known does not let it land, or not like that", &mut found);
    }
    let name = state.landing_by(*landing).map_or_else(String::new, |open| source_name(&open.mr.source) + ": ");
    case.add_claim(format!("{name}it follows that {} lands", candidate.commit.short_id()), found);
}

/// How far a commit's date may be from the rows around it: git writes whole seconds.
const SLACK: Millis = 2_000;

/// Checks one landing, in the state before it is folded.
pub(super) async fn check_landed(
    case: &mut Case<'_>,
    bodies: &mut Bodies,
    state: &mut Mission,
    record: &Record,
) -> Checked {
    let Record::Landed { landing, mr, source, at, candidate, green, verdict, reasons } = record else { return Ok(()) };
    let open = state.landing_by(*landing).filter(|open| open.mr.id == *mr && open.mr.source == *source);
    let (name, place) = (source_name(source), source.unit().and_then(|unit| case.landed_pointer(unit)));
    let below = |keys: &[&str]| -> Vec<String> {
        place.iter().flat_map(|place| keys.iter().map(move |key| format!("{place}/{key}"))).collect()
    };
    let short = candidate.commit.short_id();
    let Some(open) = open else {
        let found = Findings::from_broken(format!("no landing of its merge request {mr} was open"));
        case.add_claim(format!("{name}: landed at {short}"), found).cover_places(below(&["commit"]));
        return Ok(());
    };
    let found = check_on_green(case, open, candidate, green).await?;
    let home = match case.taken_back.get(&candidate.commit) {
        Some(n) => format!("a person took back (rollback {n})"),
        None => "green contains once".to_owned(),
    };
    let (whole, stands) = (case.scope == Scope::Report, found.is_empty());
    case.add_claim(format!("{name}: landed at {short}, which {home}"), found).cover_places(below(&["commit"]));
    if whole {
        let found = check_date(case, open, candidate, *at).await?;
        let covers = below(&["evidence/landed_at"]);
        case.add_claim(format!("{name}: its commit was made while it was being landed"), found).cover_places(covers);
    }
    if let MergeSource::Unit { unit, n } = source
        && (whole || stands)
    {
        let found = check_trailers(case, open, candidate, unit, *n).await?;
        case.add_claim(format!("{name}: its commit says so itself"), found).cover_places(below(&["evidence/snapshot"]));
        if whole {
            let found = check_contained(case, open, candidate, unit, *n).await?;
            let covers = below(&["evidence/attempt", "ref"]);
            case.add_claim(format!("{name}: what landed is the work of attempt {n}"), found).cover_places(covers);
        }
    }
    if !whole {
        if let Some(intent) = case.intents.get(landing).filter(|_| stands) {
            let found = check_snapshots(case, state, open, intent, &candidate.tree).await?;
            case.add_claim(format!("{name}: rests on what is stored"), found);
        }
        return Ok(());
    }
    if matches!(source, MergeSource::Bookkeeping { .. }) {
        super::bookkeeping::check_landing(case, state, open, candidate).await?;
    }
    let mut found = check_verdict(case, bodies, state, open, *verdict)?;
    let open = open.clone();
    if rejudge::list_reasons(state, &open) != *reasons {
        rules_of(state).report_wording("its reasons are others", &mut found);
    }
    case.add_claim(format!("{name}: judged {}, and lands", word(verdict)), found).cover_places(below(&["verdict"]));
    Ok(())
}

/// Whether the snapshots that an intent names are stored, and say what must be said for it: every run of theirs is a claim of
/// its own in a report.
async fn check_snapshots(
    case: &Case<'_>,
    state: &State,
    open: &Landing,
    intent: &Record,
    tree: &TreeId,
) -> Checked<Findings> {
    let Record::LandIntended { key, accept_before, unit_checks, .. } = intent else { return Ok(Findings::default()) };
    let mut found = Findings::default();
    match load_snapshot(case, key)? {
        Err(why) => found.add_broken(why),
        Ok(snapshot) if snapshot.to_summary().outcome == StageOutcome::NotRun => {
            found.add_broken("its snapshot was not run")
        }
        Ok(snapshot) => {
            let tree = filter_tree(case, tree).await?;
            let of = case.store.snapshot_tree(key)?.unwrap_or_default();
            if of != tree.as_str() {
                found.add_broken(format!("its snapshot is of the tree {of}, not of {}", tree.as_str()));
            }
            check_key(case, &tree, Vec::new(), key, &snapshot, &mut found);
        }
    }
    let terms = state.landing_terms(open);
    let own = [
        (accept_before, terms.accept == Accept::Changes, StageOutcome::Failed, "its `accept` on green before it"),
        (unit_checks, terms.unit_checks, StageOutcome::Passed, "its own lines on its tree"),
    ];
    for (key, asked, wanted, what) in own {
        let Some(key) = key else {
            if asked {
                rules_of(state).report_decision(format!("{what}: it names no snapshot"), &mut found);
            }
            continue;
        };
        match load_snapshot(case, key)? {
            Err(why) => found.add_broken(format!("{what}: {why}")),
            // A line that later passed on the same tree is flaky; the snapshot says so and keeps both.
            Ok(of) if of.to_summary().outcome != wanted && of.flaky.is_empty() => {
                found.add_broken(format!("{what} ended {} ({})", word(&of.to_summary().outcome), key.0));
            }
            Ok(_) => {}
        }
    }
    Ok(found)
}

/// Checks that what a person took back is pinned.
pub(super) async fn check_rolled_back(case: &mut Case<'_>, record: &Record) -> Checked {
    let Record::RolledBack { n, from, .. } = record else { return Ok(()) };
    let pin = format!("refs/mc/rolled-back/{n}");
    if case.git.ref_value(&pin).await?.as_ref() != Some(from) {
        case.add_claim(
            format!("rollback {n}"),
            Findings::from_broken(format!("{pin} does not hold what it took back")),
        );
    }
    Ok(())
}

async fn check_on_green(case: &Case<'_>, open: &Landing, candidate: &Tip, then: &Tip) -> Checked<Findings> {
    let mut found = Findings::default();
    let Some(commit) = case.commit(&candidate.commit).await? else {
        return Ok(Findings::from_broken("there is no such commit"));
    };
    if commit.tree != candidate.tree {
        found.add_broken("the commit has another tree");
    }
    if open.intended_verdict().is_none() {
        found.add_broken("it landed without a journaled intent");
    }
    if open.candidate() != Some(candidate) {
        found.add_broken("it is not the commit that was verified");
    }
    let on_line = case.line.get(&candidate.commit).is_some();
    let taken_back = case.taken_back.get(&candidate.commit).copied();
    if let Some(n) = taken_back {
        let pin = format!("refs/mc/rolled-back/{n}");
        match case.git.ref_value(&pin).await? {
            Some(old) if case.git.is_ancestor(&candidate.commit, &old).await? => {}
            _ => found.add_broken(format!("{pin} does not contain it")),
        }
    }
    match &case.green.tip {
        _ if taken_back.is_some() => {}
        None => found.add_broken("green does not exist"),
        Some(_) if on_line => {}
        Some(green) if !case.git.is_ancestor(&candidate.commit, &green.commit).await? => {
            found.add_broken(format!("green at {} does not contain it", green.commit.short_id()));
        }
        Some(_) => {}
    }
    if then == candidate {
        // Green was moved to it and to nothing else.
    } else if case.git.resolve(then.commit.as_str()).await?.is_none() {
        found.add_broken(format!("green is said to have stood at {}, which does not exist", then.commit.short_id()));
    } else if !case.git.is_ancestor(&candidate.commit, &then.commit).await? {
        found.add_broken(format!(
            "green is said to have stood at {}, which does not contain it",
            then.commit.short_id()
        ));
    }
    let MergeSource::Unit { unit, .. } = &open.mr.source else { return Ok(found) };
    if commit.parents.first() != Some(&open.onto.commit) {
        found.add_broken(format!("it was not made on green at {}", open.onto.commit.short_id()));
    }
    if found.is_empty() && !on_line && taken_back.is_none() {
        let why = "green contains it, and its first-parent line does not";
        let moved = records(case.history).any(|record| matches!(record, Record::GreenMoved { .. }));
        let last = records(case.history).filter_map(|record| match record {
            Record::Landed { green, .. } => Some(&green.commit),
            _ => None,
        });
        let ours = case.green.tip.as_ref().map(|tip| &tip.commit) == last.last();
        if ours && !moved { found.add_broken(why) } else { found.add_unknown(why) }
    }
    let mission = case.mission().as_str();
    let times = case.line.landings_of(mission, unit).len();
    if times > 1 {
        found.add_broken(format!("{times} commits of green say that they landed it"));
    }
    Ok(found)
}

async fn check_date(case: &Case<'_>, open: &Landing, candidate: &Tip, at: Millis) -> Checked<Findings> {
    if open.mr.source == MergeSource::Intake {
        // What is taken in may be a commit of the target branch itself.
        return Ok(Findings::default());
    }
    let began = case.history.records.iter().rev().find_map(|(_, at, record)| match record {
        Record::LandingStarted { landing, .. } if *landing == open.id => Some(*at),
        _ => None,
    });
    let (Some(commit), Some(began)) = (case.commit(&candidate.commit).await?, began) else {
        return Ok(Findings::default());
    };
    let date = commit.date.saturating_mul(1_000);
    let mut found = Findings::default();
    if date + SLACK < began || date > at + SLACK {
        found.add_broken(format!("it is dated {date}, outside of {began} to {at}"));
    }
    Ok(found)
}

async fn check_trailers(case: &Case<'_>, open: &Landing, candidate: &Tip, unit: &UnitId, n: u32) -> Checked<Findings> {
    let Some(commit) = case.commit(&candidate.commit).await? else {
        return Ok(Findings::from_broken("it does not exist"));
    };
    // The commit was made before anybody knew what its verification would find beside the tree.
    let after = open.gate_result();
    let key = after.map(|after| after.key.0.clone()).unwrap_or_default();
    let warm = after.is_some_and(|after| after.warm);
    let wanted = [
        ("Mc-Mission", case.mission().to_string()),
        ("Mc-Unit", unit.to_string()),
        ("Mc-Attempt", n.to_string()),
        ("Mc-Verified-Tree", candidate.tree.as_str().to_owned()),
        ("Mc-Snapshot", key),
    ];
    let mut found = Findings::default();
    for (name, value) in wanted {
        match commit.trailer(name) {
            Some(said) if said == value => {}
            Some(said) if warm && name == "Mc-Snapshot" && SnapshotKey(said.to_owned()).to_warm().0 == value => {}
            Some(said) => found.add_broken(format!("its trailer {name} is {said}, not {value}")),
            None => found.add_broken(format!("it lacks the trailer {name}")),
        }
    }
    Ok(found)
}

async fn check_contained(case: &Case<'_>, open: &Landing, candidate: &Tip, unit: &UnitId, n: u32) -> Checked<Findings> {
    let head = &open.mr.head.commit;
    let mut found = Findings::default();
    let name = attempt_ref(case.mission(), unit, n);
    match case.pins.get(&name) {
        Some(pinned) if pinned == head => {}
        Some(pinned) => {
            found.add_broken(format!("its attempt is pinned at {}, not at {}", pinned.short_id(), head.short_id()))
        }
        // Its own commit keeps what was landed.
        None if case.cleaned.get(name.as_str()) == Some(&head) => {}
        None => found.add_broken("its attempt is not pinned"),
    }
    let Some(commit) = case.commit(&candidate.commit).await? else { return Ok(found) };
    if commit.parents.contains(head) {
        return Ok(found);
    }
    let there = case.git.resolve(head.as_str()).await?.is_some();
    if !there || !case.git.is_ancestor(head, &candidate.commit).await? {
        found.add_broken(format!("it does not contain the attempt's head {}", head.short_id()));
    }
    Ok(found)
}

/// Judges the open landing again, by the figures the journal has of it; those are compared with the snapshots elsewhere.
fn check_verdict(
    case: &Case<'_>,
    bodies: &mut Bodies,
    state: &State,
    open: &Landing,
    verdict: Verdict,
) -> Checked<Findings> {
    let before = state.green().and_then(|green| green.snapshot.as_ref());
    let (Some((before_key, before)), Some(after)) = (before, open.gate_result()) else {
        return Ok(Findings::from_broken("it was not verified before and after"));
    };
    let mut found = Findings::default();
    let demands = state.demands(state.may_remove_tests(&open.mr.source));
    let again = judge(&state.with_flaky(before.clone()), &after.summary, &after.delta, &demands);
    if again.verdict != verdict {
        rules_of(state).report_decision(format!("its snapshots say {}", word(&again.verdict)), &mut found);
    }
    if !again.lands {
        rules_of(state).report_decision(format!("the gate refuses it: {}", again.reasons.join("; ")), &mut found);
    }
    if open.intended_verdict().is_some_and(|intended| intended != verdict) {
        found.add_broken("its intent had another verdict");
    }
    let mut environments = Vec::new();
    for (what, key) in [("before", before_key), ("after", &after.key)] {
        let now = bodies.current_body(case, key)?;
        environments.extend(now.as_ref().ok().map(|known| known.snapshot.fingerprint.clone()));
        match now {
            Ok(known) if known.snapshot.to_summary().outcome == StageOutcome::NotRun => {
                found.add_broken(format!("the snapshot {what} was not run"));
            }
            Ok(_) => {}
            // What it landed with is never cleaned away, whatever a record says.
            Err(why) if key != &after.key && case.cleaned_snapshots.contains(key) => found.add_unknown(why),
            Err(_) => found.add_broken(format!("no snapshot {} from {what} it is stored", key.short_id())),
        }
    }
    if let [before, after] = &environments[..]
        && before != after
    {
        found.add_broken("the two snapshots were made in different environments");
    }
    Ok(found)
}

/// Checks one refusal, in the state before it is folded.
pub(super) async fn check_rejected(case: &mut Case<'_>, state: &Mission, at: Millis, record: &Record) -> Checked {
    let Record::Rejected { landing, mr, source, class, reasons, next, .. } = record else { return Ok(()) };
    let attempt = if let MergeSource::Unit { n, .. } = source { format!(" attempt {n}") } else { String::new() };
    let what = format!("{}{attempt}: refused ({})", source_name(source), word(class));
    let covers =
        source.unit().and_then(|unit| case.unit_pointer("not_landed", unit)).map(|place| format!("{place}/reason"));
    let open = state.landing_by(*landing).filter(|open| open.mr.id == *mr && open.mr.source == *source);
    let Some(open) = open else {
        let found = Findings::from_broken(format!("no landing of its merge request {mr} was open"));
        case.add_claim(what, found).cover_places(covers);
        return Ok(());
    };
    let mut found = Findings::default();
    match class {
        RejectClass::Verification | RejectClass::Unproven => match rejudge::find_decision(state, at) {
            Some(again) if again == *record => {}
            Some(Record::Rejected { class: decided, next: follows, .. })
                if decided == *class && follows.is_same(next) =>
            {
                rules_of(state).report_wording("the snapshots give other reasons", &mut found);
            }
            Some(Record::Rejected { .. }) => {
                rules_of(state).report_decision("the snapshots give another refusal", &mut found);
            }
            None if open.candidate().is_none() && *class == RejectClass::Verification => {
                found.add_unknown("merging told that it touches protected paths");
            }
            _ => rules_of(state).report_decision("nothing known refuses it", &mut found),
        },
        RejectClass::Infrastructure => found.add_unknown("what the machine did is not made again"),
        RejectClass::Meddling => {
            // It may have told of other changes as well, or earlier of this one.
            let tells = |told: &String| reasons.iter().any(|reason| told.starts_with(first_words(reason)));
            if !state.repository.iter().any(tells) {
                found.add_broken("no record tells that the repository changed while its change was verified");
            }
        }
        RejectClass::Conflict => check_conflict(case, open, reasons, &mut found).await?,
    }
    let told = match next {
        NextMove::Retry { because, .. }
        | NextMove::Reject { reason: because }
        | NextMove::Fail { reason: because }
        | NextMove::Hold { question: because, .. } => Some(because),
        _ => None,
    };
    if told.is_none_or(|told| *told != reasons.join("\n")) {
        found.add_broken("what follows from it gives other reasons");
    }
    case.add_claim(what, found).cover_places(covers);
    Ok(())
}

/// What changed, of a reason that also says when and what to do.
fn first_words(reason: &str) -> &str {
    reason.split_once(" while its change was verified").map_or(reason, |(what, _)| what)
}

/// Merges once more, in the directory where candidates are made.
async fn check_conflict(case: &Case<'_>, open: &Landing, reasons: &[String], found: &mut Findings) -> Checked {
    for commit in [&open.onto.commit, &open.mr.head.commit] {
        if case.git.resolve(commit.as_str()).await?.is_none() {
            found.add_unknown(format!("{} does not exist any more", commit.short_id()));
            return Ok(());
        }
    }
    let union = case.settings.as_ref().map_or(&[][..], |settings| &settings.queue.union);
    let merge = MergeRepo::open(case.project.state.root(), &case.git, &case.project.facts, union).await?;
    let head = &open.mr.head.commit;
    let merged = match open.mr.source {
        MergeSource::Intake => bookkeeping::merge_target(&case.git, &merge, &open.onto, head).await?,
        _ => merge.merge(&open.onto, head, &NOT_FROM_AGENTS).await?,
    };
    match merged {
        Merged::Conflict { files, .. } => {
            let again = format!("conflicts with green in {}", files.join(", "));
            if reasons.first() != Some(&again) {
                found.add_broken(format!("merged again it {again}"));
            }
        }
        Merged::Tree(_) | Merged::Unchanged => found.add_broken("merged again it has no conflict"),
    }
    Ok(())
}
