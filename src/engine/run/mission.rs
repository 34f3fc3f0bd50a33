//! Running missions: the entry points behind `mc mission start|resume|stop|pause`.

use super::driver::{Driver, Opening, entry};
use super::log::LogFile;
use super::observer::Observer;
use crate::adapters::host::RunKey;
use crate::adapters::os::clock::{self, EngineClock, new_mission_id};
use crate::config::Settings;
use crate::config::backend::HostConfig;
use crate::domain::mission::{
    Budget, DecidedBy, Event, HostPolicy, JOURNAL_FORMAT, Mission, MissionOutcome, Policy, Record, State, StopLevel,
};
use crate::domain::values::{HostId, Millis, MissionId, Usd};
use crate::engine::context::tenure::{self};
use crate::engine::context::{Act, Effective, MissionContext, Project, Redactor, Tenure, local_workers};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{self, History, load_unfinished, load_unfinished_in};
use crate::engine::inspect::plans;
use crate::engine::tasks::collect;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long it may take to find out where a mission goes on.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `mc mission start` was told beyond settings.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// Plan file that replaces the backlog.
    pub plan: Option<PathBuf>,
    /// Start although tracked files have changes (they are left out).
    pub allow_dirty: bool,
    /// Take the repository over from a state directory on this machine.
    pub take_over: Option<String>,
    /// Go on from where green stands although earlier landings are missing from it.
    pub accept_green: bool,
    /// Ids of the only units to plan; empty is all.
    pub only: Vec<String>,
    /// Hour and minute of local time at which the mission ends; the next time the clock shows it.
    pub until: Option<(i8, i8)>,
}

/// Starts a mission and runs it to its end; the result is the exit code.
///
/// # Errors
/// [`EngineError`] when it cannot start or run.
pub async fn start(
    project: &Project,
    options: &StartOptions,
    observers: Vec<Box<dyn Observer>>,
) -> Result<u8, EngineError> {
    let settings = project.settings()?;
    // Before the lock: while an engine works on it, the unfinished mission is the answer, not the lock.
    check_none_unfinished(project)?;
    let (plan, only) = plans::read_mission_plan(project, &settings, options.plan.as_deref(), &options.only).await?;
    let keeps = plans::choose_bookkeeping(project, &settings, plan.is_some()).await?;
    let mut tenure = tenure::begin(project, options.take_over.as_deref(), Act::Start).await?;
    refuse_unfinished(project, history::load(&tenure.store, None)?.filter(|h| !h.state.is_over()))?;
    // A rollback that was killed is settled before anything rests on green.
    let source = tenure.source(project);
    let store = &mut tenure.store;
    crate::engine::upkeep::rollback::close_interrupted(
        store,
        &source,
        &crate::engine::inspect::views::green_name(project),
    )
    .await?;
    let mission = new_mission_id().ok_or_else(|| EngineError::broken("make a mission id", ""))?;
    let clock = EngineClock::start(0);
    // Requests meant for an earlier mission do not reach this one, but for those that are about the next.
    let requests = store.signals_waiting()?;
    let reopen = plans::list_reopened(&requests);
    let until = resolve_until(options, clock.now())?;
    let effective = Effective {
        settings,
        allow_dirty: options.allow_dirty,
        take_over_from: options.take_over.clone(),
        accept_green: options.accept_green,
    };
    let first = Record::MissionStarted {
        format: JOURNAL_FORMAT,
        decided_by: DecidedBy::current(),
        mission: mission.clone(),
        at: clock.now(),
        objective: effective.settings.target.objective.clone(),
        policy: Box::new(Policy { only, reopen, until, keeps, ..build_policy(&effective.settings) }),
        plan,
        settings: serde_json::to_value(&effective)
            .map_err(|e| EngineError::Record { seq: 0, reason: e.to_string() })?,
    };
    let taken: Vec<i64> = requests.iter().map(|request| request.id).collect();
    store.append_answering(&mission, clock.now(), &[entry(&first)?], &taken)?;
    let state =
        Mission::begin(&first).map_err(|source| EngineError::Journal { mission: mission.to_string(), source })?;
    let mut observers = with_log(project, &mission, &effective.settings, observers);
    for observer in &mut observers {
        observer.on_record(clock.now(), &first, &state);
    }
    let opening = Opening { early: Vec::new(), first: Event::Begun, overtaken: None };
    run_driver(project, state, effective, tenure, observers, clock, opening).await
}

