//! `mc mission start|resume|stop|pause` and `mc unit retry`: what changes a mission.

use super::args::Start;
use super::console::Console;
use super::error::CliError;
use super::{Context, output};
use crate::domain::mission::{MissionOutcome, UnitState};
use crate::domain::values::UnitId;
use crate::engine::context::project::Project;
use crate::engine::inspect::plans;
use crate::engine::inspect::plans::Offered;
use crate::engine::inspect::views;
use crate::engine::run::mission;
use crate::engine::run::mission::{Asked, ResumeResult, StartOptions, Wish};
use crate::engine::upkeep::cancel;
use crate::engine::upkeep::detach;
use crate::engine::upkeep::detach::Detached;
use crate::report::skipped::named;
use crate::report::text::plain;
use crate::report::words::{sum_seen, word};
use crate::report::{lines, needs, status};
use serde_json::json;

pub(super) async fn start(context: &Context, start: Start) -> Result<u8, CliError> {
    let mut place = context.place();
    let given = [
        ("rounds.max_rounds", &start.rounds, "--rounds"),
        ("rounds.units_per_round", &start.units_per_round, "--units-per-round"),
        ("scheduler.parallel.num_workers", &start.workers, "--workers"),
        ("scheduler.budget.max_per_run_usd", &start.max_cost, "--max-cost"),
    ];
    for (key, value, flag) in given {
        place.flags.extend(value.clone().map(|value| (key, value, flag)));
    }
    let project = Project::open(&place).await?;
    if start.dry_run {
        return dry_run(context, &project, &start).await;
    }
    warn(&project)?;
    if start.plan.is_none() && !start.detached {
        say_of_backlog(&project, &start.only).await;
    }
    if start.detach {
        return detached(context, &project).await;
    }
    if start.detached {
        detach::own_session();
    }
    let options = StartOptions {
        plan: start.plan,
        allow_dirty: start.allow_dirty,
        take_over: start.take_over,
        accept_green: start.accept_green,
        only: start.only,
        until: start.until,
    };
    let console = Console::new(&context.global, &project);
    let code = console.during(mission::start(&project, &options, vec![console.observer()])).await?;
    leave(context, &project, code).await
}

async fn detached(context: &Context, project: &Project) -> Result<u8, CliError> {
    let log = detach::log(project);
    match detach::start(project).await? {
        Detached::Runs(id) if context.global.json => {
            output::json(&json!({"schema": 1, "mission": id, "log": log}));
            Ok(0)
        }
        Detached::Runs(id) => {
            output::line(&format!("mission {id} runs in the background"));
            output::line(&format!("look on: `mc status`, `mc events --follow`, {}", log.display()));
            Ok(0)
        }
        Detached::Ended { code, said } => {
            for line in said.lines() {
                output::note(&crate::report::text::plain(line));
            }
            Ok(code)
        }
    }
}

/// What a start would do, without doing any of it.
async fn dry_run(context: &Context, project: &Project, start: &Start) -> Result<u8, CliError> {
    let settings = project.settings()?;
    let plan_file = &start.plan;
    let plans::Shown { plan, aside, fixed, differs } =
        plans::shown(project, plan_file.as_deref(), &start.only).await??;
    // A start would refuse what this refuses.
    mission::nothing_unfinished(project)?;
    plans::for_mission(project, &settings, plan_file.as_deref(), &start.only).await?;
    super::plan::say_of_backlog(project, fixed, differs);
    if context.global.json {
        output::json(&crate::report::plan::json(&plan, &aside));
        return Ok(0);
    }
    output::put(&crate::report::plan::text(&plan, &aside));
    let verifies: Vec<String> =
        settings.verification.stages.iter().map(|stage| format!("{} (`{}`)", stage.name, stage.run)).collect();
    output::line("");
    output::line(&format!("would verify with {}", crate::report::text::plain(&verifies.join(", "))));
    output::line(&format!(
        "would use {} workers, {} rounds at most, {} attempts per unit, green branch {}",
        settings.parallel.num_workers,
        settings.rounds.max_rounds,
        settings.scheduler.max_attempts,
        settings.green_branch
    ));
    output::line("nothing was changed");
    Ok(0)
}

