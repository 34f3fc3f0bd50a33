//! One attempt: prepare a slot, run the unit, prove that nothing of it lives, collect and pin, release the slot.
//!
//! Everything is keyed by mission, unit and attempt number, so that an engine that takes over finds what an earlier one
//! began: a folder with `brief.md`, `result/result.json`, the run directory `run`, that of the setup command `setup`, and, when
//! collected, `report.json`. Where quick stages follow, `collected.json` and the run directories below `quick` come before it.
//! Crash windows: before `run` is claimed the attempt never started; after it the run is adopted; after `collected.json`
//! nothing is collected twice and the stages are adopted; after `report.json` nothing is done twice.

use super::accept;
use super::candidate::NOT_FROM_AGENTS;
use super::claims;
use super::collect::{collect, has_slot, release, report_left_out, report_setup_leftovers, report_stray_work, sweep};
use super::prepare::{self, Wanted};
use super::repository::{self, report_foreign_changes};
use super::stream;
use super::unit_checks;
use crate::adapters::host::local::operations::runs::result_file;
use crate::adapters::host::local::process::tail;
use crate::adapters::host::local::protocol::ERRORS;
use crate::adapters::host::local::workspace::{Collected, head_ref, kept_ref};
use crate::adapters::host::order::{
    CollectOutcome, Ended, Home, NotReady, Program, Ready, RunOrder, RunState, SessionFolder, Start, Untracked,
};
use crate::adapters::host::remote::late::note_host;
use crate::adapters::os::files;
use crate::domain::ending::ProcessEnd;
use crate::domain::handoff::{BriefInput, Handoff, brief, read};
use crate::domain::mission::{AttemptOrder, Claim, SessionReport};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::Millis;
use crate::domain::verify::formats::without_sequences;
use crate::domain::verify::model::key::Tier;
use crate::engine::context::{MissionContext, NamedHost};
use crate::report::words::span;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// The run of an attempt's agent or script among its runs.
const RUN: &str = "run";

/// How much of an output's end is searched for a handoff.
const HANDOFF_TAIL: u64 = 8 << 20;

/// How much of an output's end goes into a report.
const SUMMARY_TAIL: usize = 1_500;

/// Starts an attempt and sees it to its end; `began` is told once its program runs.
///
/// # Errors
/// It has ended, and what it made cannot be kept now: [`adopt`] tries that again.
pub async fn start(
    context: &MissionContext,
    order: AttemptOrder,
    kill: watch::Receiver<bool>,
    began: impl FnOnce() + Send,
) -> Result<SessionReport, Trouble> {
    let place = Folder::of(context, &order);
    let on = match context.find_host(&order.slot.host) {
        Ok(on) => on,
        Err(trouble) => {
            let report = SessionReport::from_end(ProcessEnd::Infrastructure(trouble));
            return Ok(save_and_release(context, &order, &place, report).await);
        }
    };
    // Nothing of it is there yet: there is no slot to give back, and the host is not asked again for that.
    if let Err(not) = on.reach(kill.clone()).await {
        let mut report = SessionReport::from_end(not.into());
        context.redactor().clean_report(&mut report);
        return Ok(report);
    }
    let begun = match accept::check_on_green(context, on, &order, kill.clone()).await {
        Ok(None) => begin(context, on, &order, &place, kill.clone()).await,
        Ok(Some(question)) => {
            return Ok(save_and_release(context, &order, &place, SessionReport::not_started(question)).await);
        }
        Err(not) => Err(not),
    };
    match begun {
        Ok(job) => {
            let at = context.clock.now();
            let ended = on.run(&job, Start::IfNew, kill.clone(), began).await;
            finish_session(context, &order, &place, ended, Some(at), kill).await
        }
        // What was begun there (its `setup`) may still go on: the slot is not given back before that is ended.
        Err(NotReady::Failed(trouble)) if trouble.cause == Cause::Unreachable => Ok(abandon(context, &order, trouble)),
        Err(not) => Ok(save_and_release(context, &order, &place, SessionReport::from_end(not.into())).await),
    }
}

