//! `mc mission start|resume|stop|pause` and `mc unit retry`: what changes a mission.

use super::args::Start;
use super::console::Console;
use super::error::CliError;
use super::{Context, output};
use crate::config::Settings;
use crate::domain::mission::{MissionOutcome, UnitState};
use crate::domain::values::UnitId;
use crate::engine::context::local_workers;
use crate::engine::context::project::Project;
use crate::engine::inspect::plans::{self, Offered};
use crate::engine::inspect::views;
use crate::engine::run::mission::{self, Asked, ResumeResult, StartOptions, Wish};
use crate::engine::upkeep::cancel;
use crate::engine::upkeep::detach::{self, Detached};
use crate::report::{View, format_shown_sum, lines, name_items, needs, plan, sanitize, status, word};
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
    print_warnings(&project)?;
    if start.plan.is_none() && !start.detached {
        print_skipped(&project, &start.only).await;
    }
    if start.detach {
        return start_detached(context, &project).await;
    }
    if start.detached {
        detach::leave_session();
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
    let code = console.run_with_view(mission::start(&project, &options, vec![console.observer()])).await?;
    finish_mission(context, &project, code).await
}

async fn start_detached(context: &Context, project: &Project) -> Result<u8, CliError> {
    let log = detach::log_path(project);
    match detach::start(project).await? {
        Detached::Runs(id) => {
            let tell = || {
                output::write_line(&format!("mission {id} runs in the background"));
                output::write_line(&format!("look on: `mc status`, `mc events --follow`, {}", log.display()))
            };
            context.show(|| json!({"schema": 1, "mission": id, "log": log}), tell)
        }
        Detached::Ended { code, said } => {
            said.lines().for_each(|line| output::write_note(&sanitize(line)));
            Ok(code)
        }
    }
}

/// What a start would do, without doing any of it.
async fn dry_run(context: &Context, project: &Project, start: &Start) -> Result<u8, CliError> {
    let settings = project.settings()?;
    let plan_file = start.plan.as_deref();
    let plans::Shown { plan: shown, skipped, fixed, differs } =
        plans::preview_plan(project, plan_file, &start.only).await??;
    // A start would refuse what this refuses.
    mission::check_none_unfinished(project)?;
    plans::read_mission_plan(project, &settings, plan_file, &start.only).await?;
    super::plan::print_backlog_note(project, fixed, differs);
    let tell = || {
        output::write_text(&plan::text(&shown, &skipped));
        let stages = settings.verification.stages.iter();
        let verifies: Vec<String> = stages.map(|stage| format!("{} (`{}`)", stage.name, stage.run)).collect();
        output::write_line(&format!("\nwould verify with {}", sanitize(&verifies.join(", "))));
        let (workers, attempts) = (count_workers(&settings), settings.scheduler.max_attempts);
        let (rounds, green) = (settings.rounds.max_rounds, &settings.green_branch);
        let limits = format!("{rounds} rounds at most, {attempts} attempts per unit");
        output::write_line(&format!("would use {workers} workers, {limits}, green branch {green}"));
        output::write_line("nothing was changed")
    };
    context.show(|| plan::json(&shown, &skipped), tell)
}

/// Units that run at once at most, wherever they do.
fn count_workers(settings: &Settings) -> u32 {
    let hosts = settings.backend.hosts.iter().map(|host| host.max_workers);
    let places = hosts.fold(local_workers(settings), u32::saturating_add);
    if settings.parallel.said { places.min(settings.parallel.num_workers) } else { places }
}

/// What a person should know of the backlog before a mission; one that cannot be read is told of by the start itself.
async fn print_skipped(project: &Project, only: &[String]) {
    let Ok(Ok(Offered { skipped, fixed, differs, .. })) = plans::read_offer(project, only).await else { return };
    super::plan::print_backlog_note(project, fixed, differs);
    if !skipped.is_empty() {
        output::write_note(&format!("note: {}; `mc plan` says why and what helps", name_items(&skipped)));
    }
}