/// The time of [`StartOptions::until`]; 0 for none.
fn resolve_until(options: &StartOptions, now: Millis) -> Result<Millis, EngineError> {
    let Some((hour, minute)) = options.until else { return Ok(0) };
    clock::next_local(now, hour, minute).ok_or_else(|| {
        EngineError::usage(
            format!("there is no {hour:02}:{minute:02} in the local time zone"),
            "give a time of day as HH:MM, for example --until 07:00",
        )
    })
}

/// That no mission is unfinished, so that another one may start.
///
/// # Errors
/// [`EngineError::Usage`] with the one that is.
pub fn check_none_unfinished(project: &Project) -> Result<(), EngineError> {
    refuse_unfinished(project, load_unfinished_in(project.own_store()?)?)
}

fn refuse_unfinished(project: &Project, unfinished: Option<History>) -> Result<(), EngineError> {
    let Some(last) = unfinished else { return Ok(()) };
    if let Some(pid) = crate::engine::inspect::views::engine_pid(project) {
        return Err(EngineError::usage(
            format!("mission {} is running (pid {pid}), and one runs at a time", last.mission),
            "`mc mission attach` or `mc status` looks on, `mc mission stop` ends it",
        ));
    }
    Err(EngineError::usage(
        format!("mission {} is unfinished", last.mission),
        "`mc mission resume` goes on with it, `mc mission stop --now` ends it",
    ))
}

/// What a person who takes up an unfinished mission wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it goes on; a stop that waits is withdrawn.
    GoOn,
    /// That what runs finishes and lands, then the mission ends.
    Finish,
    /// That everything is killed and kept, then the mission ends.
    Kill,
}

/// What a person's resume came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeResult {
    /// The mission ran here, or its engine was told to go on; the exit code.
    Done(u8),
    /// There is no unfinished mission, and this one had ended before.
    Ended {
        /// The newest mission.
        mission: MissionId,
        /// How it ended.
        outcome: MissionOutcome,
        /// The exit code it ended with: whoever asks again is told the same.
        code: u8,
    },
}

/// Takes an unfinished mission over and runs it to its end.
///
/// # Errors
/// [`EngineError`] when it cannot run; [`EngineError::Usage`] when no mission was ever begun here.
pub async fn resume(
    project: &Project,
    take_over: Option<&str>,
    wish: Wish,
    observers: Vec<Box<dyn Observer>>,
) -> Result<ResumeResult, EngineError> {
    if let Some(code) = resume_with(project, take_over, observers, wish).await? {
        return Ok(ResumeResult::Done(code));
    }
    let newest = match project.store()? {
        Some(store) => history::load(&store, None)?,
        None => None,
    };
    match newest.map(|history| (history.mission, history.state.outcome.clone())) {
        Some((mission, Some((outcome, _, code)))) => Ok(ResumeResult::Ended { mission, outcome, code }),
        _ => Err(EngineError::usage(
            "no mission was begun here, so there is nothing to resume",
            "`mc mission start` begins one; one that was killed before it was on record has done nothing",
        )),
    }
}

async fn resume_with(
    project: &Project,
    take_over: Option<&str>,
    observers: Vec<Box<dyn Observer>>,
    wish: Wish,
) -> Result<Option<u8>, EngineError> {
    if load_unfinished(project)?.is_none() {
        return Ok(None);
    }
    // The newest wish counts: what was asked before this one, and not what comes while the lock is waited for.
    let overtaken = match (wish, project.store()?) {
        (Wish::GoOn | Wish::Finish, Some(store)) => store.signals_waiting()?.last().map(|signal| signal.id),
        _ => None,
    };
    let mut early: Vec<Event> = match wish {
        Wish::GoOn => Vec::new(),
        Wish::Finish => vec![Event::Stop(StopLevel::Drain)],
        Wish::Kill => vec![Event::Stop(StopLevel::Now)],
    };
    let act = if wish == Wish::Kill { Act::Unfinished } else { Act::Resume };
    let tenure = match tenure::begin(project, take_over, act).await {
        Err(e)
            if e.engine_lives() && wish == Wish::GoOn && load_unfinished(project)?.is_some_and(|h| h.state.paused) =>
        {
            send_request(project, "resume")?;
            return Ok(Some(0));
        }
        begun => begun?,
    };
    let Some(history) = history::load(&tenure.store, None)?.filter(|h| !h.state.is_over()) else { return Ok(None) };
    let mut effective = read_effective(&history.state)?;
    if let Some(machine) = take_over {
        effective.take_over_from = Some(machine.to_owned());
    }
    let source = tenure.source(project);
    if history.records.iter().any(|(_, _, r)| matches!(r, Record::Established { .. })) {
        let card = tenure.store.read_tenant()?.card;
        tenure::claim_now(&source, &card, take_over, act).await.map_err(EngineError::Refused)?;
    }
    let green = format!("refs/heads/{}", effective.settings.green_branch);
    if let Some(tip) = crate::engine::tasks::establish::find_moved_green(&source, &green, &history).await? {
        early.insert(0, Event::GreenSeen(tip));
    }
    let newest: Millis = history.records.last().map_or(0, |(_, at, _)| *at);
    let clock = EngineClock::start(newest);
    let observers = with_log(project, &history.mission, &effective.settings, observers);
    let opening = Opening { early, first: Event::Resumed, overtaken };
    let code = run_driver(project, history.state, effective, tenure, observers, clock, opening).await?;
    Ok(Some(code))
}