/// Takes over an attempt of an earlier engine, or one that has ended and was not collected.
///
/// # Errors
/// As [`start`].
pub async fn adopt(
    context: &MissionContext,
    order: AttemptOrder,
    kill: watch::Receiver<bool>,
) -> Result<SessionReport, Trouble> {
    let place = Folder::of(context, &order);
    if let Some(report) = validate_report(context, &order, load_report(&place.report())).await? {
        release(context, &order, &report).await;
        return Ok(report);
    }
    let on = context.find_host(&order.slot.host)?;
    let key = context.attempt_key(&order);
    if let Some(report) = validate_report(context, &order, load_report(&place.collected_report())).await? {
        return Ok(run_workspace_checks(context, &order, &place, report, kill).await);
    }
    // Once the unit's own run is claimed, setup is long over, and a search for what it left would find the unit's processes:
    // they work in the same slot.
    let run = key.join(RUN);
    let known = match on.find_run(&run, kill.clone()).await {
        Err(trouble) if trouble.cause == Cause::Unreachable => return Ok(abandon(context, &order, trouble)),
        known => known?,
    };
    if matches!(known, RunState::New | RunState::NeverStarted) {
        accept::end_abandoned(context, on, &order).await?;
        on.end_runs(&key.join("setup")).await?;
    }
    let mut ended = on.run(&build_run_order(context, &order, String::new()), Start::Never, kill.clone(), || ()).await;
    if ended.end == ProcessEnd::NeverStarted {
        if !has_slot(context, &order).await? {
            // An engine that died after `accept` was answered may not have told the question that this came to.
            let question = accept::read_result(context, &order).and_then(|(_, question)| question);
            let report = question.map_or(SessionReport::from_end(ProcessEnd::NeverStarted), SessionReport::not_started);
            return Ok(save_and_release(context, &order, &place, report).await);
        }
        // A run whose directory is gone looks the same: what lives of it ends, and what it made is kept.
        ended.proof = Some(on.end_traceless(&run, order.slot.number).await?);
    }
    finish_session(context, &order, &place, ended, None, kill).await
}

/// The report an earlier engine kept. An agent can write that file too, so it counts only when what it names is pinned, or
/// when it names nothing and the slot holds nothing of this attempt.
async fn validate_report(
    context: &MissionContext,
    order: &AttemptOrder,
    report: Option<SessionReport>,
) -> Result<Option<SessionReport>, Trouble> {
    let Some(report) = report else { return Ok(None) };
    let sound = match &report.work.head {
        Some(head) => {
            let pin = head_ref(&context.mission, &order.spec.id, order.n);
            context.source.ref_value(&pin).await.map_err(|e| context.to_trouble(&e))? == Some(head.commit.clone())
        }
        None => !has_slot(context, order).await?,
    };
    Ok(sound.then_some(report))
}

/// What the engine remembers of an attempt.
struct Folder {
    root: PathBuf,
}

impl Folder {
    fn of(context: &MissionContext, order: &AttemptOrder) -> Self {
        Self { root: context.session_dir(order) }
    }

    /// What the user's repository was when the attempt began.
    fn repository_notes(&self) -> repository::Notes {
        repository::Notes { refs: self.root.join("refs"), local: self.root.join("repository.json") }
    }

    fn report(&self) -> PathBuf {
        self.root.join("report.json")
    }

    /// The report as it is before anything is run in the workspace.
    fn collected_report(&self) -> PathBuf {
        self.root.join("collected.json")
    }

    fn save_report(&self, path: &Path, report: &SessionReport) -> std::io::Result<()> {
        files::make_own_dir(self.root.ancestors().nth(4).unwrap_or(&self.root), &self.root)?;
        files::replace_own(path, &serde_json::to_vec_pretty(report)?)
    }
}

fn load_report(path: &Path) -> Option<SessionReport> {
    serde_json::from_slice(&files::read_own(path).ok()??).ok()
}

