//! Checks of the machine: programs, containment, disk, memory, clock.

use super::findings::refusal_check;
use crate::adapters::git::{ATTR_SOURCE, Git};
use crate::adapters::host::local::operations::facts::not_contained;
use crate::adapters::host::local::process::probe::probe;
use crate::adapters::host::local::protocol::{Isolation, OURSELVES};
use crate::adapters::os::{Environment, clock, machine};
use crate::config::Settings;
use crate::domain::base::text::format_size;
use crate::domain::detect::checks::Check;
use crate::domain::fence::WantedIsolation;
use crate::domain::values::Tip;
use crate::engine::context::local_workers;
use crate::engine::context::project::Project;
use crate::engine::inspect::views;
use crate::engine::tasks::preflight::{PreflightInput, host_refusal};
use std::ffi::OsStr;
use std::path::Path;

/// Less free disk than this cannot hold a workspace and its build.
const LEAST_DISK: u64 = 1 << 30;

/// What a worker with a small build needs.
const MEMORY_OF_A_WORKER: u64 = 512 << 20;

/// A clock that is this far behind the newest commit is wrong.
const CLOCK_SLACK: u64 = 24 * 3_600 * 1_000;

/// The program that every line of the settings needs.
pub fn check_programs(env: &Environment, checks: &mut Vec<Check>) {
    let path = env.var("PATH").unwrap_or(OsStr::new(""));
    checks.push(match machine::find_program("sh", path, env.cwd()) {
        None => Check::problem("programs", "sh is not on the PATH", "apt-get install dash"),
        Some(_) => Check::ok("programs", "sh is there"),
    });
}

/// Git itself.
pub async fn check_git(on: &PreflightInput<'_>, checks: &mut Vec<Check>) {
    match on.check_git().await {
        Err(refusal) => checks.push(refusal_check("git", refusal)),
        Ok((major, minor)) if (major, minor) < ATTR_SOURCE => {
            let found = format!("git {major}.{minor} merges without the merge attributes of .gitattributes");
            checks.push(Check::warning("git", found, "install git 2.41 or newer"));
        }
        Ok((major, minor)) => checks.push(Check::ok("git", format!("git {major}.{minor}"))),
    }
}

/// How runs are contained here, if they can be.
pub async fn check_isolation(settings: &Settings, checks: &mut Vec<Check>) -> Option<Isolation> {
    let wanted = settings.scheduler.isolation;
    let found = probe(wanted, Path::new(OURSELVES)).await;
    let isolation = found.as_ref().ok().copied();
    checks.push(match found {
        Ok(Isolation::RootNamespace | Isolation::UserNamespace) => Check::ok(
            "isolation",
            "each run has a pid namespace: whatever it starts ends with it, proven by the kernel",
        ),
        Ok(Isolation::Search) if wanted == WantedIsolation::Search => Check::ok(
            "isolation",
            "processes a run leaves are found by search and killed, as scheduler.isolation wants it",
        ),
        Ok(Isolation::Search) => Check::warning(
            "isolation",
            "no pid namespace can be made here: processes a run leaves are found by search, which one that hides can escape",
            "allow user namespaces \
             (`sysctl kernel.unprivileged_userns_clone=1`, or --security-opt of the container)",
        ),
        Err(e) => refusal_check("isolation", host_refusal(not_contained(&e))),
    });
    isolation
}

/// Disk, memory and processors.
pub fn check_resources(project: &Project, settings: &Settings, checks: &mut Vec<Check>) {
    let pool = project.state.pool_in(settings.parallel.pool_dir.as_deref());
    let cap = settings.parallel.max_disk;
    if let Some(free) = machine::free_bytes(&pool) {
        let found = format!(
            "{} free for workspaces in {}, which may use {}",
            format_size(free),
            pool.display(),
            format_size(cap)
        );
        let help =
            "free some space, or set scheduler.parallel.pool_dir to a larger disk and max_disk to what it may use";
        checks.push(if free < LEAST_DISK {
            Check::problem("disk", found, help)
        } else if free < cap {
            let help = "a long mission can fill this disk: set scheduler.parallel.max_disk lower, or pool_dir to a larger disk";
            Check::warning("disk", found, help)
        } else {
            Check::ok("disk", found)
        });
    }
    let beside_hosts = !settings.backend.hosts.is_empty();
    let (workers, processors) = (local_workers(settings), machine::count_processors());
    let memory = machine::free_memory();
    let tight = workers > 0 && memory.is_some_and(|memory| memory / u64::from(workers.max(1)) < MEMORY_OF_A_WORKER);
    let free = memory.map_or_else(String::new, |memory| format!(" and {} of free memory", format_size(memory)));
    let found = match workers {
        0 if beside_hosts => "none on this machine; hosts do the work: `mc hosts check`".to_owned(),
        _ => format!("{workers} workers on {processors} processors{free}"),
    };
    checks.push(if tight || workers as usize > processors.saturating_mul(4) {
        let key = if beside_hosts { "backend.local_workers" } else { "scheduler.parallel.num_workers" };
        let help = format!("set {key} to {} or so", processors.max(1));
        Check::warning("workers", found, help)
    } else {
        Check::ok("workers", found)
    });
}

/// Workspaces that were set aside.
pub fn check_quarantine(project: &Project, checks: &mut Vec<Check>) {
    let Ok(entries) = views::list_quarantined(project) else { return };
    for entry in entries {
        let note = &entry.note;
        let whose = if note.label.is_empty() { String::new() } else { format!("work of {}: ", note.label) };
        let found = format!("a workspace is set aside, {whose}{} ({})", note.why, entry.path.display());
        checks.push(Check::warning("quarantine", found, views::ABOUT_QUARANTINE));
    }
}

/// Whether the clock can be right.
pub async fn check_clock(source: &Git, target: &Tip, checks: &mut Vec<Check>) {
    let told = source.run_text(&["show", "-s", "--format=%ct", target.commit.as_str()]).await;
    let Some(commit) = told.ok().and_then(|text| text.trim().parse::<u64>().ok()) else { return };
    if clock::now().saturating_add(CLOCK_SLACK) < commit.saturating_mul(1_000) {
        let found = "this machine's clock is more than a day behind the newest commit; times in reports will be wrong";
        checks.push(Check::warning("clock", found, "set the clock (`timedatectl set-ntp true`)"));
    }
}