/// Says what a person should know of the settings.
pub(super) fn print_warnings(project: &Project) -> Result<(), CliError> {
    for warning in project.settings()?.warnings {
        output::write_note(&format!("warning: {}", sanitize(&warning)));
    }
    Ok(())
}

pub(super) async fn resume(context: &Context, take_over: Option<String>, finish: bool) -> Result<u8, CliError> {
    let project = context.project().await?;
    // A living engine is told to go on; only without one the mission runs here.
    let told = views::engine_pid(&project).is_some();
    let console = Console::new(&context.global, &project);
    let wish = if finish { Wish::Finish } else { Wish::GoOn };
    match console.run_with_view(mission::resume(&project, take_over.as_deref(), wish, vec![console.observer()])).await?
    {
        ResumeResult::Done(code) if told && views::engine_pid(&project).is_some() => {
            let look = views::read_status(&project, None).await?;
            let id = look.view().map(|view| view.state.mission.to_string()).unwrap_or_default();
            print_answer(context, Some(&id), "told", &format!("mission {id}: told to go on"))?;
            Ok(code)
        }
        ResumeResult::Done(code) => finish_mission(context, &project, code).await,
        ResumeResult::Ended { mission, outcome, code } => {
            let how = word(&outcome);
            let text = format!("nothing to resume: mission {mission} has ended ({how}, exit code {code})");
            print_answer(context, Some(mission.as_str()), "nothing", &text)?;
            Ok(code)
        }
    }
}

/// The last lines after a mission ran here, and its exit code. What has stopped the mission may keep them from being made.
async fn finish_mission(context: &Context, project: &Project, code: u8) -> Result<u8, CliError> {
    match print_last_lines(context, project).await {
        Err(_) if code != 0 => Ok(code),
        said => said.map(|()| code),
    }
}

/// The last lines after a mission ran here.
pub(super) async fn print_last_lines(context: &Context, project: &Project) -> Result<(), CliError> {
    if context.global.json {
        return Ok(());
    }
    let look = views::read_status(project, None).await?;
    if let Some(view) = look.view() {
        if context.global.quiet {
            output::write_line(&status::format_status_line(&view));
        }
        output::write_line(&format!("units: {}", format_shown_sum(&view)));
        let refused = matches!(view.state.outcome, Some((MissionOutcome::Refused, ..)));
        if let Some(names) = views::describe_withheld(project).filter(|_| refused) {
            output::write_line(&format!("{names} (target.verification.env names what they get)"));
        }
        for line in needs::list_left_behind(view.state) {
            output::write_line(&line);
        }
        for line in lines::repository(view.state) {
            output::write_line(&line);
        }
        output::write_line(&format!("next: {}", look.next_command()));
    }
    Ok(())
}

fn print_answer(context: &Context, mission: Option<&str>, asked: &str, text: &str) -> Result<u8, CliError> {
    context.show(|| json!({"schema": 1, "mission": mission, "asked": asked}), || output::write_line(text))
}

/// Says what became of a wish: whether an engine was told, none works, or there is nothing it could be about.
pub(super) fn print_asked(context: &Context, asked: &Asked, text: &str) -> Result<u8, CliError> {
    let (mission, asked) = match asked {
        Asked::Told(id) => (Some(id.as_str()), "told"),
        Asked::NoEngine(id) => (Some(id.as_str()), "no-engine"),
        Asked::Nothing => (None, "nothing"),
    };
    print_answer(context, mission, asked, text)
}