async fn begin(
    context: &MissionContext,
    on: &NamedHost,
    order: &AttemptOrder,
    place: &Folder,
    kill: watch::Receiver<bool>,
) -> Result<RunOrder, NotReady> {
    let failed = |what: &str, e: &(dyn std::error::Error + 'static)| NotReady::Failed(context.to_trouble_at(what, e));
    files::make_new_own_dir(context.state.root(), &place.root)
        .map_err(|e| failed("make the folder of an attempt", &e))?;
    note_host(&place.root, &order.slot.host).map_err(|e| failed("note the host of an attempt", &e))?;
    let before = repository::read_state(context).await.map_err(|e| failed("look at the source repository", &e))?;
    place.repository_notes().write(&before).map_err(|e| failed("note the state of the source repository", &e))?;
    let earlier = format!("{}/{}/", context.mission, order.spec.id);
    sweep(on, &order.from, |label| label.starts_with(&earlier)).await;
    let key = context.attempt_key(order);
    let (slot, base) = (order.slot.number, &order.from);
    let wanted = Wanted { slot, user: &key, base, without: None, beside: &Untracked::Ignored, session: true };
    let Ready { workspace, folder, .. } = prepare::prepare_workspace(context, on, wanted, kill).await?;
    let text = brief(&BriefInput {
        objective: &context.objective,
        unit: &order.spec,
        mission: context.mission.as_str(),
        attempt: order.n,
        workspace: &workspace.to_string_lossy(),
        base: order.green.as_str(),
        from: order.from.as_str(),
        evidence: &order.evidence,
        result_path: &result_file(&folder).to_string_lossy(),
        verification: &list_commands(context, Tier::Gate),
        quick: &list_commands(context, Tier::Quick),
        protect: &context.settings().verification.protect,
        own_ref: (order.n > 1)
            .then(|| format!("refs/mc/attempts/{}/{}/{}", context.mission, order.spec.id, order.n - 1)),
    });
    Ok(build_run_order(context, order, text))
}

fn list_commands(context: &MissionContext, tier: Tier) -> Vec<String> {
    context.settings().verification.stages.iter().filter(|s| s.tier == tier).map(|s| s.run.clone()).collect()
}

/// The run of an attempt; to one that is only taken over the brief says nothing new.
fn build_run_order(context: &MissionContext, order: &AttemptOrder, brief: String) -> RunOrder {
    let settings = context.settings();
    let agent = &settings.agent;
    let key = context.attempt_key(order);
    let variables = [
        ("MC_MISSION", context.mission.to_string()),
        ("MC_UNIT", order.spec.id.to_string()),
        ("MC_ATTEMPT", order.n.to_string()),
        ("MC_SLOT", order.slot.number.to_string()),
        ("MC_BASE", order.from.to_string()),
    ];
    // What is watched of an agent is not watched of a script.
    let of_agent = |limit: Option<Duration>| limit.filter(|_| order.spec.run.is_none());
    RunOrder {
        key: key.join(RUN),
        slot: order.slot.number,
        program: match &order.spec.run {
            Some(line) => Program::Shell(line.clone()),
            None => Program::Agent { command: agent.command.clone().unwrap_or_default(), prompt: agent.prompt },
        },
        inherited: agent.env.clone(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.into())).into(),
        session: Some(SessionFolder { key, brief, base: Some(order.from.clone()) }),
        timeout: order.spec.timeout.map_or(settings.scheduler.session_timeout, Duration::from_secs),
        idle: of_agent(agent.idle_timeout),
        start: of_agent(agent.start_timeout),
        grace_after_result: of_agent(Some(agent.grace_after_result)),
        home: Home::Users,
        reports: None,
    }
}