/// What a mission was started with, from its journal.
pub(in crate::engine) fn read_effective(state: &State) -> Result<Effective, EngineError> {
    serde_json::from_value(state.settings.clone())
        .map_err(|e| EngineError::Record { seq: 1, reason: format!("its settings: {e}") })
}

/// What became of a stop or pause request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The engine of this mission was told.
    Told(String),
    /// There is no unfinished mission.
    Nothing,
    /// No engine runs; the mission was ended here (`stop --now`), or the request waits until a person decides.
    NoEngine(String),
}

/// Asks the mission to stop; with `now` everything is killed and pinned, here if no engine runs.
///
/// # Errors
/// [`EngineError`] when the request cannot be left.
pub async fn stop(project: &Project, now: bool, observers: Vec<Box<dyn Observer>>) -> Result<Asked, EngineError> {
    let Some(history) = load_unfinished(project)? else { return Ok(Asked::Nothing) };
    let mission = history.mission.to_string();
    if now {
        match resume_with(project, None, observers, Wish::Kill).await {
            Ok(Some(_)) => return Ok(Asked::NoEngine(mission)),
            Ok(None) => return Ok(Asked::Nothing),
            Err(e) if e.engine_lives() => {}
            Err(e) => return Err(e),
        }
    }
    let heard = send_request(project, if now { "stop-now" } else { "stop" })?;
    Ok(if heard { Asked::Told(mission) } else { Asked::NoEngine(mission) })
}

/// Asks the mission to start nothing new.
///
/// # Errors
/// [`EngineError`] when the request cannot be left.
pub async fn pause(project: &Project) -> Result<Asked, EngineError> {
    let Some(history) = load_unfinished(project)? else { return Ok(Asked::Nothing) };
    let mission = history.mission.to_string();
    Ok(if send_request(project, "pause")? { Asked::Told(mission) } else { Asked::NoEngine(mission) })
}

fn send_request(project: &Project, kind: &str) -> Result<bool, EngineError> {
    match project.store()? {
        Some(mut store) => project.signal(&mut store, kind, ""),
        None => Ok(false),
    }
}

fn with_log(
    project: &Project,
    mission: &MissionId,
    settings: &Settings,
    mut observers: Vec<Box<dyn Observer>>,
) -> Vec<Box<dyn Observer>> {
    let redactor = Redactor::of(&project.env, settings.agent.env.iter().chain(&settings.verification.env));
    match LogFile::open(&project.state.logs(), mission, redactor) {
        Ok(log) => observers.push(Box::new(log)),
        Err(e) => tracing::warn!("open the mission's log: {e}"),
    }
    observers
}

async fn run_driver(
    project: &Project,
    state: Mission,
    effective: Effective,
    tenure: Tenure,
    observers: Vec<Box<dyn Observer>>,
    clock: EngineClock,
    mut opening: Opening,
) -> Result<u8, EngineError> {
    let context = MissionContext::new(project, state.mission.clone(), state.objective.clone(), effective, tenure, None)
        .with_clock(clock);
    if let Err(why) = context.local.retry_quarantine().await {
        tracing::warn!("collect what is in quarantine: {why}");
    }
    if opening.first == Event::Resumed {
        let environment = see_environment(&context, &state).await;
        // What is ended here is pinned now; what goes on collects it itself.
        let ends = opening.early.contains(&Event::Stop(StopLevel::Now));
        let same = environment.as_deref().is_some_and(|environment| state.is_environment(environment));
        pin_leftovers(&context, &state, ends, same).await;
        opening.early.extend(environment.map(Event::EnvironmentSeen));
    }
    let context = Arc::new(context);
    let ended = Driver::new(Arc::clone(&context), state, observers, clock).run(opening).await;
    close_hosts(&context).await;
    ended
}