pub(super) async fn stop(context: &Context, now: bool) -> Result<u8, CliError> {
    let project = context.project().await?;
    let console = Console::new(&context.global, &project);
    let asked = console.run_with_view(mission::stop(&project, now, vec![console.observer()])).await?;
    let text = match &asked {
        Asked::Told(id) if now => format!("mission {id}: told to kill, keep and end"),
        Asked::Told(id) => format!("mission {id}: told to end when what runs has landed"),
        Asked::NoEngine(id) if now => {
            let look = views::read_status(&project, None).await?;
            let left = look.view().map(|view| needs::list_left_behind(view.state)).unwrap_or_default();
            let left: String = left.iter().map(|line| format!("\n{line}")).collect();
            format!("mission {id}: ended here, no engine worked on it{left}")
        }
        Asked::NoEngine(id) => {
            let look = views::read_status(&project, None).await?;
            let decided = look.view().filter(View::ends_on_resume).map(|_| look.next_command());
            let decided = decided.map(|next| format!("its end is decided: {next}"));
            let then = decided.unwrap_or_else(|| needs::OF_A_WAITING_STOP.to_owned());
            format!("mission {id}: no engine works on it; {then}")
        }
        Asked::Nothing => "nothing to stop: there is no unfinished mission".to_owned(),
    };
    print_asked(context, &asked, &text)
}

pub(super) async fn pause(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let asked = mission::pause(&project).await?;
    let text = match &asked {
        Asked::Told(id) => format!("mission {id}: told to start nothing new; `mc mission resume` goes on"),
        Asked::NoEngine(id) => {
            format!("mission {id}: no engine works on it, nothing starts before `mc mission resume`")
        }
        Asked::Nothing => "nothing to pause: there is no unfinished mission".to_owned(),
    };
    print_asked(context, &asked, &text)
}

pub(super) async fn retry(context: &Context, unit: &str, answer: Option<&str>) -> Result<u8, CliError> {
    let id = UnitId::new(unit).map_err(|error| CliError::usage(error.to_string(), "`mc units` lists them"))?;
    let project = context.project().await?;
    let look = views::read_status(&project, None).await?;
    let view = look.view().ok_or_else(no_mission)?;
    // A command-line argument holds no NUL; a very long one is cut, so that briefs stay readable.
    let answer: String = answer.unwrap_or_default().chars().take(4_000).collect();
    if view.state.is_over() {
        plans::request_reopen(&project, &id, &answer).await?;
        let text =
            format!("{id}: the mission is over; the next `mc mission start` plans it again (`mc plan` shows it)");
        return print_answer(context, Some(view.state.mission.as_str()), "next-mission", &text);
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
    let told = project.signal(&mut store, "retry-unit", format!("{id}\n{answer}").trim_end())?;
    let (asked, text) = match (told, ends) {
        (true, _) => ("told", "a fresh start was asked for".to_owned()),
        (false, true) => {
            let ends = "the mission is stopping, so that `mc mission resume` ends it without that";
            ("stopping", format!("{ends}; {}", needs::ANSWER_AGAIN))
        }
        (false, false) => ("no-engine", "a fresh start waits for `mc mission resume`".to_owned()),
    };
    print_answer(context, Some(mission), asked, &format!("{id}: {text}"))
}

pub(super) async fn cancel(context: &Context, unit: &str) -> Result<u8, CliError> {
    let project = context.project().await?;
    let asked = cancel::cancel(&project, unit).await?;
    let text = match &asked {
        Asked::Told(_) => format!("{unit}: told to be cancelled; `mc status` looks on"),
        Asked::NoEngine(id) => format!("{unit}: cancelled; no engine works on mission {id}"),
        Asked::Nothing => {
            let hint = "there is no unfinished mission; `mc units` shows what became of the last one";
            return Err(CliError::usage(format!("there is nothing to cancel in `{}`", sanitize(unit)), hint));
        }
    };
    print_asked(context, &asked, &text)
}

pub(super) fn no_mission() -> CliError {
    CliError::usage("there is no mission in this repository yet", "`mc mission start` starts one")
}

pub(super) fn unknown_unit(unit: &str) -> CliError {
    CliError::usage(format!("the mission has no unit `{}`", sanitize(unit)), "`mc units` lists its units")
}
