//! Arguments in, text and exit code out; one file per group of commands.
//!
//! Parsing records what was said ([`args`]); each command then opens what it needs, asks engine or simulator, renders
//! with [`crate::report`] and prints through [`output`].

pub mod args;
pub mod console;
pub mod error;
pub mod output;

mod attach;
mod clean;
mod context;
mod demo;
mod doctor;
mod everywhere;
mod green;
mod hosts;
mod init;
mod mission;
mod pages;
mod place;
mod plan;
mod prove;
mod simulate;
mod status;
mod unit;
mod verify;

use crate::engine::context::wait_for_commands;
use crate::engine::run::signals;
use crate::engine::upkeep::detach;
use args::{
    BacklogCommand, Cli, Command, ConfigCommand, Global, GreenCommand, MissionCommand, PoolCommand, UnitCommand,
};
use clap::Parser;
use context::Context;
use error::CliError;
use hosts::args::HostsCommand;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // A supervisor is started twice a unit: nothing else is done for it.
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(code) = detach::supervise(&args) {
        return ExitCode::from(code);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors; clap knows which goes where.
            let _ = error.print();
            if let Some(meant) = suggest_command(&error, &args) {
                output::write_note(&format!("hint: `mc {meant}`"));
            }
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    trace_to_stderr(&cli.global);
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.print();
            ExitCode::from(error.code())
        }
    }
}

/// The command that a word means which is one of a group: `mc start` is `mc mission start`.
fn suggest_command(error: &clap::Error, args: &[std::ffi::OsString]) -> Option<String> {
    let unknown = error.kind() == clap::error::ErrorKind::InvalidSubcommand;
    let word = args.iter().filter_map(|arg| arg.to_str()).find(|arg| !arg.starts_with('-')).filter(|_| unknown)?;
    let groups = [
        ("mission", &["start", "resume", "stop", "pause", "attach", "list"][..]),
        ("unit", &["retry", "cancel", "diff", "checkout", "log"]),
        ("green", &["rollback"]),
        ("pool", &["prune"]),
        ("backlog", &["check"]),
    ];
    let (group, _) = groups.iter().find(|(_, commands)| commands.contains(&word))?;
    Some(format!("{group} {word}"))
}

/// Warnings of the engine on standard error, more of them with `-v`; never on standard output.
fn trace_to_stderr(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false);
    // Somebody who embeds the library may have set one already.
    let _ = subscriber.try_init();
}

fn run(cli: Cli) -> Result<u8, CliError> {
    let context = Context { global: cli.global };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(CliError::Runtime)?;
    let code = runtime.block_on(async {
        let code = dispatch(&context, cli.command).await;
        wait_for_commands().await;
        code
    });
    // A blocking read of a task that was given up must not keep the process.
    runtime.shutdown_background();
    code
}

async fn dispatch(context: &Context, command: Command) -> Result<u8, CliError> {
    signals::outlive_file_size_limit();
    match command {
        Command::Demo { keep } => demo::demo(context, keep).await,
        Command::Init(wanted) => init::init(context, wanted).await,
        Command::Doctor(wanted) => doctor::doctor(context, &wanted).await,
        Command::Mission(MissionCommand::Start(start)) => mission::start(context, start).await,
        Command::Mission(MissionCommand::Resume { take_over, finish }) => {
            mission::resume(context, take_over, finish).await
        }
        Command::Mission(MissionCommand::Stop { now }) => mission::stop(context, now).await,
        Command::Mission(MissionCommand::Pause) => mission::pause(context).await,
        Command::Mission(MissionCommand::Attach) => attach::attach(context).await,
        Command::Mission(MissionCommand::List { all: false }) => status::list_missions(context).await,
        Command::Mission(MissionCommand::List { all: true }) => everywhere::list_missions(context).await,
        Command::Mission(MissionCommand::Show { mission }) => status::status(context, mission.as_deref()).await,
        Command::Plan { plan } => plan::plan(context, plan.as_deref()).await,
        Command::Status { prometheus: true } => status::metrics(context).await,
        Command::Status { .. } => status::status(context, None).await,
        Command::Units => status::units(context).await,
        Command::Unit(UnitCommand::Show { unit }) => status::unit(context, &unit).await,
        Command::Unit(UnitCommand::Log { unit, attempt, follow, verification }) => match (verification, follow) {
            (true, _) => status::verification(context, &unit, attempt).await,
            (false, true) => unit::follow_log(context, &unit, attempt).await,
            (false, false) => status::log(context, &unit, attempt).await,
        },
        Command::Unit(UnitCommand::Diff { unit, attempt, stat }) => unit::diff(context, &unit, attempt, stat).await,
        Command::Unit(UnitCommand::Checkout { unit, folder, attempt }) => {
            unit::checkout(context, &unit, attempt, folder.as_deref()).await
        }
        Command::Unit(UnitCommand::Retry { unit, say }) => mission::retry(context, &unit, say.as_deref()).await,
        Command::Unit(UnitCommand::Cancel { unit }) => mission::cancel(context, &unit).await,
        Command::Events { follow } => status::events(context, follow).await,
        Command::Report { mission, verify: true, rerun, .. } => prove::report(context, mission.as_deref(), rerun).await,
        Command::Report { mission, format, .. } => status::report(context, mission.as_deref(), format).await,
        Command::Audit => prove::audit(context).await,
        Command::Verify(verify) => verify::verify(context, verify).await,
        Command::Where => place::place(context).await,
        Command::Config(ConfigCommand::Show) => place::config(context),
        Command::Backlog(BacklogCommand::Check { file }) => plan::check(context, file.as_deref()).await,
        Command::Backlog(BacklogCommand::List) => plan::list(context).await,
        Command::Green(GreenCommand::Show) => green::show(context).await,
        Command::Green(GreenCommand::Rollback { target, yes, dry_run }) => {
            green::rollback(context, &target, yes, dry_run).await
        }
        Command::Pool(PoolCommand::List) => place::pool(context).await,
        Command::Pool(PoolCommand::Prune { quarantined }) => place::prune(context, quarantined).await,
        Command::Hosts(HostsCommand::List) => hosts::list::list(context).await,
        Command::Hosts(HostsCommand::Check(check)) => hosts::check::check(context, &check).await,
        Command::Hosts(HostsCommand::Clean(clean)) => hosts::check::clean(context, &clean).await,
        Command::Hosts(HostsCommand::Drain { host }) => hosts::list::drain(context, &host).await,
        Command::Hosts(HostsCommand::Resume { host }) => hosts::list::resume(context, &host).await,
        Command::Simulate(simulate) => simulate::simulate(context, &simulate),
        Command::Clean(clean) => clean::clean(context, &clean).await,
        Command::Worker { root } => Ok(detach::run_worker(&root).await.map(|()| 0)?),
        Command::Completions { shell } => pages::completions(context, shell),
        Command::Man { wanted } => pages::man(context, wanted.as_deref()),
    }
}