/// What a person should know of the backlog before a mission; one that cannot be read is told of by the start itself.
async fn say_of_backlog(project: &Project, only: &[String]) {
    let Ok(Ok(Offered { aside, fixed, differs, .. })) = plans::offered(project, only).await else { return };
    super::plan::say_of_backlog(project, fixed, differs);
    if !aside.is_empty() {
        output::note(&format!("note: {}; `mc plan` says why and what helps", named(&aside)));
    }
}

fn warn(project: &Project) -> Result<(), CliError> {
    for warning in project.settings()?.warnings {
        output::note(&format!("warning: {}", crate::report::text::plain(&warning)));
    }
    Ok(())
}

pub(super) async fn resume(context: &Context, take_over: Option<String>, finish: bool) -> Result<u8, CliError> {
    let project = context.project().await?;
    // A living engine is told to go on; only without one the mission runs here.
    let told = views::engine_pid(&project).is_some();
    let console = Console::new(&context.global, &project);
    let wish = if finish { Wish::Finish } else { Wish::GoOn };
    match console.during(mission::resume(&project, take_over.as_deref(), wish, vec![console.observer()])).await? {
        ResumeResult::Done(code) if told && views::engine_pid(&project).is_some() => {
            let look = views::look(&project, None).await?;
            let id = look.view().map(|view| view.state.mission.to_string()).unwrap_or_default();
            say(context, Some(&id), "told", &format!("mission {id}: told to go on"));
            Ok(code)
        }
        ResumeResult::Done(code) => leave(context, &project, code).await,
        ResumeResult::Ended { mission, outcome, code } => {
            let how = word(&outcome);
            let text = format!("nothing to resume: mission {mission} has ended ({how}, exit code {code})");
            say(context, Some(mission.as_str()), "nothing", &text);
            Ok(code)
        }
    }
}

/// The last lines after a mission ran here, and its exit code. What has stopped the mission may keep them from being made.
async fn leave(context: &Context, project: &Project, code: u8) -> Result<u8, CliError> {
    match last_lines(context, project).await {
        Err(_) if code != 0 => Ok(code),
        said => said.map(|()| code),
    }
}

/// The last lines after a mission ran here.
pub(super) async fn last_lines(context: &Context, project: &Project) -> Result<(), CliError> {
    if context.global.json {
        return Ok(());
    }
    let look = views::look(project, None).await?;
    if let Some(view) = look.view() {
        if context.global.quiet {
            output::line(&status::truth(&view));
        }
        output::line(&format!("units: {}", sum_seen(&view)));
        let refused = matches!(view.state.outcome, Some((MissionOutcome::Refused, ..)));
        if let Some(names) = views::withheld(project).filter(|_| refused) {
            output::line(&format!("{names} (target.verification.env names what they get)"));
        }
        for line in lines::repository(view.state) {
            output::line(&line);
        }
        output::line(&format!("next: {}", status::next_action(&view, &look.green)));
    }
    Ok(())
}

fn say(context: &Context, mission: Option<&str>, asked: &str, text: &str) {
    if context.global.json {
        output::json(&json!({"schema": 1, "mission": mission, "asked": asked}));
    } else {
        output::line(text);
    }
}

pub(super) async fn stop(context: &Context, now: bool) -> Result<u8, CliError> {
    let project = context.project().await?;
    let console = Console::new(&context.global, &project);
    match console.during(mission::stop(&project, now, vec![console.observer()])).await? {
        Asked::Told(id) if now => say(context, Some(&id), "told", &format!("mission {id}: told to kill, keep and end")),
        Asked::Told(id) => {
            say(context, Some(&id), "told", &format!("mission {id}: told to end when what runs has landed"));
        }
        Asked::NoEngine(id) if now => {
            say(context, Some(&id), "no-engine", &format!("mission {id}: ended here, no engine worked on it"));
        }
        Asked::NoEngine(id) => {
            let look = views::look(&project, None).await?;
            let decided = look.view().is_some_and(|view| view.ends_on_resume());
            let then = if decided {
                format!("its end is decided: {}", look.next())
            } else {
                needs::OF_A_WAITING_STOP.to_owned()
            };
            say(context, Some(&id), "no-engine", &format!("mission {id}: no engine works on it; {then}"));
        }
        Asked::Nothing => say(context, None, "nothing", "nothing to stop: there is no unfinished mission"),
    }
    Ok(0)
}

