//! What the command line says. The doc comments here are the help.

use super::hosts::args::HostsCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Runs coding agents over a git repository for hours and lands only verified work on a green branch.
#[derive(Debug, Parser)]
#[command(name = "mc", version, about, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Look for repository and settings from DIR on
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Read settings from FILE instead of the nearest mission-control.toml
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Print JSON (`"schema": 1`) for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more: every record of a mission, engine messages on standard error; twice for debugging
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Say only how it ended
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a whole mission in under a minute: conflicts, failures, a kill -9 and its resume, in a temporary repository
    Demo {
        /// Keep the temporary repository for a look
        #[arg(long)]
        keep: bool,
    },
    /// Propose settings from the files of this repository, run them once in a clean clone, and write mission-control.toml
    Init(Init),
    /// Say what stands in the way of a mission, and what helps; exit 6 if something does
    Doctor(Doctor),
    /// Start, resume, stop and look at missions
    #[command(subcommand)]
    Mission(MissionCommand),
    /// Show units, waves and overlaps of the backlog or a plan file; changes nothing
    Plan {
        /// Plan file (TOML or JSON) instead of BACKLOG.md
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
    },
    /// Show where the mission stands, who works, what needs you and what to do next
    Status {
        /// Print metrics in the Prometheus text format
        #[arg(long, conflicts_with = "json")]
        prometheus: bool,
    },
    /// List the units of the mission
    Units,
    /// Show one unit, its log, its work; give it up or a fresh start
    #[command(subcommand)]
    Unit(UnitCommand),
    /// Print the mission's journal as JSON lines
    Events {
        /// Wait for new records until the mission ends or no engine is left
        #[arg(long)]
        follow: bool,
    },
    /// Report what a mission did, computed from the journal and from what green contains
    Report {
        /// Mission id; without it the newest
        mission: Option<String>,
        /// Form of the report
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Check every claim of the report against repository, snapshots and runs; exit 4 if one does not hold
        #[arg(long)]
        verify: bool,
        /// With --verify: verify every landed tree once more in a clean workspace
        #[arg(long, requires = "verify")]
        rerun: bool,
    },
    /// Check journal, landings, snapshots and trailers against the repository; exit 4 if something does not hold
    Audit,
    /// Verify one commit as the merge queue would, alone or against a base; exit 4 if it does not pass
    Verify(Verify),
    /// Print the places used for this repository
    Where,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check or list a backlog
    #[command(subcommand)]
    Backlog(BacklogCommand),
    /// Look at the green branch, or take it back
    #[command(subcommand)]
    Green(GreenCommand),
    /// Look at the workspace pool or free its disk space
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Look at the hosts that work runs on, try them, take one out of use
    #[command(subcommand)]
    Hosts(HostsCommand),
    /// Play a plan in the virtual world, with faults, and check the promises after every step
    Simulate(Simulate),
    /// Take away what ended missions left: pins of landed work, runs, logs, unused snapshots and workspaces
    ///
    /// Nothing of an unfinished mission goes, and no work that never landed unless you say so. Journals stay whole.
    Clean(Clean),
    /// Work for an engine on another machine, which asks on standard input and is answered on standard output
    #[command(hide = true)]
    Worker {
        /// Folder of everything that is kept here for engines
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
    },
    /// Print the script that lets a shell complete commands and options
    ///
    /// For bash: mc completions bash > ~/.local/share/bash-completion/completions/mc
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page of mc or of one command, or write those of all commands into a folder
    Man {
        /// A command (`mission`, `mission-start`), or the folder for all pages, made when absent: a path with a slash (./man1)
        #[arg(value_name = "COMMAND|DIR")]
        wanted: Option<PathBuf>,
    },
}

/// `mc init`
#[derive(Debug, Args)]
pub struct Init {
    /// Agent: claude, codex, gemini, opencode, aider, or the command line of any program that reads its brief on standard input
    #[arg(long, value_name = "NAME|COMMAND")]
    pub agent: Option<String>,
    /// What the mission is to reach, in plain words; becomes the first item of a new BACKLOG.md
    #[arg(long, value_name = "TEXT")]
    pub objective: Option<String>,
    /// Show what would be written; run and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask, even on a terminal
    #[arg(short, long)]
    pub yes: bool,
    /// Where there are settings already, write mission-control.toml.new beside them (nothing is ever overwritten)
    #[arg(long)]
    pub force: bool,
    /// Write without running the proposed lines first
    #[arg(long)]
    pub no_baseline: bool,
}

