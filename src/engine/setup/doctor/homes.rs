//! The check of the HOME of verifications: what they find there, and where goes what they write.

use crate::adapters::host::local::machine::homes::{describe_shared, find_homes};
use crate::adapters::host::local::protocol::Isolation;
use crate::adapters::host::settings::PoolKind;
use crate::adapters::os::machine::Scratch;
use crate::config::Settings;
use crate::domain::base::text::name_first;
use crate::domain::detect::checks::Check;
use crate::domain::fence::WantedIsolation;
use crate::engine::context::{Project, host_settings};
use std::path::Path;

/// Names that are told of many.
const TOLD: usize = 8;

/// Tries it where the state directory is, and takes it away again.
pub async fn check_homes(project: &Project, settings: &Settings, isolation: Isolation, checks: &mut Vec<Check>) {
    let told = host_settings(settings, PoolKind::Missions);
    if !told.have_own_home() {
        let found = "verifications have your own HOME, as target.verification.env wants it: what one leaves there can decide about the next";
        checks.push(Check::ok("home", found));
        return;
    }
    let parents = [project.state.root().join("scratch"), project.state.root().to_owned()];
    let Ok(scratch) = Scratch::create_in(&parents[0]) else { return };
    let pool = project.state.pool_in(settings.parallel.pool_dir.as_deref());
    let apart = [project.state.root().to_owned(), pool, project.facts.common_dir.clone()];
    let homes = find_homes(&apart, &project.env, &told, isolation, scratch.path()).await;
    let left = scratch.remove(&parents);
    let names = |names: Vec<&Path>| name_first(names.iter().map(|name| name.display()), TOLD);
    let own = "verifications have a HOME of their own";
    checks.push(match describe_shared(&homes) {
        Some(told) if settings.scheduler.isolation == WantedIsolation::Search => Check::ok("home", told),
        Some(told) => Check::warning(
            "home",
            told,
            "what a verification leaves there can decide about the next: overlays need user namespaces, Linux 5.11 or newer, and a \
             state directory on a local disk",
        ),
        None => match names(homes.overlaid_names().collect()) {
            seen if seen.is_empty() => {
                Check::ok("home", format!("{own}; your home has no folder of a tool that they would find there"))
            }
            seen => Check::ok("home", format!("{own}, where they find {seen}; what they write there is dropped")),
        },
    });
    if let Err(e) = left {
        checks.push(Check::warning("home", format!("remove {}: {e}", parents[0].display()), "remove it by hand"));
    }
}