pub(super) async fn pause(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    match mission::pause(&project).await? {
        Asked::Told(id) => {
            let text = format!("mission {id}: told to start nothing new; `mc mission resume` goes on");
            say(context, Some(&id), "told", &text);
        }
        Asked::NoEngine(id) => {
            let text = format!("mission {id}: no engine works on it, nothing starts before `mc mission resume`");
            say(context, Some(&id), "no-engine", &text);
        }
        Asked::Nothing => say(context, None, "nothing", "nothing to pause: there is no unfinished mission"),
    }
    Ok(0)
}

pub(super) async fn retry(context: &Context, unit: &str, answer: Option<&str>) -> Result<u8, CliError> {
    let id = UnitId::new(unit).map_err(|error| CliError::usage(error.to_string(), "`mc units` lists them"))?;
    let project = context.project().await?;
    let look = views::look(&project, None).await?;
    let view = look.view().ok_or_else(no_mission)?;
    // A command-line argument holds no NUL; a very long one is cut, so that briefs stay readable.
    let answer: String = answer.unwrap_or_default().chars().take(4_000).collect();
    if view.state.over() {
        plans::reopen(&project, &id, &answer).await?;
        let text =
            format!("{id}: the mission is over; the next `mc mission start` plans it again (`mc plan` shows it)");
        say(context, Some(view.state.mission.as_str()), "next-mission", &text);
        return Ok(0);
    }
    let found = view.state.unit(&id).ok_or_else(|| unknown_unit(unit))?;
    let again = [UnitState::Held, UnitState::Failed, UnitState::Rejected, UnitState::Cancelled];
    if !again.contains(&found.state) {
        let hint = match &found.blocked_by {
            Some(cause) => format!("it waits for {cause}: `mc unit retry {cause}`"),
            None => "only held, failed, rejected and cancelled units can be tried again".to_owned(),
        };
        return Err(CliError::usage(format!("{id} is {}", found.state.name()), hint));
    }
    let Some(mut store) = project.store()? else { return Err(no_mission()) };
    let mission = view.state.mission.as_str();
    // A stop that is decided is gone on with by the next engine; one that waits is withdrawn by the resume.
    let ends = view.ends_on_resume();
    if project.signal(&mut store, "retry-unit", format!("{id}\n{answer}").trim_end())? {
        say(context, Some(mission), "told", &format!("{id}: a fresh start was asked for"));
    } else if ends {
        let text = format!(
            "{id}: the mission is stopping, so that `mc mission resume` ends it without that; {}",
            needs::ANSWER_AGAIN
        );
        say(context, Some(mission), "stopping", &text);
    } else {
        let text = format!("{id}: a fresh start waits for `mc mission resume`");
        say(context, Some(mission), "no-engine", &text);
    }
    Ok(0)
}

pub(super) async fn cancel(context: &Context, unit: &str) -> Result<u8, CliError> {
    let project = context.project().await?;
    match cancel::cancel(&project, unit).await? {
        Asked::Told(id) => {
            say(context, Some(&id), "told", &format!("{unit}: told to be cancelled; `mc status` looks on"))
        }
        Asked::NoEngine(id) => {
            say(context, Some(&id), "no-engine", &format!("{unit}: cancelled; no engine works on mission {id}"));
        }
        Asked::Nothing => {
            let hint = "there is no unfinished mission; `mc units` shows what became of the last one";
            return Err(CliError::usage(format!("there is nothing to cancel in `{}`", plain(unit)), hint));
        }
    }
    Ok(0)
}

pub(super) fn no_mission() -> CliError {
    CliError::usage("there is no mission in this repository yet", "`mc mission start` starts one")
}

pub(super) fn unknown_unit(unit: &str) -> CliError {
    CliError::usage(
        format!("the mission has no unit `{}`", crate::report::text::plain(unit)),
        "`mc units` lists its units",
    )
}