/// `mc doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Run the verification on the target branch in a clean clone
    #[arg(long)]
    pub baseline: bool,
    /// Plant faults in a scratch clone and see whether the gate refuses them; exit 4 if one gets through
    #[arg(long)]
    pub gate: bool,
    /// Start the agent once with a trivial brief in a scratch repository; this may cost money
    #[arg(long)]
    pub agent: bool,
}

/// `mc mission …`
#[derive(Debug, Subcommand)]
pub enum MissionCommand {
    /// Start a mission and run it to its end
    Start(Start),
    /// Go on with an unfinished or paused mission; a stop that no engine has taken is withdrawn
    Resume {
        /// Take the repository over from a state directory on this machine, which must not be at work
        #[arg(long, value_name = "MACHINE")]
        take_over: Option<String>,
        /// Start nothing new: let what runs finish and land, then end the mission
        #[arg(long)]
        finish: bool,
    },
    /// Let running units finish and land, then end the mission
    Stop {
        /// Kill what runs, keep its work under refs/mc, and end
        #[arg(long)]
        now: bool,
    },
    /// Start nothing new until `mc mission resume`
    Pause,
    /// Look on while another process runs the mission; Ctrl-C leaves it running
    Attach,
    /// List the missions of this repository
    List {
        /// The newest mission of every repository known under the state home
        #[arg(long)]
        all: bool,
    },
    /// Show one mission like `mc status`
    Show {
        /// Mission id; without it the newest
        mission: Option<String>,
    },
}

/// `mc mission start`
#[derive(Debug, Args)]
pub struct Start {
    /// Plan file (TOML or JSON) that replaces BACKLOG.md for this mission
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Rounds at most [rounds.max_rounds]
    #[arg(long, value_name = "N")]
    pub rounds: Option<String>,
    /// Units taken per round, 0 for all [rounds.units_per_round]
    #[arg(long, value_name = "N")]
    pub units_per_round: Option<String>,
    /// Agents at once [scheduler.parallel.num_workers]
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
    /// Plan these units only, comma-separated or repeated; what they depend on must be landed or chosen too
    #[arg(long, value_name = "UNIT", value_delimiter = ',')]
    pub only: Vec<String>,
    /// End at this time of day at the latest, local time, like a stop --now [also: scheduler.budget.max_wall_time]
    ///
    /// What became of the units is still written into BACKLOG.md and PROGRESS.md, which may cost one verification.
    #[arg(long, value_name = "HH:MM", value_parser = time_of_day)]
    pub until: Option<(i8, i8)>,
    /// Start nothing more when the next attempt could bring the cost above X US dollars [scheduler.budget.max_per_run_usd]
    ///
    /// An attempt whose cost nobody measured counts as scheduler.budget.max_per_session_usd.
    #[arg(long, value_name = "X")]
    pub max_cost: Option<String>,
    /// Show plan and limits, then leave; changes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Start although tracked files have changes (they are left out)
    #[arg(long)]
    pub allow_dirty: bool,
    /// Take the repository over from a state directory on this machine, which must not be at work; green as it stands, too
    #[arg(long, value_name = "MACHINE")]
    pub take_over: Option<String>,
    /// Go on from where green stands although landings of earlier missions are missing from it
    #[arg(long)]
    pub accept_green: bool,
    /// Go on in the background and print the mission's id
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    /// Set by --detach for the process in the background
    #[arg(long, hide = true, conflicts_with_all = ["dry_run", "detach"])]
    pub detached: bool,
}

/// `7:30` or `07:30` as hour and minute.
fn time_of_day(text: &str) -> Result<(i8, i8), String> {
    let number = |part: &str, end: i8| part.parse().ok().filter(|n| (0..end).contains(n));
    let (hour, minute) = text.split_once(':').filter(|(_, minute)| minute.len() == 2).unzip();
    let read = hour.and_then(|hour| number(hour, 24)).zip(minute.and_then(|minute| number(minute, 60)));
    read.ok_or_else(|| "give a time of day as HH:MM, from 00:00 to 23:59".to_owned())
}