async fn finish_session(
    context: &MissionContext,
    order: &AttemptOrder,
    place: &Folder,
    ended: Ended,
    began: Option<u64>,
    kill: watch::Receiver<bool>,
) -> Result<SessionReport, Trouble> {
    if let ProcessEnd::Infrastructure(trouble) = &ended.end
        && trouble.cause == Cause::Unreachable
    {
        return Ok(abandon(context, order, trouble.clone()));
    }
    let script = order.spec.run.is_some();
    let log = ended.log.as_deref();
    let handoff = if script { read_script_handoff(&ended) } else { read_handoff(&ended) };
    let mut report = SessionReport::from_end(ended.end.clone());
    report.run.ran = ended.span(began, context.clock.now());
    if let Some(proof) = &ended.proof {
        report.run.proof = proof.method.to_string();
        if !proof.is_complete() {
            report.notes.push(format!("processes that could not be killed: {:?}", proof.survivors));
        }
    }
    if ended.overstayed {
        let grace = context.settings().agent.grace_after_result.as_secs();
        report.notes.push(format!("ended {grace} s after it gave its result (agent.grace_after_result)"));
    }
    report.run.limit = describe_limit(context, order, &ended.end);
    report.agent.claim = handoff.as_ref().map(|h| h.status);
    let quiet = ended.end == ProcessEnd::Exited(0) && !ended.overstayed;
    report.agent.summary = summarize_session(handoff.as_ref(), log.filter(|_| !quiet));
    report.agent.said = handoff.as_ref().map(Handoff::to_details).unwrap_or_default();
    if let (Some(format), Some(log)) = (context.settings().agent.preset.stream_format().filter(|_| !script), log) {
        let at = report.run.ran.map_or_else(|| context.clock.now(), |(_, ended)| ended);
        stream::read_into(&mut report, format, log, at).await;
    }
    let found = match collect(context, order, handoff.as_ref()).await {
        Ok(CollectOutcome::Pinned(found)) => Some(found),
        Ok(CollectOutcome::Gone) => {
            report.run.end = ProcessEnd::Infrastructure(Trouble::new(Cause::LostRun, "its workspace is gone"));
            None
        }
        Ok(CollectOutcome::SetAside { place: at, why }) => {
            let at = at.display();
            report.notes.push(format!("its work could not be collected, its workspace is in {at}: {why}"));
            report.hold = Some(format!(
                "its work could not be collected and is not pinned ({why}); its workspace is in {at}: look at it, then \
                 `mc unit retry {}`",
                order.spec.id
            ));
            None
        }
        Err(trouble) => {
            // The slot keeps its marker: nothing is reset before it is pinned.
            let mut trouble = trouble.while_trying("collect the workspace");
            context.redactor().clean_trouble(&mut trouble);
            return Err(trouble);
        }
    };
    let Some(found) = found else {
        report.work.unpinned = true;
        report_foreign_changes(context, order, &place.repository_notes(), None, &mut report).await;
        return Ok(save_and_release(context, order, place, report).await);
    };
    if ended.end == ProcessEnd::NeverStarted && (found.changed || found.commits > 0 || found.kept > 0) {
        report.run.end = ProcessEnd::Infrastructure(Trouble::new(Cause::LostRun, "its run directory is gone"));
    }
    if !script && !found.changed && handoff.is_none() && matches!(ended.end, ProcessEnd::Exited(126 | 127)) {
        // Nobody worked: that is the machine's or the settings' fault, and no other attempt would do better.
        let command = context.settings().agent.command.clone().unwrap_or_default();
        let why = format!("the agent could not be run (agent.command = `{command}`): {}", report.agent.summary);
        report.run.end =
            ProcessEnd::Infrastructure(Trouble::new(Cause::from_message("the agent could not be run"), why));
    }
    report.work.changed = found.changed && has_own_changes(context, &found, &mut report.notes).await;
    report.work.half_merge = found.half_merge;
    report.notes.extend(found.describe());
    if let Some(handoff) = &handoff {
        claims::compare(context, order, handoff, &found.head.commit, &mut report).await;
    }
    claims::check_declared_files(context, order, &found.head.commit, &mut report).await;
    report.hold = found.question(&order.spec.id);
    if let Some(stream) = report.agent.stream.as_ref().filter(|_| report.agent.claim.is_none() && !report.work.changed)
    {
        let question = stream::denial_question(&stream.denials, order.spec.id.as_str());
        report.hold = report.hold.or(question);
    }
    report_foreign_changes(context, order, &place.repository_notes(), Some(&found), &mut report).await;
    report_left_out(order, &found, &mut report);
    report_setup_leftovers(context, &found, &mut report);
    report_stray_work(order, &found, &kept_ref(&context.mission, &order.spec.id, order.n), &mut report);
    report.work.head = Some(found.head);
    if report.agent.claim == Some(Claim::Blocked) {
        report.hold = Some(report.agent.summary.clone());
    }
    if unit_checks::workspace_stages(context, order, &report).is_empty() {
        return Ok(save_and_release(context, order, place, report).await);
    }
    if context.find_host(&order.slot.host)?.look_up(&unit_checks::quick_key(context, order)).await? != RunState::New {
        report.hold =
            Some("it wrote into the folder of mc's own runs; look at its work, then `mc unit retry`".to_owned());
        return Ok(save_and_release(context, order, place, report).await);
    }
    context.redactor().clean_report(&mut report);
    let kept = place.save_report(&place.collected_report(), &report);
    kept.map_err(|e| context.to_trouble_at("keep the report of an attempt", &e))?;
    Ok(run_workspace_checks(context, order, place, report, kill).await)
}

/// The report of an attempt whose host is out of reach: it is over here. The slot keeps its marker; what runs there is ended,
/// and what it made is pinned, before the slot is used again.
fn abandon(context: &MissionContext, order: &AttemptOrder, trouble: Trouble) -> SessionReport {
    let mut report = SessionReport::from_end(ProcessEnd::Infrastructure(trouble));
    report.work.unpinned = true;
    let slot = order.slot.number;
    report.notes.push(format!("what it made is in its workspace (slot {slot}) and is kept when that is used next"));
    context.redactor().clean_report(&mut report);
    report
}