/// The environment by which this engine verifies; on this machine, one that cannot be found out is another one. While no other
/// host answers there is nothing to be seen, and the mission goes on in the one it has as soon as a host with that does.
async fn see_environment(context: &MissionContext, state: &State) -> Option<String> {
    let found = context.environment(|environment| state.is_environment(environment));
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(Ok(found)) => Some(found.environment.clone()),
        _ if context.uses_local() => Some(String::new()),
        not => {
            tracing::debug!("find out the environment of verifications: {not:?}");
            if let Some(baseline) = &state.baseline {
                context.keep_environment(&baseline.environment);
            }
            None
        }
    }
}

/// Ends the connections to all hosts at once, so that what they hold (the allocation of a cluster) is given back.
async fn close_hosts(context: &Arc<MissionContext>) {
    let mut closing = JoinSet::new();
    for id in context.hosts().map(|host| host.id.clone()) {
        let context = Arc::clone(context);
        closing.spawn(async move {
            if let Ok(host) = context.find_host(&id) {
                host.close().await;
            }
        });
    }
    closing.join_all().await;
}

/// Pins what dirty slots hold of attempts that are not open any more, before anything else (design, section 9). Open
/// attempts are adopted; slots of verifications hold nobody's work, and their runs are ended where they tell nothing `here`.
async fn pin_leftovers(context: &MissionContext, state: &State, ends: bool, here: bool) {
    let Some(green) = state.green() else { return };
    let open: BTreeSet<String> = state
        .running_attempts()
        .chain(state.uncollected_attempts().filter(|_| !ends))
        .map(|(unit, attempt)| RunKey::of_attempt(&context.mission, &unit.spec.id, attempt.n).to_string())
        .collect();
    // Nobody takes over what asks an `accept` line.
    let taken_over = |label: &str| here && label.contains("/.") && !label.contains("/.accept/");
    collect::sweep(&context.local, &green.tip.commit, |label| !open.contains(label) && !taken_over(label)).await;
}

/// The hosts of a mission, this machine among them where units run on it; none where it is the only one.
fn list_hosts(settings: &Settings) -> Vec<HostPolicy> {
    let hosts = &settings.backend.hosts;
    let here = Some(HostPolicy::new(HostId::local(), local_workers(settings)));
    let here = here.filter(|here| here.workers > 0 && !hosts.is_empty());
    let policy = |config: &HostConfig| {
        let host = HostId::new(&config.name).ok()?;
        let (workers, verifiers) = (config.max_workers, config.max_verifiers);
        Some(HostPolicy { host, workers, verifiers, labels: config.labels.iter().cloned().collect() })
    };
    here.into_iter().chain(hosts.iter().filter_map(policy)).collect()
}

/// The limits a mission is bound by, from its settings.
pub fn build_policy(settings: &Settings) -> Policy {
    let millis = |d: Duration| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX);
    Policy {
        workers: local_workers(settings),
        hosts: list_hosts(settings),
        // Without hosts it is the number of slots.
        max_running: (settings.parallel.said && !settings.backend.hosts.is_empty())
            .then_some(settings.parallel.num_workers),
        max_attempts: settings.scheduler.max_attempts,
        max_infrastructure_retries: settings.scheduler.max_infrastructure_retries,
        max_starts: settings.scheduler.max_starts,
        retry_pause: millis(settings.scheduler.retry_pause),
        circuit_after: millis(settings.scheduler.circuit_after),
        gate: settings.queue.gate,
        ratchet: settings.queue.ratchet,
        confirm_failures: settings.queue.confirm_failures,
        max_rounds: settings.rounds.max_rounds,
        units_per_round: settings.rounds.units_per_round.unwrap_or(0),
        stall_threshold: settings.rounds.stall_threshold,
        cooldown: millis(settings.rounds.cooldown_between_rounds),
        max_wall_time: millis(settings.max_wall_time),
        has_check: settings.target.check.is_some(),
        warm_runs: settings.keeps_files(),
        budget: Budget {
            per_run: Usd(settings.budget.max_per_run),
            per_session: Usd(settings.budget.max_per_session),
            max_tokens: settings.budget.max_tokens,
            // Nobody measures what a command spends, so its attempts count only under a cap that a person set.
            counts_unknown: settings.counts_unknown_cost(),
        },
        ..Policy::default()
    }
}