/// `mc unit …`
#[derive(Debug, Subcommand)]
pub enum UnitCommand {
    /// Show a unit with all its attempts and where its work is kept
    Show {
        /// Unit id
        unit: String,
    },
    /// Print the output of a unit's newest attempt
    Log {
        /// Unit id
        unit: String,
        /// Attempt number instead of the newest
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
        /// Print what comes until the attempt ends, and go on with the next one when the unit is tried again
        #[arg(short, long)]
        follow: bool,
        /// Print the whole output of the verifications of its change instead: of the newest one, or of all of attempt N
        #[arg(long, conflicts_with = "follow")]
        verification: bool,
    },
    /// Print the change of a unit's newest attempt that left work, against where it forked from green
    Diff {
        /// Unit id
        unit: String,
        /// Attempt number instead of the newest
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
        /// Print files with the number of changed lines only
        #[arg(long)]
        stat: bool,
    },
    /// Make a separate clone of a unit's work for a look; your repository is left alone
    Checkout {
        /// Unit id
        unit: String,
        /// Folder for it, empty or not there; without it REPOSITORY-UNIT-ATTEMPT beside the repository
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        /// Attempt number instead of the newest that left work
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
    },
    /// Give up a pending, running, queued or held unit; what it made stays pinned under refs/mc
    ///
    /// A running attempt is killed and its work is kept, a queued change is not landed, units that depend on it are blocked.
    /// `mc unit retry` gives it a fresh start while the mission lasts.
    Cancel {
        /// Unit id
        unit: String,
    },
    /// Give a held, failed, rejected or cancelled unit a fresh start
    Retry {
        /// Unit id
        unit: String,
        /// What its next attempt is told, for example the answer to its question
        #[arg(long, value_name = "TEXT")]
        say: Option<String>,
    },
}

/// `mc config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every key with its value and where it comes from
    Show,
}

/// `mc backlog …`
#[derive(Debug, Subcommand)]
pub enum BacklogCommand {
    /// Report every fault with its line; exit 2 if there is one
    Check {
        /// File instead of the repository's BACKLOG.md
        file: Option<PathBuf>,
    },
    /// List every heading and what it was taken for
    List,
}

/// `mc green …`
#[derive(Debug, Subcommand)]
pub enum GreenCommand {
    /// Show where green stands, what landed on it and where it can go back to
    Show,
    /// Move green back to an earlier verified commit and call the units that go rolled back
    ///
    /// Where it stood is pinned under refs/mc/rolled-back first; later missions plan what was taken back again.
    /// Refused while a mission is unfinished.
    Rollback {
        /// Where green goes: a checkpoint (MISSION/ROUND), a commit, or a unit: as it was when that had just landed
        #[arg(value_name = "CHECKPOINT|COMMIT|UNIT")]
        target: String,
        /// Do it without asking
        #[arg(long)]
        yes: bool,
        /// Show what would go; changes nothing
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
    },
}

/// `mc pool …`
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// List the workspaces with their size
    List,
    /// Delete workspaces that nobody uses and that hold no work
    Prune {
        /// Also delete workspaces in quarantine, with whatever is in them: work that could not be collected
        #[arg(long)]
        quarantined: bool,
    },
}

/// `mc simulate`
#[derive(Debug, Args)]
pub struct Simulate {
    /// Plan file (TOML or JSON)
    #[arg(long, value_name = "FILE")]
    pub plan: PathBuf,
    /// First seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Number of seeds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Faults, comma-separated: crash, duplicate, infrastructure, forward, forward-red, back, flaky, person, checked-out, cancel, forged-stop, leftovers, elsewhere, host, drain, or all
    #[arg(long, value_name = "LIST", default_value = "")]
    pub faults: String,
    /// Machines besides this one, each with four workers; `host` and `drain` are their faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub hosts: u16,
    /// Print one line per record
    #[arg(long)]
    pub trace: bool,
}

/// `mc clean`
#[derive(Debug, Args)]
pub struct Clean {
    /// Show what would go; changes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Keep so many of the newest ended missions
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub keep: usize,
    /// Keep missions that ended less long ago, for example 12h or 30d
    #[arg(long, value_name = "DURATION", default_value = "14d")]
    pub older_than: String,
    /// Delete pins of work that never landed too; asks first
    #[arg(long)]
    pub unlanded: bool,
    /// Do it without asking
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
}

/// `mc verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// Commit, branch or tag; without it HEAD. Changes that are not committed are left out
    pub rev: Option<String>,
    /// Compare with BASE, at the commit where REV left it, and judge the difference
    #[arg(long, value_name = "BASE")]
    pub base: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = VerifyFormat::Text)]
    pub format: VerifyFormat,
    /// Run the stages in a workspace without ignored files, although the same tree was verified before; both runs count
    #[arg(long)]
    pub fresh: bool,
}

/// Form of what a verification says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// JUnit XML, for CI systems that show tests
    Junit,
    /// Text and annotations of GitHub Actions, and the summary of the job
    Github,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// Markdown for a pull request or a chat
    Md,
    /// For programs
    Json,
}