/// Runs what is to be run in the workspace of a collected attempt, then keeps the whole report.
async fn run_workspace_checks(
    context: &MissionContext,
    order: &AttemptOrder,
    place: &Folder,
    mut report: SessionReport,
    kill: watch::Receiver<bool>,
) -> SessionReport {
    let stages = unit_checks::workspace_stages(context, order, &report);
    let key = context.attempt_key(order);
    let held = async {
        let on = context.find_host(&order.slot.host)?;
        let held = on.hold(order.slot.number, key.as_str()).await?;
        let workspace = held.ok_or_else(|| Trouble::from("its workspace is gone".to_owned()))?;
        Ok::<_, Trouble>((on, workspace))
    };
    match held.await {
        Ok((on, workspace)) => {
            unit_checks::run_quick_stages(context, on, order, &stages, &workspace, &mut report, kill).await;
            repository::hold_after_stages(context, order, &place.repository_notes(), &mut report).await;
        }
        Err(trouble) => report.run.end = ProcessEnd::Infrastructure(trouble),
    }
    save_and_release(context, order, place, report).await
}

/// Whether more changed than files that mc keeps itself, which a candidate takes from green; edits of those are named.
async fn has_own_changes(context: &MissionContext, found: &Collected, notes: &mut Vec<String>) -> bool {
    let Some(fork) = &found.fork else { return true };
    // Both files are at the root, and what changed deeper changes an entry there.
    let Ok(changed) = context.source.differing_at_root(fork, &found.head.commit).await else { return true };
    let (left_out, rest): (Vec<&str>, Vec<&str>) =
        changed.iter().map(String::as_str).partition(|path| NOT_FROM_AGENTS.contains(path));
    if !left_out.is_empty() {
        notes.push(format!("its edits of {} are left out: mc keeps these files", left_out.join(" and ")));
    }
    !rest.is_empty()
}

/// Which of the limits of an attempt ended it, with its value and where that comes from.
fn describe_limit(context: &MissionContext, order: &AttemptOrder, end: &ProcessEnd) -> Option<String> {
    let settings = context.settings();
    let value = |duration: Duration| span(Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX));
    match (end, order.spec.timeout) {
        (ProcessEnd::Timeout, Some(seconds)) => {
            Some(format!("`timeout` of the unit, {}", value(Duration::from_secs(seconds))))
        }
        (ProcessEnd::Timeout, None) => {
            Some(format!("scheduler.session_timeout, {}", value(settings.scheduler.session_timeout)))
        }
        (ProcessEnd::Stalled, _) => {
            let limits =
                [("idle_timeout", settings.agent.idle_timeout), ("start_timeout", settings.agent.start_timeout)];
            let set: Vec<String> =
                limits.iter().filter_map(|(name, limit)| Some(format!("agent.{name}, {}", value((*limit)?)))).collect();
            Some(set.join("; "))
        }
        _ => None,
    }
}

fn read_handoff(ended: &Ended) -> Option<Handoff> {
    let text = |log: &Path| tail::of(log, HANDOFF_TAIL);
    let output = ended.log.as_deref().map(text).unwrap_or_default();
    // Standard error comes second: programs tell there what they were told.
    let of_errors = || read(None, &text(&ended.log.as_deref()?.with_file_name(ERRORS)));
    read(ended.result.as_deref(), &output).or_else(of_errors)
}

/// What a script says against itself. Its output is that of any program and no place for a handoff, and by the other
/// words it would gain nothing: it is done when it leaves with 0.
fn read_script_handoff(ended: &Ended) -> Option<Handoff> {
    read(ended.result.as_deref(), "").filter(|handoff| matches!(handoff.status, Claim::Blocked | Claim::Failed))
}

fn summarize_session(handoff: Option<&Handoff>, log: Option<&Path>) -> String {
    let said = handoff.map(|h| {
        let parts = [Some(h.summary.clone()), h.no_op_reason.clone(), Some(h.blockers.join("; "))];
        parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("; ")
    });
    match said.filter(|s| !s.is_empty()) {
        Some(said) => said,
        None => {
            log.map(|l| without_sequences(&tail::of_both(l, SUMMARY_TAIL as u64)).trim().to_owned()).unwrap_or_default()
        }
    }
}

/// Keeps the report durably, then gives the slot back.
async fn save_and_release(
    context: &MissionContext,
    order: &AttemptOrder,
    place: &Folder,
    mut report: SessionReport,
) -> SessionReport {
    report.checks.accept = accept::read_result(context, order).map(|(said, _)| said);
    context.redactor().clean_report(&mut report);
    if let Err(e) = place.save_report(&place.report(), &report) {
        tracing::warn!("keep the report of {} {}: {e}", order.spec.id, order.n);
    }
    release(context, order, &report).await;
    report
}
